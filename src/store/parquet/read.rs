//! Reading files back: the bytes hashed first, the footer and the pages looked at, then batch after batch.

use super::facts::{self, ChunkFacts, another};
use super::file::Stored;
use super::footer::{FOOTER_MAX, FooterHead};
use super::guard::{self, GroupPlan};
use super::key::Key;
use super::modules::Opener;
use super::types::Shape;
use super::verified::Verified;
use crate::error::{Class, Error, Place, Result};
use crate::model::{DigestSum, TableSchema};
use crate::row::{Body, ManyDigests, Row, RowVisitor, TupleEncoder};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetStatisticsPolicy};
use parquet::file::reader::{ChunkReader as _, Length as _};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What stands at a file's end: the length of the footer and `PAR1`.
const TAIL_BYTES: usize = 8;

/// The rows of one chunk, as a file has them.
#[derive(Debug)]
pub struct ChunkReader {
    facts: ChunkFacts,
    table: TableSchema,
    file: FileReader,
}

impl ChunkReader {
    /// Opens a file that [`ChunkWriter`](super::ChunkWriter) wrote, once all its bytes are hashed.
    /// It is encrypted just where the archive has a key.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: it is not the file that `stored` tells of, or not one of a chunk; [`Class::Usage`]: a later
    /// liteferry wrote it; [`Class::Temporary`]: it cannot be read; [`Class::Access`]: it is encrypted, and not with this
    /// key.
    pub fn open(file: File, stored: &Stored, key: Option<&Key>) -> Result<Self> {
        Verified::check(file, stored)
            .and_then(|file| Self::of_verified(file, stored.rows, key))
            .at(|| format!("file {}", stored.hash.file_name()))
    }

    /// Reads a file whose hash is right.
    pub(super) fn of_verified(file: Verified, rows: u64, key: Option<&Key>) -> Result<Self> {
        guarded(&file.clone(), || {
            let footer = Footer::read(file, key)?;
            let (facts, table) = facts::read_chunk(&footer.said)?;
            if facts.sum.rows != rows {
                let what = format!("it has {} rows instead of {rows}", facts.sum.rows);
                return Err(another(&what));
            }
            let file = footer.open(Shape::new(&table).stored(), rows)?;
            Ok(Self { facts, table, file })
        })
    }

    /// What is known of the chunk beside its rows.
    pub fn facts(&self) -> &ChunkFacts {
        &self.facts
    }

    /// The table, with this chunk and no other: a file is proved by itself.
    pub fn table(&self) -> &TableSchema {
        &self.table
    }

    /// Hands all rows to `emit`, in the order in which they were written, and in [`TableSchema::write_schema`]'s shape; says
    /// what is known of them once it is certain that they are those that were written.
    ///
    /// Batches are small: some megabytes, or one row where that is larger. What `emit` made of them is worth nothing where
    /// this fails.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: rows of another number or another sum than were written, or none of this table;
    /// [`Class::Temporary`]: the file cannot be read; and whatever `emit` says.
    pub fn read(self, mut emit: impl FnMut(RecordBatch) -> Result<()>) -> Result<ChunkFacts> {
        let of_table = || format!("archive of table {}", self.table.source);
        let none_of_it = |error| another("its rows are none of its table").because(error);
        let mut encoder = TupleEncoder::new(&self.table)?;
        let mut summing = Summing::default();
        for batch in self.batches() {
            let batch = batch?;
            encoder.encode(&batch, &mut summing).map_err(none_of_it).at(of_table)?;
            emit(batch)?;
        }
        encoder.finish(&mut summing)?;
        let (found, expected) = (summing.finish()?, self.facts.sum);
        if found != expected {
            let what = format!(
                "it has {} rows of the digest {found} instead of {} rows of the digest {expected}",
                found.rows, expected.rows
            );
            return Err(another(&what)).at(of_table);
        }
        Ok(self.facts)
    }

    /// The rows as they come, whatever their sum is; the last item may be an error.
    fn batches(&self) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let shape = Shape::new(&self.table);
        self.file.batches().map(move |batch| {
            batch
                .and_then(|batch| shape.restore(&batch))
                .at(|| format!("archive of table {}", self.table.source))
        })
    }
}

/// The sum of all rows that pass.
#[derive(Debug, Default)]
struct Summing {
    sum: DigestSum,
    digests: ManyDigests<()>,
}

impl Summing {
    fn finish(self) -> Result<DigestSum> {
        let Self { mut sum, digests } = self;
        digests.finish(|(), digest| {
            sum.add_row(digest);
            Ok(())
        })?;
        Ok(sum)
    }
}

impl RowVisitor for Summing {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let Self { sum, digests } = self;
        let mut add = |(), digest| {
            sum.add_row(digest);
            Ok(())
        };
        match row.body {
            Body::Tuple(tuple) => digests.add((), tuple, add),
            Body::Digest(digest) => add((), digest),
        }
    }
}

/// The end of a file: its columns, and what it says of itself.
pub(super) struct Footer {
    file: Arc<Verified>,
    /// Where the file is encrypted.
    opener: Option<Opener>,
    head: FooterHead,
    pub(super) said: String,
}

impl Footer {
    /// Reads it, and opens it with a key where there is one: either all files of an archive are encrypted or none.
    pub(super) fn read(file: Verified, key: Option<&Key>) -> Result<Self> {
        let no_footer = || another("it has no footer of Parquet that liteferry writes");
        let tail_at = file.len().checked_sub(TAIL_BYTES as u64).ok_or_else(no_footer)?;
        let tail = file.get_bytes(tail_at, TAIL_BYTES).map_err(undecodable)?;
        let [a, b, c, d, b'P', b'A', b'R', magic] = *tail else { return Err(no_footer()) };
        let key = match (magic, key) {
            (b'1', None) => None,
            (b'E', Some(key)) => Some(key),
            (b'1', Some(_)) => {
                return Err(another("it is not encrypted, and the archive has a key"));
            }
            (b'E', None) => {
                return Err(Error::new(Class::Access, "it is encrypted")
                    .todo("give the file of the key that the archive was written with"));
            }
            _ => return Err(no_footer()),
        };
        let bytes = u32::from_le_bytes([a, b, c, d]);
        let begin = tail_at.checked_sub(bytes.into()).ok_or_else(no_footer)?;
        let length = usize::try_from(bytes).map_err(|_too_long| no_footer())?;
        if u64::from(bytes) > FOOTER_MAX {
            return Err(no_footer());
        }
        let stored = file.get_bytes(begin, length).map_err(undecodable)?;
        let (opener, footer) = match key.map(|key| Opener::footer(key, &stored)).transpose()? {
            Some((opener, footer)) => (Some(opener), footer.into()),
            None => (None, stored),
        };
        let mut head = FooterHead::read(&footer).ok_or_else(no_footer)?;
        let said = head.said.take().ok_or_else(|| another("it does not say what it is"))?;
        Ok(Self { file: Arc::new(file), opener, head, said })
    }

    /// Looks at all of a file that shall have these columns and so many rows.
    pub(super) fn open(self, schema: &SchemaRef, rows: u64) -> Result<FileReader> {
        let expected = ArrowSchemaConverter::new().convert(schema).map_err(undecodable)?;
        if !self.head.has_columns_of(expected.root_schema()) {
            return Err(another("it has other columns than its table"));
        }
        // The columns are those of the table, not what the file says in Parquet's words or in Arrow's.
        let mut options = ArrowReaderOptions::new()
            .with_parquet_schema(Arc::new(expected))
            .with_skip_arrow_metadata(true)
            .with_page_index_policy(PageIndexPolicy::Skip)
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        if let Some(opener) = &self.opener {
            let properties = opener.properties().map_err(undecodable)?;
            options = options.with_file_decryption_properties(properties);
        }
        let metadata =
            ArrowReaderMetadata::load(self.file.as_ref(), options).map_err(undecodable)?;
        let source = guard::Source { file: &self.file, opener: self.opener.as_ref() };
        let plans = guard::check(source, metadata.metadata(), rows)?;
        Ok(FileReader { file: self.file, metadata, plans })
    }
}

/// A file that was looked at.
pub(super) struct FileReader {
    file: Arc<Verified>,
    metadata: ArrowReaderMetadata,
    plans: Vec<GroupPlan>,
}

impl FileReader {
    /// All rows; nothing follows an error.
    pub(super) fn batches(&self) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let mut group: Option<ParquetRecordBatchReader> = None;
        let mut plans = self.plans.iter();
        let mut next = move || loop {
            if let Some(reader) = &mut group {
                match guarded(&self.file, || {
                    reader.next().transpose().map_err(|error| undecodable(error.into()))
                })? {
                    Some(batch) => return Ok(Some(batch)),
                    None => group = None,
                }
            }
            let Some(plan) = plans.next() else { return Ok(None) };
            group = Some(guarded(&self.file, || self.group(*plan))?);
        };
        let mut ended = false;
        std::iter::from_fn(move || {
            let batch = if ended { None } else { next().transpose() };
            ended = !matches!(batch, Some(Ok(_)));
            batch
        })
    }

    fn group(&self, plan: GroupPlan) -> Result<ParquetRecordBatchReader> {
        let (file, metadata) = (Verified::clone(&self.file), self.metadata.clone());
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
            .with_row_groups(vec![plan.group])
            .with_batch_size(plan.batch_rows)
            .build()
            .map_err(undecodable)
    }
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader").field("plans", &self.plans).finish_non_exhaustive()
    }
}

/// Decodes a file. A decoder that gives up on bytes by a panic has met damage all the same; one that did not get its bytes
/// has met none, whatever it says of them.
pub(super) fn guarded<T>(file: &Verified, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_panic| Err(another("its bytes are nothing that can be decoded")))
        .map_err(|error| file.unread().unwrap_or(error))
}

fn undecodable(error: ParquetError) -> Error {
    another("it cannot be decoded").because(error)
}

#[cfg(test)]
mod tests;
