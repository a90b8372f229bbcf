//! A table as decided: how each cell is read, what it becomes, where it goes, and how its rows are grouped for proof.

use super::identifier::quoted;
use super::{BoolForm, DateOrder, EnumType, Form, PgType, RawCell, Remedy, RowRange, Witness};
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
    /// Whether the source's rows are named by that key although they have a rowid: followed rows are, because a REPLACE
    /// gives the rowid anew.
    #[serde(default)]
    pub named_by_key: bool,
    /// How rows are grouped for proof.
    pub partition: Partition,
    /// The units of work, in order.
    pub chunks: Vec<RowRange>,
    /// Rows that the census saw; about so many where it was a sample.
    pub rows: u64,
    /// Bytes of values that the census saw; about so many where it was a sample.
    pub bytes: u64,
    /// Bytes of the largest row that the census saw; where it was a sample, at least what an unseen one is taken for.
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
    /// Which enum, where the type is one.
    #[serde(default)]
    pub enum_type: Option<EnumType>,
    /// Digits of a second's fraction that the target keeps, where it does not keep all.
    #[serde(default)]
    pub fraction: Option<u8>,
    /// Whether the target says NOT NULL.
    pub not_null: bool,
    /// Whether all values are of storage class INTEGER or REAL.
    pub numbers_only: bool,
    /// What is done about cells that the column cannot hold.
    pub misfits: Remedy,
    /// What takes their place where the remedy is [`Remedy::Default`].
    pub default: Option<RawCell>,
    /// How the source writes the values; cells that it writes otherwise are kept one by one.
    pub form: Form,
    /// Whether the target computes it, by the expression of a generated column: it is read and proved like the others,
    /// and never loaded.
    #[serde(default)]
    pub computed: bool,
    /// Another column of the row that must tell the same instant; the reader then makes the instants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

/// How SQLite's cells of a column are read: which storage classes are right, and the Arrow type they give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellShape {
    /// INTEGER, within the range of the target's type.
    Integer,
    /// The two values of a boolean.
    Bool(BoolForm),
    /// INTEGER or REAL that counts from some day, as a time.
    Epoch(EpochUnit),
    /// REAL, or an INTEGER that a double holds exactly.
    Real,
    /// INTEGER, finite REAL by its shortest decimal, or TEXT that is a plain decimal.
    Decimal,
    /// TEXT that is UTF-8 without NUL, and not longer than the target's type allows.
    Text,
    /// TEXT as it is, INTEGER and REAL by their shortest decimal, `Infinity`, `-Infinity` and `-0.0`.
    AnyText,
    /// BLOB.
    Blob,
    /// BLOB as it is, TEXT as its bytes, INTEGER and REAL by their shortest decimal.
    AnyBytes,
    /// TEXT like `2025-01-31`.
    IsoDate,
    /// TEXT like `12:34:56.789`.
    IsoTime,
    /// TEXT like `2025-01-31 12:34:56.789`, without offset.
    IsoNaive,
    /// The same, but only times that the clocks of the recast's zone showed.
    IsoWall,
    /// TEXT like `2025-01-31T12:34:56Z` or with `+02:00`.
    IsoOffset,
    /// Both kinds: times with an offset, and wall clocks of this IANA zone.
    IsoEither(String),
    /// TEXT like `31/01/2025`, in this order, and perhaps a time.
    Ordered(DateOrder),
    /// TEXT or INTEGER like `20250131`, and perhaps a time.
    Compact,
    /// TEXT that is a UUID, or BLOB of its 16 bytes.
    Uuid,
    /// TEXT that is an address, or for `cidr` a network.
    Inet,
    /// TEXT that is a JSON document which the target's type takes.
    Json,
    /// TEXT that is one of the labels of the column's enum.
    Label,
}

/// What happens to a column between reading and writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recast {
    /// Nothing.
    Keep,
    /// A wall clock in this IANA zone becomes an instant.
    Localize(String),
}

/// What an epoch counts, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochUnit {
    /// Seconds since 1970-01-01 00:00 UTC.
    Seconds,
    /// Milliseconds since then.
    Milliseconds,
    /// Microseconds since then.
    Microseconds,
    /// Nanoseconds since then.
    Nanoseconds,
    /// Days since noon UTC of 4714-11-24 BC, as SQLite's julianday().
    JulianDays,
    /// Seconds since 2001-01-01 00:00 UTC, as Apple's Core Data.
    CoreData,
    /// Microseconds since 1601-01-01 00:00 UTC, as Chromium.
    Webkit,
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
    /// So many of these in microseconds since 1970; none where that is no whole microsecond, or no time that PostgreSQL
    /// can hold.
    pub fn micros(self, count: i64) -> Option<i64> {
        let (factor, divisor, zero) = self.scale();
        let product = i128::from(count) * i128::from(factor);
        let micros = (product % i128::from(divisor) == 0)
            .then(|| product / i128::from(divisor) + i128::from(zero))?;
        i64::try_from(micros).ok().filter(|&micros| micros >= FIRST_STORABLE)
    }

    /// What one of these is in microseconds, as a fraction, and when its zero was in microseconds since 1970.
    pub(crate) fn scale(self) -> (i64, i64, i64) {
        match self {
            Self::Seconds => (1_000_000, 1, 0),
            Self::Milliseconds => (1_000, 1, 0),
            Self::Microseconds => (1, 1, 0),
            Self::Nanoseconds => (1, 1_000, 0),
            Self::JulianDays => (86_400_000_000, 1, -210_866_760_000_000_000),
            Self::CoreData => (1_000_000, 1, 978_307_200_000_000),
            Self::Webkit => (1, 1, -11_644_473_600_000_000),
        }
    }
}

/// The first time that PostgreSQL holds, in 4714 BC. The last one, in the year 294276, lies beyond what 64 bits count
/// from 1970.
pub(crate) const FIRST_STORABLE: i64 = -210_866_803_200_000_000;

impl Column {
    /// The type as it stands in SQL.
    pub fn sql_type(&self) -> String {
        match &self.enum_type {
            Some(named) => format!("{}.{}", quoted(&named.schema), quoted(&named.name)),
            None => self.pg.to_string(),
        }
    }

    /// Whether NULL or a default takes the place of values that do not fit.
    pub fn may_be_replaced(&self) -> bool {
        matches!(self.misfits, Remedy::Null | Remedy::Default)
    }

    /// What is left to do with the values once they are read.
    pub fn recast_after(&self) -> &Recast {
        if self.witness.is_some() { &Recast::Keep } else { &self.recast }
    }

    /// The Arrow type as read, before the recast.
    pub fn read_type(&self) -> DataType {
        match self.recast_after() {
            Recast::Keep => self.pg.arrow(),
            Recast::Localize(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }
}

impl Column {
    /// A column of this name at both ends that is read so and is nothing special.
    pub fn new(name: impl Into<String>, read: CellShape, pg: PgType) -> Self {
        let source = name.into();
        Self {
            target: source.clone(),
            source,
            read,
            recast: Recast::Keep,
            pg,
            enum_type: None,
            fraction: None,
            not_null: false,
            numbers_only: false,
            misfits: Remedy::Reject,
            default: None,
            form: Form::Plain,
            computed: false,
            witness: None,
        }
    }
}

impl TableSchema {
    /// A table of this name at both ends without rowid, key and chunks, whose rows are one group.
    pub fn new(name: impl Into<String>, columns: Vec<Column>) -> Self {
        let source = name.into();
        Self {
            target: source.clone(),
            source,
            target_schema: "public".into(),
            rowid_name: None,
            columns,
            key: Vec::new(),
            named_by_key: false,
            partition: Partition::Buckets { count: 1 },
            chunks: Vec::new(),
            rows: 0,
            bytes: 0,
            largest_row_bytes: 0,
        }
    }

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
                named_by_key: self.named_by_key,
                partition: Partition::Buckets { count: 1 },
                chunks: Vec::new(),
                rows: self.rows,
                bytes: self.bytes,
                largest_row_bytes: self.largest_row_bytes,
            };
            (positions, sent)
        })
    }

    /// The shape of the keys alone; a key with a cell that its column cannot hold is left out.
    pub fn keys(&self) -> Self {
        let columns = self.key.iter().filter_map(|&position| self.columns.get(position).cloned());
        let columns = columns.map(|column| Column { misfits: Remedy::Reject, ..column });
        Self {
            columns: columns.collect(),
            key: (0..self.key.len()).collect(),
            rowid_name: None,
            partition: Partition::Buckets { count: 1 },
            chunks: Vec::new(),
            ..self.clone()
        }
    }

    /// The same with all rows in one group, for a sum that is compared as a whole.
    pub fn in_one_group(&self) -> Self {
        let partition = Partition::Buckets { count: 1 };
        Self { partition, chunks: vec![RowRange::All], ..self.clone() }
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
