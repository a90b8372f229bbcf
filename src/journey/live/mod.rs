//! A source that the application goes on writing to: captured, copied, caught up with, followed.

mod capture;
mod compare;
mod guard;
mod part;
mod pass;
mod prove;
mod rolling;
pub(super) mod states;
mod trial;
mod unindexed;
mod vacuum;
mod watch;

pub(super) use capture::{DONE_AGAIN, IDENTITY};
pub(super) use pass::{Drained, Passed};
pub(super) use rolling::{Look, Looked, Rolling, look};
pub use trial::Logging;
pub(super) use trial::{check_followable, logging, refusal};
pub(super) use vacuum::{Job, Vacuuming, vacuum};

use super::Setting;
use super::inspect::Inspected;
use super::snapshot::{self, Readers};
use crate::config::{FollowSection, Pipeline};
use crate::error::{Error, Result};
use crate::model::{Follow, Partition, TableSchema, Touches};
use crate::plan::{self, Plan};
use crate::store::postgres::ledger::{self, Lease, LoadedChunk};
use crate::store::postgres::link::Link;
use crate::store::sqlite::capture::Finding;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail::{self, Followed};
use pass::Keys;
use states::{Bounds, States};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use watch::{Watched, told};

/// Touches in one transaction where the application cannot commit while they are read: a quarter of a second, about.
const BRIEF_TOUCHES: i64 = 10_000;

/// A migration of a source that moves.
#[derive(Debug)]
pub(super) struct Live<'a> {
    inspected: &'a Inspected,
    plan: &'a Plan,
    /// Of the plan's tables, in order.
    shapes: Vec<Shapes>,
    watched: OnceCell<Watched>,
    pipeline: &'a Pipeline,
    lease: Lease,
    setting: Setting<'a>,
}

/// A table as its deltas travel.
#[derive(Debug)]
struct Shapes {
    /// The keys that were touched.
    keys: TableSchema,
    /// The keys of new rows, where the table only grows.
    grown_keys: TableSchema,
    /// Their rows, summed as one group.
    rows: TableSchema,
    /// What of them is sent, where the target computes columns.
    loaded: Option<(Vec<usize>, TableSchema)>,
}

impl Shapes {
    fn of(table: &TableSchema) -> Self {
        let partition = Partition::Buckets { count: 1 };
        let rows = TableSchema { partition, chunks: Vec::new(), ..table.clone() };
        let keys = table.keys();
        let grown_keys = TableSchema { rowid_name: table.rowid_name.clone(), ..keys.clone() };
        Self { keys, grown_keys, loaded: rows.loaded(), rows }
    }
}

impl<'a> Live<'a> {
    pub(super) fn new(
        inspected: &'a Inspected,
        plan: &'a Plan,
        pipeline: &'a Pipeline,
        lease: Lease,
        setting: Setting<'a>,
    ) -> Self {
        let shapes = plan.tables.iter().map(|table| Shapes::of(&table.schema)).collect();
        Self { inspected, plan, shapes, watched: OnceCell::new(), pipeline, lease, setting }
    }

    /// Touches in one transaction, at most.
    fn batch_max(&self) -> i64 {
        let FollowSection { max_batch, max_rate } = &self.pipeline.follow;
        // A second's worth at most, where there is a rate, so that it can be paused and waited for in between.
        let asked = max_rate.map_or(*max_batch, |rate| rate.min(*max_batch));
        let asked = u32::from(asked).into();
        if self.inspected.excludes_writers { BRIEF_TOUCHES.min(asked) } else { asked }
    }

    /// Copies what is not copied yet; what changes meanwhile is in the changelog.
    pub(super) fn snapshot(&self, link: &mut Link<'_>) -> Result<u64> {
        let loaded = self.loaded(link)?;
        let bounds = Bounds::of(&self.pipeline.snapshot);
        let states = States::new(self.inspected, self.setting.workers, bounds)?;
        let before = rows(&loaded);
        snapshot::copy(
            self.plan,
            self.lease,
            &loaded,
            Readers::Turns(&states),
            link,
            self.setting,
        )?;
        let loaded = self.loaded(link)?;
        self.begin_position(&loaded, link)?;
        self.join_states(&loaded, link)?;
        Ok(rows(&loaded).saturating_sub(before))
    }

    /// Notes where the tail begins: at the oldest state that rows are from.
    fn begin_position(&self, loaded: &[LoadedChunk], link: &mut Link<'_>) -> Result<()> {
        let low_marks = loaded.iter().filter_map(|chunk| chunk.low_mark);
        let mut reader = Reader::of_moving(self.inspected.source.connect()?);
        reader.hold()?;
        let nonce = tail::nonce(&reader)?;
        let seq = match low_marks.min() {
            Some(low_mark) => low_mark,
            // No table, no row.
            None => tail::head(&reader)?,
        };
        let unsealed = tail::sum(&reader, Touches { after: 0, last: seq })?;
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, self.lease)?;
                ledger::begin_position(session, self.lease, seq, &nonce, unsealed).map(drop)
            })
        })
    }

    /// Where chunks of one table are from several states, a row may be in two of them: so what changed in between is
    /// applied before there are keys that would be violated.
    fn join_states(&self, loaded: &[LoadedChunk], link: &mut Link<'_>) -> Result<()> {
        let done = link.with(|session| ledger::done_steps(session, self.lease.migration))?;
        let is_done = |step: &plan::Step| done.iter().any(|(name, _)| *name == step.full_name());
        let unkeyed = self.plan.tables.iter().filter(|table| !table.steps.iter().any(is_done));
        let unkeyed: BTreeSet<_> = unkeyed.map(|table| table.schema.target.clone()).collect();
        if !unkeyed.iter().any(|table| is_of_several_states(loaded, table)) {
            return Ok(());
        }
        let mut reader = Reader::of_moving(self.inspected.source.connect()?);
        self.catch_up_by(&Keys::MissingOf(unkeyed), &mut reader, link).map(drop)
    }

    /// Brings the target to the state that the source has now.
    pub(super) fn catch_up(&self, reader: &mut Reader, link: &mut Link<'_>) -> Result<Drained> {
        self.catch_up_by(&Keys::Made, reader, link)
    }

    fn catch_up_by(
        &self,
        keys: &Keys,
        reader: &mut Reader,
        link: &mut Link<'_>,
    ) -> Result<Drained> {
        let mut touches = 0;
        loop {
            let (head, passed) = self.advance_by(keys, reader, link)?;
            touches += passed.touches;
            if passed.drained {
                return Ok(Drained { head, touches });
            }
        }
    }

    /// Brings the target a pass closer to the state that the source has now, whose highest touch is given, too.
    pub(super) fn advance(
        &self,
        reader: &mut Reader,
        link: &mut Link<'_>,
    ) -> Result<(i64, Passed)> {
        self.advance_by(&Keys::Made, reader, link)
    }

    fn advance_by(
        &self,
        keys: &Keys,
        reader: &mut Reader,
        link: &mut Link<'_>,
    ) -> Result<(i64, Passed)> {
        let mut batch_max = self.batch_max();
        loop {
            self.setting.stop.check()?;
            // No state is held for longer than a pass takes, nor while a server is waited for.
            let passed = link.as_a_whole(|link| {
                reader.hold()?;
                let passed = self.look(reader, link).and_then(|head| {
                    let passed = self.pass(reader, keys, (head, batch_max), link)?;
                    Ok(passed.map(|passed| (head, passed)))
                });
                reader.let_go()?;
                passed
            })?;
            match passed {
                Some(passed) => return Ok(passed),
                // What belongs together is often not far apart.
                None => batch_max = batch_max.saturating_mul(2),
            }
        }
    }

    fn loaded(&self, link: &mut Link<'_>) -> Result<Vec<LoadedChunk>> {
        link.with(|session| ledger::loaded_chunks(session, self.lease.migration))
    }

    /// The numbers of the tables that only grow.
    fn growing(&self) -> impl Iterator<Item = i64> {
        let captures = self.plan.tables.iter().filter_map(|table| table.capture.as_ref());
        captures.filter(|capture| capture.follow == Follow::Append).map(|capture| capture.number)
    }

    /// A table by its number in the changelog; none for a number that a table had before it was taken anew.
    fn followed(&self, number: i64) -> Result<Option<(Followed<'_>, &Shapes)>> {
        let mut tables = self.plan.tables.iter().zip(&self.shapes);
        let found = tables.find_map(|(planned, shapes)| {
            let capture = planned.capture.as_ref().filter(|capture| capture.number == number)?;
            Some((&planned.schema, capture, shapes))
        });
        let Some((schema, capture, shapes)) = found else {
            if number < self.plan.next_number {
                return Ok(None);
            }
            let what = format!("the changelog names a table {number} that is not in the plan");
            return Err(Error::internal(what));
        };
        let mut sources = self.inspected.schema.tables.iter();
        let source = sources.find(|source| source.name == schema.source);
        let gone = || told(&[Finding::TableGone { table: schema.source.clone() }]);
        let source = source.ok_or_else(gone)?;
        Ok(Some((Followed { source, schema, capture }, shapes)))
    }
}

/// How many parts a full proof has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    with_log: usize,
    with_journal: usize,
}

impl Parts {
    pub(super) fn of(plan: &Plan) -> Self {
        let count = |excludes_writers| part::Part::all(plan, excludes_writers).len();
        Self { with_log: count(false), with_journal: count(true) }
    }

    /// Of a source with a write-ahead log, or with a rollback journal.
    pub(super) fn count(self, excludes_writers: bool) -> usize {
        if excludes_writers { self.with_journal } else { self.with_log }
    }
}

/// Whether the chunks of a table are from several states of the source.
fn is_of_several_states(loaded: &[LoadedChunk], table: &str) -> bool {
    let chunks = loaded.iter().filter(|chunk| chunk.table == table);
    let marks: BTreeSet<_> = chunks.map(|chunk| chunk.low_mark).collect();
    marks.len() > 1
}

fn rows(loaded: &[LoadedChunk]) -> u64 {
    loaded.iter().map(|chunk| chunk.sum.rows).sum()
}
