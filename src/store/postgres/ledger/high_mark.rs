//! Tables that only grow: up to which rowid of the source their rows are applied. A row that was set aside is behind the
//! mark too, though the target does not have it.

use super::super::session::Session;
use super::{Lease, column};
use crate::error::Result;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS liteferry.high_mark (
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    table_name text NOT NULL,
    rowid bigint NOT NULL,
    PRIMARY KEY (migration, table_name)
)";

/// The mark of a table; none where it was not noted yet.
///
/// # Errors
///
/// What the server says.
pub fn high_mark(session: &Session, lease: Lease, table: &str) -> Result<Option<i64>> {
    let sql = "SELECT rowid FROM liteferry.high_mark WHERE migration = $1 AND table_name = $2";
    let rows = session.query_prepared("read the ledger", sql, &[&lease.migration, &table])?;
    rows.first().map(|row| column(Some(row), 0)).transpose()
}

/// Notes the mark of a table, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn set_high_mark(session: &Session, lease: Lease, table: &str, rowid: i64) -> Result<()> {
    let sql = "INSERT INTO liteferry.high_mark (migration, table_name, rowid) VALUES ($1, $2, $3)
               ON CONFLICT (migration, table_name) DO UPDATE SET rowid = excluded.rowid";
    session.execute_prepared("note a high mark", sql, &[&lease.migration, &table, &rowid]).map(drop)
}
