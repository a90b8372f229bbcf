//! The proof while the source moves: a state is held, the target is brought to it, a part of both is compared, and the
//! state is let go. So no state is held for longer than a part takes, however large the source is.
//!
//! What is equal is noted part by part, so that a proof that was interrupted goes on where it was: deltas are proved
//! when they are applied.

use super::Live;
use super::compare::{Comparing, Found, prepare};
use super::part::{Kind, Part};
use super::pass::Keys;
use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::journey::narrow::narrow_all;
use crate::journey::prove;
use crate::journey::undecided::Undecided;
use crate::journey::{reject, snapshot, verify};
use crate::model::{Chunk, TableSchema};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::proof::{GroupSums, TableProof};
use crate::status::{FOLLOWING, Heads, NOT_EQUAL, Report, TableReport};
use crate::store::postgres::ledger::{self, LoadedChunk, Proved};
use crate::store::postgres::link::Link;
use crate::store::postgres::read;
use crate::store::postgres::session::Session;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::state::Door;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Bytes of the source that are compared in one state, about: a few seconds. What cannot be divided is compared as a whole.
const STATE_BYTES: u64 = 512 * 1024 * 1024;
/// The same where nobody commits while a state is held.
const STATE_BRIEF_BYTES: u64 = 4 * 1024 * 1024;

impl Live<'_> {
    /// Compares every row of the source with the target, at most so many in a second.
    ///
    /// # Errors
    ///
    /// Stores that cannot be read, deltas that cannot be applied. Differences are in the report.
    pub(in crate::journey) fn prove(
        &self,
        max_rate: Option<NonZeroU32>,
        link: &mut Link<'_>,
    ) -> Result<Report> {
        let Self { inspected, plan, lease, setting, .. } = *self;
        setting.progress.tell(Event::Phase(Phase::Proof));
        let loaded = self.loaded(link)?;
        prove::expect(plan, &loaded, 2, setting);
        let Round { mut left, mut sums } = self.begin_round(link)?;
        reach(Step::ProofBegun);
        let undecided = Undecided::find(link, lease.migration)?;
        let door = Door::new(&inspected.source)?;
        let mut readers = inspected.moving_readers(setting.workers)?;
        let most = match max_rate {
            // Whoever asks for a slow proof is not helped by one that holds states while it waits.
            Some(_) => 0,
            None if inspected.excludes_writers => STATE_BRIEF_BYTES,
            None => STATE_BYTES,
        };
        let mut heads = None;
        while let Some(parts) = next_state(&mut left, most, self.sizes()) {
            let began = Instant::now();
            let (come_to, compared) =
                self.in_state(&door, &mut readers, link, |readers, link| {
                    self.compare(&parts, (&undecided, began), readers, &mut sums, link)
                })?;
            compared.rest.into_iter().rev().for_each(|part| left.push_front(part));
            heads = Some(come_to);
            reach(Step::PartProved);
            if let Some(rate) = max_rate {
                let rows = u32::try_from(compared.rows).unwrap_or(u32::MAX);
                let due = Duration::from_secs_f64(f64::from(rows) / f64::from(rate.get()));
                setting.stop.wait(due.saturating_sub(began.elapsed()))?;
            }
        }
        let heads = match heads {
            Some(heads) => heads,
            // An interrupted proof had compared everything: the target is brought up to date all the same.
            None => self.in_state(&door, &mut readers, link, |_, _| Ok(()))?.0,
        };
        self.add_copied(&loaded, &mut sums, link)?;
        let proofs = verify::compare_all(plan, &sums.source, &sums.target);
        let equal = proofs.iter().all(TableProof::equal);
        let differences = if equal {
            Vec::new()
        } else {
            let find = |readers: &mut [Reader], link: &mut Link<'_>| {
                let narrowed = (&*proofs, Some(&*sums.differing));
                narrow_all(plan, &undecided, narrowed, readers, link, setting)
            };
            self.in_state(&door, &mut readers, link, find)?.1
        };
        link.with(|session| ledger::end_round(session, lease))?;
        // A row may have been set aside, or healed, after its part was compared.
        let aside = link.with(|session| ledger::rows_aside(session, lease.migration))?;
        let aside: BTreeMap<_, _> = aside.into_iter().collect();
        let tables = proofs.iter().zip(&sums.rejected).zip(&plan.tables);
        let tables = tables.filter(|(_, table)| !table.is_gone);
        let tables = tables.map(|((proof, copied), table)| {
            if plan.is_copied(table) {
                TableReport::copied(proof, *copied)
            } else {
                let rows = aside.get(&table.schema.target).copied();
                TableReport::proved(proof, rows.unwrap_or_default())
            }
        });
        Ok(Report {
            phase: if equal { FOLLOWING } else { NOT_EQUAL }.into(),
            tables: tables.collect(),
            warnings: plan.gone_in_words(),
            differences,
            misfits: reject::misfits(plan, link, lease.migration)?,
            losses: verify::losses(plan),
            position: Some(heads),
            ..Report::default()
        })
    }

    /// Adds what was copied of the tables that are not followed, and what the target has of them: they are compared with
    /// their copy, because the source may be another one by now.
    fn add_copied(
        &self,
        loaded: &[LoadedChunk],
        sums: &mut Sums,
        link: &mut Link<'_>,
    ) -> Result<()> {
        let plan = self.plan;
        let is_copied =
            |number: usize| plan.tables.get(number).is_some_and(|table| plan.is_copied(table));
        if !plan.tables.iter().any(|table| plan.is_copied(table)) {
            return Ok(());
        }
        let copied = prove::sums_of_ledger(plan, loaded)?;
        let read = prove::sums_of_portions(plan, link, self.setting, |session| {
            prove::jobs(plan, session, &is_copied)
        })?;
        sums.target.iter_mut().zip(&read).for_each(|(all, some)| all.merge(some));
        let sides = sums.source.iter_mut().zip(&copied).zip(&mut sums.rejected).zip(&plan.tables);
        for (((source, copied), rejected), table) in sides {
            if plan.is_copied(table) {
                source.merge(copied);
                let chunks = loaded.iter().filter(|chunk| chunk.table == table.schema.target);
                *rejected += chunks.map(|chunk| chunk.rejected).sum::<u64>();
            }
        }
        Ok(())
    }

    /// Goes on with the round that is under way, or begins one.
    fn begin_round(&self, link: &mut Link<'_>) -> Result<Round> {
        let (plan, lease) = (self.plan, self.lease);
        link.with(|session| ledger::begin_round(session, lease))?;
        let found = link.with(|session| ledger::proved(session, lease.migration))?;
        let mut round = Round { left: VecDeque::new(), sums: Sums::none(plan) };
        let mut reader = Reader::of_moving(self.inspected.source.connect()?);
        // That makes sure that the tables are those that are followed.
        self.catch_up(&mut reader, link)?;
        let all = Part::all(plan, self.sizes(), &self.extents(&reader)?);
        let (count, now) = (all.len(), Instant::now());
        let is_good =
            |proved: &Proved| proved.is_of_round && proved.age < self.pipeline.cutover.proof_age;
        let found: BTreeMap<_, _> = found
            .iter()
            .filter(|proved| is_good(proved))
            .map(|proved| ((proved.table.as_str(), proved.part, proved.last_row.is_some()), proved))
            .collect();
        for mut part in all {
            let table = snapshot::table_of(plan, part.table)?;
            let known = |begun| found.get(&(table.target.as_str(), part.number, begun)).copied();
            let (whole, begun) = (known(false), known(true));
            if let Some(proved) = whole {
                round.sums.add(&part, proved)?;
                continue;
            }
            if let Some(proved) = begun {
                part.go_on(table, proved, now)?;
                if part.before.is_some() {
                    round.sums.add(&part, proved)?;
                }
            }
            round.left.push_back(part);
        }
        if round.left.len() < count {
            self.setting.progress.tell(Event::Note(format!(
                "{} of {count} parts were found equal by a proof that was interrupted: it goes on from there",
                count - round.left.len()
            )));
        }
        Ok(round)
    }

    /// Does `work` in a state that all readers hold, and to which the target was brought.
    fn in_state<T>(
        &self,
        door: &Door,
        readers: &mut [Reader],
        link: &mut Link<'_>,
        mut work: impl FnMut(&mut [Reader], &mut Link<'_>) -> Result<T>,
    ) -> Result<(Heads, T)> {
        let no_reader = || Error::internal("a proof without a reader");
        // What is behind is applied before, so that the state is not held for that.
        self.catch_up(readers.first_mut().ok_or_else(no_reader)?, link)?;
        link.as_a_whole(|link| {
            let done = self
                .come_to(door, readers, link)
                .and_then(|heads| Ok((heads, work(readers, link)?)));
            readers.iter().try_for_each(Reader::let_go)?;
            done
        })
    }

    /// Compares the next pieces of parts in the state that the readers hold, taken then, and notes what is equal.
    fn compare(
        &self,
        parts: &[Part],
        (undecided, since): (&Undecided, Instant),
        readers: &mut [Reader],
        all: &mut Sums,
        link: &mut Link<'_>,
    ) -> Result<Compared> {
        let Self { plan, lease, .. } = *self;
        let mut found = self.compared(parts, undecided, readers, link)?;
        for (part, found) in parts.iter().zip(&mut found) {
            if part.kind == Kind::Count && !found.is_equal {
                // Which rows are too many is only seen where all of them are.
                let table = snapshot::table_of(plan, part.table)?;
                let whole = [Part::whole(plan, part.table, table)];
                let whole = self.compared(&whole, undecided, readers, link)?.pop();
                *found = whole.ok_or_else(|| Error::internal("a comparison of nothing"))?;
            }
        }
        let (mut after, sizes) = (parts.to_vec(), self.sizes());
        after.iter_mut().zip(&found).for_each(|(part, found)| part.add(found, since, sizes));
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                after.iter().try_for_each(|part| {
                    part.note(snapshot::table_of(plan, part.table)?, lease, session)
                })
            })
        })?;
        for (part, found) in parts.iter().zip(&found) {
            if part.kind == Kind::Count && !found.is_equal {
                // It is of the whole table.
                all.clear(part, snapshot::table_of(plan, part.table)?);
            }
            all.merge(part, found);
        }
        let rows = found.iter().map(|found| found.source.total().rows).sum();
        after.retain(|part| !part.is_compared());
        Ok(Compared { rest: after, rows })
    }

    /// What parts come to, side by side.
    fn compared(
        &self,
        parts: &[Part],
        undecided: &Undecided,
        readers: &mut [Reader],
        link: &mut Link<'_>,
    ) -> Result<Vec<Found>> {
        let Self { plan, lease, setting, .. } = *self;
        let migration = lease.migration;
        let sizes = self.sizes();
        let comparing = Comparing { plan, migration, undecided, lets_go: false, sizes, setting };
        let helpers = readers.len().min(parts.len()).saturating_sub(1);
        let helpers: Vec<_> = (0..helpers).map(|_| link.another()).collect();
        link.with(|session| {
            let prepared =
                |session: &Session| parts.iter().try_for_each(|part| prepare(plan, part, session));
            prepared(session)?;
            let snapshot = read::begin_snapshot(session)?;
            let joined = |helper: &Link<'_>| {
                let session = helper.connect()?;
                prepared(&session)?;
                read::join_snapshot(&session, &snapshot)?;
                Ok(session)
            };
            let others = helpers.iter().map(joined).collect::<Result<Vec<_>>>()?;
            let hands = readers.iter_mut().zip(std::iter::once(session).chain(&others));
            let found =
                workers::over(parts, hands.collect(), setting.stop, |(reader, session), part| {
                    comparing.compare(part, reader, session)
                })?;
            session.batch("end reading", "COMMIT")?;
            Ok(found)
        })
    }

    /// Lets the readers hold the state that there is now, and brings the target to it.
    fn come_to(&self, door: &Door, readers: &mut [Reader], link: &mut Link<'_>) -> Result<Heads> {
        door.let_in(readers.iter_mut())?;
        let first = readers.first().ok_or_else(|| Error::internal("a proof without a reader"))?;
        let head = self.drain(first, &Keys::Made, link)?.head;
        Ok(Heads { source: head, applied: head })
    }
}

/// Takes the parts that are compared in one state; none where none is left. The rows of a table are not counted before all
/// of its keys are compared.
fn next_state(left: &mut VecDeque<Part>, most: u64, sizes: Sizes) -> Option<Vec<Part>> {
    let mut parts = vec![left.pop_front()?];
    let mut bytes = parts.iter().map(|part| part.bytes_at_once(sizes)).sum::<u64>();
    while let Some(part) = left.front() {
        bytes += part.bytes_at_once(sizes);
        let is_counted = part.kind == Kind::Count;
        if bytes > most || is_counted && parts.iter().any(|other| other.table == part.table) {
            break;
        }
        parts.extend(left.pop_front());
    }
    Some(parts)
}

/// What a state came to.
struct Compared {
    /// The parts that go on with their next piece, because they have grown.
    rest: Vec<Part>,
    /// The rows of the source.
    rows: u64,
}

/// A look at every part, as far as it has come.
struct Round {
    /// The parts that are to be compared.
    left: VecDeque<Part>,
    /// What the others came to.
    sums: Sums,
}

/// What parts came to, table by table.
struct Sums {
    source: Vec<GroupSums>,
    target: Vec<GroupSums>,
    /// Rows that are set aside.
    rejected: Vec<u64>,
    /// The pieces of chunks that differ.
    differing: Vec<Chunk>,
}

impl Sums {
    /// Nothing of any table.
    fn none(plan: &Plan) -> Self {
        let none = || plan.tables.iter().map(|table| GroupSums::new(&table.schema)).collect();
        let rejected = vec![0; plan.tables.len()];
        Self { source: none(), target: none(), rejected, differing: Vec::new() }
    }

    /// Forgets what was found of a table.
    fn clear(&mut self, part: &Part, table: &TableSchema) {
        for side in [&mut self.source, &mut self.target] {
            side.get_mut(part.table).into_iter().for_each(|sums| *sums = GroupSums::new(table));
        }
        self.rejected.get_mut(part.table).into_iter().for_each(|rows| *rows = 0);
    }

    /// Adds what is found.
    fn merge(&mut self, part: &Part, found: &Found) {
        let of_table = self.source.get_mut(part.table).zip(self.target.get_mut(part.table));
        if let Some((source, target)) = of_table {
            source.merge(&found.source);
            target.merge(&found.target);
        }
        self.rejected.get_mut(part.table).into_iter().for_each(|rows| *rows += found.rejected);
        if part.kind == Kind::Chunk && !found.is_equal {
            self.differing.extend(part.rest().up_to(found.last.as_ref()).chunks);
        }
    }

    /// Adds what was found before.
    fn add(&mut self, part: &Part, found: &Proved) -> Result<()> {
        for side in [&mut self.source, &mut self.target] {
            side.get_mut(part.table).map_or(Ok(()), |sums| sums.merge_bytes(&found.groups))?;
        }
        self.rejected.get_mut(part.table).into_iter().for_each(|rows| *rows += found.rejected);
        Ok(())
    }
}
