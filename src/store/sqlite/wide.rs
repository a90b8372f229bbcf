//! The cells of a database whose texts are UTF-16, as they are stored.
//!
//! SQLite gives texts in UTF-8, and on the way joins a surrogate without its partner with whatever follows it: what is
//! no text at all would arrive as another one. So here texts are read as bytes, which of the columns have one is read
//! beside them, and they become UTF-8 here. What is none is given in a form that no UTF-8 has and that differs for all
//! that differs: such a surrogate as its three bytes, half a unit at the end behind the byte FF. A database in UTF-8 is
//! read as it is.

use super::batch::raw;
use super::statement::{OutOfMemory, Row, Statement};
use crate::model::{RawCell, RowRange, TextEncoding};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use std::ops::Range;

impl TextEncoding {
    /// That of all texts of a database.
    pub(super) fn of(connection: &Connection) -> Result<Self> {
        let name: String = connection.query_row("PRAGMA main.encoding", [], |row| row.get(0))?;
        Ok(Self::of_name(&name).unwrap_or_default())
    }

    /// What to select: these columns, the rowid where there is one, and behind them what [`Rows`] needs.
    pub(super) fn select(self, columns: &[String], rowid: Option<&str>) -> String {
        if self == Self::Utf8 {
            return columns.iter().map(String::as_str).chain(rowid).collect::<Vec<_>>().join(", ");
        }
        let cell = |column: &String| {
            format!(
                "CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END"
            )
        };
        let mut all: Vec<_> = columns.iter().map(cell).collect();
        all.extend(rowid.map(Into::into));
        all.extend(columns.chunks(FLAGS).map(|some| {
            let flags = some.iter().enumerate();
            let flags =
                flags.map(|(bit, column)| format!("((typeof({column}) = 'text') << {bit})"));
            flags.collect::<Vec<_>>().join(" | ")
        }));
        all.join(", ")
    }
}

/// Columns of which one number says whether they have a text: a table may have 2,000, and a result no more.
const FLAGS: usize = 32;
/// Bytes for the texts of a row that are kept for the next one.
const KEPT_BYTES: usize = 1024 * 1024;

/// The rows that a statement gives, one after the other, or several statements in turn.
#[derive(Debug)]
pub(super) struct Rows<'c> {
    statement: Statement<'c>,
    /// Those to come; the next one is the last.
    later: Vec<Statement<'c>>,
    stored: Stored,
}

/// The texts of the current row as they are stored.
#[derive(Debug)]
struct Stored {
    encoding: TextEncoding,
    /// Where it is said which columns have a text.
    flags: usize,
    texts: Vec<u8>,
    /// Where they are, by column; nothing in a database in UTF-8.
    places: Vec<Option<Range<usize>>>,
}

/// A row whose cells are what the file holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'r> {
    row: Row<'r>,
    stored: &'r Stored,
}

impl<'c> Rows<'c> {
    /// The rows of a range, by a statement that selects so many columns by [`TextEncoding::select`].
    pub(super) fn query(
        connection: &'c Connection,
        sql: &str,
        range: RowRange,
        (encoding, columns, rowid): (TextEncoding, usize, Option<&str>),
    ) -> Result<Self> {
        Self::query_all(connection, &[(sql, ends(range))], (encoding, columns, rowid))
    }

    /// The rows of several such statements, each with the values that are bound to it.
    pub(super) fn query_all(
        connection: &'c Connection,
        statements: &[(impl AsRef<str>, Vec<ValueRef<'_>>)],
        (encoding, columns, rowid): (TextEncoding, usize, Option<&str>),
    ) -> Result<Self> {
        let prepare = |(sql, values): &(_, Vec<_>)| prepare(connection, sql, values);
        let mut later = statements.iter().rev().map(prepare).collect::<Result<Vec<_>>>()?;
        let statement = later.pop().ok_or(Error::InvalidQuery)?;
        let flags = columns + usize::from(rowid.is_some());
        let places = if encoding == TextEncoding::Utf8 { 0 } else { columns };
        if statement.columns() != flags + places.div_ceil(FLAGS) {
            return Err(Error::InvalidColumnIndex(statement.columns()));
        }
        let stored = Stored { encoding, flags, texts: Vec::new(), places: vec![None; places] };
        Ok(Self { statement, later, stored })
    }

    /// The next one; none behind the last one.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Seen<'_>>> {
        if !self.statement.step()? && !self.step_later()? {
            return Ok(None);
        }
        let row = self.statement.row();
        if !self.stored.places.is_empty() {
            self.stored.take(row)?;
        }
        Ok(Some(Seen { row, stored: &self.stored }))
    }
}

fn prepare<'c>(
    connection: &'c Connection,
    sql: &impl AsRef<str>,
    values: &[ValueRef<'_>],
) -> Result<Statement<'c>> {
    Statement::prepare_with(connection, sql.as_ref(), values)
}

/// What is bound to a statement for a range.
pub(super) fn ends(range: RowRange) -> Vec<ValueRef<'static>> {
    match range {
        RowRange::Rowids { first, last } => [first, last].map(ValueRef::Integer).to_vec(),
        RowRange::All => Vec::new(),
    }
}

impl Rows<'_> {
    /// Goes to the first row of the statements to come. Apart, so that going from row to row stays small.
    #[cold]
    fn step_later(&mut self) -> Result<bool> {
        while let Some(next) = self.later.pop() {
            self.statement = next;
            if self.statement.step()? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Stored {
    fn take(&mut self, row: Row<'_>) -> Result<()> {
        self.texts.clear();
        self.texts.shrink_to(KEPT_BYTES);
        for (number, places) in self.places.chunks_mut(FLAGS).enumerate() {
            let flags = row.cell(self.flags + number)?.as_i64()?;
            for (bit, place) in places.iter_mut().enumerate() {
                *place = None;
                if flags >> bit & 1 == 1 {
                    let stored = row.cell(number * FLAGS + bit)?.as_blob()?;
                    let begin = self.texts.len();
                    append(stored, self.encoding, &mut self.texts);
                    *place = Some(begin..self.texts.len());
                }
            }
        }
        Ok(())
    }
}

impl<'r> Seen<'r> {
    /// A cell as the file holds it.
    #[expect(clippy::inline_always, reason = "as for the row's own cell")]
    #[inline(always)]
    pub(super) fn cell(&self, position: usize) -> Result<ValueRef<'r>, OutOfMemory> {
        if self.stored.places.is_empty() {
            self.row.cell(position)
        } else {
            self.stored_cell(position)
        }
    }

    #[inline(never)]
    fn stored_cell(&self, position: usize) -> Result<ValueRef<'r>, OutOfMemory> {
        let Stored { texts, places, .. } = self.stored;
        match places.get(position) {
            Some(Some(place)) => Ok(ValueRef::Text(texts.get(place.clone()).unwrap_or_default())),
            _ => self.row.cell(position),
        }
    }

    /// The rowid, which stands at this position.
    pub(super) fn rowid(&self, position: usize) -> Result<i64> {
        Ok(self.row.cell(position)?.as_i64()?)
    }

    /// The cell with its exact bytes, and how those of a text are to be read: UTF-8 wherever that can say the same.
    pub(super) fn raw(&self, position: usize) -> Result<(RawCell, TextEncoding)> {
        let cell = raw(self.cell(position)?);
        match self.stored.places.get(position) {
            Some(Some(_)) if std::str::from_utf8(&cell.bytes).is_err() => {
                let stored = self.row.cell(position)?.as_blob()?;
                Ok((RawCell::text(stored), self.stored.encoding))
            }
            _ => Ok((cell, TextEncoding::Utf8)),
        }
    }
}

/// Appends a text as UTF-8; what is no UTF-16, as bytes that are no UTF-8.
fn append(stored: &[u8], encoding: TextEncoding, bytes: &mut Vec<u8>) {
    let (units, half) = stored.as_chunks::<2>();
    let unit = |&unit: &[u8; 2]| match encoding {
        TextEncoding::Utf16le => u16::from_le_bytes(unit),
        TextEncoding::Utf16be | TextEncoding::Utf8 => u16::from_be_bytes(unit),
    };
    bytes.reserve(stored.len());
    for unit in char::decode_utf16(units.iter().map(unit)) {
        match unit {
            Ok(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(alone) => {
                let [high, low] = alone.unpaired_surrogate().to_be_bytes();
                bytes.extend([0xED, 0x80 | (high & 0x0F) << 2 | low >> 6, 0x80 | low & 0x3F]);
            }
        }
    }
    bytes.extend(half.iter().flat_map(|&half| [0xFF, half]));
}

#[cfg(test)]
mod tests {
    use super::{TextEncoding, append};

    fn in_bytes(stored: &[u8], encoding: TextEncoding) -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        append(stored, encoding, &mut bytes);
        bytes.split_off(6)
    }

    #[test]
    fn what_is_no_utf_16_is_told_from_all_else() {
        let odd: [(&[u8], &[u8]); 6] = [
            (&[0xD8, 0x00], &[0xED, 0xA0, 0x80]),
            (&[0xDF, 0xFF], &[0xED, 0xBF, 0xBF]),
            (&[0xD8, 0x00, 0x00, 0x41], &[0xED, 0xA0, 0x80, 0x41]),
            (&[0xDC, 0x41, 0xD8, 0x00], &[0xED, 0xB1, 0x81, 0xED, 0xA0, 0x80]),
            (&[0xD8, 0x00, 0xD8, 0x00, 0xDC, 0x41], &[0xED, 0xA0, 0x80, 0xF0, 0x90, 0x81, 0x81]),
            (&[0x00, 0x41, 0x42], &[0x41, 0xFF, 0x42]),
        ];
        for (stored, bytes) in odd {
            assert_eq!(in_bytes(stored, TextEncoding::Utf16be), bytes);
            assert!(std::str::from_utf8(bytes).is_err());
        }
    }

    #[test]
    fn text_is_text_in_either_order() {
        let text = "\0 Zoë Привет 中文 \u{feff}\u{fffe}\u{ffff}\u{10041}🐸";
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(in_bytes(&big, TextEncoding::Utf16be), text.as_bytes());
        assert_eq!(in_bytes(&little, TextEncoding::Utf16le), text.as_bytes());
    }
}
