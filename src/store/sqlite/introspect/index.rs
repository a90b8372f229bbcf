//! Indexes: what the pragmas say of each, and from its SQL the expressions and the predicate.

use super::objects::sql_of;
use super::query::rows;
use crate::error::{Place as _, Result};
use crate::model::{IndexOrigin, SourceIndex, SourceIndexColumn};
use crate::store::sqlite::declaration;
use rusqlite::Connection;

/// An index as PRAGMA index_list has it.
pub(super) struct ListedIndex {
    name: String,
    unique: bool,
    pub(super) origin: IndexOrigin,
    partial: bool,
}

/// A column of the key in whose order the rows of a table without rowids lie.
#[derive(Debug)]
pub(in crate::store::sqlite) struct KeyColumn {
    pub(in crate::store::sqlite) name: String,
    pub(in crate::store::sqlite) collation: String,
    pub(in crate::store::sqlite) descending: bool,
}

/// That key, and the name of its index; none where a table has rowids.
pub(in crate::store::sqlite) fn stored_key(
    connection: &Connection,
    table: &str,
) -> Result<Option<(String, Vec<KeyColumn>)>> {
    let sql = "SELECT i.name FROM pragma_table_list(?1) AS t, pragma_index_list(?1, 'main') AS i
               WHERE t.schema = 'main' AND t.wr AND i.origin = 'pk'";
    let Some(index) = rows(connection, sql, [table], |row| row.get(0))?.pop() else {
        return Ok(None);
    };
    let columns = rows(
        connection,
        "SELECT name, \"desc\", coll FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 ORDER BY seqno",
        [&index],
        |row| {
            Ok(KeyColumn {
                name: row.get(0)?,
                descending: row.get(1)?,
                collation: row.get::<_, String>(2)?.to_ascii_uppercase(),
            })
        },
    )?;
    Ok(Some((index, columns)))
}

/// The indexes of a table, by name.
pub(super) fn list(connection: &Connection, table: &str) -> Result<Vec<ListedIndex>> {
    rows(
        connection,
        "SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1, 'main') ORDER BY name",
        [table],
        |row| {
            Ok(ListedIndex {
                name: row.get(0)?,
                unique: row.get(1)?,
                origin: match row.get::<_, String>(2)?.as_str() {
                    "pk" => IndexOrigin::PrimaryKey,
                    "u" => IndexOrigin::Unique,
                    _ => IndexOrigin::Create,
                },
                partial: row.get(3)?,
            })
        },
    )
}

/// Reads the listed indexes; of those whose text is needed and cannot be parsed there is a note.
pub(super) fn read(
    connection: &Connection,
    listed: Vec<ListedIndex>,
    notes: &mut Vec<String>,
) -> Result<Vec<SourceIndex>> {
    let mut indexes = Vec::with_capacity(listed.len());
    for listed in listed {
        let place = format!("index {}", listed.name);
        indexes.extend(index(connection, listed, notes).at(|| place)?);
    }
    Ok(indexes)
}

/// One index, or a note where its text is needed and cannot be parsed: a partial unique index without its predicate
/// would be another constraint.
fn index(
    connection: &Connection,
    listed: ListedIndex,
    notes: &mut Vec<String>,
) -> Result<Option<SourceIndex>> {
    let keys = rows(
        connection,
        "SELECT cid, \"desc\", coll FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 ORDER BY seqno",
        [&listed.name],
        |row| {
            Ok(ListedKey {
                column: row.get(0)?,
                descending: row.get(1)?,
                collation: row.get::<_, String>(2)?.to_ascii_uppercase(),
            })
        },
    )?;
    let sql = sql_of(connection, "index", &listed.name)?;
    let mut texts = Vec::new();
    let mut predicate = None;
    if listed.partial || keys.iter().any(|key| key.column == EXPRESSION) {
        match declaration::index(sql.as_deref().unwrap_or_default()) {
            Ok(declared) => (texts, predicate) = (declared.keys, declared.predicate),
            Err(reason) => {
                let (name, sql) = (&listed.name, sql.unwrap_or_default());
                notes.push(format!("its index {name} could not be parsed ({reason}): {sql}"));
                return Ok(None);
            }
        }
    }
    let columns =
        keys.into_iter().enumerate().map(|(at, key)| index_column(key, texts.get(at))).collect();
    let ListedIndex { name, unique, origin, .. } = listed;
    Ok(Some(SourceIndex { name, origin, unique, columns, predicate, sql }))
}

/// A key column as PRAGMA index_xinfo has it: -1 is the rowid, -2 an expression.
struct ListedKey {
    column: i64,
    descending: bool,
    collation: String,
}

/// What index_xinfo says instead of a column's position where the key is an expression.
const EXPRESSION: i64 = -2;

fn index_column(key: ListedKey, text: Option<&String>) -> SourceIndexColumn {
    let ListedKey { column, descending, collation } = key;
    // SQLite names the alias of the rowid where there is one, so that -1 stands for a rowid without a column.
    let key = usize::try_from(column).map_err(|_negative| match column {
        EXPRESSION => text.cloned().unwrap_or_default(),
        _ => "rowid".into(),
    });
    SourceIndexColumn { key, descending, collation }
}
