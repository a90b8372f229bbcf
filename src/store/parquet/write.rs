//! Writing the rows of one chunk as one file, from the batches that are loaded.

use super::facts::{self, ChunkFacts, KEY};
use super::file::{FileWriter, Stored};
use super::key::Key;
use super::layout::Width;
use super::types::Shape;
use crate::error::{Error, Place, Result};
use crate::model::TableSchema;
use arrow_array::RecordBatch;
use std::io::Write;
use std::sync::Arc;

/// Largest rows above this many bytes make a table wide.
const WIDE_ROW_BYTES: u64 = 1024 * 1024;

/// The file of one chunk, being written; one that is dropped before its end is no file.
///
/// Memory is bounded: beside the batch there are what of the one before fills no piece yet, and 32 MiB of encoded values,
/// or one row where that is larger.
#[derive(Debug)]
pub struct ChunkWriter<'t, W: Write + Send> {
    table: &'t TableSchema,
    shape: Shape<'t>,
    file: FileWriter<W>,
}

impl<'t, W: Write + Send> ChunkWriter<'t, W> {
    /// Begins a file of rows of `table`; nothing is written before there are rows.
    pub fn new(out: W, table: &'t TableSchema) -> Self {
        let shape = Shape::new(table);
        let is_wide = table.largest_row_bytes > WIDE_ROW_BYTES;
        let width = if is_wide { Width::Wide } else { Width::Usual };
        let file = FileWriter::new(out, Arc::clone(shape.stored()), width);
        Self { table, shape, file }
    }

    /// Hides the file with the archive's key, if it has one.
    pub fn with_key(mut self, key: Option<&Key>) -> Self {
        self.file.set_key(key);
        self
    }

    /// Appends a batch in [`TableSchema::write_schema`]'s shape: one that is loaded, as it is.
    ///
    /// # Errors
    ///
    /// [`Class::Data`](crate::Class::Data): a value that its Parquet type cannot hold;
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut write = || self.file.write(&self.shape.store(batch)?);
        write().at(|| format!("archive of table {}", self.table.source))
    }

    /// Ends the file, and gives back `out` with what names the file; syncing it and giving it that name is the caller's.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more;
    /// [`Class::Internal`](crate::Class::Internal): digests of other rows than were written.
    pub fn finish(self, facts: &ChunkFacts) -> Result<(W, Stored)> {
        let finish = || {
            let (written, summed) = (self.file.rows(), facts.sum.rows);
            if written != summed {
                let what = format!("{written} rows were written, and {summed} were hashed");
                return Err(Error::internal(what));
            }
            self.file.finish(KEY, facts::of_chunk(facts, self.table)?)
        };
        finish().at(|| format!("archive of table {}: chunk {}", self.table.source, facts.chunk))
    }
}

#[cfg(test)]
mod tests;
