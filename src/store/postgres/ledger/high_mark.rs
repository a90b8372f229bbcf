//! Tables that only grow: up to which rowid of the source their rows are applied. A row that was set aside is behind the
//! mark too, though the target does not have it.

use super::super::session::Session;
use super::{Lease, column};
use crate::error::Result;
use std::collections::BTreeMap;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS liteferry.high_mark (
    migration integer NOT NULL REFERENCES liteferry.migration ON DELETE CASCADE,
    table_name text NOT NULL,
    rowid bigint NOT NULL,
    sealed bigint,
    nonce text NOT NULL,
    PRIMARY KEY (migration, table_name)
);
COMMENT ON COLUMN liteferry.high_mark.sealed IS 'Where it was when the nonce of the changelog was made.'";

/// How far a table is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HighMark {
    /// The highest rowid.
    pub rowid: i64,
    /// The highest one when the changelog's nonce was made: every file of that nonce has the same rows up to there. None
    /// where the table had no row.
    pub sealed: Option<i64>,
}

/// The mark of a table, where the changelog has this nonce; none where it was not noted yet.
///
/// # Errors
///
/// What the server says.
pub fn high_mark(
    session: &Session,
    lease: Lease,
    table: &str,
    nonce: &str,
) -> Result<Option<HighMark>> {
    let sql =
        "SELECT rowid, CASE WHEN nonce = $3 THEN sealed ELSE rowid END FROM liteferry.high_mark
               WHERE migration = $1 AND table_name = $2";
    let rows =
        session.query_prepared("read the ledger", sql, &[&lease.migration, &table, &nonce])?;
    let read = |row| Ok(HighMark { rowid: column(Some(row), 0)?, sealed: column(Some(row), 1)? });
    rows.first().map(read).transpose()
}

/// The highest rowid that is applied, of each table that has a mark.
///
/// # Errors
///
/// What the server says.
pub fn high_rowids(session: &Session, migration: i32) -> Result<BTreeMap<String, i64>> {
    let sql = "SELECT table_name, rowid FROM liteferry.high_mark WHERE migration = $1";
    let rows = session.query("read the ledger", sql, &[&migration])?;
    rows.iter().map(|row| Ok((column(Some(row), 0)?, column(Some(row), 1)?))).collect()
}

/// Notes the mark of a table, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn set_high_mark(
    session: &Session,
    lease: Lease,
    table: &str,
    (mark, nonce): (HighMark, &str),
) -> Result<()> {
    let sql = "INSERT INTO liteferry.high_mark (migration, table_name, rowid, sealed, nonce) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (migration, table_name)
               DO UPDATE SET rowid = excluded.rowid, sealed = excluded.sealed, nonce = excluded.nonce";
    let HighMark { rowid, sealed } = mark;
    session
        .execute_prepared(
            "note a high mark",
            sql,
            &[&lease.migration, &table, &rowid, &sealed, &nonce],
        )
        .map(drop)
}
