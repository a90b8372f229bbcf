//! What of a source that moves was found equal in the target, and when: a part of a table is a chunk, or the whole of a
//! table that is not divided in the target as it is in the source.
//!
//! A round is a look at every part. One that was interrupted goes on: what it has found already is not looked at again.

use super::super::session::Session;
use super::chunks::{chunk_of, number};
use super::{Lease, column, forget_steps};
use crate::error::Result;
use std::time::Duration;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS liteferry.proved (
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    table_name text NOT NULL,
    part integer NOT NULL,
    groups bytea NOT NULL,
    rejected bigint NOT NULL,
    proved_at timestamptz NOT NULL,
    PRIMARY KEY (migration, table_name, part)
)";

/// The step that says when the round began that is under way.
const ROUND: &str = "round of the proof";

/// A part that was found equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The table's name in the target.
    pub table: String,
    /// The part's number.
    pub part: usize,
    /// The sums of its groups, on both sides.
    pub groups: Vec<u8>,
    /// Its rows that were set aside.
    pub rejected: u64,
    /// How long ago that was.
    pub age: Duration,
    /// Whether it was in the round that is under way.
    pub is_of_round: bool,
}

/// Begins a round, if none is under way.
///
/// # Errors
///
/// What the server says.
pub fn begin_round(session: &Session, lease: Lease) -> Result<()> {
    let sql = "INSERT INTO liteferry.step (migration, name, epoch, note)
               VALUES ($1, $2, $3, clock_timestamp()::text) ON CONFLICT DO NOTHING";
    session.execute("begin a proof", sql, &[&lease.migration, &ROUND, &lease.epoch]).map(drop)
}

/// Ends the round that is under way.
///
/// # Errors
///
/// What the server says.
pub fn end_round(session: &Session, lease: Lease) -> Result<()> {
    forget_steps(session, lease, &[ROUND.into()])
}

/// Notes that a part was equal so long ago, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn note_proved(
    session: &Session,
    lease: Lease,
    (table, part): (&str, usize),
    groups: &[u8],
    rejected: u64,
    age: Duration,
) -> Result<()> {
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
    session
        .execute(
            "note what is proved",
            "INSERT INTO liteferry.proved (migration, table_name, part, groups, rejected, proved_at)
             VALUES ($1, $2, $3, $4, $5, clock_timestamp() - $6::bigint * interval '1 ms')
             ON CONFLICT (migration, table_name, part) DO UPDATE
             SET groups = excluded.groups, rejected = excluded.rejected, proved_at = excluded.proved_at",
            &[&lease.migration, &table, &number(part)?, &groups, &rejected, &millis],
        )
        .map(drop)
}

/// How many parts were found equal, and how long ago the first of them was.
///
/// # Errors
///
/// What the server says.
pub fn oldest_proof(session: &Session, migration: i32) -> Result<(usize, Option<Duration>)> {
    let rows = session.query(
        "read the ledger",
        "SELECT count(*)::integer, (extract(epoch FROM clock_timestamp() - min(proved_at)) * 1000)::bigint
         FROM liteferry.proved WHERE migration = $1",
        &[&migration],
    )?;
    let age: Option<i64> = column(rows.first(), 1)?;
    let age = age.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
    Ok((chunk_of(column(rows.first(), 0)?)?, age))
}

/// Notes that a part is not known to be equal, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn forget_proved(session: &Session, lease: Lease, (table, part): (&str, usize)) -> Result<()> {
    let sql = "DELETE FROM liteferry.proved WHERE migration = $1 AND table_name = $2 AND part = $3";
    session
        .execute("note what is proved", sql, &[&lease.migration, &table, &number(part)?])
        .map(drop)
}

/// All parts that were found equal.
///
/// # Errors
///
/// What the server says.
pub fn proved(session: &Session, migration: i32) -> Result<Vec<Proved>> {
    let rows = session.query(
        "read the ledger",
        "SELECT p.table_name, p.part, p.groups, p.rejected,
                greatest(0, extract(epoch FROM clock_timestamp() - p.proved_at) * 1000)::bigint,
                coalesce(p.proved_at >= s.note::timestamptz, false)
         FROM liteferry.proved p
         LEFT JOIN liteferry.step s ON s.migration = p.migration AND s.name = $2
         WHERE p.migration = $1 ORDER BY p.table_name, p.part",
        &[&migration, &ROUND],
    )?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            Ok(Proved {
                table: column(row, 0)?,
                part: chunk_of(column(row, 1)?)?,
                groups: column(row, 2)?,
                rejected: column::<i64>(row, 3)?.unsigned_abs(),
                age: Duration::from_millis(column::<i64>(row, 4)?.unsigned_abs()),
                is_of_round: column(row, 5)?,
            })
        })
        .collect()
}
