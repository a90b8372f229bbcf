//! Foreign keys, each with its columns in order, its actions, and when it is checked.

use super::query::rows;
use crate::error::{Class, Error, Result};
use crate::model::{Deferral, ForeignKeyAction, SourceColumn, SourceForeignKey};
use crate::store::sqlite::declaration::ForeignKeyDeclaration;
use rusqlite::Connection;

/// A row of PRAGMA foreign_key_list: one column of one key.
struct ForeignKeyPart {
    id: i64,
    parent: String,
    from: String,
    to: Option<String>,
    on_update: String,
    on_delete: String,
}

/// Reads the foreign keys of a table, in the order in which they are declared.
pub(super) fn read(
    connection: &Connection,
    table: &str,
    columns: &[SourceColumn],
    mut declared: Vec<ForeignKeyDeclaration>,
) -> Result<Vec<SourceForeignKey>> {
    // SQLite numbers the keys from the last one declared.
    let parts = rows(
        connection,
        "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete
         FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq",
        [table],
        |row| {
            Ok(ForeignKeyPart {
                id: row.get(0)?,
                parent: row.get(1)?,
                from: row.get(2)?,
                to: row.get(3)?,
                on_update: row.get(4)?,
                on_delete: row.get(5)?,
            })
        },
    )?;
    parts
        .chunk_by(|one, next| one.id == next.id)
        .filter_map(|parts| foreign_key(parts, columns, &mut declared).transpose())
        .collect()
}

fn foreign_key(
    parts: &[ForeignKeyPart],
    columns: &[SourceColumn],
    declared: &mut Vec<ForeignKeyDeclaration>,
) -> Result<Option<SourceForeignKey>> {
    let Some(first) = parts.first() else { return Ok(None) };
    let positions = parts.iter().map(|part| position(columns, &part.from));
    let positions = positions.collect::<Result<_>>()?;
    let parent_columns: Vec<String> = parts.iter().filter_map(|part| part.to.clone()).collect();
    let from: Vec<String> = parts.iter().map(|part| part.from.clone()).collect();
    let matching = declared.iter().position(|key| {
        key.parent.eq_ignore_ascii_case(&first.parent)
            && same_names(&key.columns, &from)
            && same_names(&key.parent_columns, &parent_columns)
    });
    Ok(Some(SourceForeignKey {
        columns: positions,
        parent: first.parent.clone(),
        parent_columns,
        on_update: action(&first.on_update)?,
        on_delete: action(&first.on_delete)?,
        deferral: matching.map_or(Deferral::Immediate, |at| declared.remove(at).deferral),
    }))
}

fn position(columns: &[SourceColumn], name: &str) -> Result<usize> {
    let position = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let missing = || format!("a foreign key names the column {name}, which is not there");
    position.ok_or_else(|| Error::new(Class::Data, missing()))
}

fn same_names(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

fn action(words: &str) -> Result<ForeignKeyAction> {
    match words {
        "NO ACTION" => Ok(ForeignKeyAction::NoAction),
        "RESTRICT" => Ok(ForeignKeyAction::Restrict),
        "SET NULL" => Ok(ForeignKeyAction::SetNull),
        "SET DEFAULT" => Ok(ForeignKeyAction::SetDefault),
        "CASCADE" => Ok(ForeignKeyAction::Cascade),
        other => {
            let what = format!("a foreign key has the unknown action {other}");
            Err(Error::new(Class::Data, what))
        }
    }
}
