//! Cells that are kept beside their rows, and come back with every byte.

use super::super::verified::Verified;
use super::{BesideReader, BesideWriter, Kept, named};
use crate::error::{Class, Result};
use crate::model::{FormException, Misfit, RawCell, Remedy, RowName, TextEncoding};
use crate::store::parquet::tests::{every_type, file, written};
use crate::store::parquet::{ChunkReader, ContentHash, Stored};
use proptest::collection::vec;
use proptest::prelude::*;

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
    let encoding = [TextEncoding::Utf8, TextEncoding::Utf16le, TextEncoding::Utf16be];
    let how =
        (proptest::sample::select(encoding.to_vec()), proptest::sample::select(remedy.to_vec()));
    let place = (row(), 0..2000_usize, cell());
    (place, proptest::option::of((how, "\\PC{0,20}"))).prop_map(|((row, column, cell), why)| {
        match why {
            None => Kept::Exception(FormException { row, column, cell }),
            Some(((encoding, remedy), reason)) => {
                Kept::Misfit(Misfit { row, column, cell, encoding, reason, remedy })
            }
        }
    })
}

fn chunk() -> ContentHash {
    written(&every_type(), &[]).1.hash
}

fn stored(all: &[Kept]) -> Option<(Vec<u8>, Stored)> {
    let mut writer = BesideWriter::new(Vec::new());
    for kept in all {
        match kept {
            Kept::Exception(exception) => writer.exception(exception).unwrap(),
            Kept::Misfit(misfit) => writer.misfit(misfit).unwrap(),
        }
    }
    writer.finish(chunk()).unwrap()
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
        prop_assert_eq!(stored.rows, all.len() as u64);
        let reader = BesideReader::open(file(&bytes), &stored, None).unwrap();
        prop_assert_eq!(reader.chunk(), chunk());
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
        Kept::Exception(FormException { row, column: 1, cell: cell.clone() })
    };
    let mut all: Vec<_> = (0..20_000).map(|rowid| exception(rowid, &RawCell::null())).collect();
    all.extend((0..5).map(|rowid| exception(rowid, &large)));
    let (bytes, stored) = stored(&all).unwrap();
    assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
    let reader = BesideReader::open(file(&bytes), &stored, None).unwrap();
    let back: Vec<_> = reader.kept().collect::<Result<_>>().unwrap();
    assert!(back == all);
}

#[test]
fn the_two_kinds_of_files_are_not_taken_for_one_another() {
    let row = RowName::Rowid(1);
    let one = [Kept::Exception(FormException { row, column: 0, cell: RawCell::null() })];
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
