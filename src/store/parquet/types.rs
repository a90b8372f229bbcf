//! PostgreSQL's types as Parquet's: each column as what every reader takes it for, and back without a change.
//!
//! | PostgreSQL | Parquet |
//! | --- | --- |
//! | `boolean` | BOOLEAN |
//! | `smallint`, `integer`, `bigint` | INT32 as INT(16), INT32, INT64 |
//! | `real`, `double precision` | FLOAT, DOUBLE |
//! | `numeric(p, s)` of up to 38 digits | DECIMAL(p, s) |
//! | other `numeric` | STRING, plain decimal digits |
//! | `text`, `varchar(n)`, `char(n)`, enums | STRING |
//! | `bytea` | BYTE_ARRAY |
//! | `date` | DATE |
//! | `time` | TIME of microseconds, not adjusted to UTC |
//! | `timestamp` | TIMESTAMP of microseconds, not adjusted to UTC |
//! | `timestamptz` | TIMESTAMP of microseconds, adjusted to UTC |
//! | `uuid` | FIXED_LEN_BYTE_ARRAY(16) as UUID |
//! | `inet`, `cidr` | STRING, as the server shows it |
//! | `json`, `jsonb` | JSON, the document's text |
//!
//! What a Parquet type alone does not tell, such as the `numeric` behind a text, stands in the field's metadata in the
//! Arrow schema of the file, under [`PG_TYPE`].
//!
//! PostgreSQL's dates and times reach beyond what 64 bits count from 1970, and have infinities; in a batch those are
//! numbers before 4713 BC, which a reader of Parquet would take for such dates. They are refused: no text of SQLite is
//! read as one. So is 24:00, which is no time of a day to other readers.

use crate::error::{Class, Error, Place, Result};
use crate::model::{Column, FIRST_STORABLE, PgType, TableSchema};
use crate::row::inet;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_schema::extension::{Json, Uuid};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The key of a field's metadata under which its PostgreSQL type stands, as in SQL.
pub const PG_TYPE: &str = "postgresql:type";

/// Days from 1970 of the first and the last date that PostgreSQL holds: 4714-11-24 BC and 5874897-12-31.
const DATES: RangeInclusive<i32> = -2_440_588..=2_145_042_905;
/// Microseconds of a day.
const TIMES: RangeInclusive<i64> = 0..=86_399_999_999;
/// Microseconds from 1970 of the times that PostgreSQL holds and 64 bits count.
const INSTANTS: RangeInclusive<i64> = FIRST_STORABLE..=i64::MAX;

/// The batches of one table as they go into its files, and come out of them.
#[derive(Debug)]
pub struct Shape<'t> {
    table: &'t TableSchema,
    stored: SchemaRef,
    written: SchemaRef,
}

impl<'t> Shape<'t> {
    /// The shape of a table's files.
    pub fn new(table: &'t TableSchema) -> Self {
        let fields: Vec<_> = table.columns.iter().map(field).collect();
        Self { table, stored: Arc::new(Schema::new(fields)), written: table.write_schema() }
    }

    /// The Arrow schema of a file.
    pub fn stored(&self) -> &SchemaRef {
        &self.stored
    }

    /// A batch in [`TableSchema::write_schema`]'s shape, as it is stored.
    ///
    /// # Errors
    ///
    /// [`Class::Data`]: a value that its Parquet type cannot hold.
    pub fn store(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.each(batch, &self.stored, |column, array| {
            if *array.data_type() != column.pg.arrow() {
                let what = format!("a {} column came as {}", column.pg, array.data_type());
                return Err(Error::internal(what));
            }
            check(column.pg, array).map_err(|what| {
                Error::new(Class::Data, what).todo("repair the value in the source")
            })?;
            Ok(match column.pg {
                PgType::Inet => show_addresses(array, false)?,
                PgType::Cidr => show_addresses(array, true)?,
                _ => Arc::clone(array),
            })
        })
    }

    /// A stored batch as it was.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: a batch that [`Self::store`] has not made.
    pub fn restore(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.table.columns.len() {
            return Err(Error::new(Class::Damaged, "a file has other columns than its table"));
        }
        self.each(batch, &self.written, |column, array| {
            if *array.data_type() != stored_type(column.pg) {
                let what = format!("a {} column is stored as {}", column.pg, array.data_type());
                return Err(Error::new(Class::Damaged, what));
            }
            let array = match column.pg {
                PgType::Inet => read_addresses(array, inet::parse)?,
                PgType::Cidr => read_addresses(array, inet::parse_cidr)?,
                _ => Arc::clone(array),
            };
            check(column.pg, &array).map_err(|what| Error::new(Class::Damaged, what))?;
            Ok(array)
        })
    }

    fn each(
        &self,
        batch: &RecordBatch,
        schema: &SchemaRef,
        convert: impl Fn(&Column, &ArrayRef) -> Result<ArrayRef>,
    ) -> Result<RecordBatch> {
        let columns = self.table.columns.iter().zip(batch.columns());
        let arrays = columns
            .map(|(column, array)| {
                convert(column, array).at(|| format!("column {}", column.source))
            })
            .collect::<Result<_>>()?;
        let rows = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &rows).map_err(|error| {
            Error::internal("a batch does not have its table's shape").because(error)
        })
    }
}

/// The Arrow type of a column in a file.
fn stored_type(pg: PgType) -> DataType {
    match pg {
        PgType::Inet | PgType::Cidr => DataType::Utf8,
        _ => pg.arrow(),
    }
}

/// Every field may be NULL: whether a column says NOT NULL may change while its files stay.
fn field(column: &Column) -> Field {
    let metadata = HashMap::from([(PG_TYPE.to_owned(), column.sql_type())]);
    let field = Field::new(&column.target, stored_type(column.pg), true).with_metadata(metadata);
    match column.pg {
        PgType::Uuid => field.with_extension_type(Uuid),
        PgType::Json | PgType::Jsonb => field.with_extension_type(Json::default()),
        _ => field,
    }
}

/// Whether the Parquet type means the same by all values, and PostgreSQL has them.
fn check(pg: PgType, array: &ArrayRef) -> Result<(), String> {
    match pg {
        PgType::Date => within::<Date32Type>(array, &DATES, "days from 1970 are no date"),
        PgType::Time => {
            within::<Time64MicrosecondType>(array, &TIMES, "microseconds are no time of a day")
        }
        PgType::Timestamp | PgType::Timestamptz => within::<TimestampMicrosecondType>(
            array,
            &INSTANTS,
            "microseconds from 1970 are no time that is told without infinities",
        ),
        PgType::Numeric(Some(size)) if size.fits_arrow() => {
            let precision = u8::try_from(size.precision).unwrap_or(u8::MAX);
            let decimals = array.as_primitive_opt::<Decimal128Type>();
            decimals
                .is_some_and(|values| values.validate_decimal_precision(precision).is_ok())
                .then_some(())
                .ok_or_else(|| format!("a decimal has more than {precision} digits"))
        }
        _ => Ok(()),
    }
}

/// Whether all values are in a range; `what` is said of one that is not.
fn within<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    range: &RangeInclusive<T::Native>,
    what: &str,
) -> Result<(), String>
where
    T::Native: PartialOrd + std::fmt::Display,
{
    let values = array.as_primitive_opt::<T>().ok_or("an array is of another type")?;
    // What stands in place of a NULL is seldom out of range.
    if values.values().iter().all(|value| range.contains(value)) {
        return Ok(());
    }
    match values.iter().flatten().find(|value| !range.contains(value)) {
        Some(stray) => Err(format!("{stray} {what}")),
        None => Ok(()),
    }
}

fn show_addresses(array: &ArrayRef, is_cidr: bool) -> Result<ArrayRef> {
    let bodies = array
        .as_binary_opt::<i32>()
        .ok_or_else(|| Error::internal("addresses came in another type"))?;
    let shown = bodies.iter().map(|body| {
        let show = |body| {
            let none = || Error::new(Class::Data, "bytes that are no address came as one");
            inet::show(body).filter(|_| inet::is_body(body, is_cidr)).ok_or_else(none)
        };
        body.map(show).transpose()
    });
    Ok(Arc::new(shown.collect::<Result<StringArray>>()?))
}

/// Reads addresses by `parse`; only the one text that the server shows is an address here.
fn read_addresses(
    array: &ArrayRef,
    parse: impl Fn(&str) -> Option<(Vec<u8>, bool)>,
) -> Result<ArrayRef> {
    let none = |text: &str| {
        let shown: String = text.chars().take(60).collect();
        Error::new(Class::Damaged, format!("`{shown}` is no address as it is stored"))
    };
    let texts = array.as_string_opt::<i32>().ok_or_else(|| none("another type"))?;
    let read = texts.iter().map(|text| {
        let read = |text| match parse(text) {
            Some((body, true)) => Ok(body),
            _ => Err(none(text)),
        };
        text.map(read).transpose()
    });
    Ok(Arc::new(read.collect::<Result<BinaryArray>>()?))
}
