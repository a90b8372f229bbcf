//! liteferry's own tables in the target: what was planned, what is loaded and made, who ran when.
//!
//! One run at a time has a migration: each of its sessions that write shares an advisory lock, so that it is another's
//! only when none of them is left. Behind that, every write happens under the run's epoch: the migration's row is
//! locked FOR SHARE, so that a run that takes over (by raising the epoch) waits for what its predecessor has under way,
//! and the predecessor can commit nothing after that. A chunk's row is inserted before its rows are copied, in the same
//! transaction: whoever inserts the same key waits for a predecessor's commit, and then knows its outcome.

use super::session::Session;
use crate::error::{Class, Error, Result};
use crate::model::DigestSum;
use tokio_postgres::Row;

/// The form of these tables; another one is not touched.
const FORMAT: i32 = 1;

/// The first half of the advisory lock that a run holds: "lfer".
const LOCK_SPACE: i32 = 0x6c66_6572;

const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS liteferry;
CREATE TABLE IF NOT EXISTS liteferry.format (version integer NOT NULL);
INSERT INTO liteferry.format SELECT 1 WHERE NOT EXISTS (SELECT FROM liteferry.format);
CREATE TABLE IF NOT EXISTS liteferry.migration (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    target_schema text NOT NULL,
    source_path text NOT NULL,
    source_stamp text NOT NULL,
    plan text NOT NULL,
    plan_hash text NOT NULL,
    drop_sql text NOT NULL,
    phase text NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, target_schema)
);
CREATE TABLE IF NOT EXISTS liteferry.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    epoch bigint NOT NULL,
    command text NOT NULL,
    version text NOT NULL,
    plan_hash text NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text,
    exit_code integer,
    UNIQUE (migration, epoch)
);
CREATE TABLE IF NOT EXISTS liteferry.chunk (
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    table_name text NOT NULL,
    chunk integer NOT NULL,
    epoch bigint NOT NULL,
    rows bigint,
    digest bytea,
    groups bytea,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, table_name, chunk)
);
CREATE TABLE IF NOT EXISTS liteferry.step (
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    name text NOT NULL,
    epoch bigint NOT NULL,
    note text,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, name)
)";

/// What the ledger knows of one migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Its number in this database.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// The schema it writes to.
    pub target_schema: String,
    /// The source file's path when it began.
    pub source_path: String,
    /// The source file's stamp, as JSON.
    pub source_stamp: String,
    /// The plan, as JSON.
    pub plan: String,
    /// The plan's hash.
    pub plan_hash: String,
    /// The SQL that drops exactly what was created.
    pub drop_sql: String,
    /// How far it has come.
    pub phase: String,
}

/// What is written when a migration begins.
#[derive(Debug, Clone, Copy)]
pub struct NewMigration<'a> {
    /// Its name.
    pub name: &'a str,
    /// The schema it writes to.
    pub target_schema: &'a str,
    /// The source file's path.
    pub source_path: &'a str,
    /// The source file's stamp, as JSON.
    pub source_stamp: &'a str,
    /// The plan, as JSON.
    pub plan: &'a str,
    /// The plan's hash.
    pub plan_hash: &'a str,
    /// The SQL that drops exactly what is created.
    pub drop_sql: &'a str,
}

/// The right to write for one migration, until another run takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The migration.
    pub migration: i32,
    /// The run's epoch.
    pub epoch: i64,
}

/// One chunk that is loaded.
#[derive(Debug, Clone)]
pub struct LoadedChunk {
    /// The source table's name.
    pub table: String,
    /// The chunk's number.
    pub chunk: usize,
    /// Its rows and their sum.
    pub sum: DigestSum,
    /// The sums of its groups.
    pub groups: Vec<u8>,
}

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

/// Creates the ledger's tables where there are none, in the caller's transaction.
///
/// # Errors
///
/// A ledger of another liteferry, or no right to create one.
pub fn install(session: &Session) -> Result<()> {
    if !exists(session)? {
        // Two first runs at once: CREATE IF NOT EXISTS alone would fail for one of them.
        session.execute(
            "lock the ledger",
            "SELECT pg_advisory_xact_lock($1, 0)",
            &[&LOCK_SPACE],
        )?;
        session.batch("create the schema liteferry", TABLES)?;
    }
    check_format(session)
}

/// Whether there is a ledger in this database.
///
/// # Errors
///
/// What the server says.
pub fn exists(session: &Session) -> Result<bool> {
    let rows = session.query(
        "look for the ledger",
        "SELECT to_regclass('liteferry.step') IS NOT NULL",
        &[],
    )?;
    column(rows.first(), 0)
}

fn check_format(session: &Session) -> Result<()> {
    let rows = session.query("read the ledger", "SELECT version FROM liteferry.format", &[])?;
    let format: i32 = column(rows.first(), 0)?;
    if format == FORMAT {
        return Ok(());
    }
    Err(Error::new(
        Class::Undecided,
        format!("the ledger has format {format}, this liteferry knows format {FORMAT}"),
    )
    .todo("go on with the version of liteferry that began this migration"))
}

const MIGRATION_COLUMNS: &str =
    "id, name, target_schema, source_path, source_stamp, plan, plan_hash, drop_sql, phase";

/// All migrations of this database, oldest first.
///
/// # Errors
///
/// What the server says.
pub fn migrations(session: &Session) -> Result<Vec<Migration>> {
    let sql = format!("SELECT {MIGRATION_COLUMNS} FROM liteferry.migration ORDER BY id");
    session.query("read the ledger", &sql, &[])?.iter().map(migration).collect()
}

/// The migration of this name into this schema, if it has begun.
///
/// # Errors
///
/// What the server says.
pub fn find(session: &Session, name: &str, target_schema: &str) -> Result<Option<Migration>> {
    let sql = format!(
        "SELECT {MIGRATION_COLUMNS} FROM liteferry.migration WHERE name = $1 AND target_schema = $2"
    );
    session
        .query("read the ledger", &sql, &[&name, &target_schema])?
        .first()
        .map(migration)
        .transpose()
}

fn migration(row: &Row) -> Result<Migration> {
    let row = Some(row);
    Ok(Migration {
        id: column(row, 0)?,
        name: column(row, 1)?,
        target_schema: column(row, 2)?,
        source_path: column(row, 3)?,
        source_stamp: column(row, 4)?,
        plan: column(row, 5)?,
        plan_hash: column(row, 6)?,
        drop_sql: column(row, 7)?,
        phase: column(row, 8)?,
    })
}

/// Writes down a migration that begins, in the caller's transaction; false if it has begun already, by another run or
/// by this one before it lost its connection.
///
/// # Errors
///
/// What the server says.
pub fn begin(session: &Session, new: &NewMigration<'_>) -> Result<bool> {
    let begun = session.execute(
        "write the plan to the ledger",
        "INSERT INTO liteferry.migration
            (name, target_schema, source_path, source_stamp, plan, plan_hash, drop_sql, phase)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'planned') ON CONFLICT DO NOTHING",
        &[
            &new.name,
            &new.target_schema,
            &new.source_path,
            &new.source_stamp,
            &new.plan,
            &new.plan_hash,
            &new.drop_sql,
        ],
    )?;
    Ok(begun == 1)
}

/// Takes the migration from whoever had it: raises the epoch while no session of another run lives, and holds the lock
/// from then on.
///
/// # Errors
///
/// [`Class::Held`] while another run has it.
pub fn take(session: &Session, migration: i32) -> Result<Lease> {
    within(session, migration, TAKE_PATIENCE, || {
        advisory(session, "pg_advisory_lock", migration)?;
        let rows = session.query(
            "take the migration",
            "UPDATE liteferry.migration SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch",
            &[&migration],
        )?;
        advisory(session, "pg_advisory_lock_shared", migration)?;
        advisory(session, "pg_advisory_unlock", migration)?;
        Ok(Lease { migration, epoch: column(rows.first(), 0)? })
    })
}

/// Holds the lock in another session of the run that took the migration.
///
/// # Errors
///
/// [`Class::Held`] where another run took the migration meanwhile.
pub fn share(session: &Session, lease: Lease) -> Result<()> {
    within(session, lease.migration, SHARE_PATIENCE, || {
        advisory(session, "pg_advisory_lock_shared", lease.migration)
    })?;
    let sql = "SELECT epoch FROM liteferry.migration WHERE id = $1";
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

fn fenced() -> Error {
    held("another run took this migration over while this one had lost its connection")
}

/// Locks the lease's row until the transaction ends.
///
/// # Errors
///
/// [`Class::Held`] where another run took the migration.
pub fn guard(session: &Session, lease: Lease) -> Result<()> {
    let sql = "SELECT 1 FROM liteferry.migration WHERE id = $1 AND epoch = $2 FOR SHARE";
    let rows = session.query("check the lease", sql, &[&lease.migration, &lease.epoch])?;
    if rows.len() == 1 { Ok(()) } else { Err(fenced()) }
}

/// Claims a chunk in the caller's transaction; false if it is loaded already.
///
/// # Errors
///
/// What the server says.
pub fn claim_chunk(session: &Session, lease: Lease, table: &str, chunk: usize) -> Result<bool> {
    let claimed = session.execute(
        "claim a chunk",
        "INSERT INTO liteferry.chunk (migration, table_name, chunk, epoch) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        &[&lease.migration, &table, &number(chunk)?, &lease.epoch],
    )?;
    Ok(claimed == 1)
}

/// Completes a claimed chunk in the same transaction.
///
/// # Errors
///
/// What the server says.
pub fn complete_chunk(session: &Session, lease: Lease, loaded: &LoadedChunk) -> Result<()> {
    let rows = i64::try_from(loaded.sum.rows)
        .map_err(|error| Error::internal("too many rows").because(error))?;
    let completed = session.execute(
        "note a chunk as loaded",
        "UPDATE liteferry.chunk SET rows = $4, digest = $5, groups = $6
         WHERE migration = $1 AND table_name = $2 AND chunk = $3",
        &[
            &lease.migration,
            &loaded.table,
            &number(loaded.chunk)?,
            &rows,
            &loaded.sum.bytes().as_slice(),
            &loaded.groups,
        ],
    )?;
    if completed == 1 {
        Ok(())
    } else {
        Err(Error::internal("a claimed chunk is gone from the ledger"))
    }
}

/// All chunks that are loaded.
///
/// # Errors
///
/// What the server says.
pub fn loaded_chunks(session: &Session, migration: i32) -> Result<Vec<LoadedChunk>> {
    let sql =
        "SELECT table_name, chunk, rows, digest, groups FROM liteferry.chunk WHERE migration = $1
               ORDER BY table_name, chunk";
    let rows = session.query("read the ledger", sql, &[&migration])?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            let digest: Vec<u8> = column(row, 3)?;
            let digest =
                digest.try_into().map_err(|_other_length| damaged("a digest of a wrong length"))?;
            Ok(LoadedChunk {
                table: column(row, 0)?,
                chunk: usize::try_from(column::<i32>(row, 1)?)
                    .map_err(|_out_of_range| damaged("a negative chunk"))?,
                sum: DigestSum::from_parts(
                    u64::try_from(column::<i64>(row, 2)?)
                        .map_err(|_out_of_range| damaged("negative rows"))?,
                    digest,
                ),
                groups: column(row, 4)?,
            })
        })
        .collect()
}

/// The names of the steps that are done, with their notes.
///
/// # Errors
///
/// What the server says.
pub fn done_steps(session: &Session, migration: i32) -> Result<Vec<(String, Option<String>)>> {
    let sql = "SELECT name, note FROM liteferry.step WHERE migration = $1";
    let rows = session.query("read the ledger", sql, &[&migration])?;
    rows.iter().map(|row| Ok((column(Some(row), 0)?, column(Some(row), 1)?))).collect()
}

/// The note of a step that is done, if there is one.
///
/// # Errors
///
/// What the server says.
pub fn note_of(session: &Session, migration: i32, step: &str) -> Result<Option<String>> {
    let sql = "SELECT note FROM liteferry.step WHERE migration = $1 AND name = $2";
    let rows = session.query("read the ledger", sql, &[&migration, &step])?;
    rows.first().map_or(Ok(None), |row| column(Some(row), 0))
}

/// Notes a step as done in the caller's transaction; false if it was done before.
///
/// # Errors
///
/// What the server says.
pub fn complete_step(
    session: &Session,
    lease: Lease,
    name: &str,
    note: Option<&str>,
) -> Result<bool> {
    let noted = session.execute(
        "note a step as done",
        "INSERT INTO liteferry.step (migration, name, epoch, note) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[&lease.migration, &name, &lease.epoch, &note],
    )?;
    Ok(noted == 1)
}

/// Notes how far the migration has come.
///
/// # Errors
///
/// What the server says.
pub fn set_phase(session: &Session, lease: Lease, phase: &str) -> Result<()> {
    let sql = "UPDATE liteferry.migration SET phase = $3 WHERE id = $1 AND epoch = $2";
    let updated =
        session.execute("note the phase", sql, &[&lease.migration, &lease.epoch, &phase])?;
    if updated == 1 { Ok(()) } else { Err(fenced()) }
}

/// Notes that the source's stamp changed although its content did not.
///
/// # Errors
///
/// What the server says.
pub fn set_stamp(session: &Session, lease: Lease, stamp: &str) -> Result<()> {
    let sql = "UPDATE liteferry.migration SET source_stamp = $3 WHERE id = $1 AND epoch = $2";
    let updated = session.execute(
        "note the source's stamp",
        sql,
        &[&lease.migration, &lease.epoch, &stamp],
    )?;
    if updated == 1 { Ok(()) } else { Err(fenced()) }
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

fn number(chunk: usize) -> Result<i32> {
    i32::try_from(chunk).map_err(|error| Error::internal("too many chunks").because(error))
}

/// One value of a row of the ledger.
pub(super) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: Option<&'r Row>,
    position: usize,
) -> Result<T> {
    row.ok_or_else(|| damaged("a row is missing"))?
        .try_get(position)
        .map_err(|error| damaged("a value is of another type").because(error))
}

fn damaged(what: &str) -> Error {
    Error::new(Class::Internal, format!("the ledger is damaged: {what}"))
        .todo("somebody changed the tables in the schema liteferry: drop what was created and begin again")
}
