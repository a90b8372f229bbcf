//! Cells of columns that become dates or times.

use super::{Reason, stray};
use crate::error::Result;
use crate::model::{CellShape, Column, EpochUnit, Recast};
use crate::row::temporal::{IsoText, Refusal};
use crate::row::zone::{self, Meaning};
use arrow_array::ArrayRef;
use arrow_array::builder::{Date32Builder, TimestampMicrosecondBuilder};
use jiff::tz::TimeZone;
use rusqlite::types::ValueRef;
use std::sync::Arc;

pub(in super::super) enum TimeBuilder {
    Date(Date32Builder),
    Micros(TimestampMicrosecondBuilder, Clock),
}

/// How a cell says what time it is.
pub(in super::super) enum Clock {
    /// A count since 1970.
    Epoch(EpochUnit),
    /// A wall clock without a zone.
    Naive,
    /// A wall clock that this zone's clocks must have shown; the transform finds the instant.
    Wall(TimeZone),
    /// A wall clock with its offset.
    Offset,
    /// With its offset, or else of this zone.
    Either(TimeZone),
}

impl TimeBuilder {
    pub(super) fn new(column: &Column) -> Result<Self> {
        let clock = match (&column.read, &column.recast) {
            (CellShape::IsoDate, _) => return Ok(Self::Date(Date32Builder::new())),
            (CellShape::Epoch(unit), _) => Clock::Epoch(*unit),
            (CellShape::IsoWall, Recast::Localize(zone)) => Clock::Wall(zone::find(zone)?),
            (CellShape::IsoOffset, _) => Clock::Offset,
            (CellShape::IsoEither(zone), _) => Clock::Either(zone::find(zone)?),
            _ => Clock::Naive,
        };
        let builder = TimestampMicrosecondBuilder::new().with_data_type(column.read_type());
        Ok(Self::Micros(builder, clock))
    }

    #[inline]
    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<usize, Reason> {
        match self {
            Self::Date(builder) => match iso(cell)? {
                IsoText::Date(days) => builder.append_value(days),
                _ => return Err("it is no date alone"),
            },
            Self::Micros(builder, clock) => builder.append_value(clock.micros(cell)?),
        }
        Ok(8)
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Date(builder) => builder.append_null(),
            Self::Micros(builder, _) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Micros(builder, _) => Arc::new(builder.finish()),
        }
    }
}

const NEVER: Reason = "the zone's clocks never showed this time";

impl Clock {
    /// Microseconds since 1970, of UTC or on the wall.
    fn micros(&self, cell: ValueRef<'_>) -> Result<i64, Reason> {
        match self {
            Self::Epoch(unit) => match cell {
                ValueRef::Integer(count) => {
                    unit.micros(count).ok_or("it is no time that PostgreSQL can hold")
                }
                cell => Err(stray(cell)),
            },
            Self::Naive => wall(iso(cell)?).ok_or("it has an offset"),
            Self::Wall(zone) => {
                let wall = wall(iso(cell)?).ok_or("it has an offset")?;
                if zone::meaning(wall, zone) == Meaning::Never { Err(NEVER) } else { Ok(wall) }
            }
            Self::Offset => match iso(cell)? {
                IsoText::Instant(micros) => Ok(micros),
                _ => Err("it has no offset"),
            },
            Self::Either(zone) => match iso(cell)? {
                IsoText::Instant(micros) => Ok(micros),
                on_wall => match wall(on_wall).map(|wall| zone::meaning(wall, zone)) {
                    Some(Meaning::Once(instant) | Meaning::Twice(instant, _)) => Ok(instant),
                    Some(Meaning::Never) | None => Err(NEVER),
                },
            },
        }
    }
}

fn iso(cell: ValueRef<'_>) -> Result<IsoText, Reason> {
    let ValueRef::Text(bytes) = cell else { return Err(stray(cell)) };
    IsoText::parse(bytes).map(|(value, _form)| value).map_err(Refusal::reason)
}

/// Microseconds on a wall clock; a date alone means its midnight.
fn wall(text: IsoText) -> Option<i64> {
    match text {
        IsoText::Naive(micros) => Some(micros),
        IsoText::Date(days) => Some(i64::from(days) * 86_400_000_000),
        IsoText::Instant(_) | IsoText::Time(_) => None,
    }
}
