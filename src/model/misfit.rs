//! Cells that are kept with their exact bytes: those that their column cannot hold, whatever is done about them, and
//! those that are written otherwise than their column's form says.

use super::StorageClass;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One cell exactly as SQLite holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RawCell {
    /// Its storage class.
    pub class: StorageClass,
    /// TEXT and BLOB as they are, INTEGER and REAL as eight bytes, the highest first; nothing for NULL.
    pub bytes: Vec<u8>,
}

/// What names a row of the source: its rowid, else the cells of its key, else all its cells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowName {
    /// The rowid.
    Rowid(i64),
    /// Cells of a table without rowid.
    Cells(Vec<RawCell>),
}

/// One cell that its column cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Its row.
    pub row: RowName,
    /// Its column's position in the table's schema.
    pub column: usize,
    /// The cell; a text that has no UTF-8 as it is stored.
    pub cell: RawCell,
    /// How the bytes of a text are to be read.
    pub encoding: TextEncoding,
    /// Why the column cannot hold it.
    pub reason: String,
    /// What was done about it.
    pub remedy: Remedy,
}

/// One cell that is not written as its column's form says: kept, so that it can go back as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormException {
    /// Its row.
    pub row: RowName,
    /// Its column's position in the table's schema.
    pub column: usize,
    /// The cell.
    pub cell: RawCell,
}

/// A row that was set aside, whole: it is in no other store than the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its name.
    pub row: RowName,
    /// All its cells in the order of the table's columns, and how the bytes of a text are to be read: a text that has no
    /// UTF-8 is as it is stored.
    pub cells: Vec<(RawCell, TextEncoding)>,
    /// Which of the cells their columns cannot hold, ascending. None of a row that is kept whole for another reason, nor of
    /// one from an archive of a liteferry that did not write them.
    pub reasons: Vec<MisfitReason>,
}

/// Why the column of a cell cannot hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MisfitReason {
    /// The column's position in the table's schema.
    pub column: usize,
    /// Why the column cannot hold it.
    pub reason: String,
    /// What was done about it: [`Remedy::Reject`], unless that was done for another cell of the row.
    pub remedy: Remedy,
}

/// What is said of the first cell of a row where nobody knows which of them does not fit.
const UNKNOWN: &str = "a value of its row does not fit, and the archive, which an earlier liteferry wrote, does not say which one";

impl RejectedRow {
    /// About the bytes that it takes.
    pub fn size(&self) -> usize {
        let cells = self.cells.iter();
        let cells = cells.map(|(cell, _)| size_of::<(RawCell, TextEncoding)>() + cell.bytes.len());
        let reasons = self.reasons.iter();
        let reasons = reasons.map(|it| size_of::<MisfitReason>() + it.reason.len());
        size_of::<Self>() + self.row.size() + cells.sum::<usize>() + reasons.sum::<usize>()
    }

    /// Its cells that their columns cannot hold, in the order of the columns: at least one, for which it is set aside.
    pub fn misfits(&self) -> impl Iterator<Item = Misfit> {
        let said = self.reasons.iter().map(|it| (it.column, it.reason.as_str(), it.remedy));
        let unknown = self.reasons.is_empty().then_some((0, UNKNOWN, Remedy::Reject));
        said.chain(unknown).filter_map(|(column, reason, remedy)| {
            let (cell, encoding) = self.cells.get(column)?.clone();
            Some(Misfit {
                row: self.row.clone(),
                column,
                cell,
                encoding,
                reason: reason.into(),
                remedy,
            })
        })
    }
}

/// How bytes are a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TextEncoding {
    /// As most databases have their texts.
    #[default]
    Utf8,
    /// Units of two bytes, the lower one first.
    Utf16le,
    /// Units of two bytes, the higher one first.
    Utf16be,
}

impl TextEncoding {
    /// SQLite's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16le => "UTF-16le",
            Self::Utf16be => "UTF-16be",
        }
    }

    /// The encoding that has this name.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::Utf8, Self::Utf16le, Self::Utf16be];
        all.into_iter().find(|encoding| encoding.name() == name)
    }
}

/// What is done about a cell that its column cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Its row is set aside, and the run does not end as success.
    #[default]
    Reject,
    /// NULL takes its place.
    Null,
    /// A value that the user gave takes its place.
    Default,
    /// The run ends.
    Fail,
}

impl Remedy {
    /// The word for it in the ledger and in the pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Null => "null",
            Self::Default => "default",
            Self::Fail => "fail",
        }
    }

    /// The remedy that has this word.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::Reject, Self::Null, Self::Default, Self::Fail];
        all.into_iter().find(|remedy| remedy.name() == name)
    }
}

impl RawCell {
    /// An INTEGER.
    pub fn integer(value: i64) -> Self {
        Self { class: StorageClass::Integer, bytes: value.to_be_bytes().to_vec() }
    }

    /// A REAL.
    pub fn real(value: f64) -> Self {
        Self { class: StorageClass::Real, bytes: value.to_bits().to_be_bytes().to_vec() }
    }

    /// A TEXT, in UTF-8 or not.
    pub fn text(bytes: &[u8]) -> Self {
        Self { class: StorageClass::Text, bytes: bytes.to_vec() }
    }

    /// A BLOB.
    pub fn blob(bytes: &[u8]) -> Self {
        Self { class: StorageClass::Blob, bytes: bytes.to_vec() }
    }

    /// No value.
    pub fn null() -> Self {
        Self { class: StorageClass::Null, bytes: Vec::new() }
    }

    fn number(&self) -> Option<u64> {
        self.bytes.as_array::<8>().map(|bytes| u64::from_be_bytes(*bytes))
    }
}

impl RowName {
    /// About the bytes that it takes beside itself.
    pub fn size(&self) -> usize {
        match self {
            Self::Rowid(_) => 0,
            Self::Cells(cells) => {
                cells.iter().map(|cell| size_of::<RawCell>() + cell.bytes.len()).sum()
            }
        }
    }

    /// The name as bytes, different for different rows of a table: class, length and bytes of each cell.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Rowid(rowid) => encoded(std::slice::from_ref(&RawCell::integer(*rowid))),
            Self::Cells(cells) => encoded(cells),
        }
    }

    /// The rowid, if that is the name.
    pub fn rowid(&self) -> Option<i64> {
        match self {
            Self::Rowid(rowid) => Some(*rowid),
            Self::Cells(_) => None,
        }
    }

    /// The name that has these bytes, of a row with a rowid or without; none where they are none.
    pub fn from_bytes(bytes: &[u8], has_rowid: bool) -> Option<Self> {
        let cells = decoded(bytes)?;
        match cells.as_slice() {
            [cell] if has_rowid => Some(Self::Rowid(cell.number()?.cast_signed())),
            _ if has_rowid => None,
            _ => Some(Self::Cells(cells)),
        }
    }
}

fn encoded(cells: &[RawCell]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in cells {
        bytes.push(cell.class.code());
        bytes.extend_from_slice(&(cell.bytes.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&cell.bytes);
    }
    bytes
}

fn decoded(mut bytes: &[u8]) -> Option<Vec<RawCell>> {
    let mut cells = Vec::new();
    while let Some((&code, rest)) = bytes.split_first() {
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
        let (cell, rest) = rest.split_at_checked(length)?;
        cells.push(RawCell { class: StorageClass::of_code(code)?, bytes: cell.to_vec() });
        bytes = rest;
    }
    Some(cells)
}

/// Characters or bytes of a value that a message shows.
const SHOWN: usize = 60;

impl fmt::Display for RawCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            StorageClass::Null => f.write_str("NULL"),
            StorageClass::Integer => {
                write!(f, "INTEGER {}", self.number().unwrap_or_default().cast_signed())
            }
            StorageClass::Real => {
                write!(f, "REAL {:?}", f64::from_bits(self.number().unwrap_or_default()))
            }
            StorageClass::Text => {
                let text = String::from_utf8_lossy(&self.bytes);
                let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
                let more = if text.chars().count() > SHOWN { "…" } else { "" };
                write!(f, "TEXT '{shown}{more}'")
            }
            StorageClass::Blob => {
                f.write_str("BLOB x'")?;
                for byte in self.bytes.iter().take(SHOWN / 2) {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str(if self.bytes.len() > SHOWN / 2 { "…'" } else { "'" })
            }
        }
    }
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rowid(rowid) => write!(f, "rowid {rowid}"),
            Self::Cells(cells) => {
                f.write_str("key (")?;
                for (position, cell) in cells.iter().enumerate() {
                    write!(f, "{}{cell}", if position == 0 { "" } else { ", " })?;
                }
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MisfitReason, RawCell, RejectedRow, Remedy, RowName, TextEncoding, UNKNOWN};

    #[test]
    fn a_row_set_aside_says_which_of_its_cells_do_not_fit_or_that_nobody_knows() {
        let cells = [RawCell::integer(1), RawCell::text(b"x")].map(|it| (it, TextEncoding::Utf8));
        let reason = MisfitReason { column: 1, reason: "no".into(), remedy: Remedy::Null };
        let row = |reasons| RejectedRow { row: RowName::Rowid(7), cells: cells.to_vec(), reasons };
        let told = |row: &RejectedRow| -> Vec<_> {
            let misfits = row.misfits();
            misfits.map(|it| (it.row, it.column, it.cell, it.reason, it.remedy)).collect()
        };
        let named = RowName::Rowid(7);
        let known = (named.clone(), 1, RawCell::text(b"x"), "no".to_owned(), Remedy::Null);
        assert_eq!(told(&row(vec![reason])), [known]);
        let unknown = (named, 0, RawCell::integer(1), UNKNOWN.to_owned(), Remedy::Reject);
        assert_eq!(told(&row(Vec::new())), [unknown]);
    }

    #[test]
    fn cells_are_shown_with_their_class() {
        for (cell, shown) in [
            (RawCell::integer(-5), "INTEGER -5"),
            (RawCell::real(1e300), "REAL 1e300"),
            (RawCell::text(b"a\0'\n"), "TEXT 'a\\0\\'\\n'"),
            (RawCell::text(&[b'x'; 61]), &format!("TEXT '{}…'", "x".repeat(60))),
            (RawCell::blob(&[0, 255]), "BLOB x'00ff'"),
            (RawCell::null(), "NULL"),
        ] {
            assert_eq!(cell.to_string(), shown);
        }
    }

    #[test]
    fn names_of_different_rows_have_different_bytes() {
        let cells = |texts: &[&str]| {
            RowName::Cells(texts.iter().map(|text| RawCell::text(text.as_bytes())).collect())
        };
        let names = [
            RowName::Rowid(1),
            RowName::Rowid(-1),
            cells(&["a", "b"]),
            cells(&["ab"]),
            cells(&["", "ab"]),
            cells(&["ab", ""]),
            RowName::Cells(vec![RawCell::blob(b"ab")]),
        ];
        for (number, name) in names.iter().enumerate() {
            let same = names[..number].iter().find(|other| other.to_bytes() == name.to_bytes());
            assert_eq!(same, None, "{name}");
            let has_rowid = matches!(name, RowName::Rowid(_));
            let mut bytes = name.to_bytes();
            assert_eq!(RowName::from_bytes(&bytes, has_rowid).as_ref(), Some(name));
            bytes.pop();
            assert_eq!(RowName::from_bytes(&bytes, has_rowid), None, "{name}");
        }
    }
}
