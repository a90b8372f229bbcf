//! Tables that the user has taken anew: planned as the source has them now, while all others stay as they were planned.

use super::{Plan, PlannedTable, Step};
use std::collections::BTreeSet;

impl Plan {
    /// This plan with these tables, by their names in the source, as `fresh` has them; those that it has not yet join it.
    ///
    /// What the changelog says of them up to now is of tables that they are no more, with other keys perhaps: so each is
    /// given a new number there.
    #[must_use]
    pub fn retaken(&self, fresh: Self, retaken: &BTreeSet<String>) -> Self {
        let drifted = self.drifted(&fresh, retaken);
        let stays = |step: &&Step| drifted.contains(step.table.as_str());
        let changes = fresh.foreign_keys.iter().filter(|step| !stays(step));
        let foreign_keys = self.foreign_keys.iter().filter(stays).chain(changes).cloned().collect();
        let is_retaken = |table: &&PlannedTable| retaken.contains(&table.schema.source);
        let stay = self.tables.iter().filter(|table| !is_retaken(table)).cloned();
        let mut next_number = self.next_number;
        let come = fresh.tables.iter().filter(is_retaken).cloned().map(|mut table| {
            if let Some(capture) = &mut table.capture {
                capture.number = next_number;
                next_number += 1;
            }
            table
        });
        let mut tables: Vec<_> = stay.chain(come).collect();
        tables.sort_by(|one, other| one.schema.source.cmp(&other.schema.source));
        let Self { source_schema, left_behind, renames, .. } = fresh;
        let begun = self.clone();
        Self { source_schema, tables, foreign_keys, left_behind, renames, next_number, ..begun }
    }

    /// The tables of this plan that stay, by their target names, of which `fresh` would make something else by now: what
    /// it says of them is not about the tables that are there.
    fn drifted<'p>(&'p self, fresh: &Self, retaken: &BTreeSet<String>) -> BTreeSet<&'p str> {
        let drifted = self.tables.iter().filter(|old| {
            let mut tables = fresh.tables.iter();
            let new = tables.find(|table| table.schema.source == old.schema.source);
            let types = |table: &PlannedTable| -> Vec<_> {
                table.schema.columns.iter().map(|column| column.pg).collect()
            };
            !retaken.contains(&old.schema.source) && new.is_none_or(|new| types(new) != types(old))
        });
        drifted.map(|table| table.schema.target.as_str()).collect()
    }
}
