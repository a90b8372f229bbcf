//! Writing one Parquet file: row groups of bounded size, zstd, statistics and a page index, hashed while it is written.

use super::hash::{ContentHash, Hashing};
use crate::error::{Class, Error, Result};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::io::{self, Write};

/// Rows of a row group, at most: as many as other writers put into one, so that readers find work for each processor.
pub(super) const GROUP_ROWS: usize = 122_880;
/// Bytes of values of a row group, at most, but for a single row that is larger: a group is in memory while it is
/// written.
pub(super) const GROUP_BYTES: usize = 32 * 1024 * 1024;
/// zstd's own default: a higher one takes more time than it saves bytes.
const ZSTD_LEVEL: i32 = 3;

/// A file that was written, by which it is found and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The hash of all its bytes, which names it.
    pub hash: ContentHash,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
}

/// Whether rows may be so large that no value of theirs is to be in memory more often than must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Usual,
    Wide,
}

/// A file being written.
pub(super) struct FileWriter<W: Write + Send> {
    writer: ArrowWriter<Hashing<W>>,
    rows: u64,
    /// Rows and bytes of the row group being written.
    group: (usize, usize),
}

impl<W: Write + Send> FileWriter<W> {
    pub(super) fn new(out: W, schema: SchemaRef, width: Width) -> Result<Self> {
        let options = ArrowWriterOptions::new().with_properties(properties(&schema, width)?);
        let writer = ArrowWriter::try_new_with_options(Hashing::new(out), schema, options)
            .map_err(unwritten)?;
        Ok(Self { writer, rows: 0, group: (0, 0) })
    }

    /// Appends rows of the file's schema; one row group holds as many as its bounds allow.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut waiting = vec![batch.clone()];
        while let Some(batch) = waiting.pop() {
            let (rows, bytes) = (batch.num_rows(), bytes_of(&batch)?);
            if rows > 1 && (rows > GROUP_ROWS || bytes > GROUP_BYTES) {
                let half = rows / 2;
                waiting.push(batch.slice(half, rows - half));
                waiting.push(batch.slice(0, half));
                continue;
            }
            let (rows_before, bytes_before) = self.group;
            if rows_before + rows > GROUP_ROWS || bytes_before.saturating_add(bytes) > GROUP_BYTES {
                self.end_group()?;
            }
            self.writer.write(&batch).map_err(unwritten)?;
            self.group = (self.group.0 + rows, self.group.1.saturating_add(bytes));
            self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        self.group = (0, 0);
        self.writer.flush().map_err(unwritten)
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file with what it says of itself, and gives back where it was written to.
    pub(super) fn finish(mut self, key: &str, said: String) -> Result<(W, Stored)> {
        let rows = self.rows;
        self.end_group()?;
        self.writer.append_key_value_metadata(KeyValue::new(key.to_owned(), said));
        // Not `into_inner`: it tells a full disk from nothing else.
        self.writer.finish().map_err(unwritten)?;
        let (out, hash, bytes) = (self.writer.inner_mut().finish())
            .ok_or_else(|| Error::internal("a file was ended twice"))?;
        Ok((out, Stored { hash, bytes, rows }))
    }
}

impl<W: Write + Send> std::fmt::Debug for FileWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

fn properties(schema: &SchemaRef, width: Width) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(unwritten)?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(None);
    if width == Width::Wide {
        // A dictionary, the least and the greatest value are copies of values.
        for field in schema.fields() {
            if matches!(field.data_type(), DataType::Utf8 | DataType::Binary) {
                let path = || ColumnPath::new(vec![field.name().clone()]);
                properties = properties
                    .set_column_dictionary_enabled(path(), false)
                    .set_column_statistics_enabled(path(), EnabledStatistics::None);
            }
        }
    }
    Ok(properties.build())
}

/// Bytes of the values of a batch, which may be a slice of another one.
fn bytes_of(batch: &RecordBatch) -> Result<usize> {
    batch.columns().iter().try_fold(0, |sum: usize, array| {
        let bytes = array.to_data().get_slice_memory_size().map_err(|error| {
            Error::internal("an array of an unknown size was to be written").because(error)
        })?;
        Ok(sum.saturating_add(bytes))
    })
}

/// A disk that takes no more, or rows that Parquet does not take.
fn unwritten(error: ParquetError) -> Error {
    let of_disk = matches!(&error, ParquetError::External(cause) if cause.is::<io::Error>());
    if of_disk {
        return Error::new(Class::Temporary, "cannot write a file of the archive")
            .todo("look at the place of the archive: it may be full, gone or not writable")
            .because(error);
    }
    Error::internal("rows cannot be written as Parquet").because(error)
}
