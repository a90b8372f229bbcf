//! Installing the changelog: how to take it out again is kept first.

use super::Live;
use crate::error::{Error, Result};
use crate::journey::inspect::Inspected;
use crate::model::{Capture, SourceTable};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::Plan;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::sqlite::capture::{Changelog, install};

/// The ledger's step that keeps whose changelog it is, and the one that keeps how it is taken out.
pub(in crate::journey) const IDENTITY: &str = "identity of the changelog";
const REMOVAL: &str = "removal of the changelog";
/// The ledger's step that it is there.
const INSTALLED: &str = "changelog installed";

impl Live<'_> {
    /// Installs the changelog where it is not there yet.
    ///
    /// # Errors
    ///
    /// A table that cannot be followed; a source that cannot be written to, or is followed by another migration.
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
            return Ok(());
        }
        let random = link.with(ledger::random_name)?;
        let identity = note(link, IDENTITY, &random)?;
        let changelog = changelog(inspected, plan, &identity)?;
        let removal = note(link, REMOVAL, &changelog.remove_sql())?;
        let words = "what is installed in the source is taken out again by `liteferry uninstall`, or by this SQL:";
        let lines = std::iter::once(words).chain(removal.lines());
        lines.for_each(|line| setting.progress.tell(Event::Note(line.into())));
        reach(Step::RemovalNoted);
        let installed = install(&inspected.source, &changelog, &inspected.schema_hash)?;
        reach(Step::ChangelogInstalled);
        if installed.is_new {
            setting
                .progress
                .tell(Event::Note("changes of the source are logged from now on".into()));
        }
        note(link, INSTALLED, &identity).map(drop)
    }
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
