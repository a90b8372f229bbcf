//! Chunks: the unit of work, of retry and of proof.

use super::RowName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which rows of a table: a closed range of rowids, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowRange {
    /// Rowids from `first` to `last`, both included.
    Rowids {
        /// The lowest rowid.
        first: i64,
        /// The highest rowid.
        last: i64,
    },
    /// Every row.
    All,
}

impl RowRange {
    /// What of it lies behind a row of it; none where that is nothing.
    #[must_use]
    pub fn behind(self, row: Option<&RowName>) -> Option<Self> {
        match (self, row) {
            (Self::Rowids { last, .. }, Some(&RowName::Rowid(rowid))) => {
                let first = rowid.checked_add(1).filter(|first| *first <= last)?;
                Some(Self::Rowids { first, last })
            }
            (range, _) => Some(range),
        }
    }
}

impl fmt::Display for RowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rowids { first: i64::MIN, last: i64::MAX } | Self::All => f.write_str("all rows"),
            Self::Rowids { first: i64::MIN, last } => write!(f, "rowids to {last}"),
            Self::Rowids { first, last: i64::MAX } => write!(f, "rowids from {first}"),
            Self::Rowids { first, last } => write!(f, "rowids {first} to {last}"),
        }
    }
}

/// One chunk of one table. The chunks of a table cover all rowids there can be, without overlap, and without gap but for
/// ranges that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The table's position in the plan.
    pub table: usize,
    /// The chunk's number within the table, from 0.
    pub number: usize,
    /// Its rows.
    pub range: RowRange,
}
