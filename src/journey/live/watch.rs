//! Whether the source is still the one that is followed, and all its changes are logged; and what was read of its log
//! taken out of it.

use super::{IDENTITY, Live};
use crate::error::{Class, Error, Result};
use crate::store::postgres::ledger::{self, Position};
use crate::store::postgres::link::Link;
use crate::store::sqlite::capture::{Finding, Watch, purge};
use crate::store::sqlite::read::Reader;
use std::cell::RefCell;

/// Who watches the source.
#[derive(Debug)]
pub(in crate::journey) struct Watched {
    identity: String,
    watch: RefCell<Watch>,
}

impl Live<'_> {
    /// Makes sure that nothing keeps changes of the state that the reader holds from being in its log, and gives where
    /// that ends.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] and [`Class::Undecided`] with what was found.
    pub(super) fn look(&self, reader: &Reader, link: &mut Link<'_>) -> Result<i64> {
        let (watched, position) = (self.watched(link)?, self.position(link)?);
        let noted = position.nonces.first().map(String::as_str);
        let seen = watched.watch.borrow_mut().look(reader, position.seq, noted)?;
        if seen.findings.is_empty() { Ok(seen.last) } else { Err(told(&seen.findings)) }
    }

    /// Takes out of the source what was read of its log, as far as the application leaves room for that.
    ///
    /// # Errors
    ///
    /// A changelog that is another one; a source that cannot be written to.
    pub(in crate::journey) fn purge(&self, link: &mut Link<'_>) -> Result<()> {
        let (watched, position) = (self.watched(link)?, self.position(link)?);
        let noted = position.nonces.first().cloned().unwrap_or_default();
        let source = &self.inspected.source;
        let purged = purge(source, &watched.identity, position.seq, &noted, self.setting.stop)?;
        if purged.nonce == noted {
            return Ok(());
        }
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, self.lease)?;
                ledger::note_nonces(session, self.lease, &[&purged.nonce])
            })
        })
    }

    fn watched(&self, link: &mut Link<'_>) -> Result<&Watched> {
        if let Some(watched) = self.watched.get() {
            return Ok(watched);
        }
        let migration = self.lease.migration;
        let identity = link.with(|session| ledger::note_of(session, migration, IDENTITY))?;
        let identity = identity.ok_or_else(|| Error::internal("nobody knows the changelog"))?;
        let watch = RefCell::new(Watch::new(&identity));
        Ok(self.watched.get_or_init(|| Watched { identity, watch }))
    }

    fn position(&self, link: &mut Link<'_>) -> Result<Position> {
        let position = link.with(|session| ledger::position(session, self.lease.migration))?;
        position.ok_or_else(|| Error::internal("deltas without a position"))
    }
}

/// What to do about a finding.
fn todo(finding: &Finding) -> String {
    let begin_again = "take the changelog out with `liteferry uninstall`, drop what was created with the SQL that \
                       `liteferry plan` prints, and begin again";
    match finding.table() {
        Some(table) => match finding {
            Finding::TableGone { .. } => format!("put it back as it was, or {begin_again}"),
            Finding::TableAdded { .. } => {
                format!("take it too, with `liteferry run --anew {table}`")
            }
            _ => format!(
                "put it back as it was, if nothing was written to it since; or take it anew, and nothing else, with \
                 `liteferry run --anew {table}`"
            ),
        },
        None => format!("put the file back that was followed; or {begin_again}"),
    }
}

/// What was found, as one error: the first that the source itself is another one, else the first.
pub(super) fn told(findings: &[Finding]) -> Error {
    let worst = findings.iter().find(|finding| finding.class() == Class::SourceChanged);
    let Some(first) = worst.or_else(|| findings.first()) else {
        return Error::internal("nothing was found");
    };
    let others = findings.iter().filter(|finding| *finding != first);
    let others: Vec<_> = others
        .map(|finding| match finding.table() {
            Some(table) => format!("table {table}: {finding}"),
            None => finding.to_string(),
        })
        .collect();
    let more = if others.is_empty() {
        String::new()
    } else {
        format!("; and besides: {}", others.join("; "))
    };
    first.error().todo(format!("{}{more}", todo(first)))
}
