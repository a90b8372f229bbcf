//! Which rows an INSERT or an UPDATE may replace: those that are equal to the new row where that must be unique.
//!
//! What a REPLACE deletes fires no trigger, unless the application's connection says `recursive_triggers`. So the rows
//! are looked for before the change, whatever its conflict clause is, by the unique index itself. A row that comes to be
//! equal after that, by another trigger, is logged for the change that made it so.

use super::{coming, key};
use crate::model::identifier::quoted;
use crate::model::{SourceIndex, SourceIndexColumn, SourceTable, TouchKey};
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
    // Of the predicate only that of the row which is there: so the index can be used, and what is not in it is not
    // replaced. It stands first: where the index is not used, what it keeps from failing is computed after it.
    let mut conditions: Vec<_> =
        index.predicate.iter().map(|predicate| format!("({predicate})")).collect();
    let mut columns = index.predicate.is_none().then(Vec::new);
    for part in &index.columns {
        let (condition, column) = of_part(table, part, index.predicate.as_deref())?;
        conditions.push(condition);
        columns = columns.zip(column).map(|(columns, column)| [columns, vec![column]].concat());
    }
    Ok(Probe { condition: conditions.join(" AND "), columns })
}

/// Where a row is equal in one part of an index, and the column of which that depends, where it is no other.
fn of_part(
    table: &SourceTable,
    part: &SourceIndexColumn,
    predicate: Option<&str>,
) -> Result<(String, Option<String>), String> {
    let (own, coming, column) = match &part.key {
        Ok(at) => {
            let column = table.columns.get(*at).ok_or("has an unknown column")?;
            let name = quoted(&column.name);
            let watched = column.generated.is_none().then(|| name.clone());
            (format!("{PROBED}.{name}"), coming::of_column(table, column)?, watched)
        }
        Err(expression) => {
            (format!("({expression})"), coming::of_indexed(table, expression, predicate)?, None)
        }
    };
    Ok((format!("{own} COLLATE {} = {coming}", quoted(&part.collation)), column))
}
