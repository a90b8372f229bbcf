//! How far the target of a followed migration is behind its source, and whether it comes closer.

use super::live::Parts;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::store::postgres::ledger::{self, Pace, Position};
use crate::store::postgres::link::Link;
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::read::{Reader, has_write_ahead_log};
use crate::store::sqlite::tail;
use crate::store::sqlite::wake::Wake;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How long both ends are watched to see how fast they are.
const WATCHED: Duration = Duration::from_millis(500);

/// Applying a row reads it at both ends, and so does comparing it.
const COMPARED_TOO: u32 = 2;

/// How far the target is behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// The highest touch that is applied.
    pub applied: i64,
    /// The highest touch of the source.
    pub head: i64,
    /// Whether the target is one committed state of the source.
    pub consistent: bool,
    /// How long ago the source was as the target is now; none before the first state was applied as a whole.
    pub behind: Option<Duration>,
    /// Touches a second that the application makes now.
    pub written_per_second: f64,
    /// Touches a second that are applied now; nothing where nobody follows.
    pub applied_per_second: f64,
    /// Bytes of the source's write-ahead log.
    pub log_bytes: u64,
    /// How fast the last passes were.
    pub pace: Pace,
    /// How long ago every part of the tables was found equal, the first of them; none where not every part was yet.
    pub proved: Option<Duration>,
    /// Whether somebody has it paused.
    pub paused: bool,
}

impl Lag {
    /// Touches that are not applied yet.
    pub fn backlog(&self) -> u64 {
        u64::try_from(self.head.saturating_sub(self.applied)).unwrap_or(0)
    }

    /// How long the application would wait in a cutover now, about: what is behind is applied, and compared once more.
    /// None where no pass was measured.
    pub fn cutover(&self) -> Option<Duration> {
        self.pace.applying(self.backlog()).map(|applying| applying * COMPARED_TOO)
    }

    /// How long it takes to catch up at this rate; none where the target comes no closer.
    pub fn until_caught_up(&self) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let backlog = self.backlog() as f64;
        if backlog < 1.0 {
            return Some(Duration::ZERO);
        }
        let gain = self.applied_per_second - self.written_per_second;
        (gain > 0.0).then(|| Duration::try_from_secs_f64(backlog / gain).ok()).flatten()
    }
}

/// Watches both ends for a moment; none where following has not begun. A full proof is of so many `parts`.
///
/// # Errors
///
/// A source that cannot be read, or has no changelog; what the server says.
pub(super) fn lag(
    path: &Path,
    (migration, parts): (i32, Parts),
    link: &mut Link<'_>,
    stop: &Stop,
) -> Result<Option<Lag>> {
    let position = |link: &mut Link<'_>| link.with(|session| ledger::position(session, migration));
    let Some(first) = position(link)? else { return Ok(None) };
    let source = Source::open_moving(path, false, stop)?;
    let reader = Reader::of_moving(source.connect()?);
    let head = tail::head(&reader)?;
    let began = Instant::now();
    let mut wake = Wake::new(&source)?;
    while wake.wait(WATCHED.saturating_sub(began.elapsed()), stop)? {}
    let last = position(link)?.ok_or_else(|| Error::internal("a position that is gone"))?;
    let head_now = tail::head(&reader)?;
    let (proved, age) = link.with(|session| ledger::oldest_proof(session, migration))?;
    let parts = parts.count(!has_write_ahead_log(reader.connection())?);
    let paused = link.with(|session| ledger::is_paused(session, migration))?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = |from: i64, to: i64| {
        let touches = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        f64::from(touches) / seconds
    };
    Ok(Some(Lag {
        applied: last.seq,
        head: head_now,
        consistent: last.consistent,
        behind: behind(&last, head_now),
        written_per_second: rate(head, head_now),
        applied_per_second: rate(first.seq, last.seq),
        log_bytes: source.stamp()?.log_bytes(),
        pace: last.pace,
        proved: age.filter(|_| proved >= parts),
        paused,
    }))
}

/// A target that has everything is not behind, however long ago that was written.
fn behind(position: &Position, head: i64) -> Option<Duration> {
    if position.consistent && position.seq >= head {
        return Some(Duration::ZERO);
    }
    SystemTime::now().duration_since(position.state_at?).ok()
}
