//! DEFAULTs: constants as the column's type holds them, and the few ways to say "now".
//!
//! SQLite converts a default by the column's affinity when a row is inserted; here it is converted once, and what
//! does not fit the target's type exactly is refused.

use super::Untranslatable;
use super::constant::{Constant, decimal, iso_date, quoted};
use crate::model::{Affinity, NumericSize, PgType};
use crate::row::uuid::{self, UuidForm};
use crate::row::{inet, json};
use crate::sql::{unquoted, with_expression};
use jiff::civil;
use sqlite3_parser::ast::{Expr, Literal, Operator, Type, UnaryOperator};

/// The DEFAULT of a column of the type `kind`, or nothing for DEFAULT NULL.
pub fn translate_default(sql: &str, kind: PgType) -> Result<Option<String>, Untranslatable> {
    match with_expression(sql, value)?? {
        Value::Constant(Constant::Null) => Ok(None),
        Value::Constant(constant) => converted(&constant, kind).map(Some),
        Value::Now(now) => now.sql(kind).map(Some),
    }
}

/// What a DEFAULT gives.
enum Value {
    Constant(Constant),
    Now(Now),
}

/// The current time in UTC, as SQLite writes it.
enum Now {
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

fn value(tree: &Expr<'_>) -> Result<Value, Untranslatable> {
    Ok(match tree {
        Expr::Parenthesized(inner) => match inner.as_slice() {
            // The parser is bounded to 100 parentheses.
            [inner] => value(inner)?,
            _ => return Err(Untranslatable::new("row values are not translated")),
        },
        Expr::Literal(Literal::CurrentDate) => Value::Now(Now::Date),
        Expr::Literal(Literal::CurrentTime) => Value::Now(Now::Time),
        Expr::Literal(Literal::CurrentTimestamp) => Value::Now(Now::DateTime),
        Expr::Literal(literal) => Value::Constant(Constant::read(literal)?),
        // A DEFAULT sees no columns: a name is TRUE, FALSE or a string.
        Expr::Id(id) => Value::Constant(match id.0.to_ascii_lowercase().as_str() {
            "true" => Constant::Truth(true),
            "false" => Constant::Truth(false),
            _ => Constant::Text(unquoted(id.0)),
        }),
        Expr::Unary(sign @ (UnaryOperator::Negative | UnaryOperator::Positive), inner) => {
            Value::Constant(signed(*sign, inner)?)
        }
        Expr::Cast { expr, type_name: Some(Type { name, .. }) }
            if Affinity::of(name) == Affinity::Integer =>
        {
            match value(expr)? {
                Value::Now(Now::Epoch | Now::EpochText) => Value::Now(Now::Epoch),
                Value::Now(Now::EpochTimes(unit)) => Value::Now(Now::EpochTimes(unit)),
                _ => {
                    return Err(Untranslatable::new(
                        "CAST is translated for the current time only",
                    ));
                }
            }
        }
        Expr::Binary(left, Operator::Multiply, right) => match (value(left)?, value(right)?) {
            (
                Value::Now(Now::Epoch | Now::EpochText),
                Value::Constant(Constant::Integer(unit @ (1_000 | 1_000_000))),
            ) => Value::Now(Now::EpochTimes(unit)),
            _ => {
                return Err(Untranslatable::new(
                    "arithmetic is translated for the current time only",
                ));
            }
        },
        Expr::FunctionCall {
            name,
            distinctness: None,
            args,
            order_by: None,
            filter_over: None,
        } => Value::Now(now(&unquoted(name.0), args.unwrap_or_default())?),
        _ => return Err(Untranslatable::new("it is neither a constant nor the current time")),
    })
}

fn signed(sign: UnaryOperator, inner: &Expr<'_>) -> Result<Constant, Untranslatable> {
    match inner {
        Expr::Literal(Literal::Numeric(digits)) => {
            Constant::number(digits, sign == UnaryOperator::Negative)
        }
        _ => Err(Untranslatable::new("a sign stands before what is no number")),
    }
}

/// The functions of time that are called for now, in UTC and without modifiers.
fn now(name: &str, arguments: &[Expr<'_>]) -> Result<Now, Untranslatable> {
    let texts: Option<Vec<String>> = arguments
        .iter()
        .map(|argument| match argument {
            Expr::Literal(Literal::String(raw)) => Some(unquoted(raw)),
            _ => None,
        })
        .collect();
    let Some(texts) = texts else { return Err(unknown_function(name)) };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (format, time) = match (name.to_ascii_lowercase().as_str(), texts.as_slice()) {
        ("date", time) => (Now::Date, time),
        ("time", time) => (Now::Time, time),
        ("datetime", time) => (Now::DateTime, time),
        ("unixepoch", time) => (Now::Epoch, time),
        ("strftime", ["%s", time @ ..]) => (Now::EpochText, time),
        ("strftime", [format, time @ ..]) => (strftime(format)?, time),
        _ => return Err(unknown_function(name)),
    };
    match time {
        [] => Ok(format),
        [time] if time.eq_ignore_ascii_case("now") => Ok(format),
        _ => {
            Err(Untranslatable::new(format!("{name}() is translated for 'now' without modifiers")))
        }
    }
}

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

impl Now {
    /// The characters that SQLite writes.
    fn chars(&self) -> u32 {
        match self {
            Self::Date => 10,
            Self::Time => 8,
            Self::DateTime => 19,
            Self::Format { chars, .. } => *chars,
            Self::Epoch | Self::EpochTimes(_) | Self::EpochText => 0,
        }
    }

    fn sql(&self, kind: PgType) -> Result<String, Untranslatable> {
        const UTC: &str = "now() AT TIME ZONE 'UTC'";
        const SECONDS: &str = "floor(extract(epoch from now()))::bigint";
        let pattern = match self {
            Self::Date => "YYYY-MM-DD",
            Self::Time => "HH24:MI:SS",
            Self::DateTime => "YYYY-MM-DD HH24:MI:SS",
            Self::Format { pattern, .. } => pattern,
            Self::Epoch | Self::EpochTimes(_) | Self::EpochText => "",
        };
        let unit = match self {
            Self::Format { milliseconds: true, .. } => "milliseconds",
            _ => "second",
        };
        match (kind, self) {
            // A column of instants may have been one of epochs.
            (
                PgType::Timestamp,
                Self::DateTime
                | Self::Format { .. }
                | Self::Epoch
                | Self::EpochTimes(_)
                | Self::EpochText,
            ) => Ok(format!("date_trunc('{unit}', {UTC})")),
            (
                PgType::Timestamptz,
                Self::DateTime
                | Self::Format { .. }
                | Self::Epoch
                | Self::EpochTimes(_)
                | Self::EpochText,
            ) => Ok(format!("date_trunc('{unit}', now())")),
            (PgType::Date, Self::Date) => Ok(format!("({UTC})::date")),
            (PgType::Int8, Self::Epoch | Self::EpochText) => Ok(SECONDS.into()),
            (PgType::Int8, Self::EpochTimes(unit)) => Ok(format!("{SECONDS} * {unit}")),
            (PgType::Text, _) if !pattern.is_empty() => Ok(format!("to_char({UTC}, '{pattern}')")),
            (PgType::Varchar(most), _) if !pattern.is_empty() && self.chars() <= most => {
                Ok(format!("to_char({UTC}, '{pattern}')"))
            }
            _ => Err(Untranslatable::new(format!(
                "the current time in this form does not fit {kind}"
            ))),
        }
    }
}

/// The constant as a value of the type.
fn converted(constant: &Constant, kind: PgType) -> Result<String, Untranslatable> {
    let converted = match kind {
        PgType::Bool => boolean(constant).map(|truth| truth.to_string()),
        PgType::Int2 | PgType::Int4 | PgType::Int8 => integer(constant)
            .filter(|&number| match kind {
                PgType::Int2 => i16::try_from(number).is_ok(),
                PgType::Int4 => i32::try_from(number).is_ok(),
                _ => true,
            })
            .map(|number| Constant::Integer(number).sql())
            .transpose()?,
        PgType::Float8 => {
            float(constant).map(|number| Constant::Float(number).sql()).transpose()?
        }
        PgType::Numeric(size) => digits(constant).filter(|digits| fits(digits, size)),
        PgType::Text => text(constant).map(|text| quoted(&text)).transpose()?,
        PgType::Varchar(most) | PgType::Char(most) => text(constant)
            .filter(|text| usize::try_from(most).is_ok_and(|most| text.chars().count() <= most))
            .map(|text| quoted(&text))
            .transpose()?,
        PgType::Bytea => match constant {
            Constant::Bytes(_) => Some(constant.sql()?),
            _ => None,
        },
        PgType::Date => written(constant)
            .filter(|text| iso_date(text).is_some())
            .map(|text| format!("'{text}'::date")),
        PgType::Timestamp => {
            written(constant).and_then(iso_time).map(|time| format!("'{time}'::timestamp"))
        }
        PgType::Timestamptz => {
            written(constant).and_then(iso_instant).map(|time| format!("'{time}'::timestamptz"))
        }
        PgType::Uuid => written(constant)
            .and_then(uuid::parse)
            .map(|(bytes, _form)| quoted(&UuidForm::default().write(bytes)))
            .transpose()?,
        PgType::Inet => {
            written(constant).filter(|text| inet::parse(text).is_some()).map(quoted).transpose()?
        }
        PgType::Json => {
            written(constant).filter(|text| json::check(text)).map(quoted).transpose()?
        }
        PgType::Jsonb => written(constant)
            .and_then(json::canonical_jsonb)
            .map(|text| quoted(&text))
            .transpose()?,
        PgType::Float4 | PgType::Time | PgType::Cidr | PgType::Enum => None,
    };
    match converted {
        Some(sql) => Ok(sql),
        None => Err(Untranslatable::new(format!("{} does not fit {kind}", constant.sql()?))),
    }
}

fn boolean(constant: &Constant) -> Option<bool> {
    match constant {
        Constant::Text(word) => match word.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Some(true),
            "0" | "f" | "false" => Some(false),
            _ => None,
        },
        other => match other.integer()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

fn integer(constant: &Constant) -> Option<i64> {
    match constant {
        Constant::Text(digits) => digits.parse().ok(),
        // 1.0 becomes 1, as it does in an INTEGER column; beyond 2^53 the digits would not be those that were meant.
        Constant::Float(float)
            if float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 =>
        {
            format!("{float:.0}").parse().ok()
        }
        other => other.integer(),
    }
}

fn float(constant: &Constant) -> Option<f64> {
    match constant {
        Constant::Float(float) => Some(*float),
        Constant::Text(digits) => plain_decimal(digits)?.parse().ok(),
        other => other.integer()?.to_string().parse().ok(),
    }
}

/// An exact decimal without the zeros behind it, which SQLite does not keep either.
fn digits(constant: &Constant) -> Option<String> {
    let digits = match constant {
        Constant::Float(float) => decimal(*float),
        Constant::Text(digits) => plain_decimal(digits)?.to_owned(),
        other => return other.integer().map(|number| number.to_string()),
    };
    if !digits.contains('.') {
        return Some(digits);
    }
    Some(digits.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// Digits with one sign and one point at most, a digit on each side of it.
fn plain_decimal(text: &str) -> Option<&str> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then(|| text.strip_prefix('+').unwrap_or(text))
}

/// Whether a decimal fits without rounding.
fn fits(digits: &str, size: Option<NumericSize>) -> bool {
    let Some(NumericSize { precision, scale }) = size else { return true };
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = whole.trim_start_matches('0').len();
    let fraction = fraction.trim_end_matches('0').len();
    fraction <= usize::from(scale) && whole + usize::from(scale) <= usize::from(precision)
}

/// What a TEXT column makes of a constant. REALs that SQLite writes with an exponent, or with fewer digits than they
/// have, are left out.
fn text(constant: &Constant) -> Option<String> {
    const DIGITS_MAX: usize = 15;
    match constant {
        Constant::Text(text) => Some(text.clone()),
        Constant::Float(float) => {
            let written = decimal(*float);
            let digits = written.trim_start_matches(['-', '0', '.']);
            let digits = digits.bytes().filter(u8::is_ascii_digit).count();
            let plain = float.abs() >= 1e-4 && digits <= DIGITS_MAX;
            (plain || written == "0.0").then_some(written)
        }
        other => other.integer().map(|number| number.to_string()),
    }
}

fn written(constant: &Constant) -> Option<&str> {
    match constant {
        Constant::Text(text) => Some(text),
        _ => None,
    }
}

/// `2025-01-31 12:34:56`, also with T and with up to six digits of a second, as PostgreSQL writes it.
fn iso_time(text: &str) -> Option<String> {
    let (date, time) = text.split_once([' ', 'T'])?;
    iso_date(date)?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let shaped = whole.len() == 8
        && whole.bytes().enumerate().all(|(at, byte)| match at {
            2 | 5 => byte == b':',
            _ => byte.is_ascii_digit(),
        })
        && (1..=6).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    // A 60th second would become the next minute.
    let exists = shaped && !whole.ends_with("60") && time.parse::<civil::Time>().is_ok();
    exists.then(|| format!("{date} {time}"))
}

/// The same with `Z` or an offset like `+02:00`.
fn iso_instant(text: &str) -> Option<String> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return iso_time(local).map(|time| format!("{time}+00"));
    }
    let at = text.len().checked_sub(6)?;
    let (local, offset) = text.split_at_checked(at)?;
    let shaped = offset.bytes().enumerate().all(|(at, byte)| match at {
        0 => matches!(byte, b'+' | b'-'),
        3 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let hours: u8 = offset.get(1..3)?.parse().ok()?;
    let minutes: u8 = offset.get(4..6)?.parse().ok()?;
    if !shaped || hours > 14 || minutes > 59 {
        return None;
    }
    iso_time(local).map(|time| format!("{time}{offset}"))
}

#[cfg(test)]
mod tests {
    use super::translate_default;
    use crate::model::{NumericSize, PgType};

    #[track_caller]
    fn gives(kind: PgType, cases: &[(&str, &str)]) {
        for (sql, expected) in cases {
            let translated =
                translate_default(sql, kind).unwrap_or_else(|reason| panic!("{sql}: {reason}"));
            assert_eq!(translated.as_deref(), Some(*expected), "{sql}");
        }
    }

    #[track_caller]
    fn refuses(kind: PgType, cases: &[&str]) {
        for sql in cases {
            if let Ok(translated) = translate_default(sql, kind) {
                panic!("{sql}: {translated:?}");
            }
        }
    }

    const MONEY: PgType = PgType::Numeric(Some(NumericSize { precision: 5, scale: 2 }));

    #[test]
    fn null_is_no_default() {
        assert_eq!(translate_default("NULL", PgType::Int8), Ok(None));
        assert_eq!(translate_default("((null))", PgType::Text), Ok(None));
    }

    #[test]
    fn a_number_takes_the_type_of_its_column() {
        gives(
            PgType::Bool,
            &[("0", "false"), ("TRUE", "true"), ("'true'", "true"), ("'1'", "true")],
        );
        gives(PgType::Int8, &[("0", "0"), ("-1", "(-1)"), ("'1'", "1"), ("1.0", "1")]);
        gives(PgType::Int8, &[("true", "1"), ("0x10", "16"), ("-0x10", "(-16)")]);
        gives(PgType::Int2, &[("32767", "32767")]);
        gives(PgType::Json, &[(r#"'{"a":1}'"#, r#"'{"a":1}'"#), ("'[ ]'", "'[ ]'")]);
        gives(PgType::Jsonb, &[(r#"'{"a":1}'"#, r#"'{"a": 1}'"#), ("'[ ]'", "'[]'")]);
        gives(PgType::Inet, &[("'10.0.0.1/8'", "'10.0.0.1/8'")]);
        let uuid = "'0123abcd-0123-0123-0123-0123456789ab'";
        gives(PgType::Uuid, &[(uuid, uuid), ("'0123ABCD0123012301230123456789AB'", uuid)]);
        gives(PgType::Float8, &[("1", "1.0"), ("-0.5", "(-0.5)"), ("'1.10'", "1.1")]);
        gives(PgType::Numeric(None), &[("1.10", "1.1"), ("'-0.30'", "-0.3"), ("100", "100")]);
        gives(MONEY, &[("123.45", "123.45"), ("'1.1000'", "1.1"), ("-999.99", "-999.99")]);
    }

    #[test]
    fn a_text_takes_the_type_of_its_column() {
        gives(PgType::Text, &[("1", "'1'"), ("'it''s'", "'it''s'"), ("''", "''")]);
        gives(PgType::Text, &[("\"dq\"", "'dq'"), ("bare", "'bare'"), ("[b c]", "'b c'")]);
        gives(PgType::Text, &[("1.50", "'1.5'"), ("-100.0", "'-100.0'"), ("0.0001", "'0.0001'")]);
        gives(PgType::Varchar(3), &[("'äöü'", "'äöü'")]);
        gives(PgType::Bytea, &[("x''", r"'\x'::bytea"), ("X'00FF'", r"'\x00ff'::bytea")]);
        gives(PgType::Date, &[("'2024-02-29'", "'2024-02-29'::date")]);
        gives(
            PgType::Timestamp,
            &[
                ("'2024-01-31 12:34:56'", "'2024-01-31 12:34:56'::timestamp"),
                ("\"2024-01-31T12:34:56.123456\"", "'2024-01-31 12:34:56.123456'::timestamp"),
            ],
        );
        gives(
            PgType::Timestamptz,
            &[
                ("'2024-01-31T12:34:56Z'", "'2024-01-31 12:34:56+00'::timestamptz"),
                ("'2000-01-01 00:00:00+05:30'", "'2000-01-01 00:00:00+05:30'::timestamptz"),
            ],
        );
    }

    #[test]
    fn a_constant_that_does_not_fit_is_refused() {
        refuses(PgType::Bool, &["2", "'yes'", "0.0", "x'01'"]);
        refuses(PgType::Int8, &["1.5", "'a'", "''", "' 1'", "9223372036854775808", "1e30"]);
        refuses(PgType::Float8, &["'1e'", "'inf'", "'NaN'", "1e999"]);
        refuses(MONEY, &["1234.5", "0.001", "1000", "'1,5'", "'.5'"]);
        refuses(PgType::Text, &["1e15", "0.00001", "0.1234567890123456", "x'00'"]);
        refuses(PgType::Varchar(3), &["'four'"]);
        refuses(PgType::Int4, &["2147483648", "'a'"]);
        refuses(PgType::Int2, &["32768", "-32769"]);
        refuses(PgType::Json, &["''", "'NaN'", "0"]);
        refuses(PgType::Jsonb, &["'{'", r#"'"\u0000"'"#]);
        refuses(PgType::Uuid, &["''", "'0'"]);
        refuses(PgType::Inet, &["''", "'localhost'"]);
        refuses(PgType::Bytea, &["''", "'text'", "0"]);
        refuses(PgType::Date, &["'2023-02-29'", "'now'", "'infinity'", "0", "'2024-1-1'"]);
        refuses(PgType::Timestamp, &["'2024-01-31'", "'2024-01-31 24:00:00'", "'epoch'", "0"]);
        refuses(PgType::Timestamp, &["'2024-01-31 12:00:60'", "'2024-01-31 12:00:00.1234567'"]);
        refuses(PgType::Timestamp, &["'2024-01-31 12:00:00Z'", "'2024-01-31 12:00'"]);
        refuses(PgType::Timestamptz, &["'2024-01-31 12:00:00'", "'2024-01-31 12:00:00+99:00'"]);
        refuses(PgType::Timestamptz, &["'2024-01-31 12:00:00é0:00'", "'é:00'"]);
    }

    #[test]
    fn now_takes_the_form_of_its_column() {
        let utc = |pattern: &str| format!("to_char(now() AT TIME ZONE 'UTC', '{pattern}')");
        gives(
            PgType::Text,
            &[
                ("CURRENT_TIMESTAMP", &utc("YYYY-MM-DD HH24:MI:SS")),
                ("current_date", &utc("YYYY-MM-DD")),
                ("time('now')", &utc("HH24:MI:SS")),
                ("strftime('%Y-%m-%dT%H:%M:%fZ')", &utc("YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"")),
            ],
        );
        gives(PgType::Date, &[("CURRENT_DATE", "(now() AT TIME ZONE 'UTC')::date")]);
        let seconds = "date_trunc('second', now() AT TIME ZONE 'UTC')";
        let milliseconds = "date_trunc('milliseconds', now() AT TIME ZONE 'UTC')";
        gives(PgType::Timestamp, &[("datetime('now')", seconds)]);
        gives(PgType::Timestamp, &[("strftime('%Y-%m-%d %H:%M:%f', 'now')", milliseconds)]);
        gives(PgType::Timestamptz, &[("unixepoch()", "date_trunc('second', now())")]);
        let epoch = "floor(extract(epoch from now()))::bigint";
        gives(PgType::Int8, &[("unixepoch('now')", epoch), ("strftime('%s','now')", epoch)]);
        gives(PgType::Int8, &[("CAST(strftime('%s','now') AS INTEGER)", epoch)]);
        let milliseconds = format!("{epoch} * 1000");
        gives(PgType::Int8, &[("(unixepoch() * 1000)", &milliseconds)]);
        gives(PgType::Int8, &[("CAST(strftime('%s','now') * 1000 AS INT)", &milliseconds)]);
        gives(PgType::Varchar(19), &[("CURRENT_TIMESTAMP", &utc("YYYY-MM-DD HH24:MI:SS"))]);
        gives(
            PgType::Varchar(24),
            &[("strftime('%Y-%m-%dT%H:%M:%fZ')", &utc("YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\""))],
        );
    }

    #[test]
    fn another_time_than_now_or_another_form_of_it_is_refused() {
        refuses(PgType::Text, &["datetime('now', 'localtime')", "date('2024-01-01')"]);
        refuses(PgType::Text, &["strftime('%J')", "strftime('%s','now')", "strftime('%Y''%m')"]);
        refuses(PgType::Date, &["CURRENT_TIMESTAMP"]);
        refuses(PgType::Varchar(18), &["CURRENT_TIMESTAMP"]);
        refuses(PgType::Varchar(23), &["strftime('%Y-%m-%dT%H:%M:%fZ')"]);
        refuses(PgType::Int8, &["unixepoch() * 60", "2 * 3", "unixepoch() * unixepoch()"]);
        refuses(PgType::Int8, &["CURRENT_TIMESTAMP", "unixepoch('2024-01-01')"]);
    }

    #[test]
    fn what_is_no_constant_is_refused_and_never_copied() {
        let hostile = [
            "pg_read_file('/etc/passwd')",
            "(pg_read_file('/etc/passwd'))",
            "lower(hex(randomblob(16)))",
            "1 + 1",
            "(SELECT 1)",
            "'a'); DROP TABLE x; --",
            "1); DROP TABLE x; --",
            "strftime('%Y', (SELECT 1))",
        ];
        refuses(PgType::Text, &hostile);
        gives(
            PgType::Text,
            &[
                ("\"); DROP TABLE x; --\"", "'); DROP TABLE x; --'"),
                ("'''); DROP TABLE x; --' /* ' */ -- '", "'''); DROP TABLE x; --'"),
            ],
        );
    }
}
