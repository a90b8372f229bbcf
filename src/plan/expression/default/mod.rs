//! DEFAULTs: constants as the column's type holds them, and the few ways to say "now".
//!
//! SQLite converts a default by the column's affinity when a row is inserted; here it is converted once, and what
//! does not fit the target's type exactly is refused.

mod now;
mod stored;
#[cfg(test)]
mod tests;

use super::constant::Constant;
use super::{Untranslatable, syntax};
use crate::model::{Affinity, PgType};
use crate::sql::{unquoted, with_expression};
use now::Now;
use sqlite3_parser::ast::{Expr, Literal, Operator, Type, UnaryOperator};

/// The DEFAULT of a column of the type `kind`, or nothing for DEFAULT NULL.
pub fn translate_default(sql: &str, kind: PgType) -> Result<Option<String>, Untranslatable> {
    match with_expression(sql, value)?? {
        Value::Constant(Constant::Null) => Ok(None),
        Value::Constant(constant) => stored::converted(&constant, kind).map(Some),
        Value::Now(now) => now.sql(kind).map(Some),
    }
}

/// What a DEFAULT gives.
enum Value {
    Constant(Constant),
    Now(Now),
}

fn value(tree: &Expr<'_>) -> Result<Value, Untranslatable> {
    Ok(match tree {
        // The parser is bounded to 100 parentheses.
        Expr::Parenthesized(trees) => value(syntax::within(trees)?)?,
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
            Value::Now(whole(value(expr)?)?)
        }
        Expr::Binary(left, Operator::Multiply, right) => {
            Value::Now(times(&value(left)?, &value(right)?)?)
        }
        _ => match syntax::call(tree) {
            Some((name, arguments)) => Value::Now(Now::called(&name, arguments)?),
            None => {
                return Err(Untranslatable::new("it is neither a constant nor the current time"));
            }
        },
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

/// CAST as an integer.
fn whole(value: Value) -> Result<Now, Untranslatable> {
    match value {
        Value::Now(Now::Epoch | Now::EpochText) => Ok(Now::Epoch),
        Value::Now(now @ Now::EpochTimes(_)) => Ok(now),
        _ => Err(Untranslatable::new("CAST is translated for the current time only")),
    }
}

/// Seconds as milliseconds or microseconds.
fn times(left: &Value, right: &Value) -> Result<Now, Untranslatable> {
    match (left, right) {
        (
            Value::Now(Now::Epoch | Now::EpochText),
            Value::Constant(Constant::Integer(unit @ (1_000 | 1_000_000))),
        ) => Ok(Now::EpochTimes(*unit)),
        _ => Err(Untranslatable::new("arithmetic is translated for the current time only")),
    }
}
