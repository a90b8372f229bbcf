//! The chunks that are loaded, each with its sums.

use super::super::session::Session;
use super::{Lease, column, damaged};
use crate::error::{Error, Result};
use crate::model::DigestSum;

/// One chunk that is loaded.
#[derive(Debug, Clone)]
pub struct LoadedChunk {
    /// The target table's name: the source's may be longer than an index of the ledger holds.
    pub table: String,
    /// The chunk's number.
    pub chunk: usize,
    /// Its rows and their sum.
    pub sum: DigestSum,
    /// The sums of its groups.
    pub groups: Vec<u8>,
    /// Rows that were set aside.
    pub rejected: u64,
    /// The highest touch of the changelog in the state from which it was read; none for a source at rest.
    pub low_mark: Option<i64>,
    /// The same of the last state, where it was read from several, piece by piece.
    pub last_mark: Option<i64>,
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
        "UPDATE liteferry.chunk SET rows = $4, digest = $5, groups = $6, rejected = $7, low_mark = $8, last_mark = $9
         WHERE migration = $1 AND table_name = $2 AND chunk = $3",
        &[
            &lease.migration,
            &loaded.table,
            &number(loaded.chunk)?,
            &rows,
            &loaded.sum.bytes().as_slice(),
            &loaded.groups,
            &i64::try_from(loaded.rejected).unwrap_or(i64::MAX),
            &loaded.low_mark,
            &loaded.last_mark,
        ],
    )?;
    if completed == 1 {
        Ok(())
    } else {
        Err(Error::internal("a claimed chunk is gone from the ledger"))
    }
}

/// Replaces the sums of all chunks of a table by those of one of them, which must be [claimed](claim_chunk), in the
/// caller's transaction. The other chunks stay, without rows: what is kept of single rows belongs to them.
///
/// # Errors
///
/// What the server says.
pub fn gather_chunks(session: &Session, lease: Lease, loaded: &LoadedChunk) -> Result<()> {
    let none = DigestSum::default();
    session.execute(
        "gather the chunks of a table",
        "UPDATE liteferry.chunk SET rows = 0, digest = $3, groups = '', rejected = 0
         WHERE migration = $1 AND table_name = $2",
        &[&lease.migration, &loaded.table, &none.bytes().as_slice()],
    )?;
    complete_chunk(session, lease, loaded)
}

/// All chunks that are loaded.
///
/// # Errors
///
/// What the server says.
pub fn loaded_chunks(session: &Session, migration: i32) -> Result<Vec<LoadedChunk>> {
    let sql =
        "SELECT table_name, chunk, rows, digest, groups, rejected, low_mark, last_mark FROM liteferry.chunk
               WHERE migration = $1 ORDER BY table_name, chunk";
    let rows = session.query("read the ledger", sql, &[&migration])?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            let digest: Vec<u8> = column(row, 3)?;
            let digest =
                digest.try_into().map_err(|_other_length| damaged("a digest of a wrong length"))?;
            Ok(LoadedChunk {
                table: column(row, 0)?,
                chunk: chunk_of(column(row, 1)?)?,
                sum: DigestSum::from_parts(
                    u64::try_from(column::<i64>(row, 2)?)
                        .map_err(|_out_of_range| damaged("negative rows"))?,
                    digest,
                ),
                groups: column(row, 4)?,
                rejected: column::<i64>(row, 5)?.unsigned_abs(),
                low_mark: column(row, 6)?,
                last_mark: column(row, 7)?,
            })
        })
        .collect()
}

/// Forgets the chunks of a table, what was set aside of it, how far it has grown, and what was proved of it, in the
/// caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn forget_chunks(session: &Session, lease: Lease, table: &str) -> Result<()> {
    for known in ["chunk", "archived", "high_mark", "proved", "proving"] {
        let sql = format!("DELETE FROM liteferry.{known} WHERE migration = $1 AND table_name = $2");
        session.execute("load a table again", &sql, &[&lease.migration, &table])?;
    }
    Ok(())
}

/// A chunk's number as the ledger has it.
pub(super) fn chunk_of(number: i32) -> Result<usize> {
    usize::try_from(number).map_err(|_out_of_range| damaged("a negative chunk"))
}

pub(super) fn number(chunk: usize) -> Result<i32> {
    i32::try_from(chunk).map_err(|error| Error::internal("too many chunks").because(error))
}
