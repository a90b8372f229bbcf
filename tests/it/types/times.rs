//! Dates and times of every kind that a pipeline file can ask for; what PostgreSQL would refuse or bend is set aside.

use super::{becomes, bent, run, shows};
use crate::environment::Environment;

#[test]
fn epochs_of_every_unit_become_instants() {
    for (from, value, shown) in [
        ("unix_s", "1758000000", "2025-09-16 05:20:00+00"),
        ("unix_ms", "1758000000123", "2025-09-16 05:20:00.123+00"),
        ("unix_us", "1758000000123456", "2025-09-16 05:20:00.123456+00"),
        ("unix_ns", "1758000000123456000", "2025-09-16 05:20:00.123456+00"),
        ("unix_s", "1758000000.5", "2025-09-16 05:20:00.5+00"),
        ("julian", "2460934.5", "2025-09-16 00:00:00+00"),
        ("core_data", "779692800", "2025-09-16 05:20:00+00"),
        ("webkit", "13402473600000000", "2025-09-16 05:20:00+00"),
        // No double is this number.
        ("webkit", "13402473600123457", "2025-09-16 05:20:00.123457+00"),
    ] {
        becomes(
            &format!("({value}), (NULL)"),
            &format!("type = 'timestamptz', from = '{from}'"),
            &[shown, "NULL"],
        );
    }
}

#[test]
fn doubles_between_two_microseconds_are_kept_beside_the_nearest() {
    becomes(
        "(1758000000.1234565), (1758000000.25), (1758000001)",
        "type = 'timestamptz', from = 'unix_s'",
        &["2025-09-16 05:20:00.123456+00", "2025-09-16 05:20:00.25+00", "2025-09-16 05:20:01+00"],
    );
}

#[test]
fn texts_of_every_shape_become_the_same_instant() {
    becomes(
        "('2025-09-16 05:20:00'), ('2025-09-16T05:20:00'), ('2025-09-16T05:20:00Z'), ('2025-09-16 05:20:00+00:00'),
         ('2025-09-16T07:20:00.000+02:00'), ('2025-09-16 05:20:00.000000'), ('2025-09-16 05:20'), ('2025-09-16')",
        "type = 'timestamptz', zone = 'UTC'",
        &[
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 00:00:00+00",
        ],
    );
}

#[test]
fn wall_clocks_of_a_zone_become_instants_of_their_season() {
    becomes(
        "('2025-01-15 12:00:00'), ('2025-07-15 12:00:00.5'), (NULL)",
        "type = 'timestamptz', zone = 'America/Denver'",
        &["2025-01-15 19:00:00+00", "2025-07-15 18:00:00.5+00", "NULL"],
    );
}

#[test]
fn dates_in_an_order_and_in_digits_are_read_where_they_are_asked_for() {
    becomes(
        "('31/01/2025'), ('01/02/2025')",
        "type = 'date', from = 'dmy'",
        &["2025-01-31", "2025-02-01"],
    );
    becomes(
        "('01/31/2025'), ('01/02/2025')",
        "type = 'date', from = 'mdy'",
        &["2025-01-31", "2025-01-02"],
    );
    becomes(
        "('20250131'), ('20250201')",
        "type = 'date', from = 'yyyymmdd'",
        &["2025-01-31", "2025-02-01"],
    );
    becomes(
        "(20250131), (20250201)",
        "type = 'date', from = 'yyyymmdd'",
        &["2025-01-31", "2025-02-01"],
    );
    becomes("('12:34:56'), ('01:02:03.5')", "type = 'time'", &["12:34:56", "01:02:03.5"]);
}

#[test]
fn clocks_that_a_zone_never_showed_are_set_aside_however_they_are_written() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w);
         INSERT INTO t (v, w) VALUES ('30/03/2025 02:30', 20250330120000), ('26/10/2025 02:30', 20251026023000),
            ('31/03/2025 02:30', 20250330023000), (NULL, '20250331023000');",
    );
    let zone = "type = 'timestamptz', zone = 'Europe/Berlin'";
    let done =
        run(&env, &format!("v = {{ {zone}, from = 'dmy' }}\nw = {{ {zone}, from = 'yyyymmdd' }}"))
            .expect(65);
    assert!(
        done.says("column v: declared without type, becomes timestamptz: 1 times came twice"),
        "{done}"
    );
    assert!(
        done.says("column w: declared without type, becomes timestamptz: 1 times came twice"),
        "{done}"
    );
    let rejects =
        "SELECT row_name || ' ' || column_name || ' ' || reason FROM liteferry.reject ORDER BY 1";
    assert_eq!(
        env.column(rejects),
        [
            "rowid 1 v the zone's clocks never showed this time",
            "rowid 3 w the zone's clocks never showed this time"
        ]
    );
    let rows =
        "SELECT concat_ws(' ', id, v AT TIME ZONE 'UTC', w AT TIME ZONE 'UTC') FROM t ORDER BY id";
    assert_eq!(
        env.column(rows),
        ["2 2025-10-26 00:30:00 2025-10-26 00:30:00", "4 2025-03-31 00:30:00"]
    );
}

#[test]
fn what_numbers_or_wall_clocks_mean_must_be_said() {
    for (values, said, line) in [
        ("(1758000000)", "type = 'timestamptz'", "from = \"unix_s\""),
        ("('2025-09-16 05:20:00')", "type = 'timestamptz'", "zone = \"UTC\""),
        ("('01/02/2025')", "type = 'timestamptz', from = 'dmy'", "zone = \"UTC\""),
    ] {
        let env = Environment::new();
        env.sqlite(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t (v) VALUES {values}"
        ));
        run(&env, &format!("v = {{ {said} }}")).expect(78).saying(&["table t", "column v", line]);
    }
}

#[test]
fn the_offset_of_texts_decides_their_type_and_the_zone_of_the_database_decides_nothing() {
    let env = bent();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, wall DATETIME, instant DATETIME, either DATETIME, day DATE, clock TIME);
         INSERT INTO t VALUES (1, '2025-01-31 12:00:00', '2025-01-31T12:00:00Z', '2025-01-31 12:00:00', '2025-01-31', '12:00:00'),
            (2, '2025-07-01 00:00', '2025-07-01 02:00:00+02:00', '2025-07-01T00:00:00Z', '2025-07-01', '00:00:00.5');",
    );
    env.run(&[]).expect(0);
    let types = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1 ORDER BY attnum";
    let expected = [
        "timestamp without time zone",
        "timestamp with time zone",
        "text",
        "date",
        "time without time zone",
    ];
    assert_eq!(env.column(types), expected);
    let rows = shows(&env)
        .query("SELECT concat_ws('|', wall, instant, either, day, clock) FROM t ORDER BY id");
    let expected = [
        "2025-01-31 12:00:00|2025-01-31 12:00:00+00|2025-01-31 12:00:00|2025-01-31|12:00:00",
        "2025-07-01 00:00:00|2025-07-01 00:00:00+00|2025-07-01T00:00:00Z|2025-07-01|00:00:00.5",
    ];
    assert_eq!(rows, expected.map(|row| [Some(row.to_owned())]));
    env.verify().expect(0);
}

/// PostgreSQL refuses the first four, and makes other times of the next three.
const NO_TIMES: [(&str, &str); 7] = [
    ("", "an empty text"),
    ("0000-00-00", "a day that the calendar does not have"),
    ("2020-02-30 00:00:00", "a day that the calendar does not have"),
    ("+010000-01-01 00:00:00", "not written like a date or a time"),
    ("2020-12-31 24:00:00", "a time that no clock shows"),
    ("2020-12-31 23:59:60", "a time that no clock shows"),
    ("2020-12-31 23:59:59.9999999", "a second with more than six digits after the point"),
];

#[test]
fn texts_that_the_server_would_refuse_or_bend_are_set_aside_with_the_reason() {
    for kind in ["type = 'timestamp'", "type = 'timestamptz', zone = 'UTC'"] {
        let env = bent();
        env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v DATETIME)");
        for (text, _) in NO_TIMES {
            env.sqlite(&format!("INSERT INTO t (v) VALUES ('{text}')"));
        }
        env.sqlite("INSERT INTO t VALUES (0, '2020-12-31 23:59:59.999999'), (8, '2020-12-31 23:59:59.9999990')");
        run(&env, &format!("v = {{ {kind} }}")).expect(65);
        let arrived = shows(&env).query("SELECT id, v::timestamp FROM t ORDER BY id");
        let at = |id: &str| [id, "2020-12-31 23:59:59.999999"].map(|text| Some(text.to_owned()));
        assert_eq!(arrived, [at("0"), at("8")]);
        let rejects = env.query(
            "SELECT convert_from(value, 'UTF8'), reason FROM liteferry.reject ORDER BY row_name",
        );
        assert_eq!(
            rejects,
            NO_TIMES.map(|(text, reason)| [text, reason].map(|text| Some(text.to_owned())))
        );
    }
}

#[test]
fn a_text_that_is_no_time_makes_its_column_text_where_nothing_is_asked_for() {
    let env = bent();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)");
    for (at, (text, _)) in NO_TIMES.iter().enumerate() {
        env.sqlite(&format!(
            "ALTER TABLE t ADD COLUMN v{at} DATETIME; UPDATE t SET v{at} = CASE id WHEN 1 THEN '2020-01-01 00:00:00' ELSE '{text}' END"
        ));
    }
    let done = env.run(&[]).expect(0);
    for (at, (text, _)) in NO_TIMES.iter().enumerate() {
        assert!(done.says(&format!("column v{at}: declared DATETIME, becomes text")), "{done}");
        assert_eq!(
            env.column(&format!("SELECT v{at} FROM t ORDER BY id")),
            ["2020-01-01 00:00:00", text]
        );
    }
    env.verify().expect(0);
}

#[test]
fn days_that_sqlite_keeps_as_numbers_are_days_where_that_is_asked_for() {
    let env = bent();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v DATE); INSERT INTO t (v) VALUES ('20200101'), ('20201231'), (NULL)");
    assert_eq!(env.run(&[]).expect(0).json()["phase"], "proved");
    assert_eq!(env.column("SELECT v::bigint FROM t ORDER BY id"), ["20200101", "20201231", ""]);
    let env = bent();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v DATE); INSERT INTO t (v) VALUES ('20200101'), ('20201231'), (NULL)");
    run(&env, "v = { type = 'date', from = 'yyyymmdd' }").expect(0);
    let days = shows(&env).query("SELECT v FROM t ORDER BY id");
    assert_eq!(days, [[Some("2020-01-01".to_owned())], [Some("2020-12-31".to_owned())], [None]]);
    super::goes_back(&env);
}

#[test]
fn no_number_becomes_an_infinity() {
    let env = bent();
    // As microseconds since 2000 the first is the number that says `-infinity`.
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t (v) VALUES (-9222425352054775808), (9223372036854775807), (0)");
    run(&env, "v = { type = 'timestamptz', from = 'unix_us' }").expect(65);
    let times = shows(&env).query("SELECT v FROM t WHERE isfinite(v) ORDER BY id");
    let shown = ["294247-01-10 04:00:54.775807+00", "1970-01-01 00:00:00+00"];
    assert_eq!(times, shown.map(|shown| [Some(shown.to_owned())]));
    let reject = env.value("SELECT row_name || ': ' || reason FROM liteferry.reject");
    assert_eq!(reject, "rowid 1: it is no time that PostgreSQL can hold");
}
