//! The values of one column of a batch, and how each becomes the bytes of its field: the layouts of PostgreSQL's
//! `typsend` functions.
//!
//! What the server would refuse, or take and change, is refused here, with the value and the reason.

use super::numeric::{PlainDecimal, encode_scaled};
use super::temporal::{POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS};
use super::{inet, json};
use crate::error::{Class, Error, Place, Result};
use crate::model::{Column, PgType};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use std::collections::HashSet;

/// The values of one column of a batch, by how they are encoded.
pub(super) enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int2(&'a Int16Array),
    Int4(&'a Int32Array),
    Int8(&'a Int64Array),
    Float4(&'a Float32Array),
    Float8(&'a Float64Array),
    Decimal(&'a Decimal128Array, u8),
    DecimalText(&'a StringArray),
    /// Text and JSON text.
    Text(&'a StringArray),
    Varchar(&'a StringArray, u32),
    Bytea(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time64MicrosecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
    Uuid(&'a FixedSizeBinaryArray),
    /// Whether it is `cidr`.
    Inet(&'a BinaryArray, bool),
    Jsonb(&'a StringArray),
    Enum(&'a StringArray, HashSet<&'a str>),
}

impl<'a> Cells<'a> {
    /// The values of `array`, which must be of the Arrow type of the column's.
    pub(super) fn of(column: &'a Column, array: &'a ArrayRef) -> Result<Self> {
        Self::cast(column, array)
            .ok_or_else(|| {
                Error::internal(format!("a {} column came as {}", column.pg, array.data_type()))
            })
            .at(|| format!("column {}", column.source))
    }

    fn cast(column: &'a Column, array: &'a ArrayRef) -> Option<Self> {
        Some(match column.pg {
            PgType::Bool => Self::Bool(array.as_boolean_opt()?),
            PgType::Int2 => Self::Int2(array.as_primitive_opt::<Int16Type>()?),
            PgType::Int4 => Self::Int4(array.as_primitive_opt::<Int32Type>()?),
            PgType::Int8 => Self::Int8(array.as_primitive_opt::<Int64Type>()?),
            PgType::Float4 => Self::Float4(array.as_primitive_opt::<Float32Type>()?),
            PgType::Float8 => Self::Float8(array.as_primitive_opt::<Float64Type>()?),
            PgType::Numeric(Some(size)) if size.fits_arrow() => {
                let scale = u8::try_from(size.scale).ok()?;
                Self::Decimal(array.as_primitive_opt::<Decimal128Type>()?, scale)
            }
            PgType::Numeric(_) => Self::DecimalText(array.as_string_opt()?),
            PgType::Text | PgType::Json => Self::Text(array.as_string_opt()?),
            PgType::Varchar(chars) | PgType::Char(chars) => {
                Self::Varchar(array.as_string_opt()?, chars)
            }
            PgType::Bytea => Self::Bytea(array.as_binary_opt()?),
            PgType::Date => Self::Date(array.as_primitive_opt::<Date32Type>()?),
            PgType::Time => Self::Time(array.as_primitive_opt::<Time64MicrosecondType>()?),
            PgType::Timestamp | PgType::Timestamptz => {
                Self::Timestamp(array.as_primitive_opt::<TimestampMicrosecondType>()?)
            }
            PgType::Uuid => Self::Uuid(
                array
                    .as_fixed_size_binary_opt()
                    .filter(|array| array.value_length() == UUID_LENGTH)?,
            ),
            PgType::Inet => Self::Inet(array.as_binary_opt()?, false),
            PgType::Cidr => Self::Inet(array.as_binary_opt()?, true),
            PgType::Jsonb => Self::Jsonb(array.as_string_opt()?),
            PgType::Enum => {
                let labels = column.enum_type.iter().flat_map(|named| &named.labels);
                Self::Enum(array.as_string_opt()?, labels.map(String::as_str).collect())
            }
        })
    }

    /// Whether there is a value of more than so many bytes that is written as it is, whatever it is.
    pub(super) fn has_plain_above(&self, bytes: usize) -> bool {
        let above = |offsets: &[i32]| {
            let lengths = offsets.iter().zip(offsets.iter().skip(1)).map(|(from, to)| to - from);
            lengths.max().and_then(|longest| usize::try_from(longest).ok()) > Some(bytes)
        };
        match self {
            Self::Text(array) => above(array.value_offsets()),
            Self::Bytea(array) => above(array.value_offsets()),
            _ => false,
        }
    }

    /// The value's bytes, where they are written as they are whatever they are.
    pub(super) fn plain_bytes(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Self::Text(array) if array.is_valid(row) => Some(array.value(row).as_bytes()),
            Self::Bytea(array) if array.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }

    /// Writes length and bytes of one value.
    #[inline]
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Bool(array) => fixed(*array, row, out, || [u8::from(array.value(row))]),
            Self::Int2(array) => fixed(*array, row, out, || array.value(row).to_be_bytes()),
            Self::Int4(array) => fixed(*array, row, out, || array.value(row).to_be_bytes()),
            Self::Int8(array) => fixed(*array, row, out, || array.value(row).to_be_bytes()),
            Self::Float4(array) => {
                fixed(*array, row, out, || array.value(row).to_bits().to_be_bytes());
            }
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
            Self::Uuid(array) => return plain(*array, row, out, || array.value(row)),
            Self::Jsonb(array) => {
                return measured(*array, row, out, |out| jsonb(array.value(row), out));
            }
            Self::Varchar(..) | Self::Time(_) | Self::Inet(..) | Self::Enum(..) => {
                return self.write_checked(row, out);
            }
        }
        Ok(())
    }

    /// Writes a value of a type that has bounds.
    fn write_checked(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Varchar(array, chars) => {
                if array.is_valid(row) {
                    within_length(array.value(row), *chars)?;
                }
                plain(*array, row, out, || array.value(row).as_bytes())
            }
            Self::Time(array) => {
                if array.is_valid(row) && !TIMES.contains(&array.value(row)) {
                    return Err(refused(format!("{} us are no time of a day", array.value(row))));
                }
                fixed(*array, row, out, || array.value(row).to_be_bytes());
                Ok(())
            }
            Self::Inet(array, is_cidr) => {
                if array.is_valid(row) && !inet::is_body(array.value(row), *is_cidr) {
                    return Err(refused("bytes that are no address came as one"));
                }
                plain(*array, row, out, || array.value(row))
            }
            Self::Enum(array, labels) => {
                if array.is_valid(row) && !labels.contains(array.value(row)) {
                    return Err(refused(format!("`{}` is no label of the enum", array.value(row))));
                }
                plain(*array, row, out, || array.value(row).as_bytes())
            }
            _ => Err(Error::internal("a value without bounds was to be checked")),
        }
    }
}

const UUID_LENGTH: i32 = 16;

/// Microseconds of a day, 24:00 included.
const TIMES: std::ops::RangeInclusive<i64> = 0..=86_400_000_000;

/// The first byte of every `jsonb`.
pub(super) const JSONB_VERSION: u8 = 1;

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

pub(super) fn write_length(length: usize, out: &mut Vec<u8>) -> Result<()> {
    let length = i32::try_from(length).map_err(|_too_long| too_long(length))?;
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

fn too_long(bytes: usize) -> Error {
    refused(format!("a value of {bytes} bytes is larger than PostgreSQL can hold (1 GB)"))
}

fn within_length(text: &str, chars: u32) -> Result<()> {
    let limit = usize::try_from(chars).unwrap_or(usize::MAX);
    if text.len() > limit && text.chars().count() > limit {
        let count = text.chars().count();
        return Err(refused(format!("a text of {count} characters exceeds varchar({chars})")));
    }
    Ok(())
}

fn decimal_text(text: &str, out: &mut Vec<u8>) -> Result<()> {
    PlainDecimal::parse(text)
        .and_then(|decimal| decimal.encode(out))
        .ok_or_else(|| refused(format!("`{text}` is no decimal that numeric can hold")))
}

/// Writes the text that the server gives back, so that it is hashed alike on both ways.
fn jsonb(text: &str, out: &mut Vec<u8>) -> Result<()> {
    out.push(JSONB_VERSION);
    json::push_canonical(text, out).ok_or_else(|| {
        refused(format!("a text of {} bytes is nothing that jsonb can hold", text.len()))
    })
}

fn refused(what: impl Into<String>) -> Error {
    Error::new(Class::Data, what)
}
