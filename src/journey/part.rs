//! A part of a table that one worker of the census looks at, and what is asked of its columns.

use super::Setting;
use crate::config::Pipeline;
use crate::error::{Error, Place, Result};
use crate::model::{
    Probe, RowRange, SourceColumn, SourceTable, TableEvidence, TargetTable, UnreadableTable,
};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::{fit, types};
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::salvage::Unreadable;
use crate::store::sqlite::{census, slices};

/// What it takes to look at a part of a table.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) reader: &'a Reader,
    pub(super) table: &'a SourceTable,
    pub(super) probes: &'a [Probe],
    pub(super) stretch_bytes: u64,
    /// Bytes that are looked at in one state, at most, of a table that rowids do not divide.
    pub(super) piece_bytes: u64,
    /// Whether some of its rows tell enough.
    pub(super) sampled: bool,
    pub(super) setting: Setting<'a>,
}

impl Part<'_> {
    /// Looks at the rows of a range.
    pub(super) fn take(self, range: RowRange) -> Result<TableEvidence> {
        let Self { reader, table, probes, stretch_bytes, piece_bytes, sampled, setting } = self;
        let bytes = (stretch_bytes, piece_bytes);
        let mut tick = |rows, bytes| {
            setting.progress.tell(Event::Rows { table: table.name.clone(), rows, bytes });
            reach(Step::CensusPassing);
            setting.stop.check()
        };
        if sampled {
            slices::take(reader, table, probes, stretch_bytes, &mut tick)
        } else {
            census::take(reader, table, probes, range, bytes, &mut tick)
        }
    }

    /// The table as one that SQLite cannot make sense of, where that is what the error says.
    pub(super) fn without_sense(self, error: Error) -> Result<UnreadableTable> {
        match Unreadable::of(&error) {
            Some(Unreadable::Senseless(reason)) => {
                Ok(UnreadableTable { name: self.table.name.clone(), reason, damaged: false })
            }
            _ => Err(error),
        }
    }
}

/// What the census shall ask of each column.
pub(super) fn probes(
    table: &SourceTable,
    pipeline: &Pipeline,
    target: &[TargetTable],
) -> Result<Vec<Probe>> {
    let names = pipeline.target.identifiers;
    let found =
        fit::table(&names.fold(&table.name), target).at(|| format!("table {}", table.name))?;
    let ask = |column: &SourceColumn| {
        let there = found.map(|found| fit::column(&names.fold(&column.name), found)).transpose();
        there
            .and_then(|there| {
                let said = pipeline.column(&table.name, &column.name);
                types::probe(table, column, said, there.flatten())
            })
            .at(|| format!("column {}", column.name))
    };
    table.columns.iter().map(ask).collect::<Result<_>>().at(|| format!("table {}", table.name))
}
