//! What became of a source that is followed, so that it cannot be followed further as it is.

use crate::error::{Class, Error};
use std::fmt;

/// Something that changes of rows may have been lost by, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// There is no changelog, or not all of its tables.
    Gone,
    /// There is the changelog of another migration.
    Another {
        /// Whose it is.
        identity: String,
    },
    /// The file is not the one that was read last, but an older copy of it, or one that went another way since.
    Restored,
    /// The log was emptied, so that its numbers began again.
    Emptied {
        /// What was read.
        position: i64,
    },
    /// The log ends before what was read of it already.
    Regressed {
        /// What was read.
        position: i64,
        /// Where it ends.
        last: i64,
    },
    /// Touches behind what was read are missing.
    Gap {
        /// What was read.
        position: i64,
        /// The first one that is there.
        first: i64,
    },
    /// Of touches behind what was read some are missing in between.
    Hole {
        /// How many.
        missing: u64,
        /// What was read.
        position: i64,
        /// How far it was to be read.
        last: i64,
    },
    /// What was read of the log says something else now.
    Rewritten {
        /// What was read.
        position: i64,
    },
    /// Another file has taken the place of the one that is open.
    Replaced,
    /// There is a table that was not there: nothing of it is followed.
    TableAdded {
        /// The table.
        table: String,
    },
    /// A table is gone, or has another name.
    TableGone {
        /// The table.
        table: String,
    },
    /// A table has none of its triggers: it was made anew, or they were dropped.
    Rebuilt {
        /// The table.
        table: String,
    },
    /// Some triggers of a table are gone or changed.
    TriggersChanged {
        /// The table.
        table: String,
        /// Their names.
        triggers: Vec<String>,
    },
    /// A table has other columns.
    ColumnsChanged {
        /// The table.
        table: String,
        /// Those that came.
        added: Vec<String>,
        /// Those that went.
        gone: Vec<String>,
    },
    /// A table is declared otherwise, with the same columns.
    Redeclared {
        /// The table.
        table: String,
    },
    /// Indexes of a table came or changed: which rows a REPLACE deletes may depend on them.
    IndexesChanged {
        /// The table.
        table: String,
        /// Their names.
        indexes: Vec<String>,
    },
    /// Triggers of the application came or changed: they fire before ours, and may keep them from firing.
    ApplicationTriggers {
        /// The table.
        table: String,
        /// Their names.
        triggers: Vec<String>,
    },
    /// A VACUUM numbered the rows of a table without key anew.
    Renumbered {
        /// The table.
        table: String,
    },
}

impl Finding {
    /// The table that it is about, where it is not about the whole source.
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Gone
            | Self::Another { .. }
            | Self::Restored
            | Self::Emptied { .. }
            | Self::Regressed { .. }
            | Self::Gap { .. }
            | Self::Hole { .. }
            | Self::Rewritten { .. }
            | Self::Replaced => None,
            Self::TableAdded { table }
            | Self::TableGone { table }
            | Self::Rebuilt { table }
            | Self::TriggersChanged { table, .. }
            | Self::ColumnsChanged { table, .. }
            | Self::Redeclared { table }
            | Self::IndexesChanged { table, .. }
            | Self::ApplicationTriggers { table, .. }
            | Self::Renumbered { table } => Some(table),
        }
    }

    /// Whether it is the schema that changed, so that the plan must be made again; else the source is another one.
    pub fn class(&self) -> Class {
        match self {
            Self::TableAdded { .. }
            | Self::TableGone { .. }
            | Self::ColumnsChanged { .. }
            | Self::Redeclared { .. }
            | Self::IndexesChanged { .. }
            | Self::ApplicationTriggers { .. } => Class::Undecided,
            _ => Class::SourceChanged,
        }
    }

    /// It as an error, with its place.
    pub fn error(&self) -> Error {
        let error = Error::new(self.class(), self.to_string());
        match self.table() {
            Some(table) => error.at(format!("table {table}")),
            None => error.at("source"),
        }
    }
}

/// What happened, without the table's name.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("its changelog is gone"),
            Self::Another { identity } => {
                write!(f, "it is followed by another migration, {identity}")
            }
            Self::Restored => {
                f.write_str("it is not the file that was followed last: it, or the target, is an older copy of itself")
            }
            Self::Emptied { position } => write!(
                f,
                "its changelog was read up to {position} and was emptied since by somebody: what it said behind that is lost"
            ),
            Self::Regressed { position, last } => write!(
                f,
                "its changelog ends at {last}, though it was read up to {position}: the file is an older one, or its \
                 last writes were lost"
            ),
            Self::Gap { position, first } => write!(
                f,
                "its changelog was read up to {position} and goes on at {first}: somebody deleted what is between, or the \
                 target is an older copy of itself"
            ),
            Self::Hole { missing, position, last } => write!(
                f,
                "its changelog was read up to {position}, and {missing} rows are missing between that and {last}: somebody \
                 deleted them"
            ),
            Self::Rewritten { position } => write!(
                f,
                "its changelog was read up to {position}, and says something else of that now: the file is an older one \
                 that was written to since, or its last writes were lost"
            ),
            Self::Replaced => f.write_str("another file has taken its place"),
            Self::TableAdded { .. } => f.write_str("it is new, and nothing of it is followed"),
            Self::TableGone { .. } => f.write_str("it is gone, or has another name"),
            Self::Rebuilt { .. } => {
                f.write_str("it was made anew, so that its changes are not logged any more")
            }
            Self::TriggersChanged { triggers, .. } => {
                write!(
                    f,
                    "these triggers of its changelog are gone or changed: {}",
                    triggers.join(", ")
                )
            }
            Self::ColumnsChanged { added, gone, .. } => {
                let parts = [("new columns", added), ("columns that are gone", gone)];
                let told = parts.iter().filter(|(_, names)| !names.is_empty());
                let told: Vec<_> =
                    told.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect();
                write!(f, "it has {}", told.join("; "))
            }
            Self::Redeclared { .. } => f.write_str("its CREATE TABLE is another one"),
            Self::IndexesChanged { indexes, .. } => {
                write!(f, "its unique indexes changed: {}", indexes.join(", "))
            }
            Self::ApplicationTriggers { triggers, .. } => write!(
                f,
                "it has triggers that are newer than those of the changelog, fire before them and may keep them from firing: {}",
                triggers.join(", ")
            ),
            Self::Renumbered { .. } => {
                f.write_str("it has no key, and a VACUUM has numbered its rows anew")
            }
        }
    }
}
