//! Arrow batch to Arrow batch: what the values of a column become between reading and writing.
//!
//! The reader lets only those values through that have an exact counterpart.

use crate::error::{Class, Error, Place, Result};
use crate::model::{Column, Recast, TableSchema};
use crate::row::zone::{self, Meaning};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};
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
    Localize(TimeZone),
}

impl<'t> Transform<'t> {
    /// The transform of a table's batches from [`TableSchema::read_schema`] to [`TableSchema::write_schema`].
    ///
    /// # Errors
    ///
    /// A zone that is not known.
    pub fn new(table: &'t TableSchema) -> Result<Self> {
        let ready = |column: &Column| match column.recast_after() {
            Recast::Keep => Ok(Ready::Keep),
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
            Self::Localize(zone) => localize(array, zone, column),
        }
    }
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
