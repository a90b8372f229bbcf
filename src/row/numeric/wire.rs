//! PostgreSQL's binary numeric: `ndigits, weight, sign, dscale` (16 bits each) and base-10000 digits.
//!
//! The canonical form has no leading and no trailing zero digit; zero has no digits, weight 0 and no sign.
//! `numeric(p, s)` has dscale s; `numeric` without size has as many as the value's digits need.

const SIGN_NEGATIVE: u16 = 0x4000;
/// NaN and the infinities have the two highest bits of the sign word set.
const SIGN_SPECIAL: u16 = 0xC000;

/// What the server takes.
const DSCALE_MAX: u16 = 0x3fff;

/// More base-10000 digits than any 128-bit decimal has, the padded last group included.
const GROUPS_MAX: usize = 12;

const SIXTEEN: u128 = 10_000_000_000_000_000;

/// Appends the wire form of `value × 10^-scale`, with dscale = scale.
pub fn encode_scaled(value: i128, scale: u8, out: &mut Vec<u8>) {
    let mut groups = [0_u16; GROUPS_MAX];
    let mut count = 0_usize; // least significant first
    let mut weight = -1 - i16::from(scale.div_ceil(4));
    let mut push = |group: u64| {
        if let Some(slot) = groups.get_mut(count) {
            *slot = u16::try_from(group).unwrap_or(u16::MAX);
            count += 1;
            weight += 1;
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
    let groups = groups.get_mut(..count).unwrap_or_default();
    groups.reverse();
    let (digits, weight) = significant(groups, weight);
    let ndigits = i16::try_from(digits.len()).unwrap_or(i16::MAX);
    Header { ndigits, weight, sign: sign(value < 0), dscale: scale.into() }.push(digits, out);
}

/// Appends the wire form of a number of which `whole` groups, the most significant first, stand before the point and
/// `places` decimal digits behind it; none where the header cannot say as much. Zero must not be negative.
pub(super) fn encode_groups(
    groups: &[u16],
    whole: usize,
    negative: bool,
    places: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    let dscale = u16::try_from(places).ok().filter(|&dscale| dscale <= DSCALE_MAX)?;
    let first = i16::try_from(i64::try_from(whole).ok()? - 1).ok()?;
    let (digits, weight) = significant(groups, first);
    let ndigits = i16::try_from(digits.len()).ok()?;
    Header { ndigits, weight, sign: sign(negative), dscale }.push(digits, out);
    Some(())
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

/// What stands before the digits.
struct Header {
    ndigits: i16,
    /// The power of 10000 that the first digit counts.
    weight: i16,
    sign: u16,
    /// How many decimal digits are shown behind the point.
    dscale: u16,
}

impl Header {
    fn push(&self, digits: &[u16], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ndigits.to_be_bytes());
        out.extend_from_slice(&self.weight.to_be_bytes());
        out.extend_from_slice(&self.sign.to_be_bytes());
        out.extend_from_slice(&self.dscale.to_be_bytes());
        digits.iter().for_each(|digit| out.extend_from_slice(&digit.to_be_bytes()));
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

fn sign(negative: bool) -> u16 {
    if negative { SIGN_NEGATIVE } else { 0 }
}

/// The groups without zeros at either end, and the weight of the first that is left; `weight` is that of the first.
fn significant(mut groups: &[u16], mut weight: i16) -> (&[u16], i16) {
    while let [0, rest @ ..] = groups {
        groups = rest;
        weight -= 1;
    }
    while let [rest @ .., 0] = groups {
        groups = rest;
    }
    (groups, if groups.is_empty() { 0 } else { weight })
}

#[cfg(test)]
mod tests {
    use super::{encode_scaled, least_dscale, show};
    use crate::row::numeric::PlainDecimal;
    use proptest::prelude::*;

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
    fn wire_forms_are_those_that_the_server_sends() {
        assert_eq!(wire_of_text("1.10"), [0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0x03, 0xe8]);
        assert_eq!(wire_of_scaled(110, 2), [0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x03, 0xe8]);
        assert_eq!(wire_of_scaled(0, 4), [0, 0, 0, 0, 0, 0, 0, 4]);
        assert_eq!(wire_of_text("-0.00"), [0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(show(&wire_of_scaled(-10_001, 3)).unwrap(), "-10.001");
        assert_eq!(show(&wire_of_text("100000000.00010")).unwrap(), "100000000.0001");
    }

    proptest! {
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
