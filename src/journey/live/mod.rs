//! A source that the application goes on writing to: captured, copied, caught up with, followed.

mod archiving;
mod capture;
mod compare;
mod delta;
mod growth;
mod guard;
mod pace;
mod part;
mod pass;
mod prove;
mod rolling;
mod sizes;
pub(super) mod states;
mod trial;
mod unindexed;
mod vacuum;
mod watch;

pub(super) use capture::{DONE_AGAIN, IDENTITY, INSTALLED};
pub(super) use pass::{Drained, Passed};
pub(super) use rolling::{Look, Looked, Rolling, look};
pub use trial::Logging;
pub(super) use trial::{check_followable, logging, refusal};
pub(super) use vacuum::{Job, Vacuuming, vacuum};

use super::Setting;
use super::archive::Archive;
use super::inspect::Inspected;
use super::reading::Readers;
use super::snapshot;
use crate::config::{FollowSection, Pipeline};
use crate::error::{Error, Result};
use crate::model::{Follow, Partition, TableSchema, Touches};
use crate::pipeline::Event;
use crate::plan::{self, Plan, PlannedTable};
use crate::store::postgres::ledger::{self, Lease, LoadedChunk};
use crate::store::postgres::link::Link;
use crate::store::sqlite::capture::Finding;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail::{self, Followed};
use archiving::{Archiving, Outbox};
use pass::Keys;
use states::{Bounds, States};
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
pub(super) use watch::let_go;
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
    archive: Option<&'a Archive>,
    outbox: OnceCell<Outbox>,
    /// Whether new rows of tables that only grow are read again that were applied since the log was sealed.
    grown_again: Cell<bool>,
    /// Whether rows were copied since the log was sealed.
    copied: Cell<bool>,
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
        let (archive, outbox) = (None, OnceCell::new());
        let shapes = plan.tables.iter().map(|table| Shapes::of(&table.schema)).collect();
        let (grown_again, copied) = (Cell::new(true), Cell::new(false));
        let watched = OnceCell::new();
        Self {
            inspected,
            plan,
            shapes,
            watched,
            archive,
            outbox,
            grown_again,
            copied,
            pipeline,
            lease,
            setting,
        }
    }

    /// The same, with what is copied and applied put into an archive too.
    pub(super) fn with_archive(self, archive: Option<&'a Archive>) -> Self {
        Self { archive, ..self }
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
        // What is read while nobody can commit waits in memory until the server takes it.
        let piece_bytes = if self.inspected.excludes_writers {
            self.inspected.chunk_bytes(self.pipeline)
        } else {
            self.inspected.piece_bytes(self.pipeline)
        };
        let (workers, bounds) = (self.setting.workers, (bounds, piece_bytes));
        let states = States::new(self.inspected, workers, bounds, self.setting)?;
        let before = rows(&loaded);
        if before == 0 {
            let told = holds(self.inspected, self.plan).into_iter();
            told.for_each(|line| self.setting.progress.tell(Event::Warning(line)));
        }
        let archiving = self.archiving(link)?;
        let forked = archiving.map(Archiving::forked);
        let readers = (Readers::Turns(&states), forked);
        snapshot::copy(self.plan, self.lease, &loaded, readers, link, self.setting)?;
        let loaded = self.loaded(link)?;
        if let Some(archiving) = archiving {
            archiving.note_all_aside(self.plan, &loaded);
        }
        self.begin_position(&loaded, link)?;
        self.join_states(&loaded, link)?;
        let copied = rows(&loaded).saturating_sub(before);
        self.copied.set(copied > 0);
        Ok(copied)
    }

    /// Notes where the tail begins: at the oldest state that rows are from. The log is sealed first, so that no file from
    /// before has its nonce.
    fn begin_position(&self, loaded: &[LoadedChunk], link: &mut Link<'_>) -> Result<()> {
        let migration = self.lease.migration;
        if link.with(|session| ledger::position(session, migration))?.is_some() {
            return Ok(());
        }
        self.seal_copied(link)?;
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
        if let Some(archiving) = self.archiving(link)? {
            archiving.make_room()?;
        }
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
                match passed {
                    // It is no server that is waited for.
                    Err(error) if self.waits_for_archive(&error) => Ok(Err(error)),
                    passed => passed.map(Ok),
                }
            })??;
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

/// What of a followed source keeps the application from writing for long, one line each.
pub(super) fn holds(inspected: &Inspected, plan: &Plan) -> Vec<String> {
    if inspected.must_read_briefly() {
        plan.undivided_in_words(&inspected.schema)
    } else {
        Vec::new()
    }
}

/// The parts of a full proof, as the ledger names them.
#[derive(Debug)]
pub(super) struct Parts(Vec<(String, Vec<Vec<usize>>)>);

impl Parts {
    pub(super) fn of(plan: &Plan) -> Self {
        let has_parts =
            |table: &&PlannedTable| !plan.is_copied(table) && !table.schema.chunks.is_empty();
        let followed = plan.tables.iter().filter(has_parts);
        Self(followed.map(|table| (table.schema.target.clone(), part::ways(table))).collect())
    }

    /// The age of the oldest proof; none where a part has none. Proofs of what is no part are left out. A table may be
    /// proved as a whole and, when it has grown, part by part: the younger proof is what counts.
    pub(super) fn oldest(&self, ages: &BTreeMap<(String, usize), Duration>) -> Option<Duration> {
        let age = |table: &str, part: usize| ages.get(&(table.to_owned(), part)).copied();
        let of_way = |table: &str, parts: &[usize]| -> Option<Duration> {
            let ages = parts.iter().map(|&part| age(table, part)).collect::<Option<Vec<_>>>()?;
            ages.into_iter().max()
        };
        let of_table = |(table, ways): &(String, Vec<Vec<usize>>)| {
            ways.iter().filter_map(|parts| of_way(table, parts)).min()
        };
        self.0.iter().map(of_table).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// Whether the chunks of a table are from several states of the source.
fn is_of_several_states(loaded: &[LoadedChunk], table: &str) -> bool {
    let chunks = loaded.iter().filter(|chunk| chunk.table == table);
    let marks: BTreeSet<_> =
        chunks.flat_map(|chunk| [chunk.low_mark, chunk.last_mark]).flatten().collect();
    marks.len() > 1
}

fn rows(loaded: &[LoadedChunk]) -> u64 {
    loaded.iter().map(|chunk| chunk.sum.rows).sum()
}
