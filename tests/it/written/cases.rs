//! Files of every kind of object, and of cells that no INSERT would store so.

use super::{again, difference};
use liteferry::config::Pipeline;
use liteferry::error::{Class, Result};
use liteferry::model::Motion;
use liteferry::sample::{ZOO_SQL, bench, trading};
use liteferry::store::sqlite::fill::{Journal, fill};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use tempfile::TempDir;

/// A source made by these statements, and where it is written anew.
struct Pair {
    folder: TempDir,
    from: PathBuf,
    to: PathBuf,
}

impl Pair {
    fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from.db"), folder.path().join("to.db"));
        if !sql.is_empty() {
            Connection::open(&from).unwrap().execute_batch(sql).unwrap();
        }
        Self { folder, from, to }
    }

    fn write(&self, settings: &str, motion: Motion) -> Result<(Vec<String>, [usize; 2])> {
        let pipeline = (!settings.is_empty()).then(|| Pipeline::parse(settings).unwrap());
        again(&self.from, &self.to, pipeline, motion)
    }

    /// Writes it anew, and finds no difference; how many cells and rows were kept.
    #[track_caller]
    fn is_the_same(&self, settings: &str, motion: Motion) -> [usize; 2] {
        let (notes, kept) = self.write(settings, motion).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(difference(&self.from, &self.to), None);
        kept
    }

    fn new_file(&self) -> Connection {
        Connection::open(&self.to).unwrap()
    }
}

#[track_caller]
fn same(sql: &str) -> [usize; 2] {
    Pair::new(sql).is_the_same("", Motion::AtRest)
}

#[test]
fn the_zoo_is_the_same() {
    let pair = Pair::new(ZOO_SQL);
    pair.is_the_same("", Motion::AtRest);
    assert_eq!(fs::metadata(&pair.to).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_file(&pair.to).unwrap();
    pair.is_the_same("", Motion::Moving);
}

#[test]
fn the_samples_are_the_same() {
    let pair = Pair::new("");
    let sample = trading::Trading::new(42, trading::Sizes::for_rows(5_000));
    fill(&pair.from, &sample, Journal::Wal, &mut |_| {}).unwrap();
    pair.is_the_same("", Motion::AtRest);
    let pair = Pair::new("");
    let sample = bench::Bench::new(42, bench::Sizes::for_rows(5_000));
    fill(&pair.from, &sample, Journal::Delete, &mut |_| {}).unwrap();
    pair.is_the_same("", Motion::AtRest);
}

#[test]
fn what_the_header_says_is_the_same() {
    for (encoding, vacuum) in [("UTF-8", 0), ("UTF-16le", 1), ("UTF-16be", 2)] {
        same(&format!(
            "PRAGMA encoding = '{encoding}'; PRAGMA page_size = 1024; PRAGMA auto_vacuum = {vacuum};
             PRAGMA user_version = -7; PRAGMA application_id = 1196444487; PRAGMA journal_mode = WAL;
             CREATE TABLE t (a TEXT UNIQUE, b); CREATE TABLE k (a TEXT PRIMARY KEY, b) WITHOUT ROWID;
             CREATE INDEX t_b ON t (b DESC, a) WHERE b IS NOT NULL;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO t SELECT 'größe 🐸 ' || i, i % 7 FROM n;
             INSERT INTO k SELECT a, zeroblob(b * 300) FROM t;"
        ));
    }
}

/// Everything that the schema of a file can hold.
const SCHEMA: &str = r#"
    CREATE TABLE plain (a, "b ""quoted""" INTEGER, [c d] TEXT NOT NULL DEFAULT 'x' CHECK (length([c d]) < 9));
    CREATE TRIGGER second AFTER INSERT ON plain BEGIN INSERT INTO log VALUES (new.a); END;
    CREATE TRIGGER first AFTER INSERT ON plain BEGIN DELETE FROM log; END;
    CREATE TABLE log (a);
    CREATE VIEW broken AS SELECT c FROM nowhere;
    CREATE VIEW v AS SELECT a FROM plain;
    CREATE TRIGGER onview INSTEAD OF INSERT ON v BEGIN SELECT 1; END;
    CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE UNIQUE);
    CREATE TABLE child (id INT PRIMARY KEY, parent REFERENCES parent (id) ON DELETE CASCADE);
    CREATE TABLE keyed (z, b TEXT, a INTEGER, PRIMARY KEY (b COLLATE NOCASE DESC, a, b)) WITHOUT ROWID;
    CREATE TABLE computed (a INTEGER, v AS (a * 2), s TEXT AS (a || '!') STORED, b, w AS (b) VIRTUAL, id INTEGER PRIMARY KEY);
    CREATE TABLE strict (i INTEGER, r REAL, t TEXT, b BLOB, a ANY) STRICT;
    CREATE TABLE shadowed (rowid TEXT, _rowid_ TEXT, oid TEXT);
    CREATE INDEX plain_expression ON plain (lower("c d"), a) WHERE a > 0;
    CREATE UNIQUE INDEX computed_v ON computed (v, s);
    INSERT INTO log VALUES (5);
    INSERT INTO plain VALUES (1, 2, 'c'), (NULL, NULL, 'd'), (x'00', '12x', '');
    INSERT INTO parent (name) VALUES ('a'), ('b'), ('c'); DELETE FROM parent WHERE name = 'c';
    INSERT INTO child VALUES (9, 1), (7, 2), (NULL, 77);
    INSERT INTO keyed VALUES (1, 'b', 1), (2, 'B', 2), (NULL, 'a', -1);
    INSERT INTO computed (a, b, id) VALUES (1, 'x', 10), (2, x'ff', -5), (NULL, NULL, 9223372036854775807);
    INSERT INTO strict VALUES (1, 1.0, '1', x'31', 1), (NULL, NULL, NULL, NULL, '1'), (2, 0.5, '', x'', 0.0);
    INSERT INTO shadowed VALUES ('a', 'b', 'c');
    ANALYZE;
"#;

#[test]
fn everything_that_a_schema_holds_is_the_same() {
    let pair = Pair::new(&format!("PRAGMA foreign_keys = OFF; {SCHEMA}"));
    pair.is_the_same("", Motion::AtRest);
    let file = pair.new_file();
    file.execute_batch("INSERT INTO parent (name) VALUES ('d')").unwrap();
    let id = file.query_row("SELECT id FROM parent WHERE name = 'd'", [], |row| row.get(0));
    assert_eq!(id, Ok(4), "numbers are not given out twice");
}

#[test]
fn a_rowid_that_the_target_carries_is_the_same() {
    let pair = Pair::new(
        "CREATE TABLE t (a, b TEXT); INSERT INTO t (rowid, a) VALUES (-9223372036854775808, 1), (5, 1), (7, 'x'), (9223372036854775807, 1);
         PRAGMA journal_mode = WAL",
    );
    pair.is_the_same("", Motion::Moving);
    let sql = "SELECT group_concat(rowid) FROM (SELECT rowid FROM t ORDER BY rowid)";
    let rowids: String = pair.new_file().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(rowids, "-9223372036854775808,5,7,9223372036854775807");
}

#[test]
fn cells_that_are_stored_in_spite_of_their_affinity_are_the_same() {
    // A table made without types is given some.
    let cells = "(1, 1, 1, 1, 1), (1.0, 1.0, 1.0, 1.0, 1.0), ('12', '12', '12', '12', '12'), (' 1.50 ', '1e3', '1e3', '0x10', '-0'),
        (x'31', x'31', x'31', x'31', x'31'), (9223372036854775807, 9.2e18, 1e999, -0.0, '9223372036854775808'), (NULL, NULL, NULL, NULL, NULL)";
    let [kept, rejected] = same(&format!(
        "CREATE TABLE t (i, r, n, t, b); INSERT INTO t VALUES {cells};
         CREATE TABLE k (i, r, n, t, b, key PRIMARY KEY) WITHOUT ROWID; INSERT INTO k SELECT t.*, rowid || 'k' FROM t;
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE TABLE t (i INTEGER, r REAL, n NUMERIC, t TEXT, b BLOB)' WHERE name = 't';
         UPDATE sqlite_schema SET sql = 'CREATE TABLE k (i INTEGER, r REAL, n NUMERIC, t TEXT, b BLOB, key PRIMARY KEY) WITHOUT ROWID' WHERE name = 'k';"
    ));
    assert!(kept + rejected > 0);
}

#[test]
fn texts_that_are_none_are_the_same() {
    same(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, u TEXT);
         INSERT INTO t VALUES (1, CAST(x'ff' AS TEXT), 'x'), (2, 'a' || char(0) || 'b', 'y'), (3, CAST(x'eda080' AS TEXT), NULL), (4, 'fits', ''), (5, x'', ' '), (6, '', x'00'), (7, 'f', 'g'), (8, 'f', 'g')",
    );
    for (encoding, texts) in [
        ("UTF-16le", "x'00d8', x'00d84100', x'fffe4100', x'feff4100', x'fffe', x'4100fdff'"),
        ("UTF-16be", "x'd800', x'd8000041', x'fffe0041', x'feff0041', x'feff', x'0041ffff'"),
    ] {
        let rows: String = texts
            .split(", ")
            .map(|text| format!("INSERT INTO t (v) VALUES (CAST({text} AS TEXT));"))
            .collect();
        same(&format!(
            "PRAGMA encoding = '{encoding}'; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w TEXT);
             {rows} INSERT INTO t (v, w) VALUES (char(65279) || 'x', char(65534) || char(65535) || '🐸'), ('a' || char(0), x'0000'), ('fits', 'fits');"
        ));
    }
}

#[test]
fn virtual_tables_hold_what_they_held() {
    let pair = Pair::new(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, body TEXT);
         INSERT INTO posts VALUES (3, 'the quick fox'), (9, 'a lazy dog');
         CREATE VIRTUAL TABLE own USING fts5 (a, b); INSERT INTO own VALUES ('one two', 'three'), ('four', 'two');
         CREATE VIRTUAL TABLE external USING fts5 (body, content='posts', content_rowid='id');
         INSERT INTO external (external) VALUES ('rebuild');
         CREATE VIRTUAL TABLE old USING fts4 (x); INSERT INTO old VALUES ('seven eight');
         CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1); INSERT INTO boxes VALUES (7, 1.5, 2.5), (8, 5, 6);",
    );
    pair.is_the_same("", Motion::AtRest);
    let file = pair.new_file();
    for (sql, found) in [
        ("SELECT group_concat(rowid) FROM own WHERE own MATCH 'two'", "1,2"),
        ("SELECT group_concat(rowid) FROM external WHERE external MATCH 'lazy'", "9"),
        ("SELECT group_concat(docid) FROM old WHERE old MATCH 'eight'", "1"),
        ("SELECT group_concat(id) FROM boxes WHERE x0 > 4", "8"),
    ] {
        assert_eq!(file.query_row(sql, [], |row| row.get(0)), Ok(found.to_owned()), "{sql}");
    }
    file.execute_batch(
        "INSERT INTO own VALUES ('nine', 'ten'); INSERT INTO boxes VALUES (9, 1, 2)",
    )
    .unwrap();
}

#[test]
fn policies_for_values_that_do_not_fit_change_nothing_of_what_goes_back() {
    let pair = Pair::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, m INTEGER);
         INSERT INTO t VALUES (1, 1, 1), (2, 'none', 'none'), (3, 3, x'00'), (4, 4, 4), (5, 5, 5), (6, 6, 6)",
    );
    let settings = "[source]\npath = 'x'\n[target]\nurl = 'local'\n[tables.t.columns]\n\
        n = { type = 'bigint', misfits = 'null' }\nm = { type = 'bigint', misfits = 'default', default = 77 }\n";
    assert_eq!(pair.is_the_same(settings, Motion::AtRest), [3, 0]);
}

#[test]
fn what_comes_twice_under_a_unique_key_is_refused_and_leaves_nothing() {
    let pair = Pair::new(
        "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 1), (1, 2); CREATE INDEX t_a ON t (a);
         PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX t_a ON t (a)' WHERE name = 't_a'",
    );
    let mut pipeline = Pipeline::of(&pair.from, "local");
    pipeline.source.accept_corrupt = true;
    let error = again(&pair.from, &pair.to, Some(pipeline), Motion::AtRest).unwrap_err();
    assert_eq!(error.class(), Class::Data);
    assert!(error.to_string().contains("table t: index t_a: rows break a constraint"), "{error}");
    assert_eq!(fs::read_dir(pair.folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_there_is_never_replaced() {
    let pair = Pair::new("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    fs::write(&pair.to, "somebody's").unwrap();
    let error = pair.write("", Motion::AtRest).unwrap_err();
    assert_eq!(error.class(), Class::Usage);
    assert_eq!(fs::read(&pair.to).unwrap(), b"somebody's");
    assert_eq!(fs::read_dir(pair.folder.path()).unwrap().count(), 2);
}
