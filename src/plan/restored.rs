//! The plan of a target that is restored from an archive: the same tables, and no source.

use super::Plan;
use crate::model::identifier::quoted;
use std::collections::BTreeSet;

impl Plan {
    /// This plan for some of its tables, by their names in the source, or for all of them where none is named; nobody
    /// follows their source, so that all that the target shall have is made at once. Foreign keys to tables that are not
    /// restored are left out.
    pub fn restored(mut self, tables: &BTreeSet<String>) -> Self {
        let is_wanted = |name: &String| tables.is_empty() || tables.contains(name);
        self.is_followed = false;
        self.tables.retain(|table| !table.is_gone && is_wanted(&table.schema.source));
        for table in &mut self.tables {
            table.capture = None;
        }
        let there: Vec<_> = self.tables.iter().map(|table| table.schema.target.clone()).collect();
        let schema = quoted(&self.target_schema);
        let parents: Vec<_> =
            there.iter().map(|table| format!("REFERENCES {schema}.{} ", quoted(table))).collect();
        self.foreign_keys.retain(|step| {
            there.contains(&step.table) && parents.iter().any(|parent| step.sql.contains(parent))
        });
        self.triggers.retain(|step| there.contains(&step.table));
        self
    }
}
