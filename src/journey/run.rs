//! The run: plan, schema, snapshot, indexes, proof. The same command goes on where an earlier one ended.

use super::archive::Archive;
use super::archive::publish::{State, source_of};
use super::begin::Migrated;
use super::inspect::Inspected;
use super::live::Live;
use super::noted::noted;
use super::reading::Readers;
use super::snapshot::Forked;
use super::undecided::Undecided;
use super::{
    Setting, anew, aside, index, narrow, prove, reject, retake, snapshot, touched, verify,
};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
pub use crate::model::Motion;
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::plan::Plan;
use crate::status::{ArchiveReport, NOT_EQUAL, Report, TableReport};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::define;
use crate::store::postgres::ledger::{self, Lease, LoadedChunk};
use crate::store::postgres::link::Link;
use crate::store::sqlite::connection::FileStamp;
use crate::store::sqlite::original::original;
use crate::store::sqlite::read::Reader;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Where a run ends on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Tables are created.
    Schema,
    /// Rows are copied.
    Snapshot,
    /// Keys, indexes and constraints are made.
    Indexes,
}

/// What a run is told to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Course {
    /// Whether the source is written to meanwhile.
    pub motion: Motion,
    /// Where it ends before the proof.
    pub until: Option<Until>,
    /// Tables that are dropped and loaded again, or join a migration that has begun; by their names in the source.
    pub anew: BTreeSet<String>,
}

/// How often a source that was touched without being changed (by a checkpoint, say) is looked through again.
const RECHECKS_MAX: usize = 3;

/// Runs a migration as far as `until` says, or to its proof; of a source that moves, to where it can be followed.
///
/// # Errors
///
/// Whatever stands in the way; the same command goes on from there. Differences found by the proof are in the report.
pub fn run(
    pipeline: &Pipeline,
    conninfo: &Conninfo,
    course: &Course,
    setting: Setting<'_>,
) -> Result<Report> {
    let mut clock = Clock::start();
    let archive = Archive::of(pipeline)?;
    if let Some(archive) = &archive {
        archive.check_before(&pipeline.name(), setting.progress)?;
    }
    let inspected = Inspected::open_as(course.motion, pipeline, setting.stop)?;
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let (migrated, lease) =
        Migrated::take_or_begin(&inspected, pipeline, &course.anew, &mut link, setting)?;
    if migrated.plan.is_followed {
        Archive::check_given(archive.as_ref(), lease, &mut link)?;
    }
    clock.lap(Phase::Census);
    let command = course.words();
    noted(conninfo, &mut link, lease, (&command, &migrated.plan_hash), |link| {
        let archive = archive.as_ref();
        let run =
            Run { inspected: &inspected, migrated: &migrated, pipeline, archive, lease, setting };
        run.go(link, course.until, &mut clock)
    })
}

impl Course {
    /// It as a command.
    fn words(&self) -> String {
        let capture = if self.motion == Motion::AtRest { " --no-capture" } else { "" };
        let until = match self.until {
            None => "",
            Some(Until::Schema) => " --until schema",
            Some(Until::Snapshot) => " --until snapshot",
            Some(Until::Indexes) => " --until indexes",
        };
        let anew: String = self.anew.iter().map(|table| format!(" --anew {table}")).collect();
        format!("run{capture}{until}{anew}")
    }
}

/// One run under its lease.
#[derive(Clone, Copy)]
struct Run<'a> {
    inspected: &'a Inspected,
    migrated: &'a Migrated,
    pipeline: &'a Pipeline,
    archive: Option<&'a Archive>,
    lease: Lease,
    setting: Setting<'a>,
}

impl Run<'_> {
    fn go(self, link: &mut Link<'_>, until: Option<Until>, clock: &mut Clock) -> Result<Report> {
        let plan = &self.migrated.plan;
        if self.inspected.motion == Motion::AtRest {
            self.check_source(link)?;
        }
        self.note_plan(link)?;
        aside::put_aside(&self.migrated.plan, self.lease, link)?;
        create_tables(plan, self.lease, link, self.setting)?;
        clock.lap(Phase::Schema);
        if until == Some(Until::Schema) {
            return self.unproved(link, clock, "schema", 0);
        }
        let live = match self.inspected.motion {
            Motion::AtRest => None,
            Motion::Moving => {
                let live = Live::new(self.inspected, plan, self.pipeline, self.lease, self.setting);
                Some(live.with_archive(self.archive))
            }
        };
        let copied = match &live {
            None => self.snapshot(link)?,
            Some(live) => {
                live.guard(link)?;
                live.capture(link)?;
                live.snapshot(link)?
            }
        };
        self.reached(link, "snapshotted")?;
        clock.lap(Phase::Snapshot);
        if until == Some(Until::Snapshot) {
            return self.unproved(link, clock, "snapshot", copied);
        }
        let warnings = index::build(plan, Some(self.inspected), self.lease, link, self.setting)?;
        self.reached(link, "indexed")?;
        clock.lap(Phase::Index);
        if until == Some(Until::Indexes) {
            let report = self.unproved(link, clock, "indexes", copied)?;
            return Ok(Report { warnings, ..report });
        }
        let mut archived = None;
        let report = match &live {
            None => self.prove(link)?,
            Some(live) => {
                let report = live.prove(None, link)?;
                // What is not published stays in the log.
                if report.equal() {
                    archived = live.publish(link)?;
                }
                live.purge(link)?;
                report
            }
        };
        clock.lap(Phase::Proof);
        self.reached(link, &report.phase)?;
        let archive = match &live {
            None => self.publish(&report, link)?,
            Some(_) => archived,
        };
        if archive.is_some() {
            clock.lap(Phase::Archive);
        }
        let phases = clock.laps();
        let advice = plan.sample_advice().filter(|_| report.rejected() > 0);
        let warnings = plan.losses().into_iter().chain(plan.waiting()).chain(warnings);
        let warnings = warnings.chain(advice).chain(report.warnings).collect();
        Ok(Report { phases, warnings, copied_rows: copied, archive, ..report })
    }

    /// Publishes what was loaded, where it is proved and there is an archive.
    fn publish(self, report: &Report, link: &mut Link<'_>) -> Result<Option<ArchiveReport>> {
        let Some(archive) = self.archive.filter(|_| report.equal()) else { return Ok(None) };
        let plan = &self.migrated.plan;
        let reader = Reader::new(self.inspected.source.connect()?)?;
        let file = original(reader.connection())?;
        let whole = archive.put_whole(&file, &reader)?;
        let (source, position, nonce) = (&source_of(plan, None), None, None);
        let state = State { plan, source, position, nonce, file, whole };
        let opened = archive.publish(state, None, self.lease, link, self.setting)?;
        archive.prune_as_said()?;
        Ok(Some(archive.report(&opened)))
    }

    fn reached(self, link: &mut Link<'_>, phase: &str) -> Result<()> {
        link.with(|session| ledger::set_phase(session, self.lease, phase))?;
        reach(Step::PhaseNoted);
        Ok(())
    }

    /// Makes sure that the source is still what the migration began with.
    fn check_source(self, link: &mut Link<'_>) -> Result<()> {
        if self.inspected.stamp == self.migrated.stamp {
            return Ok(());
        }
        self.inspected.refuse_damage(self.setting)?;
        let loaded = link.with(|session| ledger::loaded_chunks(session, self.lease.migration))?;
        // What is loaded was loaded by the plan as it was; what is taken anew may have changed.
        let begun = self.migrated.begun.as_deref().filter(|_| self.migrated.retaken.is_empty());
        let plan = begun.unwrap_or(&self.migrated.plan);
        let stays = |chunk: &&LoadedChunk| !self.migrated.is_retaken(&chunk.table);
        let loaded: Vec<_> = loaded.iter().filter(stays).cloned().collect();
        self.check_unchanged(plan, &loaded, link)?;
        let stamp = serde_json::to_string(&self.inspected.stamp).map_err(|error| {
            Error::internal("the source's stamp cannot be written down").because(error)
        })?;
        link.with(|session| ledger::set_stamp(session, self.lease, &stamp))
    }

    /// Writes the plan down again where the user says something else about misfits than before.
    fn note_plan(self, link: &mut Link<'_>) -> Result<()> {
        let Migrated { begun, plan, retaken, .. } = self.migrated;
        match begun {
            None => Ok(()),
            Some(begun) if retaken.is_empty() => anew::replace(begun, plan, self.lease, link),
            Some(begun) => {
                if begun.is_followed {
                    let live =
                        Live::new(self.inspected, begun, self.pipeline, self.lease, self.setting);
                    live.check_others(retaken, link)?;
                }
                retake::replace(begun, plan, retaken, self.lease, link)
            }
        }
    }

    fn check_unchanged(
        self,
        plan: &Plan,
        loaded: &[LoadedChunk],
        link: &mut Link<'_>,
    ) -> Result<()> {
        let undecided = Undecided::find(link, self.lease.migration)?;
        touched::check_unchanged(self.inspected, plan, &undecided, loaded, self.setting)
    }

    /// Copies what is not copied yet, and makes sure that all of it is of one state of the source.
    fn snapshot(self, link: &mut Link<'_>) -> Result<u64> {
        let plan = &self.migrated.plan;
        let rows = |loaded: &[LoadedChunk]| loaded.iter().map(|chunk| chunk.sum.rows).sum::<u64>();
        let mut before = None;
        let mut stamp = self.inspected.stamp.clone();
        let mut told = touched::changed();
        for _ in 0..=RECHECKS_MAX {
            let loaded =
                link.with(|session| ledger::loaded_chunks(session, self.lease.migration))?;
            let before = *before.get_or_insert_with(|| rows(&loaded));
            let readers = self.inspected.readers(self.setting.workers)?;
            let source = source_of(plan, None);
            let forked = self.archive.map(|archive| Forked { archive, source: &source });
            let copied = snapshot::copy(
                plan,
                self.lease,
                &loaded,
                (Readers::Own(readers), forked),
                link,
                self.setting,
            )
            .and_then(|()| self.load_decided(&stamp, link));
            let loaded = link.with(|session| ledger::loaded_chunks(session, self.lease.migration));
            let now = self.inspected.source.stamp()?;
            match copied {
                Ok(()) if now == stamp => return Ok(rows(&loaded?).saturating_sub(before)),
                Ok(()) => {}
                Err(error) if error.class() == Class::SourceChanged => told = error,
                Err(error) => return Err(error),
            }
            // Touched, but perhaps only by a checkpoint.
            self.check_unchanged(plan, &loaded?, link)?;
            stamp = now;
        }
        Err(told)
    }

    /// Loads what was set aside and fits now, unless the source was touched while the others were copied.
    fn load_decided(self, stamp: &FileStamp, link: &mut Link<'_>) -> Result<()> {
        let Self { inspected, migrated, lease, setting, .. } = self;
        if inspected.source.stamp()? != *stamp {
            return Ok(());
        }
        let loaded = link.with(|session| ledger::loaded_chunks(session, lease.migration))?;
        prove::expect(&migrated.plan, &loaded, 1, setting);
        reject::load_decided(inspected, &migrated.plan, lease, &loaded, link, setting)
    }

    fn unproved(
        self,
        link: &mut Link<'_>,
        clock: &mut Clock,
        phase: &str,
        copied_rows: u64,
    ) -> Result<Report> {
        let loaded = link.with(|session| ledger::loaded_chunks(session, self.lease.migration))?;
        let there = self.migrated.plan.tables.iter().filter(|table| !table.is_gone);
        let tables = there.map(|table| {
            let (name, target) = (&table.schema.source, &table.schema.target);
            let chunks = loaded.iter().filter(|chunk| chunk.table == *target);
            let rows = chunks.map(|chunk| chunk.sum.rows + chunk.rejected).sum();
            TableReport::unproved(name, rows, rejected(&loaded, target))
        });
        Ok(Report {
            command: "run",
            phase: phase.into(),
            tables: tables.collect(),
            phases: clock.laps(),
            copied_rows,
            misfits: reject::misfits(&self.migrated.plan, link, self.lease.migration)?,
            ..Report::default()
        })
    }

    /// Compares what was loaded with what the target gives back.
    fn prove(self, link: &mut Link<'_>) -> Result<Report> {
        let plan = &self.migrated.plan;
        self.setting.progress.tell(Event::Phase(Phase::Proof));
        let loaded = link.with(|session| ledger::loaded_chunks(session, self.lease.migration))?;
        prove::expect(plan, &loaded, 1, self.setting);
        reach(Step::ProofBegun);
        let source = prove::sums_of_ledger(plan, &loaded)?;
        let target = prove::sums_of_target(plan, link, self.setting)?;
        let proofs = verify::compare_all(plan, &source, &target);
        let undecided = Undecided::find(link, self.lease.migration)?;
        let differences =
            narrow::narrow_at_rest(self.inspected, plan, &undecided, &proofs, link, self.setting)?;
        let ok = differences.is_empty();
        let tables = proofs.iter().zip(&plan.tables).map(|(proof, table)| {
            TableReport::proved(proof, rejected(&loaded, &table.schema.target))
        });
        Ok(Report {
            command: "run",
            phase: if ok { "proved" } else { NOT_EQUAL }.into(),
            tables: tables.collect(),
            differences,
            misfits: reject::misfits(&self.migrated.plan, link, self.lease.migration)?,
            losses: verify::losses(plan),
            ..Report::default()
        })
    }
}

/// Creates the tables of a plan, bare.
pub(super) fn create_tables(
    plan: &Plan,
    lease: Lease,
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<()> {
    setting.progress.tell(Event::Phase(Phase::Schema));
    let schema = plan.create_schema();
    link.with(|session| {
        let missing = !define::schema_exists(session, &plan.target_schema)?;
        let missing = missing.then_some(schema.as_str());
        let tables: Vec<_> = plan.create_tables().collect();
        define::once(session, lease, "tables", |session| {
            let tables = tables.iter().map(String::as_str);
            define::make(session, missing.into_iter().chain(tables))?;
            reach(Step::TablesMade);
            Ok(())
        })
    })?;
    reach(Step::TablesCommitted);
    Ok(())
}

/// Rows of a table that are set aside.
pub(super) fn rejected(loaded: &[LoadedChunk], table: &str) -> u64 {
    loaded.iter().filter(|chunk| chunk.table == table).map(|chunk| chunk.rejected).sum()
}

/// Times phases.
pub(super) struct Clock {
    since: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { since: Instant::now(), laps: Vec::new() }
    }

    pub(super) fn lap(&mut self, phase: Phase) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        match self.laps.iter_mut().find(|(name, _)| *name == phase.name()) {
            Some((_, before)) => *before += took,
            None => self.laps.push((phase.name(), took)),
        }
    }

    pub(super) fn laps(&mut self) -> Vec<(&'static str, Duration)> {
        std::mem::take(&mut self.laps)
    }
}
