//! Tables that cannot be moved: named in a way that no name of the target can be, not understood, or damaged.

use super::query::{rows, rows_as_far_as_readable, text};
use crate::error::{Error, Result};
use crate::model::UnreadableTable;
use crate::store::sqlite::failure::{Unreadable, shown};
use rusqlite::Connection;
use std::collections::BTreeSet;

/// Tables whose declaration SQLite passed over, which it does only where a damaged file was accepted.
pub(super) fn not_understood(connection: &Connection) -> Result<Vec<UnreadableTable>> {
    let understood: BTreeSet<Vec<u8>> =
        rows(connection, "SELECT name FROM pragma_table_list WHERE schema = 'main'", [], |row| {
            text(row, 0)
        })?
        .into_iter()
        .collect();
    let (written, broken_off) = rows_as_far_as_readable(
        connection,
        r"SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'",
        |row| text(row, 0),
    )?;
    let unknown = written.iter().filter(|&name| !understood.contains(name));
    let mut unreadable: Vec<_> = unknown
        .map(|name| UnreadableTable {
            name: shown(name),
            reason: "SQLite does not understand its CREATE TABLE".into(),
            damaged: true,
        })
        .collect();
    unreadable.extend(broken_off.map(|reason| UnreadableTable {
        name: "sqlite_schema".into(),
        reason: format!(
            "{reason}: the list of tables breaks off, and those behind cannot be named"
        ),
        damaged: true,
    }));
    Ok(unreadable)
}

/// The table's name; else its name or that of a part is no UTF-8, as every name of the target must be.
pub(super) fn utf8_name<'a>(
    connection: &Connection,
    name: &'a [u8],
) -> Result<&'a str, UnreadableTable> {
    let misnamed = |whose: &str| UnreadableTable {
        name: shown(name),
        reason: format!("{whose} is not UTF-8: rename it in the source"),
        damaged: false,
    };
    let text = str::from_utf8(name).map_err(|_not_utf8| misnamed("its name"))?;
    match misnamed_part(connection, text) {
        Some(part) => Err(misnamed(&format!("the name of its {part}"))),
        None => Ok(text),
    }
}

/// A table of which something cannot be read; an error that is about something else is passed on.
pub(super) fn because_of(error: Error, table: &str) -> Result<UnreadableTable> {
    let name = shown(table.as_bytes());
    match Unreadable::of(&error) {
        Some(why) => Ok(UnreadableTable {
            name,
            reason: why.reason().into(),
            damaged: matches!(why, Unreadable::Damaged(_)),
        }),
        None => Err(error.at(format!("table {name}"))),
    }
}

/// The first column or index of a table that no name of the target can name, in words.
fn misnamed_part(connection: &Connection, table: &str) -> Option<String> {
    let names = rows(
        connection,
        "SELECT 'column', name FROM pragma_table_xinfo(?1, 'main')
         UNION ALL SELECT 'index', name FROM pragma_index_list(?1, 'main')",
        [table],
        |row| Ok((row.get::<_, String>(0)?, text(row, 1)?)),
    );
    // What cannot be listed is told where the table is read.
    let names = names.unwrap_or_default();
    let misnamed = names.iter().find(|(_, name)| str::from_utf8(name).is_err());
    misnamed.map(|(kind, name)| format!("{kind} {}", shown(name)))
}
