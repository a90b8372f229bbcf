//! Dates and times: text read strictly, without rounding and without a zone of ours, and written again as it was.
//!
//! [`IsoText::parse`] takes what can mean one thing only; what must be asked for (a day before its month, digits
//! without marks) has its own readers. Each gives the value and its [`IsoForm`](crate::model::IsoForm), which writes
//! the very text again. Microseconds are counted from 1970-01-01 00:00 here and from 2000-01-01 on PostgreSQL's wire.

mod calendar;
mod ordered;
#[cfg(test)]
mod properties;
mod read;
mod tally;
#[cfg(test)]
mod tests;
mod write;

pub use ordered::Orders;
pub use tally::IsoTally;

use std::fmt;

/// Days from 1970-01-01 to 2000-01-01.
pub const POSTGRES_EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS as i64 * MICROS_A_DAY;

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_MINUTE: i64 = 60 * MICROS_A_SECOND;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// What the text of a date or a time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsoText {
    /// A date: days since 1970-01-01.
    Date(i32),
    /// A time of day: microseconds since midnight.
    Time(i64),
    /// A wall clock: microseconds since 1970-01-01 00:00 on that clock.
    Naive(i64),
    /// An instant: microseconds since 1970-01-01 00:00 UTC.
    Instant(i64),
}

/// Why a text is no date and no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is nothing in it.
    Empty,
    /// It is not written like any date or time here.
    Shape,
    /// The calendar has no such day: 2025-02-30, 0000-00-00, or the year 0.
    Day,
    /// No clock shows it: 24:00, 12:60, or a leap second. PostgreSQL would take the next day or minute, and keep 24:00
    /// as a `time`.
    Clock,
    /// It needs more than six digits of a second. PostgreSQL would round.
    Fraction,
    /// There is no such offset: 16 hours or more, or 60 minutes.
    Offset,
}

impl Refusal {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Empty => "an empty text",
            Self::Shape => "not written like a date or a time",
            Self::Day => "a day that the calendar does not have",
            Self::Clock => "a time that no clock shows",
            Self::Fraction => "a second with more than six digits after the point",
            Self::Offset => "an offset of 16 hours or more, or of 60 minutes",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
