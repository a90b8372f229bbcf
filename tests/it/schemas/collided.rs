//! Keys that only PostgreSQL can say of that they are one, when it makes them: the end is clear, nothing is half done, and
//! the run goes on when the user has decided.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment};

/// A run by a pipeline file that says this, with a sample as census.
fn run(env: &Environment, said: &str) -> Done {
    let file = env.path("pipeline.toml");
    let url = env.url();
    let text = format!(
        "name = 'file'\n[source]\npath = 'source.db'\ncensus = 'sample'\n[target]\nurl = '{url}'\n{said}"
    );
    std::fs::write(&file, text).unwrap();
    env.liteferry(&["run", "--no-capture", "--json", "--workers", "2", file.to_str().unwrap()])
}

/// A table of more rows than a sample looks at, each with a time of its own; two times differ by a letter.
fn times(table: &str, declared: &str) -> String {
    format!(
        "CREATE TABLE {table} (id INTEGER PRIMARY KEY, at {declared} UNIQUE);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
             INSERT INTO {table} SELECT i, datetime(1735689600 + i * 60, 'unixepoch') FROM n;
         UPDATE {table} SET at = '2025-01-01T00:07:00' WHERE id = 30001;"
    )
}

const TWO: &str =
    "has ('2025-01-01 00:07:00') and ('2025-01-01T00:07:00'), which would be one: at is timestamp";

#[test]
fn a_key_that_a_sample_did_not_show_is_told_and_its_table_taken_anew_when_the_user_says_so() {
    let env = Environment::new();
    env.sqlite(&format!(
        "{} CREATE TABLE child (id INTEGER PRIMARY KEY, at DATETIME REFERENCES t (at));
         INSERT INTO child SELECT id, at FROM t WHERE id < 9; {} CREATE TABLE other (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO other SELECT * FROM child;",
        times("t", "DATETIME"),
        times("said", "TEXT"),
    ));
    let said = |of_t: &str, more: &str| {
        format!(
            "[tables.t.columns]\n{of_t}\n[tables.said.columns]\nat = {{ type = 'timestamp'{more} }}"
        )
    };
    // Once more is as once: nothing is made of it, and nothing is lost.
    for _ in 0..2 {
        let done = run(&env, &said("", "")).expect(78);
        let (table, other) = if done.says("table t:") { ("t", "said") } else { ("said", "t") };
        assert!(!done.says(&format!("error: table {other}:")), "{done}");
        let done = done.saying(&[
            &format!("error: table {table}: unique key {table}_at_key: the key (at) {TWO}"),
            "could not create unique index",
            &format!("say `at = {{ misfits = \"widen\" }}` under [tables.{table}.columns] in the pipeline file and run this again"),
        ]);
        assert!(!done.says("begin again"), "{done}");
        assert_eq!(env.value("SELECT count(*) FROM t"), "40000");
        let index = format!("SELECT count(*) FROM pg_class WHERE relname = '{table}_at_key'");
        assert_eq!(env.value(&index), "0");
    }
    let node = "SELECT pg_relation_filenode('other')";
    let before = env.value(node);
    let decided = said("at = { misfits = 'widen' }", ", misfits = 'widen'");
    run(&env, &decided).expect(0).saying(&[
        "table t: it is dropped and loaded again, because columns are widened: at becomes text",
        "table said: it is dropped and loaded again, because columns are widened: at becomes text",
        "table child: it is dropped and loaded again, because columns are widened: at becomes text",
    ]);
    assert_eq!(env.value(node), before);
    let types = "SELECT string_agg(table_name || ' ' || data_type, ', ' ORDER BY table_name) FROM information_schema.columns
                 WHERE table_schema = 'public' AND column_name = 'at'";
    assert_eq!(
        env.value(types),
        "child text, other timestamp without time zone, said text, t text"
    );
    let made = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint
                WHERE conname IN ('t_at_key', 'said_at_key', 'child_at_fkey') AND convalidated";
    assert_eq!(env.value(made), "child_at_fkey said_at_key t_at_key");
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!(compared.rows, 80_016);
    // It stays so.
    let again = run(&env, &decided).expect(0);
    assert!(!again.says("dropped and loaded again"), "{again}");
    env.liteferry(&["verify", env.path("pipeline.toml").to_str().unwrap()]).expect(0);
    run(&env, &said("", ", misfits = 'widen'")).expect(78).saying(&["it was widened already"]);
}

#[test]
fn a_key_that_no_type_keeps_apart_is_told_with_both_values() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, code UNIQUE);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
             INSERT INTO t SELECT i, CAST(i AS TEXT) FROM n;
         UPDATE t SET code = 7 WHERE id = 30001;",
    );
    let done = run(&env, "").expect(78).saying(&[
        "error: table t: unique key t_code_key: the key (code) has ('7') and (7), which would be one: code is text",
        "no type tells them apart: repair the rows in the source, drop what was created",
    ]);
    assert!(!done.says("widen"), "{done}");
    // What computes in doubles finds numbers equal that SQLite does not.
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n DECIMAL);
         INSERT INTO t VALUES (1, 9007199254740992), (2, 9007199254740993), (3, 0.5);
         CREATE UNIQUE INDEX twice ON t (n * 1);",
    );
    for _ in 0..2 {
        env.run(&[]).expect(78).saying(&[
            "error: table t: unique key twice: the key (n * 1) has (9007199254740992) and (9007199254740993), which would be one",
        ]);
        assert_eq!(env.value("SELECT count(*) FROM pg_class WHERE relname = 'twice'"), "0");
        assert_eq!(env.value("SELECT count(*) FROM t"), "3");
    }
}
