//! The files of an archive as tables are written to them and read from them.

use super::ArchivedRows;
use crate::error::{Class, Error, Place as _, Result};
use crate::model::{DigestSum, RowRange, TableSchema};
use crate::pipeline::failpoint::{Step, reach};
use crate::proof::Summing;
use crate::row::TupleEncoder;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::parquet::place::{Draft, Place};
use crate::store::parquet::{
    BesideReader, BesideWriter, ChunkFacts, ChunkReader, ChunkWriter, Key,
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

    fn fetch(self, file: &ArchiveFile) -> Result<File> {
        let found = self.place.fetch(file.name(), file.bytes)?;
        found.ok_or_else(|| damaged("it is missing"))
    }

    /// Puts files into their place.
    pub(super) fn put(self, finished: Vec<Finished>) -> Result<Vec<ArchiveFile>> {
        let put = |(file, draft): Finished| {
            self.place.put(draft, file.name(), &file.stored())?;
            reach(Step::FilePut);
            Ok(file)
        };
        finished.into_iter().map(put).collect()
    }

    /// Names a file that was written.
    pub(super) fn named(
        self,
        kind: FileKind,
        table: &TableSchema,
        number: u64,
        (draft, stored): (Draft, crate::store::parquet::Stored),
        digest: Option<DigestSum>,
    ) -> Result<Finished> {
        let file = ArchiveFile::new(kind, &table.source, number, stored, digest, self.key)?;
        Ok((file, draft))
    }
}

/// A file of rows being written, and the file of what is kept beside them.
pub(super) struct RowsWriter<'a> {
    files: Files<'a>,
    table: &'a TableSchema,
    rows: ChunkWriter<'a, Draft>,
    /// Begun with the first cell.
    beside: Option<BesideWriter<Draft>>,
    encoder: TupleEncoder<'a>,
    sums: Summing,
    count: u64,
}

impl<'a> RowsWriter<'a> {
    /// Begins the files of some rows of a table.
    pub(super) fn begin(files: Files<'a>, table: &'a TableSchema) -> Result<Self> {
        // A file is proved by itself: its rows are all of one chunk.
        let alone = TableSchema { chunks: vec![RowRange::All], ..table.clone() };
        Ok(Self {
            files,
            table,
            rows: ChunkWriter::new(files.place.draft()?, table).with_key(files.key),
            beside: None,
            encoder: TupleEncoder::new(table)?,
            sums: Summing::new(&alone),
            count: 0,
        })
    }

    /// Rows so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Adds rows.
    pub(super) fn write(&mut self, rows: &ArchivedRows) -> Result<()> {
        let ArchivedRows { records, exceptions, misfits } = rows;
        self.rows.write(records)?;
        self.encoder.encode(records, &mut self.sums)?;
        let at = |row: usize| self.count.saturating_add(count_of(row));
        if self.beside.is_none() && !(exceptions.is_empty() && misfits.is_empty()) {
            let draft = self.files.place.draft()?;
            self.beside = Some(BesideWriter::new(draft).with_key(self.files.key));
        }
        if let Some(beside) = &mut self.beside {
            exceptions.iter().try_for_each(|(row, it)| beside.exception(at(*row), it))?;
            misfits.iter().try_for_each(|(row, it)| beside.misfit(Some(at(*row)), it))?;
        }
        self.count = at(records.num_rows());
        Ok(())
    }

    /// Ends the files.
    pub(super) fn finish(self, kind: FileKind, origin: Origin<'_>) -> Result<Vec<Finished>> {
        let Self { files, table, rows, beside, mut encoder, mut sums, .. } = self;
        encoder.finish(&mut sums)?;
        let sums = sums.finish()?;
        let facts = facts(origin, sums.total(), sums.to_bytes());
        let (draft, stored) = rows.finish(&facts)?;
        let of_rows = stored.hash;
        let named =
            |kind, written, digest| files.named(kind, table, origin.number, written, digest);
        let mut finished = vec![named(kind, (draft, stored), Some(facts.sum))?];
        if let Some(written) =
            beside.map(|beside| beside.finish(Some(of_rows))).transpose()?.flatten()
        {
            finished.push(named(FileKind::Forms, written, None)?);
        }
        Ok(finished)
    }
}

impl std::fmt::Debug for RowsWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowsWriter").field("count", &self.count).finish_non_exhaustive()
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
    let sums = sums.finish()?;
    let written = writer.finish(&facts(origin, sums.total(), sums.to_bytes()))?;
    files.named(FileKind::DeletedKeys, keys, origin.number, written, None).map(Some)
}

fn facts(origin: Origin<'_>, sum: DigestSum, groups: Vec<u8>) -> ChunkFacts {
    let Origin { source, number, range, low, last, rejected } = origin;
    let chunk = usize::try_from(number).unwrap_or(usize::MAX);
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
