//! Booleans as words and numbers: read in one vocabulary, and written in it.

use crate::model::{BoolForm, BoolWords};

/// Every vocabulary with its words for true and for false.
const VOCABULARIES: [(BoolWords, &str, &str); 12] = [
    (BoolWords::SmallTF, "t", "f"),
    (BoolWords::LargeTF, "T", "F"),
    (BoolWords::SmallTrueFalse, "true", "false"),
    (BoolWords::TrueFalse, "True", "False"),
    (BoolWords::LargeTrueFalse, "TRUE", "FALSE"),
    (BoolWords::SmallYN, "y", "n"),
    (BoolWords::LargeYN, "Y", "N"),
    (BoolWords::SmallYesNo, "yes", "no"),
    (BoolWords::YesNo, "Yes", "No"),
    (BoolWords::LargeYesNo, "YES", "NO"),
    (BoolWords::OnOff, "on", "off"),
    (BoolWords::OneZero, "1", "0"),
];

impl BoolWords {
    /// The vocabulary of a word, and what it says in it: a column is boolean where all its texts have the same one.
    pub fn of(text: impl AsRef<[u8]>) -> Option<(Self, bool)> {
        let text = text.as_ref();
        VOCABULARIES.iter().find_map(|&(words, yes, no)| {
            (text == yes.as_bytes() || text == no.as_bytes())
                .then_some((words, text == yes.as_bytes()))
        })
    }

    /// What a text says in this vocabulary.
    #[inline]
    pub fn parse(self, text: impl AsRef<[u8]>) -> Option<bool> {
        match text.as_ref() {
            text if text == self.word(true).as_bytes() => Some(true),
            text if text == self.word(false).as_bytes() => Some(false),
            _ => None,
        }
    }

    /// The word.
    pub fn word(self, value: bool) -> &'static str {
        let of = |&&(words, _, _): &&(Self, _, _)| words == self;
        VOCABULARIES.iter().find(of).map_or("", |(_, yes, no)| if value { yes } else { no })
    }
}

impl BoolForm {
    /// What an INTEGER says in this form.
    pub fn parse_integer(self, value: i64) -> Option<bool> {
        match (self, value) {
            (Self::ZeroOne, 0 | 1) => Some(value == 1),
            _ => None,
        }
    }

    /// What a REAL says in this form; -0.0 says nothing, because it would not go back.
    pub fn parse_real(self, value: f64) -> Option<bool> {
        let is = |other: f64| value.to_bits() == other.to_bits();
        (self == Self::ZeroOneReal && (is(0.0) || is(1.0))).then(|| is(1.0))
    }

    /// What a TEXT says in this form.
    #[inline]
    pub fn parse_text(self, text: impl AsRef<[u8]>) -> Option<bool> {
        match self {
            Self::Words(words) => words.parse(text),
            Self::ZeroOne | Self::ZeroOneReal => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BoolForm, BoolWords, VOCABULARIES};

    #[test]
    fn every_word_is_of_one_vocabulary_and_goes_back() {
        let words: std::collections::BTreeSet<_> =
            VOCABULARIES.iter().flat_map(|&(_, yes, no)| [yes, no]).collect();
        assert_eq!(words.len(), 2 * VOCABULARIES.len());
        for (vocabulary, yes, no) in VOCABULARIES {
            for (word, says) in [(yes, true), (no, false)] {
                assert_eq!(BoolWords::of(word), Some((vocabulary, says)));
                assert_eq!(vocabulary.parse(word), Some(says));
                assert_eq!(vocabulary.word(says), word);
            }
        }
    }

    #[test]
    fn a_word_of_another_vocabulary_is_refused() {
        assert_eq!(BoolWords::TrueFalse.parse("true"), None);
        assert_eq!(BoolWords::SmallTF.parse("true"), None);
        assert_eq!(BoolWords::OneZero.parse("t"), None);
        for text in ["", " t", "2", "tRUE", "off ", "nein", "1.0"] {
            assert_eq!(BoolWords::of(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_booleans_in_their_own_storage_class_only() {
        let says =
            |form: BoolForm| (form.parse_integer(1), form.parse_real(0.0), form.parse_text("1"));
        assert_eq!(says(BoolForm::ZeroOne), (Some(true), None, None));
        assert_eq!(says(BoolForm::ZeroOneReal), (None, Some(false), None));
        assert_eq!(says(BoolForm::Words(BoolWords::OneZero)), (None, None, Some(true)));
        assert_eq!(BoolForm::ZeroOne.parse_integer(2), None);
        assert_eq!(BoolForm::ZeroOneReal.parse_real(-0.0), None);
        assert_eq!(BoolForm::ZeroOneReal.parse_real(0.5), None);
    }

    #[test]
    fn a_vocabulary_stands_in_the_plan_as_its_words() {
        for (vocabulary, yes, no) in VOCABULARIES {
            assert_eq!(serde_json::to_string(&vocabulary).unwrap(), format!("\"{yes}/{no}\""));
        }
    }
}
