//! The bulk copy: chunks that several workers take in turn, each read, recast, encoded, hashed and loaded in one
//! transaction with its ledger row.

use super::archive::Archive;
use super::archive::fork::{self, ChunkFork};
use super::reading::{Hand, Marks, Readers};
use super::{Setting, touched};
use crate::error::{Class, Error, Place, Result};
use crate::model::{Chunk, FormException, Misfit, RejectedRow, RowName, TableSchema};
use crate::pipeline::budget::{Budget, Permit};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::spool::{Record, Spool};
use crate::pipeline::stage::{self, Made};
use crate::pipeline::{Event, workers};
use crate::plan::{Plan, unique};
use crate::proof::Summing;
use crate::row::{Row, RowVisitor, TupleEncoder};
use crate::store::parquet::ChunkFacts;
use crate::store::postgres::define;
use crate::store::postgres::failure::key_twice;
use crate::store::postgres::ledger::{Lease, LoadedChunk};
use crate::store::postgres::link::Link;
use crate::store::postgres::write::{Copied, CopyWriter, load_chunk};
use crate::store::sqlite::ReadBatch;
use crate::store::sqlite::read::Reader;
use crate::transform::Transform;
use arrow_array::RecordBatch;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Bytes of batches that are queued or being loaded; a larger batch, of one large row, is there alone.
const QUEUE_BYTES: u64 = 8 * 1024 * 1024;

/// Loads every chunk that is not in `loaded`, the largest tables first; `forked` is where its rows go too.
pub(super) fn copy(
    plan: &Plan,
    lease: Lease,
    loaded: &[LoadedChunk],
    (readers, forked): (Readers<'_>, Option<Forked<'_>>),
    link: &Link<'_>,
    setting: Setting<'_>,
) -> Result<()> {
    setting.progress.tell(Event::Phase(Phase::Snapshot));
    let chunks = remaining(plan, loaded, setting);
    let hands = readers.hands(setting.workers).into_iter();
    let hands: Vec<_> = hands.map(|hand| (hand, link.another())).collect();
    workers::over(&chunks, hands, setting.stop, |(hand, link), chunk| {
        reach(Step::ChunkNext);
        let table = table_of(plan, chunk.table)?;
        let is_copied = plan.tables.get(chunk.table).is_some_and(|table| plan.is_copied(table));
        let _permit = setting.reserve(table);
        let mut told = Told { table: &table.source, rows: 0, bytes: 0, before: (0, 0), setting };
        // No state is held while a server is waited for; who tries again takes another one.
        let moved = link.with(|session| {
            told.take_back();
            load_chunk(session, lease, table, chunk.number, |copy| {
                move_chunk((hand, is_copied), (table, chunk), forked, copy, &mut told)
            })
        });
        let first = moved
            .map_err(|error| with_advice(error, table))
            .at(|| format!("chunk {}", chunk.number))
            .at(|| format!("table {}", table.source))?;
        if !first {
            // It was committed, and the answer was lost.
            told.tell_again();
        }
        Ok(())
    })
    .map(drop)
}

/// What a user can do where the server does not take rows as they are.
fn with_advice(error: Error, table: &TableSchema) -> Error {
    let computes = table.columns.iter().any(|column| column.computed);
    if error.class() == Class::Data && define::breaks_check(&error) {
        return error.todo(
            "a CHECK of the target's, as a domain has it, does not allow the value of a row: repair it in the source, or \
             change the CHECK and run again",
        );
    }
    if error.class() == Class::Data
        && let Some(key) = key_twice(&error)
    {
        let what = format!(
            "two rows have one key that the target's table keeps while rows are loaded: {key}"
        );
        return Error::new(Class::Undecided, what).todo(unique::KEY_OF_TARGET).because(error);
    }
    if error.class() != Class::Data || !computes {
        return error;
    }
    error.todo(format!(
        "perhaps PostgreSQL cannot compute a generated column of some row: give `[tables.{:?}] generated = \"values\"` in a \
         pipeline file, drop what was created with the SQL that `liteferry plan` prints, and begin again",
        table.source
    ))
}

/// The chunks still to load, the largest table's first, and what the screen shall expect.
fn remaining(plan: &Plan, loaded: &[LoadedChunk], setting: Setting<'_>) -> Vec<Chunk> {
    let done: BTreeSet<_> =
        loaded.iter().map(|chunk| (chunk.table.as_str(), chunk.chunk)).collect();
    let mut order: Vec<_> = plan.tables.iter().enumerate().collect();
    order.sort_by_key(|(_, table)| std::cmp::Reverse(table.schema.bytes));
    let mut chunks = Vec::new();
    for (number, table) in order {
        let schema = &table.schema;
        setting.progress.tell(Event::Expect {
            table: schema.source.clone(),
            rows: schema.rows,
            about: table.sample.is_some(),
            bytes: schema.bytes,
        });
        let before: u64 = loaded
            .iter()
            .filter(|chunk| chunk.table == schema.target)
            .map(|chunk| chunk.sum.rows)
            .sum();
        if before > 0 {
            let bytes = schema.bytes.saturating_mul(before).checked_div(schema.rows).unwrap_or(0);
            setting.progress.tell(Event::Rows {
                table: schema.source.clone(),
                rows: before,
                bytes,
            });
        }
        for (position, &range) in schema.chunks.iter().enumerate() {
            if !done.contains(&(schema.target.as_str(), position)) {
                chunks.push(Chunk { table: number, number: position, range });
            }
        }
    }
    chunks
}

pub(super) fn table_of(plan: &Plan, number: usize) -> Result<&TableSchema> {
    plan.tables
        .get(number)
        .map(|table| &table.schema)
        .ok_or_else(|| Error::internal("a table that is not in the plan"))
}

/// Reads on a thread of its own, encodes and loads on this one.
fn move_chunk(
    (hand, is_of_one_state): (&mut Hand<'_>, bool),
    (table, chunk): (&TableSchema, &Chunk),
    forked: Option<Forked<'_>>,
    copy: &mut CopyWriter<'_>,
    told: &mut Told<'_>,
) -> Result<Copied> {
    let mut loading = Loading { sums: Summing::new(table), copy };
    let mut fork =
        forked.map(|forked| ChunkFork::begin(forked.archive.files(), table)).transpose()?;
    let to_fork = fork.as_mut();
    let queue = Budget::new(QUEUE_BYTES);
    let queue = &queue;
    let mut told_of = Aside::default();
    let aside = &mut told_of;
    let mut marks = Marks::default();
    let noted = &mut marks;
    stage::join(
        hand.batches_queued(),
        move |outlet| {
            *noted = hand.read(table, (chunk.range, is_of_one_state), |batch| {
                let bytes = size_of(&batch) + beside(&batch);
                outlet.send(Queued { batch, _permit: queue.take(bytes) })?;
                if bytes > QUEUE_BYTES {
                    // SQLite holds two large rows while it goes from one to the next: no third one beside them.
                    drop(queue.take(QUEUE_BYTES));
                }
                Ok(())
            })?;
            Ok(())
        },
        |batches: &Made<Queued<'_>>| {
            encode_all(table, batches, (&mut loading, to_fork), aside, told)
        },
    )?;
    let sums = loading.sums.finish()?;
    let (sum, groups) = (sums.total(), sums.to_bytes());
    let Marks { low: low_mark, last: last_mark } = marks;
    let Aside { misfits, exceptions, rejected } = told_of;
    let (name, number) = (table.target.clone(), chunk.number);
    let loaded =
        LoadedChunk { table: name, chunk: number, sum, groups, rejected, low_mark, last_mark };
    let archived = match fork.zip(forked) {
        Some((fork, Forked { source, .. })) => {
            Some(fork::to_text(&fork.finish(&facts(source, chunk, &loaded))?)?)
        }
        None => None,
    };
    Ok(Copied { loaded, sent: sum.rows, misfits, exceptions, archived })
}

/// What a chunk's file says of itself.
pub(super) fn facts(source: &str, chunk: &Chunk, loaded: &LoadedChunk) -> ChunkFacts {
    let LoadedChunk { chunk: number, sum, groups, rejected, low_mark, last_mark, .. } = loaded;
    ChunkFacts {
        source: source.into(),
        chunk: *number,
        range: chunk.range,
        low: *low_mark,
        last: *last_mark,
        rejected: *rejected,
        sum: *sum,
        groups: groups.clone(),
    }
}

/// Where rows go beside the target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forked<'a> {
    pub(super) archive: &'a Archive,
    /// What names the source.
    pub(super) source: &'a str,
}

/// Copies those rows of a chunk that `rows` names in the source's order, and adds them to what was loaded `before`.
pub(super) fn move_rows(
    reader: &Reader,
    table: &TableSchema,
    chunk: &Chunk,
    rows: Spool<Vec<u8>>,
    before: &LoadedChunk,
    copy: &mut CopyWriter<'_>,
) -> Result<Copied> {
    let loaded = table.loaded();
    let mut sender = Sender::new(table, loaded.as_ref())?;
    let mut loading = Loading { sums: Summing::new(table), copy };
    let mut aside = Aside::default();
    let named = rows.len();
    reader.read_named::<Error>(table, chunk.range, &mut rows.read()?, |batch| {
        sender.send(&batch, &mut loading)?;
        aside.add(&batch)
    })?;
    sender.finish(&mut loading)?;
    let mut sums = loading.sums.finish()?;
    let sent = sums.total().rows;
    if sent + aside.rejected != named {
        return Err(touched::changed());
    }
    sums.merge_bytes(&before.groups)?;
    let (sum, groups) = (sums.total(), sums.to_bytes());
    let Aside { misfits, exceptions, rejected } = aside;
    let loaded = LoadedChunk { sum, groups, rejected, ..before.clone() };
    Ok(Copied { loaded, sent, misfits, exceptions, archived: None })
}

/// What the ledger keeps of a chunk beside its sums.
#[derive(Default)]
pub(super) struct Aside {
    pub(super) misfits: Spool<Misfit>,
    pub(super) exceptions: Spool<FormException>,
    pub(super) rejected: u64,
}

impl Aside {
    pub(super) fn add(&mut self, batch: &ReadBatch) -> Result<()> {
        self.rejected += batch.rejected_rows();
        batch.misfits.iter().try_for_each(|(_, misfit)| self.misfits.add(misfit))?;
        batch.exceptions.iter().try_for_each(|(_, exception)| self.exceptions.add(exception))
    }
}

fn encode_all(
    table: &TableSchema,
    batches: &Made<Queued<'_>>,
    (loading, mut fork): (&mut Loading<'_, '_>, Option<&mut ChunkFork<'_>>),
    aside: &mut Aside,
    told: &mut Told<'_>,
) -> Result<()> {
    let loaded = table.loaded();
    let mut sender = Sender::new(table, loaded.as_ref())?;
    while let Some(Queued { batch, _permit }) = batches.next()? {
        told.setting.stop.check()?;
        let rows = sender.send(&batch, loading)?;
        if let Some(fork) = &mut fork {
            fork.add(&rows, &batch)?;
        }
        told.batch(&batch);
        aside.add(&batch)?;
    }
    sender.finish(loading)
}

/// Encodes the rows of one table; what the target computes is hashed, and not sent.
pub(super) struct Sender<'t> {
    transform: Transform<'t>,
    encoder: TupleEncoder<'t>,
    /// The positions of the columns that are sent, where that is not all of them.
    part: Option<(&'t [usize], TupleEncoder<'t>)>,
}

impl<'t> Sender<'t> {
    pub(super) fn new(
        table: &'t TableSchema,
        loaded: Option<&'t (Vec<usize>, TableSchema)>,
    ) -> Result<Self> {
        let part = match loaded {
            Some((positions, shape)) => Some((positions.as_slice(), TupleEncoder::new(shape)?)),
            None => None,
        };
        let (transform, encoder) = (Transform::new(table)?, TupleEncoder::new(table)?);
        Ok(Self { transform, encoder, part })
    }

    /// Sends rows, and gives them as they are sent.
    pub(super) fn send(
        &mut self,
        batch: &ReadBatch,
        loading: &mut Loading<'_, '_>,
    ) -> Result<RecordBatch> {
        let rows = self.transform.apply(&batch.records)?;
        self.send_rows(&rows, loading)?;
        Ok(rows)
    }

    /// Sends rows that are as they are sent already.
    pub(super) fn send_rows(
        &mut self,
        rows: &RecordBatch,
        loading: &mut Loading<'_, '_>,
    ) -> Result<()> {
        let Some((positions, sent)) = &mut self.part else {
            return self.encoder.encode(rows, loading);
        };
        self.encoder.encode(rows, &mut loading.sums)?;
        let part = rows.project(positions).map_err(|error| {
            Error::internal("a batch lacks columns of its table").because(error)
        })?;
        sent.encode(&part, &mut Sending(loading.copy))
    }

    pub(super) fn finish(mut self, loading: &mut Loading<'_, '_>) -> Result<()> {
        match &mut self.part {
            None => self.encoder.finish(loading),
            Some((_, sent)) => sent.finish(&mut Sending(loading.copy)),
        }
    }
}

/// A batch on its way to the loading stage; its bytes are free again when it is loaded.
struct Queued<'q> {
    batch: ReadBatch,
    _permit: Permit<'q>,
}

fn size_of(batch: &ReadBatch) -> u64 {
    let misfits: usize = batch.misfits.iter().map(|(_, misfit)| misfit.cell.bytes.len()).sum();
    (batch.records.get_array_memory_size() + misfits).try_into().unwrap_or(u64::MAX)
}

/// Bytes of what is told of a batch's rows, and is no part of them.
fn beside(batch: &ReadBatch) -> u64 {
    let exceptions: usize = batch.exceptions.iter().map(|(_, exception)| exception.size()).sum();
    let rejected: usize = batch.rejected.iter().map(RejectedRow::size).sum();
    exceptions.saturating_add(rejected).try_into().unwrap_or(u64::MAX)
}

/// Sums rows and sends their bytes.
pub(super) struct Loading<'c, 's> {
    pub(super) sums: Summing,
    pub(super) copy: &'c mut CopyWriter<'s>,
}

impl RowVisitor for Loading<'_, '_> {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.sums.row(row)
    }

    fn bytes(&mut self, piece: Bytes) -> Result<()> {
        self.copy.write(piece)?;
        reach(Step::PieceSent);
        Ok(())
    }
}

/// Sends rows that are summed elsewhere.
pub(super) struct Sending<'a, 's>(pub(super) &'a mut CopyWriter<'s>);

impl RowVisitor for Sending<'_, '_> {
    fn row(&mut self, _summed_elsewhere: Row<'_>) -> Result<()> {
        Ok(())
    }

    fn bytes(&mut self, piece: Bytes) -> Result<()> {
        self.0.write(piece)?;
        reach(Step::PieceSent);
        Ok(())
    }
}

/// What the screen was told of a chunk, to be taken back where the chunk is done again.
struct Told<'a> {
    table: &'a str,
    rows: u64,
    bytes: u64,
    /// Rows and bytes of the try before, which were taken back.
    before: (u64, u64),
    setting: Setting<'a>,
}

impl Told<'_> {
    fn batch(&mut self, batch: &ReadBatch) {
        let rows = batch.records.num_rows().try_into().unwrap_or(u64::MAX);
        let bytes = size_of(batch);
        self.tell(rows, bytes);
    }

    fn tell(&mut self, rows: u64, bytes: u64) {
        self.rows += rows;
        self.bytes += bytes;
        self.setting.progress.tell(Event::Rows { table: self.table.into(), rows, bytes });
    }

    fn tell_again(&mut self) {
        let (rows, bytes) = self.before;
        self.tell(rows, bytes);
    }

    fn take_back(&mut self) {
        if self.rows > 0 {
            let (rows, bytes) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.bytes));
            self.before = (rows, bytes);
            self.setting.progress.tell(Event::Again { table: self.table.into(), rows, bytes });
        }
    }
}

/// Visits the rows of a chunk as the source has them now, and gives how many are set aside.
pub(super) fn read_source(
    reader: &Reader,
    table: &TableSchema,
    chunk: &Chunk,
    visitor: &mut impl RowVisitor,
    setting: Setting<'_>,
) -> Result<u64> {
    let all = (chunk, (None, u64::MAX));
    read_piece(reader, table, all, visitor, setting).map(|(rejected, _all)| rejected)
}

/// The same behind a row and until so many bytes are read, and the last row where that is not all.
pub(super) fn read_piece(
    reader: &Reader,
    table: &TableSchema,
    (chunk, piece): (&Chunk, (Option<&RowName>, u64)),
    visitor: &mut impl RowVisitor,
    setting: Setting<'_>,
) -> Result<(u64, Option<RowName>)> {
    let _permit = setting.reserve(table);
    let transform = Transform::new(table)?;
    let mut encoder = TupleEncoder::new(table)?;
    let mut rejected = 0;
    let last = reader.read_piece::<Error>(table, chunk.range, piece, |batch| {
        setting.stop.check()?;
        rejected += batch.rejected_rows();
        encoder.encode(&transform.apply(&batch.records)?, visitor)
    })?;
    encoder.finish(visitor)?;
    Ok((rejected, last))
}
