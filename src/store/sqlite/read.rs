//! SQLite cells to Arrow batches, strictly: a cell of the wrong storage class or shape is refused, never bent.
//!
//! A batch ends at `BATCH_ROWS` rows or `BATCH_BYTES` bytes, so that memory does not depend on the width of rows,
//! and a row larger than that travels alone.

use super::connection::Refused;
use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{CellShape, Column, NumericSize, PgType, RowRange, TableSchema};
use crate::row::numeric::{PlainDecimal, ShortDecimal};
use crate::row::temporal::IsoText;
use arrow_array::builder::{
    BinaryBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use std::sync::Arc;

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 8 * 1024;
/// Bytes of values after which a batch ends.
const BATCH_BYTES: usize = 1024 * 1024;

/// One connection that reads; all its reads see the same content, or fail.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    /// SQLite's count of what other connections have committed, as this connection first saw it.
    data_version: i64,
}

impl Reader {
    /// Takes a connection of [`super::connection::Source::connect`].
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn new(connection: Connection) -> Result<Self> {
        let data_version = data_version(&connection)?;
        Ok(Self { connection, data_version })
    }

    /// The connection, for the census and for reading the schema.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads the rows of a range in the order of their rowids, batch by batch, in one read transaction.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where another connection committed since this one was opened, or where a cell is not
    /// what the plan says; whatever `emit` says.
    pub fn read<E: From<Error>>(
        &self,
        table: &TableSchema,
        range: RowRange,
        mut emit: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        // An error of `emit` is passed on as it is; ours gets its place.
        let mut emitted = Ok(());
        let read = self.in_one_state(|connection| {
            read_range(connection, table, range, &mut |batch| {
                emitted = emit(batch);
                emitted.is_ok()
            })
        });
        emitted?;
        Ok(read.at(|| format!("table {}", table.source))?)
    }

    /// Whether the content is still what this connection first saw.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where it is not.
    pub fn check_unchanged(&self) -> Result<()> {
        self.in_one_state(|_connection| Ok(()))
    }

    /// Runs reads in one transaction that sees what this connection first saw.
    pub(super) fn in_one_state<T>(
        &self,
        reads: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        let transaction = self.connection.unchecked_transaction().refused(|| "source".into())?;
        if data_version(&transaction)? != self.data_version {
            return Err(Error::new(
                Class::SourceChanged,
                "the source was written to while it was read",
            )
            .todo("stop what writes to it and run the same command again"));
        }
        reads(&transaction)
    }
}

fn data_version(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).refused(|| "source".into())
}

/// Reads until the range or the caller's interest ends.
fn read_range(
    connection: &Connection,
    table: &TableSchema,
    range: RowRange,
    emit: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<()> {
    let sql = select(table, range);
    let mut statement = connection.prepare(&sql).refused(|| range.to_string())?;
    let mut rows = match range {
        RowRange::Rowids { first, last } => statement.query(params![first, last]),
        RowRange::All => statement.query([]),
    }
    .refused(|| range.to_string())?;
    let mut batch = BatchBuilder::new(table);
    while let Some(row) = rows.next().refused(|| range.to_string())? {
        batch.append(row, table.rowid_name.is_some())?;
        if batch.is_full() && !emit(batch.finish()?) {
            return Ok(());
        }
    }
    if batch.rows > 0 {
        emit(batch.finish()?);
    }
    Ok(())
}

/// The columns in order, then the rowid (for messages), by a scan of the table itself.
fn select(table: &TableSchema, range: RowRange) -> String {
    let mut columns: Vec<_> = table.columns.iter().map(|column| quoted(&column.source)).collect();
    columns.extend(table.rowid_name.clone());
    let select =
        format!("SELECT {} FROM {} NOT INDEXED", columns.join(", "), quoted(&table.source));
    match (range, &table.rowid_name) {
        // One row is looked up: a range is read one row beyond its end, where the file may be damaged.
        (RowRange::Rowids { first, last }, Some(rowid)) if first == last => {
            format!("{select} WHERE {rowid} = ?1 AND {rowid} = ?2")
        }
        (RowRange::Rowids { .. }, Some(rowid)) => {
            format!("{select} WHERE {rowid} BETWEEN ?1 AND ?2 ORDER BY {rowid}")
        }
        _ => select,
    }
}

/// Builds the batches of one table.
struct BatchBuilder<'t> {
    schema: SchemaRef,
    columns: Vec<(&'t Column, CellBuilder)>,
    rows: usize,
    bytes: usize,
}

impl<'t> BatchBuilder<'t> {
    fn new(table: &'t TableSchema) -> Self {
        let columns =
            table.columns.iter().map(|column| (column, CellBuilder::new(column))).collect();
        Self { schema: table.read_schema(), columns, rows: 0, bytes: 0 }
    }

    fn append(&mut self, row: &Row<'_>, has_rowid: bool) -> Result<()> {
        for (position, (column, builder)) in self.columns.iter_mut().enumerate() {
            let cell = row.get_ref(position).refused(|| format!("column {}", column.source))?;
            match builder.append(cell) {
                Ok(bytes) => self.bytes += bytes,
                Err(misfit) => {
                    let rowid = has_rowid.then(|| row.get(row.as_ref().column_count() - 1).ok());
                    return Err(misfit.told(column, rowid.flatten()));
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        (self.rows, self.bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(|(_, builder)| builder.finish()).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|error| {
            Error::internal("a batch does not have its table's shape").because(error)
        })
    }
}

/// A cell that is not what the plan says its column holds.
struct Misfit {
    found: &'static str,
}

impl Misfit {
    fn told(&self, column: &Column, rowid: Option<i64>) -> Error {
        let expected = match column.read {
            CellShape::Integer => "an INTEGER",
            CellShape::Real => "a REAL",
            CellShape::Decimal => "a decimal that fits",
            CellShape::Text => "a TEXT",
            CellShape::AnyText => "a TEXT or a number",
            CellShape::Blob => "a BLOB",
            CellShape::IsoDate => "a date like 2025-01-31",
            CellShape::IsoNaive => "a time like 2025-01-31 12:34:56",
            CellShape::IsoOffset => "a time like 2025-01-31T12:34:56Z",
        };
        let error = Error::new(
            Class::SourceChanged,
            format!("{} stands where the census saw only {expected} for {}", self.found, column.pg),
        )
        .todo("the source changed since it was planned: drop the target with the SQL that `plan` prints and begin again")
        .at(format!("column {}", column.source));
        match rowid {
            Some(rowid) => error.at(format!("rowid {rowid}")),
            None => error,
        }
    }
}

/// One column's values on their way into a batch.
enum CellBuilder {
    Integer(Int64Builder),
    Real(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    DecimalText(StringBuilder, String),
    Text(StringBuilder),
    AnyText(StringBuilder, String),
    Blob(BinaryBuilder),
    IsoDate(Date32Builder),
    IsoNaive(TimestampMicrosecondBuilder),
    IsoOffset(TimestampMicrosecondBuilder),
}

impl CellBuilder {
    fn new(column: &Column) -> Self {
        match column.read {
            CellShape::Integer => Self::Integer(Int64Builder::new()),
            CellShape::Real => Self::Real(Float64Builder::new()),
            CellShape::Decimal => match decimal_size(column.pg) {
                Some((precision, scale)) => {
                    let builder = Decimal128Builder::new().with_data_type(column.pg.arrow());
                    Self::Decimal(builder, precision, scale)
                }
                None => Self::DecimalText(StringBuilder::new(), String::new()),
            },
            CellShape::Text => Self::Text(StringBuilder::new()),
            CellShape::AnyText => Self::AnyText(StringBuilder::new(), String::new()),
            CellShape::Blob => Self::Blob(BinaryBuilder::new()),
            CellShape::IsoDate => Self::IsoDate(Date32Builder::new()),
            CellShape::IsoNaive => Self::IsoNaive(TimestampMicrosecondBuilder::new()),
            CellShape::IsoOffset => {
                Self::IsoOffset(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
            }
        }
    }

    /// Appends one cell and gives its bytes.
    #[inline]
    fn append(&mut self, cell: ValueRef<'_>) -> Result<usize, Misfit> {
        if cell == ValueRef::Null {
            self.append_null();
            return Ok(1);
        }
        let misfit = Misfit { found: class_of(cell) };
        match (self, cell) {
            (Self::Integer(builder), ValueRef::Integer(value)) => builder.append_value(value),
            (Self::Real(builder), ValueRef::Real(value)) => builder.append_value(value),
            (Self::Real(builder), ValueRef::Integer(value)) => {
                builder.append_value(exact_double(value).ok_or(misfit)?);
            }
            (Self::Decimal(builder, precision, scale), cell) => {
                builder.append_value(scaled(cell, *precision, *scale).ok_or(misfit)?);
            }
            (Self::DecimalText(builder, buffer), cell)
            | (Self::AnyText(builder, buffer), cell @ (ValueRef::Integer(_) | ValueRef::Real(_))) =>
            {
                buffer.clear();
                push_plain(cell, buffer).ok_or(misfit)?;
                builder.append_value(&buffer);
                return Ok(buffer.len());
            }
            (Self::Text(builder) | Self::AnyText(builder, _), ValueRef::Text(bytes)) => {
                builder.append_value(storable_text(bytes).ok_or(misfit)?);
                return Ok(bytes.len());
            }
            (Self::Blob(builder), ValueRef::Blob(bytes)) => {
                builder.append_value(bytes);
                return Ok(bytes.len());
            }
            (Self::IsoDate(builder), ValueRef::Text(bytes)) => match iso(bytes) {
                Some(IsoText::Date(days)) => builder.append_value(days),
                _ => return Err(misfit),
            },
            (Self::IsoNaive(builder), ValueRef::Text(bytes)) => match iso(bytes) {
                Some(IsoText::Naive(micros)) => builder.append_value(micros),
                Some(IsoText::Date(days)) => builder.append_value(i64::from(days) * 86_400_000_000),
                _ => return Err(misfit),
            },
            (Self::IsoOffset(builder), ValueRef::Text(bytes)) => match iso(bytes) {
                Some(IsoText::Instant(micros)) => builder.append_value(micros),
                _ => return Err(misfit),
            },
            _ => return Err(misfit),
        }
        Ok(8)
    }

    fn append_null(&mut self) {
        match self {
            Self::Integer(builder) => builder.append_null(),
            Self::Real(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::DecimalText(builder, _) | Self::Text(builder) | Self::AnyText(builder, _) => {
                builder.append_null();
            }
            Self::Blob(builder) => builder.append_null(),
            Self::IsoDate(builder) => builder.append_null(),
            Self::IsoNaive(builder) | Self::IsoOffset(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Real(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::DecimalText(builder, _) | Self::Text(builder) | Self::AnyText(builder, _) => {
                Arc::new(builder.finish())
            }
            Self::Blob(builder) => Arc::new(builder.finish()),
            Self::IsoDate(builder) => Arc::new(builder.finish()),
            Self::IsoNaive(builder) | Self::IsoOffset(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Precision and scale of a type whose values travel as 128-bit decimals.
fn decimal_size(pg: PgType) -> Option<(u8, i8)> {
    match pg {
        PgType::Numeric(Some(size)) if NumericSize::fits_arrow(size) => {
            Some((u8::try_from(size.precision).ok()?, i8::try_from(size.scale).ok()?))
        }
        _ => None,
    }
}

fn class_of(cell: ValueRef<'_>) -> &'static str {
    match cell {
        ValueRef::Null => "a NULL",
        ValueRef::Integer(_) => "an INTEGER",
        ValueRef::Real(_) => "a REAL",
        ValueRef::Text(_) => "a TEXT",
        ValueRef::Blob(_) => "a BLOB",
    }
}

/// The double that is exactly this integer, if there is one.
pub(super) fn exact_double(value: i64) -> Option<f64> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the way back is compared"
    )]
    let (double, back) = {
        let double = value as f64;
        (double, double as i128)
    };
    (back == i128::from(value)).then_some(double)
}

/// The text, if PostgreSQL can hold it: UTF-8 without NUL.
pub(super) fn storable_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!bytes.contains(&0)).then_some(text)
}

fn iso(bytes: &[u8]) -> Option<IsoText> {
    IsoText::parse(std::str::from_utf8(bytes).ok()?)
}

fn scaled(cell: ValueRef<'_>, precision: u8, scale: i8) -> Option<i128> {
    match cell {
        ValueRef::Integer(value) => ShortDecimal::of_integer(value).scaled(precision, scale),
        ValueRef::Real(value) => ShortDecimal::of_double(value)?.scaled(precision, scale),
        ValueRef::Text(bytes) => {
            PlainDecimal::parse(std::str::from_utf8(bytes).ok()?)?.scaled(precision, scale)
        }
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

fn push_plain(cell: ValueRef<'_>, out: &mut String) -> Option<()> {
    match cell {
        ValueRef::Integer(value) => ShortDecimal::of_integer(value).push_plain(out),
        ValueRef::Real(value) => ShortDecimal::of_double(value)?.push_plain(out),
        ValueRef::Text(bytes) => {
            PlainDecimal::parse(std::str::from_utf8(bytes).ok()?)?.push_plain(out);
        }
        ValueRef::Null | ValueRef::Blob(_) => return None,
    }
    Some(())
}
