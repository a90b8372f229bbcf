//! Making what the plan says: tables before the load; keys, indexes, sequences and foreign keys after it.
//!
//! Each statement commits together with its row in the ledger, so that it is either not begun or done.

use super::ledger::{self, Lease, column};
use super::session::Session;
use super::write::relation;
use crate::error::{Class, Error, Place, Result};
use crate::model::TableSchema;
use crate::model::identifier::{literal, quoted};
use tokio_postgres::types::ToSql;

/// The names among `names` that relations of a schema have already, or types: each table comes with a type of its name.
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
        // An array's type gives way by itself.
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname::text = ANY ($2)
         UNION
         SELECT t.typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE n.nspname = $1 AND t.typname::text = ANY ($2)
           AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
         ORDER BY 1",
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

/// The foreign keys of other tables of a schema that reference a table: each one's table and name.
///
/// # Errors
///
/// What the server says.
pub fn references_to(session: &Session, table: &TableSchema) -> Result<Vec<(String, String)>> {
    let rows = session.query(
        "look at the target's foreign keys",
        "SELECT t.relname::text, c.conname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
         JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE c.contype = 'f' AND c.confrelid = to_regclass($1) AND n.nspname = $2",
        &[&relation(table), &table.target_schema],
    )?;
    rows.iter().map(|row| Ok((column(Some(row), 0)?, column(Some(row), 1)?))).collect()
}

/// Locks a table for everybody else until the transaction ends, and counts its rows; none where it is not there.
///
/// # Errors
///
/// What the server says.
pub fn lock_and_count(session: &Session, table: &TableSchema) -> Result<Option<u64>> {
    let relation = relation(table);
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    if !column(session.query("look for a table", sql, &[&relation])?.first(), 0)? {
        return Ok(None);
    }
    session.batch("lock a table", &format!("LOCK TABLE {relation} IN ACCESS EXCLUSIVE MODE"))?;
    let rows = session.query("count rows", &format!("SELECT count(*) FROM {relation}"), &[])?;
    Ok(Some(column::<i64>(rows.first(), 0)?.unsigned_abs()))
}

/// Takes all rows out of a table, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn empty(session: &Session, table: &TableSchema) -> Result<()> {
    session.batch("empty a table", &format!("TRUNCATE {}", relation(table)))
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

/// Does work once that the rows that are there may not allow. Where they do not, `instead` is done, and what it says,
/// of the reason that it gets, is noted and given back.
///
/// # Errors
///
/// What the server says, but for rows that stand in the way of `work`; what `instead` says.
pub fn attempt(
    session: &Session,
    lease: Lease,
    name: &str,
    work: impl FnOnce(&Session) -> Result<()>,
    instead: impl FnOnce(&Session, Error) -> Result<String>,
) -> Result<Option<String>> {
    let broken = match once(session, lease, name, work) {
        Ok(true) => return Ok(None),
        // Done before a connection was lost: the outcome is in the ledger.
        Ok(false) => return ledger::note_of(session, lease.migration, name),
        Err(error) if error.class() == Class::Data => error,
        Err(error) => return Err(error),
    };
    session.transaction(|session| {
        ledger::guard(session, lease)?;
        let told = instead(session, broken)?;
        ledger::complete_step(session, lease, name, Some(&told))?;
        Ok(Some(told))
    })
}

/// Whether the server refused rows because a key has them already.
pub fn is_not_unique(error: &Error) -> bool {
    cause(error).contains(" 23505: ")
}

/// Whether the server refused rows because of a CHECK: while rows are loaded, a domain's, or one that could not go.
pub fn breaks_check(error: &Error) -> bool {
    cause(error).contains(" 23514: ")
}

/// What the server said, where it said something.
pub fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Does work in the caller's transaction that the rows may not allow; then nothing of it is left.
///
/// # Errors
///
/// What the server says, but for rows that stand in the way.
pub fn if_allowed<T>(
    session: &Session,
    work: impl FnOnce(&Session) -> Result<T>,
) -> Result<Option<T>> {
    session.batch("set a savepoint", "SAVEPOINT allowed")?;
    match work(session) {
        Err(error) if error.class() == Class::Data => {
            session.batch("go back to a savepoint", "ROLLBACK TO SAVEPOINT allowed")?;
            Ok(None)
        }
        done => done.map(Some),
    }
}

/// The rows that break a constraint, in words; nothing where the query for them fails as the constraint did. In the
/// caller's transaction.
///
/// # Errors
///
/// What the server says, but for rows that stand in the way.
pub fn offenders(session: &Session, sql: &str) -> Result<Option<String>> {
    let find = |session: &Session| session.query("find the rows that break a constraint", sql, &[]);
    let rows = if_allowed(session, find)?.unwrap_or_default();
    let Some(first) = rows.first() else { return Ok(None) };
    let count: String = column(Some(first), 0)?;
    let keys =
        rows.iter().map(|row| column(Some(row), 1)).collect::<Result<Vec<String>>>()?.join("; ");
    let more = if count == rows.len().to_string() { "" } else { "; …" };
    Ok(Some(format!("{count} rows: {keys}{more}")))
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

/// The statement that sets a sequence, given as quoted SQL, behind every value that is there and every value that the
/// source gave out; never back.
///
/// # Errors
///
/// A name that cannot be written.
pub fn raise_sequence(
    table: &TableSchema,
    column_name: &str,
    sequence: &str,
    given_out: Option<i64>,
) -> Result<String> {
    let sequence =
        literal(sequence).map_err(|_refusal| Error::internal("a name that cannot be written"))?;
    let given_out = given_out.map_or_else(|| "NULL".into(), |given_out| given_out.to_string());
    Ok(format!(
        "SELECT setval({sequence}::regclass, greatest((SELECT max({0})::bigint FROM {1}), {given_out},
                                                     pg_sequence_last_value({sequence}::regclass)))
         WHERE greatest((SELECT max({0})::bigint FROM {1}), {given_out}) > 0",
        quoted(column_name),
        relation(table)
    ))
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
