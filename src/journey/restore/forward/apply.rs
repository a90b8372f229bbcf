//! The transaction that brings a target forward: all tables, their sums, and what the ledger says of them.

use super::constraints::Constraints;
use super::part::{CHUNK, Destination, Part};
use super::way::{Leg, Way, refused};
use super::{FORWARD, FORWARDED};
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::archive::merged::Merged;
use crate::journey::index;
use crate::journey::restore::target::{GENERATION, Restore, add_rejected, sums_of};
use crate::journey::snapshot::{Aside, table_of};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::plan::{Plan, PlannedTable};
use crate::proof::GroupSums;
use crate::store::postgres::ledger::{self, LoadedChunk};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use crate::store::postgres::stage::Staging;
use std::collections::{BTreeMap, BTreeSet};

/// A target on its way forward.
#[derive(Clone, Copy)]
pub(super) struct Forward<'a> {
    pub(super) restore: Restore<'a>,
    /// The hash of the generation that it holds.
    pub(super) held: &'a str,
    pub(super) way: &'a Way,
}

/// What is read of the archive before the transaction.
struct Read<'a> {
    /// The tables of each part of the way.
    legs: Vec<Vec<Part<'a>>>,
    /// The tables of whose rows others may be set aside in the end, or again, by their places: those that are touched too.
    rejected: BTreeMap<usize, Merged<'a>>,
}

impl Read<'_> {
    /// The tables that are touched, by their places.
    fn touched(&self) -> BTreeSet<usize> {
        self.legs.iter().flatten().map(|part| part.table).collect()
    }
}

/// The tables' places and what is staged of them.
type Stagings<'s> = BTreeMap<usize, Staging<'s>>;

impl<'a> Forward<'a> {
    /// Goes all the way, and gives how many rows were sent.
    pub(super) fn go(self, link: &mut Link<'_>) -> Result<u64> {
        self.restore.setting.progress.tell(Event::Phase(Phase::Snapshot));
        let read = Read { legs: self.legs()?, rejected: self.rejected()? };
        let sent = link.with(|session| {
            // Temp tables are made outside of the transaction.
            let mut stagings = Stagings::new();
            for table in read.touched() {
                let schema = table_of(self.restore.plan, table)?;
                stagings.insert(table, Staging::of(session, schema)?);
            }
            session.attempt(|session| self.apply(&read, &mut stagings, session))
        })?;
        reach(Step::ForwardCommitted);
        Ok(sent.unwrap_or(0))
    }

    fn legs(self) -> Result<Vec<Vec<Part<'a>>>> {
        let Restore { plan, chosen, .. } = self.restore;
        let parts = |leg: &Leg| {
            let tables = plan.tables.iter().enumerate();
            let touched = tables.filter(|(_, table)| {
                leg.steps.iter().any(|file| file.table == table.schema.source)
            });
            let part = touched.map(|(table, planned)| {
                let merged = Merged::open(chosen.archive.files(), &leg.steps, &planned.schema)?;
                Ok(Part { table, merged })
            });
            part.collect()
        };
        self.way.legs.iter().map(parts).collect()
    }

    fn rejected(self) -> Result<BTreeMap<usize, Merged<'a>>> {
        let Restore { plan, chosen, .. } = self.restore;
        let of_table = |(number, table): (usize, &'a PlannedTable)| {
            let files = self.way.rejected.get(&table.schema.source)?;
            let merged = Merged::open(chosen.archive.files(), files, &table.schema);
            Some(merged.map(|merged| (number, merged)))
        };
        plan.tables.iter().enumerate().filter_map(of_table).collect()
    }

    /// Applies all of it in the caller's transaction; nothing where that is done already.
    fn apply(
        self,
        read: &Read<'_>,
        stagings: &mut Stagings<'_>,
        session: &Session,
    ) -> Result<Option<u64>> {
        let Restore { plan, lease, setting, .. } = self.restore;
        ledger::guard(session, lease)?;
        if !self.claim(session)? {
            return Ok(None);
        }
        let loaded = ledger::loaded_chunks(session, lease.migration)?;
        let mut sums = sums_of(plan, &loaded)?;
        let touched = read.touched();
        let names = touched.iter().map(|&table| table_of(plan, table).map(|it| it.target.as_str()));
        let names: BTreeSet<_> = names.collect::<Result<_>>()?;
        for merged in read.rejected.values() {
            let table = &merged.table().target;
            ledger::claim_chunk(session, lease, table, CHUNK)?;
            ledger::forget_rejected(session, lease, table)?;
        }
        let (mut constraints, mut rows) = (None, 0_u64);
        let to = Destination { session, lease, setting };
        for (leg, parts) in self.way.legs.iter().zip(&read.legs) {
            let mut all_sent = Vec::new();
            for part in parts {
                all_sent.push(part.send(staging_of(stagings, part.table)?, to)?);
            }
            // Late: who reads the target waits from here on.
            if constraints.is_none() {
                constraints = Some(Constraints::put_aside(session, plan, lease, &names)?);
            }
            for (part, sent) in parts.iter().zip(all_sent) {
                rows = rows.saturating_add(sent.sums.total().rows);
                let of_table =
                    sums.get_mut(part.table).ok_or_else(|| Error::internal("sums of no table"))?;
                part.merge(sent, staging_of(stagings, part.table)?, (of_table, to))?;
            }
            check_end(leg, plan, &sums)?;
        }
        if let Some(constraints) = constraints {
            constraints.put_back(session, lease)?;
        }
        self.note(read, &sums, session)?;
        reach(Step::ForwardApplied);
        Ok(Some(rows))
    }

    /// Notes which generation the target holds from this transaction on; false where it holds it already. Whoever lost the
    /// answer to a COMMIT waits here, and finds out where that left it.
    fn claim(self, session: &Session) -> Result<bool> {
        let Restore { chosen, lease, .. } = self.restore;
        let wanted = chosen.opened.hash.to_string();
        let noted = ledger::note_of(session, lease.migration, GENERATION)?;
        if noted.as_ref() == Some(&wanted) {
            return Ok(false);
        }
        if noted.as_deref() != Some(self.held) {
            return Err(refused("another run has brought the target elsewhere meanwhile"));
        }
        ledger::forget_steps(session, lease, &[GENERATION.into(), FORWARD.into()])?;
        let number = chosen.opened.manifest.generation.to_string();
        Ok(ledger::complete_step(session, lease, GENERATION, Some(&wanted))?
            && ledger::complete_step(session, lease, FORWARD, Some(&number))?)
    }

    /// Brings the ledger up to date. The plan stays what it is: generations of other plans are not gone along.
    fn note(self, read: &Read<'_>, sums: &[GroupSums], session: &Session) -> Result<()> {
        let Restore { plan, lease, .. } = self.restore;
        let touched = read.touched();
        let mut again = Vec::new();
        for (number, (planned, sums)) in plan.tables.iter().zip(sums).enumerate() {
            let target = &planned.schema.target;
            if touched.contains(&number) {
                again.extend(index::after_rows(target));
            }
            let Some(merged) = read.rejected.get(&number) else { continue };
            let mut aside = Aside::default();
            add_rejected(merged, &mut aside)?;
            // Behind all that is forgotten of touched rows: these may be among them.
            ledger::note_misfits(session, lease, merged.table(), CHUNK, aside.misfits)?;
            let gathered = LoadedChunk {
                table: target.clone(),
                chunk: CHUNK,
                sum: sums.total(),
                groups: sums.to_bytes(),
                rejected: aside.rejected,
                low_mark: None,
                last_mark: None,
            };
            ledger::gather_chunks(session, lease, &gathered).at(|| format!("table {target}"))?;
        }
        ledger::forget_steps(session, lease, &again)?;
        ledger::set_phase(session, lease, FORWARDED)
    }
}

fn staging_of<'m, 's>(stagings: &'m mut Stagings<'s>, table: usize) -> Result<&'m mut Staging<'s>> {
    stagings.get_mut(&table).ok_or_else(|| Error::internal("a table that is not staged"))
}

/// Fails where the sums of the rows are not those that a generation has, as far as its manifest says them.
fn check_end(leg: &Leg, plan: &Plan, sums: &[GroupSums]) -> Result<()> {
    for (table, sums) in plan.tables.iter().zip(sums) {
        let name = &table.schema.source;
        let found = sums.total();
        if leg.ends.get(name).is_some_and(|&expected| expected != found) {
            let what = "the target's rows and the steps that came to them are not those of the base that the steps were folded into";
            return Err(Error::new(Class::NotEqual, what)
                .todo("rows of the target were changed by hand, or the table was taken anew: restore into another database")
                .at(format!("table {name}")));
        }
    }
    Ok(())
}
