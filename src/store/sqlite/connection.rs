//! Opening the source: read-only, defensive, and without leaving a trace where that can be had.
//!
//! The file is never opened by any other means than SQLite while a connection is open: closing such a handle would
//! drop all of this process's locks on it (<https://www.sqlite.org/howtocorrupt.html>, 2.2). Its identity is taken by
//! `stat` alone.

use super::collation::stand_in;
use crate::error::{Class, Error, Place, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a read waits for a writer that holds the file exclusively.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A source file and how it is reached.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    reach: Reach,
}

#[derive(Debug)]
enum Reach {
    /// The file itself.
    Direct,
    /// The file itself, without locks: its folder cannot be written, and there is no write-ahead log.
    Immutable,
    /// A copy with its write-ahead log merged: their folder cannot be written, so the log could not be read in place.
    Copied(tempfile::TempDir),
}

/// What `stat` says of the file and its write-ahead log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_ns: i128,
    wal_bytes: u64,
    wal_modified_ns: i128,
}

impl FileStamp {
    /// The file's size, without its write-ahead log.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether both stamps are of the same file, whatever was written to it.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl Source {
    /// Finds the file and makes sure that it is a SQLite database that can be read.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where there is no such file, [`Class::Data`] where it is no readable database.
    pub fn open(path: &Path) -> Result<Self> {
        let at = || format!("source {}", path.display());
        let found = fs::canonicalize(path).map_err(|error| {
            Error::new(Class::Usage, "cannot be found")
                .todo("give the path of a SQLite file")
                .because(error)
                .at(at())
        })?;
        let bytes = fs::metadata(&found)
            .map_err(|error| Error::new(Class::Data, "cannot be read").because(error).at(at()))?;
        if !bytes.is_file() {
            return Err(Error::new(Class::Usage, "is not a file")
                .todo("give the path of a SQLite file")
                .at(at()));
        }
        if bytes.len() == 0 {
            return Err(Error::new(Class::Data, "is empty: it has no tables and no rows")
                .todo("give the file that the application writes to")
                .at(at()));
        }
        let mut source = Self { path: found, reach: Reach::Direct };
        match source.connect() {
            Err(error) if is_cannot_open(&error) => {
                source.reach = reach_without_writing(&source.path)?;
            }
            first => drop(first?),
        }
        source.connect()?;
        Ok(source)
    }

    /// The file's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new connection: read-only, defensive, without memory mapping and without anything of the schema trusted.
    ///
    /// # Errors
    ///
    /// [`Class::Data`] where the file is no readable database, [`Class::Temporary`] where it is locked.
    pub fn connect(&self) -> Result<Connection> {
        self.connect_raw()
            .map_err(|error| refused(error).at(format!("source {}", self.path.display())))
    }

    /// What the file system says of the file and its write-ahead log.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where the file is gone.
    pub fn stamp(&self) -> Result<FileStamp> {
        let gone = |error: io::Error| {
            Error::new(Class::SourceChanged, "has disappeared")
                .because(error)
                .at(format!("source {}", self.path.display()))
        };
        let file = fs::metadata(&self.path).map_err(gone)?;
        let wal = match fs::metadata(beside(&self.path, "-wal")) {
            Ok(wal) if wal.len() > 0 => Some(wal),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(gone(error)),
        };
        Ok(FileStamp {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified_ns: modified_ns(&file),
            wal_bytes: wal.as_ref().map_or(0, MetadataExt::size),
            wal_modified_ns: wal.as_ref().map_or(0, modified_ns),
        })
    }

    fn connect_raw(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match &self.reach {
            Reach::Direct => {
                Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?
            }
            Reach::Immutable => Connection::open_with_flags(
                immutable_uri(&self.path),
                flags | OpenFlags::SQLITE_OPEN_URI,
            )?,
            Reach::Copied(folder) => Connection::open(folder.path().join(COPY_NAME))?,
        };
        stand_in(&connection)?;
        configure(&connection)?;
        Ok(connection)
    }
}

/// Settings are stated one by one: the bundled SQLite has defaults of its own, such as foreign keys on.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (pragma, value) in
        [("foreign_keys", 0), ("query_only", 1), ("mmap_size", 0), ("cell_size_check", 1)]
    {
        connection.pragma_update(None, pragma, value)?;
    }
    // The first real read: it finds out whether this is a database at all.
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        .map(drop)
}

const COPY_NAME: &str = "source.db";

/// A way to read a file in write-ahead mode whose folder takes no new files, so that SQLite cannot make its index of
/// the log there.
fn reach_without_writing(path: &Path) -> Result<Reach> {
    let failed = |error: io::Error| {
        Error::new(
            Class::Data,
            "cannot be copied: its folder cannot be written, and its write-ahead log is not merged",
        )
        .todo("make its folder writable, or merge the log with `PRAGMA wal_checkpoint(TRUNCATE)`")
        .because(error)
        .at(format!("source {}", path.display()))
    };
    let wal = beside(path, "-wal");
    if !fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
        return Ok(Reach::Immutable);
    }
    let folder = tempfile::Builder::new().prefix("liteferry-").tempdir().map_err(failed)?;
    let copy = folder.path().join(COPY_NAME);
    fs::copy(path, &copy).map_err(failed)?;
    fs::copy(&wal, beside(&copy, "-wal")).map_err(failed)?;
    Ok(Reach::Copied(folder))
}

/// The name of a file that SQLite keeps beside a database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
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

fn modified_ns(file: &fs::Metadata) -> i128 {
    i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec())
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

/// What SQLite's refusal means for the user.
pub(super) fn refused(error: rusqlite::Error) -> Error {
    let told = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::new(
            Class::Data,
            "is no SQLite database, or it is encrypted",
        )
        .todo("give an unencrypted SQLite 3 file; decrypt it first with the program that wrote it"),
        Some(ErrorCode::DatabaseCorrupt) => Error::new(Class::Data, "is damaged")
            .todo("look at it with `PRAGMA integrity_check`, and restore it from a backup"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(Class::Temporary, "is locked by another program")
                .todo("run the same command again when it is free")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::new(Class::Access, "cannot be opened")
                .todo("check the permissions of the file and of its folder")
        }
        Some(ErrorCode::ReadOnly) => Error::new(
            Class::Data,
            "has a journal of a writer that died, which must be rolled back first",
        )
        .todo("open it once with the application or with `sqlite3`, then run this again"),
        Some(ErrorCode::OperationInterrupted) => Error::new(Class::Temporary, "was interrupted"),
        _ => Error::new(Class::Data, "cannot be read"),
    };
    told.because(error)
}

/// Gives SQLite's errors their meaning and their place.
pub(super) trait Refused<T> {
    fn refused(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Refused<T> for rusqlite::Result<T> {
    fn refused(self, place: impl FnOnce() -> String) -> Result<T> {
        self.map_err(refused).at(place)
    }
}

#[cfg(test)]
mod tests {
    use super::Source;
    use crate::error::Class;
    use rusqlite::Connection;

    #[test]
    fn files_that_are_no_databases_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(Source::open(&folder.path().join("none.db")).unwrap_err().class(), Class::Usage);
        assert_eq!(Source::open(&file("empty.db", b"")).unwrap_err().class(), Class::Data);
        let error = Source::open(&file("noise.db", &[7; 4096])).unwrap_err();
        assert_eq!(error.class(), Class::Data);
        assert!(error.to_string().contains("no SQLite database"), "{error}");
    }

    #[test]
    fn a_connection_can_neither_write_nor_be_tricked_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file:x?mode=memory#%20.db");
        Connection::open_with_flags(
            &path,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_CREATE,
        )
        .unwrap()
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1)")
        .unwrap();
        let source = Source::open(&path).unwrap();
        let connection = source.connect().unwrap();
        assert_eq!(
            connection.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap(),
            1
        );
        assert!(connection.execute_batch("INSERT INTO t VALUES (2)").is_err());
    }

    #[test]
    fn a_commit_changes_the_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(a)").unwrap();
        let source = Source::open(&path).unwrap();
        let before = source.stamp().unwrap();
        assert_eq!(before, source.stamp().unwrap());
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let after = source.stamp().unwrap();
        assert_ne!(before, after);
        assert!(before.is_same_file(&after));
    }
}
