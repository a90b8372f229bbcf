//! Where a run begins, or goes on: the migration in the ledger with its plan, and what the user has decided since.

use super::anew::Standing;
use super::inspect::Inspected;
use super::{Setting, anew, aside, live, pause, retake};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::identifier::{literal, quoted};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::{Plan, PlannedTable};
use crate::status::{FOLLOWING, NOT_EQUAL};
use crate::store::postgres::ledger::{self, Lease, Migration, NewMigration};
use crate::store::postgres::link::Link;
use crate::store::postgres::{define, guard, session::Session};
use crate::store::sqlite::connection::FileStamp;
use std::collections::BTreeSet;

/// A migration that has begun.
#[derive(Debug)]
pub(super) struct Migrated {
    pub(super) id: i32,
    pub(super) plan: Plan,
    pub(super) plan_hash: String,
    pub(super) phase: String,
    pub(super) stamp: FileStamp,
    /// Whether the source has the changelog, which tells what becomes of its tables.
    is_captured: bool,
    /// The ledger's plan, where this one differs from it.
    pub(super) begun: Option<Box<Plan>>,
    /// The tables that are taken anew in this run, by their names in the source.
    pub(super) retaken: BTreeSet<String>,
}

impl Migrated {
    /// The migration of this pipeline file, from the ledger; it must have begun.
    pub(super) fn find(link: &mut Link<'_>, pipeline: &Pipeline) -> Result<Self> {
        Self::look_up(link, pipeline)?.ok_or_else(|| {
            let (name, schema) = (pipeline.name(), &pipeline.target.schema);
            Error::new(
                Class::Undecided,
                format!("no migration `{name}` into the schema {schema} has begun"),
            )
            .todo("begin it with `liteferry run`")
        })
    }

    /// The same, taken, and as the ledger has it then: another run may have made another of it while this one waited.
    pub(super) fn take(link: &mut Link<'_>, pipeline: &Pipeline) -> Result<(Self, Lease)> {
        let found = Self::find(link, pipeline)?;
        let lease = link.take(found.id)?;
        reach(Step::LeaseTaken);
        Ok((Self::find(link, pipeline)?, lease))
    }

    fn look_up(link: &mut Link<'_>, pipeline: &Pipeline) -> Result<Option<Self>> {
        let name = pipeline.name();
        let found = link.with(|session| {
            if !ledger::exists(session)? {
                return Ok(None);
            }
            let found = ledger::find(session, &name, &pipeline.target.schema)?;
            let with_changelog = |migration: Migration| {
                let installed = ledger::note_of(session, migration.id, live::INSTALLED)?;
                Ok((migration, installed.is_some()))
            };
            found.map(with_changelog).transpose()
        })?;
        found.map(|(migration, is_captured)| Self::of(&migration, is_captured)).transpose()
    }

    /// The migration of this pipeline file, taken: gone on with, or begun now. The tables of the names in `retaken` are
    /// taken anew.
    pub(super) fn take_or_begin(
        inspected: &Inspected,
        pipeline: &Pipeline,
        retaken: &BTreeSet<String>,
        link: &mut Link<'_>,
        setting: Setting<'_>,
    ) -> Result<(Self, Lease)> {
        if !retaken.is_empty() {
            let (found, lease) = Self::take(link, pipeline)?;
            found.check_not_paused(link)?;
            return Ok((found.retake(inspected, pipeline, retaken, link, setting)?, lease));
        }
        if Self::look_up(link, pipeline)?.is_some() {
            let (found, lease) = Self::take(link, pipeline)?;
            found.check_not_paused(link)?;
            found.check_same_source(inspected, pipeline)?;
            return Ok((found.decide_anew(inspected, pipeline, link, setting)?, lease));
        }
        let target = link.with(|session| aside::find(session, inspected, pipeline))?;
        let plan = inspected.plan(pipeline, &target, setting)?;
        reach(Step::CensusTaken);
        for warning in plan.warnings() {
            setting.progress.tell(Event::Warning(warning));
        }
        let path = inspected.source.path().to_string_lossy();
        link.with(|session| begin(session, (&path, &inspected.stamp), &plan))?;
        reach(Step::PlanBegun);
        // Another run may have begun it meanwhile, with a plan of its own.
        let (begun, lease) = Self::take(link, pipeline)?;
        begun.check_same_source(inspected, pipeline)?;
        Ok((begun, lease))
    }

    fn of(migration: &Migration, is_captured: bool) -> Result<Self> {
        let stamp = serde_json::from_str(&migration.source_stamp).map_err(|error| {
            Error::internal("the source's stamp in the ledger cannot be read").because(error)
        })?;
        Ok(Self {
            id: migration.id,
            plan: Plan::from_json(&migration.plan)?,
            plan_hash: migration.plan_hash.clone(),
            phase: migration.phase.clone(),
            stamp,
            is_captured,
            begun: None,
            retaken: BTreeSet::new(),
        })
    }

    /// Takes over what the user says now about misfits.
    fn decide_anew(
        self,
        inspected: &Inspected,
        pipeline: &Pipeline,
        link: &mut Link<'_>,
        setting: Setting<'_>,
    ) -> Result<Self> {
        let standing = Standing::of(&self.plan, self.id, &self.phase, link)?;
        let Some(plan) = anew::plan(&self.plan, inspected, pipeline, &standing, setting)? else {
            return Ok(self);
        };
        let tell = |line| setting.progress.tell(Event::Warning(line));
        anew::announced(&self.plan, &plan).into_iter().for_each(tell);
        Ok(Self { plan_hash: plan.hash()?, begun: Some(Box::new(self.plan)), plan, ..self })
    }

    /// Whether the table of this name in the target is taken anew in this run.
    pub(super) fn is_retaken(&self, target: &str) -> bool {
        let mut tables = self.plan.tables.iter().map(|table| &table.schema);
        let table = tables.find(|table| table.target == target);
        table.is_some_and(|table| self.retaken.contains(&table.source))
    }

    /// Plans single tables anew.
    fn retake(
        self,
        inspected: &Inspected,
        pipeline: &Pipeline,
        retaken: &BTreeSet<String>,
        link: &mut Link<'_>,
        setting: Setting<'_>,
    ) -> Result<Self> {
        self.check_same_motion(inspected)?;
        self.check_same_settings(pipeline, retaken)?;
        let plan = retake::plan(&self.plan, inspected, pipeline, retaken, link, setting)?;
        let tell = |line| setting.progress.tell(Event::Warning(line));
        retake::announced(&self.plan, &plan, retaken).into_iter().for_each(tell);
        let (begun, retaken) = (Some(Box::new(self.plan)), retaken.clone());
        Ok(Self { plan_hash: plan.hash()?, begun, plan, retaken, ..self })
    }

    /// Makes sure that the plan is still of this source's schema and of this pipeline file.
    pub(super) fn check_same_source(
        &self,
        inspected: &Inspected,
        pipeline: &Pipeline,
    ) -> Result<()> {
        self.check_same_motion(inspected)?;
        self.check_same_settings(pipeline, &BTreeSet::new())?;
        // Of a source with a changelog it is known table by table.
        if self.is_captured || self.plan.source_schema == inspected.schema_hash {
            return Ok(());
        }
        Err(Error::new(
            Class::SourceChanged,
            "the source's schema is another one than when this migration began",
        )
        .todo(BEGIN_AGAIN))
    }

    /// Makes sure that nobody has it paused, where its source is followed: every command that brings the target up to date
    /// waits for whoever lets it go on.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`] where somebody has.
    pub(super) fn check_not_paused(&self, link: &mut Link<'_>) -> Result<()> {
        if self.plan.is_followed { pause::check_goes_on(link, self.id) } else { Ok(()) }
    }

    /// Makes sure that all is loaded, and what came after that can be applied.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`] in any other phase: rows that are loaded later would be there twice.
    pub(super) fn check_followed(&self) -> Result<()> {
        if FOLLOWED.contains(&self.phase.as_str()) {
            return Ok(());
        }
        let what = format!("the migration is {}: there is nothing to follow", self.phase);
        Err(Error::new(Class::Undecided, what).todo("let `liteferry run` come to its end"))
    }

    fn check_same_motion(&self, inspected: &Inspected) -> Result<()> {
        if self.plan.motion() != inspected.motion {
            let (begun, todo) = if self.plan.is_followed {
                ("following its source", "go on without --no-capture")
            } else {
                ("with --no-capture", "go on with --no-capture")
            };
            return Err(Error::new(
                Class::Undecided,
                format!("this migration began {begun}, and cannot go on otherwise"),
            )
            .todo(format!("{todo}, or {BEGIN_AGAIN}")));
        }
        Ok(())
    }

    /// The pipeline file says what it said, but of the tables that are taken anew.
    fn check_same_settings(&self, pipeline: &Pipeline, retaken: &BTreeSet<String>) -> Result<()> {
        let what = "the pipeline file says something else than when this migration began";
        if self.plan.settings != pipeline.settings_hash() {
            return Err(
                Error::new(Class::Undecided, what).todo(format!("restore it, or {BEGIN_AGAIN}"))
            );
        }
        let differs = |table: &&PlannedTable| {
            let name = &table.schema.source;
            !retaken.contains(name)
                && !table.is_gone
                && table.settings != pipeline.table_settings_hash(name)
        };
        match self.plan.tables.iter().find(differs) {
            None => Ok(()),
            Some(table) => {
                let name = &table.schema.source;
                Err(Error::new(Class::Undecided, what)
                    .todo(format!(
                        "restore it; or take the table anew with `liteferry run --anew {name}`"
                    ))
                    .at(format!("table {name}")))
            }
        }
    }
}

/// The phases in which everything is loaded.
const FOLLOWED: [&str; 2] = [FOLLOWING, NOT_EQUAL];

/// What to do where a migration cannot go on.
pub(super) const BEGIN_AGAIN: &str =
    "drop what was created with the SQL that `liteferry plan` prints, and begin again";

/// Writes the plan down where the target is free and no migration has begun, with the source's path and stamp.
pub(super) fn begin(
    session: &Session,
    (source_path, stamp): (&str, &FileStamp),
    plan: &Plan,
) -> Result<()> {
    let stamp = serde_json::to_string(stamp).map_err(|error| {
        Error::internal("the source's stamp cannot be written down").because(error)
    })?;
    let (json, hash) = (plan.to_json()?, plan.hash()?);
    let new = NewMigration {
        name: &plan.name,
        target_schema: &plan.target_schema,
        source_path,
        source_stamp: &stamp,
        plan: &json,
        plan_hash: &hash,
        drop_sql: &drop_sql(plan, !define::schema_exists(session, &plan.target_schema)?)?,
    };
    session.transaction(|session| {
        ledger::install(session)?;
        if ledger::begin(session, &new)? {
            check_target_free(session, plan)?;
            aside::check_as_found(session, plan)?;
        }
        reach(Step::PlanWritten);
        Ok(())
    })
}

/// Refuses to write where something else is.
///
/// # Errors
///
/// [`Class::Undecided`] naming what is in the way.
pub(super) fn check_target_free(session: &Session, plan: &Plan) -> Result<()> {
    let taken = define::relations_in_the_way(session, &plan.target_schema, &plan.relations())?;
    if taken.is_empty() {
        return Ok(());
    }
    let what = format!(
        "the target's schema {} has relations or types of these names already: {}",
        plan.target_schema,
        taken.join(", ")
    );
    Err(Error::new(Class::Undecided, what)
        .todo("rename or drop what has them, or give another `schema` in the pipeline file"))
}

/// The line of that SQL by which the schema goes that was created.
pub(super) fn drop_schema(plan: &Plan) -> String {
    format!("DROP SCHEMA IF EXISTS {};\n", quoted(&plan.target_schema))
}

/// The SQL that drops exactly what a run creates, and gives back what existed.
///
/// # Errors
///
/// A name that cannot be written.
pub(super) fn drop_sql(plan: &Plan, creates_schema: bool) -> Result<String> {
    let unwritable = |_| Error::internal("a name that cannot be written");
    let mut sql = String::from("BEGIN;\n");
    for (table, _) in plan.existing() {
        sql.push_str(&format!("{};\n", guard::drop_sql(&table.schema)));
    }
    sql.push_str(&aside::give_back_sql(plan)?);
    let tables = plan.drop_tables();
    if !tables.is_empty() {
        sql.push_str(&format!("{tables};\n"));
    }
    if creates_schema {
        sql.push_str(&drop_schema(plan));
    }
    sql.push_str(&format!(
        "DELETE FROM liteferry.migration WHERE name = {} AND target_schema = {};\n\
         DO $$ BEGIN\n    \
         IF NOT EXISTS (SELECT FROM liteferry.migration) THEN DROP SCHEMA liteferry CASCADE; END IF;\n\
         END $$;\nCOMMIT;\n",
        literal(&plan.name).map_err(unwritable)?,
        literal(&plan.target_schema).map_err(unwritable)?,
    ));
    Ok(sql)
}
