//! How a document of a `jsonb` column was written, where all that differs from PostgreSQL's text is blanks.

pub use crate::model::JsonForm;

impl JsonForm {
    /// The form in which `canonical` becomes `text`; none where neither does.
    ///
    /// Where both do, as for `[]` and `7`, it is [`Spaced`](Self::Spaced). Whether a text may also have been written
    /// in a column's form is asked by writing it: `form.write(canonical) == text`.
    pub fn of(text: &str, canonical: &str) -> Option<Self> {
        if text == canonical {
            return Some(Self::Spaced);
        }
        // Nothing but blanks may be missing, which spares most others a closer look.
        (text.len() < canonical.len() && compact(canonical) == text).then_some(Self::Compact)
    }

    /// A text of [`canonical_jsonb`](super::canonical_jsonb) or of the server, written in this form.
    pub fn write(self, canonical: &str) -> String {
        match self {
            Self::Spaced => canonical.to_owned(),
            Self::Compact => compact(canonical),
        }
    }
}

/// The text without the blanks that stand outside of strings.
fn compact(canonical: &str) -> String {
    let (mut within_string, mut escaped) = (false, false);
    let kept = canonical.chars().filter(|&char| {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => within_string = !within_string,
            _ => {}
        }
        within_string || char != ' '
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::super::canonical_jsonb;
    use super::JsonForm;

    fn form(text: &str) -> Option<JsonForm> {
        let canonical = canonical_jsonb(text).unwrap();
        let form = JsonForm::of(text, &canonical);
        assert!(form.is_none_or(|form| form.write(&canonical) == text), "{text}");
        form
    }

    #[test]
    fn a_form_gives_the_very_text_again() {
        assert_eq!(form(r#"{"a": 1, "b": [1, 2]}"#), Some(JsonForm::Spaced));
        assert_eq!(form(r#"{"a":1,"b":[1,2]}"#), Some(JsonForm::Compact));
        assert_eq!(form(r#"{"bb":" ","a, b":"c: \" , \\"}"#), Some(JsonForm::Compact));
        assert_eq!(form("[]"), Some(JsonForm::Spaced));
        assert_eq!(form("7"), Some(JsonForm::Spaced));
        assert_eq!(JsonForm::Compact.write("[]"), "[]");
    }

    #[test]
    fn a_text_that_differs_in_more_than_blanks_has_no_form() {
        for text in [
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":1, "b":2}"#,
            "[1e2]",
            r#"["\u0061"]"#,
            r#"["\/"]"#,
            " []",
            "[ ]",
            "-0",
        ] {
            assert_eq!(form(text), None, "{text}");
        }
    }
}
