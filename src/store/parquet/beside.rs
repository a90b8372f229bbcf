//! What is kept beside the rows of a table: cells that are written otherwise than their columns' forms say, cells that
//! their columns cannot hold, and all cells of rows that were set aside, each with its storage class and its exact bytes.
//!
//! It is a file of its own, so that the rows' file holds the rows and nothing else. Its columns:
//!
//! | column | of an exception | of a misfit | of a cell of a row set aside |
//! | --- | --- | --- | --- |
//! | `kind` | `exception` | `misfit` | `cell` |
//! | `at` | INT64: the row's position in the rows' file, from 0 | the same; NULL where the row was set aside | NULL |
//! | `aside` | NULL | NULL | INT64: which of the rows set aside, from 0 |
//! | `rowid` | INT64: the row's rowid, where that names it | the same | the same, in the row's last cell |
//! | `row` | BYTE_ARRAY: else the cells that name it, packed as [`RowName::to_bytes`] has them | the same | the same, in the row's last cell |
//! | `column` | INT32: the column's position in the table | the same | the same |
//! | `class` | STRING: the storage class, as `typeof` has it | the same | the same |
//! | `bytes` | BYTE_ARRAY: the cell as [`RawCell`] has it | the same | the same |
//! | `encoding` | NULL | STRING: the encoding of a text | the same |
//! | `reason` | NULL | STRING: why the column cannot hold it | the same; NULL where it can |
//! | `remedy` | NULL | STRING: what was done about it | the same |
//!
//! The cells of a row that was set aside follow one another, in the order of the columns and without a gap.

mod read;

pub use read::BesideReader;

use super::facts::{self, KEY};
use super::file::{FileWriter, Stored};
use super::hash::ContentHash;
use super::key::Key;
use super::layout::Width;
use crate::error::{Error, Result};
use crate::model::{FormException, Misfit, RawCell, RejectedRow, Remedy, RowName, TextEncoding};
use arrow_array::builder::{BinaryBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::io::Write;
use std::sync::{Arc, LazyLock};

/// Records of a batch, at most.
const BATCH_RECORDS: usize = 8 * 1024;
/// Bytes of cells after which a batch is written.
const BATCH_BYTES: usize = 1024 * 1024;

const EXCEPTION: &str = "exception";
const MISFIT: &str = "misfit";
const CELL: &str = "cell";

/// What is kept beside the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// A cell of the row at this position that is written otherwise than its column's form says.
    Exception(u64, FormException),
    /// A cell that its column cannot hold, of the row at this position; of none where the row was set aside.
    Misfit(Option<u64>, Misfit),
    /// A row that was set aside.
    Rejected(RejectedRow),
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, kind| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        field("kind", DataType::Utf8),
        field("at", DataType::Int64),
        field("aside", DataType::Int64),
        field("rowid", DataType::Int64),
        field("row", DataType::Binary),
        field("column", DataType::Int32),
        field("class", DataType::Utf8),
        field("bytes", DataType::Binary),
        field("encoding", DataType::Utf8),
        field("reason", DataType::Utf8),
        field("remedy", DataType::Utf8),
    ]))
});

/// The file beside that of the rows, or the file of the rows that were set aside, being written.
#[derive(Debug)]
pub struct BesideWriter<W: Write + Send> {
    file: FileWriter<W>,
    batch: BatchBuilder,
    /// Rows set aside.
    rejected: u64,
}

impl<W: Write + Send> BesideWriter<W> {
    /// Begins a file; nothing is written before there are cells.
    pub fn new(out: W) -> Self {
        // Any of the cells may be a large one.
        let file = FileWriter::new(out, Arc::clone(&SCHEMA), Width::Wide);
        Self { file, batch: BatchBuilder::default(), rejected: 0 }
    }

    /// Hides the file with the archive's key, if it has one.
    pub fn with_key(mut self, key: Option<&Key>) -> Self {
        self.file.set_key(key);
        self
    }

    /// Adds a cell that is written otherwise than its column's form says, of the row at this position in the rows' file.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn exception(&mut self, at: u64, exception: &FormException) -> Result<()> {
        let FormException { row, column, cell } = exception;
        let record =
            Record { at: Some(at), row: Some(row), ..Record::new(EXCEPTION, *column, cell) };
        self.add(&record)
    }

    /// Adds a cell that its column cannot hold, of the row at this position in the rows' file; of none where the row was
    /// set aside.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn misfit(&mut self, at: Option<u64>, misfit: &Misfit) -> Result<()> {
        let Misfit { row, column, cell, encoding, reason, remedy } = misfit;
        let record = Record {
            at,
            row: Some(row),
            encoding: Some(*encoding),
            why: Some((reason, *remedy)),
            ..Record::new(MISFIT, *column, cell)
        };
        self.add(&record)
    }

    /// Adds a row that was set aside.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn rejected(&mut self, rejected: &RejectedRow) -> Result<()> {
        let RejectedRow { row, cells, reasons } = rejected;
        let mut reasons = reasons.iter().peekable();
        let last =
            cells.len().checked_sub(1).ok_or_else(|| Error::internal("a row of no cells"))?;
        for (column, (cell, encoding)) in cells.iter().enumerate() {
            // Once, because a name may be as large as all the row.
            let record = Record {
                aside: Some(self.rejected),
                row: (column == last).then_some(row),
                encoding: Some(*encoding),
                why: reasons
                    .next_if(|it| it.column == column)
                    .map(|it| (it.reason.as_str(), it.remedy)),
                ..Record::new(CELL, column, cell)
            };
            self.add(&record)?;
        }
        if reasons.next().is_some() {
            return Err(Error::internal("reasons of cells are in no order"));
        }
        self.rejected += 1;
        Ok(())
    }

    /// Ends the file beside `rows`, or of rows that were set aside where it is beside none; no file where nothing was
    /// kept, and then `out` holds nothing.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn finish(mut self, rows: Option<ContentHash>) -> Result<Option<(W, Stored)>> {
        self.written(1)?;
        match self.file.rows() {
            0 => Ok(None),
            records => self.file.finish(KEY, facts::of_beside(rows, records)?).map(Some),
        }
    }

    fn add(&mut self, record: &Record<'_>) -> Result<()> {
        self.batch.add(record)?;
        self.written(BATCH_RECORDS)
    }

    /// Writes what was added, if it is so many records or many bytes.
    fn written(&mut self, records: usize) -> Result<()> {
        let BatchBuilder { count, bytes, .. } = self.batch;
        if count >= records || bytes >= BATCH_BYTES {
            self.file.write(&self.batch.finish()?)?;
        }
        Ok(())
    }
}

/// One cell with what is said of it.
struct Record<'a> {
    kind: &'static str,
    at: Option<u64>,
    aside: Option<u64>,
    row: Option<&'a RowName>,
    column: usize,
    cell: &'a RawCell,
    encoding: Option<TextEncoding>,
    why: Option<(&'a str, Remedy)>,
}

impl<'a> Record<'a> {
    fn new(kind: &'static str, column: usize, cell: &'a RawCell) -> Self {
        Self { kind, at: None, aside: None, row: None, column, cell, encoding: None, why: None }
    }
}

/// Records on their way into a file.
#[derive(Debug, Default)]
struct BatchBuilder {
    kind: StringBuilder,
    at: Int64Builder,
    aside: Int64Builder,
    rowid: Int64Builder,
    row: BinaryBuilder,
    column: Int32Builder,
    class: StringBuilder,
    cell: BinaryBuilder,
    encoding: StringBuilder,
    reason: StringBuilder,
    remedy: StringBuilder,
    count: usize,
    bytes: usize,
}

impl BatchBuilder {
    fn add(&mut self, record: &Record<'_>) -> Result<()> {
        let &Record { kind, at, aside, row, column, cell, encoding, why } = record;
        let too_high = |_too_high| Error::internal("a row or a column of a very high number");
        let signed = |number: Option<u64>| number.map(i64::try_from).transpose().map_err(too_high);
        self.at.append_option(signed(at)?);
        self.aside.append_option(signed(aside)?);
        self.column.append_value(i32::try_from(column).map_err(too_high)?);
        self.kind.append_value(kind);
        self.rowid.append_option(row.and_then(RowName::rowid));
        self.row.append_option(row.filter(|row| row.rowid().is_none()).map(RowName::to_bytes));
        self.class.append_value(cell.class.name());
        self.cell.append_value(&cell.bytes);
        self.encoding.append_option(encoding.map(TextEncoding::name));
        self.reason.append_option(why.map(|(reason, _)| reason));
        self.remedy.append_option(why.map(|(_, remedy)| remedy.name()));
        self.count += 1;
        self.bytes += cell.bytes.len() + row.map_or(0, RowName::size);
        Ok(())
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        (self.count, self.bytes) = (0, 0);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.kind.finish()),
            Arc::new(self.at.finish()),
            Arc::new(self.aside.finish()),
            Arc::new(self.rowid.finish()),
            Arc::new(self.row.finish()),
            Arc::new(self.column.finish()),
            Arc::new(self.class.finish()),
            Arc::new(self.cell.finish()),
            Arc::new(self.encoding.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.remedy.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&SCHEMA), arrays)
            .map_err(|error| Error::internal("kept cells have no shape").because(error))
    }
}

#[cfg(test)]
mod tests;
