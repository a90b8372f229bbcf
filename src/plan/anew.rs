//! Tables that are taken anew because a column is widened after the first run: the plan with them, and the SQL that
//! makes them again. All other tables stay as they were planned.

use super::{Plan, PlannedTable, Step, ddl};
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::model::{Column, TableSchema};
use std::collections::BTreeSet;

impl Plan {
    /// This plan with the tables of these source names, and with all foreign keys, as `fresh` has them.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`] where another table would not be what it is.
    pub fn with_anew(&self, fresh: Self, anew: &BTreeSet<String>) -> Result<Self> {
        let mut tables = Vec::with_capacity(self.tables.len());
        for old in &self.tables {
            let name = &old.schema.source;
            let table = fresh.tables.iter().find(|table| table.schema.source == *name);
            match table {
                Some(table) if anew.contains(name) => tables.push(table.clone()),
                Some(table) if is_made_alike(old, table) => tables.push(old.clone()),
                _ => {
                    let what = "it would be another table by now, and only the tables with widened columns are loaded again";
                    return Err(Error::new(Class::Undecided, what)
                        .todo("drop what was created with the SQL that `liteferry plan` prints, and begin again")
                        .at(format!("table {name}")));
                }
            }
        }
        let Self { foreign_keys, left_behind, renames, .. } = fresh;
        Ok(Self { tables, foreign_keys, left_behind, renames, ..self.clone() })
    }

    /// The tables that are not what they are in `begun`, the plan before; each is in both.
    pub fn anew<'p>(&'p self, begun: &'p Self) -> Vec<(&'p PlannedTable, &'p PlannedTable)> {
        let pairs = begun.tables.iter().zip(&self.tables);
        pairs.filter(|(old, new)| !is_made_alike(old, new)).collect()
    }

    /// The tables that do not exist and of which a column has another type in the plan `later`.
    pub fn retyped<'p>(&'p self, later: &'p Self) -> impl Iterator<Item = &'p PlannedTable> {
        self.created().filter(|old| {
            let mut tables = later.tables.iter();
            let new = tables.find(|table| table.schema.source == old.schema.source);
            let new = new.iter().flat_map(|table| &table.schema.columns);
            old.schema.columns.iter().zip(new).any(|(old, new)| old.pg != new.pg)
        })
    }

    /// The columns of tables that stay, which are NOT NULL in `begun`, the plan before, and are not in this one.
    pub fn let_null_since<'p>(
        &'p self,
        begun: &'p Self,
    ) -> impl Iterator<Item = (&'p TableSchema, &'p Column)> {
        let pairs = begun.tables.iter().zip(&self.tables);
        let stay = pairs.filter(|(old, new)| is_made_alike(old, new));
        stay.flat_map(|(old, new)| {
            let columns = old.schema.columns.iter().zip(&new.schema.columns);
            let changed = columns.filter(|(old, new)| old.not_null && !new.not_null);
            changed.map(|(_, column)| (&new.schema, column))
        })
    }

    /// Foreign keys of this plan that the plan `later` does not have so.
    pub fn foreign_keys_gone<'p>(&'p self, later: &'p Self) -> impl Iterator<Item = &'p Step> {
        self.foreign_keys.iter().filter(|step| !later.foreign_keys.contains(step))
    }

    /// The statement that takes a foreign key or a check from a table; it does nothing where that is done.
    pub fn drop_constraint(&self, step: &Step) -> String {
        let name = step.full_name();
        if let Some(aside) = self.aside.iter().find(|aside| aside.step == name) {
            return aside.sql.clone();
        }
        format!(
            "ALTER TABLE {}.{} DROP CONSTRAINT IF EXISTS {}",
            quoted(&self.target_schema),
            quoted(&step.table),
            quoted(&step.name)
        )
    }
}

impl PlannedTable {
    /// Lets a column be NULL in a table that is created, whether it is there already or not.
    pub fn let_null(&mut self, position: usize) {
        let Some(column) = self.schema.columns.get_mut(position) else { return };
        column.not_null = false;
        let column = column.clone();
        self.create = format!("{};\n{}", self.create, let_null(&self.schema, &column));
    }
}

/// The statement that lets a column be NULL.
pub fn let_null(table: &TableSchema, column: &Column) -> String {
    let (schema, name) = (quoted(&table.target_schema), quoted(&table.target));
    format!("ALTER TABLE {schema}.{name} ALTER COLUMN {} DROP NOT NULL", quoted(&column.target))
}

/// Statements that drop tables with all that belongs to them, and nothing that others made of them.
pub fn drop_again<'p>(tables: impl Iterator<Item = &'p PlannedTable> + Clone) -> Vec<String> {
    let names: Vec<_> = tables
        .clone()
        .map(|table| {
            format!("{}.{}", quoted(&table.schema.target_schema), quoted(&table.schema.target))
        })
        .collect();
    let enums = tables.flat_map(|table| ddl::enums(table).map(ddl::drop_enum));
    std::iter::once(format!("DROP TABLE IF EXISTS {}", names.join(", "))).chain(enums).collect()
}

/// Statements that create a table that does not exist, with its enums.
pub fn create_again(table: &PlannedTable) -> Vec<String> {
    ddl::enums(table).map(ddl::create_enum).chain([table.create.clone()]).collect()
}

/// Whether two plans of a table make and fill it alike, but for what is done about misfits.
fn is_made_alike(one: &PlannedTable, other: &PlannedTable) -> bool {
    let columns = one.schema.columns.iter().zip(&other.schema.columns);
    one.schema.columns.len() == other.schema.columns.len()
        && one.schema.target == other.schema.target
        && one.schema.partition == other.schema.partition
        && one.schema.chunks == other.schema.chunks
        && one.existing == other.existing
        && one.identity == other.identity
        && one.steps == other.steps
        && columns.into_iter().all(|(one, other)| {
            let same =
                Column { misfits: one.misfits, default: one.default.clone(), ..other.clone() };
            Column { not_null: other.not_null, ..one.clone() } == same
        })
}
