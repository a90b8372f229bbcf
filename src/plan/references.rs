//! Foreign keys: those that PostgreSQL can hold, and why it cannot hold the others.

use super::names::Names;
use super::offenders::{self, Reference};
use super::{Existing, LeftBehind, PlannedTable, Step, StepKind};
use crate::model::identifier::quoted;
use crate::model::{
    Deferral, ForeignKeyAction, PgType, SourceForeignKey, SourceIndexColumn, SourceTable,
};
use std::collections::BTreeSet;

/// Foreign keys between planned tables, those that PostgreSQL can hold.
pub(super) fn foreign_keys(
    sources: &[SourceTable],
    tables: &[PlannedTable],
    names: &mut Names,
    left_behind: &mut Vec<LeftBehind>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    // Tables that exist keep the foreign keys that they have.
    let created = sources.iter().zip(tables).filter(|(_, table)| table.existing.is_none());
    for (source, table) in created {
        for key in &source.foreign_keys {
            match foreign_key(table, key, sources, tables, names) {
                Ok(step) => steps.push(step),
                Err(reason) => left_behind.push(LeftBehind {
                    kind: "foreign key".into(),
                    name: format!("of table {} to {}", source.name, key.parent),
                    reason,
                    sql: declared(source, key),
                }),
            }
        }
    }
    steps
}

/// The foreign key in SQLite's words.
fn declared(source: &SourceTable, key: &SourceForeignKey) -> String {
    let columns = key.columns.iter().filter_map(|&position| source.columns.get(position));
    let columns: Vec<_> = columns.map(|column| quoted(&column.name)).collect();
    let parents: Vec<_> = key.parent_columns.iter().map(|name| quoted(name)).collect();
    let parents =
        if parents.is_empty() { String::new() } else { format!(" ({})", parents.join(", ")) };
    format!(
        "FOREIGN KEY ({}) REFERENCES {}{parents} ON UPDATE {} ON DELETE {}",
        columns.join(", "),
        quoted(&key.parent),
        key.on_update.sql(),
        key.on_delete.sql()
    )
}

fn foreign_key(
    table: &PlannedTable,
    key: &SourceForeignKey,
    sources: &[SourceTable],
    tables: &[PlannedTable],
    names: &mut Names,
) -> Result<Step, String> {
    let parent = sources
        .iter()
        .zip(tables)
        .find(|(parent, _)| parent.name.eq_ignore_ascii_case(&key.parent));
    let (parent_source, parent) =
        parent.ok_or_else(|| format!("there is no table {}", key.parent))?;
    let parent_columns = parent_columns(key, parent_source)?;
    if parent_columns.len() != key.columns.len() {
        return Err("its columns and its parent's columns differ in number".into());
    }
    if !is_unique(parent_source, parent, &parent_columns) {
        return Err(format!("its parent's columns are not unique in {}", parent_source.name));
    }
    if let Some(reason) = acts_on_computed(table, key) {
        return Err(reason);
    }
    let pairs = key.columns.iter().zip(&parent_columns);
    for (&child, &parent_column) in pairs {
        let kinds = (table.schema.columns.get(child), parent.schema.columns.get(parent_column));
        if let (Some(child), Some(parent)) = kinds
            && !comparable(child.pg, parent.pg)
        {
            return Err(format!(
                "column {} is {}, its parent's is {}",
                child.source, child.pg, parent.pg
            ));
        }
    }
    let listed = |table: &PlannedTable, positions: &[usize]| {
        let columns = positions.iter().filter_map(|&position| table.schema.columns.get(position));
        columns.map(|column| quoted(&column.target)).collect::<Vec<_>>().join(", ")
    };
    let columns = key.columns.iter().filter_map(|&position| table.schema.columns.get(position));
    let columns: Vec<_> = columns.map(|column| column.target.as_str()).collect();
    let name = names.make(&table.schema.target, Some(&columns.join("_")), "fkey");
    let child = relation(table);
    let deferral = match key.deferral {
        Deferral::Immediate => "",
        Deferral::Deferred => " DEFERRABLE INITIALLY DEFERRED",
    };
    let sql = format!(
        "ALTER TABLE {child} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}) ON UPDATE {} ON DELETE {}{deferral} NOT VALID",
        quoted(&name),
        listed(table, &key.columns),
        relation(parent),
        listed(parent, &parent_columns),
        key.on_update.sql(),
        key.on_delete.sql(),
    );
    let validate = Some(format!("ALTER TABLE {child} VALIDATE CONSTRAINT {}", quoted(&name)));
    let reference =
        Reference { child: table, columns: &key.columns, parent, parent_columns: &parent_columns };
    Ok(Step {
        kind: StepKind::ForeignKey,
        name,
        table: table.schema.target.clone(),
        sql,
        validate,
        offenders: Some(offenders::of_foreign_key(&reference)),
        instead: Vec::new(),
        note: by_collation(parent_source, parent, &parent_columns),
        key: None,
    })
}

/// PostgreSQL refuses an action that would write what it computes; in SQLite it fails when it comes to that.
fn acts_on_computed(table: &PlannedTable, key: &SourceForeignKey) -> Option<String> {
    use ForeignKeyAction::{Cascade, SetDefault, SetNull};
    let writes = matches!(key.on_update, Cascade | SetNull | SetDefault)
        || matches!(key.on_delete, SetNull | SetDefault);
    let mut columns = key.columns.iter().filter_map(|&position| table.schema.columns.get(position));
    let computed = columns.find(|column| column.computed).filter(|_| writes)?;
    Some(format!("its action would write the generated column {}", computed.source))
}

/// SQLite compares a child with its parent by the parent's collation, PostgreSQL as it is.
fn by_collation(source: &SourceTable, planned: &PlannedTable, columns: &[usize]) -> Option<String> {
    let collated = columns.iter().filter(|&&position| is_text(planned, position));
    let mut collations = collated.filter_map(|&position| {
        source.columns.get(position).map(|column| column.collation.as_str())
    });
    let collation = collations.find(|&collation| collation != "BINARY")?;
    Some(format!(
        "SQLite finds the parent by the collation {collation}; PostgreSQL wants it written alike"
    ))
}

fn relation(table: &PlannedTable) -> String {
    format!("{}.{}", quoted(&table.schema.target_schema), quoted(&table.schema.target))
}

/// The parent's columns as positions; its primary key where none are written.
fn parent_columns(key: &SourceForeignKey, parent: &SourceTable) -> Result<Vec<usize>, String> {
    if key.parent_columns.is_empty() {
        if parent.primary_key.is_empty() {
            return Err(format!("{} has no primary key", parent.name));
        }
        return Ok(parent.primary_key.clone());
    }
    let position = |name: &String| {
        let found = parent.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| format!("{} has no column {name}", parent.name))
    };
    key.parent_columns.iter().map(position).collect()
}

/// Whether the target will have a key over exactly these columns.
fn is_unique(source: &SourceTable, planned: &PlannedTable, columns: &[usize]) -> bool {
    if let Some(existing) = &planned.existing {
        return is_unique_there(existing, planned, columns);
    }
    // A column that stands twice in a key stands once in the target's; a parent's column must stand once.
    let once = |positions: &[usize]| positions.iter().copied().collect::<BTreeSet<_>>();
    let wanted = once(columns);
    let same = |positions: &[usize]| wanted.len() == columns.len() && once(positions) == wanted;
    let plain = |column: &SourceIndexColumn| match column.key {
        Ok(position) if column.collation == "BINARY" || !is_text(planned, position) => {
            Some(position)
        }
        _ => None,
    };
    same(&source.primary_key)
        || source.indexes.iter().filter(|index| index.unique && index.predicate.is_none()).any(
            |index| {
                let positions: Option<Vec<_>> = index.columns.iter().map(plain).collect();
                positions.is_some_and(|positions| same(&positions))
            },
        )
}

/// Whether a table that exists has a key over exactly these columns.
fn is_unique_there(existing: &Existing, planned: &PlannedTable, columns: &[usize]) -> bool {
    let columns = columns.iter().filter_map(|&position| planned.schema.columns.get(position));
    let wanted: BTreeSet<_> = columns.map(|column| column.target.as_str()).collect();
    let at_once = existing.found.constraints.iter().filter(|key| key.deferral.is_empty());
    let keys = at_once.filter_map(|key| key.index.as_ref());
    keys.chain(&existing.found.indexes)
        .any(|index| index.unique && wanted == index.columns.iter().map(String::as_str).collect())
}

fn is_text(planned: &PlannedTable, position: usize) -> bool {
    planned.schema.columns.get(position).is_some_and(|column| column.pg.is_text())
}

/// Whether PostgreSQL compares both types in a foreign key without a cast that changes values.
fn comparable(child: PgType, parent: PgType) -> bool {
    match (child, parent) {
        // JSON text has no equality, and two enums may be two types.
        // And spaces at the end count in a text, and not in a char(n).
        (PgType::Char(_), PgType::Char(_)) => true,
        (PgType::Json | PgType::Enum | PgType::Char(_), _) | (_, PgType::Char(_)) => false,
        (child, PgType::Numeric(_)) if is_whole(child) => true,
        (child, parent) if is_whole(child) && is_whole(parent) => true,
        (PgType::Numeric(_), PgType::Numeric(_)) => true,
        (child, parent) if child.is_text() && parent.is_text() => true,
        (child, parent) => child == parent,
    }
}

fn is_whole(pg: PgType) -> bool {
    matches!(pg, PgType::Int2 | PgType::Int4 | PgType::Int8)
}
