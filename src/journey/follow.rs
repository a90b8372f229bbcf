//! Following: what changes in the source is applied to the target, for minutes or for weeks.

use super::Setting;
use super::begin::Migrated;
use super::inspect::Inspected;
use super::live::Live;
use super::reject;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::status::{Heads, Report};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::sqlite::wake::Wake;
use std::time::{Duration, Instant};

/// Where following ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When the target is what the source is.
    CaughtUp,
    /// When somebody stops it.
    Stopped,
}

/// Follows a source whose snapshot is loaded.
///
/// # Errors
///
/// Whatever stands in the way; the same command goes on from there.
pub fn follow(
    pipeline: &Pipeline,
    conninfo: &Conninfo,
    until: Until,
    setting: Setting<'_>,
) -> Result<Report> {
    let began = Instant::now();
    let inspected = Inspected::open(pipeline, setting.stop)?.moving();
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let migrated = Migrated::find(&mut link, pipeline)?;
    migrated.check_same_source(&inspected, pipeline)?;
    if !FOLLOWED.contains(&migrated.phase.as_str()) {
        let what = format!("the migration is {}: there is nothing to follow yet", migrated.phase);
        return Err(Error::new(Class::Undecided, what).todo("let `liteferry run` come to its end"));
    }
    let lease = link.take(migrated.id)?;
    let words = match until {
        Until::CaughtUp => "follow --until-caught-up",
        Until::Stopped => "follow",
    };
    let run = link.with(|session| ledger::begin_run(session, lease, words, &migrated.plan_hash))?;
    let live = Live::new(&inspected, &migrated.plan, lease, setting);
    live.guard(&mut link)?;
    let mut wake = Wake::new(&inspected.source)?;
    let drained = loop {
        let drained = live.catch_up(&mut link)?;
        if until == Until::CaughtUp {
            break drained;
        }
        while !wake.wait(PATIENCE, setting.stop)? {}
    };
    link.with(|session| ledger::end_run(session, run, "caught up", 0))?;
    Ok(Report {
        command: "follow",
        phase: migrated.phase,
        phases: vec![("follow", began.elapsed())],
        position: Some(Heads { source: drained.head, applied: drained.head }),
        misfits: reject::misfits(&migrated.plan, &mut link, migrated.id)?,
        ..Report::default()
    })
}

/// The phases in which everything is loaded.
const FOLLOWED: [&str; 2] = ["following", "not equal"];

/// How long it waits for a commit before it looks around.
const PATIENCE: Duration = Duration::from_secs(1);
