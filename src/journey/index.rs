//! After the load: keys and indexes table by table, sequences, foreign keys, and a vacuum.

use super::Setting;
use crate::error::{Place, Result};
use crate::pipeline::failpoint::{self, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::{Plan, PlannedTable, Step, StepKind};
use crate::store::postgres::define;
use crate::store::postgres::ledger::{Lease, done_steps};
use crate::store::postgres::link::Link;
use std::collections::BTreeMap;

/// Steps that are done, with what was noted of them.
type Done = BTreeMap<String, Option<String>>;

/// Makes everything that comes after the load, and gives what the user should look at.
pub(super) fn build(
    plan: &Plan,
    lease: Lease,
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<Vec<String>> {
    setting.progress.tell(Event::Phase(Phase::Index));
    let done: Done =
        link.with(|session| done_steps(session, lease.migration))?.into_iter().collect();
    let mut tables: Vec<_> = plan.tables.iter().collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.schema.bytes));
    let links: Vec<_> = (0..setting.workers).map(|_| link.another()).collect();
    let notes = workers::over(&tables, links, setting.stop, |link, table| {
        finish_table(table, lease, link, &done, setting)
            .at(|| format!("table {}", table.schema.target))
    })?;
    // One after the other: two constraints between the same tables would wait for each other.
    for step in &plan.foreign_keys {
        add(step, lease, link, &done, setting).at(|| format!("table {}", step.table))?;
    }
    let links: Vec<_> = (0..setting.workers).map(|_| link.another()).collect();
    let checked = workers::over(&plan.foreign_keys, links, setting.stop, |link, step| {
        validate(step, lease, link, &done, setting).at(|| format!("table {}", step.table))
    })?;
    Ok(notes.into_iter().flatten().chain(checked.into_iter().flatten()).collect())
}

fn finish_table(
    table: &PlannedTable,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
    setting: Setting<'_>,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for step in &table.steps {
        setting.stop.check()?;
        add(step, lease, link, done, setting)?;
        notes.extend(validate(step, lease, link, done, setting)?);
    }
    set_sequence(table, lease, link, done)?;
    vacuum(table, lease, link, done, setting)?;
    Ok(notes)
}

/// Once only: a run that comes later must not take back what the target has given out meanwhile.
fn set_sequence(
    table: &PlannedTable,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
) -> Result<()> {
    let name = format!("sequence {}", table.schema.target);
    let Some(identity) = &table.identity else { return Ok(()) };
    if done.contains_key(&name) {
        return Ok(());
    }
    link.with(|session| {
        define::once(session, lease, &name, |session| {
            define::set_sequence(session, &table.schema, &identity.column, identity.given_out)?;
            reach(failpoint::Step::SequenceSet);
            Ok(())
        })
    })?;
    reach(failpoint::Step::SequenceNoted);
    Ok(())
}

fn vacuum(
    table: &PlannedTable,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
    setting: Setting<'_>,
) -> Result<()> {
    let name = format!("vacuum {}", table.schema.target);
    if done.contains_key(&name) {
        return Ok(());
    }
    setting.progress.tell(Event::Step(format!("vacuum of {}", table.schema.target)));
    link.with(|session| {
        define::vacuum(session, &table.schema)?;
        reach(failpoint::Step::Vacuumed);
        define::once(session, lease, &name, |_| Ok(()))
    })?;
    reach(failpoint::Step::VacuumNoted);
    Ok(())
}

fn add(
    step: &Step,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
    setting: Setting<'_>,
) -> Result<()> {
    let name = step.full_name();
    if done.contains_key(&name) {
        return Ok(());
    }
    let (made, committed) = match step.kind {
        StepKind::ForeignKey => {
            (failpoint::Step::ForeignKeyMade, failpoint::Step::ForeignKeyCommitted)
        }
        _ => (failpoint::Step::KeyMade, failpoint::Step::KeyCommitted),
    };
    setting.progress.tell(Event::Step(name.clone()));
    let done = link.with(|session| {
        define::once(session, lease, &name, |session| {
            define::make(session, [step.sql.as_str()])?;
            reach(made);
            Ok(())
        })
    });
    done.at(|| name)?;
    reach(committed);
    Ok(())
}

/// Checks a constraint against the rows; what breaks it was so in the source too, and is told, not hidden.
fn validate(
    step: &Step,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
    setting: Setting<'_>,
) -> Result<Option<String>> {
    let Some(sql) = &step.validate else { return Ok(None) };
    let name = format!("validation of {}", step.full_name());
    let broken = if let Some(noted) = done.get(&name) {
        noted.clone()
    } else {
        setting.progress.tell(Event::Step(name.clone()));
        let broken = link.with(|session| define::validate(session, lease, &name, sql))?;
        reach(failpoint::Step::CheckNoted);
        broken
    };
    Ok(broken.map(|why| {
        format!(
            "table {}: {} stays NOT VALID: PostgreSQL finds rows that break it: {why}",
            step.table,
            step.full_name()
        )
    }))
}
