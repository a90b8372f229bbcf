//! Who may write for a migration: one run at a time, by advisory lock and epoch.

use super::super::session::Session;
use super::column;
use crate::error::{Class, Error, Result};

/// The first half of the advisory lock that a run holds: "lfer".
pub(super) const LOCK_SPACE: i32 = 0x6c66_6572;

/// The right to write for one migration, until another run takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The migration.
    pub migration: i32,
    /// The run's epoch.
    pub epoch: i64,
}

/// Takes the migration from whoever had it: raises the epoch while no session of another run lives, and holds the lock
/// from then on. The session may then pass the guard of the tables ([`guard`](super::super::guard)).
///
/// # Errors
///
/// [`Class::Held`] while another run has it.
pub fn take(session: &Session, migration: i32) -> Result<Lease> {
    within(session, migration, TAKE_PATIENCE, || {
        advisory(session, "pg_advisory_lock", migration)?;
        let rows = session.query(
            "take the migration",
            "UPDATE liteferry.migration SET epoch = epoch + 1 WHERE id = $1
             RETURNING epoch, set_config('liteferry.writer', writer, false)",
            &[&migration],
        )?;
        advisory(session, "pg_advisory_lock_shared", migration)?;
        advisory(session, "pg_advisory_unlock", migration)?;
        Ok(Lease { migration, epoch: column(rows.first(), 0)? })
    })
}

/// Holds the lock in another session of the run that took the migration; it passes the guard of the tables, too.
///
/// # Errors
///
/// [`Class::Held`] where another run took the migration meanwhile.
pub fn share(session: &Session, lease: Lease) -> Result<()> {
    within(session, lease.migration, SHARE_PATIENCE, || {
        advisory(session, "pg_advisory_lock_shared", lease.migration)
    })?;
    let sql = "SELECT epoch, set_config('liteferry.writer', writer, false) FROM liteferry.migration WHERE id = $1";
    let rows = session.query("read the ledger", sql, &[&lease.migration])?;
    if column::<i64>(rows.first(), 0)? == lease.epoch { Ok(()) } else { Err(fenced()) }
}

/// How long a run that begins waits: one that was killed a moment ago is known to the server until that notices.
const TAKE_PATIENCE: &str = "3s";
/// How long a session of a run that goes on waits: longer than one that begins, which may stand before it.
const SHARE_PATIENCE: &str = "10s";

/// Does `work` with so much patience for locks, and says who holds them where it is at an end.
fn within<T>(
    session: &Session,
    migration: i32,
    patience: &str,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    session.batch("take the migration", &format!("SET lock_timeout = '{patience}'"))?;
    let done = work();
    // Fails where the connection is lost, so that what is left to ask is only who has the lock.
    session.batch("take the migration", "SET lock_timeout = 0")?;
    match done {
        Err(error) if error.class() == Class::Temporary => Err(who_holds(session, migration)?),
        done => done,
    }
}

fn advisory(session: &Session, function: &str, migration: i32) -> Result<()> {
    let sql = format!("SELECT {function}($1, $2)");
    session.execute("take the migration", &sql, &[&LOCK_SPACE, &migration]).map(drop)
}

/// Whether a run has a migration now.
///
/// # Errors
///
/// What the server says.
pub fn is_taken(session: &Session, migration: i32) -> Result<bool> {
    let rows = session.query(
        "look who has the migration",
        "SELECT EXISTS (
             SELECT FROM pg_locks
             WHERE locktype = 'advisory' AND granted AND objsubid = 2
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND classid::bigint = $1::int AND objid::bigint = $2::int)",
        &[&LOCK_SPACE, &migration],
    )?;
    column(rows.first(), 0)
}

/// The run that took the migration last, unless it has said that it ended.
fn who_holds(session: &Session, migration: i32) -> Result<Error> {
    let rows = session.query(
        "read the ledger",
        "SELECT r.host, r.pid, r.command, to_char(r.started_at, 'YYYY-MM-DD HH24:MI:SS TZ')
         FROM liteferry.run r JOIN liteferry.migration m ON m.id = r.migration AND m.epoch = r.epoch
         WHERE m.id = $1 AND r.ended_at IS NULL",
        &[&migration],
    )?;
    let Some(row) = rows.first() else { return Ok(held("another run has this migration")) };
    let (host, pid, command, since): (String, i64, String, String) = (
        column(Some(row), 0)?,
        column(Some(row), 1)?,
        column(Some(row), 2)?,
        column(Some(row), 3)?,
    );
    Ok(held(format!("`{command}` has this migration: process {pid} on {host} since {since}")))
}

fn held(what: impl Into<String>) -> Error {
    Error::new(Class::Held, what).todo("wait for it, or stop it, then run this again")
}

pub(super) fn fenced() -> Error {
    held("another run took this migration over while this one had lost its connection")
}

/// Locks the lease's row until the transaction ends.
///
/// # Errors
///
/// [`Class::Held`] where another run took the migration.
pub fn guard(session: &Session, lease: Lease) -> Result<()> {
    let sql = "SELECT 1 FROM liteferry.migration WHERE id = $1 AND epoch = $2 FOR SHARE";
    let rows = session.query_prepared("check the lease", sql, &[&lease.migration, &lease.epoch])?;
    if rows.len() == 1 { Ok(()) } else { Err(fenced()) }
}
