//! The parts of tables that are compared with a source that moves, each in a state of its own, which is not held for
//! longer than a part takes; one that has grown is compared piece by piece, each in a state of its own.

use super::compare::Found;
use super::sizes::{Sizes, bytes_of};
use crate::error::Result;
use crate::journey::verify;
use crate::model::{Chunk, Partition, RowName, RowRange, TableSchema};
use crate::plan::{Plan, PlannedTable};
use crate::proof::GroupSums;
use crate::store::postgres::ledger::{self, Lease, Proved};
use crate::store::postgres::read::Portion;
use crate::store::postgres::session::Session;
use crate::store::sqlite::extent::Extent;
use std::ops::Range;
use std::time::Instant;

/// A part.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The table's place in the plan.
    pub(super) table: usize,
    /// Its number in the table, by which the ledger knows it.
    pub(super) number: usize,
    /// What the source has of it.
    pub(super) chunks: Vec<Chunk>,
    /// Bytes of the source, about.
    pub(super) bytes: u64,
    /// How it is compared.
    pub(super) kind: Kind,
    /// What of it is compared already.
    pub(super) before: Option<Before>,
}

/// How a part is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A chunk of a table that is divided in the target as it is in the source.
    Chunk,
    /// A chunk of another table: the target's rows are those that have the keys of the source's.
    Keys,
    /// The number of a table's rows: where all keys of the source are there, no others are.
    Count,
    /// A whole table.
    Whole,
}

/// What the first pieces of a part came to.
#[derive(Debug, Clone)]
pub(super) struct Before {
    /// When the state of the first of them was taken.
    pub(super) since: Instant,
    /// How many there are, of those that were compared by this command.
    pieces: u64,
    /// The last row of them; none where they are all.
    pub(super) last: Option<RowName>,
    /// The sums of the source's rows.
    sums: GroupSums,
    rejected: u64,
    is_equal: bool,
}

impl Part {
    /// All parts of the tables that are followed, which reach so far by now.
    pub(super) fn all(plan: &Plan, sizes: Sizes, extents: &[Option<Extent>]) -> Vec<Self> {
        let tables = plan.tables.iter().zip(extents).enumerate();
        let followed = tables.filter(|(_, (table, _))| !plan.is_copied(table));
        followed
            .flat_map(|(table, (planned, extent))| {
                Self::of_table(plan, (table, planned), sizes, extent.as_ref())
            })
            .collect()
    }

    fn of_table(
        plan: &Plan,
        (table, planned): (usize, &PlannedTable),
        sizes: Sizes,
        extent: Option<&Extent>,
    ) -> Vec<Self> {
        let schema = &planned.schema;
        let chunks = verify::chunks_of(plan, |of, _| of == table);
        let one = |number, chunks, kind| {
            let bytes = bytes_of(schema, extent);
            let mut part = Self { table, number, chunks, bytes, kind, before: None };
            part.resize(schema, extent);
            part
        };
        let by_chunk =
            |kind| chunks.iter().map(move |chunk| one(chunk.number, vec![*chunk], kind)).collect();
        if chunks.is_empty() {
            Vec::new()
        } else if is_divided(schema) {
            by_chunk(Kind::Chunk)
        } else if is_outgrown(planned, extent, sizes) {
            let mut parts: Vec<_> = by_chunk(Kind::Keys);
            parts.push(one(chunks.len(), Vec::new(), Kind::Count));
            parts
        } else {
            vec![one(whole(schema), chunks, Kind::Whole)]
        }
    }

    /// The whole of a table, whatever its size.
    pub(super) fn whole(plan: &Plan, table: usize, schema: &TableSchema) -> Self {
        let chunks = verify::chunks_of(plan, |of, _| of == table);
        let (number, bytes) = (whole(schema), schema.bytes);
        Self { table, number, chunks, bytes, kind: Kind::Whole, before: None }
    }

    /// Notes how large it is, where its table reaches so far. What comes to a table comes to its end, mostly.
    pub(super) fn resize(&mut self, table: &TableSchema, extent: Option<&Extent>) {
        let count = u64::try_from(table.chunks.len()).unwrap_or(u64::MAX).max(1);
        self.bytes = match (self.kind, self.range(), extent) {
            (Kind::Whole, ..) => bytes_of(table, extent),
            (_, Some((first, i64::MAX)), Some(extent)) => extent.bytes_from(first),
            _ => table.bytes / count,
        };
    }

    /// Whether it can be of another size than when it was made: what is begun is of many pieces anyway.
    pub(super) fn is_of_end(&self) -> bool {
        let is_last =
            self.kind == Kind::Whole || self.range().is_some_and(|(_, end)| end == i64::MAX);
        is_last && self.before.is_none()
    }

    /// Whether its table, which reaches so far, is too large by now to be compared as a whole.
    pub(super) fn is_outgrown(
        &self,
        planned: &PlannedTable,
        extent: Option<&Extent>,
        sizes: Sizes,
    ) -> bool {
        self.kind == Kind::Whole && is_outgrown(planned, extent, sizes)
    }

    /// Bytes that are compared in one state, about.
    pub(super) fn bytes_at_once(&self, sizes: Sizes) -> u64 {
        self.bytes.min(self.bytes_max(sizes))
    }

    /// Bytes after which a piece of it ends.
    pub(super) fn bytes_max(&self, sizes: Sizes) -> u64 {
        match self.kind {
            Kind::Chunk | Kind::Keys => sizes.piece_bytes,
            Kind::Count | Kind::Whole => u64::MAX,
        }
    }

    /// Pieces that it has, about.
    pub(super) fn pieces(&self, sizes: Sizes) -> u64 {
        self.bytes.div_ceil(self.bytes_max(sizes)).max(1)
    }

    /// The rowids of its only chunk.
    fn range(&self) -> Option<(i64, i64)> {
        match self.chunks.as_slice() {
            [Chunk { range: RowRange::Rowids { first, last }, .. }] => Some((*first, *last)),
            _ => None,
        }
    }

    fn of_range(&self, range: RowRange) -> Self {
        let chunks = self.chunks.iter().map(|chunk| Chunk { range, ..*chunk }).collect();
        Self { chunks, ..self.clone() }
    }

    /// The last row of it that is compared, behind which it goes on.
    pub(super) fn behind(&self) -> Option<&RowName> {
        self.before.as_ref().and_then(|before| before.last.as_ref())
    }

    /// What of it is not compared yet, as far as rowids can say it.
    pub(super) fn rest(&self) -> Self {
        match (self.chunks.as_slice(), self.behind()) {
            ([chunk], behind @ Some(_)) => match chunk.range.behind(behind) {
                Some(rest) => self.of_range(rest),
                None => Self { chunks: Vec::new(), ..self.clone() },
            },
            _ => self.clone(),
        }
    }

    /// It up to a rowid, if there is one.
    pub(super) fn up_to(&self, last: Option<&RowName>) -> Self {
        match (self.range(), last) {
            (Some((first, _)), Some(&RowName::Rowid(last))) => {
                self.of_range(RowRange::Rowids { first, last })
            }
            _ => self.clone(),
        }
    }

    /// Adds what was found of its rest in a state that was taken then.
    pub(super) fn add(&mut self, found: &Found, since: Instant, sizes: Sizes) {
        let Found { source, rejected, is_equal, last, .. } = found;
        let pieces = match &mut self.before {
            Some(before) => {
                before.pieces += 1;
                before.sums.merge(source);
                before.rejected += rejected;
                before.is_equal &= is_equal;
                before.last.clone_from(last);
                before.pieces
            }
            none => {
                let (sums, rejected) = (source.clone(), *rejected);
                let (last, is_equal) = (last.clone(), *is_equal);
                *none = Some(Before { since, pieces: 1, last, sums, rejected, is_equal });
                1
            }
        };
        if last.is_some() && self.range().is_none() {
            // How much is left nobody knows: as much again.
            self.bytes = self.bytes.max(self.bytes_max(sizes).saturating_mul(2 * pieces));
        }
    }

    /// Goes on where a comparison was interrupted.
    pub(super) fn go_on(
        &mut self,
        table: &TableSchema,
        found: &Proved,
        now: Instant,
    ) -> Result<()> {
        let is_within = |last: &RowName| match (self.range(), last) {
            (Some((first, end)), RowName::Rowid(last)) => first <= *last && *last < end,
            (None, RowName::Cells(_)) => self.kind == Kind::Keys,
            _ => false,
        };
        let has_rowid = table.rowid_name.is_some();
        let last = found.last_row.as_deref().and_then(|row| RowName::from_bytes(row, has_rowid));
        let last = last.filter(is_within);
        let (Some(last), Some(since)) = (last, now.checked_sub(found.age)) else { return Ok(()) };
        let mut sums = GroupSums::new(table);
        sums.merge_bytes(&found.groups)?;
        let (last, rejected) = (Some(last), found.rejected);
        self.before = Some(Before { since, pieces: 0, last, sums, rejected, is_equal: true });
        Ok(())
    }

    /// Whether all of it is compared.
    pub(super) fn is_compared(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.last.is_none())
    }

    /// Notes in the ledger that what is compared of it was equal, and when; or that it is not known to be, in the caller's
    /// transaction.
    pub(super) fn note(&self, table: &TableSchema, lease: Lease, session: &Session) -> Result<()> {
        let Some(before) = &self.before else { return Ok(()) };
        let name = table.target.as_str();
        if !before.is_equal {
            return ledger::forget_proved(session, lease, (name, &self.void(table)));
        }
        let groups = before.sums.bytes_of(self.groups(table));
        let last = before.last.as_ref().map(RowName::to_bytes);
        let part = (name, self.number, last.as_deref());
        ledger::note_proved(session, lease, part, &groups, before.rejected, before.since.elapsed())
    }

    /// The numbers of the parts that are not known to be equal where this one is not.
    fn void(&self, table: &TableSchema) -> Vec<usize> {
        match self.kind {
            Kind::Chunk => vec![self.number],
            Kind::Keys | Kind::Count => vec![self.number, whole(table)],
            Kind::Whole => (0..=whole(table)).collect(),
        }
    }

    /// The numbers by which the ledger may know when it was found equal: the whole of a table is each part of it.
    pub(super) fn numbers(&self, table: &TableSchema) -> Vec<usize> {
        match self.kind {
            Kind::Chunk | Kind::Whole => vec![self.number],
            Kind::Keys | Kind::Count => vec![self.number, whole(table)],
        }
    }

    /// What the target has of it, where that is known without the source's rows.
    pub(super) fn portion(&self, table: &TableSchema) -> Portion {
        match (table.partition, self.chunks.first().map(|chunk| chunk.range)) {
            (Partition::Chunks { key }, Some(RowRange::Rowids { first, last })) => {
                Portion::Rowids { column: key, first, last }
            }
            _ => Portion::All,
        }
    }

    /// The groups that its rows are in.
    pub(super) fn groups(&self, table: &TableSchema) -> Range<usize> {
        if is_divided(table) { self.number..self.number + 1 } else { 0..table.groups() }
    }

    /// It in words: which rows of its table.
    pub(super) fn in_words(&self) -> String {
        match (self.kind, self.chunks.as_slice()) {
            (Kind::Count, _) => "the number of its rows".into(),
            (_, [chunk]) => chunk.range.to_string(),
            _ => RowRange::All.to_string(),
        }
    }

    /// Whether it is the same on both sides.
    pub(super) fn is_equal(
        &self,
        table: &TableSchema,
        source: &GroupSums,
        target: &GroupSums,
    ) -> bool {
        let of = |sums: &GroupSums| sums.groups().get(self.groups(table)).map(<[_]>::to_vec);
        of(source) == of(target)
    }
}

/// Whether the chunks of the source are parts of the target too.
fn is_divided(table: &TableSchema) -> bool {
    matches!(table.partition, Partition::Chunks { .. })
}

/// Whether a table can be compared by its keys and their number: rows that cannot be read are not counted.
fn is_countable(planned: &PlannedTable) -> bool {
    let schema = &planned.schema;
    planned.unreadable.is_empty() && (schema.rowid_name.is_some() || !schema.key.is_empty())
}

/// Whether a table is too large to be compared as a whole, and can be compared by its keys, piece by piece.
fn is_outgrown(planned: &PlannedTable, extent: Option<&Extent>, sizes: Sizes) -> bool {
    let is_read_in_pieces = planned.schema.rowid_name.is_some() || extent.is_some();
    is_countable(planned)
        && is_read_in_pieces
        && bytes_of(&planned.schema, extent) > sizes.whole_bytes
}

/// The number of a table as a whole.
fn whole(table: &TableSchema) -> usize {
    table.chunks.len() + 1
}

/// The ways in which a table can be proved, each by the numbers of its parts.
pub(super) fn ways(planned: &PlannedTable) -> Vec<Vec<usize>> {
    let (schema, count) = (&planned.schema, planned.schema.chunks.len());
    if is_divided(schema) {
        return vec![(0..count).collect()];
    }
    let by_keys = is_countable(planned).then(|| (0..=count).collect());
    std::iter::once(vec![whole(schema)]).chain(by_keys).collect()
}
