//! The states of a moving source that a snapshot reads from.
//!
//! Readers share one state for as long as its age and the source's write-ahead log allow. Past that all of them let go,
//! so that the application can empty its log, and a new state is taken. With a rollback journal a reader keeps the
//! application from committing: there each piece of a chunk has a state of its own.

use crate::config::SnapshotSection;
use crate::error::{Class, Error, Result};
use crate::journey::Setting;
use crate::journey::inspect::Inspected;
use crate::pipeline::Event;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::state::Door;
use crate::store::sqlite::tail;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a state is held, and how much the write-ahead log may grow meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journey) struct Bounds {
    pub(in crate::journey) age: Duration,
    pub(in crate::journey) log_bytes: u64,
}

impl Bounds {
    /// What the pipeline file says.
    pub(in crate::journey) fn of(said: &SnapshotSection) -> Self {
        Self { age: said.max_age, log_bytes: said.max_wal_growth }
    }
}

/// How often a state is asked for while the application keeps the lock, each time for as long as its own patience.
const TRIES: usize = 6;

/// How long nobody reads between two states.
const GAP: Duration = Duration::from_millis(100);

/// Lets the application's next commit find no reader, so that it can begin its log anew.
#[expect(
    clippy::disallowed_methods,
    reason = "no commit may come, and nothing tells of one that has"
)]
fn pause(gap: Duration) {
    std::thread::sleep(gap);
}

/// Readers that take turns, and the state that they hold.
#[derive(Debug)]
pub(in crate::journey) struct States<'a> {
    inspected: &'a Inspected,
    door: Mutex<Door>,
    /// Whether readers keep the application from committing.
    pub(in crate::journey) keeps_out: bool,
    bounds: Bounds,
    /// Bytes that are read in one turn.
    pub(in crate::journey) piece_bytes: u64,
    setting: Setting<'a>,
    turns: Mutex<Turns>,
    returned: Condvar,
}

#[derive(Debug)]
struct Turns {
    idle: Vec<Reader>,
    /// Readers that somebody has.
    out: usize,
    held: Option<Held>,
}

impl Turns {
    /// Lets all readers go that nobody has.
    fn let_go(&mut self) -> Result<()> {
        self.held = None;
        self.idle.iter().try_for_each(Reader::let_go)
    }
}

/// The state that all readers hold.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// The highest touch that it has.
    low_mark: i64,
    since: Instant,
    log_bytes: u64,
}

impl<'a> States<'a> {
    /// So many readers of a moving source.
    pub(in crate::journey) fn new(
        inspected: &'a Inspected,
        readers: usize,
        (bounds, piece_bytes): (Bounds, u64),
        setting: Setting<'a>,
    ) -> Result<Self> {
        let idle = inspected.moving_readers(readers)?;
        Ok(Self {
            inspected,
            door: Mutex::new(Door::new(&inspected.source)?),
            keeps_out: inspected.excludes_writers,
            bounds,
            piece_bytes,
            setting,
            turns: Mutex::new(Turns { idle, out: 0, held: None }),
            returned: Condvar::new(),
        })
    }

    /// Does `work` with a reader that holds a state, and the highest touch of that state.
    pub(in crate::journey) fn with<T, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Reader, i64) -> Result<T, E>,
    ) -> Result<T, E> {
        let (mut reader, low_mark) = self.take_in_time()?;
        let done = work(&mut reader, low_mark);
        let gone = if self.keeps_out { reader.let_go() } else { Ok(()) };
        let mut turns = self.turns();
        turns.idle.push(reader);
        turns.out -= 1;
        // A server that is away is waited for elsewhere, and without a state.
        let left = if turns.out == 0 && done.is_err() { turns.let_go() } else { Ok(()) };
        self.returned.notify_all();
        drop(turns);
        let done = done?;
        gone.and(left)?;
        Ok(done)
    }

    /// Takes a reader as soon as the application lets it see a state.
    fn take_in_time(&self) -> Result<(Reader, i64)> {
        for _ in 1..TRIES {
            match self.take() {
                Err(error) if error.class() == Class::Temporary => {
                    self.setting.stop.check()?;
                    self.setting.progress.tell(Event::Note(format!("{error}: it is waited for")));
                }
                taken => return taken,
            }
        }
        self.take()
    }

    fn take(&self) -> Result<(Reader, i64)> {
        let mut turns = self.turns();
        loop {
            let waits_for_all = !self.keeps_out && turns.held.is_none_or(|held| self.is_over(held));
            if waits_for_all && turns.out == 0 {
                self.renew(&mut turns)?;
            } else if !waits_for_all && !turns.idle.is_empty() {
                break;
            } else {
                turns = self.returned.wait(turns).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let mut reader =
            turns.idle.pop().ok_or_else(|| Error::internal("a turn without a reader"))?;
        let low_mark = match turns.held.filter(|_| !self.keeps_out) {
            Some(held) => held.low_mark,
            None => match reader.hold_once().and_then(|()| tail::head(&reader)) {
                Ok(low_mark) => low_mark,
                Err(error) => {
                    reader.let_go()?;
                    turns.idle.push(reader);
                    self.returned.notify_all();
                    return Err(error);
                }
            },
        };
        turns.out += 1;
        Ok((reader, low_mark))
    }

    /// Lets all readers go to the state that there is now.
    fn renew(&self, turns: &mut Turns) -> Result<()> {
        let gap = turns.held.map_or(Duration::ZERO, |_| GAP);
        turns.let_go()?;
        pause(gap);
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        door.let_in(&mut turns.idle)?;
        let first = turns.idle.first().ok_or_else(|| Error::internal("states without readers"))?;
        let (low_mark, log_bytes) = (tail::head(first)?, self.log_bytes()?);
        turns.held = Some(Held { low_mark, since: Instant::now(), log_bytes });
        Ok(())
    }

    fn is_over(&self, held: Held) -> bool {
        let grown = self.log_bytes().map_or(0, |bytes| bytes.saturating_sub(held.log_bytes));
        held.since.elapsed() > self.bounds.age || grown > self.bounds.log_bytes
    }

    fn log_bytes(&self) -> Result<u64> {
        Ok(self.inspected.source.stamp()?.log_bytes())
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
