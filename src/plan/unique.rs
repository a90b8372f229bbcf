//! Keys that conversion may make one: two texts that are one time, UUID, number or address. Which keys that can befall is
//! said here from the evidence, and what becomes of those that it does befall.

use super::build::undecided;
use super::{Existing, Plan, PlannedTable, file};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::{
    CellShape, Column, ColumnEvidence, PgType, Remedy, SourceIndex, SourceIndexColumn, SourceTable,
    TableEvidence,
};
use std::collections::BTreeMap;

/// Columns, by the source's names of table and column, that are to carry every value as it is, each with the reason.
pub type Apart = BTreeMap<(String, String), String>;

/// A key of a table whose values must differ in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueKey {
    /// The columns by position, each with how texts of it are compared.
    pub columns: Vec<(usize, Folding)>,
    /// Those of them whose conversion may make different cells one.
    pub merging: Vec<usize>,
}

/// How texts of a key are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Both as the source has them.
    pub shown: [String; 2],
}

/// The keys of a table that conversion may make one; partial ones, and those with expressions, are not among them. Of a
/// table of which only a sample was looked at nothing is said.
pub fn keys_at_risk(
    source: &SourceTable,
    table: &PlannedTable,
    evidence: &TableEvidence,
) -> Vec<UniqueKey> {
    if table.sample.is_some() {
        return Vec::new();
    }
    let columns = &table.schema.columns;
    let mut keys = match &table.existing {
        Some(existing) => keys_of_target(existing, columns),
        None => keys_of_source(source, columns),
    };
    keys.sort();
    keys.dedup();
    let at_risk = keys.into_iter().map(|columns_of_key| {
        let merging = columns_of_key.iter().map(|(position, _)| *position);
        let merging = merging.filter(|&position| {
            let seen = evidence.columns.get(position);
            columns.get(position).zip(seen).is_some_and(|(column, seen)| may_merge(column, seen))
        });
        UniqueKey { merging: merging.collect(), columns: columns_of_key }
    });
    at_risk.filter(|key| !key.merging.is_empty()).collect()
}

type KeyColumns = Vec<(usize, Folding)>;

fn keys_of_target(existing: &Existing, columns: &[Column]) -> Vec<KeyColumns> {
    let constraints = existing.found.constraints.iter();
    let of_keys = constraints.filter_map(|key| key.index.as_ref());
    let all = of_keys.chain(&existing.found.indexes);
    let unique = all.filter(|index| index.unique && !index.columns.is_empty());
    let position = |name: &String| {
        let found = columns.iter().position(|column| column.target == *name);
        found.map(|position| (position, Folding::Nothing))
    };
    unique.filter_map(|index| index.columns.iter().map(position).collect()).collect()
}

fn keys_of_source(source: &SourceTable, columns: &[Column]) -> Vec<KeyColumns> {
    let primary = source.primary_key.iter().map(|&position| (position, Folding::Nothing));
    let unique = source.indexes.iter().filter(|index| index.unique);
    let unique = unique.filter_map(|index| folded(index, columns));
    std::iter::once(primary.collect()).chain(unique).collect()
}

/// The columns of an index, where it is on plain columns of all rows.
fn folded(index: &SourceIndex, columns: &[Column]) -> Option<KeyColumns> {
    if index.predicate.is_some() {
        return None;
    }
    let folding = |column: &SourceIndexColumn| {
        let position = *column.key.as_ref().ok()?;
        let is_text = columns.get(position)?.pg.is_text();
        Some((
            position,
            match column.collation.as_str() {
                _ if !is_text => Folding::Nothing,
                "BINARY" => Folding::Nothing,
                "NOCASE" => Folding::Case,
                "RTRIM" => Folding::Spaces,
                _ => return None,
            },
        ))
    };
    index.columns.iter().map(folding).collect()
}

/// Whether two cells of a column that SQLite tells apart may become one value. Where all cells are written in one form,
/// the value says what the cell was.
fn may_merge(column: &Column, seen: &ColumnEvidence) -> bool {
    let numbers = seen.integers + seen.reals;
    let forms = &seen.forms;
    let in_one_form = |best: Option<u64>| best.unwrap_or_default() == seen.values();
    let of_class = match &column.read {
        CellShape::Integer | CellShape::Bool(_) | CellShape::Real => false,
        CellShape::Text | CellShape::Label => matches!(column.pg, PgType::Char(_)),
        CellShape::Blob | CellShape::Json if column.pg != PgType::Jsonb => false,
        CellShape::Epoch(_) => seen.reals > 0,
        CellShape::Decimal => {
            seen.texts > 0 && !(numbers == 0 && seen.short_decimals == seen.texts)
        }
        CellShape::AnyText => seen.texts > 0 && numbers > 0,
        CellShape::AnyBytes => {
            [numbers, seen.texts, seen.blobs].iter().filter(|&&count| count > 0).count() > 1
        }
        CellShape::Uuid => !in_one_form(forms.uuid.best().map(|(_, count)| count)),
        CellShape::Inet | CellShape::Json | CellShape::Blob => seen.values() > 1,
        CellShape::IsoDate
        | CellShape::IsoTime
        | CellShape::IsoNaive
        | CellShape::IsoWall
        | CellShape::IsoOffset
        | CellShape::IsoEither(_)
        | CellShape::Ordered(_)
        | CellShape::Compact => !in_one_form(forms.iso.best().map(|(_, count)| count)),
    };
    of_class || column.misfits == Remedy::Default
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
        let of_key = found.key.merging.iter();
        let columns = of_key.filter_map(|&position| table.schema.columns.get(position));
        let mut free = columns
            .clone()
            .filter(|column| !is_wide(column))
            .map(|column| (table.schema.source.clone(), column.source.clone()))
            .filter(|name| {
                table.existing.is_none() && !apart.contains_key(name) && !is_said(pipeline, name)
            })
            .peekable();
        if free.peek().is_none() {
            refusals.push(refusal(found, table, columns, apart));
        }
        let [one, other] = &found.shown;
        for name in free {
            let why = format!("another type would make one key of {one} and {other}");
            more.entry(name).or_insert(why);
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

fn is_said(pipeline: &Pipeline, (table, column): &(String, String)) -> bool {
    pipeline.column(table, column).is_some_and(|said| {
        said.is_about_the_type() || said.misfits == Some(crate::config::MisfitPolicy::Default)
    })
}

fn refusal<'c>(
    found: &Merged,
    table: &PlannedTable,
    columns: impl Iterator<Item = &'c Column> + Clone,
    apart: &Apart,
) -> Error {
    let key = found.key.columns.iter();
    let key = key.filter_map(|(position, _)| table.schema.columns.get(*position));
    let names: Vec<_> = key.map(|column| column.source.as_str()).collect();
    let types: Vec<_> =
        columns.clone().map(|column| format!("{} is {}", column.source, column.pg)).collect();
    let [one, other] = &found.shown;
    // A number and the text of its digits look alike.
    let classes = if one == other { ", of two storage classes" } else { "" };
    let what = format!(
        "the key ({}) has {one} and {other}{classes}, which would be one: {}",
        names.join(", "),
        types.join(", ")
    );
    let source = &table.schema.source;
    let name = |column: &Column| (source.clone(), column.source.clone());
    let todo = if table.existing.is_some() {
        "change the key, or the type of its column, in the target's table, or repair the rows in the source".into()
    } else if let Some(column) = columns.clone().find(|column| column.misfits == Remedy::Default) {
        format!(
            "a default that stands in several rows is no key: say another `misfits` for {} in the pipeline file",
            column.source
        )
    } else if columns.clone().all(|column| apart.contains_key(&name(column)) || is_wide(column)) {
        "no type tells them apart: repair the rows in the source".into()
    } else {
        let lines: Vec<_> = columns
            .map(|column| format!("{} = {{ type = \"text\" }}", file::key(&column.source)))
            .collect();
        format!(
            "say `{}` under [tables.{}.columns] in the pipeline file: text keeps all texts apart",
            lines.join("` and `"),
            file::key(source)
        )
    };
    Error::new(Class::Undecided, what).todo(todo).at(format!("table {source}"))
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
                        && !is_said(pipeline, name)
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
