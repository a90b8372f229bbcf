//! Decimal numbers as SQLite's cells: which cell a form writes for a value, and whether that is the cell that was there.

use super::form::Cell;
use super::numeric::{PlainDecimal, ShortDecimal};
use crate::model::{NumberClass, NumberForm};

impl NumberForm {
    /// The cell of a decimal in plain digits; the text of a TEXT is appended to `out`.
    ///
    /// What no INTEGER and no double equals is TEXT in every form, and more digits than a scale has are all written:
    /// the cell always says this value. None for what is no plain decimal.
    pub fn cell(self, decimal: &str, out: &mut String) -> Option<Cell> {
        let value = PlainDecimal::parse(decimal)?;
        let start = out.len();
        value.push_plain(out);
        let plain = out.get(start..)?;
        let number = match self {
            Self::Stored(NumberClass::Integer) => {
                plain.parse().ok().map(Cell::Integer).or_else(|| real(plain))
            }
            Self::Stored(NumberClass::Real) => real(plain),
            Self::Text => None,
            Self::TextScale(scale) => {
                pad(plain.split_once('.').map_or(0, |(_, fraction)| fraction.len()), scale, out);
                None
            }
        };
        if number.is_some() {
            out.truncate(start);
        }
        Some(number.unwrap_or(Cell::Text))
    }

    /// Whether this form writes an INTEGER for the value of this INTEGER.
    pub fn writes_integer(self, _value: i64) -> bool {
        self == Self::Stored(NumberClass::Integer)
    }

    /// Whether this form writes this very REAL for its shortest decimal.
    pub fn writes_real(self, value: f64) -> bool {
        ShortDecimal::of_double(value).is_some_and(|decimal| self.writes_real_of(decimal))
    }

    /// The same of the double whose shortest decimal this is.
    #[inline]
    pub fn writes_real_of(self, decimal: ShortDecimal) -> bool {
        match self {
            Self::Stored(NumberClass::Real) => true,
            Self::Stored(NumberClass::Integer) => !decimal.is_integer(),
            Self::Text | Self::TextScale(_) => false,
        }
    }

    /// Whether this form writes this very TEXT for the decimal that it is.
    pub fn writes_text(self, text: &str) -> bool {
        let Some(written) = Written::of(text) else { return false };
        match self {
            Self::Text => written.is_plain,
            Self::TextScale(scale) => written.scale == written.needed.max(scale.into()),
            Self::Stored(_) => false,
        }
    }

    /// The form that writes this very TEXT: [`Text`](Self::Text) where it has no needless zeros, else with its scale.
    /// None for what is no decimal, or has a sign, zeros or a point where none are needed.
    pub fn of_text(text: &str) -> Option<Self> {
        let written = Written::of(text)?;
        if written.is_plain {
            Some(Self::Text)
        } else {
            written.scale.try_into().ok().map(Self::TextScale)
        }
    }
}

/// How a decimal text is written, where it is written without a needless sign or zero in front.
struct Written {
    /// Digits after the point.
    scale: usize,
    /// Digits after the point up to the last that is not zero.
    needed: usize,
    /// Whether there are no needless zeros at the end.
    is_plain: bool,
}

impl Written {
    fn of(text: &str) -> Option<Self> {
        let needed = usize::try_from(PlainDecimal::parse(text)?.size().scale).ok()?;
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let scale = magnitude.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let is_minus_zero = magnitude.len() < text.len()
            && magnitude.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        let is_padded = matches!(magnitude.as_bytes(), [b'+', ..] | [b'0', b'0'..=b'9', ..]);
        let is_short = !is_minus_zero && !is_padded;
        is_short.then_some(Self { scale, needed, is_plain: scale == needed })
    }
}

/// The double whose shortest decimal these plain digits are.
fn real(plain: &str) -> Option<Cell> {
    let value: f64 = plain.parse().ok()?;
    let mut back = String::with_capacity(plain.len());
    ShortDecimal::of_double(value)?.push_plain(&mut back);
    (back == plain).then_some(Cell::Real(value))
}

/// Appends the zeros that a fraction lacks, after a point where there is none.
fn pad(written: usize, scale: u16, out: &mut String) {
    let scale = usize::from(scale);
    if written == 0 && scale > 0 {
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', scale.saturating_sub(written)));
}

#[cfg(test)]
mod tests {
    use super::{Cell, NumberForm};
    use crate::model::NumberClass;
    use crate::row::numeric::ShortDecimal;
    use proptest::prelude::*;

    const MIXED: NumberForm = NumberForm::Stored(NumberClass::Integer);
    const REALS: NumberForm = NumberForm::Stored(NumberClass::Real);

    fn cell(form: NumberForm, decimal: &str) -> (Cell, String) {
        let mut text = String::from("before ");
        let cell = form.cell(decimal, &mut text).unwrap();
        (cell, text.strip_prefix("before ").unwrap().into())
    }

    fn plain(value: f64) -> Option<String> {
        let mut text = String::new();
        ShortDecimal::of_double(value).map(|decimal| decimal.push_plain(&mut text)).map(|()| text)
    }

    #[test]
    fn a_value_becomes_the_cell_of_its_columns_form() {
        let number = |cell| (cell, String::new());
        let text = |text: &str| (Cell::Text, text.to_owned());
        assert_eq!(cell(MIXED, "5.00"), number(Cell::Integer(5)));
        assert_eq!(cell(MIXED, "-0.5"), number(Cell::Real(-0.5)));
        assert_eq!(cell(MIXED, "9223372036854775807"), number(Cell::Integer(i64::MAX)));
        assert_eq!(cell(MIXED, "100000000000000000000"), number(Cell::Real(1e20)));
        assert_eq!(cell(REALS, "5"), number(Cell::Real(5.0)));
        assert_eq!(cell(NumberForm::Text, "5.10"), text("5.1"));
        assert_eq!(cell(NumberForm::TextScale(2), "5"), text("5.00"));
        assert_eq!(cell(NumberForm::TextScale(2), "5.1"), text("5.10"));
        assert_eq!(cell(NumberForm::TextScale(0), "-5"), text("-5"));
        assert_eq!(NumberForm::Text.cell("1e5", &mut String::new()), None);
    }

    #[test]
    fn what_the_form_cannot_hold_is_text_and_never_another_value() {
        let text = |text: &str| (Cell::Text, text.to_owned());
        assert_eq!(cell(MIXED, "0.12345678901234567890"), text("0.1234567890123456789"));
        assert_eq!(cell(REALS, "9007199254740993"), text("9007199254740993"));
        assert_eq!(cell(MIXED, "9223372036854775809"), text("9223372036854775809"));
        assert_eq!(cell(NumberForm::TextScale(2), "5.125"), text("5.125"));
    }

    #[test]
    fn a_cell_that_is_not_what_its_column_writes_is_an_exception() {
        assert!(
            MIXED.writes_integer(5)
                && !REALS.writes_integer(5)
                && !NumberForm::Text.writes_integer(5)
        );
        assert!(REALS.writes_real(5.0) && !MIXED.writes_real(5.0) && MIXED.writes_real(5.5));
        assert!(MIXED.writes_real(1e20) && !MIXED.writes_real(1e18) && !MIXED.writes_real(-0.0));
        assert!(!REALS.writes_real(f64::NAN) && !NumberForm::Text.writes_real(0.5));
        let scaled = NumberForm::TextScale(2);
        for (text, is_plain, is_scaled) in [
            ("5.10", false, true),
            ("5.00", false, true),
            ("5", true, false),
            ("5.1", true, false),
            ("5.125", true, true),
            ("5.1250", false, false),
            ("-0.50", false, true),
            ("0", true, false),
            ("-0", false, false),
            ("-0.00", false, false),
            ("+5.10", false, false),
            ("05.10", false, false),
            ("", false, false),
            ("5,10", false, false),
        ] {
            assert_eq!(
                (NumberForm::Text.writes_text(text), scaled.writes_text(text)),
                (is_plain, is_scaled),
                "{text}"
            );
        }
    }

    #[test]
    fn a_texts_own_form_is_told() {
        assert_eq!(NumberForm::of_text("5.10"), Some(NumberForm::TextScale(2)));
        assert_eq!(NumberForm::of_text("5.1"), Some(NumberForm::Text));
        assert_eq!(NumberForm::of_text("007"), None);
    }

    proptest! {
        #[test]
        fn what_a_form_is_said_to_write_is_what_it_writes(
            integer in any::<i64>(), bits in any::<u64>(), text in "[-+]?[0-9]{0,4}(\\.[0-9]{0,4})?", scale in 0_u16..5,
        ) {
            for form in [MIXED, REALS, NumberForm::Text, NumberForm::TextScale(scale)] {
                let written = cell(form, &integer.to_string());
                prop_assert_eq!(written.0 == Cell::Integer(integer), form.writes_integer(integer));
                for value in [f64::from_bits(bits), f64::from_bits(bits).trunc(), f64::from(scale)] {
                    if let Some(decimal) = plain(value) {
                        let same = matches!(cell(form, &decimal).0, Cell::Real(back) if back.to_bits() == value.to_bits());
                        prop_assert_eq!(same, form.writes_real(value), "{:?} {}", form, value);
                    }
                }
                let mut back = String::new();
                let same = form.cell(&text, &mut back) == Some(Cell::Text) && back == text;
                prop_assert_eq!(same, form.writes_text(&text), "{:?} {}", form, text);
            }
        }
    }
}
