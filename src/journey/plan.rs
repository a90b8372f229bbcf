//! The plan without the deed: what would be done, and what drops it again.

use super::inspect::Inspected;
use super::run::{check_target_free, drop_sql};
use super::{Setting, aside};
use crate::config::Pipeline;
use crate::error::Result;
use crate::plan::Plan;
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::link::Link;
use crate::store::postgres::{define, ledger};

/// What would be done, or what is being done.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The SQL that drops exactly what a run creates.
    pub drop_sql: String,
    /// Whether a run of this plan has begun.
    pub begun: bool,
}

/// Gives the plan of a migration: the ledger's where it has begun, else a new one.
///
/// # Errors
///
/// Whatever stands in the way of a run, but for what only shows while it runs.
pub fn plan(pipeline: &Pipeline, conninfo: &Conninfo, setting: Setting<'_>) -> Result<Planned> {
    let inspected = Inspected::open(pipeline, setting.stop)?;
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let begun = link.with(|session| {
        if ledger::exists(session)? {
            ledger::find(session, &pipeline.name(), &pipeline.target.schema)
        } else {
            Ok(None)
        }
    })?;
    if let Some(migration) = begun {
        return Ok(Planned {
            plan: Plan::from_json(&migration.plan)?,
            drop_sql: migration.drop_sql,
            begun: true,
        });
    }
    let target = link.with(|session| aside::find(session, &inspected, pipeline))?;
    let plan = inspected.plan(pipeline, &target, setting)?;
    let drop_sql = link.with(|session| {
        check_target_free(session, &plan)?;
        drop_sql(&plan, !define::schema_exists(session, &plan.target_schema)?)
    })?;
    Ok(Planned { plan, drop_sql, begun: false })
}
