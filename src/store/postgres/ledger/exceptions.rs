//! Cells that the source writes otherwise than their columns' forms say, each with its exact bytes: what the way back
//! needs beside the target's rows.

use super::super::session::Session;
use super::{Lease, number};
use crate::error::Result;
use crate::model::{FormException, TableSchema};
use crate::pipeline::Spool;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS liteferry.form_exception (
    migration integer NOT NULL,
    table_name text NOT NULL,
    chunk integer NOT NULL,
    row_key bytea NOT NULL,
    column_name text NOT NULL,
    storage_class text NOT NULL,
    value bytea NOT NULL,
    FOREIGN KEY (migration, table_name, chunk) REFERENCES liteferry.chunk ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS form_exception_row ON liteferry.form_exception (migration, table_name, chunk);
CREATE INDEX IF NOT EXISTS form_exception_name ON liteferry.form_exception (migration, table_name, sha256(row_key))";

/// Exceptions in one statement, and their bytes; a larger value goes alone.
const ROWS_AT_ONCE: usize = 4096;
const BYTES_AT_ONCE: u64 = 1024 * 1024;

/// Notes exceptions in the caller's transaction.
///
/// # Errors
///
/// What the server says; a temporary file that cannot be read.
pub fn note_exceptions(
    session: &Session,
    lease: Lease,
    table: &TableSchema,
    chunk: usize,
    exceptions: Spool<FormException>,
) -> Result<()> {
    let mut exceptions = exceptions.read()?;
    loop {
        let some = exceptions.next_some(ROWS_AT_ONCE, BYTES_AT_ONCE)?;
        if some.is_empty() {
            return Ok(());
        }
        let name = |one: &FormException| table.columns.get(one.column).map(|c| c.target.as_str());
        let keys: Vec<_> = some.iter().map(|one| one.row.to_bytes()).collect();
        let columns: Vec<_> = some.iter().map(|one| name(one).unwrap_or_default()).collect();
        let classes: Vec<_> = some.iter().map(|one| one.cell.class.name()).collect();
        let values: Vec<_> = some.iter().map(|one| one.cell.bytes.as_slice()).collect();
        session.execute(
            "note how values are written",
            "INSERT INTO liteferry.form_exception
                (migration, table_name, chunk, row_key, column_name, storage_class, value)
             SELECT $1, $2, $3, * FROM unnest ($4::bytea[], $5::text[], $6::text[], $7::bytea[])",
            &[&lease.migration, &table.target, &number(chunk)?, &keys, &columns, &classes, &values],
        )?;
    }
}
