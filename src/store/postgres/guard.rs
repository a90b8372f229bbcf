//! The guard: until the cutover nobody but this migration's own sessions writes to the tables that it fills.
//!
//! A trigger at each statement refuses whoever does not have the migration's secret, which the ledger keeps and the
//! sessions that hold the lease are given. It costs a COPY nothing, because it looks at statements and not at rows, and
//! it holds against old snapshots and replication roles alike: creating it waits for everyone who writes.

use super::ledger::{Lease, column};
use super::session::Session;
use super::write::relation;
use crate::error::{Class, Error, Place, Result};
use crate::model::TableSchema;

/// The trigger's name in each table.
const NAME: &str = "liteferry_guard";

/// It reads the ledger for roles that may not, and what is gone from there opens nothing.
pub(super) const FUNCTION: &str = "
CREATE OR REPLACE FUNCTION liteferry.guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $guard$
DECLARE
    migration_name text;
    secret text;
BEGIN
    SELECT name, writer INTO migration_name, secret FROM liteferry.migration WHERE id = TG_ARGV[0]::integer;
    IF (current_setting('liteferry.writer', true) = secret) IS NOT TRUE THEN
        RAISE EXCEPTION 'table % is being filled by liteferry: nobody else writes to it before the cutover', TG_TABLE_NAME
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = format('Write to the SQLite file until the migration %s has been cut over.', migration_name);
    END IF;
    RETURN NULL;
END $guard$";

/// Puts tables under the guard, where they are not, in the caller's transaction; waits for whoever writes to them.
///
/// # Errors
///
/// [`Class::Undecided`] where another migration fills a table; what the server says.
pub fn raise<'t>(
    session: &Session,
    lease: Lease,
    tables: impl IntoIterator<Item = &'t TableSchema>,
) -> Result<()> {
    tables.into_iter().try_for_each(|table| {
        raise_one(session, lease, table).at(|| format!("table {}", table.target))
    })
}

fn raise_one(session: &Session, lease: Lease, table: &TableSchema) -> Result<()> {
    match state(session, lease.migration, table)? {
        State::On => Ok(()),
        State::Off => session.batch("guard a table", &create_sql(table, lease.migration)),
        State::OfAnother => {
            Err(Error::new(Class::Undecided, "another migration of this database is filling it").todo(
                "end that migration, or drop what it created with the SQL that `liteferry plan` prints for it",
            ))
        }
    }
}

/// Whether a table is under a migration's guard, and the guard is on.
///
/// # Errors
///
/// What the server says.
pub fn is_guarded(session: &Session, migration: i32, table: &TableSchema) -> Result<bool> {
    Ok(state(session, migration, table)? == State::On)
}

/// How a table is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    On,
    /// Not at all, or by a trigger that somebody disabled.
    Off,
    OfAnother,
}

fn state(session: &Session, migration: i32, table: &TableSchema) -> Result<State> {
    let rows = session.query(
        "look for the guard",
        // The server keeps a NUL behind each argument.
        "SELECT tgargs = convert_to($2, 'UTF8') || '\\x00', tgenabled = 'A' FROM pg_trigger
         WHERE tgrelid = to_regclass($1) AND tgfoid = to_regprocedure('liteferry.guard()')",
        &[&relation(table), &migration.to_string()],
    )?;
    let Some(row) = rows.first() else { return Ok(State::Off) };
    Ok(match (column(Some(row), 0)?, column(Some(row), 1)?) {
        (false, _) => State::OfAnother,
        (true, true) => State::On,
        (true, false) => State::Off,
    })
}

/// Creates the guard anew, as one that was disabled may be there.
fn create_sql(table: &TableSchema, migration: i32) -> String {
    let relation = relation(table);
    format!(
        "{};
         CREATE TRIGGER {NAME} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {relation}
             FOR EACH STATEMENT EXECUTE FUNCTION liteferry.guard({migration});
         ALTER TABLE {relation} ENABLE ALWAYS TRIGGER {NAME}",
        drop_sql(table)
    )
}

/// The statement that takes a table from under the guard; it does nothing where there is none.
pub fn drop_sql(table: &TableSchema) -> String {
    format!("DROP TRIGGER IF EXISTS {NAME} ON {}", relation(table))
}
