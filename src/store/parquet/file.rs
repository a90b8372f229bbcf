//! Writing one Parquet file: row groups of bounded size, with a page index, hashed while it is written.
//!
//! The same rows make the same file, however they are split into batches: they are put together again into pieces that the
//! rows alone decide. With a key they never do: what hides a file has random numbers in it.

use super::footer::PLACES_MAX;
use super::hash::{ContentHash, Hashing};
use super::key::Key;
use super::layout::{self, Width};
use super::modules;
use super::verified::Verified;
use crate::error::{Class, Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::concat::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use std::fs::File;
use std::io::{self, Write};
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

/// Rows of a row group, at most: as many as other writers put into one, so that readers find work for each processor.
pub(super) const GROUP_ROWS: usize = 122_880;
/// Bytes of values of a row group, at most, but for a single row that is larger: a group is in memory while it is
/// written.
pub(super) const GROUP_BYTES: usize = 32 * 1024 * 1024;
/// Rows of a piece, at most; the first one decides the layout. A row group has a whole number of them.
const PIECE_ROWS: usize = 8 * 1024;
/// Bytes of values of a piece, at most, but for a single row that is larger.
const PIECE_BYTES: usize = 4 * 1024 * 1024;

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

impl Stored {
    /// Fails unless all bytes of a file are those that were written.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: another size or another hash; [`Class::Temporary`]: it cannot be read.
    pub fn check(&self, file: File) -> Result<()> {
        Verified::check(file, self).map(drop)
    }
}

/// A file being written; its layout waits for the first rows.
pub(super) struct FileWriter<W: Write + Send> {
    schema: SchemaRef,
    width: Width,
    key: Option<Key>,
    /// Where to, until there are rows.
    waiting: Option<W>,
    begun: Option<ArrowWriter<Hashing<W>>>,
    rows: u64,
    /// The piece that is put together, and its rows and bytes.
    piece: Vec<RecordBatch>,
    filled: (usize, usize),
    /// Rows and bytes of the row group being written, and how many there were before.
    group: (usize, usize),
    groups: usize,
}

impl<W: Write + Send> FileWriter<W> {
    pub(super) fn new(out: W, schema: SchemaRef, width: Width) -> Self {
        Self {
            schema,
            width,
            key: None,
            waiting: Some(out),
            begun: None,
            rows: 0,
            piece: Vec::new(),
            filled: (0, 0),
            group: (0, 0),
            groups: 0,
        }
    }

    /// Hides the file with a key, if there is one; nothing may have been written yet.
    pub(super) fn set_key(&mut self, key: Option<&Key>) {
        self.key = key.cloned();
    }

    /// The file, begun by the layout of its first rows.
    fn begin(&mut self, first: &RecordBatch) -> Result<&mut ArrowWriter<Hashing<W>>> {
        let writer = match (self.begun.take(), self.waiting.take()) {
            (Some(writer), _) => writer,
            (None, Some(out)) => {
                let mut properties = layout::properties(&self.schema, self.width, first)?;
                if let Some(key) = &self.key {
                    let hiding = modules::hiding(key).map_err(unwritten)?;
                    let builder = properties.into_builder();
                    properties = builder.with_file_encryption_properties(hiding).build();
                }
                let options = ArrowWriterOptions::new().with_properties(properties);
                let (out, schema) = (Hashing::new(out), Arc::clone(&self.schema));
                ArrowWriter::try_new_with_options(out, schema, options).map_err(unwritten)?
            }
            (None, None) => return Err(Error::internal("a file that failed is written on")),
        };
        Ok(self.begun.insert(writer))
    }

    /// Appends rows of the file's schema.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut begin = 0;
        for (row, bytes) in row_bytes(batch)?.into_iter().enumerate() {
            let (rows_before, bytes_before) = self.filled;
            let is_full = rows_before == PIECE_ROWS
                || (rows_before > 0 && bytes_before.saturating_add(bytes) > PIECE_BYTES);
            if is_full {
                self.add(batch, begin..row);
                self.end_piece()?;
                begin = row;
            }
            self.filled = (self.filled.0 + 1, self.filled.1.saturating_add(bytes));
        }
        self.add(batch, begin..batch.num_rows());
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch, rows: Range<usize>) {
        if !rows.is_empty() {
            self.piece.push(batch.slice(rows.start, rows.len()));
        }
    }

    /// Writes the piece; one row group holds as many as its bounds allow.
    fn end_piece(&mut self) -> Result<()> {
        let (parts, (rows, bytes)) = (take(&mut self.piece), take(&mut self.filled));
        let piece = match parts.as_slice() {
            [] => return Ok(()),
            // A large row is not copied.
            [whole] => whole.clone(),
            parts => concat_batches(&self.schema, parts).map_err(|error| {
                Error::internal("batches of one file cannot be joined").because(error)
            })?,
        };
        let (rows_before, bytes_before) = self.group;
        if rows_before + rows > GROUP_ROWS || bytes_before.saturating_add(bytes) > GROUP_BYTES {
            self.end_group()?;
        }
        self.begin(&piece)?.write(&piece).map_err(unwritten)?;
        self.group = (self.group.0 + rows, self.group.1.saturating_add(bytes));
        Ok(())
    }

    fn end_group(&mut self) -> Result<()> {
        if self.group.0 > 0 {
            self.groups += 1;
        }
        self.group = (0, 0);
        if self.groups.saturating_mul(self.schema.fields().len()) > PLACES_MAX {
            let what = "a chunk is larger than a file of the archive can be";
            return Err(Error::new(Class::Data, what).todo("let chunks be smaller"));
        }
        self.begun.as_mut().map_or(Ok(()), ArrowWriter::flush).map_err(unwritten)
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file with what it says of itself, and gives back where it was written to.
    pub(super) fn finish(mut self, key: &str, said: String) -> Result<(W, Stored)> {
        self.end_piece()?;
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

/// Bytes of the values of each row, the same however the rows came.
fn row_bytes(batch: &RecordBatch) -> Result<Vec<usize>> {
    /// Of a number as Parquet has it, or of a value's length.
    const WORD: usize = 4;
    let mut all = vec![0_usize; batch.num_rows()];
    for array in batch.columns() {
        let offsets = match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().value_offsets(),
            DataType::Binary => array.as_binary::<i32>().value_offsets(),
            kind => {
                let width = match kind {
                    DataType::Boolean => Some(1),
                    DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).ok(),
                    kind => kind.primitive_width().map(|width| width.max(WORD)),
                };
                let unknown = || Error::internal(format!("{kind} was to be written as Parquet"));
                let width = width.ok_or_else(unknown)?;
                all.iter_mut().for_each(|bytes| *bytes = bytes.saturating_add(width));
                continue;
            }
        };
        for (row, (bytes, pair)) in all.iter_mut().zip(offsets.windows(2)).enumerate() {
            let &[from, to] = pair else { continue };
            // What stands in place of a NULL is not written.
            let length = if array.is_valid(row) { to - from } else { 0 };
            let length = usize::try_from(length).unwrap_or_default();
            *bytes = bytes.saturating_add(length).saturating_add(WORD);
        }
    }
    Ok(all)
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
