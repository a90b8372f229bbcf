//! Verification: both stores read afresh, compared group by group, and narrowed to the keys that differ.

use super::Setting;
use super::begin::Migrated;
use super::inspect::Inspected;
use super::live::Live;
use super::narrow::narrow_all;
use super::prove::{self, Counting, Gathered};
use super::reject;
use super::snapshot::{self, table_of};
use super::undecided::Undecided;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::{Chunk, RowRange};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::proof::{self, GroupSums, Summing, TableProof};
use crate::status::{Losses, Report, TableReport, Unread};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::sqlite::read::Reader;
use std::num::NonZeroU32;
use std::time::Instant;

/// Compares every row of both stores as they are now; where the source is followed, part by part, each brought up to
/// date first, and not more than `max_rate` rows of it in a second; a look that was interrupted goes on.
///
/// # Errors
///
/// A migration that has not begun, or stores that cannot be read. Differences are in the report.
pub fn verify(
    pipeline: &Pipeline,
    conninfo: &Conninfo,
    max_rate: Option<NonZeroU32>,
    setting: Setting<'_>,
) -> Result<Report> {
    let began = Instant::now();
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let migrated = Migrated::find(&mut link, pipeline)?;
    let plan = &migrated.plan;
    if plan.is_followed {
        let report = verify_moving(pipeline, max_rate, &mut link, setting)?;
        let phases = vec![(Phase::Proof.name(), began.elapsed())];
        return Ok(Report { command: "verify", phases, ..report });
    }
    if max_rate.is_some() {
        let what = "--max-rate is for a source that is followed: this one is at rest, and nobody waits for it";
        return Err(Error::new(Class::Usage, what).todo("leave it out"));
    }
    let inspected = Inspected::open(pipeline, setting.stop)?;
    migrated.check_same_source(&inspected, pipeline)?;
    setting.progress.tell(Event::Phase(Phase::Proof));
    let loaded = link.with(|session| ledger::loaded_chunks(session, migrated.id))?;
    prove::expect(plan, &loaded, 2, setting);
    let undecided = Undecided::find(&mut link, migrated.id)?;
    let mut readers = inspected.readers(setting.workers)?;
    let chunks = chunks_of(plan, |_, _| true);
    let (source, aside) = sums_of_source(plan, &undecided, &chunks, &mut readers, setting)?;
    let of_table = |number: usize| -> u64 {
        let of_table = chunks.iter().zip(&aside).filter(|(chunk, _)| chunk.table == number);
        of_table.map(|(_, rows)| rows).sum()
    };
    let rejected: Vec<_> = (0..plan.tables.len()).map(of_table).collect();
    let target = prove::sums_of_target(plan, &mut link, setting)?;
    let proofs = compare_all(plan, &source, &target);
    let narrowed = (&*proofs, None);
    let differences = narrow_all(plan, &undecided, narrowed, &mut readers, &mut link, setting)?;
    let misfits = reject::misfits(plan, &mut link, migrated.id)?;
    let advice = plan.sample_advice().filter(|_| rejected.iter().any(|&rows| rows > 0));
    let tables = proofs.iter().zip(rejected);
    Ok(Report {
        command: "verify",
        phase: migrated.phase,
        tables: tables.map(|(proof, rejected)| TableReport::proved(proof, rejected)).collect(),
        misfits,
        phases: vec![(Phase::Proof.name(), began.elapsed())],
        warnings: plan.losses().into_iter().chain(advice).collect(),
        differences,
        losses: losses(plan),
        ..Report::default()
    })
}

/// The same of a source that is followed.
fn verify_moving(
    pipeline: &Pipeline,
    max_rate: Option<NonZeroU32>,
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<Report> {
    let inspected = Inspected::open_moving(pipeline, setting.stop)?;
    let (migrated, lease) = Migrated::take(link, pipeline)?;
    migrated.check_not_paused(link)?;
    migrated.check_same_source(&inspected, pipeline)?;
    migrated.check_followed()?;
    let live = Live::new(&inspected, &migrated.plan, pipeline, lease, setting);
    let report = live.prove(max_rate, link)?;
    link.with(|session| ledger::set_phase(session, lease, &report.phase))?;
    Ok(report)
}

/// What of the source could not be read when the plan was made: no proof is about it.
pub(super) fn losses(plan: &Plan) -> Losses {
    let tables = plan.damage.tables.iter().map(|table| Unread {
        table: table.name.clone(),
        rowids: None,
        reason: Some(table.reason.clone()),
    });
    let ranges = plan.tables.iter().flat_map(|table| {
        table.unreadable.iter().map(|range| Unread {
            table: table.schema.source.clone(),
            rowids: match *range {
                RowRange::Rowids { first, last } => Some((first, last)),
                RowRange::All => None,
            },
            reason: None,
        })
    });
    Losses { unreadable: tables.chain(ranges).collect(), damage: plan.damage.found.clone() }
}

/// Each table's sums on both sides, compared.
pub(super) fn compare_all(
    plan: &Plan,
    source: &[GroupSums],
    target: &[GroupSums],
) -> Vec<TableProof> {
    let sides = source.iter().zip(target);
    plan.tables
        .iter()
        .zip(sides)
        .map(|(table, (source, target))| proof::compare(&table.schema.source, source, target))
        .collect()
}

/// Each table's sums of these chunks, and each chunk's rows that are set aside.
pub(super) fn sums_of_source(
    plan: &Plan,
    undecided: &Undecided,
    chunks: &[Chunk],
    readers: &mut [Reader],
    setting: Setting<'_>,
) -> Result<(Vec<GroupSums>, Vec<u64>)> {
    let hands: Vec<_> = readers.iter_mut().collect();
    let gathered = Gathered::none(plan);
    let rejected = workers::over(chunks, hands, setting.stop, |reader, chunk| {
        let table = &*undecided.table(table_of(plan, chunk.table)?, chunk.number);
        let mut counting = Counting::new(Summing::new(table), &table.source, setting);
        let mut rejected = 0;
        let read = snapshot::read_source(reader, table, chunk, &mut counting, setting)
            .map(|rows| rejected = rows);
        gathered.add(chunk.table, &counting.end(read)?.finish()?)?;
        Ok(rejected)
    })?;
    Ok((gathered.all(), rejected))
}

/// The wanted chunks of a plan.
pub(super) fn chunks_of(plan: &Plan, wanted: impl Fn(usize, usize) -> bool) -> Vec<Chunk> {
    let tables = plan.tables.iter().enumerate();
    let all = tables.flat_map(|(table, planned)| {
        planned.schema.chunks.iter().enumerate().map(move |(number, &range)| Chunk {
            table,
            number,
            range,
        })
    });
    all.filter(|chunk| wanted(chunk.table, chunk.number)).collect()
}
