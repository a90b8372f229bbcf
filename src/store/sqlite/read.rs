//! The rows of a range, batch by batch, in one read transaction.
//!
//! What a connection sees of a source at rest is what it first saw, or its reads fail. Of a source that is written to it
//! sees what there is when it reads, or the one state that it holds.

use super::batch::{BatchBuilder, ReadBatch, row_name};
use super::behind::Order;
use super::connection::{Refused, refused};
use super::wide::{Rows, Seen, ends};
use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{RowName, RowRange, TableSchema, TextEncoding};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::cell::Cell;

/// One connection that reads.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    view: Cell<View>,
}

/// What the reads of a connection see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// All the same: SQLite's count of what other connections have committed must stay as it was first seen.
    AtRest { data_version: i64 },
    /// Each what there is at its moment.
    Moving,
    /// All the state of one transaction, which is open.
    Held,
    /// One read of all rows that are wanted, and what is asked before it.
    HeldOnce,
}

impl Reader {
    /// Reads a source at rest, by a connection of [`super::connection::Source::connect`].
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn new(connection: Connection) -> Result<Self> {
        let data_version = data_version(&connection)?;
        Ok(Self { connection, view: Cell::new(View::AtRest { data_version }) })
    }

    /// Reads a source that is written to, by such a connection.
    pub fn of_moving(connection: Connection) -> Self {
        Self { connection, view: Cell::new(View::Moving) }
    }

    /// Holds the state that there is now for all reads to come, until it is let go.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn hold(&mut self) -> Result<()> {
        self.let_go()?;
        // A transaction sees nothing before its first read.
        let begin = "BEGIN; SELECT count(*) FROM sqlite_schema WHERE rowid < 0";
        let begun = self.connection.execute_batch(begin).refused(|| "source".into());
        if begun.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").refused(|| "source".into())?;
        }
        begun?;
        self.view.set(View::Held);
        Ok(())
    }

    /// The same for what is read next, and no longer than that takes: to be told by [`Self::read_through`].
    ///
    /// # Errors
    ///
    /// As [`Self::hold`].
    pub fn hold_once(&mut self) -> Result<()> {
        self.hold()?;
        self.view.set(View::HeldOnce);
        Ok(())
    }

    /// Tells that all rows that were wanted are read: a state that was held for that alone is let go.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn read_through(&mut self) -> Result<()> {
        if self.view.get() == View::HeldOnce { self.let_go() } else { Ok(()) }
    }

    fn holds(&self) -> bool {
        matches!(self.view.get(), View::Held | View::HeldOnce)
    }

    /// Lets the state go that is held, if one is.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn let_go(&self) -> Result<()> {
        if self.holds() {
            self.connection.execute_batch("COMMIT").refused(|| "source".into())?;
            self.view.set(View::Moving);
        }
        Ok(())
    }

    /// The connection, for the census and for reading the schema.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads the rows of a range in the order of their rowids, batch by batch, in one read transaction.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where another connection committed since this one was opened; whatever `emit` says.
    pub fn read<E: From<Error>>(
        &self,
        table: &TableSchema,
        range: RowRange,
        emit: impl FnMut(ReadBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.read_rows(table, range, &mut Wanted::default(), emit)
    }

    /// Reads those of them that lie behind a row, until so many bytes have come: gives the last row where that was before
    /// the range's end, and where rows behind it can be asked for.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_piece<E: From<Error>>(
        &self,
        table: &TableSchema,
        range: RowRange,
        (behind, bytes): (Option<&RowName>, u64),
        emit: impl FnMut(ReadBatch) -> Result<(), E>,
    ) -> Result<Option<RowName>, E> {
        if behind.is_none() && bytes == u64::MAX {
            return self.read(table, range, emit).map(|()| None);
        }
        let Some(range) = range.behind(behind) else { return Ok(None) };
        let piece = Some(Piece { behind, left: bytes, order: None, last: None });
        let mut wanted = Wanted { piece, ..Wanted::default() };
        self.read_rows(table, range, &mut wanted, emit)?;
        let last = wanted.piece.and_then(|piece| piece.last);
        Ok(last.filter(|last| range.behind(Some(last)).is_some()))
    }

    /// Reads a table whose last columns are none of the source's: these expressions stand there, in SQLite's words.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_with<E: From<Error>>(
        &self,
        table: &TableSchema,
        range: RowRange,
        expressions: &[String],
        emit: impl FnMut(ReadBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        self.read_rows(table, range, &mut Wanted { expressions, ..Wanted::default() }, emit)
    }

    /// Reads those rows of a range that `names` has, in this order, by their [`RowName`] as bytes.
    /// A name that does not come ends it: those behind it are not found either.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_named<E: From<Error>>(
        &self,
        table: &TableSchema,
        range: RowRange,
        names: &mut dyn Iterator<Item = Result<Vec<u8>>>,
        emit: impl FnMut(ReadBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(names) = Names::of(names)? else { return Ok(()) };
        self.read_rows(table, range, &mut Wanted { names: Some(names), ..Wanted::default() }, emit)
    }

    fn read_rows<E: From<Error>>(
        &self,
        table: &TableSchema,
        range: RowRange,
        wanted: &mut Wanted<'_>,
        mut emit: impl FnMut(ReadBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        // An error of `emit` is passed on as it is; ours gets its place.
        let mut emitted = Ok(());
        let read = self.in_one_state(|connection| {
            read_range(connection, table, range, wanted, &mut |batch| {
                emitted = emit(batch);
                emitted.is_ok()
            })
        });
        emitted?;
        Ok(read.at(|| format!("table {}", table.source))?)
    }

    /// How many rows a table has.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn count(&self, table: &TableSchema) -> Result<u64> {
        self.in_one_state(|connection| {
            let sql = format!("SELECT count(*) FROM main.{}", quoted(&table.source));
            let rows: i64 = connection.query_row(&sql, [], |row| row.get(0)).map_err(refused)?;
            Ok(rows.unsigned_abs())
        })
        .at(|| format!("table {}", table.source))
    }

    /// Whether the content is still what this connection first saw.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where it is not.
    pub fn check_unchanged(&self) -> Result<()> {
        self.in_one_state(|_connection| Ok(()))
    }

    /// Runs reads in one transaction: of a source at rest it sees what this connection first saw.
    pub(super) fn in_one_state<T>(
        &self,
        reads: impl FnOnce(&Connection) -> Result<T>,
    ) -> Result<T> {
        if self.holds() {
            return reads(&self.connection);
        }
        let transaction = self.connection.unchecked_transaction().refused(|| "source".into())?;
        if let View::AtRest { data_version: first } = self.view.get()
            && data_version(&transaction)? != first
        {
            return Err(Error::new(
                Class::SourceChanged,
                "the source was written to while it was read",
            )
            .todo("stop what writes to it and run the same command again"));
        }
        reads(&transaction)
    }
}

/// What is read of the rows of a range, where that is not all columns of all rows.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    /// What stands in the place of the last columns.
    expressions: &'a [String],
    /// Which rows.
    names: Option<Names<'a>>,
    /// How much of them.
    piece: Option<Piece<'a>>,
}

/// A piece of a range.
struct Piece<'a> {
    /// The row behind which it begins.
    behind: Option<&'a RowName>,
    /// Bytes that it can still have.
    left: u64,
    /// In which order rows come, once that is known.
    order: Option<Order>,
    /// The row at which it ended.
    last: Option<RowName>,
}

impl<'a> Piece<'a> {
    /// The statements that give its rows.
    fn statements(
        &mut self,
        connection: &Connection,
        table: &TableSchema,
        encoding: TextEncoding,
        whole: (String, Vec<ValueRef<'a>>),
    ) -> Result<Vec<(String, Vec<ValueRef<'a>>)>> {
        let names: Vec<_> = table.columns.iter().map(|column| column.source.as_str()).collect();
        let read = (table.source.as_str(), names.as_slice(), table.rowid_name.as_deref());
        let order = self.order.insert(Order::of(connection, read, encoding)?);
        let columns = encoding.select(&columns(table, &[]), table.rowid_name.as_deref());
        order.statements(whole, (&columns, &table.source), self.behind)
    }

    /// Takes a row; whether that was the last one.
    fn ends_with(&mut self, row: &Seen<'_>, bytes: usize) -> Result<bool> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(bytes.max(1));
        if self.left > 0 {
            return Ok(false);
        }
        self.last = self.order.as_ref().map_or(Ok(None), |order| order.name(row))?;
        Ok(self.last.is_some())
    }
}

/// Bytes of the database, its write-ahead log included.
pub(super) fn file_bytes(connection: &Connection) -> Result<u64> {
    let ask = |name| {
        let sql = format!("PRAGMA main.{name}");
        connection.query_row(&sql, [], |row| row.get::<_, u32>(0)).refused(|| "source".into())
    };
    Ok(u64::from(ask("page_count")?) * u64::from(ask("page_size")?))
}

/// Whether readers and writers do not keep each other out.
///
/// # Errors
///
/// A file that cannot be read.
pub fn has_write_ahead_log(connection: &Connection) -> Result<bool> {
    let sql = "PRAGMA main.journal_mode";
    let mode: String =
        connection.query_row(sql, [], |row| row.get(0)).refused(|| "source".into())?;
    Ok(mode == "wal")
}

fn data_version(connection: &Connection) -> Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0)).refused(|| "source".into())
}

/// Reads until the range or the caller's interest ends.
fn read_range(
    connection: &Connection,
    table: &TableSchema,
    range: RowRange,
    wanted: &mut Wanted<'_>,
    emit: &mut dyn FnMut(ReadBatch) -> bool,
) -> Result<()> {
    let encoding = TextEncoding::of(connection).refused(|| range.to_string())?;
    let shape = (encoding, table.columns.len(), table.rowid_name.as_deref());
    let select = (select(table, range, wanted.expressions, encoding), ends(range));
    let statements = match &mut wanted.piece {
        Some(piece) => piece.statements(connection, table, encoding, select)?,
        None => vec![select],
    };
    let rows = Rows::query_all(connection, &statements, shape);
    batches(&mut rows.refused(|| range.to_string())?, table, wanted, emit).at(|| range.to_string())
}

/// Gathers rows of a table's columns into batches, until they or the caller's interest end.
pub(super) fn batches(
    rows: &mut Rows<'_>,
    table: &TableSchema,
    wanted: &mut Wanted<'_>,
    emit: &mut dyn FnMut(ReadBatch) -> bool,
) -> Result<()> {
    let mut batch = BatchBuilder::new(table)?;
    while let Some(row) = rows.next().map_err(refused)? {
        let mut is_last = false;
        if let Some(names) = &mut wanted.names {
            if row_name(table, &row)?.to_bytes() != names.next {
                continue;
            }
            is_last = !names.advance()?;
        }
        let before = batch.bytes();
        batch.append(&row)?;
        if let Some(piece) = &mut wanted.piece {
            is_last |= piece.ends_with(&row, batch.bytes() - before)?;
        }
        if is_last {
            break;
        }
        if batch.is_full() && !emit(batch.finish()?) {
            return Ok(());
        }
    }
    if !batch.is_empty() {
        emit(batch.finish()?);
    }
    Ok(())
}

/// The names of the rows that are wanted, in the order in which they come.
struct Names<'n> {
    next: Vec<u8>,
    rest: &'n mut dyn Iterator<Item = Result<Vec<u8>>>,
}

impl<'n> Names<'n> {
    fn of(names: &'n mut dyn Iterator<Item = Result<Vec<u8>>>) -> Result<Option<Self>> {
        let next = names.next().transpose()?;
        Ok(next.map(|next| Self { next, rest: names }))
    }

    /// Goes on to the next one; false where there is none.
    fn advance(&mut self) -> Result<bool> {
        let next = self.rest.next().transpose()?;
        let more = next.is_some();
        self.next = next.unwrap_or_default();
        Ok(more)
    }
}

/// The columns in order, then the rowid (which names the row), by a scan of the table itself.
pub(super) fn select(
    table: &TableSchema,
    range: RowRange,
    expressions: &[String],
    encoding: TextEncoding,
) -> String {
    let columns = encoding.select(&columns(table, expressions), table.rowid_name.as_deref());
    let select = format!("SELECT {columns} FROM {} NOT INDEXED", quoted(&table.source));
    match (range, &table.rowid_name) {
        // One row is looked up: a range is read one row beyond its end, where the file may be damaged.
        (RowRange::Rowids { first, last }, Some(rowid)) if first == last => {
            format!("{select} WHERE {rowid} = ?1 AND {rowid} = ?2")
        }
        (RowRange::Rowids { .. }, Some(rowid)) => {
            format!("{select} WHERE {rowid} BETWEEN ?1 AND ?2 ORDER BY {rowid}")
        }
        _ => select,
    }
}

/// The columns as they are asked for, the last of them by these expressions.
fn columns(table: &TableSchema, expressions: &[String]) -> Vec<String> {
    let names = table.columns.iter().map(|column| quoted(&column.source));
    let own = table.columns.len().saturating_sub(expressions.len());
    names.take(own).chain(expressions.iter().cloned()).collect()
}
