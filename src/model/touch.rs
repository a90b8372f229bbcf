//! Whether a source is written to while it is moved, and how the changelog of one that is names tables and rows.

use serde::{Deserialize, Serialize};

/// Whether a source is written to while it is moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Motion {
    /// Nobody writes to it, and nothing is installed in it.
    #[default]
    AtRest,
    /// The application goes on, and its changes are followed.
    Moving,
}

/// How a table is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The table's number in the changelog.
    pub number: i64,
    /// What names its rows there.
    pub key: TouchKey,
    /// What is logged.
    pub follow: Follow,
}

/// What names a row in the changelog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TouchKey {
    /// The rowid: it is the key, or there is none.
    Rowid,
    /// The columns of the primary key in key order, by their positions: they outlive a rowid, which a REPLACE gives anew.
    Columns(Vec<usize>),
}

/// Which changes of a table are logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    /// All of them.
    #[default]
    All,
    /// Updates and deletes: new rows are those above the highest rowid seen, in a table that only grows.
    Append,
}

/// A part of the changelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touches {
    /// The touch before the first one.
    pub after: i64,
    /// The last one.
    pub last: i64,
}

impl Touches {
    /// How many there are.
    pub fn count(self) -> u64 {
        u64::try_from(self.last.saturating_sub(self.after)).unwrap_or(0)
    }
}

impl TouchKey {
    /// How many columns of the changelog it takes.
    pub fn columns(&self) -> usize {
        match self {
            Self::Rowid => 1,
            Self::Columns(positions) => positions.len(),
        }
    }
}
