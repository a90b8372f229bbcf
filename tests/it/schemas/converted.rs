//! Columns whose values PostgreSQL holds in another form: what the source says of them it says of what SQLite holds.

use crate::environment::{Done, Environment};

/// What the independent comparison does not convert is proved by `verify` alone.
fn proved(sql: &str) -> (Environment, Done) {
    let env = Environment::new();
    env.sqlite(sql);
    let done = env.run(&[]).expect(0);
    env.verify().expect(0);
    (env, done)
}

#[test]
fn a_condition_on_converted_values_is_left_behind_and_one_for_null_is_kept() {
    let (env, done) = proved(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, flag BOOLEAN CHECK (flag IN ('t', 'f')), at DATETIME CHECK (at > '2020'), n NUMERIC CHECK (n < '9'),
            plain DATE CHECK (plain < '2025-06-01'), CHECK (at IS NOT NULL AND flag IS NOT NULL));
         INSERT INTO t VALUES (1, 't', '2025-01-31T12:00', 5, '2025-01-31'), (2, 'f', '2025-01-31 12:00:00', 7.5, '2025-02-28');",
    );
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = 't'::regclass AND attnum > 0";
    assert_eq!(env.value(types), "bigint, boolean, timestamp without time zone, numeric, date");
    let checks = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c' ORDER BY 1";
    assert_eq!(
        env.column(checks),
        [
            "CHECK (((at IS NOT NULL) AND (flag IS NOT NULL)))",
            "CHECK ((plain < '2025-06-01'::date))"
        ]
    );
    done.saying(&[
        "the values of \"flag\" are converted on the way",
        "the values of \"at\" are converted on the way",
    ]);
}

#[test]
fn json_has_no_order_and_its_text_has() {
    let (env, done) = proved(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, doc JSON UNIQUE, other JSON); CREATE INDEX by_doc ON t (doc DESC, id);
         CREATE INDEX by_other ON t (id) WHERE other IS NOT NULL; CREATE TABLE keyed (doc JSON PRIMARY KEY);
         INSERT INTO t VALUES (1, '{\"a\": 1}', NULL), (2, '[]', '1'); INSERT INTO keyed VALUES ('[1]');",
    );
    done.saying(&[
        "primary key of table keyed is not carried over: \"doc\" is json, which has no order",
    ]);
    let indexes = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";
    assert_eq!(env.column(indexes), ["by_doc", "by_other", "keyed_doc_key", "t_doc_key", "t_pkey"]);
    let target = env.connect();
    assert!(target.try_query("INSERT INTO t VALUES (3, '[]', NULL)").is_err());
    target.query("INSERT INTO t VALUES (3, '[ ]', NULL), (4, NULL, NULL), (5, NULL, NULL)");
}

#[test]
fn what_is_computed_from_values_that_may_be_replaced_stays_as_values() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, twice AS (coalesce(a, 0) IS NULL), other AS (b * 2));
         INSERT INTO t (id, a, b) VALUES (1, 1, 1), (2, 'many', 2);",
    );
    let file = env.path("pipeline.toml");
    let text = format!(
        "[source]\npath = 'source.db'\n[target]\nurl = {:?}\n[tables.t.columns.a]\ntype = 'int8'\nmisfits = 'null'\n",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    env.liteferry(&["run", "--no-capture", file.to_str().unwrap()])
        .expect(0)
        .saying(&["generated column t.twice is not carried over", "may take the place of values"]);
    env.query("UPDATE t SET a = 7 WHERE a IS NULL");
    let computed = "SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 't'::regclass AND attgenerated = 's'";
    assert_eq!(env.value(computed), "other");
}

#[test]
fn rows_set_aside_are_loaded_later_without_what_the_target_computes() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, twice AS (b * 2), note TEXT);
         INSERT INTO t (id, a, b, note) VALUES (1, 1, 1, 'x'), (2, x'00', 2, 'y'), (3, 3, NULL, 'z');",
    );
    let file = env.path("pipeline.toml");
    let write = |more: &str| {
        let text = format!("[source]\npath = 'source.db'\n[target]\nurl = {:?}\n{more}", env.url());
        std::fs::write(&file, text).unwrap();
    };
    let run = ["run", "--no-capture", file.to_str().unwrap()];
    write("");
    env.liteferry(&run).expect(65).saying(&["set aside"]);
    assert_eq!(
        env.column("SELECT id || ' ' || coalesce(twice::text, '-') FROM t ORDER BY id"),
        ["1 2", "3 -"]
    );
    write("[tables.t.columns.a]\nmisfits = 'null'\n");
    env.liteferry(&run).expect(0);
    assert_eq!(
        env.column("SELECT id || ' ' || coalesce(twice::text, '-') FROM t ORDER BY id"),
        ["1 2", "2 4", "3 -"]
    );
}
