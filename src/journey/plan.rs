//! The plan without the deed: what would be done, what drops it again, what both ends are like, and what the
//! application must change.

use super::anew::Standing;
use super::begin::{check_target_free, drop_sql};
use super::check::{Checks, check};
use super::inspect::Inspected;
use super::live;
pub use super::live::Logging;
use super::{Setting, anew, aside};
use crate::config::Pipeline;
use crate::error::Result;
use crate::model::Motion;
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, Progress};
use crate::plan::advice::{Advice, advice};
use crate::plan::estimate::{Estimate, estimate};
use crate::plan::{Plan, PlannedTable};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::define;
use crate::store::postgres::facts::facts;
use crate::store::postgres::ledger::{self, Migration};
use crate::store::postgres::link::Link;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What would be done, or what is being done.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The SQL that drops exactly what a run creates.
    pub drop_sql: String,
    /// Whether a run of this plan has begun.
    pub begun: bool,
    /// What the next run changes of the tables that are there, and why.
    pub anew: Vec<String>,
    /// What both ends are like.
    pub checks: Checks,
    /// What a run takes.
    pub estimate: Estimate,
    /// What keeps the application from writing for long, one line each.
    pub holds: Vec<String>,
    /// What is put into the source, where it is followed.
    pub logging: Option<Logging>,
    /// What the application must change.
    pub advice: Vec<Advice>,
}

/// Gives the plan of a migration: the ledger's where it has begun, else a new one of a source that moves, or is at rest.
///
/// # Errors
///
/// Whatever stands in the way of a plan; what stands in the way of its run is among the checks.
pub fn plan(
    pipeline: &Pipeline,
    conninfo: &Conninfo,
    motion: Motion,
    setting: Setting<'_>,
) -> Result<Planned> {
    let mut inspected = Inspected::open_as(motion, pipeline, setting.stop)?;
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let schema = &pipeline.target.schema;
    let facts = link.with(|session| facts(session, schema))?;
    let max_wal_size = facts.max_wal_size;
    let migration = link.with(|session| {
        if facts.use_ledger == Some(true) && ledger::exists(session)? {
            ledger::find(session, &pipeline.name(), schema)
        } else {
            Ok(None)
        }
    })?;
    let begun = migration.is_some();
    let timed = Timed::new(setting.progress);
    let (plan, drop_sql, anew) = if let Some(migration) = migration {
        let begun = Plan::from_json(&migration.plan)?;
        if begun.motion() != motion {
            inspected = Inspected::open_as(begun.motion(), pipeline, setting.stop)?;
        }
        let (plan, anew) = anew(begun, &migration, &inspected, pipeline, &mut link, setting)?;
        (plan, migration.drop_sql, anew)
    } else {
        let target = link.with(|session| aside::find(session, &inspected, pipeline))?;
        let timed = Setting { progress: &timed, ..setting };
        let plan = inspected.plan_untried(pipeline, &target, &BTreeSet::new(), timed)?;
        let drop_sql = link.with(|session| {
            check_target_free(session, &plan)?;
            drop_sql(&plan, !define::schema_exists(session, &plan.target_schema)?)
        })?;
        (plan, drop_sql, Vec::new())
    };
    let logging = live::logging(&inspected, &plan, setting)?;
    let mut checks = check(&inspected, conninfo, facts, schema, setting)?;
    if let Some(logging) = &logging {
        let refusal = live::refusal(&logging.refused);
        checks.problems.extend(inspected.source.check_writable().err().into_iter().chain(refusal));
    }
    Ok(Planned {
        advice: advice(&inspected.schema, &plan),
        estimate: estimate(&inspected.schema, &plan, timed.census(), max_wal_size),
        holds: live::holds(&inspected, &plan),
        plan,
        drop_sql,
        begun,
        anew,
        checks,
        logging,
    })
}

/// The plan of a run that has begun, with what the pipeline file says by now.
fn anew(
    begun: Plan,
    migration: &Migration,
    inspected: &Inspected,
    pipeline: &Pipeline,
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<(Plan, Vec<String>)> {
    let is_said =
        |table: &PlannedTable| table.settings == pipeline.table_settings_hash(&table.schema.source);
    let same = begun.settings == pipeline.settings_hash()
        && begun.tables.iter().all(is_said)
        && begun.source_schema == inspected.schema_hash;
    if !same {
        return Ok((begun, Vec::new()));
    }
    let standing = Standing::of(&begun, migration.id, &migration.phase, link)?;
    Ok(match anew::plan(&begun, inspected, pipeline, &standing, setting)? {
        Some(plan) => {
            let announced = anew::announced(&begun, &plan);
            (plan, announced)
        }
        None => (begun, Vec::new()),
    })
}

/// Passes on what happens, and keeps the time of the census.
#[derive(Debug)]
struct Timed<'a> {
    listener: &'a dyn Progress,
    census: Mutex<Option<(Instant, Duration)>>,
}

impl<'a> Timed<'a> {
    fn new(listener: &'a dyn Progress) -> Self {
        Self { listener, census: Mutex::default() }
    }

    /// From its beginning to the last row.
    fn census(&self) -> Option<Duration> {
        self.census.lock().unwrap_or_else(PoisonError::into_inner).map(|(_, duration)| duration)
    }
}

impl Progress for Timed<'_> {
    fn tell(&self, event: Event) {
        let mut census = self.census.lock().unwrap_or_else(PoisonError::into_inner);
        match (&event, &mut *census) {
            (Event::Phase(Phase::Census), _) => *census = Some((Instant::now(), Duration::ZERO)),
            (Event::Rows { .. }, Some((began, lasted))) => *lasted = began.elapsed(),
            _ => {}
        }
        drop(census);
        self.listener.tell(event);
    }
}
