//! How far a followed source is applied: one row for a migration, which each pass moves on in its own transaction.
//!
//! A pass locks the row before it applies anything. Where the answer to its COMMIT was lost, the pass that is done again
//! waits for that lock and then knows: the row counts one pass more than it began from.

use super::super::session::Session;
use super::{Lease, column, damaged};
use crate::error::{Error, Result};
use crate::model::DigestSum;
use std::time::SystemTime;
use tokio_postgres::Row;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS liteferry.position (
    migration integer PRIMARY KEY REFERENCES liteferry.migration ON DELETE CASCADE,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    nonces text[] NOT NULL,
    consistent boolean NOT NULL DEFAULT false,
    state_at timestamptz,
    touches bigint NOT NULL DEFAULT 0,
    passes bigint NOT NULL DEFAULT 0,
    sealed bigint NOT NULL DEFAULT 0,
    unsealed bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN liteferry.position.seq IS 'The highest row of the changelog that is applied.';
COMMENT ON COLUMN liteferry.position.nonces IS 'What the changelog may say of itself: anything else is a copy of it.';
COMMENT ON COLUMN liteferry.position.sealed IS 'The highest row of the changelog that was applied when the nonce was made.';
COMMENT ON COLUMN liteferry.position.unsealed IS 'The sum of the digests of the rows that were applied since.';
COMMENT ON COLUMN liteferry.position.consistent IS 'Whether the tables are one committed state of the source.';
COMMENT ON COLUMN liteferry.position.state_at IS 'When the source had the state that was applied last.'";

/// How far a source is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The highest touch that is applied.
    pub seq: i64,
    /// The nonces that the source's changelog may have; another one means that it is a copy.
    pub nonces: Vec<String>,
    /// Whether the target is one committed state of the source.
    pub consistent: bool,
    /// When the source had the state that was applied last, by the clock of the machine that read it.
    pub state_at: Option<SystemTime>,
    /// Touches applied in all.
    pub touches: u64,
    /// Passes committed in all: by this a pass knows whether it was committed already.
    pub passes: u64,
    /// The highest touch that was applied when the nonce was made: no file of that nonce says anything else up to there.
    pub sealed: i64,
    /// The touches behind that one up to the position, so that a file that says something else of them is noticed.
    pub unsealed: DigestSum,
    /// When the position was moved last, by the server's clock.
    pub updated_at: SystemTime,
}

/// Where a pass has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The highest touch that is applied now.
    pub seq: i64,
    /// Whether the pass drained the log, so that the target is one state of the source.
    pub consistent: bool,
    /// When that state was read.
    pub state_at: SystemTime,
    /// The touches of the pass.
    pub touches: u64,
    /// [`Position::unsealed`], with them.
    pub unsealed: DigestSum,
}

/// Notes where following begins, in the caller's transaction; false if that is noted already. `unsealed` is what the log
/// says up to there.
///
/// # Errors
///
/// What the server says.
pub fn begin_position(
    session: &Session,
    lease: Lease,
    seq: i64,
    nonce: &str,
    unsealed: DigestSum,
) -> Result<bool> {
    let (nonces, unsealed) = ([nonce], unsealed.bytes());
    let begun = session.execute(
        "note the position",
        "INSERT INTO liteferry.position (migration, epoch, seq, nonces, unsealed) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        &[&lease.migration, &lease.epoch, &seq, &nonces.as_slice(), &unsealed.as_slice()],
    )?;
    Ok(begun == 1)
}

/// The position, if following has begun.
///
/// # Errors
///
/// What the server says.
pub fn position(session: &Session, migration: i32) -> Result<Option<Position>> {
    let sql = format!("{POSITION} WHERE migration = $1");
    session.query("read the ledger", &sql, &[&migration])?.first().map(read).transpose()
}

const POSITION: &str = "
SELECT seq, nonces, consistent, state_at, touches, passes, updated_at, sealed, unsealed FROM liteferry.position";

/// Locks the position until the transaction ends, after any pass that may still be committing, and gives it.
///
/// # Errors
///
/// What the server says; no position.
pub fn lock_position(session: &Session, lease: Lease) -> Result<Position> {
    let sql = format!("{POSITION} WHERE migration = $1 FOR UPDATE");
    let rows = session.query_prepared("lock the position", &sql, &[&lease.migration])?;
    read(rows.first().ok_or_else(|| damaged("there is no position"))?)
}

/// Moves a position on that the caller's transaction has locked; never back.
///
/// # Errors
///
/// What the server says; a position behind the one that is there.
pub fn advance_position(session: &Session, lease: Lease, to: &Advance) -> Result<()> {
    let advanced = session.execute_prepared(
        "note the position",
        "UPDATE liteferry.position SET epoch = $2, seq = $3, consistent = $4, state_at = $5,
                touches = touches + $6, passes = passes + 1, unsealed = $7, updated_at = clock_timestamp()
         WHERE migration = $1 AND seq <= $3",
        &[
            &lease.migration,
            &lease.epoch,
            &to.seq,
            &to.consistent,
            &to.state_at,
            &i64::try_from(to.touches).unwrap_or(i64::MAX),
            &to.unsealed.bytes().as_slice(),
        ],
    )?;
    if advanced == 1 { Ok(()) } else { Err(Error::internal("a position that would move back")) }
}

/// Notes that the tables are no state of the source, in the caller's transaction; the next pass brings them to one.
///
/// # Errors
///
/// What the server says.
pub fn unsettle_position(session: &Session, lease: Lease) -> Result<()> {
    let sql = "UPDATE liteferry.position SET consistent = false WHERE migration = $1";
    session.execute("note the position", sql, &[&lease.migration]).map(drop)
}

/// Notes a nonce of the source's changelog that was made behind the touch `seq`, which must be the position, in the
/// caller's transaction.
///
/// # Errors
///
/// What the server says; another position.
pub fn seal_position(session: &Session, lease: Lease, seq: i64, nonce: &str) -> Result<()> {
    let (nonces, nothing) = ([nonce], DigestSum::default().bytes());
    let sealed = session.execute(
        "note the position",
        "UPDATE liteferry.position SET nonces = $3, sealed = $2, unsealed = $4 WHERE migration = $1 AND seq = $2",
        &[&lease.migration, &seq, &nonces.as_slice(), &nothing.as_slice()],
    )?;
    if sealed == 1 { Ok(()) } else { Err(damaged("the position is another one")) }
}

fn read(row: &Row) -> Result<Position> {
    let row = Some(row);
    let (seq, sealed): (i64, i64) = (column(row, 0)?, column(row, 7)?);
    let unsealed: &[u8] = column(row, 8)?;
    let unsealed = unsealed
        .try_into()
        .map_err(|error| damaged("a sum of touches is no sum").because(error))?;
    // The log has no hole: so many touches as there are numbers.
    let rows = u64::try_from(seq.saturating_sub(sealed)).unwrap_or_default();
    Ok(Position {
        seq,
        nonces: column(row, 1)?,
        consistent: column(row, 2)?,
        state_at: column(row, 3)?,
        touches: column::<i64>(row, 4)?.unsigned_abs(),
        passes: column::<i64>(row, 5)?.unsigned_abs(),
        updated_at: column(row, 6)?,
        sealed,
        unsealed: DigestSum::from_parts(rows, unsealed),
    })
}
