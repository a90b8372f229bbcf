//! Whether another column of the row tells the same instant: one rule for the census, which counts, and for the reader.

use super::super::batch::raw;
use super::clock::{Clock, Told};
use crate::error::Result;
use crate::model::Witness;
use jiff::Timestamp;
use rusqlite::types::ValueRef;

/// Reads the other column.
pub(in super::super) struct WitnessReader {
    clock: Clock,
    precision: i64,
    said: String,
}

/// What the other column says of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// The same, or nothing where there is nothing to decide.
    Stands(i64),
    /// Which of two instants it is.
    Decided(i64),
    /// Not which of two instants it is: the first.
    Open(i64),
    /// Something else.
    Differs,
}

impl WitnessReader {
    pub(in super::super) fn new(witness: &Witness) -> Result<Self> {
        let clock = Clock::of_instants(&witness.telling)?;
        Ok(Self { clock, precision: witness.precision(), said: witness.said.clone() })
    }

    /// Compares what a cell tells with the cell beside it.
    pub(in super::super) fn judge(&mut self, told: Told, beside: ValueRef<'_>) -> Verdict {
        let others = match beside {
            ValueRef::Null => None,
            // What tells no time cannot tell this one.
            beside => match self.clock.tell_below(beside) {
                Ok(others) => Some(others),
                Err(_reason) => return Verdict::Differs,
            },
        };
        let unit = |micros: i64| micros.div_euclid(self.precision);
        let same = |micros: i64| {
            others.map(|others| others.instants().any(|other| unit(other) == unit(micros)))
        };
        let mut instants = told.instants();
        match (instants.next(), instants.next()) {
            (Some(only), None) if same(only) != Some(false) => Verdict::Stands(only),
            (Some(first), Some(second)) => match (same(first), same(second)) {
                (Some(true), Some(false)) => Verdict::Decided(first),
                (Some(false), Some(true)) => Verdict::Decided(second),
                (Some(false), Some(false)) => Verdict::Differs,
                _ => Verdict::Open(first),
            },
            _ => Verdict::Differs,
        }
    }

    /// The instant that a cell tells, beside this one.
    ///
    /// # Errors
    ///
    /// Why they are not the same.
    pub(super) fn agreed(&mut self, told: Told, beside: ValueRef<'_>) -> Result<i64, String> {
        match self.judge(told, beside) {
            Verdict::Stands(instant) | Verdict::Decided(instant) | Verdict::Open(instant) => {
                Ok(instant)
            }
            Verdict::Differs => Err(self.contradiction(told, beside)),
        }
    }

    /// Why they are not the same, with both.
    #[cold]
    fn contradiction(&mut self, told: Told, beside: ValueRef<'_>) -> String {
        let (own, cell) = (shown(told), raw(beside));
        let theirs = self.clock.tell_below(beside).map_or_else(Into::into, shown);
        format!("it means {own}, and `{}` is {cell} ({theirs})", self.said)
    }
}

fn shown(told: Told) -> String {
    let shown = |micros| {
        Timestamp::from_microsecond(micros)
            .map_or_else(|_beyond| format!("{micros} us since 1970"), |time| time.to_string())
    };
    told.instants().map(shown).collect::<Vec<_>>().join(" or ")
}
