//! Arrow batch to Arrow batch: what the values of a column become between reading and writing.
//!
//! Strict as the reader: a value that has no exact counterpart is an error here, never a near miss.

use crate::error::{Class, Error, Place, Result};
use crate::model::{Column, EpochUnit, Recast, TableSchema};
use crate::row::zone::{self, Meaning};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_schema::SchemaRef;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// Recasts the batches of one table.
#[derive(Debug)]
pub struct Transform<'t> {
    table: &'t TableSchema,
    schema: SchemaRef,
    recasts: Vec<Ready>,
}

/// A recast with what it needs at hand.
#[derive(Debug)]
enum Ready {
    Keep,
    ZeroOneToBool,
    FromEpoch(EpochUnit),
    Localize(TimeZone),
}

impl<'t> Transform<'t> {
    /// The transform of a table's batches from [`TableSchema::read_schema`] to [`TableSchema::write_schema`].
    ///
    /// # Errors
    ///
    /// A zone that is not known.
    pub fn new(table: &'t TableSchema) -> Result<Self> {
        let ready = |column: &Column| match &column.recast {
            Recast::Keep => Ok(Ready::Keep),
            Recast::ZeroOneToBool => Ok(Ready::ZeroOneToBool),
            Recast::FromEpoch(unit) => Ok(Ready::FromEpoch(*unit)),
            Recast::Localize(zone) => Ok(Ready::Localize(zone::find(zone)?)),
        };
        let recasts = table.columns.iter().map(ready).collect::<Result<_>>()?;
        Ok(Self { table, schema: table.write_schema(), recasts })
    }

    /// Recasts one batch.
    ///
    /// # Errors
    ///
    /// A value that has no exact counterpart.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.table.columns.iter().zip(&self.recasts).zip(batch.columns());
        let arrays = columns
            .map(|((column, recast), array)| {
                recast
                    .apply(column, array)
                    .at(|| format!("table {}: column {}", self.table.source, column.source))
            })
            .collect::<Result<_>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|error| {
            Error::internal("a batch does not have its table's shape").because(error)
        })
    }
}

impl Ready {
    fn apply(&self, column: &Column, array: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Keep => Ok(Arc::clone(array)),
            Self::ZeroOneToBool => zero_one_to_bool(integers(array)?),
            Self::FromEpoch(unit) => from_epoch(integers(array)?, *unit, column),
            Self::Localize(zone) => localize(array, zone, column),
        }
    }
}

fn integers(array: &ArrayRef) -> Result<&PrimitiveArray<Int64Type>> {
    array
        .as_primitive_opt()
        .ok_or_else(|| Error::internal(format!("integers came as {}", array.data_type())))
}

fn zero_one_to_bool(array: &PrimitiveArray<Int64Type>) -> Result<ArrayRef> {
    let boolean = |value: i64| match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::new(Class::Data, format!("{other} is neither 0 nor 1"))),
    };
    let values = array
        .iter()
        .map(|value| value.map(boolean).transpose())
        .collect::<Result<BooleanArray>>()?;
    Ok(Arc::new(values))
}

fn from_epoch(
    array: &PrimitiveArray<Int64Type>,
    unit: EpochUnit,
    column: &Column,
) -> Result<ArrayRef> {
    let micros = |value: i64| {
        unit.micros(value).ok_or_else(|| {
            Error::new(Class::Data, format!("{value} is no time that PostgreSQL can hold"))
        })
    };
    let values = array.try_unary::<_, TimestampMicrosecondType, Error>(micros)?;
    Ok(Arc::new(values.with_data_type(column.pg.arrow())))
}

fn localize(array: &ArrayRef, clocks: &TimeZone, column: &Column) -> Result<ArrayRef> {
    let walls = array
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| Error::internal(format!("wall clocks came as {}", array.data_type())))?;
    let values =
        walls.try_unary::<_, TimestampMicrosecondType, Error>(|wall| {
            match zone::meaning(wall, clocks) {
                Meaning::Once(instant) | Meaning::Twice(instant, _) => Ok(instant),
                Meaning::Never => {
                    Err(Error::new(Class::Data, "a time that the zone's clocks never showed"))
                }
            }
        })?;
    Ok(Arc::new(values.with_data_type(column.pg.arrow())))
}
