//! That each way of changing rows is logged, on real files.

mod purging;
mod random;
mod render;
mod trying;
mod watching;

use super::{Changelog, Installed, install, remove, why_not};
use crate::error::Class;
use crate::model::{Capture, Follow, SourceSchema, SourceTable, TouchKey};
use crate::pipeline::Stop;
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::introspect::{fingerprint, introspect};
use rusqlite::Connection;
use tempfile::TempDir;

/// The key by which a table would be followed.
fn key_of(table: &SourceTable) -> TouchKey {
    match table.rowid_alias {
        None if !table.primary_key.is_empty() => TouchKey::Columns(table.primary_key.clone()),
        _ => TouchKey::Rowid,
    }
}

/// A file of an application, followed.
struct Followed {
    application: Connection,
    source: Source,
    changelog: Changelog,
    fingerprint: String,
    _folder: TempDir,
}

impl Followed {
    /// A file with this schema, in which nothing is installed.
    fn planned(sql: &str, follow: Follow) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let application = Connection::open(&path).unwrap();
        application.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        application.execute_batch(sql).unwrap();
        let source = Source::open(&path, false, &Stop::default()).unwrap();
        let reader = source.connect().unwrap();
        let schema = introspect(&reader).unwrap();
        let changelog = design(&schema, follow).unwrap();
        let fingerprint = fingerprint(&reader).unwrap();
        Self { application, source, changelog, fingerprint, _folder: folder }
    }

    fn new(sql: &str) -> Self {
        let followed = Self::planned(sql, Follow::All);
        assert!(followed.install().unwrap().is_new);
        followed
    }

    fn install(&self) -> crate::Result<Installed> {
        install(&self.source, &self.changelog, &self.fingerprint)
    }

    fn run(&self, sql: &str) {
        self.application.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The touches since the last call, sorted, as SQLite writes them: `1:'a',2`.
    fn touches(&self) -> Vec<String> {
        let columns = "SELECT group_concat('quote(' || name || ')', ' || '','' || ') FROM pragma_table_info('_liteferry_log')
             WHERE name LIKE 'k%'";
        let keys: String = self.application.query_row(columns, [], |row| row.get(0)).unwrap();
        let sql = format!(
            "SELECT t || ':' || {keys} AS touch FROM _liteferry_log WHERE seq > 0 ORDER BY touch"
        );
        let found = self
            .application
            .prepare(&sql)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        self.run("DELETE FROM _liteferry_log WHERE seq > 0");
        found
    }

    fn touches_of(&self, sql: &str) -> Vec<String> {
        self.touches();
        self.run(sql);
        let mut touches = self.touches();
        touches.dedup();
        touches
    }

    fn triggers(&self) -> Vec<String> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '_liteferry*' ORDER BY name";
        let mut statement = self.application.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn schema(&self) -> Vec<(String, String, Option<String>, i64)> {
        let sql = "SELECT name, tbl_name, sql, rootpage FROM sqlite_schema ORDER BY rowid";
        let mut statement = self.application.prepare(sql).unwrap();
        let read =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

fn design(schema: &SourceSchema, follow: Follow) -> crate::Result<Changelog> {
    let capture = |(at, table): (usize, &SourceTable)| Capture {
        number: i64::try_from(at).unwrap() + 1,
        key: key_of(table),
        follow,
    };
    let captures: Vec<_> = schema.tables.iter().enumerate().map(capture).collect();
    let tables: Vec<_> = schema.tables.iter().zip(&captures).collect();
    Changelog::design(&tables, "a migration", "a plan")
}

#[test]
fn a_table_with_only_an_integer_key_has_three_triggers() {
    let followed = Followed::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a)");
    let names = ["after_delete", "after_insert", "after_update"];
    assert_eq!(followed.triggers(), names.map(|name| format!("_liteferry_1_{name}")));
    for (sql, touched) in [
        ("INSERT INTO t VALUES (5, 'x')", &["1:5"] as &[_]),
        ("INSERT INTO t (a) VALUES ('y')", &["1:6"]),
        ("UPDATE t SET a = a", &["1:5", "1:6"]),
        ("UPDATE t SET id = 8 WHERE id = 5", &["1:5", "1:8"]),
        ("UPDATE OR REPLACE t SET rowid = 8 WHERE id = 6", &["1:6", "1:8"]),
        ("INSERT OR REPLACE INTO t VALUES (8, 'z')", &["1:8"]),
        ("BEGIN; DELETE FROM t; ROLLBACK", &[]),
        ("DELETE FROM t", &["1:8"]),
    ] {
        assert_eq!(followed.touches_of(sql), touched, "{sql}");
    }
}

/// Columns beside `id`, an index, a row, and another one that is equal to it where that must be unique.
const UNIQUE: [(&str, &str, &str, &str); 15] = [
    ("u UNIQUE", "", "1, 'x'", "9, 'x'"),
    ("u TEXT COLLATE NOCASE UNIQUE", "", "1, 'x'", "9, 'X'"),
    ("u TEXT", "(u COLLATE NOCASE)", "1, 'x'", "9, 'X'"),
    ("u INTEGER UNIQUE", "", "1, 5", "9, '5'"),
    ("u TEXT", "(lower(u))", "1, 'x'", "9, 'X'"),
    ("u INTEGER", "(u = '12')", "1, 12", "9, 12"),
    ("u", "(u) WHERE u > 'a'", "1, 'x'", "9, 'x'"),
    ("u NOT NULL DEFAULT 'x' UNIQUE", "", "1, 'x'", "9, NULL"),
    ("u NOT NULL DEFAULT x UNIQUE", "", "1, 'x'", "9, NULL"),
    ("u INTEGER NOT NULL DEFAULT (-5) UNIQUE", "", "1, '-5'", "9, NULL"),
    ("u NOT NULL DEFAULT 'x', g AS (u || 'y') UNIQUE", "", "1, 'x'", "9, NULL"),
    ("u INTEGER NOT NULL DEFAULT 1, g TEXT AS (u) UNIQUE", "", "1, 1", "9, NULL"),
    ("u, g TEXT AS (u + 1) STORED UNIQUE", "", "1, 5", "9, '5'"),
    ("u NOT NULL DEFAULT 'x'", "(u || 'y')", "1, 'x'", "9, NULL"),
    ("u NOT NULL DEFAULT 'X' COLLATE NOCASE", "(u = 'x')", "1, 'x'", "9, NULL"),
];

fn with_index(table: &str, columns: &str, index: &str) -> String {
    let table_sql = format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, {columns});");
    let index = (!index.is_empty()).then(|| format!("CREATE UNIQUE INDEX i ON {table} {index}"));
    table_sql + &index.unwrap_or_default()
}

#[test]
fn what_a_replace_deletes_through_any_unique_index_is_logged() {
    for (columns, index, taken, given) in UNIQUE {
        for table in ["t", "new", "old"] {
            let followed = Followed::new(&with_index(table, columns, index));
            let case = format!("{table} ({columns}) {index}");
            let put = |row| format!("INSERT OR REPLACE INTO {table} (id, u) VALUES ({row})");
            followed.run(&put("3, 'other'"));
            followed.run(&put(taken));
            assert_eq!(followed.touches_of(&put(given)), ["1:1", "1:9"], "{case}");
            followed.run(&put("1, 'another'"));
            let value = given.split_once(", ").unwrap().1;
            let sql = format!("UPDATE OR REPLACE {table} SET u = {value} WHERE id = 1");
            assert_eq!(followed.touches_of(&sql), ["1:1", "1:9"], "{case}");
            let same = format!("UPDATE {table} SET u = u WHERE id = 1");
            assert_eq!(followed.touches_of(&same), ["1:1"], "{case}");
        }
    }
}

#[test]
fn rows_that_may_be_replaced_are_looked_for_by_the_index() {
    for (columns, index, ..) in UNIQUE {
        let followed = Followed::new(&with_index("t", columns, index));
        let looks = followed.changelog.statements().filter(|sql| sql.contains("before_"));
        let looks: Vec<_> = looks
            .flat_map(|sql| {
                let looks = sql
                    .split("SELECT 1, ")
                    .skip(1)
                    .map(|look| look.split(';').next().unwrap().to_owned());
                looks.collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(looks.len(), 2, "{columns}");
        for look in looks {
            let look = look
                .replace("new.\"u\"", "'x'")
                .replace("new.\"g\"", "'x'")
                .replace("old.\"id\"", "7");
            let sql = format!("EXPLAIN QUERY PLAN SELECT {look}");
            let mut statement = followed.application.prepare(&sql).unwrap();
            let plan = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<_> = plan.map(Result::unwrap).collect();
            assert!(plan[0].starts_with("SEARCH _liteferry_row USING"), "{look}: {plan:?}");
        }
    }
}

#[test]
fn a_generated_column_is_known_though_no_trigger_names_what_it_is_made_of() {
    let followed = Followed::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, g AS (b)); CREATE UNIQUE INDEX i ON t (a, g);
         INSERT INTO t (id, a, b) VALUES (1, 1, 5), (2, 2, 5)",
    );
    assert_eq!(followed.touches_of("UPDATE OR REPLACE t SET a = 2 WHERE id = 1"), ["1:1", "1:2"]);
}

#[test]
fn a_declared_key_names_the_row_though_its_rowid_is_taken() {
    let followed = Followed::new("CREATE TABLE t (k TEXT PRIMARY KEY, a)");
    followed.run("INSERT INTO t VALUES ('x', 1), ('y', 2), ('z', 3)");
    for (sql, touched) in [
        ("INSERT OR REPLACE INTO t (rowid, k) VALUES (1, 'w')", &["1:'w'", "1:'x'"] as &[_]),
        ("UPDATE OR REPLACE t SET oid = 2 WHERE k = 'w'", &["1:'w'", "1:'y'"]),
        ("UPDATE t SET k = 'Z' WHERE k = 'z'", &["1:'Z'", "1:'z'"]),
        ("INSERT INTO t VALUES ('Z', 9) ON CONFLICT (k) DO UPDATE SET a = 9", &["1:'Z'"]),
    ] {
        assert_eq!(followed.touches_of(sql), touched, "{sql}");
    }
}

#[test]
fn a_key_that_is_written_otherwise_is_another_key() {
    for (column, before, after) in [
        ("k TEXT COLLATE NOCASE", "'x'", "'X'"),
        ("k", "1", "1.0"),
        ("k COLLATE RTRIM", "'x'", "'x '"),
    ] {
        for without_rowid in ["", "WITHOUT ROWID"] {
            let sql = format!("CREATE TABLE t ({column} PRIMARY KEY, a) {without_rowid}");
            let followed = Followed::new(&sql);
            let mut both = [format!("1:{before}"), format!("1:{after}")];
            both.sort();
            followed.run(&format!("INSERT INTO t VALUES ({before}, 1)"));
            let replace = format!("INSERT OR REPLACE INTO t VALUES ({after}, 1)");
            assert_eq!(followed.touches_of(&replace), both, "{sql}");
            let update = format!("UPDATE t SET k = {before}");
            assert_eq!(followed.touches_of(&update), both, "{sql}");
        }
    }
}

#[test]
fn a_key_is_the_rows_own_though_its_column_is_compared_otherwise() {
    let followed = Followed::new(
        "CREATE TABLE w (a TEXT COLLATE NOCASE, u UNIQUE, PRIMARY KEY (a COLLATE BINARY)) WITHOUT ROWID;
         INSERT INTO w VALUES ('abc', 1), ('ABC', 5)",
    );
    let replace = "UPDATE OR REPLACE w SET u = 5 WHERE a = 'abc' COLLATE BINARY";
    assert_eq!(followed.touches_of(replace), ["1:'ABC'", "1:'abc'"]);
}

#[test]
fn an_expression_is_not_computed_for_a_row_that_its_index_does_not_hold() {
    let followed = Followed::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, kind, j);
         CREATE UNIQUE INDEX u ON t (json_extract(j, '$.id')) WHERE kind = 'order'",
    );
    let plain = "INSERT INTO t VALUES (1, 'note', 'plain text'), (2, 'order', '{\"id\": 7}')";
    assert_eq!(followed.touches_of(plain), ["1:1", "1:2"]);
    assert_eq!(followed.touches_of("UPDATE t SET j = 'plainer' WHERE id = 1"), ["1:1"]);
    let replace = "INSERT OR REPLACE INTO t VALUES (3, 'order', '{\"id\": 7, \"a\": 1}')";
    assert_eq!(followed.touches_of(replace), ["1:2", "1:3"]);
    let update = "UPDATE OR REPLACE t SET kind = 'order', j = '{\"id\": 7}' WHERE id = 1";
    assert_eq!(followed.touches_of(update), ["1:1", "1:3"]);
}

#[test]
fn a_check_that_keeps_an_expression_from_failing_still_decides() {
    let followed = Followed::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, j CHECK (j IS NULL OR json_valid(j)));
         CREATE UNIQUE INDEX u ON t (json_extract(j, '$.id')); INSERT INTO t VALUES (1, '{\"id\": 7}')",
    );
    assert_eq!(followed.touches_of("INSERT OR IGNORE INTO t VALUES (2, 'plain')"), [""; 0]);
    let refused = followed.application.execute_batch("INSERT INTO t VALUES (2, 'plain')");
    assert!(refused.unwrap_err().to_string().contains("CHECK"));
    let replace = "INSERT OR REPLACE INTO t VALUES (3, '{\"id\": 7.0}'), (4, NULL)";
    assert_eq!(followed.touches_of(replace), ["1:1", "1:3", "1:4"]);
}

#[test]
fn a_table_that_only_grows_logs_no_insert() {
    let followed =
        Followed::planned("CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE)", Follow::Append);
    followed.install().unwrap();
    assert_eq!(followed.touches_of("INSERT INTO t VALUES (1, 2), (2, 3)"), [""; 0]);
    assert_eq!(followed.touches_of("UPDATE OR REPLACE t SET u = 3 WHERE id = 1"), ["1:1", "1:2"]);
    assert_eq!(followed.touches_of("DELETE FROM t"), ["1:1"]);
}

#[test]
fn what_cannot_be_followed_is_refused_by_its_reason() {
    for (sql, reason) in [
        ("CREATE TABLE t (rowid, oid, _rowid_)", "all three names"),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX i ON t (a, id % 7)",
            "rowid",
        ),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a AS (id % 7) UNIQUE)", "rowid"),
        ("CREATE TABLE t (a, b AS (1) UNIQUE, c NOT NULL DEFAULT (date('now')) UNIQUE)", "DEFAULT"),
    ] {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        let schema = introspect(&connection).unwrap();
        let table = &schema.tables[0];
        let why = why_not(table, &key_of(table)).unwrap_or_default();
        assert!(why.contains(reason), "{sql}: {why}");
        assert_eq!(design(&schema, Follow::All).unwrap_err().class(), Class::Undecided);
    }
    let random =
        "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(7)))))";
    assert_eq!(Followed::new(random).touches_of("INSERT INTO t VALUES ('x')"), ["1:'x'"]);
}

#[test]
fn what_follows_a_source_is_no_part_of_its_schema() {
    let followed = Followed::new("CREATE TABLE t (a); CREATE TABLE _liteferry_mine (a)");
    let reader = followed.source.connect().unwrap();
    assert_eq!(fingerprint(&reader).unwrap(), followed.fingerprint);
    let schema = introspect(&reader).unwrap();
    let names: Vec<_> = schema.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["_liteferry_mine", "t"]);
    assert_eq!(schema.left_behind, []);
}

#[test]
fn installing_again_changes_nothing_and_another_migration_is_refused() {
    let followed = Followed::new("CREATE TABLE t (a)");
    let schema = followed.schema();
    assert!(!followed.install().unwrap().is_new);
    assert_eq!(followed.schema(), schema);
    let other = Changelog::design(&[], "another", "a plan").unwrap();
    let error = install(&followed.source, &other, &followed.fingerprint).unwrap_err();
    assert_eq!(error.class(), Class::Undecided);
    assert!(error.to_string().contains("a migration"), "{error}");
    assert!(error.advice().unwrap().contains("DROP TRIGGER IF EXISTS"));
    assert!(remove(&followed.source, Some("another")).is_err());
    assert_eq!(followed.schema(), schema);
}

#[test]
fn a_schema_that_was_not_planned_for_is_refused() {
    let followed = Followed::planned("CREATE TABLE t (a)", Follow::All);
    followed.run("ALTER TABLE t ADD COLUMN b");
    assert_eq!(followed.install().unwrap_err().class(), Class::Undecided);
    assert_eq!(followed.schema().len(), 1);
}

#[test]
fn removing_leaves_everything_else_as_it_was() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE); CREATE VIEW v AS SELECT * FROM t;
         CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM t WHERE id < 0; END; INSERT INTO t VALUES (7, 8)";
    for by_script in [false, true] {
        let followed = Followed::planned(sql, Follow::All);
        let before = followed.schema();
        followed.install().unwrap();
        followed.run("UPDATE t SET id = 9; INSERT OR REPLACE INTO t VALUES (4, 8)");
        if by_script {
            followed.run(&followed.changelog.remove_sql());
            followed.run(&followed.changelog.remove_sql());
        } else {
            let removed = remove(&followed.source, Some("a migration")).unwrap();
            assert_eq!((removed.identity.as_deref(), removed.objects), (Some("a migration"), 7));
            assert_eq!(remove(&followed.source, None).unwrap().objects, 0);
        }
        assert_eq!(followed.schema(), before);
        let sequences = "SELECT group_concat(name || seq) FROM sqlite_sequence";
        let check =
            |sql: &str| followed.application.query_row(sql, [], |row| row.get::<_, String>(0));
        assert_eq!(check(sequences).unwrap(), "t7");
        assert_eq!(check("PRAGMA integrity_check").unwrap(), "ok");
    }
}

#[test]
fn the_application_sees_what_it_would_see_without() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE, b AS (u || 'x'))";
    let (followed, plain) = (Followed::new(sql), Followed::planned(sql, Follow::All));
    for sql in [
        "INSERT INTO t (u) VALUES ('a'), ('b') RETURNING id, u, b",
        "INSERT OR REPLACE INTO t (u) VALUES ('a') RETURNING *",
        "INSERT OR IGNORE INTO t (id, u) VALUES (50, 'b') RETURNING *",
        "INSERT INTO t (u) VALUES ('b') ON CONFLICT (u) DO UPDATE SET u = 'c' RETURNING id",
        "UPDATE OR REPLACE t SET u = 'a' WHERE u = 'c' RETURNING u",
        "DELETE FROM t WHERE u = 'none' RETURNING u",
        "DELETE FROM t RETURNING u",
        "SELECT seq FROM sqlite_sequence",
    ] {
        let seen = |followed: &Followed| {
            let mut statement = followed.application.prepare(sql).unwrap();
            let width = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            let mut seen = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                let cells = (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap());
                seen.push(cells.collect::<Vec<_>>());
            }
            drop(rows);
            let sql = "SELECT changes() || ' ' || last_insert_rowid()";
            let counts: String = followed.application.query_row(sql, [], |row| row.get(0)).unwrap();
            (seen, counts)
        };
        assert_eq!(seen(&followed), seen(&plain), "{sql}");
    }
}
