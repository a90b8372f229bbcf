//! The walk through the tree: every node that is translated, and what is said of the others.

use super::constant::Constant;
use super::typed::{Collated, Collation, ExprType, Typed, united};
use super::{Columns, Untranslatable, cast, comparison, function, operator, pattern, syntax};
use crate::model::PgType;
use crate::sql::{unquoted, with_expression};
use sqlite3_parser::ast::{Expr, Literal, Name, UnaryOperator};
use std::cell::Cell;

/// How deep an expression may be nested.
const DEPTH_MAX: usize = 100;

/// The longest text that is written; BETWEEN and CASE write an operand more than once.
const BYTES_MAX: usize = 64 * 1024;

/// The whole expression `sql` in PostgreSQL's words.
pub(super) fn translated(sql: &str, columns: Columns<'_>) -> Result<Typed, Untranslatable> {
    let translator = Translator { columns, collate_within: Cell::new(false) };
    with_expression(sql, |tree| translator.expression(tree, DEPTH_MAX))?
}

struct Translator<'a> {
    columns: Columns<'a>,
    /// Whether a COLLATE was met in the expression at hand.
    collate_within: Cell<bool>,
}

impl Translator<'_> {
    /// The expression in PostgreSQL's words; `depth` says how many levels are left.
    fn expression(&self, tree: &Expr<'_>, depth: usize) -> Result<Typed, Untranslatable> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(Untranslatable::new(format!(
                "it is nested deeper than {DEPTH_MAX} levels"
            )));
        };
        let before = self.collate_within.replace(matches!(tree, Expr::Collate(..)));
        let typed = self.node(tree, depth)?;
        let within = self.collate_within.get();
        self.collate_within.set(before || within);
        // SQLite lets a COLLATE reach out of functions, of CASE and of ||, by rules of its own.
        let is_whole = matches!(tree, Expr::Collate(..) | Expr::Parenthesized(_));
        if within && !is_whole && typed.kind == ExprType::Text {
            return Err(Untranslatable::new(format!(
                "COLLATE stands within the text {}",
                typed.shown()
            )));
        }
        if typed.sql.len() > BYTES_MAX {
            return Err(Untranslatable::new(format!("it becomes longer than {BYTES_MAX} bytes")));
        }
        Ok(typed)
    }

    fn node(&self, tree: &Expr<'_>, depth: usize) -> Result<Typed, Untranslatable> {
        match tree {
            Expr::Parenthesized(trees) => self.expression(syntax::within(trees)?, depth),
            Expr::Literal(literal) => Typed::constant(Constant::read(literal)?),
            Expr::Id(id) => self.name(id.0),
            Expr::Name(Name(name)) => self.name(name),
            Expr::Qualified(_, Name(name)) => self.column(name),
            Expr::Unary(operator, inner) => self.unary(*operator, inner, depth),
            Expr::Binary(left, operator, right) => {
                let (left, right) = (self.expression(left, depth)?, self.expression(right, depth)?);
                operator::binary(&left, *operator, &right)
            }
            Expr::IsNull(inner) => Ok(comparison::null_test(&self.expression(inner, depth)?, "")),
            Expr::NotNull(inner) => {
                Ok(comparison::null_test(&self.expression(inner, depth)?, "NOT "))
            }
            Expr::Between { lhs, not, start, end } => {
                let ends = (self.expression(start, depth)?, self.expression(end, depth)?);
                comparison::between(&self.expression(lhs, depth)?, &ends.0, &ends.1, *not)
            }
            Expr::InList { lhs, not, rhs } => {
                let list = self.all(rhs.unwrap_or_default(), depth)?;
                comparison::in_list(&self.expression(lhs, depth)?, &list, *not)
            }
            Expr::Like { lhs, not, op, rhs, escape } => {
                let escape = escape.map(|escape| self.expression(escape, depth)).transpose()?;
                let (text, pattern) = (self.expression(lhs, depth)?, self.expression(rhs, depth)?);
                pattern::matching(&text, *op, &pattern, escape.as_ref(), *not)
            }
            Expr::Case { base, when_then_pairs, else_expr } => {
                self.case(*base, when_then_pairs, *else_expr, depth)
            }
            Expr::Cast { expr, type_name } => {
                cast::cast(self.expression(expr, depth)?, type_name.as_ref())
            }
            Expr::Collate(inner, name) => {
                cast::collate(self.expression(inner, depth)?, &unquoted(name))
            }
            _ => match syntax::call(tree) {
                Some((name, arguments)) => function::call(&name, &self.all(arguments, depth)?),
                None => Err(Untranslatable::new(foreign(tree))),
            },
        }
    }

    fn all(&self, trees: &[Expr<'_>], depth: usize) -> Result<Vec<Typed>, Untranslatable> {
        trees.iter().map(|tree| self.expression(tree, depth)).collect()
    }

    /// A column, or TRUE or FALSE where no column is called so.
    fn name(&self, raw: &str) -> Result<Typed, Untranslatable> {
        match (self.column(raw), raw.to_ascii_lowercase().as_str()) {
            (Err(_), "true") => Typed::constant(Constant::Truth(true)),
            (Err(_), "false") => Typed::constant(Constant::Truth(false)),
            (column, _) => column,
        }
    }

    fn column(&self, raw: &str) -> Result<Typed, Untranslatable> {
        let name = unquoted(raw);
        let Some(column) = (self.columns)(&name) else {
            return Err(Untranslatable::new(format!("{name:?} is no column that can be named")));
        };
        // So that no arithmetic happens in a narrower type.
        let widened = match column.kind {
            PgType::Int2 | PgType::Int4 => format!("{}::bigint", column.target),
            PgType::Float4 => format!("{}::double precision", column.target),
            _ => column.target.to_string(),
        };
        let typed = Typed::new(widened, column.kind.into());
        let collation = Collation::named(&column.collation);
        Ok(Typed {
            collated: collation.map_or(Collated::No, Collated::Column),
            as_stored: column.as_stored
                && (collation.is_some() || typed.kind != ExprType::Text)
                && typed.kind != ExprType::Foreign,
            ..typed
        })
    }

    fn unary(
        &self,
        operator: UnaryOperator,
        inner: &Expr<'_>,
        depth: usize,
    ) -> Result<Typed, Untranslatable> {
        match (operator, inner) {
            (UnaryOperator::Negative, Expr::Literal(Literal::Numeric(digits))) => {
                Typed::constant(Constant::number(digits, true)?)
            }
            _ => operator::unary(operator, self.expression(inner, depth)?),
        }
    }

    /// Every form of CASE as the one with conditions.
    fn case(
        &self,
        base: Option<&Expr<'_>>,
        pairs: &[(Expr<'_>, Expr<'_>)],
        otherwise: Option<&Expr<'_>>,
        depth: usize,
    ) -> Result<Typed, Untranslatable> {
        let base = base.map(|base| self.expression(base, depth)).transpose()?;
        let mut conditions = Vec::with_capacity(pairs.len());
        let mut results = Vec::with_capacity(pairs.len() + 1);
        for (when, then) in pairs {
            let when = self.expression(when, depth)?;
            conditions.push(match &base {
                Some(base) => comparison::compare(base, "=", &when)?.sql,
                None => when.truth()?,
            });
            results.push(self.expression(then, depth)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expression(otherwise, depth)?);
        }
        let (texts, kind) = united(&results)?;
        if kind == ExprType::Null {
            // PostgreSQL would take it for a text.
            return Typed::constant(Constant::Null);
        }
        let mut sql = vec!["(CASE".to_owned()];
        for (condition, text) in conditions.iter().zip(&texts) {
            sql.push(format!("WHEN {condition} THEN {text}"));
        }
        sql.extend(texts.get(conditions.len()).map(|text| format!("ELSE {text}")));
        sql.push("END)".into());
        Ok(Typed::new(sql.join(" "), kind))
    }
}

/// What is not translated in any form.
fn foreign(tree: &Expr<'_>) -> &'static str {
    match tree {
        Expr::Exists(_) | Expr::InSelect { .. } | Expr::Subquery(_) | Expr::InTable { .. } => {
            "subqueries are not translated"
        }
        Expr::Raise(..) => "RAISE is not translated",
        Expr::Variable(_) => "parameters are not translated",
        Expr::DoublyQualified(..) => "a column of another database is not translated",
        _ => "aggregates and windows are not translated",
    }
}
