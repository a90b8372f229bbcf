//! Writing one Parquet file: row groups of bounded size, with a page index, hashed while it is written.

use super::hash::{ContentHash, Hashing};
use super::layout::{self, Width};
use crate::error::{Class, Error, Result};
use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use std::io::{self, Write};
use std::sync::Arc;

/// Rows of a row group, at most: as many as other writers put into one, so that readers find work for each processor.
pub(super) const GROUP_ROWS: usize = 122_880;
/// Bytes of values of a row group, at most, but for a single row that is larger: a group is in memory while it is
/// written.
pub(super) const GROUP_BYTES: usize = 32 * 1024 * 1024;
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

/// A file being written; its layout waits for the first rows.
pub(super) struct FileWriter<W: Write + Send> {
    schema: SchemaRef,
    width: Width,
    /// Where to, until there are rows.
    waiting: Option<W>,
    begun: Option<ArrowWriter<Hashing<W>>>,
    rows: u64,
    /// Rows and bytes of the row group being written.
    group: (usize, usize),
}

impl<W: Write + Send> FileWriter<W> {
    pub(super) fn new(out: W, schema: SchemaRef, width: Width) -> Self {
        Self { schema, width, waiting: Some(out), begun: None, rows: 0, group: (0, 0) }
    }

    /// The file, begun by the layout of its first rows.
    fn begin(&mut self, first: &RecordBatch) -> Result<&mut ArrowWriter<Hashing<W>>> {
        let writer = match (self.begun.take(), self.waiting.take()) {
            (Some(writer), _) => writer,
            (None, Some(out)) => {
                let properties = layout::properties(&self.schema, self.width, first)?;
                let options = ArrowWriterOptions::new().with_properties(properties);
                let (out, schema) = (Hashing::new(out), Arc::clone(&self.schema));
                ArrowWriter::try_new_with_options(out, schema, options).map_err(unwritten)?
            }
            (None, None) => return Err(Error::internal("a file that failed is written on")),
        };
        Ok(self.begun.insert(writer))
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
            self.begin(&batch)?.write(&batch).map_err(unwritten)?;
            self.group = (self.group.0 + rows, self.group.1.saturating_add(bytes));
            self.rows += u64::try_from(rows).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        self.group = (0, 0);
        self.begun.as_mut().map_or(Ok(()), ArrowWriter::flush).map_err(unwritten)
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file with what it says of itself, and gives back where it was written to.
    pub(super) fn finish(mut self, key: &str, said: String) -> Result<(W, Stored)> {
        self.end_group()?;
        let (rows, none) = (self.rows, RecordBatch::new_empty(Arc::clone(&self.schema)));
        let writer = self.begin(&none)?;
        writer.append_key_value_metadata(KeyValue::new(key.to_owned(), said));
        // Not `into_inner`: it tells a full disk from nothing else.
        writer.finish().map_err(unwritten)?;
        let (out, hash, bytes) = (writer.inner_mut().finish())
            .ok_or_else(|| Error::internal("a file was ended twice"))?;
        Ok((out, Stored { hash, bytes, rows }))
    }
}

impl<W: Write + Send> std::fmt::Debug for FileWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
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
