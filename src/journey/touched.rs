//! Whether a source that was touched has changed: a checkpoint, a copy or a VACUUM changes the file and not its content.

use super::{Setting, inspect::Inspected, snapshot, undecided::Undecided};
use crate::error::{Class, Error, Place, Result};
use crate::model::{Chunk, DigestSum, SourceTable, Stretch};
use crate::pipeline::{Event, workers};
use crate::plan::{Plan, PlannedTable};
use crate::proof::Summing;
use crate::store::postgres::ledger::LoadedChunk;
use crate::store::sqlite::content;
use crate::store::sqlite::read::Reader;

/// Reads the whole source again: it must be what the census saw, and what was loaded since. Tables of which the census
/// was a sample may be anything while no row of them is loaded.
///
/// Both are asked, because a change that was undone meanwhile may have been loaded in between.
///
/// # Errors
///
/// [`Class::SourceChanged`] with the table and the rows that changed, or with one of which that cannot be told.
pub(super) fn check_unchanged(
    inspected: &Inspected,
    plan: &Plan,
    undecided: &Undecided,
    loaded: &[LoadedChunk],
    setting: Setting<'_>,
) -> Result<()> {
    refuse_unknown(plan, loaded)?;
    setting.progress.tell(Event::Note(
        "the source file was touched: it is compared with what the census saw".into(),
    ));
    compare_stretches(inspected, plan, setting)?;
    compare_chunks(inspected, plan, undecided, loaded, setting)
}

/// That the source changed, and what to do.
pub(super) fn changed() -> Error {
    Error::new(Class::SourceChanged, "the source changed since this migration began")
        .todo("stop what writes to it, drop what was created with the SQL that `liteferry plan` prints, and begin again")
}

/// Refuses a table that is loaded in part or as a whole, and of which nobody knows what the census did not look at.
fn refuse_unknown(plan: &Plan, loaded: &[LoadedChunk]) -> Result<()> {
    let is_loaded =
        |table: &PlannedTable| loaded.iter().any(|chunk| chunk.table == table.schema.target);
    match plan.tables.iter().find(|table| table.sample.is_some() && is_loaded(table)) {
        None => Ok(()),
        Some(table) => Err(Error::new(
            Class::SourceChanged,
            "the source file was touched after rows were loaded, and the census was a sample: whether rows changed \
             cannot be told",
        )
        .todo(
            "stop what writes to the source, drop what was created with the SQL that `liteferry plan` prints, and begin \
             again; by a full census a source that was only touched is told from one that changed",
        )
        .at(format!("table {}", table.schema.source))),
    }
}

fn compare_stretches(inspected: &Inspected, plan: &Plan, setting: Setting<'_>) -> Result<()> {
    let mut jobs: Vec<(&SourceTable, &Stretch)> = Vec::new();
    for planned in &plan.tables {
        let tables = &inspected.schema.tables;
        let table = tables
            .iter()
            .find(|table| table.name == planned.schema.source)
            .ok_or_else(|| Error::internal("a table that is not in the source"))?;
        jobs.extend(planned.stretches.iter().map(|stretch| (table, stretch)));
    }
    let readers = inspected.readers(setting.workers)?;
    workers::over(&jobs, readers, setting.stop, |reader, &(table, stretch)| {
        let now = content::of(reader, table, stretch.range, &mut || setting.stop.check())?;
        if stretch.content.as_ref() == Some(&now) { Ok(()) } else { Err(changed()) }
            .at(|| stretch.range.to_string())
            .at(|| format!("table {}", table.name))
    })
    .map(drop)
}

fn compare_chunks(
    inspected: &Inspected,
    plan: &Plan,
    undecided: &Undecided,
    loaded: &[LoadedChunk],
    setting: Setting<'_>,
) -> Result<()> {
    let readers = inspected.readers(setting.workers)?;
    workers::over(loaded, readers, setting.stop, |reader, loaded| {
        if sum_now(reader, plan, undecided, loaded, setting)? == loaded.sum {
            return Ok(());
        }
        let mut tables = plan.tables.iter().map(|table| &table.schema);
        let table = tables.find(|table| table.target == loaded.table);
        Err(changed())
            .at(|| format!("chunk {}", loaded.chunk))
            .at(|| format!("table {}", table.map_or(&loaded.table, |table| &table.source)))
    })
    .map(drop)
}

/// The sum of a chunk as it is read from the source as that is now.
fn sum_now(
    reader: &Reader,
    plan: &Plan,
    undecided: &Undecided,
    loaded: &LoadedChunk,
    setting: Setting<'_>,
) -> Result<DigestSum> {
    let number = plan.tables.iter().position(|table| table.schema.target == loaded.table);
    let table = snapshot::table_of(plan, number.unwrap_or(usize::MAX))?;
    let table = &*undecided.table(table, loaded.chunk);
    let range = table
        .chunks
        .get(loaded.chunk)
        .ok_or_else(|| Error::internal("a chunk that is not in the plan"))?;
    let chunk = Chunk { table: number.unwrap_or_default(), number: loaded.chunk, range: *range };
    let mut now = Summing::new(table);
    snapshot::read_source(reader, table, &chunk, &mut now, setting)?;
    Ok(now.finish()?.total())
}
