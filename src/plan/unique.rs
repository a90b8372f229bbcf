//! Keys that conversion may make one: two texts that are one time, UUID, number or address. Which keys that can befall is
//! said here from the evidence, and what becomes of those that it does befall.

use super::build::undecided;
use super::{Plan, PlannedTable, file};
use crate::config::{ColumnSection, MisfitPolicy, Pipeline};
use crate::error::{Class, Error, Result};
use crate::model::{
    CellShape, Column, ColumnEvidence, PgType, Remedy, SourceTable, TableEvidence, TargetIndex,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Columns, by the source's names of table and column, that are to carry every value as it is, each with the reason.
pub type Apart = BTreeMap<(String, String), String>;

/// A key of a table whose values must differ in the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UniqueKey {
    /// The columns by position, each with how texts of it are compared.
    pub columns: Vec<(usize, Folding)>,
    /// Expressions that are part of it too, in SQLite's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<(String, Folding)>,
    /// Which rows have it, in SQLite's words; all of them where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// Whether NULL is as one more value, instead of differing from all others, as a key of the target may have it.
    #[serde(default)]
    pub nulls_are_one: bool,
}

/// How texts of a key are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folding {
    /// As they are.
    Nothing,
    /// Without the case of ASCII letters.
    Case,
    /// Without spaces at the end.
    Spaces,
}

/// Two keys of a table that are one in the target.
#[derive(Debug, Clone)]
pub struct Merged {
    /// The table's position in the plan.
    pub table: usize,
    /// The key.
    pub key: UniqueKey,
    /// The positions of its columns whose conversion may make different cells one.
    pub merging: Vec<usize>,
    /// Both as the source has them.
    pub shown: [String; 2],
    /// Whether they are one in the source as well.
    pub equal: bool,
}

impl UniqueKey {
    /// A key of columns as they are.
    pub(super) fn of_columns(positions: &[usize]) -> Self {
        let columns = positions.iter().map(|&position| (position, Folding::Nothing));
        Self { columns: columns.collect(), ..Self::default() }
    }

    /// The key of an index that the target has, where it is on plain columns that the source has too.
    pub(super) fn of_target(index: &TargetIndex, columns: &[Column]) -> Option<Self> {
        let position = |name: &String| columns.iter().position(|column| column.target == *name);
        let positions: Option<Vec<_>> = index.columns.iter().map(position).collect();
        let positions = positions.filter(|found| index.unique && !found.is_empty());
        let nulls_are_one = index.nulls_are_one;
        positions.map(|found| Self { nulls_are_one, ..Self::of_columns(&found) })
    }
}

impl Folding {
    /// That of a collation of SQLite's own.
    pub(super) fn of_collation(name: &str) -> Self {
        match name {
            "NOCASE" => Self::Case,
            "RTRIM" => Self::Spaces,
            _ => Self::Nothing,
        }
    }
}

/// A key that may not hold in the target.
#[derive(Debug, Clone)]
pub struct AtRisk {
    /// The key.
    pub key: UniqueKey,
    /// The positions of its columns whose conversion may make different cells one.
    pub merging: Vec<usize>,
    /// Whether the source has no such key, so that even equal cells may come twice.
    pub foreign: bool,
}

/// The keys of a table that may not hold in the target: conversion may make two one, or only the target has such a key. Of
/// a table of which only a sample was looked at nothing is said.
pub fn keys_at_risk(
    table: &PlannedTable,
    source: &SourceTable,
    evidence: &TableEvidence,
) -> Vec<AtRisk> {
    if table.sample.is_some() {
        return Vec::new();
    }
    let mut keys: Vec<_> = table.steps.iter().filter_map(|step| step.key.clone()).collect();
    keys.extend(keys_that_stay(table));
    keys.sort();
    keys.dedup();
    let at_risk = keys.into_iter().map(|key| {
        let mut merging = merging(table, &key);
        merging.retain(|&position| {
            let seen = table.schema.columns.get(position).zip(evidence.columns.get(position));
            seen.is_some_and(|(column, seen)| is_replaced(column) || differs(column, seen))
        });
        let foreign = table.existing.is_some() && !is_kept(source, &key);
        AtRisk { key, merging, foreign }
    });
    at_risk.filter(|found| found.foreign || !found.merging.is_empty()).collect()
}

/// Whether the source lets no two rows have one such key; NULL it may let them have.
fn is_kept(source: &SourceTable, key: &UniqueKey) -> bool {
    if key.nulls_are_one {
        return false;
    }
    let within = |positions: &[usize]| {
        let mut all = positions.iter();
        !positions.is_empty() && all.all(|at| key.columns.iter().any(|(column, _)| column == at))
    };
    let unique = source.indexes.iter().filter(|index| index.unique && index.predicate.is_none());
    within(&source.primary_key)
        || unique
            .filter_map(|index| {
                index.columns.iter().map(|column| column.key.clone().ok()).collect()
            })
            .any(|positions: Vec<_>| within(&positions))
}

/// The positions of a key's columns whose conversion may make different cells one, whatever the cells are.
pub fn merging(table: &PlannedTable, key: &UniqueKey) -> Vec<usize> {
    let positions = key.columns.iter().map(|(position, _)| *position);
    let merging = positions.filter(|&at| table.schema.columns.get(at).is_some_and(merges));
    merging.collect()
}

/// Those that the target's table has while rows are loaded.
fn keys_that_stay(table: &PlannedTable) -> impl Iterator<Item = UniqueKey> {
    let found = table.existing.iter().map(|existing| &existing.found);
    let indexes = found.flat_map(|found| {
        let of_keys = found.constraints.iter().filter_map(|key| key.index.as_ref());
        of_keys.chain(&found.indexes)
    });
    indexes.filter_map(|index| UniqueKey::of_target(index, &table.schema.columns))
}

/// Whether two cells of a column that SQLite tells apart may become one value.
fn merges(column: &Column) -> bool {
    let by_type = match column.read {
        CellShape::Integer | CellShape::Bool(_) | CellShape::Real => false,
        CellShape::Text | CellShape::Label => matches!(column.pg, PgType::Char(_)),
        CellShape::Blob | CellShape::Json => column.pg == PgType::Jsonb,
        _ => true,
    };
    by_type || is_replaced(column)
}

fn is_replaced(column: &Column) -> bool {
    column.misfits == Remedy::Default
}

/// Whether cells are written in more than one form: where there is one, the value says what the cell was.
fn differs(column: &Column, seen: &ColumnEvidence) -> bool {
    let numbers = seen.integers + seen.reals;
    let forms = &seen.forms;
    let in_one_form = |best: Option<u64>| best.unwrap_or_default() == seen.values();
    match &column.read {
        CellShape::Epoch(_) => seen.reals > 0,
        CellShape::Decimal => {
            seen.texts > 0 && !(numbers == 0 && seen.short_decimals == seen.texts)
        }
        CellShape::AnyText => seen.texts > 0 && numbers > 0,
        CellShape::AnyBytes => {
            [numbers, seen.texts, seen.blobs].iter().filter(|&&count| count > 0).count() > 1
        }
        CellShape::Uuid => !in_one_form(forms.uuid.best().map(|(_, count)| count)),
        CellShape::IsoDate
        | CellShape::IsoTime
        | CellShape::IsoNaive
        | CellShape::IsoWall
        | CellShape::IsoOffset
        | CellShape::IsoEither(_)
        | CellShape::Ordered(_)
        | CellShape::Compact => !in_one_form(forms.iso.best().map(|(_, count)| count)),
        CellShape::Integer
        | CellShape::Bool(_)
        | CellShape::Real
        | CellShape::Text
        | CellShape::Label
        | CellShape::Inet
        | CellShape::Json
        | CellShape::Blob => seen.values() > 1,
    }
}

/// The columns that become text so that keys stay apart, beside those that are `apart` already.
///
/// # Errors
///
/// [`Class::Undecided`] where the user or the target has chosen the type, or where none keeps the keys apart.
pub fn keep_apart(
    merged: &[Merged],
    plan: &Plan,
    sources: &[SourceTable],
    pipeline: &Pipeline,
    apart: &Apart,
) -> Result<Apart> {
    let (mut more, mut refusals) = (Apart::new(), Vec::new());
    for found in merged {
        let Some(table) = plan.tables.get(found.table) else { continue };
        let source = &table.schema.source;
        let free: Vec<_> = narrow(found, table, apart)
            .filter(|column| {
                table.existing.is_none() && !is_said(pipeline.column(source, &column.source))
            })
            .collect();
        if free.is_empty() {
            let todo = advice(found, table, apart, false);
            refusals.push(refusal(found, table).todo(todo).at(format!("table {source}")));
        }
        let [one, other] = &found.shown;
        for column in free {
            let why = format!("another type would make one key of {one} and {other}");
            more.entry((source.clone(), column.source.clone())).or_insert(why);
        }
    }
    if !refusals.is_empty() {
        return Err(undecided(refusals));
    }
    while let Some((name, why)) = linked(plan, sources, pipeline, &more, apart) {
        more.insert(name, why);
    }
    Ok(more)
}

/// Whether the user has said what the column becomes, whatever its values are.
fn is_said(said: Option<&ColumnSection>) -> bool {
    said.is_some_and(|said| match said.misfits {
        Some(MisfitPolicy::Widen) => false,
        Some(MisfitPolicy::Default) => true,
        _ => said.is_about_the_type(),
    })
}

/// The columns of a key that became one which could carry more than they do.
fn narrow<'t>(
    found: &'t Merged,
    table: &'t PlannedTable,
    apart: &'t Apart,
) -> impl Iterator<Item = &'t Column> {
    let columns = found.merging.iter().filter_map(|&at| table.schema.columns.get(at));
    let name = |column: &Column| (table.schema.source.clone(), column.source.clone());
    columns.filter(move |column| !is_wide(column) && !apart.contains_key(&name(column)))
}

/// What a user can do where rows that are loaded break a key of the application's.
pub const KEY_OF_TARGET: &str = "rows of the source break a key that the target's table has: repair them in the source, or take everything back with \
     the SQL that `liteferry plan` prints, change the key, and begin again";

/// That PostgreSQL cannot make a key of rows that are loaded; what a user can do now.
pub fn not_made(found: &Merged, table: &PlannedTable) -> Error {
    refusal(found, table).todo(advice(found, table, &Apart::new(), true))
}

fn refusal(found: &Merged, table: &PlannedTable) -> Error {
    let column = |at: &usize| table.schema.columns.get(*at);
    let columns = found.key.columns.iter().filter_map(|(at, _)| column(at));
    let mut parts: Vec<_> = columns.map(|column| column.source.as_str()).collect();
    parts.extend(found.key.expressions.iter().map(|(sql, _)| sql.as_str()));
    let rows = found.key.predicate.as_ref().map(|sql| format!(" WHERE {sql}")).unwrap_or_default();
    let types = found.merging.iter().filter_map(column);
    let types: Vec<_> = types.map(|column| format!("{} is {}", column.source, column.pg)).collect();
    let [one, other] = &found.shown;
    let parts = parts.join(", ");
    if found.equal {
        let what = format!("the key ({parts}){rows} has {one} in more than one row of the source");
        return Error::new(Class::Undecided, what);
    }
    let mut what = format!("the key ({parts}){rows} has {one} and {other}, which would be one");
    if !types.is_empty() {
        what.push_str(&format!(": {}", types.join(", ")));
    }
    Error::new(Class::Undecided, what)
}

/// What a user can do before the rows are `loaded`, or after that.
fn advice(found: &Merged, table: &PlannedTable, apart: &Apart, loaded: bool) -> String {
    let mut columns = found.merging.iter().filter_map(|&at| table.schema.columns.get(at));
    let begin_again = if loaded {
        ", drop what was created with the SQL that `liteferry plan` prints, and begin again"
    } else {
        ""
    };
    if table.existing.is_some() {
        return "change the key, or the type of its column, in the target's table, or repair the rows in the source"
            .into();
    }
    if let Some(column) = columns.find(|column| is_replaced(column)) {
        return format!(
            "a default that stands in several rows is no key: say another `misfits` for {} in the pipeline \
             file{begin_again}",
            column.source
        );
    }
    // By a full census the columns are text from the first.
    let anew = loaded && table.sample.is_some();
    let setting = if anew { "misfits = \"widen\"" } else { "type = \"text\"" };
    let lines: Vec<_> = narrow(found, table, apart)
        .map(|column| format!("`{} = {{ {setting} }}`", file::key(&column.source)))
        .collect();
    let section = file::key(&table.schema.source);
    let said = format!(
        "say {} under [tables.{section}.columns] in the pipeline file",
        lines.join(" and ")
    );
    match lines.is_empty() {
        true => format!("no type tells them apart: repair the rows in the source{begin_again}"),
        false if anew => format!(
            "{said} and run this again: the table is then loaded anew, with text, which keeps all texts apart"
        ),
        false => format!("{said}{begin_again}: text keeps all texts apart"),
    }
}

fn is_wide(column: &Column) -> bool {
    matches!(column.read, CellShape::AnyText | CellShape::AnyBytes)
}

/// The next column that a foreign key compares with one that becomes text: it must be of the same type.
fn linked(
    plan: &Plan,
    sources: &[SourceTable],
    pipeline: &Pipeline,
    more: &Apart,
    apart: &Apart,
) -> Option<((String, String), String)> {
    let planned = |name: &str| plan.tables.iter().find(|table| table.schema.source == name);
    for source in sources {
        for key in &source.foreign_keys {
            let parent =
                sources.iter().find(|parent| parent.name.eq_ignore_ascii_case(&key.parent));
            let Some(parent) = parent else { continue };
            let (Some(child), Some(target)) = (planned(&source.name), planned(&parent.name)) else {
                continue;
            };
            let positions = parent_positions(key.parent_columns.as_slice(), parent);
            for (&child_column, parent_column) in key.columns.iter().zip(positions) {
                let (Some(one), Some(other)) = (
                    child.schema.columns.get(child_column),
                    target.schema.columns.get(parent_column),
                ) else {
                    continue;
                };
                let one_name = (source.name.clone(), one.source.clone());
                let other_name = (parent.name.clone(), other.source.clone());
                let free = |name: &(String, String), table: &PlannedTable| {
                    !more.contains_key(name)
                        && !apart.contains_key(name)
                        && !is_said(pipeline.column(&name.0, &name.1))
                        && table.existing.is_none()
                };
                let why = |(table, column): &(String, String)| {
                    format!("a foreign key compares it with {table}.{column}, which is text")
                };
                if one.pg != other.pg {
                    continue;
                }
                if more.contains_key(&other_name) && free(&one_name, child) {
                    return Some((one_name, why(&other_name)));
                }
                if more.contains_key(&one_name) && free(&other_name, target) {
                    return Some((other_name, why(&one_name)));
                }
            }
        }
    }
    None
}

/// The parent's columns by position; its primary key where none are written.
fn parent_positions(names: &[String], parent: &SourceTable) -> Vec<usize> {
    if names.is_empty() {
        return parent.primary_key.clone();
    }
    let position = |name: &String| {
        parent.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    };
    names.iter().filter_map(position).collect()
}
