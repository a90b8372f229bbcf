//! What a server makes of values of every type, and what the decoder makes of what it gives back.

use super::values::{
    Digits, LARGE, MICROS_A_DAY, MIDDLE, NULLS, SMALL, TYPES, Values, batch, named_enum, rows,
    table,
};
use super::{Seen, check, decoded, encoded, literal, load, read_back};
use crate::environment::{Environment, Session};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use liteferry::model::{EnumType, PgType};
use liteferry::row::json::canonical_jsonb;
use liteferry::row::{COPY_HEADER, COPY_TRAILER, TupleEncoder, show_field, split_fields};
use proptest::prelude::*;
use std::net::IpAddr;

/// The two tables: what we sent, and what the server read from literals.
fn prepared(env: &Environment) -> Session {
    let columns = table().columns;
    let columns: Vec<_> = columns
        .iter()
        .map(|column| format!("\"{}\" {}", column.target, column.sql_type()))
        .collect();
    let columns = columns.join(", ");
    let EnumType { name, labels, .. } = named_enum();
    let labels: Vec<_> = labels.iter().map(|label| literal(label)).collect();
    let session = env.connect();
    session.query(&format!(
        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 3; SET bytea_output = 'hex';
         CREATE TYPE public.\"{}\" AS ENUM ({});
         CREATE TABLE sent ({columns}); CREATE TABLE cast_by_server ({columns})",
        name.replace('"', "\"\""),
        labels.join(", ")
    ));
    session
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
        row.int2.map(|value| value.to_string()),
        row.int4.map(|value| value.to_string()),
        row.float4.map(|value| format!("{:08x}", value.to_bits())),
        row.time.map(|micros| micros.to_string()),
        row.uuid.map(|bytes| format!("{:032x}", u128::from_be_bytes(bytes))),
        row.inet.map(address),
        row.cidr.map(address),
        row.json.clone(),
        row.jsonb.as_deref().map(|text| canonical_jsonb(text).unwrap()),
        row.label.map(Into::into),
    ]
}

fn address((address, bits): (IpAddr, u8)) -> String {
    match address {
        IpAddr::V4(address) => format!("{:08x}/{bits}", address.to_bits()),
        IpAddr::V6(address) => format!("{:032x}/{bits}", address.to_bits()),
    }
}

/// How the server is asked for it. Microseconds since 1970 are put together from whole seconds, which a double holds,
/// and the fraction.
const SHOW: &str = r#"
    SELECT position::text, "bool"::text, "int8"::text, encode(float8send("float8"), 'hex'), "small"::text,
           "middle"::text, "large"::text, "free"::text, "text", "varchar"::text, encode("bytea", 'hex'),
           ("date" - DATE '1970-01-01')::text,
           (extract(epoch FROM date_trunc('second', "timestamp"))::numeric * 1000000 + to_char("timestamp", 'US')::numeric)::bigint::text,
           (extract(epoch FROM date_trunc('second', "timestamptz"))::numeric * 1000000 + to_char("timestamptz", 'US')::numeric)::bigint::text,
           (extract(epoch FROM date_trunc('second', "offset"))::numeric * 1000000 + to_char("offset", 'US')::numeric)::bigint::text,
           "int2"::text, "int4"::text, encode(float4send("float4"), 'hex'),
           (extract(epoch FROM "time") * 1000000)::bigint::text, replace("uuid"::text, '-', ''),
           substr(encode(inet_send("inet"), 'hex'), 9) || '/' || masklen("inet"),
           substr(encode(cidr_send("cidr"), 'hex'), 9) || '/' || masklen("cidr"),
           "json"::text, "jsonb"::text, "enum"::text
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
        // A large tuple may have passed in pieces on one side alone.
        for (back, sent) in back.tuples.iter().zip(&sent.tuples) {
            if let (Some(back), Some(sent)) = (back, sent) {
                prop_assert_eq!(back, sent);
            }
        }
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

fn time_of_day(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    format!("{}:{}:{}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
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
    let address = |(address, bits): (IpAddr, u8)| format!("{address}/{bits}");
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
        cast(row.int2.map(|value| format!(" {value} ")), PgType::Int2),
        cast(row.int4.map(|value| format!(" {value} ")), PgType::Int4),
        cast(row.float4.map(|value| float(value.into())), PgType::Float4),
        cast(row.time.map(time_of_day), PgType::Time),
        cast(
            row.uuid.map(|bytes| format!("{{{:032X}}}", u128::from_be_bytes(bytes))),
            PgType::Uuid,
        ),
        cast(row.inet.map(address), PgType::Inet),
        cast(row.cidr.map(address), PgType::Cidr),
        cast(row.json.clone(), PgType::Json),
        cast(row.jsonb.clone(), PgType::Jsonb),
        row.label.map_or_else(|| "NULL".into(), literal),
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
        let nans =
            rows.iter_mut().filter_map(|row| row.float4.as_mut()).filter(|value| value.is_nan());
        nans.for_each(|value| *value = f32::from_bits(0x7fc0_0000));
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
        // A large tuple may have passed in pieces on one side alone.
        for (back, sent) in back.tuples.iter().zip(&sent.tuples) {
            if let (Some(back), Some(sent)) = (back, sent) {
                prop_assert_eq!(back, sent);
            }
        }
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
        let server = session.query(r#"SELECT "bool"::text, "int8"::text, "small"::text, "middle"::text, "free"::text, "int2", "int4", "time", "uuid", "inet", "cidr" FROM sent ORDER BY sent.position"#);
        for (tuple, server) in sent.tuples.iter().zip(&server) {
            let fields: Vec<_> =
                split_fields(tuple.as_ref().unwrap()).map(|field| field.value).collect();
            for (&column, server) in [1, 2, 4, 5, 7, 15, 16, 18, 19, 20, 21].iter().zip(server) {
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
    let late = Values { time: Some(MICROS_A_DAY + 1), ..NULLS };
    let early = Values { time: Some(-1), ..NULLS };
    let host = Values { cidr: Some(("10.0.0.1".parse().unwrap(), 8)), ..NULLS };
    let wide = Values { inet: Some(("10.0.0.1".parse().unwrap(), 33)), ..NULLS };
    let half = Values { jsonb: Some("{\"a\"".into()), ..NULLS };
    let unknown = Values { label: Some("merry"), ..NULLS };
    for refused in [whole, long, late, early, host, wide, half, unknown] {
        let batch = batch(&table, &[refused]);
        let refusal = TupleEncoder::new(&table).unwrap().encode(&batch, &mut Seen::default());
        assert_eq!(refusal.unwrap_err().class(), liteferry::Class::Data);
    }
}
