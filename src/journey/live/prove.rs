//! The proof while the source moves: a state is held, the target is brought to it, a part of both is compared, and the
//! state is let go. So no state is held for longer than a part takes, however large the source is.
//!
//! What is equal is noted part by part, so that a proof that was interrupted goes on where it was: deltas are proved
//! when they are applied.

use super::Live;
use super::part::Part;
use super::pass::Keys;
use crate::error::{Error, Result};
use crate::journey::prove::{self, Job};
use crate::journey::undecided::Undecided;
use crate::journey::{reject, verify};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::plan::Plan;
use crate::proof::{GroupSums, TableProof};
use crate::status::{Differences, Heads, Report, TableReport};
use crate::store::postgres::ledger::{self, LoadedChunk, Proved};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::state::Door;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Bytes of the source that are compared in one state, about: a few seconds. What cannot be divided is compared as a whole.
const STATE_BYTES: u64 = 512 * 1024 * 1024;

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
        let Round { left, mut sums } = self.begin_round(link)?;
        reach(Step::ProofBegun);
        let undecided = Undecided::find(link, lease.migration)?;
        let door = Door::new(&inspected.source)?;
        let mut readers = inspected.moving_readers(setting.workers)?;
        let mut heads = None;
        for parts in states(&left, max_rate) {
            let began = Instant::now();
            heads = Some(self.come_to(&door, &mut readers, link)?);
            let rows = self.compare(parts, &undecided, &mut readers, &mut sums, link)?;
            reach(Step::PartProved);
            if let Some(rate) = max_rate {
                let rows = u32::try_from(rows).unwrap_or(u32::MAX);
                let due = Duration::from_secs_f64(f64::from(rows) / f64::from(rate.get()));
                setting.stop.wait(due.saturating_sub(began.elapsed()))?;
            }
        }
        let heads = match heads {
            Some(heads) => heads,
            // An interrupted proof had compared everything: the target is brought up to date all the same.
            None => self.come_to(&door, &mut readers, link)?,
        };
        self.add_copied(&loaded, &mut sums, link)?;
        let proofs = verify::compare_all(plan, &sums.source, &sums.target);
        let equal = proofs.iter().all(TableProof::equal);
        let differences = if equal {
            Vec::new()
        } else {
            self.come_to(&door, &mut readers, link)?;
            self.differences(&undecided, &proofs, &mut readers, link)?
        };
        link.with(|session| ledger::end_round(session, lease))?;
        let tables = proofs.iter().zip(&sums.rejected).zip(&plan.tables);
        let tables = tables.map(|((proof, rows), table)| {
            if plan.is_copied(table) {
                TableReport::copied(proof, *rows)
            } else {
                TableReport::proved(proof, *rows)
            }
        });
        Ok(Report {
            phase: if equal { "following" } else { "not equal" }.into(),
            tables: tables.collect(),
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
        let mut round = Round { left: Vec::new(), sums: Sums::none(plan) };
        let all = Part::all(plan);
        let count = all.len();
        for part in all {
            let is_of = |proved: &&Proved| {
                let table = plan.tables.get(part.table);
                table.is_some_and(|table| table.schema.target == proved.table)
                    && proved.part == part.number
            };
            let is_good = |proved: &&Proved| {
                proved.is_of_round && proved.age < self.pipeline.cutover.proof_age
            };
            match found.iter().find(is_of).filter(is_good) {
                Some(proved) => round.sums.add(&part, proved)?,
                None => round.left.push(part),
            }
        }
        if round.left.len() < count {
            self.setting.progress.tell(Event::Note(format!(
                "{} of {count} parts were found equal by a proof that was interrupted: it goes on from there",
                count - round.left.len()
            )));
        }
        Ok(round)
    }

    /// Compares parts in the state that the readers hold, lets it go, and notes what is equal; gives the rows.
    fn compare(
        &self,
        parts: &[Part],
        undecided: &Undecided,
        readers: &mut [Reader],
        all: &mut Sums,
        link: &mut Link<'_>,
    ) -> Result<u64> {
        let Self { plan, lease, setting, .. } = *self;
        let chunks: Vec<_> = parts.iter().flat_map(|part| part.chunks.iter().copied()).collect();
        let (source, aside) = verify::sums_of_source(plan, undecided, &chunks, readers, setting)?;
        let target =
            prove::sums_of_portions(plan, link, setting, |session| self.jobs(parts, session))?;
        readers.iter_mut().try_for_each(Reader::let_go)?;
        all.source.iter_mut().zip(&source).for_each(|(all, some)| all.merge(some));
        all.target.iter_mut().zip(&target).for_each(|(all, some)| all.merge(some));
        let mut equal = Vec::new();
        for part in parts {
            let of_part =
                chunks.iter().zip(&aside).filter(|(chunk, _)| part.chunks.contains(chunk));
            let rejected: u64 = of_part.map(|(_, rows)| rows).sum();
            let sides = source.get(part.table).zip(target.get(part.table));
            let table = plan.tables.get(part.table).map(|table| &table.schema);
            let (Some((source, target)), Some(table)) = (sides, table) else {
                return Err(Error::internal("a part of no table"));
            };
            all.rejected.get_mut(part.table).into_iter().for_each(|rows| *rows += rejected);
            if part.is_equal(table, source, target) {
                equal.push((table, part.number, source.bytes_of(part.groups(table)), rejected));
            }
        }
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                equal.iter().try_for_each(|(table, part, groups, rejected)| {
                    ledger::note_proved(session, lease, (&table.target, *part), groups, *rejected)
                })
            })
        })?;
        Ok(source.iter().map(|sums| sums.total().rows).sum())
    }

    /// Lets the readers hold the state that there is now, and brings the target to it.
    fn come_to(&self, door: &Door, readers: &mut [Reader], link: &mut Link<'_>) -> Result<Heads> {
        door.let_in(readers.iter_mut())?;
        let first = readers.first().ok_or_else(|| Error::internal("a proof without a reader"))?;
        let head = self.drain(first, &Keys::Made, link)?.head;
        Ok(Heads { source: head, applied: head })
    }

    fn differences(
        &self,
        undecided: &Undecided,
        proofs: &[TableProof],
        readers: &mut [Reader],
        link: &mut Link<'_>,
    ) -> Result<Vec<Differences>> {
        verify::narrow_all(self.plan, undecided, proofs, readers, link, self.setting)
    }

    /// What of the target belongs to parts: all of a table at once where all of its parts are there.
    fn jobs(&self, parts: &[Part], session: &Session) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for (number, table) in self.plan.tables.iter().enumerate() {
            let of_table = || parts.iter().filter(|part| part.table == number);
            let chunks = of_table().map(|part| part.chunks.len()).sum::<usize>();
            if chunks == 0 {
                continue;
            }
            if chunks < table.schema.chunks.len() {
                let portions = of_table().map(|part| part.portion(&table.schema));
                jobs.extend(portions.map(|portion| Job { table: number, portion }));
            } else {
                jobs.extend(prove::jobs(self.plan, session, &|of| of == number)?);
            }
        }
        Ok(jobs)
    }
}

/// The parts that are compared in one state each.
fn states(parts: &[Part], max_rate: Option<NonZeroU32>) -> Vec<&[Part]> {
    // Whoever asks for a slow proof is not helped by one that holds states while it waits.
    let most = if max_rate.is_some() { 0 } else { STATE_BYTES };
    let mut states = Vec::new();
    let (mut first, mut bytes) = (0, 0);
    for (at, part) in parts.iter().enumerate() {
        if at > first && bytes + part.bytes > most {
            states.extend(parts.get(first..at));
            (first, bytes) = (at, 0);
        }
        bytes += part.bytes;
    }
    states.extend(parts.get(first..).filter(|last| !last.is_empty()));
    states
}

/// A look at every part, as far as it has come.
struct Round {
    /// The parts that are to be compared.
    left: Vec<Part>,
    /// What the others came to.
    sums: Sums,
}

/// What parts came to, table by table.
struct Sums {
    source: Vec<GroupSums>,
    target: Vec<GroupSums>,
    /// Rows that are set aside.
    rejected: Vec<u64>,
}

impl Sums {
    /// Nothing of any table.
    fn none(plan: &Plan) -> Self {
        let none = || plan.tables.iter().map(|table| GroupSums::new(&table.schema)).collect();
        Self { source: none(), target: none(), rejected: vec![0; plan.tables.len()] }
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
