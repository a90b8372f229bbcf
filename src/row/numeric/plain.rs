//! Decimals as text in plain digits: what numeric without size travels as, and what a TEXT may say.

use super::{of_precision, wire};
use crate::model::DecimalSize;
use std::iter::repeat_n;

/// A decimal written in plain digits: `-12.50`, no exponent, no blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainDecimal<'a> {
    negative: bool,
    /// Without zeros in front.
    whole: &'a str,
    /// Without zeros at the end.
    fraction: &'a str,
}

impl<'a> PlainDecimal<'a> {
    /// Splits plain decimal text; none if it is anything else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || digits.ends_with('.') || !all_digits(whole) || !all_digits(fraction)
        {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Some(Self { negative, whole, fraction })
    }

    /// The digits that this value needs before and after the point.
    pub fn size(self) -> DecimalSize {
        let count = |digits: &str| u32::try_from(digits.len()).unwrap_or(u32::MAX);
        DecimalSize { integer_digits: count(self.whole), scale: count(self.fraction) }
    }

    /// The value times 10^scale, if it is whole and has at most `precision` digits.
    pub fn scaled(self, precision: u8, scale: i8) -> Option<i128> {
        let missing = usize::try_from(scale).ok()?.checked_sub(self.fraction.len())?;
        let digits = self.whole.bytes().chain(self.fraction.bytes());
        let magnitude = digits.chain(repeat_n(b'0', missing)).try_fold(0_i128, |sum, digit| {
            sum.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
        })?;
        of_precision(precision, magnitude, self.negative)
    }

    /// Appends the value without needless zeros: the form in which `numeric` without size travels.
    pub fn push_plain(self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        out.push_str(if self.whole.is_empty() { "0" } else { self.whole });
        if !self.fraction.is_empty() {
            out.push('.');
            out.push_str(self.fraction);
        }
    }

    /// Appends PostgreSQL's wire form; none where the value has more digits than its header can say.
    pub fn encode(self, out: &mut Vec<u8>) -> Option<()> {
        // Four digits at a time, from the point to both sides.
        let whole = self.whole.as_bytes().rchunks(4).rev().map(group);
        let fraction = self.fraction.as_bytes().chunks(4);
        let fraction = fraction.map(|digits| group(digits.iter().chain(b"000").take(4)));
        let groups: Vec<u16> = whole.chain(fraction).collect();
        let whole_groups = self.whole.len().div_ceil(4);
        wire::encode_groups(&groups, whole_groups, self.negative, self.fraction.len(), out)
    }
}

/// The number of four digits or less.
fn group<'a>(digits: impl IntoIterator<Item = &'a u8>) -> u16 {
    digits.into_iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::PlainDecimal;

    #[test]
    fn text_that_is_no_plain_decimal_is_none() {
        for text in ["", ".", "-", "1.", ".5", "1e5", " 1", "1 ", "0x1", "1_000", "NaN", "١"] {
            assert_eq!(PlainDecimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_of_more_digits_than_the_column_has_is_not_cut() {
        assert_eq!(PlainDecimal::parse("99.995").unwrap().scaled(4, 2), None);
    }
}
