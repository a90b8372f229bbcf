//! Going on behind a row: what is read in pieces, each in a state of its own, goes on behind the last row of the one
//! before.
//!
//! Behind a rowid there are the higher ones. A table without rowids lies in the order of its key, by the collation and
//! the direction of each of its columns: behind a row there are those that have the same first columns and a last one
//! behind its last one, then those whose last but one is behind, and so on. Each of these is one search of the key.

#[cfg(test)]
mod tests;

use super::batch::{raw, value_of};
use super::connection::refused;
use super::introspect::{self, KeyColumn};
use super::wide::Seen;
use crate::error::{Error, Result};
use crate::model::identifier::quoted;
use crate::model::{RawCell, RowName, TextEncoding, is_comparable};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// The order in which the rows of a table are read.
#[derive(Debug)]
pub(super) enum Order {
    /// By the rowid, which stands at this position of a row.
    Rowid(usize),
    /// By the key of a table without rowids.
    Key(KeyOrder),
    /// As they lie in the file, in an order that cannot be searched.
    Unknown,
}

impl Order {
    /// That of a table whose rows are read with these columns and the rowid, where it has one.
    pub(super) fn of(
        connection: &Connection,
        (table, columns, rowid): (&str, &[&str], Option<&str>),
        encoding: TextEncoding,
    ) -> Result<Self> {
        if rowid.is_some() {
            return Ok(Self::Rowid(columns.len()));
        }
        let key = KeyOrder::of(connection, table, columns, encoding)?;
        Ok(key.map_or(Self::Unknown, Self::Key))
    }

    /// The name of a row, if what lies behind it can be asked for.
    pub(super) fn name(&self, row: &Seen<'_>) -> Result<Option<RowName>> {
        match self {
            Self::Rowid(position) => {
                row.rowid(*position).map(|rowid| Some(RowName::Rowid(rowid))).map_err(refused)
            }
            Self::Key(key) => key.name(row),
            Self::Unknown => Ok(None),
        }
    }

    /// The statements that give the rows of a table behind one of them, one after the other, each with what is bound to it;
    /// `whole` gives all of its rows, or those of a range of rowids that begins behind that one.
    pub(super) fn statements<'k>(
        &self,
        whole: (String, Vec<ValueRef<'k>>),
        (columns, table): (&str, &str),
        behind: Option<&'k RowName>,
    ) -> Result<Vec<(String, Vec<ValueRef<'k>>)>> {
        match (self, behind) {
            (Self::Rowid(_), _) | (Self::Unknown, None) => Ok(vec![whole]),
            (Self::Key(key), None) => Ok(vec![key.search((columns, table), &[])]),
            (Self::Key(key), Some(RowName::Cells(cells))) if cells.len() == key.columns.len() => {
                Ok(key.searches((columns, table), cells))
            }
            _ => Err(Error::internal("rows behind a name that cannot be searched")),
        }
    }
}

/// The order in which the rows of a table without rowids lie, where its key can be searched.
#[derive(Debug)]
pub(super) struct KeyOrder {
    /// The name of the key's index.
    index: String,
    columns: Vec<Placed>,
    encoding: TextEncoding,
}

/// A column of a key, and where a row that is read has it.
#[derive(Debug)]
struct Placed {
    column: KeyColumn,
    position: usize,
}

impl KeyOrder {
    /// None where the table has rowids, where not all of its key is read, or where the application alone knows how a text is
    /// compared.
    fn of(
        connection: &Connection,
        table: &str,
        columns: &[&str],
        encoding: TextEncoding,
    ) -> Result<Option<Self>> {
        let Some((index, key)) = introspect::stored_key(connection, table)? else {
            return Ok(None);
        };
        let placed = key.into_iter().map(|column| {
            let position = columns.iter().position(|name| *name == column.name)?;
            // What stands in for a collation of the application gives another order.
            is_comparable(&column.collation).then_some(Placed { column, position })
        });
        let placed: Option<Vec<_>> = placed.collect();
        Ok(placed.map(|columns| Self { index, columns, encoding }))
    }

    /// A text that is none cannot be handed to a database in UTF-16; and nothing lies behind a NULL, which a key has in a damaged
    /// file only.
    fn name(&self, row: &Seen<'_>) -> Result<Option<RowName>> {
        let mut cells = Vec::with_capacity(self.columns.len());
        for placed in &self.columns {
            let cell = row.cell(placed.position).map_err(refused)?;
            if cell == ValueRef::Null {
                return Ok(None);
            }
            if let ValueRef::Text(bytes) = cell
                && self.encoding != TextEncoding::Utf8
                && std::str::from_utf8(bytes).is_err()
            {
                return Ok(None);
            }
            cells.push(raw(cell));
        }
        Ok(Some(RowName::Cells(cells)))
    }

    fn searches<'k>(
        &self,
        (columns, table): (&str, &str),
        key: &'k [RawCell],
    ) -> Vec<(String, Vec<ValueRef<'k>>)> {
        let depths = (1..=self.columns.len()).rev();
        let search = |depth| self.search((columns, table), key.get(..depth).unwrap_or(key));
        depths.map(search).collect()
    }

    /// The rows that have the first columns of a key but the last, and that one behind it; all of them behind no key. In the
    /// order of the key by its own index: SQLite takes another one of a table without rowids even where it is told to take
    /// none.
    fn search<'k>(
        &self,
        (columns, table): (&str, &str),
        key: &'k [RawCell],
    ) -> (String, Vec<ValueRef<'k>>) {
        let mut conditions = Vec::new();
        let mut order = Vec::new();
        for (number, Placed { column, .. }) in (1..).zip(&self.columns) {
            let of_key = format!("{} COLLATE {}", quoted(&column.name), quoted(&column.collation));
            let (behind, direction) = if column.descending { ("<", " DESC") } else { (">", "") };
            if number <= key.len() {
                let is = if number < key.len() { "=" } else { behind };
                conditions.push(format!("{of_key} {is} ?{number}"));
            }
            order.push(format!("{of_key}{direction}"));
        }
        let among = if conditions.is_empty() { "" } else { " WHERE " };
        let sql = format!(
            "SELECT {columns} FROM main.{} INDEXED BY {}{among}{} ORDER BY {}",
            quoted(table),
            quoted(&self.index),
            conditions.join(" AND "),
            order.join(", ")
        );
        (sql, key.iter().map(value_of).collect())
    }
}
