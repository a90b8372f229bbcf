//! Counts since some day as times, and back as they were: integers exactly, doubles only where they go back.
//!
//! A double is read as the nearest microsecond and taken only if that microsecond gives the very same double again, so
//! that nothing of it is lost. A double of unix seconds has steps of a quarter of a microsecond today: what a program
//! computed from nanoseconds mostly lies between two microseconds, and is refused.

use crate::model::{EpochUnit, FIRST_STORABLE, NumberClass};

/// Names in the pipeline file.
const NAMES: [(&str, EpochUnit); 7] = [
    ("unix_s", EpochUnit::Seconds),
    ("unix_ms", EpochUnit::Milliseconds),
    ("unix_us", EpochUnit::Microseconds),
    ("unix_ns", EpochUnit::Nanoseconds),
    ("julian", EpochUnit::JulianDays),
    ("core_data", EpochUnit::CoreData),
    ("webkit", EpochUnit::Webkit),
];

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_MILLISECOND: i64 = 1_000;
/// 1990-01-01 and 2100-01-01 00:00 UTC: what an application has written lies between them.
const PLAUSIBLE: (i64, i64) = (631_152_000 * MICROS_A_SECOND, 4_102_444_800 * MICROS_A_SECOND);
/// 2008-01-01, and when Core Data's seconds come to ten digits (2032-09-09 01:46:40 UTC), as unix seconds have had
/// since 2001: up to then the number of digits tells the two apart, but for unix seconds before 2001.
const PLAUSIBLE_CORE_DATA: (i64, i64) =
    (1_199_145_600 * MICROS_A_SECOND, 1_978_307_200 * MICROS_A_SECOND);

/// A number as SQLite stores it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
}

impl EpochUnit {
    /// The unit that a pipeline file's `from` names.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|&(_, unit)| unit)
    }

    /// The unit as a pipeline file's `from` names it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|&&(_, unit)| unit == self).map_or("", |(name, _)| name)
    }

    /// A REAL as microseconds since 1970, if PostgreSQL can hold them and [`real`](Self::real) gives this very double.
    ///
    /// Doubles of Julian days have steps of 40 microseconds, those of far seconds of two: of the microseconds that give
    /// such a double a whole millisecond is taken, which SQLite's own functions meant.
    pub fn micros_of_real(self, value: f64) -> Option<i64> {
        let nearest = self.nearest_micros(value)?;
        let goes_back = |&micros: &i64| self.real(micros).to_bits() == value.to_bits();
        let millisecond = nearest
            .checked_add(MICROS_A_MILLISECOND / 2)
            .map(|micros| micros - micros.rem_euclid(MICROS_A_MILLISECOND));
        millisecond.filter(goes_back).or_else(|| Some(nearest).filter(goes_back))
    }

    /// The microsecond since 1970 that is nearest to a REAL, whether or not it goes back; none for what PostgreSQL
    /// cannot hold.
    pub fn nearest_micros(self, value: f64) -> Option<i64> {
        let (factor, divisor, zero) = self.scale();
        let (mantissa, exponent) = parts(value)?;
        // 53 bits times at most 37.
        let product = mantissa * i128::from(factor);
        let shift = exponent.unsigned_abs();
        let micros = if exponent >= 0 {
            // More bits than these are beyond every time, whatever the factor.
            let shifted =
                product.checked_mul(1_i128.checked_shl(shift).filter(|_| shift <= 64)?)?;
            rounded(shifted, i128::from(divisor))
        } else if shift <= 110 {
            rounded(product, i128::from(divisor) << shift)
        } else {
            // All of it is less than half of a microsecond.
            0
        };
        let micros = i64::try_from(micros.checked_add(i128::from(zero))?).ok()?;
        (micros >= FIRST_STORABLE).then_some(micros)
    }

    /// The double nearest to a time in microseconds since 1970, counted in this unit.
    pub fn real(self, micros: i64) -> f64 {
        let (factor, divisor, zero) = self.scale();
        let count = (i128::from(micros) - i128::from(zero)) * i128::from(divisor);
        quotient(count, factor.unsigned_abs())
    }

    /// The whole count that is this time, if there is one.
    pub fn integer(self, micros: i64) -> Option<i64> {
        let (factor, divisor, zero) = self.scale();
        let count = (i128::from(micros) - i128::from(zero)) * i128::from(divisor);
        let factor = i128::from(factor);
        (count % factor == 0).then(|| i64::try_from(count / factor).ok())?
    }

    /// What a column of this class writes for a time, if that reads back as the same time.
    ///
    /// Times that the column itself gave always do; others may lie between two doubles.
    pub fn number(self, micros: i64, class: NumberClass) -> Option<Number> {
        let whole = || self.integer(micros).filter(|_| class == NumberClass::Integer);
        whole().map(Number::Integer).or_else(|| {
            let real = self.real(micros);
            (self.micros_of_real(real) == Some(micros)).then_some(Number::Real(real))
        })
    }

    /// A number of this unit as microseconds since 1970, if nothing of it is lost.
    pub fn micros_of(self, number: Number) -> Option<i64> {
        match number {
            Number::Integer(count) => self.micros(count),
            Number::Real(value) => self.micros_of_real(value),
        }
    }

    /// The units in which all numbers of a range are times that an application may have written: from 1990 to 2100, for
    /// Core Data from 2008 to September 2032.
    ///
    /// One is clear. Two are ambiguous, which are seconds since 1970 before September 2001 and Core Data's from 2020
    /// on. None is no epoch, or one with values such as 0 that stand for something else.
    pub fn candidates(least: Number, greatest: Number) -> Vec<Self> {
        let all = NAMES.iter().map(|&(_, unit)| unit);
        all.filter(|&unit| {
            let (first, end) = match unit {
                Self::CoreData => PLAUSIBLE_CORE_DATA,
                _ => PLAUSIBLE,
            };
            let time = |number| match number {
                Number::Integer(count) => unit.micros_below(count),
                Number::Real(value) => unit.nearest_micros(value),
            };
            time(least).is_some_and(|time| time >= first)
                && time(greatest).is_some_and(|time| time < end)
        })
        .collect()
    }

    /// A count in whole microseconds, what is less left out.
    pub(crate) fn micros_below(self, count: i64) -> Option<i64> {
        let (_, divisor, _) = self.scale();
        self.micros(count.checked_sub(count.rem_euclid(divisor))?)
    }
}

/// A finite double as `mantissa × 2^exponent`, with an odd mantissa or none.
fn parts(value: f64) -> Option<(i128, i32)> {
    if !value.is_finite() {
        return None;
    }
    let bits = value.to_bits();
    let exponent = i32::try_from((bits >> 52) & 0x7ff).ok()?;
    let fraction = i128::from(bits & ((1 << 52) - 1));
    let (mantissa, exponent) =
        if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    let zeros = if mantissa == 0 { 0 } else { mantissa.trailing_zeros() };
    let exponent = if mantissa == 0 { 0 } else { exponent + i32::try_from(zeros).ok()? };
    let mantissa = mantissa >> zeros;
    Some((if value.is_sign_negative() { -mantissa } else { mantissa }, exponent))
}

/// The whole number nearest to a quotient.
fn rounded(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    if rest >= divisor - rest { quotient + 1 } else { quotient }
}

/// The double nearest to a quotient, as exact division and one rounding give it.
fn quotient(dividend: i128, divisor: u64) -> f64 {
    /// Every whole number up to this is a double.
    const EXACT: u128 = 1 << 53;
    let magnitude = dividend.unsigned_abs();
    #[expect(clippy::cast_precision_loss, reason = "whole numbers that doubles hold")]
    let positive = if magnitude <= EXACT && u128::from(divisor) <= EXACT {
        magnitude as f64 / divisor as f64
    } else {
        // With more than 54 bits of the quotient, and one that says whether anything is left, rounding to 53 bits is
        // rounding the quotient itself. The dividend has 54 bits or more and the divisor 37 or less.
        let shift = magnitude.leading_zeros().min(40);
        let (whole, rest) = (
            (magnitude << shift) / u128::from(divisor),
            (magnitude << shift) % u128::from(divisor),
        );
        let sticky = u128::from(rest != 0);
        (whole | sticky) as f64 / (1_u64 << shift) as f64
    };
    if dividend < 0 { -positive } else { positive }
}

#[cfg(test)]
mod tests {
    use super::{EpochUnit, NAMES, Number, quotient};
    use crate::model::NumberClass;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn micros(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    const NOON: &str = "2025-01-31T12:00:00Z";

    #[test]
    fn noon_of_a_day_is_this_number_in_each_unit() {
        for (unit, integer, real) in [
            (EpochUnit::Seconds, 1_738_324_800, 1_738_324_800.0),
            (EpochUnit::Milliseconds, 1_738_324_800_000, 1_738_324_800_000.0),
            (EpochUnit::Microseconds, 1_738_324_800_000_000, 1_738_324_800_000_000.0),
            (EpochUnit::Nanoseconds, 1_738_324_800_000_000_000, 1_738_324_800_000_000_000.0),
            (EpochUnit::JulianDays, 2_460_707, 2_460_707.0),
            (EpochUnit::CoreData, 760_017_600, 760_017_600.0),
            (EpochUnit::Webkit, 13_382_798_400_000_000, 13_382_798_400_000_000.0),
        ] {
            let noon = micros(NOON);
            assert_eq!(unit.micros(integer), Some(noon), "{unit:?}");
            assert_eq!(unit.micros_of_real(real), Some(noon), "{unit:?}");
            assert_eq!(unit.number(noon, NumberClass::Integer), Some(Number::Integer(integer)));
            assert_eq!(unit.number(noon, NumberClass::Real), Some(Number::Real(real)));
            let found = EpochUnit::candidates(Number::Integer(integer), Number::Integer(integer));
            assert!(found.contains(&unit), "{unit:?} among {found:?}");
            assert_eq!(EpochUnit::parse(unit.name()), Some(unit));
        }
        assert_eq!(EpochUnit::parse("unix"), None);
    }

    #[test]
    fn what_is_lost_in_whole_microseconds_is_refused() {
        assert_eq!(EpochUnit::Nanoseconds.micros(1_738_324_800_000_000_001), None);
        assert_eq!(
            EpochUnit::Seconds.micros_of_real(1_738_324_800.123_456),
            Some(micros(NOON) + 123_456)
        );
        // The double next to it is nearest to the same microsecond.
        let between = 1_738_324_800.123_456_f64.next_up();
        assert_eq!(EpochUnit::Seconds.nearest_micros(between), Some(micros(NOON) + 123_456));
        assert_eq!(EpochUnit::Seconds.micros_of_real(between), None);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, -1e300, 5e-324, 1e-9]
        {
            for (_, unit) in NAMES {
                assert_eq!(unit.micros_of_real(value), None, "{unit:?} {value}");
            }
        }
        assert_eq!(EpochUnit::Seconds.micros(i64::MAX), None);
        assert_eq!(EpochUnit::Seconds.micros(-210_866_803_201), None);
        assert_eq!(EpochUnit::Seconds.micros(-210_866_803_200), Some(-210_866_803_200_000_000));
        assert_eq!(EpochUnit::JulianDays.micros(-1), None);
        assert_eq!(EpochUnit::JulianDays.micros_of_real(-0.5), Some(-210_866_803_200_000_000));
    }

    #[test]
    fn a_time_between_two_numbers_of_its_column_is_not_written() {
        let julian = EpochUnit::JulianDays;
        assert_eq!(julian.number(micros("2025-01-31T10:20:30.123456Z"), NumberClass::Real), None);
        let half = micros("2025-01-31T10:20:30.5Z");
        assert_eq!(
            EpochUnit::Seconds.number(half, NumberClass::Integer),
            Some(Number::Real(1_738_318_830.5))
        );
    }

    #[test]
    fn julian_days_are_the_milliseconds_that_sqlite_means() {
        let sqlite = julian_day_of_sqlite("2025-01-31T10:20:30.123Z");
        assert_eq!(
            EpochUnit::JulianDays.micros_of_real(sqlite),
            Some(micros("2025-01-31T10:20:30.123Z"))
        );
        assert_eq!(
            EpochUnit::JulianDays.real(micros("2025-01-31T10:20:30.123Z")).to_bits(),
            sqlite.to_bits()
        );
    }

    /// julianday() as SQLite computes it: milliseconds divided by those of a day.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds have less than 53 bits")]
    fn julian_day_of_sqlite(text: &str) -> f64 {
        (micros(text) / 1000 + 210_866_760_000_000) as f64 / 86_400_000.0
    }

    #[test]
    fn a_range_tells_its_unit_unless_two_fit() {
        let integers = |least, greatest| {
            EpochUnit::candidates(Number::Integer(least), Number::Integer(greatest))
        };
        assert_eq!(integers(1_600_000_000, 1_758_000_000), [EpochUnit::Seconds]);
        assert_eq!(integers(1_600_000_000_000, 1_758_000_000_123), [EpochUnit::Milliseconds]);
        assert_eq!(
            integers(1_600_000_000_000_000, 1_758_000_000_123_456),
            [EpochUnit::Microseconds]
        );
        assert_eq!(
            integers(1_600_000_000_000_000_001, 1_758_000_000_123_456_789),
            [EpochUnit::Nanoseconds]
        );
        assert_eq!(integers(13_300_000_000_000_000, 13_400_000_000_000_000), [EpochUnit::Webkit]);
        assert_eq!(integers(2_451_545, 2_460_707), [EpochUnit::JulianDays]);
        assert_eq!(integers(300_000_000, 600_000_000), [EpochUnit::CoreData]);
        assert_eq!(integers(700_000_000, 760_017_600), [EpochUnit::Seconds, EpochUnit::CoreData]);
        assert_eq!(integers(0, 1_758_000_000), []);
        assert_eq!(integers(1, 100), []);
        assert_eq!(integers(1_600_000_000, 1_758_000_000_123), []);
        assert_eq!(integers(i64::MIN, i64::MAX), []);
        assert_eq!(
            EpochUnit::candidates(Number::Real(2_460_707.25), Number::Real(2_460_708.75)),
            [EpochUnit::JulianDays]
        );
        assert_eq!(EpochUnit::candidates(Number::Real(f64::NAN), Number::Real(f64::NAN)), []);
    }

    fn any_unit() -> impl Strategy<Value = EpochUnit> {
        proptest::sample::select(&NAMES).prop_map(|(_, unit)| unit)
    }

    proptest! {
        #[test]
        fn an_integer_that_is_a_time_goes_back(unit in any_unit(), count in any::<i64>(), shift in 0_u32..40) {
            let count = count >> shift;
            if let Some(micros) = unit.micros(count) {
                prop_assert_eq!(unit.integer(micros), Some(count));
                prop_assert_eq!(unit.number(micros, NumberClass::Integer), Some(Number::Integer(count)));
            }
        }

        #[test]
        fn a_double_that_is_a_time_goes_back(unit in any_unit(), bits in any::<u64>(), plausible in any::<f64>()) {
            let near = unit.real(1_738_324_800_000_000) * (1.0 + (plausible.fract() / 100.0));
            for value in [f64::from_bits(bits), near] {
                if let Some(micros) = unit.micros_of_real(value) {
                    prop_assert_eq!(unit.real(micros).to_bits(), value.to_bits());
                    prop_assert_eq!(unit.number(micros, NumberClass::Real), Some(Number::Real(value)));
                }
            }
        }

        /// Of these the doubles are fine enough for every microsecond.
        #[test]
        fn every_microsecond_until_2200_has_a_double_in_the_finer_units(micros in -7_258_118_400_000_000_i64..7_258_118_400_000_000) {
            for unit in [EpochUnit::Seconds, EpochUnit::Milliseconds, EpochUnit::Microseconds, EpochUnit::CoreData] {
                prop_assert_eq!(unit.micros_of_real(unit.real(micros)), Some(micros), "{:?}", unit);
            }
        }

        #[test]
        fn every_millisecond_has_a_double_of_julian_days(milliseconds in -210_866_803_200_000_i64..253_402_300_800_000) {
            let julian = EpochUnit::JulianDays;
            prop_assert_eq!(julian.micros_of_real(julian.real(milliseconds * 1000)), Some(milliseconds * 1000));
        }

        #[test]
        fn a_quotient_is_the_double_that_its_decimals_are_read_as(
            dividend in any::<i64>(), shift in 0_u32..64, divisor in 1_u64..86_400_000_001,
        ) {
            let dividend = i128::from(dividend >> shift);
            let decimals: f64 = decimals(dividend, divisor).parse().unwrap();
            prop_assert_eq!(quotient(dividend, divisor).to_bits(), decimals.to_bits());
        }
    }

    /// A quotient by long division, to sixty digits and one that says whether anything is left.
    fn decimals(dividend: i128, divisor: u64) -> String {
        let divisor = u128::from(divisor);
        let mut rest = dividend.unsigned_abs();
        let sign = if dividend < 0 { "-" } else { "" };
        let mut text = format!("{sign}{}.", rest / divisor);
        for _ in 0..60 {
            rest = rest % divisor * 10;
            text.push_str(&(rest / divisor).to_string());
        }
        text.push(if rest.is_multiple_of(divisor) { '0' } else { '1' });
        text
    }
}
