//! After the load: keys and indexes table by table, sequences, foreign keys, and a vacuum.

use super::inspect::Inspected;
use super::{Setting, collide};
use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::pipeline::failpoint::{self, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::{Plan, PlannedTable, Sequence, Step, StepKind, unique};
use crate::store::postgres::failure::key_twice;
use crate::store::postgres::ledger::{Lease, done_steps};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::{autovacuum, define};
use std::collections::BTreeMap;

/// Steps that are done, with what was noted of them.
type Done = BTreeMap<String, Option<String>>;

/// Makes everything that comes after the load, and gives what the user should look at; `inspected` is where the rows are
/// from, unless that is an archive.
pub(super) fn build(
    plan: &Plan,
    inspected: Option<&Inspected>,
    lease: Lease,
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<Vec<String>> {
    setting.progress.tell(Event::Phase(Phase::Index));
    let keep = if plan.damage.found.is_empty() { Keep::Keys } else { Keep::Rows };
    let done: Done =
        link.with(|session| done_steps(session, lease.migration))?.into_iter().collect();
    let mut tables: Vec<_> = plan.tables.iter().filter(|table| !table.is_gone).collect();
    tables.sort_by_key(|table| std::cmp::Reverse(table.schema.bytes));
    let links: Vec<_> = (0..setting.workers).map(|_| link.another()).collect();
    let notes = workers::over(&parts(&tables), links, setting.stop, |link, &(table, part)| {
        Finish { plan, table, inspected, keep, lease, done: &done, setting }
            .make(part, link)
            .at(|| format!("table {}", table.schema.target))
    })?;
    // Only when all indexes are there: statistics are taken of those on expressions, too.
    let links: Vec<_> = (0..setting.workers).map(|_| link.another()).collect();
    workers::over(&tables, links, setting.stop, |link, table| {
        set_sequence(table, lease, link, &done)
            .and_then(|()| vacuum(table, lease, link, &done, setting))
            .and_then(|()| keep_autovacuum_away(table, plan, lease, link, &done))
            .at(|| format!("table {}", table.schema.target))
    })?;
    if plan.is_followed {
        // What is left waits for the cutover.
        return Ok(notes.into_iter().flatten().collect());
    }
    // One after the other: two constraints between the same tables would wait for each other.
    let mut added = Vec::new();
    let mut left_out = Vec::new();
    for step in &plan.foreign_keys {
        match add(step, keep, lease, link, &done, setting).at(|| format!("table {}", step.table))? {
            None => added.push(step),
            Some(note) => left_out.push(note),
        }
    }
    let links: Vec<_> = (0..setting.workers).map(|_| link.another()).collect();
    let checked = workers::over(&added, links, setting.stop, |link, step| {
        validate(step, lease, link, &done, setting).at(|| format!("table {}", step.table))
    })?;
    // Last: nothing is written to the tables after them.
    for step in &plan.triggers {
        add(step, keep, lease, link, &done, setting).at(|| format!("table {}", step.table))?;
    }
    Ok(notes.into_iter().flatten().chain(left_out).chain(checked.into_iter().flatten()).collect())
}

/// A part of what is made of one table; another worker may have another.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    /// Keys and constraints, one after the other: each has the table for itself.
    Constraints,
    /// An index, beside others of the same table.
    Index(&'a Step),
}

/// The parts of tables, in their order. Where two of one table get in each other's way, the server's locks make one wait.
fn parts<'a>(tables: &[&'a PlannedTable]) -> Vec<(&'a PlannedTable, Part<'a>)> {
    let constraints = tables.iter().map(|&table| (table, Part::Constraints));
    let indexes = tables.iter().flat_map(|&table| {
        let steps = table.steps.iter().filter(|step| step.kind == StepKind::Index);
        steps.map(move |step| (table, Part::Index(step)))
    });
    constraints.chain(indexes).collect()
}

/// What must come over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Keys too: the source has them.
    Keys,
    /// Rows: the source is damaged, and its keys may be broken.
    Rows,
}

/// One table after its load.
#[derive(Clone, Copy)]
struct Finish<'a> {
    plan: &'a Plan,
    table: &'a PlannedTable,
    inspected: Option<&'a Inspected>,
    keep: Keep,
    lease: Lease,
    done: &'a Done,
    setting: Setting<'a>,
}

impl Finish<'_> {
    fn make(self, part: Part<'_>, link: &mut Link<'_>) -> Result<Vec<String>> {
        let steps: Vec<_> = match part {
            Part::Constraints => {
                let constraints = self.table.steps.iter().filter(|s| s.kind != StepKind::Index);
                constraints.filter(|step| !self.plan.waits(step)).collect()
            }
            Part::Index(step) => vec![step],
        };
        let notes =
            steps.into_iter().map(|step| self.step(step, link)).collect::<Result<Vec<_>>>()?;
        Ok(notes.into_iter().flatten().collect())
    }

    /// Makes one step, checks it, and gives what is to be told of it.
    fn step(self, step: &Step, link: &mut Link<'_>) -> Result<Vec<String>> {
        let Self { table, keep, lease, done, setting, .. } = self;
        setting.stop.check()?;
        let added = add(step, keep, lease, link, done, setting)
            .map_err(|error| self.explained(error, step))
            .map_err(|error| advised(error, table))?;
        let checked = validate(step, lease, link, done, setting)?;
        Ok(added.into_iter().chain(checked).collect())
    }

    /// Names the keys of the source that are one where PostgreSQL cannot make a key.
    fn explained(self, error: Error, step: &Step) -> Error {
        let key = step.key.as_ref().filter(|_| error.class() == Class::Undecided);
        let Some((key, inspected)) = key.zip(self.inspected) else { return error };
        match collide::explain(inspected, self.table, key, self.setting) {
            Ok(Some(found)) => {
                unique::not_made(&found, self.table).because(error).at(step.full_name())
            }
            Err(stopped) if matches!(stopped.class(), Class::Interrupted(_)) => stopped,
            // What the server said is what the user must know, whatever is in the way of knowing more.
            Ok(None) | Err(_) => error,
        }
    }
}

/// A key of a table that exists is the application's: the rows are what must fit.
fn advised(error: Error, table: &PlannedTable) -> Error {
    if table.existing.is_some() && error.class() == Class::Undecided {
        error.todo(unique::KEY_OF_TARGET)
    } else {
        error
    }
}

/// What the ledger calls what is done once all rows of a table are there, by its name in the target: where others come
/// after that, it is done again.
pub(super) fn after_rows(target: &str) -> [String; 2] {
    [format!("sequence {target}"), format!("vacuum {target}")]
}

/// Once only: a run that comes later must not take back what the target has given out meanwhile.
fn set_sequence(
    table: &PlannedTable,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
) -> Result<()> {
    let [name, _] = after_rows(&table.schema.target);
    let raised = raise_existing(table)?;
    if done.contains_key(&name) || (table.identity.is_none() && raised.is_empty()) {
        return Ok(());
    }
    link.with(|session| {
        define::once(session, lease, &name, |session| {
            if let Some(identity) = &table.identity {
                define::set_sequence(session, &table.schema, &identity.column, identity.given_out)?;
            }
            define::make(session, raised.iter().map(String::as_str))?;
            reach(failpoint::Step::SequenceSet);
            Ok(())
        })
    })?;
    reach(failpoint::Step::SequenceNoted);
    Ok(())
}

/// Statements that set the sequences of a table that exists behind what is loaded.
fn raise_existing(table: &PlannedTable) -> Result<Vec<String>> {
    let sequences = table.existing.iter().flat_map(|existing| &existing.sequences);
    let raise = |sequence: &Sequence| {
        let (column, given_out) = (&sequence.column, sequence.given_out);
        define::raise_sequence(&table.schema, column, &sequence.name, given_out)
    };
    sequences.map(raise).collect()
}

/// Statements that set the sequences of a table behind rows that came late; never back.
pub(super) fn raise_behind_late(table: &PlannedTable) -> Result<Vec<String>> {
    let mut statements = raise_existing(table)?;
    if let Some(identity) = &table.identity {
        let (schema, name) = (quoted(&table.schema.target_schema), quoted(&identity.sequence));
        let (name, given_out) = (format!("{schema}.{name}"), identity.given_out);
        let raise = define::raise_sequence(&table.schema, &identity.column, &name, given_out)?;
        statements.push(raise);
    }
    Ok(statements)
}

fn vacuum(
    table: &PlannedTable,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
    setting: Setting<'_>,
) -> Result<()> {
    let [_, name] = after_rows(&table.schema.target);
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

/// Where the table is followed: it is vacuumed by whoever follows.
fn keep_autovacuum_away(
    table: &PlannedTable,
    plan: &Plan,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
) -> Result<()> {
    let schema = &table.schema;
    if !plan.is_followed || done.contains_key(&autovacuum::step(schema)) {
        return Ok(());
    }
    link.with(|session| autovacuum::turn_off(session, lease, schema))
}

/// Makes a key, an index or a constraint, and gives what became of it where the rows do not allow it as it is: something
/// like it, or nothing.
fn add(
    step: &Step,
    keep: Keep,
    lease: Lease,
    link: &mut Link<'_>,
    done: &Done,
    setting: Setting<'_>,
) -> Result<Option<String>> {
    let name = step.full_name();
    let noted = if let Some(noted) = done.get(&name) {
        noted.clone()
    } else {
        setting.progress.tell(Event::Step(name.clone()));
        make(step, keep, lease, link).at(|| name.clone())?
    };
    Ok(noted.map(|noted| format!("table {}: {name} {noted}", step.table)))
}

/// Makes one step; gives what else was done.
fn make(step: &Step, keep: Keep, lease: Lease, link: &mut Link<'_>) -> Result<Option<String>> {
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
    let noted = link.with(|session| {
        define::attempt(session, lease, &name, work, |session, error| {
            make_instead(session, step, keep, error)
        })
    });
    let noted = noted.map_err(|error| match (error.class(), key_twice(&error)) {
        (Class::Data, Some(key)) => {
            let what = format!("two rows have one key in the target: {key}");
            Error::new(Class::Undecided, what).todo(KEY_ADVICE).because(error)
        }
        (Class::Data, None) => error.reclassified(Class::Undecided).todo(KEY_ADVICE),
        _ => error,
    })?;
    reach(committed);
    Ok(noted)
}

/// Where the rows do not allow a step: makes what the plan has instead. An index that orders, and a foreign key whose
/// parent has no key, may be left out: that changes no value and refuses none. A key may not, unless the source is known
/// to be damaged: then it held no more there.
fn make_instead(session: &Session, step: &Step, keep: Keep, error: Error) -> Result<String> {
    let why = define::cause(&error);
    let instead =
        |session: &Session| define::make(session, step.instead.iter().map(String::as_str));
    match step.kind {
        _ if !step.instead.is_empty() && define::if_allowed(session, instead)?.is_some() => {
            Ok(format!("is made in another way, `{}`, because: {why}", step.instead.join("; ")))
        }
        StepKind::PrimaryKey | StepKind::Unique if keep == Keep::Keys => Err(error),
        StepKind::PrimaryKey | StepKind::Unique if key_twice(&error).is_some() => {
            let key = key_twice(&error).unwrap_or_default();
            Ok(format!(
                "is left out: in the damaged source two rows have one key: {key} Make it when you have repaired them: {}",
                step.sql
            ))
        }
        StepKind::Index | StepKind::ForeignKey | StepKind::PrimaryKey | StepKind::Unique => {
            Ok(format!("is left out: PostgreSQL cannot make it of these rows: {why}"))
        }
        _ => Err(error),
    }
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
    let name = step.validation_name();
    let broken = if let Some(noted) = done.get(&name) {
        noted.clone()
    } else {
        setting.progress.tell(Event::Step(name.clone()));
        let broken = link.with(|session| {
            let check = |session: &Session| {
                define::make(session, [sql.as_str()])?;
                reach(failpoint::Step::Checked);
                Ok(())
            };
            define::attempt(session, lease, &name, check, |session, error| {
                let found = step.offenders.as_deref();
                let found = found.map(|sql| define::offenders(session, sql)).transpose()?.flatten();
                Ok(found.unwrap_or_else(|| define::cause(&error)))
            })
        })?;
        reach(failpoint::Step::CheckNoted);
        broken
    };
    Ok(broken.map(|why| {
        format!(
            "table {}: {} stays NOT VALID, because rows break it: {why}",
            step.table,
            step.full_name()
        )
    }))
}
