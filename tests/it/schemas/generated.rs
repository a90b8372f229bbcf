//! Generated columns: computed by the target and proved equal, or moved as the values that they have.

use super::Moved;
use crate::comparison::Comparison;
use crate::environment::Environment;

/// Names of the columns that the target computes.
fn computed(env: &Environment, table: &str) -> Vec<String> {
    env.column(&format!(
        "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attgenerated = 's' ORDER BY attnum"
    ))
}

#[test]
fn what_postgresql_can_compute_it_computes_to_the_same_values() {
    let moved = Moved::new(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, a INTEGER, f REAL, s TEXT, flag BOOLEAN, n DECIMAL(10, 2), d DATE, x BLOB,
            twice INTEGER AS (a * 2), lowered TEXT GENERATED ALWAYS AS (lower(s) || '!') STORED NOT NULL,
            large BOOLEAN AS (a > 5), counted INTEGER AS (a > 5) STORED, negative REAL AS (-f * 0) STORED, half AS (f / 2),
            written TEXT AS (a), whole REAL AS (a), start VARCHAR(4) AS (substr(s, 1, 4)) UNIQUE, sum DECIMAL(12, 2) AS (a + id),
            either AS (coalesce(s, 'none')), size AS (length(x)), zero AS (a / 0), kept AS (x), day DATE AS (coalesce(d, '2000-01-01')));
         CREATE INDEX by_twice ON t (twice, lowered) WHERE counted = 1;
         INSERT INTO t (id, a, f, s, flag, n, d, x) VALUES
            (1, 1, 0.0, 'AbC', 1, 1.5, '2025-01-31', x'00ff'), (2, 10, -2.5, 'ÄÖü''s', 0, 2, NULL, NULL),
            (3, NULL, NULL, 'x', NULL, NULL, '1999-12-31', x''), (4, -3, 1e300, '', 1, 0, NULL, x'01');",
    );
    assert_eq!(
        computed(&moved.env, "t"),
        [
            "twice", "lowered", "large", "counted", "negative", "half", "written", "whole",
            "start", "sum", "either", "size", "kept", "day"
        ]
    );
    let both = moved.both();
    both.take(&[
        "INSERT INTO t (id, a, f, s, d) VALUES (5, 6, 0.1, 'New', NULL), (6, 0, -0.5, 'newer', '2025-02-28')",
        "UPDATE t SET a = 7, s = 'Changed' WHERE id = 1",
    ]);
    both.refuse(&[
        "INSERT INTO t (id, s) VALUES (7, NULL)",
        "INSERT INTO t (id, s) VALUES (7, 'newest')",
        "INSERT INTO t (id, s, twice) VALUES (7, 'y', 3)",
        "UPDATE t SET twice = 1",
    ]);
    both.assert_equal();
    moved.env.query("UPDATE t SET a = 100 WHERE id = 4");
    moved
        .env
        .verify()
        .expect(67)
        .saying(&["a: source -3, target 100", "twice: source -6, target 200"]);
}

#[test]
fn what_postgresql_cannot_compute_stays_as_values_and_is_told() {
    let moved = Moved::new(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, s TEXT, a INTEGER, at INTEGER, f REAL,
            path AS (json_extract(s, '$.a')), day AS (date(at, 'unixepoch')) STORED, kind AS (typeof(a)), twice AS (a * 2),
            nested AS (twice + 1), nul AS (NULL), odd INTEGER AS (s), rounded AS (round(f, 1)), zero AS (f * -1));
         INSERT INTO t (id, s, a, at, f) VALUES (1, '{\"a\": 1}', 2, 0, 0.0), (2, '{}', NULL, 86400, 2.25), (3, '7', 1, NULL, 1);",
    );
    assert_eq!(computed(&moved.env, "t"), ["twice"]);
    moved.says(&[
        "generated column t.path is not carried over: it becomes a plain column with the values that it has",
        "generated column t.day",
        "generated column t.kind",
        "generated column t.nested",
        "computes no column from another",
        "generated column t.odd",
        "generated column t.rounded",
        "generated column t.zero",
    ]);
    moved.env.query("INSERT INTO t (id, nested, kind) VALUES (9, 5, 'x')");
    moved.env.verify().expect(67).saying(&["1 extra"]);
}

#[test]
fn a_pipeline_file_may_ask_for_the_values() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v AS (id + 1)); INSERT INTO a VALUES (1);
         CREATE TABLE b (id INTEGER PRIMARY KEY, v AS (id + 1)); INSERT INTO b VALUES (1);",
    );
    let file = env.path("pipeline.toml");
    let text = format!(
        "[source]\npath = 'source.db'\n[target]\nurl = {:?}\n[tables.a]\ngenerated = 'values'\n",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    let run = ["run", "--no-capture", file.to_str().unwrap()];
    env.liteferry(&run)
        .expect(0)
        .saying(&["generated column a.v is not carried over", "the pipeline file says so"]);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!((computed(&env, "a").len(), computed(&env, "b").len()), (0, 1));
}

#[test]
fn a_value_that_postgresql_cannot_compute_ends_the_load_with_a_way_out() {
    let env = Environment::new();
    // SQLite goes on with a double, and the outcome does not show it.
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, v BOOLEAN AS (a * 4 > 0));
         INSERT INTO t (a) VALUES (1), (9223372036854775807);",
    );
    env.run(&[]).expect(65).saying(&["table t", "bigint out of range", "generated = \"values\""]);
}

#[test]
fn generated_columns_are_part_of_every_proof_of_many_chunks() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, v TEXT AS (upper(s)) STORED, w AS (id % 7));
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO t (id, s) SELECT i, hex(randomblob(40)) || ' row ' || i FROM n;",
    );
    let file = env.path("pipeline.toml");
    let text = format!(
        "[source]\npath = 'source.db'\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = 65536\n",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    env.liteferry(&["run", "--no-capture", file.to_str().unwrap()]).expect(0);
    let chunks: u32 = env.value("SELECT count(*) FROM liteferry.chunk").parse().unwrap();
    assert!(chunks > 4, "{chunks} chunks");
    assert_eq!(computed(&env, "t"), ["v", "w"]);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(0);
    // Another expression than the source's would not have been proved.
    env.query("ALTER TABLE t DROP COLUMN w; ALTER TABLE t ADD COLUMN w bigint GENERATED ALWAYS AS (id % 8) STORED");
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(67).saying(&["changed"]);
}
