//! liteferry's own tables in the target: what was planned, what is loaded and made, who ran when.
//!
//! One run at a time has a migration: each of its sessions that write shares an advisory lock, so that it is another's
//! only when none of them is left. Behind that, every write happens under the run's epoch: the migration's row is
//! locked FOR SHARE, so that a run that takes over (by raising the epoch) waits for what its predecessor has under way,
//! and the predecessor can commit nothing after that. A chunk's row is inserted before its rows are copied, in the same
//! transaction: whoever inserts the same key waits for a predecessor's commit, and then knows its outcome.

mod archived;
mod chunks;
mod exceptions;
mod high_mark;
mod lease;
mod position;
mod proved;
mod rejects;
mod retaken;
mod runs;
mod touched;

pub use archived::{ArchivedChunk, archived_chunks, forget_archived, note_archived};
pub use chunks::{
    LoadedChunk, claim_chunk, complete_chunk, forget_chunks, gather_chunks, loaded_chunks,
};
pub use exceptions::note_exceptions;
pub use high_mark::{HighMark, high_mark, high_rowids, set_high_mark};
pub use lease::{Lease, guard, is_taken, share, take};
pub use position::{
    Advance, Pace, Paced, Position, advance_position, begin_position, lock_position, position,
    seal_position, unsettle_position,
};
pub use proved::{Proved, begin_round, end_round, forget_proved, note_proved, proof_ages, proved};
pub use rejects::{
    MisfitCount, columns_aside, forget_rejected, misfit_counts, note_misfits, take_rejected,
};
pub use retaken::{forget_retaken, note_retaken, retaken};
pub use runs::{Run, begin_run, end_run, runs};
pub use touched::{forget_rows, keeps_rows, rows_aside};

use super::session::Session;
use crate::error::{Class, Error, Result};
use chunks::{chunk_of, number};
use lease::{LOCK_SPACE, fenced};
use tokio_postgres::Row;

/// The form of these tables; another one is not touched.
const FORMAT: i32 = 14;

const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS liteferry;
CREATE TABLE IF NOT EXISTS liteferry.format (version integer NOT NULL);
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
    writer text NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    paused boolean NOT NULL DEFAULT false,
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
    rejected bigint,
    low_mark bigint,
    last_mark bigint,
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
        session.execute(
            "create the schema liteferry",
            "INSERT INTO liteferry.format SELECT $1 WHERE NOT EXISTS (SELECT FROM liteferry.format)",
            &[&FORMAT],
        )?;
        session.batch("create the schema liteferry", rejects::TABLES)?;
        session.batch("create the schema liteferry", exceptions::TABLES)?;
        session.batch("create the schema liteferry", archived::TABLES)?;
        session.batch("create the schema liteferry", high_mark::TABLES)?;
        session.batch("create the schema liteferry", position::TABLES)?;
        session.batch("create the schema liteferry", proved::TABLES)?;
        session.batch("create the schema liteferry", super::guard::FUNCTION)?;
        // Another liteferry may have been the first.
        check_format(session)?;
    }
    Ok(())
}

/// Whether there is a ledger in this database.
///
/// # Errors
///
/// A ledger of another liteferry: what it says is not understood, and nothing may be added to it.
pub fn exists(session: &Session) -> Result<bool> {
    let rows = session.query(
        "look for the ledger",
        "SELECT to_regclass('liteferry.step') IS NOT NULL",
        &[],
    )?;
    let exists = column(rows.first(), 0)?;
    if exists {
        check_format(session)?;
    }
    Ok(exists)
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

/// A name that nothing else has.
///
/// # Errors
///
/// What the server says.
pub fn random_name(session: &Session) -> Result<String> {
    let sql = "SELECT replace(gen_random_uuid()::text, '-', '')";
    column(session.query("make a name", sql, &[])?.first(), 0)
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

/// Forgets that steps are done, in the caller's transaction: they are done again.
///
/// # Errors
///
/// What the server says.
pub fn forget_steps(session: &Session, lease: Lease, names: &[String]) -> Result<()> {
    let sql = "DELETE FROM liteferry.step WHERE migration = $1 AND name = ANY ($2)";
    session.execute("do steps again", sql, &[&lease.migration, &names]).map(drop)
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

/// Whether somebody has following paused.
///
/// # Errors
///
/// What the server says.
pub fn is_paused(session: &Session, migration: i32) -> Result<bool> {
    let sql = "SELECT paused FROM liteferry.migration WHERE id = $1";
    column(session.query_prepared("read the ledger", sql, &[&migration])?.first(), 0)
}

/// Pauses following, or lets it go on; false where it was so already. Whoever follows need not be asked.
///
/// # Errors
///
/// What the server says.
pub fn set_paused(session: &Session, migration: i32, paused: bool) -> Result<bool> {
    let sql = "UPDATE liteferry.migration SET paused = $2 WHERE id = $1 AND paused <> $2";
    Ok(session.execute("pause following", sql, &[&migration, &paused])? == 1)
}

/// Replaces the plan by one that differs in what is done about misfits.
///
/// # Errors
///
/// What the server says.
pub fn set_plan(session: &Session, lease: Lease, plan: &str, hash: &str) -> Result<()> {
    let sql =
        "UPDATE liteferry.migration SET plan = $3, plan_hash = $4 WHERE id = $1 AND epoch = $2";
    let updated = session.execute(
        "write the plan to the ledger",
        sql,
        &[&lease.migration, &lease.epoch, &plan, &hash],
    )?;
    if updated == 1 { Ok(()) } else { Err(fenced()) }
}

/// Replaces the SQL that drops what is created, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn set_drop_sql(session: &Session, lease: Lease, drop_sql: &str) -> Result<()> {
    let sql = "UPDATE liteferry.migration SET drop_sql = $2 WHERE id = $1";
    session.execute("write the plan to the ledger", sql, &[&lease.migration, &drop_sql]).map(drop)
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

/// One value of a row of the ledger.
pub(in crate::store::postgres) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
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
