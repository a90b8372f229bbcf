//! Reads dates and times that can mean one thing only: the year first, or a time of day alone.
//!
//! This is the hot path of every column of dates: it allocates nothing, and looks at each byte once.

use super::{IsoText, MICROS_A_DAY, MICROS_A_MINUTE, MICROS_A_SECOND, Refusal, calendar};
use crate::model::{
    ClockForm, DateForm, DateOrder, IsoForm, Mark, OffsetDigits, OffsetForm, OffsetLayout, Padding,
    Separator, UtcName,
};

impl IsoText {
    /// Reads `YYYY-MM-DD` or `YYYY/MM/DD`, with ` `, `T` or `t` and a time, or a time alone.
    ///
    /// A time is `HH:MM[:SS[.f…]]` with up to nine digits of a second, of which those after the sixth must be zeros.
    /// After a date and a time may stand `Z`, `z`, ` Z`, ` UTC`, ` +0000 UTC`, or `±HH:MM`, `±HHMM` or `±HH` with or
    /// without a blank.
    ///
    /// # Errors
    ///
    /// What keeps everything else from being stored as it is.
    #[expect(clippy::inline_always, reason = "called for each date")]
    #[inline(always)]
    pub fn parse(text: impl AsRef<[u8]>) -> Result<(Self, IsoForm), Refusal> {
        let text = text.as_ref();
        usual(text).map_or_else(|| unusual(text), Ok)
    }
}

/// Reads what is not written as most dates are, part by part.
#[inline(never)]
fn unusual(text: &[u8]) -> Result<(IsoText, IsoForm), Refusal> {
    match text {
        [_, _, _, _, b'-' | b'/', ..] => dated(text, DateOrder::Ymd),
        [_, _, b':', ..] => match clock(text, true)? {
            (micros, form, []) => Ok((IsoText::Time(micros), IsoForm::Time(form))),
            _ => Err(Refusal::Shape),
        },
        _ if text.trim_ascii().is_empty() => Err(Refusal::Empty),
        _ => Err(Refusal::Shape),
    }
}

/// Reads the shape that most dates of most applications have, `YYYY-MM-DD HH:MM:SS` (or with `T`), with no or six digits
/// of a second and nothing behind them, eight bytes at a time. All else is read part by part.
#[expect(clippy::inline_always, reason = "called for each date")]
#[inline(always)]
fn usual(text: &[u8]) -> Option<(IsoText, IsoForm)> {
    let (seconds_and_before, rest) = text.split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, d0, o0, o1, d1, a0, a1, mark, h0, h1, c0, m0, m1, c1, s0, s1] =
        *seconds_and_before;
    let separator = match mark {
        b' ' => Separator::Blank,
        b'T' => Separator::T,
        _ => return None,
    };
    let date = pairs([y0, y1, y2, y3, d0, o0, o1, d1], *b"0000-00-")?;
    let day = pairs([a0, a1, b' ', h0, h1, c0, m0, m1], *b"00 00:00")?;
    let time = pairs([h0, h1, c0, m0, m1, c1, s0, s1], *b"00:00:00")?;
    let (micros, clock) = match rest {
        [] => (0, ClockForm::Seconds),
        [point, f0, f1, f2, f3, f4, f5] => {
            let digits = pairs([s1, *point, *f0, *f1, *f2, *f3, *f4, *f5], *b"0.000000")?;
            let [_, _, tens, _, hundreds, _, ones, _] = digits.map(i64::from);
            (tens * 10_000 + hundreds * 100 + ones, ClockForm::Fixed(6))
        }
        _ => return None,
    };
    let [century, _, year, _, _, month, ..] = date;
    let ([day, ..], [hour, _, _, minute, _, _, second, _]) = (day, time);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = calendar::days(i32::from(century) * 100 + i32::from(year), month, day)?;
    let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    let wall = i64::from(days) * MICROS_A_DAY + seconds * MICROS_A_SECOND + micros;
    let date = DateForm { order: DateOrder::Ymd, mark: Mark::Dash, padding: Padding::All };
    Some((IsoText::Naive(wall), IsoForm::DateTime { date, separator, clock, offset: None }))
}

/// What each digit and the one behind it say together, where digits stand wherever the pattern has a 0, and all else is
/// as there; what a mark and its neighbours give means nothing.
#[inline]
fn pairs(text: [u8; 8], pattern: [u8; 8]) -> Option<[u8; 8]> {
    const HIGHEST: u64 = u64::from_le_bytes([0x80; 8]);

    // Digits become their values, marks become 0. Whatever is more than that reaches the highest bit of its byte.
    let values = u64::from_le_bytes(text) ^ u64::from_le_bytes(pattern);
    let room = pattern.map(|least| if least == b'0' { 0x7f - 9 } else { 0x7f });
    let over = values | values.wrapping_add(u64::from_le_bytes(room));
    if over & HIGHEST != 0 {
        return None;
    }
    // No byte of this is more than 99.
    Some((values * 10 + (values >> 8)).to_le_bytes())
}

/// Reads ten bytes of a date in this order, and what may follow it.
#[inline]
pub(super) fn dated(text: &[u8], order: DateOrder) -> Result<(IsoText, IsoForm), Refusal> {
    let (date, rest) = text.split_first_chunk::<10>().ok_or(Refusal::Shape)?;
    let (year, rest_of_date, marks) = match order {
        DateOrder::Ymd => {
            let [y0, y1, y2, y3, mark, a, b, other, c, d] = *date;
            ([y0, y1, y2, y3], [a, b, c, d], [mark, other])
        }
        DateOrder::Dmy | DateOrder::Mdy => {
            let [a, b, mark, c, d, other, y0, y1, y2, y3] = *date;
            ([y0, y1, y2, y3], [a, b, c, d], [mark, other])
        }
    };
    let mark = match marks {
        [b'-', b'-'] => Mark::Dash,
        [b'/', b'/'] => Mark::Slash,
        [b'.', b'.'] => Mark::Dot,
        _ => return Err(Refusal::Shape),
    };
    let days = days(order, year, rest_of_date)?;
    let form = DateForm { order, mark, padding: Padding::All };
    with_time(days, form, rest)
}

/// The day of four digits of a year and of twice two digits in this order.
#[inline]
pub(super) fn days(order: DateOrder, year: [u8; 4], rest: [u8; 4]) -> Result<i32, Refusal> {
    let ([y0, y1, y2, y3], [a, b, c, d]) = (year, rest);
    let year = i32::from(two(y0, y1)?) * 100 + i32::from(two(y2, y3)?);
    let (first, second) = (two(a, b)?, two(c, d)?);
    let (month, day) = if order == DateOrder::Dmy { (second, first) } else { (first, second) };
    calendar::days(year, month, day).ok_or(Refusal::Day)
}

/// Reads what follows a date: nothing, or a time and perhaps an offset.
#[inline]
pub(super) fn with_time(
    days: i32,
    date: DateForm,
    rest: &[u8],
) -> Result<(IsoText, IsoForm), Refusal> {
    let (separator, rest) = match rest {
        [] => return Ok((IsoText::Date(days), IsoForm::Date(date))),
        [b' ', rest @ ..] => (Separator::Blank, rest),
        [b'T', rest @ ..] => (Separator::T, rest),
        [b't', rest @ ..] => (Separator::SmallT, rest),
        rest if date.mark == Mark::Nothing => (Separator::Nothing, rest),
        _ => return Err(Refusal::Shape),
    };
    let (micros, clock, rest) = clock(rest, date.mark != Mark::Nothing)?;
    // Twelve digits in a row may be anything.
    if separator == Separator::Nothing && (clock == ClockForm::Minutes || !rest.is_empty()) {
        return Err(Refusal::Shape);
    }
    let wall = i64::from(days) * MICROS_A_DAY + micros;
    let form = |offset| IsoForm::DateTime { date, separator, clock, offset };
    if rest.is_empty() {
        return Ok((IsoText::Naive(wall), form(None)));
    }
    let (minutes, offset) = offset(rest)?;
    Ok((IsoText::Instant(wall - minutes * MICROS_A_MINUTE), form(Some(offset))))
}

/// Reads a time of day, with or without colons: microseconds since midnight, how it is written, and what follows.
#[inline]
fn clock(text: &[u8], colons: bool) -> Result<(i64, ClockForm, &[u8]), Refusal> {
    let (hour, minute, rest) = match (colons, text) {
        (true, [h0, h1, b':', m0, m1, rest @ ..]) | (false, [h0, h1, m0, m1, rest @ ..]) => {
            (two(*h0, *h1)?, two(*m0, *m1)?, rest)
        }
        _ => return Err(Refusal::Shape),
    };
    let (second, fraction, form, rest) = match (colons, rest) {
        (true, [b':', s0, s1, rest @ ..]) | (false, [s0 @ b'0'..=b'9', s1, rest @ ..]) => {
            let second = two(*s0, *s1)?;
            match rest {
                [b'.', rest @ ..] => {
                    let (fraction, digits, rest) = fraction(rest)?;
                    (second, fraction, ClockForm::Fixed(digits), rest)
                }
                rest => (second, 0, ClockForm::Seconds, rest),
            }
        }
        (_, rest) => (0, 0, ClockForm::Minutes, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Refusal::Clock);
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Ok((seconds * MICROS_A_SECOND + fraction, form, rest))
}

/// Reads digits of a second: microseconds, how many digits there are, and what follows.
#[inline]
fn fraction(text: &[u8]) -> Result<(i64, u8, &[u8]), Refusal> {
    let (mut micros, mut count, mut worth, mut rest) = (0, 0_u8, 100_000, text);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        // After the sixth digit a digit is worth nothing, and must be nothing.
        if count == 9 || (worth == 0 && *digit != b'0') {
            return Err(Refusal::Fraction);
        }
        micros += i64::from(digit - b'0') * worth;
        worth /= 10;
        count += 1;
        rest = after;
    }
    if count == 0 { Err(Refusal::Shape) } else { Ok((micros, count, rest)) }
}

/// Reads an offset from UTC: minutes east of it, and how it is written.
#[inline]
fn offset(text: &[u8]) -> Result<(i64, OffsetForm), Refusal> {
    let name = match text {
        b"Z" => Some(UtcName::Z),
        b"z" => Some(UtcName::SmallZ),
        b" Z" => Some(UtcName::BlankZ),
        b" UTC" => Some(UtcName::BlankUtc),
        b" +0000 UTC" => Some(UtcName::Go),
        _ => None,
    };
    if let Some(name) = name {
        return Ok((0, OffsetForm::Utc(name)));
    }
    let (blank, text) = text.strip_prefix(b" ").map_or((false, text), |text| (true, text));
    let (west, digits) = match text {
        [b'+', digits @ ..] => (false, digits),
        [b'-', digits @ ..] => (true, digits),
        _ => return Err(Refusal::Shape),
    };
    let (hours, minutes, layout) = match digits {
        [h0, h1, b':', m0, m1] => (two(*h0, *h1)?, two(*m0, *m1)?, OffsetLayout::Colon),
        [h0, h1, m0, m1] => (two(*h0, *h1)?, two(*m0, *m1)?, OffsetLayout::Together),
        [h0, h1] => (two(*h0, *h1)?, 0, OffsetLayout::Hours),
        _ => return Err(Refusal::Shape),
    };
    if hours > 15 || minutes > 59 {
        return Err(Refusal::Offset);
    }
    let minutes = u16::from(hours) * 60 + u16::from(minutes);
    let east = if west { -i64::from(minutes) } else { i64::from(minutes) };
    Ok((east, OffsetForm::Digits(OffsetDigits { blank, layout, west, minutes })))
}

/// Reads two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Result<u8, Refusal> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { Err(Refusal::Shape) } else { Ok(tens * 10 + ones) }
}
