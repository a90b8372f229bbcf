//! Virtual tables: what they hold is in tables of their own, which go in like all others and make them whole again. Those
//! whose tables were not given are made anew.

use super::failed;
use crate::error::{Place, Result};
use crate::model::identifier::quoted;
use crate::model::{ObjectKind, OriginalFile, SchemaObject};
use crate::store::sqlite::connection::refused;
use rusqlite::Connection;
use std::collections::BTreeSet;

/// The virtual tables none of whose own tables is given.
pub(super) fn unfilled<'f>(
    file: &'f OriginalFile,
    given: &BTreeSet<String>,
) -> Vec<&'f SchemaObject> {
    let is_unfilled = |object: &&SchemaObject| {
        let mut own = file.shadows().filter(|shadow| is_of(file, shadow, object)).peekable();
        own.peek().is_some() && own.all(|shadow| !given.contains(&shadow.name))
    };
    virtual_tables(file).filter(is_unfilled).collect()
}

/// Takes virtual tables out of the schema, and their own tables with them.
pub(super) fn take_out(
    connection: &Connection,
    file: &OriginalFile,
    unfilled: &[&SchemaObject],
) -> Result<()> {
    for object in unfilled {
        let take_out = || {
            for shadow in file.shadows().filter(|shadow| is_of(file, shadow, object)) {
                connection.execute_batch(&format!("DROP TABLE main.{}", quoted(&shadow.name)))?;
            }
            connection.execute_batch("PRAGMA writable_schema = ON")?;
            let sql = "DELETE FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
            connection.execute(sql, [&object.name])?;
            connection.execute_batch("PRAGMA writable_schema = RESET")
        };
        take_out().map_err(failed).at(|| format!("virtual table {}", object.name))?;
    }
    Ok(())
}

/// Makes virtual tables by their own statements. Full-text indexes of what other tables hold are filled from those.
pub(super) fn make_anew(connection: &Connection, unfilled: &[&SchemaObject]) -> Result<()> {
    for object in unfilled {
        let (name, sql) = (quoted(&object.name), object.sql.as_deref().unwrap_or_default());
        connection
            .execute_batch(sql)
            .map_err(refused)
            .at(|| format!("virtual table {}", object.name))?;
        // No other module knows the word, and none does anything where it does not.
        let rebuild = format!("INSERT INTO main.{name} ({name}) VALUES ('rebuild')");
        let _not_full_text = connection.execute_batch(&rebuild);
    }
    Ok(())
}

fn virtual_tables(file: &OriginalFile) -> impl Iterator<Item = &SchemaObject> {
    file.objects.iter().filter(|object| object.kind == ObjectKind::Table && object.tree.is_none())
}

/// Whether a table is one of a virtual table's: its name is that and another word; where there are several, the longest.
fn is_of(file: &OriginalFile, shadow: &SchemaObject, table: &SchemaObject) -> bool {
    let begins = |object: &&SchemaObject| {
        let rest = shadow.name.strip_prefix(&object.name);
        rest.is_some_and(|rest| rest.starts_with('_'))
    };
    let longest = virtual_tables(file).filter(begins).max_by_key(|object| object.name.len());
    longest.is_some_and(|longest| longest.name == table.name)
}
