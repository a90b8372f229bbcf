//! What a journey tells whoever watches it: a screen, a log, a test.

use std::fmt::Debug;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phase begins; everything that follows belongs to it.
    Phase(Phase),
    /// So much of a table will pass in this phase.
    Expect {
        /// The table.
        table: String,
        /// Rows to come, those done by an earlier run included.
        rows: u64,
        /// Whether that is an estimate.
        about: bool,
        /// Bytes to come.
        bytes: u64,
    },
    /// Rows have passed.
    Rows {
        /// The table.
        table: String,
        /// How many more.
        rows: u64,
        /// How many bytes more.
        bytes: u64,
    },
    /// Rows that have passed will pass again: what they were part of failed and is done anew.
    Again {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// A step that has no rows to count begins (an index, a constraint).
    Step(String),
    /// Something that is good to know.
    Note(String),
    /// Something that the user should look at.
    Warning(String),
}

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The source's file is checked for damage.
    Check,
    /// Every value is looked at.
    Census,
    /// Tables are created.
    Schema,
    /// Rows are copied.
    Snapshot,
    /// Keys, indexes, sequences, foreign keys.
    Index,
    /// Rows are read back and compared.
    Proof,
    /// A generation of the archive is published.
    Archive,
}

impl Phase {
    /// The word that people and `--json` see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Census => "census",
            Self::Schema => "schema",
            Self::Snapshot => "snapshot",
            Self::Index => "index",
            Self::Proof => "proof",
            Self::Archive => "archive",
        }
    }
}

/// A watcher; called from any thread.
pub trait Progress: Debug + Send + Sync {
    /// Something happened.
    fn tell(&self, event: Event);
}

/// Watches without a word.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn tell(&self, _event: Event) {}
}
