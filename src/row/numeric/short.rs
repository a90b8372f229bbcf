//! The shortest decimal that reads back as a double: what numeric holds of a REAL.

use super::{of_precision, power_of_ten};
use crate::model::DecimalSize;
use std::iter::repeat_n;

/// `digits × 10^exponent`, with no trailing zero in `digits`; zero has the exponent 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortDecimal {
    negative: bool,
    digits: u64,
    exponent: i32,
}

impl ShortDecimal {
    /// The shortest decimal that reads back as the same double; none for NaN, the infinities and -0.0.
    #[inline]
    pub fn of_double(value: f64) -> Option<Self> {
        if !value.is_finite() || value.to_bits() == (-0.0_f64).to_bits() {
            return None;
        }
        Some(Self::of_few_digits(value).unwrap_or_else(|| Self::of_any_digits(value)))
    }

    /// An integer as a decimal.
    pub fn of_integer(value: i64) -> Self {
        Self { negative: value < 0, digits: value.unsigned_abs(), exponent: 0 }.trimmed()
    }

    /// Whether the value is an integer of 64 bits.
    #[inline]
    pub fn is_integer(self) -> bool {
        let shift = u32::try_from(self.exponent).ok();
        let magnitude = shift.and_then(|shift| self.digits.checked_mul(10_u64.checked_pow(shift)?));
        let limit = i64::MIN.unsigned_abs();
        magnitude.is_some_and(|magnitude| magnitude < limit + u64::from(self.negative))
    }

    /// The digits that this value needs before and after the point.
    pub fn size(self) -> DecimalSize {
        if self.digits == 0 {
            return DecimalSize::default();
        }
        let digits = i64::from(self.digits.ilog10()) + 1;
        let exponent = i64::from(self.exponent);
        let count = |digits: i64| u32::try_from(digits.max(0)).unwrap_or(u32::MAX);
        DecimalSize { integer_digits: count(digits + exponent), scale: count(-exponent) }
    }

    /// The value times 10^scale, if it is whole and has at most `precision` digits.
    #[inline]
    pub fn scaled(self, precision: u8, scale: i8) -> Option<i128> {
        let shift = u32::try_from(self.exponent.checked_add(i32::from(scale))?).ok()?;
        let magnitude = i128::from(self.digits).checked_mul(power_of_ten(shift)?)?;
        of_precision(precision, magnitude, self.negative)
    }

    /// Appends the value in plain digits, without exponent and without needless zeros.
    pub fn push_plain(self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        let digits = self.digits.to_string();
        if let Ok(zeros) = usize::try_from(self.exponent) {
            out.push_str(&digits);
            out.extend(repeat_n('0', zeros));
            return;
        }
        let places = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(usize::MAX);
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
        out.push_str(if whole.is_empty() { "0" } else { whole });
        out.push('.');
        out.extend(repeat_n('0', places - fraction.len()));
        out.push_str(fraction);
    }

    /// Of a double that is a decimal of at most 15 digits, four of them behind the point, as amounts of money are.
    ///
    /// No two decimals of so few digits are the same double, so one that reads back as the double is the shortest.
    #[inline]
    fn of_few_digits(value: f64) -> Option<Self> {
        const SHIFT: f64 = 1e4;
        let shifted = value * SHIFT;
        // Where this is not the nearest whole number, it does not read back either.
        #[expect(clippy::cast_possible_truncation, reason = "the way back is compared")]
        let whole = (shifted + 0.5_f64.copysign(shifted)) as i64;
        #[expect(clippy::cast_precision_loss, reason = "below 10^15")]
        let back = whole as f64 / SHIFT;
        if whole.unsigned_abs() >= 1_000_000_000_000_000 || back.to_bits() != value.to_bits() {
            return None;
        }
        let digits = whole.unsigned_abs();
        Some(Self { negative: whole < 0, digits, exponent: -4 }.trimmed())
    }

    #[inline(never)]
    fn of_any_digits(value: f64) -> Self {
        let mut buffer = ryu::Buffer::new();
        let mut decimal = Self { negative: false, digits: 0, exponent: 0 };
        let mut after_point = false;
        let mut bytes = buffer.format_finite(value).bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'-' => decimal.negative = true,
                b'.' => after_point = true,
                b'e' => {
                    decimal.exponent += exponent_of(bytes);
                    break;
                }
                digit => {
                    decimal.digits = decimal.digits * 10 + u64::from(digit - b'0');
                    decimal.exponent -= i32::from(after_point);
                }
            }
        }
        decimal.trimmed()
    }

    #[inline]
    fn trimmed(mut self) -> Self {
        if self.digits == 0 {
            return Self { negative: false, digits: 0, exponent: 0 };
        }
        while self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.exponent += 1;
        }
        self
    }
}

/// Reads what follows the `e` of a formatted double.
fn exponent_of(bytes: impl Iterator<Item = u8>) -> i32 {
    let mut negative = false;
    let mut exponent = 0;
    for byte in bytes {
        match byte {
            b'-' => negative = true,
            digit => exponent = exponent * 10 + i32::from(digit - b'0'),
        }
    }
    if negative { -exponent } else { exponent }
}

#[cfg(test)]
mod tests {
    use super::ShortDecimal;
    use proptest::prelude::*;

    fn plain(value: f64) -> String {
        let mut text = String::new();
        ShortDecimal::of_double(value).unwrap().push_plain(&mut text);
        text
    }

    #[test]
    fn a_double_becomes_its_shortest_decimal_in_plain_digits() {
        for (value, text) in [
            (0.1 + 0.2, "0.30000000000000004"),
            (6.87e-06, "0.00000687"),
            (1e21, "1000000000000000000000"),
            (123.456, "123.456"),
            (-0.5, "-0.5"),
            (0.0, "0"),
            (100.0, "100"),
        ] {
            assert_eq!(plain(value), text);
        }
        assert_eq!(ShortDecimal::of_double(f64::INFINITY), None);
        assert_eq!(ShortDecimal::of_double(-0.0), None);
    }

    #[test]
    fn a_decimal_of_few_digits_is_found_as_any_other() {
        let amount = (-2_000_000_000_000_000_i64..2_000_000_000_000_000, 0..16_u32)
            .prop_map(|(amount, shorter)| amount / 10_i64.pow(shorter));
        proptest!(|(amount in amount, places in 0..8_usize, any in any::<f64>())| {
            let written: f64 = format!("{amount}e-{places}").parse().unwrap();
            for value in [written, any] {
                if let Some(found) = ShortDecimal::of_few_digits(value) {
                    prop_assert_eq!(found, ShortDecimal::of_any_digits(value), "{}", value);
                }
            }
            let is_short = amount != 0 && amount.abs() < 1_000_000_000_000_000 && places == 4;
            prop_assert!(!is_short || ShortDecimal::of_few_digits(written).is_some(), "{}", written);
        });
        assert_eq!(ShortDecimal::of_few_digits(1e-9), None);
        assert_eq!(ShortDecimal::of_few_digits(0.12345), None);
    }

    #[test]
    fn a_value_that_needs_more_digits_is_not_cut() {
        let value = ShortDecimal::of_double(1.235).unwrap();
        assert_eq!(value.scaled(10, 3), Some(1235));
        assert_eq!(value.scaled(10, 2), None);
        assert_eq!(value.scaled(3, 3), None);
    }

    proptest! {
        #[test]
        fn a_double_reads_back_from_its_decimal(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value != 0.0);
            prop_assert_eq!(plain(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
