//! Generated columns: which the target can compute itself, by which expression, and to the same values.
//!
//! PostgreSQL stores what it computes, whether SQLite stored it or not. The values that it computes are read back and
//! proved like all others. Where the expression, its type or its functions are not on the whitelist, the column becomes
//! a plain one that holds the values as they are.

use super::expression::{self, ExprType};
use super::keys::resolve;
use super::{LeftBehind, PlannedTable};
use crate::error::{Class, Error, Place, Result as Outcome};
use crate::model::{
    Affinity, BoolForm, CellShape, Column, ColumnEvidence, Recast, SourceColumn, SourceTable,
    TableEvidence, TableSchema,
};
use std::cell::Cell;

/// For each column the expression by which the target computes it; what it does not compute is told.
pub(super) fn expressions(
    source: &SourceTable,
    schema: &TableSchema,
    evidence: &TableEvidence,
    as_values: bool,
    left_behind: &mut Vec<LeftBehind>,
) -> Vec<Option<String>> {
    let table = Table { source, schema, evidence };
    let columns = source.columns.iter().zip(&schema.columns).zip(&evidence.columns);
    let expression = |((declared, column), seen): ((&SourceColumn, &Column), &ColumnEvidence)| {
        let sql = declared.generated.as_deref()?;
        let computed = if as_values {
            Err("the pipeline file says so".into())
        } else {
            table.translated(sql, column).and_then(|(sql, kind)| {
                stored(&sql, kind, declared, column, seen).ok_or_else(|| {
                    let unseen =
                        if seen.sampled { ", and not all values were looked at" } else { "" };
                    format!("SQLite turns {kind} into {} by rules of its own{unseen}", column.pg)
                })
            })
        };
        computed
            .map_err(|reason: String| {
                left_behind.push(LeftBehind {
                    kind: "generated column".into(),
                    name: format!("{}.{}", source.name, column.source),
                    reason: format!(
                        "it becomes a plain column with the values that it has: {reason}"
                    ),
                    sql: sql.into(),
                });
            })
            .ok()
    };
    columns.map(expression).collect()
}

/// Makes sure that nothing takes the place of values that the target computes, or computes others from: it would compute
/// something else than the source. What a table computes that exists may come from any of its columns.
///
/// # Errors
///
/// [`Class::Undecided`] where something does.
pub fn check_replaced(planned: &PlannedTable, source: &SourceTable) -> Outcome<()> {
    let columns = &planned.schema.columns;
    for (computed, declared) in columns.iter().zip(&source.columns) {
        let sql = declared.generated.as_deref().unwrap_or_default();
        let is_used = |column: &Column| {
            planned.existing.is_some()
                || column.source == computed.source
                || may_name(sql, &column.source)
        };
        let replaced = columns.iter().find(|column| column.may_be_replaced() && is_used(column));
        if let (true, Some(replaced)) = (computed.computed, replaced) {
            let what = format!(
                "the target computes the column {}: nothing may take the place of values that it may be computed from",
                computed.source
            );
            let todo = if planned.existing.is_some() {
                "say another `misfits` in the pipeline file, or drop the expression in the target (ALTER COLUMN … DROP \
                 EXPRESSION)"
                    .into()
            } else {
                format!(
                    "say another `misfits`, or give `[tables.{:?}] generated = \"values\"` in the pipeline file, drop what \
                     was created with the SQL that `liteferry plan` prints, and begin again",
                    source.name
                )
            };
            return Err(Error::new(Class::Undecided, what).todo(todo))
                .at(|| format!("column {}", replaced.source))
                .at(|| format!("table {}", source.name));
        }
    }
    Ok(())
}

/// Whether an expression of SQLite's may name a column; a word in one of its strings counts too.
fn may_name(sql: &str, column: &str) -> bool {
    let in_word = |letter: char| {
        letter.is_ascii_alphanumeric() || "_$".contains(letter) || !letter.is_ascii()
    };
    !column.chars().all(in_word)
        || sql.split(|letter| !in_word(letter)).any(|word| word.eq_ignore_ascii_case(column))
}

struct Table<'a> {
    source: &'a SourceTable,
    schema: &'a TableSchema,
    evidence: &'a TableEvidence,
}

impl Table<'_> {
    /// The expression of a column in the target's words; it stands as an operand.
    fn translated(&self, sql: &str, column: &Column) -> Result<(String, ExprType), String> {
        if sql.is_empty() {
            return Err("its expression could not be read".into());
        }
        let (nested, replaced) = (Cell::new(false), Cell::new(column.may_be_replaced()));
        let operand = |name: &str| {
            let mut columns = self.source.columns.iter().zip(&self.schema.columns);
            let (declared, column) =
                columns.find(|(column, _)| column.name.eq_ignore_ascii_case(name))?;
            nested.set(nested.get() || declared.generated.is_some());
            replaced.set(replaced.get() || column.may_be_replaced());
            resolve(self.source, self.schema, self.evidence, name)
        };
        let translated = expression::translate_value(sql, &operand);
        if nested.get() {
            return Err("PostgreSQL computes no column from another that it computes".into());
        }
        if replaced.get() {
            return Err(
                "something may take the place of values that it has or is computed from".into()
            );
        }
        translated.map_err(|untranslatable| untranslatable.to_string())
    }
}

/// The expression with what the column's affinity makes of its value in SQLite.
fn stored(
    sql: &str,
    kind: ExprType,
    declared: &SourceColumn,
    column: &Column,
    seen: &ColumnEvidence,
) -> Option<String> {
    let affinity = if declared.any { Affinity::Blob } else { Affinity::of(&declared.declared) };
    let with = |suffix: &str| Some(format!("{sql}{suffix}"));
    if column.recast != Recast::Keep {
        return None;
    }
    match (&column.read, kind) {
        (CellShape::Bool(BoolForm::ZeroOne), ExprType::Boolean)
        | (CellShape::Integer, ExprType::Integer)
        | (CellShape::Text, ExprType::Text)
        | (CellShape::Blob, ExprType::Bytes)
        | (CellShape::IsoDate, ExprType::Date) => with(""),
        (CellShape::Integer, ExprType::Boolean) => with("::integer::bigint"),
        (CellShape::Text, ExprType::Integer) if affinity == Affinity::Text => {
            with("::bigint::text")
        }
        (CellShape::Real, ExprType::Integer) if affinity == Affinity::Real => {
            with("::double precision")
        }
        // SQLite stores no -0.0 in a REAL column; adding zero makes it 0.0 here.
        (CellShape::Real, ExprType::Float) if seen.beyond_decimal == 0 && !seen.sampled => {
            with(" + 0::double precision")
        }
        (CellShape::Decimal, ExprType::Integer)
            if seen.reals + seen.texts == 0 && !seen.sampled =>
        {
            with("::numeric")
        }
        _ => None,
    }
}
