//! What comes after the load: primary keys, UNIQUE constraints, indexes, CHECKs and foreign keys.

use super::expression::{self, ColumnRef};
use super::{Existing, LeftBehind, PlannedTable, Step, StepKind};
use crate::model::identifier::{Ident, Qualified, quoted, shortened};
use crate::model::{
    CellShape, Column, Deferral, IndexOrigin, PgType, Recast, SourceForeignKey, SourceIndex,
    SourceIndexColumn, SourceTable, TableSchema,
};
use std::collections::BTreeSet;

/// The names of the target's relations, so that no two are the same: tables, indexes and sequences share one space.
#[derive(Debug)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn new(taken: impl IntoIterator<Item = String>) -> Self {
        Self(taken.into_iter().collect())
    }

    pub(super) fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// A legal name like `wanted` that nothing else has.
    fn give(&mut self, wanted: &str) -> String {
        let name = shortened(wanted, &|name| self.0.contains(name));
        self.0.insert(name.clone());
        name
    }
}

/// Keys, indexes and checks of one table.
pub(super) fn steps(
    target: &Qualified,
    source: &SourceTable,
    schema: &TableSchema,
    names: &mut Names,
    left_behind: &mut Vec<LeftBehind>,
) -> Vec<Step> {
    let table = TableKeys { target, source, schema };
    let mut steps = Vec::new();
    steps.extend(table.primary_key(names));
    for index in &source.indexes {
        let step = match index.origin {
            IndexOrigin::PrimaryKey => table.folded_primary_key(index, names),
            IndexOrigin::Unique if table.is_plain(index) => Ok(Some(table.unique(index, names))),
            IndexOrigin::Unique | IndexOrigin::Create => table.index(index, names).map(Some),
        };
        match step {
            Ok(step) => steps.extend(step),
            Err(reason) => left_behind.push(LeftBehind {
                kind: "index".into(),
                name: index.name.clone(),
                reason,
                sql: index.sql.clone().unwrap_or_default(),
            }),
        }
    }
    for check in &source.checks {
        match table.check(check.name.as_deref(), &check.expression, names) {
            Ok(step) => steps.push(step),
            Err(reason) => left_behind.push(LeftBehind {
                kind: "check".into(),
                name: check.name.clone().unwrap_or_else(|| format!("of table {}", source.name)),
                reason,
                sql: check.expression.clone(),
            }),
        }
    }
    steps
}

struct TableKeys<'a> {
    target: &'a Qualified,
    source: &'a SourceTable,
    schema: &'a TableSchema,
}

impl TableKeys<'_> {
    fn step(&self, kind: StepKind, name: String, sql: String) -> Step {
        Step { kind, name, table: self.schema.target.clone(), sql, validate: None }
    }

    fn column(&self, position: usize) -> String {
        self.schema.columns.get(position).map(|column| quoted(&column.target)).unwrap_or_default()
    }

    fn columns(&self, positions: &[usize]) -> String {
        positions.iter().map(|&position| self.column(position)).collect::<Vec<_>>().join(", ")
    }

    fn resolve(&self, name: &str) -> Option<ColumnRef> {
        let position = self
            .schema
            .columns
            .iter()
            .position(|column| column.source.eq_ignore_ascii_case(name))?;
        let (column, source) =
            (self.schema.columns.get(position)?, self.source.columns.get(position)?);
        Some(ColumnRef {
            target: Ident::new(&column.target).ok()?,
            kind: column.pg,
            collation: source.collation.clone(),
            as_stored: is_as_stored(column),
        })
    }

    /// The primary key; a UNIQUE constraint where the source's key holds NULLs, which PostgreSQL's cannot.
    fn primary_key(&self, names: &mut Names) -> Option<Step> {
        if self.source.primary_key.is_empty() {
            return None;
        }
        let columns = self.columns(&self.source.primary_key);
        let (kind, words, suffix) = if self.schema.key.is_empty() {
            (StepKind::Unique, "UNIQUE", "key")
        } else {
            (StepKind::PrimaryKey, "PRIMARY KEY", "pkey")
        };
        let name = names.give(&format!("{}_{suffix}", self.schema.target));
        let sql = format!(
            "ALTER TABLE {} ADD CONSTRAINT {} {words} ({columns})",
            self.target,
            quoted(&name)
        );
        Some(self.step(kind, name, sql))
    }

    /// A key that is unique without regard to case needs an index beside the primary key, which is exact.
    fn folded_primary_key(
        &self,
        index: &SourceIndex,
        names: &mut Names,
    ) -> Result<Option<Step>, String> {
        if self.is_plain(index) { Ok(None) } else { self.index(index, names).map(Some) }
    }

    /// Whether all key columns are columns in their plain order, as a constraint wants them.
    fn is_plain(&self, index: &SourceIndex) -> bool {
        index.columns.iter().all(|column| match &column.key {
            Ok(position) => column.collation == "BINARY" || !self.is_text(*position),
            Err(_expression) => false,
        })
    }

    fn is_text(&self, position: usize) -> bool {
        self.schema.columns.get(position).is_some_and(|column| column.pg.is_text())
    }

    fn unique(&self, index: &SourceIndex, names: &mut Names) -> Step {
        let positions: Vec<_> =
            index.columns.iter().filter_map(|column| column.key.as_ref().ok().copied()).collect();
        let name = names.give(&self.name_of(index));
        let columns = self.columns(&positions);
        let sql = format!(
            "ALTER TABLE {} ADD CONSTRAINT {} UNIQUE ({columns})",
            self.target,
            quoted(&name)
        );
        self.step(StepKind::Unique, name, sql)
    }

    fn index(&self, index: &SourceIndex, names: &mut Names) -> Result<Step, String> {
        let keys = index
            .columns
            .iter()
            .map(|column| self.index_key(column))
            .collect::<Result<Vec<_>, _>>()?;
        let predicate = match &index.predicate {
            Some(predicate) => {
                let translated =
                    expression::translate_predicate(predicate, &|name| self.resolve(name))
                        .map_err(|untranslatable| untranslatable.to_string())?;
                format!(" WHERE {translated}")
            }
            None => String::new(),
        };
        let (kind, unique) =
            if index.unique { (StepKind::Unique, "UNIQUE ") } else { (StepKind::Index, "") };
        let name = names.give(&self.name_of(index));
        let sql = format!(
            "CREATE {unique}INDEX {} ON {} ({}){predicate}",
            quoted(&name),
            self.target,
            keys.join(", ")
        );
        Ok(self.step(kind, name, sql))
    }

    fn index_key(&self, column: &SourceIndexColumn) -> Result<String, String> {
        let mut key = match &column.key {
            Ok(position) if self.is_text(*position) && column.collation == "NOCASE" => {
                folded(&self.column(*position))
            }
            Ok(position) if self.is_text(*position) && column.collation != "BINARY" => {
                return Err(format!(
                    "the collation {} is not known to PostgreSQL",
                    column.collation
                ));
            }
            Ok(position) => self.column(*position),
            Err(sql) => {
                let (translated, _) = expression::translate_scalar(sql, &|name| self.resolve(name))
                    .map_err(|untranslatable| untranslatable.to_string())?;
                format!("({translated})")
            }
        };
        if column.descending {
            key.push_str(" DESC");
        }
        Ok(key)
    }

    /// An index keeps its name; one behind a constraint gets a name as PostgreSQL would give it.
    fn name_of(&self, index: &SourceIndex) -> String {
        if index.origin == IndexOrigin::Create {
            return index.name.clone();
        }
        let columns = index
            .columns
            .iter()
            .filter_map(|column| self.schema.columns.get(*column.key.as_ref().ok()?));
        let columns: Vec<_> = columns.map(|column| column.target.as_str()).collect();
        format!("{}_{}_key", self.schema.target, columns.join("_"))
    }

    fn check(&self, name: Option<&str>, sql: &str, names: &mut Names) -> Result<Step, String> {
        let translated = expression::translate_predicate(sql, &|name| self.resolve(name))
            .map_err(|untranslatable| untranslatable.to_string())?;
        let name = names.give(name.unwrap_or(&format!("{}_check", self.schema.target)));
        let quoted = quoted(&name);
        let sql = format!(
            "ALTER TABLE {} ADD CONSTRAINT {quoted} CHECK ({translated}) NOT VALID",
            self.target
        );
        let validate = Some(format!("ALTER TABLE {} VALIDATE CONSTRAINT {quoted}", self.target));
        Ok(Step { validate, ..self.step(StepKind::Check, name, sql) })
    }
}

/// Whether SQLite compares the stored values as PostgreSQL compares those of the target. Text that became decimals or
/// times does not: `'10' < '9'` holds in SQLite, and times without seconds sort before those with.
fn is_as_stored(column: &Column) -> bool {
    match (&column.read, &column.recast) {
        (CellShape::Decimal, Recast::Keep) => column.numbers_only,
        (read, Recast::Keep) => !matches!(
            read,
            CellShape::AnyText
                | CellShape::AnyBytes
                | CellShape::IsoNaive
                | CellShape::IsoOffset
                | CellShape::IsoEither(_)
                | CellShape::Epoch(_)
        ),
        _ => false,
    }
}

/// Equal for texts that SQLite's NOCASE holds equal: only the letters of ASCII lose their case.
fn folded(column: &str) -> String {
    format!("translate({column}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')")
}

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
            match foreign_key(source, table, key, sources, tables, names) {
                Ok(step) => steps.push(step),
                Err(reason) => left_behind.push(LeftBehind {
                    kind: "foreign key".into(),
                    name: format!("of table {} to {}", source.name, key.parent),
                    reason,
                    sql: String::new(),
                }),
            }
        }
    }
    steps
}

fn foreign_key(
    source: &SourceTable,
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
    let columns: Vec<_> =
        key.columns.iter().filter_map(|&position| source.columns.get(position)).collect();
    let columns: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let name = names.give(&format!("{}_{}_fkey", table.schema.target, columns.join("_")));
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
    Ok(Step { kind: StepKind::ForeignKey, name, table: table.schema.target.clone(), sql, validate })
}

fn relation(table: &PlannedTable) -> String {
    format!("{}.{}", quoted(&table.schema.target_schema), quoted(&table.schema.target))
}

/// The parent's columns as positions; its primary key where none are written.
fn parent_columns(key: &SourceForeignKey, parent: &SourceTable) -> Result<Vec<usize>, String> {
    if key.parent_columns.is_empty() {
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
    let same = |positions: &[usize]| {
        positions.len() == columns.len()
            && positions.iter().all(|position| columns.contains(position))
    };
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
    let names: BTreeSet<_> = columns
        .iter()
        .filter_map(|&position| planned.schema.columns.get(position))
        .map(|column| column.target.as_str())
        .collect();
    let keys = existing.found.constraints.iter().filter_map(|key| key.index.as_ref());
    keys.chain(&existing.found.indexes)
        .any(|index| index.unique && names.iter().copied().eq(sorted(&index.columns)))
}

fn sorted(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

fn is_text(planned: &PlannedTable, position: usize) -> bool {
    planned.schema.columns.get(position).is_some_and(|column| column.pg.is_text())
}

/// Whether PostgreSQL compares both types in a foreign key without a cast that changes values.
fn comparable(child: PgType, parent: PgType) -> bool {
    match (child, parent) {
        (PgType::Numeric(_) | PgType::Int8, PgType::Numeric(_)) => true,
        (child, parent) if child.is_text() && parent.is_text() => true,
        (child, parent) => child == parent,
    }
}
