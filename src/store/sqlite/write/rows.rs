//! The rows of one table on their way into a new file.

use super::layout::{Layout, StandIn};
use super::{KeptCell, failed};
use crate::error::{Class, Error, Place, Result};
use crate::model::{RawCell, RowName, StorageClass, TableSchema, TextEncoding};
use crate::row::{CellWriter, StoredCell, Values};
use crate::store::sqlite::batch::{raw, value_of};
use crate::store::sqlite::original::Exact;
use crate::store::sqlite::statement::Insert;
use arrow_array::RecordBatch;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Writes the rows of one table.
#[derive(Debug)]
pub struct TableWriter<'w> {
    connection: &'w Connection,
    /// The source's name of the table.
    table: String,
    encoding: TextEncoding,
    into: Destination,
    insert: Insert<'w>,
    /// For rows with texts that SQLite takes as bytes only: which of the parameters those are.
    odd: Option<(Vec<bool>, Insert<'w>)>,
    columns: Vec<Slot>,
}

/// What rows are written to: a table, and the columns that are given, in order.
#[derive(Debug)]
struct Destination {
    name: String,
    columns: Vec<String>,
}

/// A column of the rows that come.
#[derive(Debug)]
struct Slot {
    name: String,
    /// None in tables that are kept whole, whose cells come as they were.
    writer: Option<CellWriter>,
    /// Whether it stands in the rows, and is not computed when they are read.
    is_stored: bool,
}

/// Why a row was not written.
enum Unwritten {
    /// The form of the column of this position cannot say its value.
    NoCell(usize),
    /// SQLite's refusal.
    Refused(rusqlite::Error),
}

impl From<rusqlite::Error> for Unwritten {
    fn from(error: rusqlite::Error) -> Self {
        Self::Refused(error)
    }
}

impl<'w> TableWriter<'w> {
    /// For the rows of a plan's table.
    pub(super) fn of_schema(
        connection: &'w Connection,
        layout: &Layout,
        table: &TableSchema,
        encoding: TextEncoding,
    ) -> Result<Self> {
        let stand_in = layout.stand_in(&table.source)?;
        let mut into = Destination { name: stand_in.name.clone(), columns: Vec::new() };
        let mut slots = Vec::new();
        for column in &table.columns {
            let place = place(stand_in, &column.source)?;
            slots.push(Slot {
                name: column.source.clone(),
                writer: Some(CellWriter::new(column)?),
                is_stored: place.is_some(),
            });
            into.columns.extend(place);
        }
        let stored = stand_in.columns.iter().enumerate().filter(|(_, column)| column.is_stored);
        for (at, column) in stored {
            if !into.columns.contains(&format!("c{at}")) {
                let what = format!("column {} of the source is not in the plan", column.name);
                return Err(Error::internal(what));
            }
        }
        Self::new(connection, &table.source, encoding, (into, slots))
    }

    /// For the rows of a table that is kept whole: all that is stored of them, and the rowid where it has one.
    pub(super) fn of_whole(
        connection: &'w Connection,
        layout: &Layout,
        table: &str,
        encoding: TextEncoding,
    ) -> Result<Self> {
        let stand_in = layout.stand_in(table)?;
        let stored = stand_in.columns.iter().enumerate().filter(|(_, column)| column.is_stored);
        let mut into = Destination { name: stand_in.name.clone(), columns: Vec::new() };
        let mut slots = Vec::new();
        for (at, column) in stored {
            into.columns.push(format!("c{at}"));
            slots.push(Slot { name: column.name.clone(), writer: None, is_stored: true });
        }
        if stand_in.has_rowid && stand_in.rowid_alias.is_none() {
            into.columns.push(ROWID.into());
            slots.push(Slot { name: ROWID.into(), writer: None, is_stored: true });
        }
        Self::new(connection, table, encoding, (into, slots))
    }

    fn new(
        connection: &'w Connection,
        table: &str,
        encoding: TextEncoding,
        (into, columns): (Destination, Vec<Slot>),
    ) -> Result<Self> {
        let insert = Insert::prepare(connection, &into.sql(&[])).map_err(failed)?;
        Ok(Self { connection, table: table.into(), encoding, into, insert, odd: None, columns })
    }

    /// Writes the rows of a batch in [`TableSchema::write_schema`]'s shape. `kept` has the cells that are written as they
    /// were, whatever their columns' forms say, in the order of rows and columns.
    ///
    /// # Errors
    ///
    /// A value that its column's form cannot say and that is not among those, with its row and its column; what SQLite and
    /// the disk say.
    pub fn rows(&mut self, batch: &RecordBatch, kept: &[KeptCell]) -> Result<()> {
        let table = self.table.clone();
        self.write(batch, kept).at(|| format!("table {table}"))
    }

    fn write(&mut self, batch: &RecordBatch, mut kept: &[KeptCell]) -> Result<()> {
        let slots = self.columns.iter().zip(batch.columns());
        let values = slots.map(|(slot, array)| {
            let writer = slot.writer.as_ref().ok_or_else(|| Error::internal("it has no plan"))?;
            writer.values(array).at(|| format!("column {}", slot.name))
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        if values.len() != self.columns.len() {
            return Err(Error::internal("a batch of another table"));
        }
        for row in 0..batch.num_rows() {
            let of_row = kept.iter().take_while(|cell| cell.at == row).count();
            let (own, later) = kept.split_at_checked(of_row).unwrap_or((&[], kept));
            kept = later;
            if self.encoding == TextEncoding::Utf8 || !self.is_odd(&values, row, own) {
                self.row(&values, row, own)?;
            } else {
                self.odd_row(&values, row, own)?;
            }
        }
        match kept.first() {
            Some(cell) => Err(Error::internal(format!("a kept cell of row {}", cell.at))),
            None => Ok(()),
        }
    }

    /// Writes a row whose texts are all texts, or stand in a file in UTF-8, which takes any bytes for one.
    #[inline]
    fn row(&mut self, values: &[Values<'_>], row: usize, mut kept: &[KeptCell]) -> Result<()> {
        let columns = &mut self.columns;
        let written = self.insert.run(|parameters| {
            for (position, (slot, values)) in columns.iter_mut().zip(values).enumerate() {
                if let Some((cell, later)) = kept.split_first()
                    && cell.column == position
                {
                    kept = later;
                    if slot.is_stored {
                        parameters.push(value_of(&cell.cell))?;
                    }
                } else if slot.is_stored {
                    let cell = slot.writer.as_mut().and_then(|writer| writer.cell(values, row));
                    parameters.push(sqlite(cell.ok_or(Unwritten::NoCell(position))?))?;
                }
            }
            Ok(())
        });
        written.map_err(|why| self.unwritten(why, row))
    }

    /// Whether a row has a text that SQLite would change on its way into a file in UTF-16.
    fn is_odd(&mut self, values: &[Values<'_>], row: usize, kept: &[KeptCell]) -> bool {
        let own = |cell: &KeptCell| {
            cell.encoding != TextEncoding::Utf8
                || (cell.cell.class == StorageClass::Text && is_odd_text(&cell.cell.bytes))
        };
        kept.iter().any(own)
            || self.columns.iter_mut().zip(values).any(|(slot, values)| {
                let cell = slot.writer.as_mut().and_then(|writer| writer.cell(values, row));
                matches!(cell, Some(StoredCell::Text(text)) if is_odd_text(text.as_bytes()))
            })
    }

    /// Writes a row by its cells.
    fn odd_row(&mut self, values: &[Values<'_>], row: usize, mut kept: &[KeptCell]) -> Result<()> {
        let mut cells = Vec::new();
        for (position, (slot, values)) in self.columns.iter_mut().zip(values).enumerate() {
            if let Some((cell, later)) = kept.split_first()
                && cell.column == position
            {
                kept = later;
                cells.push((cell.cell.clone(), cell.encoding));
                continue;
            }
            let cell = slot.writer.as_mut().and_then(|writer| writer.cell(values, row));
            match cell {
                Some(cell) => cells.push((raw(sqlite(cell)), TextEncoding::Utf8)),
                None => return Err(self.unwritten(Unwritten::NoCell(position), row)),
            }
        }
        self.exact(&cells).at(|| format!("row {row}"))
    }

    /// Writes a row by the cells that it had, in the order of the table's columns.
    ///
    /// # Errors
    ///
    /// Cells of another table, a text that cannot be written as it was, and what SQLite and the disk say.
    pub fn raw(&mut self, cells: &[Exact]) -> Result<()> {
        let table = self.table.clone();
        self.exact(cells).at(|| format!("table {table}"))
    }

    /// Writes a row of a table that is kept whole.
    ///
    /// # Errors
    ///
    /// As [`Self::raw`].
    pub fn whole(&mut self, name: &RowName, mut cells: Vec<Exact>) -> Result<()> {
        if self.columns.len() > cells.len()
            && let Some(rowid) = name.rowid()
        {
            cells.push((RawCell::integer(rowid), TextEncoding::Utf8));
        }
        self.raw(&cells)
    }

    fn exact(&mut self, cells: &[Exact]) -> Result<()> {
        if cells.len() != self.columns.len() {
            return Err(Error::internal("a row of another table"));
        }
        let cells = self.columns.iter().zip(cells).filter(|(slot, _)| slot.is_stored);
        let cells = cells.map(|(slot, cell)| {
            as_taken(cell, self.encoding).at(|| format!("column {}", slot.name))
        });
        let cells = cells.collect::<Result<Vec<_>>>()?;
        let casts: Vec<_> = cells.iter().map(|(_, is_cast)| *is_cast).collect();
        let insert = if casts.contains(&true) { self.odd(casts)? } else { &mut self.insert };
        let write = insert.run(|parameters| {
            cells.iter().try_for_each(|(cell, _)| parameters.push(value_of(cell)))
        });
        write.map_err(failed)
    }

    /// The statement that takes these parameters as the bytes of texts.
    fn odd(&mut self, casts: Vec<bool>) -> Result<&mut Insert<'w>> {
        let odd = self.odd.take().filter(|(known, _)| *known == casts);
        let odd = if let Some(odd) = odd {
            odd
        } else {
            let sql = self.into.sql(&casts);
            (casts, Insert::prepare(self.connection, &sql).map_err(failed)?)
        };
        Ok(&mut self.odd.insert(odd).1)
    }

    #[cold]
    fn unwritten(&self, why: Unwritten, row: usize) -> Error {
        let row = format!("row {row} of a batch");
        match why {
            Unwritten::Refused(error) => failed(error).at(row),
            Unwritten::NoCell(position) => {
                let column = self.columns.get(position).map_or("", |slot| slot.name.as_str());
                let what = "its value cannot be written in the column's form, and the cell that it was is not kept";
                Error::new(Class::Damaged, what)
                    .todo("restore another generation, or from the target")
                    .at(format!("column {column}"))
                    .at(row)
            }
        }
    }
}

const ROWID: &str = "rowid";

/// Where a column of the source stands among those that rows are written to; nowhere where it is computed when it is read.
fn place(stand_in: &StandIn, source: &str) -> Result<Option<String>> {
    let columns = || stand_in.columns.iter().enumerate();
    let found = columns().find(|(_, column)| column.name == source);
    match found {
        Some((at, column)) => Ok(column.is_stored.then(|| format!("c{at}"))),
        // A last column that carries the rowid has one of its names, which no column has then.
        None if stand_in.has_rowid && ["rowid", "_rowid_", "oid"].contains(&source) => {
            Ok(Some(ROWID.into()))
        }
        None => Err(Error::internal(format!("the source has no column {source}"))),
    }
}

impl Destination {
    /// The statement that writes a row, of whose parameters these are bytes of texts.
    fn sql(&self, casts: &[bool]) -> String {
        let is_cast = casts.iter().chain(std::iter::repeat(&false));
        let values = self.columns.iter().zip(is_cast);
        let values = values.map(|(_, is_cast)| if *is_cast { "CAST(? AS TEXT)" } else { "?" });
        let (columns, values) = (self.columns.join(", "), values.collect::<Vec<_>>().join(", "));
        format!("INSERT INTO main.{} ({columns}) VALUES ({values})", self.name)
    }
}

fn sqlite(cell: StoredCell<'_>) -> ValueRef<'_> {
    match cell {
        StoredCell::Null => ValueRef::Null,
        StoredCell::Integer(value) => ValueRef::Integer(value),
        StoredCell::Real(value) => ValueRef::Real(value),
        StoredCell::Text(text) => ValueRef::Text(text.as_bytes()),
        StoredCell::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

/// Whether SQLite would put another character in the place of one of these when it makes UTF-16 of them.
fn is_odd_text(text: &[u8]) -> bool {
    text.windows(3).any(|three| matches!(three, [0xEF, 0xBF, 0xBE | 0xBF]))
}

/// A cell as SQLite takes it, and whether it is the bytes of a text.
fn as_taken((cell, encoding): &Exact, of_file: TextEncoding) -> Result<(RawCell, bool)> {
    if cell.class != StorageClass::Text || of_file == TextEncoding::Utf8 {
        return if *encoding == TextEncoding::Utf8 {
            Ok((cell.clone(), false))
        } else {
            Err(Error::internal("a text in UTF-16 of a file in UTF-8"))
        };
    }
    let bytes = match (encoding, std::str::from_utf8(&cell.bytes)) {
        (TextEncoding::Utf8, Ok(_)) if !is_odd_text(&cell.bytes) => {
            return Ok((cell.clone(), false));
        }
        (TextEncoding::Utf8, Ok(text)) if of_file == TextEncoding::Utf16le => {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }
        (TextEncoding::Utf8, Ok(text)) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        (encoding, _) if *encoding == of_file => cell.bytes.clone(),
        _ => return Err(Error::internal("a text in another encoding than its file's")),
    };
    if bytes.len() % 2 == 1 {
        return Err(Error::new(Class::Data, "a text in UTF-16 ends in half a character")
            .todo("no SQLite writes such a text any more: repair it in the source"));
    }
    Ok((RawCell::blob(&bytes), true))
}
