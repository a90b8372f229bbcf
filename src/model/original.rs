//! What a SQLite file is beside its rows: enough to make it again.

use serde::{Deserialize, Serialize};

/// A SQLite file without its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginalFile {
    /// How its texts are stored: `UTF-8`, `UTF-16le` or `UTF-16be`.
    pub encoding: String,
    /// Bytes of a page.
    pub page_size: u32,
    /// Whether it shrinks by itself: 0 not, 1 at each commit, 2 when it is asked to.
    pub auto_vacuum: u8,
    /// A number that is the application's.
    pub user_version: i32,
    /// Whose file it is.
    pub application_id: i32,
    /// Whether it has a write-ahead log.
    pub write_ahead: bool,
    /// What its schema holds, in the order in which it was made: what SQLite makes by itself is not there, nor what
    /// follows the source.
    pub objects: Vec<SchemaObject>,
    /// The highest number that each table with AUTOINCREMENT has given out.
    pub sequences: Vec<(String, i64)>,
    /// The rows of its tables of statistics.
    pub statistics: Vec<Statistic>,
}

/// What `sqlite_schema` has of a table, an index, a view or a trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SchemaObject {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: String,
    /// The statement that makes it.
    pub sql: String,
}

/// A row of `sqlite_stat1`: what ANALYZE has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistic {
    /// The table.
    pub table: Option<String>,
    /// The index.
    pub index: Option<String>,
    /// What was found.
    pub found: Option<String>,
}
