//! One SQLite cell to one Arrow value, strictly: what has no exact counterpart is refused with the reason, never bent.

mod clock;
mod number;
mod parsed;
mod text;
mod time;
mod witness;

pub(super) use clock::Clock;
pub(super) use number::exact_double;
pub(super) use witness::{Verdict, WitnessReader};

use crate::error::Result;
use crate::model::{CellShape, Column};
use arrow_array::ArrayRef;
use number::NumberBuilder;
use parsed::ParsedBuilder;
use rusqlite::types::ValueRef;
use std::borrow::Cow;
use text::{TextBuilder, storable};
use time::TimeBuilder;

/// Why a cell does not fit, lower case.
pub(super) type Reason = &'static str;

/// A cell that fits: its bytes, and whether it is exactly what its column's form writes for its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub(super) bytes: usize,
    pub(super) in_form: bool,
}

/// One column's values on their way into a batch.
pub(super) enum CellBuilder {
    Number(NumberBuilder),
    Text(TextBuilder),
    Time(TimeBuilder),
    Parsed(ParsedBuilder),
}

impl CellBuilder {
    pub(super) fn new(column: &Column) -> Result<Self> {
        Ok(match &column.read {
            CellShape::Integer | CellShape::Bool(_) | CellShape::Real | CellShape::Decimal => {
                Self::Number(NumberBuilder::new(column))
            }
            CellShape::Text | CellShape::AnyText | CellShape::Blob | CellShape::AnyBytes => {
                Self::Text(TextBuilder::new(column))
            }
            CellShape::Uuid | CellShape::Inet | CellShape::Json | CellShape::Label => {
                Self::Parsed(ParsedBuilder::new(column))
            }
            CellShape::Epoch(_)
            | CellShape::IsoDate
            | CellShape::IsoTime
            | CellShape::IsoNaive
            | CellShape::IsoWall
            | CellShape::IsoOffset
            | CellShape::IsoEither(_)
            | CellShape::Ordered(_)
            | CellShape::Compact => Self::Time(TimeBuilder::new(column)?),
        })
    }

    /// Appends a cell that is the value as it is, as most cells are, and gives its bytes; none where there is more to it,
    /// and nothing is appended.
    #[expect(clippy::inline_always, reason = "the cell stays where it is, in the processor")]
    #[inline(always)]
    pub(super) fn append_as_is(&mut self, cell: ValueRef<'_>) -> Option<usize> {
        match (self, cell) {
            (Self::Number(NumberBuilder::Int8(builder)), ValueRef::Integer(value)) => {
                builder.append_value(value);
                Some(8)
            }
            (Self::Number(NumberBuilder::Float8(builder)), ValueRef::Real(value)) => {
                builder.append_value(value);
                Some(8)
            }
            (Self::Text(TextBuilder::Text(builder, chars)), ValueRef::Text(bytes)) => {
                let text = storable(bytes).ok().filter(|text| text.len() <= *chars)?;
                builder.append_value(text);
                Some(text.len())
            }
            _ => None,
        }
    }

    /// Appends one cell.
    #[inline]
    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<Fit, Reason> {
        if matches!(cell, ValueRef::Null) {
            self.append_null();
            return Ok(Fit { bytes: 1, in_form: true });
        }
        match self {
            Self::Number(builder) => builder.append(cell),
            Self::Text(builder) => builder.append(cell),
            Self::Time(builder) => builder.append(cell),
            Self::Parsed(builder) => builder.append(cell),
        }
    }

    /// Appends one cell of a column that another column bears witness to, with the cell of that beside it.
    pub(super) fn append_beside(
        &mut self,
        cell: ValueRef<'_>,
        beside: ValueRef<'_>,
    ) -> Result<Fit, Cow<'static, str>> {
        match self {
            Self::Time(builder) if cell != ValueRef::Null => builder.append_beside(cell, beside),
            _ => self.append(cell).map_err(Cow::Borrowed),
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Number(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Parsed(builder) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Number(builder) => builder.finish(),
            Self::Text(builder) => builder.finish(),
            Self::Time(builder) => builder.finish(),
            Self::Parsed(builder) => builder.finish(),
        }
    }
}

/// What is said of a cell of another storage class than its column's.
fn stray(cell: ValueRef<'_>) -> Reason {
    match cell {
        ValueRef::Null => "a NULL stands among them",
        ValueRef::Integer(_) => "an INTEGER is no value of this column",
        ValueRef::Real(_) => "a REAL is no value of this column",
        ValueRef::Text(_) => "a TEXT is no value of this column",
        ValueRef::Blob(_) => "a BLOB is no value of this column",
    }
}
