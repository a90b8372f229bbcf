//! Writes a SQLite file that is as the original was: the same schema, header, rows and storage classes.
//!
//! The file is made beside its place, part by part, and appears there when all is in it, was checked, and is on the disk.
//! How many parts it has stands in its header until then: a process that is killed leaves it to the next one. Rows go in by
//! the tables of `layout`, indexes are made when they are there. What the application must do by itself (order an index by a
//! collation that it alone knows) is told at the end.

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
    ObjectKind, OriginalFile, RawCell, RowName, SchemaObject, TableSchema, TextEncoding,
    is_comparable,
};
use crate::pipeline::Stop;
use draft::{Draft, Stage};
use layout::Layout;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::cell::Cell;
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

/// What a file is made of.
#[derive(Debug, Clone, Copy)]
pub struct Making<'f> {
    /// The file but for its rows.
    pub file: &'f OriginalFile,
    /// The tables whose rows are going to be written. A virtual table none of whose own tables is among them is made anew,
    /// and holds nothing but what it takes from others.
    pub tables: &'f BTreeSet<String>,
    /// What tells it from every other file that could be made for the same place: who is killed while he makes it leaves
    /// it to the next one that says the same.
    pub of: &'f str,
}

/// How far the file had come that is to be made.
#[derive(Debug)]
pub enum Begun<'f> {
    /// Rows are missing.
    Filling(DatabaseWriter<'f>),
    /// All is in it.
    Filled(FilledDatabase<'f>),
}

/// A SQLite file that is being filled, part by part.
#[derive(Debug)]
pub struct DatabaseWriter<'f> {
    connection: Connection,
    layout: Layout,
    making: Making<'f>,
    /// Parts that are in it, each whole.
    parts: Cell<i32>,
    /// Dropped last, when the connection is closed.
    draft: Draft,
    stop: Stop,
}

/// A SQLite file that has all, and not yet its name.
#[derive(Debug)]
pub struct FilledDatabase<'f> {
    making: Making<'f>,
    draft: Draft,
    notes: Vec<String>,
    stop: Stop,
}

/// Instructions of SQLite's machine between two looks at the stop.
const STOP_EVERY: i32 = 16 * 1024;

impl<'f> Begun<'f> {
    /// Begins a file that is going to be at `path`, where nothing is yet, or goes on with one that was left.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where something is there; [`Class::Held`] where another process makes one for the same place; a
    /// schema that SQLite does not take, and what the disk says.
    pub fn at(path: &Path, making: Making<'f>, stop: &Stop) -> Result<Self> {
        let begin = || {
            let draft = Draft::take(path, &named(making.of))?;
            match draft.stage() {
                Stage::Filled => FilledDatabase::found(draft, making, stop).map(Self::Filled),
                Stage::Begun => DatabaseWriter::open(draft, making, stop).map(Self::Filling),
            }
        };
        begin().map_err(|error| stop.named(error)).at(|| format!("database {}", path.display()))
    }
}

impl Making<'_> {
    /// Takes away what was left of the file that was going to be at `path`, unless another process is making it.
    pub fn discard(self, path: &Path) {
        if let Ok(draft) = Draft::take(path, &named(self.of)) {
            draft.discard();
        }
    }
}

/// What tells a file that can be gone on with: one that this very program has begun since the machine was started, as what
/// it wrote is not synced. Where nobody knows when that was, none can.
fn named(of: &str) -> String {
    let booted = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let booted = booted.unwrap_or_else(|_unknown| std::process::id().to_string());
    format!("{of} {} {} {booted}", env!("CARGO_PKG_VERSION"), rusqlite::version())
}

impl<'f> DatabaseWriter<'f> {
    fn open(mut draft: Draft, making: Making<'f>, stop: &Stop) -> Result<Self> {
        if let Some((connection, layout, parts)) = found(draft.path(), making.file, stop)? {
            let parts = Cell::new(parts);
            return Ok(Self { connection, layout, making, parts, draft, stop: stop.clone() });
        }
        draft.renew()?;
        let connection = open(draft.path(), stop).map_err(failed)?;
        set_up(&connection, making.file).map_err(failed)?;
        let layout = Layout::make(&connection, making.file)?;
        let (parts, stop) = (Cell::new(0), stop.clone());
        let writer = Self { connection, layout, making, parts, draft, stop };
        writer.own_rows()?;
        writer.end_part()?;
        Ok(writer)
    }

    /// Parts that are in it, those of earlier processes too.
    pub fn parts(&self) -> usize {
        // The first one is what stands in SQLite's own tables.
        usize::try_from(self.parts.get()).unwrap_or(0).saturating_sub(1)
    }

    /// Ends a part: what was written since the last one is in the file, even if this process is killed.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn end_part(&self) -> Result<()> {
        let parts = self.parts.get().saturating_add(1);
        self.connection
            .execute_batch(&format!("PRAGMA main.user_version = {parts}; COMMIT; BEGIN"))
            .map_err(|error| self.stop.named(failed(error)))?;
        self.parts.set(parts);
        Ok(())
    }

    /// Writes the rows of SQLite's own tables.
    fn own_rows(&self) -> Result<()> {
        for rows in self.making.file.own_rows.chunk_by(|one, next| one.table == next.table) {
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
        TableWriter::of_schema(&self.connection, &self.layout, table, self.making.file.encoding)
            .at(|| format!("table {}", table.source))
    }

    /// Writes rows of a table that is kept whole: of [`OriginalFile::shadows`].
    ///
    /// # Errors
    ///
    /// A table that the schema does not have.
    pub fn kept_whole(&self, table: &str) -> Result<TableWriter<'_>> {
        TableWriter::of_whole(&self.connection, &self.layout, table, self.making.file.encoding)
            .at(|| format!("table {table}"))
    }

    /// Makes the indexes, and ends the file.
    ///
    /// # Errors
    ///
    /// [`Class::Data`] where rows break a UNIQUE constraint; what the disk says.
    pub fn finish(self) -> Result<FilledDatabase<'f>> {
        let Self { connection, layout, making, mut draft, stop, .. } = self;
        let file = making.file;
        let finish = || {
            let OriginalFile { user_version, .. } = file;
            connection
                .execute_batch(&format!("PRAGMA main.user_version = {user_version}"))
                .map_err(failed)?;
            layout.restore(&connection, file)?;
            let unfilled = shadow::unfilled(file, making.tables);
            shadow::take_out(&connection, file, &unfilled)?;
            make_indexes(&connection, file)?;
            shadow::make_anew(&connection, &unfilled)?;
            let notes = notes(&connection, making)?;
            connection.execute_batch("COMMIT").map_err(failed)?;
            Ok(notes)
        };
        let notes = finish().map_err(|error| stop.named(error))?;
        connection.close().map_err(|(_open, error)| failed(error))?;
        draft.filled()?;
        Ok(FilledDatabase { making, draft, notes, stop })
    }
}

impl<'f> FilledDatabase<'f> {
    /// One that an earlier process has left.
    fn found(draft: Draft, making: Making<'f>, stop: &Stop) -> Result<Self> {
        let connection = open(draft.path(), stop).map_err(failed)?;
        let notes = notes(&connection, making)?;
        connection.close().map_err(|(_open, error)| failed(error))?;
        Ok(Self { making, draft, notes, stop: stop.clone() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.draft.path()
    }

    /// Checks the file, and gives it its name; says what is left to do for its application, a sentence each.
    ///
    /// # Errors
    ///
    /// [`Class::Data`] where the file is not whole; [`Class::Usage`] where something has its name by now; what the disk
    /// says.
    pub fn publish(self) -> Result<Vec<String>> {
        let Self { making, draft, notes, stop } = self;
        settle(draft.path(), making.file, &stop).map_err(|error| stop.named(error))?;
        draft.publish()?;
        Ok(notes)
    }
}

/// What an earlier process has begun, where it can be gone on with: its schema must be the one that would be made.
fn found(
    path: &Path,
    file: &OriginalFile,
    stop: &Stop,
) -> Result<Option<(Connection, Layout, i32)>> {
    let connection = open(path, stop).map_err(failed)?;
    let parts = tune(&connection)
        .and_then(|()| connection.query_row("PRAGMA main.user_version", [], |row| row.get(0)));
    let parts = match parts.map_err(|error| stop.named(failed(error))) {
        Ok(parts @ 1..) => parts,
        Err(error) if error.class().passes() => return Err(error),
        // Whatever it is that cannot be read is made anew.
        Ok(_) | Err(_) => return Ok(None),
    };
    let twin = Connection::open_in_memory().map_err(failed)?;
    stand_in(&twin).map_err(failed)?;
    set_up(&twin, file).map_err(failed)?;
    let layout = Layout::make(&twin, file)?;
    let is_same =
        matches!((schema(&connection), schema(&twin)), (Ok(one), Ok(other)) if one == other);
    if !is_same {
        return Ok(None);
    }
    connection.execute_batch("BEGIN").map_err(failed)?;
    Ok(Some((connection, layout, parts)))
}

/// All of a schema, with the pages at which trees begin.
fn schema(connection: &Connection) -> rusqlite::Result<Vec<(String, i64, Option<String>)>> {
    let sql = "SELECT name, rootpage, sql FROM main.sqlite_schema ORDER BY rowid";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
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

/// Gives an empty file what its header has, and begins the first transaction.
fn set_up(connection: &Connection, file: &OriginalFile) -> rusqlite::Result<()> {
    let OriginalFile { encoding, page_size, auto_vacuum, application_id, .. } = file;
    connection.execute_batch(&format!(
        "PRAGMA main.page_size = {page_size};
         PRAGMA encoding = '{}';
         PRAGMA main.auto_vacuum = {};",
        encoding.name(),
        auto_vacuum.number(),
    ))?;
    tune(connection)?;
    connection.execute_batch(&format!("BEGIN; PRAGMA main.application_id = {application_id}"))
}

/// A file that is not there yet needs no syncs; the journal is for processes that are killed, and has little to do where
/// pages are new.
fn tune(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA main.journal_mode = TRUNCATE;
         PRAGMA main.synchronous = OFF;
         PRAGMA main.locking_mode = EXCLUSIVE;
         PRAGMA main.cache_size = -65536;
         PRAGMA threads = 2;",
    )
}

/// Fills every index from its table.
fn make_indexes(connection: &Connection, file: &OriginalFile) -> Result<()> {
    for index in indexes(file) {
        let sql = format!("REINDEX main.{}", quoted(&index.name));
        connection
            .execute_batch(&sql)
            .map_err(failed)
            .at(|| format!("index {}", index.name))
            .at(|| format!("table {}", index.table))?;
    }
    Ok(())
}

fn indexes(file: &OriginalFile) -> impl Iterator<Item = &SchemaObject> {
    file.objects.iter().filter(|object| object.kind == ObjectKind::Index)
}

/// What is left to do for the file's application.
fn notes(connection: &Connection, making: Making<'_>) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for index in indexes(making.file) {
        let strange = strange_collations(connection, &index.name).map_err(failed)?;
        notes.extend(strange.map(|collation| {
            format!(
                "index {} is ordered by the collation {collation}, which only the application knows: have it run REINDEX {collation}",
                index.name
            )
        }));
    }
    let unfilled = shadow::unfilled(making.file, making.tables);
    notes.extend(unfilled.into_iter().map(|object| {
        format!(
            "virtual table {} was made anew: what it held itself was not kept, and the application must fill it",
            object.name
        )
    }));
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
        Some(ErrorCode::DiskFull) => {
            Error::new(Class::Temporary, "the disk is full that the file is made on")
                .todo("make room there, then run the same command again")
                .because(error)
        }
        Some(_) => refused(error),
    }
}
