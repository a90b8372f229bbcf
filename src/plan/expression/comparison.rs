//! Comparisons: each of them in the collation that SQLite compares by.

use super::Untranslatable;
use super::constant::Constant;
use super::typed::{Collated, ExprType, Typed, comparable};

pub(super) fn compare(left: &Typed, symbol: &str, right: &Typed) -> Result<Typed, Untranslatable> {
    let (mut one, other) = comparable(left, right)?;
    let by_order = !matches!(symbol, "=" | "<>");
    if by_order && left.kind == ExprType::Text && right.kind == ExprType::Text {
        one = format!("({one} COLLATE \"C\")");
    }
    Ok(Typed::condition(format!("({one} {symbol} {other})")))
}

/// IS asks for NULL, for the truth behind TRUE and FALSE, and else for equality where NULL equals NULL.
pub(super) fn is(left: &Typed, not: &str, right: &Typed) -> Result<Typed, Untranslatable> {
    match right.constant {
        Some(Constant::Null) => Ok(null_test(left, not)),
        Some(Constant::Truth(truth)) => {
            let word = if truth { "TRUE" } else { "FALSE" };
            Ok(Typed::condition(format!("({} IS {not}{word})", left.truth()?)))
        }
        _ => {
            let distinct = if not.is_empty() { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" };
            let (one, other) = comparable(left, right)?;
            Ok(Typed::condition(format!("({one} {distinct} {other})")))
        }
    }
}

pub(super) fn null_test(operand: &Typed, not: &str) -> Typed {
    Typed::condition(format!("({} IS {not}NULL)", operand.sql))
}

/// As two comparisons, because each has a collation of its own.
pub(super) fn between(
    value: &Typed,
    start: &Typed,
    end: &Typed,
    not: bool,
) -> Result<Typed, Untranslatable> {
    let (from, to) = (compare(value, ">=", start)?, compare(value, "<=", end)?);
    let within = format!("({} AND {})", from.sql, to.sql);
    Ok(Typed::condition(if not { format!("(NOT {within})") } else { within }))
}

pub(super) fn in_list(value: &Typed, list: &[Typed], not: bool) -> Result<Typed, Untranslatable> {
    if list.is_empty() {
        return Ok(Typed::condition(not.to_string()));
    }
    let mut one = String::new();
    let mut others = Vec::with_capacity(list.len());
    for element in list {
        if element.constant.is_none() || element.collated != Collated::No {
            return Err(Untranslatable::new("IN is translated for lists of constants"));
        }
        let (left, right) = comparable(value, element)?;
        // Beside NULL nothing is folded.
        if one.is_empty() || element.kind != ExprType::Null {
            one = left;
        }
        others.push(right);
    }
    let not = if not { "NOT " } else { "" };
    Ok(Typed::condition(format!("({one} {not}IN ({}))", others.join(", "))))
}
