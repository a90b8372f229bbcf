//! Deleting what was read of the log: in slices, each in a short transaction of its own, never its highest row nor row 0.

use super::LOG;
use super::turn::Turns;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::store::sqlite::connection::Source;
use rusqlite::Connection;
use std::time::Instant;

/// Rows that are deleted in one transaction.
const SLICE_ROWS: i64 = 1000;

/// How many times longer than a slice took the source is left to the application before the next one: who waits for the
/// lock asks for it now and then only, and must find it free.
const LEFT_ALONE: u32 = 2;

/// How many turns in a row the application may take before the rest is left for another time.
const MISSED_MAX: u32 = 4;

/// What a purge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// How many rows it deleted.
    pub rows: u64,
    /// Whether all is deleted that was to be; else the application was writing, and it gave up.
    pub done: bool,
}

/// Deletes the touches up to `up_to`, which must be in the target for good, and sealed; `noted` is the nonce that it has
/// noted.
///
/// # Errors
///
/// [`crate::Class::SourceChanged`] where the changelog is not that of this identity, or not the one of that nonce;
/// [`crate::Class::Temporary`] where the disk is full; a stop.
pub fn purge(
    source: &Source,
    identity: &str,
    up_to: i64,
    noted: &str,
    stop: &Stop,
) -> Result<Purged> {
    let mut purged = Purged { rows: 0, done: false };
    let Some(mut turns) = Turns::new(source, identity, noted)? else { return Ok(purged) };
    let mut missed = 0;
    while !purged.done {
        stop.check()?;
        let began = Instant::now();
        match turns.take(|connection| slice(connection, up_to))? {
            Some(slice) => {
                purged.rows += slice.rows;
                purged.done = slice.is_last;
                missed = 0;
            }
            None => missed += 1,
        }
        if missed > MISSED_MAX {
            break;
        }
        if !purged.done {
            stop.wait(began.elapsed().saturating_mul(LEFT_ALONE))?;
        }
    }
    Ok(purged)
}

/// What one transaction did.
struct Slice {
    rows: u64,
    is_last: bool,
}

fn slice(connection: &Connection, up_to: i64) -> rusqlite::Result<Slice> {
    // Each by itself is found at an end of the log; both in one SELECT would be looked for in all of it.
    let sql = format!(
        "SELECT coalesce((SELECT min(seq) FROM main.{LOG} WHERE seq > 0), 0), coalesce((SELECT max(seq) FROM main.{LOG}), 0)"
    );
    let (first, highest): (i64, i64) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last = up_to.min(highest - 1);
    let end = last.min(first + SLICE_ROWS - 1);
    let sql = format!("DELETE FROM main.{LOG} WHERE seq BETWEEN 1 AND ?1");
    let rows = connection.execute(&sql, [end])?;
    Ok(Slice { rows: u64::try_from(rows).unwrap_or_default(), is_last: end == last })
}
