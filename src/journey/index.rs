//! After the load: keys and indexes table by table, sequences, foreign keys, and a vacuum.

use super::Setting;
use crate::error::{Class, Error, Place, Result};
use crate::pipeline::failpoint::{self, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::{Plan, PlannedTable, Step, StepKind};
use crate::store::postgres::define;
use crate::store::postgres::ledger::{Lease, done_steps};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
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
    // Last: nothing is written to the tables after them.
    for step in &plan.triggers {
        add(step, lease, link, &done, setting).at(|| format!("table {}", step.table))?;
    }
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
        notes.extend(add(step, lease, link, done, setting).map_err(|error| advised(error, table))?);
        notes.extend(validate(step, lease, link, done, setting)?);
    }
    set_sequence(table, lease, link, done)?;
    vacuum(table, lease, link, done, setting)?;
    Ok(notes)
}

/// A key of a table that exists is the application's: the rows are what must fit.
fn advised(error: Error, table: &PlannedTable) -> Error {
    if table.existing.is_some() && error.class() == Class::Undecided {
        error.todo("rows of the source break a key that the target's table has: repair them in the source, or take everything back with the SQL that `liteferry plan` prints, change the key, and begin again")
    } else {
        error
    }
}

/// Once only: a run that comes later must not take back what the target has given out meanwhile.
fn set_sequence(
    table: &PlannedTable,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
) -> Result<()> {
    let name = format!("sequence {}", table.schema.target);
    let raised = table.existing.as_ref().map_or(&[][..], |existing| &existing.sequences);
    if done.contains_key(&name) || (table.identity.is_none() && raised.is_empty()) {
        return Ok(());
    }
    link.with(|session| {
        define::once(session, lease, &name, |session| {
            if let Some(identity) = &table.identity {
                define::set_sequence(session, &table.schema, &identity.column, identity.given_out)?;
            }
            for sequence in raised {
                let (column, given_out) = (&sequence.column, sequence.given_out);
                define::raise_sequence(session, &table.schema, column, &sequence.name, given_out)?;
            }
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

/// Makes a key, an index or a constraint. An index that cannot hold the rows is left out, and told: it changes no value
/// and refuses none.
fn add(
    step: &Step,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
    setting: Setting<'_>,
) -> Result<Option<String>> {
    let name = step.full_name();
    let left_out = if let Some(noted) = done.get(&name) {
        noted.clone()
    } else {
        setting.progress.tell(Event::Step(name.clone()));
        make(step, lease, link).at(|| name.clone())?
    };
    Ok(left_out.map(|why| {
        format!(
            "table {}: {name} is left out: PostgreSQL cannot make it of these rows: {why}",
            step.table
        )
    }))
}

/// Makes one step; gives why it was left out.
fn make(step: &Step, lease: Lease, link: &mut Link<'_>) -> Result<Option<String>> {
    let name = step.full_name();
    let (made, committed) = match step.kind {
        StepKind::ForeignKey => {
            (failpoint::Step::ForeignKeyMade, failpoint::Step::ForeignKeyCommitted)
        }
        StepKind::Trigger => (failpoint::Step::TriggerEnabled, failpoint::Step::TriggerCommitted),
        _ => (failpoint::Step::KeyMade, failpoint::Step::KeyCommitted),
    };
    let work = |session: &Session| {
        define::make(session, [step.sql.as_str()])?;
        reach(made);
        Ok(())
    };
    let left_out = link.with(|session| match step.kind {
        StepKind::Index => define::attempt(session, lease, &name, work),
        _ => define::once(session, lease, &name, work).map(|_| None),
    });
    let left_out = left_out.map_err(|error| match error.class() {
        Class::Data => error.reclassified(Class::Undecided).todo(KEY_ADVICE),
        _ => error,
    })?;
    reach(committed);
    Ok(left_out)
}

/// What a user can do where PostgreSQL cannot make a key that SQLite has.
const KEY_ADVICE: &str = "values that SQLite tells apart are one in the target's type, or too long for an index: give \
                          the key's columns another type in a pipeline file (text keeps all texts apart), drop what was \
                          created with the SQL that `liteferry plan` prints, and begin again";

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
        let broken = link.with(|session| {
            define::attempt(session, lease, &name, |session| {
                define::make(session, [sql.as_str()])?;
                reach(failpoint::Step::Checked);
                Ok(())
            })
        })?;
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
