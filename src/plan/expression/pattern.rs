//! LIKE and GLOB with a constant pattern.
//!
//! SQLite's LIKE knows no escape unless it is given one, and takes the 26 ASCII letters without case: ILIKE under
//! the collation "C". GLOB is a LIKE with case and with other wildcards. Both patterns are written anew for
//! PostgreSQL, whose escape is the backslash.

use super::Untranslatable;
use super::constant::{Constant, quoted};
use super::typed::{ExprType, Typed};
use sqlite3_parser::ast::LikeOperator;

/// `text [NOT] LIKE pattern [ESCAPE escape]`, or GLOB.
pub(super) fn matching(
    text: &Typed,
    operator: LikeOperator,
    pattern: &Typed,
    escape: Option<&Typed>,
    not: bool,
) -> Result<Typed, Untranslatable> {
    let (symbol, written) = match operator {
        LikeOperator::Like => {
            ("ILIKE", like(constant(pattern)?, escape.map(escape_of).transpose()?)?)
        }
        LikeOperator::Glob if escape.is_none() => ("LIKE", glob(constant(pattern)?)?),
        LikeOperator::Glob | LikeOperator::Match | LikeOperator::Regexp => {
            return Err(Untranslatable::new("MATCH and REGEXP are functions of the application"));
        }
    };
    let not = if not { "NOT " } else { "" };
    let (text, pattern) = (text.only(ExprType::Text)?, quoted(&written)?);
    Ok(Typed::condition(format!("({text} COLLATE \"C\" {not}{symbol} {pattern})")))
}

fn constant(pattern: &Typed) -> Result<&str, Untranslatable> {
    match &pattern.constant {
        Some(Constant::Text(text)) => Ok(text),
        _ => {
            Err(Untranslatable::new(format!("the pattern {} is no constant text", pattern.shown())))
        }
    }
}

fn escape_of(escape: &Typed) -> Result<char, Untranslatable> {
    let mut characters = constant(escape)?.chars();
    match (characters.next(), characters.next()) {
        (Some(escape), None) => Ok(escape),
        _ => Err(Untranslatable::new("ESCAPE needs one character")),
    }
}

fn like(pattern: &str, escape: Option<char>) -> Result<String, Untranslatable> {
    let mut written = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if Some(character) == escape {
            let escaped = characters.next();
            push_literal(
                &mut written,
                escaped.ok_or_else(|| Untranslatable::new("the pattern ends in its ESCAPE"))?,
            );
        } else if matches!(character, '%' | '_') {
            written.push(character);
        } else {
            push_literal(&mut written, character);
        }
    }
    Ok(written)
}

fn glob(pattern: &str) -> Result<String, Untranslatable> {
    let mut written = String::new();
    for character in pattern.chars() {
        match character {
            '*' => written.push('%'),
            '?' => written.push('_'),
            '[' => return Err(Untranslatable::new("LIKE has no sets of characters as GLOB has")),
            other => push_literal(&mut written, other),
        }
    }
    Ok(written)
}

fn push_literal(written: &mut String, character: char) {
    if matches!(character, '%' | '_' | '\\') {
        written.push('\\');
    }
    written.push(character);
}
