//! The parts of tables that are compared with a source that moves, each in a state of its own, which is not held for
//! longer than a part takes.

use crate::journey::verify;
use crate::model::{Chunk, Partition, RowRange, TableSchema};
use crate::plan::{Plan, PlannedTable};
use crate::proof::GroupSums;
use crate::store::postgres::read::Portion;
use std::ops::Range;

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The table's place in the plan.
    pub(super) table: usize,
    /// Its number in the table, by which the ledger knows it.
    pub(super) number: usize,
    /// What the source has of it.
    pub(super) chunks: Vec<Chunk>,
    /// Bytes of the source, about.
    pub(super) bytes: u64,
    /// How it is compared.
    pub(super) kind: Kind,
}

/// How a part is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A chunk of a table that is divided in the target as it is in the source.
    Chunk,
    /// A chunk of another table: the target's rows are those that have the keys of the source's.
    Keys,
    /// The number of a table's rows: where all keys of the source are there, no others are.
    Count,
    /// A whole table.
    Whole,
}

/// Bytes of a table that is compared as a whole though it could be compared chunk by chunk, which takes longer.
const WHOLE_BYTES: u64 = 512 * 1024 * 1024;
/// The same where nobody commits while it is read.
const WHOLE_BRIEF_BYTES: u64 = 8 * 1024 * 1024;

impl Part {
    /// All parts of the tables that are followed; where nobody commits while they are read, they are small.
    pub(super) fn all(plan: &Plan, excludes_writers: bool) -> Vec<Self> {
        let whole_bytes = if excludes_writers { WHOLE_BRIEF_BYTES } else { WHOLE_BYTES };
        let tables = plan.tables.iter().enumerate().filter(|(_, table)| !plan.is_copied(table));
        tables
            .flat_map(|(table, planned)| Self::of_table(plan, table, planned, whole_bytes))
            .collect()
    }

    fn of_table(plan: &Plan, table: usize, planned: &PlannedTable, whole_bytes: u64) -> Vec<Self> {
        let schema = &planned.schema;
        let chunks = verify::chunks_of(plan, |of, _| of == table);
        let count = chunks.len();
        let bytes = schema.bytes / u64::try_from(count).unwrap_or(u64::MAX).max(1);
        let by_chunk = |kind| {
            let one = move |chunk: Chunk| Self {
                table,
                number: chunk.number,
                chunks: vec![chunk],
                bytes,
                kind,
            };
            chunks.clone().into_iter().map(one)
        };
        // Rows that cannot be read are not counted, and a single chunk is a whole table.
        let is_countable = planned.unreadable.is_empty() && count > 1;
        if is_divided(schema) {
            by_chunk(Kind::Chunk).collect()
        } else if is_countable && schema.bytes > whole_bytes {
            let counted =
                Self { table, number: count, chunks: Vec::new(), bytes, kind: Kind::Count };
            by_chunk(Kind::Keys).chain([counted]).collect()
        } else if chunks.is_empty() {
            Vec::new()
        } else {
            vec![Self::whole(table, schema, chunks)]
        }
    }

    /// A whole table.
    pub(super) fn whole(table: usize, schema: &TableSchema, chunks: Vec<Chunk>) -> Self {
        Self { table, number: chunks.len() + 1, chunks, bytes: schema.bytes, kind: Kind::Whole }
    }

    /// What the target has of it, where that is known without the source's rows.
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
        match (self.kind, self.chunks.as_slice()) {
            (Kind::Count, _) => "the number of its rows".into(),
            (_, [chunk]) => chunk.range.to_string(),
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
