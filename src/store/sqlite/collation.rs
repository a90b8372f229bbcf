//! Collations of the application, which SQLite does not have here: without them it does not even scan some tables.
//!
//! What stands in for them compares bytes. That is enough to read whole tables, and for nothing else: an index that the
//! application ordered must not be searched with it.

use rusqlite::{Connection, Result};

/// Lets `connection` read tables whose columns have collations that are not known here.
pub(super) fn stand_in(connection: &Connection) -> Result<()> {
    connection.collation_needed(|connection, name| {
        connection.create_collation(name, |one: &str, other: &str| one.cmp(other))
    })
}

#[cfg(test)]
mod tests {
    use super::stand_in;
    use rusqlite::Connection;

    #[test]
    fn a_table_ordered_by_an_unknown_collation_can_be_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let application = Connection::open(&path).unwrap();
        application.create_collation("backwards", |one: &str, other: &str| other.cmp(one)).unwrap();
        application
            .execute_batch(
                "CREATE TABLE t (a TEXT COLLATE backwards PRIMARY KEY) WITHOUT ROWID;
                 INSERT INTO t VALUES ('x'), ('y')",
            )
            .unwrap();
        let read = |connection: &Connection| {
            let mut statement = connection.prepare("SELECT a FROM t NOT INDEXED")?;
            statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        };
        assert!(read(&Connection::open(&path).unwrap()).is_err());
        let connection = Connection::open(&path).unwrap();
        stand_in(&connection).unwrap();
        assert_eq!(read(&connection).unwrap(), ["y", "x"]);
    }
}
