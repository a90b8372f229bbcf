//! Random values of every type, the table that holds them, and their Arrow batches.

use super::documents::{Kind, document};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use liteferry::model::{CellShape, Column, EnumType, NumericSize, PgType, RowRange, TableSchema};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

pub(super) const SMALL: NumericSize = NumericSize { precision: 5, scale: 2 };
pub(super) const MIDDLE: NumericSize = NumericSize { precision: 38, scale: 10 };
/// More digits than Arrow's decimals have.
pub(super) const LARGE: NumericSize = NumericSize { precision: 60, scale: 20 };
const VARCHAR: u32 = 12;
const LABELS: [&str; 4] = ["sad", "it's \"ok\"", "", "froh \\ 😀"];

/// Every type, `position` first.
pub(super) const TYPES: [(&str, PgType); 25] = [
    ("position", PgType::Int8),
    ("bool", PgType::Bool),
    ("int8", PgType::Int8),
    ("float8", PgType::Float8),
    ("small", PgType::Numeric(Some(SMALL))),
    ("middle", PgType::Numeric(Some(MIDDLE))),
    ("large", PgType::Numeric(Some(LARGE))),
    ("free", PgType::Numeric(None)),
    ("text", PgType::Text),
    ("varchar", PgType::Varchar(VARCHAR)),
    ("bytea", PgType::Bytea),
    ("date", PgType::Date),
    ("timestamp", PgType::Timestamp),
    ("timestamptz", PgType::Timestamptz),
    ("offset", PgType::Timestamptz),
    ("int2", PgType::Int2),
    ("int4", PgType::Int4),
    ("float4", PgType::Float4),
    ("time", PgType::Time),
    ("uuid", PgType::Uuid),
    ("inet", PgType::Inet),
    ("cidr", PgType::Cidr),
    ("json", PgType::Json),
    ("jsonb", PgType::Jsonb),
    ("enum", PgType::Enum),
];

/// One row, in the order of [`TYPES`] but for the position.
#[derive(Debug, Clone)]
pub(super) struct Values {
    pub(super) bool: Option<bool>,
    pub(super) int8: Option<i64>,
    pub(super) float8: Option<f64>,
    pub(super) small: Option<i128>,
    pub(super) middle: Option<i128>,
    pub(super) large: Option<Digits>,
    pub(super) free: Option<Digits>,
    pub(super) text: Option<String>,
    pub(super) varchar: Option<String>,
    pub(super) bytea: Option<Vec<u8>>,
    pub(super) date: Option<i32>,
    pub(super) timestamp: Option<i64>,
    pub(super) timestamptz: Option<i64>,
    /// An instant of the years 1 to 9999, and the minutes east of Greenwich with which it is written.
    pub(super) offset: Option<(i64, i32)>,
    pub(super) int2: Option<i16>,
    pub(super) int4: Option<i32>,
    pub(super) float4: Option<f32>,
    pub(super) time: Option<i64>,
    pub(super) uuid: Option<[u8; 16]>,
    pub(super) inet: Option<(IpAddr, u8)>,
    /// A network: its address has no bits behind those.
    pub(super) cidr: Option<(IpAddr, u8)>,
    pub(super) json: Option<String>,
    pub(super) jsonb: Option<String>,
    pub(super) label: Option<&'static str>,
}

/// Nothing but NULLs.
pub(super) const NULLS: Values = Values {
    bool: None,
    int8: None,
    float8: None,
    small: None,
    middle: None,
    large: None,
    free: None,
    text: None,
    varchar: None,
    bytea: None,
    date: None,
    timestamp: None,
    timestamptz: None,
    offset: None,
    int2: None,
    int4: None,
    float4: None,
    time: None,
    uuid: None,
    inet: None,
    cidr: None,
    json: None,
    jsonb: None,
    label: None,
};

/// A decimal by its digits: sign, those before and those after the point.
#[derive(Debug, Clone)]
pub(super) struct Digits {
    pub(super) negative: bool,
    pub(super) whole: String,
    pub(super) fraction: String,
}

impl Digits {
    /// The shortest way to write it.
    pub(super) fn plain(&self) -> String {
        let whole = self.whole.trim_start_matches('0');
        let fraction = self.fraction.trim_end_matches('0');
        let sign =
            if self.negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        if fraction.is_empty() {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }

    /// As `numeric(p, scale)` writes it.
    pub(super) fn with_scale(&self, scale: usize) -> String {
        let plain = self.plain();
        let has = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let point = if has == 0 { "." } else { "" };
        format!("{plain}{point}{}", "0".repeat(scale - has))
    }

    /// Another way to write it, for the server to read.
    pub(super) fn long(&self) -> String {
        let sign = if self.negative { "-" } else { "+" };
        let shift = self.fraction.len();
        format!("{sign}00{}{}00e-{}", self.whole, self.fraction, shift + 2)
    }
}

fn digits(whole: usize, fraction: usize) -> impl Strategy<Value = Digits> {
    let number = |length: usize| {
        prop_oneof![
            proptest::collection::vec(0..10_u8, 0..=length),
            // Runs of zeros and nines are where groups of four digits go wrong.
            proptest::collection::vec(prop_oneof![9 => Just(0), 1 => 0..10_u8], 0..=length),
            proptest::collection::vec(prop_oneof![9 => Just(9), 1 => 0..10_u8], 0..=length),
        ]
        .prop_map(|digits| digits.iter().map(|&digit| char::from(b'0' + digit)).collect::<String>())
    };
    (any::<bool>(), number(whole), number(fraction)).prop_map(|(negative, whole, fraction)| {
        let whole = if whole.is_empty() { "0".into() } else { whole };
        Digits { negative, whole, fraction }
    })
}

/// An integer of at most so many decimal digits, of every length alike.
fn scaled(digits: u32) -> impl Strategy<Value = i128> {
    (1..=digits).prop_flat_map(|digits| {
        let end = 10_i128.pow(digits);
        prop_oneof![1 - end..end, Just(end - 1), Just(1 - end), Just(end / 10), Just(0)]
    })
}

fn double() -> impl Strategy<Value = f64> {
    let special = [
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::MIN,
        f64::EPSILON,
        0.1,
        1.0 / 3.0,
        1e22,
        9_007_199_254_740_993.0,
    ];
    prop_oneof![
        4 => any::<u64>().prop_map(f64::from_bits),
        2 => any::<i32>().prop_map(|value| f64::from(value) / 100.0),
        2 => proptest::sample::select(special.to_vec()),
        // Subnormal.
        1 => (0..1_u64 << 52).prop_map(f64::from_bits),
    ]
}

fn text(chars: usize) -> impl Strategy<Value = String> {
    let char = prop_oneof![
        any::<char>(),
        proptest::char::range(' ', '~'),
        proptest::sample::select(vec![
            '\'',
            '"',
            '\\',
            '\n',
            '\r',
            '\t',
            '\u{1}',
            '\u{7f}',
            '🐸',
            'ß',
            '\u{10ffff}',
            '\u{feff}'
        ]),
    ];
    let storable = char.prop_filter("PostgreSQL has no NUL", |&char| char != '\0');
    proptest::collection::vec(storable, 0..=chars).prop_map(|chars| chars.into_iter().collect())
}

pub(super) const MICROS_A_DAY: i64 = 86_400_000_000;
/// The first day of PostgreSQL's calendar, 4714-11-24 BC, and the day after its last, since 1970-01-01.
const DAYS: std::ops::Range<i32> = -2_440_588..2_145_042_541;
/// The first microsecond of PostgreSQL's timestamps, since 1970; the last is beyond what 64 bits hold so.
const FIRST_MICRO: i64 = -210_866_803_200_000_000;
/// The years 1 to 9999.
const WRITTEN: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        WRITTEN,
        FIRST_MICRO..=i64::MAX,
        -2_000_000..2_000_000_i64,
        Just(FIRST_MICRO),
        Just(i64::MAX)
    ]
}

fn single() -> impl Strategy<Value = f32> {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN, f32::MAX, 0.1];
    prop_oneof![
        2 => any::<u32>().prop_map(f32::from_bits),
        1 => proptest::sample::select(special.to_vec()),
    ]
}

fn time_of_day() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 0..MICROS_A_DAY, 1 => Just(0), 1 => Just(MICROS_A_DAY)]
}

/// An address, often with runs of zeros, and how many of its bits are the network's.
pub(super) fn address() -> impl Strategy<Value = (IpAddr, u8)> {
    let word = prop_oneof![3 => Just(0), 1 => Just(0xffff), 1 => 0..256_u16, 2 => any::<u16>()];
    let v6 = proptest::array::uniform8(word).prop_map(|words| IpAddr::from(Ipv6Addr::from(words)));
    prop_oneof![
        (any::<Ipv4Addr>().prop_map(IpAddr::from), prop_oneof![Just(32_u8), 0..=32_u8]),
        (v6, prop_oneof![Just(128_u8), 0..=128_u8]),
    ]
}

/// The address without the bits that are not the network's.
fn network((address, bits): (IpAddr, u8)) -> (IpAddr, u8) {
    let masked = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::from(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::from(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    };
    (masked, bits)
}

fn days() -> impl Strategy<Value = i32> {
    prop_oneof![-719_162..2_932_897_i32, DAYS, -3..3_i32, Just(DAYS.start), Just(DAYS.end - 1)]
}

fn offset() -> impl Strategy<Value = (i64, i32)> {
    // A day away from both ends, so that the year has four digits in every zone.
    (WRITTEN.start + MICROS_A_DAY..WRITTEN.end - MICROS_A_DAY, -899..=899_i32)
}

/// Boxed: so many of them by value would not fit a test's stack.
fn some<T: std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    proptest::option::weighted(0.9, value).boxed()
}

fn values() -> impl Strategy<Value = Values> {
    let numbers = (
        some(any::<bool>()),
        some(any::<i64>()),
        some(double()),
        some(scaled(5)),
        some(scaled(38)),
    );
    let others = (
        some(digits(40, 20)),
        some(prop_oneof![9 => digits(30, 30), 1 => digits(1500, 600)]),
        some(text(40)),
        some(text(12)),
        some(proptest::collection::vec(any::<u8>(), 0..60)),
    );
    let times = (some(days()), some(micros()), some(micros()), some(offset()));
    let small_numbers =
        (some(any::<i16>()), some(any::<i32>()), some(single()), some(time_of_day()));
    let texts = (
        some(any::<[u8; 16]>()),
        some(address()),
        some(address().prop_map(network)),
        some(document(Kind::Json)),
        some(document(Kind::Jsonb)),
        some(proptest::sample::select(&LABELS[..])),
    );
    (numbers, others, times, small_numbers, texts).prop_map(
        |(
            (bool, int8, float8, small, middle),
            (large, free, text, varchar, bytea),
            (date, timestamp, timestamptz, offset),
            (int2, int4, float4, time),
            (uuid, inet, cidr, json, jsonb, label),
        )| Values {
            bool,
            int8,
            float8,
            small,
            middle,
            large,
            free,
            text,
            varchar,
            bytea,
            date,
            timestamp,
            timestamptz,
            offset,
            int2,
            int4,
            float4,
            time,
            uuid,
            inet,
            cidr,
            json,
            jsonb,
            label,
        },
    )
}

pub(super) fn rows() -> impl Strategy<Value = Vec<Values>> {
    proptest::collection::vec(values(), 1..40)
}

/// An enum whose name and labels need their quotes.
pub(super) fn named_enum() -> EnumType {
    let labels = LABELS.map(Into::into).into();
    EnumType { schema: "public".into(), name: "Mood of \"it\"".into(), labels }
}

/// A table of all types, as a plan would have it.
pub(super) fn table() -> TableSchema {
    let column = |&(name, pg): &(&str, PgType)| Column {
        enum_type: (pg == PgType::Enum).then(named_enum),
        ..Column::new(name, CellShape::Text, pg)
    };
    TableSchema {
        // One column of each kind of key that is cut into frames.
        key: vec![0, 7, 8],
        chunks: vec![RowRange::All],
        ..TableSchema::new("sent", TYPES.iter().map(column).collect())
    }
}

pub(super) fn batch(table: &TableSchema, rows: &[Values]) -> RecordBatch {
    let positions = Int64Array::from_iter_values(0..i64::try_from(rows.len()).unwrap());
    let decimal = |size: NumericSize, values: Decimal128Array| {
        values
            .with_precision_and_scale(
                size.precision.try_into().unwrap(),
                size.scale.try_into().unwrap(),
            )
            .unwrap()
    };
    let plain = |digits: &Option<Digits>| digits.as_ref().map(Digits::plain);
    let instants = |values: TimestampMicrosecondArray| values.with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(positions),
        Arc::new(rows.iter().map(|row| row.bool).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.int8).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.float8).collect::<Float64Array>()),
        Arc::new(decimal(SMALL, rows.iter().map(|row| row.small).collect())),
        Arc::new(decimal(MIDDLE, rows.iter().map(|row| row.middle).collect())),
        Arc::new(rows.iter().map(|row| plain(&row.large)).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| plain(&row.free)).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.text.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.varchar.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.bytea.as_deref()).collect::<BinaryArray>()),
        Arc::new(rows.iter().map(|row| row.date).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|row| row.timestamp).collect::<TimestampMicrosecondArray>()),
        Arc::new(instants(rows.iter().map(|row| row.timestamptz).collect())),
        Arc::new(instants(rows.iter().map(|row| row.offset.map(|(micros, _)| micros)).collect())),
        Arc::new(rows.iter().map(|row| row.int2).collect::<Int16Array>()),
        Arc::new(rows.iter().map(|row| row.int4).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.float4).collect::<Float32Array>()),
        Arc::new(rows.iter().map(|row| row.time).collect::<Time64MicrosecondArray>()),
        Arc::new(uuids(rows.iter().map(|row| row.uuid))),
        Arc::new(
            rows.iter().map(|row| row.inet.map(|inet| body(inet, 0))).collect::<BinaryArray>(),
        ),
        Arc::new(
            rows.iter().map(|row| row.cidr.map(|cidr| body(cidr, 1))).collect::<BinaryArray>(),
        ),
        Arc::new(rows.iter().map(|row| row.json.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.jsonb.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.label).collect::<StringArray>()),
    ];
    RecordBatch::try_new(table.write_schema(), columns).unwrap()
}

fn uuids(values: impl Iterator<Item = Option<[u8; 16]>>) -> FixedSizeBinaryArray {
    FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 16).unwrap()
}

/// PostgreSQL's binary form: family, bits, whether it is a `cidr`, length, address.
fn body((address, bits): (IpAddr, u8), is_cidr: u8) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => [&[2, bits, is_cidr, 4][..], &address.octets()].concat(),
        IpAddr::V6(address) => [&[3, bits, is_cidr, 16][..], &address.octets()].concat(),
    }
}
