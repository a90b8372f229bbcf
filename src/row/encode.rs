//! Arrow batches to COPY BINARY tuples, row by row, each hashed as it is made.
//!
//! A tuple is a 16-bit field count and, for each field, a 32-bit length (-1 for NULL) and the bytes. Tuples are
//! gathered into pieces of about [`PIECE_BYTES`]; a value that is larger than a piece is passed on in slices, so
//! that memory does not grow with it.

use super::numeric::{PlainDecimal, encode_scaled};
use super::temporal::{POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS};
use super::visit::{Row, RowVisitor};
use crate::error::{Class, Error, Place, Result};
use crate::model::{Column, PgType, RowDigest, TableSchema};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use bytes::Bytes;

/// Large enough that a message's overhead is lost in it, small enough to stay in the processor's cache.
const PIECE_BYTES: usize = 256 * 1024;

/// Encodes the rows of one table.
#[derive(Debug)]
pub struct TupleEncoder<'t> {
    table: &'t TableSchema,
    /// Which columns are part of the key.
    in_key: Vec<bool>,
    field_count: [u8; 2],
    piece: Vec<u8>,
    key: Vec<u8>,
}

impl<'t> TupleEncoder<'t> {
    /// An encoder for rows of `table`.
    ///
    /// # Errors
    ///
    /// A table with more columns than a tuple can have.
    pub fn new(table: &'t TableSchema) -> Result<Self> {
        let count = i16::try_from(table.columns.len()).map_err(|_too_many| {
            Error::internal("more columns than a tuple can have")
                .at(format!("table {}", table.source))
        })?;
        let in_key = (0..table.columns.len()).map(|column| table.key.contains(&column)).collect();
        Ok(Self {
            table,
            in_key,
            field_count: count.to_be_bytes(),
            piece: Vec::new(),
            key: Vec::new(),
        })
    }

    /// Encodes all rows of a batch in [`TableSchema::write_schema`]'s shape.
    ///
    /// # Errors
    ///
    /// A value that its column cannot hold, and whatever the visitor says.
    pub fn encode(&mut self, batch: &RecordBatch, visitor: &mut impl RowVisitor) -> Result<()> {
        let fields = self
            .table
            .columns
            .iter()
            .zip(batch.columns())
            .zip(&self.in_key)
            .map(|((column, array), &in_key)| {
                Ok(Field { column, in_key, cells: Cells::of(column, array)? })
            })
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            self.encode_row(&fields, row, visitor)?;
        }
        Ok(())
    }

    /// Passes on what is left of the last piece.
    ///
    /// # Errors
    ///
    /// Whatever the visitor says.
    pub fn finish(&mut self, visitor: &mut impl RowVisitor) -> Result<()> {
        self.pass_on(visitor)
    }

    fn encode_row(
        &mut self,
        fields: &[Field<'_>],
        row: usize,
        visitor: &mut impl RowVisitor,
    ) -> Result<()> {
        let mut tuple = Tuple { start: self.piece.len(), passed_on: None };
        self.key.clear();
        self.piece.extend_from_slice(&self.field_count);
        for field in fields {
            let start = self.piece.len();
            let sliced = field.cells.large(row);
            if let Some(value) = sliced {
                self.encode_slices(value, &mut tuple, visitor)?;
            } else {
                field
                    .cells
                    .write(row, &mut self.piece)
                    .at(|| format!("column {}", field.column.source))?;
            }
            if field.in_key {
                match sliced {
                    Some(value) => {
                        write_length(value.len(), &mut self.key)?;
                        self.key.extend_from_slice(value);
                    }
                    None => self.key.extend_from_slice(self.piece.get(start..).unwrap_or_default()),
                }
            }
        }
        let rest = self.piece.get(tuple.start..).unwrap_or_default();
        let row = match tuple.passed_on {
            None => Row {
                key: &self.key,
                digest: RowDigest(*blake3::hash(rest).as_bytes()),
                tuple: Some(rest),
            },
            Some(mut hasher) => {
                let digest = RowDigest(*hasher.update(rest).finalize().as_bytes());
                Row { key: &self.key, digest, tuple: None }
            }
        };
        visitor.row(row)?;
        if self.piece.len() >= PIECE_BYTES { self.pass_on(visitor) } else { Ok(()) }
    }

    /// Writes a value that is larger than a piece, slice by slice.
    fn encode_slices(
        &mut self,
        value: &[u8],
        tuple: &mut Tuple,
        visitor: &mut impl RowVisitor,
    ) -> Result<()> {
        write_length(value.len(), &mut self.piece)?;
        for slice in value.chunks(PIECE_BYTES) {
            self.piece.extend_from_slice(slice);
            let hasher = tuple.passed_on.get_or_insert_with(blake3::Hasher::new);
            hasher.update(self.piece.get(tuple.start..).unwrap_or_default());
            tuple.start = 0;
            self.pass_on(visitor)?;
        }
        Ok(())
    }

    fn pass_on(&mut self, visitor: &mut impl RowVisitor) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
        visitor.bytes(Bytes::from(std::mem::replace(&mut self.piece, next)))
    }
}

/// The tuple being written: where it begins in the piece, and the hash of what has been passed on already.
struct Tuple {
    start: usize,
    passed_on: Option<blake3::Hasher>,
}

struct Field<'a> {
    column: &'a Column,
    in_key: bool,
    cells: Cells<'a>,
}

/// The values of one column of a batch, by how they are encoded.
enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int8(&'a Int64Array),
    Float8(&'a Float64Array),
    Decimal(&'a Decimal128Array, u8),
    DecimalText(&'a StringArray),
    Text(&'a StringArray),
    Varchar(&'a StringArray, u32),
    Bytea(&'a BinaryArray),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
}

impl<'a> Cells<'a> {
    fn of(column: &Column, array: &'a ArrayRef) -> Result<Self> {
        let cells = match column.pg {
            PgType::Bool => array.as_boolean_opt().map(Self::Bool),
            PgType::Int8 => array.as_primitive_opt::<Int64Type>().map(Self::Int8),
            PgType::Float8 => array.as_primitive_opt::<Float64Type>().map(Self::Float8),
            PgType::Numeric(Some(size)) if size.fits_arrow() => array
                .as_primitive_opt::<Decimal128Type>()
                .and_then(|array| Some(Self::Decimal(array, u8::try_from(size.scale).ok()?))),
            PgType::Numeric(_) => array.as_string_opt().map(Self::DecimalText),
            PgType::Text => array.as_string_opt().map(Self::Text),
            PgType::Varchar(chars) | PgType::Char(chars) => {
                array.as_string_opt().map(|array| Self::Varchar(array, chars))
            }
            PgType::Bytea => array.as_binary_opt().map(Self::Bytea),
            PgType::Date => array.as_primitive_opt::<Date32Type>().map(Self::Date),
            PgType::Timestamp | PgType::Timestamptz => {
                array.as_primitive_opt::<TimestampMicrosecondType>().map(Self::Timestamp)
            }
        };
        cells.ok_or_else(|| {
            Error::internal(format!("a {} column came as {}", column.pg, array.data_type()))
                .at(format!("column {}", column.source))
        })
    }

    /// The value's bytes if it is larger than a piece and is written as it is.
    fn large(&self, row: usize) -> Option<&'a [u8]> {
        let value = match self {
            Self::Text(array) if array.is_valid(row) => array.value(row).as_bytes(),
            Self::Bytea(array) if array.is_valid(row) => array.value(row),
            _ => return None,
        };
        (value.len() > PIECE_BYTES).then_some(value)
    }

    /// Writes length and bytes of one value.
    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Bool(array) => fixed(*array, row, out, || [u8::from(array.value(row))]),
            Self::Int8(array) => fixed(*array, row, out, || array.value(row).to_be_bytes()),
            Self::Float8(array) => {
                fixed(*array, row, out, || array.value(row).to_bits().to_be_bytes());
            }
            Self::Date(array) => {
                fixed(*array, row, out, || {
                    array.value(row).wrapping_sub(POSTGRES_EPOCH_DAYS).to_be_bytes()
                });
            }
            Self::Timestamp(array) => {
                fixed(*array, row, out, || {
                    array.value(row).wrapping_sub(POSTGRES_EPOCH_MICROS).to_be_bytes()
                });
            }
            Self::Decimal(array, scale) => {
                return measured(*array, row, out, |out| {
                    encode_scaled(array.value(row), *scale, out);
                    Ok(())
                });
            }
            Self::DecimalText(array) => {
                return measured(*array, row, out, |out| decimal_text(array.value(row), out));
            }
            Self::Text(array) => return plain(*array, row, out, || array.value(row).as_bytes()),
            Self::Bytea(array) => return plain(*array, row, out, || array.value(row)),
            Self::Varchar(array, chars) => {
                if array.is_valid(row) {
                    within_length(array.value(row), *chars)?;
                }
                return plain(*array, row, out, || array.value(row).as_bytes());
            }
        }
        Ok(())
    }
}

const NULL_LENGTH: [u8; 4] = [0xff; 4];

/// Writes a value whose bytes have a fixed length.
#[inline]
fn fixed<const N: usize>(
    array: &dyn Array,
    row: usize,
    out: &mut Vec<u8>,
    value: impl FnOnce() -> [u8; N],
) {
    if array.is_null(row) {
        out.extend_from_slice(&NULL_LENGTH);
        return;
    }
    // Values are eight bytes at most here, so that the length always fits.
    out.extend_from_slice(&u32::try_from(N).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(&value());
}

/// Writes bytes as they are.
#[inline]
fn plain<'a>(
    array: &dyn Array,
    row: usize,
    out: &mut Vec<u8>,
    value: impl FnOnce() -> &'a [u8],
) -> Result<()> {
    if array.is_null(row) {
        out.extend_from_slice(&NULL_LENGTH);
        return Ok(());
    }
    let value = value();
    write_length(value.len(), out)?;
    out.extend_from_slice(value);
    Ok(())
}

/// Writes a value whose length is known only afterwards.
#[inline]
fn measured(
    array: &dyn Array,
    row: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    out.extend_from_slice(&NULL_LENGTH);
    if array.is_null(row) {
        return Ok(());
    }
    let start = out.len();
    write(out)?;
    let length =
        i32::try_from(out.len() - start).map_err(|_too_long| too_long(out.len() - start))?;
    if let Some(slot) = out.get_mut(start - 4..start) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

fn write_length(length: usize, out: &mut Vec<u8>) -> Result<()> {
    let length = i32::try_from(length).map_err(|_too_long| too_long(length))?;
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

fn too_long(bytes: usize) -> Error {
    Error::new(
        Class::Data,
        format!("a value of {bytes} bytes is larger than PostgreSQL can hold (1 GB)"),
    )
}

fn within_length(text: &str, chars: u32) -> Result<()> {
    let limit = usize::try_from(chars).unwrap_or(usize::MAX);
    if text.len() > limit && text.chars().count() > limit {
        return Err(Error::new(
            Class::Data,
            format!("a text of {} characters exceeds varchar({chars})", text.chars().count()),
        ));
    }
    Ok(())
}

fn decimal_text(text: &str, out: &mut Vec<u8>) -> Result<()> {
    PlainDecimal::parse(text).and_then(|decimal| decimal.encode(out)).ok_or_else(|| {
        Error::new(Class::Data, format!("`{text}` is no decimal that numeric can hold"))
    })
}
