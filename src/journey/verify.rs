//! Verification: both stores read afresh, compared group by group, and narrowed to the keys that differ.

use super::Setting;
use super::begin::Migrated;
use super::inspect::Inspected;
use super::live::Live;
use super::prove::{self, Counting, Gathered, over_target};
use super::reject;
use super::snapshot::{self, table_of};
use super::undecided::Undecided;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::{Chunk, Partition, RowRange, TableSchema};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::proof::{
    self, Difference, DifferenceKind, GroupSums, Grouping, RowKeys, Summing, TableProof,
};
use crate::row::{Row, RowVisitor, show_field, split_fields};
use crate::status::{Differences, Losses, Report, ShownDifference, TableReport, Unread};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::postgres::read::{self, Portion};
use crate::store::sqlite::read::Reader;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Instant;

/// Groups that are narrowed at once: a few hundred thousand keys.
const GROUPS_AT_ONCE: usize = 8;
/// Differences after which the search ends: more of them say nothing new.
const DIFFERENCES_MAX: u64 = 10_000;
/// Differences that are shown with their columns.
const SHOWN_MAX: usize = 20;

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
    let differences = narrow_all(plan, &undecided, &proofs, &mut readers, &mut link, setting)?;
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
    migrated.check_same_source(&inspected, pipeline)?;
    migrated.check_followed()?;
    let live = Live::new(&inspected, &migrated.plan, pipeline, lease, setting);
    live.prove(max_rate, link)
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

/// Finds the keys that differ in every table that is not equal, in a source at rest.
pub(super) fn narrow_at_rest(
    inspected: &Inspected,
    plan: &Plan,
    undecided: &Undecided,
    proofs: &[TableProof],
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<Vec<Differences>> {
    if proofs.iter().all(TableProof::equal) {
        return Ok(Vec::new());
    }
    let mut readers = inspected.readers(setting.workers)?;
    narrow_all(plan, undecided, proofs, &mut readers, link, setting)
}

/// Finds the keys that differ in every table that is not equal, in the state that the readers see.
pub(super) fn narrow_all(
    plan: &Plan,
    undecided: &Undecided,
    proofs: &[TableProof],
    readers: &mut [Reader],
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<Vec<Differences>> {
    let mut found = Vec::new();
    // What is only copied is not compared with the source, which may be another one by now.
    let is_compared =
        |number: usize| plan.tables.get(number).is_some_and(|table| !plan.is_copied(table));
    let proofs = proofs.iter().enumerate().filter(|(number, _)| is_compared(*number));
    for (number, proof) in proofs.filter(|(_, proof)| !proof.equal()) {
        setting
            .progress
            .tell(Event::Step(format!("search for the rows of {} that differ", proof.table)));
        found.push(Narrowing { plan, undecided, readers, number, setting }.narrow(proof, link)?);
    }
    Ok(found)
}

/// The search in one table.
struct Narrowing<'a> {
    plan: &'a Plan,
    undecided: &'a Undecided,
    readers: &'a mut [Reader],
    number: usize,
    setting: Setting<'a>,
}

impl Narrowing<'_> {
    fn narrow(&mut self, proof: &TableProof, link: &mut Link<'_>) -> Result<Differences> {
        let table = table_of(self.plan, self.number)?;
        let mut found = Differences {
            table: proof.table.clone(),
            missing: 0,
            extra: 0,
            changed: 0,
            complete: true,
            rows: Vec::new(),
        };
        let mut shown: Vec<Difference> = Vec::new();
        for groups in proof.differing.chunks(GROUPS_AT_ONCE) {
            if found.missing + found.extra + found.changed >= DIFFERENCES_MAX {
                found.complete = false;
                break;
            }
            let source =
                self.source_rows(table, groups, || RowKeys::new(table, groups), RowKeys::merge)?;
            let target = self.target_rows(
                table,
                groups,
                link,
                || RowKeys::new(table, groups),
                RowKeys::merge,
            )?;
            for difference in proof::diff(table, &source, &target) {
                found.count(difference.kind, difference.times);
                if shown.len() < SHOWN_MAX {
                    shown.push(difference);
                }
            }
        }
        found.rows = self.with_columns(table, &shown, link)?;
        Ok(found)
    }

    /// Visits the source's rows of some groups, whichever chunks they are in.
    fn source_rows<V: RowVisitor + Send>(
        &mut self,
        table: &TableSchema,
        groups: &[usize],
        visitor: impl Fn() -> V + Sync,
        merge: impl Fn(&mut V, V),
    ) -> Result<V> {
        let by_chunk = matches!(table.partition, Partition::Chunks { .. });
        let chunks = chunks_of(self.plan, |number, chunk| {
            number == self.number && (!by_chunk || groups.binary_search(&chunk).is_ok())
        });
        let (undecided, setting) = (self.undecided, self.setting);
        let hands: Vec<_> = self.readers.iter_mut().collect();
        let parts = workers::over(&chunks, hands, setting.stop, |reader, chunk| {
            let mut visitor = visitor();
            let table = undecided.table(table, chunk.number);
            snapshot::read_source(reader, &table, chunk, &mut visitor, setting)?;
            Ok(visitor)
        })?;
        Ok(merged(visitor(), parts, merge))
    }

    /// Visits the target's rows of some groups: by key where the groups are ranges of it, else all rows.
    fn target_rows<V: RowVisitor + Send>(
        &self,
        table: &TableSchema,
        groups: &[usize],
        link: &mut Link<'_>,
        visitor: impl Fn() -> V + Sync,
        merge: impl Fn(&mut V, V),
    ) -> Result<V> {
        let parts = match table.partition {
            Partition::Chunks { key } => {
                let ranges = groups.iter().filter_map(|&group| table.chunks.get(group));
                let portions: Vec<_> = ranges
                    .map(|range| match *range {
                        RowRange::Rowids { first, last } => {
                            Portion::Rowids { column: key, first, last }
                        }
                        RowRange::All => Portion::All,
                    })
                    .collect();
                link.with(|session| {
                    let visit = |portion: &Portion| {
                        let mut visitor = visitor();
                        read::read_portion(session, table, *portion, &mut visitor)?;
                        Ok(visitor)
                    };
                    portions.iter().map(visit).collect::<Result<Vec<_>>>()
                })?
            }
            Partition::Buckets { .. } => {
                let wanted = self.number;
                let plan = self.plan;
                over_target(
                    plan,
                    link,
                    self.setting,
                    |session| prove::jobs(plan, session, &|number| number == wanted),
                    |session, _, job| {
                        let mut visitor = visitor();
                        read::read_portion(session, table, job.portion, &mut visitor)?;
                        Ok(visitor)
                    },
                )?
            }
        };
        Ok(merged(visitor(), parts, merge))
    }

    /// Reads the rows that are shown once more, to name the columns.
    fn with_columns(
        &mut self,
        table: &TableSchema,
        shown: &[Difference],
        link: &mut Link<'_>,
    ) -> Result<Vec<ShownDifference>> {
        let mut groups: Vec<_> = shown.iter().map(|difference| difference.group).collect();
        groups.sort_unstable();
        groups.dedup();
        let gather = || Tuples::new(table, shown);
        let source = self.source_rows(table, &groups, gather, Tuples::merge)?;
        let target = self.target_rows(table, &groups, link, gather, Tuples::merge)?;
        let show = |difference: &Difference| ShownDifference {
            kind: difference.kind.name(),
            key: difference.show_key(table),
            group: difference.group,
            columns: columns(table, difference.kind, source.of(difference), target.of(difference)),
        };
        Ok(shown.iter().map(show).collect())
    }
}

fn merged<V>(mut all: V, parts: Vec<V>, merge: impl Fn(&mut V, V)) -> V {
    parts.into_iter().for_each(|part| merge(&mut all, part));
    all
}

/// The columns in which two rows differ; all columns of a row that only one side has.
fn columns(
    table: &TableSchema,
    kind: DifferenceKind,
    source: Option<&Vec<u8>>,
    target: Option<&Vec<u8>>,
) -> Vec<(String, String, String)> {
    // Where only one of several equal rows is missing, the other side has its twin, which is not the row meant.
    let (source, target) = match kind {
        DifferenceKind::Missing => (values(source), Vec::new()),
        DifferenceKind::Extra => (Vec::new(), values(target)),
        DifferenceKind::Changed => (values(source), values(target)),
    };
    let show = |position: usize, side: &[Option<&[u8]>]| {
        let pg = table.columns.get(position).map(|column| column.pg);
        side.get(position).zip(pg).map_or_else(|| "-".into(), |(&value, pg)| show_field(pg, value))
    };
    let differs = |position: usize| {
        kind != DifferenceKind::Changed || source.get(position) != target.get(position)
    };
    let named = table.columns.iter().enumerate().filter(|(position, _)| differs(*position));
    named
        .map(|(position, column)| {
            (column.source.clone(), show(position, &source), show(position, &target))
        })
        .collect()
}

/// The values of a tuple; nothing where there is none.
fn values(tuple: Option<&Vec<u8>>) -> Vec<Option<&[u8]>> {
    tuple.map_or_else(Vec::new, |tuple| split_fields(tuple).map(|field| field.value).collect())
}

/// Gathers the tuples of a few rows.
struct Tuples {
    grouping: Grouping,
    wanted: BTreeMap<(usize, Vec<u8>), Option<Vec<u8>>>,
}

impl Tuples {
    fn new(table: &TableSchema, wanted: &[Difference]) -> Self {
        let wanted = wanted
            .iter()
            .map(|difference| ((difference.group, difference.key.clone()), None))
            .collect();
        Self { grouping: Grouping::of(table), wanted }
    }

    fn merge(&mut self, other: Self) {
        for (key, tuple) in other.wanted {
            if tuple.is_some() {
                self.wanted.insert(key, tuple);
            }
        }
    }

    fn of(&self, difference: &Difference) -> Option<&Vec<u8>> {
        self.wanted.get(&(difference.group, difference.key.clone()))?.as_ref()
    }
}

impl RowVisitor for Tuples {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let group = self.grouping.group(&row)?;
        let key = if row.key.is_empty() { row.digest().0.to_vec() } else { row.key.to_vec() };
        if let (Some(slot), Some(tuple)) = (self.wanted.get_mut(&(group, key)), row.tuple()) {
            *slot = Some(tuple.to_vec());
        }
        Ok(())
    }
}
