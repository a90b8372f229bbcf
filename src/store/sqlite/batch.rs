//! Rows of SQLite cells to Arrow batches; what a column cannot hold is handled as its plan says, and told.
//!
//! A batch ends at `BATCH_ROWS` rows or `BATCH_BYTES` bytes, so that memory does not depend on the width of rows,
//! and a row larger than that travels alone.

use super::cell::{CellBuilder, Fit};
use super::connection::{Refused, refused};
use super::statement::OutOfMemory;
use super::wide::Seen;
use crate::error::{Class, Error, Result};
use crate::model::{
    Column, FormException, Misfit, MisfitReason, RawCell, RejectedRow, Remedy, RowName,
    TableSchema, TextEncoding,
};
use crate::pipeline::spool::Record;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use rusqlite::types::ValueRef;
use std::borrow::Cow;
use std::sync::Arc;

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 8 * 1024;
/// Bytes of values after which a batch ends.
const BATCH_BYTES: usize = 1024 * 1024;

/// Some rows of a table, and the cells among them that their columns cannot hold.
#[derive(Debug)]
pub struct ReadBatch {
    /// The rows that go on, in [`TableSchema::read_schema`]'s shape.
    pub records: RecordBatch,
    /// Cells that did not fit, in the order of their rows, each with its row's position in `records`; none for those of
    /// rejected rows, which are not there.
    pub misfits: Vec<(Option<usize>, Misfit)>,
    /// Rows that are not in `records`, in the source's own words, each with the reasons of its `misfits`.
    pub rejected: Vec<RejectedRow>,
    /// Cells of `records` that are written otherwise than their columns' forms say, in the order of their rows, each with
    /// its row's position in `records`.
    pub exceptions: Vec<(usize, FormException)>,
}

impl ReadBatch {
    /// How many rows are not in `records`.
    pub fn rejected_rows(&self) -> u64 {
        self.rejected.len().try_into().unwrap_or(u64::MAX)
    }
}

/// Builds the batches of one table.
pub(super) struct BatchBuilder<'t> {
    table: &'t TableSchema,
    schema: SchemaRef,
    columns: Vec<Slot<'t>>,
    rows: usize,
    bytes: usize,
    misfits: Vec<(Option<usize>, Misfit)>,
    /// The rows that are rejected, by their positions among all, ascending.
    rejected: Vec<(usize, RejectedRow)>,
    exceptions: Vec<(usize, FormException)>,
}

/// A column being built.
struct Slot<'t> {
    column: &'t Column,
    builder: CellBuilder,
    /// The position of the column that must tell the same instant.
    beside: Option<usize>,
}

impl<'t> Slot<'t> {
    fn new(table: &'t TableSchema, column: &'t Column) -> Result<Self> {
        let beside = column.witness.as_ref().map(|witness| {
            let mut names = table.columns.iter().map(|column| &column.source);
            names.position(|name| *name == witness.column).ok_or_else(|| {
                Error::internal(format!("a column is checked against {:?}", witness.column))
            })
        });
        Ok(Self { column, builder: CellBuilder::new(column)?, beside: beside.transpose()? })
    }
}

impl<'t> BatchBuilder<'t> {
    pub(super) fn new(table: &'t TableSchema) -> Result<Self> {
        let columns = table.columns.iter().map(|column| Slot::new(table, column));
        Ok(Self {
            table,
            schema: table.read_schema(),
            columns: columns.collect::<Result<_>>()?,
            rows: 0,
            bytes: 0,
            misfits: Vec::new(),
            rejected: Vec::new(),
            exceptions: Vec::new(),
        })
    }

    /// Appends a row of the columns in order, and the rowid where there is one.
    pub(super) fn append(&mut self, row: &Seen<'_>) -> Result<()> {
        for position in 0..self.columns.len() {
            let Some(Slot { column, builder, beside }) = self.columns.get_mut(position) else {
                continue;
            };
            let cell = row.cell(position).map_err(|none| no_memory(none, column))?;
            if let Some(bytes) = builder.append_as_is(cell) {
                self.bytes += bytes;
                continue;
            }
            let appended = if column.not_null && matches!(cell, ValueRef::Null) {
                Err("it is NULL, and the column is NOT NULL".into())
            } else if let Some(beside) = *beside {
                builder
                    .append_beside(cell, row.cell(beside).map_err(|none| no_memory(none, column))?)
            } else {
                builder.append(cell).map_err(Cow::Borrowed)
            };
            match appended {
                Ok(Fit { bytes, in_form: true }) => self.bytes += bytes,
                Ok(Fit { bytes, in_form: false }) => {
                    self.bytes += bytes;
                    if self.table.named_by_key && self.table.key.contains(&position) {
                        self.refuse_spelling(position, cell, row)?;
                    } else {
                        self.except(position, cell, row)?;
                    }
                }
                Err(reason) => self.misfit(position, cell, reason, row)?,
            }
        }
        self.rows += 1;
        Ok(())
    }

    #[cold]
    fn except(&mut self, column: usize, cell: ValueRef<'_>, row: &Seen<'_>) -> Result<()> {
        let Some(position) = self.position() else {
            // The whole row is kept in the source's own words.
            return Ok(());
        };
        let (row, cell) = (row_name(self.table, row)?, raw(cell));
        let exception = FormException { row, column, cell };
        self.bytes += exception.size();
        self.exceptions.push((position, exception));
        Ok(())
    }

    /// Where the current row is going to be in the batch; nowhere once it is rejected.
    fn position(&self) -> Option<usize> {
        let is_rejected = self.rejected.last().is_some_and(|(row, _)| *row == self.rows);
        (!is_rejected).then(|| self.rows - self.rejected.len())
    }

    /// Keeps the current row whole, and takes back that cells of it are in the batch.
    #[cold]
    fn reject(&mut self, row: &Seen<'_>) -> Result<()> {
        let Some(position) = self.position() else { return Ok(()) };
        let cell = |(position, slot): (usize, &Slot<'_>)| {
            row.raw(position).refused(|| format!("column {}", slot.column.source))
        };
        let cells = self.columns.iter().enumerate().map(cell).collect::<Result<_>>()?;
        while self.exceptions.pop_if(|(at, _)| *at == position).is_some() {}
        let of_row = self.misfits.iter_mut().rev().take_while(|(at, _)| *at == Some(position));
        let mut reasons: Vec<_> = of_row
            .map(|(at, misfit)| {
                *at = None;
                reason_of(misfit)
            })
            .collect();
        reasons.reverse();
        let rejected = RejectedRow { row: row_name(self.table, row)?, cells, reasons };
        self.bytes += rejected.size();
        self.rejected.push((self.rows, rejected));
        Ok(())
    }

    /// Sets a row aside whose key is written otherwise than those of the others: while each is written in one way, two
    /// keys that the source tells apart are never one in the target, where the one would take the other's place.
    #[cold]
    fn refuse_spelling(
        &mut self,
        position: usize,
        cell: ValueRef<'_>,
        row: &Seen<'_>,
    ) -> Result<()> {
        let misfit = Misfit {
            row: row_name(self.table, row)?,
            column: position,
            cell: raw(cell),
            encoding: TextEncoding::default(),
            reason: "it is a key that is written otherwise than the others, with which it may be one in the target".into(),
            remedy: Remedy::Reject,
        };
        self.reject(row)?;
        self.keep(misfit);
        Ok(())
    }

    /// Keeps a misfit of the current row, and with the row itself, if that is rejected.
    fn keep(&mut self, misfit: Misfit) {
        let position = self.position();
        if position.is_none()
            && let Some((_, rejected)) = self.rejected.last_mut()
        {
            let reason = reason_of(&misfit);
            self.bytes += reason.reason.len();
            rejected.reasons.push(reason);
        }
        self.bytes += misfit.size();
        self.misfits.push((position, misfit));
    }

    /// Does what the plan says about a cell that does not fit.
    #[cold]
    fn misfit(
        &mut self,
        position: usize,
        cell: ValueRef<'_>,
        reason: Cow<'static, str>,
        row: &Seen<'_>,
    ) -> Result<()> {
        let name = row_name(self.table, row)?;
        let Some(Slot { column, builder, .. }) = self.columns.get_mut(position) else {
            return Ok(());
        };
        let column: &Column = column;
        match column.misfits {
            Remedy::Null => builder.append_null(),
            Remedy::Default => {
                let default = column.default.as_ref().ok_or_else(no_default)?;
                builder.append(value_of(default)).map_err(|_misfit| no_default())?;
            }
            Remedy::Reject => {
                builder.append_null();
                self.reject(row)?;
            }
            Remedy::Fail => {
                return Err(Error::new(Class::Data, format!("{}: {reason}", raw(cell)))
                    .todo("repair the value, or name another `misfits` for this column in the pipeline file")
                    .at(format!("column {}", column.source))
                    .at(name.to_string()));
            }
        }
        let (cell, encoding) = row.raw(position).refused(|| format!("column {}", column.source))?;
        let (column, remedy) = (position, column.misfits);
        self.keep(Misfit { row: name, column, cell, encoding, reason: reason.into(), remedy });
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Bytes of the rows that were appended since the last batch.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn finish(&mut self) -> Result<ReadBatch> {
        let rows = std::mem::take(&mut self.rows);
        let rejected = std::mem::take(&mut self.rejected);
        let misfits = std::mem::take(&mut self.misfits);
        let exceptions = std::mem::take(&mut self.exceptions);
        self.bytes = 0;
        let arrays = self.columns.iter_mut().map(|slot| slot.builder.finish()).collect();
        let shapeless =
            |error| Error::internal("a batch does not have its table's shape").because(error);
        let mut records =
            RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(shapeless)?;
        if !rejected.is_empty() {
            let is_rejected = |row| rejected.binary_search_by_key(&row, |(row, _)| *row).is_ok();
            let keep: BooleanArray = (0..rows).map(|row| Some(!is_rejected(row))).collect();
            records = filter_record_batch(&records, &keep).map_err(shapeless)?;
        }
        let rejected = rejected.into_iter().map(|(_, row)| row).collect();
        Ok(ReadBatch { records, misfits, rejected, exceptions })
    }
}

/// Whether a column's default, if it has one, is a value that it can hold.
///
/// # Errors
///
/// A column that cannot be read at all.
pub fn holds_default(column: &Column) -> Result<bool> {
    let mut builder = CellBuilder::new(column)?;
    Ok(column.default.as_ref().is_some_and(|default| builder.append(value_of(default)).is_ok()))
}

fn reason_of(misfit: &Misfit) -> MisfitReason {
    let Misfit { column, reason, remedy, .. } = misfit;
    MisfitReason { column: *column, reason: reason.clone(), remedy: *remedy }
}

#[cold]
fn no_memory(none: OutOfMemory, column: &Column) -> Error {
    refused(none).at(format!("column {}", column.source))
}

fn no_default() -> Error {
    Error::internal("a default that its column cannot hold")
}

/// The rowid where there is one that lasts, else the cells of the key, else all cells.
pub(super) fn row_name(table: &TableSchema, row: &Seen<'_>) -> Result<RowName> {
    let count = table.columns.len();
    if table.rowid_name.is_some() && !table.named_by_key {
        return row.rowid(count).map(RowName::Rowid).refused(|| "rowid".into());
    }
    let all: Vec<_> = (0..count).collect();
    let key = if table.key.is_empty() { &all } else { &table.key };
    let cells = key.iter().map(|&position| row.cell(position).map(raw));
    cells.collect::<Result<_, _>>().map(RowName::Cells).refused(|| "key".into())
}

/// The cell with its exact bytes.
pub(super) fn raw(cell: ValueRef<'_>) -> RawCell {
    match cell {
        ValueRef::Null => RawCell::null(),
        ValueRef::Integer(value) => RawCell::integer(value),
        ValueRef::Real(value) => RawCell::real(value),
        ValueRef::Text(bytes) => RawCell::text(bytes),
        ValueRef::Blob(bytes) => RawCell::blob(bytes),
    }
}

/// The cell as SQLite would give it.
pub(super) fn value_of(cell: &RawCell) -> ValueRef<'_> {
    use crate::model::StorageClass;
    let number = || cell.bytes.as_array::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    match cell.class {
        StorageClass::Null => ValueRef::Null,
        StorageClass::Integer => ValueRef::Integer(number().cast_signed()),
        StorageClass::Real => ValueRef::Real(f64::from_bits(number())),
        StorageClass::Text => ValueRef::Text(&cell.bytes),
        StorageClass::Blob => ValueRef::Blob(&cell.bytes),
    }
}

#[cfg(test)]
mod tests;
