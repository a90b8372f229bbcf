//! Dates and times: ISO text read strictly, without rounding and without a zone of ours, and PostgreSQL's epochs.
//!
//! Microseconds are counted from 1970-01-01 00:00 here and from 2000-01-01 on PostgreSQL's wire.

/// Days from 1970-01-01 to 2000-01-01.
pub const POSTGRES_EPOCH_DAYS: i32 = 10_957;
/// Microseconds from 1970-01-01 to 2000-01-01.
pub const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS as i64 * MICROS_A_DAY;

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// What ISO text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsoText {
    /// A date: days since 1970-01-01.
    Date(i32),
    /// A wall clock: microseconds since 1970-01-01 00:00 on that clock.
    Naive(i64),
    /// An instant: microseconds since 1970-01-01 00:00 UTC.
    Instant(i64),
}

impl IsoText {
    /// Reads `YYYY-MM-DD`, with `T` or one blank and `HH:MM[:SS[.ffffff]]`, with `Z`, `±HH`, `±HHMM` or `±HH:MM`.
    ///
    /// None for everything else: impossible dates, year 0, 24:00, leap seconds, more than six digits of a second.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.as_bytes().split_first_chunk::<10>()?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
        let year = i32::from(two(y0, y1)?) * 100 + i32::from(two(y2, y3)?);
        let days = days_since_1970(year, two(m0, m1)?, two(d0, d1)?)?;
        let Some((b'T' | b' ', clock)) = rest.split_first() else {
            return rest.is_empty().then_some(Self::Date(days));
        };
        let (micros, zone) = clock_micros(clock)?;
        let wall = i64::from(days) * MICROS_A_DAY + micros;
        match zone {
            [] => Some(Self::Naive(wall)),
            zone => Some(Self::Instant(wall - offset_seconds(zone)? * MICROS_A_SECOND)),
        }
    }
}

/// Reads two digits.
fn two(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// Reads `HH:MM[:SS[.ffffff]]` and gives microseconds since midnight and what follows.
fn clock_micros(clock: &[u8]) -> Option<(i64, &[u8])> {
    let (hour_minute, rest) = clock.split_first_chunk::<5>()?;
    let [h0, h1, b':', m0, m1] = *hour_minute else { return None };
    let (hour, minute) = (two(h0, h1)?, two(m0, m1)?);
    let (second, fraction, rest) = match rest {
        [b':', s0, s1, b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, rest) = rest.split_at_checked(digits)?;
            (two(*s0, *s1)?, fraction_micros(digits)?, rest)
        }
        [b':', s0, s1, rest @ ..] => (two(*s0, *s1)?, 0, rest),
        rest => (0, 0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some((seconds * MICROS_A_SECOND + fraction, rest))
}

/// Reads one to six digits of a second; more than six cannot be stored without rounding.
fn fraction_micros(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 6 {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((digits.len()..6).fold(value, |value, _| value * 10))
}

/// Reads `Z`, `±HH`, `±HHMM` or `±HH:MM` as seconds east of Greenwich.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, digits) = zone.split_first()?;
    let (hours, minutes) = match (sign, digits) {
        (b'Z' | b'z', []) => return Some(0),
        (b'+' | b'-', [h0, h1]) => (two(*h0, *h1)?, 0),
        (b'+' | b'-', [h0, h1, m0, m1] | [h0, h1, b':', m0, m1]) => {
            (two(*h0, *h1)?, two(*m0, *m1)?)
        }
        _ => return None,
    };
    if hours > 15 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    Some(if *sign == b'-' { -seconds } else { seconds })
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; none if there is no such day.
///
/// Years begin in March here, so that the leap day is a year's last.
fn days_since_1970(year: i32, month: u8, day: u8) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year < 1 || day < 1 || day > month_days {
        return None;
    }
    let march_year = if month > 2 { year } else { year - 1 };
    let march_month = (i32::from(month) + 9) % 12;
    let day_of_year = (153 * march_month + 2) / 5 + i32::from(day) - 1;
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    Some(march_year * 365 + leap_days + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::IsoText;
    use jiff::Timestamp;
    use jiff::civil::{Date, DateTime};
    use proptest::prelude::*;

    #[test]
    fn each_shape_is_read_as_what_it_is() {
        assert_eq!(IsoText::parse("1970-01-01"), Some(IsoText::Date(0)));
        assert_eq!(IsoText::parse("2000-01-01"), Some(IsoText::Date(super::POSTGRES_EPOCH_DAYS)));
        assert_eq!(IsoText::parse("1970-01-01 00:01"), Some(IsoText::Naive(60_000_000)));
        assert_eq!(IsoText::parse("1970-01-01T00:00:00.5"), Some(IsoText::Naive(500_000)));
        assert_eq!(IsoText::parse("1970-01-01T02:00:00+02:00"), Some(IsoText::Instant(0)));
        assert_eq!(IsoText::parse("1969-12-31 18:00:00-0600"), Some(IsoText::Instant(0)));
        assert_eq!(IsoText::parse("1970-01-01T00:00:00Z"), Some(IsoText::Instant(0)));
    }

    #[test]
    fn what_cannot_be_stored_as_it_is_is_refused() {
        for text in [
            "",
            "2025",
            "2025-02-30",
            "0000-00-00",
            "0000-01-01",
            "2025-1-1",
            "2025-01-01 24:00:00",
            "2025-01-01 23:59:60",
            "2025-01-01 00:00:00.1234567",
            "2025-01-01 00:00:00.",
            "2025-01-01  00:00:00",
            "2025-01-01 00:00:00 UTC",
            "2025-01-01 00:00:00+",
            "20250101",
            "+010000-01-01",
            "2025-01-01 00:00:00+16:00",
            "٢٠٢٥-01-01",
        ] {
            assert_eq!(IsoText::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_independent_calendar_agrees(seconds in -62_135_596_800_i64..253_402_300_799, micros in 0_i64..1_000_000) {
            let instant = Timestamp::from_microsecond(seconds * 1_000_000 + micros).unwrap();
            let civil = jiff::tz::TimeZone::UTC.to_datetime(instant);
            prop_assert_eq!(IsoText::parse(&instant.to_string()), Some(IsoText::Instant(instant.as_microsecond())));
            prop_assert_eq!(IsoText::parse(&civil.to_string()), Some(IsoText::Naive(instant.as_microsecond())));
        }

        #[test]
        fn any_text_that_is_read_is_a_real_date(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}") {
            let real = text.parse::<Date>().ok().filter(|date| date.year() > 0);
            prop_assert_eq!(IsoText::parse(&text).is_some(), real.is_some());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            if let Some(IsoText::Naive(_)) = IsoText::parse(&text) {
                prop_assert!(text.replace(' ', "T").parse::<DateTime>().is_ok());
            }
        }
    }
}
