//! A table as decided: how each cell is read, what it becomes, where it goes, and how its rows are grouped for proof.

use super::{PgType, RowRange};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One table on its way: every store reads and writes Arrow batches of this shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The source table's name.
    pub source: String,
    /// The target table's schema.
    pub target_schema: String,
    /// The target table's name.
    pub target: String,
    /// An unshadowed name of the source's rowid; none for WITHOUT ROWID tables.
    pub rowid_name: Option<String>,
    /// Columns in target order.
    pub columns: Vec<Column>,
    /// Positions of the columns that name a row; empty where only the whole row does.
    pub key: Vec<usize>,
    /// How rows are grouped for proof.
    pub partition: Partition,
    /// The units of work, in order.
    pub chunks: Vec<RowRange>,
    /// Rows that the census saw.
    pub rows: u64,
    /// Bytes of values that the census saw.
    pub bytes: u64,
    /// Bytes of the largest row that the census saw.
    pub largest_row_bytes: u64,
}

/// One column on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The source column's name.
    pub source: String,
    /// The target column's name.
    pub target: String,
    /// How its cells are read.
    pub read: CellShape,
    /// What the values become between reading and writing.
    pub recast: Recast,
    /// The target's type.
    pub pg: PgType,
    /// Whether the target says NOT NULL.
    pub not_null: bool,
    /// Whether all values are of storage class INTEGER or REAL.
    pub numbers_only: bool,
    /// Whether the target computes it, by the expression of a generated column: it is read and proved like the others,
    /// and never loaded.
    #[serde(default)]
    pub computed: bool,
}

/// How SQLite's cells of a column are read: which storage classes are right, and the Arrow type they give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellShape {
    /// INTEGER.
    Integer,
    /// REAL, or an INTEGER that a double holds exactly.
    Real,
    /// INTEGER, finite REAL by its shortest decimal, or TEXT that is a plain decimal.
    Decimal,
    /// TEXT that is UTF-8 without NUL.
    Text,
    /// TEXT as it is, INTEGER and REAL by their shortest decimal.
    AnyText,
    /// BLOB.
    Blob,
    /// TEXT like `2025-01-31`.
    IsoDate,
    /// TEXT like `2025-01-31 12:34:56.789`, without offset.
    IsoNaive,
    /// TEXT like `2025-01-31T12:34:56Z` or with `+02:00`.
    IsoOffset,
}

/// What happens to a column between reading and writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recast {
    /// Nothing.
    Keep,
    /// 0 and 1 become false and true.
    ZeroOneToBool,
    /// A count since 1970-01-01 00:00 UTC becomes an instant or, for `timestamp`, UTC's wall clock.
    FromEpoch(EpochUnit),
    /// A wall clock in this IANA zone becomes an instant.
    Localize(String),
}

/// What an epoch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

/// How the rows of a table are grouped, on both sides alike, so that a difference can be narrowed down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partition {
    /// By chunk: the rowid stands in the target as this column.
    Chunks {
        /// The position of the column that holds the rowid.
        key: usize,
    },
    /// By hash of the key (of the whole row where there is none).
    Buckets {
        /// How many groups.
        count: usize,
    },
}

impl EpochUnit {
    /// So many of these since 1970 in microseconds; none where PostgreSQL cannot hold that time.
    pub fn micros(self, count: i64) -> Option<i64> {
        // In 4714 BC. The last one, in the year 294276, lies beyond what 64 bits count from 1970.
        const FIRST_STORABLE: i64 = -210_866_803_200_000_000;
        let factor = match self {
            Self::Seconds => 1_000_000,
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1,
        };
        count.checked_mul(factor).filter(|&micros| micros >= FIRST_STORABLE)
    }
}

impl Column {
    /// The Arrow type as read, before the recast.
    pub fn read_type(&self) -> DataType {
        match self.read {
            CellShape::Integer => DataType::Int64,
            CellShape::Real => DataType::Float64,
            CellShape::Decimal => self.pg.arrow(),
            CellShape::Text | CellShape::AnyText => DataType::Utf8,
            CellShape::Blob => DataType::Binary,
            CellShape::IsoDate => DataType::Date32,
            CellShape::IsoNaive => DataType::Timestamp(TimeUnit::Microsecond, None),
            CellShape::IsoOffset => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

impl TableSchema {
    /// The Arrow schema of batches as read from the source.
    pub fn read_schema(&self) -> SchemaRef {
        self.arrow_schema(Column::read_type)
    }

    /// The Arrow schema of batches as written to the target.
    pub fn write_schema(&self) -> SchemaRef {
        self.arrow_schema(|column| column.pg.arrow())
    }

    /// Where the target computes columns, those that are loaded: their positions, and the shape of the rows that are
    /// sent, which are compared by the whole table and have no key and no chunks of their own.
    pub fn loaded(&self) -> Option<(Vec<usize>, Self)> {
        let columns = self.columns.iter().enumerate().filter(|(_, column)| !column.computed);
        let (positions, columns): (Vec<_>, Vec<_>) =
            columns.map(|(position, column)| (position, column.clone())).unzip();
        let narrower = positions.len() < self.columns.len();
        narrower.then(|| {
            let sent = Self {
                source: self.source.clone(),
                target_schema: self.target_schema.clone(),
                target: self.target.clone(),
                rowid_name: self.rowid_name.clone(),
                columns,
                key: Vec::new(),
                partition: Partition::Buckets { count: 1 },
                chunks: Vec::new(),
                rows: self.rows,
                bytes: self.bytes,
                largest_row_bytes: self.largest_row_bytes,
            };
            (positions, sent)
        })
    }

    /// How many groups the rows fall into for proof.
    pub fn groups(&self) -> usize {
        match self.partition {
            Partition::Chunks { .. } => self.chunks.len(),
            Partition::Buckets { count } => count,
        }
    }

    fn arrow_schema(&self, kind: impl Fn(&Column) -> DataType) -> SchemaRef {
        let field = |column: &Column| Field::new(&column.target, kind(column), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}
