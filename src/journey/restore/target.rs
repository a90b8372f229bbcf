//! Restoring into PostgreSQL: tables, rows, keys, indexes, sequences and foreign keys, as a run would have made them.

use super::forward::{self, FORWARDED, Held};
use super::{Chosen, Wanted};
use crate::config::Pipeline;
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::archive::merged::{Merged, Unit};
use crate::journey::archive::publish::identity_of;
use crate::journey::begin::{self, Migrated};
use crate::journey::live::{IDENTITY, INSTALLED};
use crate::journey::noted::noted;
use crate::journey::run::{Clock, create_tables};
use crate::journey::snapshot::{Aside, Loading, Sender};
use crate::journey::{Setting, aside, index, prove, reject, verify};
use crate::model::DigestSum;
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::proof::{GroupSums, Summing};
use crate::status::{FOLLOWING, NOT_EQUAL, Report, TableReport};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::define;
use crate::store::postgres::introspect;
use crate::store::postgres::ledger::{self, Lease, LoadedChunk, Migration};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::write::{Copied, CopyWriter, load_chunk};
use crate::store::sqlite::connection::FileStamp;
use std::collections::BTreeSet;

/// The phase of what was restored.
pub(super) const RESTORED: &str = "restored";
/// The ledger's step that says which plan was asked for, before it was fitted to tables that were there.
pub(super) const ASKED: &str = "restored plan";
/// The ledger's step that says of which generation rows are.
pub(super) const GENERATION: &str = "generation";

/// Restores a generation into tables that are not there yet, or that are there, empty, and fit; goes on where
/// an earlier restore of the same generation ended. A target that holds an earlier generation, from which this one comes,
/// is brought forward to it.
///
/// # Errors
///
/// [`Class::Damaged`]: the archive is not what was written; nothing is left in the target then, or the earlier generation
/// that it held; [`Class::Temporary`]: the generation was pruned meanwhile. Else whatever stands in the way; the same command goes on from there.
pub fn to_target(wanted: &Wanted, conninfo: &Conninfo, setting: Setting<'_>) -> Result<Report> {
    let clock = Clock::start();
    setting.progress.tell(Event::Phase(Phase::Check));
    let chosen = Chosen::open(wanted, setting)?;
    bring(&chosen, conninfo, setting, clock).map_err(|error| chosen.unless_pruned(error))
}

fn bring(
    chosen: &Chosen,
    conninfo: &Conninfo,
    setting: Setting<'_>,
    mut clock: Clock,
) -> Result<Report> {
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    match Held::find(chosen, &mut link)? {
        Some(held) if held.is_another(chosen) => {
            return forward::bring(chosen, &held, conninfo, &mut link, (setting, &mut clock));
        }
        Some(held) => {
            held.check_stands()?;
            // All rows are there, and whoever brought them has looked at their files.
            if !held.is_forward {
                chosen.check_files(&chosen.files(), setting)?;
            }
        }
        None => chosen.check_files(&chosen.files(), setting)?,
    }
    clock.lap(Phase::Check);
    let (migrated, lease) = chosen.take_or_begin(&mut link)?;
    noted(conninfo, &mut link, lease, ("restore", &migrated.plan_hash), |link| {
        let is_complete =
            [RESTORED, FOLLOWING, FORWARDED, NOT_EQUAL].contains(&migrated.phase.as_str());
        let restore = Restore { chosen, plan: &migrated.plan, lease, setting };
        match restore.go(link, &mut clock) {
            Err(error) if error.class() == Class::Damaged && !is_complete => {
                restore.take_back(link)?;
                Err(error)
            }
            done => done,
        }
    })
}

impl Chosen {
    /// The migration that stands for the restore, taken.
    fn take_or_begin(&self, link: &mut Link<'_>) -> Result<(Migrated, Lease)> {
        let plan = &self.plan;
        let from = self.names_source();
        if link.with(|session| find(session, plan))?.is_none() {
            let fitted = link.with(|session| fitted(session, plan))?;
            link.with(|session| begin::begin(session, (&from, &FileStamp::default()), &fitted))?;
        }
        let found = link.with(|session| find(session, plan))?;
        if found.is_none_or(|found| found.source_path != from) {
            return Err(another(plan));
        }
        let (migrated, lease) = self.take(link)?;
        let notes = [(GENERATION, self.opened.hash.to_string()), (ASKED, plan.hash()?)];
        let is_it = link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                notes.iter().try_for_each(|(step, note)| {
                    ledger::complete_step(session, lease, step, Some(note)).map(drop)
                })
            })?;
            let mut notes = notes.iter();
            notes.try_fold(true, |is_it, (step, note)| {
                let noted = ledger::note_of(session, lease.migration, step)?;
                Ok(is_it && noted.as_ref() == Some(note))
            })
        })?;
        if is_it { Ok((migrated, lease)) } else { Err(another(plan)) }
    }

    /// What the ledger calls the source of what is restored.
    pub(super) fn names_source(&self) -> String {
        format!("archive {}", self.archive.url())
    }

    /// The migration that stands for the restore, which has begun, taken.
    pub(super) fn take(&self, link: &mut Link<'_>) -> Result<(Migrated, Lease)> {
        let mut pipeline = Pipeline::of("".as_ref(), "");
        pipeline.name = Some(self.plan.name.clone());
        pipeline.target.schema.clone_from(&self.plan.target_schema);
        Migrated::take(link, &pipeline)
    }
}

/// The migration that stands for a restore, if there is one.
fn find(session: &Session, plan: &Plan) -> Result<Option<Migration>> {
    if !ledger::exists(session)? {
        return Ok(None);
    }
    ledger::find(session, &plan.name, &plan.target_schema)
}

/// The plan for the tables that are there.
fn fitted(session: &Session, plan: &Plan) -> Result<Plan> {
    let names: Vec<_> = plan.tables.iter().map(|table| table.schema.target.clone()).collect();
    plan.clone().onto(&introspect::tables(session, &plan.target_schema, &names)?)
}

fn another(plan: &Plan) -> Error {
    let what = format!(
        "the target has a migration `{}` that is not the restore of this generation",
        plan.name
    );
    Error::new(Class::Undecided, what).todo(
        "restore into another database, or drop what was created with the SQL in liteferry.migration, column drop_sql",
    )
}

/// One restore under its lease.
#[derive(Clone, Copy)]
pub(super) struct Restore<'a> {
    pub(super) chosen: &'a Chosen,
    pub(super) plan: &'a Plan,
    pub(super) lease: Lease,
    pub(super) setting: Setting<'a>,
}

/// A part of a table, as one transaction loads it.
struct Job<'a> {
    merged: &'a Merged<'a>,
    /// Its rows; none in the only part of a table that has no rows.
    unit: Option<&'a Unit>,
    /// Its number among those of its table; the rows that were set aside are noted with [`FIRST`].
    number: usize,
}

/// The part of a table that is always there: what is kept of single rows belongs to it.
const FIRST: usize = 0;

impl Restore<'_> {
    /// Does what is not done yet, and proves all of it.
    pub(super) fn go(self, link: &mut Link<'_>, clock: &mut Clock) -> Result<Report> {
        let Self { plan, lease, setting, .. } = self;
        aside::put_aside(plan, lease, link)?;
        create_tables(plan, lease, link, setting)?;
        clock.lap(Phase::Schema);
        let copied = self.load(link)?;
        clock.lap(Phase::Snapshot);
        let warnings = index::build(plan, None, lease, link, setting)?;
        clock.lap(Phase::Index);
        let report = self.prove(link)?;
        clock.lap(Phase::Proof);
        if plan.is_followed {
            self.begin_to_follow(link)?;
        }
        link.with(|session| ledger::set_phase(session, lease, &report.phase))?;
        reach(Step::PhaseNoted);
        let archive = Some(self.chosen.archive.report(&self.chosen.opened));
        let phases = clock.laps();
        let report = Report { phases, warnings, copied_rows: copied, archive, ..report };
        Ok(self.chosen.told(report))
    }

    /// Loads what is not loaded yet; gives how many rows that were.
    fn load(self, link: &mut Link<'_>) -> Result<u64> {
        let Self { chosen, plan, lease, setting } = self;
        setting.progress.tell(Event::Phase(Phase::Snapshot));
        if link.with(|session| forward::is_forward(session, lease.migration))? {
            // Its chunks are no more those of any generation, and all of them are there.
            return Ok(0);
        }
        let loaded = link.with(|session| ledger::loaded_chunks(session, lease.migration))?;
        let done: BTreeSet<_> =
            loaded.iter().map(|chunk| (chunk.table.as_str(), chunk.chunk)).collect();
        let all = chosen.files();
        let tables = plan
            .tables
            .iter()
            .map(|table| Merged::open(chosen.archive.files(), &all, &table.schema));
        let tables = tables.collect::<Result<Vec<_>>>()?;
        let mut jobs = Vec::new();
        for merged in &tables {
            jobs.extend(jobs_of(merged, setting));
        }
        jobs.retain(|job| !done.contains(&(job.merged.table().target.as_str(), job.number)));
        jobs.sort_by_key(|job| std::cmp::Reverse(job.unit.map(|unit| unit.file().bytes)));
        let links: Vec<_> = (0..setting.workers).map(|_| link.another()).collect();
        let rows = workers::over(&jobs, links, setting.stop, |link, job| {
            reach(Step::ChunkNext);
            let table = job.merged.table();
            let _permit = setting.reserve(table);
            let mut rows = 0;
            let loaded = link.with(|session| {
                load_chunk(session, lease, table, job.number, |copy| {
                    let copied = load_unit(job, copy, setting)?;
                    rows = copied.sent;
                    Ok(copied)
                })
            });
            loaded.at(|| format!("table {}", table.source))?;
            Ok(rows)
        })?;
        Ok(rows.into_iter().sum())
    }

    /// Notes where the target stands in the source's changelog, so that whoever follows it goes on from there.
    fn begin_to_follow(self, link: &mut Link<'_>) -> Result<()> {
        let (lease, manifest) = (self.lease, &self.chosen.opened.manifest);
        let known = manifest.position.zip(manifest.nonce.as_deref());
        let Some(((seq, nonce), identity)) = known.zip(identity_of(&manifest.source)) else {
            return Err(Error::internal("a followed source without a position"));
        };
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                for step in [IDENTITY, INSTALLED] {
                    ledger::complete_step(session, lease, step, Some(identity))?;
                }
                if ledger::begin_position(session, lease, seq, nonce, DigestSum::default())? {
                    ledger::seal_position(session, lease, seq, nonce)?;
                }
                Ok(())
            })
        })
    }

    /// Compares what was sent with what the target gives back.
    fn prove(self, link: &mut Link<'_>) -> Result<Report> {
        let Self { plan, lease, setting, .. } = self;
        setting.progress.tell(Event::Phase(Phase::Proof));
        let loaded = link.with(|session| ledger::loaded_chunks(session, lease.migration))?;
        prove::expect(plan, &loaded, 1, setting);
        reach(Step::ProofBegun);
        let sent = sums_of(plan, &loaded)?;
        let target = prove::sums_of_target(plan, link, setting)?;
        let proofs = verify::compare_all(plan, &sent, &target);
        let rejected = |target: &str| {
            let chunks = loaded.iter().filter(|chunk| chunk.table == target);
            chunks.map(|chunk| chunk.rejected).sum()
        };
        let tables = proofs.iter().zip(&plan.tables);
        let tables: Vec<_> = tables
            .map(|(proof, table)| TableReport::proved(proof, rejected(&table.schema.target)))
            .collect();
        let is_equal = tables.iter().all(|table| table.equal == Some(true));
        let phase = match is_equal {
            true if plan.is_followed => FOLLOWING,
            true => RESTORED,
            false => NOT_EQUAL,
        };
        let phase = phase.into();
        let misfits = reject::misfits(plan, link, lease.migration)?;
        Ok(Report { command: "restore", phase, tables, misfits, ..Report::default() })
    }

    /// Leaves the target as it was before: what was loaded is of an archive that nobody should trust.
    fn take_back(self, link: &mut Link<'_>) -> Result<()> {
        let Self { plan, lease, .. } = self;
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                plan.existing().try_for_each(|(table, _)| define::empty(session, &table.schema))
            })?;
            let migration = ledger::find(session, &plan.name, &plan.target_schema)?;
            migration.map_or(Ok(()), |migration| {
                session.batch("drop what was restored", &migration.drop_sql)
            })
        })
    }
}

/// The parts of a table.
fn jobs_of<'a>(merged: &'a Merged<'a>, setting: Setting<'_>) -> Vec<Job<'a>> {
    let table = merged.table();
    let rows = merged.units().iter().map(|unit| unit.file().rows).sum();
    let bytes = merged.units().iter().map(|unit| unit.file().bytes).sum();
    let about = !merged.is_base();
    setting.progress.tell(Event::Expect { table: table.source.clone(), rows, about, bytes });
    let units = merged.units().iter().map(Some);
    let none = merged.units().is_empty().then_some(None);
    let numbered = units.chain(none).enumerate();
    numbered.map(|(number, unit)| Job { merged, unit, number }).collect()
}

/// Sends the rows of one part.
fn load_unit(job: &Job<'_>, copy: &mut CopyWriter<'_>, setting: Setting<'_>) -> Result<Copied> {
    let table = job.merged.table();
    let (sums, mut aside) = send_units(job.merged, job.unit, copy, setting)?;
    if job.number == FIRST {
        add_rejected(job.merged, &mut aside)?;
    }
    let (sum, groups) = (sums.total(), sums.to_bytes());
    let Aside { misfits, exceptions, rejected } = aside;
    let loaded = LoadedChunk {
        table: table.target.clone(),
        chunk: job.number,
        sum,
        groups,
        rejected,
        low_mark: None,
        last_mark: None,
    };
    Ok(Copied { loaded, sent: sum.rows, misfits, exceptions, archived: None })
}

/// Adds the rows of a table that were set aside, as the ledger keeps them.
pub(super) fn add_rejected(merged: &Merged<'_>, aside: &mut Aside) -> Result<()> {
    merged.rejected(|row| {
        aside.rejected += 1;
        row.misfits().try_for_each(|misfit| aside.misfits.add(&misfit))
    })
}

/// Sends the rows of some parts, and gives their sums and what is kept of them.
pub(super) fn send_units<'u>(
    merged: &Merged<'_>,
    units: impl IntoIterator<Item = &'u Unit>,
    copy: &mut CopyWriter<'_>,
    setting: Setting<'_>,
) -> Result<(GroupSums, Aside)> {
    let table = merged.table();
    let loaded = table.loaded();
    let mut sender = Sender::new(table, loaded.as_ref())?;
    let mut loading = Loading { sums: Summing::new(table), copy };
    let mut aside = Aside::default();
    for unit in units {
        merged.read(unit, |rows| {
            setting.stop.check()?;
            sender.send_rows(&rows.records, &mut loading)?;
            let passed = rows.records.num_rows().try_into().unwrap_or(u64::MAX);
            let table = table.source.clone();
            setting.progress.tell(Event::Rows { table, rows: passed, bytes: 0 });
            rows.misfits.iter().try_for_each(|(_, misfit)| aside.misfits.add(misfit))?;
            rows.exceptions.iter().try_for_each(|(_, exception)| aside.exceptions.add(exception))
        })?;
    }
    sender.finish(&mut loading)?;
    Ok((loading.sums.finish()?, aside))
}

/// The sums of each table as it was sent.
pub(super) fn sums_of(plan: &Plan, loaded: &[LoadedChunk]) -> Result<Vec<GroupSums>> {
    let tables = plan.tables.iter().map(|table| {
        let mut sums = GroupSums::new(&table.schema);
        let mut chunks = loaded.iter().filter(|chunk| chunk.table == table.schema.target);
        chunks.try_for_each(|chunk| sums.merge_bytes(&chunk.groups))?;
        Ok(sums)
    });
    tables.collect()
}
