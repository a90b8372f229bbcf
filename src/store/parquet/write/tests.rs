//! What a file of a chunk looks like to others, and how large its parts become.

use crate::error::Class;
use crate::model::{CellShape, Column, PgType};
use crate::store::parquet::file::{GROUP_BYTES, GROUP_ROWS};
use crate::store::parquet::tests::{TYPES, every_type, facts, one_array, one_column, written};
use crate::store::parquet::{ChunkWriter, KEY, PG_TYPE};
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Encoding;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use std::io::{self, Write};
use std::sync::Arc;

/// The file as somebody sees it who knows nothing of liteferry.
fn opened(bytes: Vec<u8>) -> ArrowReaderMetadata {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    ArrowReaderMetadata::load(&Bytes::from(bytes), options).unwrap()
}

fn said(metadata: &ParquetMetaData) -> serde_json::Value {
    let pairs = metadata.file_metadata().key_value_metadata().unwrap();
    let of_ours = pairs.iter().find(|pair| pair.key == KEY).unwrap();
    serde_json::from_str(of_ours.value.as_ref().unwrap()).unwrap()
}

#[test]
fn every_column_has_its_logical_type_and_the_file_says_what_it_is() {
    let table = every_type();
    let (bytes, stored) = written(&table, &[]);
    assert_eq!(stored.hash.to_string(), blake3::hash(&bytes).to_hex().to_string());
    assert_eq!((stored.bytes, stored.rows), (bytes.len() as u64, 0));
    let opened = opened(bytes);
    let descriptor = opened.parquet_schema();
    let mut shown = Vec::new();
    parquet::schema::printer::print_schema(&mut shown, descriptor.root_schema());
    let shown = String::from_utf8(shown).unwrap();
    let types: Vec<_> =
        shown.lines().filter_map(|line| line.trim().strip_prefix("OPTIONAL ")).collect();
    let decimal = |physical: &str, p, s| format!("{physical} {{}} (DECIMAL({p},{s}));");
    let expected: Vec<String> = [
        "INT64 {};".into(),
        "BOOLEAN {};".into(),
        "INT32 {} (INTEGER(16,true));".into(),
        "INT32 {};".into(),
        "FLOAT {};".into(),
        "DOUBLE {};".into(),
        "BYTE_ARRAY {} (STRING);".into(),
        decimal("INT32", 1, 0),
        decimal("INT32", 9, 2),
        decimal("INT64", 18, 18),
        decimal("FIXED_LEN_BYTE_ARRAY (16)", 38, 10),
        "BYTE_ARRAY {} (STRING);".into(),
        "BYTE_ARRAY {} (STRING);".into(),
        "BYTE_ARRAY {} (STRING);".into(),
        "BYTE_ARRAY {} (STRING);".into(),
        "BYTE_ARRAY {};".into(),
        "INT32 {} (DATE);".into(),
        "INT64 {} (TIME(MICROS,false));".into(),
        "INT64 {} (TIMESTAMP(MICROS,false));".into(),
        "INT64 {} (TIMESTAMP(MICROS,true));".into(),
        "FIXED_LEN_BYTE_ARRAY (16) {} (UUID);".into(),
        "BYTE_ARRAY {} (STRING);".into(),
        "BYTE_ARRAY {} (STRING);".into(),
        "BYTE_ARRAY {} (JSON);".into(),
        "BYTE_ARRAY {} (JSON);".into(),
        "BYTE_ARRAY {} (STRING);".into(),
    ]
    .into_iter()
    .zip(&table.columns)
    .map(|(shape, column): (String, _)| shape.replace("{}", &column.target))
    .collect();
    assert_eq!(types, expected);
    let named = opened.schema().fields().iter().map(|field| field.metadata()[PG_TYPE].clone());
    assert_eq!(
        named.collect::<Vec<_>>(),
        table.columns.iter().map(Column::sql_type).collect::<Vec<_>>()
    );
    assert_eq!(opened.schema().field(TYPES.len() - 1).metadata()[PG_TYPE], "\"public\".\"side\"");
    let said = said(opened.metadata());
    assert_eq!(said["format"], 1);
    assert_eq!((&said["source"], &said["chunk"]), (&"a source".into(), &3.into()));
    assert_eq!((&said["low"], &said["last"]), (&15.into(), &17.into()));
    assert_eq!((&said["rejected"], &said["rows"]), (&2.into(), &0.into()));
    assert_eq!(said["range"]["rowids"]["last"], 9);
    assert_eq!(said["table"]["source"], "every \"type\"");
}

#[test]
fn pages_have_statistics_and_the_same_rows_make_the_same_file() {
    let table = one_column(PgType::Int8);
    let numbers =
        |from: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(from..from + 8192)) };
    let batches: Vec<_> = (0..17).map(|number| one_array(&table, numbers(number * 8192))).collect();
    let (bytes, stored) = written(&table, &batches);
    assert_eq!(written(&table, &batches).1, stored);
    assert_eq!(stored.rows, 17 * 8192);
    assert!(bytes.len() < 20_000, "{} bytes", bytes.len());
    let opened = opened(bytes);
    let metadata = opened.metadata();
    let rows: Vec<_> = metadata.row_groups().iter().map(RowGroupMetaData::num_rows).collect();
    assert_eq!(rows, [15 * 8192, 2 * 8192]);
    let column = metadata.row_group(1).column(0);
    assert!(matches!(column.compression(), parquet::basic::Compression::ZSTD(_)));
    assert!(column.column_index_range().is_some() && column.offset_index_range().is_some());
    assert!(column.encodings().any(|encoding| encoding == Encoding::DELTA_BINARY_PACKED));
    assert!(column.dictionary_page_offset().is_none());
    let statistics = column.statistics().unwrap();
    let least = i64::from_le_bytes(statistics.min_bytes_opt().unwrap().try_into().unwrap());
    assert_eq!((least, statistics.null_count_opt()), (15 * 8192, Some(0)));
}

#[test]
fn the_same_rows_make_the_same_file_however_they_are_split() {
    let mut table = one_column(PgType::Int8);
    table.columns.push(Column::new("text", CellShape::Text, PgType::Text));
    let rows = 20_000;
    let numbers: Int64Array = (0..rows).map(|row| (row > 9).then_some(row)).collect();
    // Some are larger than a piece, and most come again and again.
    let text = |row: i64| match row {
        8_900 | 9_001 => "y".repeat(5_000_000),
        row => format!("{}", row % 50),
    };
    let texts: StringArray = (0..rows).map(|row| (row % 3 > 0).then(|| text(row))).collect();
    let arrays: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(texts)];
    let whole = RecordBatch::try_new(table.write_schema(), arrays).unwrap();
    let split = |sizes: &[usize]| {
        let (mut at, mut batches) = (0, Vec::new());
        for &size in sizes.iter().cycle().take(40_000) {
            let size = size.min(whole.num_rows() - at);
            batches.push(whole.slice(at, size));
            at += size;
        }
        let mut writer = ChunkWriter::new(Vec::new(), &table);
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish(&facts(&table, std::slice::from_ref(&whole))).unwrap()
    };
    let (bytes, stored) = split(&[20_000]);
    assert_eq!(stored.rows, 20_000);
    for sizes in [&[0, 20_000][..], &[1, 19_999], &[1, 0], &[8192], &[8191, 7], &[9_000, 1]] {
        assert_eq!(split(sizes).1, stored, "{sizes:?}");
    }
    let opened = opened(bytes);
    assert!(opened.metadata().row_group(0).column(1).dictionary_page_offset().is_some());
    // Rows whose batches say of no value that it is NULL, and such as say so of each.
    let plain = one_array(&one_column(PgType::Int8), Arc::new(Int64Array::from(vec![1, 2])));
    let said = Int64Array::from_iter(vec![Some(1), Some(2), None]).slice(0, 2);
    let said = one_array(&one_column(PgType::Int8), Arc::new(said));
    let table = one_column(PgType::Int8);
    assert_eq!(written(&table, &[plain]).1, written(&table, &[said]).1);
}

#[test]
fn row_groups_are_bounded_however_wide_rows_are_and_batches_come() {
    let mut table = one_column(PgType::Bytea);
    table.columns.push(Column::new("text", CellShape::Text, PgType::Text));
    table.largest_row_bytes = 2 * GROUP_BYTES as u64;
    let batch = |rows: usize, bytes: usize| {
        let wide = vec![7_u8; bytes];
        let texts: StringArray = (0..rows).map(|row| Some(row.to_string())).collect();
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(BinaryArray::from_vec(vec![&wide; rows])), Arc::new(texts)];
        RecordBatch::try_new(table.write_schema(), arrays).unwrap()
    };
    let mebibyte = 1024 * 1024;
    let batches = [
        batch(3, mebibyte),
        batch(1, GROUP_BYTES + 1),
        batch(1, 5),
        batch(100, mebibyte),
        batch(2 * GROUP_ROWS, 1),
    ];
    let (bytes, stored) = written(&table, &batches);
    assert!(bytes.len() < mebibyte, "it is not compressed");
    let metadata =
        ArrowReaderMetadata::load(&Bytes::from(bytes), ArrowReaderOptions::new()).unwrap();
    let mut rows = 0;
    for group in metadata.metadata().row_groups() {
        let count = usize::try_from(group.num_rows()).unwrap();
        let bytes = usize::try_from(group.total_byte_size()).unwrap();
        assert!(count <= GROUP_ROWS, "{count} rows");
        assert!(count == 1 || bytes <= GROUP_BYTES, "{count} rows of {bytes} bytes");
        assert!(group.column(0).statistics().is_none());
        assert!(group.column(0).dictionary_page_offset().is_none());
        rows += count;
    }
    assert_eq!(rows, usize::try_from(stored.rows).unwrap());
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_a_passing_fault_and_digests_of_other_rows_are_a_bug() {
    let table = one_column(PgType::Int8);
    let batch = one_array(&table, Arc::new(Int64Array::from(vec![1, 2])));
    let about = facts(&table, std::slice::from_ref(&batch));
    let mut classes = Vec::new();
    for room in [0, 4, 100, 10_000] {
        let mut writer = ChunkWriter::new(Full(room), &table);
        let ended = writer.write(&batch).and_then(|()| writer.finish(&about).map(drop));
        classes.push(ended.map_err(|error| error.class()));
    }
    let full = Err(Class::Temporary);
    assert_eq!(classes, [full, full, full, Ok(())]);
    let mut writer = ChunkWriter::new(Vec::new(), &table);
    writer.write(&batch).unwrap();
    let other = writer.finish(&facts(&table, &[])).unwrap_err();
    assert_eq!(other.class(), Class::Internal);
}
