//! From the Arrow values of a column back to the cells that SQLite held, as the column's form writes them.
//!
//! What a form cannot say gives no cell: who writes the row has the cell kept beside it, or it is an error there. Numbers,
//! texts and blobs go back as they are, and nothing is allocated for them.

use super::form::{Cell, FormWriter, Value};
use super::inet;
use super::temporal::IsoText;
use crate::error::{Error, Place, Result};
use crate::model::{CellShape, Column, Form, JsonForm, NumberClass, NumberForm, PgType, UuidForm};
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

/// A cell as SQLite holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StoredCell<'a> {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(&'a str),
    /// BLOB.
    Blob(&'a [u8]),
}

/// Writes the cells of one column, batch after batch.
#[derive(Debug)]
pub struct CellWriter {
    writer: FormWriter,
    kind: Kind,
    text: String,
}

/// What a column's values are, and in which form they are written.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Bool,
    /// Digits after the point.
    Decimal(u8, NumberForm),
    DecimalText(NumberForm),
    /// Text that is itself: of documents, of labels.
    Text,
    /// Text that was filled up with spaces.
    Padded,
    Bytes,
    Date,
    Time,
    Naive,
    Instant,
    /// None where the form is bytes.
    Uuid(Option<UuidForm>),
    Inet,
    Jsonb(JsonForm),
}

/// The values of one column of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// `smallint`
    Int2(&'a Int16Array),
    /// `integer`
    Int4(&'a Int32Array),
    /// `bigint`
    Int8(&'a Int64Array),
    /// `real`
    Float4(&'a Float32Array),
    /// `double precision`
    Float8(&'a Float64Array),
    /// `boolean`
    Bool(&'a BooleanArray),
    /// `numeric` of up to 38 digits
    Decimal(&'a Decimal128Array),
    /// Everything that travels as text
    Text(&'a StringArray),
    /// `bytea`, `inet` and `cidr`
    Bytes(&'a BinaryArray),
    /// `date`
    Date(&'a Date32Array),
    /// `time`
    Time(&'a Time64MicrosecondArray),
    /// `timestamp` and `timestamptz`
    Micros(&'a TimestampMicrosecondArray),
    /// `uuid`
    Uuid(&'a FixedSizeBinaryArray),
}

impl CellWriter {
    /// For a column.
    ///
    /// # Errors
    ///
    /// A zone that is not known.
    pub fn new(column: &Column) -> Result<Self> {
        // Where the plan gives no form, the shape in which cells are read says it.
        let form = match (&column.form, &column.read) {
            (Form::Plain, CellShape::Bool(form)) => Form::Bool(*form),
            (Form::Plain, CellShape::Epoch(unit)) => {
                Form::Epoch { unit: *unit, class: NumberClass::Integer }
            }
            (form, _) => form.clone(),
        };
        Ok(Self {
            kind: Kind::of(column, &form),
            writer: FormWriter::new(form).at(|| format!("column {}", column.source))?,
            text: String::new(),
        })
    }

    /// The values of a batch, which must be of the Arrow type of the column's.
    ///
    /// # Errors
    ///
    /// An array of another type: a bug of liteferry.
    pub fn values<'a>(&self, array: &'a ArrayRef) -> Result<Values<'a>> {
        self.kind.values(array).ok_or_else(|| {
            Error::internal(format!("a {:?} column came as {}", self.kind, array.data_type()))
        })
    }

    /// The cell of a row; none where the column's form cannot say its value.
    #[inline]
    pub fn cell<'s>(&'s mut self, values: &Values<'s>, row: usize) -> Option<StoredCell<'s>> {
        match values {
            Values::Int8(array) if array.is_valid(row) => {
                Some(StoredCell::Integer(array.value(row)))
            }
            Values::Float8(array) if array.is_valid(row) => {
                Some(StoredCell::Real(array.value(row)))
            }
            Values::Text(array) if matches!(self.kind, Kind::Text) && array.is_valid(row) => {
                Some(StoredCell::Text(array.value(row)))
            }
            values if values.is_null(row) => Some(StoredCell::Null),
            values => self.written(values, row),
        }
    }

    fn written<'s>(&'s mut self, values: &Values<'s>, row: usize) -> Option<StoredCell<'s>> {
        self.text.clear();
        let cell = match (self.kind, values) {
            (_, Values::Int2(array)) => Cell::Integer(array.value(row).into()),
            (_, Values::Int4(array)) => Cell::Integer(array.value(row).into()),
            (_, Values::Int8(array)) => Cell::Integer(array.value(row)),
            (_, Values::Float4(array)) => Cell::Real(array.value(row).into()),
            (_, Values::Float8(array)) => Cell::Real(array.value(row)),
            (_, Values::Bool(array)) => {
                self.writer.cell(Value::Bool(array.value(row)), &mut self.text)?
            }
            (Kind::Decimal(scale, form), Values::Decimal(array)) => {
                decimal(array.value(row), scale, form, &mut self.text)?
            }
            (Kind::DecimalText(form), Values::Text(array)) => {
                form.cell(array.value(row), &mut self.text)?
            }
            (Kind::Jsonb(JsonForm::Compact), Values::Text(array)) => {
                self.text.push_str(&JsonForm::Compact.write(array.value(row)));
                Cell::Text
            }
            (Kind::Padded, Values::Text(array)) => {
                return Some(StoredCell::Text(array.value(row).trim_end_matches(' ')));
            }
            (_, Values::Text(array)) => return Some(StoredCell::Text(array.value(row))),
            (Kind::Inet, Values::Bytes(array)) => {
                self.text.push_str(&inet::show(array.value(row))?);
                Cell::Text
            }
            (_, Values::Bytes(array)) => return Some(StoredCell::Blob(array.value(row))),
            (Kind::Uuid(None), Values::Uuid(array)) => {
                return Some(StoredCell::Blob(array.value(row)));
            }
            (Kind::Uuid(Some(form)), Values::Uuid(array)) => {
                self.text.push_str(&form.write(*array.value(row).as_array()?));
                Cell::Text
            }
            (kind, values) => {
                self.writer.cell(Value::Time(time(kind, values, row)?), &mut self.text)?
            }
        };
        Some(match cell {
            Cell::Integer(value) => StoredCell::Integer(value),
            Cell::Real(value) => StoredCell::Real(value),
            Cell::Text => StoredCell::Text(&self.text),
        })
    }
}

impl Kind {
    fn of(column: &Column, form: &Form) -> Self {
        let number = match form {
            Form::Number(form) => *form,
            _ => NumberForm::Stored(NumberClass::Integer),
        };
        match column.pg {
            PgType::Bool => Self::Bool,
            PgType::Int2 => Self::Int2,
            PgType::Int4 => Self::Int4,
            PgType::Int8 => Self::Int8,
            PgType::Float4 => Self::Float4,
            PgType::Float8 => Self::Float8,
            PgType::Numeric(size) => {
                match size.filter(|size| size.fits_arrow()).map(|size| u8::try_from(size.scale)) {
                    Some(Ok(scale)) => Self::Decimal(scale, number),
                    _ => Self::DecimalText(number),
                }
            }
            PgType::Text | PgType::Varchar(_) | PgType::Json | PgType::Enum => Self::Text,
            PgType::Char(_) => Self::Padded,
            PgType::Bytea => Self::Bytes,
            PgType::Date => Self::Date,
            PgType::Time => Self::Time,
            PgType::Timestamp => Self::Naive,
            PgType::Timestamptz => Self::Instant,
            PgType::Uuid => Self::Uuid(match form {
                Form::UuidBytes => None,
                Form::Uuid(form) => Some(*form),
                _ => Some(UuidForm::default()),
            }),
            PgType::Inet | PgType::Cidr => Self::Inet,
            PgType::Jsonb => match form {
                Form::Json(JsonForm::Compact) => Self::Jsonb(JsonForm::Compact),
                _ => Self::Text,
            },
        }
    }

    fn values(self, array: &ArrayRef) -> Option<Values<'_>> {
        Some(match self {
            Self::Int2 => Values::Int2(array.as_primitive_opt::<Int16Type>()?),
            Self::Int4 => Values::Int4(array.as_primitive_opt::<Int32Type>()?),
            Self::Int8 => Values::Int8(array.as_primitive_opt::<Int64Type>()?),
            Self::Float4 => Values::Float4(array.as_primitive_opt::<Float32Type>()?),
            Self::Float8 => Values::Float8(array.as_primitive_opt::<Float64Type>()?),
            Self::Bool => Values::Bool(array.as_boolean_opt()?),
            Self::Decimal(..) => Values::Decimal(array.as_primitive_opt::<Decimal128Type>()?),
            Self::DecimalText(_) | Self::Text | Self::Padded | Self::Jsonb(_) => {
                Values::Text(array.as_string_opt()?)
            }
            Self::Bytes | Self::Inet => Values::Bytes(array.as_binary_opt()?),
            Self::Date => Values::Date(array.as_primitive_opt::<Date32Type>()?),
            Self::Time => Values::Time(array.as_primitive_opt::<Time64MicrosecondType>()?),
            Self::Naive | Self::Instant => {
                Values::Micros(array.as_primitive_opt::<TimestampMicrosecondType>()?)
            }
            Self::Uuid(_) => Values::Uuid(array.as_fixed_size_binary_opt()?),
        })
    }
}

impl Values<'_> {
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Int2(array) => array.is_null(row),
            Self::Int4(array) => array.is_null(row),
            Self::Int8(array) => array.is_null(row),
            Self::Float4(array) => array.is_null(row),
            Self::Float8(array) => array.is_null(row),
            Self::Bool(array) => array.is_null(row),
            Self::Decimal(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Bytes(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Micros(array) => array.is_null(row),
            Self::Uuid(array) => array.is_null(row),
        }
    }
}

/// The date or the time of a row.
fn time(kind: Kind, values: &Values<'_>, row: usize) -> Option<IsoText> {
    Some(match (kind, values) {
        (_, Values::Date(array)) => IsoText::Date(array.value(row)),
        (_, Values::Time(array)) => IsoText::Time(array.value(row)),
        (Kind::Naive, Values::Micros(array)) => IsoText::Naive(array.value(row)),
        (Kind::Instant, Values::Micros(array)) => IsoText::Instant(array.value(row)),
        _ => return None,
    })
}

/// Below this every decimal has a double of its own, and is the shortest one of that.
const DOUBLE_DIGITS: u128 = 1_000_000_000_000_000;
/// Powers of ten that are doubles.
const DOUBLE_SCALE_MAX: u8 = 22;

/// The cell of so many units of the scale's last digit.
fn decimal(value: i128, scale: u8, form: NumberForm, text: &mut String) -> Option<Cell> {
    if let NumberForm::Stored(class) = form
        && value.unsigned_abs() < DOUBLE_DIGITS
        && scale <= DOUBLE_SCALE_MAX
    {
        let unit = 10_i128.pow(scale.into());
        if class == NumberClass::Integer && value % unit == 0 {
            return i64::try_from(value / unit).ok().map(Cell::Integer);
        }
        #[expect(clippy::cast_precision_loss, reason = "both are doubles; see the bounds")]
        return Some(Cell::Real(value as f64 / unit as f64));
    }
    let mut plain = String::with_capacity(48);
    push_plain(value, scale, &mut plain);
    form.cell(&plain, text)
}

/// Appends all digits of a scaled decimal.
fn push_plain(value: i128, scale: u8, out: &mut String) {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    if value < 0 {
        out.push('-');
    }
    out.push_str(whole);
    if scale > 0 {
        out.push('.');
        out.push_str(fraction);
    }
}

#[cfg(test)]
mod tests;
