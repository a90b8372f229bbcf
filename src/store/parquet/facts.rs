//! What a file says of itself in its footer, under [`KEY`]: one JSON object.
//!
//! `{"format":1,"kind":"chunk","source":…,"chunk":…,"range":…,"low":…,"last":…,"rejected":…,"rows":…,"sum":…,"groups":…,
//! "table":{…}}` for the rows of a chunk, and for what is kept beside them `{"format":1,"kind":"beside","of":…,"rows":…}`,
//! with the hash of the file whose rows they belong to. Digests are hexadecimal. `table` is the [`TableSchema`] with no
//! chunks: a file knows its own, and gets it when it is read. `of` is null where a file is that of rows that were set aside,
//! and is beside no rows.

use super::hash::ContentHash;
use crate::error::{Class, Error, Result};
use crate::model::{DigestSum, Partition, PgType, RowRange, TableSchema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The key of the footer's metadata.
pub const KEY: &str = "liteferry";

/// What this program writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// Columns of a table, at most: as many as SQLite has unless it is built otherwise, and more than PostgreSQL.
pub(super) const COLUMNS_MAX: usize = 2000;
/// Groups of a table, at most: as many as the planner makes.
const GROUPS_MAX: usize = 1024;

/// What is known of a chunk beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkFacts {
    /// What names the source, wherever it lies.
    pub source: String,
    /// The chunk's number within its table.
    pub chunk: usize,
    /// Its rows, those that are set aside included.
    pub range: RowRange,
    /// The highest touch of the oldest state that was read: what changed behind it may be in these rows or not. None where
    /// the source is at rest.
    pub low: Option<i64>,
    /// The highest touch of the youngest state, the same one where all was read at once: what changed behind it is in none
    /// of these rows.
    pub last: Option<i64>,
    /// How many of its rows were set aside, and are not here.
    pub rejected: u64,
    /// The sum of the rows' digests.
    pub sum: DigestSum,
    /// The sums of groups, as the proof packs them.
    pub groups: Vec<u8>,
}

/// The JSON object.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    format: u32,
    #[serde(flatten)]
    of: Kind,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind {
    Chunk {
        source: String,
        chunk: usize,
        range: RowRange,
        low: Option<i64>,
        last: Option<i64>,
        rejected: u64,
        rows: u64,
        sum: String,
        groups: String,
        table: Box<TableSchema>,
    },
    Beside {
        of: Option<ContentHash>,
        rows: u64,
    },
}

/// The text for a chunk of a table.
pub(super) fn of_chunk(facts: &ChunkFacts, table: &TableSchema) -> Result<String> {
    let table = TableSchema { chunks: Vec::new(), ..table.clone() };
    to_text(Kind::Chunk {
        source: facts.source.clone(),
        chunk: facts.chunk,
        range: facts.range,
        low: facts.low,
        last: facts.last,
        rejected: facts.rejected,
        rows: facts.sum.rows,
        sum: facts.sum.to_string(),
        groups: hexadecimal(&facts.groups),
        table: Box::new(table),
    })
}

/// The text for what is kept beside rows, or of rows that were set aside where it is beside none.
pub(super) fn of_beside(of: Option<ContentHash>, rows: u64) -> Result<String> {
    to_text(Kind::Beside { of, rows })
}

fn to_text(of: Kind) -> Result<String> {
    serde_json::to_string(&Written { format: FORMAT, of })
        .map_err(|error| Error::internal("cannot write what a file says of itself").because(error))
}

/// Reads what [`of_chunk`] wrote; the table has this chunk and no other.
pub(super) fn read_chunk(text: &str) -> Result<(ChunkFacts, TableSchema)> {
    let Kind::Chunk { source, chunk, range, low, last, rejected, rows, sum, groups, mut table } =
        of_text(text)?
    else {
        return Err(another("it holds no rows of a table"));
    };
    table.chunks = vec![range];
    if !is_sound(&table) {
        return Err(another("its table is none that is planned"));
    }
    let sum = bytes_of(&sum).and_then(|bytes| bytes.try_into().ok());
    let (Some(sum), Some(groups)) = (sum, bytes_of(&groups)) else {
        return Err(another("it has no digest"));
    };
    let sum = DigestSum::from_parts(rows, sum);
    let facts = ChunkFacts { source, chunk, range, low, last, rejected, sum, groups };
    Ok((facts, *table))
}

/// Whether a table is within the bounds of those that are planned: its groups cost memory, and positions name columns.
fn is_sound(table: &TableSchema) -> bool {
    let columns = table.columns.len();
    let is_grouped = match table.partition {
        Partition::Chunks { key } => {
            table.key == [key] && table.columns.get(key).is_some_and(|it| it.pg == PgType::Int8)
        }
        Partition::Buckets { count } => (1..=GROUPS_MAX).contains(&count),
    };
    let has_key = table.key.len() <= columns && table.key.iter().all(|&at| at < columns);
    (1..=COLUMNS_MAX).contains(&columns) && is_grouped && has_key
}

/// Reads what [`of_beside`] wrote: the hash of the file whose rows it is beside, if it is, and the number of records.
pub(super) fn read_beside(text: &str) -> Result<(Option<ContentHash>, u64)> {
    match of_text(text)? {
        Kind::Beside { of, rows } => Ok((of, rows)),
        Kind::Chunk { .. } => Err(another("it holds the rows of a table")),
    }
}

fn of_text(text: &str) -> Result<Kind> {
    let no_facts = |error| another("what it says of itself cannot be read").because(error);
    let written: Written = of_format(text.as_bytes(), FORMAT, no_facts)?;
    Ok(written.of)
}

/// Reads a JSON object of an archive that is of the format that this program knows; `unread` says what it is not.
///
/// # Errors
///
/// As [`check_format`] and `unread` say.
pub(super) fn of_format<T: DeserializeOwned>(
    text: &[u8],
    known: u32,
    unread: impl Fn(serde_json::Error) -> Error,
) -> Result<T> {
    /// Read first: what another format has beside it is not known.
    #[derive(Deserialize)]
    struct Format {
        format: u64,
    }
    let Format { format } = serde_json::from_slice(text).map_err(&unread)?;
    check_format(format, known)?;
    serde_json::from_slice(text).map_err(unread)
}

/// Fails unless something in an archive is of the format that this program knows.
///
/// # Errors
///
/// [`Class::Usage`]: it is of a later one, which is no damage; [`Class::Damaged`]: it is of one that never was.
pub(super) fn check_format(found: u64, known: u32) -> Result<()> {
    let known = u64::from(known);
    let what = || format!("it is of format {found}, and this liteferry knows format {known}");
    match found.cmp(&known) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(Error::new(Class::Usage, what())
            .todo("use the liteferry that wrote the archive, or a later one")),
        Ordering::Less => Err(Error::new(Class::Damaged, what())),
    }
}

/// A file that is not what it was taken for.
pub(super) fn another(why: &str) -> Error {
    Error::new(Class::Damaged, format!("a file of the archive is not what it should be: {why}"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).map(|&digit| char::from(digit));
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect()
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let byte = |&[high, low]: &[u8; 2]| Some(value(high)? << 4 | value(low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect::<Option<_>>())?
}

#[cfg(test)]
mod tests {
    use super::{
        ChunkFacts, ContentHash, bytes_of, hexadecimal, of_beside, of_chunk, read_beside,
        read_chunk,
    };
    use crate::error::Class;
    use crate::model::{CellShape, Column, DigestSum, Partition, PgType, RowRange, TableSchema};
    use crate::store::parquet::hash::Hashing;
    use crate::store::parquet::tests::{every_type, facts};

    const CHUNK: &str = concat!(
        r#"{"format":1,"kind":"chunk","source":"a","chunk":2,"range":{"rowids":{"first":-5,"last":7}},"low":3,"last":null,"#,
        r#""rejected":1,"rows":6,"sum":"a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7","#,
        r#""groups":"00ff","table":{"source":"Trades","target_schema":"public","target":"Trades","rowid_name":"rowid","#,
        r#""columns":[{"source":"id","target":"id","read":"integer","recast":"keep","pg":"int8","enum_type":null,"#,
        r#""fraction":null,"not_null":true,"numbers_only":false,"misfits":"reject","default":null,"form":"plain","#,
        r#""computed":false}],"key":[0],"named_by_key":false,"partition":{"buckets":{"count":1}},"chunks":[],"#,
        r#""rows":0,"bytes":0,"largest_row_bytes":0}}"#
    );
    const BESIDE: &str = r#"{"format":1,"kind":"beside","of":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f","rows":3}"#;
    const ASIDE: &str = r#"{"format":1,"kind":"beside","of":null,"rows":3}"#;

    #[test]
    fn what_a_file_says_of_itself_is_read_as_it_was_written() {
        let mut table = every_type();
        table.chunks = vec![RowRange::All; 3];
        let facts = ChunkFacts {
            source: "a\"b".into(),
            chunk: 2,
            range: RowRange::Rowids { first: i64::MIN, last: -1 },
            low: Some(i64::MIN),
            last: Some(i64::MAX),
            rejected: 6,
            sum: DigestSum::from_parts(u64::MAX, [0xa7; 32]),
            groups: vec![0, 1, 0xff],
        };
        let text = of_chunk(&facts, &table).unwrap();
        table.chunks = vec![facts.range];
        assert_eq!(read_chunk(&text).unwrap(), (facts, table));
        let hash = Hashing::new(Vec::<u8>::new()).finish().unwrap().1;
        let beside = of_beside(Some(hash), 7).unwrap();
        assert_eq!(read_beside(&beside).unwrap(), (Some(hash), 7));
        assert_eq!(read_beside(&of_beside(None, 7).unwrap()).unwrap(), (None, 7));
        for (wrong, why) in [
            (text.replace("\"format\":1", "\"format\":0"), "format 0"),
            (text.replace("a7a7", "a7g7"), "no digest"),
            (text.replace("a7a7", "a7"), "no digest"),
            (text.replace("\"text\"", "\"money\""), "cannot be read"),
            (beside.clone(), "no rows of a table"),
            (String::new(), "cannot be read"),
        ] {
            let error = read_chunk(&wrong).unwrap_err();
            assert_eq!(error.class(), Class::Damaged);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!(read_beside(&text).is_err());
        assert!(read_beside(&beside.replace(&hash.to_string(), "../x")).is_err());
    }

    /// The literal text: who changes it changes the format.
    #[test]
    fn what_a_file_says_of_itself_stays_what_it_is() {
        let mut key = Column::new("id", CellShape::Integer, PgType::Int8);
        key.not_null = true;
        let table = TableSchema {
            rowid_name: Some("rowid".into()),
            key: vec![0],
            chunks: vec![RowRange::All],
            ..TableSchema::new("Trades", vec![key])
        };
        let facts = ChunkFacts {
            source: "a".into(),
            chunk: 2,
            range: RowRange::Rowids { first: -5, last: 7 },
            low: Some(3),
            last: None,
            rejected: 1,
            sum: DigestSum::from_parts(6, [0xa7; 32]),
            groups: vec![0, 0xff],
        };
        let text = of_chunk(&facts, &table).unwrap();
        assert_eq!(text, CHUNK);
        assert_eq!(read_chunk(CHUNK).unwrap(), (facts.clone(), table_of(&facts, &table)));
        let hash = ContentHash::parse(&"0f".repeat(32)).unwrap();
        for (of, written) in [(Some(hash), BESIDE), (None, ASIDE)] {
            assert_eq!(of_beside(of, 3).unwrap(), written);
            assert_eq!(read_beside(written).unwrap(), (of, 3));
        }
    }

    fn table_of(facts: &ChunkFacts, table: &TableSchema) -> TableSchema {
        TableSchema { chunks: vec![facts.range], ..table.clone() }
    }

    #[test]
    fn a_file_of_a_later_liteferry_is_told_as_such() {
        let later = r#"{"format":2,"kind":"columns","with":[]}"#;
        let errors = [read_chunk(later).unwrap_err(), read_beside(later).unwrap_err()];
        for error in errors {
            assert_eq!(error.class(), Class::Usage);
            assert!(error.to_string().contains("format 2, and this liteferry knows format 1"));
            assert!(error.advice().is_some_and(|it| it.contains("liteferry that wrote")));
        }
    }

    #[test]
    fn a_table_that_nobody_plans_is_refused() {
        let table = every_type();
        let facts = facts(&table, &[]);
        let read = |change: &dyn Fn(&mut TableSchema)| {
            let mut changed = table.clone();
            change(&mut changed);
            read_chunk(&of_chunk(&facts, &changed).unwrap()).map(|(_, table)| table)
        };
        let of_chunks = |table: &mut TableSchema| table.partition = Partition::Chunks { key: 0 };
        assert_eq!(read(&of_chunks).unwrap().groups(), 1);
        assert_eq!(
            read(&|table| table.partition = Partition::Buckets { count: 1024 }).unwrap().groups(),
            1024
        );
        let count = table.columns.len();
        let wrong: [&dyn Fn(&mut TableSchema); 9] = [
            &|table| table.partition = Partition::Buckets { count: 1_000_000_000_000_000 },
            &|table| table.partition = Partition::Buckets { count: 1025 },
            &|table| table.partition = Partition::Buckets { count: 0 },
            &|table| table.partition = Partition::Chunks { key: count },
            &|table| (table.key, table.partition) = (vec![1], Partition::Chunks { key: 1 }),
            &|table| (table.key, table.partition) = (vec![0, 1], Partition::Chunks { key: 0 }),
            &|table| table.key = vec![0, count],
            &|table| table.columns.clear(),
            &|table| table.columns = vec![table.columns[0].clone(); 2001],
        ];
        for (number, change) in wrong.into_iter().enumerate() {
            let error = read(change).unwrap_err();
            assert_eq!(error.class(), Class::Damaged, "{number}");
            assert!(error.to_string().contains("none that is planned"), "{number}: {error}");
        }
    }

    #[test]
    fn bytes_are_hexadecimal_digits() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes_of(&hexadecimal(&bytes)), Some(bytes));
        assert_eq!(bytes_of("abc"), None);
        assert_eq!(bytes_of("+1"), None);
    }
}
