//! The PostgreSQL types that liteferry writes: a closed map, each with its SQL, its OID and its Arrow type.

use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A type of a target column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PgType {
    /// `boolean`
    Bool,
    /// `bigint`
    Int8,
    /// `double precision`
    Float8,
    /// `numeric`, or `numeric(p, s)`
    Numeric(Option<NumericSize>),
    /// `text`
    Text,
    /// `varchar(n)`, n in characters
    Varchar(u32),
    /// `char(n)`, n in characters: shorter texts are padded with spaces, as the server does it
    Char(u32),
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `timestamp`: a wall clock without a zone
    Timestamp,
    /// `timestamptz`: an instant
    Timestamptz,
}

/// Precision and scale of a `numeric(p, s)`, in decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NumericSize {
    /// All digits.
    pub precision: u16,
    /// Digits after the point.
    pub scale: u16,
}

impl NumericSize {
    /// The largest precision that Arrow's 128-bit decimals hold.
    pub const ARROW_PRECISION_MAX: u16 = 38;
    /// The largest precision that PostgreSQL declares.
    pub const PRECISION_MAX: u16 = 1000;

    /// Whether values of this size travel as 128-bit decimals; larger ones travel as decimal text.
    pub fn fits_arrow(self) -> bool {
        self.precision <= Self::ARROW_PRECISION_MAX && self.scale <= self.precision
    }
}

impl PgType {
    /// The type's OID in every PostgreSQL.
    pub fn oid(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Bytea => 17,
            Self::Int8 => 20,
            Self::Text => 25,
            Self::Float8 => 701,
            Self::Char(_) => 1042,
            Self::Varchar(_) => 1043,
            Self::Date => 1082,
            Self::Timestamp => 1114,
            Self::Timestamptz => 1184,
            Self::Numeric(_) => 1700,
        }
    }

    /// The Arrow type in which values of this type travel to the encoder.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int8 => DataType::Int64,
            Self::Float8 => DataType::Float64,
            Self::Numeric(Some(size)) if size.fits_arrow() => decimal128(size),
            Self::Numeric(_) | Self::Text | Self::Varchar(_) | Self::Char(_) => DataType::Utf8,
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// Whether values are text, and so are compared by a collation.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_) | Self::Char(_))
    }
}

/// A decimal type whose size is within 38 digits.
fn decimal128(size: NumericSize) -> DataType {
    let precision = u8::try_from(size.precision).unwrap_or(u8::MAX);
    let scale = i8::try_from(size.scale).unwrap_or(i8::MAX);
    DataType::Decimal128(precision, scale)
}

impl fmt::Display for PgType {
    /// The type as it stands in DDL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("boolean"),
            Self::Int8 => f.write_str("bigint"),
            Self::Float8 => f.write_str("double precision"),
            Self::Numeric(None) => f.write_str("numeric"),
            Self::Numeric(Some(size)) => write!(f, "numeric({}, {})", size.precision, size.scale),
            Self::Text => f.write_str("text"),
            Self::Varchar(n) => write!(f, "varchar({n})"),
            Self::Char(n) => write!(f, "char({n})"),
            Self::Bytea => f.write_str("bytea"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Timestamptz => f.write_str("timestamptz"),
        }
    }
}
