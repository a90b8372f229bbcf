//! What a SQLite schema says: tables, columns, indexes, foreign keys, as read, nothing decided.

use serde::{Deserialize, Serialize};

/// The storage classes of SQLite values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageClass {
    /// No value.
    Null,
    /// A 64-bit signed integer.
    Integer,
    /// A 64-bit float.
    Real,
    /// A string in the database's encoding.
    Text,
    /// Bytes.
    Blob,
}

impl StorageClass {
    /// The name, as `typeof` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Text => "text",
            Self::Blob => "blob",
        }
    }

    /// A byte for it.
    pub fn code(self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Integer => 1,
            Self::Real => 2,
            Self::Text => 3,
            Self::Blob => 4,
        }
    }

    /// The class that has this byte.
    pub fn of_code(code: u8) -> Option<Self> {
        let all = [Self::Null, Self::Integer, Self::Real, Self::Text, Self::Blob];
        all.into_iter().find(|class| class.code() == code)
    }
}

/// The affinity that SQLite gives a column by its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// The type's name contains INT.
    Integer,
    /// It contains CHAR, CLOB or TEXT.
    Text,
    /// It contains BLOB, or there is none.
    Blob,
    /// It contains REAL, FLOA or DOUB.
    Real,
    /// Everything else.
    Numeric,
}

impl Affinity {
    /// The affinity of a declared type, by the rules of <https://www.sqlite.org/datatype3.html>, section 3.1.
    pub fn of(declared: &str) -> Self {
        let name = declared.to_ascii_uppercase();
        let has = |word: &str| name.contains(word);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || name.trim().is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}

/// All tables that hold rows, and what else was found.
#[derive(Debug, Clone, Default)]
pub struct SourceSchema {
    /// Ordinary tables in the byte order of their names.
    pub tables: Vec<SourceTable>,
    /// Objects that hold no rows of their own to move (views, triggers, virtual tables): kind, name and SQL.
    pub left_behind: Vec<(String, String, String)>,
    /// Tables that SQLite gives no row of.
    pub unreadable: Vec<UnreadableTable>,
}

/// A table that SQLite gives no row of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnreadableTable {
    /// Its name.
    pub name: String,
    /// Why, in SQLite's words.
    pub reason: String,
    /// Whether that is damage to the file; else SQLite cannot make sense of the table whatever its state.
    pub damaged: bool,
}

/// One ordinary table.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// The name as stored.
    pub name: String,
    /// Columns in order, generated ones included.
    pub columns: Vec<SourceColumn>,
    /// The primary key's columns in key order, as positions in `columns`; empty where there is none.
    pub primary_key: Vec<usize>,
    /// The column that is another name for the rowid.
    pub rowid_alias: Option<usize>,
    /// Whether the table is WITHOUT ROWID.
    pub without_rowid: bool,
    /// An unshadowed name of the rowid (`rowid`, `_rowid_` or `oid`); none for WITHOUT ROWID tables, and none where
    /// columns have all three names.
    pub rowid_name: Option<&'static str>,
    /// Whether the key is AUTOINCREMENT.
    pub autoincrement: bool,
    /// The highest rowid ever given out, as sqlite_sequence has it.
    pub sequence: Option<i64>,
    /// Indexes in name order, those behind UNIQUE and PRIMARY KEY included.
    pub indexes: Vec<SourceIndex>,
    /// Foreign keys in the order of their declaration.
    pub foreign_keys: Vec<SourceForeignKey>,
    /// CHECK constraints of the table and of its columns.
    pub checks: Vec<SourceCheck>,
    /// What could not be learnt about the table, in sentences for the plan.
    pub notes: Vec<String>,
}

/// One column.
#[derive(Debug, Clone)]
pub struct SourceColumn {
    /// The name as stored.
    pub name: String,
    /// The declared type, empty where there is none.
    pub declared: String,
    /// Whether NOT NULL is declared.
    pub not_null: bool,
    /// The DEFAULT's SQL.
    pub default: Option<String>,
    /// The collation, upper case: BINARY unless declared.
    pub collation: String,
    /// The expression of a generated column; empty where the CREATE TABLE could not be parsed.
    pub generated: Option<String>,
    /// Whether it is ANY of a STRICT table, which converts nothing: elsewhere ANY is numeric.
    pub any: bool,
}

/// One CHECK constraint.
#[derive(Debug, Clone)]
pub struct SourceCheck {
    /// The constraint's name, where it has one.
    pub name: Option<String>,
    /// The expression's SQL.
    pub expression: String,
}

/// Where an index comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexOrigin {
    /// CREATE INDEX.
    Create,
    /// A UNIQUE constraint.
    Unique,
    /// The PRIMARY KEY.
    PrimaryKey,
}

/// One index.
#[derive(Debug, Clone)]
pub struct SourceIndex {
    /// The name, `sqlite_autoindex_…` for constraints.
    pub name: String,
    /// Where it comes from.
    pub origin: IndexOrigin,
    /// Whether it is unique.
    pub unique: bool,
    /// Key columns in order.
    pub columns: Vec<SourceIndexColumn>,
    /// The WHERE of a partial index.
    pub predicate: Option<String>,
    /// The CREATE INDEX text, where there is one.
    pub sql: Option<String>,
}

/// One key column of an index.
#[derive(Debug, Clone)]
pub struct SourceIndexColumn {
    /// The column's position, or the expression's SQL with the COLLATE that it may have; `rowid` where the rowid has
    /// no column.
    pub key: Result<usize, String>,
    /// Whether it sorts downwards.
    pub descending: bool,
    /// The collation, upper case.
    pub collation: String,
}

impl SourceIndexColumn {
    /// Whether it sorts by a collation of SQLite's own, and not by one that the application alone knows.
    pub fn is_comparable(&self) -> bool {
        is_comparable(&self.collation)
    }
}

/// Whether a collation, in upper case, is one of SQLite's own.
pub fn is_comparable(collation: &str) -> bool {
    ["BINARY", "NOCASE", "RTRIM"].contains(&collation)
}

/// When a foreign key is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deferral {
    /// At each statement.
    #[default]
    Immediate,
    /// DEFERRABLE INITIALLY DEFERRED: at the commit.
    Deferred,
}

/// What a foreign key does when its parent goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignKeyAction {
    /// NO ACTION
    NoAction,
    /// RESTRICT
    Restrict,
    /// SET NULL
    SetNull,
    /// SET DEFAULT
    SetDefault,
    /// CASCADE
    Cascade,
}

impl ForeignKeyAction {
    /// The words as SQL has them.
    pub fn sql(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
            Self::Cascade => "CASCADE",
        }
    }
}

/// One foreign key.
#[derive(Debug, Clone)]
pub struct SourceForeignKey {
    /// The child's columns, as positions.
    pub columns: Vec<usize>,
    /// The parent table's name as written.
    pub parent: String,
    /// The parent's columns as written; empty means its primary key.
    pub parent_columns: Vec<String>,
    /// ON UPDATE.
    pub on_update: ForeignKeyAction,
    /// ON DELETE.
    pub on_delete: ForeignKeyAction,
    /// When it is checked.
    pub deferral: Deferral,
}

#[cfg(test)]
mod tests {
    use super::Affinity;

    #[test]
    fn affinity_follows_the_five_rules_in_their_order() {
        for (declared, expected) in [
            ("BIGINT", Affinity::Integer),
            ("CHARINT", Affinity::Integer),
            ("FLOATING POINT", Affinity::Integer),
            ("VARCHAR(20)", Affinity::Text),
            ("clob", Affinity::Text),
            ("", Affinity::Blob),
            ("BLOB", Affinity::Blob),
            ("DOUBLE PRECISION", Affinity::Real),
            ("STRING", Affinity::Numeric),
            ("DECIMAL(10, 5)", Affinity::Numeric),
            ("DATETIME", Affinity::Numeric),
        ] {
            assert_eq!(Affinity::of(declared), expected, "{declared}");
        }
    }
}
