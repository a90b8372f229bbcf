//! Deleting what was read of the log: in slices, each in a short transaction of its own, never its highest row.
//!
//! The last slice renews the nonce, and keeps the one beside it that the target has noted. Whichever side a crash keeps
//! from taking the step, the nonce that is noted is one of the two; that of an older copy of the file is not.

use super::meta::{Meta, NONCE};
use super::{LOG, META};
use crate::error::{Class, Error, Result};
use crate::pipeline::Stop;
use crate::store::sqlite::connection::{Refused as _, Source};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::time::Duration;

/// Rows that are deleted in one transaction.
const SLICE_ROWS: i64 = 1000;

/// How long a purge waits for the application: it can be done any time.
const PATIENCE: Duration = Duration::from_millis(20);

/// What a purge did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purged {
    /// How many rows it deleted.
    pub rows: u64,
    /// The nonce from now on, to be noted in the target.
    pub nonce: String,
    /// Whether all is deleted that was to be; else the application was writing, and it gave up.
    pub done: bool,
}

/// Deletes the touches up to `up_to`, which must be in the target for good; `noted` is the nonce that it has noted.
///
/// # Errors
///
/// [`Class::SourceChanged`] where the changelog is not that of this identity, or not the one of that nonce; a stop.
pub fn purge(
    source: &Source,
    identity: &str,
    up_to: i64,
    noted: &str,
    stop: &Stop,
) -> Result<Purged> {
    let at = |error: Error| error.at(format!("source {}", source.path().display()));
    let mut connection = source.connect_to_write()?;
    let mut purged = Purged { rows: 0, nonce: noted.into(), done: false };
    while !purged.done {
        stop.check()?;
        match slice(&mut connection, identity, up_to, noted) {
            Ok(Some(Slice { rows, nonce })) => {
                purged.rows += rows;
                purged.done = nonce.is_some();
                purged.nonce = nonce.unwrap_or(purged.nonce);
            }
            Ok(None) => {
                let what = "its changelog is not the one that was followed";
                return Err(at(Error::new(Class::SourceChanged, what)));
            }
            Err(error) if is_busy(&error) => break,
            Err(error) => return Err(error).refused(|| "source".into()),
        }
    }
    Ok(purged)
}

/// What one transaction did.
struct Slice {
    rows: u64,
    /// The new nonce, where nothing is left to delete.
    nonce: Option<String>,
}

/// Deletes one slice; none where the changelog is not the one that it should be.
fn slice(
    connection: &mut Connection,
    identity: &str,
    up_to: i64,
    noted: &str,
) -> rusqlite::Result<Option<Slice>> {
    connection.busy_timeout(PATIENCE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !Meta::read(&transaction)?.is_some_and(|meta| meta.goes_on_from(identity, noted)) {
        return Ok(None);
    }
    let sql = format!("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM main.{LOG}");
    let (first, highest): (i64, i64) =
        transaction.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last = up_to.min(highest - 1);
    let end = last.min(first + SLICE_ROWS - 1);
    let rows = transaction.execute(&format!("DELETE FROM main.{LOG} WHERE seq <= ?1"), [end])?;
    let nonce = match rows {
        0 => Some(noted.to_owned()),
        _ if end == last => Some(renew(&transaction, noted)?),
        _ => None,
    };
    transaction.commit()?;
    Ok(Some(Slice { rows: u64::try_from(rows).unwrap_or_default(), nonce }))
}

fn renew(connection: &Connection, noted: &str) -> rusqlite::Result<String> {
    let sql = format!("UPDATE main.{META} SET nonce = {NONCE}, nonce_before = ?1 RETURNING nonce");
    connection.query_row(&sql, [noted], |row| row.get(0))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
