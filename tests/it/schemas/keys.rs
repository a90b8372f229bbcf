//! Primary keys and UNIQUE constraints: of every kind, twice, nullable, folded, and longer than an index holds.

use super::Moved;
use crate::environment::Environment;
use rusqlite::Connection;

#[test]
fn only_the_alias_of_the_rowid_counts_up() {
    let moved = Moved::new(
        "CREATE TABLE alias (id INTEGER PRIMARY KEY, a); INSERT INTO alias VALUES (5, 'x');
         CREATE TABLE late (a, id INTEGER, PRIMARY KEY (id DESC)); INSERT INTO late VALUES ('x', 5);
         CREATE TABLE small (id INT PRIMARY KEY, a); INSERT INTO small VALUES (5, 'x');
         CREATE TABLE big (id BIGINT PRIMARY KEY, a); INSERT INTO big VALUES (5, 'x');
         CREATE TABLE down (id INTEGER PRIMARY KEY DESC, a); INSERT INTO down VALUES (5, 'x');
         CREATE TABLE none (id INTEGER PRIMARY KEY, a) WITHOUT ROWID; INSERT INTO none VALUES (5, 'x');
         CREATE TABLE strict_one (id INTEGER PRIMARY KEY, a TEXT) STRICT; INSERT INTO strict_one VALUES (5, 'x');",
    );
    let both = moved.both();
    for table in ["alias", "late", "strict_one"] {
        let sql = format!("INSERT INTO {table} (a) VALUES ('y')");
        both.take(&[&sql]);
        assert_eq!(moved.env.value(&format!("SELECT max(id) FROM {table}")), "6");
    }
    for table in ["small", "big", "down", "none"] {
        assert_eq!(moved.constraints(table, 'p'), ["PRIMARY KEY (id)"]);
        let identity = format!(
            "SELECT attidentity::text FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = 'id'"
        );
        assert_eq!(moved.env.value(&identity), "", "{table}");
    }
    both.refuse(&["INSERT INTO none (a) VALUES ('y')"]);
    both.assert_equal();
}

#[test]
fn the_next_id_is_behind_every_one_that_was_given_out() {
    let moved = Moved::new(
        "CREATE TABLE emptied (id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO emptied VALUES (10, 'x'); DELETE FROM emptied;
         CREATE TABLE lowered (id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO lowered VALUES (12, 'x');
         CREATE TABLE garbled (id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO garbled VALUES (3, 'x');
         UPDATE sqlite_sequence SET seq = 3 WHERE name = 'lowered'; UPDATE sqlite_sequence SET seq = 'many' WHERE name = 'garbled';
         CREATE TABLE fresh (id INTEGER PRIMARY KEY, a); CREATE TABLE below (id INTEGER PRIMARY KEY, a); INSERT INTO below VALUES (-5, 'x');
         CREATE TABLE used_up (id INTEGER PRIMARY KEY, a); INSERT INTO used_up VALUES (9223372036854775807, 'x'), (1, 'y');",
    );
    let next =
        |table| moved.env.value(&format!("INSERT INTO {table} (a) VALUES ('new') RETURNING id"));
    let tables = ["emptied", "lowered", "garbled", "fresh", "below"];
    assert_eq!(tables.map(next), ["11", "13", "4", "1", "1"]);
    // SQLite looks for an id that is free.
    moved.says(&["table used_up: the ids are used up"]);
    assert!(moved.env.connect().try_query("INSERT INTO used_up (a) VALUES ('new')").is_err());
    moved.env.query("INSERT INTO used_up (id, a) VALUES (2, 'new')");
}

#[test]
fn a_key_with_nulls_becomes_unique_and_is_told_of() {
    let moved = Moved::new(
        "CREATE TABLE one (id TEXT PRIMARY KEY, a); INSERT INTO one VALUES (NULL, 1), (NULL, 2), ('x', 3);
         CREATE TABLE two (a INTEGER, b TEXT, PRIMARY KEY (b, a)); INSERT INTO two VALUES (1, NULL), (1, NULL), (1, 'x');
         CREATE TABLE full (id TEXT PRIMARY KEY); INSERT INTO full VALUES ('x');",
    );
    moved.says(&[
        "table one: unique key one_key: the source's primary key holds NULLs",
        "table two: unique key two_key",
    ]);
    moved.is_silent_of(&["table full: "]);
    assert_eq!(moved.constraints("one", 'u'), ["UNIQUE (id)"]);
    assert_eq!(moved.constraints("two", 'u'), ["UNIQUE (b, a)"]);
    let both = moved.both();
    both.take(&[
        "INSERT INTO one VALUES (NULL, 9)",
        "INSERT INTO two VALUES (NULL, 'x'), (1, NULL)",
    ]);
    both.refuse(&[
        "INSERT INTO one VALUES ('x', 9)",
        "INSERT INTO two VALUES (1, 'x')",
        "INSERT INTO full VALUES ('x')",
    ]);
    both.assert_equal();
}

#[test]
fn what_is_unique_twice_is_unique_once() {
    let moved = Moved::new(
        "CREATE TABLE a (game_id TEXT PRIMARY KEY UNIQUE, x INTEGER UNIQUE, y TEXT, UNIQUE (x), UNIQUE (y, x), UNIQUE (x, y));
         CREATE TABLE b (id INTEGER PRIMARY KEY UNIQUE);
         CREATE TABLE c (a TEXT, b TEXT, PRIMARY KEY (a, a, b), UNIQUE (b, a, b));
         CREATE UNIQUE INDEX named ON a (game_id);
         INSERT INTO a VALUES ('x', 1, 'y'); INSERT INTO b VALUES (1); INSERT INTO c VALUES ('x', 'y');",
    );
    assert_eq!(moved.constraints("a", 'p'), ["PRIMARY KEY (game_id)"]);
    assert_eq!(moved.constraints("a", 'u'), ["UNIQUE (x)", "UNIQUE (y, x)"]);
    assert_eq!(moved.constraints("b", 'u'), [""; 0]);
    assert_eq!(moved.constraints("c", 'p'), ["PRIMARY KEY (a, b)"]);
    assert_eq!(moved.constraints("c", 'u'), [""; 0]);
    assert!(moved.index("named").starts_with("CREATE UNIQUE INDEX named"));
    let both = moved.both();
    both.refuse(&[
        "INSERT INTO a VALUES ('x', 2, 'z')",
        "INSERT INTO a VALUES ('z', 1, 'z')",
        "INSERT INTO c VALUES ('x', 'y')",
    ]);
    both.take(&["INSERT INTO a VALUES ('y', 2, 'y')", "INSERT INTO c VALUES ('x', 'z')"]);
    both.assert_equal();
}

#[test]
fn keys_without_case_and_without_spaces_at_the_end_stay_so() {
    let moved = Moved::new(
        "CREATE TABLE nocase (name TEXT PRIMARY KEY COLLATE NOCASE, other TEXT UNIQUE COLLATE NOCASE, n INTEGER UNIQUE COLLATE NOCASE);
         INSERT INTO nocase VALUES ('Ada', 'one', 1), ('ÄDA', NULL, 2);
         CREATE TABLE rtrim (name TEXT PRIMARY KEY COLLATE RTRIM, other TEXT, UNIQUE (other COLLATE RTRIM, name COLLATE BINARY));
         INSERT INTO rtrim VALUES ('a  ', 'x '), ('b', 'y');
         CREATE TABLE exact (name TEXT COLLATE NOCASE, UNIQUE (name COLLATE BINARY)); INSERT INTO exact VALUES ('a'), ('A');",
    );
    let both = moved.both();
    both.refuse(&[
        "INSERT INTO nocase VALUES ('ADA', 'two', 3)",
        "INSERT INTO nocase VALUES ('Bob', 'ONE', 3)",
        "INSERT INTO nocase VALUES ('Bob', 'two', 2)",
        "INSERT INTO rtrim VALUES ('a', 'z')",
        "INSERT INTO rtrim VALUES ('b   ', 'z')",
        "INSERT INTO exact VALUES ('a')",
    ]);
    both.take(&[
        "INSERT INTO nocase VALUES ('äda', NULL, 3)",
        "INSERT INTO rtrim VALUES (' a', 'x '), ('A', 'x')",
        "INSERT INTO exact VALUES ('b'), ('B')",
    ]);
    both.assert_equal();
}

/// Text that no compression makes fit.
fn long() -> String {
    "upper(hex(randomblob(3000)))".into()
}

#[test]
fn keys_longer_than_a_b_tree_holds_stay_unique() {
    let long = long();
    let moved = Moved::new(&format!(
        "CREATE TABLE pages (url TEXT PRIMARY KEY, body BLOB UNIQUE, title TEXT, kind TEXT, UNIQUE (kind, title));
         CREATE UNIQUE INDEX pages_folded ON pages (url COLLATE NOCASE) WHERE kind <> 'draft';
         CREATE TABLE two (a TEXT, b BLOB, c INTEGER, PRIMARY KEY (a, b, c)) WITHOUT ROWID;
         INSERT INTO pages VALUES ({long}, randomblob(4000), {long}, 'k'), ('a\\b', x'00', 'a\\b', 'k'), ('\\x41', x'01', '\\x41', 'k');
         INSERT INTO two VALUES ({long}, randomblob(3000), 1), ('a', x'01', 1);",
    ));
    moved.says(&[
        "table pages: primary key pages_pkey: its keys have up to 6000 bytes",
        "primary key pages_pkey is made in another way",
        "index row size",
        "unique key pages_folded is made in another way",
    ]);
    assert_eq!(moved.constraints("pages", 'x').len(), 3);
    assert!(
        moved.index("pages_kind_title_key").contains("UNIQUE")
            && moved.index("two_pkey").contains("sha256")
    );
    // Another run tells the same.
    let again = moved.env.run(&[]).expect(0);
    assert!(again.says("primary key pages_pkey is made in another way"), "{again}");
    let both = moved.both();
    both.refuse(&[
        "INSERT INTO pages SELECT url, x'aa', 'other', 'k' FROM pages WHERE length(url) > 100",
        "INSERT INTO pages SELECT 'other', x'aa', title, kind FROM pages WHERE length(url) > 100",
        "INSERT INTO pages (url) SELECT 'a\\b'",
        "INSERT INTO pages SELECT lower(url), x'ab', 'other', 'k' FROM pages WHERE length(url) > 100",
        "INSERT INTO two SELECT * FROM two",
        "INSERT INTO two SELECT NULL, b, c FROM two",
    ]);
    both.take(&[
        "INSERT INTO pages SELECT lower(url), NULL, 'draft', 'draft' FROM pages WHERE length(url) > 100",
        "INSERT INTO pages (url, title, kind) SELECT 'a\\\\b', 'a\\\\b', 'k'",
        "INSERT INTO two SELECT a, b, 2 FROM two",
    ]);
    both.assert_equal();
    let not_null = "SELECT attnotnull::text FROM pg_attribute WHERE attrelid = 'pages'::regclass AND attname = 'url'";
    assert_eq!(moved.env.value(not_null), "true", "of the primary key");
}

#[test]
fn long_keys_that_shrink_to_fit_are_keys_like_others() {
    let moved = Moved::new(
        "CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT UNIQUE);
         INSERT INTO t VALUES (replace(hex(zeroblob(3000)), '0', 'ab'), replace(hex(zeroblob(4000)), '0', 'ba'));",
    );
    moved.says(&["its keys have up to 12000 bytes"]);
    moved.is_silent_of(&["in another way"]);
    assert_eq!(moved.constraints("t", 'p'), ["PRIMARY KEY (a)"]);
}

#[test]
fn a_key_of_more_columns_than_an_index_has_is_left_behind_and_told() {
    let columns =
        |count: usize| (0..count).map(|at| format!("c{at}")).collect::<Vec<_>>().join(", ");
    let values = vec!["1"; 40].join(", ");
    let moved = Moved::new(&format!(
        "CREATE TABLE t ({all}, PRIMARY KEY ({wide}), UNIQUE ({fits})); CREATE INDEX wide ON t ({wide});
         CREATE INDEX twice ON t ({fits}, c0, c1, c2); INSERT INTO t VALUES ({values});",
        all = columns(40),
        wide = columns(33),
        fits = columns(32),
    ));
    moved.says(&[
        "primary key of table t is not carried over: it has 33 columns",
        "index wide is not carried over",
    ]);
    assert_eq!(moved.constraints("t", 'u').len(), 1);
    assert!(
        moved.index("twice").ends_with("c31)"),
        "a column that stands twice in an index counts once"
    );
}

#[test]
fn a_collation_of_the_application_is_told_of_and_its_rows_are_moved() {
    let env = Environment::new();
    let application = Connection::open(env.source()).unwrap();
    application
        .create_collation("unicase", |one: &str, other: &str| {
            one.to_lowercase().cmp(&other.to_lowercase())
        })
        .unwrap();
    application
        .execute_batch(
            "CREATE TABLE t (name TEXT PRIMARY KEY COLLATE unicase, tag TEXT COLLATE unicase UNIQUE, CHECK (tag <> 'x')) WITHOUT ROWID;
             CREATE INDEX by_tag ON t (tag); CREATE UNIQUE INDEX both_ways ON t (tag, name COLLATE NOCASE);
             INSERT INTO t VALUES ('b', 'Ä'), ('A', 'z'), ('c', 'M');",
        )
        .unwrap();
    drop(application);
    env.run(&[]).expect(0).saying(&[
        "PostgreSQL does not know the collation UNICASE",
        "index by_tag: PostgreSQL does not know the collation UNICASE: the index is on the plain values",
        "index both_ways is not carried over",
        "check of table t is not carried over",
    ]);
    assert_eq!(env.column("SELECT name FROM t ORDER BY name"), ["A", "b", "c"]);
    env.verify().expect(0);
    assert!(
        env.connect().try_query("INSERT INTO t VALUES ('b', 'y')").is_err(),
        "the key is exact at least"
    );
    assert_eq!(
        env.column("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"),
        ["by_tag", "t_pkey"]
    );
}
