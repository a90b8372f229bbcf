//! Tables that the user has taken anew, until everything that follows them knows.

use super::super::session::Session;
use super::{Lease, complete_step, damaged, note_of};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The step's name.
const STEP: &str = "tables taken anew";

/// The step's note.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// A name of this time only.
    nonce: String,
    /// The tables' names in the source.
    tables: BTreeSet<String>,
}

/// Notes that tables are taken anew, beside those that were and of which it is not known everywhere, in the caller's
/// transaction; false if it was noted under this nonce, which nothing else has, already.
///
/// # Errors
///
/// What the server says.
pub fn note_retaken(
    session: &Session,
    lease: Lease,
    nonce: &str,
    tables: &BTreeSet<String>,
) -> Result<bool> {
    let note = Note { nonce: nonce.into(), tables: tables.clone() };
    // Whoever lost the answer to its COMMIT waits here for that.
    if complete_step(session, lease, STEP, Some(&json(&note)?))? {
        return Ok(true);
    }
    let before = noted(session, lease.migration)?;
    if before.as_ref().is_some_and(|before| before.nonce == nonce) {
        return Ok(false);
    }
    let before = before.into_iter().flat_map(|before| before.tables);
    let note = Note { tables: before.chain(note.tables).collect(), ..note };
    let sql = "UPDATE liteferry.step SET note = $3 WHERE migration = $1 AND name = $2";
    session.execute("note a step as done", sql, &[&lease.migration, &STEP, &json(&note)?])?;
    Ok(true)
}

/// The tables that were taken anew, by their names in the source.
///
/// # Errors
///
/// What the server says.
pub fn retaken(session: &Session, migration: i32) -> Result<BTreeSet<String>> {
    Ok(noted(session, migration)?.map_or_else(BTreeSet::new, |note| note.tables))
}

/// Notes that it is known everywhere, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn forget_retaken(session: &Session, lease: Lease) -> Result<()> {
    super::forget_steps(session, lease, &[STEP.into()])
}

fn noted(session: &Session, migration: i32) -> Result<Option<Note>> {
    let note = note_of(session, migration, STEP)?;
    let read = |note: String| {
        serde_json::from_str(&note)
            .map_err(|error| damaged("a step's note cannot be read").because(error))
    };
    note.map(read).transpose()
}

fn json(note: &Note) -> Result<String> {
    serde_json::to_string(note)
        .map_err(|error| damaged("a step's note cannot be written").because(error))
}
