//! The read-back: every row of the target, summed by group, side by side through one snapshot.

use super::Setting;
use crate::error::{Error, Result};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::{Event, workers};
use crate::plan::{Plan, PlannedTable};
use crate::proof::{GroupSums, Summing};
use crate::row::{Row, RowVisitor};
use crate::store::postgres::ledger::LoadedChunk;
use crate::store::postgres::link::Link;
use crate::store::postgres::read::{self, Portion, SharedSnapshot};
use crate::store::postgres::session::Session;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A portion of one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job {
    pub(super) table: usize,
    pub(super) portion: Portion,
}

/// Tells how many rows of each table pass: those that are loaded, on so many sides.
pub(super) fn expect(plan: &Plan, loaded: &[LoadedChunk], sides: u64, setting: Setting<'_>) {
    for PlannedTable { schema, .. } in &plan.tables {
        let chunks = loaded.iter().filter(|chunk| chunk.table == schema.target);
        let rows = chunks.map(|chunk| chunk.sum.rows).sum::<u64>() * sides;
        let table = schema.source.clone();
        setting.progress.tell(Event::Expect { table, rows, about: false, bytes: 0 });
    }
}

/// The sums of every table as the target has it now.
pub(super) fn sums_of_target(
    plan: &Plan,
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<Vec<GroupSums>> {
    sums_of_portions(plan, link, setting, |session| jobs(plan, session, &|_| true))
}

/// The sums of parts of the target as it is now; those of the tables that no part is of are empty.
pub(super) fn sums_of_portions(
    plan: &Plan,
    link: &mut Link<'_>,
    setting: Setting<'_>,
    jobs: impl FnMut(&Session) -> Result<Vec<Job>>,
) -> Result<Vec<GroupSums>> {
    let gathered = Gathered::none(plan);
    over_target(plan, link, setting, jobs, |session, plan, job| {
        let table = super::snapshot::table_of(plan, job.table)?;
        let mut told = Counting::new(Summing::new(table), &table.source, setting);
        let read = read::read_portion(session, table, job.portion, &mut told);
        let sums = told.end(read)?.finish()?;
        reach(Step::PortionRead);
        // Nothing fails after this: what is added is not read again.
        gathered.add(job.table, &sums)
    })?;
    Ok(gathered.all())
}

/// Sums that several hands add to. What one has read is added at once: each part has a sum for every group of its table,
/// and all parts together would take memory by the square of the table's size.
pub(super) struct Gathered(Mutex<Vec<GroupSums>>);

impl Gathered {
    /// Nothing of any table.
    pub(super) fn none(plan: &Plan) -> Self {
        let none = plan.tables.iter().map(|table| GroupSums::new(&table.schema));
        Self(Mutex::new(none.collect()))
    }

    /// Adds a part of the table at this place of the plan.
    pub(super) fn add(&self, table: usize, part: &GroupSums) -> Result<()> {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.get_mut(table).ok_or_else(|| Error::internal("sums of no table"))?.merge(part);
        Ok(())
    }

    /// Each table's sums.
    pub(super) fn all(self) -> Vec<GroupSums> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sums of every table as it was loaded, from the ledger; every chunk must be there.
pub(super) fn sums_of_ledger(plan: &Plan, loaded: &[LoadedChunk]) -> Result<Vec<GroupSums>> {
    let mut sums = Vec::new();
    for table in &plan.tables {
        let mut table_sums = GroupSums::new(&table.schema);
        let chunks: Vec<_> =
            loaded.iter().filter(|chunk| chunk.table == table.schema.target).collect();
        if chunks.len() != table.schema.chunks.len() {
            let text = format!(
                "{} of {} chunks are in the ledger",
                chunks.len(),
                table.schema.chunks.len()
            );
            return Err(Error::internal(text).at(format!("table {}", table.schema.source)));
        }
        chunks.iter().try_for_each(|chunk| table_sums.merge_bytes(&chunk.groups))?;
        sums.push(table_sums);
    }
    Ok(sums)
}

/// Works through portions of tables with several sessions that see the same state.
///
/// A lost connection takes its snapshot with it: what is not read yet is read through another one. Nobody else writes
/// to what a migration has made; who did could only make the two sides differ.
pub(super) fn over_target<R: Send>(
    plan: &Plan,
    link: &mut Link<'_>,
    setting: Setting<'_>,
    mut jobs: impl FnMut(&Session) -> Result<Vec<Job>>,
    work: impl Fn(&Session, &Plan, &Job) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let helpers = (1..setting.workers).map(|_| link.another()).collect::<Vec<_>>();
    let jobs = link.with(|session| jobs(session))?;
    let done = Mutex::new(BTreeMap::new());
    let results = || done.lock().unwrap_or_else(PoisonError::into_inner);
    link.with(|session| {
        let left: Vec<_> = {
            let done = results();
            jobs.iter().enumerate().filter(|(number, _)| !done.contains_key(number)).collect()
        };
        let snapshot = read::begin_snapshot(session)?;
        let others =
            helpers.iter().map(|helper| joined(helper, &snapshot)).collect::<Result<Vec<_>>>()?;
        let hands: Vec<&Session> = std::iter::once(session).chain(&others).collect();
        workers::over(&left, hands, setting.stop, |session, &(number, job)| {
            let result = work(session, plan, job)?;
            results().insert(number, result);
            Ok(())
        })?;
        session.batch("end reading", "COMMIT")
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect())
}

/// All portions of the wanted tables, the largest table's first.
pub(super) fn jobs(
    plan: &Plan,
    session: &Session,
    wanted: &impl Fn(usize) -> bool,
) -> Result<Vec<Job>> {
    let mut tables: Vec<_> =
        plan.tables.iter().enumerate().filter(|(number, _)| wanted(*number)).collect();
    tables.sort_by_key(|(_, table)| std::cmp::Reverse(table.schema.bytes));
    let mut jobs = Vec::new();
    for (table, planned) in tables {
        let portions = read::portions(session, &planned.schema)?;
        jobs.extend(portions.into_iter().map(|portion| Job { table, portion }));
    }
    Ok(jobs)
}

/// A session that sees the same state.
fn joined(helper: &Link<'_>, snapshot: &SharedSnapshot) -> Result<Session> {
    let session = helper.connect()?;
    read::join_snapshot(&session, snapshot)?;
    Ok(session)
}

/// Rows after which the screen hears of them.
const TELL_ROWS: u64 = 8 * 1024;

/// Tells the screen what passes.
pub(super) struct Counting<'a, V> {
    visitor: V,
    table: &'a str,
    told: u64,
    rows: u64,
    setting: Setting<'a>,
}

impl<'a, V> Counting<'a, V> {
    pub(super) fn new(visitor: V, table: &'a str, setting: Setting<'a>) -> Self {
        Self { visitor, table, told: 0, rows: 0, setting }
    }

    fn tell(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.told += rows;
        self.setting.progress.tell(Event::Rows { table: self.table.into(), rows, bytes: 0 });
    }

    /// Tells the last rows; what has failed is taken back, because it may be tried again.
    pub(super) fn end(mut self, read: Result<()>) -> Result<V> {
        match read {
            Ok(()) => {
                self.tell();
                Ok(self.visitor)
            }
            Err(error) => {
                let (table, rows) = (self.table.into(), self.told);
                self.setting.progress.tell(Event::Again { table, rows, bytes: 0 });
                Err(error)
            }
        }
    }
}

impl<V: RowVisitor> RowVisitor for Counting<'_, V> {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.rows += 1;
        if self.rows >= TELL_ROWS {
            self.tell();
        }
        self.visitor.row(row)
    }
}
