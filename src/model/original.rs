//! What a SQLite file is besides the rows of its tables: enough to make another one that is the same.
//!
//! What the header holds is told in <https://www.sqlite.org/fileformat2.html#the_database_header>, what a row of the
//! schema holds in <https://www.sqlite.org/schematab.html>.

use super::{RawCell, TextEncoding};
use serde::{Deserialize, Serialize};

/// A SQLite file without its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginalFile {
    /// How its texts are stored.
    pub encoding: TextEncoding,
    /// Bytes of a page.
    pub page_size: u32,
    /// What becomes of free pages.
    pub auto_vacuum: AutoVacuum,
    /// The number that the application keeps there.
    pub user_version: i32,
    /// The number that names the application.
    pub application_id: i32,
    /// Whether it has a write-ahead log.
    pub write_ahead: bool,
    /// Everything that its schema has, in the schema's order; nothing of what follows the source.
    pub objects: Vec<SchemaObject>,
    /// The rows of SQLite's own tables: the highest number that each table with AUTOINCREMENT has given out, statistics.
    pub own_rows: Vec<OwnRow>,
}

/// A row of one of SQLite's own tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRow {
    /// The table.
    pub table: String,
    /// Its rowid.
    pub rowid: i64,
    /// All its cells, and how the bytes of a text are to be read.
    pub cells: Vec<(RawCell, TextEncoding)>,
}

/// What becomes of the free pages of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoVacuum {
    /// They stay.
    #[default]
    None,
    /// They go with each commit.
    Full,
    /// They go when they are told to.
    Incremental,
}

/// A row of the schema, but for the page at which its tree begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaObject {
    /// Its number among them, which orders them.
    pub number: i64,
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Its table's name.
    pub table: String,
    /// The statement that made it; none for the index behind a constraint.
    pub sql: Option<String>,
    /// What holds its content; none for a view, a trigger and a virtual table.
    pub tree: Option<Tree>,
    /// Whether it is a table in which a virtual table keeps what it holds: no plan has it, and its rows are kept whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shadow: bool,
}

/// What an object of a schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A table, virtual ones included.
    Table,
    /// An index.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

/// The kinds of trees in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree {
    /// Rows by their rowids.
    Rowids,
    /// Rows by a key: indexes, and tables WITHOUT ROWID.
    Keys,
}

impl OriginalFile {
    /// The tables whose rows are kept whole, because no plan has them: those in which virtual tables keep what they hold.
    pub fn shadows(&self) -> impl Iterator<Item = &SchemaObject> {
        self.objects.iter().filter(|object| object.is_shadow)
    }
}

impl ObjectKind {
    /// The word that stands in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Index => "index",
            Self::View => "view",
            Self::Trigger => "trigger",
        }
    }

    /// The kind that has this word.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::Table, Self::Index, Self::View, Self::Trigger];
        all.into_iter().find(|kind| kind.name() == name)
    }
}

impl AutoVacuum {
    /// The number that `PRAGMA auto_vacuum` has for it.
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Full => 1,
            Self::Incremental => 2,
        }
    }

    /// The one that has this number.
    pub fn of_number(number: u8) -> Option<Self> {
        let all = [Self::None, Self::Full, Self::Incremental];
        all.into_iter().find(|one| one.number() == number)
    }
}
