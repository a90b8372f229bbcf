//! Reading back: rows of the target in canonical form, by COPY BINARY, in pieces that several sessions can share.

use super::failure::failed;
use super::ledger::column;
use super::session::Session;
use super::write::{columns, relation};
use crate::error::{Error, Place, Result};
use crate::model::identifier::{literal, quoted};
use crate::model::{Column, PgType, TableSchema};
use crate::row::{RowVisitor, TupleDecoder};
use futures_util::TryStreamExt;

/// A part of a target table, by its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// Every row.
    All,
    /// The rows in blocks from `first` (included) to `end` (not included).
    Blocks {
        /// The first block.
        first: u32,
        /// The block after the last; none for the last portion, which takes whatever was appended meanwhile.
        end: Option<u32>,
    },
    /// The rows whose rowid, which stands in a column of the target, is in a range.
    Rowids {
        /// The column's position.
        column: usize,
        /// The lowest.
        first: i64,
        /// The highest.
        last: i64,
    },
}

/// Blocks of a portion: 32 MiB.
const PORTION_BLOCKS: u32 = 4096;
/// The first server that finds a range of blocks without reading the whole table.
const BLOCK_RANGES_SINCE: u32 = 140_000;

/// A snapshot that other sessions can look through too; it lives as long as the session's transaction.
#[derive(Debug, Clone)]
pub struct SharedSnapshot(String);

/// Begins a transaction that sees one state, and exports it.
///
/// # Errors
///
/// What the server says.
pub fn begin_snapshot(session: &Session) -> Result<SharedSnapshot> {
    session.batch("begin to read", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
    let rows = session.query("export a snapshot", "SELECT pg_export_snapshot()", &[])?;
    Ok(SharedSnapshot(column(rows.first(), 0)?))
}

/// Begins a transaction that sees the same state.
///
/// # Errors
///
/// What the server says.
pub fn join_snapshot(session: &Session, snapshot: &SharedSnapshot) -> Result<()> {
    session.batch("begin to read", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
    session.batch("join a snapshot", &format!("SET TRANSACTION SNAPSHOT {}", given(&snapshot.0)?))
}

/// What the server gave, to be given back to it.
fn given(text: &str) -> Result<String> {
    literal(text).map_err(|refusal| Error::internal(format!("what the server said: {refusal}")))
}

/// How many rows a table has.
///
/// # Errors
///
/// What the server says.
pub fn count(session: &Session, table: &TableSchema) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM {}", relation(table));
    let rows = session.query("count rows", &sql, &[])?;
    Ok(column::<i64>(rows.first(), 0)?.unsigned_abs())
}

/// Cuts a table into portions that can be read side by side.
///
/// # Errors
///
/// What the server says.
pub fn portions(session: &Session, table: &TableSchema) -> Result<Vec<Portion>> {
    if session.server_version() < BLOCK_RANGES_SINCE {
        return Ok(vec![Portion::All]);
    }
    let sql = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint";
    let rows = session.query("measure a table", sql, &[&relation(table)])?;
    let blocks = u32::try_from(column::<i64>(rows.first(), 0)?).unwrap_or(u32::MAX);
    let count = (blocks / PORTION_BLOCKS).max(1);
    Ok((0..count)
        .map(|number| Portion::Blocks {
            first: number * PORTION_BLOCKS,
            end: (number + 1 < count).then(|| (number + 1) * PORTION_BLOCKS),
        })
        .collect())
}

/// Visits the rows of a portion.
///
/// The driver reads several rows ahead. Where rows are large, that would be several times the memory of the largest:
/// those are read one by one, by their place.
///
/// # Errors
///
/// What the server or the visitor says.
pub fn read_portion(
    session: &Session,
    table: &TableSchema,
    portion: Portion,
    visitor: &mut impl RowVisitor,
) -> Result<()> {
    let conditions = condition(table, portion);
    read_where(session, table, &conditions, visitor).at(|| format!("table {}", table.target))
}

/// Visits the rows that meet all of some conditions, given as SQL.
pub(super) fn read_where(
    session: &Session,
    table: &TableSchema,
    conditions: &[String],
    visitor: &mut impl RowVisitor,
) -> Result<()> {
    if table.largest_row_bytes <= LARGE_ROW_BYTES {
        return copy_out(session, table, conditions, visitor);
    }
    let size = row_size(table);
    let with =
        |condition: String| conditions.iter().cloned().chain([condition]).collect::<Vec<_>>();
    copy_out(session, table, &with(format!("{size} <= {LARGE_ROW_BYTES}")), visitor)?;
    let large = with(format!("{size} > {LARGE_ROW_BYTES}"));
    let sql = format!("SELECT ctid::text FROM {}{}", relation(table), filter(&large));
    for row in session.query("find large rows", &sql, &[])? {
        let place: String = column(Some(&row), 0)?;
        copy_out(session, table, &[format!("ctid = {}", given(&place)?)], visitor)?;
    }
    Ok(())
}

/// Bytes above which a row is read alone.
const LARGE_ROW_BYTES: u64 = 4 * 1024 * 1024;

/// The bytes of a row's values of variable length; the server knows most of them without reading the values.
fn row_size(table: &TableSchema) -> String {
    let size = |column: &Column| {
        let name = quoted(&column.target);
        match column.pg {
            PgType::Text | PgType::Varchar(_) | PgType::Bytea => Some(name),
            // This makes the server write jsonb out, which is the one way to know how long its text is.
            PgType::Json | PgType::Jsonb => Some(format!("{name}::text")),
            _ => None,
        }
    };
    let sizes: Vec<_> = table
        .columns
        .iter()
        .filter_map(size)
        .map(|value| format!("coalesce(octet_length({value})::bigint, 0)"))
        .collect();
    if sizes.is_empty() { "0".into() } else { format!("({})", sizes.join(" + ")) }
}

fn condition(table: &TableSchema, portion: Portion) -> Vec<String> {
    match portion {
        Portion::All | Portion::Blocks { first: 0, end: None } => Vec::new(),
        Portion::Blocks { first, end: None } => vec![format!("ctid >= '({first},0)'")],
        Portion::Blocks { first, end: Some(end) } => {
            vec![format!("ctid >= '({first},0)'"), format!("ctid < '({end},0)'")]
        }
        Portion::Rowids { column, first, last } => {
            let name = table.columns.get(column).map(|column| quoted(&column.target));
            vec![format!("{} BETWEEN '{first}' AND '{last}'", name.unwrap_or_default())]
        }
    }
}

fn filter(conditions: &[String]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    }
}

fn copy_out(
    session: &Session,
    table: &TableSchema,
    conditions: &[String],
    visitor: &mut impl RowVisitor,
) -> Result<()> {
    let sql = format!(
        "COPY (SELECT {} FROM {}{}) TO STDOUT (FORMAT binary)",
        columns(table),
        relation(table),
        filter(conditions)
    );
    let reading = |error| failed("cannot read rows back", error);
    session.wait_for(async {
        let stream = session.client().copy_out(&sql).await.map_err(reading)?;
        tokio::pin!(stream);
        let mut decoder = TupleDecoder::new(table);
        while let Some(message) = stream.try_next().await.map_err(reading)? {
            decoder.push(&message, visitor)?;
        }
        decoder.finish()
    })
}
