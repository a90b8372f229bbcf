//! Tables of every type with the values at their edges, random batches of them, and what must come back.

use super::{ChunkFacts, ChunkWriter, Shape, Stored};
use crate::error::{Class, Result};
use crate::model::{
    CellShape, Column, EnumType, NumericSize, Partition, PgType, RowRange, TableSchema,
};
use crate::proof::{GroupSums, Summing};
use crate::row::{TupleEncoder, inet};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, RecordBatch,
    StringArray,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

const fn sized(precision: u16, scale: u16) -> PgType {
    PgType::Numeric(Some(NumericSize { precision, scale }))
}

/// Every type, and of decimals those that Parquet has as four, eight and sixteen bytes, and as text.
pub(super) const TYPES: [PgType; 26] = [
    PgType::Int8,
    PgType::Bool,
    PgType::Int2,
    PgType::Int4,
    PgType::Float4,
    PgType::Float8,
    PgType::Numeric(None),
    sized(1, 0),
    sized(9, 2),
    sized(18, 18),
    sized(38, 10),
    sized(39, 1),
    PgType::Text,
    PgType::Varchar(8),
    PgType::Char(3),
    PgType::Bytea,
    PgType::Date,
    PgType::Time,
    PgType::Timestamp,
    PgType::Timestamptz,
    PgType::Uuid,
    PgType::Inet,
    PgType::Cidr,
    PgType::Json,
    PgType::Jsonb,
    PgType::Enum,
];

/// A table with a column of each type.
pub(super) fn every_type() -> TableSchema {
    let column = |(number, pg): (usize, &PgType)| {
        let mut column = Column::new(format!("c{number} {pg}"), CellShape::AnyText, *pg);
        column.enum_type = (*pg == PgType::Enum).then(|| EnumType {
            schema: "public".into(),
            name: "side".into(),
            labels: vec!["buy".into(), "it's sold".into()],
        });
        column
    };
    let columns = TYPES.iter().enumerate().map(column).collect();
    let mut table = TableSchema::new("every \"type\"", columns);
    table.key = vec![0];
    table.partition = Partition::Buckets { count: 7 };
    table
}

/// A table of one column.
pub(super) fn one_column(pg: PgType) -> TableSchema {
    TableSchema::new("one", vec![Column::new("it", CellShape::AnyText, pg)])
}

/// The batch of one array, in a table of one column.
pub(super) fn one_array(table: &TableSchema, array: ArrayRef) -> RecordBatch {
    RecordBatch::try_new(table.write_schema(), vec![array]).unwrap()
}

/// The digests of batches, as a load sums them.
pub(super) fn sums(table: &TableSchema, batches: &[RecordBatch]) -> Result<GroupSums> {
    let mut encoder = TupleEncoder::new(table)?;
    let mut sums = Summing::new(table);
    batches.iter().try_for_each(|batch| encoder.encode(batch, &mut sums))?;
    encoder.finish(&mut sums)?;
    sums.finish()
}

/// What a load knows of these batches.
pub(super) fn facts(table: &TableSchema, batches: &[RecordBatch]) -> ChunkFacts {
    let sums = sums(table, batches).unwrap();
    ChunkFacts {
        source: "a source".into(),
        chunk: 3,
        range: RowRange::Rowids { first: 1, last: 9 },
        low: Some(15),
        last: Some(17),
        rejected: 2,
        sum: sums.total(),
        groups: sums.to_bytes(),
    }
}

/// The file of these batches.
pub(super) fn written(table: &TableSchema, batches: &[RecordBatch]) -> (Vec<u8>, Stored) {
    let mut writer = ChunkWriter::new(Vec::new(), table);
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish(&facts(table, batches)).unwrap()
}

/// A file of these bytes.
pub(super) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Which bytes of a file are forged, and how.
pub(super) type Flips = Vec<(prop::sample::Index, u8)>;

/// A few of them, anywhere.
pub(super) fn flips() -> impl Strategy<Value = Flips> {
    vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4)
}

/// Forges bytes.
pub(super) fn flip(bytes: &mut [u8], flips: Flips) {
    for (at, flip) in flips {
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
    }
}

/// Whether two lists of batches have the same rows in the same order, and the same digests.
pub(super) fn assert_same(table: &TableSchema, before: &[RecordBatch], after: &[RecordBatch]) {
    let schema = table.write_schema();
    let join = |batches| arrow_select::concat::concat_batches(&schema, batches).unwrap();
    let (joined, back) = (join(before), join(after));
    // Floats are compared by their bits in the digests: NaN is not equal to itself.
    assert_eq!(back.num_rows(), joined.num_rows());
    let (expected, found) = (sums(table, before).unwrap(), sums(table, after).unwrap());
    assert_eq!(found.to_bytes(), expected.to_bytes());
    for (column, (was, is)) in table.columns.iter().zip(joined.columns().iter().zip(back.columns()))
    {
        if !matches!(column.pg, PgType::Float4 | PgType::Float8) {
            assert_eq!(is.as_ref(), was.as_ref(), "{}", column.source);
        }
    }
}

type Cells<T> = BoxedStrategy<Vec<Option<T>>>;

/// So many values of which some are NULL and many are at an edge.
fn cells<T: Clone + std::fmt::Debug + 'static>(
    rows: usize,
    edges: Vec<T>,
    any: impl Strategy<Value = T> + 'static,
) -> Cells<T> {
    let value = prop_oneof![
        1 => Just(None),
        2 => proptest::sample::select(edges).prop_map(Some),
        3 => any.prop_map(Some),
    ];
    vec(value, rows).boxed()
}

fn numbers<T: ArrowPrimitiveType>(
    rows: usize,
    edges: Vec<T::Native>,
    any: impl Strategy<Value = T::Native> + 'static,
    pg: PgType,
) -> BoxedStrategy<ArrayRef>
where
    T::Native: Clone + std::fmt::Debug + 'static,
{
    let array = move |values: Vec<Option<T::Native>>| -> ArrayRef {
        Arc::new(PrimitiveArray::<T>::from_iter(values).with_data_type(pg.arrow()))
    };
    cells(rows, edges, any).prop_map(array).boxed()
}

fn texts(rows: usize, edges: &[&str], any: &str) -> BoxedStrategy<ArrayRef> {
    let edges = edges.iter().map(|&text| text.to_owned()).collect();
    let any = proptest::string::string_regex(any).unwrap();
    cells(rows, edges, any).prop_map(|it| Arc::new(StringArray::from(it)) as ArrayRef).boxed()
}

fn bytes(rows: usize, edges: Vec<Vec<u8>>, any: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<ArrayRef> {
    let array = |it: Vec<Option<Vec<u8>>>| Arc::new(BinaryArray::from_iter(it)) as ArrayRef;
    cells(rows, edges, any).prop_map(array).boxed()
}

fn decimals(rows: usize, pg: PgType, precision: u32) -> BoxedStrategy<ArrayRef> {
    let most = 10_i128.pow(precision) - 1;
    numbers::<Decimal128Type>(rows, vec![0, 1, -1, most, -most], -most..=most, pg)
}

fn addresses(rows: usize, is_cidr: bool) -> BoxedStrategy<ArrayRef> {
    let texts: &[&str] = if is_cidr {
        &["0.0.0.0/0", "192.168.0.0/16", "10.1.2.3/32", "::/0", "2001:db8::/32", "::1/128"]
    } else {
        &["1.2.3.4", "1.2.3.4/0", "255.255.255.255/31", "::", "::ffff:1.2.3.4", "fe80::1/64"]
    };
    let parse = if is_cidr { inet::parse_cidr } else { inet::parse };
    let edges: Vec<_> = texts.iter().map(|text| parse(text).unwrap().0).collect();
    let any = proptest::sample::select(edges.clone()).boxed();
    bytes(rows, edges, any)
}

fn uuids(rows: usize) -> BoxedStrategy<ArrayRef> {
    let array = |values: Vec<Option<[u8; 16]>>| {
        let built = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), 16);
        Arc::new(built.unwrap()) as ArrayRef
    };
    cells(rows, vec![[0; 16], [255; 16]], any::<[u8; 16]>()).prop_map(array).boxed()
}

/// Values of a type, the edges of what PostgreSQL and Parquet have among them.
fn values(pg: PgType, rows: usize) -> BoxedStrategy<ArrayRef> {
    const FIRST: i64 = -210_866_803_200_000_000;
    let instants = vec![FIRST, -1, 0, 946_684_800_000_000, 253_402_300_800_000_000, i64::MAX];
    let any_instant = FIRST..=i64::MAX;
    let documents =
        r#"\{"a": -?[1-9][0-9]{0,4}(\.[0-9]{1,3})?, "b" :\[null,true\]\}|"[a-z ]{0,4}""#;
    match pg {
        PgType::Bool => cells(rows, vec![true, false], any::<bool>())
            .prop_map(|it| Arc::new(BooleanArray::from(it)) as ArrayRef)
            .boxed(),
        PgType::Int2 => numbers::<Int16Type>(rows, vec![i16::MIN, 0, i16::MAX], any::<i16>(), pg),
        PgType::Int4 => numbers::<Int32Type>(rows, vec![i32::MIN, 0, i32::MAX], any::<i32>(), pg),
        PgType::Int8 => numbers::<Int64Type>(rows, vec![i64::MIN, 0, i64::MAX], any::<i64>(), pg),
        PgType::Float4 => {
            let edges = vec![-0.0, 0.0, f32::NAN, f32::NEG_INFINITY, f32::MAX, 1e-45];
            numbers::<Float32Type>(rows, edges, any::<u32>().prop_map(f32::from_bits), pg)
        }
        PgType::Float8 => {
            let edges = vec![-0.0, 0.0, -f64::NAN, f64::INFINITY, f64::MIN, 5e-324];
            numbers::<Float64Type>(rows, edges, any::<u64>().prop_map(f64::from_bits), pg)
        }
        PgType::Numeric(Some(size)) if size.fits_arrow() => {
            decimals(rows, pg, size.precision.into())
        }
        PgType::Numeric(_) => texts(
            rows,
            &["0", "-0.5", "123456789012345678901234567890123456789"],
            "-?[1-9][0-9]{0,60}(\\.[0-9]{0,3}[1-9])?",
        ),
        PgType::Text => texts(rows, &["", "\u{10ffff}é\n", "NULL"], "\\PC{0,20}"),
        PgType::Varchar(_) => texts(rows, &["", "éééééééé"], "[a-zé]{0,8}"),
        PgType::Char(_) => texts(rows, &["   ", "a  "], "[a-z]{3}"),
        PgType::Bytea => {
            bytes(rows, vec![vec![], vec![0], vec![255; 300]], vec(any::<u8>(), 0..20).boxed())
        }
        PgType::Date => numbers::<Date32Type>(
            rows,
            vec![-2_440_588, -1, 0, 2_932_897, 2_145_042_905],
            -2_440_588..=2_145_042_905,
            pg,
        ),
        PgType::Time => numbers::<Time64MicrosecondType>(
            rows,
            vec![0, 86_399_999_999],
            0..86_400_000_000_i64,
            pg,
        ),
        PgType::Timestamp | PgType::Timestamptz => {
            numbers::<TimestampMicrosecondType>(rows, instants, any_instant, pg)
        }
        PgType::Uuid => uuids(rows),
        PgType::Inet | PgType::Cidr => addresses(rows, pg == PgType::Cidr),
        PgType::Json | PgType::Jsonb => {
            texts(rows, &["null", "[1e2, -0]", "{ \"a\":{}}"], documents)
        }
        PgType::Enum => texts(rows, &["buy", "it's sold"], "buy"),
    }
}

/// A batch of up to so many rows of [`every_type`].
pub(super) fn batch(rows_max: usize) -> impl Strategy<Value = RecordBatch> {
    (0..=rows_max).prop_flat_map(|rows| {
        let columns: Vec<_> = TYPES.iter().map(|pg| values(*pg, rows)).collect();
        columns
            .prop_map(|arrays| RecordBatch::try_new(every_type().write_schema(), arrays).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_stored_is_restored_whatever_it_is(batch in batch(40)) {
        let table = every_type();
        let shape = Shape::new(&table);
        let stored = shape.store(&batch).unwrap();
        assert_same(&table, &[batch], &[shape.restore(&stored).unwrap()]);
    }
}

#[test]
fn what_parquet_would_take_for_something_else_is_refused_and_named() {
    let array = |pg: PgType, value: i64| -> ArrayRef {
        match pg {
            PgType::Date => {
                Arc::new(PrimitiveArray::<Date32Type>::from(vec![None, i32::try_from(value).ok()]))
            }
            PgType::Time => Arc::new(PrimitiveArray::<Time64MicrosecondType>::from(vec![value])),
            PgType::Numeric(_) => Arc::new(
                PrimitiveArray::<Decimal128Type>::from(vec![i128::from(value)])
                    .with_data_type(pg.arrow()),
            ),
            _ => Arc::new(
                PrimitiveArray::<TimestampMicrosecondType>::from(vec![value])
                    .with_data_type(pg.arrow()),
            ),
        }
    };
    // PostgreSQL counts from 2000: its infinities, and the years from 292278 on, wrap around in a batch.
    let infinity = i64::MAX.wrapping_add(946_684_800_000_000);
    for (pg, value) in [
        (PgType::Timestamp, infinity),
        (PgType::Timestamptz, i64::MIN + 946_684_800_000_000),
        (PgType::Timestamp, -210_866_803_200_000_001),
        (PgType::Date, i64::from(i32::MAX.wrapping_add(10_957))),
        (PgType::Date, 2_145_042_906),
        (PgType::Time, 86_400_000_000),
        (PgType::Time, -1),
        (sized(9, 2), 1_000_000_000),
    ] {
        let table = one_column(pg);
        let shape = Shape::new(&table);
        let batch = one_array(&table, array(pg, value));
        let refused = shape.store(&batch).unwrap_err();
        assert_eq!(refused.class(), Class::Data, "{pg} {value}");
        assert!(refused.to_string().starts_with("column it: "), "{refused}");
        let forged = shape.restore(&batch).unwrap_err();
        assert_eq!(forged.class(), Class::Damaged, "{pg} {value}");
    }
}

#[test]
fn an_address_has_one_text() {
    let table = one_column(PgType::Cidr);
    let shape = Shape::new(&table);
    let host = BinaryArray::from_vec(vec![&[2, 32, 0, 4, 1, 2, 3, 4]]);
    assert_eq!(shape.store(&one_array(&table, Arc::new(host))).unwrap_err().class(), Class::Data);
    for text in ["1.2.3.0/24 ", "1.2.3/24", "1.2.3.4/24", "?"] {
        let array = Arc::new(StringArray::from(vec![text]));
        let forged = RecordBatch::try_new(Arc::clone(shape.stored()), vec![array]).unwrap();
        assert_eq!(shape.restore(&forged).unwrap_err().class(), Class::Damaged, "{text}");
    }
}
