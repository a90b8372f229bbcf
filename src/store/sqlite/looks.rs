//! What the texts of a column may all be: dates, UUIDs, JSON. Looked for only while all before were that, so that a
//! column of anything else costs nothing after its first text.

use crate::model::TextLooks;
use crate::row::json;
use crate::row::temporal::IsoText;

/// Notes how the `count`th text of a column looks.
pub(super) fn note(looks: &mut TextLooks, text: &str, count: u64) {
    let before = count - 1;
    let TextLooks { dates, naive, offset, uuids, json } = looks;
    if [*dates, *naive, *offset].contains(&before) {
        let seen = match IsoText::parse(text) {
            Ok((IsoText::Date(_), _)) => Some(dates),
            Ok((IsoText::Naive(_), _)) => Some(naive),
            Ok((IsoText::Instant(_), _)) => Some(offset),
            Ok((IsoText::Time(_), _)) | Err(_) => None,
        };
        seen.into_iter().for_each(|seen| count_on(seen, before, true));
    }
    if *uuids == before {
        count_on(uuids, before, is_uuid(text));
    }
    if *json == before {
        count_on(json, before, is_json(text));
    }
}

fn count_on(seen: &mut u64, before: u64, is_so: bool) {
    *seen += u64::from(is_so && *seen == before);
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Numbers and words are JSON, too, but no sign of it.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && json::check(text)
}

#[cfg(test)]
mod tests {
    use super::note;
    use crate::model::TextLooks;

    fn looks(texts: &[&str]) -> TextLooks {
        let mut looks = TextLooks::default();
        for (number, text) in (1..).zip(texts) {
            note(&mut looks, text, number);
        }
        looks
    }

    #[test]
    fn a_look_is_that_of_all_texts_or_of_none() {
        assert_eq!(looks(&["2025-01-31", "1999-12-01"]).dates, 2);
        assert_eq!(looks(&["2025-01-31 10:00", "1999-12-01T10:00:00.5"]).naive, 2);
        assert_eq!(looks(&["2025-01-31T10:00Z", "2025-01-31 10:00:00+02:00"]).offset, 2);
        assert_eq!(looks(&["0b9de4a1-3f2c-4c55-9b0e-0123456789ab"]).uuids, 1);
        assert_eq!(looks(&["{}", " [1, {\"a\": null}]"]).json, 2);
        for odd in ["", "5", "2025-02-30", "0b9de4a1-3f2c-4c55-9b0e_0123456789ab", "{", "null"] {
            let of = |looks: TextLooks| {
                [looks.dates, looks.naive, looks.offset, looks.uuids, looks.json]
            };
            assert_eq!(of(looks(&[odd, "2025-01-31", "{}"])), [0; 5], "{odd}");
            assert!(of(looks(&["2025-01-31", odd, "2025-01-31"])).iter().all(|&seen| seen < 3));
        }
    }

    #[test]
    fn a_mixture_of_shapes_is_no_shape() {
        let mixed = looks(&["2025-01-31", "2025-01-31 10:00", "2025-01-31", "2025-01-31"]);
        assert_eq!((mixed.dates, mixed.naive), (1, 0));
    }
}
