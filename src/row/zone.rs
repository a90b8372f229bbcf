//! Wall clocks of a zone: which instant they mean, that some mean two and some none, and what they show at an instant.

use crate::error::{Class, Error, Result};
use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use std::ops::Range;

const MICROS_A_SECOND: i64 = 1_000_000;

/// What a wall clock means in its zone; instants are microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// One instant.
    Once(i64),
    /// Clocks were set back and showed it twice: the first of the two, and the second.
    Twice(i64, i64),
    /// Clocks were set forward and never showed it.
    Never,
}

/// A zone of the IANA database by its name.
///
/// # Errors
///
/// [`Class::Undecided`] where there is none of that name.
pub fn find(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|error| {
        Error::new(Class::Undecided, format!("there is no time zone `{name}`"))
            .todo("name a zone of the IANA database, for example \"America/Denver\" or \"UTC\"")
            .because(error)
    })
}

/// What `wall` (microseconds since 1970-01-01 00:00 on the zone's clocks) means.
///
/// For many wall clocks of one zone a [`Localizer`] is faster.
pub fn meaning(wall: i64, zone: &TimeZone) -> Meaning {
    // What lies beyond the calendar's ends was never shown by a clock.
    let Ok(as_if_utc) = Timestamp::from_microsecond(wall) else { return Meaning::Never };
    let civil = TimeZone::UTC.to_datetime(as_if_utc);
    let instant = |offset: Offset| offset.to_timestamp(civil).map(Timestamp::as_microsecond).ok();
    let found = match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => instant(offset).map(Meaning::Once),
        AmbiguousOffset::Fold { before, after } => {
            instant(before).zip(instant(after)).map(|(first, second)| Meaning::Twice(first, second))
        }
        AmbiguousOffset::Gap { .. } => None,
    };
    found.unwrap_or(Meaning::Never)
}

/// The wall clocks of one zone, for millions of them: remembers between which changes an offset holds.
#[derive(Debug, Clone)]
pub struct Localizer {
    zone: TimeZone,
    /// In the order of time, without overlap; as many as the values have needed, about two a year.
    spans: Vec<Span>,
    /// Where the last one was found.
    last: usize,
}

/// A time in which a zone's clocks were not set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    /// East of UTC.
    offset_micros: i64,
    /// Until the next change.
    instants: Range<i64>,
    /// What clocks showed in this time and in no other.
    walls: Range<i64>,
}

impl Localizer {
    /// For this zone.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, spans: Vec::new(), last: 0 }
    }

    /// What `wall` means, as [`meaning`] says.
    #[inline]
    pub fn meaning(&mut self, wall: i64) -> Meaning {
        if let Some(span) = self.known(|span| &span.walls, wall) {
            return Meaning::Once(wall - span.offset_micros);
        }
        let found = meaning(wall, &self.zone);
        if let Meaning::Once(instant) = found {
            self.learn(instant);
        }
        found
    }

    /// What clocks show at an instant, in microseconds since 1970-01-01 00:00; none beyond the calendar's ends.
    ///
    /// Less the instant this is the zone's offset then.
    #[inline]
    pub fn wall(&mut self, instant: i64) -> Option<i64> {
        if let Some(span) = self.known(|span| &span.instants, instant) {
            return Some(instant + span.offset_micros);
        }
        let offset = self.zone.to_offset(Timestamp::from_microsecond(instant).ok()?);
        self.learn(instant);
        Some(instant + micros(offset))
    }

    /// Between which instants the offset of an instant holds (in microseconds, east of UTC), where [`Self::wall`] was just
    /// asked for it.
    pub fn around(&self, instant: i64) -> Option<(Range<i64>, i64)> {
        let span = self.spans.get(self.last).filter(|span| span.instants.contains(&instant))?;
        Some((span.instants.clone(), span.offset_micros))
    }

    /// The span that has this time, the last one first: values come in runs.
    #[inline]
    fn known(&mut self, range: impl Fn(&Span) -> &Range<i64>, time: i64) -> Option<&Span> {
        let has = |span: &Span| range(span).contains(&time);
        if !self.spans.get(self.last).is_some_and(has) {
            let after = self.spans.partition_point(|span| range(span).start <= time);
            self.last = after.checked_sub(1)?;
        }
        self.spans.get(self.last).filter(|&span| has(span))
    }

    fn learn(&mut self, instant: i64) {
        let at = self.spans.partition_point(|span| span.instants.start <= instant);
        let is_known = at.checked_sub(1).and_then(|before| self.spans.get(before));
        if is_known.is_some_and(|span| span.instants.contains(&instant)) {
            return;
        }
        if let Some(span) = Span::around(instant, &self.zone) {
            self.spans.insert(at, span);
            self.last = at;
        }
    }
}

impl Span {
    /// The time between two changes of a zone's clocks in which an instant lies.
    fn around(instant: i64, zone: &TimeZone) -> Option<Self> {
        let time = Timestamp::from_microsecond(instant).ok()?;
        let offset = micros(zone.to_offset(time));
        // A change at this very instant belongs to what follows it.
        let after_time = time.checked_add(jiff::SignedDuration::from_micros(1)).ok()?;
        let began = zone.preceding(after_time).next().map(|change| change.timestamp());
        let ends = zone.following(time).next().map(|change| (change.timestamp(), change.offset()));
        // Without a change the span reaches as far as the calendar, less what keeps every sum within it.
        let (from, before) = match began {
            Some(began) => {
                let just_before = began.checked_sub(jiff::SignedDuration::from_micros(1)).ok()?;
                (began.as_microsecond(), micros(zone.to_offset(just_before)))
            }
            None => (Timestamp::MIN.as_microsecond(), offset),
        };
        let (to, after) = match ends {
            Some((ends, after)) => (ends.as_microsecond(), micros(after)),
            None => (Timestamp::MAX.as_microsecond(), offset),
        };
        // Where clocks were set back what they showed twice is left out, where they were set forward what they skipped.
        let walls = from + offset.max(before)..to + offset.min(after);
        Some(Self { offset_micros: offset, instants: from..to, walls })
    }
}

fn micros(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * MICROS_A_SECOND
}

#[cfg(test)]
mod tests {
    use super::{Localizer, Meaning, find, meaning};
    use jiff::Timestamp;
    use jiff::civil::{DateTime, date};
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000_000;

    /// Zones with summer time on either side of the year, by half an hour, at midnight, with Ramadan, below zero, with
    /// a lost day, a moved date line, two changes within weeks, and none at all.
    const ZONES: [&str; 16] = [
        "America/Denver",
        "Europe/Dublin",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Pacific/Kwajalein",
        "America/Santiago",
        "America/Sao_Paulo",
        "Asia/Tehran",
        "Asia/Kathmandu",
        "Africa/Monrovia",
        "Antarctica/Troll",
        "America/Scoresbysund",
        "Europe/Berlin",
        "Etc/GMT+5",
        "UTC",
    ];

    fn wall(time: DateTime) -> i64 {
        time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond()
    }

    #[test]
    fn a_wall_clock_means_the_instant_of_its_zone_and_season() {
        let denver = find("America/Denver").unwrap();
        let means = |time| meaning(wall(time), &denver);
        let west = |time, hours: i64| wall(time) + hours * HOUR;
        let summer = date(2025, 9, 15).at(6, 13, 18, 0);
        let winter = date(2025, 1, 15).at(6, 13, 18, 0);
        assert_eq!(means(summer), Meaning::Once(west(summer, 6)));
        assert_eq!(means(winter), Meaning::Once(west(winter, 7)));
    }

    #[test]
    fn hours_that_came_twice_or_never_are_told_apart() {
        let denver = find("America/Denver").unwrap();
        let twice = wall(date(2025, 11, 2).at(1, 30, 0, 0));
        assert_eq!(meaning(twice, &denver), Meaning::Twice(twice + 6 * HOUR, twice + 7 * HOUR));
        assert_eq!(meaning(wall(date(2025, 3, 9).at(2, 30, 0, 0)), &denver), Meaning::Never);
        assert_eq!(meaning(i64::MAX, &denver), Meaning::Never);
        // A day that Samoa went without.
        let apia = find("Pacific/Apia").unwrap();
        assert_eq!(meaning(wall(date(2011, 12, 30).at(12, 0, 0, 0)), &apia), Meaning::Never);
    }

    #[test]
    fn both_instants_of_an_hour_that_came_twice_show_the_same_clock() {
        let mut denver = Localizer::new(find("America/Denver").unwrap());
        let twice = wall(date(2025, 11, 2).at(1, 30, 0, 0));
        let Meaning::Twice(first, second) = denver.meaning(twice) else { panic!("came twice") };
        assert_eq!((denver.wall(first), denver.wall(second)), (Some(twice), Some(twice)));
        assert_eq!(second - first, HOUR);
    }

    #[test]
    fn a_run_of_wall_clocks_is_asked_of_the_zone_once() {
        let mut denver = Localizer::new(find("America/Denver").unwrap());
        let summer = wall(date(2025, 6, 1).at(0, 0, 0, 0));
        for minute in 0..60_000 {
            denver.meaning(summer + minute * 60_000_000);
        }
        assert_eq!(denver.spans.len(), 1);
    }

    #[test]
    fn a_zone_that_is_not_there_is_named() {
        assert!(find("Mars/Olympus").unwrap_err().to_string().contains("Mars/Olympus"));
    }

    /// Near the changes of a zone's clocks, where they matter, and anywhere in the calendar.
    fn any_times() -> impl Strategy<Value = (&'static str, Vec<i64>)> {
        let near = (-5_000_000_000_i64..5_000_000_000, -2 * 86_400_i64..2 * 86_400, any::<bool>());
        let anywhere = Timestamp::MIN.as_microsecond()..=Timestamp::MAX.as_microsecond();
        let time = prop_oneof![
            8 => near.prop_map(|(seconds, away, exact)| (Some(seconds), if exact { 0 } else { away * 1_000_000 })),
            1 => anywhere.prop_map(|micros| (None, micros)),
            1 => any::<i64>().prop_map(|micros| (None, micros)),
        ];
        (proptest::sample::select(&ZONES), proptest::collection::vec(time, 1..40)).prop_map(
            |(name, times)| {
                let zone = find(name).unwrap();
                let near = |seconds| {
                    let time = Timestamp::from_second(seconds).unwrap();
                    let change = zone.following(time).next();
                    let offset = i64::from(zone.to_offset(time).seconds()) * 1_000_000;
                    change.map_or(time, |change| change.timestamp()).as_microsecond() + offset
                };
                let times = times
                    .into_iter()
                    .map(|(base, away)| base.map_or(0, near).saturating_add(away))
                    .collect();
                (name, times)
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_the_zone_says((name, times) in any_times()) {
            let zone = find(name).unwrap();
            let mut localizer = Localizer::new(zone.clone());
            for time in times {
                prop_assert_eq!(localizer.meaning(time), meaning(time, &zone), "wall {} in {}", time, name);
                let offset = Timestamp::from_microsecond(time).ok().map(|time| zone.to_offset(time));
                let plain = offset.map(|offset| time + i64::from(offset.seconds()) * 1_000_000);
                prop_assert_eq!(localizer.wall(time), plain, "instant {} in {}", time, name);
            }
        }

        #[test]
        fn every_instant_goes_to_its_wall_clock_and_back((name, times) in any_times()) {
            let mut localizer = Localizer::new(find(name).unwrap());
            for instant in times {
                // At the calendar's very ends a wall clock may lie beyond it.
                let within = Timestamp::MIN.as_microsecond() + 48 * HOUR..Timestamp::MAX.as_microsecond() - 48 * HOUR;
                if !within.contains(&instant) {
                    continue;
                }
                let wall = localizer.wall(instant).unwrap();
                let means = localizer.meaning(wall);
                let is_meant = match means {
                    Meaning::Once(one) => one == instant,
                    Meaning::Twice(first, second) => first == instant || second == instant,
                    Meaning::Never => false,
                };
                prop_assert!(is_meant, "{} in {}: {:?}", instant, name, means);
            }
        }
    }
}
