//! Indexes: composite, descending, partial, on expressions, collated, unique.

use super::Moved;

#[test]
fn an_index_keeps_its_columns_its_direction_its_predicate_and_its_collation() {
    let moved = Moved::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL, c TEXT COLLATE NOCASE, d BOOLEAN, at DATETIME);
         INSERT INTO t VALUES (1, 'x', 1.5, 'Y', 1, '2025-01-01 00:00:00'), (2, NULL, NULL, NULL, 0, NULL);
         CREATE INDEX composite ON t (b DESC, a, at DESC);
         CREATE INDEX partial ON t (a) WHERE d = 1 AND b > 0.5 AND a IS NOT NULL;
         CREATE INDEX expression ON t (lower(a) DESC, b * 2, coalesce(a, ''));
         CREATE INDEX folded ON t (c);
         CREATE INDEX plain ON t (c COLLATE BINARY, a COLLATE RTRIM);
         CREATE INDEX twice ON t (a, b, a DESC, a COLLATE NOCASE);
         CREATE INDEX of_rowid ON t (id, a);",
    );
    let definition = |name| {
        let definition = moved.index(name);
        definition.split_once("btree ").unwrap().1.to_owned()
    };
    let fold = "'ABCDEFGHIJKLMNOPQRSTUVWXYZ'::text, 'abcdefghijklmnopqrstuvwxyz'::text";
    assert_eq!(definition("composite"), "(b DESC, a, at DESC)");
    assert_eq!(
        definition("partial"),
        "(a) WHERE ((d = true) AND (b > (0.5)::double precision) AND (a IS NOT NULL))"
    );
    assert!(
        definition("expression").starts_with("(lower((a COLLATE \"C\")) DESC, "),
        "{}",
        definition("expression")
    );
    assert_eq!(definition("folded"), format!("(translate(c, {fold}))"));
    assert_eq!(definition("plain"), "(c, rtrim(a, ' '::text))");
    assert_eq!(definition("twice"), format!("(a, b, translate(a, {fold}))"));
    assert_eq!(definition("of_rowid"), "(id, a)");
}

#[test]
fn a_unique_index_refuses_what_it_refused() {
    let moved = Moved::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, d BOOLEAN);
         INSERT INTO t VALUES (1, 'Ann', 1, 1), (2, NULL, 2, 0), (3, 'bob ', 2, 0);
         CREATE UNIQUE INDEX by_lower ON t (lower(a));
         CREATE UNIQUE INDEX by_trim ON t (a COLLATE RTRIM DESC);
         CREATE UNIQUE INDEX one_active ON t (b) WHERE d;
         CREATE UNIQUE INDEX one_of_all ON t ((0)) WHERE b = 99;",
    );
    let both = moved.both();
    both.refuse(&[
        "INSERT INTO t VALUES (10, 'ANN', 5, false)",
        "INSERT INTO t VALUES (10, 'bob', 5, false)",
        "INSERT INTO t VALUES (10, 'c', 1, true)",
        "BEGIN; INSERT INTO t VALUES (10, 'c', 99, false); INSERT INTO t VALUES (11, 'd', 99, false); COMMIT",
    ]);
    both.take(&[
        "INSERT INTO t VALUES (10, NULL, 5, false), (11, ' bob', 1, false), (12, 'ÄNN', 5, true)",
        "INSERT INTO t VALUES (13, 'änn', 99, false)",
    ]);
    both.assert_equal();
}

#[test]
fn an_index_that_cannot_be_said_in_postgresql_is_listed_with_its_sql() {
    let moved = Moved::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, at INTEGER); INSERT INTO t VALUES (1, '{}', 0);
         CREATE INDEX by_path ON t (json_extract(a, '$.b'));
         CREATE INDEX by_day ON t (date(at, 'unixepoch'));
         CREATE UNIQUE INDEX some ON t (a) WHERE typeof(at) = 'integer';
         CREATE INDEX of_null ON t (NULL);
         CREATE INDEX kept ON t (at);",
    );
    moved.says(&[
        "index by_path is not carried over",
        "index by_day",
        "index some",
        "index of_null",
    ]);
    let plan = moved.env.liteferry(&moved.env.ends("plan", &[])).expect(0);
    let left = plan.json()["plan"]["left_behind"].as_array().unwrap();
    let sql: Vec<_> = left.iter().map(|left| left["sql"].as_str().unwrap()).collect();
    assert!(sql.contains(&"CREATE INDEX by_day ON t (date(at, 'unixepoch'))"), "{sql:?}");
    assert_eq!(left.len(), 4);
    assert_eq!(
        moved.env.column("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"),
        ["kept", "t_pkey"]
    );
}
