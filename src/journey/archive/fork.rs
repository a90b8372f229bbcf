//! What is loaded of a chunk, put into the archive beside: its rows as they go to the target, and what the target does
//! not hold of them.
//!
//! The files are in their place before the chunk's transaction commits, which notes them: a chunk that is in the ledger
//! has its files, and files that no chunk has are pruned.

use super::Archive;
use crate::error::{Error, Place as _, Result};
use crate::model::{DigestSum, TableSchema};
use crate::pipeline::failpoint::{Step, reach};
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::parquet::place::Draft;
use crate::store::parquet::{BesideWriter, ChunkFacts, ChunkWriter, Stored};
use crate::store::sqlite::ReadBatch;
use arrow_array::RecordBatch;

/// The files of one chunk, being written.
#[derive(Debug)]
pub(in crate::journey) struct ChunkFork<'a> {
    archive: &'a Archive,
    table: &'a TableSchema,
    rows: ChunkWriter<'a, Draft>,
    forms: BesideWriter<Draft>,
    rejected: BesideWriter<Draft>,
    /// Rows so far.
    count: u64,
}

impl<'a> ChunkFork<'a> {
    /// Begins the files of a chunk of `table`.
    pub(in crate::journey) fn begin(archive: &'a Archive, table: &'a TableSchema) -> Result<Self> {
        let (place, key) = (archive.place.as_ref(), archive.key.as_ref());
        let beside = || Ok::<_, Error>(BesideWriter::new(place.draft()?).with_key(key));
        Ok(Self {
            archive,
            table,
            rows: ChunkWriter::new(place.draft()?, table).with_key(key),
            forms: beside()?,
            rejected: beside()?,
            count: 0,
        })
    }

    /// Adds rows as they are loaded, and what is kept of the batch that they were read as.
    pub(in crate::journey) fn add(&mut self, rows: &RecordBatch, read: &ReadBatch) -> Result<()> {
        self.rows.write(rows)?;
        let at = |row: usize| self.count.saturating_add(row.try_into().unwrap_or(u64::MAX));
        for (row, exception) in &read.exceptions {
            self.forms.exception(at(*row), exception)?;
        }
        for (row, misfit) in &read.misfits {
            // A row that was set aside is there with all its cells.
            if let Some(row) = row {
                self.forms.misfit(Some(at(*row)), misfit)?;
            }
        }
        read.rejected.iter().try_for_each(|row| self.rejected.rejected(row))?;
        self.count += u64::try_from(rows.num_rows()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Ends the files, puts them into their place, and names them.
    pub(in crate::journey) fn finish(self, facts: &ChunkFacts) -> Result<Vec<ArchiveFile>> {
        let Self { archive, table, rows, forms, rejected, .. } = self;
        let named = |kind, stored, sum: Option<DigestSum>| {
            let chunk = facts.chunk.try_into().unwrap_or(u64::MAX);
            ArchiveFile::new(kind, &table.source, chunk, stored, sum, archive.key.as_ref())
        };
        let (draft, stored) = rows.finish(facts)?;
        let mut drafts = vec![(named(FileKind::Rows, stored, Some(facts.sum))?, draft)];
        let beside =
            [(FileKind::Forms, forms, Some(stored.hash)), (FileKind::Rejected, rejected, None)];
        for (kind, file, of) in beside {
            if let Some((draft, kept)) = file.finish(of)? {
                drafts.push((named(kind, kept, None)?, draft));
            }
        }
        let put = |(file, draft): (ArchiveFile, Draft)| {
            let stored: Stored = file.stored();
            archive.place.put(draft, file.name(), &stored)?;
            reach(Step::FilePut);
            Ok(file)
        };
        drafts
            .into_iter()
            .map(put)
            .collect::<Result<_>>()
            .at(|| format!("archive of table {}", table.source))
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
