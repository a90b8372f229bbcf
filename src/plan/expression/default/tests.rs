//! What each DEFAULT becomes in a column of each type.

use super::translate_default;
use crate::model::{NumericSize, PgType};

#[track_caller]
fn gives(kind: PgType, cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        let translated =
            translate_default(sql, kind).unwrap_or_else(|reason| panic!("{sql}: {reason}"));
        assert_eq!(translated.as_deref(), Some(*expected), "{sql}");
    }
}

#[track_caller]
fn refuses(kind: PgType, cases: &[&str]) {
    for sql in cases {
        if let Ok(translated) = translate_default(sql, kind) {
            panic!("{sql}: {translated:?}");
        }
    }
}

const MONEY: PgType = PgType::Numeric(Some(NumericSize { precision: 5, scale: 2 }));

#[test]
fn null_is_no_default() {
    assert_eq!(translate_default("NULL", PgType::Int8), Ok(None));
    assert_eq!(translate_default("((null))", PgType::Text), Ok(None));
}

#[test]
fn a_number_takes_the_type_of_its_column() {
    gives(PgType::Bool, &[("0", "false"), ("TRUE", "true"), ("'true'", "true"), ("'1'", "true")]);
    gives(PgType::Int8, &[("0", "0"), ("-1", "(-1)"), ("'1'", "1"), ("1.0", "1")]);
    gives(PgType::Int8, &[("true", "1"), ("0x10", "16"), ("-0x10", "(-16)")]);
    gives(PgType::Int2, &[("32767", "32767")]);
    gives(PgType::Json, &[(r#"'{"a":1}'"#, r#"'{"a":1}'"#), ("'[ ]'", "'[ ]'")]);
    gives(PgType::Jsonb, &[(r#"'{"a":1}'"#, r#"'{"a": 1}'"#), ("'[ ]'", "'[]'")]);
    gives(PgType::Inet, &[("'10.0.0.1/8'", "'10.0.0.1/8'")]);
    let uuid = "'0123abcd-0123-0123-0123-0123456789ab'";
    gives(PgType::Uuid, &[(uuid, uuid), ("'0123ABCD0123012301230123456789AB'", uuid)]);
    gives(PgType::Float8, &[("1", "1.0"), ("-0.5", "(-0.5)"), ("'1.10'", "1.1")]);
    gives(PgType::Numeric(None), &[("1.10", "1.1"), ("'-0.30'", "-0.3"), ("100", "100")]);
    gives(MONEY, &[("123.45", "123.45"), ("'1.1000'", "1.1"), ("-999.99", "-999.99")]);
}

#[test]
fn a_text_takes_the_type_of_its_column() {
    gives(PgType::Text, &[("1", "'1'"), ("'it''s'", "'it''s'"), ("''", "''")]);
    gives(PgType::Text, &[("\"dq\"", "'dq'"), ("bare", "'bare'"), ("[b c]", "'b c'")]);
    gives(PgType::Text, &[("1.50", "'1.5'"), ("-100.0", "'-100.0'"), ("0.0001", "'0.0001'")]);
    gives(PgType::Varchar(3), &[("'äöü'", "'äöü'")]);
    gives(PgType::Bytea, &[("x''", r"'\x'::bytea"), ("X'00FF'", r"'\x00ff'::bytea")]);
    gives(PgType::Date, &[("'2024-02-29'", "'2024-02-29'::date")]);
    gives(
        PgType::Timestamp,
        &[
            ("'2024-01-31 12:34:56'", "'2024-01-31 12:34:56'::timestamp"),
            ("\"2024-01-31T12:34:56.123456\"", "'2024-01-31 12:34:56.123456'::timestamp"),
        ],
    );
    gives(
        PgType::Timestamptz,
        &[
            ("'2024-01-31T12:34:56Z'", "'2024-01-31 12:34:56+00'::timestamptz"),
            ("'2000-01-01 00:00:00+05:30'", "'2000-01-01 00:00:00+05:30'::timestamptz"),
        ],
    );
}

#[test]
fn a_constant_that_does_not_fit_is_refused() {
    refuses(PgType::Bool, &["2", "'yes'", "0.0", "x'01'"]);
    refuses(PgType::Int8, &["1.5", "'a'", "''", "' 1'", "9223372036854775808", "1e30"]);
    refuses(PgType::Float8, &["'1e'", "'inf'", "'NaN'", "1e999"]);
    refuses(MONEY, &["1234.5", "0.001", "1000", "'1,5'", "'.5'"]);
    refuses(PgType::Text, &["1e15", "0.00001", "0.1234567890123456", "x'00'"]);
    refuses(PgType::Varchar(3), &["'four'"]);
    refuses(PgType::Int4, &["2147483648", "'a'"]);
    refuses(PgType::Int2, &["32768", "-32769"]);
    refuses(PgType::Json, &["''", "'NaN'", "0"]);
    refuses(PgType::Jsonb, &["'{'", r#"'"\u0000"'"#]);
    refuses(PgType::Uuid, &["''", "'0'"]);
    refuses(PgType::Inet, &["''", "'localhost'"]);
    refuses(PgType::Bytea, &["''", "'text'", "0"]);
    refuses(PgType::Date, &["'2023-02-29'", "'now'", "'infinity'", "0", "'2024-1-1'"]);
    refuses(PgType::Timestamp, &["'2024-01-31'", "'2024-01-31 24:00:00'", "'epoch'", "0"]);
    refuses(PgType::Timestamp, &["'2024-01-31 12:00:60'", "'2024-01-31 12:00:00.1234567'"]);
    refuses(PgType::Timestamp, &["'2024-01-31 12:00:00Z'", "'2024-01-31 12:00'"]);
    refuses(PgType::Timestamptz, &["'2024-01-31 12:00:00'", "'2024-01-31 12:00:00+99:00'"]);
    refuses(PgType::Timestamptz, &["'2024-01-31 12:00:00é0:00'", "'é:00'"]);
}

#[test]
fn now_takes_the_form_of_its_column() {
    let utc = |pattern: &str| format!("to_char(now() AT TIME ZONE 'UTC', '{pattern}')");
    gives(
        PgType::Text,
        &[
            ("CURRENT_TIMESTAMP", &utc("YYYY-MM-DD HH24:MI:SS")),
            ("current_date", &utc("YYYY-MM-DD")),
            ("time('now')", &utc("HH24:MI:SS")),
            ("strftime('%Y-%m-%dT%H:%M:%fZ')", &utc("YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"")),
        ],
    );
    gives(PgType::Date, &[("CURRENT_DATE", "(now() AT TIME ZONE 'UTC')::date")]);
    let seconds = "date_trunc('second', now() AT TIME ZONE 'UTC')";
    let milliseconds = "date_trunc('milliseconds', now() AT TIME ZONE 'UTC')";
    gives(PgType::Timestamp, &[("datetime('now')", seconds)]);
    gives(PgType::Timestamp, &[("strftime('%Y-%m-%d %H:%M:%f', 'now')", milliseconds)]);
    gives(PgType::Timestamptz, &[("unixepoch()", "date_trunc('second', now())")]);
    let epoch = "floor(extract(epoch from now()))::bigint";
    gives(PgType::Int8, &[("unixepoch('now')", epoch), ("strftime('%s','now')", epoch)]);
    gives(PgType::Int8, &[("CAST(strftime('%s','now') AS INTEGER)", epoch)]);
    let milliseconds = format!("{epoch} * 1000");
    gives(PgType::Int8, &[("(unixepoch() * 1000)", &milliseconds)]);
    gives(PgType::Int8, &[("CAST(strftime('%s','now') * 1000 AS INT)", &milliseconds)]);
    gives(PgType::Varchar(19), &[("CURRENT_TIMESTAMP", &utc("YYYY-MM-DD HH24:MI:SS"))]);
    gives(
        PgType::Varchar(24),
        &[("strftime('%Y-%m-%dT%H:%M:%fZ')", &utc("YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\""))],
    );
}

#[test]
fn another_time_than_now_or_another_form_of_it_is_refused() {
    refuses(PgType::Text, &["datetime('now', 'localtime')", "date('2024-01-01')"]);
    refuses(PgType::Text, &["strftime('%J')", "strftime('%s','now')", "strftime('%Y''%m')"]);
    refuses(PgType::Date, &["CURRENT_TIMESTAMP"]);
    refuses(PgType::Varchar(18), &["CURRENT_TIMESTAMP"]);
    refuses(PgType::Varchar(23), &["strftime('%Y-%m-%dT%H:%M:%fZ')"]);
    refuses(PgType::Int8, &["unixepoch() * 60", "2 * 3", "unixepoch() * unixepoch()"]);
    refuses(PgType::Int8, &["CURRENT_TIMESTAMP", "unixepoch('2024-01-01')"]);
}

#[test]
fn what_is_no_constant_is_refused_and_never_copied() {
    let hostile = [
        "pg_read_file('/etc/passwd')",
        "(pg_read_file('/etc/passwd'))",
        "lower(hex(randomblob(16)))",
        "1 + 1",
        "(SELECT 1)",
        "'a'); DROP TABLE x; --",
        "1); DROP TABLE x; --",
        "strftime('%Y', (SELECT 1))",
    ];
    refuses(PgType::Text, &hostile);
    gives(
        PgType::Text,
        &[
            ("\"); DROP TABLE x; --\"", "'); DROP TABLE x; --'"),
            ("'''); DROP TABLE x; --' /* ' */ -- '", "'''); DROP TABLE x; --'"),
        ],
    );
}
