//! The plan of a target that is restored from an archive: the same tables, and no source.

use super::{Plan, Step, aside};
use crate::model::ConstraintKind;
use crate::model::identifier::quoted;
use std::collections::BTreeSet;

impl Plan {
    /// This plan for some of its tables, by their names in the source, or for all of them where none is named. Foreign keys
    /// to tables that are not restored are left out. Unless their source shall be followed, all that the target shall have
    /// is made at once.
    pub fn restored(mut self, tables: &BTreeSet<String>, to_follow: bool) -> Self {
        self.is_followed &= to_follow;
        let is_wanted = |name: &String| tables.is_empty() || tables.contains(name);
        self.tables.retain(|table| !table.is_gone && is_wanted(&table.schema.source));
        self.damage.tables.retain(|table| is_wanted(&table.name));
        if !self.is_followed {
            self.tables.iter_mut().for_each(|table| table.capture = None);
        }
        let there: Vec<_> = self.tables.iter().map(|table| table.schema.target.clone()).collect();
        let parents = self.parents(there.iter().map(String::as_str));
        self.foreign_keys.retain(|step| {
            there.contains(&step.table) && parents.iter().any(|parent| step.sql.contains(parent))
        });
        self.triggers.retain(|step| there.contains(&step.table));
        // Tables that are there must be empty, whatever the migration was allowed to do.
        for existing in self.tables.iter_mut().filter_map(|table| table.existing.as_mut()) {
            existing.truncate = false;
        }
        let steps: BTreeSet<_> = self.steps().map(Step::full_name).collect();
        self.aside.retain(|aside| steps.contains(&aside.step));
        self
    }

    /// The foreign keys that tables of these names in the target have, or that refer to them.
    pub fn foreign_keys_around<'p>(
        &'p self,
        tables: &BTreeSet<&str>,
    ) -> impl Iterator<Item = &'p Step> {
        let parents = self.parents(tables.iter().copied());
        // Those of tables that existed are written by the server, and may be of tables that are not in the plan.
        let existing = self.existing().filter(|(table, _)| tables.contains(&*table.schema.target));
        let keys = existing.flat_map(|(_, existing)| &existing.found.constraints);
        let keys = keys.filter(|key| key.kind == ConstraintKind::ForeignKey);
        let names: BTreeSet<_> = keys.map(aside::step_name).collect();
        let is_around = move |step: &&Step| {
            tables.contains(step.table.as_str())
                || names.contains(&step.name)
                || parents.iter().any(|parent| step.sql.contains(parent))
        };
        self.foreign_keys.iter().filter(is_around)
    }

    /// How foreign keys name these tables.
    fn parents<'t>(&self, tables: impl Iterator<Item = &'t str>) -> Vec<String> {
        let schema = quoted(&self.target_schema);
        tables.map(|table| format!("REFERENCES {schema}.{} ", quoted(table))).collect()
    }
}
