//! The census: one pass over every value of a table, for the plan to choose types that carry every one of them.
//!
//! The same pass cuts the table into stretches of about equal bytes, from which the chunks are made, and hashes the
//! content of each.

use super::behind::Order;
use super::cell::exact_double;
use super::connection::refused;
use super::content::ContentHasher;
use super::kin::Pair;
use super::looks;
use super::read::Reader;
use super::wide::{Rows, ends};
use super::witnessed::Witnessed;
use crate::error::{Place, Result};
use crate::model::identifier::quoted;
use crate::model::{
    BoolWords, ColumnEvidence, IsoForm, JsonForm, LABELS_MAX, NumberForm, Probe, RowName, RowRange,
    SourceTable, Stretch, TableEvidence, TextEncoding, TextProbe,
};
use crate::row::numeric::{PlainDecimal, ShortDecimal};
use crate::row::temporal::{IsoText, Refusal};
use crate::row::zone::{self, Meaning};
use crate::row::{inet, json, uuid};
use jiff::tz::TimeZone;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeSet;

/// Rows after which the caller hears that the census is alive.
const TICK_ROWS: u64 = 16 * 1024;

/// Ranges that divide the census of one table among workers: about equal spans of rowids.
///
/// # Errors
///
/// A table that cannot be read.
pub fn divide(reader: &Reader, table: &SourceTable, parts_max: u64) -> Result<Vec<RowRange>> {
    let Some(rowid) = table.rowid_name else { return Ok(vec![whole(table)]) };
    let ends = reader
        .in_one_state(|connection| {
            Ok((end(connection, table, rowid, "min")?, end(connection, table, rowid, "max")?))
        })
        .at(|| format!("table {}", table.name))?;
    let (Some(least), Some(greatest)) = ends else { return Ok(vec![whole(table)]) };
    let span = i128::from(greatest) - i128::from(least) + 1;
    let parts = (span / i128::from(PART_ROWS_MIN)).clamp(1, i128::from(parts_max));
    let edge =
        |part: i128| i64::try_from(i128::from(least) + span * part / parts).unwrap_or(i64::MAX);
    let range = |part: i128| RowRange::Rowids {
        first: if part == 0 { i64::MIN } else { edge(part) },
        last: if part == parts - 1 { i64::MAX } else { edge(part + 1) - 1 },
    };
    Ok((0..parts).map(range).collect())
}

/// Every row: every rowid there can be, where there are rowids.
pub fn whole(table: &SourceTable) -> RowRange {
    match table.rowid_name {
        Some(_) => RowRange::Rowids { first: i64::MIN, last: i64::MAX },
        None => RowRange::All,
    }
}

/// Rowids below which a part is not worth a worker of its own.
const PART_ROWS_MIN: u64 = 32 * 1024;

/// One end of the rowids; each is asked for alone, because only then SQLite does not scan.
fn end(
    connection: &Connection,
    table: &SourceTable,
    rowid: &str,
    function: &str,
) -> Result<Option<i64>> {
    let sql = format!("SELECT {function}({rowid}) FROM {}", quoted(&table.name));
    connection.query_row(&sql, [], |row| row.get(0)).map_err(refused)
}

/// Looks at every value of a range, and cuts it into stretches of `stretch_bytes`; `tick` hears rows and bytes as they
/// pass and may stop the census. Of a source that moves each piece of `piece_bytes` is looked at in a state of its own,
/// where the table has no rowids by which a range would be a part of it.
///
/// # Errors
///
/// A table that cannot be read, and whatever `tick` says.
pub fn take(
    reader: &Reader,
    table: &SourceTable,
    probes: &[Probe],
    range: RowRange,
    (stretch_bytes, piece_bytes): (u64, u64),
    tick: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<TableEvidence> {
    let bytes = if range == RowRange::All { piece_bytes } else { u64::MAX };
    let limits = Limits { stretch_bytes, bytes, ..Limits::NONE };
    let mut scan = |behind: Option<&RowName>| {
        reader
            .in_one_state(|connection| {
                scan(connection, table, probes, (range, behind), limits, tick)
            })
            .at(|| format!("table {}", table.name))
    };
    let (mut evidence, mut ended_after) = scan(None)?;
    while let Some(behind) = ended_after {
        let (piece, last) = scan(Some(&behind))?;
        evidence.append(piece);
        evidence.join_stretches();
        ended_after = last;
    }
    Ok(evidence)
}

/// Where a scan cuts, and where it ends early.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes after which a stretch ends.
    pub(super) stretch_bytes: u64,
    /// Rows after which the scan ends.
    pub(super) rows: u64,
    /// Bytes after which it ends.
    pub(super) bytes: u64,
}

impl Limits {
    /// To the end of the range, in one stretch.
    pub(super) const NONE: Self = Self { stretch_bytes: u64::MAX, rows: u64::MAX, bytes: u64::MAX };
}

/// Looks at the rows of a range, or at those of them that lie behind a row, until it ends or a limit is reached: then gives
/// the last row that was seen, too.
/// SQLite gives one row after the other, and does no work for those that are not asked for.
pub(super) fn scan(
    connection: &Connection,
    table: &SourceTable,
    probes: &[Probe],
    (range, behind): (RowRange, Option<&RowName>),
    limits: Limits,
    tick: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<(TableEvidence, Option<RowName>)> {
    let mut cutter = Cutter::new(range, limits.stretch_bytes);
    let encoding = TextEncoding::of(connection).map_err(refused)?;
    let order = order_of(connection, table, (limits, encoding))?;
    let whole = (select(table, range, encoding), ends(range));
    let columns = encoding.select(&columns(table), table.rowid_name);
    let statements = order.statements(whole, (&columns, &table.name), behind)?;
    let shape = (encoding, table.columns.len(), table.rowid_name);
    let mut rows = Rows::query_all(connection, &statements, shape).map_err(refused)?;
    let mut evidence = TableEvidence::empty(table);
    let mut witnessed = Witnessed::all(table, probes)?;
    let mut pairs = Pair::all(table, probes);
    let (mut told_bytes, mut ended_after) = (0, None);
    while let Some(row) = rows.next().map_err(refused)? {
        let mut row_bytes = 0;
        for (position, (column, probe)) in evidence.columns.iter_mut().zip(probes).enumerate() {
            let cell = row.cell(position).map_err(refused)?;
            cutter.content.cell(cell);
            row_bytes += look_at(column, cell, probe);
        }
        for pair in &mut witnessed {
            pair.look_at(&mut evidence, &row).map_err(refused)?;
        }
        for pair in &mut pairs {
            pair.look_at(&row).map_err(refused)?;
        }
        evidence.rows += 1;
        evidence.bytes += row_bytes;
        evidence.largest_row_bytes = evidence.largest_row_bytes.max(row_bytes);
        if let Some(rowid) = cutter.wants_cut(row_bytes).then(|| row.rowid(table.columns.len())) {
            cutter.cut_after(rowid.map_err(refused)?);
        }
        if evidence.rows.is_multiple_of(TICK_ROWS) {
            tick(TICK_ROWS, evidence.bytes - told_bytes)?;
            told_bytes = evidence.bytes;
        }
        if evidence.rows >= limits.rows || evidence.bytes >= limits.bytes {
            ended_after = order.name(&row)?;
            if ended_after.is_some() {
                break;
            }
        }
    }
    tick(evidence.rows % TICK_ROWS, evidence.bytes - told_bytes)?;
    pairs.into_iter().for_each(|pair| pair.note(table, &mut evidence));
    evidence.stretches = cutter.finish();
    Ok((evidence, ended_after))
}

/// The columns in order, then the rowid where there is one, by a scan of the table itself.
pub(super) fn select(table: &SourceTable, range: RowRange, encoding: TextEncoding) -> String {
    let columns = encoding.select(&columns(table), table.rowid_name);
    let select = format!("SELECT {columns} FROM {} NOT INDEXED", quoted(&table.name));
    match (range, table.rowid_name) {
        // One row is looked up: a range is read one row beyond its end, where the file may be damaged.
        (RowRange::Rowids { first, last }, Some(rowid)) if first == last => {
            format!("{select} WHERE {rowid} = ?1 AND {rowid} = ?2 ORDER BY {rowid}")
        }
        (RowRange::Rowids { .. }, Some(rowid)) => {
            format!("{select} WHERE {rowid} BETWEEN ?1 AND ?2 ORDER BY {rowid}")
        }
        _ => select,
    }
}

fn columns(table: &SourceTable) -> Vec<String> {
    table.columns.iter().map(|column| quoted(&column.name)).collect()
}

/// The order of the rows; only who ends early needs to know it.
fn order_of(
    connection: &Connection,
    table: &SourceTable,
    (limits, encoding): (Limits, TextEncoding),
) -> Result<Order> {
    if limits.bytes == u64::MAX && limits.rows == u64::MAX {
        return Ok(Order::Unknown);
    }
    let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    Order::of(connection, (&table.name, &names, table.rowid_name), encoding)
}

/// Cuts a range of rowids into stretches as rows pass.
struct Cutter {
    stretches: Vec<Stretch>,
    /// Where the current stretch begins; none where rows have no rowid to cut at.
    first: Option<i64>,
    range: RowRange,
    /// Bytes after which a stretch ends.
    stretch_bytes: u64,
    bytes: u64,
    /// What the current stretch holds.
    content: ContentHasher,
}

impl Cutter {
    fn new(range: RowRange, stretch_bytes: u64) -> Self {
        let first = match range {
            RowRange::Rowids { first, .. } => Some(first),
            RowRange::All => None,
        };
        let content = ContentHasher::default();
        Self { stretches: Vec::new(), first, range, stretch_bytes, bytes: 0, content }
    }

    fn wants_cut(&mut self, row_bytes: u64) -> bool {
        self.bytes += row_bytes;
        self.first.is_some() && self.bytes >= self.stretch_bytes
    }

    fn cut_after(&mut self, rowid: i64) {
        if let (Some(first), Some(next)) = (self.first, rowid.checked_add(1)) {
            self.end(RowRange::Rowids { first, last: rowid });
            self.first = Some(next);
        }
    }

    /// The last stretch reaches to the end of the range, so that nothing is left uncovered.
    fn finish(mut self) -> Vec<Stretch> {
        let range = match (self.range, self.first) {
            (RowRange::Rowids { last, .. }, Some(first)) if first <= last => {
                RowRange::Rowids { first, last }
            }
            (RowRange::Rowids { .. }, _) => return self.stretches,
            (RowRange::All, _) => RowRange::All,
        };
        self.end(range);
        self.stretches
    }

    fn end(&mut self, range: RowRange) {
        let bytes = std::mem::take(&mut self.bytes);
        self.stretches.push(Stretch { range, bytes, content: Some(self.content.take()) });
    }
}

/// Notes one value and gives its bytes.
fn look_at(column: &mut ColumnEvidence, cell: ValueRef<'_>, probe: &Probe) -> u64 {
    match cell {
        ValueRef::Null => {
            column.nulls += 1;
            1
        }
        ValueRef::Integer(value) => {
            column.integers += 1;
            if let TextProbe::Compact(zone) = &probe.texts {
                count_time(column, IsoText::parse_compact_integer(value), zone.as_ref());
            }
            let (least, greatest) = column.integer_range.unwrap_or((value, value));
            column.integer_range = Some((least.min(value), greatest.max(value)));
            column.integers_beyond_double += u64::from(exact_double(value).is_none());
            8
        }
        ValueRef::Real(value) => {
            column.reals += 1;
            let decimal = if probe.decimals { ShortDecimal::of_double(value) } else { None };
            match decimal {
                Some(decimal) => column.decimal = column.decimal.union(decimal.size()),
                None => column.beyond_decimal += u64::from(beyond_decimal(value)),
            }
            8
        }
        ValueRef::Text(bytes) => {
            column.texts += 1;
            look_at_text(column, bytes, &probe.texts);
            length(bytes)
        }
        ValueRef::Blob(bytes) => {
            column.blobs += 1;
            column.uuid_blobs +=
                u64::from(probe.texts == TextProbe::Uuid && bytes.len() == UUID_BYTES);
            column.bytes_max = column.bytes_max.max(length(bytes));
            length(bytes)
        }
    }
}

fn look_at_text(column: &mut ColumnEvidence, bytes: &[u8], probe: &TextProbe) {
    column.bytes_max = column.bytes_max.max(length(bytes));
    let has_nul = bytes.contains(&0);
    column.with_nul += u64::from(has_nul);
    let Ok(text) = std::str::from_utf8(bytes) else {
        column.not_utf8 += 1;
        column.unstorable += 1;
        return;
    };
    column.unstorable += u64::from(has_nul);
    // Counting characters is only worth it where there may be more of them than were seen.
    if length(bytes) > column.chars_max {
        column.chars_max =
            column.chars_max.max(text.chars().count().try_into().unwrap_or(u64::MAX));
    }
    match probe {
        TextProbe::Plain => looks::note(&mut column.looks, text, column.texts),
        TextProbe::Decimal => {
            look_at_decimal(column, text);
            looks::note(&mut column.looks, text, column.texts);
        }
        TextProbe::Temporal(zone) => count_time(column, IsoText::parse(text), zone.as_ref()),
        TextProbe::Ordered(order, zone) => {
            count_time(column, IsoText::parse_ordered(text, *order), zone.as_ref());
        }
        TextProbe::Compact(zone) => {
            count_time(column, IsoText::parse_compact(text), zone.as_ref());
        }
        TextProbe::Words => {
            if let Some((words, _value)) = BoolWords::of(text) {
                column.forms.words.add(words, 1);
            }
        }
        TextProbe::Uuid => {
            if let Some((_bytes, form)) = uuid::parse(text) {
                column.parsed += 1;
                column.forms.uuid.add(form, 1);
            }
        }
        TextProbe::Inet => column.parsed += u64::from(inet::parse(text).is_some()),
        TextProbe::Cidr => column.parsed += u64::from(inet::parse_cidr(text).is_some()),
        TextProbe::Json => column.parsed += u64::from(json::check(text)),
        TextProbe::Jsonb => look_at_document(column, text),
        TextProbe::Labels => look_at_label(column, text),
    }
}

/// Bytes of a UUID in a BLOB.
const UUID_BYTES: usize = 16;

fn look_at_decimal(column: &mut ColumnEvidence, text: &str) {
    match PlainDecimal::parse(text) {
        Some(decimal) => {
            column.decimal = column.decimal.union(decimal.size());
            column.short_decimals += u64::from(NumberForm::Text.writes_text(text));
        }
        None => column.not_decimal += 1,
    }
}

fn look_at_document(column: &mut ColumnEvidence, text: &str) {
    if let Some(canonical) = json::canonical_jsonb(text) {
        column.parsed += 1;
        if let Some(form) = JsonForm::of(text, &canonical) {
            column.forms.json.add(form, 1);
        }
    }
}

fn look_at_label(column: &mut ColumnEvidence, text: &str) {
    let is_first = column.texts == 1;
    let labels = if is_first {
        column.labels.insert(BTreeSet::new())
    } else {
        let Some(labels) = &mut column.labels else { return };
        labels
    };
    if !labels.contains(text) {
        labels.insert(text.into());
        if labels.len() > LABELS_MAX {
            column.labels = None;
        }
    }
}

fn count_time(
    column: &mut ColumnEvidence,
    read: Result<(IsoText, IsoForm), Refusal>,
    zone: Option<&TimeZone>,
) {
    let Ok((value, form)) = read else {
        column.dates.other += 1;
        return;
    };
    column.forms.iso.add(value, form);
    let wall = match value {
        IsoText::Date(days) => {
            column.dates.date += 1;
            i64::from(days) * 86_400_000_000
        }
        IsoText::Naive(wall) => {
            column.dates.naive += 1;
            wall
        }
        IsoText::Time(_) => return column.dates.time += 1,
        IsoText::Instant(_) => return column.dates.offset += 1,
    };
    match zone.map(|zone| zone::meaning(wall, zone)) {
        Some(Meaning::Twice(..)) => column.dates.twice += 1,
        Some(Meaning::Never) => column.dates.never += 1,
        Some(Meaning::Once(_)) | None => {}
    }
}

fn beyond_decimal(value: f64) -> bool {
    !value.is_finite() || (value == 0.0 && value.is_sign_negative())
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len().try_into().unwrap_or(u64::MAX)
}
