//! Compaction: the steps of a generation folded into its base, as a new generation that holds the same rows.
//!
//! Chunks of the base that no step touches stay the files that they are; others are written again without the rows that
//! steps have changed or deleted, and what steps have left of each other becomes further chunks. What was written is read
//! back, and compared with what was read before, and only then a generation names it: wherever it is killed, the archive
//! has what it had, and files that nobody names, which are pruned.

use super::ArchivedRows;
use super::files::{Files, Finished, Origin, RowsWriter};
use super::merged::{Merged, Unit};
use crate::error::{Class, Error, Place as _, Result};
use crate::model::{DigestSum, RowRange, TableSchema};
use crate::pipeline::Stop;
use crate::pipeline::failpoint::{Step, reach};
use crate::proof::Summing;
use crate::row::TupleEncoder;
use crate::store::parquet::ChunkFacts;
use crate::store::parquet::generation::{self, Opened};
use crate::store::parquet::manifest::{ArchiveFile, Contents, FileKind};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of rows after which a new chunk ends, with the step that it has come to.
const CHUNK_BYTES: usize = 256 * 1024 * 1024;

/// Folds all steps of a generation, which must be the newest one, into its base, and publishes that; none where it has no
/// steps.
///
/// # Errors
///
/// [`Class::Damaged`], which names the file: one of the generation is missing, or not what it should be;
/// [`Class::NotEqual`]: what was written has other rows than what was read; [`Class::Held`]: another run was faster.
/// Else as [`Place`](crate::store::parquet::place::Place) says. The generation is there whole, or nothing has changed.
pub fn compact(files: Files<'_>, opened: &Opened, stop: &Stop) -> Result<Option<Opened>> {
    let manifest = &opened.manifest;
    let is_step =
        |file: &&ArchiveFile| matches!(file.kind, FileKind::Deltas | FileKind::DeletedKeys);
    if !manifest.files.iter().any(|file| is_step(&file)) {
        return Ok(None);
    }
    // What virtual tables hold is whole in each generation.
    let whole = manifest.files.iter().filter(|file| file.kind == FileKind::Whole);
    let mut all: Vec<_> = whole.cloned().collect();
    for table in &manifest.schema.tables {
        let of_table = manifest.files.iter().filter(|file| file.table == table.source);
        let of_table: Vec<_> = of_table.cloned().collect();
        if !of_table.iter().any(|file| is_step(&file)) {
            all.extend(of_table);
            continue;
        }
        let folded = fold(files, &of_table, (table, &manifest.source), stop);
        all.extend(folded.at(|| format!("archive of table {}", table.source))?);
    }
    reach(Step::CompactionProved);
    let written = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let contents = Contents {
        source: manifest.source.clone(),
        position: manifest.position,
        nonce: manifest.nonce.clone(),
        written,
        schema: manifest.schema.clone(),
        files: all,
    };
    let published = generation::publish(files.place, files.key, Some(opened), contents)?;
    reach(Step::CompactionPublished);
    Ok(Some(published))
}

/// Folds the steps of one table, and gives all its files then.
fn fold(
    files: Files<'_>,
    before: &[ArchiveFile],
    (table, source): (&TableSchema, &str),
    stop: &Stop,
) -> Result<Vec<ArchiveFile>> {
    let merged = Merged::open(files, before, table)?;
    let mut folding = Folding {
        files,
        source,
        merged: &merged,
        stop,
        shape: table.in_one_group(),
        kept: Vec::new(),
        made: Vec::new(),
        found: DigestSum::default(),
    };
    for unit in merged.units().iter().filter(|unit| unit.file().kind == FileKind::Rows) {
        folding.chunk(unit)?;
    }
    let steps = merged.units().iter().filter(|unit| unit.file().kind == FileKind::Deltas);
    folding.steps(&steps.collect::<Vec<_>>())?;
    let Folding { mut kept, made, found, .. } = folding;
    kept.extend(before.iter().filter(|file| file.kind == FileKind::Rejected).cloned());
    prove(files, (table, &made, &kept), found)?;
    kept.extend(made);
    Ok(kept)
}

/// A table on its way into its new base.
struct Folding<'a> {
    files: Files<'a>,
    source: &'a str,
    merged: &'a Merged<'a>,
    stop: &'a Stop,
    /// The table, with all its rows in one group.
    shape: TableSchema,
    /// Files that stay.
    kept: Vec<ArchiveFile>,
    /// Files that are new.
    made: Vec<ArchiveFile>,
    /// The sum of all rows that were read.
    found: DigestSum,
}

impl Folding<'_> {
    /// A chunk of the base, which stays as it is where all its rows do.
    fn chunk(&mut self, unit: &Unit) -> Result<()> {
        let (sum, facts) = self.sum(unit)?;
        self.found += sum;
        if sum.rows == unit.file().rows {
            self.kept.push(unit.file().clone());
            self.kept.extend(unit.forms().cloned());
            return Ok(());
        }
        if sum.rows == 0 {
            return Ok(());
        }
        let mut writer = RowsWriter::begin(self.files, self.merged.table())?;
        self.read(unit, |rows| writer.write(&rows))?;
        let ChunkFacts { range, low, last, rejected, .. } = facts;
        let number = unit.file().chunk;
        let origin = Origin { source: self.source, number, range, low, last, rejected };
        self.put(writer.finish(FileKind::Rows, origin)?)
    }

    /// What is left of the steps: several of them as one chunk, whose number is that of the last.
    fn steps(&mut self, steps: &[&Unit]) -> Result<()> {
        let mut writer: Option<RowsWriter<'_>> = None;
        let (mut bytes, mut low, mut last) = (0_usize, None, None);
        for (at, unit) in steps.iter().enumerate() {
            let (sum, facts) = self.sum(unit)?;
            self.found += sum;
            if sum.rows > 0 {
                let begun = match writer.take() {
                    Some(begun) => begun,
                    None => RowsWriter::begin(self.files, self.merged.table())?,
                };
                let begun = writer.insert(begun);
                self.read(unit, |rows| {
                    bytes = bytes.saturating_add(rows.bytes());
                    begun.write(&rows)
                })?;
                low = low.into_iter().chain(facts.low).min();
                last = last.max(facts.last);
            }
            if bytes < CHUNK_BYTES && at + 1 < steps.len() {
                continue;
            }
            let Some(done) = writer.take() else { continue };
            let (number, range) = (unit.file().chunk, RowRange::All);
            let origin = Origin { source: self.source, number, range, low, last, rejected: 0 };
            self.put(done.finish(FileKind::Rows, origin)?)?;
            (bytes, low, last) = (0, None, None);
        }
        Ok(())
    }

    fn read(
        &self,
        unit: &Unit,
        mut emit: impl FnMut(ArchivedRows) -> Result<()>,
    ) -> Result<ChunkFacts> {
        self.merged.read(unit, |rows| {
            self.stop.check()?;
            emit(rows)
        })
    }

    /// The sum of the rows that are left of a unit, and what its file says of itself.
    fn sum(&self, unit: &Unit) -> Result<(DigestSum, ChunkFacts)> {
        let mut encoder = TupleEncoder::new(&self.shape)?;
        let mut sums = Summing::new(&self.shape);
        let facts = self.read(unit, |rows| encoder.encode(&rows.records, &mut sums))?;
        encoder.finish(&mut sums)?;
        Ok((sums.finish()?.total(), facts))
    }

    fn put(&mut self, finished: Vec<Finished>) -> Result<()> {
        self.made.extend(self.files.put(finished)?);
        reach(Step::ChunkCompacted);
        Ok(())
    }
}

/// Reads back what was written, and fails unless the new base has the rows that were found.
fn prove(
    files: Files<'_>,
    (table, made, kept): (&TableSchema, &[ArchiveFile], &[ArchiveFile]),
    found: DigestSum,
) -> Result<()> {
    let mut base = DigestSum::default();
    for file in kept.iter().filter(|file| file.kind == FileKind::Rows) {
        base += file.digest().unwrap_or_default();
    }
    let written = Merged::open(files, made, table)?;
    for unit in written.units() {
        base += written.read(unit, |_rows| Ok(()))?.sum;
    }
    if base == found {
        return Ok(());
    }
    let what = format!(
        "the new base has {} rows of the digest {base} instead of {} rows of the digest {found}",
        base.rows, found.rows
    );
    Err(Error::new(Class::NotEqual, what)
        .todo("keep the archive as it is, and tell liteferry's authors: nothing was published"))
}
