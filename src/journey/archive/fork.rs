//! What is loaded of a chunk, put into the archive beside: its rows as they go to the target, and what the target does
//! not hold of them.
//!
//! The files are in their place before the chunk's transaction commits, which notes them: a chunk that is in the ledger
//! has its files, and files that no chunk has are pruned.

use super::files::{Files, RowFiles, count_of};
use crate::error::{Error, Place as _, Result};
use crate::model::TableSchema;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::parquet::place::Draft;
use crate::store::parquet::{BesideWriter, ChunkFacts};
use crate::store::sqlite::ReadBatch;
use arrow_array::RecordBatch;

/// The files of one chunk, being written. Its rows are summed by who loads them.
#[derive(Debug)]
pub(in crate::journey) struct ChunkFork<'a> {
    files: Files<'a>,
    table: &'a TableSchema,
    rows: RowFiles<'a>,
    rejected: BesideWriter<Draft>,
}

impl<'a> ChunkFork<'a> {
    /// Begins the files of a chunk of `table`.
    pub(in crate::journey) fn begin(files: Files<'a>, table: &'a TableSchema) -> Result<Self> {
        let (rows, rejected) = (RowFiles::begin(files, table)?, files.begin_beside()?);
        Ok(Self { files, table, rows, rejected })
    }

    /// Adds rows as they are loaded, and what is kept of the batch that they were read as.
    pub(in crate::journey) fn add(&mut self, rows: &RecordBatch, read: &ReadBatch) -> Result<()> {
        // A row that was set aside is there with all its cells.
        let misfits = read.misfits.iter().filter_map(|(row, misfit)| Some(((*row)?, misfit)));
        self.rows.write(rows, &read.exceptions, misfits)?;
        read.rejected.iter().try_for_each(|row| self.rejected.rejected(row))
    }

    /// Ends the files, puts them into their place, and names them.
    pub(in crate::journey) fn finish(self, facts: &ChunkFacts) -> Result<Vec<ArchiveFile>> {
        let Self { files, table, rows, rejected } = self;
        let mut finished = rows.finish(FileKind::Rows, facts)?;
        if let Some(written) = rejected.finish(None)? {
            let of = (table.source.as_str(), count_of(facts.chunk));
            finished.push(files.named(FileKind::Rejected, of, written, None)?);
        }
        files.put(finished).at(|| format!("archive of table {}", table.source))
    }
}

/// The files of a chunk as the ledger keeps them until a generation names them.
pub(in crate::journey) fn to_text(files: &[ArchiveFile]) -> Result<String> {
    serde_json::to_string(files).map_err(|error| {
        Error::internal("files of the archive cannot be written down").because(error)
    })
}

/// What [`to_text`] wrote.
pub(in crate::journey) fn of_text(text: &str) -> Result<Vec<ArchiveFile>> {
    serde_json::from_str(text).map_err(|error| {
        Error::internal("files of the archive in the ledger cannot be read").because(error)
    })
}
