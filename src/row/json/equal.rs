//! When the server holds two documents equal: it compares their numbers by value.

/// A `jsonb` as it is loaded, such that two are the same where the server holds them equal: without zeros at the end of
/// fractions.
pub fn comparable_jsonb(canonical: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(canonical.len());
    let (mut in_string, mut escaped, mut in_fraction) = (false, false, false);
    for &byte in canonical {
        if in_fraction && !byte.is_ascii_digit() {
            cut_zeros(&mut out);
            in_fraction = false;
        }
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b'.' if !in_string => in_fraction = true,
            _ => {}
        }
        escaped = in_string && byte == b'\\' && !escaped;
        out.push(byte);
    }
    if in_fraction {
        cut_zeros(&mut out);
    }
    out
}

fn cut_zeros(out: &mut Vec<u8>) {
    let end = out.iter().rposition(|&byte| byte != b'0').unwrap_or_default();
    out.truncate(if out.get(end) == Some(&b'.') { end } else { end + 1 });
}

#[cfg(test)]
mod tests {
    use super::comparable_jsonb;

    #[test]
    fn numbers_lose_the_zeros_of_their_fractions_and_nothing_else_changes() {
        for (canonical, comparable) in [
            ("1.0", "1"),
            ("-0.00", "-0"),
            ("10", "10"),
            ("1.050", "1.05"),
            (
                r#"[1.10, 100, "1.0", "\"2.0", "\\", 3.00]"#,
                r#"[1.1, 100, "1.0", "\"2.0", "\\", 3]"#,
            ),
            (r#"{"a.0": 0.0, "b": [0.10]}"#, r#"{"a.0": 0, "b": [0.1]}"#),
        ] {
            let found = comparable_jsonb(canonical.as_bytes());
            assert_eq!(String::from_utf8(found).unwrap(), comparable);
        }
    }
}
