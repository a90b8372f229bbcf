//! The current time as SQLite says it, and as PostgreSQL does.

use crate::model::PgType;
use crate::plan::expression::Untranslatable;
use crate::sql::unquoted;
use sqlite3_parser::ast::{Expr, Literal};

/// The current time in UTC, as SQLite writes it.
pub(super) enum Now {
    /// `2025-01-31`
    Date,
    /// `12:34:56`
    Time,
    /// `2025-01-31 12:34:56`
    DateTime,
    /// A pattern of `strftime` that holds day and time: as `to_char` has it, whether it has milliseconds, and how many
    /// characters it gives.
    Format { pattern: String, milliseconds: bool, chars: u32 },
    /// Whole seconds since 1970, as a number.
    Epoch,
    /// The same, times a thousand or a million.
    EpochTimes(i64),
    /// The same as digits, which an INTEGER column turns into a number.
    EpochText,
}

impl Now {
    /// The functions of time that are called for now, in UTC and without modifiers.
    pub(super) fn called(name: &str, arguments: &[Expr<'_>]) -> Result<Self, Untranslatable> {
        let text = |argument: &Expr<'_>| match argument {
            Expr::Literal(Literal::String(raw)) => Ok(unquoted(raw)),
            _ => Err(unknown_function(name)),
        };
        let texts = arguments.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (format, time) = match (name.to_ascii_lowercase().as_str(), texts.as_slice()) {
            ("date", time) => (Self::Date, time),
            ("time", time) => (Self::Time, time),
            ("datetime", time) => (Self::DateTime, time),
            ("unixepoch", time) => (Self::Epoch, time),
            ("strftime", ["%s", time @ ..]) => (Self::EpochText, time),
            ("strftime", [format, time @ ..]) => (strftime(format)?, time),
            _ => return Err(unknown_function(name)),
        };
        match time {
            [] => Ok(format),
            [time] if time.eq_ignore_ascii_case("now") => Ok(format),
            _ => Err(Untranslatable::new(format!(
                "{name}() is translated for 'now' without modifiers"
            ))),
        }
    }

    /// As a column of the type `kind` gets it.
    pub(super) fn sql(&self, kind: PgType) -> Result<String, Untranslatable> {
        let unit = match self {
            Self::Format { milliseconds: true, .. } => "milliseconds",
            _ => "second",
        };
        // A column of instants may have been one of epochs.
        let is_instant = !matches!(self, Self::Date | Self::Time);
        let sql = match (kind, self) {
            (PgType::Timestamp, _) if is_instant => Some(format!("date_trunc('{unit}', {UTC})")),
            (PgType::Timestamptz, _) if is_instant => Some(format!("date_trunc('{unit}', now())")),
            (PgType::Date, Self::Date) => Some(format!("({UTC})::date")),
            (PgType::Int8, Self::Epoch | Self::EpochText) => Some(SECONDS.into()),
            (PgType::Int8, Self::EpochTimes(unit)) => Some(format!("{SECONDS} * {unit}")),
            (PgType::Text, _) => self.written(u32::MAX),
            (PgType::Varchar(most), _) => self.written(most),
            _ => None,
        };
        sql.ok_or_else(|| {
            Untranslatable::new(format!("the current time in this form does not fit {kind}"))
        })
    }

    /// As a text of at most so many characters.
    fn written(&self, chars_max: u32) -> Option<String> {
        let (pattern, chars) = self.pattern()?;
        (chars <= chars_max).then(|| format!("to_char({UTC}, '{pattern}')"))
    }

    /// The pattern of `to_char`, and how many characters it gives; none for a number.
    fn pattern(&self) -> Option<(&str, u32)> {
        match self {
            Self::Date => Some(("YYYY-MM-DD", 10)),
            Self::Time => Some(("HH24:MI:SS", 8)),
            Self::DateTime => Some(("YYYY-MM-DD HH24:MI:SS", 19)),
            Self::Format { pattern, chars, .. } => Some((pattern, *chars)),
            Self::Epoch | Self::EpochTimes(_) | Self::EpochText => None,
        }
    }
}

const UTC: &str = "now() AT TIME ZONE 'UTC'";
const SECONDS: &str = "floor(extract(epoch from now()))::bigint";

fn unknown_function(name: &str) -> Untranslatable {
    Untranslatable::new(format!("the function {name:?} is not translated in a DEFAULT"))
}

/// A pattern of strftime as to_char has it.
fn strftime(format: &str) -> Result<Now, Untranslatable> {
    let refused = || Untranslatable::new(format!("strftime({format:?}) is not translated"));
    let (mut pattern, mut fields, mut chars) = (String::new(), String::new(), 0);
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            match character {
                '-' | ':' | ' ' | '.' | '/' => pattern.push(character),
                letter if letter.is_ascii_alphabetic() => pattern.extend(['"', letter, '"']),
                _ => return Err(refused()),
            }
            chars += 1;
            continue;
        }
        let field = characters.next().ok_or_else(refused)?;
        fields.push(field);
        let (written, length) = match field {
            'Y' => ("YYYY", 4),
            'm' => ("MM", 2),
            'd' => ("DD", 2),
            'H' => ("HH24", 2),
            'M' => ("MI", 2),
            'S' => ("SS", 2),
            'f' => ("SS.MS", 6),
            _ => return Err(refused()),
        };
        pattern += written;
        chars += length;
    }
    match fields.as_str() {
        "YmdHMS" => Ok(Now::Format { pattern, milliseconds: false, chars }),
        "YmdHMf" => Ok(Now::Format { pattern, milliseconds: true, chars }),
        _ => Err(refused()),
    }
}
