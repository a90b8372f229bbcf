//! Statements whose rows come, or go, by the million, by SQLite's own functions.
//!
//! The only unsafe code of liteferry. What rusqlite does for every cell (count the columns, look it up for its class, for
//! its value and for its length, wrap it in a large result) takes longer than SQLite needs to give it, as a profile of
//! `cargo bench --bench codec -- read` showed. Statements that give few rows go by rusqlite.

#![expect(unsafe_code, reason = "cells are half of all that a copy does; see above")]

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result, ffi};
use std::ffi::{CStr, c_int, c_uint};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

/// A prepared SELECT.
#[derive(Debug)]
pub(super) struct Statement<'c> {
    /// Not null, and not finalized before this is dropped.
    raw: NonNull<ffi::sqlite3_stmt>,
    connection: &'c Connection,
}

/// The current row of a statement, which cannot go on while this is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'s> {
    raw: NonNull<ffi::sqlite3_stmt>,
    statement: PhantomData<&'s ()>,
}

/// There is no memory for a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfMemory;

impl<'c> Statement<'c> {
    /// Prepares a SELECT and binds `?1`, `?2` and so on.
    pub(super) fn prepare(connection: &'c Connection, sql: &str, values: &[i64]) -> Result<Self> {
        let values: Vec<_> = values.iter().copied().map(ValueRef::Integer).collect();
        Self::prepare_with(connection, sql, &values)
    }

    /// The same with values of any class; a text is what its bytes are in UTF-8.
    pub(super) fn prepare_with(
        connection: &'c Connection,
        sql: &str,
        values: &[ValueRef<'_>],
    ) -> Result<Self> {
        let too_big = |_| Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None);
        let bytes = c_int::try_from(sql.len()).map_err(too_big)?;
        let mut raw = ptr::null_mut();
        // SAFETY: The connection is open for as long as it is borrowed. SQLite reads so many bytes of the text, and keeps
        // a copy.
        let code = unsafe {
            let text = sql.as_ptr().cast();
            let (out, no_tail) = (&raw mut raw, ptr::null_mut());
            let flags: c_uint = 0;
            ffi::sqlite3_prepare_v3(connection.handle(), text, bytes, flags, out, no_tail)
        };
        if code != ffi::SQLITE_OK {
            return Err(failure(connection, code));
        }
        let raw = NonNull::new(raw).ok_or(Error::InvalidQuery)?;
        let statement = Self { raw, connection };
        for (number, value) in (1..).zip(values) {
            // SAFETY: The statement was not stepped yet. SQLite copies the bytes before it comes back.
            unsafe { statement.bind(number, *value, ffi::SQLITE_TRANSIENT())? };
        }
        Ok(statement)
    }

    /// Gives a parameter its value.
    ///
    /// # Safety
    ///
    /// The statement was not stepped, or was reset since; and where `keeping` does not make SQLite copy the bytes, they
    /// live until the next step, or until the parameter is given anew.
    #[inline]
    unsafe fn bind(
        &self,
        number: c_int,
        value: ValueRef<'_>,
        keeping: ffi::sqlite3_destructor_type,
    ) -> Result<()> {
        let statement = self.raw.as_ptr();
        // SAFETY: The statement is not finalized. What else is asked is as the caller says.
        let code = unsafe {
            match value {
                ValueRef::Null => ffi::sqlite3_bind_null(statement, number),
                ValueRef::Integer(value) => ffi::sqlite3_bind_int64(statement, number, value),
                ValueRef::Real(value) => ffi::sqlite3_bind_double(statement, number, value),
                ValueRef::Text(bytes) => {
                    let (start, length) = (bytes.as_ptr().cast(), bytes.len() as u64);
                    ffi::sqlite3_bind_text64(statement, number, start, length, keeping, UTF_8)
                }
                ValueRef::Blob(bytes) => {
                    let (start, length) = (bytes.as_ptr().cast(), bytes.len() as u64);
                    ffi::sqlite3_bind_blob64(statement, number, start, length, keeping)
                }
            }
        };
        match code {
            ffi::SQLITE_OK => Ok(()),
            code => Err(failure(self.connection, code)),
        }
    }

    /// How many columns a row has.
    pub(super) fn columns(&self) -> usize {
        // SAFETY: The statement is not finalized.
        let count = unsafe { ffi::sqlite3_column_count(self.raw.as_ptr()) };
        usize::try_from(count).unwrap_or(0)
    }

    /// The next row; none behind the last one.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>> {
        Ok(if self.step()? { Some(self.row()) } else { None })
    }

    /// Goes to the next row; false behind the last one.
    #[inline]
    pub(super) fn step(&mut self) -> Result<bool> {
        // SAFETY: The statement is not finalized, and no row of it is borrowed.
        match unsafe { ffi::sqlite3_step(self.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => Err(failure(self.connection, code)),
        }
    }

    /// The row on which it stands: one of no columns before the first and behind the last one.
    #[inline]
    pub(super) fn row(&self) -> Row<'_> {
        Row { raw: self.raw, statement: PhantomData }
    }
}

impl Drop for Statement<'_> {
    fn drop(&mut self) {
        // What it says is the failure of the last step again.
        // SAFETY: The statement is not finalized, and nothing of it is borrowed.
        let _told_already = unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

impl<'s> Row<'s> {
    /// A cell; NULL where there is no such column.
    #[expect(
        clippy::inline_always,
        reason = "a cell that goes by memory waits there longer than SQLite takes to give it"
    )]
    #[inline(always)]
    pub(super) fn cell(self, position: usize) -> Result<ValueRef<'s>, OutOfMemory> {
        let column = c_int::try_from(position).unwrap_or(c_int::MAX);
        // SAFETY: The statement stands on a row for as long as it is borrowed. SQLite looks whether there is such a
        // column. Its value may be asked like any other because connections here are opened without mutexes, where SQLite
        // makes no difference between values that one protects and others (<https://www.sqlite.org/c3ref/value.html>).
        // What a pointer points to stays until the next step, or until the same cell is asked for as another class, which
        // is not done: the class is that of the value itself.
        unsafe {
            let value = ffi::sqlite3_column_value(self.raw.as_ptr(), column);
            Ok(match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => {
                    let text = ffi::sqlite3_value_text(value);
                    ValueRef::Text(bytes(text, ffi::sqlite3_value_bytes(value))?)
                }
                ffi::SQLITE_BLOB => {
                    let blob = ffi::sqlite3_value_blob(value).cast();
                    ValueRef::Blob(bytes(blob, ffi::sqlite3_value_bytes(value))?)
                }
                _ => ValueRef::Null,
            })
        }
    }
}

/// A prepared INSERT, run once for each row.
#[derive(Debug)]
pub(super) struct Insert<'c> {
    statement: Statement<'c>,
    parameters: c_int,
}

/// The parameters of an INSERT, which are given one after the other.
#[derive(Debug)]
pub(super) struct Parameters<'i, 'v> {
    insert: &'i Insert<'i>,
    given: c_int,
    /// Values must live for just this long: until the row is written.
    values: PhantomData<fn(&'v ()) -> &'v ()>,
}

impl<'c> Insert<'c> {
    /// Prepares an INSERT.
    pub(super) fn prepare(connection: &'c Connection, sql: &str) -> Result<Self> {
        let statement = Statement::prepare(connection, sql, &[])?;
        // SAFETY: The statement is not finalized.
        let parameters = unsafe { ffi::sqlite3_bind_parameter_count(statement.raw.as_ptr()) };
        Ok(Self { statement, parameters })
    }

    /// Writes a row, all of whose parameters `give` gives.
    ///
    /// # Errors
    ///
    /// What `give` says, and SQLite; a row of more or fewer parameters.
    #[inline]
    pub(super) fn run<'v, E: From<Error>>(
        &mut self,
        give: impl FnOnce(&mut Parameters<'_, 'v>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut parameters = Parameters { insert: self, given: 0, values: PhantomData };
        give(&mut parameters)?;
        // What the row before had in its place is gone, and must not be looked at.
        if parameters.given != self.parameters {
            return Err(Error::InvalidParameterCount(
                usize::try_from(parameters.given).unwrap_or(0),
                usize::try_from(self.parameters).unwrap_or(0),
            )
            .into());
        }
        let stepped = self.statement.step();
        // SAFETY: The statement is not finalized, and no row of it is borrowed. What it says is the failure of the step
        // again.
        let _told_already = unsafe { ffi::sqlite3_reset(self.statement.raw.as_ptr()) };
        stepped.map(drop).map_err(E::from)
    }
}

impl<'v> Parameters<'_, 'v> {
    /// Gives the next parameter; a text is what its bytes are in UTF-8.
    #[inline]
    pub(super) fn push(&mut self, value: ValueRef<'v>) -> Result<()> {
        self.given += 1;
        // SAFETY: The statement was reset since it was stepped. SQLite makes no copy of the bytes, and looks at them until
        // the next step at the latest: `Insert::run` makes it, for which they live, or nobody does before all parameters
        // are given anew.
        unsafe { self.insert.statement.bind(self.given, value, ffi::SQLITE_STATIC()) }
    }
}

/// `SQLITE_UTF8`, as the functions want it that bind texts.
const UTF_8: u8 = 1;

/// What a pointer of SQLite's points to; null is nothing where there are no bytes, and else a lack of memory.
///
/// # Safety
///
/// The pointer is null, or so many bytes stand there for the lifetime that the caller chooses.
#[expect(clippy::inline_always, reason = "as for the cell")]
#[inline(always)]
unsafe fn bytes<'s>(start: *const u8, length: c_int) -> Result<&'s [u8], OutOfMemory> {
    let length = usize::try_from(length).unwrap_or(0);
    match (NonNull::new(start.cast_mut()), length) {
        (None, 0) => Ok(&[]),
        (None, _) => Err(OutOfMemory),
        // SAFETY: As the caller says.
        (Some(start), length) => Ok(unsafe { slice::from_raw_parts(start.as_ptr(), length) }),
    }
}

impl From<OutOfMemory> for Error {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOMEM), None)
    }
}

/// What SQLite says of the call that just failed.
#[cold]
fn failure(connection: &Connection, code: c_int) -> Error {
    // SAFETY: The connection is open, no other call came between, and the text is copied before one can.
    let words = unsafe {
        let words = ffi::sqlite3_errmsg(connection.handle());
        NonNull::new(words.cast_mut()).map(|words| CStr::from_ptr(words.as_ptr()).to_owned())
    };
    let words = words.map(|words| words.to_string_lossy().into_owned());
    Error::SqliteFailure(ffi::Error::new(code), words)
}

#[cfg(test)]
mod tests {
    use super::{Insert, Statement};
    use rusqlite::types::ValueRef;
    use rusqlite::{Connection, ErrorCode};

    fn connection() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn every_class_of_cell_comes_as_it_is() {
        let connection = connection();
        let sql =
            "SELECT NULL, -5, 0.5, 'ab' || char(0) || 'é', x'00ff', '', x'', zeroblob(3), ?1, ?2";
        let mut statement = Statement::prepare(&connection, sql, &[i64::MIN, i64::MAX]).unwrap();
        assert_eq!(statement.columns(), 10);
        let row = statement.next().unwrap().unwrap();
        let expected = [
            ValueRef::Null,
            ValueRef::Integer(-5),
            ValueRef::Real(0.5),
            ValueRef::Text("ab\0é".as_bytes()),
            ValueRef::Blob(&[0, 255]),
            ValueRef::Text(b""),
            ValueRef::Blob(b""),
            ValueRef::Blob(&[0; 3]),
            ValueRef::Integer(i64::MIN),
            ValueRef::Integer(i64::MAX),
        ];
        for (position, cell) in expected.into_iter().enumerate() {
            assert_eq!(row.cell(position), Ok(cell));
            assert_eq!(row.cell(position), Ok(cell), "a second time");
        }
        for none in [expected.len(), usize::MAX] {
            assert_eq!(row.cell(none), Ok(ValueRef::Null));
        }
        assert!(statement.next().unwrap().is_none());
    }

    #[test]
    fn texts_of_a_utf_16_database_come_as_utf_8() {
        let connection = connection();
        let table =
            "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a); INSERT INTO t VALUES ('é€𐀀'), ('')";
        connection.execute_batch(table).unwrap();
        let mut statement = Statement::prepare(&connection, "SELECT a FROM t", &[]).unwrap();
        let row = statement.next().unwrap().unwrap();
        assert_eq!(row.cell(0), Ok(ValueRef::Text("é€𐀀".as_bytes())));
        assert_eq!(row.cell(0), Ok(ValueRef::Text("é€𐀀".as_bytes())));
        let row = statement.next().unwrap().unwrap();
        assert_eq!(row.cell(0), Ok(ValueRef::Text(b"")));
    }

    #[test]
    fn refusals_say_what_sqlite_says() {
        let connection = connection();
        let error = Statement::prepare(&connection, "SELECT a FROM nowhere", &[]).unwrap_err();
        assert!(error.to_string().contains("no such table: nowhere"), "{error}");
        assert!(Statement::prepare(&connection, "", &[]).is_err());
        assert!(Statement::prepare(&connection, "SELECT ?1", &[1, 2]).is_err(), "one too many");
        let sql = "SELECT abs(?1)";
        let mut statement = Statement::prepare(&connection, sql, &[i64::MIN]).unwrap();
        let error = statement.next().unwrap_err();
        assert!(error.to_string().contains("integer overflow"), "{error}");
    }

    #[test]
    fn a_stop_and_a_lack_of_memory_are_told_by_their_codes() {
        let mut connection = connection();
        connection.progress_handler(1000, Some(|| true)).unwrap();
        let endless =
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
        let mut statement = Statement::prepare(&connection, endless, &[]).unwrap();
        let error = statement.next().unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::OperationInterrupted));
        let error = rusqlite::Error::from(super::OutOfMemory);
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::OutOfMemory));
    }

    #[test]
    fn a_row_goes_in_as_it_is_and_never_with_a_parameter_of_the_row_before() {
        let connection = connection();
        connection.execute_batch("CREATE TABLE t (a, b)").unwrap();
        let mut insert = Insert::prepare(&connection, "INSERT INTO t VALUES (?, ?)").unwrap();
        let cells = [
            ValueRef::Null,
            ValueRef::Integer(i64::MIN),
            ValueRef::Real(-0.0),
            ValueRef::Text(b"a\0\xff"),
            ValueRef::Text(b""),
            ValueRef::Blob(b"\0"),
            ValueRef::Blob(b""),
        ];
        for cell in cells {
            let give = |row: &mut super::Parameters<'_, '_>| {
                row.push(cell)?;
                row.push(ValueRef::Integer(1))
            };
            insert.run(give).unwrap();
        }
        for count in [0, 1, 3] {
            let some = insert.run(|row| (0..count).try_for_each(|_| row.push(ValueRef::Null)));
            assert!(some.is_err(), "{count}");
        }
        let mut statement = Statement::prepare(&connection, "SELECT a FROM t", &[]).unwrap();
        for cell in cells {
            assert_eq!(statement.next().unwrap().unwrap().cell(0), Ok(cell));
        }
        assert!(statement.next().unwrap().is_none());
    }
}
