//! Files of the archive that have the rows of chunks, and that no generation names yet.

use super::super::session::Session;
use super::{Lease, chunk_of, column, number};
use crate::error::Result;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS liteferry.archived (
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    table_name text NOT NULL,
    chunk integer NOT NULL,
    files text NOT NULL,
    PRIMARY KEY (migration, table_name, chunk)
)";

/// The files of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedChunk {
    /// The target table's name.
    pub table: String,
    /// The chunk's number.
    pub chunk: usize,
    /// Its files, as the archive names them.
    pub files: String,
}

/// Notes the files of a chunk in the caller's transaction, in the place of those that were noted of it.
///
/// # Errors
///
/// What the server says.
pub fn note_archived(
    session: &Session,
    lease: Lease,
    table: &str,
    chunk: usize,
    files: &str,
) -> Result<()> {
    let sql = "INSERT INTO liteferry.archived (migration, table_name, chunk, files) VALUES ($1, $2, $3, $4)
         ON CONFLICT (migration, table_name, chunk) DO UPDATE SET files = excluded.files";
    let chunk = number(chunk)?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&lease.migration, &table, &chunk, &files];
    session.execute("note the files of a chunk", sql, &values).map(drop)
}

/// All chunks with files that no generation names yet.
///
/// # Errors
///
/// What the server says.
pub fn archived_chunks(session: &Session, migration: i32) -> Result<Vec<ArchivedChunk>> {
    let sql = "SELECT table_name, chunk, files FROM liteferry.archived
         WHERE migration = $1 ORDER BY table_name, chunk";
    let rows = session.query("read the ledger", sql, &[&migration])?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            let (table, chunk) = (column(row, 0)?, chunk_of(column(row, 1)?)?);
            Ok(ArchivedChunk { table, chunk, files: column(row, 2)? })
        })
        .collect()
}

/// Forgets the files of all chunks in the caller's transaction: a generation names them now.
///
/// # Errors
///
/// What the server says.
pub fn forget_archived(session: &Session, lease: Lease) -> Result<()> {
    let sql = "DELETE FROM liteferry.archived WHERE migration = $1";
    session.execute("forget the files of chunks", sql, &[&lease.migration]).map(drop)
}
