//! What of SQLite's syntax expressions and DEFAULTs have in common.

use super::Untranslatable;
use crate::sql::unquoted;
use sqlite3_parser::ast::Expr;

/// The one expression between parentheses.
pub(super) fn within<'t, 'a>(trees: &'t [Expr<'a>]) -> Result<&'t Expr<'a>, Untranslatable> {
    match trees {
        [tree] => Ok(tree),
        _ => Err(Untranslatable::new("row values are not translated")),
    }
}

/// The name and the arguments of a call that is neither an aggregate's nor a window's.
pub(super) fn call<'t, 'a>(tree: &'t Expr<'a>) -> Option<(String, &'t [Expr<'a>])> {
    match tree {
        Expr::FunctionCall {
            name,
            distinctness: None,
            args,
            order_by: None,
            filter_over: None,
        } => Some((unquoted(name.0), args.unwrap_or_default())),
        _ => None,
    }
}
