//! The parts of tables that are compared with a source that moves, each in a state of its own: chunks, or the whole of a
//! table that is not divided in the target as it is in the source.

use crate::journey::verify;
use crate::model::{Chunk, Partition, RowRange, TableSchema};
use crate::plan::Plan;
use crate::proof::GroupSums;
use crate::store::postgres::read::Portion;
use std::ops::Range;

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The table's place in the plan.
    pub(super) table: usize,
    /// Its number in the table.
    pub(super) number: usize,
    /// What the source has of it.
    pub(super) chunks: Vec<Chunk>,
    /// Bytes of the source, about.
    pub(super) bytes: u64,
}

impl Part {
    /// All parts of the tables that are followed.
    pub(super) fn all(plan: &Plan) -> Vec<Self> {
        let mut parts = Vec::new();
        let tables = plan.tables.iter().enumerate();
        for (table, planned) in tables.filter(|(_, table)| !plan.is_copied(table)) {
            let schema = &planned.schema;
            let chunks = verify::chunks_of(plan, |of, _| of == table);
            let count = u64::try_from(chunks.len()).unwrap_or(u64::MAX).max(1);
            if is_divided(schema) {
                let one = |chunk: Chunk| Self {
                    table,
                    number: chunk.number,
                    chunks: vec![chunk],
                    bytes: schema.bytes / count,
                };
                parts.extend(chunks.into_iter().map(one));
            } else if !chunks.is_empty() {
                parts.push(Self { table, number: 0, chunks, bytes: schema.bytes });
            }
        }
        parts
    }

    /// What the target has of it.
    pub(super) fn portion(&self, table: &TableSchema) -> Portion {
        match (table.partition, self.chunks.first().map(|chunk| chunk.range)) {
            (Partition::Chunks { key }, Some(RowRange::Rowids { first, last })) => {
                Portion::Rowids { column: key, first, last }
            }
            _ => Portion::All,
        }
    }

    /// The groups that its rows are in.
    pub(super) fn groups(&self, table: &TableSchema) -> Range<usize> {
        if is_divided(table) { self.number..self.number + 1 } else { 0..table.groups() }
    }

    /// It in words: which rows of its table.
    pub(super) fn in_words(&self) -> String {
        match self.chunks.as_slice() {
            [chunk] => chunk.range.to_string(),
            _ => RowRange::All.to_string(),
        }
    }

    /// Whether it is the same on both sides.
    pub(super) fn is_equal(
        &self,
        table: &TableSchema,
        source: &GroupSums,
        target: &GroupSums,
    ) -> bool {
        let of = |sums: &GroupSums| sums.groups().get(self.groups(table)).map(<[_]>::to_vec);
        of(source) == of(target)
    }
}

/// Whether the chunks of the source are parts of the target too.
fn is_divided(table: &TableSchema) -> bool {
    matches!(table.partition, Partition::Chunks { .. })
}
