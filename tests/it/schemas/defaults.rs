//! DEFAULTs and CHECKs: those that mean the same are there, the others are listed with their SQL.

use super::Moved;
use crate::environment::Environment;

#[test]
fn a_constant_default_gives_what_it_gave() {
    let moved = Moved::new(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY,
            i1 INTEGER DEFAULT 7, i2 INTEGER DEFAULT -7, i3 INTEGER DEFAULT +7, i4 INTEGER DEFAULT '8', i5 INTEGER DEFAULT 1.0,
            i6 INTEGER DEFAULT (0x10), i7 INTEGER DEFAULT TRUE, i8 INTEGER DEFAULT -9223372036854775808, i9 BIGINT DEFAULT 1_000,
            r1 REAL DEFAULT 1, r2 REAL DEFAULT -0.5, r3 REAL DEFAULT '2.50', r4 REAL DEFAULT 1e-3,
            n1 DECIMAL(10, 2) DEFAULT 1.10, n2 NUMERIC DEFAULT '-0.30', n3 DECIMAL(4, 1) DEFAULT 100,
            s1 TEXT DEFAULT 'it''s', s2 TEXT DEFAULT \"dq-string\", s3 TEXT DEFAULT bare, s4 TEXT DEFAULT 5, s5 TEXT DEFAULT 1.50,
            s6 TEXT DEFAULT 'a\nb\\c', s7 TEXT DEFAULT '', s8 VARCHAR(4) DEFAULT 'äöüß', s9 TEXT DEFAULT ('x'), s10 TEXT DEFAULT NULL,
            s11 TEXT DEFAULT '''); DROP TABLE t; --', s12 TEXT DEFAULT '5', s13 TEXT DEFAULT -100.0,
            b1 BLOB DEFAULT x'00fF', b2 BLOB DEFAULT X'', f1 BOOLEAN DEFAULT 0, f2 BOOLEAN DEFAULT TRUE, f3 BOOL DEFAULT (1),
            d1 DATE DEFAULT '2024-02-29', d2 DATETIME DEFAULT '2024-01-31 12:34:56', d3 DATETIME DEFAULT '2024-01-31T12:34:56.125Z',
            a1 DEFAULT 5, a2 DEFAULT 'text', a3 DEFAULT x'01');
         INSERT INTO t (id) VALUES (1);",
    );
    moved.is_silent_of(&["default t."]);
    let both = moved.both();
    both.take(&["INSERT INTO t (id) VALUES (2)"]);
    both.assert_equal();
    let defaults = "SELECT count(*) FROM pg_attrdef WHERE adrelid = 't'::regclass";
    assert_eq!(moved.env.value(defaults), "39");
}

#[test]
fn a_default_of_now_gives_the_same_moment_in_the_same_form() {
    let env = Environment::with_database("");
    // A session elsewhere must not matter.
    env.query(
        "ALTER ROLE liteferry IN DATABASE current SET TimeZone = 'Asia/Tokyo'"
            .replace("current", &env.value("SELECT current_database()"))
            .as_str(),
    );
    env.sqlite(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, s1 TEXT DEFAULT CURRENT_TIMESTAMP, s2 TEXT DEFAULT (datetime('now')), s3 TEXT DEFAULT CURRENT_DATE,
            s4 TEXT DEFAULT CURRENT_TIME, s5 TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), s6 VARCHAR(19) DEFAULT CURRENT_TIMESTAMP,
            at DATETIME DEFAULT CURRENT_TIMESTAMP, day DATE DEFAULT (date('now')), epoch INTEGER DEFAULT (strftime('%s', 'now')),
            ms INTEGER DEFAULT (unixepoch() * 1000));
         INSERT INTO t (id) VALUES (1);",
    );
    let moved = Moved::of(env, &[]);
    moved.is_silent_of(&["default t."]);
    let sql = "INSERT INTO t (id) VALUES (2) RETURNING s1, s2, s3, s4, s5, s6, at::text, day::text, epoch::text, ms::text,
               abs(extract(epoch FROM now()) - epoch) < 5 AND abs(extract(epoch FROM now() AT TIME ZONE 'UTC' - at)) < 5 AND s3 = s1::date::text
               AND s1 = s2 AND s1 = s6 AND s1 = at::text AND s4 = right(s1, 8) AND day::text = s3 AND ms = epoch * 1000
               AND abs(extract(epoch FROM now() - s5::timestamptz)) < 5";
    let row = moved.env.query(sql).remove(0);
    assert_eq!(row.last().unwrap().as_deref(), Some("t"), "{row:?}");
    let shape = |text: &str| {
        text.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect::<String>()
    };
    let ours: Vec<String> = {
        let sqlite = rusqlite::Connection::open(moved.env.source()).unwrap();
        (1..=10)
            .map(|at| {
                sqlite
                    .query_row("SELECT * FROM t", [], |row| {
                        let value: rusqlite::types::Value = row.get(at)?;
                        Ok(match value {
                            rusqlite::types::Value::Integer(number) => number.to_string(),
                            rusqlite::types::Value::Text(text) => text,
                            other => format!("{other:?}"),
                        })
                    })
                    .unwrap()
            })
            .collect()
    };
    for (ours, theirs) in ours.iter().zip(row.iter().take(10)) {
        assert_eq!(shape(ours), shape(theirs.as_deref().unwrap()));
    }
}

#[test]
fn a_default_that_does_not_fit_is_dropped_and_listed() {
    let moved = Moved::new(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, a INTEGER DEFAULT 'many', b INTEGER DEFAULT 1.5, c DATE DEFAULT '0000-00-00', d DATETIME DEFAULT 0,
            e TEXT DEFAULT (lower(hex(randomblob(16)))), f VARCHAR(3) DEFAULT 'four', g DECIMAL(3, 1) DEFAULT 100.5, h BOOLEAN DEFAULT 'maybe',
            i TEXT DEFAULT x'00ff', j TEXT DEFAULT (datetime('now', 'localtime')), k REAL DEFAULT 'pi', l INTEGER DEFAULT CURRENT_TIMESTAMP,
            m BLOB DEFAULT 'text', n INTEGER DEFAULT (1 + 2), o DATETIME DEFAULT '2024-01-31 24:00:00', kept INTEGER DEFAULT 3);
         INSERT INTO t (id, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
         VALUES (1, 1, 1, '2025-01-01', '2025-01-01 00:00:00', 'e', 'f', 1.5, 1, 'i', 'j', 0.5, 1, x'00', 1, '2025-01-01 00:00:00');",
    );
    let dropped: Vec<_> =
        ('a'..='o').map(|name| format!("default t.{name} is not carried over")).collect();
    moved.says(&dropped.iter().map(String::as_str).collect::<Vec<_>>());
    let plan = moved.env.plan_in_words().expect(0);
    plan.saying(&[
        "-- default t.e:\n--     lower(hex(randomblob(16)))",
        "-- default t.a:\n--     'many'",
    ]);
    moved.env.query("INSERT INTO t (id) VALUES (2)");
    assert_eq!(moved.env.value("SELECT kept FROM t WHERE id = 2 AND num_nulls(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) = 15"), "3");
}

#[test]
fn checks_refuse_what_they_refused() {
    let moved = Moved::new(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, a INTEGER CHECK (a BETWEEN 0 AND 10), s TEXT CHECK (length(s) < 5 AND s LIKE 'a%'), f REAL CHECK (f > 0.5 OR f IS NULL),
            side TEXT COLLATE NOCASE CHECK (side IN ('buy', 'sell')), flag BOOLEAN CHECK (flag = 1), code TEXT CHECK (code GLOB 'x*?'),
            word TEXT COLLATE RTRIM CHECK (word <> 'no'), day DATE CHECK (day >= '2020-01-01'),
            CONSTRAINT named CHECK (CASE WHEN a > 5 THEN s IS NOT NULL ELSE coalesce(f, 1) < 100 END));
         INSERT INTO t VALUES (1, 5, 'Abc', 1.5, 'BUY', 1, 'xyz', 'yes', '2025-01-01'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);",
    );
    moved.is_silent_of(&["check of", "NOT VALID"]);
    assert_eq!(moved.constraints("t", 'c').len(), 9);
    let both = moved.both();
    both.refuse(&[
        "INSERT INTO t (id, a) VALUES (3, 11)",
        "INSERT INTO t (id, s) VALUES (3, 'abcde')",
        "INSERT INTO t (id, s) VALUES (3, 'b')",
        "INSERT INTO t (id, f) VALUES (3, 0.25)",
        "INSERT INTO t (id, side) VALUES (3, 'hold')",
        "INSERT INTO t (id, flag) VALUES (3, false)",
        "INSERT INTO t (id, code) VALUES (3, 'x')",
        "INSERT INTO t (id, code) VALUES (3, 'Xyz')",
        "INSERT INTO t (id, word) VALUES (3, 'no  ')",
        "INSERT INTO t (id, day) VALUES (3, '2019-12-31')",
        "INSERT INTO t (id, a) VALUES (3, 6)",
        "INSERT INTO t (id, f) VALUES (3, 100)",
    ]);
    both.take(&[
        "INSERT INTO t (id, a, s) VALUES (3, 6, 'aßcd')",
        "INSERT INTO t (id, side, word) VALUES (4, 'Sell', ' no')",
        "INSERT INTO t (id, f, code) VALUES (5, 99, 'x%')",
    ]);
    both.assert_equal();
}

#[test]
fn a_check_that_asks_what_postgresql_does_not_know_is_listed_with_its_sql() {
    let moved = Moved::new(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, a INTEGER CHECK (typeof(a) = 'integer'), b TEXT CHECK (json_valid(b)), c TEXT CONSTRAINT digits CHECK (c GLOB '[0-9]*'),
            d INTEGER CHECK (d < 9));
         INSERT INTO t VALUES (1, 1, '{}', '5x', 8);",
    );
    moved.says(&[
        "check of table t is not carried over: typeof()",
        "check digits is not carried over",
    ]);
    moved.env.plan_in_words().expect(0).saying(&[
        "--     typeof (a) = 'integer'",
        "--     json_valid (b)",
        "GLOB '[0-9]*'",
    ]);
    assert_eq!(moved.constraints("t", 'c'), ["CHECK ((d < 9))"]);
    moved.env.query("INSERT INTO t VALUES (2, NULL, 'no json', 'x', NULL)");
}

#[test]
fn a_check_that_rows_break_stays_not_valid_and_names_them() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (a TEXT, b INTEGER, v INTEGER, PRIMARY KEY (a, b), CONSTRAINT positive CHECK (v > 0));
         CREATE TABLE keyless (v INTEGER, CHECK (v <> 3));
         PRAGMA ignore_check_constraints = ON;
         INSERT INTO t VALUES ('x', 1, 0), ('x', 2, 1), ('y', 1, -5); INSERT INTO keyless VALUES (3), (4);",
    );
    let moved = Moved::of(env, &[]);
    moved.says(&[
        "table t: check positive stays NOT VALID, because rows break it: 2 rows: a = x, b = 1; a = y, b = 1",
        "check keyless_check stays NOT VALID, because rows break it: 1 rows: v = 3",
    ]);
    assert_eq!(moved.constraints("t", 'c'), ["!CHECK ((v > 0))"]);
    moved.both().refuse(&["INSERT INTO t VALUES ('z', 1, 0)"]);
    // Another run tells the same.
    let again = moved.env.run(&[]).expect(0);
    assert!(again.says("2 rows: a = x, b = 1; a = y, b = 1"), "{again}");
}
