//! The cells of a database whose texts are UTF-16, as they are stored.
//!
//! SQLite gives texts in UTF-8, and on the way joins a surrogate without its partner with whatever follows it: what is
//! no text at all would arrive as another one. So here each column is read a second time as bytes, and a text that does
//! not say the same is given in a form that no UTF-8 has and that differs for all that differs: such a surrogate as its
//! three bytes, half a unit at the end behind the byte FF. A database in UTF-8 is read as it is.
//!
//! A statement gives 2,000 columns at most: where a table has so many that they cannot come twice, the bytes of several
//! come together, as hexadecimal digits.

use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{Connection, Result, Row};
use std::borrow::Cow;

/// How a database holds texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16(Order),
}

/// Which byte of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Encoding {
    pub(super) fn of(connection: &Connection) -> Result<Self> {
        let name: String = connection.query_row("PRAGMA main.encoding", [], |row| row.get(0))?;
        Ok(match name.as_str() {
            "UTF-16le" => Self::Utf16(Order::Little),
            "UTF-16be" => Self::Utf16(Order::Big),
            _ => Self::Utf8,
        })
    }

    /// What to select: these columns, the rowid where there is one, and behind them what [`Cells`] needs.
    pub(super) fn select(self, columns: &[String], rowid: Option<&str>) -> String {
        let mut all = columns.to_vec();
        all.extend(rowid.map(Into::into));
        let stored = columns.iter().map(|column| format!("CAST({column} AS BLOB)"));
        match self {
            Self::Utf8 => {}
            Self::Utf16(_) if columns.len() <= COLUMNS_TWICE => all.extend(stored),
            Self::Utf16(_) => {
                let digits: Vec<_> = stored.map(|stored| format!("hex({stored})")).collect();
                all.extend(digits.chunks(TOGETHER).map(|digits| digits.join(" || ',' || ")));
            }
        }
        all.join(", ")
    }
}

/// Columns that a statement can give twice, and a rowid.
const COLUMNS_TWICE: usize = 999;
/// Columns whose bytes come together where there are more.
const TOGETHER: usize = 8;

/// Sees through the rows of a statement, one after the other.
#[derive(Debug)]
pub(super) struct Cells {
    encoding: Encoding,
    columns: usize,
    /// Where their bytes begin.
    stored: usize,
    /// Texts of the current row that SQLite does not give as they are, by their position.
    odd: Vec<(usize, Vec<u8>)>,
}

/// A row whose cells are what the file holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'r, 's> {
    row: &'r Row<'s>,
    odd: &'r [(usize, Vec<u8>)],
}

impl Cells {
    /// Those of a statement that selects so many columns by [`Encoding::select`].
    pub(super) fn new(encoding: Encoding, columns: usize, rowid: Option<&str>) -> Self {
        let stored = columns + usize::from(rowid.is_some());
        Self { encoding, columns, stored, odd: Vec::new() }
    }

    pub(super) fn of<'r, 's>(&'r mut self, row: &'r Row<'s>) -> Result<Seen<'r, 's>> {
        if let Encoding::Utf16(order) = self.encoding {
            self.odd.clear();
            for position in 0..self.columns {
                let ValueRef::Text(text) = row.get_ref(position)? else { continue };
                let stored = self.stored_bytes(row, position)?;
                if !is_same(text, &stored, order) {
                    self.odd.push((position, in_bytes(&stored, order)));
                }
            }
        }
        Ok(Seen { row, odd: &self.odd })
    }

    /// The bytes of a text as the file holds them.
    fn stored_bytes<'s>(&self, row: &'s Row<'_>, position: usize) -> Result<Cow<'s, [u8]>> {
        if self.columns <= COLUMNS_TWICE {
            return Ok(Cow::Borrowed(row.get_ref(self.stored + position)?.as_blob()?));
        }
        let digits = row.get_ref(self.stored + position / TOGETHER)?.as_str()?;
        Ok(Cow::Owned(bytes_of(digits.split(',').nth(position % TOGETHER).unwrap_or_default())))
    }
}

impl<'r> Seen<'r, '_> {
    #[inline]
    pub(super) fn get_ref(&self, position: usize) -> Result<ValueRef<'r>> {
        match self.odd.iter().find(|(odd, _)| *odd == position) {
            Some((_, bytes)) => Ok(ValueRef::Text(bytes)),
            None => self.row.get_ref(position),
        }
    }

    pub(super) fn get<T: FromSql>(&self, position: usize) -> Result<T> {
        self.row.get(position)
    }
}

/// What SQLite's function `hex` was given.
fn bytes_of(digits: &str) -> Vec<u8> {
    let value =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.as_bytes().as_chunks::<2>().0.iter();
    pairs.filter_map(|&[high, low]| Some(value(high)? << 4 | value(low)?)).collect()
}

/// Whether a text in UTF-8 is exactly one in UTF-16.
fn is_same(text: &[u8], stored: &[u8], order: Order) -> bool {
    let (stored, half) = units(stored, order);
    half.is_none() && std::str::from_utf8(text).is_ok_and(|text| text.encode_utf16().eq(stored))
}

/// The units, and half of one at the end.
fn units(stored: &[u8], order: Order) -> (impl Iterator<Item = u16>, Option<u8>) {
    let (units, half) = stored.as_chunks::<2>();
    let unit = move |&bytes: &[u8; 2]| match order {
        Order::Little => u16::from_le_bytes(bytes),
        Order::Big => u16::from_be_bytes(bytes),
    };
    (units.iter().map(unit), half.first().copied())
}

/// What is no UTF-16, as bytes that are no UTF-8.
fn in_bytes(stored: &[u8], order: Order) -> Vec<u8> {
    let (units, half) = units(stored, order);
    let mut bytes = Vec::with_capacity(stored.len());
    for unit in char::decode_utf16(units) {
        match unit {
            Ok(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(alone) => {
                let [high, low] = alone.unpaired_surrogate().to_be_bytes();
                bytes.extend([0xED, 0x80 | (high & 0x0F) << 2 | low >> 6, 0x80 | low & 0x3F]);
            }
        }
    }
    bytes.extend(half.into_iter().flat_map(|half| [0xFF, half]));
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Order, in_bytes, is_same};

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
            assert_eq!(in_bytes(stored, Order::Big), bytes);
            assert!(std::str::from_utf8(bytes).is_err());
        }
        assert!(is_same("\u{10041}".as_bytes(), &[0xD8, 0x00, 0xDC, 0x41], Order::Big));
        assert!(is_same("\u{10041}".as_bytes(), &[0x00, 0xD8, 0x41, 0xDC], Order::Little));
        assert!(!is_same("\u{10041}".as_bytes(), &[0xD8, 0x00, 0x00, 0x41], Order::Big));
        assert!(!is_same(b"A", &[0x00, 0x41, 0x42], Order::Big));
    }
}
