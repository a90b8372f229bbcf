//! Files that are read back as they were, and files that are not what they should be.

use super::super::verified::Verified;
use super::ChunkReader;
use crate::error::{Class, Error, Result};
use crate::model::{CellShape, Column, DigestSum, Partition, PgType, RowRange, TableSchema};
use crate::proof::GroupSums;
use crate::store::parquet::facts::of_chunk;
use crate::store::parquet::tests::{
    assert_same, batch, every_type, facts, file, flip, flips, one_array, one_column, sums, written,
};
use crate::store::parquet::{ChunkFacts, ChunkWriter, KEY, Shape, Stored};
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn rows_of(reader: &ChunkReader) -> Result<Vec<RecordBatch>> {
    reader.batches().collect()
}

/// All of a file of which only the hash is not looked at.
fn forged(bytes: &[u8], rows: u64) -> Result<Vec<RecordBatch>> {
    ChunkReader::of_verified(Verified::unchecked(file(bytes)), rows, None)
        .and_then(|reader| rows_of(&reader))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_row_comes_back_with_its_digest(
        batches in proptest::collection::vec(batch(30), 0..4),
        largest in prop_oneof![Just(0), Just(1 << 30)],
    ) {
        let mut table = TableSchema { largest_row_bytes: largest, ..every_type() };
        let (bytes, stored) = written(&table, &batches);
        table.chunks = vec![facts(&table, &[]).range];
        let reader = ChunkReader::open(file(&bytes), &stored, None).unwrap();
        prop_assert_eq!(reader.facts(), &facts(&table, &batches));
        prop_assert_eq!(reader.table(), &table);
        assert_same(&table, &batches, &rows_of(&reader).unwrap());
    }

    #[test]
    fn whatever_forged_bytes_do_they_do_not_end_the_process_or_pass_the_proof(
        batch in batch(30),
        flips in flips(),
    ) {
        let table = every_type();
        let (mut bytes, stored) = written(&table, std::slice::from_ref(&batch));
        flip(&mut bytes, flips);
        let expected = sums(&table, std::slice::from_ref(&batch)).unwrap().to_bytes();
        let summed = forged(&bytes, stored.rows).and_then(|back| Ok((sums(&table, &back)?, back)));
        match summed {
            Ok((found, back)) if found.to_bytes() == expected => assert_same(&table, &[batch], &back),
            Ok(_other_rows) => {}
            Err(error) => prop_assert!(matches!(error.class(), Class::Damaged | Class::Data)),
        }
    }
}

#[test]
fn an_empty_chunk_is_a_file_without_rows() {
    let table = every_type();
    let (bytes, stored) = written(&table, &[]);
    let reader = ChunkReader::open(file(&bytes), &stored, None).unwrap();
    assert_eq!((rows_of(&reader).unwrap().len(), reader.facts().sum.rows), (0, 0));
}

#[test]
fn a_file_of_a_table_that_is_grouped_by_chunks_is_proved_by_itself() {
    let mut table = one_column(PgType::Int8);
    (table.key, table.partition) = (vec![0], Partition::Chunks { key: 0 });
    let range = |number: i64| RowRange::Rowids { first: number * 10, last: number * 10 + 9 };
    table.chunks = (0..5).map(range).collect();
    let batch = one_array(&table, Arc::new(Int64Array::from_iter_values(30..40)));
    let mut about = facts(&table, std::slice::from_ref(&batch));
    about.range = range(3);
    let mut writer = ChunkWriter::new(Vec::new(), &table);
    writer.write(&batch).unwrap();
    let (bytes, stored) = writer.finish(&about).unwrap();
    let reader = ChunkReader::open(file(&bytes), &stored, None).unwrap();
    let found = sums(reader.table(), &rows_of(&reader).unwrap()).unwrap();
    assert_eq!((found.groups().len(), found.total()), (1, about.sum));
    let mut whole = GroupSums::new(&table);
    whole.merge_bytes(&reader.facts().groups).unwrap();
    assert_eq!(whole.groups()[3], about.sum);
}

#[test]
fn rows_that_are_not_those_that_were_written_end_as_damage() {
    let table = one_column(PgType::Bytea);
    let large = vec![7; 3_000_000];
    let array = BinaryArray::from_iter([None, Some(&b"a"[..]), Some(&large)]);
    let batch = one_array(&table, Arc::new(array));
    let (_, stored) = written(&table, std::slice::from_ref(&batch));
    let about = facts(&table, std::slice::from_ref(&batch));
    let read = |sum: DigestSum| {
        let mut writer = ChunkWriter::new(Vec::new(), &table);
        writer.write(&batch).unwrap();
        let (bytes, stored) = writer.finish(&ChunkFacts { sum, ..about.clone() }).unwrap();
        let mut rows = 0;
        ChunkReader::open(file(&bytes), &stored, None)
            .unwrap()
            .read(|batch| {
                rows += batch.num_rows();
                Ok(())
            })
            .map(|facts| (facts, rows))
    };
    assert_eq!(read(about.sum).unwrap(), (about.clone(), 3));
    let mut other = about.sum.bytes();
    other[31] ^= 1;
    let error = read(DigestSum::from_parts(stored.rows, other)).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains("instead of 3 rows of the digest"), "{error}");
    let (bytes, stored) = written(&table, std::slice::from_ref(&batch));
    let stopped = ChunkReader::open(file(&bytes), &stored, None)
        .unwrap()
        .read(|_| Err(Error::new(Class::Data, "no more")));
    assert_eq!(stopped.unwrap_err().class(), Class::Data);
}

#[test]
fn batches_are_small_where_rows_are_wide() {
    let mut table = one_column(PgType::Bytea);
    table.columns.push(Column::new("number", CellShape::Integer, PgType::Int8));
    let sizes = [1000, 3_000_000, 40_000_000, 10];
    let batches: Vec<_> = sizes
        .into_iter()
        .map(|bytes| {
            let rows = 8_000_000 / bytes + 1;
            let values: Vec<_> = (0..=255).cycle().take(rows).map(|row| vec![row; bytes]).collect();
            let values: BinaryArray = values.iter().map(Some).collect();
            let rows = i64::try_from(rows).unwrap();
            let numbers = Int64Array::from_iter_values(0..rows);
            let arrays: Vec<ArrayRef> = vec![Arc::new(values), Arc::new(numbers)];
            RecordBatch::try_new(table.write_schema(), arrays).unwrap()
        })
        .collect();
    for largest_row_bytes in [0, 40_000_000] {
        let table = TableSchema { largest_row_bytes, ..table.clone() };
        let (bytes, stored) = written(&table, &batches);
        let reader = ChunkReader::open(file(&bytes), &stored, None).unwrap();
        let back = rows_of(&reader).unwrap();
        for batch in &back {
            let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size());
            assert!(rows == 1 || bytes < 40_000_000, "{rows} rows of {bytes} bytes");
        }
        assert_same(&table, &batches, &back);
    }
}

#[test]
fn other_bytes_than_were_written_are_refused_before_any_is_parsed() {
    let table = one_column(PgType::Int8);
    let of = |numbers: Vec<i64>| {
        written(&table, &[one_array(&table, Arc::new(Int64Array::from(numbers)))])
    };
    let (bytes, stored) = of((0..1000).collect());
    let (other, _) = of((1..1001).collect());
    let longer = [&bytes[..], b"PAR1"].concat();
    let mut damaged = vec![Vec::new(), bytes[..bytes.len() - 1].to_vec(), longer, other];
    for at in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        damaged.push(flipped);
    }
    for wrong in damaged {
        let error = ChunkReader::open(file(&wrong), &stored, None).unwrap_err();
        assert_eq!((error.class(), error.class().exit_code()), (Class::Damaged, 76));
        let said = error.to_string();
        assert!(said.contains(&stored.hash.file_name()), "{said}");
        assert!(
            said.contains("bytes instead of") || said.contains("do not have the hash"),
            "{said}"
        );
    }
    let more = Stored { rows: 1001, ..stored };
    assert_eq!(ChunkReader::open(file(&bytes), &more, None).unwrap_err().class(), Class::Damaged);
}

#[test]
fn a_dictionary_cannot_make_a_batch_of_more_than_a_few_large_values() {
    let table = one_column(PgType::Text);
    let rows = 2_000;
    let value = StringArray::from(vec!["x".repeat(1 << 18)]);
    let numbers = Int32Array::from(vec![0; rows]);
    // Half a gigabyte in a few kilobytes.
    let bomb = DictionaryArray::<Int32Type>::try_new(numbers, Arc::new(value)).unwrap();
    let field = Shape::new(&table).stored().field(0).clone();
    let field = Field::new(field.name(), bomb.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let bytes = by_hand(&table, schema, Arc::new(bomb), zstd());
    assert!(bytes.len() < 100_000, "{} bytes", bytes.len());
    let reader =
        ChunkReader::of_verified(Verified::unchecked(file(&bytes)), rows as u64, None).unwrap();
    let first = reader.batches().take(10).map(|batch| batch.unwrap().num_rows());
    assert_eq!(first.collect::<Vec<_>>(), [16; 10]);
}

fn zstd() -> WriterProperties {
    let level = ZstdLevel::try_new(3).unwrap();
    WriterProperties::builder().set_compression(Compression::ZSTD(level)).build()
}

/// A file that another program wrote, which says that it is one of ours.
fn by_hand(
    table: &TableSchema,
    schema: Arc<Schema>,
    array: ArrayRef,
    properties: WriterProperties,
) -> Vec<u8> {
    let mut about = facts(table, &[]);
    about.sum.rows = array.len() as u64;
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let said = of_chunk(&about, table).unwrap();
    writer.append_key_value_metadata(KeyValue::new(KEY.to_owned(), said));
    writer.into_inner().unwrap()
}

#[test]
fn a_file_of_other_columns_codecs_pages_or_sizes_is_refused() {
    let table = one_column(PgType::Int8);
    let ours = Arc::clone(Shape::new(&table).stored());
    let numbers = |count: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(0..count)) };
    let right = by_hand(&table, Arc::clone(&ours), numbers(5), zstd());
    assert_eq!(forged(&right, 5).unwrap()[0].num_rows(), 5);
    let level = Compression::ZSTD(ZstdLevel::try_new(3).unwrap());
    let second = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(level);
    let plain = WriterProperties::builder().build();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"; 5]));
    let of_texts = Arc::clone(Shape::new(&one_column(PgType::Text)).stored());
    let named = one_column(PgType::Int8);
    let other_name = Arc::new(Schema::new(vec![Field::new("that", PgType::Int8.arrow(), true)]));
    let required = Arc::new(Schema::new(vec![Field::new("it", PgType::Int8.arrow(), false)]));
    let prefixed = zstd().into_builder().set_dictionary_enabled(false);
    let prefixed = prefixed.set_encoding(Encoding::DELTA_BYTE_ARRAY).build();
    let text_table = one_column(PgType::Text);
    let prefixes = by_hand(&text_table, Arc::clone(&of_texts), Arc::clone(&texts), prefixed);
    let large = by_hand(&named, Arc::clone(&ours), numbers(200_000), zstd());
    for (wrong, rows, why) in [
        (by_hand(&table, of_texts, texts, zstd()), 5, "other columns"),
        (by_hand(&table, other_name, numbers(5), zstd()), 5, "other columns"),
        (by_hand(&table, required, numbers(5), zstd()), 5, "other columns"),
        (by_hand(&table, Arc::clone(&ours), numbers(5), plain), 5, "pages of column"),
        (by_hand(&table, ours, numbers(5), second.build()), 5, "pages of column"),
        (prefixes, 5, "pages of column"),
        (large, 200_000, "number of rows"),
        (right.clone(), 6, "5 rows instead of 6"),
        (b"PAR1".to_vec(), 0, "no footer"),
        (b"PAR1\xff\xff\xff\x7fPAR1".to_vec(), 0, "no footer"),
        (right[..right.len() / 2].to_vec(), 5, "no footer"),
    ] {
        let error = forged(&wrong, rows).unwrap_err();
        assert_eq!(error.class(), Class::Damaged, "{why}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

/// A file on a disk that fails once it has given so many pieces.
#[derive(Debug)]
struct Failing {
    file: File,
    pieces: AtomicU64,
    left: u64,
}

impl FileExt for Failing {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if self.pieces.fetch_add(1, Ordering::Relaxed) >= self.left {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        self.file.read_at(buffer, at)
    }

    fn write_at(&self, _bytes: &[u8], _at: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn a_disk_that_fails_is_no_damage_whenever_it_does() {
    let table = one_column(PgType::Text);
    let texts = |from: i64| (from..from + 40_000).map(|it| Some(format!("text {}", it % 1000)));
    let batch = one_array(&table, Arc::new(texts(0).chain(texts(7)).collect::<StringArray>()));
    let (bytes, stored) = written(&table, &[batch]);
    let read = |left| {
        let failing = Failing { file: file(&bytes), pieces: AtomicU64::new(0), left };
        let verified = Verified::unchecked_from(failing, stored.bytes);
        ChunkReader::of_verified(verified, stored.rows, None).and_then(|it| rows_of(&it))
    };
    let mut failures = 0;
    while let Err(error) = read(failures) {
        assert_eq!(error.class(), Class::Temporary, "after {failures} pieces: {error}");
        assert!(error.to_string().contains("cannot read a file of the archive"), "{error}");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert!(cause.is_some_and(|it| it.contains("os error 5")), "after {failures} pieces");
        failures += 1;
    }
    // The footer, the heads of pages, a dictionary and the pages.
    assert!(failures > 5, "{failures} pieces");
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_read_again() {
    let table = one_column(PgType::Text);
    let (bytes, stored) =
        written(&table, &[one_array(&table, Arc::new(StringArray::from(vec!["a"])))]);
    let cut = Verified::unchecked_from(file(&bytes[..bytes.len() - 4]), stored.bytes);
    let error = ChunkReader::of_verified(cut, stored.rows, None).unwrap_err();
    assert_eq!(error.class(), Class::Temporary);
}
