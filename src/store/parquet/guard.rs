//! What a file may make its reader do: looked at in its footer and in the headers of its pages, before a page is decoded.
//!
//! The hash says that a file is the one that a manifest names, and a manifest can be forged. So nothing that a file says
//! of itself is believed where it would cost memory: pages are counted and their sizes added up, a dictionary's longest
//! value is looked for, and the batches are as small as all that wants. Nobody forges an encrypted file without its key;
//! it is looked at all the same, because batches must be small there too, and one way to read is tested better than two.

use super::cipher::OVERHEAD;
use super::facts::another;
use super::file::{GROUP_BYTES, GROUP_ROWS};
use super::modules::{LENGTH_BYTES, Module, Opener, Place};
use super::pages::{HEADER_MAX, PageHead, PageKind, longest};
use super::verified::Verified;
use crate::error::{Error, Result};
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

/// A file, and what opens it where it is encrypted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'f> {
    pub(super) file: &'f Arc<Verified>,
    pub(super) opener: Option<&'f Opener>,
}

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
    source: Source<'_>,
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
        let batch_rows = check_group(source, number, group, rows)?;
        plans.push(GroupPlan { group: number, batch_rows });
    }
    if found != rows || u64::try_from(metadata.file_metadata().num_rows()) != Ok(rows) {
        return Err(another(&format!("it has {found} rows instead of {rows}")));
    }
    Ok(plans)
}

/// Gives how many rows a batch of it may have.
fn check_group(
    source: Source<'_>,
    number: usize,
    group: &RowGroupMetaData,
    rows: u64,
) -> Result<usize> {
    let count = u64::try_from(group.num_columns()).unwrap_or(u64::MAX);
    let limit = match rows {
        1 => ROW_BYTES,
        _ => PAGES_BYTES.saturating_add(count.saturating_mul(COLUMN_BYTES)),
    };
    let mut pages = Pages::default();
    let columns = || {
        let place = move |column| Place { group: number, column };
        group.columns().iter().enumerate().map(move |(at, column)| (place(at), column))
    };
    for (place, column) in columns() {
        let walked = walk(source, place, column, rows)?;
        pages.uncompressed = pages.uncompressed.saturating_add(walked.uncompressed);
        if pages.uncompressed > limit {
            return Err(another("the pages of a row group become larger than any that is written"));
        }
        pages.dictionary |= walked.dictionary;
    }
    // All pages of the group are bounded by now, and so a dictionary can be decompressed.
    let mut longest = 0_u64;
    if pages.dictionary {
        for (place, column) in columns().filter(|(_, it)| it.column_type() == Type::BYTE_ARRAY) {
            longest = longest.saturating_add(longest_value(source, place, column, rows)?);
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
fn walk(source: Source<'_>, at: Place, column: &ColumnChunkMetaData, rows: u64) -> Result<Pages> {
    let damaged = || another(&format!("the pages of column {}", column.column_path()));
    if !matches!(column.compression(), Compression::ZSTD(_)) {
        return Err(damaged());
    }
    let mut place = place_of(column).ok_or_else(damaged)?;
    let is_whole = matches!(column.column_type(), Type::INT32 | Type::INT64);
    let mut pages = Pages::default();
    let (mut values, mut count) = (0_u64, 0_usize);
    let mut module = if column.dictionary_page_offset().is_some() {
        Module::DictionaryHeader(at)
    } else {
        Module::PageHeader(at, 0)
    };
    while place.start < place.end {
        let head = header(source, module, place.clone(), damaged)?;
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
                count += 1;
            }
        }
        module = Module::PageHeader(at, count);
        pages.uncompressed = pages.uncompressed.saturating_add(head.uncompressed);
        place.start = place.start.saturating_add(head.header).saturating_add(head.compressed);
    }
    let has_dictionary = column.dictionary_page_offset().is_some();
    let all = place.start == place.end && values == rows && has_dictionary == pages.dictionary;
    if all && u64::try_from(column.num_values()) == Ok(rows) { Ok(pages) } else { Err(damaged()) }
}

/// Reads the header that a place begins with; as many bytes as it then has are its own.
fn header(
    source: Source<'_>,
    module: Module,
    place: Range<u64>,
    damaged: impl Fn() -> Error,
) -> Result<PageHead> {
    let read = |length: usize| {
        let left = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        let bytes = source.file.get_bytes(place.start, left.min(length));
        bytes.map_err(|error| damaged().because(error))
    };
    let Some(opener) = source.opener else {
        return PageHead::read(&read(HEADER_MAX)?).ok_or_else(&damaged);
    };
    let length =
        read(LENGTH_BYTES)?.first_chunk::<LENGTH_BYTES>().map(|it| u32::from_le_bytes(*it));
    let length = length.and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= HEADER_MAX + OVERHEAD).ok_or_else(&damaged)?;
    let opened = opener.open(module, &read(LENGTH_BYTES + length)?);
    let head = opened.as_deref().and_then(PageHead::read).ok_or_else(&damaged)?;
    let header = u64::try_from(LENGTH_BYTES + length).unwrap_or(u64::MAX);
    Ok(PageHead { header, ..head })
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
fn longest_value(
    source: Source<'_>,
    at: Place,
    column: &ColumnChunkMetaData,
    rows: u64,
) -> Result<u64> {
    if column.dictionary_page_offset().is_none() {
        return Ok(0);
    }
    let damaged = || another(&format!("the dictionary of column {}", column.column_path()));
    if let Some(opener) = source.opener {
        let place = place_of(column).ok_or_else(damaged)?;
        let head = header(source, Module::DictionaryHeader(at), place.clone(), damaged)?;
        let stored = usize::try_from(head.compressed).ok().and_then(|length| {
            source.file.get_bytes(place.start.checked_add(head.header)?, length).ok()
        });
        let page = stored.and_then(|stored| opener.open(Module::Dictionary(at), &stored));
        let bytes = page.zip(usize::try_from(head.uncompressed).ok());
        let bytes = bytes.and_then(|(page, length)| zstd::bulk::decompress(&page, length).ok());
        return bytes
            .and_then(|bytes| longest(&bytes, head.values))
            .and_then(|bytes| u64::try_from(bytes).ok())
            .ok_or_else(damaged);
    }
    let rows = usize::try_from(rows).map_err(|_too_many| damaged())?;
    let page = SerializedPageReader::new(Arc::clone(source.file), column, rows, None)
        .and_then(|mut pages| pages.get_next_page())
        .map_err(|error| damaged().because(error))?;
    match page {
        Some(Page::DictionaryPage { buf, num_values, .. }) => longest(&buf, num_values.into())
            .and_then(|bytes| u64::try_from(bytes).ok())
            .ok_or_else(damaged),
        _ => Err(damaged()),
    }
}
