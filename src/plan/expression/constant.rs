//! Constants: read from SQLite's literals, written as PostgreSQL's.
//!
//! No literal is copied: numbers are parsed and printed anew, strings are unquoted and quoted anew, bytes are
//! decoded and encoded anew.

use super::Untranslatable;
use crate::model::identifier::literal;
use crate::sql::unquoted;
use sqlite3_parser::ast::Literal;

/// A value that stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    Null,
    Integer(i64),
    /// TRUE or FALSE: in SQLite the integers 1 and 0, except behind IS.
    Truth(bool),
    /// Finite.
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Constant {
    /// Reads a literal; the times CURRENT_… are none.
    pub(super) fn read(literal: &Literal<'_>) -> Result<Self, Untranslatable> {
        match literal {
            Literal::Null => Ok(Self::Null),
            Literal::Numeric(digits) => Self::number(digits, false),
            Literal::String(raw) => Ok(Self::Text(unquoted(raw))),
            Literal::Blob(hex) => bytes(hex).map(Self::Bytes),
            Literal::Keyword(word) => Err(Untranslatable::new(format!("{word:?} is no constant"))),
            Literal::CurrentDate | Literal::CurrentTime | Literal::CurrentTimestamp => {
                Err(Untranslatable::new("the current time is no constant"))
            }
        }
    }

    /// Reads a number as SQLite does: what is no 64-bit integer is a double.
    pub(super) fn number(digits: &str, negative: bool) -> Result<Self, Untranslatable> {
        let digits = digits.replace('_', "");
        let refused = || Untranslatable::new(format!("the number {digits} is out of range"));
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            let bits = u64::from_str_radix(hex, 16).map_err(|_overflow| refused())?.cast_signed();
            return Ok(Self::Integer(if negative { bits.wrapping_neg() } else { bits }));
        }
        let signed = if negative { format!("-{digits}") } else { digits.clone() };
        if let Ok(integer) = signed.parse() {
            return Ok(Self::Integer(integer));
        }
        match signed.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Self::Float(float)),
            _ => Err(refused()),
        }
    }

    /// The number that SQLite counts with; TRUE is 1.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Truth(truth) => Some(i64::from(*truth)),
            _ => None,
        }
    }

    /// The constant as PostgreSQL reads it, to stand as an operand.
    pub(super) fn sql(&self) -> Result<String, Untranslatable> {
        Ok(match self {
            Self::Null => "NULL".into(),
            // PostgreSQL reads the digits before the sign, and these are one too many for a bigint.
            Self::Integer(i64::MIN) => format!("'{}'::bigint", i64::MIN),
            Self::Integer(number) if *number < 0 => format!("({number})"),
            Self::Integer(number) => number.to_string(),
            Self::Truth(truth) => i64::from(*truth).to_string(),
            Self::Float(float) if *float < 0.0 => format!("({})", decimal(*float)),
            Self::Float(float) => decimal(*float),
            Self::Text(text) => quoted(text)?,
            Self::Bytes(bytes) => hex(bytes),
        })
    }
}

/// A double as a decimal that reads back as the same double, and that is exact where it is whole.
pub(super) fn decimal(float: f64) -> String {
    let float = if float == 0.0 { 0.0 } else { float };
    if float.fract() == 0.0 { format!("{float:.1}") } else { float.to_string() }
}

/// A string constant.
pub(super) fn quoted(text: &str) -> Result<String, Untranslatable> {
    literal(text).map_err(|refusal| Untranslatable::new(refusal.reason))
}

fn bytes(hex: &str) -> Result<Vec<u8>, Untranslatable> {
    let pairs = (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2));
    let byte = |pair: Option<&str>| u8::from_str_radix(pair?, 16).ok();
    pairs
        .map(byte)
        .collect::<Option<_>>()
        .ok_or_else(|| Untranslatable::new("a blob is no hexadecimal"))
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("'\\x{}'::bytea", digits.concat())
}

#[cfg(test)]
mod tests {
    use super::Constant;

    #[test]
    fn numbers_read_as_sqlite_reads_them_and_print_as_postgresql_reads_them() {
        for (digits, negative, printed) in [
            ("007", false, "7"),
            ("1_000", false, "1000"),
            ("0xFF", false, "255"),
            ("0xFFFFFFFFFFFFFFFF", false, "(-1)"),
            ("5", true, "(-5)"),
            ("9223372036854775808", true, "'-9223372036854775808'::bigint"),
            ("9223372036854775808", false, "9223372036854775808.0"),
            (".5", false, "0.5"),
            ("1e3", false, "1000.0"),
            ("0.0", true, "0.0"),
            ("0.1000000000000000055", false, "0.1"),
        ] {
            let number = Constant::number(digits, negative).unwrap();
            assert_eq!(number.sql().unwrap(), printed, "{digits}");
        }
        assert!(Constant::number("1e999", false).is_err());
        assert!(Constant::number("0x10000000000000000", false).is_err());
    }
}
