//! The Gregorian calendar: dates to days since 1970-01-01, and back.
//!
//! Years begin in March here, so that the leap day is a year's last.

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i32 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const DAYS_OF_400_YEARS: i32 = 146_097;

/// Days from 1970-01-01 to a date; none if there is no such day, or the year is not 1 or later.
#[inline]
pub(super) fn days(year: i32, month: u8, day: u8) -> Option<i32> {
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
    Some(march_year * 365 + leap_days + day_of_year - DAYS_TO_1970)
}

/// Year, month and day of so many days since 1970-01-01; none outside the years 1 to 9999.
#[inline]
pub(super) fn date(days: i32) -> Option<(i32, i32, i32)> {
    let days = days.checked_add(DAYS_TO_1970)?;
    let (cycle, day) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    // Each term takes out the leap days (of 4, 100 and 400 years) that came before this day.
    let year_of_cycle = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = cycle * 400 + year_of_cycle + i32::from(month <= 2);
    (1..=9999).contains(&year).then_some((year, month, day_of_month))
}

#[cfg(test)]
mod tests {
    use super::{date, days};
    use jiff::civil::Date;

    #[test]
    fn every_day_of_ten_thousand_years_is_the_one_of_an_independent_calendar() {
        let mut day = Date::constant(1, 1, 1);
        let mut count = days(1, 1, 1).unwrap();
        assert_eq!(date(count - 1), None);
        loop {
            let (year, month) = (day.year().into(), day.month().unsigned_abs());
            assert_eq!(days(year, month, day.day().unsigned_abs()), Some(count));
            assert_eq!(date(count), Some((year, day.month().into(), day.day().into())));
            count += 1;
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        assert_eq!(date(count), None);
        assert_eq!(date(i32::MAX), None);
        assert_eq!(date(i32::MIN), None);
    }
}
