//! Two columns of a row that tell one instant, so that one bears witness to the other.
//!
//! Wall clocks that a zone showed twice are decided by it, and what differs from it is a misfit.

use super::{CellShape, EpochUnit, Recast};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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

/// How wall clocks stand to the numbers of another column, of which nobody has said that they are the same times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Kin {
    /// No row has both.
    #[default]
    Unseen,
    /// In these zones, all rows that have both tell the same times.
    Agrees {
        /// What the numbers count.
        unit: EpochUnit,
        /// The zones' names.
        zones: BTreeSet<String>,
        /// Rows that have both.
        rows: u64,
    },
    /// In no zone.
    Differs,
}

impl Kin {
    /// Adds what another part of the table showed.
    pub fn merge(&mut self, other: &Self) {
        *self = match (std::mem::take(self), other) {
            (Self::Unseen, one) => one.clone(),
            (one, Self::Unseen) => one,
            (
                Self::Agrees { unit, zones, rows },
                Self::Agrees { unit: same, zones: theirs, rows: more },
            ) if unit == *same && !zones.is_disjoint(theirs) => {
                Self::Agrees { unit, zones: &zones & theirs, rows: rows + more }
            }
            _ => Self::Differs,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{EpochUnit, Kin};

    #[test]
    fn parts_of_a_table_agree_in_the_zones_of_all_of_them() {
        let agrees = |unit, zones: &[&str], rows| Kin::Agrees {
            unit,
            zones: zones.iter().map(|&zone| zone.into()).collect(),
            rows,
        };
        let seconds = |zones: &[&str], rows| agrees(EpochUnit::Seconds, zones, rows);
        let merged = |mut one: Kin, other: Kin| {
            one.merge(&other);
            one
        };
        assert_eq!(merged(seconds(&["A", "B"], 2), seconds(&["B", "C"], 3)), seconds(&["B"], 5));
        assert_eq!(merged(Kin::Unseen, seconds(&["A"], 2)), seconds(&["A"], 2));
        assert_eq!(merged(seconds(&["A"], 2), Kin::Unseen), seconds(&["A"], 2));
        assert_eq!(merged(seconds(&["A"], 2), seconds(&["B"], 3)), Kin::Differs);
        assert_eq!(
            merged(seconds(&["A"], 2), agrees(EpochUnit::CoreData, &["A"], 3)),
            Kin::Differs
        );
        assert_eq!(merged(Kin::Differs, seconds(&["A"], 2)), Kin::Differs);
    }
}
