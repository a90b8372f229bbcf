//! Keys and fields of tuples as text, for people.

use super::cells::JSONB_VERSION;
use super::decode::framed_fields;
use super::temporal::{POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS};
use super::uuid::UuidForm;
use super::{inet, numeric};
use crate::model::{PgType, TableSchema};

/// The key of a [`Row`](super::Row) for people: `7`, or `(usdc, 1m, 1758000000)`.
pub fn show_key(table: &TableSchema, key: &[u8]) -> String {
    // Key fields stand in the order of the columns, whatever the order of the key.
    let columns =
        table.columns.iter().enumerate().filter(|(position, _)| table.key.contains(position));
    let types = columns.map(|(_, column)| column.pg);
    let mut values: Vec<_> =
        types.zip(framed_fields(key, 0)).map(|(pg, field)| show_field(pg, field.value)).collect();
    match values.len() {
        1 => values.swap_remove(0),
        _ => format!("({})", values.join(", ")),
    }
}

/// One field for people, cut to a readable length.
pub fn show_field(pg: PgType, value: Option<&[u8]>) -> String {
    let Some(value) = value else { return "NULL".into() };
    let shown = match pg {
        PgType::Bool => value.first().map(|&byte| (byte != 0).to_string()),
        PgType::Int2 => value.as_array().map(|&bytes| i16::from_be_bytes(bytes).to_string()),
        PgType::Int4 => value.as_array().map(|&bytes| i32::from_be_bytes(bytes).to_string()),
        PgType::Int8 => big_endian(value).map(|value| value.to_string()),
        PgType::Float4 => value.as_array().map(|&bytes| f32::from_be_bytes(bytes).to_string()),
        PgType::Float8 => value.as_array().map(|&bytes| f64::from_be_bytes(bytes).to_string()),
        PgType::Numeric(_) => numeric::show(value),
        PgType::Text | PgType::Varchar(_) | PgType::Char(_) | PgType::Json | PgType::Enum => {
            Some(show_text(value))
        }
        PgType::Jsonb => value.strip_prefix(&[JSONB_VERSION]).map(show_text),
        PgType::Bytea => None,
        PgType::Date => value.first_chunk().and_then(|bytes| show_date(i32::from_be_bytes(*bytes))),
        PgType::Time => big_endian(value).and_then(show_time),
        PgType::Timestamp => big_endian(value).and_then(show_timestamp),
        PgType::Timestamptz => big_endian(value).and_then(show_timestamp).map(|shown| shown + "Z"),
        PgType::Uuid => value.as_array().map(|&bytes| UuidForm::default().write(bytes)),
        PgType::Inet | PgType::Cidr => inet::show(value),
    };
    shown.unwrap_or_else(|| show_bytes(value))
}

fn big_endian(value: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(*value.as_array::<8>()?))
}

fn show_date(postgres_days: i32) -> Option<String> {
    let days = postgres_days.checked_add(POSTGRES_EPOCH_DAYS)?;
    let date =
        jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    Some(date.to_string())
}

fn show_time(micros: i64) -> Option<String> {
    let micros = u64::try_from(micros).ok()?;
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(match fraction {
        0 => clock,
        _ => format!("{clock}.{fraction:06}").trim_end_matches('0').to_owned(),
    })
}

fn show_timestamp(postgres_micros: i64) -> Option<String> {
    let instant =
        jiff::Timestamp::from_microsecond(postgres_micros.checked_add(POSTGRES_EPOCH_MICROS)?)
            .ok()?;
    Some(jiff::tz::TimeZone::UTC.to_datetime(instant).to_string())
}

const SHOWN_CHARS_MAX: usize = 120;

fn show_text(bytes: &[u8]) -> String {
    shortened(&String::from_utf8_lossy(bytes))
}

fn shortened(text: &str) -> String {
    let escaped = text.chars().flat_map(|char| {
        if char.is_control() { char.escape_default().collect() } else { vec![char] }
    });
    let mut shown: String = escaped.take(SHOWN_CHARS_MAX).collect();
    if text.chars().count() > SHOWN_CHARS_MAX {
        shown.push('…');
    }
    shown
}

fn show_bytes(bytes: &[u8]) -> String {
    let mut shown = String::from("\\x");
    bytes.iter().take(SHOWN_CHARS_MAX / 2).for_each(|byte| shown.push_str(&format!("{byte:02x}")));
    if bytes.len() > SHOWN_CHARS_MAX / 2 {
        shown.push('…');
    }
    shown
}
