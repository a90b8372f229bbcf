//! A pass: what the changelog says since the position, applied to the target and read back, in one transaction.

use super::Live;
use super::archiving::Archiving;
use super::delta::Delta;
use super::watch::told;
use crate::error::{Class, Error, Result};
use crate::model::{DigestSum, Touches};
use crate::pipeline::failpoint::{Step, reach};
use crate::store::postgres::ledger::{self, Advance, Position};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::stage::Staging;
use crate::store::sqlite::capture::Finding;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail::{self, Followed};
use std::collections::BTreeSet;
use std::time::{Instant, SystemTime};

/// Whether the target's tables have their keys and indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::journey) enum Keys {
    /// All but these, by the target's names, where rows of several states of the source may have one key.
    MissingOf(BTreeSet<String>),
    /// All have them.
    Made,
}

impl Keys {
    pub(super) fn are_made(&self, table: &str) -> bool {
        match self {
            Self::MissingOf(tables) => !tables.contains(table),
            Self::Made => true,
        }
    }
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::journey) struct Passed {
    /// Touches that it put behind the position.
    pub(in crate::journey) touches: u64,
    /// New rows that it applied, of tables that only grow.
    pub(in crate::journey) grown: u64,
    /// Whether it committed anything.
    pub(in crate::journey) committed: bool,
    /// Whether the target is what the reader's state is.
    pub(in crate::journey) drained: bool,
}

impl Live<'_> {
    /// Brings the target to the state that the reader holds, to which it must be close already.
    pub(in crate::journey) fn drain(
        &self,
        reader: &Reader,
        keys: &Keys,
        link: &mut Link<'_>,
    ) -> Result<Drained> {
        let head = self.look(reader, link)?;
        let mut drained = Drained { head, touches: 0 };
        loop {
            self.setting.stop.check()?;
            let Some(passed) = self.pass(reader, keys, (head, i64::MAX), link)? else {
                return Err(Error::internal("a pass of the whole log that was cut"));
            };
            drained.touches += passed.touches;
            if passed.drained {
                return Ok(drained);
            }
        }
    }

    /// Applies so many touches of the state that the reader holds, whose log ends at `head`; none where that cannot be
    /// without more of them.
    pub(super) fn pass(
        &self,
        reader: &Reader,
        keys: &Keys,
        (head, batch_max): (i64, i64),
        link: &mut Link<'_>,
    ) -> Result<Option<Passed>> {
        let state_at = SystemTime::now();
        // Who drains needs the state for what comes after.
        let lets_go = self.inspected.excludes_writers && batch_max < i64::MAX;
        let archiving = self.archiving(link)?;
        link.with(|session| {
            Pass { live: self, archiving, reader, session, keys, batch_max, lets_go }
                .go(head, state_at)
        })
    }
}

/// The target is what a state of the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journey) struct Drained {
    /// The highest touch of that state.
    pub(in crate::journey) head: i64,
    /// Touches that it took.
    pub(in crate::journey) touches: u64,
}

/// One transaction of deltas.
pub(super) struct Pass<'p> {
    pub(super) live: &'p Live<'p>,
    /// Where what it applies goes too.
    pub(super) archiving: Option<Archiving<'p>>,
    pub(super) reader: &'p Reader,
    pub(super) session: &'p Session,
    pub(super) keys: &'p Keys,
    /// Touches that it takes, at most, and new rows of each table that only grows.
    pub(super) batch_max: i64,
    /// Whether the state is let go as soon as all is read: an application that waits for that waits for no server then.
    lets_go: bool,
}

impl Pass<'_> {
    /// Applies what comes next. None where that would have taken the place of a row that was not touched: where a part of
    /// the log was applied only, what becomes of that row may be in the part to come, and must be applied with it.
    fn go(&self, head: i64, state_at: SystemTime) -> Result<Option<Passed>> {
        let (lease, began) = (self.live.lease, Instant::now());
        let begins = ledger::position(self.session, lease.migration)?
            .ok_or_else(|| Error::internal("deltas without a position"))?;
        if head < begins.seq {
            return Err(fell_back(head, &begins));
        }
        let last = head.min(begins.seq.saturating_add(self.batch_max));
        let touches = Touches { after: self.read_up_to(&begins), last };
        if touches.count() == 0 && begins.consistent && !self.has_grown(&begins)? {
            return Ok(Some(Passed { drained: true, ..Passed::default() }));
        }
        let new = self.sum_of_new(&begins, last)?;
        // Temp tables are made outside of the transaction, so that they are there for the next one too.
        let mut deltas = self.deltas(touches)?;
        let passed = self.session.attempt(|session| {
            if self.live.inspected.excludes_writers {
                session.be_brief()?;
            }
            ledger::guard(session, lease)?;
            // Whoever lost the answer to a COMMIT waits here, and finds the position where that left it.
            if ledger::lock_position(session, lease)?.passes != begins.passes {
                return Ok(Some(Passed::default()));
            }
            let mut sent = Vec::new();
            for delta in &mut deltas {
                let growth = self.growth(delta.table, &begins, last == head)?;
                sent.push(self.send(delta, touches, growth)?);
            }
            let grown = sent.iter().map(|sent| sent.grown).sum();
            if self.lets_go {
                self.reader.let_go()?;
            }
            let mut drained = last == head;
            for (delta, sent) in deltas.iter_mut().zip(sent) {
                let growth = sent.growth;
                let whole = last == head && growth.is_none_or(|growth| growth.is_all);
                drained &= whole;
                match self.merge(delta, sent, &begins)?.displaced {
                    0 => {}
                    _ if !whole => return Ok(None),
                    rows => return Err(displaced(delta.table, rows, growth.is_some())),
                }
                if let Some(growth) = growth.filter(|_| last == head) {
                    self.check_grown(delta, growth, &begins)?;
                }
            }
            reach(Step::DeltaApplied);
            let unsealed = [begins.unsealed, new].into_iter().sum();
            let touches = new.rows;
            let took = began.elapsed();
            let consistent = drained;
            let to = Advance { seq: last, consistent, state_at, touches, grown, took, unsealed };
            ledger::advance_position(session, lease, &to)?;
            reach(Step::PositionNoted);
            Ok(Some(Passed { touches, grown, committed: true, drained }))
        })?;
        if passed.is_some_and(|passed| passed.committed) {
            reach(Step::PassCommitted);
            let is_kept = self.archiving.map_or(Ok(true), |archiving| {
                let staged = deltas.into_iter().filter_map(|delta| delta.staged).collect();
                archiving.keep(staged, touches, &begins)
            })?;
            self.live.note_committed();
            // What is not kept is read once more.
            if last == head || !is_kept {
                self.live.grown_again.set(!is_kept);
            }
        }
        Ok(passed)
    }

    /// The touch behind which the log is read.
    fn read_up_to(&self, begins: &Position) -> i64 {
        let again = self.live.read_up_to(begins);
        let Some(archiving) = self.archiving else { return again };
        if archiving.has_missed(begins) {
            self.live.grown_again.set(true);
        }
        archiving.read_to(begins).min(again)
    }

    /// The tables that were touched, and those that only grow.
    fn deltas(&self, touches: Touches) -> Result<Vec<Delta<'_>>> {
        let mut numbers: BTreeSet<_> = tail::touched(self.reader, touches)?.into_iter().collect();
        numbers.extend(self.live.growing());
        let mut deltas = Vec::new();
        for number in numbers {
            if let Some((table, shapes)) = self.live.followed(number)? {
                let staging = Staging::of(self.session, table.schema)?;
                let staged = self.archiving.map(|archiving| archiving.stage(table.schema));
                deltas.push(Delta { table, shapes, staging, staged });
            }
        }
        Ok(deltas)
    }

    /// The touches behind the position, of which none may be missing.
    fn sum_of_new(&self, begins: &Position, last: i64) -> Result<DigestSum> {
        let touches = Touches { after: begins.seq, last };
        let sum = tail::sum(self.reader, touches)?;
        let missing = touches.count().saturating_sub(sum.rows);
        if missing == 0 {
            return Ok(sum);
        }
        Err(told(&[Finding::Hole { missing, position: begins.seq, last }]))
    }
}

fn fell_back(head: i64, position: &Position) -> Error {
    let what = format!(
        "the changelog ends at {head}, and the target has what it said up to {}: the source is an older copy of itself",
        position.seq
    );
    Error::new(Class::SourceChanged, what)
        .todo("put the newer file back; or drop what was created with the SQL that `liteferry plan` prints, and begin again")
}

/// Where the whole log was applied, a row that was not touched is as the source has it, and must stay.
fn displaced(table: Followed<'_>, rows: u64, only_grows: bool) -> Error {
    let what = format!(
        "a row of the source takes the place of another row that the source still has ({rows} such rows): the target's \
         unique keys hold values equal that the source holds different"
    );
    let name = &table.schema.source;
    let mut todo = "drop that unique key of the target's table, or repair the row in the source; then run this again"
        .to_owned();
    if only_grows {
        let lost = "if the source has lost its last writes, take the table anew with `liteferry run --anew";
        todo = format!("{lost} {name}`; else {todo}");
    }
    Error::new(Class::Undecided, what).todo(todo).at(format!("table {name}"))
}
