//! What PostgreSQL cannot hold: keys that are too long for a B-tree, rows that are too wide for a page, and rows that are
//! too large for one piece of memory.
//!
//! A key is compressed before it is too long, and a row's long values move out of it, so that nobody knows what fits
//! before it is there. The census gives bounds: what surely fits is not spoken of, what surely does not is refused,
//! and for the rest there is something instead, or a note.

use crate::error::{Class, Error, Result};
use crate::model::{Column, PgType, SourceTable, TableEvidence, TableSchema};

/// Columns that a table can have.
const COLUMNS_MAX: usize = 1600;
/// Columns that an index can have.
pub(super) const INDEX_COLUMNS_MAX: usize = 32;
/// Bytes of the longest key of a B-tree, after compression.
const KEY_BYTES_MAX: u64 = 2704;
/// What stands around a key and between its columns, at most.
const KEY_OVERHEAD: u64 = 16 + 8 * INDEX_COLUMNS_MAX as u64;
/// Above so many bytes a column of a key is worth a digest, which has 32.
const DIGESTED_BYTES: u64 = 64;

/// Refuses a table that PostgreSQL cannot have, whatever its rows hold.
///
/// # Errors
///
/// [`Class::Undecided`].
pub fn check_columns(table: &SourceTable) -> Result<()> {
    let columns = table.columns.len();
    if columns <= COLUMNS_MAX {
        return Ok(());
    }
    let what = format!("it has {columns} columns, and PostgreSQL's tables {COLUMNS_MAX} at most");
    Err(Error::new(Class::Undecided, what)
        .todo("split it in the source, or drop columns that nobody needs")
        .at(format!("table {}", table.name)))
}

/// One column or expression of an index.
#[derive(Debug, Clone)]
pub(super) struct KeyPart {
    /// As it stands in the index.
    pub sql: String,
    /// Whether it sorts downwards.
    pub descending: bool,
    /// What it holds.
    pub content: Content,
}

/// What a column of an index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A value of a few bytes.
    Short,
    /// Text of so many bytes at most.
    Text(u64),
    /// Bytes, so many at most.
    Bytes(u64),
    /// A document of so many bytes at most, which is compared and not digested.
    Document(u64),
    /// What has no order, and so no place in an index.
    Unordered,
}

impl Content {
    /// What a column of this type holds whose longest value has so many bytes.
    pub(super) fn of(kind: PgType, bytes_max: u64) -> Self {
        match kind {
            PgType::Bytea => Self::Bytes(bytes_max),
            PgType::Jsonb => Self::Document(bytes_max),
            PgType::Json => Self::Unordered,
            kind if kind.is_text() => Self::Text(bytes_max),
            _ => Self::Short,
        }
    }

    fn bytes(self) -> u64 {
        match self {
            // An address is the longest of these.
            Self::Short | Self::Unordered => 24,
            Self::Text(bytes) | Self::Bytes(bytes) | Self::Document(bytes) => bytes,
        }
    }
}

impl KeyPart {
    /// As it stands in a B-tree.
    pub(super) fn sorted(&self) -> String {
        let descending = if self.descending { " DESC" } else { "" };
        format!("{}{descending}", self.sql)
    }

    /// The same, were its values so long.
    pub(super) fn of_bytes(&self, bytes: u64) -> Self {
        let content = match self.content {
            Content::Text(_) => Content::Text(bytes),
            Content::Bytes(_) => Content::Bytes(bytes),
            Content::Document(_) => Content::Document(bytes),
            short @ (Content::Short | Content::Unordered) => short,
        };
        Self { content, ..self.clone() }
    }

    /// As it stands in a unique index that must hold long values: 32 bytes for a long one.
    fn digested(&self) -> String {
        match self.content {
            // A backslash would begin an escape in the text of a bytea. convert_to is not immutable.
            Content::Text(DIGESTED_BYTES..) => {
                format!(r"sha256(replace({}, '\', '\\')::bytea)", self.sql)
            }
            Content::Bytes(DIGESTED_BYTES..) => format!("sha256({})", self.sql),
            _ => self.sql.clone(),
        }
    }
}

/// What an index does, and on what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The quoted relation.
    pub table: &'a str,
    /// The index's quoted name.
    pub name: &'a str,
    /// Its columns.
    pub parts: &'a [KeyPart],
    /// Its WHERE with the words, or nothing.
    pub predicate: &'a str,
    /// Whether no two rows may have one key.
    pub unique: bool,
}

/// The statement that makes something like it where keys are too long for a B-tree, if there is one, and the note that
/// says so; nothing where they surely fit.
pub(super) fn instead(wanted: Wanted<'_>) -> Option<(Option<String>, String)> {
    let Wanted { table, name, parts, predicate, unique } = wanted;
    let bytes: u64 = parts.iter().map(|part| part.content.bytes()).sum();
    if bytes.saturating_add(KEY_OVERHEAD) <= KEY_BYTES_MAX {
        return None;
    }
    let (sql, what) = match (unique, parts) {
        (false, [part]) => (
            Some(format!("CREATE INDEX {name} ON {table} USING hash ({}){predicate}", part.sql)),
            "it becomes a hash index, which finds values and does not order them",
        ),
        (false, _) => (None, "it is left out"),
        (true, [part]) => (
            Some(format!(
                "ALTER TABLE {table} ADD CONSTRAINT {name} EXCLUDE USING hash ({} WITH =){predicate}",
                part.sql
            )),
            "it becomes an exclusion constraint by hash: values stay unique and are found, but no foreign key and no ON \
             CONFLICT (…) can name it",
        ),
        (true, parts) => {
            let parts: Vec<_> = parts.iter().map(KeyPart::digested).collect();
            let parts = parts.join(", ");
            (
                Some(format!("CREATE UNIQUE INDEX {name} ON {table} ({parts}){predicate}")),
                "it becomes a unique index on the SHA-256 of the long values, which no foreign key and no ON CONFLICT \
                 (…) can name",
            )
        }
    };
    let note = format!(
        "its keys have up to {bytes} bytes, and an index holds {KEY_BYTES_MAX} after compression: where they do not fit, {what}"
    );
    Some((sql, note))
}

/// Refuses rows that surely do not fit a page, and notes those that may not.
pub(super) fn row_width(schema: &TableSchema, evidence: &TableEvidence) -> Result<Vec<String>> {
    match width(schema, evidence) {
        Width::Fits => Ok(Vec::new()),
        Width::Unknown(bytes) => Ok(vec![format!(
            "a row may take {bytes} bytes of a page, which has {ROW_BYTES_MAX}: the load ends where one does not fit"
        )]),
        Width::TooWide(bytes) => Err(Error::new(
            Class::Undecided,
            format!("each row takes {bytes} bytes of a page at least, and a page has {ROW_BYTES_MAX}"),
        )
        .todo("give columns another type in a pipeline file (a small whole number takes 8 bytes as int8, 5 as numeric), or leave columns out of the source")),
    }
}

/// Refuses rows that PostgreSQL has no place for: it builds each in one piece of memory, both to load and to read it.
pub(super) fn too_large(source: &SourceTable, evidence: &TableEvidence) -> Option<Error> {
    let columns = u64::try_from(source.columns.len()).unwrap_or(u64::MAX);
    let most = PIECE_BYTES_MAX - PIECE_SPARE - COLUMN_SPARE.saturating_mul(columns);
    let largest = evidence.largest_row_bytes;
    if largest <= most {
        return None;
    }
    let text = format!("a row has {largest} bytes, and PostgreSQL takes at most {most}");
    let error = Error::new(Class::Data, text).todo(
        "repair it in the source, or leave the row out of it: no type of the target can hold it",
    );
    let of_column = source
        .columns
        .iter()
        .zip(&evidence.columns)
        .find(|(_, seen)| seen.bytes_max.saturating_mul(2) > largest);
    Some(match of_column {
        Some((column, _)) => error.at(format!("column {}", column.name)),
        None => error,
    })
}

/// The largest piece of memory that PostgreSQL gives to anything (`MaxAllocSize`).
const PIECE_BYTES_MAX: u64 = 0x3fff_ffff;
/// What a row needs beside its values, and beside each value, generously.
const PIECE_SPARE: u64 = 4096;
const COLUMN_SPARE: u64 = 64;

/// Bytes of the widest row that a page holds.
const ROW_BYTES_MAX: u64 = 8160;
/// Values that are larger leave the row; smaller ones stay in it.
const TOASTED_BYTES: u64 = 24;

/// Whether the rows fit the pages of PostgreSQL.
#[derive(Debug, PartialEq, Eq)]
enum Width {
    /// All do.
    Fits,
    /// None does: each has so many bytes at least.
    TooWide(u64),
    /// One of so many bytes would not, and may be there.
    Unknown(u64),
}

/// Bounds a table's rows by what the census saw of each column.
fn width(table: &TableSchema, evidence: &TableEvidence) -> Width {
    if evidence.rows == 0 {
        return Width::Fits;
    }
    let unseen = evidence.sample.is_some();
    let nulls = unseen || evidence.columns.iter().any(|seen| seen.nulls > 0);
    let bitmap = if nulls { table.columns.len().div_ceil(8) } else { 0 };
    let header = u64::try_from((23 + bitmap).next_multiple_of(8)).unwrap_or(u64::MAX);
    let (mut least, mut most) = (header, header);
    for (column, seen) in table.columns.iter().zip(&evidence.columns) {
        let (narrow, wide) = bounds(column, seen.bytes_bound());
        let is_always_there = seen.nulls == 0 && !column.may_be_replaced();
        least += if is_always_there { narrow } else { 0 };
        most += if seen.values() == 0 && !unseen { 0 } else { wide };
    }
    if least > ROW_BYTES_MAX {
        Width::TooWide(least)
    } else if most > ROW_BYTES_MAX {
        Width::Unknown(most)
    } else {
        Width::Fits
    }
}

/// Bytes of a value in its row: at least, and at most with what is left free before it.
fn bounds(column: &Column, bytes_max: u64) -> (u64, u64) {
    match column.pg {
        PgType::Bool => (1, 1),
        PgType::Int2 => (2, 2 + 1),
        PgType::Int4 | PgType::Float4 | PgType::Date | PgType::Enum => (4, 4 + 3),
        PgType::Int8 | PgType::Float8 | PgType::Time | PgType::Timestamp | PgType::Timestamptz => {
            (8, 8 + 7)
        }
        PgType::Uuid => (16, 16),
        PgType::Numeric(_) | PgType::Inet | PgType::Cidr | PgType::Jsonb => (3, TOASTED_BYTES),
        PgType::Char(chars) => {
            let bytes = bytes_max.max(chars.into());
            (1, (bytes + 1).min(TOASTED_BYTES))
        }
        PgType::Text | PgType::Varchar(_) | PgType::Bytea | PgType::Json => {
            (1, (bytes_max + 1).min(TOASTED_BYTES))
        }
    }
}
