//! What is no table: views, triggers, virtual tables and their shadows, what SQLite keeps for itself.

use super::Moved;
use crate::comparison::Comparison;
use crate::environment::Environment;

#[test]
fn views_and_triggers_are_listed_with_their_sql_and_no_line_leaves_its_comment() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);
         CREATE VIEW v AS SELECT id\nFROM t; -- end
         CREATE TRIGGER g AFTER INSERT ON t BEGIN\r\nDELETE FROM t WHERE id < 0;\nEND;
         CREATE VIEW \"two\nlines\" AS SELECT '\u{1b}[2J' AS x;",
    );
    let plan = env
        .liteferry(&["plan", "--source", env.source().to_str().unwrap(), "--target", &env.url()])
        .expect(0);
    plan.saying(&[
        "-- view v:\n--     CREATE VIEW v AS SELECT id\n--     FROM t\n",
        "-- trigger g:\n--     CREATE TRIGGER g AFTER INSERT ON t BEGIN",
        "--     DELETE FROM t WHERE id < 0;\n--     END\n",
        "SELECT '\\u{1b}[2J' AS x",
    ]);
    env.run(&[]).expect(0).saying(&["view v is not carried over", "trigger g is not carried over"]);
    assert_eq!(env.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'"), "0");
}

#[test]
fn shadows_of_virtual_tables_are_known_by_their_type_and_not_by_their_name() {
    let moved = Moved::new(
        "CREATE VIRTUAL TABLE words USING fts5 (body); INSERT INTO words VALUES ('a');
         CREATE VIRTUAL TABLE old USING fts4 (body); INSERT INTO old VALUES ('b');
         CREATE VIRTUAL TABLE area USING rtree (id, x0, x1); INSERT INTO area VALUES (1, 0, 1);
         CREATE TABLE notes_content (id INTEGER PRIMARY KEY, a); INSERT INTO notes_content VALUES (1, 'x');
         CREATE TABLE words_dates (id INTEGER PRIMARY KEY, a); INSERT INTO words_dates VALUES (1, 'x');
         CREATE TABLE sqlitefoo (a INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO sqlitefoo VALUES (1);
         CREATE INDEX by_a ON notes_content (a); ANALYZE;",
    );
    moved.says(&[
        "virtual table words is not carried over",
        "virtual table old",
        "virtual table area",
    ]);
    assert_eq!(
        moved.env.column("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"),
        ["notes_content", "sqlitefoo", "words_dates"]
    );
}

#[test]
fn a_virtual_table_of_an_unknown_module_keeps_no_other_table_from_being_moved() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x');
         CREATE TABLE vectors_chunks (id INTEGER PRIMARY KEY, data BLOB); INSERT INTO vectors_chunks VALUES (1, x'00');
         PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql)
         VALUES ('table', 'vectors', 'vectors', 0, 'CREATE VIRTUAL TABLE vectors USING vec0(embedding float[3])');",
    );
    env.run(&[]).expect(0).saying(&["virtual table vectors is not carried over"]);
    assert_eq!(
        env.column("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"),
        ["t", "vectors_chunks"]
    );
    Comparison::new().assert_equal(&env.source(), &env.connect());
    env.verify().expect(0);
}
