//! How far a followed source is applied: one row for a migration, which each pass moves on in its own transaction.
//!
//! A pass locks the row before it applies anything. Where the answer to its COMMIT was lost, the pass that is done again
//! waits for that lock and then knows: the row counts one pass more than it began from.

use super::super::session::Session;
use super::{Lease, column, damaged};
use crate::error::{Error, Result};
use crate::model::DigestSum;
use std::time::{Duration, SystemTime};
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
    last_touches bigint,
    last_seconds double precision,
    bulk_touches bigint,
    bulk_seconds double precision,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN liteferry.position.seq IS 'The highest row of the changelog that is applied.';
COMMENT ON COLUMN liteferry.position.nonces IS 'What the changelog may say of itself: anything else is a copy of it.';
COMMENT ON COLUMN liteferry.position.sealed IS 'The highest row of the changelog that was applied when the nonce was made.';
COMMENT ON COLUMN liteferry.position.unsealed IS 'The sum of the digests of the rows that were applied since.';
COMMENT ON COLUMN liteferry.position.last_seconds IS 'How long the last pass took that applied anything.';
COMMENT ON COLUMN liteferry.position.bulk_seconds IS 'How long the last pass took that applied very much.';
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
    /// How fast passes were.
    pub pace: Pace,
}

/// How fast passes were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    /// The last one that applied anything.
    pub last: Option<Paced>,
    /// The last one of a thousand touches or more: a small one tells little of a large backlog.
    pub bulk: Option<Paced>,
}

/// A pass that was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paced {
    /// Its touches, and its new rows.
    pub touches: u64,
    /// How long it took, without its COMMIT.
    pub took: Duration,
}

/// Touches of a pass that tells how long many take.
const BULK_TOUCHES: u64 = 1_000;

impl Pace {
    /// How long it takes to apply so many touches, about; none where nothing was measured.
    pub fn applying(self, touches: u64) -> Option<Duration> {
        let last = self.last?;
        let paced = if touches < BULK_TOUCHES { last } else { self.bulk.unwrap_or(last) };
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let passes = touches as f64 / paced.touches.max(1) as f64;
        Duration::try_from_secs_f64(paced.took.as_secs_f64() * passes).ok()
    }
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
    /// The new rows of the pass, of tables that only grow, which nobody logs.
    pub grown: u64,
    /// How long it took up to here.
    pub took: Duration,
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
SELECT seq, nonces, consistent, state_at, touches, passes, updated_at, sealed, unsealed,
       last_touches, last_seconds, bulk_touches, bulk_seconds FROM liteferry.position";

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
                touches = touches + $6, passes = passes + 1, unsealed = $7, updated_at = clock_timestamp(),
                last_touches = CASE WHEN $10::bigint > 0 THEN $10 ELSE last_touches END,
                last_seconds = CASE WHEN $10::bigint > 0 THEN $8 ELSE last_seconds END,
                bulk_touches = CASE WHEN $10 >= $9 THEN $10 ELSE bulk_touches END,
                bulk_seconds = CASE WHEN $10 >= $9 THEN $8 ELSE bulk_seconds END
         WHERE migration = $1 AND seq <= $3",
        &[
            &lease.migration,
            &lease.epoch,
            &to.seq,
            &to.consistent,
            &to.state_at,
            &i64::try_from(to.touches).unwrap_or(i64::MAX),
            &to.unsealed.bytes().as_slice(),
            &to.took.as_secs_f64(),
            &i64::try_from(BULK_TOUCHES).unwrap_or(i64::MAX),
            &i64::try_from(to.touches.saturating_add(to.grown)).unwrap_or(i64::MAX),
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
        pace: Pace { last: paced(row, 9)?, bulk: paced(row, 11)? },
    })
}

fn paced(row: Option<&Row>, at: usize) -> Result<Option<Paced>> {
    let (touches, seconds): (Option<i64>, Option<f64>) = (column(row, at)?, column(row, at + 1)?);
    let (Some(touches), Some(seconds)) = (touches, seconds) else { return Ok(None) };
    let took = Duration::try_from_secs_f64(seconds)
        .map_err(|error| damaged("a time is no time").because(error))?;
    Ok(Some(Paced { touches: touches.unsigned_abs(), took }))
}

#[cfg(test)]
mod tests {
    use super::{Pace, Paced};
    use std::time::Duration;

    #[test]
    fn a_large_backlog_is_measured_by_large_passes() {
        let of = |touches, millis| Some(Paced { touches, took: Duration::from_millis(millis) });
        assert_eq!(Pace::default().applying(0), None);
        let pace = Pace { last: of(2, 6), bulk: of(100_000, 2_000) };
        assert_eq!(pace.applying(0), Some(Duration::ZERO));
        assert_eq!(pace.applying(10), Some(Duration::from_millis(30)));
        assert_eq!(pace.applying(1_000_000), Some(Duration::from_secs(20)));
        let small = Pace { bulk: None, ..pace };
        assert_eq!(small.applying(2_000), Some(Duration::from_secs(6)));
    }
}
