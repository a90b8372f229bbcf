//! What a run leaves in an archive, seen from outside.

mod aside;
mod copied;
mod damages;
mod existing;
#[cfg(debug_assertions)]
pub(crate) mod kills;
mod odd;
mod places;
#[cfg(debug_assertions)]
pub(crate) mod upkeep;

use crate::environment::{Done, Environment};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Keys of each kind, values that are written otherwise than others, and rows that do not fit.
pub(crate) const SCHEMA: &str = "
CREATE TABLE trades (id INTEGER PRIMARY KEY, price REAL NOT NULL, at DATETIME, note BLOB);
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
INSERT INTO trades SELECT n, n * 1.5, datetime(1700000000 + n, 'unixepoch'), randomblob(n % 50) FROM n;
UPDATE trades SET at = replace(at, ' ', 'T') WHERE id % 100 = 0;
CREATE TABLE tokens (symbol TEXT PRIMARY KEY, supply NUMERIC) WITHOUT ROWID;
INSERT INTO tokens VALUES ('a', 1), ('b', 2.5), ('ü', NULL);
CREATE TABLE pools (address TEXT PRIMARY KEY, opened INTEGER);
INSERT INTO pools VALUES ('0x1', 1), ('0x2', 2);
CREATE TABLE log (line TEXT);
INSERT INTO log VALUES ('one'), ('two'), ('one'), (NULL);
CREATE TABLE empty (id INTEGER PRIMARY KEY, a TEXT);
CREATE INDEX trades_at ON trades (at DESC);
CREATE VIEW last AS SELECT max(id) FROM trades;
";

/// An environment with an archive beside it.
pub(crate) struct Archived {
    pub(crate) environment: Environment,
}

impl Archived {
    pub(crate) fn of(sql: &str) -> Self {
        let environment = Environment::new();
        environment.sqlite(sql);
        Self { environment }
    }

    pub(crate) fn place(&self) -> PathBuf {
        self.environment.path("archive")
    }

    pub(crate) fn run(&self, more: &[&str]) -> Done {
        let place = self.place();
        let place = place.to_str().unwrap();
        self.environment.run(&[&["--archive", place], more].concat())
    }

    /// Restores to a file of this name, and gives where that is.
    pub(crate) fn restore(&self, name: &str) -> (PathBuf, Done) {
        let (place, file) = (self.place(), self.environment.path(name));
        let [place, to] = [&place, &file].map(|path| path.to_str().unwrap());
        let words = ["restore", "--archive", place, "--sqlite", to, "--json"];
        (file.clone(), self.environment.liteferry(&words))
    }

    /// `liteferry archive` with the place last.
    pub(crate) fn archive(&self, words: &[&str]) -> Done {
        let place = self.place();
        let words = [&["archive"], words, &[place.to_str().unwrap(), "--json"]].concat();
        self.environment.liteferry(&words)
    }

    pub(crate) fn generations(&self) -> Vec<Value> {
        let listed = self.archive(&["list"]).expect(0);
        listed.json()["generations"].as_array().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        self.archive(&["check", "--read-data"]).expect(0);
    }
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_run_leaves_an_archive_that_is_whole_and_the_next_one_adds_nothing() {
    let archived = Archived::of(SCHEMA);
    let run = archived.run(&[]).expect(0);
    assert_eq!(run.json()["archive"]["generation"], 1);
    archived.assert_whole();
    let tables = archived.place().join("tables");
    for table in ["trades", "tokens", "pools", "log", "empty"] {
        let rows = tables.join(table).join("rows");
        assert!(files(&rows).iter().all(|file| file.extension().is_some_and(|it| it == "parquet")));
        assert!(!files(&rows).is_empty(), "{table}");
    }
    assert_eq!(files(&tables.join("trades").join("forms")).len(), 1);
    let before = files(&archived.place());
    assert_eq!(archived.run(&[]).expect(0).json()["archive"], run.json()["archive"]);
    assert_eq!(files(&archived.place()), before);
    assert_eq!(archived.generations().len(), 1);
}

#[test]
fn rows_that_are_set_aside_are_in_the_archive() {
    let archived = Archived::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);
         INSERT INTO t VALUES (1, 5, 'x'), (2, 6, x'00ff'), (3, 7, 'a' || char(0) || 'b');",
    );
    archived.run(&[]).expect(65);
    archived.assert_whole();
    let rejected = archived.place().join("tables").join("t").join("rejected");
    assert_eq!(files(&rejected).len(), 1);
}

#[test]
fn an_archive_belongs_to_one_source() {
    let archived = Archived::of("CREATE TABLE t (a); INSERT INTO t VALUES (1);");
    archived.run(&[]).expect(0);
    let other = Archived::of("CREATE TABLE u (a); INSERT INTO u VALUES (2);");
    let place = archived.place();
    fs::rename(other.environment.source(), other.environment.path("other.db")).unwrap();
    let other_source = other.environment.path("other.db");
    let ends = ["run", "--no-capture", "--json", "--source", other_source.to_str().unwrap()];
    let target = other.environment.url();
    let more = ["--target", &target, "--archive", place.to_str().unwrap()];
    other
        .environment
        .liteferry(&[&ends[..], &more[..]].concat())
        .expect(78)
        .saying(&["another source"]);
    assert_eq!(archived.generations().len(), 1);
    archived.assert_whole();
}

#[test]
fn rows_that_were_loaded_without_an_archive_are_not_missed_in_silence() {
    let archived = Archived::of("CREATE TABLE t (a); INSERT INTO t VALUES (1);");
    archived.environment.run(&["--until", "snapshot"]).expect(0);
    archived.run(&[]).expect(78).saying(&["there was no archive", "--anew t"]);
    archived.archive(&["list"]).expect(2).saying(&["there is no archive"]);
    archived.run(&["--anew", "t"]).expect(0);
    archived.assert_whole();
}

#[test]
fn what_is_damaged_is_named() {
    let archived = Archived::of(SCHEMA);
    archived.run(&[]).expect(0);
    let rows = files(&archived.place().join("tables").join("log").join("rows"));
    let name = rows[0].file_name().unwrap().to_str().unwrap().to_owned();
    let mut bytes = fs::read(&rows[0]).unwrap();
    bytes[40] ^= 1;
    fs::write(&rows[0], bytes).unwrap();
    archived.archive(&["check"]).expect(0);
    archived.archive(&["check", "--read-data"]).expect(76).saying(&[&name]);
    fs::remove_file(&rows[0]).unwrap();
    archived.archive(&["check"]).expect(76).saying(&[&name, "missing"]);
}

#[test]
fn a_file_that_is_restored_is_as_the_original() {
    let archived = Archived::of(SCHEMA);
    archived.environment.sqlite(
        "INSERT INTO pools VALUES ('0x3', 'soon'), ('0x4', x'00');
         PRAGMA user_version = 5; CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT);
         INSERT INTO counted VALUES (7); DELETE FROM counted;
         CREATE VIRTUAL TABLE texts USING fts5 (body); INSERT INTO texts VALUES ('one two'), ('three');
         CREATE TRIGGER t AFTER INSERT ON pools BEGIN DELETE FROM log; END;",
    );
    archived.run(&[]);
    let file = archived.environment.path("restored.db");
    let place = archived.place();
    let ends =
        ["restore", "--archive", place.to_str().unwrap(), "--sqlite", file.to_str().unwrap()];
    archived.environment.liteferry(&ends).expect(0);
    assert_eq!(told(&archived.environment.source()), told(&file));
    // It does not take the place of anything.
    archived.environment.liteferry(&ends).expect(2).saying(&["there is a file of this name"]);
}

/// Every row of every table, each cell with its storage class, and the schema.
pub(crate) fn told(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let count = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            Ok((0..count).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect::<String>())
        };
        let mut rows: Vec<_> =
            statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap();
        rows.sort();
        rows
    };
    let mut all = rows("SELECT type, name, tbl_name, sql FROM sqlite_schema");
    for pragma in ["user_version", "application_id", "encoding", "page_size", "auto_vacuum"] {
        all.extend(rows(&format!("PRAGMA {pragma}")));
    }
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut statement = connection.prepare(tables).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for name in names.map(Result::unwrap) {
        all.push(name.clone());
        all.extend(rows(&format!("SELECT * FROM \"{}\"", name.replace('"', "\"\""))));
    }
    all
}

#[test]
fn single_tables_are_restored_with_what_belongs_to_them() {
    let archived = Archived::of(
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT UNIQUE); INSERT INTO a VALUES (7, 'x');
         CREATE INDEX a_x ON a (x);
         CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT, a INTEGER REFERENCES a); INSERT INTO b VALUES (9, 7);
         ANALYZE;",
    );
    archived.run(&[]).expect(0);
    let place = archived.place();
    let ends = ["restore", "--archive", place.to_str().unwrap(), "--table", "a"];
    let file = archived.environment.path("a.db");
    let to_file = [&ends[..], &["--sqlite", file.to_str().unwrap()]].concat();
    archived.environment.liteferry(&to_file).expect(0);
    let restored = rusqlite::Connection::open(&file).unwrap();
    let text = |sql: &str| restored.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("SELECT group_concat(name || seq) FROM sqlite_sequence"), "a7");
    assert_eq!(
        text(
            "SELECT group_concat(name) FROM sqlite_schema WHERE tbl_name = 'b'
                     UNION ALL SELECT 'none' ORDER BY 1 DESC"
        ),
        "none"
    );
    let other = Environment::new();
    let target = other.url();
    other.liteferry(&[&ends[..], &["--target", &target]].concat()).expect(0);
    assert_eq!(other.value("SELECT count(*) FROM a"), "1");
    assert_eq!(other.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");
    archived.environment.liteferry(&[&ends[..4], &["c", "--sqlite", "c.db"]].concat()).expect(2);
}

#[test]
fn what_is_decided_late_is_not_missed_in_silence() {
    let archived = Archived::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
         INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z'), (4, x'00ff');",
    );
    let pipeline = archived.environment.path("pipeline.toml");
    let write = |said: &str| {
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[archive]\nurl = \"archive\"\n{said}",
            archived.environment.source(),
            archived.environment.url(),
        );
        fs::write(&pipeline, text).unwrap();
    };
    let run = |more: &[&str]| {
        let words = ["run", "--no-capture", pipeline.to_str().unwrap(), "--json"];
        archived.environment.liteferry(&[&words[..], more].concat())
    };
    write("");
    run(&[]).expect(65);
    write("[tables.t.columns]\na = { misfits = 'null' }");
    run(&[]).expect(78).saying(&["with other rows", "--anew t"]);
    run(&["--anew", "t"]).expect(0);
    archived.assert_whole();
    let other = Environment::new();
    let (place, target) = (archived.place(), other.url());
    let ends = ["restore", "--archive", place.to_str().unwrap(), "--target", &target];
    other.liteferry(&ends).expect(0);
    assert_eq!(other.value("SELECT count(*) FROM t"), "4");
}

#[test]
fn what_the_readme_says_of_archives_is_so() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = readme.split_once("## Archives").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let archived = Archived::of(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
    let (environment, node) = (&archived.environment, Environment::new());
    fs::rename(environment.source(), environment.path("app.db")).unwrap();
    let mut commands = 0;
    for line in section.lines().filter_map(|line| line.strip_prefix("    liteferry ")) {
        let command = line.split('#').next().unwrap();
        let command = command
            .replace("postgresql://me@localhost/app", &environment.url())
            .replace("postgresql://me@localhost/node", &node.url());
        environment.liteferry(&command.split_whitespace().collect::<Vec<_>>()).expect(0);
        commands += 1;
    }
    assert_eq!(commands, 9);
    let rows = |file: &str| {
        let connection = rusqlite::Connection::open(environment.path(file)).unwrap();
        let sql = "SELECT count(*) || total(price) || group_concat(at) FROM trades";
        connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(rows("copy.db"), rows("app.db"));
    assert_eq!(node.value("SELECT count(*) FROM trades"), "3000");
}
