//! Two columns of a row that tell one instant, so that one bears witness to the other.
//!
//! Wall clocks that a zone showed twice are decided by it, and what differs from it is a misfit.

use super::{CellShape, EpochUnit, Recast};
use serde::{Deserialize, Serialize};

/// Another column of the row, which must tell the same instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Its name in the source.
    pub column: String,
    /// How its cells tell it.
    pub telling: Telling,
    /// Both as the pipeline file has them: `timestamp as unix`.
    pub said: String,
}

/// How the cells of a column tell instants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// How they are read.
    pub read: CellShape,
    /// The zone of wall clocks, where the shape does not name one.
    pub recast: Recast,
}

impl Witness {
    /// The microseconds within which instants are the same: the unit in which the witness counts, a millisecond for
    /// Julian days (SQLite's own clock has no finer ones), a microsecond for texts.
    ///
    /// Both are cut down to whole units of that, so that 12:00:00.75 is what a count of seconds says of 12:00:00.
    pub fn precision(&self) -> i64 {
        match self.telling.read {
            CellShape::Epoch(EpochUnit::Seconds | EpochUnit::CoreData) => 1_000_000,
            CellShape::Epoch(EpochUnit::Milliseconds | EpochUnit::JulianDays) => 1_000,
            _ => 1,
        }
    }
}
