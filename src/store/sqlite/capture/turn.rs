//! A turn at writing to a source that is followed: one short transaction, given up where the application writes, because
//! what it is for can be done any time.

use super::meta::Meta;
use crate::error::{Class, Error, Result};
use crate::store::sqlite::connection::{Refused as _, Source};
use crate::store::sqlite::failure::{is_busy, is_locked};
use rusqlite::{Connection, TransactionBehavior};
use std::time::Duration;

/// How long a turn waits for the application.
const PATIENCE: Duration = Duration::from_millis(20);

/// The changelog that turns are about.
#[derive(Debug)]
pub(super) struct Turns<'a> {
    source: &'a Source,
    connection: Connection,
    /// Whose it is.
    identity: &'a str,
    /// The nonce that the target has noted.
    noted: &'a str,
}

impl<'a> Turns<'a> {
    /// Turns at the changelog of this identity, which goes on from this nonce; none while another program keeps all others
    /// out.
    ///
    /// # Errors
    ///
    /// A source that cannot be written to.
    pub(super) fn new(
        source: &'a Source,
        identity: &'a str,
        noted: &'a str,
    ) -> Result<Option<Self>> {
        let connection = match source.connect_to_write() {
            Err(error) if is_locked(&error) => return Ok(None),
            connected => connected?,
        };
        connection.busy_timeout(PATIENCE).refused(|| place(source))?;
        Ok(Some(Self { source, connection, identity, noted }))
    }

    /// Does `work` in a transaction; none where the application was writing.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where the changelog is another one; [`Class::Temporary`] where there is no room for what
    /// is written.
    pub(super) fn take<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let at = || place(self.source);
        let behavior = TransactionBehavior::Immediate;
        let transaction = match self.connection.transaction_with_behavior(behavior) {
            Err(error) if is_busy(&error) => return Ok(None),
            begun => begun.refused(at)?,
        };
        let meta = Meta::read(&transaction).refused(at)?;
        if !meta.is_some_and(|meta| meta.goes_on_from(self.identity, self.noted)) {
            let what = "its changelog is not the one that was followed";
            let todo = "put the file back that was followed";
            return Err(Error::new(Class::SourceChanged, what).todo(todo).at(at()));
        }
        match work(&transaction).and_then(|done| transaction.commit().map(|()| done)) {
            Err(error) if is_busy(&error) => Ok(None),
            done => done.refused(at).map(Some),
        }
    }
}

fn place(source: &Source) -> String {
    format!("source {}", source.path().display())
}
