//! Keys that SQLite tells apart and the target's type does not: found before anything is loaded.

use super::Moved;
use crate::environment::Environment;

/// A pipeline file that says this of tables.
fn arguments(env: &Environment, command: &str, settings: &str) -> Vec<String> {
    let file = env.path("pipeline.toml");
    let text = format!("[source]\npath = 'source.db'\n[target]\nurl = {:?}\n{settings}", env.url());
    std::fs::write(&file, text).unwrap();
    let more: &[&str] = if command == "run" { &["--no-capture"] } else { &[] };
    [&[command], more, &[file.to_str().unwrap()]].concat().into_iter().map(Into::into).collect()
}

#[test]
fn a_key_that_would_collide_becomes_text_with_all_that_refer_to_it() {
    let moved = Moved::new(
        "CREATE TABLE at (at TIMESTAMP PRIMARY KEY, n INTEGER);
         INSERT INTO at VALUES ('2025-01-31 12:00:00', 1), ('2025-01-31T12:00:00', 2);
         CREATE TABLE offset_at (at TIMESTAMP, n INTEGER, UNIQUE (n, at));
         INSERT INTO offset_at VALUES ('2025-01-31T12:00:00Z', 1), ('2025-01-31T14:00:00+02:00', 1), (NULL, 1), (NULL, 1);
         CREATE TABLE ids (id UUID PRIMARY KEY, name TEXT);
         INSERT INTO ids VALUES ('550e8400-e29b-41d4-a716-446655440000', 'a'), ('550E8400-E29B-41D4-A716-446655440000', 'b');
         CREATE TABLE referring (id INTEGER PRIMARY KEY, to_id UUID REFERENCES ids, other UUID UNIQUE);
         INSERT INTO referring VALUES (1, '550e8400-e29b-41d4-a716-446655440000', '550e8400-e29b-41d4-a716-446655440001');
         CREATE TABLE hosts (ip INET UNIQUE); INSERT INTO hosts VALUES ('::1'), ('0:0:0:0:0:0:0:1'), ('10.0.0.1');
         CREATE TABLE prices (at DATETIME, name TEXT COLLATE NOCASE, UNIQUE (name, at));
         INSERT INTO prices VALUES ('2025-01-31 12:00', 'x'), ('2025-01-31T12:00', 'X');
         CREATE TABLE fine (at TIMESTAMP PRIMARY KEY, id UUID UNIQUE);
         INSERT INTO fine VALUES ('2025-01-31 12:00', '550e8400-e29b-41d4-a716-446655440000'), ('2025-01-31T13:00:00', '550E8400E29B41D4A716446655440001');",
    );
    moved.says(&[
        "table at: column at: declared TIMESTAMP, becomes text: another type would make one key of",
        "('2025-01-31 12:00:00') and ('2025-01-31T12:00:00')",
        "table referring: column to_id: declared UUID, becomes text: a foreign key compares it with ids.id, which is text",
        "('550e8400-e29b-41d4-a716-446655440000') and ('550E8400-E29B-41D4-A716-446655440000')",
        "('::1') and ('0:0:0:0:0:0:0:1')",
    ]);
    for (table, types) in [
        ("at", vec!["text", "bigint"]),
        ("offset_at", vec!["text", "bigint"]),
        ("ids", vec!["text", "text"]),
        ("referring", vec!["bigint", "text", "uuid"]),
        ("hosts", vec!["text"]),
        ("prices", vec!["text", "text"]),
        ("fine", vec!["timestamp without time zone", "uuid"]),
    ] {
        assert_eq!(moved.types(table), types, "{table}");
    }
    assert_eq!(moved.constraints("referring", 'f'), ["FOREIGN KEY (to_id) REFERENCES ids(id)"]);
    assert_eq!(moved.constraints("at", 'p'), ["PRIMARY KEY (at)"]);
}

#[test]
fn a_key_that_the_user_s_or_the_target_s_type_makes_one_is_told_by_the_plan_with_both_values() {
    let source = "
        CREATE TABLE t (at TEXT PRIMARY KEY, n INTEGER);
        INSERT INTO t VALUES ('2025-01-31 12:00:00', 1), ('2025-01-31T12:00:00', 2);
        CREATE TABLE u (\"the value\" UNIQUE); INSERT INTO u VALUES (1), ('1');";
    let env = Environment::new();
    env.sqlite(source);
    let said = "[tables.t.columns]\nat = { type = 'timestamp' }\n";
    let words = [
        "table t: the key (at) has ('2025-01-31 12:00:00') and ('2025-01-31T12:00:00'), which would be one: at is timestamp",
        "say `at = { type = \"text\" }` under [tables.t.columns]",
        "table u: the key (the value) has (1) and ('1'), which would be one: the value is text",
    ];
    for command in ["plan", "run"] {
        env.liteferry(&arguments(&env, command, said)).expect(78).saying(&words);
    }
    assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
    env.sqlite("DROP TABLE u");
    env.liteferry(&arguments(&env, "run", "[tables.t.columns]\nat = { type = 'text' }")).expect(0);
    assert_eq!(env.value("SELECT count(*) FROM t"), "2");
    // What takes the place of several values is no key.
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE v (n INTEGER UNIQUE); INSERT INTO v VALUES (1), (2), (3), (x'00'), (x'01')",
    );
    let said = "[tables.v.columns]\nn = { misfits = 'default', default = 9 }";
    let done = env.liteferry(&arguments(&env, "plan", said)).expect(78);
    done.saying(&["table v", "say another `misfits` for n"]);
    // A table that exists has its keys and types.
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (at TEXT, n INTEGER); INSERT INTO t VALUES ('2025-01-31 12:00:00', 1), ('2025-01-31T12:00:00', 2)");
    env.query("CREATE TABLE t (at timestamp UNIQUE, n bigint)");
    let done = env.liteferry(&arguments(&env, "plan", "")).expect(78);
    done.saying(&["table t", "which would be one: at is timestamp", "in the target's table"]);
}

#[test]
fn keys_of_expressions_and_of_some_rows_only_stay_apart_too() {
    let moved = Moved::new(
        "CREATE TABLE some (at TIMESTAMP, live INTEGER); CREATE UNIQUE INDEX some_live ON some (at) WHERE live = 1;
         INSERT INTO some VALUES ('2025-01-31 12:00:00', 1), ('2025-01-31T12:00:00', 1), ('2025-01-31 12:00:00', 0);
         CREATE TABLE none (at TIMESTAMP, live INTEGER); CREATE UNIQUE INDEX none_live ON none (at) WHERE live = 1;
         INSERT INTO none VALUES ('2025-01-31 12:00:00', 1), ('2025-01-31T12:00:00', 0), ('2025-01-31 12:00:00', NULL);
         CREATE TABLE made (name TEXT, at TIMESTAMP); CREATE UNIQUE INDEX made_key ON made (lower(name), at);
         INSERT INTO made VALUES ('A', '2025-01-31 12:00:00'), ('a', '2025-01-31T12:00:00');
         CREATE TABLE apart (name TEXT, at TIMESTAMP); CREATE UNIQUE INDEX apart_key ON apart (lower(name), at);
         INSERT INTO apart VALUES ('A', '2025-01-31 12:00:00'), ('b', '2025-01-31T12:00:00');",
    );
    for (table, types) in [
        ("some", ["text", "bigint"]),
        ("none", ["timestamp without time zone", "bigint"]),
        ("made", ["text", "text"]),
        ("apart", ["text", "timestamp without time zone"]),
    ] {
        assert_eq!(moved.types(table), types, "{table}");
    }
}

#[test]
fn documents_that_the_server_holds_equal_are_told_before_the_load() {
    let env = Environment::new();
    env.sqlite(
        r#"CREATE TABLE j (doc TEXT UNIQUE); INSERT INTO j VALUES ('{"a": 1}'), ('{ "a": 1.0 }'), ('{"a": 2}')"#,
    );
    let said = "[tables.j.columns]\ndoc = { type = 'jsonb' }";
    for command in ["plan", "run"] {
        env.liteferry(&arguments(&env, command, said)).expect(78).saying(&[
            "table j",
            "which would be one: doc is jsonb",
            "say `doc = { type = \"text\" }` under [tables.j.columns]",
        ]);
    }
    assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
}
