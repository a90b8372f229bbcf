//! How far the target of a followed migration is behind its source, and whether it comes closer.

use super::live::Parts;
use crate::config::Pipeline;
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::pipeline::Stop;
use crate::store::postgres::apply;
use crate::store::postgres::ledger::{self, Pace, Position};
use crate::store::postgres::link::Link;
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail;
use crate::store::sqlite::wake::Wake;
use std::time::{Duration, Instant, SystemTime};

/// How long both ends are watched to see how fast they are.
const WATCHED: Duration = Duration::from_millis(500);

/// Whoever is less behind keeps up.
const KEPT_UP: Duration = Duration::from_secs(1);

/// Applying a row reads it at both ends, and so does comparing it.
const COMPARED_TOO: u32 = 2;

/// How far the target is behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// The highest touch that is applied.
    pub applied: i64,
    /// The highest touch of the source.
    pub head: i64,
    /// Rows that are not applied yet, about, of tables that only grow: they are not touches.
    pub new_rows: u64,
    /// Whether the target is one committed state of the source.
    pub consistent: bool,
    /// How long ago the source was as the target is now; none before the first state was applied as a whole.
    pub behind: Option<Duration>,
    /// Touches and new rows a second that the application makes now.
    pub written_per_second: f64,
    /// Touches and new rows a second that are applied now; nothing where nobody follows.
    pub applied_per_second: f64,
    /// Bytes of the source's write-ahead log.
    pub log_bytes: u64,
    /// How fast the last passes were.
    pub pace: Pace,
    /// How long ago every part of the tables was found equal, the first of them; none where not every part was yet.
    pub proved: Option<Duration>,
    /// How long ago that may be.
    pub proof_age: Duration,
    /// Whether a command has the migration now.
    pub taken: bool,
    /// Whether somebody has it paused.
    pub paused: bool,
}

impl Lag {
    /// Touches that are not applied yet.
    pub fn backlog(&self) -> u64 {
        u64::try_from(self.head.saturating_sub(self.applied)).unwrap_or(0)
    }

    /// Touches and new rows that are not applied yet.
    pub fn left(&self) -> u64 {
        self.backlog().saturating_add(self.new_rows)
    }

    /// How long the application would wait in a cutover now, about: what is behind is applied, and compared once more.
    /// None where no pass was measured.
    pub fn cutover(&self) -> Option<Duration> {
        self.pace.applying(self.left()).map(|applying| applying * COMPARED_TOO)
    }

    /// How long it takes to catch up at this rate, nothing where somebody keeps up with what is written; none where the
    /// target comes no closer.
    pub fn until_caught_up(&self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let left = self.left() as f64;
        if left < 1.0 || self.keeps_up() {
            return Some(Duration::ZERO);
        }
        let gain = self.applied_per_second - self.written_per_second;
        (gain > 0.0).then(|| Duration::try_from_secs_f64(left / gain).ok()).flatten()
    }

    /// Whether what is left was written a moment ago: the rates say nothing then.
    fn keeps_up(&self) -> bool {
        let is_close = self.consistent && self.behind.is_some_and(|behind| behind < KEPT_UP);
        is_close && self.taken && !self.paused
    }
}

/// What of a migration is asked about.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its number.
    pub(super) migration: i32,
    /// The parts of a full proof.
    pub(super) parts: Parts,
    /// The tables that only grow.
    pub(super) growing: Vec<TableSchema>,
}

/// Watches both ends for a moment; none where following has not begun.
///
/// # Errors
///
/// A source that cannot be read, or has no changelog; what the server says.
pub(super) fn lag(
    pipeline: &Pipeline,
    asked: &Asked,
    link: &mut Link<'_>,
    stop: &Stop,
) -> Result<Option<Lag>> {
    let migration = asked.migration;
    if link.with(|session| ledger::position(session, migration))?.is_none() {
        return Ok(None);
    }
    let source = Source::open_moving(&pipeline.source.path, false, stop)?;
    let ends = Ends { reader: Reader::of_moving(source.connect()?), asked };
    let began = Instant::now();
    let first = ends.look(link)?;
    let mut wake = Wake::new(&source)?;
    while wake.wait(WATCHED.saturating_sub(began.elapsed()), stop)? {}
    let last = ends.look(link)?;
    let seconds = began.elapsed().as_secs_f64();
    let new_rows = ends.rows_since(&first.ends, &last.ends)?;
    let rate = |from: i64, to: i64, rows: u64| {
        let touches = u64::try_from(to.saturating_sub(from)).unwrap_or(0).saturating_add(rows);
        f64::from(u32::try_from(touches).unwrap_or(u32::MAX)) / seconds
    };
    let applied_rows = (first.left.saturating_add(new_rows)).saturating_sub(last.left);
    let ages = link.with(|session| ledger::proof_ages(session, migration))?;
    let (from, position) = (&first.position, &last.position);
    Ok(Some(Lag {
        applied: position.seq,
        head: last.head,
        new_rows: last.left,
        consistent: position.consistent,
        behind: last.behind(first.has_all().then(|| began.elapsed())),
        written_per_second: rate(first.head, last.head, new_rows),
        applied_per_second: rate(from.seq, position.seq, applied_rows),
        log_bytes: source.stamp()?.log_bytes(),
        pace: position.pace,
        proved: asked.parts.oldest(&ages),
        proof_age: pipeline.cutover.proof_age,
        taken: link.with(|session| ledger::is_taken(session, migration))?,
        paused: link.with(|session| ledger::is_paused(session, migration))?,
    }))
}

/// Both ends of a migration.
struct Ends<'a> {
    reader: Reader,
    asked: &'a Asked,
}

/// What both ends are at a moment.
struct Seen {
    head: i64,
    /// The highest rowids of the tables that only grow.
    ends: Vec<Option<i64>>,
    position: Position,
    /// New rows up to those that are not applied, about.
    left: u64,
}

impl Ends<'_> {
    /// Looks at the source first: what is written while it is looked at the target is not what that is behind.
    fn look(&self, link: &mut Link<'_>) -> Result<Seen> {
        let Asked { migration, growing, .. } = self.asked;
        let head = tail::head(&self.reader)?;
        let ends = growing.iter().map(|table| tail::end(&self.reader, table));
        let ends = ends.collect::<Result<Vec<_>>>()?;
        let (position, marks) = link.with(|session| {
            let position = ledger::position(session, *migration)?;
            let noted = ledger::high_rowids(session, *migration)?;
            let marks = growing.iter().map(|table| match noted.get(&table.target) {
                Some(mark) => Ok(Some(*mark)),
                None => apply::highest_key(session, table),
            });
            Ok((position, marks.collect::<Result<Vec<_>>>()?))
        })?;
        let position = position.ok_or_else(|| Error::internal("a position that is gone"))?;
        let left = self.rows_since(&marks, &ends)?;
        Ok(Seen { head, ends, position, left })
    }

    /// Rows behind these rowids, up to those, about.
    fn rows_since(&self, marks: &[Option<i64>], ends: &[Option<i64>]) -> Result<u64> {
        let rows = self.asked.growing.iter().zip(marks.iter().zip(ends)).map(|(table, found)| {
            let first = match found.0 {
                None => Some(i64::MIN),
                Some(mark) => mark.checked_add(1),
            };
            match (first, *found.1) {
                (Some(first), Some(last)) if first <= last => {
                    tail::rows_between(&self.reader, table, [first, last])
                }
                _ => Ok(0),
            }
        });
        rows.sum()
    }
}

impl Seen {
    fn has_all(&self) -> bool {
        self.position.consistent && self.position.seq >= self.head && self.left == 0
    }

    /// A target that has everything is not behind, however long ago that was written; nor longer than since it had, if it
    /// had everything so long ago.
    fn behind(&self, since: Option<Duration>) -> Option<Duration> {
        if self.has_all() {
            return Some(Duration::ZERO);
        }
        let state_at = self.position.state_at?;
        let age = SystemTime::now().duration_since(state_at).ok();
        age.into_iter().chain(since).min()
    }
}

#[cfg(test)]
mod tests {
    use super::Lag;
    use crate::store::postgres::ledger::Pace;
    use std::time::Duration;

    #[test]
    fn a_target_that_is_a_moment_behind_keeps_up_whatever_the_rates_are() {
        let lag = Lag {
            applied: 100,
            head: 107,
            new_rows: 0,
            consistent: true,
            behind: Some(Duration::from_millis(12)),
            written_per_second: 1_000.0,
            applied_per_second: 990.0,
            log_bytes: 0,
            pace: Pace::default(),
            proved: None,
            proof_age: Duration::from_hours(24),
            taken: true,
            paused: false,
        };
        assert_eq!(lag.until_caught_up(), Some(Duration::ZERO));
        let far = Lag { behind: Some(Duration::from_secs(2)), ..lag };
        for other in [
            far,
            Lag { consistent: false, ..lag },
            Lag { taken: false, ..lag },
            Lag { paused: true, ..lag },
        ] {
            assert_eq!(other.until_caught_up(), None, "{other:?}");
        }
        let closer = Lag { applied_per_second: 1_007.0, ..far };
        assert_eq!(closer.until_caught_up(), Some(Duration::from_secs(1)));
        // New rows are as far behind as touches are.
        let grown = Lag { head: 100, new_rows: 14, ..closer };
        assert_eq!(grown.until_caught_up(), Some(Duration::from_secs(2)));
        let none = Lag { head: 100, ..far };
        assert_eq!(none.until_caught_up(), Some(Duration::ZERO));
    }
}
