//! What a writer refuses, and what it makes up for.

use super::{Begun, DatabaseWriter, KeptCell, Making};
use crate::error::{Class, Signal};
use crate::model::{
    CellShape, Column, Form, IsoColumn, OriginalFile, PgType, RawCell, TableSchema, TextEncoding,
};
use crate::pipeline::Stop;
use crate::row::temporal::IsoText;
use crate::store::sqlite::original::original;
use arrow_array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// No virtual table is filled.
static NONE: BTreeSet<String> = BTreeSet::new();

fn making<'f>(file: &'f OriginalFile, tables: &'f BTreeSet<String>) -> Making<'f> {
    Making { file, tables, of: "this" }
}

fn filling(begun: crate::Result<Begun<'_>>) -> DatabaseWriter<'_> {
    match begun.unwrap() {
        Begun::Filling(writer) => writer,
        Begun::Filled(_) => panic!("all is in it"),
    }
}

fn begun<'f>(
    path: &Path,
    file: &'f OriginalFile,
    tables: &'f BTreeSet<String>,
) -> DatabaseWriter<'f> {
    filling(Begun::at(path, making(file, tables), &Stop::default()))
}

fn made(sql: &str) -> (OriginalFile, TempDir, PathBuf) {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    (original(&connection).unwrap(), folder, path)
}

/// A table of a number and a time without offset.
fn times() -> (TableSchema, RecordBatch) {
    let form = IsoText::parse("2025-01-31 00:00:00").unwrap().1;
    let form = Form::Iso(IsoColumn { form, zone: None, integer: false });
    let at = Column { form, ..Column::new("at", CellShape::IsoNaive, PgType::Timestamp) };
    let id = Column::new("id", CellShape::Integer, PgType::Int8);
    let table = TableSchema::new("t", vec![id, at]);
    // The second one is before the year 1, which no text says.
    let at = TimestampMicrosecondArray::from(vec![0, -100_000_000_000_000_000]);
    let columns = [Arc::new(Int64Array::from(vec![1, 2])) as _, Arc::new(at) as _];
    let batch = RecordBatch::try_new(table.write_schema(), columns.into()).unwrap();
    (table, batch)
}

#[test]
fn a_value_that_its_form_cannot_say_needs_its_cell() {
    let (file, folder, path) = made("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT)");
    let (table, batch) = times();
    let writer = begun(&path, &file, &NONE);
    let mut rows = writer.table(&table).unwrap();
    let error = rows.rows(&batch, &[]).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    let at = "table t: row 1 of a batch: column at: its value cannot be written";
    assert!(error.to_string().starts_with(at), "{error}");
    drop(rows);
    drop(writer);
    making(&file, &NONE).discard(&path);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let writer = begun(&path, &file, &NONE);
    let kept = |at| {
        let (cell, encoding) = (RawCell::text(b"long ago"), TextEncoding::Utf8);
        [KeptCell { at, column: 1, cell, encoding }]
    };
    writer.table(&table).unwrap().rows(&batch, &kept(1)).unwrap();
    let beyond = writer.table(&table).unwrap().rows(&batch.slice(0, 0), &kept(0)).unwrap_err();
    assert_eq!(beyond.class(), Class::Internal);
}

#[test]
fn columns_are_found_by_the_names_that_the_source_has() {
    let (file, _folder, path) = made("CREATE TABLE t (\"odd \"\"one\" TEXT, b)");
    let column = |name: &str, target: &str| Column {
        target: target.into(),
        ..Column::new(name, CellShape::Text, PgType::Text)
    };
    let columns = vec![column("b", "renamed"), column("odd \"one", "b")];
    let table = TableSchema::new("t", columns);
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as _;
    let batch = RecordBatch::try_new(table.write_schema(), vec![text("of b"), text("odd")]);
    let writer = begun(&path, &file, &NONE);
    writer.table(&table).unwrap().rows(&batch.unwrap(), &[]).unwrap();
    for columns in [vec![column("b", "b")], vec![column("b", "b"), column("x", "x")]] {
        let error = writer.table(&TableSchema::new("t", columns)).unwrap_err();
        assert_eq!(error.class(), Class::Internal);
    }
    assert!(writer.table(&TableSchema::new("u", Vec::new())).is_err());
    writer.finish().unwrap().publish().unwrap();
    let read = Connection::open(&path).unwrap();
    let sql = "SELECT \"odd \"\"one\" || ', ' || b FROM t";
    assert_eq!(read.query_row(sql, [], |row| row.get(0)), Ok("odd, of b".to_owned()));
}

#[test]
fn half_a_character_is_no_text_that_can_be_written() {
    let (file, _folder, path) = made("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a)");
    let table = TableSchema::new("t", vec![Column::new("a", CellShape::AnyText, PgType::Text)]);
    let writer = begun(&path, &file, &NONE);
    let mut rows = writer.table(&table).unwrap();
    let cell = |bytes: &[u8], encoding| [(RawCell::text(bytes), encoding)];
    rows.raw(&cell(&[0, 0xD8], TextEncoding::Utf16le)).unwrap();
    let error = rows.raw(&cell(&[0x41], TextEncoding::Utf16le)).unwrap_err();
    assert_eq!(error.class(), Class::Data);
    assert!(error.to_string().starts_with("table t: column a: a text in UTF-16"), "{error}");
    assert!(rows.raw(&cell(&[0x41, 0], TextEncoding::Utf16be)).is_err());
    assert!(rows.raw(&[]).is_err());
}

#[test]
fn virtual_tables_whose_own_tables_are_not_given_are_made_anew() {
    let sql = "CREATE TABLE posts (body TEXT);
        CREATE VIRTUAL TABLE search USING fts5 (body, content='posts');
        CREATE VIRTUAL TABLE box USING rtree (id, a, b); CREATE VIRTUAL TABLE box_more USING rtree (id, a, b);
        INSERT INTO box VALUES (1, 2, 3);";
    let (file, _folder, path) = made(sql);
    let table = TableSchema::new("posts", vec![Column::new("body", CellShape::Text, PgType::Text)]);
    let texts = Arc::new(StringArray::from(vec!["a quick fox", "a dog"])) as _;
    let batch = RecordBatch::try_new(table.write_schema(), vec![texts]).unwrap();
    let writer = begun(&path, &file, &NONE);
    writer.table(&table).unwrap().rows(&batch, &[]).unwrap();
    let notes = writer.finish().unwrap().publish().unwrap();
    assert_eq!(notes.len(), 3, "{notes:?}");
    let read = Connection::open(&path).unwrap();
    let found = "SELECT group_concat(rowid) FROM search WHERE search MATCH 'quick'";
    assert_eq!(read.query_row(found, [], |row| row.get(0)), Ok("1".to_owned()));
    assert_eq!(read.query_row("SELECT count(*) FROM box", [], |row| row.get(0)), Ok(0));
}

#[test]
fn an_order_that_only_the_application_knows_is_told() {
    let connection = Connection::open_in_memory().unwrap();
    connection.create_collation("backwards", |one: &str, other: &str| other.cmp(one)).unwrap();
    let sql = "CREATE TABLE t (a TEXT COLLATE backwards UNIQUE, b); CREATE INDEX t_b ON t (b)";
    connection.execute_batch(sql).unwrap();
    let file = original(&connection).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let writer = begun(&path, &file, &NONE);
    let notes = writer.finish().unwrap().publish().unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("sqlite_autoindex_t_1") && notes[0].contains("REINDEX"));
}

#[test]
fn a_stop_leaves_what_is_whole_to_the_next_one() {
    let (file, folder, path) = made("CREATE TABLE t (a); CREATE INDEX t_a ON t (a)");
    let table = TableSchema::new("t", vec![Column::new("a", CellShape::Integer, PgType::Int8)]);
    let numbers = Arc::new(Int64Array::from_iter_values(0..50_000)) as _;
    let batch = RecordBatch::try_new(table.write_schema(), vec![numbers]).unwrap();
    let stop = Stop::default();
    let writer = filling(Begun::at(&path, making(&file, &NONE), &stop));
    writer.table(&table).unwrap().rows(&batch, &[]).unwrap();
    writer.end_part().unwrap();
    writer.table(&table).unwrap().rows(&batch, &[]).unwrap();
    stop.request(Signal::Terminate);
    let error = writer.finish().unwrap_err();
    assert_eq!(error.class(), Class::Interrupted(Signal::Terminate));
    assert!(!path.exists() && std::fs::read_dir(folder.path()).unwrap().count() > 0);
    let writer = begun(&path, &file, &NONE);
    assert_eq!(writer.parts(), 1);
    writer.finish().unwrap().publish().unwrap();
    let read = Connection::open(&path).unwrap();
    let sql = "SELECT count(*) || '/' || count(DISTINCT a) FROM t";
    assert_eq!(read.query_row(sql, [], |row| row.get(0)), Ok("50000/50000".to_owned()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_was_left_is_gone_on_with_in_a_file_of_any_kind() {
    for header in [
        "",
        "PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL; PRAGMA encoding = 'UTF-16le';",
        "PRAGMA page_size = 65536; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA user_version = -7;",
    ] {
        let (file, folder, path) = made(&format!(
            "{header} PRAGMA application_id = 9; CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT);
             CREATE TABLE u (a TEXT PRIMARY KEY, b UNIQUE) WITHOUT ROWID; CREATE INDEX t_a ON t (a);
             INSERT INTO t VALUES (70); DELETE FROM t;"
        ));
        let table = TableSchema::new("t", vec![Column::new("a", CellShape::Integer, PgType::Int8)]);
        let rows = |numbers: std::ops::Range<i64>| {
            let numbers = Arc::new(Int64Array::from_iter_values(numbers)) as _;
            RecordBatch::try_new(table.write_schema(), vec![numbers]).unwrap()
        };
        for part in 0..4_i64 {
            let writer = begun(&path, &file, &NONE);
            assert_eq!(writer.parts(), usize::try_from(part).unwrap());
            let mut written = writer.table(&table).unwrap();
            written.rows(&rows(part * 10_000..(part + 1) * 10_000), &[]).unwrap();
            drop(written);
            writer.end_part().unwrap();
            // What is not of a part that has ended is gone.
            writer.table(&table).unwrap().rows(&rows(90_000..99_000), &[]).unwrap();
            drop(writer);
        }
        drop(begun(&path, &file, &NONE).finish().unwrap());
        match Begun::at(&path, making(&file, &NONE), &Stop::default()).unwrap() {
            Begun::Filled(filled) => assert!(filled.publish().unwrap().is_empty()),
            Begun::Filling(_) => panic!("all was in it"),
        }
        let read = Connection::open(&path).unwrap();
        let sql = "SELECT count(*) || '/' || max(a) FROM t";
        assert_eq!(read.query_row(sql, [], |row| row.get(0)), Ok("40000/39999".to_owned()));
        assert_eq!(original(&read).unwrap(), file);
        drop(read);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn what_cannot_be_gone_on_with_is_made_anew() {
    let (file, folder, path) = made("CREATE TABLE t (a)");
    drop(begun(&path, &file, &NONE));
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let left = left.into_iter().find(|path| path.extension().unwrap() == "db").unwrap();
    for damaged in [&b"no database at all, but for longer than a header of one hundred bytes is, which is something else that it could be"[..], b""] {
        std::fs::write(&left, damaged).unwrap();
        let writer = begun(&path, &file, &NONE);
        assert_eq!(writer.parts(), 0);
        drop(writer);
    }
    let (other, ..) = made("CREATE TABLE u (a, b)");
    let writer = begun(&path, &other, &NONE);
    assert_eq!(writer.parts(), 0);
    writer.finish().unwrap().publish().unwrap();
    assert_eq!(original(&Connection::open(&path).unwrap()).unwrap(), other);
}
