//! The content of a stretch of rows as one hash, so that a file that was changed can be told from one that was only
//! touched (by a checkpoint, a copy, a VACUUM).
//!
//! It hashes what SQLite gives, cell by cell in the order of the rows: a byte for the storage class, the length where it
//! varies, the value. It proves nothing about the target; that is what the digests of rows are for.

use super::connection::refused;
use super::read::Reader;
use super::wide::Rows;
use crate::error::{Place, Result};
use crate::model::{RowRange, SourceTable, TextEncoding};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Bytes that are hashed at once: blake3 is fastest on long runs.
const RUN_BYTES: usize = 64 * 1024;
/// Rows after which the caller may stop.
const TICK_ROWS: u64 = 16 * 1024;

/// The hash of the cells seen so far.
#[derive(Debug, Default)]
pub(super) struct ContentHasher {
    hasher: blake3::Hasher,
    run: Vec<u8>,
}

impl ContentHasher {
    /// Adds the next cell.
    pub(super) fn cell(&mut self, cell: ValueRef<'_>) {
        match cell {
            ValueRef::Null => self.run.push(0),
            ValueRef::Integer(value) => self.fixed(1, value.to_le_bytes()),
            ValueRef::Real(value) => self.fixed(2, value.to_bits().to_le_bytes()),
            ValueRef::Text(bytes) => self.varying(3, bytes),
            ValueRef::Blob(bytes) => self.varying(4, bytes),
        }
        if self.run.len() >= RUN_BYTES {
            self.flush();
        }
    }

    /// The hash in hexadecimal digits; what comes after begins anew.
    pub(super) fn take(&mut self) -> String {
        self.flush();
        let hash = self.hasher.finalize().to_hex().to_string();
        self.hasher.reset();
        hash
    }

    fn fixed(&mut self, class: u8, value: [u8; 8]) {
        self.run.push(class);
        self.run.extend_from_slice(&value);
    }

    fn varying(&mut self, class: u8, bytes: &[u8]) {
        self.run.push(class);
        self.run.extend_from_slice(&bytes.len().to_le_bytes());
        if bytes.len() < RUN_BYTES {
            self.run.extend_from_slice(bytes);
        } else {
            self.flush();
            self.hasher.update(bytes);
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.run);
        self.run.clear();
    }
}

/// The content of a range of rows as it is now; `tick` is called now and then, and may stop it.
///
/// # Errors
///
/// A table that cannot be read, and whatever `tick` says.
pub fn of(
    reader: &Reader,
    table: &SourceTable,
    range: RowRange,
    tick: &mut dyn FnMut() -> Result<()>,
) -> Result<String> {
    reader
        .in_one_state(|connection| scan(connection, table, range, tick))
        .at(|| format!("table {}", table.name))
}

fn scan(
    connection: &Connection,
    table: &SourceTable,
    range: RowRange,
    tick: &mut dyn FnMut() -> Result<()>,
) -> Result<String> {
    let encoding = TextEncoding::of(connection).map_err(refused)?;
    let sql = super::census::select(table, range, encoding);
    let shape = (encoding, table.columns.len(), table.rowid_name);
    let mut rows = Rows::query(connection, &sql, range, shape).map_err(refused)?;
    let mut content = ContentHasher::default();
    let mut seen: u64 = 0;
    while let Some(row) = rows.next().map_err(refused)? {
        for position in 0..table.columns.len() {
            content.cell(row.cell(position).map_err(refused)?);
        }
        seen += 1;
        if seen.is_multiple_of(TICK_ROWS) {
            tick()?;
        }
    }
    Ok(content.take())
}

#[cfg(test)]
mod tests {
    use super::ContentHasher;
    use rusqlite::types::ValueRef;

    fn hash(cells: &[ValueRef<'_>]) -> String {
        let mut content = ContentHasher::default();
        for &cell in cells {
            content.cell(cell);
        }
        content.take()
    }

    #[test]
    fn every_class_value_and_border_of_a_cell_counts() {
        let long = vec![7; 3 * super::RUN_BYTES];
        let contents = [
            hash(&[]),
            hash(&[ValueRef::Null]),
            hash(&[ValueRef::Integer(0)]),
            hash(&[ValueRef::Real(0.0)]),
            hash(&[ValueRef::Real(-0.0)]),
            hash(&[ValueRef::Text(b"ab"), ValueRef::Text(b"c")]),
            hash(&[ValueRef::Text(b"a"), ValueRef::Text(b"bc")]),
            hash(&[ValueRef::Blob(b"a"), ValueRef::Text(b"bc")]),
            hash(&[ValueRef::Blob(&long)]),
            hash(&[ValueRef::Text(&long)]),
        ];
        for (number, one) in contents.iter().enumerate() {
            assert!(!contents[..number].contains(one), "{number}");
        }
    }

    #[test]
    fn what_was_taken_does_not_count_again() {
        let mut content = ContentHasher::default();
        content.cell(ValueRef::Integer(1));
        let first = content.take();
        content.cell(ValueRef::Integer(1));
        assert_eq!(content.take(), first);
    }
}
