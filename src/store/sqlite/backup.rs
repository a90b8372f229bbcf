//! A whole file as one state of it, by SQLite's own backup, and a whole file put where none is.
//!
//! Of a source with a write-ahead log one transaction sees that state, and its writers go on. Any other one is copied in
//! steps, between which its writers get their turn; then SQLite begins again: <https://www.sqlite.org/backup.html>.

use super::connection::{Refused, Source, refused};
use super::read::{Reader, has_write_ahead_log};
use super::scratch::Scratch;
use super::stamp::beside;
use crate::error::{Class, Error, Place, Result};
use crate::pipeline::Stop;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages of a step: some megabytes.
const STEP_PAGES: i32 = 1024;
/// Pause between two steps that keep writers out, and before a step is tried again.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a source that is written to is begun again with.
const RESTARTS: u32 = 100;
/// How often a source that is locked is tried: some ten seconds.
const BUSY: u32 = 2000;

/// Copies all of a source into a new file.
///
/// # Errors
///
/// [`Class::Temporary`]: the source is locked, or written to faster than it is copied; else as it is read, or `file`
/// cannot be written.
pub fn copy(source: &Source, file: &Path, stop: &Stop) -> Result<()> {
    let at = || format!("source {}", source.path().display());
    let mut reader = Reader::of_moving(source.connect()?);
    let is_held = has_write_ahead_log(reader.connection()).at(at)?;
    if is_held {
        reader.hold().at(at)?;
    }
    let mut copy = Connection::open(file).refused(|| format!("backup {}", file.display()))?;
    let backup = Backup::new(reader.connection(), &mut copy).map_err(refused).at(at)?;
    let (mut left, mut restarts, mut busy) = (i32::MAX, 0, 0);
    loop {
        stop.check()?;
        match backup.step(STEP_PAGES).map_err(refused).at(at)? {
            StepResult::Done => return Ok(()),
            StepResult::More => busy = 0,
            _ => busy += 1,
        }
        let now = backup.progress().remaining;
        restarts += u32::from(busy == 0 && now > left);
        if restarts > RESTARTS || busy > BUSY {
            return Err(too_busy()).at(at);
        }
        if busy == 0 {
            left = now;
        }
        if !is_held || busy > 0 {
            stop.wait(PAUSE)?;
        }
    }
}

fn too_busy() -> Error {
    Error::new(Class::Temporary, "it is locked, or written to faster than it can be copied")
        .todo("run it again when less is written, or give the database a write-ahead log")
}

/// Makes sure that a file is a whole SQLite database, each page and each index of it.
///
/// # Errors
///
/// [`Class::Data`]: it is none, or damaged.
pub fn check(file: &Path, stop: &Stop) -> Result<()> {
    let source = Source::open(file, false, stop)?;
    let connection = source.connect()?;
    let said: String = connection
        .query_row("PRAGMA main.integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| stop.named(refused(error)))?;
    if said == "ok" {
        return Ok(());
    }
    Err(Error::new(Class::Data, format!("it is damaged: {said}"))
        .todo("restore an older backup, or move what can be read with --accept-corrupt"))
}

/// A database on its way to a place where there must be none: written in a folder beside it that nobody else may enter.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    folder: Scratch,
}

impl NewFile {
    /// Begins the file that shall be at a path.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: a file is there, or a journal that SQLite would take for its own; [`Class::Access`] or
    /// [`Class::Temporary`]: its folder cannot be written to.
    pub fn begin(path: &Path) -> Result<Self> {
        let at = || format!("SQLite file {}", path.display());
        for suffix in ["", "-wal", "-journal", "-shm"] {
            let other = beside(path, suffix);
            if other.symlink_metadata().is_ok() {
                return Err(exists(&other)).at(at);
            }
        }
        let folder = Scratch::beside(folder_of(path)).map_err(unwritten).at(at)?;
        Ok(Self { path: path.into(), folder })
    }

    /// Where it is written.
    pub fn draft(&self) -> PathBuf {
        self.folder.path().join("draft.db")
    }

    /// Puts it in its place, durably.
    ///
    /// # Errors
    ///
    /// As [`Self::begin`]: a file is there by now.
    pub fn place(self) -> Result<()> {
        let place = || {
            let draft = self.draft();
            File::open(&draft).and_then(|file| file.sync_all()).map_err(unwritten)?;
            match renameat_with(CWD, &draft, CWD, &self.path, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) => return Err(exists(&self.path)),
                Err(error) => return Err(unwritten(error.into())),
            }
            let folder = File::open(folder_of(&self.path));
            folder.and_then(|folder| folder.sync_all()).map_err(unwritten)
        };
        place().at(|| format!("SQLite file {}", self.path.display()))
    }
}

/// The folder that a path leads into.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn exists(path: &Path) -> Error {
    Error::new(Class::Usage, format!("{} is there already, and is not replaced", path.display()))
        .todo("move it away, or name another file")
}

fn unwritten(error: io::Error) -> Error {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Class::Access,
        io::ErrorKind::NotFound => Class::Usage,
        _ => Class::Temporary,
    };
    Error::new(class, "it cannot be written").because(error)
}
