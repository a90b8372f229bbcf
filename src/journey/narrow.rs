//! Which rows differ, where a table is not equal: first in which groups, then by which keys, then in which columns.

use super::Setting;
use super::inspect::Inspected;
use super::prove::{self, over_target};
use super::snapshot::{self, table_of};
use super::undecided::Undecided;
use super::verify::chunks_of;
use crate::error::Result;
use crate::model::{Chunk, Partition, RowRange, TableSchema};
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::proof::{self, Difference, DifferenceKind, Grouping, RowKeys, TableProof};
use crate::row::{Row, RowVisitor, show_field, split_fields};
use crate::status::{Differences, ShownDifference};
use crate::store::postgres::link::Link;
use crate::store::postgres::read::{self, Portion};
use crate::store::sqlite::read::Reader;
use std::collections::{BTreeMap, BTreeSet};

/// Groups that are narrowed at once: a few hundred thousand keys.
const GROUPS_AT_ONCE: usize = 8;
/// Differences after which the search ends: more of them say nothing new.
const DIFFERENCES_MAX: u64 = 10_000;
/// Differences that are shown with their columns.
const SHOWN_MAX: usize = 20;

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
    narrow_all(plan, undecided, (proofs, None), &mut readers, link, setting)
}

/// Finds the keys that differ in every table that is not equal, in the state that the readers see; of a chunk only in
/// these pieces, where they are known.
pub(super) fn narrow_all(
    plan: &Plan,
    undecided: &Undecided,
    (proofs, pieces): (&[TableProof], Option<&[Chunk]>),
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
        let mut narrowing = Narrowing { plan, undecided, pieces, readers, number, setting };
        found.push(narrowing.narrow(proof, link)?);
    }
    Ok(found)
}

/// The search in one table.
struct Narrowing<'a> {
    plan: &'a Plan,
    undecided: &'a Undecided,
    /// The pieces of chunks that differ, where they are known.
    pieces: Option<&'a [Chunk]>,
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
        for (groups, chunks) in self.at_once(table, &proof.differing) {
            if found.missing + found.extra + found.changed >= DIFFERENCES_MAX {
                found.complete = false;
                break;
            }
            let keys = || RowKeys::new(table, &groups);
            let source = self.source_rows(table, &chunks, keys, RowKeys::merge)?;
            let target = self.target_rows(table, &chunks, link, keys, RowKeys::merge)?;
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

    /// Where the rows of some groups are.
    fn chunks(&self, table: &TableSchema, groups: &[usize]) -> Vec<Chunk> {
        let is_wanted = |group: usize| groups.binary_search(&group).is_ok();
        match (table.partition, self.pieces) {
            (Partition::Buckets { .. }, _) => {
                chunks_of(self.plan, |number, _| number == self.number)
            }
            (Partition::Chunks { .. }, None) => {
                chunks_of(self.plan, |number, chunk| number == self.number && is_wanted(chunk))
            }
            (Partition::Chunks { .. }, Some(pieces)) => {
                let of_groups =
                    |piece: &&Chunk| piece.table == self.number && is_wanted(piece.number);
                pieces.iter().filter(of_groups).copied().collect()
            }
        }
    }

    /// What is narrowed at once: some groups, and where their rows are.
    fn at_once(&self, table: &TableSchema, differing: &[usize]) -> Vec<(Vec<usize>, Vec<Chunk>)> {
        let all = self.chunks(table, differing);
        match table.partition {
            Partition::Buckets { .. } => {
                let groups = differing.chunks(GROUPS_AT_ONCE);
                groups.map(|groups| (groups.to_vec(), all.clone())).collect()
            }
            Partition::Chunks { .. } => {
                let groups_of = |chunks: &[Chunk]| {
                    let groups: BTreeSet<_> = chunks.iter().map(|chunk| chunk.number).collect();
                    groups.into_iter().collect()
                };
                let chunks = all.chunks(GROUPS_AT_ONCE);
                chunks.map(|chunks| (groups_of(chunks), chunks.to_vec())).collect()
            }
        }
    }

    /// Visits the source's rows of some chunks.
    fn source_rows<V: RowVisitor + Send>(
        &mut self,
        table: &TableSchema,
        chunks: &[Chunk],
        visitor: impl Fn() -> V + Sync,
        merge: impl Fn(&mut V, V),
    ) -> Result<V> {
        let (undecided, setting) = (self.undecided, self.setting);
        let hands: Vec<_> = self.readers.iter_mut().collect();
        let parts = workers::over(chunks, hands, setting.stop, |reader, chunk| {
            let mut visitor = visitor();
            let table = undecided.table(table, chunk.number);
            snapshot::read_source(reader, &table, chunk, &mut visitor, setting)?;
            Ok(visitor)
        })?;
        Ok(merged(visitor(), parts, merge))
    }

    /// Visits the target's rows of some chunks: by key where they are ranges of it, else all rows.
    fn target_rows<V: RowVisitor + Send>(
        &self,
        table: &TableSchema,
        chunks: &[Chunk],
        link: &mut Link<'_>,
        visitor: impl Fn() -> V + Sync,
        merge: impl Fn(&mut V, V),
    ) -> Result<V> {
        let parts = match table.partition {
            Partition::Chunks { key } => {
                let portions: Vec<_> = chunks
                    .iter()
                    .map(|chunk| match chunk.range {
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
        let chunks = self.chunks(table, &groups);
        let source = self.source_rows(table, &chunks, gather, Tuples::merge)?;
        let target = self.target_rows(table, &chunks, link, gather, Tuples::merge)?;
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
