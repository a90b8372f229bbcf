//! The headers of a column's pages, and Thrift's compact protocol in which they are; read before anybody decodes a page:
//! how large each becomes, and how it is encoded.
//!
//! A header is a Thrift struct in the compact protocol, and stands before the page that it tells of. What liteferry never
//! writes is refused: pages of the second version, indexes among pages, other encodings. Layouts:
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift> and
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use super::facts::COLUMNS_MAX;

/// What a header says of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHead {
    /// Bytes of the header itself.
    pub(super) header: u64,
    /// Bytes of the page as it is stored.
    pub(super) compressed: u64,
    /// Bytes of the page once it is decompressed.
    pub(super) uncompressed: u64,
    /// Values in it, NULLs included.
    pub(super) values: u64,
    /// What is in it.
    pub(super) kind: PageKind,
}

/// The pages that liteferry writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    /// Values that others name by their numbers.
    Dictionary,
    /// Values one behind the other.
    Plain,
    /// Whole numbers by their differences.
    Differences,
    /// Numbers of a dictionary's values.
    Numbers,
}

/// Bytes of the longest header that is read: liteferry's have some thirty.
pub(super) const HEADER_MAX: usize = 512;

/// Structs and lists within each other, at most.
const DEPTH_MAX: u8 = 4;
/// Entries of a list that is skipped, at most: those that there are for each column have the most.
const ENTRIES_MAX: usize = COLUMNS_MAX;

// Types of fields in the compact protocol.
const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
const DOUBLE: u8 = 7;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

// `PageType` and `Encoding` of the format.
const DATA_PAGE: u64 = 0;
const DICTIONARY_PAGE: u64 = 2;
const PLAIN: u64 = 0;
const PLAIN_DICTIONARY: u64 = 2;
const RLE: u64 = 3;
const DELTA_BINARY_PACKED: u64 = 5;
const RLE_DICTIONARY: u64 = 8;

impl PageHead {
    /// Reads the header at the start of `bytes`; none for what liteferry does not write.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (mut page_type, mut uncompressed, mut compressed) = (None, None, None);
        let (mut data, mut dictionary) = (None, None);
        cursor.fields(|id, kind, cursor| {
            match (id, kind) {
                (1, I32) => page_type = Some(cursor.natural()?),
                (2, I32) => uncompressed = Some(cursor.natural()?),
                (3, I32) => compressed = Some(cursor.natural()?),
                (5, STRUCT) => data = Some(cursor.numbers()?),
                (7, STRUCT) => dictionary = Some(cursor.numbers()?),
                // A checksum, which the hash of the file makes needless.
                (4, I32) => cursor.skip(kind, 0)?,
                _ => return None,
            }
            Some(())
        })?;
        let (values, kind) = match (page_type?, data, dictionary) {
            (DATA_PAGE, Some([values, encoding, definition, _]), None) => {
                let kind = match encoding? {
                    PLAIN => PageKind::Plain,
                    DELTA_BINARY_PACKED => PageKind::Differences,
                    RLE_DICTIONARY | PLAIN_DICTIONARY => PageKind::Numbers,
                    _ => return None,
                };
                (values?, (definition? == RLE).then_some(kind)?)
            }
            (DICTIONARY_PAGE, None, Some([values, encoding, ..])) => {
                let is_plain = matches!(encoding?, PLAIN | PLAIN_DICTIONARY);
                (values?, is_plain.then_some(PageKind::Dictionary)?)
            }
            _ => return None,
        };
        let header = u64::try_from(bytes.len() - cursor.rest.len()).ok()?;
        Some(Self { header, compressed: compressed?, uncompressed: uncompressed?, values, kind })
    }
}

/// What is left of a struct's bytes.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number that is not negative; its lowest bit is the sign.
    pub(super) fn natural(&mut self) -> Option<u64> {
        let value = self.varint()?;
        (value & 1 == 0).then_some(value >> 1).filter(|&value| i32::try_from(value).is_ok())
    }

    /// Visits the fields of a struct up to its end; their numbers ascend.
    pub(super) fn fields(
        &mut self,
        mut visit: impl FnMut(u64, u8, &mut Self) -> Option<()>,
    ) -> Option<()> {
        let mut last = 0;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let id = match head >> 4 {
                0 => self.natural()?,
                delta => last + u64::from(delta),
            };
            // A higher one has more bits than others look at.
            if id <= last || i16::try_from(id).is_err() {
                return None;
            }
            last = id;
            visit(id, head & 15, self)?;
        }
    }

    /// Bytes behind their number.
    pub(super) fn binary(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    /// The type of a list's entries, and how many there are.
    fn list(&mut self) -> Option<(u8, usize)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            count => usize::from(count),
        };
        Some((head & 15, count))
    }

    /// How many entries a list of this type has.
    pub(super) fn list_of(&mut self, kind: u8) -> Option<usize> {
        self.list().filter(|(found, _)| *found == kind).map(|(_, count)| count)
    }

    /// The fields 1 to 4 of a struct where they are numbers.
    fn numbers(&mut self) -> Option<[Option<u64>; 4]> {
        let mut numbers = [None; 4];
        self.fields(|id, kind, cursor| {
            let slot = usize::try_from(id - 1).ok().and_then(|at| numbers.get_mut(at));
            match (slot, kind) {
                (Some(slot), I32) => *slot = Some(cursor.natural()?),
                _ => cursor.skip(kind, 0)?,
            }
            Some(())
        })?;
        Some(numbers)
    }

    pub(super) fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        let bytes = match kind {
            TRUE | FALSE => 0,
            BYTE => 1,
            I16 | I32 | I64 => {
                self.varint()?;
                0
            }
            DOUBLE => 8,
            BINARY => {
                self.binary()?;
                0
            }
            STRUCT if depth < DEPTH_MAX => {
                return self.fields(|_, kind, cursor| cursor.skip(kind, depth + 1));
            }
            LIST if depth < DEPTH_MAX => {
                let (kind, count) = self.list().filter(|(_, count)| *count <= ENTRIES_MAX)?;
                // Only a field has a truth in its type.
                let kind = if matches!(kind, TRUE | FALSE) { BYTE } else { kind };
                return (0..count).try_for_each(|_| self.skip(kind, depth + 1));
            }
            _ => return None,
        };
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }
}

/// Bytes of the longest value in a decompressed dictionary of byte arrays, each behind its length; none where that is not
/// what it holds.
pub(super) fn longest(dictionary: &[u8], values: u64) -> Option<usize> {
    let (mut rest, mut longest, mut count) = (dictionary, 0, 0);
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        rest = behind.get(length..)?;
        longest = longest.max(length);
        count += 1;
    }
    (rest.is_empty() && count == values).then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::{PageHead, PageKind, longest};

    /// Type, sizes and a data page of three values, dictionary-encoded.
    const DATA: [u8; 18] =
        [0x15, 0, 0x15, 20, 0x15, 30, 0x2c, 0x15, 6, 0x15, 16, 0x15, 6, 0x15, 6, 0, 0, 99];

    #[test]
    fn a_header_is_read_to_its_end() {
        let kind = PageKind::Numbers;
        let head = PageHead { header: 17, compressed: 15, uncompressed: 10, values: 3, kind };
        assert_eq!(PageHead::read(&DATA), Some(head));
        for length in 0..17 {
            assert_eq!(PageHead::read(&DATA[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn what_is_never_written_is_refused() {
        // A page of the second version, a negative size, another encoding, levels of another encoding, a struct twice.
        for (at, byte) in [(1, 6), (3, 21), (10, 14), (12, 8), (6, 0x0c)] {
            let mut bytes = DATA;
            bytes[at] = byte;
            assert_eq!(PageHead::read(&bytes), None, "byte {at}");
        }
        let endless = [0xff; 64];
        assert_eq!(PageHead::read(&endless), None);
    }

    #[test]
    fn the_longest_value_of_a_dictionary_is_found() {
        let two = [2, 0, 0, 0, b'a', b'b', 0, 0, 0, 0];
        assert_eq!(longest(&two, 2), Some(2));
        assert_eq!(longest(&two, 3), None);
        assert_eq!(longest(&two[..9], 2), None);
        assert_eq!(longest(&[255, 255, 255, 255, 1], 1), None);
        assert_eq!(longest(&[], 0), Some(0));
    }
}
