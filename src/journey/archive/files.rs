//! The files of an archive as tables are written to them and read from them.

use super::ArchivedRows;
use crate::error::{Class, Error, Place as _, Result};
use crate::model::{DigestSum, FormException, Misfit, RowRange, TableSchema};
use crate::pipeline::failpoint::{Step, reach};
use crate::proof::{GroupSums, Summing};
use crate::row::TupleEncoder;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::parquet::place::{Draft, Place};
use crate::store::parquet::{
    BesideReader, BesideWriter, ChunkFacts, ChunkReader, ChunkWriter, Key, Stored,
};
use arrow_array::RecordBatch;
use std::fs::File;

/// Where an archive is, and its key, if it has one.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Where it is.
    pub place: &'a dyn Place,
    /// Its key.
    pub key: Option<&'a Key>,
}

/// What files say of where their rows are from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    /// What names the source.
    pub(super) source: &'a str,
    /// The number among those of the table.
    pub(super) number: u64,
    /// As [`ChunkFacts`] has it.
    pub(super) range: RowRange,
    pub(super) low: Option<i64>,
    pub(super) last: Option<i64>,
    pub(super) rejected: u64,
}

/// A file that is written, and not in its place.
pub(super) type Finished = (ArchiveFile, Draft);

impl Files<'_> {
    /// Opens a file of rows, once all its bytes are hashed, and makes sure that they are rows of this table.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`], which names the file: it is missing, or not what the manifest says; else as [`Place`] says.
    pub(super) fn rows(self, file: &ArchiveFile, table: &TableSchema) -> Result<ChunkReader> {
        let open = || {
            let reader = ChunkReader::open(self.fetch(file)?, &file.stored(), self.key)?;
            let of = reader.table();
            let is_it = of.source == table.source
                && of.key == table.key
                && of.write_schema() == table.write_schema();
            if is_it { Ok(reader) } else { Err(damaged("it has rows of another table")) }
        };
        open().at(|| format!("archive: {}", file.name()))
    }

    /// Opens a file of what is kept beside rows, once all its bytes are hashed.
    ///
    /// # Errors
    ///
    /// As [`Self::rows`].
    pub(in crate::journey) fn beside(self, file: &ArchiveFile) -> Result<BesideReader> {
        let open = || BesideReader::open(self.fetch(file)?, &file.stored(), self.key);
        open().at(|| format!("archive: {}", file.name()))
    }

    /// The bytes of a file, where they lie or as a copy that goes with the handle; nothing is known of them yet.
    pub(super) fn fetch(self, file: &ArchiveFile) -> Result<File> {
        let found = self.place.fetch(file.name(), file.bytes)?;
        found.ok_or_else(|| damaged("it is missing"))
    }

    /// Begins a file of what is kept beside rows.
    pub(super) fn begin_beside(self) -> Result<BesideWriter<Draft>> {
        Ok(BesideWriter::new(self.place.draft()?).with_key(self.key))
    }

    /// Puts files into their place.
    pub(super) fn put(
        self,
        finished: impl IntoIterator<Item = Finished>,
    ) -> Result<Vec<ArchiveFile>> {
        let put = |(file, draft): Finished| {
            self.place.put(draft, file.name(), &file.stored())?;
            reach(Step::FilePut);
            Ok(file)
        };
        finished.into_iter().map(put).collect()
    }

    /// Names a file that was written for a table, by its number among those of the table.
    pub(super) fn named(
        self,
        kind: FileKind,
        (table, number): (&str, u64),
        (draft, stored): (Draft, Stored),
        digest: Option<DigestSum>,
    ) -> Result<Finished> {
        let file = ArchiveFile::new(kind, table, number, stored, digest, self.key)?;
        Ok((file, draft))
    }
}

/// A file of rows being written, and the file of what is kept beside them.
#[derive(Debug)]
pub(super) struct RowFiles<'a> {
    files: Files<'a>,
    table: &'a TableSchema,
    rows: ChunkWriter<'a, Draft>,
    /// Begun with the first cell.
    beside: Option<BesideWriter<Draft>>,
    count: u64,
}

impl<'a> RowFiles<'a> {
    /// Begins the files of some rows of a table.
    pub(super) fn begin(files: Files<'a>, table: &'a TableSchema) -> Result<Self> {
        let rows = ChunkWriter::new(files.place.draft()?, table).with_key(files.key);
        Ok(Self { files, table, rows, beside: None, count: 0 })
    }

    /// Adds rows, and what is kept of their cells, with the positions of those rows among them.
    pub(super) fn write<'k>(
        &mut self,
        rows: &RecordBatch,
        exceptions: &[(usize, FormException)],
        misfits: impl Iterator<Item = (usize, &'k Misfit)>,
    ) -> Result<()> {
        self.rows.write(rows)?;
        let at = |row: usize| self.count.saturating_add(count_of(row));
        let mut misfits = misfits.peekable();
        if self.beside.is_none() && !(exceptions.is_empty() && misfits.peek().is_none()) {
            self.beside = Some(self.files.begin_beside()?);
        }
        if let Some(beside) = &mut self.beside {
            exceptions.iter().try_for_each(|(row, it)| beside.exception(at(*row), it))?;
            misfits.try_for_each(|(row, it)| beside.misfit(Some(at(row)), it))?;
        }
        self.count = at(rows.num_rows());
        Ok(())
    }

    /// Ends the files; `facts` are what the file of the rows says of itself.
    pub(super) fn finish(self, kind: FileKind, facts: &ChunkFacts) -> Result<Vec<Finished>> {
        let Self { files, table, rows, beside, .. } = self;
        let of = (table.source.as_str(), count_of(facts.chunk));
        let (draft, stored) = rows.finish(facts)?;
        let mut finished = vec![files.named(kind, of, (draft, stored), Some(facts.sum))?];
        if let Some(beside) = beside
            && let Some(written) = beside.finish(Some(stored.hash))?
        {
            finished.push(files.named(FileKind::Forms, of, written, None)?);
        }
        Ok(finished)
    }
}

/// The same of rows that nobody else sums.
pub(super) struct RowsWriter<'a> {
    files: RowFiles<'a>,
    encoder: TupleEncoder<'a>,
    sums: Summing,
}

impl<'a> RowsWriter<'a> {
    /// Begins the files of some rows of a table.
    pub(super) fn begin(files: Files<'a>, table: &'a TableSchema) -> Result<Self> {
        // A file is proved by itself: its rows are all of one chunk.
        let alone = TableSchema { chunks: vec![RowRange::All], ..table.clone() };
        Ok(Self {
            files: RowFiles::begin(files, table)?,
            encoder: TupleEncoder::new(table)?,
            sums: Summing::new(&alone),
        })
    }

    /// Rows so far.
    pub(super) fn count(&self) -> u64 {
        self.files.count
    }

    /// Adds rows.
    pub(super) fn write(&mut self, rows: &ArchivedRows) -> Result<()> {
        let ArchivedRows { records, exceptions, misfits } = rows;
        self.encoder.encode(records, &mut self.sums)?;
        self.files.write(records, exceptions, misfits.iter().map(|(row, it)| (*row, it)))
    }

    /// Ends the files.
    pub(super) fn finish(self, kind: FileKind, origin: Origin<'_>) -> Result<Vec<Finished>> {
        let Self { files, mut encoder, mut sums } = self;
        encoder.finish(&mut sums)?;
        files.finish(kind, &facts(origin, &sums.finish()?))
    }
}

impl std::fmt::Debug for RowsWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowsWriter").field("count", &self.count()).finish_non_exhaustive()
    }
}

/// Writes keys of rows that are gone, in the shape of `keys`; no file where there are none.
pub(super) fn write_keys(
    files: Files<'_>,
    keys: &TableSchema,
    origin: Origin<'_>,
    gone: &[RecordBatch],
) -> Result<Option<Finished>> {
    if gone.iter().all(|batch| batch.num_rows() == 0) {
        return Ok(None);
    }
    let mut writer = ChunkWriter::new(files.place.draft()?, keys).with_key(files.key);
    let (mut encoder, mut sums) = (TupleEncoder::new(keys)?, Summing::new(keys));
    for batch in gone {
        writer.write(batch)?;
        encoder.encode(batch, &mut sums)?;
    }
    encoder.finish(&mut sums)?;
    let written = writer.finish(&facts(origin, &sums.finish()?))?;
    let of = (keys.source.as_str(), origin.number);
    files.named(FileKind::DeletedKeys, of, written, None).map(Some)
}

fn facts(origin: Origin<'_>, sums: &GroupSums) -> ChunkFacts {
    let Origin { source, number, range, low, last, rejected } = origin;
    let chunk = usize::try_from(number).unwrap_or(usize::MAX);
    let (sum, groups) = (sums.total(), sums.to_bytes());
    ChunkFacts { source: source.into(), chunk, range, low, last, rejected, sum, groups }
}

/// A number of rows in memory, as files count them.
pub(super) fn count_of(rows: usize) -> u64 {
    rows.try_into().unwrap_or(u64::MAX)
}

/// A file that is not what the manifest makes of it.
pub(super) fn damaged(what: &str) -> Error {
    Error::new(Class::Damaged, what)
}
