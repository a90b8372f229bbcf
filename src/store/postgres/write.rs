//! Loading: one chunk, one transaction, by COPY BINARY, with its ledger row first.

use super::define;
use super::ledger::{self, Lease, LoadedChunk};
use super::session::Session;
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::model::{Column, FormException, Misfit, TableSchema};
use crate::pipeline::Spool;
use crate::pipeline::failpoint::{Step, reach};
use crate::row::{COPY_HEADER, COPY_TRAILER};
use bytes::Bytes;
use futures_util::SinkExt;
use std::pin::Pin;
use tokio_postgres::CopyInSink;

/// A chunk may wait for the unique key of another one, whose worker waits for its turn in the source: that circle the server
/// does not see.
const BEGIN_BOUNDED: &str = "BEGIN; SET LOCAL lock_timeout = '1min'";

/// Loads a chunk under a lease: `copy` writes the tuples and says what they were. False if the chunk was loaded before.
///
/// # Errors
///
/// What `copy` or the server says; the transaction is rolled back, and the session is used no more.
pub fn load_chunk(
    session: &Session,
    lease: Lease,
    table: &TableSchema,
    chunk: usize,
    copy: impl FnOnce(&mut CopyWriter<'_>) -> Result<Copied>,
) -> Result<bool> {
    session.batch("begin a transaction", BEGIN_BOUNDED)?;
    ledger::guard(session, lease)?;
    if !ledger::claim_chunk(session, lease, &table.target, chunk)? {
        session.batch("roll back", "ROLLBACK")?;
        return Ok(false);
    }
    reach(Step::ChunkClaimed);
    copy_all(session, lease, table, copy)?;
    reach(Step::ChunkCompleted);
    session.batch("commit", "COMMIT")?;
    reach(Step::ChunkCommitted);
    Ok(true)
}

/// Loads those rows of a chunk that were set aside and may fit now: `copy` is given their names, in the source's order.
///
/// # Errors
///
/// As [`load_chunk`].
pub fn load_rejected(
    session: &Session,
    lease: Lease,
    table: &TableSchema,
    chunk: usize,
    silence: &Silence,
    copy: impl FnOnce(&mut CopyWriter<'_>, Spool<Vec<u8>>) -> Result<Copied>,
) -> Result<()> {
    session.batch("begin a transaction", "BEGIN")?;
    ledger::guard(session, lease)?;
    let rows = ledger::take_rejected(session, lease, &table.target, chunk)?;
    if rows.is_empty() {
        return session.batch("roll back", "ROLLBACK");
    }
    define::make(session, silence.before.iter().map(String::as_str))?;
    copy_all(session, lease, table, |writer| copy(writer, rows))?;
    define::make(session, silence.after.iter().map(String::as_str))?;
    reach(Step::RejectsLoaded);
    session.batch("commit", "COMMIT")
}

/// What is done around rows that come late: the triggers of their table do not fire, and its sequences stay behind none.
#[derive(Debug, Default)]
pub struct Silence {
    /// Statements that silence triggers.
    pub before: Vec<String>,
    /// Statements that let them fire again, and raise sequences, in the same transaction.
    pub after: Vec<String>,
}

/// What was copied.
#[derive(Debug)]
pub struct Copied {
    /// The chunk as it is now.
    pub loaded: LoadedChunk,
    /// Rows that were sent.
    pub sent: u64,
    /// Cells that did not fit.
    pub misfits: Spool<Misfit>,
    /// Cells that are written otherwise than their columns' forms say.
    pub exceptions: Spool<FormException>,
    /// The files of the archive that have these rows, as it names them; none where there is no archive.
    pub archived: Option<String>,
}

/// Copies rows, and completes their chunk in the ledger.
fn copy_all(
    session: &Session,
    lease: Lease,
    table: &TableSchema,
    copy: impl FnOnce(&mut CopyWriter<'_>) -> Result<Copied>,
) -> Result<()> {
    let mut writer = CopyWriter::begin(session, &copy_sql(&relation(table), loaded(table)))?;
    reach(Step::CopyBegun);
    let Copied { loaded, sent, misfits, exceptions, archived } = copy(&mut writer)?;
    let taken = writer.finish()?;
    reach(Step::CopyEnded);
    if taken != sent {
        let what = format!("{sent} rows were sent, and the server took {taken}");
        return Err(Error::new(Class::NotEqual, what).todo(
            "look for a trigger of the target's table that leaves rows out, and disable it",
        ));
    }
    ledger::note_misfits(session, lease, table, loaded.chunk, misfits)?;
    ledger::note_exceptions(session, lease, table, loaded.chunk, exceptions)?;
    if let Some(files) = &archived {
        ledger::note_archived(session, lease, &table.target, loaded.chunk, files)?;
    }
    ledger::complete_chunk(session, lease, &loaded)
}

/// A COPY into a table; dropped before its end, it takes its transaction with it.
pub struct CopyWriter<'s> {
    session: &'s Session,
    sink: Pin<Box<CopyInSink<Bytes>>>,
}

impl<'s> CopyWriter<'s> {
    /// Begins what [`copy_sql`] gave.
    pub(super) fn begin(session: &'s Session, sql: &str) -> Result<Self> {
        let statement = session.prepared("begin a COPY", sql)?;
        let sink = session.wait("begin a COPY", session.client().copy_in(&statement))?;
        let mut writer = Self { session, sink: Box::pin(sink) };
        writer.write(Bytes::from_static(&COPY_HEADER))?;
        Ok(writer)
    }

    /// Sends the next tuples.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn write(&mut self, tuples: Bytes) -> Result<()> {
        self.session.wait("send rows", self.sink.send(tuples))
    }

    /// Ends it, and gives how many rows the server took.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.write(Bytes::from_static(&COPY_TRAILER))?;
        self.session.wait("end a COPY", self.sink.as_mut().finish())
    }
}

impl std::fmt::Debug for CopyWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CopyWriter")
    }
}

/// The statement that takes the values of these columns into a relation, which is given as SQL.
pub(super) fn copy_sql<'c>(
    relation: &str,
    columns: impl IntoIterator<Item = &'c Column>,
) -> String {
    format!("COPY {relation} ({}) FROM STDIN (FORMAT binary)", named(columns))
}

/// The columns that are loaded: the target computes the others.
pub(super) fn loaded(table: &TableSchema) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| !column.computed)
}

/// The target table's quoted name.
pub(super) fn relation(table: &TableSchema) -> String {
    format!("{}.{}", quoted(&table.target_schema), quoted(&table.target))
}

/// The quoted names of all columns, in order.
pub(super) fn columns(table: &TableSchema) -> String {
    named(&table.columns)
}

/// The quoted names of columns, in order.
pub(super) fn named<'c>(columns: impl IntoIterator<Item = &'c Column>) -> String {
    columns.into_iter().map(|column| quoted(&column.target)).collect::<Vec<_>>().join(", ")
}
