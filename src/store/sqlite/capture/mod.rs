//! Following a source: a log of touched keys in the source itself, which triggers fill.
//!
//! ```text
//! _liteferry_log  (seq INTEGER PRIMARY KEY, t, k1, k2, …)    one row a touch: the row of this key may have changed
//! _liteferry_meta (identity, epoch, plan_hash, nonce, …)     one row: whose log it is
//! _liteferry_<t>_after_insert, …                             the triggers of table number t
//! ```
//!
//! The log holds keys and never values: in which order triggers fire, and what a REPLACE deletes in silence, then does
//! not matter. It has no constraint but its own number, because the conflict clause of the application's statement
//! would decide about it, and no declared types, because they would bend the keys. Its highest row is never deleted:
//! its numbers would begin again. Nor is row 0, which is no touch: without it, somebody has emptied the log.
//!
//! What is installed uses no function, but those of an index of the table itself, and nothing that SQLite 3.6.19 does
//! not know: each program that writes the file runs it. It is installed last, so that it fires before the application's
//! triggers, of which one with `RAISE(IGNORE)` would keep it from firing. A TEMP trigger of a connection fires before all
//! others, and no other connection knows of it: what such a one keeps from the log only the proof finds.

mod coming;
mod finding;
mod hazard;
mod install;
mod key;
mod meta;
mod probe;
mod purge;
mod remove;
mod seal;
mod standing;
mod substitute;
mod trial;
mod triggers;
mod turn;
mod watch;

#[cfg(test)]
mod tests;

pub use finding::Finding;
pub use install::{Installed, install, reinstall};
pub use purge::{Purged, purge};
pub use remove::{Removed, remove};
pub use seal::seal;
pub use trial::trial;
pub use watch::{Known, Seen, Watch};

use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::model::{Capture, SourceTable, TouchKey};
use std::collections::BTreeSet;

/// The log of touched keys.
pub const LOG: &str = "_liteferry_log";

/// The one row that says whose log it is.
pub const META: &str = "_liteferry_meta";

/// A condition on the columns `type` and `name` of `sqlite_schema`: what following a source has put there.
pub(super) const OURS: &str = "(type = 'table' AND name IN ('_liteferry_log', '_liteferry_meta')
     OR type = 'trigger' AND name GLOB '_liteferry_[0-9]*')";

/// Whether a trigger of this name is one of a changelog.
fn is_ours(name: &str) -> bool {
    let number = name.strip_prefix("_liteferry_");
    number.is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
}

/// All that is installed in a source to follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    identity: String,
    plan_hash: String,
    /// The followed tables, and whether each is named by a rowid that no column shows.
    tables: Vec<(String, bool)>,
    /// How many columns the log has for keys.
    width: usize,
    /// The triggers.
    triggers: Vec<Trigger>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trigger {
    name: String,
    sql: String,
}

impl Changelog {
    /// What follows these tables for the migration of this identity, by the plan of this hash.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`] for a table that cannot be followed, by its name, as [`why_not`] says.
    pub fn design(
        tables: &[(&SourceTable, &Capture)],
        identity: &str,
        plan_hash: &str,
    ) -> Result<Self> {
        let numbers: BTreeSet<_> = tables.iter().map(|(_, capture)| capture.number).collect();
        if numbers.len() != tables.len() {
            return Err(Error::internal("two tables have one number in the changelog"));
        }
        let mut changelog = Self {
            identity: identity.into(),
            plan_hash: plan_hash.into(),
            tables: Vec::new(),
            width: 1,
            triggers: Vec::new(),
        };
        for (table, capture) in tables {
            let made = triggers::of(table, capture);
            changelog.triggers.extend(made.map_err(|reason| unfollowed(&table.name, &reason))?);
            let is_keyless = capture.key == TouchKey::Rowid && table.rowid_alias.is_none();
            changelog.tables.push((table.name.clone(), is_keyless));
            changelog.width = changelog.width.max(capture.key.columns());
        }
        Ok(changelog)
    }

    /// Whose log it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The statements that create it, in order; tables that are there already stay.
    pub fn statements(&self) -> impl Iterator<Item = String> {
        let keys: String = (1..=self.width).map(|at| format!(", k{at}")).collect();
        let log = format!("CREATE TABLE IF NOT EXISTS {LOG} (seq INTEGER PRIMARY KEY, t{keys})");
        let meta = format!("CREATE TABLE IF NOT EXISTS {META} ({})", meta::COLUMNS);
        let row_0 = format!("INSERT OR IGNORE INTO {LOG} (seq, t) VALUES (0, 0)");
        let triggers = self.triggers.iter().map(|trigger| trigger.sql.clone());
        [log, meta, row_0].into_iter().chain(triggers)
    }

    /// A script for the `sqlite3` shell that takes all of it out of the source, in one transaction, whatever of it is
    /// there.
    pub fn remove_sql(&self) -> String {
        self.remove_sql_after("")
    }

    /// The same where triggers of another design of it may be there still: those that the script `before` drops.
    pub fn remove_sql_after(&self, before: &str) -> String {
        let drop =
            |trigger: &Trigger| format!("DROP TRIGGER IF EXISTS {};\n", quoted(&trigger.name));
        let mut triggers: Vec<_> = self.triggers.iter().map(drop).collect();
        let others = before.lines().filter(|line| line.starts_with("DROP TRIGGER "));
        for other in others.map(|line| format!("{line}\n")) {
            if !triggers.contains(&other) {
                triggers.push(other);
            }
        }
        let tables = [META, LOG].map(|name| format!("DROP TABLE IF EXISTS {name};\n"));
        format!("BEGIN IMMEDIATE;\n{}{}COMMIT;\n", triggers.concat(), tables.concat())
    }
}

/// Why a table whose rows are named by this key cannot be followed; none where it can, as far as its declaration tells.
pub fn why_not(table: &SourceTable, key: &TouchKey) -> Option<String> {
    let capture = Capture { number: 0, key: key.clone(), follow: crate::model::Follow::All };
    triggers::of(table, &capture).err()
}

fn unfollowed(table: &str, reason: &str) -> Error {
    Error::new(Class::Undecided, format!("cannot be followed: {reason}"))
        .todo(
            "change it in the source, or leave it to a copy by `capture = \"copy\"` in a pipeline file, or move the source \
             at rest with --no-capture",
        )
        .at(format!("table {table}"))
}
