//! The operators, and what each of them is.

use super::Untranslatable;
use super::arithmetic::{arithmetic, bitwise, number};
use super::comparison::{compare, is};
use super::typed::{ExprType, Typed};
use sqlite3_parser::ast::{Operator, UnaryOperator};

pub(super) fn unary(operator: UnaryOperator, operand: Typed) -> Result<Typed, Untranslatable> {
    match operator {
        UnaryOperator::Not => Ok(Typed::condition(format!("(NOT {})", operand.truth()?))),
        UnaryOperator::Positive => number(operand)?.counted(),
        UnaryOperator::Negative => {
            let operand = number(operand)?;
            Ok(Typed::new(format!("(-{})", operand.cast_to(operand.kind)), operand.kind))
        }
        UnaryOperator::BitwiseNot => Err(Untranslatable::new("~ is not translated")),
    }
}

pub(super) fn binary(
    left: &Typed,
    operator: Operator,
    right: &Typed,
) -> Result<Typed, Untranslatable> {
    match operator {
        Operator::And => connected(left, "AND", right),
        Operator::Or => connected(left, "OR", right),
        Operator::Equals => compare(left, "=", right),
        Operator::NotEquals => compare(left, "<>", right),
        Operator::Less => compare(left, "<", right),
        Operator::LessEquals => compare(left, "<=", right),
        Operator::Greater => compare(left, ">", right),
        Operator::GreaterEquals => compare(left, ">=", right),
        Operator::Is => is(left, "", right),
        Operator::IsNot => is(left, "NOT ", right),
        Operator::Add => arithmetic(left, "+", right),
        Operator::Subtract => arithmetic(left, "-", right),
        Operator::Multiply => arithmetic(left, "*", right),
        Operator::Divide => arithmetic(left, "/", right),
        Operator::Modulus => arithmetic(left, "%", right),
        Operator::BitwiseAnd => bitwise(left, "&", right),
        Operator::BitwiseOr => bitwise(left, "|", right),
        Operator::Concat => {
            let texts = (left.only(ExprType::Text)?, right.only(ExprType::Text)?);
            Ok(Typed::new(format!("({} || {})", texts.0, texts.1), ExprType::Text))
        }
        Operator::LeftShift | Operator::RightShift => {
            Err(Untranslatable::new("shifts of bits are not translated"))
        }
        Operator::ArrowRight | Operator::ArrowRightShift => {
            Err(Untranslatable::new("paths into JSON are not translated"))
        }
    }
}

fn connected(left: &Typed, word: &str, right: &Typed) -> Result<Typed, Untranslatable> {
    Ok(Typed::condition(format!("({} {word} {})", left.truth()?, right.truth()?)))
}
