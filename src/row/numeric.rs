//! Decimals: the shortest decimal of a double, decimal text, 128-bit decimals, and PostgreSQL's numeric.
//!
//! PostgreSQL's wire form is `ndigits, weight, sign, dscale` (16 bits each) and base-10000 digits. The canonical
//! form has no leading and no trailing zero digit; zero has no digits, weight 0 and no sign. `numeric(p, s)` has
//! dscale s; `numeric` without size has as many as the value's digits need.

use crate::model::DecimalSize;

const SIGN_NEGATIVE: u16 = 0x4000;
/// NaN and the infinities have the two highest bits of the sign word set.
const SIGN_SPECIAL: u16 = 0xC000;

/// `digits × 10^exponent`, with no trailing zero in `digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortDecimal {
    negative: bool,
    digits: u64,
    exponent: i32,
}

impl ShortDecimal {
    /// The shortest decimal that reads back as the same double; none for NaN, the infinities and -0.0.
    pub fn of_double(value: f64) -> Option<Self> {
        if !value.is_finite() || value.to_bits() == (-0.0_f64).to_bits() {
            return None;
        }
        Some(Self::of_few_digits(value).unwrap_or_else(|| Self::of_any_digits(value)))
    }

    /// Of a double that is a decimal of at most 15 digits, four of them behind the point, as amounts of money are.
    ///
    /// No two decimals of so few digits are the same double, so one that reads back as the double is the shortest.
    fn of_few_digits(value: f64) -> Option<Self> {
        const SHIFT: f64 = 1e4;
        let shifted = (value * SHIFT).round();
        if shifted.abs() >= 1e15 || (shifted / SHIFT).to_bits() != value.to_bits() {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 10^15")]
        let whole = shifted as i64;
        let digits = whole.unsigned_abs();
        Some(Self { negative: whole < 0, digits, exponent: -4 }.trimmed())
    }

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

    /// An integer as a decimal.
    pub fn of_integer(value: i64) -> Self {
        Self { negative: value < 0, digits: value.unsigned_abs(), exponent: 0 }.trimmed()
    }

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

    /// Whether the value is an integer of 64 bits.
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
    pub fn scaled(self, precision: u8, scale: i8) -> Option<i128> {
        let shift = u32::try_from(self.exponent.checked_add(i32::from(scale))?).ok()?;
        let magnitude = i128::from(self.digits).checked_mul(10_i128.checked_pow(shift)?)?;
        let limit = 10_i128.checked_pow(u32::from(precision))?;
        (magnitude < limit).then_some(if self.negative { -magnitude } else { magnitude })
    }

    /// Appends the value in plain digits, without exponent and without needless zeros.
    pub fn push_plain(self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        let digits = self.digits.to_string();
        let zeros = |out: &mut String, count: usize| out.extend(std::iter::repeat_n('0', count));
        if let Ok(trailing) = usize::try_from(self.exponent) {
            out.push_str(&digits);
            zeros(out, if self.digits == 0 { 0 } else { trailing });
        } else {
            let places = usize::try_from(self.exponent.unsigned_abs()).unwrap_or(usize::MAX);
            if let Some((whole, fraction)) = digits
                .len()
                .checked_sub(places)
                .filter(|&at| at > 0)
                .and_then(|at| digits.split_at_checked(at))
            {
                out.push_str(whole);
                out.push('.');
                out.push_str(fraction);
            } else {
                out.push_str("0.");
                zeros(out, places - digits.len());
                out.push_str(&digits);
            }
        }
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

/// A decimal written in plain digits: `-12.50`, no exponent, no blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainDecimal<'a> {
    negative: bool,
    whole: &'a str,
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
        if whole.is_empty()
            || (fraction.is_empty() && digits.ends_with('.'))
            || !all_digits(whole)
            || !all_digits(fraction)
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
        let mut magnitude = 0_i128;
        for byte in self
            .whole
            .bytes()
            .chain(self.fraction.bytes())
            .chain(std::iter::repeat_n(b'0', missing))
        {
            magnitude = magnitude.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
        }
        let limit = 10_i128.checked_pow(u32::from(precision))?;
        (magnitude < limit).then_some(if self.negative { -magnitude } else { magnitude })
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
        let mut groups = Groups::default();
        let lead = self.whole.len() % 4;
        let (head, rest) = self.whole.split_at_checked(lead)?;
        groups.push_back_text(head, 1);
        rest.as_bytes().chunks(4).for_each(|group| groups.push_back(group, 0));
        let whole_groups = self.whole.len().div_ceil(4);
        for group in self.fraction.as_bytes().chunks(4) {
            groups.push_back(group, 4 - group.len());
        }
        groups.write(whole_groups, self.negative, self.fraction.len(), out)
    }
}

/// Base-10000 digits, most significant first.
#[derive(Default)]
struct Groups(Vec<u16>);

impl Groups {
    fn push_back_text(&mut self, digits: &str, least: usize) {
        if digits.len() >= least {
            self.push_back(digits.as_bytes(), 0);
        }
    }

    fn push_back(&mut self, digits: &[u8], zeros: usize) {
        let value = digits.iter().fold(0, |value, byte| value * 10 + u16::from(byte - b'0'));
        self.0.push((0..zeros).fold(value, |value, _| value * 10));
    }

    fn write(
        &self,
        whole_groups: usize,
        negative: bool,
        dscale: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let leading = self.0.iter().take_while(|&&group| group == 0).count();
        let trailing = self.0.iter().rev().take_while(|&&group| group == 0).count();
        let significant =
            self.0.get(leading..self.0.len().saturating_sub(trailing)).unwrap_or_default();
        let weight = if significant.is_empty() {
            0
        } else {
            i64::try_from(whole_groups).ok()? - i64::try_from(leading).ok()? - 1
        };
        let header = Header {
            ndigits: i16::try_from(significant.len()).ok()?,
            weight: i16::try_from(weight).ok()?,
            sign: if negative && !significant.is_empty() { SIGN_NEGATIVE } else { 0 },
            dscale: u16::try_from(dscale).ok().filter(|&dscale| dscale <= 0x3fff)?,
        };
        header.write(out);
        significant.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
        Some(())
    }
}

struct Header {
    ndigits: i16,
    weight: i16,
    sign: u16,
    dscale: u16,
}

impl Header {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ndigits.to_be_bytes());
        out.extend_from_slice(&self.weight.to_be_bytes());
        out.extend_from_slice(&self.sign.to_be_bytes());
        out.extend_from_slice(&self.dscale.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (words, digits) = bytes.split_first_chunk::<8>()?;
        let [ndigits, weight, sign, dscale] = *words.as_chunks::<2>().0 else { return None };
        let header = Self {
            ndigits: i16::from_be_bytes(ndigits),
            weight: i16::from_be_bytes(weight),
            sign: u16::from_be_bytes(sign),
            dscale: u16::from_be_bytes(dscale),
        };
        (usize::try_from(header.ndigits).ok()? * 2 == digits.len()).then_some((header, digits))
    }
}

/// More base-10000 digits than any 128-bit decimal has, the padded last group included.
const GROUPS_MAX: usize = 12;

const SIXTEEN: u128 = 10_000_000_000_000_000;

/// Appends PostgreSQL's wire form of `value × 10^-scale`, with dscale = scale.
pub fn encode_scaled(value: i128, scale: u8, out: &mut Vec<u8>) {
    let mut groups = [0_u16; GROUPS_MAX];
    let mut count = 0_usize; // least significant first
    let mut push = |group: u64| {
        if let Some(slot) = groups.get_mut(count) {
            *slot = u16::try_from(group).unwrap_or(u16::MAX);
            count += 1;
        }
    };
    let mut rest = value.unsigned_abs();
    let partial = u32::from(scale % 4);
    if partial > 0 {
        let unit = 10_u128.pow(partial);
        push(u64::try_from(rest % unit).unwrap_or(0) * 10_u64.pow(4 - partial));
        rest /= unit;
    }
    // Sixteen digits at a time, so that 64-bit division does most of the work.
    while rest > u128::from(u64::MAX) {
        let mut low = u64::try_from(rest % SIXTEEN).unwrap_or(0);
        for _ in 0..4 {
            push(low % 10_000);
            low /= 10_000;
        }
        rest /= SIXTEEN;
    }
    let mut low = u64::try_from(rest).unwrap_or(0);
    while low > 0 {
        push(low % 10_000);
        low /= 10_000;
    }
    write_groups(groups.get(..count).unwrap_or_default(), value < 0, scale, out);
}

/// Writes digits that come least significant first, of which `scale` decimal digits stand after the point.
fn write_groups(groups: &[u16], negative: bool, scale: u8, out: &mut Vec<u8>) {
    let below = groups.iter().take_while(|&&group| group == 0).count();
    let significant = groups.get(below..).unwrap_or_default();
    let above = significant.iter().rev().take_while(|&&group| group == 0).count();
    let significant = significant.get(..significant.len() - above).unwrap_or_default();
    let fraction_groups = i16::from(scale).div_euclid(4) + i16::from(!scale.is_multiple_of(4));
    let top = i16::try_from(below + significant.len()).unwrap_or(i16::MAX);
    let zero = significant.is_empty();
    Header {
        ndigits: i16::try_from(significant.len()).unwrap_or(i16::MAX),
        weight: if zero { 0 } else { top - fraction_groups - 1 },
        sign: if negative && !zero { SIGN_NEGATIVE } else { 0 },
        dscale: u16::from(scale),
    }
    .write(out);
    significant.iter().rev().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
}

/// The least dscale that shows all digits of a numeric in wire form; none for NaN, the infinities and broken bytes.
///
/// `1.5` and `1.50` are equal but have different dscales: digests are taken over the least one.
pub fn least_dscale(wire: &[u8]) -> Option<u16> {
    let (header, digits) = Header::read(wire)?;
    if header.sign & SIGN_SPECIAL == SIGN_SPECIAL {
        return None;
    }
    let Some(last) = digits.last_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes)) else {
        return Some(0);
    };
    let groups_after_point = i32::from(header.ndigits) - 1 - i32::from(header.weight);
    let zeros = match last {
        last if last % 1000 == 0 => 3,
        last if last % 100 == 0 => 2,
        last if last % 10 == 0 => 1,
        _ => 0,
    };
    Some(u16::try_from((groups_after_point * 4 - zeros).max(0)).unwrap_or(u16::MAX))
}

/// A numeric in wire form as text, for people; none for broken bytes.
pub fn show(wire: &[u8]) -> Option<String> {
    let (header, digits) = Header::read(wire)?;
    if header.sign & SIGN_SPECIAL == SIGN_SPECIAL {
        let name = match header.sign {
            0xD000 => "Infinity",
            0xF000 => "-Infinity",
            _ => "NaN",
        };
        return Some(name.into());
    }
    let group = |position: i32| -> u16 {
        let at = usize::try_from(i32::from(header.weight) - position).ok();
        at.and_then(|at| digits.as_chunks::<2>().0.get(at))
            .map_or(0, |bytes| u16::from_be_bytes(*bytes))
    };
    let mut text = String::new();
    (0..=i32::from(header.weight).max(0))
        .rev()
        .for_each(|position| text.push_str(&format!("{:04}", group(position))));
    let whole = text.trim_start_matches('0');
    let mut shown = String::from(if header.sign == SIGN_NEGATIVE { "-" } else { "" });
    shown.push_str(if whole.is_empty() { "0" } else { whole });
    if header.dscale > 0 {
        let groups = i32::from(header.dscale.div_ceil(4));
        let fraction: String =
            (1..=groups).map(|position| format!("{:04}", group(-position))).collect();
        shown.push('.');
        shown.extend(fraction.chars().take(usize::from(header.dscale)));
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::{PlainDecimal, ShortDecimal, encode_scaled, least_dscale, show};
    use proptest::prelude::*;

    fn plain(value: f64) -> String {
        let mut text = String::new();
        ShortDecimal::of_double(value).unwrap().push_plain(&mut text);
        text
    }

    fn wire_of_text(text: &str) -> Vec<u8> {
        let mut wire = Vec::new();
        PlainDecimal::parse(text).unwrap().encode(&mut wire).unwrap();
        wire
    }

    fn wire_of_scaled(value: i128, scale: u8) -> Vec<u8> {
        let mut wire = Vec::new();
        encode_scaled(value, scale, &mut wire);
        wire
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
    fn wire_forms_are_those_that_the_server_sends() {
        assert_eq!(wire_of_text("1.10"), [0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0x03, 0xe8]);
        assert_eq!(wire_of_scaled(110, 2), [0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x03, 0xe8]);
        assert_eq!(wire_of_scaled(0, 4), [0, 0, 0, 0, 0, 0, 0, 4]);
        assert_eq!(wire_of_text("-0.00"), [0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(show(&wire_of_scaled(-10_001, 3)).unwrap(), "-10.001");
        assert_eq!(show(&wire_of_text("100000000.00010")).unwrap(), "100000000.0001");
    }

    #[test]
    fn text_that_is_no_plain_decimal_is_none() {
        for text in ["", ".", "-", "1.", ".5", "1e5", " 1", "1 ", "0x1", "1_000", "NaN", "١"] {
            assert_eq!(PlainDecimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_that_need_more_digits_are_not_cut() {
        let value = ShortDecimal::of_double(1.235).unwrap();
        assert_eq!(value.scaled(10, 3), Some(1235));
        assert_eq!(value.scaled(10, 2), None);
        assert_eq!(value.scaled(3, 3), None);
        assert_eq!(PlainDecimal::parse("99.995").unwrap().scaled(4, 2), None);
    }

    proptest! {
        #[test]
        fn a_double_reads_back_from_its_decimal(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value != 0.0);
            prop_assert_eq!(plain(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }

        #[test]
        fn both_encoders_agree(value in any::<i64>(), scale in 0_u8..30) {
            let scaled = wire_of_scaled(i128::from(value), scale);
            let mut trimmed = scaled.clone();
            let least = least_dscale(&scaled).unwrap();
            trimmed[6..8].copy_from_slice(&least.to_be_bytes());
            prop_assert_eq!(wire_of_text(&show(&scaled).unwrap()), trimmed);
        }

        #[test]
        fn wide_values_show_all_their_digits(value in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_u8..=38) {
            let text = show(&wire_of_scaled(value, scale)).unwrap();
            prop_assert_eq!(PlainDecimal::parse(&text).unwrap().scaled(38, i8::try_from(scale).unwrap()), Some(value));
        }
    }
}
