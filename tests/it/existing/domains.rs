//! Columns of domains, and of times that keep fewer digits of a second: nothing is rounded, and a domain's word is law.

use super::{arguments, assert_seen, made, plan, prepared, run};
use crate::comparison::Comparison;

#[test]
fn times_with_more_digits_than_the_target_keeps_are_set_aside_and_never_rounded() {
    let env = prepared(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, instant TEXT, clock TEXT, epoch INTEGER, mood TEXT, price NUMERIC);
         INSERT INTO t VALUES
            (1, '2025-01-31 12:00:00.123', '2025-01-31T12:00:00Z', '12:34:56.78', 1700000000500, 'glad', 1.25),
            (2, '2025-01-31 12:00:00.1234', '2025-01-31T12:00:00Z', '12:34:56', 1700000000500, 'glad', 1),
            (3, '1969-12-31 23:59:59.9', '2025-01-31T12:00:00.5+01:00', '12:34', 1700000000000, 'glad', 1),
            (4, '2025-01-31', '2025-01-31T12:00:00+01:00', '12:34:56.789', 1700000000000, 'glad', 1),
            (5, '2025-01-31 12:00:00.9999', '1969-12-31T23:59:59Z', '00:00', 1700000000501, 'so so', NULL),
            (6, '1969-12-31 23:59:59.999', '1969-12-31T23:59:59+00:00', '23:59:59.99', -1000, 'sad', 9999.99);",
        "CREATE TYPE moods AS ENUM ('glad', 'sad', 'so so'); CREATE DOMAIN mood AS moods;
         CREATE DOMAIN stamp AS timestamp(3); CREATE DOMAIN later AS stamp CHECK (value > '1900-01-01');
         CREATE DOMAIN price AS numeric(6, 2) NOT NULL;
         CREATE TABLE t (id bigint PRIMARY KEY, at later, instant timestamptz(0), clock time(2), epoch timestamptz(1), mood mood, price price)",
    );
    let before = made(&env);
    let said = "[tables.t.columns]\nepoch = { from = 'unix_ms' }";
    let planned = plan(&env, said).expect(0);
    for told in [
        "public.later, a domain over timestamp(3) without time zone; values that do not fit: 2",
        "numeric(6,2); values that do not fit: 1",
    ] {
        assert!(planned.stdout.contains(told), "{told} is not in {planned}");
    }
    let done = run(&env, said).expect(65);
    assert_eq!(done.json()["tables"][0]["rejected"], 4, "{done}");
    let rejects = env.column("SELECT concat_ws(' ', row_name, column_name, convert_from(value, 'UTF8')) FROM liteferry.reject WHERE storage_class = 'text' ORDER BY 1");
    let expected = [
        "rowid 2 at 2025-01-31 12:00:00.1234",
        "rowid 3 instant 2025-01-31T12:00:00.5+01:00",
        "rowid 4 clock 12:34:56.789",
        "rowid 5 at 2025-01-31 12:00:00.9999",
    ];
    assert_eq!(rejects, expected);
    let others = env.column("SELECT row_name || ' ' || column_name FROM liteferry.reject WHERE storage_class <> 'text' ORDER BY 1");
    assert_eq!(others, ["rowid 5 epoch", "rowid 5 price"]);
    let rows = "SELECT concat_ws(' ', id, at, instant AT TIME ZONE 'UTC', clock, epoch AT TIME ZONE 'UTC', mood, price) FROM t ORDER BY id";
    assert_eq!(
        env.column(rows),
        [
            "1 2025-01-31 12:00:00.123 2025-01-31 12:00:00 12:34:56.78 2023-11-14 22:13:20.5 glad 1.25",
            "6 1969-12-31 23:59:59.999 1969-12-31 23:59:59 23:59:59.99 1969-12-31 23:59:59 sad 9999.99"
        ]
    );
    assert_eq!(made(&env), before);
    let file = arguments(&env, "verify", said);
    env.liteferry(&file).expect(65);
}

#[test]
fn a_value_that_a_domain_does_not_allow_is_told_with_table_column_and_constraint() {
    let env = prepared(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, fine TEXT, name TEXT); INSERT INTO t VALUES (1, 'a', 'short'), (2, 'b', 'much too long')",
        "CREATE DOMAIN short AS text CONSTRAINT is_short CHECK (length(value) < 9);
         CREATE TABLE t (id bigint, fine short, name short)",
    );
    run(&env, "").expect(65).saying(&["table t", "column: name", "is_short", "change the CHECK"]);
    assert_eq!(env.value("SELECT count(*) FROM t"), "0");
    env.query("ALTER DOMAIN short DROP CONSTRAINT is_short");
    run(&env, "").expect(0);
    let all = "SELECT id, fine::text, name::text FROM t";
    assert_eq!(assert_seen(&env, Comparison::new(), &[("t", all)]).rows, 2);
}
