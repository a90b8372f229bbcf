//! Writes a SQLite file that is as the original was: the same schema, header, rows and storage classes.
//!
//! The file is made beside its place, without journal and sync, and appears there when all is in it, was checked, and is
//! on the disk. Rows go in by the tables of `layout`, indexes are made when they are there. What the application must do
//! by itself (order an index by a collation that it alone knows) is told at the end.

mod draft;
mod layout;
mod rows;
mod shadow;
#[cfg(test)]
mod tests;

pub use rows::TableWriter;

use super::collation::stand_in;
use super::connection::refused;
use super::guard::HEAP_BYTES_MAX;
use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{
    ObjectKind, OriginalFile, RawCell, RowName, TableSchema, TextEncoding, is_comparable,
};
use crate::pipeline::Stop;
use draft::Draft;
use layout::Layout;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

/// A cell of a batch that is written as it was, whatever its column's form says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCell {
    /// The position of its row in the batch.
    pub at: usize,
    /// The position of its column in the table's schema.
    pub column: usize,
    /// The cell.
    pub cell: RawCell,
    /// How the bytes of a text are to be read.
    pub encoding: TextEncoding,
}

/// A SQLite file in the making.
#[derive(Debug)]
pub struct DatabaseWriter<'f> {
    connection: Connection,
    layout: Layout,
    file: &'f OriginalFile,
    /// The tables whose rows were asked for.
    begun: RefCell<BTreeSet<String>>,
    /// Dropped last, when the connection is closed.
    draft: Draft,
    stop: Stop,
}

/// Instructions of SQLite's machine between two looks at the stop.
const STOP_EVERY: i32 = 16 * 1024;

impl<'f> DatabaseWriter<'f> {
    /// Begins a file that is going to be at `path`, where nothing is yet.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where something is there; a schema that SQLite does not take, and what the disk says.
    pub fn create(path: &Path, file: &'f OriginalFile, stop: &Stop) -> Result<Self> {
        let create = || {
            let draft = Draft::new(path)?;
            let connection = open(draft.path(), stop).map_err(failed)?;
            set_up(&connection, file).map_err(failed)?;
            let layout = Layout::make(&connection, file)?;
            let begun = RefCell::default();
            let writer = Self { connection, layout, file, begun, draft, stop: stop.clone() };
            writer.own_rows()?;
            Ok(writer)
        };
        create().map_err(|error| stop.named(error)).at(|| format!("database {}", path.display()))
    }

    /// Writes the rows of SQLite's own tables.
    fn own_rows(&self) -> Result<()> {
        for rows in self.file.own_rows.chunk_by(|one, next| one.table == next.table) {
            let Some(first) = rows.first() else { continue };
            let mut table = self.kept_whole(&first.table)?;
            for row in rows {
                table.whole(&RowName::Rowid(row.rowid), row.cells.clone())?;
            }
        }
        Ok(())
    }

    /// Writes rows of a plan's table.
    ///
    /// # Errors
    ///
    /// A table that the schema does not have, or has otherwise.
    pub fn table(&self, table: &TableSchema) -> Result<TableWriter<'_>> {
        self.begun.borrow_mut().insert(table.source.clone());
        TableWriter::of_schema(&self.connection, &self.layout, table, self.file.encoding)
            .at(|| format!("table {}", table.source))
    }

    /// Writes rows of a table that is kept whole: of [`OriginalFile::shadows`]. A virtual table none of whose tables is
    /// asked for is made anew, and holds nothing but what it takes from others.
    ///
    /// # Errors
    ///
    /// A table that the schema does not have.
    pub fn kept_whole(&self, table: &str) -> Result<TableWriter<'_>> {
        self.begun.borrow_mut().insert(table.into());
        TableWriter::of_whole(&self.connection, &self.layout, table, self.file.encoding)
            .at(|| format!("table {table}"))
    }

    /// Makes the indexes, checks the file, lets `prove` look into it, and gives it its name; says what is left to do for its
    /// application, a sentence each.
    ///
    /// # Errors
    ///
    /// [`Class::Data`] where rows break a UNIQUE constraint or the file is not whole; [`Class::Usage`] where something has
    /// its name by now; what `prove` and the disk say. Nothing is left behind then.
    pub fn finish(self, prove: impl FnOnce(&Path) -> Result<()>) -> Result<Vec<String>> {
        let Self { connection, layout, file, begun, draft, stop } = self;
        let finish = || {
            layout.restore(&connection, file)?;
            let unfilled = shadow::take_out(&connection, file, &begun.into_inner())?;
            let mut notes = make_indexes(&connection, file)?;
            notes.extend(shadow::make_anew(&connection, &unfilled)?);
            connection.execute_batch("COMMIT").map_err(failed)?;
            connection.close().map_err(|(_open, error)| failed(error))?;
            prove(draft.path())?;
            settle(draft.path(), file, &stop)?;
            draft.publish()?;
            Ok(notes)
        };
        finish().map_err(|error| stop.named(error))
    }
}

/// A connection that trusts nothing of a schema, fires nothing, and does all that it is told at once.
fn open(path: &Path, stop: &Stop) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (pragma, value) in [
        ("foreign_keys", 0),
        ("ignore_check_constraints", 1),
        ("mmap_size", 0),
        ("hard_heap_limit", HEAP_BYTES_MAX),
    ] {
        connection.pragma_update(None, pragma, value)?;
    }
    stand_in(&connection)?;
    let stop = stop.clone();
    connection.progress_handler(STOP_EVERY, Some(move || stop.requested().is_some()))?;
    Ok(connection)
}

/// Gives an empty file what its header has, and begins the one transaction.
fn set_up(connection: &Connection, file: &OriginalFile) -> rusqlite::Result<()> {
    let OriginalFile { encoding, page_size, auto_vacuum, user_version, application_id, .. } = file;
    connection.execute_batch(&format!(
        "PRAGMA main.page_size = {page_size};
         PRAGMA encoding = '{}';
         PRAGMA main.auto_vacuum = {};
         PRAGMA main.journal_mode = OFF;
         PRAGMA main.synchronous = OFF;
         PRAGMA main.locking_mode = EXCLUSIVE;
         PRAGMA main.cache_size = -65536;
         PRAGMA threads = 2;
         BEGIN;
         PRAGMA main.user_version = {user_version};
         PRAGMA main.application_id = {application_id};",
        encoding.name(),
        auto_vacuum.number(),
    ))
}

/// Fills every index from its table.
fn make_indexes(connection: &Connection, file: &OriginalFile) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let indexes = file.objects.iter().filter(|object| object.kind == ObjectKind::Index);
    for index in indexes {
        let sql = format!("REINDEX main.{}", quoted(&index.name));
        connection
            .execute_batch(&sql)
            .map_err(failed)
            .at(|| format!("index {}", index.name))
            .at(|| format!("table {}", index.table))?;
        let strange = strange_collations(connection, &index.name).map_err(failed)?;
        notes.extend(strange.map(|collation| {
            format!(
                "index {} is ordered by the collation {collation}, which only the application knows: have it run REINDEX {collation}",
                index.name
            )
        }));
    }
    Ok(notes)
}

/// A collation of an index that SQLite does not have by itself.
fn strange_collations(connection: &Connection, index: &str) -> rusqlite::Result<Option<String>> {
    let sql =
        "SELECT DISTINCT upper(coll) FROM pragma_index_xinfo(?1, 'main') WHERE coll IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let mut names = statement.query_map([index], |row| row.get::<_, String>(0))?;
    names.find(|name| name.as_ref().map_or(true, |name| !is_comparable(name))).transpose()
}

/// Checks the file as whoever opens it finds it, and gives it the journal that it had.
fn settle(path: &Path, file: &OriginalFile, stop: &Stop) -> Result<()> {
    let connection = open(path, stop).map_err(failed)?;
    let damage = super::check::damage(&connection)?;
    if let Some(first) = damage.first() {
        return Err(Error::new(Class::Data, format!("what was written is not whole: {first}"))
            .todo("check the disk and its memory, and run the same command again"));
    }
    if file.write_ahead {
        let sql = "PRAGMA main.synchronous = OFF; PRAGMA main.journal_mode = WAL";
        connection.execute_batch(sql).map_err(failed)?;
    }
    connection.close().map_err(|(_open, error)| failed(error))
}

/// What SQLite's refusal means for a file that is being made.
fn failed(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => {
            let what = format!("rows break a constraint: {error}");
            Error::new(Class::Data, what)
                .todo("the source held what its own constraint forbids: repair it there")
                .because(error)
        }
        Some(ErrorCode::Unknown) | None => {
            Error::internal("a row cannot be written").because(error)
        }
        Some(_) => refused(error),
    }
}
