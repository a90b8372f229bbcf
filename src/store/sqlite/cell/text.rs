//! Cells of columns that become text or bytes.

use super::{Fit, Reason, stray};
use crate::model::{CellShape, Column, PgType};
use crate::row::numeric::ShortDecimal;
use arrow_array::ArrayRef;
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use rusqlite::types::ValueRef;
use std::sync::Arc;

pub(in super::super) enum TextBuilder {
    /// Texts of so many characters at most.
    Text(StringBuilder, usize),
    /// Texts of so many characters, padded with spaces where they have fewer.
    Padded(StringBuilder, usize),
    /// Texts, and numbers as text.
    Any(StringBuilder, String),
    Blob(BinaryBuilder),
    /// Blobs, and texts and numbers as their bytes.
    AnyBytes(BinaryBuilder, String),
}

impl TextBuilder {
    pub(super) fn new(column: &Column) -> Self {
        match (&column.read, column.pg) {
            (CellShape::AnyText, _) => Self::Any(StringBuilder::new(), String::new()),
            (CellShape::Blob, _) => Self::Blob(BinaryBuilder::new()),
            (CellShape::AnyBytes, _) => Self::AnyBytes(BinaryBuilder::new(), String::new()),
            (_, PgType::Varchar(chars)) => {
                Self::Text(StringBuilder::new(), usize::try_from(chars).unwrap_or(usize::MAX))
            }
            (_, PgType::Char(chars)) => {
                Self::Padded(StringBuilder::new(), usize::try_from(chars).unwrap_or(usize::MAX))
            }
            _ => Self::Text(StringBuilder::new(), usize::MAX),
        }
    }

    #[inline]
    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<Fit, Reason> {
        let fit = |bytes, in_form| Ok(Fit { bytes, in_form });
        match (self, cell) {
            (Self::Text(builder, chars), ValueRef::Text(bytes)) => {
                builder.append_value(short(storable(bytes)?, *chars)?);
                fit(bytes.len(), true)
            }
            (Self::Padded(builder, chars), ValueRef::Text(bytes)) => {
                let text = short(storable(bytes)?, *chars)?;
                let missing = chars.saturating_sub(text.chars().count());
                builder.append_value([text, &" ".repeat(missing)].concat());
                // Spaces at the end cannot be told from those that are added.
                fit(bytes.len() + missing, !text.ends_with(' '))
            }
            (Self::Any(builder, _), ValueRef::Text(bytes)) => {
                builder.append_value(storable(bytes)?);
                fit(bytes.len(), true)
            }
            (Self::Blob(builder) | Self::AnyBytes(builder, _), ValueRef::Blob(bytes)) => {
                builder.append_value(bytes);
                fit(bytes.len(), true)
            }
            (Self::AnyBytes(builder, _), ValueRef::Text(bytes)) => {
                builder.append_value(bytes);
                fit(bytes.len(), false)
            }
            (Self::Any(builder, buffer), cell @ (ValueRef::Integer(_) | ValueRef::Real(_))) => {
                buffer.clear();
                push_number(cell, buffer);
                builder.append_value(&buffer);
                fit(buffer.len(), false)
            }
            (Self::AnyBytes(builder, buffer), cell) => {
                buffer.clear();
                push_number(cell, buffer);
                builder.append_value(buffer.as_bytes());
                fit(buffer.len(), false)
            }
            (Self::Text(..) | Self::Padded(..) | Self::Any(..) | Self::Blob(_), cell) => {
                Err(stray(cell))
            }
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Text(builder, _) | Self::Padded(builder, _) | Self::Any(builder, _) => {
                builder.append_null();
            }
            Self::Blob(builder) | Self::AnyBytes(builder, _) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder, _) | Self::Padded(builder, _) | Self::Any(builder, _) => {
                Arc::new(builder.finish())
            }
            Self::Blob(builder) | Self::AnyBytes(builder, _) => Arc::new(builder.finish()),
        }
    }
}

/// The text, if PostgreSQL can hold it: UTF-8 without NUL.
#[inline]
pub(super) fn storable(bytes: &[u8]) -> Result<&str, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_broken| "it is not UTF-8")?;
    // Texts are short: the least of all bytes is found sooner than the first that is zero.
    let least = bytes.iter().copied().fold(u8::MAX, u8::min);
    if least == 0 { Err("it holds a NUL character") } else { Ok(text) }
}

fn short(text: &str, chars_max: usize) -> Result<&str, Reason> {
    if text.len() > chars_max && text.chars().count() > chars_max {
        return Err("it has more characters than the target's type allows");
    }
    Ok(text)
}

/// A number as text; every one has a text that reads back the same.
fn push_number(cell: ValueRef<'_>, out: &mut String) {
    match cell {
        ValueRef::Integer(value) => ShortDecimal::of_integer(value).push_plain(out),
        ValueRef::Real(value) => match ShortDecimal::of_double(value) {
            Some(decimal) => decimal.push_plain(out),
            None if value == 0.0 => out.push_str("-0.0"),
            None if value > 0.0 => out.push_str("Infinity"),
            None => out.push_str("-Infinity"),
        },
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => {}
    }
}
