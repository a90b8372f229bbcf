//! Deleting what was read of the log: in slices, each in a short transaction of its own, never its highest row.

use super::LOG;
use super::turn::Turns;
use crate::error::Result;
use crate::pipeline::Stop;
use crate::store::sqlite::connection::Source;
use rusqlite::Connection;

/// Rows that are deleted in one transaction.
const SLICE_ROWS: i64 = 1000;

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
    let mut turns = Turns::new(source, identity, noted)?;
    let mut purged = Purged { rows: 0, done: false };
    while !purged.done {
        stop.check()?;
        let Some(slice) = turns.take(|connection| slice(connection, up_to))? else { break };
        purged.rows += slice.rows;
        purged.done = slice.is_last;
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
        "SELECT coalesce((SELECT min(seq) FROM main.{LOG}), 0), coalesce((SELECT max(seq) FROM main.{LOG}), 0)"
    );
    let (first, highest): (i64, i64) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last = up_to.min(highest - 1);
    let end = last.min(first + SLICE_ROWS - 1);
    let rows = connection.execute(&format!("DELETE FROM main.{LOG} WHERE seq <= ?1"), [end])?;
    Ok(Slice { rows: u64::try_from(rows).unwrap_or_default(), is_last: end == last })
}
