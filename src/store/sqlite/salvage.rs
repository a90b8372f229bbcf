//! What of a damaged table can still be read: ranges of rowids, found by reading.
//!
//! A table of SQLite is a tree of pages by rowid. Where a page is broken, reading on fails, but what lies behind it can be
//! reached by another rowid. So each part that cannot be read is narrowed: reading goes up from its beginning and down
//! from its end as far as it can, then rowids in between are tried, near its borders first, at distances that double; from
//! each that can be reached reading goes up and down again. A part of which nothing was reached is halved. `TRIES_MAX`
//! bounds the tries, so that not every readable row between two broken pages need be found where there are many of
//! them; what was not found is named as unreadable, never passed over.
//!
//! Rows must come in the order of their rowids, within the range that was asked for: that is what chunks rely on, and
//! what keeps a tree that leads back into itself from being read for ever. A table without rowids is read whole or not
//! at all. What a broken page has lost without a trace (cells that it no longer lists) nobody can name.

use super::census::select;
use super::connection::refused;
pub use super::failure::Unreadable;
use super::read::Reader;
use crate::error::{Error, Place, Result};
use crate::model::{RowRange, SourceTable};
use rusqlite::{Connection, params};
use std::collections::VecDeque;

/// Rowids that are tried in one range, at most.
const TRIES_MAX: usize = 4096;
/// Rows after which the caller may stop.
const TICK_ROWS: u64 = 16 * 1024;
/// The least that a row takes in its file: its pointer and its cell.
const ROW_BYTES_MIN: u64 = 4;

/// What a search found, in order; together they cover what was searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Ranges that can be read.
    pub readable: Vec<RowRange>,
    /// Ranges that cannot.
    pub unreadable: Vec<RowRange>,
}

/// Finds what of a range can be read; `tick` is called now and then, and may stop it.
///
/// # Errors
///
/// A table that no row can be read of whatever its state, and whatever `tick` says.
pub fn search(
    reader: &Reader,
    table: &SourceTable,
    range: RowRange,
    tick: &mut dyn FnMut() -> Result<()>,
) -> Result<Salvaged> {
    reader
        .in_one_state(|connection| {
            let mut search = Search { connection, table, tick, tries: 0 };
            match range {
                RowRange::Rowids { first, last } => search.rowids(Span { first, last }),
                RowRange::All => search.all(),
            }
        })
        .at(|| format!("table {}", table.name))
}

/// A closed range of rowids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    fn new(first: i64, last: i64) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// What lies below a rowid.
    fn below(self, rowid: i64) -> Option<Self> {
        Self::new(self.first, rowid.checked_sub(1)?)
    }

    /// What lies above a rowid.
    fn above(self, rowid: i64) -> Option<Self> {
        Self::new(rowid.checked_add(1)?, self.last)
    }

    fn range(self) -> RowRange {
        RowRange::Rowids { first: self.first, last: self.last }
    }

    /// Rowids to try, near both borders first, at distances that double.
    fn tries(self) -> impl Iterator<Item = i64> {
        let distances = (0..i64::BITS - 1).map(|power| 1_i64 << power);
        let near = distances.flat_map(move |distance| {
            [self.first.checked_add(distance), self.last.checked_sub(distance)]
        });
        near.flatten().filter(move |&rowid| rowid > self.first && rowid <= self.last)
    }

    fn middle(self) -> i64 {
        let middle = i128::midpoint(i128::from(self.first), i128::from(self.last));
        i64::try_from(middle).unwrap_or(self.first)
    }
}

/// How far reading came.
enum Reached {
    /// To the end of the span.
    End,
    /// To this rowid.
    Row(i64),
    /// Not to a single row.
    Nothing,
}

/// The direction of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

struct Search<'a> {
    connection: &'a Connection,
    table: &'a SourceTable,
    tick: &'a mut dyn FnMut() -> Result<()>,
    tries: usize,
}

impl Search<'_> {
    fn rowids(&mut self, whole: Span) -> Result<Salvaged> {
        let mut readable = Vec::new();
        let mut unreadable = Vec::new();
        let mut left = VecDeque::new();
        if let Some(rest) = self.take(whole, Way::Up, &mut readable)? {
            left.extend(self.take(rest, Way::Down, &mut readable)?);
        }
        while let Some(span) = left.pop_front() {
            match self.narrow(span, &mut readable)? {
                Some(parts) => left.extend(parts),
                None => unreadable.push(span),
            }
        }
        let mut found = Salvaged::default();
        for span in joined(readable) {
            // Read down, or from several places: chunks will read up, and through.
            match self.read(span, Way::Up)? {
                Reached::End => found.readable.push(span.range()),
                // Its last row can only be had alone: reading on from it is what fails.
                Reached::Row(rowid) => {
                    found.readable.extend(span.below(rowid).map(Span::range));
                    let last = Span { first: rowid, last: rowid };
                    match self.read(last, Way::Up)? {
                        Reached::End => found.readable.push(last.range()),
                        Reached::Row(_) | Reached::Nothing => unreadable.push(last),
                    }
                    unreadable.extend(span.above(rowid));
                }
                Reached::Nothing => unreadable.push(span),
            }
        }
        found.unreadable = joined(unreadable).into_iter().map(Span::range).collect();
        Ok(found)
    }

    /// Looks for readable rows in a part that cannot be read from either end; gives what is left of it, none where it is
    /// given up.
    fn narrow(&mut self, span: Span, readable: &mut Vec<Span>) -> Result<Option<Vec<Span>>> {
        for rowid in span.tries() {
            if self.tries >= TRIES_MAX {
                return Ok(None);
            }
            self.tries += 1;
            if let Some(left) = self.split(span, rowid, readable)? {
                return Ok(Some(left));
            }
        }
        let middle = span.middle();
        // Of two rowids each was tried.
        Ok((span.last.abs_diff(span.first) > 1).then(|| {
            [Span::new(span.first, middle), span.above(middle)].into_iter().flatten().collect()
        }))
    }

    /// Reads up from a rowid and down from below it; gives what is left of the span, none where nothing was reached.
    fn split(
        &mut self,
        span: Span,
        rowid: i64,
        readable: &mut Vec<Span>,
    ) -> Result<Option<Vec<Span>>> {
        let before = readable.len();
        let mut left = Vec::new();
        if let Some(upper) = Span::new(rowid, span.last) {
            left.extend(self.take(upper, Way::Up, readable)?);
        }
        if let Some(lower) = span.below(rowid) {
            left.extend(self.take(lower, Way::Down, readable)?);
        }
        Ok((readable.len() > before).then_some(left))
    }

    /// Reads a span from one end and notes what was read; gives what is left of it.
    fn take(&mut self, span: Span, way: Way, readable: &mut Vec<Span>) -> Result<Option<Span>> {
        let (read, rest) = match (self.read(span, way)?, way) {
            (Reached::End, _) => (Some(span), None),
            (Reached::Row(rowid), Way::Up) => (Span::new(span.first, rowid), span.above(rowid)),
            (Reached::Row(rowid), Way::Down) => (Span::new(rowid, span.last), span.below(rowid)),
            (Reached::Nothing, _) => (None, Some(span)),
        };
        readable.extend(read);
        Ok(rest)
    }

    /// Reads a span as far as rows come, whole and in order.
    fn read(&mut self, span: Span, way: Way) -> Result<Reached> {
        (self.tick)()?;
        let mut reached = Reached::Nothing;
        let mut read = || -> Result<bool> {
            let mut sql = select(self.table, span.range());
            if way == Way::Down {
                sql.push_str(" DESC");
            }
            let mut statement = self.connection.prepare_cached(&sql).map_err(refused)?;
            let mut rows = statement.query(params![span.first, span.last]).map_err(refused)?;
            let mut seen: u64 = 0;
            while let Some(row) = rows.next().map_err(refused)? {
                let rowid: i64 = row.get(self.table.columns.len()).map_err(refused)?;
                let in_order = match (&reached, way) {
                    (Reached::Row(last), Way::Up) => rowid > *last && rowid <= span.last,
                    (Reached::Row(last), Way::Down) => rowid < *last && rowid >= span.first,
                    _ => (span.first..=span.last).contains(&rowid),
                };
                if !in_order {
                    return Ok(false);
                }
                reached = Reached::Row(rowid);
                seen += 1;
                if seen.is_multiple_of(TICK_ROWS) {
                    (self.tick)()?;
                }
            }
            Ok(true)
        };
        match read() {
            Ok(true) => Ok(Reached::End),
            Ok(false) => Ok(reached),
            Err(error) => damaged(error).map(|()| reached),
        }
    }

    /// A table without rowids: all of it, or nothing.
    fn all(&mut self) -> Result<Salvaged> {
        let (readable, unreadable) = match self.read_all() {
            Ok(true) => (vec![RowRange::All], Vec::new()),
            Ok(false) => (Vec::new(), vec![RowRange::All]),
            Err(error) => damaged(error).map(|()| (Vec::new(), vec![RowRange::All]))?,
        };
        Ok(Salvaged { readable, unreadable })
    }

    fn read_all(&mut self) -> Result<bool> {
        let bytes: u64 = ["page_count", "page_size"]
            .iter()
            .map(|name| {
                let ask = format!("PRAGMA main.{name}");
                self.connection.query_row(&ask, [], |row| row.get::<_, u32>(0)).map_err(refused)
            })
            .try_fold(1, |product: u64, factor| Ok(product.saturating_mul(factor?.into())))?;
        let sql = select(self.table, RowRange::All);
        let mut statement = self.connection.prepare(&sql).map_err(refused)?;
        let mut rows = statement.query([]).map_err(refused)?;
        let mut seen: u64 = 0;
        while rows.next().map_err(refused)?.is_some() {
            seen += 1;
            if seen.saturating_mul(ROW_BYTES_MIN) > bytes {
                return Ok(false);
            }
            if seen.is_multiple_of(TICK_ROWS) {
                (self.tick)()?;
            }
        }
        Ok(true)
    }
}

/// Passes an error on unless it is damage.
fn damaged(error: Error) -> Result<()> {
    match Unreadable::of(&error) {
        Some(Unreadable::Damaged(_)) => Ok(()),
        _ => Err(error),
    }
}

/// Spans in order, neighbours joined.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.last.checked_add(1) == Some(span.first) => last.last = span.last,
            _ => joined.push(span),
        }
    }
    joined
}
