//! Autovacuum of the tables that are followed: it is off, so that no statement that needs a table for itself waits for
//! it, and liteferry vacuums when it would.

use super::define;
use super::ledger::{self, Lease, column};
use super::session::Session;
use super::write::relation;
use crate::error::{Error, Place, Result};
use crate::model::TableSchema;
use crate::model::identifier::literal;

/// The ledger's step of a table: its note is the statement that gives back what the table said before.
pub fn step(table: &TableSchema) -> String {
    format!("{STEP}{}", table.target)
}

const STEP: &str = "autovacuum of ";

const OFF: &str = "autovacuum_enabled = off, toast.autovacuum_enabled = off";

/// Turns it off for a table, once.
///
/// # Errors
///
/// What the server says.
pub fn turn_off(session: &Session, lease: Lease, table: &TableSchema) -> Result<()> {
    session
        .transaction(|session| {
            ledger::guard(session, lease)?;
            let back = give_back_sql(session, table)?;
            if ledger::complete_step(session, lease, &step(table), Some(&back))? {
                let sql = format!("ALTER TABLE {} SET ({OFF})", relation(table));
                define::make(session, [sql.as_str()])?;
            }
            Ok(())
        })
        .at(|| format!("table {}", table.target))
}

/// What makes of a table's settings what they are now.
fn give_back_sql(session: &Session, table: &TableSchema) -> Result<String> {
    let rows = session.query(
        "look at a table's settings",
        "SELECT (SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_enabled'),
                (SELECT option_value FROM pg_options_to_table(t.reloptions) WHERE option_name = 'autovacuum_enabled')
         FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = to_regclass($1)",
        &[&relation(table)],
    )?;
    let mut sql = format!(
        "ALTER TABLE IF EXISTS {} RESET (autovacuum_enabled, toast.autovacuum_enabled)",
        relation(table)
    );
    for (at, name) in ["autovacuum_enabled", "toast.autovacuum_enabled"].into_iter().enumerate() {
        if let Some(said) = column::<Option<String>>(rows.first(), at)? {
            let said = literal(&said).map_err(|_nul| Error::internal("a setting with a NUL"))?;
            sql.push_str(&format!(", SET ({name} = {said})"));
        }
    }
    Ok(sql)
}

/// Gives back what the tables of a migration said before.
///
/// # Errors
///
/// What the server says.
pub fn give_back(session: &Session, lease: Lease) -> Result<()> {
    let done = ledger::done_steps(session, lease.migration)?;
    let ours = done.into_iter().filter(|(name, _)| name.starts_with(STEP));
    session.transaction(|session| {
        ledger::guard(session, lease)?;
        for (name, back) in ours {
            define::make(session, back.as_deref())?;
            ledger::forget_steps(session, lease, &[name])?;
        }
        Ok(())
    })
}

/// A block of PL/pgSQL that does the same for these tables, as far as a run has come; the migration's name and schema are
/// literals.
///
/// # Errors
///
/// A name that cannot be written.
pub fn give_back_block<'t>(
    migration: &str,
    schema: &str,
    tables: impl Iterator<Item = &'t TableSchema>,
) -> Result<String> {
    let steps =
        tables.map(|table| literal(&step(table))).collect::<std::result::Result<Vec<_>, _>>();
    let steps = steps.map_err(|_nul| Error::internal("a name that cannot be written"))?.join(", ");
    Ok(format!(
        "        DECLARE back text; BEGIN
            FOR back IN SELECT s.note FROM liteferry.step s JOIN liteferry.migration m ON m.id = s.migration
                        WHERE m.name = {migration} AND m.target_schema = {schema} AND s.name IN ({steps}) LOOP
                EXECUTE back;
            END LOOP;
        END;\n"
    ))
}

/// The places of those of these tables that autovacuum would vacuum or analyze now, by the server's own settings.
///
/// # Errors
///
/// What the server says.
pub fn due<'t>(
    session: &Session,
    tables: impl IntoIterator<Item = &'t TableSchema>,
) -> Result<Vec<usize>> {
    let names: Vec<_> = tables.into_iter().map(relation).collect();
    let rows = session.query("look for dead rows", DUE, &[&names])?;
    rows.iter()
        .map(|row| {
            let place: i32 = column(Some(row), 0)?;
            usize::try_from(place)
                .map_err(|error| Error::internal("a table's place").because(error))
        })
        .collect()
}

const DUE: &str = "
WITH say AS (
    SELECT current_setting('autovacuum_vacuum_threshold')::float8 AS dead,
           current_setting('autovacuum_vacuum_scale_factor')::float8 AS dead_share,
           current_setting('autovacuum_vacuum_insert_threshold')::float8 AS new,
           current_setting('autovacuum_vacuum_insert_scale_factor')::float8 AS new_share,
           current_setting('autovacuum_analyze_threshold')::float8 AS changed,
           current_setting('autovacuum_analyze_scale_factor')::float8 AS changed_share)
SELECT (t.place - 1)::integer
FROM unnest($1::text[]) WITH ORDINALITY AS t(name, place)
JOIN pg_class c ON c.oid = to_regclass(t.name)
JOIN pg_stat_all_tables s ON s.relid = c.oid
CROSS JOIN say
WHERE s.n_dead_tup > dead + dead_share * greatest(c.reltuples, 0)
   OR (new >= 0 AND s.n_ins_since_vacuum > new + new_share * greatest(c.reltuples, 0))
   OR s.n_mod_since_analyze > changed + changed_share * greatest(c.reltuples, 0)
ORDER BY t.place";

/// How much of the server a vacuum takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// As little as autovacuum does.
    Slowly,
    /// As much as it can.
    Quickly,
}

/// Vacuums a table without cutting off its empty end, which would make others wait. Of a table of another owner the server
/// says that it was left out.
///
/// # Errors
///
/// What the server says.
pub fn vacuum(session: &Session, table: &TableSchema, haste: Haste) -> Result<()> {
    let delay = match haste {
        Haste::Slowly => "2ms",
        Haste::Quickly => "0",
    };
    session.batch("vacuum", &format!("SET vacuum_cost_delay = '{delay}'"))?;
    let sql = format!("VACUUM (ANALYZE, TRUNCATE false) {}", relation(table));
    let done = session.batch("vacuum", &sql);
    session.batch("vacuum", "RESET vacuum_cost_delay")?;
    done.at(|| format!("table {}", table.target))
}
