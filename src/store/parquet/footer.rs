//! The footer of a file, looked at before anybody parses it: which columns it has, and what it says of itself.
//!
//! A few bytes can claim a list of billions of entries, or groups of columns within groups to any depth, and a parser that
//! believes them ends the process. So the lists are counted here first, and the columns are never parsed again: a file is
//! read as its table says. Layout: `FileMetaData` of
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use super::facts::{COLUMNS_MAX, KEY};
use super::pages::{BINARY, Cursor, I32, I64, LIST, STRUCT};
use parquet::basic::{Repetition, Type as Physical};
use parquet::schema::types::Type;

/// Bytes of a footer, at most: that of [`PLACES_MAX`] columns of row groups takes about two thirds of it.
pub(super) const FOOTER_MAX: u64 = 32 * 1024 * 1024;
/// Columns of all row groups together, at most: a hundred gigabytes of twenty columns.
pub(super) const PLACES_MAX: usize = 64 * 1024;
/// What a file says of itself under different keys, at most: liteferry writes one, and Arrow another.
const PAIRS_MAX: usize = 16;

/// What a footer has.
#[derive(Debug, Default)]
pub(super) struct FooterHead {
    columns: Vec<Leaf>,
    /// The text under [`KEY`], if there is one.
    pub(super) said: Option<String>,
}

/// A column that has no columns within it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Leaf {
    name: String,
    physical: Option<u64>,
    length: Option<u64>,
    repetition: Option<u64>,
}

impl FooterHead {
    /// Reads a footer; none for what liteferry does not write.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (mut head, mut cursor) = (Self::default(), Cursor::new(bytes));
        cursor.fields(|id, kind, cursor| {
            match (id, kind) {
                (2, LIST) => head.columns = leaves(cursor)?,
                (4, LIST) => row_groups(cursor, head.columns.len())?,
                (5, LIST) => head.said = said(cursor)?,
                // The version, the number of rows, who wrote it, and how values compare.
                (1, I32) | (3, I64) | (6, BINARY) | (7, LIST) => cursor.skip(kind, 0)?,
                _ => return None,
            }
            Some(())
        })?;
        Some(head)
    }

    /// Whether the columns are those of a schema.
    pub(super) fn has_columns_of(&self, schema: &Type) -> bool {
        let expected: Option<Vec<_>> =
            schema.get_fields().iter().map(|column| leaf_of(column)).collect();
        expected.as_ref() == Some(&self.columns)
    }
}

/// A column as a footer has it; none for one with columns within it.
fn leaf_of(column: &Type) -> Option<Leaf> {
    let Type::PrimitiveType { basic_info, physical_type, type_length, .. } = column else {
        return None;
    };
    let has_length = *physical_type == Physical::FIXED_LEN_BYTE_ARRAY;
    Some(Leaf {
        name: basic_info.name().to_owned(),
        physical: Some(match physical_type {
            Physical::BOOLEAN => 0,
            Physical::INT32 => 1,
            Physical::INT64 => 2,
            Physical::INT96 => 3,
            Physical::FLOAT => 4,
            Physical::DOUBLE => 5,
            Physical::BYTE_ARRAY => 6,
            Physical::FIXED_LEN_BYTE_ARRAY => 7,
        }),
        length: u64::try_from(*type_length).ok().filter(|_| has_length),
        repetition: Some(match basic_info.repetition() {
            Repetition::REQUIRED => 0,
            Repetition::OPTIONAL => 1,
            Repetition::REPEATED => 2,
        }),
    })
}

/// The columns of a schema: the root comes first, and has all that follow.
fn leaves(cursor: &mut Cursor<'_>) -> Option<Vec<Leaf>> {
    let count = cursor.list_of(STRUCT)?.checked_sub(1).filter(|count| *count <= COLUMNS_MAX)?;
    let (_, within) = element(cursor)?;
    if within != u64::try_from(count).ok() {
        return None;
    }
    let leaf = |_| element(cursor).filter(|(_, within)| within.is_none()).map(|(leaf, _)| leaf);
    (0..count).map(leaf).collect()
}

/// An entry of a schema, and how many of those that follow it has within it.
fn element(cursor: &mut Cursor<'_>) -> Option<(Leaf, Option<u64>)> {
    let (mut leaf, mut within) = (Leaf::default(), None);
    cursor.fields(|id, kind, cursor| {
        match (id, kind) {
            (1, I32) => leaf.physical = Some(cursor.natural()?),
            (2, I32) => leaf.length = Some(cursor.natural()?),
            (3, I32) => leaf.repetition = Some(cursor.natural()?),
            (4, BINARY) => leaf.name.push_str(str::from_utf8(cursor.binary()?).ok()?),
            (5, I32) => within = Some(cursor.natural()?),
            // What the values mean: the table knows.
            (6..=9, I32) | (10, STRUCT) => cursor.skip(kind, 0)?,
            _ => return None,
        }
        Some(())
    })?;
    Some((leaf, within))
}

/// Counts what the row groups have.
fn row_groups(cursor: &mut Cursor<'_>, columns: usize) -> Option<()> {
    let count = cursor.list_of(STRUCT)?;
    if count.checked_mul(columns.max(1))? > PLACES_MAX {
        return None;
    }
    (0..count).try_for_each(|_| {
        cursor.fields(|id, kind, cursor| {
            if (id, kind) != (1, LIST) {
                return cursor.skip(kind, 0);
            }
            let places = cursor.list_of(STRUCT).filter(|places| *places == columns)?;
            (0..places).try_for_each(|_| cursor.skip(STRUCT, 0))
        })
    })
}

/// The text under [`KEY`], if there is one.
#[expect(clippy::option_option, reason = "no text, or bytes that are no pairs")]
fn said(cursor: &mut Cursor<'_>) -> Option<Option<String>> {
    let count = cursor.list_of(STRUCT).filter(|count| *count <= PAIRS_MAX)?;
    let mut said = None;
    for _ in 0..count {
        let (mut key, mut value) = (None, None);
        cursor.fields(|id, kind, cursor| {
            match (id, kind) {
                (1, BINARY) => key = Some(cursor.binary()?),
                (2, BINARY) => value = Some(cursor.binary()?),
                _ => return None,
            }
            Some(())
        })?;
        if key == Some(KEY.as_bytes()) && said.is_none() {
            said = Some(str::from_utf8(value?).ok()?.to_owned());
        }
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::FooterHead;
    use crate::error::Class;
    use crate::model::PgType;
    use crate::store::parquet::tests::{file, one_column, written};
    use crate::store::parquet::verified::Verified;
    use crate::store::parquet::{BesideReader, ChunkReader};

    fn varint(mut value: u64, bytes: &mut Vec<u8>) {
        while value >= 0x80 {
            bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        bytes.push(value.to_le_bytes()[0]);
    }

    /// A schema's entry with so many within it.
    fn entry(within: u64) -> Vec<u8> {
        let mut bytes = vec![0x35, 2, 0x18, 1, b'x', 0x15];
        varint(within * 2, &mut bytes);
        bytes.push(0);
        bytes
    }

    /// A list of structs, and so many more that are only claimed.
    fn list(entries: &[Vec<u8>], claimed: u64) -> Vec<u8> {
        let mut bytes = vec![0xfc];
        varint(entries.len() as u64 + claimed, &mut bytes);
        bytes.extend(entries.concat());
        bytes
    }

    fn footer(schema: &[u8], groups: &[u8], pairs: &[u8]) -> Vec<u8> {
        [&[0x15, 2, 0x19], schema, &[0x16, 0, 0x19], groups, &[0x19], pairs, &[0]].concat()
    }

    /// A column without others within it: of a type, that may be NULL, and with a name.
    fn leaf() -> Vec<u8> {
        vec![0x15, 4, 0x25, 2, 0x18, 1, b'a', 0]
    }

    fn pair() -> Vec<u8> {
        [&[0x18, 9], &b"liteferry"[..], &[0x18, 2], b"{}", &[0]].concat()
    }

    #[test]
    fn a_footer_that_claims_more_than_it_has_does_not_end_the_process() {
        let (none, pairs) = (list(&[], 0), list(&[pair()], 0));
        let group =
            |places: &[Vec<u8>], claimed| [&[0x19], &list(places, claimed)[..], &[0]].concat();
        let right = footer(&list(&[entry(1), leaf()], 0), &none, &pairs);
        assert_eq!(FooterHead::read(&right).unwrap().said.as_deref(), Some("{}"));
        let nested = vec![entry(1); 200_000];
        let two = || list(&[entry(1), leaf()], 0);
        for (number, wrong) in [
            footer(&list(&[entry(i32::MAX as u64)], 0), &none, &pairs),
            footer(&list(&nested, 0), &none, &pairs),
            footer(&list(&[entry(2), entry(1), leaf()], 0), &none, &pairs),
            footer(&list(&[entry(i32::MAX as u64)], i32::MAX as u64 - 1), &none, &pairs),
            footer(&list(&[vec![entry(2001)], vec![leaf(); 2001]].concat(), 0), &none, &pairs),
            footer(&two(), &list(&[], 1 << 30), &pairs),
            footer(&two(), &list(&vec![vec![0]; 70_000], 0), &pairs),
            footer(&two(), &list(&[group(&[], 1 << 30)], 0), &pairs),
            footer(&two(), &list(&[group(&vec![vec![0]; 2], 0)], 0), &pairs),
            footer(&two(), &none, &list(&vec![pair(); 17], 0)),
            footer(&two(), &none, &list(&[], 1 << 30)),
            // The number of those within it by a field number that is cut off, and the list of columns twice.
            footer(&list(&[[&[5, 0x8a, 0x80, 8, 2], &leaf()[..]].concat()], 0), &none, &pairs),
            [&right[..right.len() - 1], &[9, 4], &list(&[entry(i32::MAX as u64)], 0), &[0]]
                .concat(),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(FooterHead::read(&wrong).is_none(), "{number}");
            let length = u32::try_from(wrong.len()).unwrap().to_le_bytes();
            let bytes = [b"PAR1", &wrong[..], &length, b"PAR1"].concat();
            let chunk =
                ChunkReader::of_verified(Verified::unchecked(file(&bytes)), 0, None).unwrap_err();
            assert_eq!(chunk.class(), Class::Damaged, "{number}: {chunk}");
            assert!(chunk.to_string().contains("no footer"), "{number}: {chunk}");
            assert!(BesideReader::of_verified(Verified::unchecked(file(&bytes)), 0, None).is_err());
        }
    }

    #[test]
    fn a_footer_is_read_to_its_end() {
        let (bytes, _) = written(&one_column(PgType::Uuid), &[]);
        let (_, tail) = bytes.split_at(bytes.len() - 8);
        let length = u32::from_le_bytes(*tail.first_chunk().unwrap()) as usize;
        let footer = &bytes[bytes.len() - 8 - length..bytes.len() - 8];
        let head = FooterHead::read(footer).unwrap();
        assert_eq!((head.columns.len(), head.columns[0].length), (1, Some(16)));
        assert!(head.said.unwrap().starts_with('{'));
        for end in 0..footer.len() {
            assert!(FooterHead::read(&footer[..end]).is_none(), "{end} bytes");
        }
    }
}
