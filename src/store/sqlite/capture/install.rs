//! Installing the changelog: one short write transaction.

use super::{Changelog, META, OURS};
use crate::error::{Class, Error, Result};
use crate::store::sqlite::connection::{Refused, Source};
use crate::store::sqlite::introspect::fingerprint;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

/// The rowid of the only row of `_liteferry_meta`. A VACUUM numbers the rows of a table without key and index anew, from
/// 1: then it is another, and those of the keyless tables are too.
pub(super) const META_ROWID: i64 = 2;

/// What installing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// It is there now.
    Created,
    /// It was there already.
    Present,
}

/// Installs a changelog; where that of the same identity is there already, nothing is done.
///
/// # Errors
///
/// [`Class::Undecided`] where the schema is not that of the fingerprint any more, and where the source is followed by
/// another migration; [`Class::Temporary`] where another program keeps the write lock.
pub fn install(source: &Source, changelog: &Changelog, schema: &str) -> Result<Installed> {
    let place = || format!("source {}", source.path().display());
    let mut connection = source.connect_to_write()?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).refused(place)?;
    if is_there(&transaction).refused(place)? {
        let owner = owner(&transaction).refused(place)?;
        return match owner {
            Some(owner) if owner.identity == changelog.identity => Ok(Installed::Present),
            owner => Err(followed_by_another(owner).at(place())),
        };
    }
    if fingerprint(&transaction)? != schema {
        return Err(Error::new(Class::Undecided, "its schema is not the one that was planned for")
            .todo("plan again, with a new pipeline name or after `uninstall`")
            .at(place()));
    }
    create(&transaction, changelog).refused(place)?;
    transaction.commit().refused(place)?;
    Ok(Installed::Created)
}

fn create(connection: &Connection, changelog: &Changelog) -> rusqlite::Result<()> {
    for statement in changelog.statements() {
        connection.execute_batch(statement)?;
    }
    let sql = format!(
        "INSERT INTO {META} (rowid, identity, epoch, plan_hash, nonce, nonce_before, remove_sql)
         VALUES ({META_ROWID}, ?1, 1, ?2, lower(hex(randomblob(16))), NULL, ?3)"
    );
    let values = (&changelog.identity, &changelog.plan_hash, changelog.remove_sql());
    connection.execute(&sql, values).map(drop)
}

/// Whether anything of a changelog is there, of whichever migration.
fn is_there(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE {OURS})");
    connection.query_row(&sql, [], |row| row.get(0))
}

/// Whose changelog it is.
pub(super) struct Owner {
    pub(super) identity: String,
    remove_sql: String,
}

/// Whose changelog is there; none where that cannot be told.
pub(super) fn owner(connection: &Connection) -> rusqlite::Result<Option<Owner>> {
    let has_meta =
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1)";
    if !connection.query_row(has_meta, [META], |row| row.get(0))? {
        return Ok(None);
    }
    let sql = format!("SELECT identity, remove_sql FROM main.{META}");
    let read =
        |row: &rusqlite::Row<'_>| Ok(Owner { identity: row.get(0)?, remove_sql: row.get(1)? });
    connection.query_row(&sql, [], read).optional()
}

fn followed_by_another(owner: Option<Owner>) -> Error {
    match owner {
        Some(Owner { identity, remove_sql }) => {
            Error::new(Class::Undecided, format!("is followed by another migration, {identity}"))
                .todo(format!("end that one with `uninstall`, or by this SQL:\n{remove_sql}"))
        }
        None => Error::new(Class::Undecided, "has remains of another migration's changelog")
            .todo("take them out with `uninstall`"),
    }
}
