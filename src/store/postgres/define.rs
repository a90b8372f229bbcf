//! Making what the plan says: tables before the load; keys, indexes, sequences and foreign keys after it.
//!
//! Each statement commits together with its row in the ledger, so that it is either not begun or done.

use super::ledger::{self, Lease, column};
use super::session::Session;
use super::write::relation;
use crate::error::{Class, Error, Place, Result};
use crate::model::TableSchema;
use crate::model::identifier::quoted;
use tokio_postgres::types::ToSql;

/// The names among `names` that relations of a schema have already.
///
/// # Errors
///
/// What the server says.
pub fn relations_in_the_way(
    session: &Session,
    schema: &str,
    names: &[String],
) -> Result<Vec<String>> {
    let rows = session.query(
        "look at the target's tables",
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname::text = ANY ($2) ORDER BY 1",
        &[&schema, &names],
    )?;
    rows.iter().map(|row| column(Some(row), 0)).collect()
}

/// Whether the target has such a schema.
///
/// # Errors
///
/// What the server says.
pub fn schema_exists(session: &Session, schema: &str) -> Result<bool> {
    let sql = "SELECT count(*) > 0 FROM pg_namespace WHERE nspname = $1";
    column(session.query("look at the target's schemas", sql, &[&schema])?.first(), 0)
}

/// Does `work` in one transaction with the note that it is done; false where it was done already, and nothing happens.
///
/// # Errors
///
/// What `work` or the server says.
pub fn once(
    session: &Session,
    lease: Lease,
    name: &str,
    work: impl FnOnce(&Session) -> Result<()>,
) -> Result<bool> {
    session.transaction(|session| {
        ledger::guard(session, lease)?;
        let first = ledger::complete_step(session, lease, name, None)?;
        if first {
            work(session)?;
        }
        Ok(first)
    })
}

/// Runs statements that change the target's schema.
///
/// # Errors
///
/// What the server says.
pub fn make<'s>(session: &Session, statements: impl IntoIterator<Item = &'s str>) -> Result<()> {
    statements.into_iter().try_for_each(|sql| session.batch("change the target's schema", sql))
}

/// Does work once that the rows that are there may not allow. Where they do not, that is noted instead, and given back.
///
/// # Errors
///
/// What the server says, but for rows that stand in the way.
pub fn attempt(
    session: &Session,
    lease: Lease,
    name: &str,
    work: impl FnOnce(&Session) -> Result<()>,
) -> Result<Option<String>> {
    let broken = match once(session, lease, name, work) {
        Ok(true) => return Ok(None),
        // Done before a connection was lost: the outcome is in the ledger.
        Ok(false) => return ledger::note_of(session, lease.migration, name),
        Err(error) if error.class() == Class::Data => cause(&error),
        Err(error) => return Err(error),
    };
    session.transaction(|session| {
        ledger::guard(session, lease)?;
        ledger::complete_step(session, lease, name, Some(&broken))
    })?;
    Ok(Some(broken))
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Sets an identity's sequence behind every value that is there and every value that the source gave out.
///
/// # Errors
///
/// What the server says.
pub fn set_sequence(
    session: &Session,
    table: &TableSchema,
    column_name: &str,
    given_out: Option<i64>,
) -> Result<()> {
    let relation = relation(table);
    let highest = format!("SELECT max({}) FROM {relation}", quoted(column_name));
    let rows = session.query("find the highest key", &highest, &[])?;
    let highest: Option<i64> = column(rows.first(), 0)?;
    let last = highest.max(given_out).filter(|&last| last > 0);
    let sql = "SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3, $4)";
    let parameters: [&(dyn ToSql + Sync); 4] =
        [&relation, &column_name, &last.unwrap_or(1), &last.is_some()];
    session
        .query("set a sequence", sql, &parameters)
        .map(drop)
        .at(|| format!("table {}: column {column_name}", table.target))
}

/// Sets the sequence of a table that exists behind every value that is there and every value that the source gave out;
/// never back.
///
/// # Errors
///
/// What the server says.
pub fn raise_sequence(
    session: &Session,
    table: &TableSchema,
    column_name: &str,
    sequence: &str,
    given_out: Option<i64>,
) -> Result<()> {
    let highest = format!(
        "SELECT setval($1::text::regclass, greatest((SELECT max({})::bigint FROM {}), $2,
                                                    pg_sequence_last_value($1::text::regclass)))
         WHERE greatest((SELECT max({0})::bigint FROM {1}), $2) > 0",
        quoted(column_name),
        relation(table)
    );
    session
        .query("set a sequence", &highest, &[&sequence, &given_out])
        .map(drop)
        .at(|| format!("table {}: column {column_name}", table.target))
}

/// Makes the planner know the table, and settles its rows, so that reading them back writes nothing.
///
/// # Errors
///
/// What the server says.
pub fn vacuum(session: &Session, table: &TableSchema) -> Result<()> {
    let sql = format!("VACUUM (ANALYZE) {}", relation(table));
    session.batch("vacuum", &sql).at(|| format!("table {}", table.target))
}
