//! Wall clocks of a zone: which instant they mean, and that some mean two and some none.

use crate::error::{Class, Error, Result};
use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// What a wall clock means in its zone; instants are microseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// One instant.
    Once(i64),
    /// Clocks were set back and showed it twice; the first of the two.
    Twice(i64),
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
pub fn meaning(wall: i64, zone: &TimeZone) -> Meaning {
    // What lies beyond the calendar's ends was never shown by a clock.
    let Ok(as_if_utc) = Timestamp::from_microsecond(wall) else { return Meaning::Never };
    let ambiguous = zone.to_ambiguous_timestamp(TimeZone::UTC.to_datetime(as_if_utc));
    let twice = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => false,
        AmbiguousOffset::Fold { .. } => true,
        AmbiguousOffset::Gap { .. } => return Meaning::Never,
    };
    match ambiguous.earlier().map(Timestamp::as_microsecond) {
        Ok(instant) if twice => Meaning::Twice(instant),
        Ok(instant) => Meaning::Once(instant),
        Err(_beyond_the_calendar) => Meaning::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::{Meaning, find, meaning};
    use jiff::civil::{DateTime, date};

    fn wall(time: DateTime) -> i64 {
        time.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_microsecond()
    }

    #[test]
    fn a_wall_clock_means_the_instant_of_its_zone_and_season() {
        let denver = find("America/Denver").unwrap();
        let means = |time| meaning(wall(time), &denver);
        let west = |time, hours: i64| wall(time) + hours * 3_600_000_000;
        let summer = date(2025, 9, 15).at(6, 13, 18, 0);
        let winter = date(2025, 1, 15).at(6, 13, 18, 0);
        assert_eq!(means(summer), Meaning::Once(west(summer, 6)));
        assert_eq!(means(winter), Meaning::Once(west(winter, 7)));
    }

    #[test]
    fn hours_that_came_twice_or_never_are_told_apart() {
        let denver = find("America/Denver").unwrap();
        let twice = date(2025, 11, 2).at(1, 30, 0, 0);
        assert_eq!(meaning(wall(twice), &denver), Meaning::Twice(wall(twice) + 6 * 3_600_000_000));
        assert_eq!(meaning(wall(date(2025, 3, 9).at(2, 30, 0, 0)), &denver), Meaning::Never);
        assert_eq!(meaning(i64::MAX, &denver), Meaning::Never);
    }

    #[test]
    fn a_zone_that_is_not_there_is_named() {
        assert!(find("Mars/Olympus").unwrap_err().to_string().contains("Mars/Olympus"));
    }
}
