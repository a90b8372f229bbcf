//! What SQLite's refusals mean: for the class of an error, and for what else can still be read.

use super::guard::HEAP_BYTES_MAX;
use crate::error::{Class, Error, Place, Result, Signal};
use rusqlite::{ErrorCode, ffi};

/// What SQLite's refusal means for the user.
pub(super) fn refused(error: impl Into<rusqlite::Error>) -> Error {
    let error = error.into();
    let told = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::new(
            Class::Data,
            "is no SQLite database, or it is encrypted",
        )
        .todo("give an unencrypted SQLite 3 file: decrypt it first with the program that wrote it, or unpack it with `liteferry restore --file`"),
        Some(ErrorCode::DatabaseCorrupt) => Error::new(Class::Data, "is damaged").todo(DAMAGED),
        Some(ErrorCode::DiskFull) => {
            Error::new(Class::Temporary, "cannot be written to: its disk is full").todo(MAKE_ROOM)
        }
        // SQLite calls a disk full only where the system does.
        Some(ErrorCode::SystemIoFailure) if is_write(&error) => Error::new(
            Class::Temporary,
            "cannot be written to: a quota or a limit leaves no room on its disk, or that fails",
        )
        .todo(MAKE_ROOM),
        Some(ErrorCode::SystemIoFailure) => {
            Error::new(Class::Data, "cannot be read from its disk").todo(DAMAGED)
        }
        Some(ErrorCode::TooBig) => Error::new(
            Class::Data,
            "holds a value larger than the gigabyte that SQLite and PostgreSQL can take",
        )
        .todo("take it out of the source, or leave its row out with --accept-corrupt"),
        Some(ErrorCode::OutOfMemory) => Error::new(
            Class::Data,
            format!(
                "needs more memory than there is, or more than the {} GiB that a source gets",
                HEAP_BYTES_MAX >> 30
            ),
        )
        .todo("give it more memory or run it with `--workers 1`; where generated columns compute so much, take them out of the source"),
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
        // Only a stop interrupts; who sees this knows which signal it was (`Stop::named`).
        Some(ErrorCode::OperationInterrupted) => {
            Error::new(Class::Interrupted(Signal::Interrupt), "stopped as asked")
                .todo("run the same command again to go on")
        }
        _ => Error::new(Class::Data, "cannot be read"),
    };
    told.because(error)
}

const MAKE_ROOM: &str = "make room where the source is, then run the same command again";

/// Whether the system refused to write.
fn is_write(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| {
        [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_SHMSIZE]
            .contains(&code)
    })
}

/// Whether another program has the lock.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The same of an error that was made of it.
pub(super) fn is_locked(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    cause.and_then(|cause| cause.downcast_ref::<rusqlite::Error>()).is_some_and(is_busy)
}

/// What to do with a damaged source.
pub(super) const DAMAGED: &str = "restore it from a backup; or move what can still be read of it, and no more, with --accept-corrupt";

/// Gives SQLite's errors their meaning and their place.
pub(super) trait Refused<T> {
    fn refused(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<rusqlite::Error>> Refused<T> for Result<T, E> {
    fn refused(self, place: impl FnOnce() -> String) -> Result<T> {
        self.map_err(refused).at(place)
    }
}

/// Why rows cannot be read although the file can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// What stands in the file is damaged, or its disk is: other rows of the same table may be readable.
    Damaged(String),
    /// SQLite cannot make sense of the table (a function, a collation or a module that it does not have, columns
    /// generated from one another): no row of it can be read, whatever its state.
    Senseless(String),
}

impl Unreadable {
    /// What kept rows from being read; none where the error is about something else, such as a lock or a stop.
    pub fn of(error: &Error) -> Option<Self> {
        let cause = std::error::Error::source(error)?.downcast_ref::<rusqlite::Error>()?;
        let reason = reason(cause);
        match cause.sqlite_error_code() {
            Some(ErrorCode::SystemIoFailure) if is_write(cause) => None,
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::TooBig,
            ) => Some(Self::Damaged(reason)),
            // The codes of statements that cannot be prepared, and of names and values that are not what they must be.
            Some(
                ErrorCode::Unknown
                | ErrorCode::AuthorizationForStatementDenied
                | ErrorCode::TypeMismatch,
            ) => Some(Self::Senseless(reason)),
            Some(_) => None,
            None => match cause {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::NulError(_)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::SqlInputError { .. } => Some(Self::Senseless(reason)),
                _ => None,
            },
        }
    }

    /// SQLite's own words.
    pub fn reason(&self) -> &str {
        match self {
            Self::Damaged(reason) | Self::Senseless(reason) => reason,
        }
    }
}

/// SQLite's own words, without its number.
pub(super) fn reason(error: &rusqlite::Error) -> String {
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    shown(text.as_bytes())
}

/// Text from a file that cannot be trusted, on one line and not too long; bytes that are no UTF-8 by their digits.
pub(super) fn shown(text: &[u8]) -> String {
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let chunks = text.utf8_chunks();
    let pieces = chunks.flat_map(|chunk| [chunk.valid().to_owned(), escaped(chunk.invalid())]);
    let text: String = pieces.collect();
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Characters of SQLite's words that are shown.
const SHOWN_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::{Unreadable, refused, shown};
    use rusqlite::Connection;

    #[test]
    fn a_table_without_sense_is_told_from_a_stop() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (a, b, c); PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a AS (b), b AS (a), c)'; PRAGMA writable_schema = RESET",
            )
            .unwrap();
        let error = refused(connection.prepare("SELECT a FROM t").unwrap_err());
        assert_eq!(
            Unreadable::of(&error),
            Some(Unreadable::Senseless("generated column loop on \"a\"".into()))
        );
        let stopped = rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT),
            None,
        );
        assert_eq!(Unreadable::of(&refused(stopped)), None);
    }

    #[test]
    fn a_full_disk_is_a_passing_fault() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("a.db")).unwrap();
        connection.execute_batch("CREATE TABLE t (a); PRAGMA max_page_count = 3").unwrap();
        let full = connection.execute_batch("INSERT INTO t VALUES (zeroblob(100000))").unwrap_err();
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_WRITE);
        for error in [full, rusqlite::Error::SqliteFailure(code, None)] {
            let error = refused(error);
            assert_eq!(error.class().exit_code(), 75, "{error}");
            assert!(error.advice().unwrap().contains("make room"));
            assert_eq!(Unreadable::of(&error), None);
        }
    }

    #[test]
    fn text_of_a_file_stays_on_its_line() {
        assert_eq!(shown(b"a\x1b[31m\nb\xff"), "a [31m b\\xff");
        assert_eq!(shown(&[b'x'; 1000]).chars().count(), 301);
    }
}
