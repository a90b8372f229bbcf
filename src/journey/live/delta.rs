//! What a pass brings to one table: read from the source and sent to the server first, merged and read back after that.

use super::Shapes;
use super::growth::{Growth, nonce};
use super::pass::Pass;
use crate::error::{Class, Error, Result};
use crate::journey::archive::pending::Staged;
use crate::journey::snapshot::{Aside, Loading, Sender};
use crate::model::{DigestSum, RowRange, Touches};
use crate::proof::Summing;
use crate::store::postgres::apply::{self, Merged};
use crate::store::postgres::ledger::{self, Position};
use crate::store::postgres::stage::Staging;
use crate::store::sqlite::tail::{self, Followed};

/// Names of rows in one statement.
const NAMES_AT_ONCE: usize = 4096;

/// What is kept of single rows belongs to a chunk; which one does not matter any more once they are touched.
const NO_CHUNK: usize = 0;

/// One table in a pass.
pub(super) struct Delta<'p> {
    pub(super) table: Followed<'p>,
    pub(super) shapes: &'p Shapes,
    pub(super) staging: Staging<'p>,
    /// What the archive is told of it.
    pub(super) staged: Option<Staged<'p>>,
}

/// What was sent of a table.
pub(super) struct Sent {
    /// Its new rows, where it only grows.
    pub(super) growth: Option<Growth>,
    /// How many of them there are.
    pub(super) grown: u64,
    /// Of the rows that it has now.
    rows: DigestSum,
    /// What of them does not fit.
    aside: Aside,
}

impl Pass<'_> {
    /// Sends the names of the rows that were touched, and what they are now.
    pub(super) fn send(
        &self,
        delta: &mut Delta<'_>,
        touches: Touches,
        growth: Option<Growth>,
    ) -> Result<Sent> {
        let Delta { table, shapes, staging, staged } = delta;
        let rowids = growth.and_then(Growth::rowids);
        self.forget((*table, staged), touches, rowids)?;
        let range = rowids.map(|[first, last]| RowRange::Rowids { first, last });
        let mut grown = 0;
        staging.keys(|copy| {
            let mut sender = Sender::new(&shapes.keys, None)?;
            let mut loading = Loading { sums: Summing::new(&shapes.keys), copy };
            tail::touched_keys(self.reader, *table, &shapes.keys, touches, |batch| {
                let keys = sender.send(&batch, &mut loading)?;
                staged.as_mut().map_or(Ok(()), |staged| staged.keys(keys))
            })?;
            if let Some(range) = range {
                self.reader.read(&shapes.grown_keys, range, |batch| {
                    grown += u64::try_from(batch.records.num_rows()).unwrap_or(u64::MAX);
                    let keys = sender.send(&batch, &mut loading)?;
                    staged.as_mut().map_or(Ok(()), |staged| staged.keys(keys))
                })?;
            }
            sender.finish(&mut loading)
        })?;
        let mut aside = Aside::default();
        let mut rows = DigestSum::default();
        staging.rows(|copy| {
            let mut sender = Sender::new(&shapes.rows, shapes.loaded.as_ref())?;
            let mut loading = Loading { sums: Summing::new(&shapes.rows), copy };
            let mut send = |batch| {
                self.live.setting.stop.check()?;
                let rows = sender.send(&batch, &mut loading)?;
                if let Some((staged, archiving)) = staged.as_mut().zip(self.archiving) {
                    staged.rows(rows, &batch).map_err(|error| archiving.noted(error))?;
                }
                aside.add(&batch)
            };
            let first = growth.and_then(|growth| growth.first);
            tail::touched_rows(self.reader, *table, touches, first, &mut send)?;
            if let Some(range) = range {
                self.reader.read(table.schema, range, send)?;
            }
            sender.finish(&mut loading)?;
            rows = loading.sums.finish()?.total();
            Ok(())
        })?;
        if let Some(archiving) = self.archiving.filter(|_| aside.rejected > 0) {
            archiving.note_aside(table.schema);
        }
        Ok(Sent { growth, grown, rows, aside })
    }

    /// Brings the table to what was sent of it, and makes sure of it.
    pub(super) fn merge(
        &self,
        delta: &mut Delta<'_>,
        sent: Sent,
        begins: &Position,
    ) -> Result<Merged> {
        let (session, lease) = (self.session, self.live.lease);
        let Delta { table, shapes, staging, .. } = delta;
        let schema = table.schema;
        if let Some(mark) = sent.growth.and_then(Growth::mark) {
            ledger::set_high_mark(session, lease, &schema.target, (mark, nonce(begins)))?;
        }
        let indexed = self.keys.are_made(&schema.target);
        let merged = match apply::merge(staging, indexed) {
            Err(error) if self.live.leave_indexes_out(*table, staging, session, &error)? => {
                apply::merge(staging, indexed)?
            }
            merged => merged?,
        };
        let mut back = Summing::new(&shapes.rows);
        apply::read_back(staging, &mut back)?;
        if back.finish()?.total() != sent.rows {
            return Err(not_as_sent(*table, sent.rows.rows));
        }
        ledger::note_misfits(session, lease, schema, NO_CHUNK, sent.aside.misfits)?;
        ledger::note_exceptions(session, lease, schema, NO_CHUNK, sent.aside.exceptions)?;
        Ok(merged)
    }

    /// Forgets what is kept of single rows that were touched, or are taken for new though the snapshot has set them aside:
    /// what they are now says it anew.
    fn forget(
        &self,
        (table, staged): (Followed<'_>, &mut Option<Staged<'_>>),
        touches: Touches,
        grown: Option<[i64; 2]>,
    ) -> Result<()> {
        let (session, lease, name) = (self.session, self.live.lease, &table.schema.target);
        let is_archived_aside =
            self.archiving.is_some_and(|archiving| archiving.wants_names(table.schema));
        if !is_archived_aside && !ledger::keeps_rows(session, lease, name)? {
            return Ok(());
        }
        let mut names = Vec::new();
        let mut forget = |row: Vec<u8>| {
            if let Some(staged) = staged {
                staged.name(&row);
            }
            names.push(row);
            if names.len() < NAMES_AT_ONCE {
                return Ok(());
            }
            ledger::forget_rows(session, lease, name, &std::mem::take(&mut names))
        };
        tail::names(self.reader, table, touches, &mut forget)?;
        if let Some(rowids) = grown {
            tail::grown_names(self.reader, table, rowids, forget)?;
        }
        ledger::forget_rows(session, lease, name, &names)
    }
}

fn not_as_sent(table: Followed<'_>, rows: u64) -> Error {
    let what = format!("of {rows} rows that were applied, the target gives back others");
    Error::new(Class::NotEqual, what)
        .todo("look for a trigger, a rule or a column of the target's table that changes what is written to it")
        .at(format!("table {}", table.schema.source))
}
