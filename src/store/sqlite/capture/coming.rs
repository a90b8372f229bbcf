//! Values of the row that is to come, as a trigger before the change can have them.

use super::key;
use super::substitute::{Substitute, substitute};
use crate::model::identifier::quoted;
use crate::model::{SourceColumn, SourceTable};
use crate::sql::words;

/// What a column will hold, or why that is not known.
pub(super) fn of_column(table: &SourceTable, column: &SourceColumn) -> Result<String, String> {
    let Some(expression) = &column.generated else { return of_plain(column) };
    if beneath(table, expression)?.into_iter().any(is_substituted) {
        // Without the sign it would bring an affinity of its own, and no index could be used.
        return Ok(format!("+{}", of_expression(table, expression, &[])?));
    }
    of_generated(table, column, expression)
}

/// What an expression of an index with this predicate will give; NULL for a row that will not be in the index.
///
/// SQLite computes it for no such row: it may fail there, and with it a statement that would not.
pub(super) fn of_indexed(
    table: &SourceTable,
    expression: &str,
    predicate: Option<&str>,
) -> Result<String, String> {
    let mut conditions = Vec::new();
    if let Some(predicate) = predicate {
        match of_expression(table, predicate, &[]) {
            Ok(_known) => conditions.push(format!("({predicate})")),
            Err(reason) if may_fail(expression) => {
                return Err(format!("is of an expression that may fail, and its WHERE {reason}"));
            }
            Err(_computed_for_every_row) => {}
        }
    }
    let checks = table.checks.iter().map(|check| check.expression.as_str());
    let checks = checks.filter(|check| keeps_from_failing(table, check, expression));
    // What a CHECK refuses is not NULL and not true.
    conditions.extend(checks.map(|check| format!("coalesce(({check}), 1)")));
    of_expression(table, expression, &conditions)
}

/// Whether an expression fails for some values, as far as its functions are known.
fn may_fail(expression: &str) -> bool {
    let fails =
        |word: &String| word.to_ascii_lowercase().starts_with("json") || word.starts_with("->");
    words(expression).is_ok_and(|words| words.iter().any(fails))
}

/// Whether a CHECK of the table refuses what would make an expression fail: then its own failure is what the application
/// is told, or OR IGNORE passes over.
fn keeps_from_failing(table: &SourceTable, check: &str, expression: &str) -> bool {
    let (Ok(words), Ok(named)) = (words(check), named(table, expression)) else { return false };
    let is_known = !words.contains(".") && of_expression(table, check, &[]).is_ok();
    let is_of = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    is_known && is_of("json_valid") && named.iter().any(|column| is_of(&column.name))
}

/// What an expression will give where these conditions hold, else NULL. Names mean the columns of a row that stands
/// alone, and that has the types and collations of the table's, because comparisons depend on them.
fn of_expression(
    table: &SourceTable,
    expression: &str,
    conditions: &[String],
) -> Result<String, String> {
    let (mut typed, mut values) = (Vec::new(), Vec::new());
    for column in named(table, &format!("{expression} {}", conditions.join(" ")))? {
        let name = quoted(&column.name);
        typed.push(format!("{name} AS {name}"));
        values.push(match &column.generated {
            None => of_plain(column)?,
            Some(inner) if beneath(table, inner)?.into_iter().any(is_substituted) => {
                return Err(
                    "is computed from a column that is computed from one whose DEFAULT may \
                     take the place of NULL"
                        .into(),
                );
            }
            Some(inner) => of_generated(table, column, inner)?,
        });
    }
    // One in the other: each is only asked where those before it hold.
    let expression = conditions.iter().rev().fold(expression.to_owned(), |inner, condition| {
        format!("CASE WHEN {condition} THEN {inner} END")
    });
    if typed.is_empty() {
        return Ok(format!("({expression})"));
    }
    let (typed, values, table) = (typed.join(", "), values.join(", "), quoted(&table.name));
    // The limit keeps the two parts from being taken for themselves.
    Ok(format!(
        "(SELECT {expression} FROM (SELECT {typed} FROM {table} WHERE 0 UNION ALL SELECT {values} LIMIT 1))"
    ))
}

/// What a generated column will hold. Before an UPDATE SQLite computes it from those columns only that the trigger names:
/// so those beneath it are named here, though they are not looked at.
fn of_generated(
    table: &SourceTable,
    column: &SourceColumn,
    expression: &str,
) -> Result<String, String> {
    let beneath = beneath(table, expression)?;
    let names = beneath.iter().filter(|column| column.generated.is_none());
    let names: String =
        names.map(|name| format!(" WHEN 0 THEN new.{}", quoted(&name.name))).collect();
    Ok(format!("CASE 1 WHEN 1 THEN new.{}{names} END", quoted(&column.name)))
}

/// What a column will hold that is not computed: a REPLACE puts the default in the place of NULL where that may not be,
/// after the triggers.
fn of_plain(column: &SourceColumn) -> Result<String, String> {
    let new = format!("new.{}", quoted(&column.name));
    match substitute(column) {
        Ok(Substitute::None) => Ok(new),
        Ok(Substitute::Constant(default)) => {
            Ok(format!("CASE WHEN {new} IS NULL THEN {default} ELSE {new} END"))
        }
        Err(()) => Err(format!(
            "holds the column {}, whose computed DEFAULT may take the place of NULL",
            column.name
        )),
    }
}

fn is_substituted(column: &SourceColumn) -> bool {
    substitute(column) != Ok(Substitute::None)
}

/// All columns on which an expression depends: those that it names, and those that the generated ones among them name.
fn beneath<'t>(table: &'t SourceTable, expression: &str) -> Result<Vec<&'t SourceColumn>, String> {
    let mut found = named(table, expression)?;
    let mut at = 0;
    while let Some(column) = found.get(at) {
        at += 1;
        for column in named(table, column.generated.as_deref().unwrap_or_default())? {
            if !found.iter().any(|known| known.name == column.name) {
                found.push(column);
            }
        }
    }
    Ok(found)
}

/// The columns that an expression names.
fn named<'t>(table: &'t SourceTable, expression: &str) -> Result<Vec<&'t SourceColumn>, String> {
    let words = words(expression).map_err(|reason| format!("could not be parsed ({reason})"))?;
    let is_named = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let alias = table.rowid_alias.and_then(|at| table.columns.get(at));
    let rowid = !table.without_rowid && key::rowid_names(table).any(&is_named);
    if rowid || alias.is_some_and(|alias| is_named(&alias.name)) {
        return Err("is computed from the rowid, which is not known before the row is there".into());
    }
    Ok(table.columns.iter().filter(|column| is_named(&column.name)).collect())
}
