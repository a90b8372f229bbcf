//! Where the cells stand that are kept beside a batch, and the rows that are not in it.

use super::{BATCH_BYTES, ReadBatch};
use crate::error::{Error, Result};
use crate::model::{
    CellShape, Column, Misfit, PgType, RawCell, RejectedRow, Remedy, RowName, RowRange,
    TableSchema, TextEncoding,
};
use crate::pipeline::Stop;
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::read::Reader;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use rusqlite::Connection;

/// Columns whose cells may be written in another form, whose misfits become NULL, and whose misfits are set aside.
fn table(key: &[usize]) -> TableSchema {
    let column = |name: &str, read, pg, misfits| Column { misfits, ..Column::new(name, read, pg) };
    let columns = vec![
        column("before", CellShape::AnyText, PgType::Text, Remedy::Reject),
        column("nulled", CellShape::Integer, PgType::Int8, Remedy::Null),
        column("strict", CellShape::Integer, PgType::Int8, Remedy::Reject),
        column("after", CellShape::AnyText, PgType::Text, Remedy::Reject),
    ];
    let rowid_name = key.is_empty().then(|| "rowid".to_owned());
    let named_by_key = !key.is_empty();
    TableSchema { rowid_name, named_by_key, key: key.to_vec(), ..TableSchema::new("t", columns) }
}

/// The batches of a table that this SQL fills.
fn batches(encoding: &str, sql: &str, table: &TableSchema) -> Vec<ReadBatch> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let create = "CREATE TABLE t (before, nulled, strict, after)";
    let sql = format!("PRAGMA encoding = '{encoding}'; {create}; INSERT INTO t {sql}");
    Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
    let source = Source::open(&path, false, &Stop::default()).unwrap();
    let reader = Reader::new(source.connect().unwrap()).unwrap();
    let mut all = Vec::new();
    let read: Result<()> = reader.read::<Error>(table, RowRange::All, |batch| {
        all.push(batch);
        Ok(())
    });
    read.unwrap();
    all
}

const ROWS: &str = "VALUES
    ('a', 1, 10, 'A'),
    (2, 2, 20, 'B'),
    (3, 'x', 'bad', 33),
    ('d', 'y', 40, 44),
    ('e', 5, CAST(x'00d8' AS TEXT), x'e5'),
    (NULL, 'z', 60, 0.5)";

/// A row's position in a batch, and a column's.
type Places<Row> = Vec<(Row, usize)>;

/// Those of exceptions and of misfits.
fn places(batch: &ReadBatch) -> (Places<usize>, Places<Option<usize>>) {
    let exceptions = batch.exceptions.iter().map(|(at, cell)| (*at, cell.column));
    let misfits = batch.misfits.iter().map(|(at, cell)| (*at, cell.column));
    (exceptions.collect(), misfits.collect())
}

#[test]
fn a_cell_that_is_kept_tells_where_its_row_is_in_the_batch() {
    let all = batches("UTF-16le", ROWS, &table(&[]));
    let [batch] = &all[..] else { panic!("{} batches", all.len()) };
    let strict = batch.records.column(2).as_primitive::<arrow_array::types::Int64Type>();
    assert_eq!(strict.values(), &[10, 20, 40, 60]);
    let (exceptions, misfits) = places(batch);
    assert_eq!(exceptions, [(1, 0), (2, 3), (3, 3)]);
    let rows: Vec<_> = batch.exceptions.iter().map(|(_, it)| it.row.rowid().unwrap()).collect();
    assert_eq!(rows, [2, 4, 6]);
    assert_eq!(misfits, [(None, 1), (None, 2), (Some(2), 1), (None, 2), (None, 3), (Some(3), 1)]);
    let nulled = batch.records.column(1);
    assert!((0..4).all(|at| nulled.is_null(at) == (at >= 2)));
}

/// As the rows that were set aside say themselves.
fn misfits_of(batch: &ReadBatch) -> Vec<Misfit> {
    batch.rejected.iter().flat_map(RejectedRow::misfits).collect()
}

/// As the ledger is told of such rows.
fn misfits_aside(batch: &ReadBatch) -> Vec<Misfit> {
    let aside = batch.misfits.iter().filter(|(at, _)| at.is_none());
    aside.map(|(_, misfit)| misfit.clone()).collect()
}

#[test]
fn a_row_that_is_set_aside_is_given_with_all_its_cells() {
    let all = batches("UTF-16le", ROWS, &table(&[]));
    let text = |bytes: &[u8]| (RawCell::text(bytes), TextEncoding::Utf8);
    let number = |value| (RawCell::integer(value), TextEncoding::Utf8);
    let third = vec![number(3), text(b"x"), text(b"bad"), number(33)];
    let odd = (RawCell::text(&[0x00, 0xD8]), TextEncoding::Utf16le);
    let blob = (RawCell::blob(&[0xE5]), TextEncoding::Utf8);
    let fifth = vec![text(b"e"), number(5), odd, blob];
    let expected = [(RowName::Rowid(3), third), (RowName::Rowid(5), fifth)];
    let rejected = all[0].rejected.iter().map(|it| (it.row.clone(), it.cells.clone()));
    assert_eq!(rejected.collect::<Vec<_>>(), expected);
    assert_eq!(all[0].rejected_rows(), 2);
    // With what NULL took the place of before the row was rejected.
    let columns: Vec<_> = misfits_of(&all[0]).iter().map(|misfit| misfit.column).collect();
    assert_eq!(columns, [1, 2, 2, 3]);
    assert_eq!(misfits_of(&all[0]), misfits_aside(&all[0]));
}

#[test]
fn a_row_is_set_aside_once_for_a_key_that_is_written_otherwise_and_for_misfits() {
    let all = batches("UTF-8", "VALUES ('a', 1, 1, 1), (7, 'x', 'y', 'z')", &table(&[0]));
    assert_eq!(places(&all[0]), (vec![(0, 3)], vec![(None, 0), (None, 1), (None, 2)]));
    let [rejected] = &all[0].rejected[..] else { panic!("{:?}", all[0].rejected) };
    assert_eq!(rejected.row, RowName::Cells(vec![RawCell::integer(7)]));
    assert_eq!(rejected.cells.len(), 4);
    assert_eq!(misfits_of(&all[0]), misfits_aside(&all[0]));
}

#[test]
fn rows_that_are_set_aside_fill_a_batch() {
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        SELECT printf('%10000d', i), i, iif(i > 100, 'bad', i), 'after' FROM n";
    let all = batches("UTF-8", many, &table(&[]));
    let rejected = |batch: &ReadBatch| batch.rejected.iter().map(RejectedRow::size).sum::<usize>();
    assert_eq!(all.iter().map(ReadBatch::rejected_rows).sum::<u64>(), 400);
    // Their texts stand beside them in the batch until it ends.
    let most = all.iter().map(rejected).max().unwrap();
    assert!(most < BATCH_BYTES / 2 + 20_000, "{most} bytes");
    let rows: Vec<_> = all.iter().flat_map(|batch| &batch.rejected).collect();
    assert!(rows.iter().map(|row| row.row.rowid().unwrap()).eq(101..=500));
}
