//! Bringing a target forward: one that holds a generation of an archive comes to a later one by the steps between them.
//!
//! No file of the base is read. All tables change in one transaction, under the lease: whoever reads the target sees the
//! one generation or the other. The ledger's sums follow: what the touched rows were is taken out, and what they are put
//! in; then the whole target is read back and compared with them, as after a load.

mod apply;
mod constraints;
mod names;
mod part;
mod way;

use super::Chosen;
use super::target::{ASKED, GENERATION, RESTORED, Restore};
use crate::error::{Error, Result};
use crate::journey::Setting;
use crate::journey::noted::noted;
use crate::journey::run::Clock;
use crate::pipeline::progress::Phase;
use crate::status::{FOLLOWING, NOT_EQUAL, Report};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use apply::Forward;
use way::{Way, refused};

/// The phase of what was brought forward, until it is proved.
pub(super) const FORWARDED: &str = "brought forward";
/// The ledger's step that says that rows came otherwise than chunk by chunk.
const FORWARD: &str = "brought forward";

/// What a target holds of an archive.
#[derive(Debug)]
pub(super) struct Held {
    /// The hash of the generation's manifest.
    generation: String,
    /// Whether it was brought forward to it.
    pub(super) is_forward: bool,
    /// The hash of the plan that was asked for.
    asked: Option<String>,
    phase: String,
    /// Passes that were applied to it since, where it follows the source.
    passes: Option<u64>,
}

impl Held {
    /// What the target holds of the archive; nothing where no restore of it has begun.
    pub(super) fn find(chosen: &Chosen, link: &mut Link<'_>) -> Result<Option<Self>> {
        let plan = &chosen.plan;
        link.with(|session| {
            if !ledger::exists(session)? {
                return Ok(None);
            }
            let found = ledger::find(session, &plan.name, &plan.target_schema)?;
            let from = chosen.names_source();
            let Some(found) = found.filter(|found| found.source_path == from) else {
                return Ok(None);
            };
            let is_forward = is_forward(session, found.id)?;
            let generation = ledger::note_of(session, found.id, GENERATION)?;
            let asked = ledger::note_of(session, found.id, ASKED)?;
            let passes = ledger::position(session, found.id)?.map(|position| position.passes);
            let phase = found.phase;
            Ok(generation.map(|generation| Self { generation, is_forward, asked, phase, passes }))
        })
    }

    /// Whether it is another generation than the one that is wanted.
    pub(super) fn is_another(&self, chosen: &Chosen) -> bool {
        self.generation != chosen.opened.hash.to_string()
    }

    /// Fails where it has gone on from its generation by following the source.
    pub(super) fn check_stands(&self) -> Result<()> {
        match self.passes {
            None | Some(0) => Ok(()),
            Some(_) => Err(follows()),
        }
    }

    /// Fails where no step can be applied to it.
    fn check(&self, chosen: &Chosen) -> Result<()> {
        let Self { asked, phase, passes, .. } = self;
        // Whatever its proof has come to: what was applied must not be taken back.
        if passes.is_some() || phase == FOLLOWING {
            return Err(follows());
        }
        if ![RESTORED, NOT_EQUAL, FORWARDED].contains(&phase.as_str()) {
            let what = "the target was to hold another generation, and its restore has not come to its end";
            return Err(refused(what).todo("finish it by `--generation`, or begin again"));
        }
        if *asked != Some(chosen.plan.hash()?) {
            let what = "the target was restored with other tables, or to follow the source, or by another plan";
            return Err(refused(what));
        }
        Ok(())
    }
}

fn follows() -> Error {
    let what = "the target follows the source, and stands elsewhere than a generation";
    refused(what).todo("go on with `liteferry follow`")
}

/// Whether a target was brought forward.
pub(super) fn is_forward(session: &Session, migration: i32) -> Result<bool> {
    ledger::note_of(session, migration, FORWARD).map(|note| note.is_some())
}

/// Brings a target forward to the generation that is wanted, and proves it.
///
/// # Errors
///
/// [`Class::Undecided`](crate::Class::Undecided): no steps lead there; [`Class::Damaged`](crate::Class::Damaged): a file
/// of a step is not what it should be. The target holds what it held then, as it does after any failure before the COMMIT.
pub(super) fn bring(
    chosen: &Chosen,
    held: &Held,
    conninfo: &Conninfo,
    link: &mut Link<'_>,
    (setting, clock): (Setting<'_>, &mut Clock),
) -> Result<Report> {
    let way = Way::find(chosen, &held.generation)?;
    held.check(chosen)?;
    chosen.check_files(&way.files(), setting)?;
    clock.lap(Phase::Check);
    let (migrated, lease) = chosen.take(link)?;
    noted(conninfo, link, lease, ("restore", &migrated.plan_hash), |link| {
        let restore = Restore { chosen, plan: &migrated.plan, lease, setting };
        let copied_rows = Forward { restore, held: &held.generation, way: &way }.go(link)?;
        clock.lap(Phase::Snapshot);
        let report = restore.go(link, clock)?;
        Ok(Report { copied_rows, ..report })
    })
}
