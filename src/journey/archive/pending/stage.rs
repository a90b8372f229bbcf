//! What one pass says of one table, until it is known whether it is committed.

use super::super::ArchivedRows;
use super::super::files::{Files, RowsWriter};
use super::super::keys::KeyHasher;
use super::aside::AsideChanges;
use super::coalesced::Coalesced;
use crate::error::{Error, Place as _, Result};
use crate::model::TableSchema;
use crate::store::sqlite::ReadBatch;
use arrow_array::RecordBatch;

/// What one pass says of one table; one that is dropped was never said.
#[derive(Debug)]
pub struct Staged<'s> {
    files: Files<'s>,
    table: &'s TableSchema,
    hasher: KeyHasher,
    /// Bytes in memory, at most; rows beyond them are written as they come.
    budget: usize,
    said: Said<'s>,
}

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Said<'s> {
    pub(super) coalesced: Coalesced,
    /// Rows that are written already: they are a step of their own.
    pub(super) written: Option<RowsWriter<'s>>,
    pub(super) aside: AsideChanges,
}

impl<'s> Staged<'s> {
    pub(super) fn new(files: Files<'s>, table: &'s TableSchema, budget: usize) -> Self {
        Self { files, table, hasher: KeyHasher::of(table), budget, said: Said::default() }
    }

    /// The name of a row that was touched, as [`RowName::to_bytes`](crate::model::RowName::to_bytes) gives it: needed of
    /// tables that have rows set aside, and before what these are now.
    pub fn name(&mut self, name: &[u8]) {
        self.said.aside.touch(name);
    }

    /// Keys that were touched, in [`TableSchema::keys`]'s shape as it is written; all of them before the first rows.
    ///
    /// # Errors
    ///
    /// [`Class::Internal`](crate::Class::Internal): keys of another table.
    pub fn keys(&mut self, keys: RecordBatch) -> Result<()> {
        let of = || format!("archive of table {}", self.table.source);
        let hashes = self.hasher.of_keys(&keys).at(of)?;
        if self.said.written.is_some() {
            return Err(Error::internal("keys were touched behind the rows")).at(of);
        }
        self.said.coalesced.touch(keys, hashes);
        Ok(())
    }

    /// Rows that are there, as they are loaded, and what was kept of the batch that they were read as; each once.
    ///
    /// # Errors
    ///
    /// As [`Place`](crate::store::parquet::place::Place) says, where there is no room for them in memory.
    pub fn rows(&mut self, rows: RecordBatch, read: &ReadBatch) -> Result<()> {
        self.add(rows, read).at(|| format!("archive of table {}", self.table.source))
    }

    fn add(&mut self, rows: RecordBatch, read: &ReadBatch) -> Result<()> {
        let Said { coalesced, written, aside } = &mut self.said;
        read.rejected.iter().try_for_each(|row| aside.put(row))?;
        let hashes = self.hasher.of_rows(&rows)?;
        if coalesced.has_written(&hashes) {
            return Err(Error::internal("a pass has a row twice"));
        }
        coalesced.put(ArchivedRows::of(rows, read), hashes);
        if coalesced.bytes() > self.budget {
            let writer = match written.take() {
                Some(writer) => writer,
                None => RowsWriter::begin(self.files, self.table)?,
            };
            let writer = written.insert(writer);
            coalesced.each_rows(|rows| writer.write(&rows))?;
            coalesced.let_go();
        }
        Ok(())
    }

    /// About the bytes that are in memory.
    #[cfg(test)]
    pub(in crate::journey::archive) fn bytes(&self) -> usize {
        self.said.coalesced.bytes()
    }

    /// The table, and all that was said of it.
    pub(super) fn end(mut self) -> Result<(&'s TableSchema, Said<'s>)> {
        let Said { coalesced, written, .. } = &mut self.said;
        if let Some(writer) = written {
            coalesced.each_rows(|rows| writer.write(&rows))?;
            coalesced.let_go();
        }
        Ok((self.table, self.said))
    }
}
