//! Arrow batch to Arrow batch: what the values of a column become between reading and writing.
//!
//! Strict as the reader: a value that has no exact counterpart is an error here, never a near miss.

use crate::error::{Class, Error, Place, Result};
use crate::model::{Column, EpochUnit, Recast, TableSchema};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_schema::SchemaRef;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
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
            Recast::Localize(zone) => Ok(Ready::Localize(find_zone(zone)?)),
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

/// A zone of the IANA database by its name.
///
/// # Errors
///
/// [`Class::Undecided`] where there is none of that name.
pub fn find_zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|error| {
        Error::new(Class::Undecided, format!("there is no time zone `{name}`"))
            .todo("name a zone of the IANA database, for example \"America/Denver\" or \"UTC\"")
            .because(error)
    })
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
    let factor = match unit {
        EpochUnit::Seconds => 1_000_000,
        EpochUnit::Milliseconds => 1_000,
        EpochUnit::Microseconds => 1,
    };
    let micros = |value: i64| {
        value.checked_mul(factor).filter(|&micros| micros >= FIRST_STORABLE_MICROS).ok_or_else(
            || Error::new(Class::Data, format!("{value} is no time that PostgreSQL can hold")),
        )
    };
    let values = array.try_unary::<_, TimestampMicrosecondType, Error>(micros)?;
    Ok(Arc::new(values.with_data_type(column.pg.arrow())))
}

/// The first microsecond that a PostgreSQL timestamp holds (in 4714 BC), counted from 1970. Its last one, in the year
/// 294276, lies beyond what 64 bits count from 1970.
const FIRST_STORABLE_MICROS: i64 = -210_866_803_200_000_000;

fn localize(array: &ArrayRef, zone: &TimeZone, column: &Column) -> Result<ArrayRef> {
    let walls = array
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| Error::internal(format!("wall clocks came as {}", array.data_type())))?;
    let values =
        walls.try_unary::<_, TimestampMicrosecondType, Error>(|wall| instant_of(wall, zone))?;
    Ok(Arc::new(values.with_data_type(column.pg.arrow())))
}

/// The instant at which the clocks of a zone showed `wall` (microseconds since 1970-01-01 00:00 on that clock). Of the
/// two instants when clocks were set back, the first.
///
/// # Errors
///
/// A wall clock that was skipped when clocks were set forward.
pub fn instant_of(wall: i64, zone: &TimeZone) -> Result<i64> {
    let told = |what: &str| {
        Error::new(
            Class::Data,
            format!("{what} in the zone {}", zone.iana_name().unwrap_or("given")),
        )
    };
    let shown = civil(wall).ok_or_else(|| told("a time out of range"))?;
    let ambiguous = zone.to_ambiguous_zoned(shown);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return Err(told(&format!("{shown} was skipped when the clocks were set forward"))
            .todo("the column's times are of another zone: name it in the pipeline file"));
    }
    let instant =
        ambiguous.earlier().map_err(|error| told("a time out of range").because(error))?;
    Ok(instant.timestamp().as_microsecond())
}

fn civil(wall: i64) -> Option<DateTime> {
    let as_if_utc = jiff::Timestamp::from_microsecond(wall).ok()?;
    Some(TimeZone::UTC.to_datetime(as_if_utc))
}

#[cfg(test)]
mod tests {
    use super::{find_zone, instant_of};
    use jiff::civil::date;

    fn wall(time: jiff::civil::DateTime) -> i64 {
        time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond()
    }

    #[test]
    fn a_wall_clock_becomes_the_instant_of_its_zone_and_season() {
        let denver = find_zone("America/Denver").unwrap();
        let hours_west =
            |time| (instant_of(wall(time), &denver).unwrap() - wall(time)) / 3_600_000_000;
        assert_eq!(hours_west(date(2025, 9, 15).at(6, 13, 18, 0)), 6);
        assert_eq!(hours_west(date(2025, 1, 15).at(6, 13, 18, 0)), 7);
        assert_eq!(hours_west(date(2025, 11, 2).at(1, 30, 0, 0)), 6, "the first of two");
    }

    #[test]
    fn a_wall_clock_that_never_was_is_refused() {
        let denver = find_zone("America/Denver").unwrap();
        assert!(instant_of(wall(date(2025, 3, 9).at(2, 30, 0, 0)), &denver).is_err());
        assert!(find_zone("Mars/Olympus").is_err());
    }
}
