//! A constant as a column of some type stores it.

use crate::model::{NumericSize, PgType};
use crate::plan::expression::constant::{Constant, decimal, quoted};
use crate::plan::expression::{Untranslatable, iso};
use crate::row::numeric::PlainDecimal;
use crate::row::uuid::{self, UuidForm};
use crate::row::{inet, json};

/// The constant as a value of the type.
pub(super) fn converted(constant: &Constant, kind: PgType) -> Result<String, Untranslatable> {
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
        PgType::Bytea => match constant {
            Constant::Bytes(_) => Some(constant.sql()?),
            _ => None,
        },
        PgType::Date => written(constant)
            .filter(|text| iso::date(text).is_some())
            .map(|text| format!("'{text}'::date")),
        PgType::Timestamp => {
            written(constant).and_then(iso::timestamp).map(|time| format!("'{time}'::timestamp"))
        }
        PgType::Timestamptz => {
            written(constant).and_then(iso::instant).map(|time| format!("'{time}'::timestamptz"))
        }
        PgType::Text
        | PgType::Varchar(_)
        | PgType::Char(_)
        | PgType::Uuid
        | PgType::Inet
        | PgType::Json
        | PgType::Jsonb => string(constant, kind).map(|text| quoted(&text)).transpose()?,
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
        Constant::Text(digits) => plain(digits)?.parse().ok(),
        other => other.integer()?.to_string().parse().ok(),
    }
}

/// An exact decimal without the zeros behind it, which SQLite does not keep either.
fn digits(constant: &Constant) -> Option<String> {
    let digits = match constant {
        Constant::Float(float) => decimal(*float),
        Constant::Text(digits) => plain(digits)?.to_owned(),
        other => return other.integer().map(|number| number.to_string()),
    };
    if !digits.contains('.') {
        return Some(digits);
    }
    Some(digits.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// A decimal in plain digits without a plus.
fn plain(text: &str) -> Option<&str> {
    PlainDecimal::parse(text).map(|_decimal| text.strip_prefix('+').unwrap_or(text))
}

/// Whether a decimal fits without rounding.
fn fits(digits: &str, size: Option<NumericSize>) -> bool {
    size.is_none_or(|size| PlainDecimal::parse(digits).is_some_and(|it| size.holds(it.size())))
}

/// The constant as a type has it whose constants are plain strings.
fn string(constant: &Constant, kind: PgType) -> Option<String> {
    match kind {
        PgType::Text => text(constant),
        PgType::Varchar(most) | PgType::Char(most) => text(constant)
            .filter(|text| usize::try_from(most).is_ok_and(|most| text.chars().count() <= most)),
        PgType::Uuid => {
            let (bytes, _form) = uuid::parse(written(constant)?)?;
            Some(UuidForm::default().write(bytes))
        }
        PgType::Inet => {
            let text = written(constant)?;
            inet::parse(text).map(|_address| text.to_owned())
        }
        PgType::Json => written(constant).filter(|text| json::check(text)).map(str::to_owned),
        PgType::Jsonb => json::canonical_jsonb(written(constant)?),
        _ => None,
    }
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
