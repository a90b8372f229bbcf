//! Reads dates whose meaning must be said: the day or the month first, or digits without marks.

use super::read::{dated, days, with_time};
use super::{IsoText, Refusal};
use crate::model::{DateForm, DateOrder, IsoForm};

/// The orders in which a text, or every text of a column, is a date with the year last.
///
/// A column for which only one is left is not ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders {
    /// The day first.
    pub dmy: bool,
    /// The month first.
    pub mdy: bool,
}

impl Orders {
    /// Those of no text at all.
    pub const BOTH: Self = Self { dmy: true, mdy: true };

    /// Those in which this text is a date: `31/01/2025`, with `/`, `.` or `-`, and perhaps a time.
    pub fn of(text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        let is = |order| dated(text, order).is_ok();
        Self { dmy: is(DateOrder::Dmy), mdy: is(DateOrder::Mdy) }
    }

    /// Those that are among both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { dmy: self.dmy && other.dmy, mdy: self.mdy && other.mdy }
    }

    /// The order, if there is just one.
    pub fn only(self) -> Option<DateOrder> {
        match self {
            Self { dmy: true, mdy: false } => Some(DateOrder::Dmy),
            Self { dmy: false, mdy: true } => Some(DateOrder::Mdy),
            _ => None,
        }
    }
}

impl IsoText {
    /// Reads a date in this order, marked by `-`, `/` or `.`, and what [`parse`](Self::parse) takes after a date.
    ///
    /// # Errors
    ///
    /// What keeps everything else from being stored as it is.
    pub fn parse_ordered(
        text: impl AsRef<[u8]>,
        order: DateOrder,
    ) -> Result<(Self, IsoForm), Refusal> {
        dated(text.as_ref(), order).map_err(|refusal| or_empty(text.as_ref(), refusal))
    }

    /// Reads `YYYYMMDD`, `YYYYMMDDHHMMSS[.f…]`, or with a separator `HHMM[SS[.f…]]` and perhaps an offset.
    ///
    /// # Errors
    ///
    /// What keeps everything else from being stored as it is.
    pub fn parse_compact(text: impl AsRef<[u8]>) -> Result<(Self, IsoForm), Refusal> {
        let text = text.as_ref();
        let [y0, y1, y2, y3, m0, m1, d0, d1, rest @ ..] = text else {
            return Err(or_empty(text, Refusal::Shape));
        };
        let days = days(DateOrder::Ymd, [*y0, *y1, *y2, *y3], [*m0, *m1, *d0, *d1])?;
        with_time(days, DateForm::COMPACT, rest)
    }

    /// Reads the INTEGER that numeric affinity makes of `YYYYMMDD` or `YYYYMMDDHHMMSS`.
    ///
    /// # Errors
    ///
    /// What keeps every other number from being such a date. One of a year before 1000 has lost its zeros.
    pub fn parse_compact_integer(number: i64) -> Result<(Self, IsoForm), Refusal> {
        let mut digits = [0_u8; 14];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest.rem_euclid(10)).unwrap_or(0);
            rest = rest.div_euclid(10);
        }
        match digits {
            _ if rest != 0 => Err(Refusal::Shape),
            [b'0', b'0', b'0', b'0', b'0', b'0', date @ ..] => match date {
                [b'0', ..] => Err(Refusal::Shape),
                date => Self::parse_compact(date),
            },
            [b'0', ..] => Err(Refusal::Shape),
            digits => Self::parse_compact(digits),
        }
    }
}

fn or_empty(text: &[u8], refusal: Refusal) -> Refusal {
    if text.trim_ascii().is_empty() { Refusal::Empty } else { refusal }
}

#[cfg(test)]
mod tests {
    use super::{IsoText, Orders, Refusal};
    use crate::model::DateOrder;

    fn iso(text: &str) -> IsoText {
        IsoText::parse(text).unwrap().0
    }

    #[test]
    fn the_same_text_is_another_day_in_another_order() {
        let read = |text, order| IsoText::parse_ordered(text, order).unwrap().0;
        assert_eq!(read("03/04/2025", DateOrder::Dmy), iso("2025-04-03"));
        assert_eq!(read("03/04/2025", DateOrder::Mdy), iso("2025-03-04"));
        assert_eq!(read("31.01.2025 10:30", DateOrder::Dmy), iso("2025-01-31 10:30"));
        assert_eq!(read("01-31-2025T10:30:00Z", DateOrder::Mdy), iso("2025-01-31T10:30:00Z"));
        assert_eq!(read("2025.01.31", DateOrder::Ymd), iso("2025-01-31"));
    }

    #[test]
    fn what_is_no_date_in_an_order_says_why() {
        for (text, refusal) in [
            ("31/01/2025", Refusal::Day),
            ("01/31.2025", Refusal::Shape),
            ("1/31/2025", Refusal::Shape),
            ("01/31/25", Refusal::Shape),
            ("01/31/2025 24:00", Refusal::Clock),
            ("", Refusal::Empty),
        ] {
            assert_eq!(IsoText::parse_ordered(text, DateOrder::Mdy), Err(refusal), "{text}");
        }
        // Without being asked for neither order is taken.
        assert_eq!(IsoText::parse("03/04/2025"), Err(Refusal::Shape));
    }

    #[test]
    fn a_column_is_ambiguous_until_one_value_fits_one_order_only() {
        let orders =
            |texts: &[&str]| texts.iter().fold(Orders::BOTH, |all, text| all.and(Orders::of(text)));
        assert_eq!(orders(&["03/04/2025", "12/12/2025"]), Orders::BOTH);
        assert_eq!(orders(&["03/04/2025", "13/12/2025"]).only(), Some(DateOrder::Dmy));
        assert_eq!(orders(&["03/04/2025", "12/13/2025"]).only(), Some(DateOrder::Mdy));
        let neither = orders(&["13/12/2025", "12/13/2025"]);
        assert_eq!((neither.dmy, neither.mdy, neither.only()), (false, false, None));
    }

    #[test]
    fn digits_alone_are_dates_only_where_that_is_asked_for() {
        let read = |text| IsoText::parse_compact(text).unwrap().0;
        assert_eq!(read("20250131"), iso("2025-01-31"));
        assert_eq!(read("20250131102030"), iso("2025-01-31 10:20:30"));
        assert_eq!(read("20250131T1020Z"), iso("2025-01-31T10:20Z"));
        assert_eq!(read("20250131T102030.5+0530"), iso("2025-01-31T10:20:30.5+05:30"));
        assert_eq!(IsoText::parse("20250131"), Err(Refusal::Shape));
        for text in ["2025013", "202501311020", "2025013110203", "20250131102030Z", "2025-01-31"] {
            assert_eq!(IsoText::parse_compact(text), Err(Refusal::Shape), "{text}");
        }
        assert_eq!(IsoText::parse_compact("20250230"), Err(Refusal::Day));
    }

    #[test]
    fn integers_of_eight_and_fourteen_digits_are_compact_dates() {
        let read = |number| IsoText::parse_compact_integer(number).map(|(value, _)| value);
        assert_eq!(read(20_250_131), Ok(iso("2025-01-31")));
        assert_eq!(read(20_250_131_102_030), Ok(iso("2025-01-31 10:20:30")));
        for number in [0, -20_250_131, 9_991_231, 202_501_311_020, 120_250_131_102_030, i64::MIN] {
            assert_eq!(read(number), Err(Refusal::Shape), "{number}");
        }
        assert_eq!(read(20_250_230), Err(Refusal::Day));
    }
}
