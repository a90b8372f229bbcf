//! Installing the changelog: one short write transaction.

use super::meta::Meta;
use super::standing::Standing;
use super::watch::Known;
use super::{Changelog, Finding, LOG, OURS, Watch};
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::store::sqlite::connection::{Refused, Source};
use crate::store::sqlite::introspect::fingerprint;
use rusqlite::{Connection, TransactionBehavior};

/// A changelog that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Whether it was not there before.
    pub is_new: bool,
    /// How often its triggers were made, from 1.
    pub epoch: i64,
    /// The nonce, to be noted in the target before anything of the log is.
    pub nonce: String,
}

/// Installs a changelog; where that of the same identity is there already, nothing is done, and whether all of it still
/// is has to be asked of [`super::Watch`].
///
/// # Errors
///
/// [`Class::Undecided`] where the schema is not that of the fingerprint any more, and where the source is followed by
/// another migration; [`Class::Temporary`] where another program keeps the write lock.
pub fn install(source: &Source, changelog: &Changelog, schema: &str) -> Result<Installed> {
    in_one_transaction(source, |connection| match there(connection, changelog)? {
        Some(meta) => Ok(Installed { is_new: false, epoch: meta.epoch, nonce: meta.nonce }),
        None => create(connection, changelog, schema),
    })
}

/// Makes all triggers of an installed changelog anew, for tables that are taken anew: the log stays, and what `judge` is
/// given, because it was found just before, is not found again. Where nothing is installed, it is installed.
///
/// # Errors
///
/// As [`install`], and what `judge` says.
pub fn reinstall(
    source: &Source,
    changelog: &Changelog,
    schema: &str,
    known: &Known<'_>,
    judge: impl FnOnce(&[Finding]) -> Result<()>,
) -> Result<Installed> {
    in_one_transaction(source, |connection| {
        if there(connection, changelog)?.is_some() {
            judge(&Watch::new(&changelog.identity).look_at(connection, known)?.findings)?;
            drop_triggers(connection).refused(|| "changelog".into())?;
            widen(connection, changelog).refused(|| "changelog".into())?;
        }
        create(connection, changelog, schema)
    })
}

fn in_one_transaction(
    source: &Source,
    write: impl FnOnce(&Connection) -> Result<Installed>,
) -> Result<Installed> {
    let at = |error: Error| error.at(format!("source {}", source.path().display()));
    let mut connection = source.connect_to_write()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = transaction.refused(|| "changelog".into()).map_err(at)?;
    let installed = write(&transaction).map_err(at)?;
    transaction.commit().refused(|| "changelog".into()).map_err(at)?;
    Ok(installed)
}

/// What is there of this changelog.
fn there(connection: &Connection, changelog: &Changelog) -> Result<Option<Meta>> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE {OURS})");
    let is_there: bool =
        connection.query_row(&sql, [], |row| row.get(0)).refused(|| "schema".into())?;
    if !is_there {
        return Ok(None);
    }
    match Meta::read(connection).refused(|| "changelog".into())? {
        Some(meta) if meta.identity == changelog.identity => Ok(Some(meta)),
        Some(Meta { identity, remove_sql, .. }) => Err(Error::new(
            Class::Undecided,
            format!("is followed by another migration, {identity}"),
        )
        .todo(format!("end that one with `uninstall`, or by this SQL:\n{remove_sql}"))),
        None => Err(Error::new(Class::Undecided, "has remains of another migration's changelog")
            .todo("take them out with `uninstall`")),
    }
}

/// Creates what is not there.
fn create(connection: &Connection, changelog: &Changelog, schema: &str) -> Result<Installed> {
    if fingerprint(connection)? != schema {
        return Err(Error::new(Class::Undecided, "its schema is not the one that was planned for")
            .todo("run `plan` again"));
    }
    let created = changelog
        .statements()
        .try_for_each(|sql| connection.execute_batch(&sql))
        .and_then(|()| Standing::of(connection, changelog))
        .and_then(|standing| Meta::write(connection, changelog, &standing))
        .refused(|| "changelog".into())?;
    Ok(Installed { is_new: created.epoch == 1, epoch: created.epoch, nonce: created.nonce })
}

fn drop_triggers(connection: &Connection) -> rusqlite::Result<()> {
    let sql = format!("SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND {OURS}");
    let names: Vec<String> =
        connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    names.iter().try_for_each(|name| {
        connection.execute_batch(&format!("DROP TRIGGER main.{}", quoted(name)))
    })
}

/// Gives the log the columns that it lacks.
fn widen(connection: &Connection, changelog: &Changelog) -> rusqlite::Result<()> {
    let sql = "SELECT 1 FROM pragma_table_info(?1, 'main') WHERE name = ?2";
    for at in 1..=changelog.width {
        let name = format!("k{at}");
        if !connection.prepare(sql)?.exists([LOG, &name])? {
            connection.execute_batch(&format!("ALTER TABLE main.{LOG} ADD COLUMN {name}"))?;
        }
    }
    Ok(())
}
