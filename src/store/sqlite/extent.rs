//! How large a table is by now, about, without reading it.

use super::behind::Order;
use super::connection::refused;
use super::read::{Reader, file_bytes, select};
use super::wide::Rows;
use crate::error::{Place, Result};
use crate::model::identifier::quoted;
use crate::model::{RowRange, TableSchema, TextEncoding};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// How far the rows of a table reach, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// None where rows have no rowids.
    rowids: Option<Rowids>,
    /// Bytes of the whole file.
    most: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rowids {
    first: i64,
    last: i64,
    /// Bytes of a row.
    row_bytes: u64,
}

impl Extent {
    /// That of a table; none where it is seen to be empty, or where its rows cannot be read piece by piece.
    ///
    /// # Errors
    ///
    /// A source that cannot be read.
    pub fn of(reader: &Reader, table: &TableSchema) -> Result<Option<Self>> {
        let Some(rowid) = &table.rowid_name else {
            return reader.in_one_state(|connection| {
                let most = file_bytes(connection)?;
                Ok(has_order(connection, table)?.then_some(Self { rowids: None, most }))
            });
        };
        let name = quoted(&table.source);
        // Each end is asked for alone, because only then SQLite does not scan.
        let sql = format!(
            "SELECT (SELECT min({rowid}) FROM main.{name}), (SELECT max({rowid}) FROM main.{name})"
        );
        reader
            .in_one_state(|connection| {
                let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                let (Some(first), Some(last)) =
                    connection.query_row(&sql, [], read).map_err(refused)?
                else {
                    return Ok(None);
                };
                let planned = table.bytes.checked_div(table.rows).unwrap_or_default();
                let row_bytes = last_rows(connection, table, last)?.max(planned);
                let rowids = Some(Rowids { first, last, row_bytes });
                Ok(Some(Self { rowids, most: file_bytes(connection)? }))
            })
            .at(|| format!("table {}", table.source))
    }

    /// Bytes of the rows from a rowid on, about: as many as there are without a gap between their rowids. Without rowids
    /// nothing is known but that they are no more than the file has.
    pub fn bytes_from(&self, first: i64) -> u64 {
        let Some(rowids) = self.rowids else { return self.most };
        let rows = i128::from(rowids.last) - i128::from(first.max(rowids.first)) + 1;
        let rows = u64::try_from(rows.max(0)).unwrap_or(u64::MAX);
        rows.saturating_mul(rowids.row_bytes).min(self.most)
    }
}

/// Whether the rows of a table without rowids can be searched in the order in which they lie.
fn has_order(connection: &Connection, table: &TableSchema) -> Result<bool> {
    let columns: Vec<_> = table.columns.iter().map(|column| column.source.as_str()).collect();
    let encoding = TextEncoding::of(connection).map_err(refused)?;
    let order = Order::of(connection, (&table.source, &columns, None), encoding)?;
    Ok(matches!(order, Order::Key(_)))
}

/// The last rows that are looked at, by their rowids and their bytes.
const LAST_ROWS: i64 = 32;
const LAST_BYTES: u64 = 256 * 1024;

/// Bytes of one of the last rows.
fn last_rows(connection: &Connection, table: &TableSchema, last: i64) -> Result<u64> {
    let range = RowRange::Rowids { first: last.saturating_sub(LAST_ROWS), last };
    let encoding = TextEncoding::of(connection).map_err(refused)?;
    let columns = table.columns.len();
    let shape = (encoding, columns, table.rowid_name.as_deref());
    let sql = select(table, range, &[], encoding);
    let mut found = Rows::query(connection, &sql, range, shape).map_err(refused)?;
    let (mut rows, mut bytes) = (0, 0);
    while let Some(row) = found.next().map_err(refused)? {
        rows += 1;
        for position in 0..columns {
            bytes += length(row.cell(position).map_err(refused)?);
        }
        if bytes > LAST_BYTES {
            break;
        }
    }
    Ok(bytes.checked_div(rows).unwrap_or_default().max(1))
}

fn length(cell: ValueRef<'_>) -> u64 {
    match cell {
        ValueRef::Null => 1,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len().try_into().unwrap_or(u64::MAX),
    }
}
