//! Reads dates whose meaning must be said: the day or the month first, or digits without marks.

use super::read::{dated, days, with_time};
use super::{IsoText, Refusal};
use crate::model::{DateForm, DateOrder, IsoForm, Padding};

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
        let is = |order| IsoText::parse_ordered(text, order).is_ok();
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
    /// Where the year is last, day, month and hour may lack the zero in front, as in `8/31/2015 9:30`.
    ///
    /// # Errors
    ///
    /// What keeps everything else from being stored as it is.
    pub fn parse_ordered(
        text: impl AsRef<[u8]>,
        order: DateOrder,
    ) -> Result<(Self, IsoForm), Refusal> {
        let text = text.as_ref();
        match dated(text, order) {
            Err(Refusal::Shape) if order != DateOrder::Ymd => unpadded(text, order),
            read => read,
        }
        .map_err(|refusal| or_empty(text, refusal))
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

/// More than the longest text that is a date and a time.
const LONGEST: usize = 48;

/// Reads a date, and perhaps a time, of which some number lacks the zero in front: by putting the zeros there.
fn unpadded(text: &[u8], order: DateOrder) -> Result<(IsoText, IsoForm), Refusal> {
    let mut padded = [0; LONGEST];
    let mut length = 0;
    let mut push = |bytes: &[u8]| {
        let slot = padded.get_mut(length..length + bytes.len()).ok_or(Refusal::Shape)?;
        slot.copy_from_slice(bytes);
        length += bytes.len();
        Ok(())
    };
    let (first, rest) = Small::split(text)?;
    let (mark, rest) = rest.split_at_checked(1).ok_or(Refusal::Shape)?;
    let (second, rest) = Small::split(rest)?;
    let (year, rest) = rest.split_at_checked(5).ok_or(Refusal::Shape)?;
    for part in [&first.digits, mark, &second.digits, year] {
        push(part)?;
    }
    let mut hour = Padded::Needless;
    if let Some((separator, time)) = rest.split_at_checked(1).filter(|(_, time)| !time.is_empty()) {
        let (number, rest) = Small::split(time)?;
        hour = number.padded;
        for part in [separator, &number.digits, rest] {
            push(part)?;
        }
    } else {
        push(rest)?;
    }
    let date = [first.padded, second.padded];
    if date.contains(&Padded::Yes) && (date.contains(&Padded::No) || hour == Padded::No) {
        return Err(Refusal::Shape);
    }
    let padding = if hour == Padded::No { Padding::Nothing } else { Padding::Hour };
    let (value, form) = dated(padded.get(..length).unwrap_or_default(), order)?;
    Ok((value, form.with_padding(padding)))
}

/// A number of one or two digits.
struct Small {
    digits: [u8; 2],
    padded: Padded,
}

/// Whether a number has a zero in front.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Padded {
    Yes,
    No,
    /// It is ten or more.
    Needless,
}

impl Small {
    /// The number that a text begins with, and what follows.
    fn split(text: &[u8]) -> Result<(Self, &[u8]), Refusal> {
        match text {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
                let padded = if *tens == b'0' { Padded::Yes } else { Padded::Needless };
                Ok((Self { digits: [*tens, *ones], padded }, rest))
            }
            [ones @ b'0'..=b'9', rest @ ..] => {
                Ok((Self { digits: [b'0', *ones], padded: Padded::No }, rest))
            }
            _ => Err(Refusal::Shape),
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
            ("1/031/2025", Refusal::Shape),
            ("1/02/2025", Refusal::Shape),
            ("01/2/2025", Refusal::Shape),
            ("01/02/2025 9:30", Refusal::Shape),
            ("1/2/25", Refusal::Shape),
            ("1/2/2025 ", Refusal::Shape),
            ("1/2", Refusal::Shape),
            ("2/30/2025", Refusal::Day),
            ("1/2/2025 9:60", Refusal::Clock),
            ("01/31/25", Refusal::Shape),
            ("01/31/2025 24:00", Refusal::Clock),
            ("", Refusal::Empty),
        ] {
            assert_eq!(IsoText::parse_ordered(text, DateOrder::Mdy), Err(refusal), "{text}");
        }
        let endless = format!("1/2/2025 9:30:00.{}", "0".repeat(100));
        assert_eq!(IsoText::parse_ordered(endless, DateOrder::Mdy), Err(Refusal::Shape));
        // Without being asked for neither order is taken.
        assert_eq!(IsoText::parse("03/04/2025"), Err(Refusal::Shape));
    }

    #[test]
    fn numbers_without_the_zero_in_front_have_a_form_of_their_own() {
        for (text, same, pattern) in [
            ("8/5/2015", "2015-08-05", "M/D/YYYY"),
            ("8/31/2015 23:39", "2015-08-31 23:39", "M/D/YYYY HH:MM"),
            ("8/31/2015 09:39", "2015-08-31 09:39", "M/D/YYYY HH:MM"),
            ("8/31/2015 9:39:05", "2015-08-31 09:39:05", "M/D/YYYY H:MM:SS"),
            ("10/31/2015 9:39", "2015-10-31 09:39", "M/D/YYYY H:MM"),
            ("10/31/2015 12:39", "2015-10-31 12:39", "MM/DD/YYYY HH:MM"),
        ] {
            let (value, form) = IsoText::parse_ordered(text, DateOrder::Mdy).unwrap();
            assert_eq!((value, form.to_string().as_str()), (iso(same), pattern), "{text}");
        }
        assert_eq!(Orders::of("8/31/2015 9:30").only(), Some(DateOrder::Mdy));
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
