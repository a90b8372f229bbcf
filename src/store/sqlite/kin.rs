//! The search for columns that belong together: wall clocks of some zone, and numbers that count the same times.
//!
//! A pair is given up at the first row that contradicts it in every zone, so that the search costs next to nothing where
//! there is nothing to find.

use super::wide::Seen;
use crate::model::{EpochUnit, Kin, Probe, SourceTable, TableEvidence};
use crate::row::temporal::IsoText;
use crate::row::zone::{self, Localizer};
use rusqlite::types::ValueRef;
use std::ops::Range;

/// Units in which an application counts, and how finely.
const UNITS: [(EpochUnit, i64); 3] = [
    (EpochUnit::Seconds, 1_000_000),
    (EpochUnit::Milliseconds, 1_000),
    (EpochUnit::Microseconds, 1),
];
/// No clock is farther from UTC.
const OFFSET_MAX_MICROS: u64 = 16 * 3_600_000_000;

/// Wall clocks, and numbers that may count them.
pub(super) struct Pair {
    position: usize,
    beside: usize,
    /// None before the first row that has both.
    fits: Option<Fits>,
    differs: bool,
}

/// In what the rows agree so far.
struct Fits {
    unit: EpochUnit,
    precision: i64,
    zones: Vec<(String, Localizer)>,
    /// Between which instants all these zones have one offset, as most that agree have, and which.
    alike: Option<(Range<i64>, i64)>,
    rows: u64,
}

impl Pair {
    /// Those of a table that the probes ask for.
    pub(super) fn all(table: &SourceTable, probes: &[Probe]) -> Vec<Self> {
        let asked = probes.iter().enumerate().filter(|(_, probe)| probe.kin);
        let pairs = asked.flat_map(|(position, _)| {
            let others = (0..table.columns.len()).filter(move |&beside| beside != position);
            others.map(move |beside| Self { position, beside, fits: None, differs: false })
        });
        pairs.collect()
    }

    /// Looks at a row.
    pub(super) fn look_at(&mut self, row: &Seen<'_>) -> rusqlite::Result<()> {
        if self.differs {
            return Ok(());
        }
        let (clock, count) = match (row.cell(self.position)?, row.cell(self.beside)?) {
            (ValueRef::Null, _) | (_, ValueRef::Null) => return Ok(()),
            (ValueRef::Text(clock), ValueRef::Integer(count)) => (clock, count),
            _ => {
                self.differs = true;
                return Ok(());
            }
        };
        self.differs = match IsoText::parse(clock) {
            Ok((IsoText::Naive(wall), _)) => !self.fit(wall, count),
            _ => true,
        };
        Ok(())
    }

    /// What came of it.
    pub(super) fn note(self, table: &SourceTable, evidence: &mut TableEvidence) {
        let Some(column) = evidence.columns.get_mut(self.position) else { return };
        let Some(beside) = table.columns.get(self.beside) else { return };
        let kin = match self.fits {
            _ if self.differs => Kin::Differs,
            None => Kin::Unseen,
            Some(Fits { unit, zones, rows, .. }) => {
                Kin::Agrees { unit, zones: zones.into_iter().map(|(name, _)| name).collect(), rows }
            }
        };
        column.kin.insert(beside.name.clone(), kin);
    }

    /// Whether there are still zones in which all rows agree.
    fn fit(&mut self, wall: i64, count: i64) -> bool {
        if self.fits.is_none() {
            self.fits = Fits::first(wall, count);
        }
        self.fits.as_mut().is_some_and(|fits| fits.fit(wall, count))
    }
}

impl Fits {
    /// The unit in which a number is near to a clock, and every zone.
    fn first(wall: i64, count: i64) -> Option<Self> {
        let near = |unit: EpochUnit| {
            unit.micros(count).is_some_and(|micros| micros.abs_diff(wall) <= OFFSET_MAX_MICROS)
        };
        let (unit, precision) = UNITS.into_iter().find(|&(unit, _)| near(unit))?;
        let names = jiff::tz::db().available();
        let zone = |name: &str| Some((name.into(), Localizer::new(zone::find(name).ok()?)));
        let zones = names.filter_map(|name| zone(name.as_str())).collect();
        Some(Self { unit, precision, zones, alike: None, rows: 0 })
    }

    fn fit(&mut self, wall: i64, count: i64) -> bool {
        let Some(instant) = self.unit.micros(count) else { return false };
        let precision = self.precision;
        let agrees = |shown: i64| shown.div_euclid(precision) == wall.div_euclid(precision);
        self.rows += 1;
        if let Some((instants, offset)) = &self.alike
            && instants.contains(&instant)
        {
            return agrees(instant + offset);
        }
        self.zones.retain_mut(|(_, zone)| zone.wall(instant).is_some_and(agrees));
        self.alike = self.alike_around(instant);
        !self.zones.is_empty()
    }

    fn alike_around(&self, instant: i64) -> Option<(Range<i64>, i64)> {
        let mut all = self.zones.iter().map(|(_, zone)| zone.around(instant));
        let first = all.next()??;
        all.try_fold(first, |(instants, offset), zone| {
            let (others, other) = zone?;
            let both = instants.start.max(others.start)..instants.end.min(others.end);
            (offset == other).then_some((both, offset))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Fits;
    use crate::row::zone::{self, Localizer};
    use std::collections::BTreeSet;

    const SECOND: i64 = 1_000_000;

    fn clocks(zone: &str) -> Localizer {
        Localizer::new(zone::find(zone).unwrap())
    }

    #[test]
    fn those_zones_are_left_whose_clocks_showed_every_row() {
        for name in ["America/Denver", "UTC", "Asia/Kathmandu"] {
            let mut zone = clocks(name);
            // Every few hours of two years and more, so that clocks are set forward and back.
            let counts = (0..2000).map(|step| 1_700_000_000 + step * 3600 * 9);
            let rows: Vec<_> =
                counts.map(|count| (zone.wall(count * SECOND).unwrap(), count)).collect();
            let mut fits = Fits::first(rows[0].0, rows[0].1).unwrap();
            let all: Vec<_> = fits.zones.iter().map(|(name, _)| name.clone()).collect();
            assert!(rows.iter().all(|&(wall, count)| fits.fit(wall, count)), "{name}");
            let left: BTreeSet<_> = fits.zones.iter().map(|(name, _)| name.clone()).collect();
            let shows_all = |name: &&String| {
                let mut other = clocks(name);
                rows.iter().all(|&(wall, count)| other.wall(count * SECOND) == Some(wall))
            };
            assert_eq!(left, all.iter().filter(shows_all).cloned().collect(), "{name}");
            assert!(left.contains(name) && left.len() < all.len());
            let (wall, count) = rows[rows.len() - 1];
            assert!(fits.fit(wall, count));
            assert!(!fits.fit(wall + SECOND, count), "{name}: no clock shows that");
        }
    }
}
