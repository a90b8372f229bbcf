//! How much disk and time a run takes, about: a simple model, stated with its result.

use super::{Plan, PlannedTable};
use crate::model::{IndexOrigin, PgType, SourceSchema, SourceTable};
use std::time::Duration;

/// The model in words, to stand beside its result.
pub const MODEL: &str = "an estimate: tables are the values that the census saw (what a sample stands for, where it was \
    one), 28 bytes a row and one a column; indexes are their keys and 12 bytes an entry, in pages 90 % full; WAL is as much again, at most twice the server's \
    max_wal_size; copying takes four times as long as looking at every value takes here, the proof twice as long, indexes a second \
    for each 25 MB; a slow network or a busy server takes longer";

/// What a run takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Table by table, in the plan's order.
    pub tables: Vec<TableSize>,
    /// Bytes of all tables.
    pub heap_bytes: u64,
    /// Bytes of all indexes.
    pub index_bytes: u64,
    /// Bytes of write-ahead log that are there at once.
    pub wal_bytes: u64,
    /// How long it takes; none where there was no census to measure.
    pub time: Option<Time>,
}

/// What one table takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// The source table.
    pub table: String,
    /// Rows that the census saw; about so many where that is a sample.
    pub rows: u64,
    /// Whether the census saw all of them.
    pub exact: bool,
    /// Bytes of their values.
    pub value_bytes: u64,
    /// Bytes of the table in the target.
    pub heap_bytes: u64,
    /// Bytes of its indexes there.
    pub index_bytes: u64,
}

/// How long the phases take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Looking at values.
    pub census: Duration,
    /// Copying.
    pub snapshot: Duration,
    /// Keys and indexes.
    pub index: Duration,
    /// Reading back.
    pub proof: Duration,
}

impl Estimate {
    /// All of it.
    pub fn disk_bytes(&self) -> u64 {
        self.heap_bytes + self.index_bytes + self.wal_bytes
    }
}

impl Time {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.census + self.snapshot + self.index + self.proof
    }
}

/// Estimates a run of `plan`: `census` is how long looking at values took on this machine, `max_wal_size` the
/// server's setting in bytes.
pub fn estimate(
    schema: &SourceSchema,
    plan: &Plan,
    census: Option<Duration>,
    max_wal_size: Option<u64>,
) -> Estimate {
    let tables: Vec<_> = plan
        .tables
        .iter()
        .map(|table| size(table, schema.tables.iter().find(|of| of.name == table.schema.source)))
        .collect();
    let heap_bytes = tables.iter().map(|table| table.heap_bytes).sum();
    let index_bytes = tables.iter().map(|table| table.index_bytes).sum();
    let wal_max = max_wal_size.map_or(u64::MAX, |bytes| bytes.saturating_mul(2));
    let time = census.map(|census| {
        let every_value = whole(census, plan.looked_at());
        Time {
            census,
            snapshot: every_value * COPY_PER_CENSUS,
            index: Duration::from_millis(index_bytes / INDEX_BYTES_A_MILLISECOND),
            proof: every_value * PROOF_PER_CENSUS,
        }
    });
    let wal_bytes = wal_max.min(heap_bytes + index_bytes);
    Estimate { tables, heap_bytes, index_bytes, wal_bytes, time }
}

/// What took so long for the bytes that were looked at, for all of them; no longer than a hundred years.
fn whole(census: Duration, (seen, all): (u64, u64)) -> Duration {
    let nanoseconds = census.as_nanos().saturating_mul(all.into()) / u128::from(seen.max(1));
    let most = Duration::from_hours(24 * 365 * 100);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)).clamp(census, most)
}

/// Measured with servers on the same machine.
const COPY_PER_CENSUS: u32 = 4;
const PROOF_PER_CENSUS: u32 = 2;
const INDEX_BYTES_A_MILLISECOND: u64 = 25_000;

/// A tuple's header and its line pointer.
const ROW_BYTES: u64 = 28;
/// An index entry's header and its line pointer.
const ENTRY_BYTES: u64 = 12;
/// The least that a relation takes.
const PAGE_BYTES: u64 = 8192;

fn size(table: &PlannedTable, source: Option<&SourceTable>) -> TableSize {
    let schema = &table.schema;
    let columns = u64::try_from(schema.columns.len()).unwrap_or(u64::MAX);
    let heap_bytes = schema.bytes + schema.rows * (ROW_BYTES + columns);
    let entries = source.map(|source| keys(table, source)).unwrap_or_default();
    let of_index =
        |width: u64| pages(schema.rows * (ENTRY_BYTES + width.next_multiple_of(8)) * 10 / 9);
    TableSize {
        table: schema.source.clone(),
        rows: schema.rows,
        exact: table.sample.is_none(),
        value_bytes: schema.bytes,
        heap_bytes: pages(heap_bytes),
        index_bytes: entries.into_iter().map(of_index).sum(),
    }
}

/// Whole pages, and one that tells of them.
fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES) + PAGE_BYTES
}

/// The width of each key: the primary key, and every index beside it.
fn keys(table: &PlannedTable, source: &SourceTable) -> Vec<u64> {
    let widths = widths(table);
    let width = |position: usize| widths.get(position).copied().unwrap_or_default();
    let mut keys = Vec::new();
    if !source.primary_key.is_empty() {
        keys.push(source.primary_key.iter().map(|&position| width(position)).sum());
    }
    for index in source.indexes.iter().filter(|index| index.origin != IndexOrigin::PrimaryKey) {
        let columns = index.columns.iter();
        keys.push(columns.map(|column| column.key.as_ref().map_or(8, |&at| width(at))).sum());
    }
    keys
}

/// The bytes of each column's values, on average: those without a fixed width share what the others leave.
fn widths(table: &PlannedTable) -> Vec<u64> {
    let schema = &table.schema;
    let fixed = |pg: PgType| match pg {
        PgType::Bool => Some(1),
        PgType::Int2 => Some(2),
        PgType::Int4 | PgType::Float4 | PgType::Date | PgType::Enum => Some(4),
        PgType::Int8
        | PgType::Float8
        | PgType::Time
        | PgType::Timestamp
        | PgType::Timestamptz
        | PgType::Inet
        | PgType::Cidr => Some(8),
        PgType::Numeric(_) => Some(10),
        PgType::Uuid => Some(16),
        PgType::Char(chars) => Some(chars.into()),
        PgType::Text | PgType::Varchar(_) | PgType::Bytea | PgType::Json | PgType::Jsonb => None,
    };
    let kinds: Vec<Option<u64>> = schema.columns.iter().map(|column| fixed(column.pg)).collect();
    let known: u64 = kinds.iter().flatten().sum();
    let open = u64::try_from(kinds.iter().filter(|kind| kind.is_none()).count()).unwrap_or(1);
    let row = schema.bytes.checked_div(schema.rows).unwrap_or_default();
    let share = row.saturating_sub(known).checked_div(open).unwrap_or_default();
    kinds.into_iter().map(|kind| kind.unwrap_or(share)).collect()
}
