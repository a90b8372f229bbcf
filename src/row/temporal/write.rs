//! Writes dates and times in a form: the very text that was read, or what a column's form says of a value.

use super::{IsoText, MICROS_A_DAY, MICROS_A_MINUTE, MICROS_A_SECOND, calendar};
use crate::model::BelowTen;
use crate::model::{
    ClockForm, DateForm, DateOrder, IsoForm, Mark, OffsetDigits, OffsetForm, OffsetLayout, Padding,
    Separator,
};

impl IsoForm {
    /// Appends a value in this form; nothing where the form cannot say it: an instant without offset, a wall clock with
    /// one, a time of day in a date, or a year outside 1 to 9999.
    ///
    /// What the form would leave out of a value (seconds in `HH:MM`, more digits than `Fixed` has, the time in a date)
    /// is written too, so that the text always says this value.
    pub fn write(&self, value: IsoText, out: &mut String) -> Option<()> {
        let form = self.of(value)?;
        match form {
            Self::Date(date) => push_date(date, day_of(form.wall(value)?)?, out),
            Self::Time(clock) => {
                push_clock(clock, Padding::All, ":", form.wall(value)?, out);
                Some(())
            }
            Self::DateTime { date, separator, clock, offset } => {
                let wall = form.wall(value)?;
                push_date(date, day_of(wall)?, out)?;
                out.push_str(separator.text());
                let colon = if date.mark == Mark::Nothing { "" } else { ":" };
                push_clock(clock, date.padding, colon, wall.rem_euclid(MICROS_A_DAY), out);
                if let Some(offset) = offset {
                    push_offset(offset, out);
                }
                Some(())
            }
        }
    }

    /// Whether this form, of a column, writes for a value just the text that was read as the value and `read`.
    #[inline]
    pub fn writes(&self, value: IsoText, read: &Self) -> bool {
        self == read || self.of(value).as_ref() == Some(read)
    }

    /// The same form with the offset of another instant, in minutes east of UTC; unchanged where it has no digits of
    /// an offset.
    #[must_use]
    pub fn at_offset(self, minutes_east: i16) -> Self {
        match self {
            Self::DateTime { date, separator, clock, offset: Some(OffsetForm::Digits(digits)) } => {
                let digits = OffsetDigits {
                    // No offset is written as one to the east, even where the column's form is to the west.
                    west: minutes_east < 0,
                    minutes: minutes_east.unsigned_abs(),
                    ..digits
                };
                Self::DateTime { date, separator, clock, offset: Some(OffsetForm::Digits(digits)) }
            }
            other => other,
        }
    }

    /// The form of this value's own text: what the rules say for it, and what must be written beyond the rules.
    #[inline]
    fn of(&self, value: IsoText) -> Option<Self> {
        let form = self.with_clock_of(value)?;
        Some(match form.padding() {
            Padding::All => form,
            padding => form.with_padding(padding.applied(form.below_ten(value)?)),
        })
    }

    #[inline]
    fn with_clock_of(&self, value: IsoText) -> Option<Self> {
        let applied = |form: Self, micros| Some(form.applied(ClockForm::least(micros)));
        match (*self, value) {
            (form @ Self::Date(_), IsoText::Date(_)) => Some(form),
            (form @ Self::Date(_), IsoText::Naive(wall)) if wall.rem_euclid(MICROS_A_DAY) == 0 => {
                Some(form)
            }
            (Self::Date(date), IsoText::Naive(wall)) => {
                let separator = match date.mark {
                    Mark::Nothing => Separator::Nothing,
                    Mark::Dash | Mark::Slash | Mark::Dot => Separator::Blank,
                };
                let clock = ClockForm::Seconds;
                applied(Self::DateTime { date, separator, clock, offset: None }, wall)
            }
            (form @ Self::Time(_), IsoText::Time(micros))
                if (0..MICROS_A_DAY).contains(&micros) =>
            {
                applied(form, micros)
            }
            (form @ Self::DateTime { offset: None, .. }, IsoText::Date(_)) => applied(form, 0),
            // Offsets are whole minutes: they change neither the seconds nor their fraction.
            (form @ Self::DateTime { offset: None, .. }, IsoText::Naive(micros))
            | (form @ Self::DateTime { offset: Some(_), .. }, IsoText::Instant(micros)) => {
                applied(form, micros)
            }
            _ => None,
        }
    }

    /// This form for a time that can be written in `least` and no shorter: its clock is what the rule gives.
    pub(super) fn applied(self, least: ClockForm) -> Self {
        match self {
            Self::Date(_) => self,
            Self::Time(clock) => Self::Time(clock.applied(least)),
            // Twelve digits in a row would not be read as a time.
            Self::DateTime { separator: Separator::Nothing, clock, .. } => {
                self.with_clock(clock.applied(least).max(ClockForm::Seconds))
            }
            Self::DateTime { clock, .. } => self.with_clock(clock.applied(least)),
        }
    }

    /// Which of a value's numbers are below ten, in this form's offset.
    pub(super) fn below_ten(&self, value: IsoText) -> Option<BelowTen> {
        let wall = self.wall(value)?;
        let (_, month, day) = calendar::date(day_of(wall)?)?;
        let has_hour = matches!(self, Self::DateTime { .. });
        Some(BelowTen {
            date: month < 10 || day < 10,
            hour: has_hour && wall.rem_euclid(MICROS_A_DAY) < 600 * MICROS_A_MINUTE,
        })
    }

    /// What a clock shows that has this form's offset, or that no offset is known of: microseconds since 1970, or since
    /// midnight.
    fn wall(&self, value: IsoText) -> Option<i64> {
        match (value, self) {
            (IsoText::Date(days), _) => i64::from(days).checked_mul(MICROS_A_DAY),
            (IsoText::Instant(instant), Self::DateTime { offset: Some(offset), .. }) => {
                instant.checked_add(offset.minutes_east() * MICROS_A_MINUTE)
            }
            (IsoText::Time(wall) | IsoText::Naive(wall) | IsoText::Instant(wall), _) => Some(wall),
        }
    }

    /// The padding of the date, where there is one.
    pub(super) fn padding(&self) -> Padding {
        match self {
            Self::Date(date) | Self::DateTime { date, .. } => date.padding,
            Self::Time(_) => Padding::All,
        }
    }

    /// Whether nothing in it may lack a zero: the year of its date comes first, or it has no date.
    pub(super) fn year_first(&self) -> bool {
        match self {
            Self::Date(date) | Self::DateTime { date, .. } => date.order == DateOrder::Ymd,
            Self::Time(_) => true,
        }
    }

    /// The same form with another padding, where it has a date.
    pub(super) fn with_padding(mut self, padding: Padding) -> Self {
        if let Self::Date(date) | Self::DateTime { date, .. } = &mut self {
            date.padding = padding;
        }
        self
    }

    /// The same form with another clock, where it has one.
    pub(super) fn with_clock(self, clock: ClockForm) -> Self {
        match self {
            Self::Date(_) => self,
            Self::Time(_) => Self::Time(clock),
            Self::DateTime { date, separator, offset, .. } => {
                Self::DateTime { date, separator, clock, offset }
            }
        }
    }
}

impl Padding {
    /// The first padding that writes the same text as this one does.
    pub(super) fn applied(self, below_ten: BelowTen) -> Self {
        match (self, below_ten) {
            (Self::Nothing, BelowTen { hour: true, .. }) => Self::Nothing,
            (Self::Hour | Self::Nothing, BelowTen { date: true, .. }) => Self::Hour,
            _ => Self::All,
        }
    }
}

impl ClockForm {
    /// The shortest way to write a time in microseconds: `Minutes`, `Seconds` or `Fixed`.
    #[inline]
    pub(super) fn least(micros: i64) -> Self {
        let mut fraction = micros.rem_euclid(MICROS_A_SECOND);
        if fraction == 0 {
            let whole_minute = micros.rem_euclid(MICROS_A_MINUTE) == 0;
            return if whole_minute { Self::Minutes } else { Self::Seconds };
        }
        let mut digits = 6;
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        Self::Fixed(digits)
    }

    /// What this rule gives for a time that can be written in `least` and no shorter.
    #[inline]
    fn applied(self, least: Self) -> Self {
        let written = match (self, least) {
            (Self::Minutes | Self::Seconds, _) => self,
            (Self::Fixed(digits), _) => Self::Fixed(digits.clamp(1, 9)),
            (Self::Groups | Self::MinutesOrGroups, Self::Fixed(1..=3)) => Self::Fixed(3),
            (Self::SixUnlessZero | Self::Groups | Self::MinutesOrGroups, Self::Fixed(_)) => {
                Self::Fixed(6)
            }
            (Self::MinutesOrGroups, least) => least,
            (Self::SixUnlessZero | Self::Groups, _) => Self::Seconds,
        };
        // From minutes to seconds to more and more digits of one.
        written.max(least)
    }
}

impl OffsetForm {
    /// Minutes east of UTC.
    pub fn minutes_east(self) -> i64 {
        match self {
            Self::Utc(_) => 0,
            Self::Digits(OffsetDigits { west: true, minutes, .. }) => -i64::from(minutes),
            Self::Digits(OffsetDigits { west: false, minutes, .. }) => i64::from(minutes),
        }
    }
}

fn day_of(wall: i64) -> Option<i32> {
    i32::try_from(wall.div_euclid(MICROS_A_DAY)).ok()
}

fn push_date(form: DateForm, days: i32, out: &mut String) -> Option<()> {
    let (year, month, day) = calendar::date(days)?;
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let digits = |number| if form.padding == Padding::All || number > 9 { 2 } else { 1 };
    let (month, day) = ((month, digits(month)), (day, digits(day)));
    let parts = match form.order {
        DateOrder::Ymd => [(year, 4), month, day],
        DateOrder::Dmy => [day, month, (year, 4)],
        DateOrder::Mdy => [month, day, (year, 4)],
    };
    for (at, (number, digits)) in parts.into_iter().enumerate() {
        if at > 0 {
            out.push_str(form.mark.text());
        }
        push_digits(number, digits, out);
    }
    Some(())
}

fn push_clock(form: ClockForm, padding: Padding, colon: &str, micros: i64, out: &mut String) {
    let seconds = micros / MICROS_A_SECOND;
    let hour = seconds / 3600;
    push_digits(hour, if padding == Padding::Nothing && hour < 10 { 1 } else { 2 }, out);
    out.push_str(colon);
    push_digits(seconds / 60 % 60, 2, out);
    if form == ClockForm::Minutes {
        return;
    }
    out.push_str(colon);
    push_digits(seconds % 60, 2, out);
    if let ClockForm::Fixed(digits) = form {
        out.push('.');
        let fraction = micros % MICROS_A_SECOND;
        let beyond = u32::from(digits.saturating_sub(6));
        push_digits(fraction / 10_i64.pow(6_u32.saturating_sub(digits.into())), digits.min(6), out);
        push_digits(0, u8::try_from(beyond).unwrap_or(0), out);
    }
}

fn push_offset(offset: OffsetForm, out: &mut String) {
    let digits = match offset {
        OffsetForm::Utc(name) => return out.push_str(name.text()),
        OffsetForm::Digits(digits) => digits,
    };
    if digits.blank {
        out.push(' ');
    }
    out.push(if digits.west { '-' } else { '+' });
    let (hours, minutes) = (i64::from(digits.minutes / 60), i64::from(digits.minutes % 60));
    push_digits(hours, 2, out);
    // Hours alone cannot say half an hour.
    if digits.layout == OffsetLayout::Hours && minutes == 0 {
        return;
    }
    if digits.layout != OffsetLayout::Together {
        out.push(':');
    }
    push_digits(minutes, 2, out);
}

/// Appends the last `digits` digits of a number that is not negative, two at a time.
#[inline]
fn push_digits(number: i64, digits: u8, out: &mut String) {
    let number = u32::try_from(number).unwrap_or(0);
    let mut unit = 10_u32.pow(u32::from(digits));
    if !digits.is_multiple_of(2) {
        unit /= 10;
        out.push(char::from(b'0' + u8::try_from(number / unit % 10).unwrap_or(0)));
    }
    while unit > 1 {
        unit /= 100;
        let at = usize::try_from(number / unit % 100 * 2).unwrap_or(0);
        out.push_str(PAIRS.get(at..at + 2).unwrap_or_default());
    }
}

/// 00 to 99.
const PAIRS: &str = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
    5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
