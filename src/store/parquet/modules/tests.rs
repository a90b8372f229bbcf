//! With a key files come back as they were, and without it nothing of them is read.

use super::super::tests::{
    assert_same, batch, every_type, facts, file, flip, flips, one_array, one_column, sums, written,
};
use super::super::verified::Verified;
use super::super::{BesideReader, BesideWriter, ChunkReader, ChunkWriter, Key, Stored};
use crate::error::{Class, Result};
use crate::model::{FormException, PgType, RawCell, RowName, StorageClass, TableSchema};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use std::sync::Arc;

fn key() -> Key {
    Key::new([5; 32])
}

fn hidden(table: &TableSchema, batches: &[RecordBatch]) -> (Vec<u8>, Stored) {
    let mut writer = ChunkWriter::new(Vec::new(), table).with_key(Some(&key()));
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish(&facts(table, batches)).unwrap()
}

fn read(reader: ChunkReader) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    reader.read(|batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok(batches)
}

/// Reads a file of which only the hash is not looked at.
fn unchecked(bytes: &[u8], rows: u64) -> Result<Vec<RecordBatch>> {
    ChunkReader::of_verified(Verified::unchecked(file(bytes)), rows, Some(&key())).and_then(read)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_row_comes_back_with_the_key(
        batches in proptest::collection::vec(batch(30), 0..4),
        largest in prop_oneof![Just(0), Just(1 << 30)],
    ) {
        let table = TableSchema { largest_row_bytes: largest, ..every_type() };
        let (bytes, stored) = hidden(&table, &batches);
        let reader = ChunkReader::open(file(&bytes), &stored, Some(&key())).unwrap();
        prop_assert_eq!(reader.facts(), &facts(&table, &batches));
        assert_same(&table, &batches, &read(reader).unwrap());
    }

    #[test]
    fn forged_bytes_are_refused_even_where_the_hash_is_theirs(
        batch in batch(30),
        flips in flips(),
    ) {
        let table = every_type();
        let (mut bytes, stored) = hidden(&table, std::slice::from_ref(&batch));
        flip(&mut bytes, flips);
        match unchecked(&bytes, stored.rows) {
            // Some bytes are not read: those of the page index, and of the first four.
            Ok(back) => assert_same(&table, &[batch], &back),
            Err(error) => {
                // Which key it was stands in the open.
                prop_assert!(matches!(error.class(), Class::Damaged | Class::Access), "{error}");
            }
        }
    }
}

fn large_and_small() -> (TableSchema, Vec<RecordBatch>) {
    let mut table = every_type();
    let columns = [PgType::Bytea, PgType::Int8, PgType::Text].map(|pg| one_column(pg).columns);
    table.columns = columns.concat();
    for (column, name) in table.columns.iter_mut().zip(["secret_bytes", "secret_id", "secret_t"]) {
        column.source = name.into();
        column.target = name.into();
    }
    let batches = [100, 200_000, 7].map(|bytes: usize| {
        let rows = 3_000_000 / bytes.max(1000) + 1;
        let values: Vec<_> = (0..=255).cycle().take(rows).map(|row| vec![row; bytes]).collect();
        let count = i64::try_from(rows).unwrap();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(values.iter().map(Some).collect::<BinaryArray>()),
            Arc::new(Int64Array::from_iter_values(0..count)),
            Arc::new(StringArray::from(vec!["a secret that is repeated"; rows])),
        ];
        RecordBatch::try_new(table.write_schema(), arrays).unwrap()
    });
    (table, batches.into())
}

#[test]
fn large_values_and_dictionaries_come_back_and_nothing_of_them_is_in_the_open() {
    let (table, batches) = large_and_small();
    let (bytes, stored) = hidden(&table, &batches);
    let reader = ChunkReader::open(file(&bytes), &stored, Some(&key())).unwrap();
    assert_same(&table, &batches, &read(reader).unwrap());
    let (shown, _) = written(&table, &batches);
    let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|it| it == word.as_bytes());
    for word in ["secret_id", "a secret that is", "liteferry", "ARROW:schema", "every"] {
        assert!(has(&shown, word), "{word}");
        assert!(!has(&bytes, word), "{word}");
    }
    assert!(bytes.starts_with(b"PARE") && bytes.ends_with(b"PARE"));
    // Never the same bytes twice: who sees two files cannot tell whether they hold the same.
    assert_ne!(hidden(&table, &batches).1.hash, stored.hash);
}

#[test]
fn a_dictionary_of_large_values_makes_small_batches() {
    let table = one_column(PgType::Text);
    let value = "x".repeat(1 << 18);
    let rows = 500;
    let all = one_array(&table, Arc::new(StringArray::from(vec![value.as_str(); rows])));
    let (bytes, stored) = hidden(&table, std::slice::from_ref(&all));
    let mut most = 0;
    let reader = ChunkReader::open(file(&bytes), &stored, Some(&key())).unwrap();
    let facts = reader.read(|batch| {
        most = most.max(batch.num_rows());
        Ok(())
    });
    assert_eq!(facts.unwrap().sum, sums(&table, &[all]).unwrap().total());
    assert!(most <= 16, "{most}");
}

fn beside(key: Option<&Key>) -> (Vec<u8>, Stored) {
    let mut writer = BesideWriter::new(Vec::new()).with_key(key);
    let cell = RawCell { class: StorageClass::Text, bytes: b"a secret".into() };
    writer.exception(0, &FormException { row: RowName::Rowid(7), column: 3, cell }).unwrap();
    writer.finish(Some(super::super::ContentHash::of(b"x"))).unwrap().unwrap()
}

#[test]
fn no_key_another_one_and_one_too_many_are_told() {
    let (table, batches) = large_and_small();
    let (key, other) = (key(), Key::new([6; 32]));
    for (with, given, class, why) in [
        (Some(&key), None, Class::Access, "it is encrypted"),
        (Some(&key), Some(&other), Class::Access, "written with another key"),
        (None, Some(&key), Class::Damaged, "it is not encrypted, and the archive has a key"),
    ] {
        let rows =
            if with.is_some() { hidden(&table, &batches) } else { written(&table, &batches) };
        let kept = beside(with);
        let errors = [
            (rows.1, ChunkReader::open(file(&rows.0), &rows.1, given).unwrap_err()),
            (kept.1, BesideReader::open(file(&kept.0), &kept.1, given).unwrap_err()),
        ];
        for (stored, error) in errors {
            assert_eq!(error.class(), class, "{error}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.to_string().contains(&stored.hash.file_name()), "{error}");
        }
    }
    let (bytes, stored) = beside(Some(&key));
    let reader = BesideReader::open(file(&bytes), &stored, Some(&key)).unwrap();
    assert_eq!(reader.kept().map(Result::unwrap).count(), 1);
}

#[test]
fn a_part_of_one_file_cannot_stand_in_another() {
    let table = one_column(PgType::Int8);
    let of = |from: i64| {
        let numbers = Int64Array::from_iter_values(from..from + 100);
        hidden(&table, &[one_array(&table, Arc::new(numbers))])
    };
    let ((one, stored), (two, _)) = (of(0), of(1));
    assert_eq!(one.len(), two.len());
    assert_eq!(unchecked(&one, stored.rows).unwrap()[0].num_rows(), 100);
    let footer =
        one.len() - 8 - u32::from_le_bytes(*one[..one.len() - 4].last_chunk().unwrap()) as usize;
    let mixed = [&two[..footer], &one[footer..]].concat();
    assert_eq!(unchecked(&mixed, stored.rows).unwrap_err().class(), Class::Damaged);
}
