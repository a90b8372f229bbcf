//! Rows on their way into the archive or out of it, with those of their cells that are kept beside them.

use crate::error::{Error, Result};
use crate::model::{FormException, Misfit};
use crate::pipeline::spool::Record as _;
use crate::store::sqlite::ReadBatch;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;

/// Some rows of a table as they are loaded, and what is kept of single cells of theirs.
#[derive(Debug, Clone)]
pub struct ArchivedRows {
    /// The rows, in [`TableSchema::write_schema`](crate::model::TableSchema::write_schema)'s shape.
    pub records: RecordBatch,
    /// Cells that are written otherwise than their columns' forms say, with the positions of their rows, ascending.
    pub exceptions: Vec<(usize, FormException)>,
    /// Cells that their columns cannot hold, with the positions of their rows, ascending.
    pub misfits: Vec<(usize, Misfit)>,
}

impl ArchivedRows {
    /// The rows of a batch as they are loaded, and what was kept of them when they were read.
    pub fn of(records: RecordBatch, read: &ReadBatch) -> Self {
        let of_row = |(row, misfit): &(Option<usize>, Misfit)| Some(((*row)?, misfit.clone()));
        let misfits = read.misfits.iter().filter_map(of_row).collect();
        Self { records, exceptions: read.exceptions.clone(), misfits }
    }

    /// Rows of which nothing is kept.
    pub(super) fn plain(records: RecordBatch) -> Self {
        Self { records, exceptions: Vec::new(), misfits: Vec::new() }
    }

    /// About the bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let exceptions: usize = self.exceptions.iter().map(|(_, it)| it.size()).sum();
        let misfits: usize = self.misfits.iter().map(|(_, it)| it.size()).sum();
        self.records.get_array_memory_size() + exceptions + misfits
    }

    /// Those rows that are told to stay, one answer for each, with what is kept of them.
    pub(super) fn filter(self, stays: &BooleanArray) -> Result<Self> {
        if stays.true_count() == stays.len() {
            return Ok(self);
        }
        let records = filter_record_batch(&self.records, stays).map_err(shapeless)?;
        let mut rows = 0;
        let positions: Vec<Option<usize>> = stays
            .iter()
            .map(|stays| {
                let at = rows;
                rows += usize::from(stays == Some(true));
                (stays == Some(true)).then_some(at)
            })
            .collect();
        let at = |row: usize| positions.get(row).copied().flatten();
        let exceptions = self.exceptions.into_iter();
        let misfits = self.misfits.into_iter();
        Ok(Self {
            records,
            exceptions: exceptions.filter_map(|(row, it)| Some((at(row)?, it))).collect(),
            misfits: misfits.filter_map(|(row, it)| Some((at(row)?, it))).collect(),
        })
    }

    /// Several of one schema as one.
    pub(super) fn concat(schema: &SchemaRef, parts: Vec<Self>) -> Result<Self> {
        let records = concat_batches(schema, parts.iter().map(|part| &part.records));
        let mut all = Self::plain(records.map_err(shapeless)?);
        let mut before = 0;
        for Self { records, exceptions, misfits } in parts {
            all.exceptions.extend(exceptions.into_iter().map(|(row, it)| (before + row, it)));
            all.misfits.extend(misfits.into_iter().map(|(row, it)| (before + row, it)));
            before += records.num_rows();
        }
        Ok(all)
    }
}

fn shapeless(error: ArrowError) -> Error {
    Error::internal("rows of one table cannot be put together").because(error)
}
