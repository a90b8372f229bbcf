//! UUIDs: the ways to write them, and back.
//!
//! A column's UUIDs are mostly written in one form. A value's form says how to write exactly its text again; a UUID of
//! 16 bytes in a BLOB has none of these.

pub use crate::model::{UuidForm, UuidShape};

const URN: &str = "urn:uuid:";

/// Where hyphens stand among the 36 characters.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Reads a UUID in any of the forms; none where letters of both cases are mixed, or where it is anything else.
///
/// One without letters is taken for lower case. Whether it may also have been written in a column's form is asked by
/// writing it: `form.write(bytes) == text`.
pub fn parse(text: &str) -> Option<([u8; 16], UuidForm)> {
    let braced = || text.strip_prefix('{')?.strip_suffix('}');
    let (shape, hyphenated) = if let Some(rest) = text.strip_prefix(URN) {
        (UuidShape::Urn, rest)
    } else if let Some(inside) = braced() {
        (UuidShape::Braced, inside)
    } else if text.len() == 32 {
        (UuidShape::Plain, text)
    } else {
        (UuidShape::Hyphenated, text)
    };
    let (mut digits, mut seen) = ([0_u8; 32], Cases::default());
    let mut slots = digits.iter_mut();
    for (at, byte) in hyphenated.bytes().enumerate() {
        if shape != UuidShape::Plain && HYPHENS.contains(&at) {
            if byte != b'-' {
                return None;
            }
        } else {
            *slots.next()? = seen.digit(byte)?;
        }
    }
    if slots.next().is_some() || (seen.upper && seen.lower) {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = high << 4 | low;
    }
    Some((bytes, UuidForm { shape, upper: seen.upper }))
}

/// The cases of the letters so far.
#[derive(Default)]
struct Cases {
    lower: bool,
    upper: bool,
}

impl Cases {
    fn digit(&mut self, byte: u8) -> Option<u8> {
        self.lower |= byte.is_ascii_lowercase();
        self.upper |= byte.is_ascii_uppercase();
        char::from(byte).to_digit(16)?.try_into().ok()
    }
}

impl UuidForm {
    /// The UUID as it is written in this form.
    pub fn write(self, bytes: [u8; 16]) -> String {
        let mut text = String::with_capacity(URN.len() + 36);
        text.push_str(match self.shape {
            UuidShape::Urn => URN,
            UuidShape::Braced => "{",
            UuidShape::Hyphenated | UuidShape::Plain => "",
        });
        for (at, byte) in bytes.into_iter().enumerate() {
            if self.shape != UuidShape::Plain && matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&if self.upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        if self.shape == UuidShape::Braced {
            text.push('}');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{UuidForm, UuidShape, parse};
    use proptest::prelude::*;

    #[test]
    fn each_form_is_read_as_what_it_is() {
        let bytes = 0x550e_8400_e29b_41d4_a716_4466_5544_0000_u128.to_be_bytes();
        for (text, shape, upper) in [
            ("550e8400-e29b-41d4-a716-446655440000", UuidShape::Hyphenated, false),
            ("550E8400-E29B-41D4-A716-446655440000", UuidShape::Hyphenated, true),
            ("550e8400e29b41d4a716446655440000", UuidShape::Plain, false),
            ("550E8400E29B41D4A716446655440000", UuidShape::Plain, true),
            ("{550e8400-e29b-41d4-a716-446655440000}", UuidShape::Braced, false),
            ("urn:uuid:550E8400-E29B-41D4-A716-446655440000", UuidShape::Urn, true),
        ] {
            assert_eq!(parse(text), Some((bytes, UuidForm { shape, upper })), "{text}");
        }
    }

    #[test]
    fn what_could_not_be_written_back_is_no_uuid() {
        for text in [
            "",
            "550e8400-e29b-41d4-a716-44665544000",
            "550e8400-e29b-41d4-a716-4466554400000",
            "550e8400-e29b-41d4-a716-446655440000 ",
            "550E8400-e29b-41d4-a716-446655440000",
            "550e8400-e29b-41d4-a716_446655440000",
            "550e8400e-29b-41d4-a716-446655440000",
            "550e-8400-e29b-41d4-a716-4466-5544-0000",
            "{550e8400e29b41d4a716446655440000}",
            "{550e8400-e29b-41d4-a716-446655440000",
            "URN:UUID:550e8400-e29b-41d4-a716-446655440000",
            "guest_1758000000_1234",
            "550e8400e29b41d4a71644665544000g",
            "é50e8400e29b41d4a7164466554400",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_in_a_form_is_read_in_it(bytes: [u8; 16], shape in 0..4_usize, upper: bool) {
            use UuidShape::{Braced, Hyphenated, Plain, Urn};
            let form = UuidForm { shape: [Hyphenated, Plain, Braced, Urn][shape], upper };
            let text = form.write(bytes);
            let (back, read) = parse(&text).unwrap();
            prop_assert_eq!(back, bytes);
            prop_assert_eq!(read.write(back), text);
            prop_assert_eq!(read.shape, form.shape);
        }

        #[test]
        fn any_text_that_is_read_is_written_back(text in "(urn:uuid:|\\{)?[0-9a-f-]{30,38}\\}?") {
            if let Some((bytes, form)) = parse(&text) {
                prop_assert_eq!(form.write(bytes), text);
            }
        }
    }
}
