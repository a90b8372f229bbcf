//! Numbers: computed in the type in which SQLite computes, so that nothing overflows or is rounded elsewhere.

use super::Untranslatable;
use super::constant::Constant;
use super::typed::{ExprType, Typed};

/// Integers stay integers; everything else is computed in doubles, as SQLite does. By zero gives NULL, and so does
/// what is no number.
pub(super) fn arithmetic(
    left: &Typed,
    symbol: &str,
    right: &Typed,
) -> Result<Typed, Untranslatable> {
    let (left, right) = (number(left.clone())?, number(right.clone())?);
    if symbol == "/" && [left.kind, right.kind].contains(&ExprType::Numeric) {
        return Err(Untranslatable::new(
            "SQLite divides whole numbers of a decimal column as integers, row by row",
        ));
    }
    let (one, mut other, kind) = operands(&left, &right);
    let divides = matches!(symbol, "/" | "%");
    let by_integer = right.constant.as_ref().and_then(Constant::integer);
    if divides && by_integer.is_none_or(|divisor| divisor == 0) {
        other = format!("nullif({other}, 0)");
    }
    match kind {
        ExprType::Integer => Ok(Typed::new(format!("({one} {symbol} {other})"), kind)),
        _ if symbol == "%" => Err(Untranslatable::new("% is translated for integers")),
        _ => Ok(Typed::new(format!("nullif({one} {symbol} {other}, 'NaN')"), kind)),
    }
}

pub(super) fn bitwise(left: &Typed, symbol: &str, right: &Typed) -> Result<Typed, Untranslatable> {
    left.only(ExprType::Integer)?;
    right.only(ExprType::Integer)?;
    let (one, other, kind) = operands(left, right);
    Ok(Typed::new(format!("({one} {symbol} {other})"), kind))
}

pub(super) fn number(operand: Typed) -> Result<Typed, Untranslatable> {
    if operand.faithful()?.kind.is_number() {
        return Ok(operand);
    }
    Err(Untranslatable::new(format!("{} is {} and no number", operand.shown(), operand.kind)))
}

/// Two numbers as operands of one type. A constant beside a bigint becomes one; two constants would stay narrower.
fn operands(left: &Typed, right: &Typed) -> (String, String, ExprType) {
    if left.kind != ExprType::Integer || right.kind != ExprType::Integer {
        let whole_by_row = [left.kind, right.kind].contains(&ExprType::Numeric);
        let kind = if whole_by_row { ExprType::Numeric } else { ExprType::Float };
        return (left.cast_to(ExprType::Float), right.cast_to(ExprType::Float), kind);
    }
    let both_constant = left.constant.is_some() && right.constant.is_some();
    let one = if both_constant { left.cast_to(ExprType::Integer) } else { left.sql.clone() };
    (one, right.sql.clone(), ExprType::Integer)
}
