//! The schema of a SQLite file as it is: tables, columns, keys, indexes, foreign keys, and what is left behind.
//!
//! Facts come from table-valued pragma functions with bound names, so that no name needs quoting, and always from
//! `main`, so that no TEMP table hides a real one. What only the SQL text tells comes from `declaration`; where
//! that text cannot be parsed the table is still moved, and a note says what is not known. What follows the source is
//! no part of it.

mod foreign_key;
mod index;
mod objects;
mod query;
mod table;
#[cfg(test)]
mod tests;
mod unreadable;

pub(super) use index::{KeyColumn, stored_key};
pub use objects::fingerprint;

use super::capture::OURS;
use crate::error::Result;
use crate::model::{SourceSchema, SourceTable, UnreadableTable};
use crate::store::sqlite::failure::refused;
use query::{rows, text};
use rusqlite::Connection;

/// A table as PRAGMA table_list has it.
struct ListedTable {
    /// Bytes that need not be UTF-8.
    name: Vec<u8>,
    without_rowid: bool,
    strict: bool,
}

/// The whole schema of `main` and its [`fingerprint`], both of one state.
///
/// # Errors
///
/// As [`introspect`].
pub fn with_fingerprint(connection: &Connection) -> Result<(SourceSchema, String)> {
    let state = connection.unchecked_transaction().map_err(refused)?;
    Ok((introspect(&state)?, fingerprint(&state)?))
}

/// Reads the whole schema of `main`. The caller holds a read transaction where the schema must not change meanwhile.
///
/// A table that cannot be made sense of is among the unreadable ones, and keeps no other from being moved.
pub fn introspect(connection: &Connection) -> Result<SourceSchema> {
    let listed = rows(
        connection,
        &format!(
            r"SELECT name, wr, strict FROM pragma_table_list
              WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND NOT {OURS} ORDER BY name"
        ),
        [],
        |row| {
            Ok(ListedTable { name: text(row, 0)?, without_rowid: row.get(1)?, strict: row.get(2)? })
        },
    )?;
    let mut tables = Vec::with_capacity(listed.len());
    let mut unreadable = unreadable::not_understood(connection)?;
    for listed in &listed {
        match table_or_why_not(connection, listed)? {
            Ok(table) => tables.push(table),
            Err(why_not) => unreadable.push(why_not),
        }
    }
    let left_behind = objects::left_behind(connection)?;
    Ok(SourceSchema { tables, left_behind, unreadable })
}

fn table_or_why_not(
    connection: &Connection,
    listed: &ListedTable,
) -> Result<Result<SourceTable, UnreadableTable>> {
    let name = match unreadable::utf8_name(connection, &listed.name) {
        Ok(name) => name,
        Err(misnamed) => return Ok(Err(misnamed)),
    };
    let table = table::read(connection, name, listed);
    table.map_or_else(|error| unreadable::because_of(error, name).map(Err), |table| Ok(Ok(table)))
}
