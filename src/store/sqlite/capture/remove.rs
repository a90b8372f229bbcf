//! Taking the changelog out of the source: one transaction, which leaves everything else as it was.

use super::OURS;
use super::meta::Meta;
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::store::sqlite::connection::{Refused, Source};
use rusqlite::{Connection, TransactionBehavior};

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Whose changelog it was; none where nothing said so, or nothing was there.
    pub identity: Option<String>,
    /// How many tables and triggers were dropped.
    pub objects: usize,
}

/// Takes out every object of a changelog; of `identity` only, where that is given.
///
/// # Errors
///
/// [`Class::Undecided`] where it is that of another migration; [`Class::Temporary`] where another program keeps the
/// write lock.
pub fn remove(source: &Source, identity: Option<&str>) -> Result<Removed> {
    let place = || format!("source {}", source.path().display());
    let mut connection = source.connect_to_write()?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).refused(place)?;
    let owner = Meta::read(&transaction).refused(place)?.map(|meta| meta.identity);
    if let (Some(owner), Some(identity)) = (&owner, identity)
        && owner != identity
    {
        let what = format!("is followed by another migration, {owner}");
        return Err(Error::new(Class::Undecided, what)
            .todo("end that one with its own `uninstall`")
            .at(place()));
    }
    let before = others(&transaction).refused(place)?;
    let objects = drop_all(&transaction).refused(place)?;
    if others(&transaction).refused(place)? != before {
        return Err(Error::internal("what is not ours would not stay as it is").at(place()));
    }
    transaction.commit().refused(place)?;
    Ok(Removed { identity: owner, objects })
}

fn drop_all(connection: &Connection) -> rusqlite::Result<usize> {
    // Triggers first: a table takes its own with it.
    let sql = format!("SELECT type, name FROM main.sqlite_schema WHERE {OURS} ORDER BY type DESC");
    let named = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let ours: Vec<_> =
        connection.prepare(&sql)?.query_map([], named)?.collect::<rusqlite::Result<_>>()?;
    for (kind, name) in &ours {
        connection.execute_batch(&format!("DROP {kind} main.{}", quoted(name)))?;
    }
    Ok(ours.len())
}

/// Everything that is not ours, as `sqlite_schema` has it.
fn others(connection: &Connection) -> rusqlite::Result<Vec<[Option<Vec<u8>>; 4]>> {
    let sql = format!(
        "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB)
         FROM main.sqlite_schema WHERE NOT {OURS} ORDER BY rowid"
    );
    let read = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
    connection.prepare(&sql)?.query_map([], read)?.collect()
}
