//! How SQLite wrote the values of a column, so that they can go back as they were.
//!
//! A column has one form; a cell either is exactly what its column's form writes for its value, or it is an exception
//! and is kept as it was. Forms stand in the plan. What reads and writes them is in `row`: [`temporal`] for dates and
//! times, [`epoch`], [`number`], [`boolean`], and [`form`] for all of them together.
//!
//! [`temporal`]: crate::row::temporal
//! [`epoch`]: crate::row::epoch
//! [`number`]: crate::row::number
//! [`boolean`]: crate::row::boolean
//! [`form`]: crate::row::form

use super::EpochUnit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How the cells of a column are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The storage class and the text that the type has by itself.
    #[default]
    Plain,
    /// Dates and times as TEXT, or as INTEGERs that read like compact dates.
    Iso(IsoColumn),
    /// A count since some day.
    Epoch {
        /// What is counted, and since when.
        unit: EpochUnit,
        /// The storage class.
        class: NumberClass,
    },
    /// Decimal numbers.
    Number(NumberForm),
    /// Booleans.
    Bool(BoolForm),
    /// UUIDs as TEXT.
    Uuid(UuidForm),
    /// UUIDs as BLOBs of 16 bytes.
    UuidBytes,
    /// JSON documents that the server writes anew.
    Json(JsonForm),
}

/// Dates and times of a column as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsoColumn {
    /// The text.
    pub form: IsoForm,
    /// The IANA zone whose clocks write it, where the column holds instants: of texts without offset it says what they
    /// mean, of texts with one which offset each instant has. Without it an offset is that of `form`.
    pub zone: Option<String>,
    /// Whether the digits stand as INTEGER: compact dates in a column of numeric affinity.
    pub integer: bool,
}

/// The text of a date, a time, or both.
///
/// Reading a text gives the form that writes this very text; there [`ClockForm`] is `Minutes`, `Seconds` or `Fixed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsoForm {
    /// A date alone.
    Date(DateForm),
    /// A time of day alone.
    Time(ClockForm),
    /// A date and a time.
    DateTime {
        /// The date.
        date: DateForm,
        /// What stands between them.
        separator: Separator,
        /// The time; without colons where the date is [`Mark::Nothing`].
        clock: ClockForm,
        /// The offset from UTC; none for a wall clock.
        offset: Option<OffsetForm>,
    },
}

/// The text of a date: four digits of a year, two of a month and of a day, or one where they are not padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DateForm {
    /// Which comes first.
    pub order: DateOrder,
    /// What stands between them.
    pub mark: Mark,
    /// What is filled up with zeros; all of it where the year comes first.
    pub padding: Padding,
}

/// The order of a date's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// Year, month, day.
    Ymd,
    /// Day, month, year.
    Dmy,
    /// Month, day, year.
    Mdy,
}

/// What stands between the parts of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// `-`
    Dash,
    /// `/`
    Slash,
    /// `.`
    Dot,
    /// Nothing: ISO's basic format, in which the time has no colons either.
    Nothing,
}

/// Which numbers below ten have a zero in front. Minutes and seconds always have.
///
/// A text's own form has the first of these that writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Month, day and hour: `08/05/2015 09:30`.
    All,
    /// The hour: `8/5/2015 09:30`.
    Hour,
    /// None of them: `8/5/2015 9:30`.
    Nothing,
}

/// What stands between date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Separator {
    /// A blank.
    Blank,
    /// `T`
    T,
    /// `t`
    SmallT,
    /// Nothing: `YYYYMMDDHHMMSS`.
    Nothing,
}

/// How much of a time of day is written: a rule that gives the digits for each value.
///
/// What a rule would leave out is written all the same, with as few digits as that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockForm {
    /// `HH:MM`, and what else there is.
    Minutes,
    /// `HH:MM:SS`, and as many digits of a second as there are: SQLite's CURRENT_TIMESTAMP, Go's RFC3339Nano.
    Seconds,
    /// So many digits of a second, 1 to 9, as JavaScript's toISOString (3) and SQLAlchemy (6).
    Fixed(u8),
    /// Six digits of a second, or none where they are zero, as Python's isoformat.
    SixUnlessZero,
    /// None, three or six digits of a second, as Java's Instant.
    Groups,
    /// As `Groups`, and no seconds where there are none, as Java's LocalDateTime.
    MinutesOrGroups,
}

/// How an instant's offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetForm {
    /// UTC by a name.
    Utc(UtcName),
    /// Hours and minutes.
    Digits(OffsetDigits),
}

/// The ways to say UTC without digits alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UtcName {
    /// `Z`
    Z,
    /// `z`
    SmallZ,
    /// ` Z`
    BlankZ,
    /// ` UTC`
    BlankUtc,
    /// ` +0000 UTC`, as Go's Time.String.
    Go,
}

/// An offset from UTC in digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OffsetDigits {
    /// Whether a blank stands before it.
    pub blank: bool,
    /// How it is written.
    pub layout: OffsetLayout,
    /// Whether its sign is `-`, which `-00:00` has too.
    pub west: bool,
    /// Minutes from UTC, in the sign's direction.
    pub minutes: u16,
}

/// How the digits of an offset are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OffsetLayout {
    /// `+02:00`
    Colon,
    /// `+0200`
    Together,
    /// `+02`
    Hours,
}

/// The storage class of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberClass {
    /// INTEGER where the number is whole and has 64 bits, else REAL: what numeric affinity makes of any number.
    Integer,
    /// REAL, whole or not.
    Real,
}

/// How decimal numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberForm {
    /// As numbers.
    Stored(NumberClass),
    /// As TEXT without needless zeros.
    Text,
    /// As TEXT with so many digits after the point, at least.
    TextScale(u16),
}

/// How a UUID is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UuidForm {
    /// What stands around and between the digits.
    pub shape: UuidShape,
    /// Whether the letters among the digits are upper case.
    pub upper: bool,
}

/// What stands around and between a UUID's 32 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UuidShape {
    /// `550e8400-e29b-41d4-a716-446655440000`
    #[default]
    Hyphenated,
    /// `550e8400e29b41d4a716446655440000`
    Plain,
    /// `{550e8400-e29b-41d4-a716-446655440000}`
    Braced,
    /// `urn:uuid:550e8400-e29b-41d4-a716-446655440000`
    Urn,
}

/// How documents are written whose members stand in the server's order, and whose numbers and strings are as it
/// writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonForm {
    /// `{"a": 1, "b": [1, 2]}`, as the server writes.
    Spaced,
    /// `{"a":1,"b":[1,2]}`
    Compact,
}

/// How booleans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoolForm {
    /// INTEGER 0 and 1.
    ZeroOne,
    /// REAL 0.0 and 1.0.
    ZeroOneReal,
    /// TEXT.
    Words(BoolWords),
}

/// The two words of a boolean, one vocabulary for a column. No word is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BoolWords {
    /// `t` and `f`, as Rails wrote them.
    #[serde(rename = "t/f")]
    SmallTF,
    /// `T` and `F`
    #[serde(rename = "T/F")]
    LargeTF,
    /// `true` and `false`
    #[serde(rename = "true/false")]
    SmallTrueFalse,
    /// `True` and `False`, as Python's str.
    #[serde(rename = "True/False")]
    TrueFalse,
    /// `TRUE` and `FALSE`
    #[serde(rename = "TRUE/FALSE")]
    LargeTrueFalse,
    /// `y` and `n`
    #[serde(rename = "y/n")]
    SmallYN,
    /// `Y` and `N`
    #[serde(rename = "Y/N")]
    LargeYN,
    /// `yes` and `no`
    #[serde(rename = "yes/no")]
    SmallYesNo,
    /// `Yes` and `No`
    #[serde(rename = "Yes/No")]
    YesNo,
    /// `YES` and `NO`
    #[serde(rename = "YES/NO")]
    LargeYesNo,
    /// `on` and `off`, as HTML forms send them.
    #[serde(rename = "on/off")]
    OnOff,
    /// `1` and `0`
    #[serde(rename = "1/0")]
    OneZero,
}

/// The forms of a column's dates and times, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IsoTally {
    /// Each text's own form, the shortest that its time could have, and which of its numbers a padding could show in:
    /// together they say which rules it follows.
    pub(crate) counts: BTreeMap<(IsoForm, ClockForm, BelowTen), u64>,
    /// A run of texts of the same kind, which are nearly all: it is added when another comes.
    pub(crate) run: Option<((IsoForm, ClockForm, BelowTen), u64)>,
}

/// Which numbers of a date and a time a padding can show in: those below ten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BelowTen {
    /// The month or the day.
    pub(crate) date: bool,
    /// The hour.
    pub(crate) hour: bool,
}

impl DateForm {
    /// `YYYY-MM-DD`
    pub const ISO: Self = Self::year_first(Mark::Dash);
    /// `YYYYMMDD`
    pub const COMPACT: Self = Self::year_first(Mark::Nothing);

    /// A date with its year first.
    pub const fn year_first(mark: Mark) -> Self {
        Self { order: DateOrder::Ymd, mark, padding: Padding::All }
    }
}

impl Mark {
    /// The mark itself.
    pub fn text(self) -> &'static str {
        match self {
            Self::Dash => "-",
            Self::Slash => "/",
            Self::Dot => ".",
            Self::Nothing => "",
        }
    }
}

impl Separator {
    /// The separator itself.
    pub fn text(self) -> &'static str {
        match self {
            Self::Blank => " ",
            Self::T => "T",
            Self::SmallT => "t",
            Self::Nothing => "",
        }
    }
}

impl UtcName {
    /// The name itself, with the blank before it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Z => "Z",
            Self::SmallZ => "z",
            Self::BlankZ => " Z",
            Self::BlankUtc => " UTC",
            Self::Go => " +0000 UTC",
        }
    }
}

impl fmt::Display for IsoForm {
    /// The form as a pattern, for people: `YYYY-MM-DD HH:MM:SS[.ffffff]Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Time(clock) => clock.pattern("HH", ":", f),
            Self::DateTime { date, separator, clock, offset } => {
                write!(f, "{date}{}", separator.text())?;
                let hour = if date.padding == Padding::Nothing { "H" } else { "HH" };
                clock.pattern(hour, if date.mark == Mark::Nothing { "" } else { ":" }, f)?;
                offset.map_or(Ok(()), |offset| offset.fmt(f))
            }
        }
    }
}

impl fmt::Display for DateForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = self.mark.text();
        let (month, day) = if self.padding == Padding::All { ("MM", "DD") } else { ("M", "D") };
        match self.order {
            DateOrder::Ymd => write!(f, "YYYY{mark}{month}{mark}{day}"),
            DateOrder::Dmy => write!(f, "{day}{mark}{month}{mark}YYYY"),
            DateOrder::Mdy => write!(f, "{month}{mark}{day}{mark}YYYY"),
        }
    }
}

impl ClockForm {
    fn pattern(self, hour: &str, colon: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{hour}{colon}MM")?;
        match self {
            Self::Minutes => Ok(()),
            Self::Seconds => write!(f, "{colon}SS"),
            Self::Fixed(digits) => write!(f, "{colon}SS.{}", "f".repeat(digits.into())),
            Self::SixUnlessZero => write!(f, "{colon}SS[.ffffff]"),
            Self::Groups => write!(f, "{colon}SS[.fff[fff]]"),
            Self::MinutesOrGroups => write!(f, "[{colon}SS[.fff[fff]]]"),
        }
    }
}

impl fmt::Display for OffsetForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utc(name) => f.write_str(name.text()),
            Self::Digits(OffsetDigits { blank, layout, west, minutes }) => {
                let (blank, sign) = (if *blank { " " } else { "" }, if *west { '-' } else { '+' });
                let (hours, minutes) = (minutes / 60, minutes % 60);
                match layout {
                    OffsetLayout::Colon => write!(f, "{blank}{sign}{hours:02}:{minutes:02}"),
                    OffsetLayout::Together => write!(f, "{blank}{sign}{hours:02}{minutes:02}"),
                    OffsetLayout::Hours => write!(f, "{blank}{sign}{hours:02}"),
                }
            }
        }
    }
}
