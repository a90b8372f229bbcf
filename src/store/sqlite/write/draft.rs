//! A file that is made beside the place where it is going to be, and appears there whole or not at all.
//!
//! Its name tells what it is going to be: a process that dies leaves it to the next one that makes the same, and whoever
//! makes another one for the same place takes it away.

use crate::error::{Class, Error, Result};
use crate::store::sqlite::stamp::beside;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What SQLite may have beside a database; who finds one there takes it for the database's own.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// How far a draft has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It may have rows.
    Begun,
    /// All is in it.
    Filled,
}

/// A file in the making; it lies there until it is published or discarded.
#[derive(Debug)]
pub(super) struct Draft {
    destination: PathBuf,
    begun: PathBuf,
    filled: PathBuf,
    stage: Stage,
    /// Dropped last.
    _lock: Lock,
}

impl Draft {
    /// The draft of what `of` names, beside `destination`; nobody else can read it. One that an earlier process has left
    /// is taken on, whatever is in it.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where something is there already, or its folder is not; [`Class::Access`] where the folder cannot
    /// be written, or the draft is somebody else's; [`Class::Held`] where another process makes one.
    pub(super) fn take(destination: &Path, of: &str) -> Result<Self> {
        check_free(destination)?;
        let name = destination.file_name().unwrap_or_default();
        let prefix = format!(".liteferry-{}", short(name.as_bytes()));
        let folder = folder_of(destination);
        let lock = Lock::take(folder.join(format!("{prefix}.lock")))?;
        let [begun, filled] = ["", "-filled"]
            .map(|stage| folder.join(format!("{prefix}-{}{stage}.db", short(of.as_bytes()))));
        sweep(folder, &prefix, &[&begun, &filled]);
        let stage = if filled.exists() { Stage::Filled } else { Stage::Begun };
        let destination = destination.to_owned();
        let draft = Self { destination, begun, filled, stage, _lock: lock };
        draft.check_own()?;
        Ok(draft)
    }

    /// Makes the file, if it is not there, and fails where somebody else has put it there, or what SQLite would take for
    /// its journal.
    fn check_own(&self) -> Result<()> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path()) {
            Ok(_empty) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_own(self.path())?,
            Err(error) => return Err(unmade(error)),
        }
        BESIDE.iter().try_for_each(|suffix| check_own(&beside(self.path(), suffix)))
    }

    /// Begins again with an empty file.
    pub(super) fn renew(&mut self) -> Result<()> {
        self.discard();
        self.stage = Stage::Begun;
        self.check_own()
    }

    /// Where it is now.
    pub(super) fn path(&self) -> &Path {
        match self.stage {
            Stage::Begun => &self.begun,
            Stage::Filled => &self.filled,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Notes that all is in it; nobody has it open.
    pub(super) fn filled(&mut self) -> Result<()> {
        let named = fs::rename(&self.begun, &self.filled);
        named.map_err(|error| failed("cannot be named", error))?;
        self.stage = Stage::Filled;
        remove(&self.begun);
        Ok(())
    }

    /// Makes it durable and gives it its name, unless something has that by now.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where something has, and what the file system says.
    pub(super) fn publish(&self) -> Result<()> {
        let synced = File::open(self.path()).and_then(|file| file.sync_all());
        synced.map_err(|error| failed("cannot be written", error))?;
        // What came since would be taken for the journal of the new file.
        check_free(&self.destination)?;
        match rename(self.path(), &self.destination) {
            Ok(()) => self.discard(),
            Err(Errno::EXIST) => return Err(exists(&self.destination)),
            Err(error) => return Err(failed("cannot be named", error.into())),
        }
        let synced = File::open(folder_of(&self.destination)).and_then(|file| file.sync_all());
        synced.map_err(|error| failed("cannot be made durable in its folder", error))
    }

    /// Takes away all that there is of it.
    pub(super) fn discard(&self) {
        for path in [&self.begun, &self.filled] {
            remove(path);
        }
    }
}

/// Fails where something has the name, or is where a database of this name has its journal.
fn check_free(destination: &Path) -> Result<()> {
    let mut paths = [""].iter().chain(&BESIDE).map(|suffix| beside(destination, suffix));
    match paths.find(|path| fs::symlink_metadata(path).is_ok()) {
        Some(path) => Err(exists(&path)),
        None => Ok(()),
    }
}

/// Fails where something is there that is not a plain file that only this process's account can open.
fn check_own(path: &Path) -> Result<()> {
    let of = match fs::symlink_metadata(path) {
        Ok(of) => of,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unmade(error)),
    };
    let of_others = Mode::from_raw_mode(of.mode()) & (Mode::RWXG | Mode::RWXO);
    let is_own = of.uid() == geteuid().as_raw() && of_others.is_empty() && of.nlink() == 1;
    if of.is_file() && is_own {
        return Ok(());
    }
    let what = format!("{} is not a file of this account alone", path.display());
    Err(Error::new(Class::Access, what).todo("look at who has put it there, and remove it"))
}

/// Keeps others from making a file for the same place; the lock's file goes with it.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(path: PathBuf) -> Result<Self> {
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
                .open(&path)
                .map_err(|error| unmade(error).at(format!("lock {}", path.display())))?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::new(Class::Held, "another process is making this file")
                        .todo("let it end, or name another file"));
                }
                Err(error) => return Err(unmade(error.into())),
            }
            let locked = file.metadata().map_err(unmade)?;
            // Whoever had it before may have taken its name away meanwhile.
            if fs::symlink_metadata(&path).is_ok_and(|named| named.ino() == locked.ino()) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _left = fs::remove_file(&self.path);
    }
}

/// Takes away what earlier processes have left for the same place, but for some files.
fn sweep(folder: &Path, prefix: &str, kept: &[&PathBuf]) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let begins = format!("{prefix}-");
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_kept = kept.iter().any(|kept| {
            kept.file_name()
                .is_some_and(|kept| kept.to_str().is_some_and(|kept| name.starts_with(kept)))
        });
        if name.starts_with(&begins) && !is_kept {
            // What cannot be taken away is in nobody's way.
            let _left = fs::remove_file(path);
        }
    }
}

fn remove(path: &Path) {
    for path in [""].iter().chain(&BESIDE).map(|suffix| beside(path, suffix)) {
        // Most of them are not there.
        let _left = fs::remove_file(path);
    }
}

/// Some digits that tell one name from another.
fn short(name: &[u8]) -> String {
    blake3::hash(name).to_hex().chars().take(16).collect()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or_else(|| Path::new("."))
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

fn unmade(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(Class::Usage, "cannot be made: there is no such folder")
                .todo("make its folder first, or name another one")
                .because(error)
        }
        _ => failed("cannot be made", error),
    }
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
    use super::{Draft, Stage};
    use crate::error::Class;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_draft_appears_whole_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.db");
        let mut draft = Draft::take(&place, "a").unwrap();
        assert_eq!(Draft::take(&place, "a").unwrap_err().class(), Class::Held);
        assert_eq!(Draft::take(&place, "b").unwrap_err().class(), Class::Held);
        fs::write(draft.path(), "whole").unwrap();
        assert!(!place.exists());
        assert_eq!(fs::metadata(draft.path()).unwrap().permissions().mode() & 0o777, 0o600);
        draft.filled().unwrap();
        fs::write(&place, "other").unwrap();
        assert_eq!(draft.publish().unwrap_err().class(), Class::Usage);
        fs::rename(&place, folder.path().join("a.db-wal")).unwrap();
        assert_eq!(draft.publish().unwrap_err().class(), Class::Usage);
        fs::remove_file(folder.path().join("a.db-wal")).unwrap();
        draft.publish().unwrap();
        drop(draft);
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        assert_eq!(Draft::take(&place, "a").unwrap_err().class(), Class::Usage);
        assert_eq!(names(folder.path()), ["a.db"]);
    }

    #[test]
    fn a_draft_that_is_discarded_leaves_nothing_and_one_beside_a_foreign_journal_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.db");
        let draft = Draft::take(&place, "a").unwrap();
        fs::write(draft.path().with_extension("db-wal"), "x").unwrap();
        draft.discard();
        drop(draft);
        assert_eq!(names(folder.path()), [""; 0]);
        fs::write(folder.path().join("a.db-journal"), "somebody's").unwrap();
        assert_eq!(Draft::take(&place, "a").unwrap_err().class(), Class::Usage);
        let nowhere = folder.path().join("no").join("a.db");
        assert_eq!(Draft::take(&nowhere, "a").unwrap_err().class(), Class::Usage);
    }

    #[test]
    fn what_was_left_is_taken_on_by_who_makes_the_same_and_away_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.db");
        let leave = |of: &str, text: &str, is_filled: bool| {
            let mut draft = Draft::take(&place, of).unwrap();
            fs::write(draft.path(), text).unwrap();
            if is_filled {
                draft.filled().unwrap();
            }
        };
        leave("a", "half", false);
        let draft = Draft::take(&place, "a").unwrap();
        assert_eq!(
            (fs::read(draft.path()).unwrap(), draft.stage()),
            (b"half".into(), Stage::Begun)
        );
        drop(draft);
        leave("a", "all", true);
        let mut draft = Draft::take(&place, "a").unwrap();
        assert_eq!(
            (fs::read(draft.path()).unwrap(), draft.stage()),
            (b"all".into(), Stage::Filled)
        );
        draft.renew().unwrap();
        assert_eq!((fs::read(draft.path()).unwrap(), draft.stage()), (b"".into(), Stage::Begun));
        drop(draft);
        leave("a", "half", false);
        Draft::take(&folder.path().join("b.db"), "a").unwrap().discard();
        assert_eq!(names(folder.path()).len(), 1);
        Draft::take(&place, "b").unwrap().discard();
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn a_file_that_somebody_else_has_put_there_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a.db");
        let draft = Draft::take(&place, "a").unwrap();
        let path = draft.path().to_owned();
        drop(draft);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Draft::take(&place, "a").unwrap_err().class(), Class::Access);
        fs::remove_file(&path).unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "other").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(Draft::take(&place, "a").unwrap_err().class(), Class::Access);
        assert_eq!(fs::read(&other).unwrap(), b"other");
        fs::remove_file(&path).unwrap();
        // SQLite would play it back.
        std::os::unix::fs::symlink(&other, path.with_extension("db-journal")).unwrap();
        assert_eq!(Draft::take(&place, "a").unwrap_err().class(), Class::Access);
    }
}
