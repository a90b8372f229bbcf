//! Percent-encoding, as URLs have it: what is not unreserved stands as `%` and two hexadecimal digits for each byte.

use crate::error::{Class, Error, Result};

/// Encodes everything but ASCII letters, digits, `-`, `.`, `_`, `~` and the characters of `keep`.
pub fn encode(bytes: impl AsRef<[u8]>, keep: &str) -> String {
    let bytes = bytes.as_ref();
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric()
            || "-._~".contains(character)
            || (byte.is_ascii() && keep.contains(character))
        {
            encoded.push(character);
        } else {
            encoded.push('%');
            encoded.push(hexadecimal(byte >> 4));
            encoded.push(hexadecimal(byte & 0x0F));
        }
    }
    encoded
}

fn hexadecimal(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

/// Decodes `%XX`; every other character, `+` too, stands for itself.
///
/// An error of [`Class::Usage`] does not repeat the text, which may hold a password.
pub fn decode(text: &str) -> Result<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = (bytes.next().and_then(value), bytes.next().and_then(value));
            let (Some(high), Some(low)) = digits else {
                return Err(malformed("a % is not followed by two hexadecimal digits"));
            };
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    if decoded.contains(&0) {
        return Err(malformed("%00 stands for no character"));
    }
    String::from_utf8(decoded).map_err(|_hides_the_text| malformed("%XX bytes are not UTF-8"))
}

fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn malformed(what: &str) -> Error {
    Error::new(Class::Usage, what).todo("write a literal % as %25")
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_encoded() {
        assert_eq!(encode("p@ss:w/ö%?", ""), "p%40ss%3Aw%2F%C3%B6%25%3F");
        assert_eq!(encode("/var/run", "/"), "/var/run");
    }

    #[test]
    fn a_broken_escape_is_refused_without_repeating_it() {
        for text in ["secret%", "secret%4", "secret%zz", "secret%00", "secret%ff"] {
            let error = decode(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in "[^\0]*") {
            prop_assert_eq!(decode(&encode(&text, "/")).unwrap(), text);
        }
    }
}
