//! What a cell says what time it is, as its column takes it.

use super::{Reason, stray};
use crate::error::Result;
use crate::model::{CellShape, DateOrder, EpochUnit, IsoForm, Recast, Telling};
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

impl Told {
    /// What is taken where nothing else decides.
    #[inline]
    pub(super) fn first(self) -> IsoText {
        match self {
            Self::Once(time) => time,
            Self::Twice(first, _) => IsoText::Instant(first),
        }
    }

    /// The instants that it can be, in order; none for what is no instant.
    pub(super) fn instants(self) -> impl Iterator<Item = i64> + Clone {
        let (first, second) = match self {
            Self::Once(IsoText::Instant(micros) | IsoText::Naive(micros)) => (Some(micros), None),
            Self::Once(IsoText::Date(_) | IsoText::Time(_)) => (None, None),
            Self::Twice(first, second) => (Some(first), Some(second)),
        };
        first.into_iter().chain(second)
    }
}

/// What a cell says by itself: the time, and the form of a text.
pub(super) type Read = (IsoText, Option<IsoForm>);

impl Clock {
    /// For cells of this shape, of which the transform is still to recast wall clocks.
    pub(super) fn new(read: &CellShape, recast: &Recast) -> Result<Self> {
        Self::of(read, recast, false)
    }

    /// For cells that tell instants, wall clocks included.
    pub(in super::super) fn of_instants(telling: &Telling) -> Result<Self> {
        Self::of(&telling.read, &telling.recast, true)
    }

    fn of(read: &CellShape, recast: &Recast, instants: bool) -> Result<Self> {
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
            (_, Recast::Localize(name)) if instants => Walls::Instants(zone(name)?),
            // Of the others the census saw that the zone's clocks showed them all.
            (_, Recast::Localize(name)) if *read != CellShape::IsoNaive => {
                Walls::Shown(zone(name)?)
            }
            _ => Walls::Kept,
        };
        Ok(Self { written, offsets, walls })
    }

    /// What a cell tells.
    pub(in super::super) fn tell(&mut self, cell: ValueRef<'_>) -> Result<Told, Reason> {
        let (read, _form) = self.read(cell)?;
        self.meant(read)
    }

    /// The same of a cell that is only compared: of nanoseconds those beyond a microsecond are left out.
    pub(super) fn tell_below(&mut self, cell: ValueRef<'_>) -> Result<Told, Reason> {
        if let (Written::Epoch(unit), ValueRef::Integer(count)) = (self.written, cell)
            && let Some(micros) = unit.micros_below(count)
        {
            return Ok(Told::Once(IsoText::Naive(micros)));
        }
        self.tell(cell)
    }

    /// What a cell says by itself.
    #[expect(clippy::inline_always, reason = "called for each date")]
    #[inline(always)]
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
    #[expect(clippy::inline_always, reason = "called for each date")]
    #[inline(always)]
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
