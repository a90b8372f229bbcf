//! Who writes to a local archive and who prunes it, kept apart by a lock on a file of the archive: it ends with its
//! process, however that ends.

use super::{Alone, failed, held};
use crate::error::{Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The file that is locked; no [`Name`](super::Name) begins so. It is never taken away: who had waited for it would hold
/// a file that nobody else sees.
const LOCK: &str = ".lock";
/// A pruning takes seconds; who would write waits for it that long, and looks that often.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(100);

/// A lock, for as long as it is not dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: OwnedFd,
}

impl Lock {
    /// Lets in those who write; waits for one who prunes.
    pub(super) fn shared(root: &OwnedFd) -> Result<Self> {
        let file = open(root)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(Errno::WOULDBLOCK) if Instant::now() < until => super::pause(PAUSE),
                Err(Errno::WOULDBLOCK) => return Err(held("another run is pruning it")),
                Err(error) => return Err(unlocked(error)),
            }
        }
    }

    /// Lets in nobody else.
    pub(super) fn alone(root: &OwnedFd) -> Result<Self> {
        let file = open(root)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(held("a run is writing to it")),
            Err(error) => Err(unlocked(error)),
        }
    }
}

impl Alone for Lock {
    fn keep(&self) -> Result<()> {
        Ok(())
    }
}

fn open(root: &OwnedFd) -> Result<OwnedFd> {
    let flags = OFlags::RDWR
        .union(OFlags::CREATE)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::NONBLOCK)
        .union(OFlags::CLOEXEC);
    rustix::fs::openat(root, LOCK, flags, Mode::RUSR.union(Mode::WUSR)).map_err(|error| match error
    {
        Errno::LOOP => super::folder::unopened(LOCK, error),
        error => failed("open its lock", error),
    })
}

fn unlocked(error: Errno) -> Error {
    failed("lock it", error)
}
