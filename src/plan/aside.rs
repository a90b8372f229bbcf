//! What stands in the way of a load into tables that exist: keys, indexes, checks, foreign keys and triggers. Each is
//! put aside by one statement before the load, and put back by one step after it, as it was.

use super::unique::UniqueKey;
use super::{Existing, Plan, PlannedTable, Step, StepKind};
use crate::model::identifier::{Refusal, literal, quoted};
use crate::model::{ConstraintKind, TableSchema, TargetConstraint, TargetIndex, TargetTable};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that is put aside before the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutAside {
    /// The step that puts it back: its [`Step::full_name`].
    pub step: String,
    /// The statement that puts it aside; it does nothing where that is done.
    pub sql: String,
}

/// What goes, and how it comes back.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// In the order in which it goes.
    pub(super) away: Vec<PutAside>,
    /// Foreign keys, after all tables.
    pub(super) foreign_keys: Vec<Step>,
    /// Triggers, after all else.
    pub(super) triggers: Vec<Step>,
}

/// Plans to put aside what stands in the way in all tables that exist. The steps that put back what belongs to one table
/// are among its own steps.
pub(super) fn plan(tables: &mut [PlannedTable]) -> Result<Aside, Refusal> {
    let (mut aside, mut others) = (Aside::default(), Vec::new());
    let mut foreign = BTreeMap::new();
    for planned in tables {
        let Some(Existing { found, .. }) = &planned.existing else { continue };
        for trigger in &found.triggers {
            let step = trigger_step(found, &trigger.name, &trigger.enabled);
            let sql = format!(
                "ALTER TABLE {} DISABLE TRIGGER {}",
                relation(found),
                quoted(&trigger.name)
            );
            aside.away.push(PutAside { step: step.full_name(), sql });
            aside.triggers.push(step);
        }
        for key in found.constraints.iter().filter(|key| !key.pinned) {
            if key.kind == ConstraintKind::ForeignKey {
                // One between two tables that exist is seen from both.
                foreign.insert((&key.schema, &key.table, &key.name), key);
                continue;
            }
            let step = with_key(constraint_step(key)?, key.index.as_ref(), &planned.schema);
            others.push(PutAside { step: step.full_name(), sql: drop_constraint(key) });
            planned.steps.push(step);
        }
        for index in found.indexes.iter().filter(|index| !index.pinned) {
            let step = with_key(index_step(found, index)?, Some(index), &planned.schema);
            let name = format!("{}.{}", quoted(&found.schema), quoted(&index.name));
            let sql = format!("DROP INDEX IF EXISTS {name}");
            others.push(PutAside { step: step.full_name(), sql });
            planned.steps.push(step);
        }
        // Keys first: nothing else is as likely to be refused.
        planned.steps.sort_by_key(|step| rank(step.kind));
    }
    for key in foreign.into_values() {
        let step = constraint_step(key)?;
        aside.away.push(PutAside { step: step.full_name(), sql: drop_constraint(key) });
        aside.foreign_keys.push(step);
    }
    aside.away.extend(others);
    Ok(aside)
}

/// A step with the key that it puts back.
fn with_key(step: Step, index: Option<&TargetIndex>, schema: &TableSchema) -> Step {
    let key = index.and_then(|index| UniqueKey::of_target(index, &schema.columns));
    Step { key, ..step }
}

fn rank(kind: StepKind) -> u8 {
    match kind {
        StepKind::PrimaryKey => 0,
        StepKind::Unique => 1,
        StepKind::Index => 2,
        StepKind::Check | StepKind::ForeignKey | StepKind::Trigger => 3,
    }
}

fn relation(table: &TargetTable) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

fn relation_of(key: &TargetConstraint) -> String {
    format!("{}.{}", quoted(&key.schema), quoted(&key.table))
}

fn drop_constraint(key: &TargetConstraint) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", relation_of(key), quoted(&key.name))
}

fn trigger_step(table: &TargetTable, name: &str, enabled: &str) -> Step {
    let when = match enabled {
        "R" => "ENABLE REPLICA",
        "A" => "ENABLE ALWAYS",
        _ => "ENABLE",
    };
    Step {
        kind: StepKind::Trigger,
        name: format!("{name} of {}.{}", table.schema, table.name),
        table: table.name.clone(),
        sql: format!("ALTER TABLE {} {when} TRIGGER {}", relation(table), quoted(name)),
        validate: None,
        offenders: None,
        instead: Vec::new(),
        note: None,
        key: None,
    }
}

fn index_step(table: &TargetTable, index: &TargetIndex) -> Result<Step, Refusal> {
    Ok(Step {
        kind: if index.unique { StepKind::Unique } else { StepKind::Index },
        name: format!("{} of {}.{}", index.name, table.schema, table.name),
        table: table.name.clone(),
        sql: format!("{}{}", index.definition, index_comment(&table.schema, index)?),
        validate: None,
        offenders: None,
        instead: Vec::new(),
        note: None,
        key: None,
    })
}

fn index_comment(schema: &str, index: &TargetIndex) -> Result<String, Refusal> {
    let Some(comment) = &index.comment else { return Ok(String::new()) };
    let name = format!("{}.{}", quoted(schema), quoted(&index.name));
    Ok(format!("; COMMENT ON INDEX {name} IS {}", literal(comment)?))
}

/// A constraint as it was. What the rows must keep is checked after it is there, so that rows that break it are told.
fn constraint_step(key: &TargetConstraint) -> Result<Step, Refusal> {
    let kind = match key.kind {
        ConstraintKind::PrimaryKey => StepKind::PrimaryKey,
        ConstraintKind::Unique | ConstraintKind::Exclusion => StepKind::Unique,
        ConstraintKind::Check => StepKind::Check,
        ConstraintKind::ForeignKey => StepKind::ForeignKey,
    };
    let (relation, name) = (relation_of(key), quoted(&key.name));
    // PostgreSQL adds foreign keys of partitioned tables only together with their check.
    let later =
        matches!(kind, StepKind::Check | StepKind::ForeignKey) && key.validated && !key.partitioned;
    let mut sql = match keyed(key) {
        Some((index, words)) => {
            let comment = index_comment(&key.schema, index)?;
            format!(
                "{}{comment}; ALTER TABLE {relation} ADD CONSTRAINT {name} {words} USING INDEX {}{}",
                index.definition,
                quoted(&index.name),
                key.deferral
            )
        }
        None => format!(
            "ALTER TABLE {relation} ADD CONSTRAINT {name} {}{}",
            key.definition,
            if later { " NOT VALID" } else { "" }
        ),
    };
    if let Some(comment) = &key.comment {
        sql.push_str(&format!(
            "; COMMENT ON CONSTRAINT {name} ON {relation} IS {}",
            literal(comment)?
        ));
    }
    Ok(Step {
        kind,
        name: step_name(key),
        table: key.table.clone(),
        sql,
        validate: later.then(|| format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {name}")),
        offenders: None,
        instead: Vec::new(),
        note: None,
        key: None,
    })
}

/// What the step is called that puts a constraint back.
pub(super) fn step_name(key: &TargetConstraint) -> String {
    format!("{} of {}.{}", key.name, key.schema, key.table)
}

/// The index of a key that is made first, because only its own SQL says where and how it is stored.
fn keyed(key: &TargetConstraint) -> Option<(&TargetIndex, &'static str)> {
    let words = match key.kind {
        ConstraintKind::PrimaryKey => "PRIMARY KEY",
        ConstraintKind::Unique => "UNIQUE",
        ConstraintKind::Exclusion | ConstraintKind::Check | ConstraintKind::ForeignKey => {
            return None;
        }
    };
    key.index
        .as_ref()
        .filter(|index| index.definition.contains(" USING btree "))
        .map(|index| (index, words))
}

impl Plan {
    /// Whether a step puts back what the target had before.
    pub fn puts_back(&self, step: &Step) -> bool {
        let name = step.full_name();
        self.aside.iter().any(|aside| aside.step == name)
    }

    /// The tables that exist.
    pub fn existing(&self) -> impl Iterator<Item = (&PlannedTable, &Existing)> {
        self.tables.iter().filter_map(|table| Some((table, table.existing.as_ref()?)))
    }

    /// Statements that take the loaded rows out of the tables that existed, and put back what was put aside, from
    /// wherever a run has come to.
    pub fn give_back(&self) -> Vec<String> {
        let names: Vec<_> =
            self.existing().map(|(_, existing)| relation(&existing.found)).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let away = self.aside.iter().map(|aside| aside.sql.clone());
        let empty = format!("TRUNCATE {}", names.join(", "));
        let back = self.steps().filter(|step| self.puts_back(step));
        let back = back.flat_map(|step| [Some(&step.sql), step.validate.as_ref()]);
        away.chain([empty]).chain(back.flatten().cloned()).collect()
    }
}
