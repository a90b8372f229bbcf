//! What is read of each kind of declaration.

use super::introspect;
use crate::model::{Deferral, ForeignKeyAction, IndexOrigin, SourceSchema, SourceTable};
use rusqlite::Connection;

fn schema(sql: &str) -> SourceSchema {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    introspect(&connection).unwrap()
}

fn table(sql: &str) -> SourceTable {
    let mut schema = schema(sql);
    assert_eq!(schema.tables.len(), 1);
    schema.tables.remove(0)
}

#[test]
fn only_integer_primary_key_in_its_plain_form_is_the_rowid() {
    for (key, is_alias) in [
        ("id INTEGER PRIMARY KEY", true),
        ("id integer primary key autoincrement", true),
        ("id INTEGER, PRIMARY KEY (id)", true),
        ("id INTEGER, PRIMARY KEY (id DESC)", true),
        ("id INT PRIMARY KEY", false),
        ("id BIGINT PRIMARY KEY", false),
        ("id INTEGER PRIMARY KEY DESC", false),
        ("id TEXT PRIMARY KEY", false),
        ("id INTEGER, b, PRIMARY KEY (id, b)", false),
        ("id INTEGER", false),
    ] {
        let table = table(&format!("CREATE TABLE t ({key})"));
        assert_eq!(table.rowid_alias, is_alias.then_some(0), "{key}");
        assert_eq!(table.rowid_name, Some("rowid"), "{key}");
    }
}

#[test]
fn a_without_rowid_table_has_no_rowid_at_all() {
    let table = table("CREATE TABLE t (a, id INTEGER, PRIMARY KEY (id, a)) WITHOUT ROWID");
    assert!(table.without_rowid);
    assert_eq!((table.rowid_alias, table.rowid_name), (None, None));
    assert_eq!(table.primary_key, [1, 0]);
}

#[test]
fn a_shadowed_rowid_is_called_by_another_name_or_by_none() {
    assert_eq!(table("CREATE TABLE t (RowId, a)").rowid_name, Some("_rowid_"));
    assert_eq!(table("CREATE TABLE t (rowid, _ROWID_)").rowid_name, Some("oid"));
    let hidden = table("CREATE TABLE t (rowid, _rowid_, OID)");
    assert_eq!((hidden.rowid_name, hidden.without_rowid), (None, false));
}

#[test]
fn columns_carry_type_default_collation_and_generated_expression() {
    let table = table(
        "CREATE TABLE t (
            a VARCHAR(10) NOT NULL DEFAULT 'x''y' COLLATE nocase,
            b AS (a || 'z'), c INTEGER GENERATED ALWAYS AS (length(a)) STORED, d DEFAULT (1 + 2))",
    );
    let [a, b, c, d] = table.columns.as_slice() else { panic!("four columns") };
    assert_eq!((a.declared.as_str(), a.not_null), ("VARCHAR(10)", true));
    assert_eq!((a.default.as_deref(), a.collation.as_str()), (Some("'x''y'"), "NOCASE"));
    assert_eq!(b.generated.as_deref(), Some("a || 'z'"));
    assert_eq!((c.generated.as_deref(), c.declared.as_str()), (Some("length (a)"), "INTEGER"));
    assert_eq!((d.default.as_deref(), d.collation.as_str()), (Some("1 + 2"), "BINARY"));
    assert_eq!(d.generated, None);
}

#[test]
fn a_sequence_is_read_even_where_it_is_above_every_row() {
    let table = table(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);
         INSERT INTO t VALUES (41); DELETE FROM t;
         INSERT INTO sqlite_sequence VALUES ('t', 'junk');",
    );
    assert!(table.autoincrement);
    assert_eq!(table.sequence, Some(41));
}

#[test]
fn indexes_show_expressions_order_collation_and_predicate() {
    let table = table(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b);
         CREATE UNIQUE INDEX i1 ON t (b DESC, lower(a), a COLLATE nocase) WHERE b > 0;
         CREATE INDEX i2 ON t (id);",
    );
    let [i1, i2, unique] = table.indexes.as_slice() else { panic!("three indexes") };
    let keys: Vec<_> =
        i1.columns.iter().map(|c| (c.key.clone(), c.descending, c.collation.as_str())).collect();
    assert_eq!(
        keys,
        [
            (Ok(2), true, "BINARY"),
            (Err("lower (a)".into()), false, "BINARY"),
            (Ok(1), false, "NOCASE"),
        ]
    );
    assert_eq!(i1.predicate.as_deref(), Some("b > 0"));
    assert!(i1.unique && i1.origin == IndexOrigin::Create);
    assert!(i1.sql.as_deref().unwrap().starts_with("CREATE UNIQUE INDEX i1"));
    assert_eq!((i2.columns[0].key.clone(), i2.predicate.as_deref()), (Ok(0), None));
    assert_eq!((unique.origin, unique.sql.as_deref()), (IndexOrigin::Unique, None));
}

#[test]
fn foreign_keys_keep_their_order_their_actions_and_when_they_are_checked() {
    let schema = schema(
        "CREATE TABLE p (x, y, PRIMARY KEY (x, y));
         CREATE TABLE c (
            a REFERENCES p (x) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
            b REFERENCES \"no such\" ON UPDATE SET NULL,
            FOREIGN KEY (B, a) REFERENCES P ON DELETE RESTRICT);",
    );
    let [one, two, three] = schema.tables[0].foreign_keys.as_slice() else { panic!("three keys") };
    assert_eq!(
        (one.columns.as_slice(), one.parent_columns.as_slice()),
        (&[0][..], &["x".to_owned()][..])
    );
    assert_eq!((one.on_delete, one.deferral), (ForeignKeyAction::Cascade, Deferral::Deferred));
    assert_eq!((two.parent.as_str(), two.on_update), ("no such", ForeignKeyAction::SetNull));
    assert_eq!((two.deferral, two.parent_columns.len()), (Deferral::Immediate, 0));
    assert_eq!(
        (three.columns.as_slice(), three.on_delete),
        (&[1, 0][..], ForeignKeyAction::Restrict)
    );
}

#[test]
fn checks_of_columns_and_of_the_table_keep_their_names() {
    let table =
        table("CREATE TABLE t (a CHECK (a > 0), b, CONSTRAINT \"b's\" CHECK (b <> 'it''s'))");
    let checks: Vec<_> =
        table.checks.iter().map(|c| (c.name.as_deref(), c.expression.as_str())).collect();
    assert_eq!(checks, [(None, "a > 0"), (Some("b's"), "b <> 'it''s'")]);
}

#[test]
fn what_is_no_ordinary_table_is_left_behind_by_name() {
    let schema = schema(
        "CREATE TABLE b (a); CREATE TABLE \"A \"\" b\" (a);
         CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT);
         CREATE VIEW v AS SELECT 1;
         CREATE TRIGGER g AFTER INSERT ON b BEGIN SELECT 1; END;
         CREATE VIRTUAL TABLE f USING fts5 (x);
         CREATE TEMP TABLE b (shadow, \"of\", another);",
    );
    let names: Vec<_> = schema.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["A \" b", "b", "n"]);
    assert_eq!(schema.tables[1].columns.len(), 1);
    let left: Vec<_> =
        schema.left_behind.iter().map(|(kind, name, _)| (kind.as_str(), name.as_str())).collect();
    assert_eq!(left, [("trigger", "g"), ("view", "v"), ("virtual table", "f")]);
}

#[test]
fn a_table_whose_text_cannot_be_parsed_still_moves_with_a_note() {
    let deep = format!("{}1{}", "(".repeat(150), ")".repeat(150));
    let table = table(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a AS (id), CHECK ({deep}));
         CREATE UNIQUE INDEX i ON t (a) WHERE {deep};
         CREATE INDEX k ON t (a);"
    ));
    assert_eq!((table.columns.len(), table.rowid_alias), (2, Some(0)));
    assert_eq!(table.columns[1].generated.as_deref(), Some(""));
    assert!(table.notes[0].contains("CREATE TABLE could not be parsed"), "{:?}", table.notes);
    assert!(table.notes[1].contains("its index i could not be parsed"), "{:?}", table.notes);
    assert_eq!(table.indexes.len(), 1);
}

#[test]
fn a_table_whose_text_is_not_utf8_still_moves_with_a_note() {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT 1; PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = CAST(CAST(sql AS BLOB) || x'2D2DFC' AS TEXT);",
        )
        .unwrap();
    let schema = introspect(&connection).unwrap();
    assert_eq!(schema.tables[0].notes.len(), 1);
    assert_eq!(schema.left_behind[0].2, "CREATE VIEW v AS SELECT 1--\u{fffd}");
}
