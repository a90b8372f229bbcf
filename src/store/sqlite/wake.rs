//! Waking up when somebody commits to a followed source.
//!
//! A commit writes to the file or to its write-ahead log, which the system tells at once; whether it was a commit, and
//! whether it can be seen already, SQLite says by its data version. Where the system tells nothing (another file system,
//! another system), SQLite is asked ten times a second.

use super::connection::{Refused, Source};
use super::failure::is_locked;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// How often SQLite is asked without a reason.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// When SQLite is asked again after a write: some are told before what they committed can be seen.
const ASK_AGAIN: [Duration; 3] =
    [Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(4)];

/// Waits for commits.
#[derive(Debug)]
pub struct Wake {
    connection: Connection,
    seen: i64,
    writes: Writes,
}

impl Wake {
    /// From now on.
    ///
    /// # Errors
    ///
    /// A source that cannot be opened.
    pub fn new(source: &Source) -> Result<Self> {
        let folder = source.path().parent().unwrap_or_else(|| source.path());
        // Watched before it is asked, so that nothing is missed in between.
        Self::told_by(Writes::of(folder), source)
    }

    fn told_by(writes: Writes, source: &Source) -> Result<Self> {
        let connection = source.connect()?;
        let seen = data_version(&connection)?;
        // Who keeps readers out has not committed yet.
        connection.busy_timeout(Duration::ZERO).refused(|| "source".into())?;
        Ok(Self { connection, seen, writes })
    }

    /// Waits until somebody has committed since the last time; false where nobody has for so long.
    ///
    /// # Errors
    ///
    /// A stop; a source that cannot be read.
    pub fn wait(&mut self, patience: Duration, stop: &Stop) -> Result<bool> {
        let began = Instant::now();
        loop {
            stop.check()?;
            if self.has_changed()? {
                return Ok(true);
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            if self.writes.wait(left.min(POLL_EVERY))? {
                for moment in ASK_AGAIN {
                    if self.has_changed()? {
                        return Ok(true);
                    }
                    pause(moment);
                }
            }
        }
    }

    fn has_changed(&mut self) -> Result<bool> {
        match data_version(&self.connection) {
            Err(error) if is_locked(&error) => Ok(false),
            now => {
                let now = now?;
                Ok(std::mem::replace(&mut self.seen, now) != now)
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when what was written can be seen")]
fn pause(moment: Duration) {
    std::thread::sleep(moment);
}

fn data_version(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).refused(|| "source".into())
}

fn cannot_watch(error: rustix::io::Errno) -> Error {
    Error::internal("the source's folder cannot be watched").because(std::io::Error::from(error))
}

#[cfg(target_os = "linux")]
use told::Writes;

/// What the system tells of writes to files of a folder.
#[cfg(target_os = "linux")]
mod told {
    use super::{cannot_watch, pause};
    use crate::error::Result;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::io::Errno;
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::time::Duration;

    #[derive(Debug)]
    pub(super) struct Writes {
        /// None where the system has no more to give: then the clock wakes up.
        pub(super) events: Option<OwnedFd>,
    }

    impl Writes {
        pub(super) fn of(folder: &Path) -> Self {
            let kinds = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::DELETE;
            let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
            let is_watched = |events: &OwnedFd| inotify::add_watch(events, folder, kinds).is_ok();
            Self { events: events.filter(is_watched) }
        }

        /// Waits for a write; false where there is none for so long.
        pub(super) fn wait(&self, patience: Duration) -> Result<bool> {
            let Some(events) = &self.events else {
                pause(patience);
                return Ok(false);
            };
            let mut sources = [PollFd::new(events, PollFlags::IN)];
            let patience = Timespec::try_from(patience).ok();
            match poll(&mut sources, patience.as_ref()) {
                Ok(0) | Err(Errno::INTR) => return Ok(false),
                Ok(_) => {}
                Err(error) => return Err(cannot_watch(error)),
            }
            // What they are does not matter: they are taken away, so that only new ones wake up again.
            let mut told = [0; 4096];
            loop {
                match rustix::io::read(events, &mut told) {
                    Ok(0) | Err(Errno::AGAIN) => return Ok(true),
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(cannot_watch(error)),
                }
            }
        }
    }
}

/// Where the system tells nothing, only the clock wakes up.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Writes;

#[cfg(not(target_os = "linux"))]
impl Writes {
    fn of(_folder: &std::path::Path) -> Self {
        Self
    }

    fn wait(&self, patience: Duration) -> Result<bool> {
        pause(patience);
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::Wake;
    use crate::pipeline::Stop;
    use crate::store::sqlite::connection::Source;
    use rusqlite::Connection;
    use std::time::Duration;

    #[test]
    fn who_keeps_all_others_out_has_not_committed_yet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("CREATE TABLE t (a)").unwrap();
        let stop = Stop::default();
        let mut wake = Wake::new(&Source::open(&path, false, &stop).unwrap()).unwrap();
        writer.execute_batch("BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)").unwrap();
        assert!(!wake.wait(Duration::from_millis(10), &stop).unwrap());
        writer.execute_batch("COMMIT").unwrap();
        assert!(wake.wait(Duration::from_mins(1), &stop).unwrap());
    }

    #[test]
    fn each_commit_of_another_connection_wakes_up_and_nothing_else_does() {
        for mode in ["WAL", "DELETE"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.db");
            let writer = Connection::open(&path).unwrap();
            writer
                .execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (a)"))
                .unwrap();
            let stop = Stop::default();
            let source = Source::open(&path, false, &stop).unwrap();
            let mut wake = Wake::new(&source).unwrap();
            assert!(!wake.wait(Duration::from_millis(5), &stop).unwrap(), "{mode}: nothing yet");
            for _ in 0..3 {
                writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
                assert!(wake.wait(Duration::from_mins(1), &stop).unwrap(), "{mode}");
                assert!(!wake.wait(Duration::from_millis(5), &stop).unwrap(), "{mode}: only once");
            }
            writer.execute_batch("BEGIN; INSERT INTO t VALUES (1); ROLLBACK").unwrap();
            assert!(!wake.wait(Duration::from_millis(20), &stop).unwrap(), "{mode}: rolled back");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_system_that_tells_nothing_leaves_it_to_the_clock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("CREATE TABLE t (a)").unwrap();
        let stop = Stop::default();
        let source = Source::open(&path, false, &stop).unwrap();
        assert!(super::Writes::of(&path.join("nowhere")).events.is_none());
        let mut wake = Wake::told_by(super::Writes { events: None }, &source).unwrap();
        assert!(!wake.wait(Duration::from_millis(5), &stop).unwrap());
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert!(wake.wait(Duration::from_mins(1), &stop).unwrap());
    }
}
