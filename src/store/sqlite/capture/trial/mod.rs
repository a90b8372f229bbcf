//! Trying the triggers on an empty copy of the schema, before anything is installed: what cannot be followed is told by
//! table.

mod exercise;
mod harmless;
mod scratch;

use super::hazard::hazard;
use super::{Changelog, triggers, why_not};
use crate::error::Result;
use crate::model::{Capture, Follow, SourceTable};
use crate::pipeline::Stop;
use crate::store::sqlite::connection::Refused as _;
use crate::store::sqlite::failure::reason;
use rusqlite::Connection;
use scratch::Scratch;
use std::collections::BTreeMap;

/// Why tables cannot be followed, by name; those that are not named can. `all` are the tables of the source, also those
/// that shall not be followed.
///
/// The schema is copied without its rows, with the application's triggers as far as they can be understood here; then
/// rows are inserted, replaced through each unique index, updated and deleted, and it is seen whether the log names them,
/// and whether nothing fails that did not fail before.
///
/// # Errors
///
/// A schema that cannot be read; a stop.
pub fn trial(
    source: &Connection,
    all: &[SourceTable],
    tables: &[(&SourceTable, &Capture)],
    stop: &Stop,
) -> Result<BTreeMap<String, String>> {
    let place = || "trial of the changelog".to_owned();
    let all: Vec<_> = all.iter().collect();
    let scratch = Scratch::of(source, &all, stop)?;
    let mut reasons = BTreeMap::new();
    let mut followed = Vec::new();
    for (table, capture) in tables {
        // Of a table that only grows the rest is tried: what its inserts are is not logged.
        let capture = Capture { follow: Follow::All, ..(*capture).clone() };
        let refused = why_not(table, &capture.key)
            .or_else(|| scratch.not_copied.get(&table.name).cloned())
            .or_else(|| hazard(table, &all, &scratch.triggers));
        match refused {
            Some(reason) => drop(reasons.insert(table.name.clone(), reason)),
            None => followed.push((*table, capture)),
        }
    }
    let designed: Vec<_> = followed.iter().map(|(table, capture)| (*table, capture)).collect();
    let changelog = Changelog::design(&designed, "", "")?;
    // What each table takes as long as none has triggers: those of others may fire with its own.
    let taken: Vec<_> =
        followed.iter().map(|(table, capture)| harmless::taken(&scratch, table, capture)).collect();
    for sql in changelog.statements().take(2) {
        scratch.connection.execute_batch(&sql).refused(place)?;
    }
    let created = followed.iter().map(|(table, capture)| {
        let triggers = triggers::of(table, capture)?;
        let mut created = triggers.iter().map(|made| scratch.connection.execute_batch(&made.sql));
        created.try_for_each(|made| made.map_err(|error| reason(&error)))
    });
    let created: Vec<_> = created.collect();
    // Before the tables get rows that stay.
    let harmless: Vec<_> =
        taken.iter().map(|taken| harmless::still_taken(&scratch, taken)).collect();
    for ((table, capture), tried) in followed.iter().zip(created.into_iter().zip(harmless)) {
        let (created, harmless) = tried;
        let tried =
            created.and(harmless).and_then(|()| exercise::exercise(&scratch, table, capture));
        reasons.extend(tried.err().map(|reason| (table.name.clone(), reason)));
        stop.check()?;
    }
    Ok(reasons)
}
