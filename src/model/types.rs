//! The PostgreSQL types that liteferry writes: a closed map, each with its SQL, its OID and its Arrow type.

use super::DecimalSize;
use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A type of a target column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PgType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`, for columns that exist already
    Float4,
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
    /// `time`: a wall clock without a date and a zone
    Time,
    /// `timestamp`: a wall clock without a zone
    Timestamp,
    /// `timestamptz`: an instant
    Timestamptz,
    /// `uuid`
    Uuid,
    /// `inet`: an address, with the network that it stands in
    Inet,
    /// `cidr`: a network
    Cidr,
    /// `json`: kept as the text that it is
    Json,
    /// `jsonb`: kept by its content
    Jsonb,
    /// An enum; its name and its labels are the column's [`EnumType`].
    Enum,
}

/// An enum of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnumType {
    /// The schema that it is in.
    pub schema: String,
    /// Its name there.
    pub name: String,
    /// Its labels in their order.
    pub labels: Vec<String>,
}

/// Precision and scale of a `numeric(p, s)`, in decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NumericSize {
    /// All digits.
    pub precision: u16,
    /// Digits after the point.
    pub scale: u16,
}

/// The largest n of `varchar(n)`.
const VARCHAR_MAX: u32 = 10_485_760;

impl NumericSize {
    /// The largest precision that Arrow's 128-bit decimals hold.
    pub const ARROW_PRECISION_MAX: u16 = 38;
    /// The largest precision that PostgreSQL declares.
    pub const PRECISION_MAX: u16 = 1000;

    /// The size in a declaration's parentheses, `(p)` or `(p, s)`, if every server has such a type.
    pub fn declared(arguments: &[u32]) -> Option<Self> {
        let (precision, scale) = match *arguments {
            [precision] => (precision, 0),
            [precision, scale] => (precision, scale),
            _ => return None,
        };
        let size = Self { precision: precision.try_into().ok()?, scale: scale.try_into().ok()? };
        let legal =
            (1..=Self::PRECISION_MAX).contains(&size.precision) && size.scale <= size.precision;
        legal.then_some(size)
    }

    /// Whether so many digits fit without rounding.
    pub fn holds(self, needed: DecimalSize) -> bool {
        let whole = needed.integer_digits.saturating_add(self.scale.into());
        needed.scale <= u32::from(self.scale) && whole <= u32::from(self.precision)
    }

    /// Whether values of this size travel as 128-bit decimals; larger ones travel as decimal text.
    pub fn fits_arrow(self) -> bool {
        self.precision <= Self::ARROW_PRECISION_MAX && self.scale <= self.precision
    }
}

impl PgType {
    /// Reads a type as pipeline files and PostgreSQL's `format_type` write it; enums have no such word.
    pub fn parse(written: &str) -> Option<Self> {
        let written = written.trim().to_ascii_lowercase();
        let (name, arguments) = match written.strip_suffix(')').and_then(|it| it.split_once('(')) {
            Some((name, inside)) => {
                let numbers = inside.split(',').map(|number| number.trim().parse().ok());
                (name.trim_end(), numbers.collect::<Option<Vec<u32>>>()?)
            }
            None => (written.as_str(), Vec::new()),
        };
        match (name, arguments.as_slice()) {
            ("numeric" | "decimal", [_, ..]) => {
                NumericSize::declared(&arguments).map(|size| Self::Numeric(Some(size)))
            }
            ("varchar" | "character varying", [chars @ 1..=VARCHAR_MAX]) => {
                Some(Self::Varchar(*chars))
            }
            ("char" | "character", [chars @ 1..=VARCHAR_MAX]) => Some(Self::Char(*chars)),
            (name, []) => Self::named(name),
            _ => None,
        }
    }

    /// The type of a name that needs no size.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" | "boolean" => Self::Bool,
            "int2" | "smallint" => Self::Int2,
            "int4" | "int" | "integer" => Self::Int4,
            "int8" | "bigint" => Self::Int8,
            "float4" | "real" => Self::Float4,
            "float8" | "double precision" => Self::Float8,
            "numeric" | "decimal" => Self::Numeric(None),
            "text" => Self::Text,
            "bytea" => Self::Bytea,
            "date" => Self::Date,
            "time" | "time without time zone" => Self::Time,
            "timestamp" | "timestamp without time zone" => Self::Timestamp,
            "timestamptz" | "timestamp with time zone" => Self::Timestamptz,
            "uuid" => Self::Uuid,
            "inet" => Self::Inet,
            "cidr" => Self::Cidr,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            _ => return None,
        })
    }

    /// The type's OID in every PostgreSQL; none for enums, each of which has its own in each database.
    pub fn oid(self) -> Option<u32> {
        Some(match self {
            Self::Bool => 16,
            Self::Bytea => 17,
            Self::Int8 => 20,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Text => 25,
            Self::Json => 114,
            Self::Cidr => 650,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Inet => 869,
            Self::Char(_) => 1042,
            Self::Varchar(_) => 1043,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::Timestamp => 1114,
            Self::Timestamptz => 1184,
            Self::Numeric(_) => 1700,
            Self::Uuid => 2950,
            Self::Jsonb => 3802,
            Self::Enum => return None,
        })
    }

    /// The Arrow type in which values of this type travel to the encoder.
    ///
    /// Decimals of more than 38 digits are plain decimal text, `uuid` its 16 bytes, `inet` and `cidr` PostgreSQL's own
    /// binary form, JSON any text that the type takes, an enum's value its label.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Numeric(Some(size)) if size.fits_arrow() => decimal128(size),
            Self::Numeric(_)
            | Self::Text
            | Self::Varchar(_)
            | Self::Char(_)
            | Self::Json
            | Self::Jsonb
            | Self::Enum => DataType::Utf8,
            Self::Bytea | Self::Inet | Self::Cidr => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Uuid => DataType::FixedSizeBinary(16),
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
    /// The type as it stands in DDL, but for enums: [`super::Column::sql_type`] knows their names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric(None) => "numeric",
            Self::Numeric(Some(size)) => {
                return write!(f, "numeric({}, {})", size.precision, size.scale);
            }
            Self::Text => "text",
            Self::Varchar(n) => return write!(f, "varchar({n})"),
            Self::Char(n) => return write!(f, "char({n})"),
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Uuid => "uuid",
            Self::Inet => "inet",
            Self::Cidr => "cidr",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Enum => "enum",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{NumericSize, PgType};

    #[test]
    fn types_are_read_as_people_and_as_servers_write_them() {
        let size = |precision, scale| PgType::Numeric(Some(NumericSize { precision, scale }));
        for (written, pg) in [
            (" BIGINT", PgType::Int8),
            ("numeric(10,2)", size(10, 2)),
            ("Decimal ( 10 )", size(10, 0)),
            ("numeric", PgType::Numeric(None)),
            ("varchar(7)", PgType::Varchar(7)),
            ("character varying(7)", PgType::Varchar(7)),
            ("character(3)", PgType::Char(3)),
            ("timestamp without time zone", PgType::Timestamp),
            ("real", PgType::Float4),
            ("jsonb", PgType::Jsonb),
        ] {
            assert_eq!(PgType::parse(written), Some(pg), "{written}");
            assert_eq!(PgType::parse(&pg.to_string()), Some(pg), "{pg}");
        }
    }

    #[test]
    fn a_type_that_would_change_values_or_does_not_exist_is_not_read() {
        for written in [
            "",
            "enum",
            "varchar",
            "varchar()",
            "varchar(0)",
            "varchar(10485761)",
            "varchar(7, 1)",
            "numeric(0)",
            "numeric(1001)",
            "numeric(2,3)",
            "numeric(3,-1)",
            "numeric(3,x)",
            "numeric(3",
            "numeric)3(",
            "text(3)",
            "timestamp(3) without time zone",
            "time(0)",
            "character",
            "\"char\"",
        ] {
            assert_eq!(PgType::parse(written), None, "{written}");
        }
    }
}
