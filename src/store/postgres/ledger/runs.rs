//! Who ran when, and how it ended.

use super::super::session::Session;
use super::{Lease, column};
use crate::error::Result;

/// One run, as `status --history` shows it.
#[derive(Debug, Clone)]
pub struct Run {
    /// The migration's name.
    pub migration: String,
    /// What was asked for.
    pub command: String,
    /// liteferry's version.
    pub version: String,
    /// The plan's hash.
    pub plan_hash: String,
    /// Where it ran.
    pub host: String,
    /// Its process.
    pub pid: i64,
    /// When it began, by the server's clock.
    pub started_at: String,
    /// How long it took, in seconds; none while it runs or where it died.
    pub seconds: Option<f64>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i32>,
}

/// Writes down that a run begins, once for its epoch.
///
/// # Errors
///
/// What the server says.
pub fn begin_run(session: &Session, lease: Lease, command: &str, plan_hash: &str) -> Result<i64> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let rows = session.query(
        "write the run to the ledger",
        "INSERT INTO liteferry.run (migration, epoch, command, version, plan_hash, host, pid)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (migration, epoch) DO UPDATE SET pid = excluded.pid RETURNING id",
        &[
            &lease.migration,
            &lease.epoch,
            &command,
            &env!("CARGO_PKG_VERSION"),
            &plan_hash,
            &host,
            &i64::from(std::process::id()),
        ],
    )?;
    column(rows.first(), 0)
}

/// Writes down how a run ended.
///
/// # Errors
///
/// What the server says.
pub fn end_run(session: &Session, run: i64, outcome: &str, exit_code: u8) -> Result<()> {
    let sql = "UPDATE liteferry.run SET ended_at = clock_timestamp(), outcome = $2, exit_code = $3 WHERE id = $1";
    session
        .execute("write the run to the ledger", sql, &[&run, &outcome, &i32::from(exit_code)])
        .map(drop)
}

/// All runs, newest first.
///
/// # Errors
///
/// What the server says.
pub fn runs(session: &Session, limit: i64) -> Result<Vec<Run>> {
    let rows = session.query(
        "read the ledger",
        "SELECT m.name, r.command, r.version, r.plan_hash, r.host, r.pid,
                to_char(r.started_at, 'YYYY-MM-DD HH24:MI:SS TZ'),
                extract(epoch FROM r.ended_at - r.started_at)::float8, r.outcome, r.exit_code
         FROM liteferry.run r JOIN liteferry.migration m ON m.id = r.migration ORDER BY r.id DESC LIMIT $1",
        &[&limit],
    )?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            Ok(Run {
                migration: column(row, 0)?,
                command: column(row, 1)?,
                version: column(row, 2)?,
                plan_hash: column(row, 3)?,
                host: column(row, 4)?,
                pid: column(row, 5)?,
                started_at: column(row, 6)?,
                seconds: column(row, 7)?,
                outcome: column(row, 8)?,
                exit_code: column(row, 9)?,
            })
        })
        .collect()
}
