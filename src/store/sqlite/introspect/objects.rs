//! What stands in `sqlite_schema` itself: the text of an object, what is left behind, and the fingerprint of it all.

use super::query::{rows_as_far_as_readable, text};
use crate::error::Result;
use crate::store::sqlite::capture::OURS;
use crate::store::sqlite::failure::refused;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// blake3 of the schema's text, without what SQLite itself keeps there (statistics come and go) and what follows the
/// source, as far as it can be read.
pub fn fingerprint(connection: &Connection) -> Result<String> {
    let (mut objects, _broken_off) = rows_as_far_as_readable(
        connection,
        &format!(
            r"SELECT type || ' ' || name || ' ' || tbl_name, coalesce(CAST(sql AS BLOB), x'') FROM main.sqlite_schema
              WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND NOT {OURS}"
        ),
        |row| Ok((text(row, 0)?, row.get::<_, Vec<u8>>(1)?)),
    )?;
    objects.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for (name, sql) in &objects {
        for part in [name.as_slice(), sql.as_slice()] {
            hasher
                .update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes())
                .update(part);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Views, triggers and virtual tables.
pub(super) fn left_behind(connection: &Connection) -> Result<Vec<(String, String, String)>> {
    let lossy =
        |row: &Row<'_>, at| text(row, at).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (mut found, _broken_off) = rows_as_far_as_readable(
        connection,
        &format!("SELECT CASE type WHEN 'table' THEN 'virtual table' ELSE type END AS kind, name, coalesce(sql, '')
         FROM main.sqlite_schema
         WHERE (type IN ('view', 'trigger') AND NOT {OURS})
            OR (type = 'table' AND name IN (
                SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'))"),
        |row| Ok((lossy(row, 0)?, lossy(row, 1)?, lossy(row, 2)?)),
    )?;
    found.sort_unstable();
    Ok(found)
}

/// The SQL of an object; none where SQLite keeps none, empty where it is not UTF-8.
pub(super) fn sql_of(connection: &Connection, kind: &str, name: &str) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT sql FROM main.sqlite_schema WHERE type = ?1 AND name = ?2")
        .and_then(|mut statement| {
            let bytes = |row: &Row<'_>| Ok(row.get_ref(0)?.as_bytes_or_null()?.map(<[u8]>::to_vec));
            statement.query_row([kind, name], bytes).optional()
        })
        .map(|found| Some(String::from_utf8(found??).unwrap_or_default()))
        .map_err(refused)
}
