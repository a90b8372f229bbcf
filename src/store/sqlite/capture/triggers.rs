//! The triggers of one table.
//!
//! After a change the keys of its row are logged, those before it and those behind it. Before a change the keys of all
//! other rows are logged that it may replace: SQLite deletes those without firing a trigger.

use super::key::{self, Key};
use super::probe::{self, PROBED, Probe};
use super::{LOG, Trigger};
use crate::model::identifier::quoted;
use crate::model::{Capture, Follow, SourceTable};

/// The triggers of a table, or why there are none that would see all of its changes.
pub(super) fn of(table: &SourceTable, capture: &Capture) -> Result<Vec<Trigger>, String> {
    if table.notes.iter().any(|note| note.contains("could not be parsed")) {
        return Err("its declaration, or that of an index of it, could not be parsed".into());
    }
    let key = Key::of(table, &capture.key)?;
    let probes = probe::of(table, &capture.key)?;
    let table = Followed { table, number: capture.number, key };
    let inserts = match capture.follow {
        Follow::All => vec![table.before_insert(&probes), Some(table.after_insert())],
        Follow::Append => Vec::new(),
    };
    let others =
        [table.before_update(&probes), Some(table.after_update()), Some(table.after_delete())];
    Ok(inserts.into_iter().chain(others).flatten().collect())
}

struct Followed<'t> {
    table: &'t SourceTable,
    number: i64,
    key: Key,
}

impl Followed<'_> {
    fn after_insert(&self) -> Trigger {
        self.trigger("after_insert", "AFTER INSERT", &[self.log("new", "")])
    }

    fn after_update(&self) -> Trigger {
        let renamed = format!(" WHERE {}", self.key.differ("new", "old"));
        let body = [self.log("old", ""), self.log("new", &renamed)];
        self.trigger("after_update", "AFTER UPDATE", &body)
    }

    fn after_delete(&self) -> Trigger {
        self.trigger("after_delete", "AFTER DELETE", &[self.log("old", "")])
    }

    fn before_insert(&self, probes: &[Probe]) -> Option<Trigger> {
        let body: Vec<_> = probes.iter().map(|probe| self.log_found(&probe.condition)).collect();
        (!body.is_empty()).then(|| self.trigger("before_insert", "BEFORE INSERT", &body))
    }

    fn before_update(&self, probes: &[Probe]) -> Option<Trigger> {
        let is_other = match key::rowid(self.table) {
            Some(rowid) => format!("{PROBED}.{rowid} <> old.{rowid}"),
            None => format!("({})", self.key.differ(PROBED, "old")),
        };
        let found = |probe: &Probe| self.log_found(&format!("{} AND {is_other}", probe.condition));
        let body: Vec<_> = probes.iter().map(found).collect();
        let event = match probe::columns(probes) {
            Some(columns) => format!("BEFORE UPDATE OF {}", columns.join(", ")),
            None => "BEFORE UPDATE".into(),
        };
        (!body.is_empty()).then(|| self.trigger("before_update", &event, &body))
    }

    /// Logs the keys of the rows of the table that meet a condition.
    fn log_found(&self, condition: &str) -> String {
        let from = format!(" FROM {} AS {PROBED} WHERE {condition}", quoted(&self.table.name));
        self.log(PROBED, &from)
    }

    /// Logs the key of a row, or the keys of the rows that are found.
    fn log(&self, row: &str, from: &str) -> String {
        let values: Vec<_> = self.key.of_row(row).collect();
        let names: String = (1..=values.len()).map(|at| format!(", k{at}")).collect();
        let number = self.number;
        format!("INSERT INTO {LOG} (t{names}) SELECT {number}, {}{from};", values.join(", "))
    }

    fn trigger(&self, what: &str, event: &str, body: &[String]) -> Trigger {
        let name = format!("_liteferry_{}_{what}", self.number);
        let table = quoted(&self.table.name);
        let body = body.join(" ");
        let sql = format!("CREATE TRIGGER {} {event} ON {table} BEGIN {body} END", quoted(&name));
        Trigger { name, sql }
    }
}
