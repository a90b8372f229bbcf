//! Keys that SQLite tells apart and the target's type does not: found before anything is loaded.

use super::Moved;
use crate::environment::Environment;

/// A pipeline file that says this of tables.
fn arguments(env: &Environment, command: &str, settings: &str) -> Vec<String> {
    let file = env.path("pipeline.toml");
    let text = format!("[source]\npath = 'source.db'\n[target]\nurl = {:?}\n{settings}", env.url());
    std::fs::write(&file, text).unwrap();
    let more: &[&str] = if command == "verify" { &[] } else { &["--no-capture"] };
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
fn a_partial_or_computed_key_that_would_collide_becomes_text_and_only_rows_that_have_it_count() {
    let moved = Moved::new(
        "CREATE TABLE partial (id INTEGER PRIMARY KEY, at DATETIME, live BOOLEAN);
         INSERT INTO partial VALUES (1, '2025-01-31 12:00:00', 1), (2, '2025-01-31T12:00:00', 1), (3, '2025-01-31T12:00:00', 0);
         CREATE UNIQUE INDEX one_live ON partial (at) WHERE live;
         CREATE TABLE computed (id INTEGER PRIMARY KEY, name TEXT, at DATETIME);
         INSERT INTO computed VALUES (1, 'Ann', '2025-01-31 12:00:00'), (2, 'ANN', '2025-01-31T12:00:00');
         CREATE UNIQUE INDEX by_lower ON computed (at, lower(name));
         CREATE TABLE folded (id INTEGER PRIMARY KEY, name TEXT, at DATETIME);
         INSERT INTO folded VALUES (1, 'Ann', '2025-01-31 12:00:00'), (2, 'nn', '2025-01-31T12:00:00');
         CREATE UNIQUE INDEX by_trim ON folded (ltrim(name, 'Aa') COLLATE NOCASE, at) WHERE id > 0;
         -- No two rows that have the key are one.
         CREATE TABLE outside (id INTEGER PRIMARY KEY, at DATETIME, live BOOLEAN);
         INSERT INTO outside VALUES (1, '2025-01-31 12:00:00', 1), (2, '2025-01-31T12:00:00', 0), (3, '2025-01-31 12:00:00', NULL);
         CREATE UNIQUE INDEX outside_live ON outside (at) WHERE live -- a comment
         ;
         CREATE TABLE others (id INTEGER PRIMARY KEY, name TEXT, at DATETIME);
         INSERT INTO others VALUES (1, 'Ann', '2025-01-31 12:00:00'), (2, 'Bob', '2025-01-31T12:00:00'), (3, NULL, '2025-01-31T12:00:00');
         CREATE UNIQUE INDEX by_others ON others (at, lower(name));
         -- A key that is not made keeps nothing apart.
         CREATE TABLE untold (id INTEGER PRIMARY KEY, at DATETIME);
         INSERT INTO untold VALUES (1, '2025-01-31 12:00:00'), (2, '2025-01-31T12:00:00');
         CREATE UNIQUE INDEX by_type ON untold (at) WHERE typeof(at) = 'text';",
    );
    moved.says(&[
        "table partial: column at: declared DATETIME, becomes text: another type would make one key of \
         ('2025-01-31 12:00:00') and ('2025-01-31T12:00:00')",
        "('2025-01-31 12:00:00', 'ann') and ('2025-01-31T12:00:00', 'ann')",
        "('2025-01-31 12:00:00', 'nn') and ('2025-01-31T12:00:00', 'nn')",
        "index by_type is not carried over",
    ]);
    for (table, at) in [
        ("partial", "text"),
        ("computed", "text"),
        ("folded", "text"),
        ("outside", "timestamp without time zone"),
        ("others", "timestamp without time zone"),
        ("untold", "timestamp without time zone"),
    ] {
        assert!(moved.types(table).contains(&at.to_owned()), "{table}: {:?}", moved.types(table));
    }
    let both = moved.both();
    both.refuse(&[
        "INSERT INTO partial VALUES (9, '2025-01-31 12:00:00', true)",
        "INSERT INTO computed VALUES (9, 'aNN', '2025-01-31T12:00:00')",
        "INSERT INTO folded VALUES (9, 'aNN', '2025-01-31T12:00:00')",
        "INSERT INTO outside VALUES (9, '2025-01-31 12:00:00', true)",
    ]);
}

#[test]
fn a_partial_key_of_a_type_that_the_user_chose_is_told_by_the_plan_with_the_line_that_decides() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (at TEXT, live INTEGER);
         INSERT INTO t VALUES ('2025-01-31 12:00:00', 1), ('2025-01-31T12:00:00', 1);
         CREATE UNIQUE INDEX one_live ON t (at) WHERE live = 1;",
    );
    let said = |more: &str| format!("[tables.t.columns]\nat = {{ type = 'timestamp'{more} }}");
    for command in ["plan", "run"] {
        env.liteferry(&arguments(&env, command, &said(""))).expect(78).saying(&[
            "table t: the key (at) WHERE live = 1 has ('2025-01-31 12:00:00') and ('2025-01-31T12:00:00'), which would be \
             one: at is timestamp",
            "say `at = { type = \"text\" }` under [tables.t.columns]",
        ]);
    }
    assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
    // To widen is to carry what the type would not keep apart.
    env.liteferry(&arguments(&env, "run", &said(", misfits = 'widen'"))).expect(0);
    assert_eq!(
        env.value("SELECT string_agg(at, ' ' ORDER BY at) FROM t"),
        "2025-01-31 12:00:00 2025-01-31T12:00:00"
    );
}

#[test]
fn documents_that_are_equal_are_one_key_and_others_are_not() {
    let moved = Moved::new(
        r#"CREATE TABLE scale (id INTEGER PRIMARY KEY, doc JSONB UNIQUE);
         INSERT INTO scale VALUES (1, '{"a":[1,"x"]}'), (2, '{"a":[1.00,"x"]}'), (3, '{}');
         CREATE TABLE blanks (doc JSONB, n INTEGER, UNIQUE (n, doc));
         INSERT INTO blanks VALUES ('{"a":1,"b":2}', 1), ('{"b": 2, "a": 1}', 1), ('{}', 2);
         CREATE TABLE apart (doc JSONB UNIQUE);
         INSERT INTO apart VALUES ('"1"'), ('"1.0"'), ('[1]'), ('[10]'), ('[1.01]'), ('["1.0"]'), ('{"1.0": 1}'), ('{"1": 1}'), ('true'), ('[1, 1]');
         CREATE TABLE live (doc JSONB, live INTEGER);
         INSERT INTO live VALUES ('[1]', 1), ('[1.0]', 0); CREATE UNIQUE INDEX one_live ON live (doc) WHERE live = 1;"#,
    );
    moved.says(&["table scale: column doc", "table blanks: column doc"]);
    for (table, doc) in
        [("scale", "text"), ("blanks", "text"), ("apart", "jsonb"), ("live", "jsonb")]
    {
        assert!(moved.types(table).contains(&doc.to_owned()), "{table}: {:?}", moved.types(table));
    }
}

#[test]
fn a_key_that_would_collide_becomes_text_also_where_damage_would_be_accepted() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (at TIMESTAMP PRIMARY KEY, n INTEGER);
         INSERT INTO t VALUES ('2025-01-31 12:00:00', 1), ('2025-01-31T12:00:00', 2);",
    );
    let moved = Moved::of(env, &["--accept-corrupt"]);
    assert_eq!(moved.types("t"), ["text", "bigint"]);
    assert_eq!(moved.constraints("t", 'p'), ["PRIMARY KEY (at)"]);
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
