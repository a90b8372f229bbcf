//! Property tests in which PostgreSQL is the judge of each encoder.
//!
//! Random values of every type travel from Arrow through the encoder and COPY BINARY into a real server. Then the
//! server must show them as an independent rendering says, give back the very bytes, and give the same digests for the
//! same values that it cast from literals itself.

use crate::environment::{Environment, Session};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use bytes::Bytes;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use liteferry::model::{
    CellShape, Column, NumericSize, Partition, PgType, Recast, RowDigest, RowRange, TableSchema,
};
use liteferry::row::{
    COPY_HEADER, COPY_TRAILER, Row, RowVisitor, TupleDecoder, TupleEncoder, show_field,
    split_fields,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use std::sync::Arc;

/// Tables of random rows for each property.
const CASES: u32 = 60;

const SMALL: NumericSize = NumericSize { precision: 5, scale: 2 };
const MIDDLE: NumericSize = NumericSize { precision: 38, scale: 10 };
/// More digits than Arrow's decimals have.
const LARGE: NumericSize = NumericSize { precision: 60, scale: 20 };
const VARCHAR: u32 = 12;

/// Every type, `position` first.
const TYPES: [(&str, PgType); 15] = [
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
];

/// One row, in the order of [`TYPES`] but for the position.
#[derive(Debug, Clone)]
struct Values {
    bool: Option<bool>,
    int8: Option<i64>,
    float8: Option<f64>,
    small: Option<i128>,
    middle: Option<i128>,
    large: Option<Digits>,
    free: Option<Digits>,
    text: Option<String>,
    varchar: Option<String>,
    bytea: Option<Vec<u8>>,
    date: Option<i32>,
    timestamp: Option<i64>,
    timestamptz: Option<i64>,
    /// An instant of the years 1 to 9999, and the minutes east of Greenwich with which it is written.
    offset: Option<(i64, i32)>,
}

/// Nothing but NULLs.
const NULLS: Values = Values {
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
};

/// A decimal by its digits: sign, those before and those after the point.
#[derive(Debug, Clone)]
struct Digits {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Digits {
    /// The shortest way to write it.
    fn plain(&self) -> String {
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
    fn with_scale(&self, scale: usize) -> String {
        let plain = self.plain();
        let has = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let point = if has == 0 { "." } else { "" };
        format!("{plain}{point}{}", "0".repeat(scale - has))
    }

    /// Another way to write it, for the server to read.
    fn long(&self) -> String {
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

const MICROS_A_DAY: i64 = 86_400_000_000;
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

fn days() -> impl Strategy<Value = i32> {
    prop_oneof![-719_162..2_932_897_i32, DAYS, -3..3_i32, Just(DAYS.start), Just(DAYS.end - 1)]
}

fn offset() -> impl Strategy<Value = (i64, i32)> {
    // A day away from both ends, so that the year has four digits in every zone.
    (WRITTEN.start + MICROS_A_DAY..WRITTEN.end - MICROS_A_DAY, -899..=899_i32)
}

fn some<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.9, value)
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
    (numbers, others, times).prop_map(
        |(
            (bool, int8, float8, small, middle),
            (large, free, text, varchar, bytea),
            (date, timestamp, timestamptz, offset),
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
        },
    )
}

fn rows() -> impl Strategy<Value = Vec<Values>> {
    proptest::collection::vec(values(), 1..40)
}

/// A table of all types, as a plan would have it.
fn table() -> TableSchema {
    let column = |&(name, pg): &(&str, PgType)| Column {
        source: name.into(),
        target: name.into(),
        read: CellShape::Text,
        recast: Recast::Keep,
        pg,
        not_null: false,
        numbers_only: false,
        computed: false,
    };
    TableSchema {
        source: "sent".into(),
        target_schema: "public".into(),
        target: "sent".into(),
        rowid_name: None,
        columns: TYPES.iter().map(column).collect(),
        // One column of each kind of key that is cut into frames.
        key: vec![0, 7, 8],
        partition: Partition::Buckets { count: 1 },
        chunks: vec![RowRange::All],
        rows: 0,
        bytes: 0,
        largest_row_bytes: 0,
    }
}

fn batch(table: &TableSchema, rows: &[Values]) -> RecordBatch {
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
    ];
    RecordBatch::try_new(table.write_schema(), columns).unwrap()
}

/// What the encoder or the decoder says of rows.
#[derive(Debug, Default)]
struct Seen {
    rows: Vec<(Vec<u8>, RowDigest)>,
    tuples: Vec<Option<Vec<u8>>>,
    bytes: Vec<u8>,
}

impl RowVisitor for Seen {
    fn row(&mut self, row: Row<'_>) -> liteferry::Result<()> {
        self.rows.push((row.key.to_vec(), row.digest));
        self.tuples.push(row.tuple.map(Into::into));
        Ok(())
    }

    fn bytes(&mut self, piece: Bytes) -> liteferry::Result<()> {
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }
}

fn encoded(table: &TableSchema, batch: &RecordBatch) -> Seen {
    let mut seen = Seen::default();
    let mut encoder = TupleEncoder::new(table).unwrap();
    encoder.encode(batch, &mut seen).unwrap();
    encoder.finish(&mut seen).unwrap();
    seen
}

fn decoded(table: &TableSchema, stream: &[u8], message_bytes: usize) -> Seen {
    let mut seen = Seen::default();
    let mut decoder = TupleDecoder::new(table);
    for message in stream.chunks(message_bytes) {
        decoder.push(message, &mut seen).unwrap();
    }
    decoder.finish().unwrap();
    seen
}

/// The two tables: what we sent, and what the server read from literals.
fn prepared(env: &Environment) -> Session {
    let columns: Vec<_> = TYPES.iter().map(|(name, pg)| format!("\"{name}\" {pg}")).collect();
    let columns = columns.join(", ");
    let session = env.connect();
    session.query(&format!(
        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 3; SET bytea_output = 'hex';
         CREATE TABLE sent ({columns}); CREATE TABLE cast_by_server ({columns})"
    ));
    session
}

fn load(session: &Session, seen: &Seen) {
    let stream = [&COPY_HEADER, seen.bytes.as_slice(), &COPY_TRAILER].concat();
    let taken = session.copy_in("COPY sent FROM STDIN (FORMAT binary)", stream);
    assert_eq!(taken, u64::try_from(seen.rows.len()).unwrap());
}

fn read_back(session: &Session, table: &str) -> Vec<u8> {
    session.copy_out(&format!(
        "COPY (SELECT * FROM {table} ORDER BY position) TO STDOUT (FORMAT binary)"
    ))
}

/// Runs a property; a failing case is kept, printed, and tried first from then on.
fn check<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let kept = FileFailurePersistence::Direct("tests/proptest-regressions/encoders.txt");
    let config = Config {
        cases: CASES,
        failure_persistence: Some(Box::new(kept)),
        max_shrink_iters: 2000,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(strategy, property) {
        panic!("{error}");
    }
}

/// The value of a scaled integer with its point.
fn with_point(value: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}

/// What the server shall show of a row, one column after the other; `times` as microseconds since 1970.
fn shown(position: usize, row: &Values) -> Vec<Option<String>> {
    vec![
        Some(position.to_string()),
        row.bool.map(|value| value.to_string()),
        row.int8.map(|value| value.to_string()),
        row.float8.map(|value| format!("{:016x}", value.to_bits())),
        row.small.map(|value| with_point(value, SMALL.scale.into())),
        row.middle.map(|value| with_point(value, MIDDLE.scale.into())),
        row.large.as_ref().map(|digits| digits.with_scale(LARGE.scale.into())),
        row.free.as_ref().map(Digits::plain),
        row.text.clone(),
        row.varchar.clone(),
        row.bytea.as_ref().map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        row.date.map(|days| days.to_string()),
        row.timestamp.map(|micros| micros.to_string()),
        row.timestamptz.map(|micros| micros.to_string()),
        row.offset.map(|(micros, _)| micros.to_string()),
    ]
}

/// How the server is asked for it. Microseconds since 1970 are put together from whole seconds, which a double holds,
/// and the fraction.
const SHOW: &str = r#"
    SELECT position::text, "bool"::text, "int8"::text, encode(float8send("float8"), 'hex'), "small"::text,
           "middle"::text, "large"::text, "free"::text, "text", "varchar"::text, encode("bytea", 'hex'),
           ("date" - DATE '1970-01-01')::text,
           (extract(epoch FROM date_trunc('second', "timestamp"))::numeric * 1000000 + to_char("timestamp", 'US')::numeric)::bigint::text,
           (extract(epoch FROM date_trunc('second', "timestamptz"))::numeric * 1000000 + to_char("timestamptz", 'US')::numeric)::bigint::text,
           (extract(epoch FROM date_trunc('second', "offset"))::numeric * 1000000 + to_char("offset", 'US')::numeric)::bigint::text
    FROM sent ORDER BY sent.position"#;

#[test]
fn the_server_shows_each_value_as_it_was_sent() {
    let env = Environment::new();
    let session = prepared(&env);
    let table = table();
    check(&rows(), |rows| {
        session.query("TRUNCATE sent");
        load(&session, &encoded(&table, &batch(&table, &rows)));
        let expected: Vec<_> =
            rows.iter().enumerate().map(|(position, row)| shown(position, row)).collect();
        prop_assert_eq!(session.query(SHOW), expected);
        // Doubles by their text too, and times by their calendar.
        let doubles = session.query(r#"SELECT "float8"::text FROM sent ORDER BY sent.position"#);
        for (row, shown) in rows.iter().zip(&doubles) {
            let read: Option<f64> = shown[0].as_ref().map(|text| text.parse().unwrap());
            let same = match (row.float8, read) {
                (Some(sent), Some(read)) => {
                    sent.to_bits() == read.to_bits() || (sent.is_nan() && read.is_nan())
                }
                (sent, read) => sent.is_none() && read.is_none(),
            };
            prop_assert!(same, "{:?} is shown as {:?}", row.float8, shown);
        }
        let calendar = session.query(
            r#"SELECT to_char("offset" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') FROM sent ORDER BY sent.position"#,
        );
        for (row, shown) in rows.iter().zip(&calendar) {
            let expected = row.offset.map(|(micros, _)| format!("{:.6}", utc(micros)));
            prop_assert_eq!(&shown[0], &expected);
        }
        Ok(())
    });
}

fn utc(micros: i64) -> DateTime {
    TimeZone::UTC.to_datetime(jiff::Timestamp::from_microsecond(micros).unwrap())
}

#[test]
fn the_server_gives_back_the_very_bytes() {
    let env = Environment::new();
    let session = prepared(&env);
    let table = table();
    check(&(rows(), 1..2000_usize), |(rows, message_bytes)| {
        session.query("TRUNCATE sent");
        let sent = encoded(&table, &batch(&table, &rows));
        load(&session, &sent);
        let stream = read_back(&session, "sent");
        let back = decoded(&table, &stream, message_bytes);
        prop_assert_eq!(&back.rows, &sent.rows, "keys or digests differ");
        prop_assert_eq!(&back.tuples, &sent.tuples);
        // The stream itself differs in nothing but the scale of numerics that travel as text, which `large` has.
        let body = &stream[COPY_HEADER.len()..stream.len() - COPY_TRAILER.len()];
        let scale_free = rows.iter().all(|row| row.large.is_none());
        if scale_free {
            prop_assert!(body == sent.bytes.as_slice(), "the stream is another one");
        }
        prop_assert_eq!(body.len(), sent.bytes.len());
        Ok(())
    });
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The values of a row as literals that the server casts itself, each in another form than the encoder's.
fn literals(position: usize, row: &Values) -> String {
    let cast = |value: Option<String>, pg: PgType| {
        value.map_or_else(|| "NULL".into(), |text| format!("{}::{pg}", literal(&text)))
    };
    let float = |value: f64| match value {
        // The literal NaN has one bit pattern; others can only be received.
        _ if value.is_nan() => "NaN".into(),
        _ if value.is_infinite() => (if value > 0.0 { "Infinity" } else { "-Infinity" }).into(),
        _ => format!("{value:e}"),
    };
    let time = |micros: Option<i64>, zone: &str| {
        micros.map_or_else(
            || "NULL".into(),
            |micros| {
                let (days, rest) = (micros.div_euclid(MICROS_A_DAY), micros.rem_euclid(MICROS_A_DAY));
                format!("TIMESTAMP '1970-01-01' + make_interval(days => {days}) + {rest} * interval '1 microsecond'{zone}")
            },
        )
    };
    let offset = row.offset.map(|(micros, minutes)| {
        let offset = Offset::from_seconds(minutes * 60).unwrap();
        let local = offset.to_datetime(jiff::Timestamp::from_microsecond(micros).unwrap());
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{local:.6}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    });
    let hex = |bytes: &Vec<u8>| {
        format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
    };
    let [_, bool, int8, float8, small, middle, large, free, text, varchar, bytea, ..] =
        TYPES.map(|(_, pg)| pg);
    [
        position.to_string(),
        cast(row.bool.map(|value| if value { "yes" } else { "off" }.into()), bool),
        cast(row.int8.map(|value| format!(" {value} ")), int8),
        cast(row.float8.map(float), float8),
        cast(row.small.map(|value| format!("{value}e-2")), small),
        cast(row.middle.map(|value| format!("{value}e-10")), middle),
        cast(row.large.as_ref().map(Digits::long), large),
        cast(row.free.as_ref().map(Digits::long), free),
        cast(row.text.clone(), text),
        cast(row.varchar.clone(), varchar),
        cast(row.bytea.as_ref().map(hex), bytea),
        row.date.map_or_else(|| "NULL".into(), |days| format!("DATE '1970-01-01' + {days}")),
        time(row.timestamp, ""),
        // The session's zone is UTC.
        time(row.timestamptz, ""),
        cast(offset, PgType::Timestamptz),
    ]
    .join(", ")
}

#[test]
fn values_that_the_server_cast_itself_have_the_same_digests() {
    let env = Environment::new();
    let session = prepared(&env);
    let table = table();
    let with_one_nan = rows().prop_map(|mut rows| {
        let nans =
            rows.iter_mut().filter_map(|row| row.float8.as_mut()).filter(|value| value.is_nan());
        nans.for_each(|value| *value = f64::from_bits(0x7ff8_0000_0000_0000));
        rows
    });
    check(&with_one_nan, |rows| {
        session.query("TRUNCATE cast_by_server");
        let tuples: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(position, row)| format!("({})", literals(position, row)))
            .collect();
        session.query(&format!("INSERT INTO cast_by_server VALUES {}", tuples.join(", ")));
        let sent = encoded(&table, &batch(&table, &rows));
        let back = decoded(&table, &read_back(&session, "cast_by_server"), 8192);
        prop_assert_eq!(&back.tuples, &sent.tuples);
        prop_assert_eq!(&back.rows, &sent.rows, "keys or digests differ");
        Ok(())
    });
}

#[test]
fn values_are_shown_to_people_as_the_server_shows_them() {
    let env = Environment::new();
    let session = prepared(&env);
    let table = table();
    check(&rows(), |rows| {
        session.query("TRUNCATE sent");
        let sent = encoded(&table, &batch(&table, &rows));
        load(&session, &sent);
        let server = session.query(r#"SELECT "bool"::text, "int8"::text, "small"::text, "middle"::text, "free"::text FROM sent ORDER BY sent.position"#);
        for (tuple, server) in sent.tuples.iter().zip(&server) {
            let fields: Vec<_> =
                split_fields(tuple.as_ref().unwrap()).map(|field| field.value).collect();
            for (&column, server) in [1, 2, 4, 5, 7].iter().zip(server) {
                let shown = show_field(TYPES[column].1, fields[column]);
                let server = server.clone().unwrap_or_else(|| "NULL".into());
                // Long numbers are cut for people.
                if server.len() < 100 {
                    prop_assert_eq!(shown, server);
                }
            }
        }
        Ok(())
    });
}

/// Bytes of a piece of the tuple stream.
const PIECE: usize = 256 * 1024;

#[test]
fn values_larger_than_a_piece_arrive_whole() {
    let env = Environment::new();
    let session = prepared(&env);
    let table = table();
    // Every byte value, in an order that does not repeat with a piece.
    let large = |bytes: usize, seed: u8| -> Vec<u8> {
        (0..bytes).map(|at| (at.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0] ^ seed).collect()
    };
    let mut rows = Vec::new();
    for bytes in [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 17, 0, 5] {
        let letters: String =
            large(bytes, 3).into_iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        rows.push(Values { text: Some(letters.clone()), int8: Some(7), ..NULLS });
        rows.push(Values { bytea: Some(large(bytes, 9)), date: Some(1), ..NULLS });
        rows.push(Values { text: Some(letters), bytea: Some(large(bytes, 5)), ..NULLS });
    }
    rows.push(Values {
        free: Some(Digits {
            negative: true,
            whole: "123456789".repeat(10_000),
            fraction: "05".repeat(8_000),
        }),
        ..NULLS
    });
    let sent = encoded(&table, &batch(&table, &rows));
    load(&session, &sent);
    let back = decoded(&table, &read_back(&session, "sent"), 65_536);
    assert!(back.rows == sent.rows, "keys or digests differ");
    let lengths = session.query("SELECT length(\"text\")::text, length(\"bytea\")::text, md5(\"text\"), md5(\"bytea\") FROM sent ORDER BY sent.position");
    for (row, shown) in rows.iter().zip(lengths) {
        assert_eq!(shown[0], row.text.as_ref().map(|text| text.len().to_string()));
        assert_eq!(shown[1], row.bytea.as_ref().map(|bytes| bytes.len().to_string()));
    }
    for (position, row) in rows.iter().enumerate() {
        if let Some(bytes) = &row.bytea {
            assert!(
                session.bytes(&format!("SELECT \"bytea\" FROM sent WHERE position = {position}"))
                    == *bytes
            );
        }
        if let Some(text) = &row.text {
            let sql = format!(
                "SELECT convert_to(\"text\", 'UTF8') FROM sent WHERE position = {position}"
            );
            assert!(session.bytes(&sql) == text.as_bytes());
        }
    }
}

#[test]
fn values_that_postgresql_does_not_hold_are_refused() {
    let table = table();
    let whole = Values {
        free: Some(Digits { negative: false, whole: "9".repeat(140_000), fraction: String::new() }),
        ..NULLS
    };
    let long = Values { varchar: Some("thirteen chars".chars().take(13).collect()), ..NULLS };
    for refused in [whole, long] {
        let batch = batch(&table, &[refused]);
        let refusal = TupleEncoder::new(&table).unwrap().encode(&batch, &mut Seen::default());
        assert_eq!(refusal.unwrap_err().class(), liteferry::Class::Data);
    }
}
