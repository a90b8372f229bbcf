//! What a file may make its reader do: looked at in its footer and in the headers of its pages, before a page is decoded.
//!
//! The hash says that a file is the one that a manifest names, and a manifest can be forged. So nothing that a file says
//! of itself is believed where it would cost memory: pages are counted and their sizes added up, a dictionary's longest
//! value is looked for, and the batches are as small as all that wants.

use super::facts::another;
use super::file::{GROUP_BYTES, GROUP_ROWS};
use super::pages::{HEADER_MAX, PageHead, PageKind, longest};
use super::verified::Verified;
use crate::error::Result;
use parquet::basic::{Compression, Type};
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, SerializedPageReader};
use std::ops::Range;
use std::sync::Arc;

/// Rows of a batch, at most, as the source's batches have them.
const BATCH_ROWS: usize = 8 * 1024;
/// Bytes of values of a batch, about, but for a single row that is larger.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of the decompressed pages of a row group, at most: Parquet may take more for a value than Arrow, and has it in a
/// dictionary besides.
const PAGES_BYTES: u64 = 4 * GROUP_BYTES as u64;
/// The same for each column, whose levels and empty pages take some.
const COLUMN_BYTES: u64 = 64 * 1024;
/// The same where a row group is one row: more than a row of SQLite or of PostgreSQL can have.
const ROW_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// How a row group is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupPlan {
    /// Its number.
    pub(super) group: usize,
    /// Rows of a batch, at least one.
    pub(super) batch_rows: usize,
}

/// Looks at all row groups of a file that shall have so many rows.
///
/// # Errors
///
/// [`Class::Damaged`](crate::Class::Damaged): a file that liteferry has not written so.
pub(super) fn check(
    file: &Arc<Verified>,
    metadata: &ParquetMetaData,
    rows: u64,
) -> Result<Vec<GroupPlan>> {
    let mut found = 0_u64;
    let mut plans = Vec::new();
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).ok();
        let rows = rows.filter(|&rows| rows > 0 && rows <= GROUP_ROWS as u64);
        let rows = rows.ok_or_else(|| another("a row group has a wrong number of rows"))?;
        found = found.saturating_add(rows);
        let batch_rows = check_group(file, group, rows)?;
        plans.push(GroupPlan { group: number, batch_rows });
    }
    if found != rows || u64::try_from(metadata.file_metadata().num_rows()) != Ok(rows) {
        return Err(another(&format!("it has {found} rows instead of {rows}")));
    }
    Ok(plans)
}

/// Gives how many rows a batch of it may have.
fn check_group(file: &Arc<Verified>, group: &RowGroupMetaData, rows: u64) -> Result<usize> {
    let columns = u64::try_from(group.num_columns()).unwrap_or(u64::MAX);
    let limit = match rows {
        1 => ROW_BYTES,
        _ => PAGES_BYTES.saturating_add(columns.saturating_mul(COLUMN_BYTES)),
    };
    let mut pages = Pages::default();
    for column in group.columns() {
        let walked = walk(file, column, rows)?;
        pages.uncompressed = pages.uncompressed.saturating_add(walked.uncompressed);
        if pages.uncompressed > limit {
            return Err(another("the pages of a row group become larger than any that is written"));
        }
        pages.dictionary |= walked.dictionary;
    }
    // All pages of the group are bounded by now, and so a dictionary can be decompressed.
    let mut longest = 0_u64;
    if pages.dictionary {
        for column in group.columns().iter().filter(|it| it.column_type() == Type::BYTE_ARRAY) {
            longest = longest.saturating_add(longest_value(file, column, rows)?);
        }
    }
    let by_average = rows.saturating_mul(BATCH_BYTES) / pages.uncompressed.max(1);
    let by_longest = BATCH_BYTES / longest.max(1);
    let batch = by_average.min(by_longest).clamp(1, BATCH_ROWS as u64);
    Ok(usize::try_from(batch).unwrap_or(1))
}

/// What the pages of a column become.
#[derive(Debug, Default)]
struct Pages {
    uncompressed: u64,
    dictionary: bool,
}

/// Reads the headers of all pages of a column, which has a value for each row.
fn walk(file: &Verified, column: &ColumnChunkMetaData, rows: u64) -> Result<Pages> {
    let damaged = || another(&format!("the pages of column {}", column.column_path()));
    if !matches!(column.compression(), Compression::ZSTD(_)) {
        return Err(damaged());
    }
    let mut place = place_of(column).ok_or_else(damaged)?;
    let is_whole = matches!(column.column_type(), Type::INT32 | Type::INT64);
    let mut pages = Pages::default();
    let mut values = 0_u64;
    while place.start < place.end {
        let left = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        let bytes = file.get_bytes(place.start, left.min(HEADER_MAX));
        let bytes = bytes.map_err(|error| damaged().because(error))?;
        let head = PageHead::read(&bytes).ok_or_else(damaged)?;
        match head.kind {
            PageKind::Dictionary => {
                let width = width(column);
                let fits = head.values.checked_mul(width).is_some_and(|it| it <= head.uncompressed);
                if !fits || pages.dictionary || values > 0 {
                    return Err(damaged());
                }
                pages.dictionary = true;
            }
            PageKind::Numbers if !pages.dictionary => return Err(damaged()),
            PageKind::Differences if !is_whole => return Err(damaged()),
            PageKind::Plain | PageKind::Differences | PageKind::Numbers => {
                values = values.saturating_add(head.values);
            }
        }
        pages.uncompressed = pages.uncompressed.saturating_add(head.uncompressed);
        place.start = place.start.saturating_add(head.header).saturating_add(head.compressed);
    }
    let has_dictionary = column.dictionary_page_offset().is_some();
    let all = place.start == place.end && values == rows && has_dictionary == pages.dictionary;
    if all && u64::try_from(column.num_values()) == Ok(rows) { Ok(pages) } else { Err(damaged()) }
}

/// Where the pages of a column stand, the dictionary first.
fn place_of(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let data = u64::try_from(column.data_page_offset()).ok()?;
    let start = match column.dictionary_page_offset() {
        Some(dictionary) => u64::try_from(dictionary).ok().filter(|&start| start < data)?,
        None => data,
    };
    let bytes = u64::try_from(column.compressed_size()).ok()?;
    Some(start..start.checked_add(bytes)?)
}

/// Bytes of a value in a dictionary, at least.
fn width(column: &ColumnChunkMetaData) -> u64 {
    match column.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => {
            u64::try_from(column.column_descr().type_length()).unwrap_or(u64::MAX).max(1)
        }
    }
}

/// Bytes of the longest value in a column's dictionary, if it has one.
fn longest_value(file: &Arc<Verified>, column: &ColumnChunkMetaData, rows: u64) -> Result<u64> {
    if column.dictionary_page_offset().is_none() {
        return Ok(0);
    }
    let damaged = || another(&format!("the dictionary of column {}", column.column_path()));
    let rows = usize::try_from(rows).map_err(|_too_many| damaged())?;
    let page = SerializedPageReader::new(Arc::clone(file), column, rows, None)
        .and_then(|mut pages| pages.get_next_page())
        .map_err(|error| damaged().because(error))?;
    match page {
        Some(Page::DictionaryPage { buf, num_values, .. }) => longest(&buf, num_values.into())
            .and_then(|bytes| u64::try_from(bytes).ok())
            .ok_or_else(damaged),
        _ => Err(damaged()),
    }
}
