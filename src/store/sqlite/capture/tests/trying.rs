//! That a table which cannot be followed is found before anything is installed, and no other.

use super::{Followed, key_of};
use crate::model::{Capture, Follow};
use crate::pipeline::Stop;
use crate::store::sqlite::capture::trial;
use crate::store::sqlite::introspect::introspect;
use rusqlite::Connection;
use std::collections::BTreeMap;

fn reasons(sql: &str) -> BTreeMap<String, String> {
    reasons_of(|connection| connection.execute_batch(sql).unwrap())
}

fn reasons_of(create: impl FnOnce(&Connection)) -> BTreeMap<String, String> {
    let connection = Connection::open_in_memory().unwrap();
    create(&connection);
    let schema = introspect(&connection).unwrap();
    let captures: Vec<_> = (0..)
        .zip(&schema.tables)
        .map(|(number, table)| Capture { number, key: key_of(table), follow: Follow::All })
        .collect();
    let tables: Vec<_> = schema.tables.iter().zip(&captures).collect();
    trial(&connection, &schema.tables, &tables, &Stop::default()).unwrap()
}

#[test]
fn tables_of_every_kind_can_be_followed() {
    let found = reasons(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, u UNIQUE, t TEXT NOT NULL CHECK (length(t) > 100));
         CREATE TABLE b (k TEXT COLLATE NOCASE PRIMARY KEY, j TEXT, g AS (json_extract(j, '$.id')) UNIQUE) WITHOUT ROWID;
         CREATE TABLE c (x, y); CREATE UNIQUE INDEX ci ON c (lower(x), y DESC) WHERE y IS NOT NULL;
         CREATE TABLE d (k INT, l ANY, PRIMARY KEY (k, l)) STRICT;
         CREATE TABLE e (a REFERENCES a ON DELETE CASCADE, b DATETIME UNIQUE, c REAL, d BLOB, PRIMARY KEY (c, d));
         CREATE VIEW v AS SELECT a.id FROM a; CREATE VIRTUAL TABLE f USING fts5 (x, content = 'c');
         CREATE TRIGGER w INSTEAD OF INSERT ON v BEGIN INSERT INTO a (t) VALUES ('x'); END;
         CREATE TRIGGER s AFTER INSERT ON c BEGIN INSERT INTO f (rowid, x) VALUES (new.rowid, new.x); END;
         CREATE TRIGGER i AFTER UPDATE ON a BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER r AFTER UPDATE ON c BEGIN UPDATE c SET x = x || 'x'; UPDATE c SET y = y || 'x'; END",
    );
    assert_eq!(found, BTreeMap::new());
}

#[test]
fn what_only_the_application_knows_matters_only_where_it_must_be_unique() {
    let found = reasons_of(|connection| {
        connection.create_collation("mine", |one, other| other.cmp(one)).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE keyed (k TEXT COLLATE mine PRIMARY KEY);
                 CREATE TABLE known (id INTEGER PRIMARY KEY, k TEXT COLLATE mine UNIQUE);
                 CREATE TABLE checked (id INTEGER PRIMARY KEY, a CHECK (abs(a)), g AS (a || 1) UNIQUE);
                 CREATE TABLE indexed (a); CREATE UNIQUE INDEX i ON indexed (abs(a));
                 CREATE TABLE triggered (id INTEGER PRIMARY KEY, a);
                 CREATE TRIGGER t AFTER INSERT ON triggered BEGIN SELECT abs(new.a); END;
                 PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'abs', 'mine_too');
                 PRAGMA writable_schema = RESET",
            )
            .unwrap();
    });
    let names: Vec<_> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["indexed", "keyed"], "{found:?}");
    assert!(found["keyed"].contains("MINE"), "{found:?}");
    assert!(found["indexed"].contains("mine_too"), "{found:?}");
}

#[test]
fn a_foreign_key_whose_work_may_stop_half_way_is_refused_and_the_refusal_is_right() {
    let sql = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE);
         CREATE TRIGGER t AFTER DELETE ON c BEGIN SELECT RAISE(FAIL, 'no'); END;
         INSERT INTO p VALUES (1); INSERT INTO c VALUES (2, 1)";
    let found = reasons(sql);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["p"]);
    let followed = Followed::new(sql);
    followed.run("PRAGMA foreign_keys = ON");
    assert!(followed.application.execute_batch("DELETE FROM p").is_err());
    assert_eq!(followed.touches(), ["1:2"], "only the child was logged");
    assert_eq!(reasons(&sql.replace("FAIL", "ABORT")), BTreeMap::new());
}

#[test]
fn a_trigger_that_changes_the_row_before_its_update_is_refused_and_the_refusal_is_right() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b)); CREATE TABLE u (id INTEGER PRIMARY KEY, a UNIQUE);
         CREATE TRIGGER x BEFORE UPDATE ON t WHEN new.b <> 9 BEGIN INSERT INTO u (a) VALUES (new.id); END;
         CREATE TRIGGER y AFTER INSERT ON u BEGIN UPDATE \"T\" SET b = 9 WHERE id = new.a; END;
         CREATE TRIGGER z BEFORE UPDATE ON u BEGIN UPDATE u SET a = 7 WHERE id = new.id; END;
         INSERT INTO t VALUES (1, 0, 0), (2, 5, 9)";
    assert_eq!(reasons(sql).keys().collect::<Vec<_>>(), ["t"]);
    let followed = Followed::new(sql);
    let touches = followed.touches_of("UPDATE OR REPLACE t SET a = 5 WHERE id = 1");
    assert_eq!(touches, ["1:1", "2:1"], "row 2 is gone, and was not logged");
    assert_eq!(reasons(&sql.replace("x BEFORE", "x AFTER")), BTreeMap::new());
}

#[test]
fn a_table_to_which_something_could_not_be_written_any_more_is_refused() {
    let sql = "CREATE TABLE t (a TEXT, j TEXT); CREATE UNIQUE INDEX i ON t (json_extract(j, '$.id')) WHERE a = 'order';
         CREATE TABLE c (j TEXT CHECK (j LIKE '{%')); CREATE UNIQUE INDEX ci ON c (json_extract(j, '$'))";
    let found = reasons(sql);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["c"], "{found:?}");
    assert!(found["c"].contains("malformed JSON"), "{found:?}");
}

#[test]
fn a_trial_ends_where_triggers_call_one_another_for_ever() {
    let found = reasons(
        "CREATE TABLE a (x); CREATE TABLE b (x);
         CREATE TRIGGER ab AFTER INSERT ON a BEGIN INSERT INTO b SELECT x FROM a; INSERT INTO b SELECT x FROM b; END;
         CREATE TRIGGER ba AFTER INSERT ON b BEGIN INSERT INTO a SELECT x FROM b; INSERT INTO a SELECT x FROM a; END",
    );
    assert_eq!(found, BTreeMap::new());
}

#[test]
fn a_copy_reaches_nothing_outside_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.db");
    let found = reasons_of(|connection| {
        connection
            .execute_batch(&format!(
                "CREATE TABLE t (a); PRAGMA writable_schema = ON;
                 INSERT INTO sqlite_schema VALUES ('trigger', 'x', 't', 0, 'ATTACH {path:?} AS made');
                 PRAGMA writable_schema = OFF"
            ))
            .unwrap();
    });
    assert_eq!(found, BTreeMap::new());
    assert!(!path.exists());
}

#[test]
fn what_a_table_that_is_not_followed_does_to_one_that_is_counts() {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE child (a REFERENCES parent (id) ON UPDATE CASCADE); CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TRIGGER t BEFORE UPDATE ON child BEGIN SELECT RAISE(FAIL, 'no') WHERE new.a > 9; END",
        )
        .unwrap();
    let schema = introspect(&connection).unwrap();
    let parent = schema.tables.iter().find(|table| table.name == "parent").unwrap();
    let capture = Capture { number: 1, key: key_of(parent), follow: Follow::All };
    let of = |all| trial(&connection, all, &[(parent, &capture)], &Stop::default()).unwrap();
    assert!(of(&schema.tables)["parent"].contains("FAIL"));
    assert!(of(std::slice::from_ref(parent)).is_empty(), "the child alone is the reason");
}
