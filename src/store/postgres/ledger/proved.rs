//! What of a source that moves was found equal in the target, and when: a part of a table is a chunk, or the whole of a
//! table that is not divided in the target as it is in the source.
//!
//! A part that has grown is looked at piece by piece: how far that has come is noted beside, and is a proof of the part
//! when its end is reached.
//!
//! A round is a look at every part. One that was interrupted goes on: what it has found already is not looked at again.

use super::super::session::Session;
use super::chunks::{chunk_of, number};
use super::{Lease, column, forget_steps};
use crate::error::Result;
use std::collections::BTreeMap;
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
);
CREATE TABLE IF NOT EXISTS liteferry.proving (
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    table_name text NOT NULL,
    part integer NOT NULL,
    last_row bytea NOT NULL,
    groups bytea NOT NULL,
    rejected bigint NOT NULL,
    proved_at timestamptz NOT NULL,
    PRIMARY KEY (migration, table_name, part)
)";

/// The step that says when the round began that is under way.
const ROUND: &str = "round of the proof";

/// A part that was found equal, or the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The table's name in the target.
    pub table: String,
    /// The part's number.
    pub part: usize,
    /// Behind which row, by its name as bytes, the part goes on, where not all of it was found equal yet.
    pub last_row: Option<Vec<u8>>,
    /// The sums of its groups, on both sides.
    pub groups: Vec<u8>,
    /// Its rows that were set aside.
    pub rejected: u64,
    /// How long ago that was; the first of it.
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

/// Notes that a part, or the beginning of it, was equal so long ago, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn note_proved(
    session: &Session,
    lease: Lease,
    (table, part, last_row): (&str, usize, Option<&[u8]>),
    groups: &[u8],
    rejected: u64,
    age: Duration,
) -> Result<()> {
    let part = number(part)?;
    let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
    let what = "note what is proved";
    if let Some(last_row) = last_row {
        let sql = "INSERT INTO liteferry.proving (migration, table_name, part, groups, rejected, proved_at, last_row)
                   VALUES ($1, $2, $3, $4, $5, clock_timestamp() - $6::bigint * interval '1 ms', $7)
                   ON CONFLICT (migration, table_name, part) DO UPDATE SET groups = excluded.groups,
                   rejected = excluded.rejected, proved_at = excluded.proved_at, last_row = excluded.last_row";
        return session
            .execute(
                what,
                sql,
                &[&lease.migration, &table, &part, &groups, &rejected, &millis, &last_row],
            )
            .map(drop);
    }
    let sql =
        "DELETE FROM liteferry.proving WHERE migration = $1 AND table_name = $2 AND part = $3";
    session.execute(what, sql, &[&lease.migration, &table, &part])?;
    let sql = "INSERT INTO liteferry.proved (migration, table_name, part, groups, rejected, proved_at)
               VALUES ($1, $2, $3, $4, $5, clock_timestamp() - $6::bigint * interval '1 ms')
               ON CONFLICT (migration, table_name, part) DO UPDATE
               SET groups = excluded.groups, rejected = excluded.rejected, proved_at = excluded.proved_at";
    session
        .execute(what, sql, &[&lease.migration, &table, &part, &groups, &rejected, &millis])
        .map(drop)
}

/// How long ago each part was found equal, by its table's name in the target and its number.
///
/// # Errors
///
/// What the server says.
pub fn proof_ages(
    session: &Session,
    migration: i32,
) -> Result<BTreeMap<(String, usize), Duration>> {
    let rows = session.query(
        "read the ledger",
        "SELECT table_name, part, greatest(0, extract(epoch FROM clock_timestamp() - proved_at) * 1000)::bigint
         FROM liteferry.proved WHERE migration = $1",
        &[&migration],
    )?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            let age = Duration::from_millis(column::<i64>(row, 2)?.unsigned_abs());
            Ok(((column(row, 0)?, chunk_of(column(row, 1)?)?), age))
        })
        .collect()
}

/// Notes that parts are not known to be equal, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn forget_proved(
    session: &Session,
    lease: Lease,
    (table, parts): (&str, &[usize]),
) -> Result<()> {
    let parts = parts.iter().map(|&part| number(part)).collect::<Result<Vec<_>>>()?;
    for known in ["proved", "proving"] {
        let sql = format!(
            "DELETE FROM liteferry.{known} WHERE migration = $1 AND table_name = $2 AND part = ANY ($3)"
        );
        session.execute("note what is proved", &sql, &[&lease.migration, &table, &parts])?;
    }
    Ok(())
}

/// All parts that were found equal, and the beginnings of others.
///
/// # Errors
///
/// What the server says.
pub fn proved(session: &Session, migration: i32) -> Result<Vec<Proved>> {
    let rows = session.query(
        "read the ledger",
        "SELECT p.table_name, p.part, p.groups, p.rejected,
                greatest(0, extract(epoch FROM clock_timestamp() - p.proved_at) * 1000)::bigint,
                coalesce(p.proved_at >= s.note::timestamptz, false), p.last_row
         FROM (SELECT migration, table_name, part, groups, rejected, proved_at, NULL::bytea AS last_row
               FROM liteferry.proved
               UNION ALL SELECT migration, table_name, part, groups, rejected, proved_at, last_row
               FROM liteferry.proving) p
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
                last_row: column(row, 6)?,
            })
        })
        .collect()
}
