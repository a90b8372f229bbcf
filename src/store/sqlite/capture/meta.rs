//! The one row of `_liteferry_meta`: whose changelog it is, and how the source was when it was installed.

use super::standing::Standing;
use super::{Changelog, META};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// The rowid of the row. A VACUUM numbers the rows of a table without key and index from 1: then it is another, and those
/// of the keyless tables are others too.
const ROWID: i64 = 2;

/// The columns of `_liteferry_meta`, in order.
pub(super) const COLUMNS: &str =
    "identity, epoch, plan_hash, nonce, nonce_before, standing, remove_sql";

/// A nonce as SQL.
pub(super) const NONCE: &str = "lower(hex(randomblob(16)))";

/// What the row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    /// Whose changelog it is.
    pub(super) identity: String,
    /// How often its triggers were made, from 1.
    pub(super) epoch: i64,
    /// The plan that it was made for.
    pub(super) plan_hash: String,
    /// What is renewed by each purge, by which an older copy of the file is recognised.
    pub(super) nonce: String,
    /// The nonce that was noted in the target when this one was made.
    pub(super) nonce_before: Option<String>,
    /// The SQL that takes the changelog out again.
    pub(super) remove_sql: String,
    /// Whether rowids that no column shows are as they were.
    pub(super) is_numbered_as_before: bool,
}

impl Meta {
    /// Reads the row; none where there is no changelog, or not all of it.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let there =
            "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1)";
        if !connection.query_row(there, [META], |row| row.get(0))? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT identity, epoch, plan_hash, nonce, nonce_before, remove_sql, rowid FROM main.{META}"
        );
        connection.prepare_cached(&sql)?.query_row([], Self::of_row).optional()
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            identity: row.get(0)?,
            epoch: row.get(1)?,
            plan_hash: row.get(2)?,
            nonce: row.get(3)?,
            nonce_before: row.get(4)?,
            remove_sql: row.get(5)?,
            is_numbered_as_before: row.get::<_, i64>(6)? == ROWID,
        })
    }

    /// Whether the row is of this migration, and of a file that goes on from the one whose nonce is noted.
    pub(super) fn goes_on_from(&self, identity: &str, noted: &str) -> bool {
        let is_known = self.nonce == noted || self.nonce_before.as_deref() == Some(noted);
        self.identity == identity && is_known
    }

    /// How the source stood when the changelog was installed.
    pub(super) fn standing(connection: &Connection) -> rusqlite::Result<Standing> {
        let sql = format!("SELECT standing FROM main.{META}");
        let text: String = connection.query_row(&sql, [], |row| row.get(0))?;
        serde_json::from_str(&text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
        })
    }

    /// Writes the row, in the place of the one that is there, and reads it back.
    pub(super) fn write(
        connection: &Connection,
        changelog: &Changelog,
        standing: &Standing,
    ) -> rusqlite::Result<Self> {
        let standing = serde_json::to_string(standing)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let before = Self::read(connection)?;
        let (epoch, nonce, nonce_before) = match before {
            Some(before) => (before.epoch + 1, Some(before.nonce), before.nonce_before),
            None => (1, None, None),
        };
        connection.execute_batch(&format!("DELETE FROM main.{META}"))?;
        let sql = format!(
            "INSERT INTO main.{META} (rowid, {COLUMNS})
             VALUES ({ROWID}, ?1, ?2, ?3, coalesce(?4, {NONCE}), ?5, ?6, ?7)"
        );
        let values = (
            &changelog.identity,
            epoch,
            &changelog.plan_hash,
            nonce,
            nonce_before,
            standing,
            changelog.remove_sql(),
        );
        connection.execute(&sql, values)?;
        Self::read(connection)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }
}
