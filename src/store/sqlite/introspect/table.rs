//! One table: its columns, its key, its rowid, and what else it says of itself.

use super::objects::sql_of;
use super::query::{one, rows};
use super::{ListedTable, foreign_key, index};
use crate::error::Result;
use crate::model::{IndexOrigin, SourceColumn, SourceTable};
use crate::store::sqlite::declaration::{self, TableDeclaration};
use crate::store::sqlite::failure::Unreadable;
use rusqlite::Connection;

/// Reads the table of this name.
pub(super) fn read(
    connection: &Connection,
    name: &str,
    &ListedTable { without_rowid, strict, .. }: &ListedTable,
) -> Result<SourceTable> {
    let sql = sql_of(connection, "table", name)?.unwrap_or_default();
    let mut notes = Vec::new();
    let declared = declaration::table(&sql).unwrap_or_else(|reason| {
        notes.push(format!(
            "its CREATE TABLE could not be parsed ({reason}): CHECKs, collations, AUTOINCREMENT and deferrability are \
             not known"
        ));
        TableDeclaration::default()
    });
    let (columns, primary_key) = columns(connection, name, &declared, strict)?;
    let indexes = index::list(connection, name)?;
    let key_has_index = indexes.iter().any(|index| index.origin == IndexOrigin::PrimaryKey);
    let rowid_alias = match primary_key.as_slice() {
        // INT PRIMARY KEY and INTEGER PRIMARY KEY DESC look alike but have an index of their own.
        [only] if !without_rowid && !key_has_index => Some(*only),
        _ => None,
    };
    let indexes = index::read(connection, indexes, &mut notes)?;
    let foreign_keys = foreign_key::read(connection, name, &columns, declared.foreign_keys)?;
    let sequence = sequence(connection, name).or_else(|error| match Unreadable::of(&error) {
        // That table is SQLite's own: the rows of this one are none the worse.
        Some(Unreadable::Damaged(reason)) => {
            notes.push(format!("the highest rowid ever given out cannot be read: {reason}"));
            Ok(None)
        }
        _ => Err(error),
    })?;
    Ok(SourceTable {
        rowid_name: if without_rowid { None } else { rowid_name(&columns) },
        sequence,
        autoincrement: declared.autoincrement,
        checks: declared.checks,
        name: name.into(),
        columns,
        primary_key,
        rowid_alias,
        without_rowid,
        indexes,
        foreign_keys,
        notes,
    })
}

/// The columns, and the positions of the key's columns in key order.
fn columns(
    connection: &Connection,
    table: &str,
    declared: &TableDeclaration,
    strict: bool,
) -> Result<(Vec<SourceColumn>, Vec<usize>)> {
    let read = rows(
        connection,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid",
        [table],
        |row| {
            let name: String = row.get(0)?;
            let text = declared.columns.iter().find(|c| c.name.eq_ignore_ascii_case(&name));
            let collation = text.and_then(|text| text.collation.clone());
            let is_generated = matches!(row.get(5)?, 2_i64 | 3);
            let expression = || text.and_then(|text| text.generated.clone()).unwrap_or_default();
            let kind: String = row.get(1)?;
            let column = SourceColumn {
                name,
                any: strict && kind.eq_ignore_ascii_case("ANY"),
                declared: kind,
                not_null: row.get(2)?,
                default: row.get(3)?,
                collation: collation.unwrap_or_else(|| "BINARY".into()),
                generated: is_generated.then(expression),
            };
            Ok((column, row.get::<_, i64>(4)?))
        },
    )?;
    let mut key: Vec<(i64, usize)> = read
        .iter()
        .enumerate()
        .filter(|(_, (_, rank))| *rank > 0)
        .map(|(position, (_, rank))| (*rank, position))
        .collect();
    key.sort_unstable();
    let columns = read.into_iter().map(|(column, _)| column).collect();
    Ok((columns, key.into_iter().map(|(_, position)| position).collect()))
}

/// The first of the rowid's names that no column has.
fn rowid_name(columns: &[SourceColumn]) -> Option<&'static str> {
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
}

/// The highest rowid ever given out, where the table is AUTOINCREMENT and has had a row.
fn sequence(connection: &Connection, table: &str) -> Result<Option<i64>> {
    let kept: bool = one(
        connection,
        "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'sqlite_sequence'",
        [],
    )?;
    if !kept {
        return Ok(None);
    }
    // Applications write to this table too: rows may be doubled, and seq may be anything.
    one(
        connection,
        "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?1 AND typeof(seq) = 'integer'",
        [table],
    )
}
