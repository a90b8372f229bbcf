//! A JSON number as PostgreSQL's `numeric` writes it again: plain digits, with as many after the point as were written.

/// Digits after the point, at most.
const SCALE_MAX: i64 = 16_383;
/// Digits before the point, at most.
const WHOLE_MAX: i64 = 131_072;
/// The exponent of ten at which the server gives up, whatever the digits are.
const EXPONENT_END: u64 = i32::MAX as u64 / 2;

/// Appends a number that is written as JSON has it; none where `numeric` cannot hold it.
pub(super) fn push_number(written: &str, out: &mut Vec<u8>) -> Option<()> {
    let (negative, unsigned) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let scale = (i64::try_from(fraction.len()).ok()? - exponent).max(0);
    if scale > SCALE_MAX {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes());
    // Zero has no sign.
    let zeros = digits().position(|digit| digit != b'0');
    if negative && zeros.is_some() {
        out.push(b'-');
    }
    // Digits that stand before the point; where it is negative, zeros stand between the point and the digits.
    let length = |digits: usize| i64::try_from(digits).ok();
    let before = length(whole.len())? - length(zeros.unwrap_or_default())? + exponent;
    match zeros {
        Some(_) if before > WHOLE_MAX => return None,
        // Plain already: most numbers are.
        _ if exponent == 0 => out.extend_from_slice(mantissa.as_bytes()),
        Some(zeros) => push(&mut digits().skip(zeros), before, scale, out),
        None => push(&mut std::iter::empty(), 0, scale, out),
    }
    Some(())
}

fn read_exponent(written: &str) -> Option<i64> {
    let (negative, digits) = match written.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let magnitude = digits.parse::<u64>().ok().filter(|&magnitude| magnitude < EXPONENT_END)?;
    let magnitude = i64::try_from(magnitude).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// Writes digits of which `before` stand before the point, and `scale` places behind it.
fn push(digits: &mut dyn Iterator<Item = u8>, before: i64, scale: i64, out: &mut Vec<u8>) {
    let mut next = || digits.next().unwrap_or(b'0');
    if before <= 0 {
        out.push(b'0');
    }
    (0..before).for_each(|_place| out.push(next()));
    if scale > 0 {
        out.push(b'.');
        let zeros = before.min(0).unsigned_abs().min(scale.unsigned_abs());
        (0..zeros).for_each(|_place| out.push(b'0'));
        (zeros..scale.unsigned_abs()).for_each(|_place| out.push(next()));
    }
}

#[cfg(test)]
mod tests {
    use super::push_number;

    fn pushed(written: &str) -> Option<String> {
        let mut out = Vec::new();
        push_number(written, &mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_are_plain_decimals_of_the_scale_that_was_written() {
        for (written, plain) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.00", "0.00"),
            ("0e5", "0"),
            ("0e-3", "0.000"),
            ("1e2", "100"),
            ("1.10", "1.10"),
            ("1.50e1", "15.0"),
            ("-12.5E-4", "-0.00125"),
            ("0.001e3", "1"),
            ("0.0010e2", "0.10"),
            ("10e-1", "1.0"),
            ("-1.23e+0001", "-12.3"),
            (
                "123456789012345678901234567890.123456789",
                "123456789012345678901234567890.123456789",
            ),
            ("0e1073741822", "0"),
        ] {
            assert_eq!(pushed(written).as_deref(), Some(plain), "{written}");
        }
    }

    #[test]
    fn the_limits_are_those_of_numeric() {
        assert_eq!(pushed("1e131071").map(|text| text.len()), Some(131_072));
        assert_eq!(pushed("0.001e131074").map(|text| text.len()), Some(131_072));
        assert_eq!(pushed("1e-16383").map(|text| text.len()), Some(16_385));
        for written in [
            "1e131072",
            "10e131071",
            "1e-16384",
            "0e-16384",
            "0e1073741823",
            "1e400000",
            "1e99999999999999999999999999",
            "0e-99999999999999999999999999",
        ] {
            assert_eq!(pushed(written), None, "{written}");
        }
    }
}
