//! JSON as PostgreSQL takes it: which text is `json`, what `jsonb` makes of a text, and the way back.
//!
//! `json` keeps the text as it is. `jsonb` keeps the content: members in an order of its own, the last of those with
//! one name, numbers as decimals, strings by their characters. [`canonical_jsonb`] is the text that the server gives
//! back for it, byte for byte; so a `jsonb` is hashed alike when it is loaded and when it is read back.
//!
//! Both are strict as the server is. They refuse more than it does in two cases only, so that no text can make the
//! server or liteferry run out of stack or memory: more than [`DEPTH_MAX`] levels, and, for `jsonb`, more than 8
//! million members of one array or object, or content near the server's own limit of 256 MiB.

mod canonical;
mod equal;
mod form;
mod grammar;
mod number;

pub use canonical::canonical_jsonb;
pub(super) use canonical::push_canonical;
pub use equal::comparable_jsonb;
pub use form::JsonForm;
pub use grammar::DEPTH_MAX;

use grammar::{Bracket, Events, walk};

/// Whether `json` takes this text.
pub fn check(text: &str) -> bool {
    walk(text, &mut Nobody).is_some()
}

/// Listens to nothing.
struct Nobody;

impl Events for Nobody {
    fn open(&mut self, _bracket: Bracket) -> Option<()> {
        Some(())
    }
    fn close(&mut self) -> Option<()> {
        Some(())
    }
    fn key(&mut self, _raw: &str) -> Option<()> {
        Some(())
    }
    fn string(&mut self, _raw: &str) -> Option<()> {
        Some(())
    }
    fn number(&mut self, _written: &str) -> Option<()> {
        Some(())
    }
    fn word(&mut self, _word: &str) -> Option<()> {
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{DEPTH_MAX, canonical_jsonb, check};
    use proptest::prelude::*;

    #[test]
    fn what_is_json_is_taken() {
        for text in [
            "null",
            " true\n",
            "\t-0.0e+5\r",
            "\"\"",
            "[]",
            "[ ]",
            "{}",
            "{ }",
            "[1,[2],{}]",
            r#"{"a":{"a":1},"a":2}"#,
            r#""\u0000\ud800\/\b""#,
            "\"\u{7f}é\"",
            "1E400000",
        ] {
            assert!(check(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "NaN",
            "Infinity",
            "-",
            "-a",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "1e+",
            "0x1",
            "tru",
            "nullx",
            "True",
            "'a'",
            "\"",
            "\"a",
            "\"\n\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\"#,
            "[",
            "]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "}",
            "{,}",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            r#"{"a":1"#,
            r#"{"a":1]"#,
            "1 2",
            "{} {}",
            "[],",
            "\u{a0}1",
            "\u{b}1",
            "// a\n1",
            "\u{feff}1",
        ] {
            assert!(!check(text), "{text}");
            assert_eq!(canonical_jsonb(text), None, "{text}");
        }
    }

    #[test]
    fn levels_are_bounded_and_cost_no_stack() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(check(&nested(DEPTH_MAX)));
        assert_eq!(canonical_jsonb(&nested(DEPTH_MAX)), Some(nested(DEPTH_MAX)));
        assert!(!check(&nested(DEPTH_MAX + 1)));
        assert_eq!(canonical_jsonb(&nested(DEPTH_MAX + 1)), None);
        assert!(!check(&"[".repeat(10_000_000)));
        assert!(!check(&"{\"a\":".repeat(1_000_000)));
    }

    proptest! {
        #[test]
        fn another_reader_agrees_on_what_json_is(text in "[\\[\\]{}:,\"0-2.eE+\\- \\\\utfalsenr]{0,12}") {
            let other = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(check(&text), other, "{}", text);
        }
    }
}
