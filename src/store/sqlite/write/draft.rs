//! A file that is made beside the place where it is going to be, and appears there whole or not at all.

use crate::error::{Class, Error, Result};
use crate::store::sqlite::stamp::beside;
use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::id;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells apart the drafts of one process.
static COUNT: AtomicU64 = AtomicU64::new(0);
/// What SQLite may have beside a database; who finds one there takes it for the database's own.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A file in the making; dropping it takes it away.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    destination: PathBuf,
    is_named: bool,
}

impl Draft {
    /// An empty file that nobody else can read, beside `destination`.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where something is there already, or its folder is not; [`Class::Access`] where the folder cannot
    /// be written.
    pub(super) fn new(destination: &Path) -> Result<Self> {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let path = beside(destination, suffix);
            if fs::symlink_metadata(&path).is_ok() {
                return Err(exists(&path));
            }
        }
        let folder = match destination.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(OsString::from(format!(".liteferry-{}-{count}.db", id())));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(_empty) => {
                    let destination = destination.to_owned();
                    return Ok(Self { path, destination, is_named: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(Error::new(
                        Class::Usage,
                        "cannot be made: there is no such folder",
                    )
                    .todo("make its folder first, or name another one")
                    .because(error));
                }
                Err(error) => return Err(failed("cannot be made", error)),
            }
        }
    }

    /// Where it is now.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it durable and gives it its name, unless something has that by now.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where something has, and what the file system says.
    pub(super) fn publish(mut self) -> Result<()> {
        let synced = File::open(&self.path).and_then(|file| file.sync_all());
        synced.map_err(|error| failed("cannot be written", error))?;
        match rename(&self.path, &self.destination) {
            Ok(()) => self.is_named = true,
            Err(Errno::EXIST) => return Err(exists(&self.destination)),
            Err(error) => return Err(failed("cannot be named", error.into())),
        }
        let folder = self.destination.parent().filter(|folder| *folder != Path::new(""));
        let synced =
            File::open(folder.unwrap_or_else(|| Path::new("."))).and_then(|file| file.sync_all());
        synced.map_err(|error| failed("cannot be made durable in its folder", error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.is_named {
            return;
        }
        for path in [""].iter().chain(&BESIDE).map(|suffix| beside(&self.path, suffix)) {
            // Most of them are not there.
            let _left = fs::remove_file(path);
        }
    }
}

/// Names a file where nothing has the name. Where the file system cannot do both at once, a link can.
fn rename(from: &Path, to: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())?;
            rustix::fs::unlink(from)
        }
        renamed => renamed,
    }
}

fn exists(path: &Path) -> Error {
    Error::new(Class::Usage, format!("{} exists already", path.display()))
        .todo("name a file that does not exist, or move that one away")
}

fn failed(what: &str, error: io::Error) -> Error {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Class::Access,
        _ => Class::Temporary,
    };
    let todo = match class {
        Class::Access => "name a folder that can be written to",
        _ => "make room on its disk, and run the same command again",
    };
    Error::new(class, what).todo(todo).because(error)
}

#[cfg(test)]
mod tests {
    use super::Draft;
    use crate::error::Class;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_draft_appears_whole_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let place = folder.path().join("a.db");
        let draft = Draft::new(&place).unwrap();
        let late = Draft::new(&place).unwrap();
        fs::write(draft.path(), "whole").unwrap();
        assert!(!place.exists());
        assert_eq!(fs::metadata(draft.path()).unwrap().permissions().mode() & 0o777, 0o600);
        draft.publish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        assert_eq!(late.publish().unwrap_err().class(), Class::Usage);
        assert_eq!(Draft::new(&place).unwrap_err().class(), Class::Usage);
        assert_eq!(names(), ["a.db"]);
        assert_eq!(fs::read(&place).unwrap(), b"whole");
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_nothing_and_one_beside_a_foreign_journal_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.db");
        let draft = Draft::new(&place).unwrap();
        fs::write(draft.path().with_extension("db-wal"), "x").unwrap();
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join("a.db-journal"), "somebody's").unwrap();
        assert_eq!(Draft::new(&place).unwrap_err().class(), Class::Usage);
        let nowhere = folder.path().join("no").join("a.db");
        assert_eq!(Draft::new(&nowhere).unwrap_err().class(), Class::Usage);
    }
}
