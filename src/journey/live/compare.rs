//! One part of a table, compared in a state that the source's reader holds and to which the target was brought.

use super::part::{Kind, Part};
use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::journey::Setting;
use crate::journey::prove::Counting;
use crate::journey::snapshot::{self, Sending};
use crate::journey::undecided::Undecided;
use crate::model::{Chunk, RowName, TableSchema};
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::Plan;
use crate::proof::{GroupSums, Summing};
use crate::row::{RowVisitor, TupleEncoder};
use crate::store::postgres::session::Session;
use crate::store::postgres::stage::Staging;
use crate::store::postgres::{apply, ledger, read};
use crate::store::sqlite::read::Reader;
use crate::transform::Transform;

/// What a comparison found.
#[derive(Debug)]
pub(super) struct Found {
    /// The sums of the source's rows.
    pub(super) source: GroupSums,
    /// Those of the target's.
    pub(super) target: GroupSums,
    /// Rows of the source that are set aside.
    pub(super) rejected: u64,
    /// Whether it is the same on both sides.
    pub(super) is_equal: bool,
    /// The last row that was compared, where the part goes on behind it.
    pub(super) last: Option<RowName>,
}

/// Who compares, and for which migration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) migration: i32,
    pub(super) undecided: &'a Undecided,
    /// Whether the source's state is let go as soon as a part of it is read, because it is the only one.
    pub(super) lets_go: bool,
    pub(super) sizes: Sizes,
    pub(super) setting: Setting<'a>,
}

/// Makes what a comparison needs in a session, before the transaction begins that sees the target's state.
pub(super) fn prepare(plan: &Plan, part: &Part, session: &Session) -> Result<()> {
    match part.kind {
        Kind::Keys => Staging::of(session, snapshot::table_of(plan, part.table)?)?.cut_off(),
        Kind::Chunk | Kind::Count | Kind::Whole => Ok(()),
    }
}

impl Comparing<'_> {
    /// Compares the next piece of a part in the state that the reader holds, and the session's transaction sees.
    pub(super) fn compare(self, part: &Part, reader: &Reader, session: &Session) -> Result<Found> {
        let table = snapshot::table_of(self.plan, part.table)?;
        match part.kind {
            Kind::Chunk | Kind::Whole => self.by_portion(&part.rest(), table, reader, session),
            Kind::Keys => self.by_keys(&part.rest(), table, reader, session),
            Kind::Count => self.by_count(table, reader, session),
        }
    }

    fn by_portion(
        self,
        part: &Part,
        table: &TableSchema,
        reader: &Reader,
        session: &Session,
    ) -> Result<Found> {
        let mut source = self.counting(table);
        let (mut rejected, mut last) = (0, None);
        let piece = (part.behind(), part.bytes_max(self.sizes));
        let read = part.chunks.iter().try_for_each(|chunk| {
            let as_loaded = self.undecided.table(table, chunk.number);
            let (of_chunk, setting) = ((chunk, piece), self.setting);
            let read = snapshot::read_piece(reader, &as_loaded, of_chunk, &mut source, setting)?;
            rejected += read.0;
            last = read.1;
            Ok(())
        });
        let source = source.end(read)?;
        self.read_through(reader)?;
        let mut target = self.counting(table);
        let portion = part.up_to(last.as_ref()).portion(table);
        let read = read::read_portion(session, table, portion, &mut target);
        reach(Step::PortionRead);
        found(part, table, (source, target.end(read)?), (rejected, last))
    }

    /// Sums rows, and tells how many.
    fn counting<'t>(self, table: &'t TableSchema) -> Counting<'t, Summing>
    where
        Self: 't,
    {
        Counting::new(Summing::new(table), &table.source, self.setting)
    }

    /// The source is not kept waiting for the target.
    fn read_through(self, reader: &Reader) -> Result<()> {
        if self.lets_go { reader.let_go() } else { Ok(()) }
    }

    fn by_keys(
        self,
        part: &Part,
        table: &TableSchema,
        reader: &Reader,
        session: &Session,
    ) -> Result<Found> {
        let mut staging = Staging::of(session, table)?;
        let mut source = self.counting(table);
        let (mut rejected, mut last) = (0, None);
        let piece = (part.behind(), part.bytes_max(self.sizes));
        let staged = staging.keys(|copy| {
            part.chunks.iter().try_for_each(|chunk| {
                let keys = &mut Sending(copy);
                let of_chunk = (chunk, piece);
                let read = self.read_and_stage(table, of_chunk, reader, &mut source, keys)?;
                rejected += read.0;
                last = read.1;
                Ok(())
            })
        });
        let source = source.end(staged.map(drop))?;
        self.read_through(reader)?;
        let mut target = self.counting(table);
        let read = apply::read_back(&staging, &mut target);
        found(part, table, (source, target.end(read)?), (rejected, last))
    }

    /// Sums the rows of a piece of a chunk, and sends their keys; gives how many are set aside, and the last row where that
    /// is not all.
    fn read_and_stage(
        self,
        table: &TableSchema,
        (chunk, piece): (&Chunk, (Option<&RowName>, u64)),
        reader: &Reader,
        sums: &mut impl RowVisitor,
        keys: &mut Sending<'_, '_>,
    ) -> Result<(u64, Option<RowName>)> {
        let _permit = self.setting.reserve(table);
        let (as_loaded, shape) = (self.undecided.table(table, chunk.number), table.keys());
        let transform = Transform::new(&as_loaded)?;
        let (mut rows, mut names) = (TupleEncoder::new(&as_loaded)?, TupleEncoder::new(&shape)?);
        let mut rejected = 0;
        let last = reader.read_piece::<Error>(&as_loaded, chunk.range, piece, |batch| {
            self.setting.stop.check()?;
            rejected += batch.rejected_rows();
            let records = transform.apply(&batch.records)?;
            rows.encode(&records, sums)?;
            let key = records.project(&table.key).map_err(|error| {
                Error::internal("a batch lacks columns of its table's key").because(error)
            })?;
            names.encode(&key, keys)
        })?;
        rows.finish(sums)?;
        names.finish(keys)?;
        Ok((rejected, last))
    }

    fn by_count(self, table: &TableSchema, reader: &Reader, session: &Session) -> Result<Found> {
        let here = reader.count(table)?;
        self.read_through(reader)?;
        let there = read::count(session, table)?;
        let aside = ledger::rows_aside(session, self.migration)?;
        let aside = aside.iter().find(|(name, _)| *name == table.target);
        let aside = aside.map_or(0, |(_, rows)| *rows);
        let none = || GroupSums::new(table);
        let is_equal = here == there + aside;
        Ok(Found { source: none(), target: none(), rejected: 0, is_equal, last: None })
    }
}

fn found(
    part: &Part,
    table: &TableSchema,
    (source, target): (Summing, Summing),
    (rejected, last): (u64, Option<RowName>),
) -> Result<Found> {
    let (source, target) = (source.finish()?, target.finish()?);
    let is_equal = part.is_equal(table, &source, &target);
    Ok(Found { source, target, rejected, is_equal, last })
}
