//! How large the followed tables are by now, and how much of one is compared in one state: they may have grown far beyond
//! what the plan saw.

use super::Live;
use crate::error::Result;
use crate::model::TableSchema;
use crate::plan::PlannedTable;
use crate::store::sqlite::extent::Extent;
use crate::store::sqlite::read::Reader;

/// Bytes of a table that is compared as a whole though it could be compared piece by piece, which takes longer.
const WHOLE_BYTES: u64 = 512 * 1024 * 1024;
/// The same where nobody commits while it is read.
const WHOLE_BRIEF_BYTES: u64 = 8 * 1024 * 1024;

/// How much is compared in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Bytes of a table that is compared as a whole, at most.
    pub(super) whole_bytes: u64,
    /// Bytes of a piece of another one.
    pub(super) piece_bytes: u64,
}

impl Live<'_> {
    pub(super) fn sizes(&self) -> Sizes {
        let whole_bytes =
            if self.inspected.excludes_writers { WHOLE_BRIEF_BYTES } else { WHOLE_BYTES };
        Sizes { whole_bytes, piece_bytes: self.inspected.piece_bytes(self.pipeline) }
    }

    /// How far the tables reach, in the plan's order; none of those that are not followed, or no more.
    pub(super) fn extents(&self, reader: &Reader) -> Result<Vec<Option<Extent>>> {
        let is_followed =
            |table: &PlannedTable| !self.plan.is_copied(table) && !table.schema.chunks.is_empty();
        let of = |table: &PlannedTable| {
            if is_followed(table) { Extent::of(reader, &table.schema) } else { Ok(None) }
        };
        self.plan.tables.iter().map(of).collect()
    }
}

/// Bytes of a table, about; at least those that the plan saw.
pub(super) fn bytes_of(table: &TableSchema, extent: Option<&Extent>) -> u64 {
    extent.map_or(0, |extent| extent.bytes_from(i64::MIN)).max(table.bytes)
}
