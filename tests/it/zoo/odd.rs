//! Odd rows that applications have left behind in databases that people use: each arrives as it is, or is set aside.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment};

/// The rows; what each of them becomes stands in the tests.
const ROWS: &str = r#"
    CREATE TABLE moments (id INTEGER PRIMARY KEY, day DATE, mixed DATETIME, naive DATETIME, zoned DATETIME,
        compact VARCHAR(8), stamped VARCHAR(25), seconds INTEGER, duration INTEGER);
    INSERT INTO moments VALUES
        (1, '2025-09-15', '2025-09-15 12:13:22', '2025-09-15 12:13:22', '2025-09-15T12:13:22Z',
         '20250915', '20250915 12:13:22.850619', 1757938397, 10),
        (2, '', '2025-09-15T12:13:22', '2025-09-15 12:13:22.850', '2025-09-15 12:13:22+00:00',
         '20250916', '20250915 12:13:22.850619', 0, 9999999999999),
        (3, NULL, '2025-09-15T12:13:22Z', '1970-01-01T00:00:00.000000', '2025-09-15T12:13:22.850619Z', NULL, NULL, NULL, NULL),
        (4, '1970-01-01', '2025-09-15 12:13:22+00:00', NULL, NULL, NULL, NULL, -1, 0);

    CREATE TABLE strays (id INTEGER PRIMARY KEY, rating INTEGER, timeframe INTEGER, user_id INTEGER, ip INET, flag BOOLEAN,
        word BOOLEAN, token UUID, code TEXT);
    INSERT INTO strays VALUES
        (1, 7, 5, 1758000000, '10.0.0.1', 1, 'True', '550E8400E29B41D4A716446655440000', char(1) || '..'),
        (2, 'N/A', '5m', 'guest_1758000000_1234', '999.0.0.1', 'False', 'False', '650E8400E29B41D4A716446655440000', '\x01..'),
        (3, -1, 15, 2, 'localhost', 0, 'False', NULL, NULL);

    CREATE TABLE numbers (id INTEGER PRIMARY KEY, amount NUMERIC(30, 18), rate REAL, untyped, scaled, snowflake INTEGER, digits TEXT);
    INSERT INTO numbers VALUES
        (1, 5, 6.87e-06, 6.87e-06, 1500000.0, 9223372036854775807, '9223372036854775807'),
        (2, 3407798730.7499, 3.04E-8, 3.04E-8, 0.5, 9223372036854775806, '9223372036854775808'),
        (3, 1e-05, 1e-05, 1e-05, 2.0, -9223372036854775808, '1234567890123456789');

    CREATE TABLE people (handle TEXT PRIMARY KEY, email TEXT UNIQUE, name VARCHAR(30), label VARCHAR(7));
    INSERT INTO people VALUES ('a', NULL, '🐸 Pepe 🇺🇸', 'twelve chars'), ('b', NULL, 'Привет, мир', 'seven 7'),
        (NULL, 'x@y', 'no handle', NULL), (NULL, 'y@z', 'none either', '');

    CREATE TABLE documents (id INTEGER PRIMARY KEY, extra JSON, settings JSONB, large JSON);
    INSERT INTO documents VALUES (1, '{"a": 1}', '{"b": [2]}', '["' || replace(hex(zeroblob(100000)), '00', 'xy') || '"]'),
        (2, 'NaN', '', '[]'), (3, '', '{"b": [2]', NULL), (4, NULL, NULL, '"7"'), (5, '{"a": ', 'NaN', 'null');

    CREATE TABLE pools (id VARCHAR(120) PRIMARY KEY, note TEXT);
    INSERT INTO pools VALUES (replace(hex(zeroblob(30)), '00', '5VER'), 'x'), (replace(hex(zeroblob(30)), '00', '5VEr'), 'y');

    CREATE TABLE locks (id INTEGER PRIMARY KEY, lock_start DATETIME NOT NULL, lock_end DATETIME NOT NULL);
    INSERT INTO locks VALUES (1, '2025-09-15 12:00:00.000000', '2025-09-14 12:00:00.000000');

    CREATE TABLE "Order" (id INTEGER PRIMARY KEY, trade INTEGER REFERENCES trades (id), "current_date" TEXT, "end" INTEGER,
        "interval" TEXT, "key" TEXT, "timestamp" DATETIME);
    CREATE TABLE trades (id INTEGER PRIMARY KEY AUTOINCREMENT, pair TEXT);
    INSERT INTO trades VALUES (1, 'ETH/USDT'), (900, 'gone'); DELETE FROM trades WHERE id = 900;
    INSERT INTO "Order" VALUES (1, 1, 'today', 9, '5m', 'k', '2025-09-15 12:13:22'), (2, 404, NULL, NULL, NULL, NULL, NULL);
    CREATE INDEX "text" ON "Order" ("key"); CREATE INDEX integer ON "Order" ("end", "interval"); CREATE INDEX "timestamp" ON trades (pair);

    CREATE TABLE trades_bak0 AS SELECT * FROM trades;
    CREATE TABLE leaderboard (id INTEGER PRIMARY KEY, miner TEXT, score REAL);

    CREATE TABLE ticks (id INTEGER PRIMARY KEY, at INTEGER);
    INSERT INTO ticks VALUES (1, 100), (2, 1757938397);
    CREATE TRIGGER forget AFTER INSERT ON ticks BEGIN DELETE FROM ticks WHERE at < 1000000; END;"#;

fn odd() -> Environment {
    let env = Environment::new();
    env.sqlite(ROWS);
    env
}

/// The rows of a table, as the server writes them.
fn rows(env: &Environment, table: &str) -> Vec<String> {
    env.column(&format!("SET TimeZone = 'UTC'; SELECT t::text FROM {table} AS t ORDER BY 1"))
}

/// The columns of the target, each with its type.
fn types(env: &Environment) -> Vec<String> {
    env.column(
        "SELECT relname || ': ' || string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
         FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 GROUP BY relname ORDER BY relname COLLATE \"C\"",
    )
}

#[test]
fn odd_rows_arrive_as_they_are_in_the_types_that_hold_them() {
    let env = odd();
    let done = env.run(&[]).expect(0);
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!((compared.tables, compared.rows), (12, 28));
    env.verify().expect(0);
    assert_eq!(
        types(&env),
        [
            "Order: id bigint, trade bigint, current_date text, end bigint, interval text, key text, timestamp timestamp without time zone",
            "documents: id bigint, extra text, settings text, large json",
            "leaderboard: id bigint, miner text, score double precision",
            "locks: id bigint, lock_start timestamp without time zone, lock_end timestamp without time zone",
            "moments: id bigint, day text, mixed text, naive timestamp without time zone, zoned timestamp with time zone, \
             compact character varying(8), stamped character varying(25), seconds bigint, duration bigint",
            "numbers: id bigint, amount numeric(30,18), rate double precision, untyped double precision, \
             scaled double precision, snowflake bigint, digits text",
            "people: handle text, email text, name character varying(30), label text",
            "pools: id character varying(120), note text",
            "strays: id bigint, rating text, timeframe text, user_id text, ip text, flag text, word boolean, token uuid, code text",
            "ticks: id bigint, at bigint",
            "trades: id bigint, pair text",
            "trades_bak0: id bigint, pair text",
        ]
    );
    holds_every_value(&env);
    tells_what_is_not_as_declared(&done);
    keeps_the_rules(&env);
}

fn holds_every_value(env: &Environment) {
    assert_eq!(
        rows(env, "moments"),
        [
            r#"(1,2025-09-15,"2025-09-15 12:13:22","2025-09-15 12:13:22","2025-09-15 12:13:22+00",20250915,"20250915 12:13:22.850619",1757938397,10)"#,
            r#"(2,"",2025-09-15T12:13:22,"2025-09-15 12:13:22.85","2025-09-15 12:13:22+00",20250916,"20250915 12:13:22.850619",0,9999999999999)"#,
            r#"(3,,2025-09-15T12:13:22Z,"1970-01-01 00:00:00","2025-09-15 12:13:22.850619+00",,,,)"#,
            r#"(4,1970-01-01,"2025-09-15 12:13:22+00:00",,,,,-1,0)"#,
        ]
    );
    assert_eq!(
        rows(env, "strays"),
        [
            "(1,7,5,1758000000,10.0.0.1,1,t,550e8400-e29b-41d4-a716-446655440000,\u{1}..)",
            r#"(2,N/A,5m,guest_1758000000_1234,999.0.0.1,False,f,650e8400-e29b-41d4-a716-446655440000,"\\x01..")"#,
            "(3,-1,15,2,localhost,0,f,,)",
        ]
    );
    assert_eq!(
        rows(env, "numbers"),
        [
            "(1,5.000000000000000000,6.87e-06,6.87e-06,1500000,9223372036854775807,9223372036854775807)",
            "(2,3407798730.749900000000000000,3.04e-08,3.04e-08,0.5,9223372036854775806,9223372036854775808)",
            "(3,0.000010000000000000,1e-05,1e-05,2,-9223372036854775808,1234567890123456789)",
        ]
    );
    assert_eq!(
        env.column("SELECT t::text FROM people t ORDER BY name"),
        [
            r#"(,x@y,"no handle",)"#,
            r#"(,y@z,"none either","")"#,
            r#"(b,,"Привет, мир","seven 7")"#,
            r#"(a,,"🐸 Pepe 🇺🇸","twelve chars")"#,
        ]
    );
    assert_eq!(
        env.column("SELECT concat_ws('|', id, extra, settings, length(large::text), left(large::text, 4)) FROM documents ORDER BY id"),
        [
            r#"1|{"a": 1}|{"b": [2]}|200004|["xy"#,
            "2|NaN||2|[]",
            r#"3||{"b": [2]"#,
            r#"4|3|"7""#,
            r#"5|{"a": |NaN|4|null"#,
        ]
    );
    assert_eq!(
        env.column("SELECT octet_length(id) || note FROM pools ORDER BY id"),
        ["120x", "120y"]
    );
    assert_eq!(rows(env, "locks"), [r#"(1,"2025-09-15 12:00:00","2025-09-14 12:00:00")"#]);
    assert_eq!(
        rows(env, "\"Order\""),
        [r#"(1,1,today,9,5m,k,"2025-09-15 12:13:22")"#, "(2,404,,,,,)"]
    );
    assert_eq!(rows(env, "trades_bak0"), ["(1,ETH/USDT)"]);
    assert_eq!(rows(env, "leaderboard"), [""; 0]);
    assert_eq!(rows(env, "ticks"), ["(1,100)", "(2,1757938397)"]);
}

fn tells_what_is_not_as_declared(done: &Done) {
    for line in [
        "column day: declared DATE, becomes text",
        "column mixed: declared DATETIME, becomes text",
        "column rating: declared INTEGER, becomes text",
        "column timeframe: declared INTEGER, becomes text",
        "column user_id: declared INTEGER, becomes text",
        "column ip: declared INET, becomes text",
        "column flag: declared BOOLEAN, becomes text",
        "column label: declared VARCHAR(7), becomes text: the longest has 12 characters",
        "column extra: declared JSON, becomes text: 3 of 4 texts are no JSON documents",
        "column settings: declared JSONB, becomes text: 3 of 4 texts are no JSON documents",
        "unique key people_key: the source's primary key holds NULLs",
        "trigger forget is not carried over",
        "foreign key Order_trade_fkey stays NOT VALID, because rows break it: 1 rows: id = 2, trade = 404",
    ] {
        assert!(done.says(line), "`{line}` is not in\n{done}");
    }
}

/// Keys, counters and indexes hold, and nothing that ran in the source runs in the target.
fn keeps_the_rules(env: &Environment) {
    let target = env.connect();
    for refused in [
        "INSERT INTO people (handle) VALUES ('a')",
        "INSERT INTO people (email) VALUES ('x@y')",
        "INSERT INTO pools SELECT id FROM pools",
        "INSERT INTO \"Order\" (trade) VALUES (405)",
    ] {
        assert!(target.try_query(refused).is_err(), "{refused}");
    }
    target.query("INSERT INTO people (name) VALUES ('third')");
    assert_eq!(env.value("INSERT INTO trades (pair) VALUES ('x') RETURNING id"), "901");
    assert_eq!(env.value("INSERT INTO ticks (at) VALUES (5) RETURNING id"), "3");
    assert_eq!(env.value("SELECT count(*) FROM ticks"), "3");
    let indexes = "SELECT indexdef FROM pg_indexes WHERE indexname IN ('text', 'integer', 'timestamp') ORDER BY indexname COLLATE \"C\"";
    assert_eq!(
        env.column(indexes),
        [
            "CREATE INDEX \"integer\" ON public.\"Order\" USING btree (\"end\", \"interval\")",
            "CREATE INDEX text ON public.\"Order\" USING btree (key)",
            "CREATE INDEX \"timestamp\" ON public.trades USING btree (pair)",
        ]
    );
}

/// What the user may ask for instead.
const SAID: &str = r#"
    [tables.moments.columns]
    day = { type = "date" }
    mixed = { type = "timestamptz", zone = "UTC" }
    compact = { type = "date", from = "yyyymmdd" }
    seconds = { type = "timestamptz", from = "unix_s" }
    [tables.strays.columns]
    rating = { type = "int8" }
    timeframe = { type = "int8" }
    user_id = { type = "int8" }
    ip = { type = "inet" }
    flag = { type = "bool" }
    [tables.people.columns]
    label = { type = "varchar(7)" }
    [tables.documents.columns]
    extra = { type = "jsonb" }
    settings = { type = "jsonb" }
    [tables.numbers.columns]
    scaled = { type = "numeric" }
"#;

#[test]
fn odd_rows_are_converted_where_that_is_asked_for_and_set_aside_where_they_do_not_fit() {
    let env = odd();
    // A counter of a program that wrote its memory: 42 in eight bytes, the lowest first.
    env.sqlite(
        "CREATE TABLE buffers (id INTEGER PRIMARY KEY, last INTEGER);
         INSERT INTO buffers VALUES (1, 7), (2, x'2a00000000000000'), (3, 9)",
    );
    let file = env.path("pipeline.toml");
    let ends = format!("[source]\npath = 'source.db'\n[target]\nurl = '{}'\n", env.url());
    std::fs::write(&file, ends + SAID).unwrap();
    env.liteferry(&["run", "--no-capture", "--json", file.to_str().unwrap()]).expect(65);
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(65);
    let rejects = "SELECT concat_ws(' ', table_name, row_name, column_name, storage_class,
                          CASE storage_class WHEN 'blob' THEN encode(value, 'hex') ELSE convert_from(value, 'UTF8') END)
                   FROM liteferry.reject ORDER BY 1";
    assert_eq!(
        env.column(rejects),
        [
            "buffers rowid 2 last blob 2a00000000000000",
            "documents rowid 2 extra text NaN",
            "documents rowid 2 settings text ",
            "documents rowid 3 extra text ",
            r#"documents rowid 3 settings text {"b": [2]"#,
            r#"documents rowid 5 extra text {"a": "#,
            "documents rowid 5 settings text NaN",
            "moments rowid 2 day text ",
            "people rowid 1 label text twelve chars",
            "strays rowid 2 flag text False",
            "strays rowid 2 ip text 999.0.0.1",
            "strays rowid 2 rating text N/A",
            "strays rowid 2 timeframe text 5m",
            "strays rowid 2 user_id text guest_1758000000_1234",
            "strays rowid 3 ip text localhost",
        ]
    );
    assert_eq!(
        env.column("SET TimeZone = 'UTC'; SELECT concat_ws('|', id, day, mixed, compact, seconds) FROM moments ORDER BY id"),
        [
            "1|2025-09-15|2025-09-15 12:13:22+00|2025-09-15|2025-09-15 12:13:17+00",
            "3|2025-09-15 12:13:22+00",
            "4|1970-01-01|2025-09-15 12:13:22+00|1969-12-31 23:59:59+00",
        ]
    );
    assert_eq!(env.column("SELECT ip || ' ' || flag FROM strays"), ["10.0.0.1/32 true"]);
    assert_eq!(env.column("SELECT scaled FROM numbers ORDER BY id"), ["1500000", "0.5", "2"]);
    assert_eq!(env.column("SELECT extra -> 'a' FROM documents ORDER BY id"), ["1", ""]);
    assert_eq!(env.column("SELECT last FROM buffers ORDER BY id"), ["7", "9"]);
}
