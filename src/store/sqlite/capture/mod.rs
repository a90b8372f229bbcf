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
//! its numbers would begin again.
//!
//! What is installed uses no function, but those of an index of the table itself, and nothing that SQLite 3.6.19 does
//! not know: each program that writes the file runs it. It is installed last, so that it fires before the application's
//! triggers, of which one with `RAISE(IGNORE)` would keep it from firing.

mod coming;
mod install;
mod key;
mod probe;
mod remove;
mod substitute;
mod triggers;

#[cfg(test)]
mod tests;

pub use install::{Installed, install};
pub use remove::{Removed, remove};

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

/// All that is installed in a source to follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    identity: String,
    plan_hash: String,
    /// The log first, then the triggers.
    objects: Vec<Object>,
}

/// Something that is created.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    kind: &'static str,
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
        let mut objects = vec![log(tables), meta()];
        for (table, capture) in tables {
            let made = triggers::of(table, capture);
            objects.extend(made.map_err(|reason| unfollowed(&table.name, &reason))?);
        }
        Ok(Self { identity: identity.into(), plan_hash: plan_hash.into(), objects })
    }

    /// Whose log it is.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The statements that create it, in order.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().map(|object| object.sql.as_str())
    }

    /// A script for the `sqlite3` shell that takes all of it out of the source, in one transaction, whatever of it is
    /// there.
    pub fn remove_sql(&self) -> String {
        let drops = self.objects.iter().rev().map(|Object { kind, name, .. }| {
            format!("DROP {} IF EXISTS {};\n", kind.to_ascii_uppercase(), quoted(name))
        });
        format!("BEGIN IMMEDIATE;\n{}COMMIT;\n", drops.collect::<String>())
    }
}

/// Why a table whose rows are named by this key cannot be followed; none where it can, as far as its declaration tells.
pub fn why_not(table: &SourceTable, key: &TouchKey) -> Option<String> {
    let capture = Capture { number: 0, key: key.clone(), follow: crate::model::Follow::All };
    triggers::of(table, &capture).err()
}

fn unfollowed(table: &str, reason: &str) -> Error {
    Error::new(Class::Undecided, format!("cannot be followed: {reason}"))
        .todo("change it in the source, or move the source at rest with --no-capture")
        .at(format!("table {table}"))
}

fn log(tables: &[(&SourceTable, &Capture)]) -> Object {
    let width = tables.iter().map(|(_, capture)| capture.key.columns()).max().unwrap_or(1).max(1);
    let keys: String = (1..=width).map(|at| format!(", k{at}")).collect();
    Object {
        kind: "table",
        name: LOG.into(),
        sql: format!("CREATE TABLE {LOG} (seq INTEGER PRIMARY KEY, t{keys})"),
    }
}

fn meta() -> Object {
    let columns = "identity, epoch, plan_hash, nonce, nonce_before, remove_sql";
    Object { kind: "table", name: META.into(), sql: format!("CREATE TABLE {META} ({columns})") }
}
