//! Cells of columns that become numbers or booleans.

use super::{Reason, stray};
use crate::model::{CellShape, Column, NumericSize, PgType};
use crate::row::numeric::{PlainDecimal, ShortDecimal};
use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
};
use rusqlite::types::ValueRef;
use std::sync::Arc;

pub(in super::super) enum NumberBuilder {
    Integer(Int64Builder),
    ZeroOne(BooleanBuilder),
    Real(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    /// Decimals that 128 bits do not hold travel as text.
    DecimalText(StringBuilder, String),
}

impl NumberBuilder {
    pub(super) fn new(column: &Column) -> Self {
        match column.read {
            CellShape::ZeroOne => Self::ZeroOne(BooleanBuilder::new()),
            CellShape::Real => Self::Real(Float64Builder::new()),
            CellShape::Decimal => match decimal_size(column.pg) {
                Some((precision, scale)) => {
                    let builder = Decimal128Builder::new().with_data_type(column.pg.arrow());
                    Self::Decimal(builder, precision, scale)
                }
                None => Self::DecimalText(StringBuilder::new(), String::new()),
            },
            _ => Self::Integer(Int64Builder::new()),
        }
    }

    #[inline]
    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<usize, Reason> {
        match (self, cell) {
            (Self::Integer(builder), ValueRef::Integer(value)) => builder.append_value(value),
            (Self::ZeroOne(builder), ValueRef::Integer(value @ (0 | 1))) => {
                builder.append_value(value == 1);
            }
            (Self::ZeroOne(_), _) => return Err("it is neither 0 nor 1"),
            (Self::Real(builder), ValueRef::Real(value)) => builder.append_value(value),
            (Self::Real(builder), ValueRef::Integer(value)) => builder
                .append_value(exact_double(value).ok_or("no double is exactly this integer")?),
            (Self::Decimal(builder, precision, scale), cell) => {
                builder.append_value(scaled(cell, *precision, *scale)?);
            }
            (Self::DecimalText(builder, buffer), cell) => {
                buffer.clear();
                push_plain(cell, buffer)?;
                builder.append_value(&buffer);
                return Ok(buffer.len());
            }
            (Self::Integer(_) | Self::Real(_), cell) => return Err(stray(cell)),
        }
        Ok(8)
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Integer(builder) => builder.append_null(),
            Self::ZeroOne(builder) => builder.append_null(),
            Self::Real(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::DecimalText(builder, _) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::ZeroOne(builder) => Arc::new(builder.finish()),
            Self::Real(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::DecimalText(builder, _) => Arc::new(builder.finish()),
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

/// The double that is exactly this integer, if there is one.
pub(in super::super) fn exact_double(value: i64) -> Option<f64> {
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

const NO_DECIMAL: Reason = "no decimal is exactly this number";
const NOT_A_DECIMAL: Reason = "it is no plain decimal";
const TOO_LONG: Reason = "it has more digits than the target's type allows";

fn scaled(cell: ValueRef<'_>, precision: u8, scale: i8) -> Result<i128, Reason> {
    match cell {
        ValueRef::Integer(value) => ShortDecimal::of_integer(value).scaled(precision, scale),
        ValueRef::Real(value) => {
            ShortDecimal::of_double(value).ok_or(NO_DECIMAL)?.scaled(precision, scale)
        }
        ValueRef::Text(bytes) => plain_decimal(bytes)?.scaled(precision, scale),
        ValueRef::Null | ValueRef::Blob(_) => return Err(stray(cell)),
    }
    .ok_or(TOO_LONG)
}

fn push_plain(cell: ValueRef<'_>, out: &mut String) -> Result<(), Reason> {
    match cell {
        ValueRef::Integer(value) => ShortDecimal::of_integer(value).push_plain(out),
        ValueRef::Real(value) => ShortDecimal::of_double(value).ok_or(NO_DECIMAL)?.push_plain(out),
        ValueRef::Text(bytes) => plain_decimal(bytes)?.push_plain(out),
        ValueRef::Null | ValueRef::Blob(_) => return Err(stray(cell)),
    }
    Ok(())
}

fn plain_decimal(bytes: &[u8]) -> Result<PlainDecimal<'_>, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_broken| NOT_A_DECIMAL)?;
    PlainDecimal::parse(text).ok_or(NOT_A_DECIMAL)
}
