//! SQLite's expressions in PostgreSQL's words: what a CHECK, a partial index, an index on an expression or a DEFAULT
//! says, or why it cannot be said.
//!
//! The text of the source is parsed, and the target's text is printed from the tree through a whitelist: nothing of
//! the source is copied. A construct is let through only where both sides give the same answer for every value that
//! a column of that type holds; the one exception is whole numbers beyond 2^53 where doubles or decimals meet them.
//! Where arithmetic overflows, PostgreSQL fails instead of going on with another type.

mod constant;
mod default;
mod function;
mod pattern;
mod typed;

pub use default::translate_default;
pub use typed::ExprType;

use crate::model::identifier::Ident;
use crate::model::{Affinity, PgType};
use crate::sql::{Unreadable, unquoted, with_expression};
use constant::Constant;
use sqlite3_parser::ast::{Expr, Literal, Name, Operator, Type, UnaryOperator};
use std::cell::Cell;
use std::fmt;
use typed::{Collated, Collation, Typed, collation_of, comparable, folded, united};

/// How deep an expression may be nested.
const DEPTH_MAX: usize = 100;

/// The longest text that is written; BETWEEN and CASE write an operand more than once.
const BYTES_MAX: usize = 64 * 1024;

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

fn translated(sql: &str, columns: Columns<'_>) -> Result<Typed, Untranslatable> {
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
            Expr::Parenthesized(inner) => match inner.as_slice() {
                [inner] => self.expression(inner, depth),
                _ => Err(Untranslatable::new("row values are not translated")),
            },
            Expr::Literal(literal) => Typed::constant(Constant::read(literal)?),
            Expr::Id(id) => self.name(id.0),
            Expr::Name(Name(name)) => self.name(name),
            Expr::Qualified(_, Name(name)) => self.column(name),
            Expr::Unary(operator, inner) => self.unary(*operator, inner, depth),
            Expr::Binary(left, operator, right) => {
                binary(&self.expression(left, depth)?, *operator, &self.expression(right, depth)?)
            }
            Expr::IsNull(inner) => Ok(null_test(&self.expression(inner, depth)?, "")),
            Expr::NotNull(inner) => Ok(null_test(&self.expression(inner, depth)?, "NOT ")),
            Expr::Between { lhs, not, start, end } => {
                let ends = (self.expression(start, depth)?, self.expression(end, depth)?);
                between(&self.expression(lhs, depth)?, &ends.0, &ends.1, *not)
            }
            Expr::InList { lhs, not, rhs } => {
                let list = self.all(rhs.unwrap_or_default(), depth)?;
                in_list(&self.expression(lhs, depth)?, &list, *not)
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
                cast(self.expression(expr, depth)?, type_name.as_ref())
            }
            Expr::Collate(inner, name) => collate(self.expression(inner, depth)?, &unquoted(name)),
            Expr::FunctionCall {
                name,
                distinctness: None,
                args,
                order_by: None,
                filter_over: None,
            } => function::call(&unquoted(name.0), &self.all(args.unwrap_or_default(), depth)?),
            _ => Err(Untranslatable::new(foreign(tree))),
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
        if let (UnaryOperator::Negative, Expr::Literal(Literal::Numeric(digits))) =
            (operator, inner)
        {
            return Typed::constant(Constant::number(digits, true)?);
        }
        let operand = self.expression(inner, depth)?;
        match operator {
            UnaryOperator::Not => {
                Ok(Typed::new(format!("(NOT {})", operand.truth()?), ExprType::Boolean))
            }
            UnaryOperator::Positive => number(operand)?.counted(),
            UnaryOperator::Negative => {
                let operand = number(operand)?;
                Ok(Typed::new(format!("(-{})", operand.cast_to(operand.kind)), operand.kind))
            }
            UnaryOperator::BitwiseNot => Err(Untranslatable::new("~ is not translated")),
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
                Some(base) => compare(base, "=", &when)?.sql,
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

fn binary(left: &Typed, operator: Operator, right: &Typed) -> Result<Typed, Untranslatable> {
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
    Ok(Typed::new(format!("({} {word} {})", left.truth()?, right.truth()?), ExprType::Boolean))
}

fn compare(left: &Typed, symbol: &str, right: &Typed) -> Result<Typed, Untranslatable> {
    let (mut one, other) = comparable(left, right)?;
    let by_order = !matches!(symbol, "=" | "<>");
    if by_order && left.kind == ExprType::Text && right.kind == ExprType::Text {
        one = format!("({one} COLLATE \"C\")");
    }
    Ok(Typed::new(format!("({one} {symbol} {other})"), ExprType::Boolean))
}

/// IS asks for NULL, for the truth behind TRUE and FALSE, and else for equality where NULL equals NULL.
fn is(left: &Typed, not: &str, right: &Typed) -> Result<Typed, Untranslatable> {
    match right.constant {
        Some(Constant::Null) => Ok(null_test(left, not)),
        Some(Constant::Truth(truth)) => {
            let word = if truth { "TRUE" } else { "FALSE" };
            Ok(Typed::new(format!("({} IS {not}{word})", left.truth()?), ExprType::Boolean))
        }
        _ => {
            let distinct = if not.is_empty() { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" };
            let (one, other) = comparable(left, right)?;
            Ok(Typed::new(format!("({one} {distinct} {other})"), ExprType::Boolean))
        }
    }
}

fn null_test(operand: &Typed, not: &str) -> Typed {
    Typed::new(format!("({} IS {not}NULL)", operand.sql), ExprType::Boolean)
}

/// As two comparisons, because each has a collation of its own.
fn between(value: &Typed, start: &Typed, end: &Typed, not: bool) -> Result<Typed, Untranslatable> {
    let (from, to) = (compare(value, ">=", start)?, compare(value, "<=", end)?);
    let within = format!("({} AND {})", from.sql, to.sql);
    Ok(Typed::new(if not { format!("(NOT {within})") } else { within }, ExprType::Boolean))
}

fn in_list(value: &Typed, list: &[Typed], not: bool) -> Result<Typed, Untranslatable> {
    if list.is_empty() {
        return Ok(Typed::new(not.to_string(), ExprType::Boolean));
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
    Ok(Typed::new(format!("({one} {not}IN ({}))", others.join(", ")), ExprType::Boolean))
}

/// Integers stay integers; everything else is computed in doubles, as SQLite does. By zero gives NULL, and so does
/// what is no number.
fn arithmetic(left: &Typed, symbol: &str, right: &Typed) -> Result<Typed, Untranslatable> {
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

fn bitwise(left: &Typed, symbol: &str, right: &Typed) -> Result<Typed, Untranslatable> {
    left.only(ExprType::Integer)?;
    right.only(ExprType::Integer)?;
    let (one, other, kind) = operands(left, right);
    Ok(Typed::new(format!("({one} {symbol} {other})"), kind))
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

fn number(operand: Typed) -> Result<Typed, Untranslatable> {
    if operand.faithful()?.kind.is_number() {
        return Ok(operand);
    }
    Err(Untranslatable::new(format!("{} is {} and no number", operand.shown(), operand.kind)))
}

/// The few casts that mean the same; SQLite finds the type's affinity in its name.
fn cast(operand: Typed, to: Option<&Type<'_>>) -> Result<Typed, Untranslatable> {
    let name = to.map_or("", |to| to.name);
    let (affinity, kind) = (Affinity::of(name), operand.faithful()?.kind);
    Ok(match (affinity, kind) {
        (Affinity::Integer, ExprType::Integer)
        | (Affinity::Real, ExprType::Float)
        | (Affinity::Text, ExprType::Text) => operand.counted()?,
        (Affinity::Integer, ExprType::Boolean) => {
            Typed::new(format!("{}::integer::bigint", operand.sql), ExprType::Integer)
        }
        // PostgreSQL's own cast rounds.
        (Affinity::Integer, ExprType::Float | ExprType::Numeric) => {
            Typed::new(format!("trunc({})::bigint", operand.cast_to(kind)), ExprType::Integer)
        }
        (Affinity::Real, ExprType::Integer | ExprType::Numeric) => {
            Typed::new(operand.cast_to(ExprType::Float), ExprType::Float)
        }
        (Affinity::Text, ExprType::Integer) => {
            Typed::new(format!("{}::text", operand.cast_to(kind)), ExprType::Text)
        }
        _ => {
            return Err(Untranslatable::new(format!(
                "CAST of {kind} as {name:?} is not the same in PostgreSQL"
            )));
        }
    })
}

fn collate(operand: Typed, name: &str) -> Result<Typed, Untranslatable> {
    operand.only(ExprType::Text)?;
    let Some(collation) = Collation::named(name) else {
        return Err(Untranslatable::new(format!("the collation {name:?} has no counterpart")));
    };
    Ok(Typed { collated: Collated::Explicit(collation), ..operand })
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

#[cfg(test)]
mod tests {
    use super::{ColumnRef, ExprType, translate_predicate, translate_scalar};
    use crate::model::PgType;
    use crate::model::identifier::Ident;

    /// Columns by type; u is NOCASE, z has a collation of the application, epoch was converted on the way.
    fn column(name: &str) -> Option<ColumnRef> {
        let name = name.to_ascii_lowercase();
        let kind = match name.as_str() {
            "i" | "j" => PgType::Int8,
            "f" | "g" => PgType::Float8,
            "n" => PgType::Numeric(None),
            "s" | "u" | "z" | "two\nlines\"; --" => PgType::Text,
            "v" => PgType::Varchar(9),
            "b" => PgType::Bool,
            "d" => PgType::Date,
            "t" | "t2" => PgType::Timestamp,
            "x" => PgType::Bytea,
            "epoch" => PgType::Timestamptz,
            _ => return None,
        };
        let collation = match name.as_str() {
            "u" => "NOCASE",
            "z" => "UNICASE",
            _ => "BINARY",
        };
        Some(ColumnRef {
            target: Ident::new(&name).unwrap(),
            kind,
            collation: collation.into(),
            as_stored: name != "epoch",
        })
    }

    fn predicate(sql: &str) -> String {
        translate_predicate(sql, &column).unwrap_or_else(|reason| panic!("{sql}: {reason}"))
    }

    fn refusal(sql: &str) -> String {
        match translate_predicate(sql, &column) {
            Ok(translated) => panic!("{sql}: {translated}"),
            Err(untranslatable) => untranslatable.to_string(),
        }
    }

    #[track_caller]
    fn translates(cases: &[(&str, &str)]) {
        for (sql, expected) in cases {
            assert_eq!(predicate(sql), *expected, "{sql}");
        }
    }

    #[track_caller]
    fn refuses(cases: &[(&str, &str)]) {
        for (sql, reason) in cases {
            assert!(refusal(sql).contains(reason), "{sql}: {}", refusal(sql));
        }
    }

    #[test]
    fn comparisons_and_connectives_are_printed_anew() {
        translates(&[
            ("I == 1 and not J != 2", r#"(("i" = 1) AND (NOT ("j" <> 2)))"#),
            ("[i]>=(0) OR `j` < -1", r#"(("i" >= 0) OR ("j" < (-1)))"#),
            ("tab.i BETWEEN 1 AND f", r#"(("i" >= 1) AND ("i" <= "f"))"#),
            ("i NOT IN (9, 19, NULL)", r#"("i" NOT IN (9, 19, NULL))"#),
            ("i IN ()", "false"),
            ("s ISNULL OR s NOTNULL", r#"(("s" IS NULL) OR ("s" IS NOT NULL))"#),
            ("s IS NOT NULL", r#"("s" IS NOT NULL)"#),
            ("s IS 'a'", r#"("s" IS NOT DISTINCT FROM 'a')"#),
            ("i IS NOT j", r#"("i" IS DISTINCT FROM "j")"#),
            ("x = x'00fF'", r#"("x" = '\x00ff'::bytea)"#),
            ("d >= '2024-01-31'", r#"("d" >= '2024-01-31'::date)"#),
            ("t <= t2", r#"("t" <= "t2")"#),
            ("CASE i WHEN 1 THEN f > 0 END", r#"(CASE WHEN ("i" = 1) THEN ("f" > 0) END)"#),
            ("CASE WHEN i THEN NULL END", "NULL::boolean"),
            ("coalesce(NULL, NULL) OR b", r#"(NULL::boolean OR "b")"#),
        ]);
    }

    #[test]
    fn zero_and_one_are_false_and_true_beside_a_boolean_only() {
        translates(&[
            ("b", r#""b""#),
            ("b = 1", r#"("b" = true)"#),
            ("0 <> b", r#"(false <> "b")"#),
            ("b IN (0, 1)", r#"("b" IN (false, true))"#),
            ("coalesce(b, 0) = FALSE", r#"(coalesce("b", false) = false)"#),
            ("b IS NOT TRUE", r#"("b" IS NOT TRUE)"#),
            ("i IS FALSE", r#"(("i" <> 0) IS FALSE)"#),
            ("i = TRUE", r#"("i" = 1)"#),
        ]);
        refuses(&[("b = 2", "differently"), ("b + 1 > 0", "no number"), ("b = i", "differently")]);
    }

    #[test]
    fn a_number_is_a_condition_and_a_text_is_none() {
        translates(&[
            ("i", r#"("i" <> 0)"#),
            ("f AND 1", r#"(("f" <> 0) AND true)"#),
            ("NULL", "NULL::boolean"),
        ]);
        refuses(&[("s", "no condition"), ("'1'", "no condition"), ("NOT x", "no condition")]);
    }

    #[test]
    fn what_sqlite_would_convert_is_refused() {
        refuses(&[
            ("s = 1", "differently"),
            ("i = '1'", "differently"),
            ("x = 'a'", "differently"),
            ("d > '2024'", "differently"),
            ("t > '2024-01-01 00:00:00'", "differently"),
            ("s || 1 = 'a1'", "where text is needed"),
            ("s + 1 = 2", "no number"),
            ("i + 'a' > 0", "no number"),
            ("coalesce(s, 0) = 0", "text or bigint"),
        ]);
    }

    #[test]
    fn a_converted_column_can_only_be_asked_for_null() {
        translates(&[
            ("epoch IS NULL", r#"("epoch" IS NULL)"#),
            ("z IS NOT NULL", r#"("z" IS NOT NULL)"#),
        ]);
        refuses(&[
            ("epoch > epoch", "converted"),
            ("z = 'a'", "converted"),
            ("coalesce(epoch, 0)", "converted"),
        ]);
    }

    #[test]
    fn arithmetic_gives_null_where_sqlite_does_and_stays_as_wide() {
        translates(&[
            ("i / j = 1", r#"(("i" / nullif("j", 0)) = 1)"#),
            ("i % 2 = 0", r#"(("i" % 2) = 0)"#),
            ("i / 0", r#"(("i" / nullif(0, 0)) <> 0)"#),
            ("2000000000 + 2000000000 > i", r#"((2000000000::bigint + 2000000000) > "i")"#),
            (
                "i * 0.1 > f",
                r#"(nullif("i"::double precision * 0.1::double precision, 'NaN') > "f")"#,
            ),
            ("-i < -9223372036854775808", r#"((-"i") < '-9223372036854775808'::bigint)"#),
            ("(i & 4) = 4", r#"(("i" & 4) = 4)"#),
        ]);
        refuses(&[
            ("n / 2 > 1", "row by row"),
            ("(n + 1) / 2 > 1", "row by row"),
            ("f % 2 = 0", "integers"),
            ("i << 1", "shifts"),
            ("~i", "~"),
        ]);
    }

    #[test]
    fn texts_are_ordered_by_bytes_and_nocase_folds_both_sides() {
        let fold = |text: &str| {
            format!("translate({text}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')")
        };
        let (s, u, a) = (fold(r#""s""#), fold(r#""u""#), fold("'A'"));
        translates(&[
            ("s < v", r#"(("s" COLLATE "C") < "v")"#),
            ("s || v <> ''", r#"(("s" || "v") <> '')"#),
            ("s = 'A' COLLATE NOCASE", &format!("({s} = {a})")),
            ("u = s", &format!("({u} = {s})")),
            ("s = u", r#"("s" = "u")"#),
            ("u COLLATE BINARY = s", r#"("u" = "s")"#),
            ("u < 'A'", &format!(r#"(({u} COLLATE "C") < {a})"#)),
            ("u IN ('A', NULL)", &format!("({u} IN ({a}, NULL))")),
            ("s = v COLLATE RTRIM", r#"(rtrim("s", ' ') = rtrim("v", ' '))"#),
        ]);
        refuses(&[
            ("s = 'a' COLLATE UNICASE", "UNICASE"),
            ("lower(s COLLATE NOCASE) = v", "COLLATE stands within"),
            ("CASE WHEN s = 'a' COLLATE NOCASE THEN s ELSE v END = 'x'", "COLLATE stands within"),
        ]);
    }

    #[test]
    fn patterns_are_written_anew() {
        translates(&[
            ("s LIKE 'a%_'", r#"("s" COLLATE "C" ILIKE 'a%_')"#),
            (r"s NOT LIKE 'a\b%'", r#"("s" COLLATE "C" NOT ILIKE 'a\\b%')"#),
            ("s LIKE '50!%!!' ESCAPE '!'", r#"("s" COLLATE "C" ILIKE '50\%!')"#),
            ("s GLOB 'a*?_%'", r#"("s" COLLATE "C" LIKE 'a%_\_\%')"#),
        ]);
        refuses(&[
            ("s LIKE v", "no constant"),
            ("s LIKE 'a!' ESCAPE '!'", "ends in its ESCAPE"),
            ("s LIKE 'a' ESCAPE 'xy'", "one character"),
            ("s GLOB '[0-9]*'", "sets"),
            ("s REGEXP 'a'", "application"),
            ("i LIKE '1%'", "text is needed"),
        ]);
    }

    #[test]
    fn functions_have_one_meaning_on_both_sides() {
        translates(&[
            ("length(s) > 3", r#"(char_length("s")::bigint > 3)"#),
            ("length(x) > 3", r#"(octet_length("x")::bigint > 3)"#),
            ("LOWER(s) = upper(v)", r#"(lower("s" COLLATE "C") = upper("v" COLLATE "C"))"#),
            ("trim(s) <> ltrim(s, 'x')", r#"(btrim("s") <> ltrim("s", 'x'))"#),
            ("substr(s, 1, 3) = 'abc'", r#"(substr("s", 1, 3) = 'abc')"#),
            ("instr(s, '@') > 1", r#"(strpos("s", '@')::bigint > 1)"#),
            ("replace(s, '-', '') = s", r#"(replace("s", '-', '') = "s")"#),
            ("abs(i) < 5", r#"(abs("i") < 5)"#),
            ("ifnull(f, 0) >= 0", r#"(coalesce("f", 0::double precision) >= 0)"#),
            ("nullif(s, '') IS NULL", r#"(nullif("s", '') IS NULL)"#),
            ("CAST(f AS INT) = 1", r#"(trunc("f")::bigint = 1)"#),
            ("CAST(b AS INTEGER) + 1 > i", r#"(("b"::integer::bigint + 1) > "i")"#),
        ]);
        refuses(&[
            ("typeof(i) = 'integer'", "typeof"),
            ("max(i, j) > 0", "NULL"),
            ("round(f, 2) = f", "round"),
            ("date(d) = d", "dates"),
            ("substr(s, -1) = 'a'", "constant place"),
            ("substr(s, i) = 'a'", "constant place"),
            ("replace(s, v, '') = s", "no counterpart"),
            ("random() > 0", "no counterpart"),
            ("nullif(u, 'a') = 'b'", "another way"),
            ("CAST(s AS INTEGER) > 0", "CAST"),
            ("CAST(f AS TEXT) = '1.0'", "CAST"),
            ("length(s, 1)", "no counterpart"),
        ]);
    }

    #[test]
    fn the_key_of_an_index_comes_with_its_type() {
        let scalar = |sql| translate_scalar(sql, &column).unwrap();
        assert_eq!(scalar("lower(s)"), (r#"lower("s" COLLATE "C")"#.into(), ExprType::Text));
        assert_eq!(scalar("i + 1"), (r#"("i" + 1)"#.into(), ExprType::Integer));
        assert!(scalar("s COLLATE NOCASE").0.starts_with(r#"translate("s""#));
        assert!(scalar("u").0.starts_with(r#"translate("u""#));
        assert!(translate_scalar("epoch", &column).is_err());
    }

    #[test]
    fn nothing_of_the_source_reaches_the_target_unread() {
        translates(&[
            ("i > 0 -- '; DROP TABLE x", r#"("i" > 0)"#),
            ("i /* ); DROP TABLE x; -- */ > 0", r#"("i" > 0)"#),
            ("s = '''; DROP TABLE x; --'", r#"("s" = '''; DROP TABLE x; --')"#),
            ("s = 'a\nb\\'", "(\"s\" = 'a\nb\\')"),
            ("\"TWO\nlines\"\"; --\" IS NULL", "(\"two\nlines\"\"; --\" IS NULL)"),
        ]);
        refuses(&[
            ("pg_read_file('/etc/passwd') = ''", "no counterpart"),
            ("\"lower\"(s, 1)", "no counterpart"),
            ("1); DROP TABLE x; --", "cannot be parsed"),
            ("\"); DROP TABLE x; --\" = 1", "no column"),
            ("\"dq\" = s", "no column"),
            ("ctid = 1", "no column"),
            ("EXISTS (SELECT 1)", "subqueries"),
            ("i IN (SELECT 1)", "subqueries"),
            ("i IN pg_shadow", "subqueries"),
            ("i = ?1", "parameters"),
            ("i = $1", "parameters"),
            ("count(*) > 0", "aggregates"),
            ("sum(i) OVER () > 0", "aggregates"),
            ("RAISE(IGNORE)", "RAISE"),
            ("(i, j) = (1, 2)", "row values"),
            ("pg_catalog.t.i = 1", "another database"),
            ("", "cannot be parsed"),
        ]);
    }

    #[test]
    fn hostile_size_is_refused_without_exhausting_the_stack() {
        let nested = |open: &str, inner: &str, close: &str, times: usize| {
            format!("{}{inner}{}", open.repeat(times), close.repeat(times))
        };
        refuses(&[
            (&nested("NOT ", "i", "", 2000), "deeper"),
            (&nested("", "i", " + 1", 2000), "deeper"),
            (&nested("(", "i", ")", 3000), "nested"),
            (&nested("(", "i > 0", " BETWEEN 0 AND 1)", 40), "longer"),
            (&format!("s = '{}'", "x".repeat(20_000)), "longer"),
        ]);
        assert!(refusal(&format!("{} = 1", nested("lower(", "s", ")", 50))).len() < 400);
    }
}
