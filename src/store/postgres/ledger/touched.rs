//! What the ledger keeps of single rows: how many are set aside, and forgotten when they are touched.

use super::super::session::Session;
use super::{Lease, column};
use crate::error::Result;

/// Whether anything is kept of single rows of a table.
///
/// # Errors
///
/// What the server says.
pub fn keeps_rows(session: &Session, lease: Lease, table: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM liteferry.reject WHERE migration = $1 AND table_name = $2)
               OR EXISTS (SELECT FROM liteferry.form_exception WHERE migration = $1 AND table_name = $2)";
    column(session.query("read the ledger", sql, &[&lease.migration, &table])?.first(), 0)
}

/// How many rows of each table are set aside, by the target's names; tables without such rows are left out.
///
/// # Errors
///
/// What the server says.
pub fn rows_aside(session: &Session, migration: i32) -> Result<Vec<(String, u64)>> {
    let rows = session.query("read the ledger", ROWS_ASIDE, &[&migration])?;
    let read = |row| Ok((column(Some(row), 0)?, column::<i64>(Some(row), 1)?.unsigned_abs()));
    rows.iter().map(read).collect()
}

/// Rows that have nothing of their own may have one name: such a row begins where a column comes again.
const ROWS_ASIDE: &str = "
WITH cells AS (
    SELECT table_name, chunk, row_key,
           row_number() OVER (PARTITION BY table_name, chunk, row_key, column_name ORDER BY position) AS time
    FROM liteferry.reject WHERE migration = $1 AND policy = 'reject'
)
SELECT table_name, count(*) FROM (SELECT DISTINCT table_name, chunk, row_key, time FROM cells) AS aside
GROUP BY table_name ORDER BY table_name";

/// Forgets what is kept of rows of these names, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn forget_rows(session: &Session, lease: Lease, table: &str, names: &[Vec<u8>]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    for kept in ["reject", "form_exception"] {
        // By a hash, as the index has them: a row's name may be larger than an index takes.
        let sql = format!(
            "DELETE FROM liteferry.{kept} AS kept USING unnest($3::bytea[]) AS touched (name)
             WHERE kept.migration = $1 AND kept.table_name = $2
             AND sha256(kept.row_key) = sha256(touched.name) AND kept.row_key = touched.name"
        );
        session.execute("forget what rows were", &sql, &[&lease.migration, &table, &names])?;
    }
    Ok(())
}
