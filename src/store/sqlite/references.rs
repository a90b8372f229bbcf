//! Rows whose foreign keys refer to nothing: SQLite enforces them only where it is asked to.

use super::connection::refused;
use super::read::Reader;
use crate::error::{Place, Result};
use crate::model::SourceTable;
use crate::model::identifier::quoted;
use rusqlite::{Connection, ErrorCode, params};
use std::collections::BTreeMap;

/// How many rows of a foreign key are named.
const NAMED: usize = 3;
/// How much of a value is shown, in characters.
const SHOWN: usize = 60;

/// What the foreign keys of one table refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Foreign keys that rows violate, in the order of their declaration.
    pub violations: Vec<Violations>,
    /// Why SQLite cannot check them, where it cannot.
    pub unchecked: Option<String>,
}

/// The rows that violate one foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations {
    /// The child's columns.
    pub columns: Vec<String>,
    /// The parent table, as written.
    pub parent: String,
    /// How many rows.
    pub rows: u64,
    /// The first of them, with their values: `rowid 5 (author_id 9)`. None for tables without rowid.
    pub first: Vec<String>,
}

/// Checks all foreign keys of a table.
///
/// # Errors
///
/// A table that cannot be read, or a check that was interrupted.
pub fn check(reader: &Reader, table: &SourceTable) -> Result<References> {
    reader
        .in_one_state(|connection| {
            match references(connection, table) {
                Ok(references) => Ok(references),
                // A parent without a key, an unknown collation: the schema's fault, not the file's.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                    Ok(References { unchecked: Some(error.to_string()), ..References::default() })
                }
                Err(error) => Err(refused(error)),
            }
        })
        .at(|| format!("table {}", table.name))
}

fn references(connection: &Connection, table: &SourceTable) -> rusqlite::Result<References> {
    let mut found: BTreeMap<i64, (Violations, Vec<i64>)> = BTreeMap::new();
    let mut statement =
        connection.prepare("SELECT rowid, parent, fkid FROM pragma_foreign_key_check(?1)")?;
    let mut rows = statement.query(params![table.name])?;
    while let Some(row) = rows.next()? {
        let (rowid, parent, number): (Option<i64>, String, i64) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let (violations, rowids) = found.entry(number).or_insert_with(|| {
            (Violations { columns: Vec::new(), parent, rows: 0, first: Vec::new() }, Vec::new())
        });
        violations.rows += 1;
        rowids.extend(rowid.filter(|_| rowids.len() < NAMED));
    }
    let mut named = Vec::new();
    // SQLite numbers them from the last declaration to the first.
    for (number, (mut violations, rowids)) in found.into_iter().rev() {
        violations.columns = columns(connection, table, number)?;
        for rowid in rowids {
            violations.first.push(row_in_words(connection, table, &violations.columns, rowid)?);
        }
        named.push(violations);
    }
    Ok(References { violations: named, unchecked: None })
}

fn columns(
    connection: &Connection,
    table: &SourceTable,
    number: i64,
) -> rusqlite::Result<Vec<String>> {
    let sql = r#"SELECT "from" FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq"#;
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map(params![table.name, number], |row| row.get(0))?;
    names.collect()
}

fn row_in_words(
    connection: &Connection,
    table: &SourceTable,
    columns: &[String],
    rowid: i64,
) -> rusqlite::Result<String> {
    let Some(name) = table.rowid_name else { return Ok(format!("rowid {rowid}")) };
    let values: Vec<_> = columns
        .iter()
        .map(|column| format!("substr(quote({}), 1, {SHOWN})", quoted(column)))
        .collect();
    let sql =
        format!("SELECT {} FROM {} WHERE {name} = ?1", values.join(", "), quoted(&table.name));
    let shown = connection.query_row(&sql, [rowid], |row| {
        let value = |(position, column)| {
            let bytes = row.get_ref(position)?.as_bytes()?;
            Ok(format!("{column} {}", String::from_utf8_lossy(bytes)))
        };
        columns.iter().enumerate().map(value).collect::<rusqlite::Result<Vec<_>>>()
    })?;
    Ok(format!("rowid {rowid} ({})", shown.join(", ")))
}
