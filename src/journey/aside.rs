//! Tables of the target that exist: found before the plan, looked at again before anything is touched, and freed from
//! what stands in the way of the load. The steps after the load put it back.

use super::inspect::Inspected;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::TargetTable;
use crate::model::identifier::{literal, quoted};
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::{self, Plan, StepKind};
use crate::store::postgres::ledger::{self, Lease};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::write::Silence;
use crate::store::postgres::{autovacuum, define, introspect};
use std::collections::{BTreeMap, BTreeSet};

/// The step in the ledger.
const STEP: &str = "put aside";

/// The target's tables that have names of source tables.
pub(super) fn find(
    session: &Session,
    inspected: &Inspected,
    pipeline: &Pipeline,
) -> Result<Vec<TargetTable>> {
    let names: Vec<_> = inspected.schema.tables.iter().map(|table| table.name.clone()).collect();
    introspect::tables(session, &pipeline.target.schema, &names)
}

/// Makes sure that the tables are still as the plan found them.
///
/// # Errors
///
/// [`Class::Undecided`] where one is not, or where rows came into one that was empty.
pub(super) fn check_as_found(session: &Session, plan: &Plan) -> Result<()> {
    let names: Vec<_> = plan.existing().map(|(_, existing)| existing.found.name.clone()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let now = introspect::tables(session, &plan.target_schema, &names)?;
    let now: BTreeMap<_, _> = now.into_iter().map(|table| (table.name.clone(), table)).collect();
    for (planned, existing) in plan.existing() {
        let found = &existing.found;
        let same = now.get(&found.name).is_some_and(|now| {
            TargetTable { has_rows: found.has_rows, ..now.clone() } == *found
                && (existing.truncate || !now.has_rows)
        });
        if !same {
            let what = format!(
                "the target's table {} was changed, or written to, since it was looked at",
                found.name
            );
            return Err(Error::new(Class::Undecided, what)
                .todo("stop what uses it; if this migration has begun, take it back with the SQL that `liteferry plan` prints; then run this again")
                .at(format!("table {}", planned.schema.source)));
        }
    }
    Ok(())
}

/// Puts aside, in one transaction, everything that stands in the way, and deletes the rows that shall go.
pub(super) fn put_aside(plan: &Plan, lease: Lease, link: &mut Link<'_>) -> Result<()> {
    if plan.existing().next().is_none() {
        return Ok(());
    }
    link.with(|session| {
        define::once(session, lease, STEP, |session| {
            // What is gone cannot be locked.
            check_as_found(session, plan)?;
            lock(session, plan)?;
            reach(Step::ExistingLocked);
            check_as_found(session, plan)?;
            define::make(session, plan.aside.iter().map(|aside| aside.sql.as_str()))?;
            let emptied: Vec<_> = plan
                .existing()
                .filter(|(_, existing)| existing.truncate)
                .map(|(_, existing)| relation(&existing.found))
                .collect();
            if !emptied.is_empty() {
                session.batch("empty tables", &format!("TRUNCATE {}", emptied.join(", ")))?;
            }
            reach(Step::ExistingCleared);
            Ok(())
        })
    })?;
    reach(Step::ExistingReady);
    Ok(())
}

/// Keeps everybody else out until the transaction ends.
fn lock(session: &Session, plan: &Plan) -> Result<()> {
    let names: Vec<_> = plan.existing().map(|(_, existing)| relation(&existing.found)).collect();
    let sql = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", "));
    session.batch("lock the target's tables", &sql)
}

fn relation(table: &TargetTable) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// The SQL that takes the loaded rows out of tables that existed, and puts back what was put aside, if a run has come
/// so far; nothing where no table existed.
pub(super) fn give_back_sql(plan: &Plan) -> Result<String> {
    let statements = plan.give_back();
    if statements.is_empty() {
        return Ok(String::new());
    }
    let unwritable = |_| Error::internal("a name that cannot be written");
    let (name, schema) = (
        literal(&plan.name).map_err(unwritable)?,
        literal(&plan.target_schema).map_err(unwritable)?,
    );
    let mut body: String = statements.iter().map(|sql| format!("        {sql};\n")).collect();
    if plan.is_followed {
        let tables = plan.existing().map(|(table, _)| &table.schema);
        body.push_str(&autovacuum::give_back_block(&name, &schema, tables)?);
    }
    let mut tag = String::from("liteferry");
    while body.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    Ok(format!(
        "SET LOCAL search_path = pg_catalog;\nDO ${tag}$ BEGIN\n    \
         IF EXISTS (SELECT FROM liteferry.step s JOIN liteferry.migration m ON m.id = s.migration\n               \
         WHERE m.name = {name} AND m.target_schema = {schema} AND s.name = '{STEP}') THEN\n{body}    \
         END IF;\nEND ${tag}$;\n"
    ))
}

/// Puts the foreign keys and the checks of tables aside into which rows come late, so that these may come in any order;
/// they are made again after the load, as after the first one. Foreign keys that rows broke are checked again, because a
/// parent may be among those that come.
pub(super) fn put_constraints_aside(
    plan: &Plan,
    tables: &BTreeSet<usize>,
    lease: Lease,
    link: &mut Link<'_>,
) -> Result<()> {
    let tables: Vec<_> = tables.iter().filter_map(|&number| plan.tables.get(number)).collect();
    let checks = tables.iter().flat_map(|table| &table.steps);
    let checks = checks.filter(|step| step.kind == StepKind::Check);
    let child = |step: &&plan::Step| tables.iter().any(|table| table.schema.target == step.table);
    let steps: Vec<_> = checks.chain(plan.foreign_keys.iter().filter(child)).collect();
    link.with(|session| {
        session.transaction(|session| {
            ledger::guard(session, lease)?;
            let done: BTreeMap<_, _> =
                ledger::done_steps(session, lease.migration)?.into_iter().collect();
            let mut forgotten = Vec::new();
            for step in steps.iter().filter(|step| done.contains_key(&step.full_name())) {
                define::make(session, [plan.drop_constraint(step).as_str()])?;
                forgotten.extend(step.ledger_names());
            }
            let checked = plan.foreign_keys.iter().map(plan::Step::validation_name);
            forgotten.extend(checked.filter(|name| done.get(name).is_some_and(Option::is_some)));
            ledger::forget_steps(session, lease, &forgotten)?;
            reach(Step::ConstraintsAside);
            Ok(())
        })
    })?;
    reach(Step::ConstraintsGone);
    Ok(())
}

/// What silences those triggers of a table that fire again already, according to the steps that are `done`.
pub(super) fn silence(plan: &Plan, table: &str, done: &[(String, Option<String>)]) -> Silence {
    let fires = |step: &str| done.iter().any(|(name, _)| name == step);
    let mut silence = Silence::default();
    for step in plan.triggers.iter().filter(|step| step.table == table) {
        let name = step.full_name();
        if fires(&name) {
            let off = plan.aside.iter().filter(|aside| aside.step == name);
            silence.before.extend(off.map(|aside| aside.sql.clone()));
            silence.after.push(step.sql.clone());
        }
    }
    silence
}
