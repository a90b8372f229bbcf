//! The constant that a REPLACE puts in the place of NULL.

use crate::model::SourceColumn;
use crate::sql::{unquoted, with_expression, words};
use sqlite3_parser::ast::{Expr, Literal, UnaryOperator};

/// What takes the place of NULL in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Substitute {
    /// Nothing, or something that no other row has.
    None,
    /// This SQL.
    Constant(String),
}

/// What a REPLACE puts in the place of NULL; an error where that is computed.
pub(super) fn substitute(column: &SourceColumn) -> Result<Substitute, ()> {
    let Some(default) = column.default.as_ref().filter(|_| column.not_null) else {
        return Ok(Substitute::None);
    };
    let constant = with_expression(default, constant);
    if let Ok(Some(constant)) = constant {
        return Ok(Substitute::Constant(constant));
    }
    let words = words(default).map_err(|_unreadable| ())?;
    let is_random =
        |word: &String| ["random", "randomblob"].iter().any(|name| word.eq_ignore_ascii_case(name));
    if words.iter().any(is_random) { Ok(Substitute::None) } else { Err(()) }
}

/// The SQL of a constant. A name that stands as a DEFAULT is a string.
fn constant(expression: &Expr<'_>) -> Option<String> {
    match expression {
        Expr::Literal(Literal::Keyword(_)) => None,
        Expr::Literal(_) => Some(expression.to_string()),
        Expr::Parenthesized(inner) => match inner.as_slice() {
            [inner] => constant(inner),
            _ => None,
        },
        Expr::Unary(sign @ (UnaryOperator::Positive | UnaryOperator::Negative), inner) => {
            let sign = if matches!(sign, UnaryOperator::Negative) { "-" } else { "" };
            constant(inner).map(|inner| format!("{sign}{inner}"))
        }
        Expr::Id(name) => Some(word(name.0)),
        _ => None,
    }
}

fn word(raw: &str) -> String {
    match raw.to_ascii_lowercase().as_str() {
        "true" => "1".into(),
        "false" => "0".into(),
        _ => format!("'{}'", unquoted(raw).replace('\'', "''")),
    }
}
