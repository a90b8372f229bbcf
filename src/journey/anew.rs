//! What the user decides after the first run: the plan with it. Where a column is widened, its table is planned, made and
//! loaded again, and no other.
//!
//! What is there goes, and what comes is made, in one transaction with the new plan: whoever dies leaves either the one
//! or the other, and the load goes on as any other.

use super::inspect::Inspected;
use super::{Setting, reject, touched};
use crate::config::{Census, MisfitPolicy, Pipeline, SourceSection};
use crate::error::{Class, Error, Place, Result};
use crate::model::Column;
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::{Plan, PlannedTable, anew};
use crate::status::Misfits;
use crate::store::postgres::ledger::{self, Lease};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::{autovacuum, define};
use std::collections::BTreeSet;

/// How far a migration has come.
pub(super) struct Standing {
    /// Values that do not fit.
    misfits: Vec<Misfits>,
    /// Keys that are not made yet, though all rows are loaded: the rows may not allow them.
    unmade: BTreeSet<String>,
}

impl Standing {
    /// That of a migration which began with this plan and is in this phase.
    pub(super) fn of(begun: &Plan, id: i32, phase: &str, link: &mut Link<'_>) -> Result<Self> {
        let misfits = reject::misfits(begun, link, id)?;
        let done = link.with(|session| ledger::done_steps(session, id))?;
        let keys = begun.steps().filter(|step| step.key.is_some() && phase == "snapshotted");
        let mut unmade: BTreeSet<_> = keys.map(crate::plan::Step::full_name).collect();
        unmade.retain(|name| done.iter().all(|(step, _)| step != name));
        Ok(Self { misfits, unmade })
    }

    /// Whether a column has values that do not fit, or is part of a key that is not made.
    fn is_open(&self, table: &PlannedTable, position: usize, column: &Column) -> bool {
        let name = &table.schema.source;
        let found = |misfit: &Misfits| misfit.table == *name && misfit.column == column.source;
        let holds = |step: &crate::plan::Step| {
            let key = step.key.as_ref().filter(|_| self.unmade.contains(&step.full_name()));
            key.is_some_and(|key| key.columns.iter().any(|(at, _)| *at == position))
        };
        self.misfits.iter().any(found) || table.steps.iter().any(holds)
    }
}

/// The plan with what the user says now about misfits; none where that is what it says already.
///
/// # Errors
///
/// [`Class::Undecided`] where that cannot be done any more; [`Class::SourceChanged`].
pub(super) fn plan(
    begun: &Plan,
    inspected: &Inspected,
    pipeline: &Pipeline,
    standing: &Standing,
    setting: Setting<'_>,
) -> Result<Option<Plan>> {
    let widened = widened(begun, inspected, pipeline, standing, setting)?;
    // What is said of the other tables may have changed at the same time.
    let before = widened.as_ref().unwrap_or(begun);
    Ok(reject::decided_anew(before, inspected, pipeline, &standing.misfits)?.or(widened))
}

/// The plan in which the columns are wide that the user wants widened now; none where there are no others than before.
///
/// # Errors
///
/// [`Class::Undecided`] where one cannot be widened, or was and shall be so no more; [`Class::SourceChanged`].
fn widened(
    begun: &Plan,
    inspected: &Inspected,
    pipeline: &Pipeline,
    standing: &Standing,
    setting: Setting<'_>,
) -> Result<Option<Plan>> {
    let mut wanted = wanted(begun, pipeline, standing)?;
    match wanted.first() {
        None => return Ok(None),
        // Its changelog knows the table as it is.
        Some(table) if begun.is_followed => return Err(reject::only_anew(table)),
        Some(_) => {}
    }
    // Another kind of census would see other stretches.
    let census = if begun.is_sampled() { Census::Sample } else { Census::Full };
    let source = SourceSection { census, ..pipeline.source.clone() };
    let pipeline = &Pipeline { source, ..pipeline.clone() };
    let target: Vec<_> = begun.existing().map(|(_, existing)| existing.found.clone()).collect();
    let fresh = inspected.plan_wholly(pipeline, &target, &wanted, setting)?;
    // What a sample saw is compared with what is there before anything is done.
    let comparable =
        |table: &&PlannedTable| table.sample.is_none() || !wanted.contains(&table.schema.source);
    for old in begun.tables.iter().filter(comparable) {
        let name = &old.schema.source;
        let now = fresh.tables.iter().find(|table| table.schema.source == *name);
        if now.is_none_or(|now| now.stretches != old.stretches) {
            return Err(touched::changed().at(format!("table {name}")));
        }
    }
    // What foreign keys compare with a key that becomes text does so too.
    wanted.extend(begun.retyped(&fresh).map(|table| table.schema.source.clone()));
    begun.with_anew(fresh, &wanted).map(Some)
}

/// The tables with columns to be widened: those that do not hold what the census saw, or the load, or whose key could not
/// be made.
fn wanted(begun: &Plan, pipeline: &Pipeline, standing: &Standing) -> Result<BTreeSet<String>> {
    let mut wanted = BTreeSet::new();
    for table in &begun.tables {
        let name = &table.schema.source;
        let columns = table.schema.columns.iter().zip(&table.columns).enumerate();
        for (position, (column, report)) in columns {
            let said = pipeline.column(name, &column.source).and_then(|said| said.misfits);
            let widen = said == Some(MisfitPolicy::Widen);
            let refuse = |what: &str, todo: &str| {
                Err(Error::new(Class::Undecided, what).todo(todo))
                    .at(|| format!("column {}", column.source))
                    .at(|| format!("table {name}"))
            };
            if report.widened && !widen {
                let again = "say `misfits = \"widen\"` again in the pipeline file, or drop what was created with the SQL \
                             that `liteferry plan` prints and begin again";
                let anew = reject::take_anew(name);
                let todo = if begun.is_followed { &anew } else { again };
                return refuse("it was widened already", todo);
            }
            let fits = report.strays == 0 && !standing.is_open(table, position, column);
            if !widen || report.widened || fits {
                continue;
            }
            if table.existing.is_some() {
                return refuse(
                    "the target's column exists: it is not widened",
                    "say another `misfits` in the pipeline file, or change the target's column",
                );
            }
            wanted.insert(name.clone());
        }
    }
    Ok(wanted)
}

/// What becomes of tables that are there, one line each.
pub(super) fn announced(begun: &Plan, plan: &Plan) -> Vec<String> {
    let again = plan.anew(begun).into_iter().map(|(old, new)| {
        let before = old.schema.columns.iter().zip(&old.columns);
        let columns = before.zip(new.schema.columns.iter().zip(&new.columns));
        let widened = columns.filter(|((before, old), (column, new))| {
            (new.widened && !old.widened) || before.pg != column.pg
        });
        let widened: Vec<_> = widened
            .map(|(_, (column, _))| format!("{} becomes {}", column.source, column.pg))
            .collect();
        format!(
            "table {}: it is dropped and loaded again, because columns are widened: {}",
            new.schema.source,
            widened.join(", ")
        )
    });
    let nullable = plan.let_null_since(begun).map(|(table, column)| {
        format!(
            "table {}: the column {} is NOT NULL no more, because NULL takes the place of values that do not fit",
            table.source, column.source
        )
    });
    again.chain(nullable).collect()
}

/// Puts `plan` in the place of the plan that has `begun`, and its tables in the place of those that are there.
pub(super) fn replace(begun: &Plan, plan: &Plan, lease: Lease, link: &mut Link<'_>) -> Result<()> {
    let (json, hash) = (plan.to_json()?, plan.hash()?);
    link.with(|session| {
        session.transaction(|session| {
            ledger::guard(session, lease)?;
            let there = ledger::find(session, &plan.name, &plan.target_schema)?;
            if there.is_some_and(|there| there.plan_hash == hash) {
                // It was committed, and the answer was lost.
                return Ok(());
            }
            ledger::set_plan(session, lease, &json, &hash)?;
            make_again(begun, plan, lease, session)?;
            reach(Step::AnewMade);
            Ok(())
        })
    })?;
    reach(Step::AnewCommitted);
    Ok(())
}

fn make_again(begun: &Plan, plan: &Plan, lease: Lease, session: &Session) -> Result<()> {
    let done = ledger::done_steps(session, lease.migration)?;
    let is_made = done.iter().any(|(step, _)| step == "tables");
    if is_made {
        let statements =
            plan.let_null_since(begun).map(|(table, column)| anew::let_null(table, column));
        define::make(session, statements.collect::<Vec<_>>().iter().map(String::as_str))?;
    }
    let pairs = plan.anew(begun);
    if pairs.is_empty() {
        return Ok(());
    }
    ledger::set_phase(session, lease, "planned")?;
    if !is_made {
        return Ok(());
    }
    exchange(begun, plan, &pairs, lease, session)
}

/// Drops tables that are there, with their rows, and makes them as `plan` has them, in the caller's transaction.
///
/// # Errors
///
/// [`Class::Undecided`] for rows of others; what the server says.
pub(super) fn exchange(
    begun: &Plan,
    plan: &Plan,
    pairs: &[(&PlannedTable, &PlannedTable)],
    lease: Lease,
    session: &Session,
) -> Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    // Where the source is followed, the guard keeps others out, and deltas bring rows that no chunk counts.
    for (old, _) in pairs.iter().filter(|_| !begun.is_followed) {
        refuse_rows_of_others(session, lease, old).at(|| format!("table {}", old.schema.target))?;
    }
    let mut forgotten = Vec::new();
    for step in gone(begun, plan, pairs, session)? {
        define::make(session, [begun.drop_constraint(step).as_str()])?;
        forgotten.extend(step.ledger_names());
    }
    ledger::forget_steps(session, lease, &forgotten)?;
    let old = pairs.iter().map(|(old, _)| *old);
    define::make(session, anew::drop_again(old).iter().map(String::as_str))?;
    for (old, new) in pairs {
        define::make(session, anew::create_again(new).iter().map(String::as_str))?;
        forget(old, lease, session)?;
    }
    Ok(())
}

/// Forgets what was loaded into a table, and what was made of it after that: it is done again.
pub(super) fn forget(table: &PlannedTable, lease: Lease, session: &Session) -> Result<()> {
    let target = &table.schema.target;
    ledger::forget_chunks(session, lease, target)?;
    let steps = table.steps.iter().flat_map(crate::plan::Step::ledger_names);
    let others = [format!("sequence {target}"), format!("vacuum {target}")];
    // A table that is only emptied keeps its settings, and the note of what they were.
    let made = table.existing.is_none().then(|| autovacuum::step(&table.schema));
    ledger::forget_steps(session, lease, &steps.chain(others).chain(made).collect::<Vec<_>>())
}

/// The foreign keys that go: those of the tables, those that reference them, and those that are others now.
fn gone<'p>(
    begun: &'p Plan,
    plan: &'p Plan,
    pairs: &[(&PlannedTable, &PlannedTable)],
    session: &Session,
) -> Result<Vec<&'p crate::plan::Step>> {
    let mut gone: Vec<_> = begun.foreign_keys_gone(plan).collect();
    for (old, _) in pairs {
        let references = define::references_to(session, &old.schema)?;
        let of_table = begun.foreign_keys.iter().filter(|step| {
            step.table == old.schema.target
                || references.iter().any(|(table, name)| *table == step.table && *name == step.name)
        });
        gone.extend(of_table);
    }
    Ok(gone)
}

/// Rows that came since are not liteferry's to drop.
fn refuse_rows_of_others(session: &Session, lease: Lease, table: &PlannedTable) -> Result<()> {
    let loaded = ledger::loaded_chunks(session, lease.migration)?;
    let chunks = loaded.iter().filter(|chunk| chunk.table == table.schema.target);
    let loaded: u64 = chunks.map(|chunk| chunk.sum.rows).sum();
    match define::lock_and_count(session, &table.schema)? {
        Some(there) if there > loaded => Err(Error::new(
            Class::Undecided,
            format!("it has {there} rows, of which this migration has loaded {loaded}: it cannot be loaded again"),
        )
        .todo("move the rows that others wrote elsewhere, then run this again")),
        _ => Ok(()),
    }
}
