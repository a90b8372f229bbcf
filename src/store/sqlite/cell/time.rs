//! Cells of columns that become dates or times.

use super::{Fit, Reason, stray};
use crate::error::Result;
use crate::model::{
    CellShape, Column, DateOrder, EpochUnit, Form, IsoForm, NumberClass, PgType, Recast,
};
use crate::row::epoch::Number;
use crate::row::form::FormWriter;
use crate::row::temporal::{IsoText, Refusal};
use crate::row::zone::{self, Localizer, Meaning};
use arrow_array::ArrayRef;
use arrow_array::builder::{Date32Builder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder};
use rusqlite::types::ValueRef;
use std::sync::Arc;

pub(in super::super) struct TimeBuilder {
    values: Values,
    clock: Clock,
    writer: FormWriter,
}

/// What a column holds.
enum Values {
    Dates(Date32Builder),
    Times(Time64MicrosecondBuilder),
    Micros(TimestampMicrosecondBuilder),
}

/// How a cell says what time it is.
enum Clock {
    /// A count since some day, mostly of this storage class.
    Epoch(EpochUnit, NumberClass),
    /// ISO text without an offset.
    Naive,
    /// The same, of a zone whose clocks must have shown it; the transform finds the instant.
    Wall(Localizer),
    /// ISO text with its offset.
    Offset,
    /// With its offset, or else of this zone.
    Either(Localizer),
    /// Day, month and year in this order; of a zone as above.
    Ordered(DateOrder, Option<Localizer>),
    /// Digits without marks, as TEXT or INTEGER; of a zone as above.
    Compact(Option<Localizer>),
}

impl TimeBuilder {
    pub(super) fn new(column: &Column) -> Result<Self> {
        let localizer = |zone: &str| Ok(Localizer::new(zone::find(zone)?));
        let clock = match (&column.read, &column.recast) {
            (CellShape::Epoch(unit), _) => Clock::Epoch(*unit, class_of(&column.form)),
            (CellShape::IsoWall, Recast::Localize(zone)) => Clock::Wall(localizer(zone)?),
            (CellShape::Ordered(order), Recast::Localize(zone)) => {
                Clock::Ordered(*order, Some(localizer(zone)?))
            }
            (CellShape::Compact, Recast::Localize(zone)) => Clock::Compact(Some(localizer(zone)?)),
            (CellShape::IsoOffset, _) => Clock::Offset,
            (CellShape::IsoEither(zone), _) => Clock::Either(localizer(zone)?),
            (CellShape::Ordered(order), Recast::Keep) => Clock::Ordered(*order, None),
            (CellShape::Compact, Recast::Keep) => Clock::Compact(None),
            _ => Clock::Naive,
        };
        let values = match column.pg {
            PgType::Date => Values::Dates(Date32Builder::new()),
            PgType::Time => Values::Times(Time64MicrosecondBuilder::new()),
            _ => Values::Micros(
                TimestampMicrosecondBuilder::new().with_data_type(column.read_type()),
            ),
        };
        Ok(Self { values, clock, writer: FormWriter::new(column.form.clone())? })
    }

    #[inline]
    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<Fit, Reason> {
        let (value, in_form) = match &mut self.clock {
            Clock::Epoch(unit, class) => epoch(*unit, *class, cell)?,
            clock => {
                let (read, form) = clock.parse(cell)?;
                let in_form = self.writer.writes_text(read, &form);
                (clock.meant(read)?, in_form)
            }
        };
        match (&mut self.values, value) {
            (Values::Dates(builder), IsoText::Date(days)) => builder.append_value(days),
            (Values::Times(builder), IsoText::Time(micros)) => builder.append_value(micros),
            (Values::Micros(builder), IsoText::Naive(micros) | IsoText::Instant(micros)) => {
                builder.append_value(micros);
            }
            (Values::Micros(builder), IsoText::Date(days)) => {
                builder.append_value(i64::from(days) * DAY_MICROS);
            }
            (Values::Dates(_), _) => return Err("it is no date alone"),
            (Values::Times(_), _) => return Err("it is no time of day alone"),
            (Values::Micros(_), IsoText::Time(_)) => return Err("it has no date"),
        }
        Ok(Fit { bytes: 8, in_form })
    }

    pub(super) fn append_null(&mut self) {
        match &mut self.values {
            Values::Dates(builder) => builder.append_null(),
            Values::Times(builder) => builder.append_null(),
            Values::Micros(builder) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Values::Dates(builder) => Arc::new(builder.finish()),
            Values::Times(builder) => Arc::new(builder.finish()),
            Values::Micros(builder) => Arc::new(builder.finish()),
        }
    }
}

const DAY_MICROS: i64 = 86_400_000_000;
const NEVER: Reason = "the zone's clocks never showed this time";

fn class_of(form: &Form) -> NumberClass {
    match form {
        Form::Epoch { class, .. } => *class,
        _ => NumberClass::Integer,
    }
}

fn epoch(
    unit: EpochUnit,
    class: NumberClass,
    cell: ValueRef<'_>,
) -> Result<(IsoText, bool), Reason> {
    let number = match cell {
        ValueRef::Integer(count) => Number::Integer(count),
        ValueRef::Real(count) => Number::Real(count),
        cell => return Err(stray(cell)),
    };
    // A double may lie between two microseconds: the nearest is taken, and the double itself kept beside it.
    let nearest = || match number {
        Number::Integer(_) => None,
        Number::Real(count) => unit.nearest_micros(count),
    };
    let micros =
        unit.micros_of(number).or_else(nearest).ok_or("it is no time that PostgreSQL can hold")?;
    Ok((IsoText::Naive(micros), unit.number(micros, class) == Some(number)))
}

impl Clock {
    #[inline]
    fn parse(&self, cell: ValueRef<'_>) -> Result<(IsoText, IsoForm), Reason> {
        match (self, cell) {
            (Self::Compact(_), ValueRef::Integer(digits)) => IsoText::parse_compact_integer(digits),
            (Self::Compact(_), ValueRef::Text(bytes)) => IsoText::parse_compact(bytes),
            (Self::Ordered(order, _), ValueRef::Text(bytes)) => {
                IsoText::parse_ordered(bytes, *order)
            }
            (_, ValueRef::Text(bytes)) => IsoText::parse(bytes),
            (_, cell) => return Err(stray(cell)),
        }
        .map_err(Refusal::reason)
    }

    /// What a column of this clock takes it for.
    #[inline]
    fn meant(&mut self, read: IsoText) -> Result<IsoText, Reason> {
        match (self, read) {
            (Self::Offset | Self::Either(_), IsoText::Instant(_)) => Ok(read),
            (Self::Offset, _) => Err("it has no offset"),
            (_, IsoText::Instant(_)) => Err("it has an offset"),
            (Self::Wall(zone) | Self::Ordered(_, Some(zone)) | Self::Compact(Some(zone)), _) => {
                match zone.meaning(wall(read).ok_or("it has no date")?) {
                    Meaning::Never => Err(NEVER),
                    Meaning::Once(_) | Meaning::Twice(..) => Ok(read),
                }
            }
            (Self::Either(zone), _) => match zone.meaning(wall(read).ok_or("it has no date")?) {
                Meaning::Never => Err(NEVER),
                Meaning::Once(instant) | Meaning::Twice(instant, _) => {
                    Ok(IsoText::Instant(instant))
                }
            },
            _ => Ok(read),
        }
    }
}

/// Microseconds on a wall clock; a date alone means its midnight.
fn wall(text: IsoText) -> Option<i64> {
    match text {
        IsoText::Naive(micros) => Some(micros),
        IsoText::Date(days) => Some(i64::from(days) * DAY_MICROS),
        IsoText::Instant(_) | IsoText::Time(_) => None,
    }
}
