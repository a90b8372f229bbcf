//! Writes a sample database into a new SQLite file, as fast as SQLite can.
//!
//! Without journal or sync, in one transaction, the indexes after the rows. That is right only for a file that can be
//! made again: an existing file is refused, a failed fill leaves none, and after a killed one it must be removed.

use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::sample::{Cell, Sample};
use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs;
use std::iter::repeat_n;
use std::path::Path;

/// The journal mode that the finished file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Journal {
    /// A rollback journal, SQLite's default.
    #[default]
    Delete,
    /// A write-ahead log.
    Wal,
}

/// Makes the file at `path` and writes every row of the sample; `progress` is told the rows written so far.
pub fn fill<S: Sample>(
    path: &Path,
    sample: &S,
    journal: Journal,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    create_new(path)?;
    write(path, sample, journal, progress)
        .map_err(|error| without_remains(path, error))
        .at(|| format!("sample database {}", path.display()))
}

/// Rows of one INSERT: beyond this SQLite gains nothing, and its bound on parameters is far.
const ROWS_PER_INSERT: u64 = 32;

const SETTINGS_SQL: &str = "
    PRAGMA page_size = 4096;
    PRAGMA encoding = 'UTF-8';
    PRAGMA auto_vacuum = NONE;
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA foreign_keys = OFF;
    PRAGMA cache_size = -65536;
    PRAGMA threads = 2;
";

/// Creates the file, empty; that it does not exist is checked by the same call.
fn create_new(path: &Path) -> Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_empty) => Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::new(Class::Usage, format!("{} exists already", path.display()))
                .todo("name a file that does not exist, or remove it"))
        }
        Err(cause) => {
            Err(Error::new(Class::Access, format!("cannot create {}", path.display()))
                .because(cause))
        }
    }
}

/// Removes the unfinished file, which without a journal is worth nothing.
fn without_remains(path: &Path, error: Error) -> Error {
    match fs::remove_file(path) {
        Ok(()) => error,
        Err(_still_there) => error.todo("remove the unfinished file"),
    }
}

fn write<S: Sample>(
    path: &Path,
    sample: &S,
    journal: Journal,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|cause| failed("cannot open it", cause))?;
    connection.execute_batch(SETTINGS_SQL).map_err(|cause| failed("cannot set it up", cause))?;
    let schema =
        Schema::of(S::SCHEMA_SQL).map_err(|cause| failed("cannot read the schema", cause))?;
    execute(&connection, "BEGIN")?;
    schema.tables.iter().try_for_each(|sql| execute(&connection, sql))?;
    let mut before = 0;
    for (table, rows) in sample.tables() {
        let mut told = |done| progress(before + done);
        insert(&connection, sample, table, rows, &mut told)
            .map_err(|cause| failed("cannot write rows", cause).at(format!("table {table}")))?;
        before += rows;
    }
    schema.others.iter().try_for_each(|sql| execute(&connection, sql))?;
    execute(&connection, "COMMIT")?;
    if journal == Journal::Wal {
        execute(&connection, "PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL")?;
    }
    connection.close().map_err(|(_open, cause)| failed("cannot close it", cause))
}

/// The statements of a schema, apart: what must be there before the rows, and what is faster made after them.
struct Schema {
    tables: Vec<String>,
    others: Vec<String>,
}

impl Schema {
    /// Lets SQLite itself take the script apart.
    fn of(sql: &str) -> rusqlite::Result<Self> {
        let scratch = Connection::open_in_memory()?;
        scratch.execute_batch(sql)?;
        let of_type = |condition: &str| -> rusqlite::Result<Vec<String>> {
            scratch
                .prepare(&format!(
                    "SELECT sql FROM sqlite_schema
                     WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND {condition} ORDER BY rowid"
                ))?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        Ok(Self { tables: of_type("type = 'table'")?, others: of_type("type <> 'table'")? })
    }
}

fn insert<S: Sample>(
    connection: &Connection,
    sample: &S,
    table: S::Table,
    rows: u64,
    progress: &mut dyn FnMut(u64),
) -> rusqlite::Result<()> {
    let columns = connection
        .prepare(&format!("SELECT * FROM {}", quoted(&table.to_string())))?
        .column_count();
    let mut many = connection.prepare(&insert_sql(table, columns, ROWS_PER_INSERT))?;
    let mut one = connection.prepare(&insert_sql(table, columns, 1))?;
    let mut row = Vec::with_capacity(columns);
    let mut done = 0;
    while done < rows {
        let (statement, count) = if rows - done >= ROWS_PER_INSERT {
            (&mut many, ROWS_PER_INSERT)
        } else {
            (&mut one, 1)
        };
        let mut parameter = 0;
        for number in done..done + count {
            sample.row(table, number, &mut row);
            for cell in &row {
                parameter += 1;
                statement.raw_bind_parameter(parameter, cell)?;
            }
        }
        statement.raw_execute()?;
        done += count;
        progress(done);
    }
    Ok(())
}

fn insert_sql(table: impl std::fmt::Display, columns: usize, rows: u64) -> String {
    let row = format!("({})", repeat_n("?", columns).collect::<Vec<_>>().join(", "));
    let values: Vec<_> = (0..rows).map(|_| row.as_str()).collect();
    format!("INSERT INTO {} VALUES {}", quoted(&table.to_string()), values.join(", "))
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|cause| failed(&format!("cannot execute {sql}"), cause))
}

fn failed(what: &str, cause: rusqlite::Error) -> Error {
    let full = cause.sqlite_error_code() == Some(ErrorCode::DiskFull);
    let error =
        Error::new(if full { Class::Temporary } else { Class::Internal }, what).because(cause);
    if full { error.todo("make room on the disk, or ask for fewer rows") } else { error }
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Self::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Journal, fill};
    use crate::error::Class;
    use crate::sample::bench::{self, Bench};
    use crate::sample::trading::{self, Trading};
    use crate::sample::{Cell, Sample};
    use rusqlite::{Connection, OpenFlags, types::Value};
    use std::path::Path;

    fn open(path: &Path) -> Connection {
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    fn one<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str) -> T {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn is_sound(connection: &Connection) {
        assert_eq!(one::<String>(connection, "PRAGMA integrity_check"), "ok");
        assert_eq!(one::<i64>(connection, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    }

    fn trading(rows: u64) -> Trading {
        Trading::new(42, trading::Sizes::for_rows(rows))
    }

    /// Every row of the file, in rowid order, is the sample's row of that number.
    fn holds_the_rows<S: Sample>(connection: &Connection, sample: &S) {
        for (table, rows) in sample.tables() {
            let mut statement =
                connection.prepare(&format!("SELECT * FROM {table} ORDER BY rowid")).unwrap();
            let columns = statement.column_count();
            let mut found = statement.query([]).unwrap();
            let mut expected = Vec::new();
            for number in 0..rows {
                let row = found.next().unwrap().unwrap();
                sample.row(table, number, &mut expected);
                assert_eq!(expected.len(), columns);
                for (column, cell) in expected.iter().enumerate() {
                    let expected = match cell {
                        Cell::Null => Value::Null,
                        Cell::Integer(value) => Value::Integer(*value),
                        Cell::Real(value) => Value::Real(*value),
                        Cell::Text(text) => Value::Text(text.to_string()),
                    };
                    assert_eq!(
                        row.get::<_, Value>(column).unwrap(),
                        expected,
                        "{table} row {number} column {column}"
                    );
                }
            }
            assert!(found.next().unwrap().is_none(), "{table}");
        }
    }

    #[test]
    fn a_filled_trading_database_is_sound_and_holds_the_samples_rows() {
        for rows in [1000, 20_000] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("trading.db");
            let mut told = Vec::new();
            fill(&path, &trading(rows), Journal::Delete, &mut |done| told.push(done)).unwrap();
            let connection = open(&path);
            is_sound(&connection);
            holds_the_rows(&connection, &trading(rows));
            assert_eq!(told.last(), Some(&rows));
            assert!(told.is_sorted());
        }
    }

    #[test]
    fn a_filled_bench_database_is_sound_and_holds_the_samples_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.db");
        let sample = Bench::new(42, bench::Sizes::for_rows(20_000));
        fill(&path, &sample, Journal::Delete, &mut |_| ()).unwrap();
        let connection = open(&path);
        is_sound(&connection);
        holds_the_rows(&connection, &sample);
        assert_eq!(one::<i64>(&connection, "SELECT count(*) FROM pragma_index_list('trades')"), 3);
    }

    #[test]
    fn the_file_has_the_schema_of_the_script_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trading.db");
        fill(&path, &trading(1000), Journal::Delete, &mut |_| ()).unwrap();
        let script = Connection::open_in_memory().unwrap();
        script.execute_batch(Trading::SCHEMA_SQL).unwrap();
        let schema = "SELECT group_concat(type || name || coalesce(sql, ''), ';' ORDER BY name) FROM sqlite_schema";
        assert_eq!(one::<String>(&open(&path), schema), one::<String>(&script, schema));
        assert_eq!(
            one::<i64>(&script, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"),
            6
        );
    }

    #[test]
    fn numeric_columns_mix_storage_classes_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trading.db");
        fill(&path, &trading(20_000), Journal::Delete, &mut |_| ()).unwrap();
        let connection = open(&path);
        for column in ["from_token_amount", "to_token_amount", "price_usd", "volume_usd"] {
            for class in ["integer", "real"] {
                let sql = format!("SELECT count(*) FROM trades WHERE typeof({column}) = '{class}'");
                assert!(one::<i64>(&connection, &sql) > 0, "{column} {class}");
            }
        }
    }

    #[test]
    fn the_journal_mode_is_the_one_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for (journal, mode) in [(Journal::Delete, "delete"), (Journal::Wal, "wal")] {
            let path = folder.path().join(mode);
            fill(&path, &trading(1000), journal, &mut |_| ()).unwrap();
            let connection = Connection::open(&path).unwrap();
            assert_eq!(one::<String>(&connection, "PRAGMA journal_mode"), mode);
            assert_eq!(one::<i64>(&connection, "PRAGMA page_size"), 4096);
            is_sound(&connection);
        }
    }

    #[test]
    fn the_estimated_size_is_near_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let near = |path: &Path, estimate: u64| {
            let bytes = std::fs::metadata(path).unwrap().len();
            assert!(
                (estimate * 9 / 10..=estimate * 11 / 10).contains(&bytes),
                "{bytes} is far from {estimate}"
            );
        };
        let path = folder.path().join("trading.db");
        fill(&path, &trading(20_000), Journal::Delete, &mut |_| ()).unwrap();
        near(&path, trading(20_000).sizes().sqlite_bytes());
        let path = folder.path().join("bench.db");
        let sizes = bench::Sizes::for_rows(20_000);
        fill(&path, &Bench::new(42, sizes), Journal::Delete, &mut |_| ()).unwrap();
        near(&path, sizes.sqlite_bytes());
    }

    #[test]
    fn an_existing_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious.db");
        std::fs::write(&path, "precious").unwrap();
        let error = fill(&path, &trading(1000), Journal::Delete, &mut |_| ()).unwrap_err();
        assert_eq!(error.class(), Class::Usage);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    /// A sample whose second row violates the primary key.
    struct Twice;

    impl Sample for Twice {
        type Table = &'static str;
        const SCHEMA_SQL: &'static str = "CREATE TABLE t (a INTEGER PRIMARY KEY)";

        fn tables(&self) -> Vec<(&'static str, u64)> {
            vec![("t", 2)]
        }

        fn row(&self, _table: &'static str, _number: u64, row: &mut Vec<Cell>) {
            *row = vec![Cell::Integer(1)];
        }
    }

    #[test]
    fn a_failed_fill_says_where_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("twice.db");
        let error = fill(&path, &Twice, Journal::Delete, &mut |_| ()).unwrap_err();
        assert!(error.to_string().ends_with("table t: cannot write rows"), "{error}");
        assert!(!path.exists());
    }
}
