//! SQLite's expressions in PostgreSQL's words: what a CHECK, a partial index, an index on an expression or a DEFAULT
//! says, or why it cannot be said.
//!
//! The text of the source is parsed, and the target's text is printed from the tree through a whitelist: nothing of
//! the source is copied. A construct is let through only where both sides give the same answer for every value that
//! a column of that type holds; the one exception is whole numbers beyond 2^53 where doubles or decimals meet them.
//! Where arithmetic overflows, PostgreSQL fails instead of going on with another type.
//!
//! `translator` walks through the tree and hands each node to the file of its kind (`operator`, with `comparison`
//! and `arithmetic`, `cast`, `pattern`, `function`, `constant`); `typed` is what they give, and by which rules two of
//! them may meet.

mod arithmetic;
mod cast;
mod comparison;
mod constant;
mod default;
mod function;
mod iso;
mod operator;
mod pattern;
mod syntax;
#[cfg(test)]
mod tests;
mod translator;
mod typed;

pub use default::translate_default;
pub use typed::ExprType;

use crate::model::PgType;
use crate::model::identifier::Ident;
use crate::sql::Unreadable;
use std::fmt;
use translator::translated;
use typed::{Typed, collation_of, folded};

/// Why an expression is not carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untranslatable {
    /// The reason, lower case.
    pub reason: String,
}

/// What a column of the source is in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRef {
    /// Its name in the target.
    pub target: Ident,
    /// Its type in the target.
    pub kind: PgType,
    /// The source column's collation, upper case.
    pub collation: String,
    /// Whether SQLite compares the stored values as PostgreSQL compares those of the target: they have one storage
    /// class, and dates one shape. (0 and 1 for a boolean do; epochs, decimals in TEXT, numbers in TEXT do not.)
    /// Of other columns it can only be asked whether they are NULL.
    pub as_stored: bool,
}

/// What a column's name means; names are asked for as written, and match without regard to ASCII case.
pub type Columns<'a> = &'a dyn Fn(&str) -> Option<ColumnRef>;

/// A condition: the expression of a CHECK, or the WHERE of a partial index.
pub fn translate_predicate(sql: &str, columns: Columns<'_>) -> Result<String, Untranslatable> {
    translated(sql, columns)?.truth()
}

/// An expression with its type: the value of a generated column. It stands as an operand.
pub fn translate_value(
    sql: &str,
    columns: Columns<'_>,
) -> Result<(String, ExprType), Untranslatable> {
    let typed = standing_alone(translated(sql, columns)?)?;
    Ok((format!("({})", typed.sql), typed.kind))
}

/// An expression with its type: the key of an index. NOCASE and RTRIM keys are folded.
pub fn translate_scalar(
    sql: &str,
    columns: Columns<'_>,
) -> Result<(String, ExprType), Untranslatable> {
    let typed = standing_alone(translated(sql, columns)?)?;
    match typed.kind {
        ExprType::Text => Ok((folded(&typed.sql, collation_of(&typed, &typed)), ExprType::Text)),
        kind => Ok((typed.sql, kind)),
    }
}

/// The same where nothing around it tells PostgreSQL the type of a string.
fn standing_alone(typed: Typed) -> Result<Typed, Untranslatable> {
    match (&typed.faithful()?.constant, typed.kind) {
        (_, ExprType::Null) => Err(Untranslatable::new("NULL has no type")),
        (Some(_), ExprType::Text) => Ok(Typed { sql: format!("{}::text", typed.sql), ..typed }),
        _ => Ok(typed),
    }
}

impl Untranslatable {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<Unreadable> for Untranslatable {
    fn from(unreadable: Unreadable) -> Self {
        Self::new(format!("it cannot be parsed: {unreadable}"))
    }
}

impl fmt::Display for Untranslatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Untranslatable {}
