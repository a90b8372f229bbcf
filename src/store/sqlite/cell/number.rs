//! Cells of columns that become numbers or booleans.

use super::{Fit, Reason, stray};
use crate::model::{
    BoolForm, CellShape, Column, Form, NumberClass, NumberForm, NumericSize, PgType,
};
use crate::row::numeric::{PlainDecimal, ShortDecimal};
use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Decimal128Builder, Float32Builder, Float64Builder, Int16Builder, Int32Builder,
    Int64Builder, StringBuilder,
};
use rusqlite::types::ValueRef;
use std::sync::Arc;

pub(in super::super) enum NumberBuilder {
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Bool(BooleanBuilder, BoolForm),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Decimal(Decimal128Builder, (u8, i8), NumberForm),
    /// Decimals that 128 bits do not hold travel as text.
    DecimalText(StringBuilder, String, NumberForm),
}

impl NumberBuilder {
    pub(super) fn new(column: &Column) -> Self {
        let form = match column.form {
            Form::Number(form) => form,
            _ => NumberForm::Stored(NumberClass::Integer),
        };
        match (&column.read, column.pg) {
            (CellShape::Bool(form), _) => Self::Bool(BooleanBuilder::new(), *form),
            (CellShape::Real, PgType::Float4) => Self::Float4(Float32Builder::new()),
            (CellShape::Real, _) => Self::Float8(Float64Builder::new()),
            (CellShape::Decimal, pg) => match decimal_size(pg) {
                Some(size) => {
                    let builder = Decimal128Builder::new().with_data_type(pg.arrow());
                    Self::Decimal(builder, size, form)
                }
                None => Self::DecimalText(StringBuilder::new(), String::new(), form),
            },
            (_, PgType::Int2) => Self::Int2(Int16Builder::new()),
            (_, PgType::Int4) => Self::Int4(Int32Builder::new()),
            _ => Self::Int8(Int64Builder::new()),
        }
    }

    #[inline]
    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<Fit, Reason> {
        let fit = |in_form| Ok(Fit { bytes: 8, in_form });
        match (self, cell) {
            (Self::Int8(builder), ValueRef::Integer(value)) => builder.append_value(value),
            (Self::Int4(builder), ValueRef::Integer(value)) => {
                builder.append_value(value.try_into().map_err(|_too_large| BEYOND)?);
            }
            (Self::Int2(builder), ValueRef::Integer(value)) => {
                builder.append_value(value.try_into().map_err(|_too_large| BEYOND)?);
            }
            (Self::Bool(builder, form), cell) => {
                builder.append_value(boolean(*form, cell).ok_or("it is no value of a boolean")?);
            }
            (Self::Float8(builder), ValueRef::Real(value)) => builder.append_value(value),
            (Self::Float4(builder), ValueRef::Real(value)) => {
                builder.append_value(single(value).ok_or(INEXACT)?);
            }
            (Self::Float8(builder), ValueRef::Integer(value)) => {
                builder.append_value(exact_double(value).ok_or(INEXACT)?);
                return fit(false);
            }
            (Self::Float4(builder), ValueRef::Integer(value)) => {
                builder.append_value(exact_double(value).and_then(single).ok_or(INEXACT)?);
                return fit(false);
            }
            (Self::Decimal(builder, (precision, scale), form), ValueRef::Real(value)) => {
                let decimal = ShortDecimal::of_double(value).ok_or(NO_DECIMAL)?;
                builder.append_value(decimal.scaled(*precision, *scale).ok_or(TOO_LONG)?);
                return fit(form.writes_real_of(decimal));
            }
            (Self::Decimal(builder, size, form), cell) => {
                builder.append_value(scaled(cell, *size)?);
                return fit(writes(*form, cell));
            }
            (Self::DecimalText(builder, buffer, form), cell) => {
                buffer.clear();
                push_plain(cell, buffer)?;
                builder.append_value(&buffer);
                return Ok(Fit { bytes: buffer.len(), in_form: writes(*form, cell) });
            }
            (
                Self::Int2(_) | Self::Int4(_) | Self::Int8(_) | Self::Float4(_) | Self::Float8(_),
                cell,
            ) => return Err(stray(cell)),
        }
        fit(true)
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Int2(builder) => builder.append_null(),
            Self::Int4(builder) => builder.append_null(),
            Self::Int8(builder) => builder.append_null(),
            Self::Bool(builder, _) => builder.append_null(),
            Self::Float4(builder) => builder.append_null(),
            Self::Float8(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::DecimalText(builder, ..) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int2(builder) => Arc::new(builder.finish()),
            Self::Int4(builder) => Arc::new(builder.finish()),
            Self::Int8(builder) => Arc::new(builder.finish()),
            Self::Bool(builder, _) => Arc::new(builder.finish()),
            Self::Float4(builder) => Arc::new(builder.finish()),
            Self::Float8(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::DecimalText(builder, ..) => Arc::new(builder.finish()),
        }
    }
}

const BEYOND: Reason = "it is beyond the range of the target's type";
const INEXACT: Reason = "no value of the target's type is exactly this number";

fn boolean(form: BoolForm, cell: ValueRef<'_>) -> Option<bool> {
    match cell {
        ValueRef::Integer(value) => form.parse_integer(value),
        ValueRef::Real(value) => form.parse_real(value),
        ValueRef::Text(bytes) => form.parse_text(bytes),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

/// Whether the column's form writes this very cell for its value.
#[inline]
fn writes(form: NumberForm, cell: ValueRef<'_>) -> bool {
    match cell {
        ValueRef::Integer(value) => form.writes_integer(value),
        ValueRef::Real(value) => form.writes_real(value),
        ValueRef::Text(bytes) => {
            std::str::from_utf8(bytes).is_ok_and(|text| form.writes_text(text))
        }
        ValueRef::Null | ValueRef::Blob(_) => false,
    }
}

/// The single-precision float that is exactly this double, if there is one.
fn single(value: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "the way back is compared")]
    let single = value as f32;
    (f64::from(single).to_bits() == value.to_bits()).then_some(single)
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

fn scaled(cell: ValueRef<'_>, (precision, scale): (u8, i8)) -> Result<i128, Reason> {
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
