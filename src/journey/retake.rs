//! Single tables taken anew because the user says so: planned as the source has them now, emptied or made again, and
//! loaded again. All others stay as they are, and are followed from where they were left.
//!
//! As where columns are widened, what goes and what comes is done in one transaction with the new plan. It has a name of
//! its own in the ledger, by which a run that lost the answer to its COMMIT knows that it was done.

use super::begin::BEGIN_AGAIN;
use super::inspect::Inspected;
use super::{Setting, anew, begin, live};
use crate::config::{Census, Pipeline, SourceSection};
use crate::error::{Class, Error, Result};
use crate::model::TargetTable;
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::{self, Existing, Plan, PlannedTable};
use crate::store::postgres::ledger::{self, Lease};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::{define, introspect};
use std::collections::BTreeSet;

/// The plan with these tables, by their names in the source, as the source has them now.
///
/// # Errors
///
/// [`Class::Usage`] for a name that the source does not have; [`Class::Undecided`] for tables that cannot be taken anew
/// alone.
pub(super) fn plan(
    begun: &Plan,
    inspected: &Inspected,
    pipeline: &Pipeline,
    retaken: &BTreeSet<String>,
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<Plan> {
    check_names(begun, inspected, retaken)?;
    // What the others are by now does not matter: they stay as they were planned.
    let source = SourceSection { census: Census::Sample, ..pipeline.source.clone() };
    let mut sampled = Pipeline { source, ..pipeline.clone() };
    // What is said of tables that are gone was known when they were planned.
    let gone: BTreeSet<_> = gone(begun, inspected).map(|table| &table.schema.source).collect();
    sampled.tables.retain(|name, _| !gone.contains(name));
    let target = link.with(|session| existing(begun, retaken, session))?;
    let fresh = inspected.plan_wholly(&sampled, &target, retaken, setting)?;
    let plan = begun.retaken(fresh, retaken);
    for old in begun.tables.iter().filter(|table| retaken.contains(&table.schema.source)) {
        let stays = |table: &PlannedTable| {
            table.schema.source == old.schema.source
                && table.schema.target == old.schema.target
                && table.existing.is_some() == old.existing.is_some()
        };
        if !plan.tables.iter().any(stays) {
            return Err(Error::new(
                Class::Undecided,
                "would be another table of the target by now",
            )
            .todo(BEGIN_AGAIN)
            .at(format!("table {}", old.schema.source)));
        }
    }
    Ok(plan)
}

/// The tables that existed, as they were found; those that are taken anew with the columns that they have now. Keys,
/// indexes and triggers are aside, and come back as they were.
fn existing(
    begun: &Plan,
    retaken: &BTreeSet<String>,
    session: &Session,
) -> Result<Vec<TargetTable>> {
    let look = |(planned, existing): (&PlannedTable, &Existing)| {
        let found = existing.found.clone();
        if !retaken.contains(&planned.schema.source) {
            return Ok(found);
        }
        let now = introspect::tables(session, &found.schema, std::slice::from_ref(&found.name))?;
        match now.into_iter().find(|now| now.name == found.name) {
            Some(now) => Ok(TargetTable { columns: now.columns, ..found }),
            None => Err(Error::new(Class::Undecided, "the target's table is gone")
                .todo(BEGIN_AGAIN)
                .at(format!("table {}", planned.schema.source))),
        }
    };
    begun.existing().map(look).collect()
}

/// The tables of the source are those of the plan, but for those that are taken anew.
fn check_names(begun: &Plan, inspected: &Inspected, retaken: &BTreeSet<String>) -> Result<()> {
    let there: BTreeSet<_> =
        inspected.schema.tables.iter().map(|table| table.name.as_str()).collect();
    let planned: BTreeSet<_> =
        begun.tables.iter().map(|table| table.schema.source.as_str()).collect();
    let known = |name: &str| there.contains(name) || planned.contains(name);
    if let Some(unknown) = retaken.iter().find(|name| !known(name)) {
        return Err(Error::new(Class::Usage, format!("the source has no table {unknown}"))
            .todo("give the name of a table as the source has it"));
    }
    // Nothing is missed of those that were not followed.
    let is_missed = |table: &&PlannedTable| {
        table.capture.is_some() && !retaken.contains(&table.schema.source) || !begun.is_followed
    };
    if let Some(missed) = gone(begun, inspected).find(is_missed) {
        let name = &missed.schema.source;
        let todo = if begun.is_followed {
            live::let_go(std::iter::once(name).chain(retaken).map(String::as_str))
        } else {
            format!("put it back; or {BEGIN_AGAIN}")
        };
        return Err(Error::new(Class::Undecided, "is gone from the source")
            .todo(todo)
            .at(format!("table {name}")));
    }
    let new = there.iter().find(|name| !planned.contains(*name) && !retaken.contains(**name));
    match new {
        Some(new) => {
            Err(Error::new(Class::Undecided, "came to the source since the plan was made")
                .todo(format!("take it too, with `--anew {new}`"))
                .at(format!("table {new}")))
        }
        None => Ok(()),
    }
}

/// The tables of the plan that the source does not have.
fn gone<'p>(begun: &'p Plan, inspected: &Inspected) -> impl Iterator<Item = &'p PlannedTable> {
    let there: BTreeSet<_> =
        inspected.schema.tables.iter().map(|table| table.name.clone()).collect();
    begun.tables.iter().filter(move |table| !there.contains(&table.schema.source))
}

/// What becomes of the tables, one line each.
pub(super) fn announced(begun: &Plan, plan: &Plan, retaken: &BTreeSet<String>) -> Vec<String> {
    let is_gone = |name: &String| {
        plan.tables.iter().any(|table| table.is_gone && table.schema.source == *name)
    };
    let line = |name: &String| {
        if is_gone(name) {
            format!(
                "table {name}: it is gone from the source: its rows in the target stay as they are, and are followed and \
                 proved no more"
            )
        } else if begun.tables.iter().any(|table| table.schema.source == *name) {
            format!("table {name}: its rows in the target are dropped, and loaded again")
        } else {
            format!("table {name}: it joins the migration")
        }
    };
    retaken.iter().map(line).collect()
}

/// Puts `plan` in the place of the plan that has `begun`, and frees the place for the tables' rows.
///
/// # Errors
///
/// [`Class::Undecided`] where somebody else's rows, or what others made of a table, are in the way.
pub(super) fn replace(
    begun: &Plan,
    plan: &Plan,
    retaken: &BTreeSet<String>,
    lease: Lease,
    link: &mut Link<'_>,
) -> Result<()> {
    let nonce = link.with(ledger::random_name)?;
    link.with(|session| {
        session.transaction(|session| {
            ledger::guard(session, lease)?;
            if ledger::note_retaken(session, lease, &nonce, retaken)? {
                Retake { begun, plan, retaken, lease, session }.go()?;
            }
            reach(Step::RetakenMade);
            Ok(())
        })
    })?;
    reach(Step::RetakenCommitted);
    Ok(())
}

/// The exchange, in the caller's transaction.
struct Retake<'a> {
    begun: &'a Plan,
    plan: &'a Plan,
    retaken: &'a BTreeSet<String>,
    lease: Lease,
    session: &'a Session,
}

impl Retake<'_> {
    fn go(&self) -> Result<()> {
        let Self { begun, plan, retaken, lease, session } = *self;
        let done = ledger::done_steps(session, lease.migration)?;
        let is_made = done.iter().any(|(step, _)| step == "tables");
        ledger::set_plan(session, lease, &plan.to_json()?, &plan.hash()?)?;
        ledger::set_phase(session, lease, "planned")?;
        if plan.is_followed {
            ledger::unsettle_position(session, lease)?;
            let again = live::DONE_AGAIN.map(String::from);
            ledger::forget_steps(session, lease, &again)?;
        }
        let is_retaken = |table: &&PlannedTable| retaken.contains(&table.schema.source);
        let (there, joining): (Vec<_>, Vec<_>) =
            plan.tables.iter().filter(is_retaken).partition(|table| of(begun, table).is_some());
        self.keep_removal(&joining)?;
        if !is_made {
            return Ok(());
        }
        let (gone, there): (Vec<_>, Vec<_>) = there.into_iter().partition(|table| table.is_gone);
        // Steps stay done: nothing is made of it again.
        gone.into_iter()
            .try_for_each(|table| ledger::forget_chunks(session, lease, &table.schema.target))?;
        let pairs: Vec<_> = there.iter().filter_map(|new| Some((of(begun, new)?, *new))).collect();
        let (emptied, made): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(old, _)| old.existing.is_some());
        anew::exchange(begun, plan, &made, lease, session)?;
        emptied.into_iter().try_for_each(|(old, _)| self.empty(old))?;
        joining.into_iter().try_for_each(|table| {
            define::make(session, plan::anew::create_again(table).iter().map(String::as_str))
        })
    }

    /// What drops everything again must know of the tables that join.
    fn keep_removal(&self, joining: &[&PlannedTable]) -> Result<()> {
        let Self { begun, plan, lease, session, .. } = *self;
        if joining.is_empty() {
            return Ok(());
        }
        if let Some(table) = joining.iter().find(|table| table.existing.is_some()) {
            return Err(Error::new(
                Class::Undecided,
                "joins the migration, and the target has a table of its name",
            )
            .todo("rename or drop that one")
            .at(format!("table {}", table.schema.source)));
        }
        let tables = joining.iter().map(|&table| table.clone()).collect();
        begin::check_target_free(
            session,
            &Plan { tables, foreign_keys: Vec::new(), triggers: Vec::new(), ..plan.clone() },
        )?;
        let there = ledger::find(session, &begun.name, &begun.target_schema)?;
        let before = there.map(|there| there.drop_sql).unwrap_or_default();
        let creates_schema = before.contains(&begin::drop_schema(plan));
        ledger::set_drop_sql(session, lease, &begin::drop_sql(plan, creates_schema)?)
    }

    /// Takes the rows out of a table that existed, and what would stand in the way of others.
    fn empty(&self, table: &PlannedTable) -> Result<()> {
        let Self { begun, lease, session, .. } = *self;
        let steps: Vec<_> = table.steps.iter().map(plan::Step::full_name).collect();
        let aside = begun.aside.iter().filter(|aside| steps.contains(&aside.step));
        define::make(session, aside.map(|aside| aside.sql.as_str()))?;
        define::empty(session, &table.schema)?;
        anew::forget(table, lease, session)
    }
}

/// A table of another plan.
fn of<'p>(plan: &'p Plan, table: &PlannedTable) -> Option<&'p PlannedTable> {
    plan.tables.iter().find(|other| other.schema.source == table.schema.source)
}
