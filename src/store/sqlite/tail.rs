//! The changelog of a followed source: which rows may have changed since a position, and what they are now.
//!
//! All functions read through one reader that holds a state, so that the log and the rows belong together: what the log
//! says up to its end is what makes of the state before the state that is held.

use super::batch::{ReadBatch, raw};
use super::capture::{LOG, META};
use super::connection::refused;
use super::read::{Reader, Wanted, batches};
use super::statement::Statement;
use super::wide::Rows;
use crate::error::{Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{
    Capture, DigestSum, IndexOrigin, RawCell, RowDigest, RowName, RowRange, SourceTable,
    StorageClass, TableSchema, TextEncoding, TouchKey, Touches,
};

/// A followed table.
#[derive(Debug, Clone, Copy)]
pub struct Followed<'a> {
    /// As the source has it.
    pub source: &'a SourceTable,
    /// As its rows travel.
    pub schema: &'a TableSchema,
    /// What the changelog says of it.
    pub capture: &'a Capture,
}

/// The highest touch that a state has; 0 where nothing was touched yet.
///
/// # Errors
///
/// A changelog that is not there, or cannot be read.
pub fn head(reader: &Reader) -> Result<i64> {
    reader.in_one_state(|connection| {
        let sql = format!("SELECT coalesce(max(seq), 0) FROM main.{LOG}");
        connection.query_row(&sql, [], |row| row.get(0)).map_err(refused).at(changelog)
    })
}

/// What the changelog of a state calls itself by now, so that a copy of it can be told.
///
/// # Errors
///
/// As [`head`].
pub fn nonce(reader: &Reader) -> Result<String> {
    reader.in_one_state(|connection| {
        let sql = format!("SELECT nonce FROM main.{META}");
        connection.query_row(&sql, [], |row| row.get(0)).map_err(refused).at(changelog)
    })
}

/// How many of these touches there are, and the sum of their digests, each of a touch with its number: a log that says
/// something else of the same numbers has another sum.
///
/// # Errors
///
/// As [`head`].
pub fn sum(reader: &Reader, touches: Touches) -> Result<DigestSum> {
    reader
        .in_one_state(|connection| {
            let sql = format!("SELECT * FROM main.{LOG} WHERE seq BETWEEN ?1 AND ?2");
            let mut statement =
                Statement::prepare(connection, &sql, &bounds(touches)).map_err(refused)?;
            let (columns, mut sum) = (statement.columns(), DigestSum::default());
            while let Some(row) = statement.next().map_err(refused)? {
                let cells = (0..columns).map(|place| row.cell(place).map(raw).map_err(refused));
                let mut cells = cells.collect::<Result<Vec<RawCell>>>()?;
                // The log may have got more columns since.
                while cells.pop_if(|cell| cell.class == StorageClass::Null).is_some() {}
                let touch = blake3::hash(&RowName::Cells(cells).to_bytes());
                sum.add_row(RowDigest(*touch.as_bytes()));
            }
            Ok(sum)
        })
        .at(changelog)
}

/// The numbers of the tables that were touched.
///
/// # Errors
///
/// As [`head`].
pub fn touched(reader: &Reader, touches: Touches) -> Result<Vec<i64>> {
    reader
        .in_one_state(|connection| {
            let sql =
                format!("SELECT DISTINCT t FROM main.{LOG} WHERE seq BETWEEN ?1 AND ?2 ORDER BY t");
            let mut found = Vec::new();
            let mut statement =
                Statement::prepare(connection, &sql, &bounds(touches)).map_err(refused)?;
            while let Some(row) = statement.next().map_err(refused)? {
                found.push(row.cell(0).map_err(refused)?.as_i64().map_err(odd)?);
            }
            Ok(found)
        })
        .at(changelog)
}

/// The names of the touched rows of a table, as bytes; some more than once.
///
/// # Errors
///
/// As [`head`], and what `take` says.
pub fn names(
    reader: &Reader,
    table: Followed<'_>,
    touches: Touches,
    mut take: impl FnMut(Vec<u8>) -> Result<()>,
) -> Result<()> {
    let columns = table.capture.key.columns();
    reader.in_one_state(|connection| {
        // As they were noted of the rows: texts as they are stored.
        let encoding = TextEncoding::of(connection).map_err(refused).at(changelog)?;
        let wanted = encoding.select(&keys(columns), None);
        let sql = format!("SELECT {wanted} FROM ({})", distinct(table));
        let [first, last] = bounds(touches);
        let range = RowRange::Rowids { first, last };
        let mut rows = Rows::query(connection, &sql, range, (encoding, columns, None))
            .map_err(refused)
            .at(changelog)?;
        while let Some(row) = rows.next().map_err(refused).at(changelog)? {
            let cells = (0..columns).map(|place| row.cell(place).map(raw).map_err(refused));
            take(RowName::Cells(cells.collect::<Result<_>>()?).to_bytes())?;
        }
        Ok(())
    })
}

/// The keys of the touched rows of a table, in the shape of `shape`; those that its columns cannot hold are left out,
/// because the target cannot have them.
///
/// # Errors
///
/// As [`head`], and what `emit` says.
pub fn touched_keys(
    reader: &Reader,
    table: Followed<'_>,
    shape: &TableSchema,
    touches: Touches,
    emit: impl FnMut(ReadBatch) -> Result<()>,
) -> Result<()> {
    let from = |encoding: TextEncoding| {
        let columns = encoding.select(&keys(table.capture.key.columns()), None);
        format!("SELECT {columns} FROM ({})", distinct(table))
    };
    read(reader, shape, None, from, touches, emit).at(changelog)
}

/// The rowids from `first` on of a table that only grows, up to so many rows: the last of them, and whether it is the
/// last there is; none where there is none.
///
/// # Errors
///
/// A source that cannot be read.
pub fn grown(
    reader: &Reader,
    table: Followed<'_>,
    first: i64,
    rows: i64,
) -> Result<Option<(i64, bool)>> {
    let rowid = table.schema.rowid_name.as_deref().unwrap_or("rowid");
    let name = quoted(&table.schema.source);
    reader
        .in_one_state(|connection| {
            let sql = format!(
                "SELECT max(k), (SELECT max({rowid}) FROM main.{name})
                 FROM (SELECT {rowid} AS k FROM main.{name} WHERE {rowid} >= ?1 ORDER BY {rowid} LIMIT ?2)"
            );
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let (last, end): (Option<i64>, Option<i64>) =
                connection.query_row(&sql, [first, rows], read).map_err(refused)?;
            Ok(last.map(|last| (last, Some(last) == end)))
        })
        .at(|| format!("table {}", table.schema.source))
}

/// The names of the rows between two rowids, both included, of a table that only grows, as bytes.
///
/// # Errors
///
/// A source that cannot be read, and what `take` says.
pub fn grown_names(
    reader: &Reader,
    table: Followed<'_>,
    rowids: [i64; 2],
    mut take: impl FnMut(Vec<u8>) -> Result<()>,
) -> Result<()> {
    let rowid = table.schema.rowid_name.as_deref().unwrap_or("rowid");
    let place = || format!("table {}", table.schema.source);
    let name = quoted(&table.schema.source);
    let sql = format!("SELECT {rowid} FROM main.{name} WHERE {rowid} BETWEEN ?1 AND ?2");
    reader.in_one_state(|connection| {
        let mut rows = Statement::prepare(connection, &sql, &rowids).map_err(refused).at(place)?;
        while let Some(row) = rows.next().map_err(refused).at(place)? {
            let rowid = row.cell(0).map_err(refused).at(place)?.as_i64().map_err(odd)?;
            take(RowName::Rowid(rowid).to_bytes())?;
        }
        Ok(())
    })
}

/// The highest rowid of a table; none where it is empty.
///
/// # Errors
///
/// A source that cannot be read.
pub fn end(reader: &Reader, table: &TableSchema) -> Result<Option<i64>> {
    let rowid = table.rowid_name.as_deref().unwrap_or("rowid");
    let name = quoted(&table.source);
    reader
        .in_one_state(|connection| {
            let sql = format!("SELECT max({rowid}) FROM main.{name}");
            connection.query_row(&sql, [], |row| row.get(0)).map_err(refused)
        })
        .at(|| format!("table {}", table.source))
}

/// Rows that are counted one by one.
const COUNTED_ROWS: u64 = 10_000;

/// How many rows a table has between two rowids, both included; where they are many, about so many, as close to one
/// another as the first of them are.
///
/// # Errors
///
/// A source that cannot be read.
pub fn rows_between(reader: &Reader, table: &TableSchema, [first, last]: [i64; 2]) -> Result<u64> {
    let rowid = table.rowid_name.as_deref().unwrap_or("rowid");
    let name = quoted(&table.source);
    let sql = format!(
        "SELECT count(*), min(k), max(k) FROM (SELECT {rowid} AS k FROM main.{name}
         WHERE {rowid} BETWEEN ?1 AND ?2 ORDER BY {rowid} LIMIT {COUNTED_ROWS})"
    );
    reader
        .in_one_state(|connection| {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let (rows, least, most): (i64, Option<i64>, Option<i64>) =
                connection.query_row(&sql, [first, last], read).map_err(refused)?;
            let counted = rows.unsigned_abs();
            let (Some(least), Some(most)) = (least, most) else { return Ok(0) };
            if counted < COUNTED_ROWS {
                return Ok(counted);
            }
            let rowids = |to: i64| i128::from(to) - i128::from(least) + 1;
            let all = i128::from(counted) * rowids(last) / rowids(most);
            Ok(u64::try_from(all).unwrap_or(u64::MAX))
        })
        .at(|| format!("table {}", table.source))
}

/// The touched rows of a table that are there now; of one that only grows, those before `first`, where its new rows begin.
///
/// # Errors
///
/// A source that cannot be read, and what `emit` says.
pub fn touched_rows(
    reader: &Reader,
    table: Followed<'_>,
    touches: Touches,
    first: Option<i64>,
    emit: impl FnMut(ReadBatch) -> Result<()>,
) -> Result<()> {
    let collations = collations(table);
    let known = match (first, &table.schema.rowid_name) {
        (Some(first), Some(rowid)) => format!(" AND r.{rowid} < {first}"),
        _ => String::new(),
    };
    let from = |encoding: TextEncoding| {
        let schema = table.schema;
        let columns = schema.columns.iter().map(|column| format!("r.{}", quoted(&column.source)));
        let rowid = schema.rowid_name.as_ref().map(|rowid| format!("r.{rowid}"));
        format!(
            // Crossed, so that SQLite goes from the touched keys to the rows, and never the other way.
            "SELECT {} FROM ({}) AS touched CROSS JOIN main.{} AS r ON {}{known}",
            encoding.select(&columns.collect::<Vec<_>>(), rowid.as_deref()),
            distinct(table),
            quoted(&schema.source),
            same_key(table, &collations)
        )
    };
    read(reader, table.schema, table.schema.rowid_name.as_deref(), from, touches, emit)
        .at(|| format!("table {}", table.schema.source))
}

fn read(
    reader: &Reader,
    shape: &TableSchema,
    rowid: Option<&str>,
    sql: impl FnOnce(TextEncoding) -> String,
    touches: Touches,
    mut emit: impl FnMut(ReadBatch) -> Result<()>,
) -> Result<()> {
    let mut emitted = Ok(());
    let read = reader.in_one_state(|connection| {
        let encoding = TextEncoding::of(connection).map_err(refused)?;
        let [first, last] = bounds(touches);
        let range = RowRange::Rowids { first, last };
        let shape_of = (encoding, shape.columns.len(), rowid);
        let mut rows = Rows::query(connection, &sql(encoding), range, shape_of).map_err(refused)?;
        batches(&mut rows, shape, &mut Wanted::default(), &mut |batch| {
            emitted = emit(batch);
            emitted.is_ok()
        })
    });
    emitted?;
    read
}

fn bounds(touches: Touches) -> [i64; 2] {
    [touches.after.saturating_add(1), touches.last]
}

/// The changelog's columns for a key.
fn keys(columns: usize) -> Vec<String> {
    (1..=columns).map(|number| format!("k{number}")).collect()
}

/// The touched keys of a table, each once; 1 and 1.0 are one to SQLite, and may be two keys of the target.
fn distinct(table: Followed<'_>) -> String {
    let columns = keys(table.capture.key.columns());
    let columns: Vec<_> =
        columns.iter().flat_map(|key| [key.clone(), format!("typeof({key})")]).collect();
    format!(
        "SELECT DISTINCT {} FROM main.{LOG} WHERE seq BETWEEN ?1 AND ?2 AND t = {}",
        columns.join(", "),
        table.capture.number
    )
}

/// The collations by which the key's columns are unique.
fn collations(table: Followed<'_>) -> Vec<String> {
    let TouchKey::Columns(positions) = &table.capture.key else { return vec!["BINARY".into()] };
    let mut indexes = table.source.indexes.iter();
    let index = indexes.find(|index| index.origin == IndexOrigin::PrimaryKey);
    let of = |&position: &usize| {
        let columns = index.map(|index| index.columns.as_slice()).unwrap_or_default();
        let column = columns.iter().find(|column| column.key == Ok(position));
        let declared = || table.source.columns.get(position).map(|column| &column.collation);
        column.map(|column| &column.collation).or_else(declared).cloned()
    };
    positions.iter().map(|position| of(position).unwrap_or_else(|| "BINARY".into())).collect()
}

/// That a row has a touched key: by the key's own comparison, which an index serves, and byte for byte. A row that has
/// another spelling of its key now than the one that was touched has that touched too, perhaps by a later pass.
fn same_key(table: Followed<'_>, collations: &[String]) -> String {
    let TouchKey::Columns(positions) = &table.capture.key else {
        return format!("r.{} = touched.k1", table.schema.rowid_name.as_deref().unwrap_or("rowid"));
    };
    let name = |position: usize| table.source.columns.get(position).map(|column| &column.name);
    let columns = positions.iter().filter_map(|&position| name(position));
    let same = columns.zip(collations).enumerate().map(|(number, (name, collation))| {
        let (row, key) = (format!("r.{}", quoted(name)), format!("touched.k{}", number + 1));
        format!(
            "{row} IS {key} COLLATE {} AND typeof({row}) = typeof({key}) AND CAST({row} AS BLOB) IS CAST({key} AS BLOB)",
            quoted(collation)
        )
    });
    same.collect::<Vec<_>>().join(" AND ")
}

fn changelog() -> String {
    "the changelog".into()
}

fn odd(error: rusqlite::types::FromSqlError) -> Error {
    Error::internal("the changelog has something else than liteferry writes").because(error)
}
