//! Wall clocks as the text that SQLite databases hold: in UTC, and in Denver with its summer time.
//!
//! Computed here rather than asked of a time zone database, so that no file of the machine can change a row.

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// Appends `YYYY-MM-DD HH:MM:SS` in UTC, for years 0 to 9999.
pub(super) fn push_utc(out: &mut String, unix: i64) {
    let (year, month, day) = civil(unix.div_euclid(DAY));
    let second = unix.rem_euclid(DAY).cast_unsigned();
    push_pair(out, year.cast_unsigned() / 100);
    push_pair(out, year.cast_unsigned() % 100);
    for (separator, value) in [
        ('-', month.cast_unsigned()),
        ('-', day.cast_unsigned()),
        (' ', second / 3600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        out.push(separator);
        push_pair(out, value);
    }
}

/// Appends `YYYY-MM-DD HH:MM:SS` as a clock in Denver shows it, for 2007 and later.
pub(super) fn push_denver(out: &mut String, unix: i64) {
    push_utc(out, unix + denver_offset(unix));
}

/// Appends `.ffffff`.
pub(super) fn push_micros(out: &mut String, micros: u64) {
    out.push('.');
    push_pair(out, micros / 10_000 % 100);
    push_pair(out, micros / 100 % 100);
    push_pair(out, micros % 100);
}

/// Appends a whole number.
pub(super) fn push_number(out: &mut String, number: u64) {
    if number >= 100 {
        push_number(out, number / 100);
        push_pair(out, number % 100);
    } else {
        out.push_str(pair(number).trim_start_matches('0'));
        if number == 0 {
            out.push('0');
        }
    }
}

/// Seconds to add to UTC for a clock in Denver, by the rule that has held since 2007: summer time from the second
/// Sunday in March to the first in November, each at 02:00 of the clock that is about to end.
fn denver_offset(unix: i64) -> i64 {
    let (year, ..) = civil(unix.div_euclid(DAY));
    let begins = sunday_from(days(year, 3, 8)) * DAY + 9 * HOUR;
    let ends = sunday_from(days(year, 11, 1)) * DAY + 8 * HOUR;
    if (begins..ends).contains(&unix) { -6 * HOUR } else { -7 * HOUR }
}

/// The first Sunday at or after a day, both counted from 1970-01-01, which was a Thursday.
fn sunday_from(day: i64) -> i64 {
    day + (3 - day).rem_euclid(7)
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// The day, counted from 1970-01-01, of a date (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// Appends two digits.
fn push_pair(out: &mut String, number: u64) {
    out.push_str(pair(number));
}

/// The two digits of a number below 100.
fn pair(number: u64) -> &'static str {
    let start = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(2);
    PAIRS.get(start..start.saturating_add(2)).unwrap_or("00")
}

const PAIRS: &str = "\
    00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354\
    5556575859606162636465666768697071727374757677787980818283848586878889909192939495969798\
    99";

#[cfg(test)]
mod tests {
    use super::{denver_offset, push_denver, push_micros, push_number, push_utc};
    use jiff::{Timestamp, tz::TimeZone};

    /// What jiff, by the POSIX rule for US mountain time, says the clock shows.
    fn judge(unix: i64, zone: &TimeZone) -> String {
        zone.to_datetime(Timestamp::from_second(unix).unwrap())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    #[test]
    fn clocks_agree_with_jiff_at_every_hour_of_thirty_years() {
        let denver = TimeZone::posix("MST7MDT,M3.2.0,M11.1.0").unwrap();
        let mut offsets = std::collections::BTreeSet::new();
        for unix in (1_167_609_600..2_145_916_800).step_by(3600) {
            let (mut utc, mut local) = (String::new(), String::new());
            push_utc(&mut utc, unix);
            push_denver(&mut local, unix);
            assert_eq!(utc, judge(unix, &TimeZone::UTC));
            assert_eq!(local, judge(unix, &denver));
            offsets.insert(denver_offset(unix));
        }
        assert_eq!(offsets, [-7 * 3600, -6 * 3600].into());
    }

    #[test]
    fn dates_before_1970_and_at_the_ends_are_right() {
        for unix in [-62_135_596_800, -1, 0, 951_782_399, 951_782_400, 253_402_207_199] {
            let mut text = String::new();
            push_utc(&mut text, unix);
            assert_eq!(text, judge(unix, &TimeZone::UTC));
        }
    }

    #[test]
    fn numbers_are_written_without_padding_and_microseconds_with() {
        for number in [0, 7, 10, 99, 100, 101, 1000, 366_912_345, u64::MAX] {
            let mut text = String::new();
            push_number(&mut text, number);
            assert_eq!(text, number.to_string());
        }
        let mut text = String::new();
        push_micros(&mut text, 850_019);
        push_micros(&mut text, 7);
        assert_eq!(text, ".850019.000007");
    }
}
