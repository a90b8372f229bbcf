//! Whether the file is whole: SQLite's own check of its structure, and of each index against its table.
//!
//! The whole file is checked by `quick_check` (every page, its place and its order). Each table that has indexes is
//! compared with them by sums; where these do not agree, or cannot be made, `integrity_check` of that table
//! decides. So the work can be shared out among workers, and a table that SQLite cannot make sense of keeps no other
//! from being checked. Indexes are not moved, but they are the only witness of rows that a lost write took from a table:
//! the file that is checked may be the last one there is.
//!
//! SQLite has no checksums: a changed byte in a value is not found by this. Nor are CHECKs, which SQLite leaves out of a
//! schema that it reads only.

mod index;
mod order;
mod part;

use super::connection::Source;
use super::connection::refused;
use super::failure::{DAMAGED, Unreadable, shown};
use super::read::Reader;
use crate::error::{Class, Error, Result};
use crate::model::SourceTable;
use crate::model::identifier::quoted;
use rusqlite::Connection;

pub use part::{Part, Secret, Seen, doubted, parts};

/// What a check found, each on a line, none of them twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must not be in a file that is whole.
    pub damage: Vec<String>,
    /// Values that break their column's or their table's constraint: the file is whole, and holds them.
    pub strays: Vec<String>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

impl Findings {
    /// Adds what another check found.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.damage, other.damage),
            (&mut self.strays, other.strays),
            (&mut self.unchecked, other.unchecked),
        ] {
            theirs.into_iter().for_each(|line| keep(mine, line));
        }
    }

    /// Notes one line of SQLite's answer.
    fn note(&mut self, line: &str) {
        let found = match () {
            () if line.is_empty() || line == "ok" || line.starts_with("*** in database") => return,
            () if is_stray(line) => &mut self.strays,
            () => &mut self.damage,
        };
        keep(found, shown(line.as_bytes()));
    }
}

/// Keeps each line once, in the order in which they came.
fn keep(lines: &mut Vec<String>, line: String) {
    if lines.len() < KEPT_MAX && !lines.contains(&line) {
        lines.push(line);
    }
}

/// Why a damaged source is refused.
///
/// # Errors
///
/// A file that cannot be opened.
pub fn refusal(source: &Source, damage: &[String]) -> Result<Error> {
    let first = damage.first().map_or("", String::as_str);
    let more = match damage.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let mode: String = source
        .connect()?
        .query_row("PRAGMA main.journal_mode", [], |row| row.get(0))
        .map_err(refused)?;
    let log = if mode == "wal" && source.is_without_log() {
        "its write-ahead log may be missing: where it was copied, copy its `-wal` file too; else "
    } else {
        ""
    };
    Ok(Error::new(Class::Data, format!("is damaged: {first}{more}"))
        .todo(format!("{log}{DAMAGED}"))
        .at(format!("source {}", source.path().display())))
}

/// Lines that are kept of each kind.
const KEPT_MAX: usize = 100;
/// Lines after which SQLite ends a check that it is not told otherwise of.
const LINES_MAX: usize = 100;
/// More lines than any check has.
const ALL_LINES: u32 = 1_000_000_000;

/// Checks the structure of the whole file.
///
/// # Errors
///
/// Only what has nothing to do with the file's state, such as a stop.
fn file(reader: &Reader) -> Result<Findings> {
    let what = "the file as a whole";
    let first = run(reader, "PRAGMA main.quick_check", what)?;
    to_the_end(first, || run(reader, &format!("PRAGMA main.quick_check({ALL_LINES})"), what))
}

/// What the structure of a file that was just made says against it.
///
/// # Errors
///
/// What has nothing to do with the file's state.
pub(super) fn damage(connection: &Connection) -> Result<Vec<String>> {
    let mut found = Findings::default();
    let sql = format!("PRAGMA main.quick_check({ALL_LINES})");
    lines(connection, &sql, &mut found, &mut 0)?;
    Ok(found.damage)
}

/// Checks a table and each of its indexes against it.
///
/// # Errors
///
/// Only what has nothing to do with the file's state, such as a stop.
fn table(reader: &Reader, table: &SourceTable) -> Result<Findings> {
    let sql = format!("PRAGMA main.integrity_check({})", quoted(&table.name));
    let what = format!("table {}", table.name);
    // There is no check of one table with another number of lines.
    let whole = format!("PRAGMA main.integrity_check({ALL_LINES})");
    to_the_end(run(reader, &sql, &what)?, || run(reader, &whole, &what))
}

/// What a check found, and where strays alone filled its lines, what it finds when it has lines for all.
fn to_the_end(
    (mut found, lines): (Findings, usize),
    all: impl FnOnce() -> Result<(Findings, usize)>,
) -> Result<Findings> {
    if lines >= LINES_MAX && found.damage.is_empty() {
        found.merge(all()?.0);
    }
    Ok(found)
}

/// Does a check and gives what it found, in how many lines.
fn run(reader: &Reader, sql: &str, what: &str) -> Result<(Findings, usize)> {
    let mut findings = Findings::default();
    let mut count = 0;
    let done = reader.in_one_state(|connection| lines(connection, sql, &mut findings, &mut count));
    if let Err(error) = done {
        match Unreadable::of(&error) {
            Some(Unreadable::Damaged(reason)) => {
                findings.damage.push(format!("{what}: {reason}"));
            }
            Some(Unreadable::Senseless(reason)) => {
                findings.unchecked.push(format!("{what}: {reason}"));
            }
            None => return Err(error.at(what)),
        }
    }
    Ok((findings, count))
}

fn lines(
    connection: &Connection,
    sql: &str,
    findings: &mut Findings,
    count: &mut usize,
) -> Result<()> {
    let mut statement = connection.prepare(sql).map_err(refused)?;
    let mut rows = statement.query([]).map_err(refused)?;
    while let Some(row) = rows.next().map_err(refused)? {
        let text = row.get_ref(0).map_err(refused)?;
        let text = String::from_utf8_lossy(text.as_bytes().unwrap_or_default());
        text.lines().for_each(|line| findings.note(line.trim()));
        *count += 1;
    }
    Ok(())
}

/// Whether a line is about values of a file that is whole, or about a full-text or R-tree index, which is not moved.
fn is_stray(line: &str) -> bool {
    let typed = |rest: &str| {
        ["INT", "INTEGER", "REAL", "TEXT", "BLOB"].iter().any(|strict| {
            rest.strip_prefix(strict).is_some_and(|rest| rest.starts_with(" value in "))
        })
    };
    line.starts_with("CHECK constraint failed in ")
        || line.starts_with("NULL value in ")
        || line.starts_with("NUMERIC value in ")
        || line.starts_with("TEXT value in ")
        || line.strip_prefix("non-").is_some_and(typed)
        || (line.starts_with("index ")
            && line.contains(" stores an imprecise floating-point value"))
        || line.starts_with("malformed inverted index for FTS")
        || line.starts_with("unable to validate the inverted index for FTS")
        || line.starts_with("In RTree ")
}

#[cfg(test)]
mod tests {
    use super::{file, table};
    use crate::error::{Class, Signal};
    use crate::model::SourceTable;
    use crate::pipeline::Stop;
    use crate::store::sqlite::connection::Source;
    use crate::store::sqlite::introspect::introspect;
    use crate::store::sqlite::read::Reader;
    use rusqlite::Connection;
    use tempfile::TempDir;

    pub(super) fn made(sql: &str) -> (TempDir, Reader, Vec<SourceTable>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let reader =
            Reader::new(Source::open(&path, false, &Stop::default()).unwrap().connect().unwrap());
        let reader = reader.unwrap();
        let tables = introspect(reader.connection()).unwrap().tables;
        (folder, reader, tables)
    }

    const ROWS: &str = "
        CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT); CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
        INSERT INTO t SELECT i, 'a' || i, 'b' || i FROM n;
        PRAGMA writable_schema = ON;";

    #[test]
    fn a_whole_file_has_no_findings() {
        let (_folder, reader, tables) = made(ROWS);
        assert_eq!(file(&reader).unwrap(), super::Findings::default());
        assert_eq!(table(&reader, &tables[0]).unwrap(), super::Findings::default());
    }

    #[test]
    fn an_index_that_is_not_of_its_table_is_damage() {
        let (_folder, reader, tables) = made(&format!(
            "{ROWS} UPDATE sqlite_schema SET rootpage = (
                SELECT min(rootpage) + max(rootpage) FROM sqlite_schema WHERE type = 'index') - rootpage
             WHERE type = 'index'"
        ));
        assert_eq!(file(&reader).unwrap(), super::Findings::default(), "each page is in order");
        let damage = table(&reader, &tables[0]).unwrap().damage;
        assert!(damage.iter().any(|line| line.contains("index t_b")), "{damage:?}");
    }

    #[test]
    fn values_against_a_constraint_are_no_damage() {
        let (_folder, reader, tables) = made(
            "CREATE TABLE t (a, b); INSERT INTO t VALUES (NULL, 1), (1, '7'), (2, x'00'); CREATE INDEX t_a ON t (a);
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a NOT NULL, b INTEGER)' WHERE name = 't'",
        );
        let found = table(&reader, &tables[0]).unwrap();
        assert!(found.damage.is_empty(), "{found:?}");
        let strays: Vec<_> = found.strays.iter().map(String::as_str).collect();
        assert_eq!(strays, ["NULL value in t.a", "TEXT value in t.b"]);
    }

    #[test]
    fn strays_without_number_hide_no_damage() {
        let (_folder, reader, tables) = made(&format!(
            "{ROWS} INSERT INTO t (a) SELECT NULL FROM t;
             UPDATE sqlite_schema SET sql = replace(sql, 'b TEXT', 'b TEXT NOT NULL') WHERE name = 't';
             UPDATE sqlite_schema SET sql = 'CREATE INDEX t_a ON t (b)' WHERE name = 't_a'"
        ));
        assert_eq!(table(&reader, &tables[0]).unwrap().damage.len(), super::KEPT_MAX);
    }

    #[test]
    fn no_name_of_an_index_makes_a_stray_of_damage() {
        let (_folder, reader, tables) = made(
            "CREATE TABLE t (a); INSERT INTO t VALUES (1), (1); CREATE INDEX \"a value in b\" ON t (a);
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX \"a value in b\" ON t (a)' WHERE type = 'index'",
        );
        let found = table(&reader, &tables[0]).unwrap();
        assert_eq!((found.damage.len(), found.strays.len()), (1, 0), "{found:?}");
    }

    #[test]
    fn a_stop_ends_a_check() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(&ROWS.replace("i < 100", "i < 9000"))
            .unwrap();
        let stop = Stop::default();
        let source = Source::open(&path, false, &stop).unwrap();
        let reader = Reader::new(source.connect().unwrap()).unwrap();
        let indexed = introspect(reader.connection()).unwrap().tables.remove(0);
        assert!(table(&reader, &indexed).unwrap().damage.is_empty());
        stop.request(Signal::Terminate);
        let error = stop.named(table(&reader, &indexed).unwrap_err());
        assert_eq!(error.class(), Class::Interrupted(Signal::Terminate));
    }

    #[test]
    fn a_table_without_sense_keeps_no_other_from_its_check() {
        let (_folder, reader, tables) =
            made(
            "CREATE TABLE bad (a, b, c UNIQUE); CREATE TABLE good (a UNIQUE); PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = 'CREATE TABLE bad (a INT AS (b), b INT AS (a), c UNIQUE)' WHERE name = 'bad'",
        );
        let unchecked = file(&reader).unwrap().unchecked;
        assert!(
            unchecked.iter().any(|line| line.contains("generated column loop")),
            "{unchecked:?}"
        );
        for (source, is_checked) in tables.iter().zip([false, true]) {
            let found = table(&reader, source).unwrap();
            assert_eq!(found.unchecked.is_empty(), is_checked, "{found:?}");
            assert!(found.damage.is_empty(), "{found:?}");
        }
    }
}
