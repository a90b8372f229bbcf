//! Opening the source: read-only, defensive, and without leaving a trace where that can be had.
//!
//! The file is never opened by any other means than SQLite while a connection is open: closing such a handle would
//! drop all of this process's locks on it (<https://www.sqlite.org/howtocorrupt.html>, 2.2). Its identity is taken by
//! `stat` alone.

use super::collation::stand_in;
use super::failure::Unreadable;
pub(super) use super::failure::{Refused, refused};
use super::guard::{Damage, guard, guard_writer};
use super::lock_out;
pub use super::stamp::FileStamp;
use super::stamp::beside;
use crate::error::{Class, Error, Result};
use crate::model::Motion;
use crate::pipeline::Stop;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use rustix::fs::Access;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A source file and how it is reached.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    reach: Reach,
    /// Whether it is written to meanwhile.
    motion: Motion,
    /// Whether a damaged file is read as far as that can be done.
    accept_corrupt: bool,
    /// Why SQLite would not open the file, where that was overcome.
    broken: Option<String>,
    /// Whether there was no write-ahead log when the file was found.
    without_log: bool,
    /// Whether it is somebody else's, and reading it makes files beside it.
    makes_others_log: bool,
    /// Ends every statement.
    stop: Stop,
}

#[derive(Debug)]
enum Reach {
    /// The file itself.
    Direct,
    /// The file itself, without locks: its folder cannot be written, and there is no write-ahead log.
    Immutable(FileStamp),
    /// A copy with its write-ahead log merged: their folder cannot be written, so the log could not be read in place.
    Copied(Copy),
}

/// A copy that lives as long as the run.
#[derive(Debug)]
struct Copy {
    file: PathBuf,
    /// What was copied.
    stamp: FileStamp,
    _folder: tempfile::TempDir,
}

impl Source {
    /// Finds the file and makes sure that it is a SQLite database that can be read; with `accept_corrupt`, that some of
    /// it can.
    ///
    /// Symbolic links are followed here, once; from then on they are refused.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where there is no such file, [`Class::Data`] where it is no readable database,
    /// [`Class::Access`] where it may not be read.
    pub fn open(path: &Path, accept_corrupt: bool, stop: &Stop) -> Result<Self> {
        Self::find(path, accept_corrupt, Motion::AtRest, stop)
    }

    fn find(path: &Path, accept_corrupt: bool, motion: Motion, stop: &Stop) -> Result<Self> {
        let at = || format!("source {}", path.display());
        let has_log = |path| fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
        let not_found = |error: io::Error| {
            let told = match error.kind() {
                io::ErrorKind::PermissionDenied => may_not(error),
                io::ErrorKind::NotFound if has_log(path) => {
                    Error::new(Class::Data, "is not there, but its write-ahead log is")
                        .todo(COPY_BOTH)
                        .because(error)
                }
                _ => Error::new(Class::Usage, "cannot be found")
                    .todo("give the path of a SQLite file")
                    .because(error),
            };
            told.at(at())
        };
        let found = fs::canonicalize(path).map_err(not_found)?;
        let bytes = fs::metadata(&found).map_err(not_found)?;
        if !bytes.is_file() {
            return Err(Error::new(Class::Usage, "is not a file")
                .todo("give the path of a SQLite file")
                .at(at()));
        }
        // SQLite itself would take it for a new database, and delete its write-ahead log.
        let has_log = has_log(&found);
        if bytes.len() == 0 {
            let (what, todo) = if has_log {
                ("is empty, but its write-ahead log is not", COPY_BOTH)
            } else {
                (
                    "is empty: it has no tables and no rows",
                    "give the file that the application writes to",
                )
            };
            return Err(Error::new(Class::Data, what).todo(todo).at(at()));
        }
        let mut source = Self {
            reach: Reach::Direct,
            motion,
            accept_corrupt,
            broken: None,
            without_log: !has_log,
            makes_others_log: lock_out::is_made_by_reading(&found),
            stop: stop.clone(),
            path: found,
        };
        if !source.may_make_files() {
            source.reach = reach_without_writing(&source.path, &mut || {})?;
        }
        if let Err(error) = source.connect() {
            match Unreadable::of(&error) {
                Some(Unreadable::Damaged(reason)) if accept_corrupt => source.broken = Some(reason),
                _ => return Err(error),
            }
            source.connect().map_err(|error| error.todo("restore it from a backup"))?;
        }
        Ok(source)
    }

    /// Whether SQLite can make its files beside the database, and they lock nobody out of one that is at rest. Where it
    /// moves, there is no way around them, and each connection says so.
    fn may_make_files(&self) -> bool {
        let locks_out = self.motion == Motion::AtRest && self.check_log().is_err();
        !locks_out && !self.connect().is_err_and(|error| is_cannot_open(&error))
    }

    /// Makes sure that reading the file locks nobody out of it.
    fn check_log(&self) -> Result<()> {
        if self.makes_others_log && matches!(self.reach, Reach::Direct) {
            return lock_out::check(&self.path);
        }
        Ok(())
    }

    /// Finds a file that is written to, as [`Self::open`] does. Its connections write nothing either, but could: only so
    /// SQLite rolls back what a writer that died left half done (one of liteferry's own, perhaps), and can tell that from
    /// what one is about to commit.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_moving(path: &Path, accept_corrupt: bool, stop: &Stop) -> Result<Self> {
        Self::find(path, accept_corrupt, Motion::Moving, stop)
    }

    /// The file's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new connection: read-only, guarded, without memory mapping and without anything of the schema trusted.
    ///
    /// # Errors
    ///
    /// [`Class::Data`] where the file is no readable database, [`Class::Temporary`] where it is locked.
    pub fn connect(&self) -> Result<Connection> {
        self.connect_under(&self.stop)
    }

    /// The same, for work that is stopped by another stop than all else.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_under(&self, stop: &Stop) -> Result<Connection> {
        self.check_log()
            .and_then(|()| self.connect_raw(stop).map_err(|error| stop.named(refused(error))))
            .map_err(|error| error.at(format!("source {}", self.path.display())))
    }

    /// A connection for the few things that are written to a source that is followed: in short transactions, without
    /// checkpoints, and without the application's triggers.
    ///
    /// # Errors
    ///
    /// [`Class::Access`] where the file, or its folder, cannot be written.
    pub(super) fn connect_to_write(&self) -> Result<Connection> {
        self.check_writable()?;
        let at = |error: Error| error.at(format!("source {}", self.path.display()));
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let opened = Connection::open_with_flags(&self.path, flags).and_then(|mut connection| {
            guard_writer(&mut connection)?;
            first_read(&connection)?;
            Ok(connection)
        });
        opened.map_err(|error| at(self.stop.named(refused(error))))
    }

    /// Makes sure that the file system lets this process write to it, and that this locks nobody out.
    ///
    /// # Errors
    ///
    /// [`Class::Access`] where it does not, or would.
    pub fn check_writable(&self) -> Result<()> {
        let may_write = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).is_ok();
        // A write-ahead log that is there need not be made.
        let has_place =
            || self.path.parent().is_some_and(may_write) || may_write(&beside(&self.path, "-wal"));
        let is_writable = matches!(self.reach, Reach::Direct)
            && self.broken.is_none()
            && may_write(&self.path)
            && has_place();
        if is_writable {
            // It has files beside it while it is written to, whatever its journal.
            return lock_out::check(&self.path)
                .map_err(|error| error.at(format!("source {}", self.path.display())));
        }
        Err(Error::new(Class::Access, "cannot be followed, because it cannot be written to")
            .todo("make the file and its folder writable, or move it at rest with --no-capture")
            .at(format!("source {}", self.path.display())))
    }

    /// Whether a damaged file is read as far as that can be done.
    pub fn accepts_corrupt(&self) -> bool {
        self.accept_corrupt
    }

    /// Why SQLite would not open the file as it is, where that was overcome.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Whether there was no write-ahead log, or an empty one, when the file was found.
    pub fn is_without_log(&self) -> bool {
        self.without_log
    }

    /// What the file system says of the file and its write-ahead log.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where the file is gone.
    pub fn stamp(&self) -> Result<FileStamp> {
        FileStamp::of(&self.path)
    }

    /// The stamp from before anything was read that is not locked: what is written from then on changes it.
    ///
    /// # Errors
    ///
    /// As [`Self::stamp`].
    pub fn first_stamp(&self) -> Result<FileStamp> {
        match &self.reach {
            Reach::Direct => self.stamp(),
            Reach::Immutable(stamp) | Reach::Copied(Copy { stamp, .. }) => Ok(stamp.clone()),
        }
    }

    fn connect_raw(&self, stop: &Stop) -> rusqlite::Result<Connection> {
        let common = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let flags = common | OpenFlags::SQLITE_OPEN_READ_ONLY;
        let mut connection = match &self.reach {
            Reach::Direct if self.motion == Motion::Moving => {
                Connection::open_with_flags(&self.path, common | OpenFlags::SQLITE_OPEN_READ_WRITE)?
            }
            Reach::Direct => Connection::open_with_flags(&self.path, flags)?,
            Reach::Immutable(_) => Connection::open_with_flags(
                immutable_uri(&self.path),
                flags | OpenFlags::SQLITE_OPEN_URI,
            )?,
            Reach::Copied(copy) => Connection::open_with_flags(&copy.file, flags)?,
        };
        let damage = match self.broken {
            Some(_) => Damage::Overcome,
            None if self.accept_corrupt => Damage::Accepted,
            None => Damage::Refused,
        };
        stand_in(&connection)?;
        guard(&mut connection, damage, stop)?;
        match first_read(&connection) {
            // What SQLite does not understand of a schema fails the first statement only; the rest is there then.
            Err(_) if damage == Damage::Overcome => first_read(&connection)?,
            first => first?,
        }
        Ok(connection)
    }
}

/// Finds out whether this is a database at all.
fn first_read(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE rowid < 0", [], |row| {
            row.get::<_, i64>(0)
        })
        .map(drop)
}

const COPY_NAME: &str = "source.db";

/// What to do where a database came without the half of it.
const COPY_BOTH: &str = "copy the file and its `-wal` again, together";

/// A way to read a file in write-ahead mode whose folder takes no new files, so that SQLite cannot make its index of
/// the log there. Whoever may write there does not wait for the copy, and may merge the log between its halves: `between`
/// is called there.
fn reach_without_writing(path: &Path, between: &mut dyn FnMut()) -> Result<Reach> {
    let failed = |error: io::Error| {
        let told = if error.kind() == io::ErrorKind::PermissionDenied {
            may_not(error)
        } else {
            Error::new(
                Class::Data,
                "cannot be copied: its folder cannot be written, and its write-ahead log is not merged",
            )
            .todo("make its folder writable, or merge the log with `PRAGMA wal_checkpoint(TRUNCATE)`")
            .because(error)
        };
        told.at(format!("source {}", path.display()))
    };
    let folder = tempfile::Builder::new().prefix("liteferry-").tempdir().map_err(failed)?;
    let file = folder.path().canonicalize().map_err(failed)?.join(COPY_NAME);
    for _ in 0..COPIES_MAX {
        let stamp = FileStamp::of(path)?;
        if !stamp.has_log() {
            return Ok(Reach::Immutable(stamp));
        }
        fs::copy(path, &file).map_err(failed)?;
        between();
        match fs::copy(beside(path, "-wal"), beside(&file, "-wal")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            copied => copied.map_err(failed)?,
        };
        if FileStamp::of(path)? == stamp {
            return Ok(Reach::Copied(Copy { file, stamp, _folder: folder }));
        }
    }
    Err(Error::new(Class::Temporary, "was written to each time that it was copied")
        .todo("stop what writes to it, or make its folder writable, and run the same command again")
        .at(format!("source {}", path.display())))
}

/// How often a file and its log are copied until they are of one moment.
const COPIES_MAX: usize = 5;

fn may_not(error: io::Error) -> Error {
    Error::new(Class::Access, "may not be read")
        .todo("check the permissions of the file and of its folder")
        .because(error)
}

/// A `file:` URI: everything but the plainest characters is percent-encoded.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file://");
    for &byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri + "?immutable=1"
}

/// Whether SQLite could not make its files beside the database: it has a code for a folder that it may not write to,
/// and uses that or the general one, by what is there already.
fn is_cannot_open(error: &Error) -> bool {
    let cause =
        std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    let code = cause.and_then(rusqlite::Error::sqlite_error);
    code.is_some_and(|code| {
        code.code == ErrorCode::CannotOpen || code.extended_code == ffi::SQLITE_READONLY_DIRECTORY
    })
}

#[cfg(test)]
mod tests {
    use super::{Copy, Reach, Source, immutable_uri, reach_without_writing};
    use crate::error::Class;
    use crate::pipeline::Stop;
    use rusqlite::{Connection, OpenFlags};
    use std::path::Path;

    fn open(path: &Path) -> crate::Result<Source> {
        Source::open(path, false, &Stop::default())
    }

    #[test]
    fn files_that_are_no_databases_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(open(&folder.path().join("none.db")).unwrap_err().class(), Class::Usage);
        assert_eq!(open(&file("empty.db", b"")).unwrap_err().class(), Class::Data);
        let error = open(&file("noise.db", &[7; 4096])).unwrap_err();
        assert_eq!(error.class(), Class::Data);
        assert!(error.to_string().contains("no SQLite database"), "{error}");
    }

    #[test]
    fn a_connection_can_neither_write_nor_be_tricked_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file:x?mode=memory#%20.db");
        Connection::open_with_flags(
            &path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )
        .unwrap()
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1)")
        .unwrap();
        let source = open(&path).unwrap();
        let connection = source.connect().unwrap();
        assert_eq!(
            connection.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap(),
            1
        );
        assert!(connection.execute_batch("INSERT INTO t VALUES (2)").is_err());
        assert!(connection.is_readonly("main").unwrap());
        // Nor where it must be given as an address.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(immutable_uri(&path), flags).unwrap();
        assert!(connection.table_exists(None, "t").unwrap());
    }

    #[test]
    fn a_link_that_takes_the_place_of_the_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.db"), folder.path().join("b.db"));
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let source = open(&path).unwrap();
        source.connect().unwrap();
        std::fs::rename(&path, &other).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert_eq!(source.connect().unwrap_err().class(), Class::Access);
    }

    #[test]
    fn a_commit_changes_the_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(a)").unwrap();
        let source = open(&path).unwrap();
        let before = source.stamp().unwrap();
        assert_eq!(before, source.stamp().unwrap());
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let after = source.stamp().unwrap();
        assert_ne!(before, after);
        assert!(before.is_same_file(&after));
    }

    #[test]
    fn a_file_and_its_log_are_copied_as_of_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(a)").unwrap();
        // Each merges the log and begins it anew.
        let write =
            "INSERT INTO t VALUES (1); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES (2)";
        let mut writes = 2;
        let reach = reach_without_writing(&path, &mut || {
            if writes > 0 {
                writes -= 1;
                writer.execute_batch(write).unwrap();
            }
        });
        let Ok(Reach::Copied(Copy { file, .. })) = &reach else { panic!("{reach:?}") };
        let copy = Connection::open(file).unwrap();
        let rows: i64 = copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 4);
        let always = reach_without_writing(&path, &mut || writer.execute_batch(write).unwrap());
        assert_eq!(always.unwrap_err().class(), Class::Temporary);
    }

    #[test]
    fn a_log_that_appears_after_none_was_found_changes_the_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch(
                "PRAGMA journal_mode=WAL; CREATE TABLE t(a); PRAGMA wal_checkpoint(TRUNCATE)",
            )
            .unwrap();
        let mut source = open(&path).unwrap();
        source.reach = reach_without_writing(&path, &mut || {}).unwrap();
        assert!(matches!(source.reach, Reach::Immutable(_)), "{source:?}");
        assert_eq!(source.first_stamp().unwrap(), source.stamp().unwrap());
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert_ne!(source.first_stamp().unwrap(), source.stamp().unwrap());
    }
}
