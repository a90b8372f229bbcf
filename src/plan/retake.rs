//! Tables that the user has taken anew: planned as the source has them now, or let go where it has them no more, while
//! all others stay as they were planned.

use super::{Plan, PlannedTable, Step};
use crate::model::TableSchema;
use std::collections::BTreeSet;

impl Plan {
    /// This plan with these tables, by their names in the source, as `fresh` has them; those that it has not yet join it,
    /// and those that `fresh` has no more are let go.
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
        let is_gone = |table: &&PlannedTable| is_retaken(table) && of(&fresh, table).is_none();
        let go = self.tables.iter().filter(is_gone).cloned().map(PlannedTable::let_go);
        let mut tables: Vec<_> = stay.chain(come).chain(go).collect();
        tables.sort_by(|one, other| one.schema.source.cmp(&other.schema.source));
        let Self { source_schema, left_behind, renames, .. } = fresh;
        let begun = self.clone();
        Self { source_schema, tables, foreign_keys, left_behind, renames, next_number, ..begun }
    }

    /// What of the source is not followed any more, and is in the target as it was last, one line each.
    pub fn gone_in_words(&self) -> Vec<String> {
        let gone = self.tables.iter().filter(|table| table.is_gone);
        gone.map(|table| {
            let TableSchema { source, target, .. } = &table.schema;
            format!("table {source}: it is gone from the source: the target's table {target} stays as it was last, and is not proved")
        })
        .collect()
    }

    /// The tables of this plan that stay, by their target names, of which `fresh` would make something else by now: what
    /// it says of them is not about the tables that are there. So do those that existed and are let go: the foreign keys
    /// are put back that they had.
    fn drifted<'p>(&'p self, fresh: &Self, retaken: &BTreeSet<String>) -> BTreeSet<&'p str> {
        let drifted = self.tables.iter().filter(|old| {
            let new = of(fresh, old);
            let types = |table: &PlannedTable| -> Vec<_> {
                table.schema.columns.iter().map(|column| column.pg).collect()
            };
            if retaken.contains(&old.schema.source) {
                return new.is_none() && old.existing.is_some();
            }
            new.is_none_or(|new| types(new) != types(old))
        });
        drifted.map(|table| table.schema.target.as_str()).collect()
    }
}

impl PlannedTable {
    /// It without anything that is to be read in the source.
    fn let_go(mut self) -> Self {
        (self.schema.chunks, self.schema.bytes) = (Vec::new(), 0);
        (self.unreadable, self.stretches, self.sample) = (Vec::new(), Vec::new(), None);
        Self { capture: None, is_gone: true, ..self }
    }
}

/// A table of another plan.
fn of<'p>(plan: &'p Plan, table: &PlannedTable) -> Option<&'p PlannedTable> {
    plan.tables.iter().find(|other| other.schema.source == table.schema.source)
}
