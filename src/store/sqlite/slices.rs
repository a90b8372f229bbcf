//! The census of a part of a table: its first rows, its last ones, and slices of what lies between.
//!
//! A slice is some rows one after the other. It tells how densely rows stand from there on; so the span that seems to
//! hold most rows which were not looked at is halved next, and its second half gets a slice. Gaps between rowids are
//! found by that, however wide, and slices stand where the rows are. What it takes depends on how long rows are, and not
//! on how many there are.
//!
//! A table that ends within its first rows is seen whole, and so is one whose slices leave nothing between them.

use super::census::{Limits, scan, whole};
use super::connection::refused;
use super::read::{Reader, file_bytes};
use crate::error::{Place, Result};
use crate::model::identifier::quoted;
use crate::model::{Probe, RowRange, Sample, SourceTable, Stretch, TableEvidence};
use rusqlite::{Connection, OptionalExtension, Params};

/// Rows and bytes within which a table ends that is small, and seen whole.
const FIRST_ROWS: u64 = 16 * 1024;
const FIRST_BYTES: u64 = 16 * 1024 * 1024;
/// Rows and bytes after which a slice ends.
const SLICE_ROWS: u64 = 256;
const SLICE_BYTES: u64 = 256 * 1024;
/// Slices between the first and the last rows, at most.
const SLICES: usize = 64;
/// Bytes after which no further slice is begun.
const SLICES_BYTES: u64 = 64 * 1024 * 1024;
/// What the largest row is taken for at least: one that was not seen may be read back alone, as large ones are.
const UNSEEN_ROW_BYTES: u64 = 4 * 1024 * 1024 + 1024;
/// The least that a row takes in its file beside its values: its pointer, its length, its rowid, its header's length.
const STORED_ROW_BYTES: u64 = 5;

/// Looks at a part of a table that has rowids, or at all of it where it is small. Rows and bytes are estimated from how
/// densely the rows of the slices stand; `stretch_bytes` and `tick` are as in [`super::census::take`].
///
/// # Errors
///
/// A table that cannot be read, and whatever `tick` says.
pub fn take(
    reader: &Reader,
    table: &SourceTable,
    probes: &[Probe],
    stretch_bytes: u64,
    tick: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<TableEvidence> {
    reader
        .in_one_state(|connection| Sampler { connection, table, probes, tick }.take(stretch_bytes))
        .at(|| format!("table {}", table.name))
}

struct Sampler<'a> {
    connection: &'a Connection,
    table: &'a SourceTable,
    probes: &'a [Probe],
    tick: &'a mut dyn FnMut(u64, u64) -> Result<()>,
}

/// The rowids from one that is there to another one; those up to `seen_to` were looked at.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
    seen_to: i64,
    /// What was looked at.
    seen: Sample,
}

impl Sampler<'_> {
    fn take(mut self, stretch_bytes: u64) -> Result<TableEvidence> {
        let limits = Limits { stretch_bytes, rows: FIRST_ROWS, bytes: FIRST_BYTES };
        let (mut evidence, ended_after) = self.scan(whole(self.table), limits)?;
        let Some(head_last) = ended_after else { return Ok(evidence) };
        let Some(begin) = self.after(head_last)? else { return Ok(evidence) };
        let head = std::mem::take(&mut evidence.stretches);
        let spans = self.slices(begin, &mut evidence)?;
        if spans.iter().all(|span| span.unseen() == 0) {
            let limits = Limits { stretch_bytes, ..Limits::NONE };
            return self.scan(whole(self.table), limits).map(|(evidence, _all)| evidence);
        }
        let room = self.room(&evidence)?;
        evidence.sample = Some(Sample { rows: evidence.rows, bytes: evidence.bytes });
        evidence.largest_row_bytes = evidence.largest_row_bytes.max(UNSEEN_ROW_BYTES);
        evidence.columns.iter_mut().for_each(|column| column.sampled = true);
        estimate(&spans, room, ended_at(head, head_last), stretch_bytes, &mut evidence);
        Ok(evidence)
    }

    /// Slices of the rows from `begin` on, and the spans that they stand in, in order.
    fn slices(&mut self, begin: i64, evidence: &mut TableEvidence) -> Result<Vec<Span>> {
        let row_bytes = evidence.bytes.checked_div(evidence.rows).unwrap_or_default().max(1);
        let rows = (SLICE_BYTES / row_bytes).clamp(1, SLICE_ROWS);
        let tail = self.find(
            "?1 <= {} ORDER BY {} DESC LIMIT 1 OFFSET ?2",
            (begin, i64::try_from(rows - 1).unwrap_or(0)),
        )?;
        let tail = tail.unwrap_or(begin);
        let mut spans = vec![self.slice(tail, i64::MAX, u64::MAX, evidence)?];
        if let Some(last) = self.before(tail, begin)? {
            spans.push(self.slice(begin, last, SLICE_ROWS, evidence)?);
        }
        let most = evidence.bytes.saturating_add(SLICES_BYTES);
        while spans.len() <= SLICES && evidence.bytes < most {
            let Some(fullest) = spans.iter_mut().max_by_key(|span| span.unseen()) else { break };
            if fullest.unseen() == 0 {
                break;
            }
            let (middle, last) = (fullest.middle(), fullest.last);
            fullest.last = self.before(middle, fullest.first)?.unwrap_or(fullest.seen_to);
            let next = self.find("?1 <= {} ORDER BY {} LIMIT 1", [middle])?.unwrap_or(last);
            spans.push(self.slice(next, last, SLICE_ROWS, evidence)?);
        }
        spans.sort_unstable_by_key(|span| span.first);
        Ok(spans)
    }

    /// Looks at rows from `first` on, which is there.
    fn slice(
        &mut self,
        first: i64,
        last: i64,
        rows: u64,
        evidence: &mut TableEvidence,
    ) -> Result<Span> {
        let bytes = if rows == u64::MAX { u64::MAX } else { SLICE_BYTES };
        let (mut part, ended_after) =
            self.scan(RowRange::Rowids { first, last }, Limits { rows, bytes, ..Limits::NONE })?;
        part.stretches.clear();
        let seen = Sample { rows: part.rows, bytes: part.bytes };
        evidence.append(part);
        Ok(Span { first, last, seen_to: ended_after.unwrap_or(last), seen })
    }

    fn scan(&mut self, range: RowRange, limits: Limits) -> Result<(TableEvidence, Option<i64>)> {
        let all = (range, None);
        let (evidence, ended_after) =
            scan(self.connection, self.table, self.probes, all, limits, self.tick)?;
        Ok((evidence, ended_after.and_then(|row| row.rowid())))
    }

    /// The first rowid behind another one.
    fn after(&self, rowid: i64) -> Result<Option<i64>> {
        self.find("?1 < {} ORDER BY {} LIMIT 1", [rowid])
    }

    /// The last rowid before another one, and not before `first`.
    fn before(&self, rowid: i64, first: i64) -> Result<Option<i64>> {
        self.find("?1 > {} AND ?2 <= {} ORDER BY {} DESC LIMIT 1", (rowid, first))
    }

    /// The first rowid by a condition in which `{}` stands for it; SQLite seeks it.
    fn find(&self, condition: &str, values: impl Params) -> Result<Option<i64>> {
        let (table, rowid) = (quoted(&self.table.name), self.table.rowid_name.unwrap_or("rowid"));
        let condition = condition.replace("{}", rowid);
        let sql = format!("SELECT {rowid} FROM {table} NOT INDEXED WHERE {condition}");
        self.connection.query_row(&sql, values, |row| row.get(0)).optional().map_err(refused)
    }

    /// Rows like those that were seen which the file has room for: where rowids stand in many small groups, a slice
    /// tells of its group only, and its span would seem to hold more than there can be.
    fn room(&self, seen: &TableEvidence) -> Result<u64> {
        let columns = self.table.columns.iter().zip(&seen.columns);
        let computed = columns.filter(|(column, _)| column.generated.is_some());
        let mut values = seen.bytes;
        for column in &seen.columns {
            // In the file a number may take no more than its kind, which takes one byte, as NULL does.
            values = values.saturating_sub((column.integers + column.reals) * 7);
        }
        for (_, column) in computed {
            // It may stand nowhere.
            values = values.saturating_sub((column.texts + column.blobs) * column.bytes_max);
        }
        let bytes = u128::from(values + seen.rows * STORED_ROW_BYTES);
        let rows = u128::from(file_bytes(self.connection)?) * u128::from(seen.rows) / bytes.max(1);
        Ok(rows.try_into().unwrap_or(u64::MAX))
    }
}

impl Span {
    /// Rows that were not looked at, if they stand as densely as those that were.
    fn unseen(&self) -> u128 {
        let open = distance(self.seen_to, self.last);
        let looked_at = distance(self.first, self.seen_to) + 1;
        // The last rowid is there.
        (open * u128::from(self.seen.rows) / looked_at).max(u128::from(open > 0))
    }

    /// The middle of what was not looked at; where that is one rowid, it.
    fn middle(&self) -> i64 {
        let half = i128::from(self.last) - i128::from(self.seen_to) + 1;
        i64::try_from(i128::from(self.seen_to) + half / 2).unwrap_or(self.last)
    }
}

fn distance(from: i64, to: i64) -> u128 {
    (i128::from(to) - i128::from(from)).unsigned_abs()
}

/// Stretches without content, of which the last one ends with the last row that was seen.
fn ended_at(mut stretches: Vec<Stretch>, end: i64) -> Vec<Stretch> {
    stretches.retain_mut(|stretch| {
        stretch.content = None;
        match &mut stretch.range {
            RowRange::Rowids { first, last } => {
                *last = end.min(*last);
                *first <= *last
            }
            RowRange::All => true,
        }
    });
    stretches
}

/// Adds what the spans seem to hold, and stretches that cover every rowid behind the first ones.
fn estimate(
    spans: &[Span],
    room: u64,
    head: Vec<Stretch>,
    stretch_bytes: u64,
    evidence: &mut TableEvidence,
) {
    let (all, seen): (u128, u64) = (spans.iter().map(Span::unseen).sum(), evidence.rows);
    let most = u128::from(room.saturating_sub(seen).max(1)).min(all);
    evidence.stretches = head;
    let mut covered = evidence.stretches.last().map_or(i64::MIN, |stretch| last_of(stretch.range));
    for (number, span) in spans.iter().enumerate() {
        let unseen = (span.unseen() * most).checked_div(all).unwrap_or_default();
        let rows = u64::try_from(unseen).unwrap_or(u64::MAX);
        let row_bytes = span.seen.bytes.checked_div(span.seen.rows).unwrap_or_default();
        let bytes = rows.saturating_mul(row_bytes);
        evidence.rows = evidence.rows.saturating_add(rows);
        evidence.bytes = evidence.bytes.saturating_add(bytes);
        let end = if number + 1 == spans.len() { i64::MAX } else { span.last };
        let bytes = bytes.saturating_add(span.seen.bytes);
        cut(span, bytes, stretch_bytes, (&mut covered, end), &mut evidence.stretches);
    }
}

/// Cuts a span into stretches of equal spans, from behind what is covered to `end`.
fn cut(
    span: &Span,
    bytes: u64,
    stretch_bytes: u64,
    (covered, end): (&mut i64, i64),
    stretches: &mut Vec<Stretch>,
) {
    let width = distance(span.first, span.last) + 1;
    let pieces = u128::from(bytes / stretch_bytes.max(1) + 1).min(width);
    for piece in 1..=pieces {
        let edge = i128::from(span.first) + i128::try_from(width * piece / pieces).unwrap_or(0) - 1;
        let last = if piece == pieces { end } else { i64::try_from(edge).unwrap_or(end) };
        let range = RowRange::Rowids { first: covered.saturating_add(1), last };
        let bytes = u64::try_from(u128::from(bytes) / pieces).unwrap_or(u64::MAX);
        stretches.push(Stretch { range, bytes, content: None });
        *covered = last;
    }
}

fn last_of(range: RowRange) -> i64 {
    match range {
        RowRange::Rowids { last, .. } => last,
        RowRange::All => i64::MAX,
    }
}

#[cfg(test)]
mod tests;
