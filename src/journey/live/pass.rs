//! A pass: what the changelog says since the position, applied to the target and read back, in one transaction.

use super::watch::told;
use super::{Live, Shapes};
use crate::error::{Class, Error, Result};
use crate::journey::snapshot::{Aside, Loading, Sender};
use crate::model::{DigestSum, Follow, RowRange, Touches};
use crate::pipeline::failpoint::{Step, reach};
use crate::proof::Summing;
use crate::store::postgres::apply::{self, Merged};
use crate::store::postgres::ledger::{self, Advance, Position};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::stage::Staging;
use crate::store::sqlite::capture::Finding;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail::{self, Followed};
use std::collections::BTreeSet;
use std::time::{Instant, SystemTime};

/// The new rows of a table that only grows.
#[derive(Debug, Clone, Copy)]
struct Growth {
    /// The lowest rowid that is new; none where none can be.
    first: Option<i64>,
    /// The highest one that this pass brings; none where there is nothing new.
    last: Option<i64>,
    /// Whether the table ends there.
    is_all: bool,
    /// Where the table ends, if that is before what was its end: rowids behind it may be given out again.
    shrunk_to: Option<i64>,
}

impl Growth {
    fn range(self) -> Option<RowRange> {
        let (first, last) = self.first.zip(self.last)?;
        Some(RowRange::Rowids { first, last })
    }
}

/// Names of rows in one statement.
const NAMES_AT_ONCE: usize = 4096;

/// What is kept of single rows belongs to a chunk; which one does not matter any more once they are touched.
const NO_CHUNK: usize = 0;

/// Whether the target's tables have their keys and indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::journey) enum Keys {
    /// All but these, by the target's names, where rows of several states of the source may have one key.
    MissingOf(BTreeSet<String>),
    /// All have them.
    Made,
}

impl Keys {
    fn are_made(&self, table: &str) -> bool {
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
        link.with(|session| {
            Pass { live: self, reader, session, keys, batch_max }.go(head, state_at)
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
struct Pass<'p> {
    live: &'p Live<'p>,
    reader: &'p Reader,
    session: &'p Session,
    keys: &'p Keys,
    /// Touches that it takes, at most, and new rows of each table that only grows.
    batch_max: i64,
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
        let touches = Touches { after: self.live.read_up_to(&begins), last };
        if touches.count() == 0 && begins.consistent && !self.has_grown()? {
            return Ok(Some(Passed { drained: true, ..Passed::default() }));
        }
        let new = self.sum_of_new(&begins, last)?;
        // Temp tables are made outside of the transaction, so that they are there for the next one too.
        let mut tables = Vec::new();
        let mut numbers: BTreeSet<_> = tail::touched(self.reader, touches)?.into_iter().collect();
        numbers.extend(self.live.growing());
        for number in numbers {
            if let Some((table, shapes)) = self.live.followed(number)? {
                tables.push((table, shapes, Staging::of(self.session, table.schema)?));
            }
        }
        let passed = self.session.attempt(|session| {
            if self.live.inspected.excludes_writers {
                session.be_brief()?;
            }
            ledger::guard(session, lease)?;
            // Whoever lost the answer to a COMMIT waits here, and finds the position where that left it.
            if ledger::lock_position(session, lease)?.passes != begins.passes {
                return Ok(Some(Passed::default()));
            }
            let mut drained = last == head;
            for (table, shapes, staging) in &mut tables {
                let growth = self.growth(*table)?;
                let whole = last == head && growth.is_none_or(|growth| growth.is_all);
                drained &= whole;
                match self.apply(*table, shapes, staging, touches, growth)?.displaced {
                    0 => {}
                    _ if !whole => return Ok(None),
                    rows => return Err(displaced(*table, rows)),
                }
            }
            reach(Step::DeltaApplied);
            let unsealed = [begins.unsealed, new].into_iter().sum();
            let touches = new.rows;
            let took = began.elapsed();
            let to = Advance { seq: last, consistent: drained, state_at, touches, took, unsealed };
            ledger::advance_position(session, lease, &to)?;
            reach(Step::PositionNoted);
            Ok(Some(Passed { touches, committed: true, drained }))
        })?;
        if passed.is_some_and(|passed| passed.committed) {
            reach(Step::PassCommitted);
            self.live.note_committed();
        }
        Ok(passed)
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

impl Pass<'_> {
    /// Whether a table that only grows has rows that the target has not.
    fn has_grown(&self) -> Result<bool> {
        for number in self.live.growing() {
            let Some((table, _)) = self.live.followed(number)? else { continue };
            if self.growth(table)?.is_some_and(|growth| growth.last.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The new rows of a table that only grows; none for other tables.
    fn growth(&self, table: Followed<'_>) -> Result<Option<Growth>> {
        if table.capture.follow != Follow::Append {
            return Ok(None);
        }
        let noted = ledger::high_mark(self.session, self.live.lease, &table.schema.target)?;
        let mark = match noted {
            // Before the first pass the target has what the snapshot brought.
            None => apply::highest_key(self.session, table.schema)?,
            noted => noted,
        };
        let end = tail::end(self.reader, table)?.unwrap_or(i64::MIN);
        let shrunk_to = mark.is_some_and(|mark| end < mark).then_some(end);
        let first = match shrunk_to.or(mark).map(|mark| mark.checked_add(1)) {
            None => i64::MIN,
            Some(Some(first)) => first,
            // No rowid is higher.
            Some(None) => {
                let (first, last) = (None, None);
                return Ok(Some(Growth { first, last, is_all: true, shrunk_to }));
            }
        };
        let found = tail::grown(self.reader, table, first, self.batch_max)?;
        let is_all = found.is_none_or(|(_, is_all)| is_all);
        let last = found.map(|(last, _)| last);
        Ok(Some(Growth { first: Some(first), last, is_all, shrunk_to }))
    }

    /// Forgets what is kept of single rows that were touched: what they are now says it anew.
    fn forget(&self, table: Followed<'_>, touches: Touches) -> Result<()> {
        let (session, lease, name) = (self.session, self.live.lease, &table.schema.target);
        if !ledger::keeps_rows(session, lease, name)? {
            return Ok(());
        }
        let mut names = Vec::new();
        tail::names(self.reader, table, touches, |row| {
            names.push(row);
            if names.len() < NAMES_AT_ONCE {
                return Ok(());
            }
            ledger::forget_rows(session, lease, name, &std::mem::take(&mut names))
        })?;
        ledger::forget_rows(session, lease, name, &names)
    }

    /// Brings one table to what the source has, and makes sure of it.
    fn apply(
        &self,
        table: Followed<'_>,
        shapes: &Shapes,
        staging: &mut Staging<'_>,
        touches: Touches,
        growth: Option<Growth>,
    ) -> Result<Merged> {
        let (session, lease) = (self.session, self.live.lease);
        self.forget(table, touches)?;
        staging.keys(|copy| {
            let mut sender = Sender::new(&shapes.keys, None)?;
            let mut loading = Loading { sums: Summing::new(&shapes.keys), copy };
            tail::touched_keys(self.reader, table, &shapes.keys, touches, |batch| {
                sender.send(&batch, &mut loading)
            })?;
            if let Some(range) = growth.and_then(Growth::range) {
                let keys = &shapes.grown_keys;
                self.reader.read(keys, range, |batch| sender.send(&batch, &mut loading))?;
            }
            sender.finish(&mut loading)
        })?;
        let mut aside = Aside::default();
        let mut sent = DigestSum::default();
        staging.rows(|copy| {
            let mut sender = Sender::new(&shapes.rows, shapes.loaded.as_ref())?;
            let mut loading = Loading { sums: Summing::new(&shapes.rows), copy };
            let mut send = |batch| {
                self.live.setting.stop.check()?;
                sender.send(&batch, &mut loading)?;
                aside.add(&batch)
            };
            let first = growth.and_then(|growth| growth.first);
            tail::touched_rows(self.reader, table, touches, first, &mut send)?;
            if let Some(range) = growth.and_then(Growth::range) {
                self.reader.read(table.schema, range, send)?;
            }
            sender.finish(&mut loading)?;
            sent = loading.sums.finish()?.total();
            Ok(())
        })?;
        if let Some(last) = growth.and_then(|growth| growth.last.or(growth.shrunk_to)) {
            ledger::set_high_mark(session, lease, &table.schema.target, last)?;
        }
        let indexed = self.keys.are_made(&table.schema.target);
        let merged = match apply::merge(staging, indexed) {
            Err(error) if self.live.leave_indexes_out(table, staging, session, &error)? => {
                apply::merge(staging, indexed)?
            }
            merged => merged?,
        };
        let mut back = Summing::new(&shapes.rows);
        apply::read_back(staging, &mut back)?;
        if back.finish()?.total() != sent {
            return Err(not_as_sent(table, sent.rows));
        }
        ledger::note_misfits(session, lease, table.schema, NO_CHUNK, aside.misfits)?;
        ledger::note_exceptions(session, lease, table.schema, NO_CHUNK, aside.exceptions)?;
        Ok(merged)
    }
}

/// Where the whole log was applied, a row that was not touched is as the source has it, and must stay.
fn displaced(table: Followed<'_>, rows: u64) -> Error {
    let what = format!(
        "a row of the source takes the place of another row that the source still has ({rows} such rows): the target's \
         unique keys hold values equal that the source holds different"
    );
    Error::new(Class::Undecided, what)
        .todo("drop that unique key of the target's table, or repair the row in the source; then run this again")
        .at(format!("table {}", table.schema.source))
}

fn not_as_sent(table: Followed<'_>, rows: u64) -> Error {
    let what = format!("of {rows} rows that were applied, the target gives back others");
    Error::new(Class::NotEqual, what)
        .todo("look for a trigger, a rule or a column of the target's table that changes what is written to it")
        .at(format!("table {}", table.schema.source))
}
