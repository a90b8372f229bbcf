//! Installing the changelog: how to take it out again is kept first.

use super::watch::told;
use super::{Live, guard};
use crate::error::{Error, Result};
use crate::journey::inspect::Inspected;
use crate::model::{Capture, SourceTable};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::Plan;
use crate::store::postgres::ledger::{self, Position};
use crate::store::postgres::link::Link;
use crate::store::sqlite::capture::{
    Changelog, Finding, Installed, Known, Watch, install, reinstall,
};
use crate::store::sqlite::read::Reader;
use std::collections::BTreeSet;

/// The ledger's step that keeps whose changelog it is, and the one that keeps how it is taken out.
pub(in crate::journey) const IDENTITY: &str = "identity of the changelog";
const REMOVAL: &str = "removal of the changelog";
/// The ledger's step that it is there.
pub(in crate::journey) const INSTALLED: &str = "changelog installed";

/// The steps that are done again where tables are taken anew.
pub(in crate::journey) const DONE_AGAIN: [&str; 2] = [INSTALLED, guard::STEP];

impl Live<'_> {
    /// Installs the changelog where it is not there yet, or not as it must be for tables that are taken anew; else makes
    /// sure that it is still there.
    ///
    /// # Errors
    ///
    /// A table that cannot be followed; a source that cannot be written to, or is followed by another migration; what
    /// became of tables that are not taken anew.
    pub(in crate::journey) fn capture(&self, link: &mut Link<'_>) -> Result<()> {
        let Self { inspected, plan, lease, setting, .. } = *self;
        let note = |link: &mut Link<'_>, name: &str, note: &str| -> Result<String> {
            link.with(|session| {
                session.transaction(|session| {
                    ledger::guard(session, lease)?;
                    ledger::complete_step(session, lease, name, Some(note)).map(drop)
                })?;
                let noted = ledger::note_of(session, lease.migration, name)?;
                noted.ok_or_else(|| Error::internal("a step that was noted is gone"))
            })
        };
        let done = link.with(|session| ledger::done_steps(session, lease.migration))?;
        if done.iter().any(|(name, _)| name == INSTALLED) {
            // Whatever is read next would only say that it cannot be read.
            return self.check_others(&BTreeSet::new(), link);
        }
        let random = link.with(ledger::random_name)?;
        let identity = note(link, IDENTITY, &random)?;
        let changelog = changelog(inspected, plan, &identity)?;
        let removal = self.note_removal(&changelog, link)?;
        let words = "what is installed in the source is taken out again by `liteferry uninstall`, or by this SQL:";
        let lines = std::iter::once(words).chain(removal.lines());
        lines.for_each(|line| setting.progress.tell(Event::Note(line.into())));
        reach(Step::RemovalNoted);
        let installed = self.install(&changelog, link)?;
        reach(Step::ChangelogInstalled);
        if installed.is_new {
            setting
                .progress
                .tell(Event::Note("changes of the source are logged from now on".into()));
        }
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                ledger::forget_retaken(session, lease)?;
                ledger::complete_step(session, lease, INSTALLED, Some(&identity)).map(drop)
            })
        })
    }

    /// Notes how it is taken out, before anything is put in; until that is done, what was there before may be there.
    fn note_removal(&self, changelog: &Changelog, link: &mut Link<'_>) -> Result<String> {
        let lease = self.lease;
        let before = link.with(|session| ledger::note_of(session, lease.migration, REMOVAL))?;
        let removal = changelog.remove_sql_after(before.as_deref().unwrap_or_default());
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                ledger::forget_steps(session, lease, &[REMOVAL.into()])?;
                ledger::complete_step(session, lease, REMOVAL, Some(&removal)).map(drop)
            })
        })?;
        Ok(removal)
    }

    fn install(&self, changelog: &Changelog, link: &mut Link<'_>) -> Result<Installed> {
        let (source, schema) = (&self.inspected.source, &self.inspected.schema_hash);
        let migration = self.lease.migration;
        let retaken = link.with(|session| ledger::retaken(session, migration))?;
        if retaken.is_empty() {
            return install(source, changelog, schema);
        }
        let position = link.with(|session| ledger::position(session, migration))?;
        let known = known(position.as_ref());
        reinstall(source, changelog, schema, &known, |findings| judge(findings, &retaken))
    }

    /// Makes sure that nothing became of the source as a whole, nor of tables that are not taken anew with these, before
    /// anything is done.
    ///
    /// # Errors
    ///
    /// What became of others.
    pub(in crate::journey) fn check_others(
        &self,
        retaken: &BTreeSet<String>,
        link: &mut Link<'_>,
    ) -> Result<()> {
        let migration = self.lease.migration;
        let done = link.with(|session| ledger::done_steps(session, migration))?;
        let note = |step: &str| done.iter().find(|(name, _)| name == step);
        let Some(Some(identity)) = note(INSTALLED).map(|(_, identity)| identity) else {
            return Ok(());
        };
        let position = link.with(|session| ledger::position(session, migration))?;
        let Known { position, nonce } = known(position.as_ref());
        let reader = Reader::of_moving(self.inspected.source.connect()?);
        let seen = Watch::new(identity).look(&reader, position, nonce)?;
        judge(&seen.findings, retaken)
    }
}

/// What the target has, where following has begun.
fn known(position: Option<&Position>) -> Known<'_> {
    position.map_or_else(Known::default, |position| Known {
        position: position.seq,
        nonce: position.nonces.first().map(String::as_str),
    })
}

/// Refuses what was found of other tables, and of the source as a whole.
fn judge(findings: &[Finding], retaken: &BTreeSet<String>) -> Result<()> {
    let is_other =
        |finding: &&Finding| finding.table().is_none_or(|table| !retaken.contains(table));
    let others: Vec<_> = findings.iter().filter(is_other).cloned().collect();
    if others.is_empty() { Ok(()) } else { Err(told(&others)) }
}

/// What a plan's tables need to be followed.
fn changelog(inspected: &Inspected, plan: &Plan, identity: &str) -> Result<Changelog> {
    Changelog::design(&captured(inspected, plan), identity, &plan.hash()?)
}

/// The tables that are followed, and how.
pub(super) fn captured<'a>(
    inspected: &'a Inspected,
    plan: &'a Plan,
) -> Vec<(&'a SourceTable, &'a Capture)> {
    let found = plan.tables.iter().filter_map(|planned| {
        let mut sources = inspected.schema.tables.iter();
        let source = sources.find(|source| source.name == planned.schema.source)?;
        Some((source, planned.capture.as_ref()?))
    });
    found.collect()
}
