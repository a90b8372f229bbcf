//! Which rows an INSERT or an UPDATE may replace: those that are equal to the new row where that must be unique.
//!
//! What a REPLACE deletes fires no trigger, unless the application's connection says `recursive_triggers`. So the rows
//! are looked for before the change, whatever its conflict clause is, by the unique index itself. A row that comes to be
//! equal after that, by another trigger, is logged for the change that made it so.

use super::key;
use super::substitute::{Substitute, substitute};
use crate::model::identifier::quoted;
use crate::model::{SourceColumn, SourceIndex, SourceIndexColumn, SourceTable, TouchKey};
use crate::sql::words;
use std::collections::BTreeSet;

/// What a row is called that may be replaced. The alias also hides the name of a table that is called `new`.
pub(super) const PROBED: &str = "_liteferry_row";

/// One look for rows that may be replaced.
pub(super) struct Probe {
    /// Where `PROBED` may be replaced by `new`.
    pub(super) condition: String,
    /// The columns without whose change an UPDATE need not look; none where any may matter.
    columns: Option<Vec<String>>,
}

/// The looks that a table needs, or why not all that it may replace can be found.
pub(super) fn of(table: &SourceTable, touch: &TouchKey) -> Result<Vec<Probe>, String> {
    let mut probes = Vec::new();
    for index in table.indexes.iter().filter(|index| index.unique) {
        if !is_touch_key(table, touch, index) {
            let probed = of_index(table, index);
            probes.push(probed.map_err(|why| format!("its unique index {} {why}", index.name))?);
        }
    }
    probes.extend(of_rowid(table, touch));
    Ok(probes)
}

/// The columns that one of the probes looks at; none where that may be any.
pub(super) fn columns(probes: &[Probe]) -> Option<Vec<String>> {
    let columns: Option<Vec<_>> = probes.iter().map(|probe| probe.columns.as_deref()).collect();
    let columns: BTreeSet<String> = columns?.into_iter().flatten().cloned().collect();
    Some(columns.into_iter().collect())
}

/// Whether the rows that an index holds equal have the same key in the log: then the change itself logs it.
fn is_touch_key(table: &SourceTable, touch: &TouchKey, index: &SourceIndex) -> bool {
    let has = |at: &usize| {
        index.columns.iter().any(|part| part.key == Ok(*at) && part.collation == "BINARY")
    };
    match touch {
        TouchKey::Rowid => table.rowid_alias.is_some_and(|alias| has(&alias)),
        TouchKey::Columns(positions) => {
            positions.iter().all(|at| has(at) && table.columns.get(*at).is_some_and(key::is_exact))
        }
    }
}

/// A rowid that is not the key can be given too, and taken from another row.
fn of_rowid(table: &SourceTable, touch: &TouchKey) -> Option<Probe> {
    let rowid = table.rowid_name.filter(|_| matches!(touch, TouchKey::Columns(_)))?;
    Some(Probe {
        condition: format!("{PROBED}.{rowid} = new.{rowid}"),
        columns: Some(key::rowid_names(table).map(str::to_owned).collect()),
    })
}

fn of_index(table: &SourceTable, index: &SourceIndex) -> Result<Probe, String> {
    let mut conditions = Vec::new();
    let mut columns = index.predicate.is_none().then(Vec::new);
    for part in &index.columns {
        let (condition, column) = of_part(table, part)?;
        conditions.push(condition);
        columns = columns.zip(column).map(|(columns, column)| [columns, vec![column]].concat());
    }
    // Of the predicate only that of the row which is there: so the index can be used, and what is not in it is not
    // replaced. Whether the new row is in it would not be known before its rowid is.
    conditions.extend(index.predicate.as_ref().map(|predicate| format!("({predicate})")));
    Ok(Probe { condition: conditions.join(" AND "), columns })
}

/// Where a row is equal in one part of an index, and the column of which that depends, where it is no other.
fn of_part(
    table: &SourceTable,
    part: &SourceIndexColumn,
) -> Result<(String, Option<String>), String> {
    let New { value, column } = match &part.key {
        Ok(at) => of_column(table, table.columns.get(*at).ok_or("has an unknown column")?)?,
        Err(expression) => New { value: computed(table, expression)?, column: None },
    };
    let own = match &part.key {
        Ok(at) => table.columns.get(*at).map(|column| format!("{PROBED}.{}", quoted(&column.name))),
        Err(expression) => Some(format!("({expression})")),
    };
    let own = own.unwrap_or_default();
    Ok((format!("{own} COLLATE {} = {value}", quoted(&part.collation)), column))
}

/// A value of the row that is to come.
struct New {
    value: String,
    /// The column that it is, where it is no more.
    column: Option<String>,
}

fn of_column(table: &SourceTable, column: &SourceColumn) -> Result<New, String> {
    let name = quoted(&column.name);
    let Some(expression) = &column.generated else {
        return Ok(New { value: value(column)?, column: Some(name) });
    };
    let named = named_by(table, expression)?;
    let is_replaced = |column: &&SourceColumn| substitute(column) != Ok(Substitute::None);
    let value = if named.iter().any(is_replaced) {
        // Without the sign it would bring an affinity of its own.
        format!("+{}", computed(table, expression)?)
    } else {
        format!("new.{name}")
    };
    Ok(New { value, column: None })
}

/// What an expression of an index gives for the new row. Its names mean the columns of a row that stands alone, and that
/// has their types and collations, because a comparison depends on them.
fn computed(table: &SourceTable, expression: &str) -> Result<String, String> {
    let named = named_by(table, expression)?;
    let (mut typed, mut values) = (Vec::new(), Vec::new());
    for column in named {
        let name = quoted(&column.name);
        if let Some(inner) = &column.generated {
            let below = named_by(table, inner)?;
            if below.iter().any(|column| substitute(column) != Ok(Substitute::None)) {
                return Err(
                    "is computed from a generated column whose own columns have a DEFAULT \
                     that may take the place of NULL"
                        .into(),
                );
            }
        }
        typed.push(format!("{name} AS {name}"));
        values.push(value(column)?);
    }
    if typed.is_empty() {
        return Ok(format!("({expression})"));
    }
    let (typed, values, table) = (typed.join(", "), values.join(", "), quoted(&table.name));
    // The limit keeps the two from being taken apart again.
    Ok(format!(
        "(SELECT {expression} FROM (SELECT {typed} FROM {table} WHERE 0 UNION ALL SELECT {values} LIMIT 1))"
    ))
}

/// The columns that an expression names, generated ones among them.
fn named_by<'t>(table: &'t SourceTable, expression: &str) -> Result<Vec<&'t SourceColumn>, String> {
    let words = words(expression).map_err(|reason| format!("could not be parsed ({reason})"))?;
    let is_named = |name: &str| words.iter().any(|word| word.eq_ignore_ascii_case(name));
    let named: Vec<_> = table.columns.iter().filter(|column| is_named(&column.name)).collect();
    let alias = table.rowid_alias.and_then(|at| table.columns.get(at));
    let rowid = !table.without_rowid && key::rowid_names(table).any(&is_named);
    if rowid || alias.is_some_and(|alias| is_named(&alias.name)) {
        return Err("is computed from the rowid, which is not known before the row is there".into());
    }
    for column in &named {
        if let Some(inner) = &column.generated {
            named_by(table, inner)?;
        }
    }
    Ok(named)
}

/// The new value of a column that is not computed: OR REPLACE puts the default in the place of NULL where that may not
/// be, after the triggers.
fn value(column: &SourceColumn) -> Result<String, String> {
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
