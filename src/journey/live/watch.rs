//! Whether the source is still the one that is followed, and all its changes are logged; and what was read of its log
//! taken out of it.

use super::{IDENTITY, Live};
use crate::error::{Class, Error, Result};
use crate::journey::inspect::Inspected;
use crate::model::Touches;
use crate::pipeline::failpoint::{Step, reach};
use crate::store::postgres::ledger::{self, Position};
use crate::store::postgres::link::Link;
use crate::store::sqlite::capture::{Finding, Watch, purge, seal};
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail;
use std::cell::{Cell, RefCell};

/// Who watches the source.
#[derive(Debug)]
pub(in crate::journey) struct Watched {
    identity: String,
    watch: RefCell<Watch>,
    trust: Cell<Trust>,
    /// Whether a pass was committed since the log was sealed.
    unsealed: Cell<bool>,
}

/// What is known of the touches that were applied before this process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nothing yet.
    Unknown,
    /// The log says the same of them. But the rows behind this one may be others since: where the source lost its last
    /// writes, the application may have made the same touches again.
    OfKeys(i64),
    /// They are as the source has them.
    OfRows,
}

impl Live<'_> {
    /// Makes sure that nothing keeps changes of the state that the reader holds from being in its log, and gives where
    /// that ends.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] and [`Class::Undecided`] with what was found.
    pub(super) fn look(&self, reader: &Reader, link: &mut Link<'_>) -> Result<i64> {
        self.check_same_file()?;
        let (watched, position) = (self.watched(link)?, self.position(link)?);
        let noted = position.nonces.first().map(String::as_str);
        let seen = watched.watch.borrow_mut().look(reader, position.seq, noted)?;
        if !seen.findings.is_empty() {
            return Err(told(&seen.findings));
        }
        if watched.trust.get() == Trust::Unknown {
            // A file that was sealed since has all that was applied before.
            let is_sealed = noted != Some(&seen.nonce);
            let trust = if is_sealed { Trust::OfRows } else { self.recall(reader, &position)? };
            watched.trust.set(trust);
        }
        Ok(seen.last)
    }

    /// Makes sure that the log still says what was read of it since the nonce was made.
    fn recall(&self, reader: &Reader, position: &Position) -> Result<Trust> {
        let touches = Touches { after: position.sealed, last: position.seq };
        if tail::sum(reader, touches)? != position.unsealed {
            return Err(told(&[Finding::Rewritten { position: position.seq }]));
        }
        Ok(Trust::OfKeys(position.sealed.max(position.seq.saturating_sub(self.batch_max()))))
    }

    /// The touch behind which the log is read next: some are read again by the first pass of a process.
    pub(super) fn read_up_to(&self, position: &Position) -> i64 {
        match self.watched.get().map(|watched| watched.trust.get()) {
            Some(Trust::OfKeys(seq)) => seq.min(position.seq),
            _ => position.seq,
        }
    }

    /// Notes that a pass was committed: with it, what was to be read again is applied.
    pub(super) fn note_committed(&self) {
        if let Some(watched) = self.watched.get() {
            watched.trust.set(Trust::OfRows);
            watched.unsealed.set(true);
        }
    }

    /// Makes sure that no other file has taken the place of the one that is open.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where one has, or the file is gone.
    pub(in crate::journey) fn check_same_file(&self) -> Result<()> {
        let Inspected { source, stamp, .. } = self.inspected;
        if source.stamp()?.is_same_file(stamp) { Ok(()) } else { Err(told(&[Finding::Replaced])) }
    }

    /// Seals what was applied, and takes it out of the source's log, as far as the application leaves room for that.
    ///
    /// # Errors
    ///
    /// A changelog that is another one; a source that cannot be written to.
    pub(in crate::journey) fn purge(&self, link: &mut Link<'_>) -> Result<()> {
        let (watched, position) = (self.watched(link)?, self.position(link)?);
        let (source, identity) = (&self.inspected.source, &watched.identity);
        if position.seq == position.sealed && !watched.unsealed.get() {
            return Ok(());
        }
        let noted = position.nonces.first().cloned().unwrap_or_default();
        let Some(nonce) = seal(source, identity, &noted)? else { return Ok(()) };
        reach(Step::LogSealed);
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, self.lease)?;
                ledger::seal_position(session, self.lease, position.seq, &nonce)
            })
        })?;
        watched.unsealed.set(false);
        reach(Step::SealNoted);
        purge(source, identity, position.seq, &nonce, self.setting.stop)?;
        reach(Step::LogPurged);
        Ok(())
    }

    fn watched(&self, link: &mut Link<'_>) -> Result<&Watched> {
        if let Some(watched) = self.watched.get() {
            return Ok(watched);
        }
        let migration = self.lease.migration;
        let identity = link.with(|session| ledger::note_of(session, migration, IDENTITY))?;
        let identity = identity.ok_or_else(|| Error::internal("nobody knows the changelog"))?;
        let watch = RefCell::new(Watch::new(&identity));
        let (trust, unsealed) = (Cell::new(Trust::Unknown), Cell::new(false));
        Ok(self.watched.get_or_init(|| Watched { identity, watch, trust, unsealed }))
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
    let Some(table) = finding.table() else {
        return format!("{}; or {begin_again}", remedy(finding));
    };
    match finding {
        Finding::TableGone { .. } => format!("put it back as it was, or {begin_again}"),
        Finding::TableAdded { .. } => format!("take it too, with `liteferry run --anew {table}`"),
        _ => format!(
            "put it back as it was, if nothing was written to it since; or take it anew, and nothing else, with \
             `liteferry run --anew {table}`"
        ),
    }
}

/// How a source can be followed again of which this was found.
fn remedy(finding: &Finding) -> &'static str {
    match finding {
        Finding::Replaced => {
            "if that file goes on from the one that was followed, run the same command again, which makes sure of that"
        }
        Finding::Restored | Finding::Gap { .. } => {
            "put the file back that was followed, or the target as it was last"
        }
        _ => "put the file back that was followed",
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
