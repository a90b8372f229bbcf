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
use std::time::Duration;

/// How often a seal is tried, and how long the application is left alone in between.
const SEALS_TRIED: usize = 50;
const BETWEEN_SEALS: Duration = Duration::from_millis(20);

/// Who watches the source.
#[derive(Debug)]
pub(in crate::journey) struct Watched {
    identity: String,
    watch: RefCell<Watch>,
    trust: Cell<Trust>,
    /// Whether a pass was committed since the log was sealed.
    unsealed: Cell<bool>,
    /// Whether the application has left no room to take out of the log all that was sealed.
    has_rest: Cell<bool>,
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
            watched.trust.set(if is_sealed {
                self.note_sealed(&position, &seen.nonce, link)?;
                Trust::OfRows
            } else {
                self.recall(reader, &position)?
            });
        }
        Ok(seen.last)
    }

    /// Notes that the log was sealed where the position is.
    fn note_sealed(&self, position: &Position, nonce: &str, link: &mut Link<'_>) -> Result<()> {
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, self.lease)?;
                ledger::seal_position(session, self.lease, position.seq, nonce)
            })
        })
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

    /// Trusts nothing that was applied before, because nobody has looked for a while.
    pub(in crate::journey) fn distrust(&self) {
        if let Some(watched) = self.watched.get() {
            watched.trust.set(Trust::Unknown);
        }
        self.grown_again.set(true);
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

    /// Seals what was applied, and takes it out of the source's log, as far as the application leaves room for that. While
    /// it is not known yet whether the source still has the rows that were applied last, nothing is sealed.
    ///
    /// # Errors
    ///
    /// A changelog that is another one; a source that cannot be written to.
    pub(in crate::journey) fn purge(&self, link: &mut Link<'_>) -> Result<()> {
        let (watched, position) = (self.watched(link)?, self.position(link)?);
        let (source, identity) = (&self.inspected.source, &watched.identity);
        let mut nonce = position.nonces.first().cloned().unwrap_or_default();
        let mut sealed_to = position.sealed;
        let is_known = !self.grown_again.get() || self.growing().next().is_none();
        let is_unsealed = position.seq != sealed_to || watched.unsealed.get() || self.copied.get();
        // What no generation has must stay in the log.
        let is_archived = self.has_published(&position);
        if is_known && is_unsealed && is_archived {
            let Some(sealed) = seal(source, identity, &nonce)? else { return Ok(()) };
            reach(Step::LogSealed);
            self.note_sealed(&position, &sealed, link)?;
            watched.unsealed.set(false);
            self.copied.set(false);
            sealed_to = position.seq;
            watched.has_rest.set(true);
            reach(Step::SealNoted);
            nonce = sealed;
        }
        if watched.has_rest.get() {
            let purged = purge(source, identity, sealed_to, &nonce, self.setting.stop)?;
            watched.has_rest.set(!purged.done);
            reach(Step::LogPurged);
        }
        Ok(())
    }

    /// Seals what was copied before anything is noted of the log, unless the application leaves no room for that.
    pub(super) fn seal_copied(&self, link: &mut Link<'_>) -> Result<()> {
        let (source, identity) = (&self.inspected.source, &self.watched(link)?.identity);
        let noted = tail::nonce(&Reader::of_moving(source.connect()?))?;
        for _ in 0..SEALS_TRIED {
            if seal(source, identity, &noted)?.is_some() {
                break;
            }
            self.setting.stop.wait(BETWEEN_SEALS)?;
        }
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
        // A process that was before this one may have left some.
        let has_rest = Cell::new(true);
        let watched = Watched { identity, watch, trust, unsealed, has_rest };
        Ok(self.watched.get_or_init(|| watched))
    }

    fn position(&self, link: &mut Link<'_>) -> Result<Position> {
        let position = link.with(|session| ledger::position(session, self.lease.migration))?;
        position.ok_or_else(|| Error::internal("deltas without a position"))
    }
}

/// How tables are let go that the source has no more, perhaps beside others that are taken anew.
pub(in crate::journey) fn let_go<'t>(tables: impl IntoIterator<Item = &'t str>) -> String {
    let anew: String = tables.into_iter().map(|table| format!(" --anew {table}")).collect();
    format!(
        "let it go with `liteferry run{anew}`: the target's table stays as it is, and is followed and proved no more; or \
         create it again in the source, and take it anew by the same command"
    )
}

/// What to do about a finding.
fn todo(finding: &Finding) -> String {
    let begin_again = "take the changelog out with `liteferry uninstall`, drop what was created with the SQL that \
                       `liteferry plan` prints, and begin again";
    let Some(table) = finding.table() else {
        return format!("{}; or {begin_again}", remedy(finding));
    };
    match finding {
        Finding::TableGone { .. } => let_go([table]),
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
