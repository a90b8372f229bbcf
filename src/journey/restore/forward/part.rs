//! One table on its way forward: the keys that steps have touched and their rows, sent, merged and read back.

use super::names::KeyNames;
use crate::error::{Class, Error, Result};
use crate::journey::Setting;
use crate::journey::archive::merged::Merged;
use crate::journey::restore::target::send_units;
use crate::journey::snapshot::{Aside, Loading, Sender};
use crate::model::TableSchema;
use crate::pipeline::{Event, Spool};
use crate::proof::{GroupSums, Summing};
use crate::store::postgres::apply;
use crate::store::postgres::ledger::{self, Lease};
use crate::store::postgres::session::Session;
use crate::store::postgres::stage::Staging;

/// Names of rows in one statement, and their bytes; a larger one goes alone.
const NAMES_AT_ONCE: usize = 4096;
const NAME_BYTES_AT_ONCE: u64 = 1024 * 1024;

/// What is kept of single rows belongs to a chunk; all of them are one where a target was brought forward.
pub(super) const CHUNK: usize = 0;

/// One table in a part of the way.
pub(super) struct Part<'a> {
    /// Its place in the plan.
    pub(super) table: usize,
    /// Its steps alone: their last word on each key, and nothing of the base.
    pub(super) merged: Merged<'a>,
}

/// What was sent of a table.
pub(super) struct Sent {
    /// Of the rows that are there.
    pub(super) sums: GroupSums,
    /// What is kept of them.
    aside: Aside,
}

/// Where it goes to.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) session: &'a Session,
    pub(super) lease: Lease,
    pub(super) setting: Setting<'a>,
}

impl Part<'_> {
    /// Sends the touched keys and the rows that they have, and forgets what was kept of those rows.
    pub(super) fn send(&self, staging: &mut Staging<'_>, to: Destination<'_>) -> Result<Sent> {
        let Destination { session, lease, setting } = to;
        let table = self.merged.table();
        let rows = self.merged.units().iter().map(|unit| unit.file().rows).sum();
        setting.progress.tell(Event::Expect {
            table: table.source.clone(),
            rows,
            about: true,
            bytes: 0,
        });
        let _permit = setting.reserve(table);
        let mut names = ledger::keeps_rows(session, lease, &table.target)?.then(Spool::default);
        self.send_keys(staging, names.as_mut(), setting)?;
        let mut sent = None;
        staging.rows(|copy| {
            sent = Some(send_units(&self.merged, self.merged.units(), copy, setting)?);
            Ok(())
        })?;
        let (sums, aside) = sent.ok_or_else(|| Error::internal("rows that nobody has sent"))?;
        if let Some(names) = names {
            forget(names, table, to)?;
        }
        Ok(Sent { sums, aside })
    }

    fn send_keys(
        &self,
        staging: &mut Staging<'_>,
        mut names: Option<&mut Spool<Vec<u8>>>,
        setting: Setting<'_>,
    ) -> Result<()> {
        let keys = self.merged.table().keys();
        let mut named = KeyNames::of(&keys)?;
        let sent = staging.keys(|copy| {
            let mut sender = Sender::new(&keys, None)?;
            let mut loading = Loading { sums: Summing::new(&keys), copy };
            self.merged.touched(|batch| {
                setting.stop.check()?;
                if let Some(names) = names.as_mut() {
                    named.each(&batch, |name| names.add(&name))?;
                }
                sender.send_rows(&batch, &mut loading)
            })?;
            sender.finish(&mut loading)
        });
        sent.map(drop)
    }

    /// Makes the target's rows those that were sent, makes sure of it, and brings the sums of all rows up to date.
    pub(super) fn merge(
        &self,
        sent: Sent,
        staging: &Staging<'_>,
        (sums, to): (&mut GroupSums, Destination<'_>),
    ) -> Result<()> {
        let (session, lease, table) = (to.session, to.lease, self.merged.table());
        let mut before = Summing::new(table);
        apply::read_before(staging, &mut before)?;
        let merged = apply::merge(staging, true)?;
        if merged.displaced > 0 {
            return Err(displaced(table, merged.displaced));
        }
        let mut back = Summing::new(table);
        apply::read_back(staging, &mut back)?;
        if back.finish()?.groups() != sent.sums.groups() {
            return Err(not_as_sent(table, sent.sums.total().rows));
        }
        if !sums.take(&before.finish()?) {
            return Err(more_than_loaded(table));
        }
        sums.merge(&sent.sums);
        ledger::note_misfits(session, lease, table, CHUNK, sent.aside.misfits)?;
        ledger::note_exceptions(session, lease, table, CHUNK, sent.aside.exceptions)
    }
}

/// Forgets what the ledger keeps of rows of these names.
fn forget(names: Spool<Vec<u8>>, table: &TableSchema, to: Destination<'_>) -> Result<()> {
    let mut names = names.read()?;
    loop {
        let some = names.next_some(NAMES_AT_ONCE, NAME_BYTES_AT_ONCE)?;
        if some.is_empty() {
            return Ok(());
        }
        ledger::forget_rows(to.session, to.lease, &table.target, &some)?;
    }
}

/// All that is between two generations was applied: a row that was not touched must stay.
fn displaced(table: &TableSchema, rows: u64) -> Error {
    let what = format!(
        "rows of the archive take the place of others that it still has ({rows} such rows): the target's unique keys hold \
         values equal that the source held different, or rows of the target were changed by hand"
    );
    Error::new(Class::Undecided, what)
        .todo("drop that unique key of the target's table, or restore into another database")
        .at(format!("table {}", table.source))
}

fn not_as_sent(table: &TableSchema, rows: u64) -> Error {
    let what = format!("of {rows} rows that were applied, the target gives back others");
    Error::new(Class::NotEqual, what)
        .todo("look for a trigger, a rule or a column of the target's table that changes what is written to it")
        .at(format!("table {}", table.source))
}

fn more_than_loaded(table: &TableSchema) -> Error {
    Error::new(Class::NotEqual, "the target has rows that no restore has written")
        .todo("stop what writes to the target, and restore into another database")
        .at(format!("table {}", table.source))
}
