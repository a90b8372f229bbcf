//! What a cell says what time it is, as its column takes it.

use super::{Reason, stray};
use crate::error::Result;
use crate::model::{CellShape, DateOrder, EpochUnit, IsoForm, Recast};
use crate::row::epoch::Number;
use crate::row::temporal::{IsoText, Refusal};
use crate::row::zone::{self, Localizer, Meaning};
use rusqlite::types::ValueRef;

/// Reads the cells of one column as dates or times.
pub(in super::super) struct Clock {
    written: Written,
    offsets: Offsets,
    walls: Walls,
}

/// How a time is written.
#[derive(Clone, Copy)]
enum Written {
    /// A count since some day.
    Epoch(EpochUnit),
    /// ISO text.
    Iso,
    /// Day, month and year in this order.
    Ordered(DateOrder),
    /// Digits without marks, as TEXT or INTEGER.
    Compact,
}

/// What becomes of texts with an offset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offsets {
    Refused,
    Taken,
    Demanded,
}

/// What becomes of wall clocks.
enum Walls {
    /// They stay what they are.
    Kept,
    /// The same, of a zone whose clocks must have shown them; the transform finds the instants.
    Shown(Localizer),
    /// They become instants of this zone.
    Instants(Localizer),
}

/// What a column takes a cell for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Told {
    /// One time.
    Once(IsoText),
    /// One of two instants at which clocks showed it: the first and the second.
    Twice(i64, i64),
}

/// What a cell says by itself: the time, and the form of a text.
pub(super) type Read = (IsoText, Option<IsoForm>);

impl Clock {
    /// For cells of this shape, which the transform recasts.
    pub(super) fn new(read: &CellShape, recast: &Recast) -> Result<Self> {
        let zone = |zone: &str| Ok::<_, crate::Error>(Localizer::new(zone::find(zone)?));
        let written = match read {
            CellShape::Epoch(unit) => Written::Epoch(*unit),
            CellShape::Ordered(order) => Written::Ordered(*order),
            CellShape::Compact => Written::Compact,
            _ => Written::Iso,
        };
        let offsets = match read {
            CellShape::IsoOffset => Offsets::Demanded,
            CellShape::IsoEither(_) => Offsets::Taken,
            _ => Offsets::Refused,
        };
        let walls = match (read, recast) {
            (CellShape::IsoEither(name), _) => Walls::Instants(zone(name)?),
            // The census saw that its clocks showed all of them.
            (CellShape::IsoNaive, _) => Walls::Kept,
            (_, Recast::Localize(name)) => Walls::Shown(zone(name)?),
            (_, Recast::Keep) => Walls::Kept,
        };
        Ok(Self { written, offsets, walls })
    }

    /// What a cell says by itself.
    #[inline]
    pub(super) fn read(&self, cell: ValueRef<'_>) -> Result<Read, Reason> {
        let read = match (self.written, cell) {
            (Written::Epoch(unit), cell) => return Ok((count(unit, cell)?, None)),
            (Written::Compact, ValueRef::Integer(digits)) => IsoText::parse_compact_integer(digits),
            (Written::Compact, ValueRef::Text(bytes)) => IsoText::parse_compact(bytes),
            (Written::Ordered(order), ValueRef::Text(bytes)) => {
                IsoText::parse_ordered(bytes, order)
            }
            (Written::Iso, ValueRef::Text(bytes)) => IsoText::parse(bytes),
            (_, cell) => return Err(stray(cell)),
        };
        read.map(|(time, form)| (time, Some(form))).map_err(Refusal::reason)
    }

    /// What the column takes that for.
    #[inline]
    pub(super) fn meant(&mut self, read: IsoText) -> Result<Told, Reason> {
        match (self.offsets, read) {
            (Offsets::Refused, IsoText::Instant(_)) => return Err("it has an offset"),
            (_, IsoText::Instant(_)) => return Ok(Told::Once(read)),
            (Offsets::Demanded, _) => return Err("it has no offset"),
            _ => {}
        }
        let (zone, kept) = match &mut self.walls {
            Walls::Kept => return Ok(Told::Once(read)),
            Walls::Shown(zone) => (zone, true),
            Walls::Instants(zone) => (zone, false),
        };
        match zone.meaning(wall(read).ok_or("it has no date")?) {
            Meaning::Never => Err(NEVER),
            Meaning::Once(_) | Meaning::Twice(..) if kept => Ok(Told::Once(read)),
            Meaning::Once(instant) => Ok(Told::Once(IsoText::Instant(instant))),
            Meaning::Twice(first, second) => Ok(Told::Twice(first, second)),
        }
    }
}

const DAY_MICROS: i64 = 86_400_000_000;
const NEVER: Reason = "the zone's clocks never showed this time";

fn count(unit: EpochUnit, cell: ValueRef<'_>) -> Result<IsoText, Reason> {
    let number = number(cell).ok_or_else(|| stray(cell))?;
    // A double may lie between two microseconds: the nearest is taken, and the double itself kept beside it.
    let nearest = || match number {
        Number::Integer(_) => None,
        Number::Real(count) => unit.nearest_micros(count),
    };
    let micros =
        unit.micros_of(number).or_else(nearest).ok_or("it is no time that PostgreSQL can hold")?;
    Ok(IsoText::Naive(micros))
}

/// The number that a cell is.
pub(super) fn number(cell: ValueRef<'_>) -> Option<Number> {
    match cell {
        ValueRef::Integer(count) => Some(Number::Integer(count)),
        ValueRef::Real(count) => Some(Number::Real(count)),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

/// Microseconds on a wall clock; a date alone means its midnight.
pub(super) fn wall(text: IsoText) -> Option<i64> {
    match text {
        IsoText::Naive(micros) => Some(micros),
        IsoText::Date(days) => Some(i64::from(days) * DAY_MICROS),
        IsoText::Instant(_) | IsoText::Time(_) => None,
    }
}
