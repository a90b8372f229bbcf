//! Asking SQLite about its schema: the rows of a statement, all of them or as many as a damaged file still gives.

use crate::error::Result;
use crate::store::sqlite::failure::{Unreadable, refused};
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Params, Row};

/// Every row of a statement.
pub(super) fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(parameters, read)?.collect())
        .map_err(refused)
}

/// The one value of a statement.
pub(super) fn one<T: FromSql>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<T> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)))
        .map_err(refused)
}

/// The rows before the first damaged one, and what SQLite says of that.
pub(super) fn rows_as_far_as_readable<T>(
    connection: &Connection,
    sql: &str,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<(Vec<T>, Option<String>)> {
    let mut found = Vec::new();
    let mut scan = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(())
    };
    match scan().map_err(refused) {
        Ok(()) => Ok((found, None)),
        Err(error) => match Unreadable::of(&error) {
            Some(Unreadable::Damaged(reason)) => Ok((found, Some(reason))),
            _ => Err(error),
        },
    }
}

/// A text's bytes, which need not be UTF-8; nothing where there is no text.
pub(super) fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Vec::new(),
    })
}
