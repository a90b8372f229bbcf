//! What a file is beside its rows, as a restore makes it again.

use super::capture::OURS;
use super::failure::refused;
use crate::error::Result;
use crate::model::{OriginalFile, SchemaObject, Statistic};
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row};

/// Reads what `main` is beside its rows. Texts that are no UTF-8 are told as well as can be.
///
/// # Errors
///
/// A file that cannot be read.
pub fn original(connection: &Connection) -> Result<OriginalFile> {
    read(connection).map_err(refused)
}

fn read(connection: &Connection) -> rusqlite::Result<OriginalFile> {
    let journal: String = one(connection, "PRAGMA main.journal_mode")?;
    Ok(OriginalFile {
        encoding: one(connection, "PRAGMA main.encoding")?,
        page_size: one(connection, "PRAGMA main.page_size")?,
        auto_vacuum: one(connection, "PRAGMA main.auto_vacuum")?,
        user_version: one(connection, "PRAGMA main.user_version")?,
        application_id: one(connection, "PRAGMA main.application_id")?,
        write_ahead: journal == "wal",
        objects: objects(connection)?,
        sequences: sequences(connection)?,
        statistics: statistics(connection)?,
    })
}

fn one<T: FromSql>(connection: &Connection, sql: &str) -> rusqlite::Result<T> {
    connection.query_row(sql, [], |row| row.get(0))
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<SchemaObject>> {
    let sql = format!(
        r"SELECT type, name, tbl_name, sql FROM main.sqlite_schema
          WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND NOT {OURS} ORDER BY rowid"
    );
    rows(connection, &sql, |row| {
        Ok(SchemaObject {
            kind: text(row, 0)?.unwrap_or_default(),
            name: text(row, 1)?.unwrap_or_default(),
            table: text(row, 2)?.unwrap_or_default(),
            sql: text(row, 3)?.unwrap_or_default(),
        })
    })
}

fn sequences(connection: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    if !is_there(connection, "sqlite_sequence")? {
        return Ok(Vec::new());
    }
    let sql = "SELECT name, seq FROM main.sqlite_sequence
         WHERE typeof(seq) = 'integer' AND name IS NOT NULL ORDER BY rowid";
    rows(connection, sql, |row| Ok((text(row, 0)?.unwrap_or_default(), row.get(1)?)))
}

fn statistics(connection: &Connection) -> rusqlite::Result<Vec<Statistic>> {
    if !is_there(connection, "sqlite_stat1")? {
        return Ok(Vec::new());
    }
    let sql = "SELECT tbl, idx, stat FROM main.sqlite_stat1 ORDER BY rowid";
    rows(connection, sql, |row| {
        Ok(Statistic { table: text(row, 0)?, index: text(row, 1)?, found: text(row, 2)? })
    })
}

fn is_there(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
    let found: Option<i64> = connection.query_row(sql, [table], |row| row.get(0)).optional()?;
    Ok(found.is_some())
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::original;
    use rusqlite::Connection;

    #[test]
    fn a_file_is_told_but_for_its_rows() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA user_version = 7; PRAGMA application_id = 99;
                 CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT UNIQUE);
                 CREATE INDEX t_a ON t (a DESC);
                 CREATE VIEW v AS SELECT a FROM t;
                 CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = 'x'; END;
                 INSERT INTO t (a) VALUES ('a'), ('b'); DELETE FROM t WHERE a = 'b'; ANALYZE;
                 CREATE TABLE _liteferry_log (seq INTEGER PRIMARY KEY);",
            )
            .unwrap();
        let file = original(&connection).unwrap();
        assert_eq!((file.user_version, file.application_id), (7, 99));
        assert_eq!(file.encoding, "UTF-8");
        let made: Vec<_> =
            file.objects.iter().map(|it| (it.kind.as_str(), it.name.as_str())).collect();
        assert_eq!(made, [("table", "t"), ("index", "t_a"), ("view", "v"), ("trigger", "g")]);
        assert_eq!(file.sequences, [("t".into(), 2)]);
        assert!(file.statistics.iter().any(|it| it.index.as_deref() == Some("t_a")));
    }
}
