//! Cells that are kept beside their rows, and come back with every byte.

use super::super::facts;
use super::super::file::FileWriter;
use super::super::layout::Width;
use super::super::verified::Verified;
use super::read::named;
use super::{BesideReader, BesideWriter, Kept, SCHEMA};
use crate::error::{Class, Result};
use crate::model::{
    FormException, Misfit, MisfitReason, RawCell, RejectedRow, Remedy, RowName, TextEncoding,
};
use crate::store::parquet::tests::{every_type, file, written};
use crate::store::parquet::{ChunkReader, ContentHash, Stored};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow_select::take::take_record_batch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

fn cell() -> impl Strategy<Value = RawCell> {
    let bytes = || vec(any::<u8>(), 0..12);
    prop_oneof![
        Just(RawCell::null()),
        any::<i64>().prop_map(RawCell::integer),
        any::<u64>().prop_map(|bits| RawCell::real(f64::from_bits(bits))),
        bytes().prop_map(|bytes| RawCell::text(&bytes)),
        bytes().prop_map(|bytes| RawCell::blob(&bytes)),
    ]
}

fn row() -> impl Strategy<Value = RowName> {
    prop_oneof![any::<i64>().prop_map(RowName::Rowid), vec(cell(), 0..4).prop_map(RowName::Cells),]
}

fn kept() -> impl Strategy<Value = Kept> {
    let remedy = [Remedy::Reject, Remedy::Null, Remedy::Default, Remedy::Fail];
    let encodings = [TextEncoding::Utf8, TextEncoding::Utf16le, TextEncoding::Utf16be];
    let encoding = || proptest::sample::select(encodings.to_vec());
    let at = || 0..1_u64 << 62;
    let exception = (at(), row(), 0..2000_usize, cell()).prop_map(|(at, row, column, cell)| {
        Kept::Exception(at, FormException { row, column, cell })
    });
    let how = (encoding(), proptest::sample::select(remedy.to_vec()), "\\PC{0,20}");
    let misfit = (proptest::option::of(at()), row(), 0..2000_usize, cell(), how).prop_map(
        |(at, row, column, cell, (encoding, remedy, reason))| {
            Kept::Misfit(at, Misfit { row, column, cell, encoding, reason, remedy })
        },
    );
    let reason = (proptest::sample::select(remedy.to_vec()), "\\PC{0,20}");
    let of_cell = (cell(), encoding(), proptest::option::of(reason));
    let rejected = (row(), vec(of_cell, 1..6)).prop_map(|(row, all)| {
        let reasons = all.iter().enumerate().filter_map(|(column, (_, _, why))| {
            let (remedy, reason) = why.clone()?;
            Some(MisfitReason { column, reason, remedy })
        });
        let reasons = reasons.collect();
        let cells = all.into_iter().map(|(cell, encoding, _)| (cell, encoding)).collect();
        Kept::Rejected(RejectedRow { row, cells, reasons })
    });
    prop_oneof![exception, misfit, rejected]
}

fn chunk() -> ContentHash {
    written(&every_type(), &[]).1.hash
}

fn stored(all: &[Kept]) -> Option<(Vec<u8>, Stored)> {
    let mut writer = BesideWriter::new(Vec::new());
    for kept in all {
        match kept {
            Kept::Exception(at, exception) => writer.exception(*at, exception).unwrap(),
            Kept::Misfit(at, misfit) => writer.misfit(*at, misfit).unwrap(),
            Kept::Rejected(row) => writer.rejected(row).unwrap(),
        }
    }
    writer.finish(Some(chunk())).unwrap()
}

/// As many records as are written for them.
fn records(all: &[Kept]) -> u64 {
    let records = |kept: &Kept| match kept {
        Kept::Exception(..) | Kept::Misfit(..) => 1,
        Kept::Rejected(row) => row.cells.len() as u64,
    };
    all.iter().map(records).sum()
}

fn forged(bytes: &[u8], rows: u64) -> Result<Vec<Kept>> {
    BesideReader::of_verified(Verified::unchecked(file(bytes)), rows, None)
        .and_then(|reader| reader.kept().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_kept_comes_back_in_its_order(all in vec(kept(), 1..40)) {
        let (bytes, stored) = stored(&all).unwrap();
        prop_assert_eq!(stored.rows, records(&all));
        let reader = BesideReader::open(file(&bytes), &stored, None).unwrap();
        prop_assert_eq!(reader.rows(), Some(chunk()));
        prop_assert_eq!(reader.kept().collect::<Result<Vec<_>>>().unwrap(), all);
    }

    #[test]
    fn forged_bytes_are_refused_or_other_cells(
        all in vec(kept(), 1..20),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let (mut bytes, stored) = stored(&all).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Err(error) = forged(&bytes, stored.rows) {
            prop_assert_eq!(error.class(), Class::Damaged);
        }
    }
}

#[test]
fn where_nothing_is_kept_there_is_no_file() {
    assert!(stored(&[]).is_none());
}

#[test]
fn many_and_large_cells_are_kept_in_bounded_batches() {
    let large = RawCell::text(&vec![b'x'; 5_000_000]);
    let exception = |rowid, cell: &RawCell| {
        let row = RowName::Rowid(rowid);
        let at = u64::try_from(rowid).unwrap();
        Kept::Exception(at, FormException { row, column: 1, cell: cell.clone() })
    };
    let mut all: Vec<_> = (0..20_000).map(|rowid| exception(rowid, &RawCell::null())).collect();
    all.extend((0..5).map(|rowid| exception(rowid, &large)));
    let cells: Vec<_> = [0, 1, 2, 0]
        .map(|text| if text == 0 { RawCell::null() } else { large.clone() })
        .map(|cell| (cell, TextEncoding::Utf8))
        .into();
    let row = RowName::Cells(vec![large]);
    let row = RejectedRow { row, cells, reasons: Vec::new() };
    all.extend((0..3).map(|_| Kept::Rejected(row.clone())));
    let (bytes, stored) = stored(&all).unwrap();
    assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
    let reader = BesideReader::open(file(&bytes), &stored, None).unwrap();
    let back: Vec<_> = reader.kept().collect::<Result<_>>().unwrap();
    assert!(back == all);
}

#[test]
fn the_two_kinds_of_files_are_not_taken_for_one_another() {
    let row = RowName::Rowid(1);
    let one = [Kept::Exception(0, FormException { row, column: 0, cell: RawCell::null() })];
    let (beside, of_beside) = stored(&one).unwrap();
    let (rows, of_rows) = written(&every_type(), &[]);
    for error in [
        ChunkReader::open(file(&beside), &of_beside, None).unwrap_err(),
        BesideReader::open(file(&rows), &of_rows, None).unwrap_err(),
        BesideReader::open(file(&rows), &of_beside, None).unwrap_err(),
        BesideReader::open(file(&beside), &Stored { rows: 2, ..of_beside }, None).unwrap_err(),
    ] {
        assert_eq!(error.class(), Class::Damaged, "{error}");
    }
}

#[test]
fn a_packed_name_of_wrong_lengths_is_none() {
    let name = RowName::Cells(vec![RawCell::integer(5), RawCell::text(b"ab")]);
    let packed = name.to_bytes();
    assert_eq!(named(&packed), Some(name));
    let short = RawCell { bytes: vec![5], ..RawCell::integer(5) };
    assert_eq!(named(&RowName::Cells(vec![short]).to_bytes()), None);
    for length in (1..packed.len()).filter(|&length| length != 17) {
        assert_eq!(named(&packed[..length]), None, "{length} bytes");
    }
    assert_eq!(named(&[9, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(named(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 7]), None);
    assert_eq!(named(&[3, 255, 255, 255, 255, 255, 255, 255, 255, 7]), None);
}

#[test]
fn rows_that_were_set_aside_are_beside_no_rows() {
    let rejected = RejectedRow {
        row: RowName::Rowid(-1),
        cells: vec![(RawCell::text(&[0xD8]), TextEncoding::Utf16be)],
        reasons: Vec::new(),
    };
    let mut writer = BesideWriter::new(Vec::new());
    writer.rejected(&rejected).unwrap();
    writer.rejected(&rejected).unwrap();
    assert!(writer.rejected(&RejectedRow { cells: Vec::new(), ..rejected.clone() }).is_err());
    let (bytes, stored) = writer.finish(None).unwrap().unwrap();
    let reader = BesideReader::open(file(&bytes), &stored, None).unwrap();
    assert_eq!(reader.rows(), None);
    let back: Vec<_> = reader.kept().collect::<Result<_>>().unwrap();
    assert_eq!(back, [Kept::Rejected(rejected.clone()), Kept::Rejected(rejected)]);
}

/// The columns of a file as other readers see them.
fn columns(all: &[Kept]) -> RecordBatch {
    let (bytes, _) = stored(all).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap();
    reader.build().unwrap().next().unwrap().unwrap()
}

#[test]
fn other_readers_find_the_rows_of_cells_by_their_numbers() {
    let name = RowName::Cells(vec![RawCell::text(b"k")]);
    let rejected = |row| {
        let cells = vec![(RawCell::integer(1), TextEncoding::Utf8); 2];
        Kept::Rejected(RejectedRow { row, cells, reasons: Vec::new() })
    };
    let misfit = |at| {
        let (row, cell) = (name.clone(), RawCell::null());
        let (encoding, remedy) = (TextEncoding::Utf8, Remedy::Null);
        let reason = "no".to_owned();
        Kept::Misfit(at, Misfit { row, column: 1, cell, encoding, reason, remedy })
    };
    let exception =
        Kept::Exception(5, FormException { row: name.clone(), column: 0, cell: RawCell::null() });
    let all = [
        exception,
        misfit(Some(6)),
        misfit(None),
        rejected(RowName::Rowid(9)),
        rejected(name.clone()),
    ];
    let batch = columns(&all);
    let names: Vec<_> = batch.schema().fields().iter().map(|it| it.name().clone()).collect();
    let expected = "kind at aside rowid row column class bytes encoding reason remedy";
    assert_eq!(names.join(" "), expected);
    let whole = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        column.as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
    };
    let kinds = batch.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    assert_eq!(kinds, ["exception", "misfit", "misfit", "cell", "cell", "cell", "cell"]);
    assert_eq!(whole("at"), [Some(5), Some(6), None, None, None, None, None]);
    assert_eq!(whole("aside"), [None, None, None, Some(0), Some(0), Some(1), Some(1)]);
    assert_eq!(whole("rowid"), [None, None, None, None, Some(9), None, None]);
}

/// A file of these columns, changed by hand, and as true as any to its hash.
fn forged_columns(batch: &RecordBatch) -> Result<Vec<Kept>> {
    let rows = batch.num_rows() as u64;
    let mut file = FileWriter::new(Vec::new(), batch.schema(), Width::Wide);
    file.write(batch).unwrap();
    let said = facts::of_beside(None, rows).unwrap();
    let (bytes, _) = file.finish(facts::KEY, said).unwrap();
    forged(&bytes, rows)
}

#[test]
fn cells_that_make_no_row_are_damage() {
    let cells = vec![(RawCell::integer(1), TextEncoding::Utf8); 3];
    let row = RejectedRow { row: RowName::Rowid(1), cells, reasons: Vec::new() };
    let all = vec![Kept::Rejected(row.clone()), Kept::Rejected(row)];
    let batch = columns(&all);
    let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), batch.columns().to_vec()).unwrap();
    assert_eq!(forged_columns(&batch).unwrap(), all);
    let some = |rows: &[u32]| take_record_batch(&batch, &UInt32Array::from(rows.to_vec())).unwrap();
    for rows in [&[0, 1][..], &[0, 2], &[1, 2], &[0, 1, 5], &[0, 2, 1], &[3, 4, 5], &[0, 1, 2, 2]] {
        let error = forged_columns(&some(rows)).unwrap_err();
        assert_eq!(error.class(), Class::Damaged, "{rows:?}");
    }
}

#[test]
fn reasons_stand_with_their_cells_and_out_of_order_they_are_refused() {
    let reason = |column| MisfitReason { column, reason: "no".into(), remedy: Remedy::Reject };
    let cells = vec![(RawCell::integer(1), TextEncoding::Utf8); 3];
    let row = |reasons| RejectedRow { row: RowName::Rowid(1), cells: cells.clone(), reasons };
    let batch = columns(&[Kept::Rejected(row(vec![reason(0), reason(2)]))]);
    let stands = |name: &str| {
        let column = batch.column_by_name(name).unwrap();
        (0..3).map(|at| column.is_valid(at)).collect::<Vec<_>>()
    };
    assert_eq!(
        (stands("reason"), stands("remedy")),
        (vec![true, false, true], vec![true, false, true])
    );
    for reasons in [vec![reason(1), reason(0)], vec![reason(1), reason(1)], vec![reason(3)]] {
        assert!(BesideWriter::new(Vec::new()).rejected(&row(reasons)).is_err());
    }
}

#[test]
fn half_a_reason_is_damage() {
    let reason = MisfitReason { column: 0, reason: "no".into(), remedy: Remedy::Reject };
    let cells = vec![(RawCell::integer(1), TextEncoding::Utf8)];
    let all =
        [Kept::Rejected(RejectedRow { row: RowName::Rowid(1), cells, reasons: vec![reason] })];
    let whole = columns(&all);
    let nothing: ArrayRef = Arc::new(StringArray::new_null(1));
    for name in ["reason", "remedy"] {
        let mut arrays = whole.columns().to_vec();
        arrays[SCHEMA.index_of(name).unwrap()] = Arc::clone(&nothing);
        let batch = RecordBatch::try_new(Arc::clone(&SCHEMA), arrays).unwrap();
        assert_eq!(forged_columns(&batch).unwrap_err().class(), Class::Damaged, "{name}");
    }
}
