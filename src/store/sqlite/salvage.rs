//! What of a damaged table can still be read: ranges of rowids, found by reading.
//!
//! A table of SQLite is a tree of pages by rowid. Where a page is broken, reading on fails, but what lies behind it can be
//! reached by another rowid. So reading begins at rowids near both ends of a range, at distances that double, up and
//! down; between one from which nothing comes and one from which rows come, the border is sought by halving. What is
//! left between the rows that came is done again, or halved where none came. `TRIES_MAX` bounds how often that is tried:
//! where thousands of neighbouring rowids are lost, rows in their midst may not be found. What was not found is named as
//! unreadable, never passed over.
//!
//! Rows must come in the order of their rowids, within the range that was asked for: that is what chunks rely on, and
//! what keeps a tree that leads back into itself from being read for ever. A table without rowids is read whole or not
//! at all. What a broken page has lost without a trace (cells that it no longer lists) nobody can name.

use super::census::select;
use super::connection::refused;
pub use super::failure::Unreadable;
use super::read::{Reader, file_bytes};
use crate::error::{Error, Place, Result};
use crate::model::{RowRange, SourceTable, TextEncoding};
use rusqlite::{Connection, params};
use std::collections::VecDeque;

/// Rowids from which reading is tried in one range, at most.
const TRIES_MAX: usize = 32 * 1024;
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

    /// Both halves; none of a single rowid.
    fn halves(self) -> Option<[Self; 2]> {
        let middle = middle(self.first, self.last);
        Some([Self { first: self.first, last: middle }, self.above(middle)?])
    }

    /// Where reading is tried, in order: at the borders, and at distances from them that double.
    fn marks(self) -> Vec<i64> {
        let distances = (0..i64::BITS - 1).map(|power| 1_i64 << power);
        let near = |distance| [self.first.checked_add(distance), self.last.checked_sub(distance)];
        let within = |mark: &i64| (self.first..=self.last).contains(mark);
        let mut marks: Vec<_> = distances.flat_map(near).flatten().filter(within).collect();
        marks.extend([self.first, self.last]);
        marks.sort_unstable();
        marks.dedup();
        marks
    }
}

/// The rowid half way, the lower one of two.
fn middle(first: i64, last: i64) -> i64 {
    let middle = (i128::from(first) + i128::from(last)).div_euclid(2);
    i64::try_from(middle).unwrap_or(first)
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

impl Way {
    /// A rowid as a place on this way, and back: places always rise.
    fn turn(self, rowid: i64) -> i64 {
        match self {
            Self::Up => rowid,
            Self::Down => !rowid,
        }
    }

    /// A span of rowids as one of places, and back.
    fn turn_span(self, span: Span) -> Span {
        match self {
            Self::Up => span,
            Self::Down => Span { first: !span.last, last: !span.first },
        }
    }
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
        let mut left = VecDeque::from([whole]);
        while let Some(span) = left.pop_front() {
            let before = readable.len();
            let mut rest = Vec::new();
            for part in self.trim(span, Way::Up, &mut readable)? {
                rest.extend(self.trim(part, Way::Down, &mut readable)?);
            }
            match span.halves() {
                _ if readable.len() > before => left.extend(rest),
                Some(halves) if self.tries < TRIES_MAX => left.extend(halves),
                _ => unreadable.push(span),
            }
        }
        self.confirm(joined(readable), unreadable)
    }

    /// Reads what was found once more as chunks will be read: up, and through.
    fn confirm(&mut self, readable: Vec<Span>, mut unreadable: Vec<Span>) -> Result<Salvaged> {
        let mut found = Salvaged::default();
        for span in readable {
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

    /// Reads what can be reached of a span on one way, notes it, and gives what is left.
    fn trim(&mut self, span: Span, way: Way, readable: &mut Vec<Span>) -> Result<Vec<Span>> {
        let whole = way.turn_span(span);
        let mut rest = Some(whole);
        let mut left = Vec::new();
        let mut barren = None;
        for mark in whole.marks() {
            let Some(ahead) = rest else { break };
            if mark < ahead.first || barren == Some(mark) {
                continue;
            }
            if !self.reaches(Span { first: mark, last: whole.last }, way)? {
                barren = Some(mark);
                continue;
            }
            let from = self.border(barren, mark, whole.last, way)?;
            left.extend(ahead.below(from));
            let reading = Span { first: from, last: whole.last };
            rest = match self.read(way.turn_span(reading), way)? {
                Reached::End => {
                    readable.push(way.turn_span(reading));
                    None
                }
                Reached::Row(rowid) => {
                    let place = way.turn(rowid);
                    readable.push(way.turn_span(Span { first: from, last: place }));
                    reading.above(place)
                }
                Reached::Nothing => Some(reading),
            };
            // Where reading ended, nothing more comes.
            barren = rest.map(|rest| rest.first);
        }
        left.extend(rest);
        Ok(left.into_iter().map(|span| way.turn_span(span)).collect())
    }

    /// The first place from which rows come, between one from which none do and one from which they do.
    fn border(&mut self, barren: Option<i64>, mark: i64, last: i64, way: Way) -> Result<i64> {
        let (Some(mut barren), mut fertile) = (barren, mark) else { return Ok(mark) };
        while barren.abs_diff(fertile) > 1 {
            let between = middle(barren, fertile);
            if self.reaches(Span { first: between, last }, way)? {
                fertile = between;
            } else {
                barren = between;
            }
        }
        Ok(fertile)
    }

    /// Whether reading from the first of these places gives a row, or says that there is none.
    fn reaches(&mut self, places: Span, way: Way) -> Result<bool> {
        if self.tries >= TRIES_MAX {
            return Ok(false);
        }
        self.tries += 1;
        let reached = self.read_rows(way.turn_span(places), way, 1)?;
        Ok(!matches!(reached, Reached::Nothing))
    }

    /// Reads a span as far as rows come, whole and in order.
    fn read(&mut self, span: Span, way: Way) -> Result<Reached> {
        self.read_rows(span, way, u64::MAX)
    }

    /// The same, but for a number of rows.
    fn read_rows(&mut self, span: Span, way: Way, rows_max: u64) -> Result<Reached> {
        (self.tick)()?;
        let mut reached = Reached::Nothing;
        let mut read = || -> Result<bool> {
            let mut sql = select(self.table, span.range(), TextEncoding::Utf8);
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
                if seen == rows_max {
                    return Ok(false);
                }
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
        let bytes = file_bytes(self.connection)?;
        let sql = select(self.table, RowRange::All, TextEncoding::Utf8);
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

#[cfg(test)]
mod tests {
    use super::{Salvaged, search};
    use crate::model::RowRange;
    use crate::pipeline::Stop;
    use crate::store::sqlite::census::whole;
    use crate::store::sqlite::connection::Source;
    use crate::store::sqlite::introspect::introspect;
    use crate::store::sqlite::read::Reader;
    use rusqlite::{Connection, params};
    use std::path::Path;
    use std::time::SystemTime;

    const PAGE: usize = 512;

    /// Makes a table with these rowids, and gives its leaves: each page's number and how many rows it has.
    fn make(path: &Path, rowids: &[i64]) -> Vec<(usize, usize)> {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("PRAGMA page_size = 512; CREATE TABLE t (v TEXT); BEGIN").unwrap();
        for rowid in rowids {
            connection
                .execute("INSERT INTO t (rowid, v) VALUES (?1, hex(zeroblob(12)))", params![rowid])
                .unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        let sql =
            "SELECT pageno, ncell FROM dbstat WHERE name = 't' AND pagetype = 'leaf' ORDER BY path";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?)))
            .unwrap();
        rows.map(|row| row.map(|(page, rows)| (page as usize, rows as usize)).unwrap()).collect()
    }

    fn salvage(path: &Path) -> Salvaged {
        let source = Source::open(path, true, &Stop::default()).unwrap();
        let reader = Reader::new(source.connect().unwrap()).unwrap();
        let table = introspect(reader.connection()).unwrap().tables.remove(0);
        let salvaged = search(&reader, &table, whole(&table), &mut || Ok(())).unwrap();
        assert!(covers(&salvaged), "{salvaged:?}");
        salvaged
    }

    /// Whether both kinds of ranges together are every rowid once.
    fn covers(salvaged: &Salvaged) -> bool {
        let mut ends: Vec<_> = salvaged
            .readable
            .iter()
            .chain(&salvaged.unreadable)
            .map(|range| match *range {
                RowRange::Rowids { first, last } => (first, last),
                RowRange::All => panic!("all"),
            })
            .collect();
        ends.sort_unstable();
        ends.first().is_some_and(|(first, _)| *first == i64::MIN)
            && ends.last().is_some_and(|(_, last)| *last == i64::MAX)
            && ends.windows(2).all(|pair| pair[0].1.checked_add(1) == Some(pair[1].0))
    }

    fn holds(ranges: &[RowRange], rowid: i64) -> bool {
        ranges.iter().any(|range| match *range {
            RowRange::Rowids { first, last } => (first..=last).contains(&rowid),
            RowRange::All => true,
        })
    }

    #[test]
    fn exactly_the_rows_of_broken_pages_are_lost() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let mut seed = u64::try_from(now.as_nanos() % u128::from(u64::MAX)).unwrap();
        println!("seed {seed}");
        let mut draw = |below: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for (round, stride) in
            [1, 1, 1, 3, 1000, 1_000_003, 1 << 40, 9_000_000_000_000_000].into_iter().enumerate()
        {
            let path = folder.path().join(format!("{round}.db"));
            let rowids: Vec<i64> = (-500..500).map(|row| row * stride).collect();
            let leaves = make(&path, &rowids);
            let mut file = std::fs::read(&path).unwrap();
            let mut lost = vec![false; rowids.len()];
            for _ in 0..draw(12) {
                let broken = draw(leaves.len());
                let (page, rows) = leaves[broken];
                file[(page - 1) * PAGE..page * PAGE].fill(0xff);
                let before: usize = leaves[..broken].iter().map(|(_, rows)| rows).sum();
                lost[before..before + rows].fill(true);
            }
            std::fs::write(&path, file).unwrap();
            let found = salvage(&path);
            for (rowid, lost) in rowids.iter().zip(lost) {
                assert_eq!(
                    holds(&found.unreadable, *rowid),
                    lost,
                    "rowid {rowid}, stride {stride}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn a_whole_table_is_one_range() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        make(&path, &(1..=100).collect::<Vec<_>>());
        let all = RowRange::Rowids { first: i64::MIN, last: i64::MAX };
        assert_eq!(salvage(&path), Salvaged { readable: vec![all], unreadable: vec![] });
    }
}
