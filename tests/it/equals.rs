//! Times that another column of their rows tells too: it decides wall clocks that came twice, and what it contradicts is
//! a misfit. What the instants are, SQLite and PostgreSQL say.

use crate::environment::{Done, Environment};
use liteferry::sample::trading::{Sizes, Trading};
use liteferry::store::sqlite::fill::{Journal, fill};
use std::os::unix::process::ExitStatusExt;

/// A summer's time with and without a fraction, an hour that came twice with each of its instants, without one, and with
/// another; times that a column contradicts by a second and by a word, one that clocks never showed, and NULL.
const SOURCE: &str = "
    CREATE TABLE candles (id INTEGER PRIMARY KEY, \"local time\" DATETIME, timestamp BIGINT, note TEXT);
    INSERT INTO candles VALUES
        (1, '2025-09-15 06:13:18', unixepoch('2025-09-15 12:13:18'), 'summer'),
        (2, '2025-09-15 06:13:18.750000', unixepoch('2025-09-15 12:13:18'), 'fraction'),
        (3, '2025-11-02 01:30:00', unixepoch('2025-11-02 07:30:00'), 'first'),
        (4, '2025-11-02 01:30:00', unixepoch('2025-11-02 08:30:00'), 'second'),
        (5, '2025-11-02 01:30:00', NULL, 'either'),
        (6, '2025-11-02 01:30:00', unixepoch('2025-11-02 09:30:00'), 'neither'),
        (7, '2025-09-15 06:13:18', unixepoch('2025-09-15 12:13:19'), 'late'),
        (8, '2025-09-15 06:13:18', 'soon', 'a word'),
        (9, '2025-03-09 02:30:00', unixepoch('2025-03-09 09:30:00'), 'never shown'),
        (10, NULL, unixepoch('2025-09-15 12:13:18'), 'nothing'),
        (11, '2025-09-15 06:13:18', NULL, 'unchecked');";

const SAID: &str =
    "type = 'timestamptz', from = 'iso8601', zone = 'America/Denver', equals = 'timestamp as unix'";

fn prepared(sql: &str) -> Environment {
    let env = Environment::new();
    env.sqlite(sql);
    env
}

/// Writes a pipeline file that says this of tables from its eighth line on.
fn write(env: &Environment, tables: &str) -> String {
    let file = env.path("pipeline.toml");
    let url = env.url();
    let head =
        format!("name = 'file'\n[source]\npath = 'source.db'\n\n[target]\nurl = '{url}'\n\n");
    std::fs::write(&file, head + tables).unwrap();
    file.to_str().unwrap().into()
}

fn candles(more: &str) -> String {
    format!("[tables.candles.columns]\n\"local time\" = {{ {SAID}{more} }}")
}

fn run(env: &Environment, tables: &str) -> Done {
    let file = write(env, tables);
    env.liteferry(&["run", "--no-capture", "--json", &file])
}

fn plan(env: &Environment, tables: &str) -> Done {
    let file = write(env, tables);
    env.liteferry(&["plan", &file])
}

fn instants(env: &Environment) -> Vec<String> {
    env.column(
        "SELECT concat_ws(' ', id, \"local time\" AT TIME ZONE 'UTC') FROM candles ORDER BY id",
    )
}

const REJECTS: &str = "SELECT concat_ws(' ', row_name, column_name, storage_class, convert_from(value, 'UTF8'), policy) || ': ' || reason
    FROM liteferry.reject ORDER BY row_name";

#[test]
fn an_hour_that_came_twice_is_decided_and_what_is_contradicted_is_set_aside() {
    let env = prepared(SOURCE);
    let done = run(&env, &candles("")).expect(65);
    assert_eq!(done.json()["tables"][0]["rejected"], 4, "{done}");
    assert_eq!(done.json()["tables"][0]["equal"], true, "{done}");
    assert!(done.says("not decided by it: the first is taken: 1"), "{done}");
    let loaded = [
        "1 2025-09-15 12:13:18",
        "2 2025-09-15 12:13:18.75",
        "3 2025-11-02 07:30:00",
        "4 2025-11-02 08:30:00",
        "5 2025-11-02 07:30:00",
        "10",
        "11 2025-09-15 12:13:18",
    ];
    assert_eq!(instants(&env), loaded);
    let rejected = [
        "rowid 6 local time text 2025-11-02 01:30:00 reject: it means 2025-11-02T07:30:00Z or 2025-11-02T08:30:00Z, \
         and `timestamp as unix` is INTEGER 1762075800 (2025-11-02T09:30:00Z)",
        "rowid 7 local time text 2025-09-15 06:13:18 reject: it means 2025-09-15T12:13:18Z, \
         and `timestamp as unix` is INTEGER 1757938399 (2025-09-15T12:13:19Z)",
        "rowid 8 local time text 2025-09-15 06:13:18 reject: it means 2025-09-15T12:13:18Z, \
         and `timestamp as unix` is TEXT 'soon' (a TEXT is no value of this column)",
        "rowid 9 local time text 2025-03-09 02:30:00 reject: the zone's clocks never showed this time",
    ];
    assert_eq!(env.column(REJECTS), rejected);
    let file = env.path("pipeline.toml");
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(65);
    // Decided afterwards, just these rows are loaded, by the same rule.
    run(&env, &candles(", misfits = 'null'")).expect(0);
    let all = env.column("SELECT concat_ws(' ', id, \"local time\" AT TIME ZONE 'UTC', note) FROM candles WHERE id BETWEEN 4 AND 9 ORDER BY id");
    assert_eq!(
        all,
        [
            "4 2025-11-02 08:30:00 second",
            "5 2025-11-02 07:30:00 either",
            "6 neither",
            "7 late",
            "8 a word",
            "9 never shown"
        ]
    );
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(0);
    // What was compared is no longer to be changed.
    run(&env, &candles(", misfits = 'null'").replace(" as unix'", " as unix_ms'")).expect(78);
}

#[test]
fn the_plan_counts_what_is_contradicted_decided_and_open_and_changes_nothing() {
    let env = prepared(SOURCE);
    let told = plan(&env, &candles("")).expect(0);
    for words in [
        "compares it with `timestamp as unix`; times contradicted by it: 3;",
        "that came twice when clocks were set back, decided by it: 2;",
        "that came twice, not decided by it: the first is taken: 1;",
        "values that do not fit: 4, their rows are set aside",
    ] {
        let warnings = told.to_string();
        assert!(warnings.contains(words), "no `{words}` in {told}");
    }
    plan(&env, &candles(", misfits = 'null'"))
        .expect(0)
        .saying(&["values that do not fit: 4, they become NULL"]);
    run(&env, &candles(", misfits = 'fail'"))
        .expect(65)
        .saying(&["column local time", "values that do not fit timestamptz: 4"]);
    let there = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'liteferry')";
    assert_eq!(env.value(there), "0");
}

#[test]
fn a_default_takes_the_place_of_what_is_contradicted_in_a_table_that_exists() {
    let env = prepared(SOURCE);
    env.query("CREATE TABLE candles (id bigint PRIMARY KEY, \"local time\" timestamptz, timestamp text, note text)");
    let said = candles(", misfits = 'default', default = '2000-01-01 00:00:00'");
    let done = run(&env, &said).expect(0);
    assert_eq!(done.json()["misfits"][0]["policy"], "default");
    let defaults =
        "SELECT id FROM candles WHERE \"local time\" = '2000-01-01 07:00:00Z' ORDER BY id";
    assert_eq!(env.column(defaults), ["6", "7", "8", "9"]);
    let decided = "SELECT concat_ws(' ', id, \"local time\" AT TIME ZONE 'UTC') FROM candles WHERE id IN (3, 4) ORDER BY id";
    assert_eq!(env.column(decided), ["3 2025-11-02 07:30:00", "4 2025-11-02 08:30:00"]);
}

/// How a column writes the instant and the one a unit later; `{}` stands for it in seconds, whole, in UTC.
const WRITTEN: [(&str, &str, &str); 12] = [
    ("unix", "{}", "{} + 1"),
    ("unix_s", "{} + 0.75", "{} - 0.25"),
    ("unix_ms", "{} * 1000 + 123", "{} * 1000 + 124"),
    ("unix_us", "{} * 1000000 + 123456", "{} * 1000000 + 123457"),
    ("unix_ns", "{} * 1000000000 + 123456789", "{} * 1000000000 + 123457000"),
    ("julian", "julianday({} + 0.123, 'unixepoch')", "julianday({} + 0.124, 'unixepoch')"),
    ("core_data", "{} - unixepoch('2001-01-01')", "{} - unixepoch('2001-01-01') + 1"),
    (
        "webkit",
        "({} - unixepoch('1601-01-01')) * 1000000 + 123456",
        "({} - unixepoch('1601-01-01')) * 1000000 + 123455",
    ),
    (
        "iso8601",
        "datetime({}, 'unixepoch', '+90 minutes') || '.123456+01:30'",
        "datetime({}, 'unixepoch') || '.123456+01:30'",
    ),
    (
        "iso8601 in Asia/Kathmandu",
        "datetime({}, 'unixepoch', '345 minutes') || '.123456'",
        "datetime({}, 'unixepoch') || '.123456'",
    ),
    (
        "dmy in UTC",
        "strftime('%d.%m.%Y %H:%M:%S.123456', {}, 'unixepoch')",
        "strftime('%m.%d.%Y %H:%M:%S.123456', {}, 'unixepoch')",
    ),
    (
        "yyyymmdd in UTC",
        "strftime('%Y%m%dT%H%M%S.123456', {}, 'unixepoch')",
        "strftime('%Y%m%dT%H%M%S.123457', {}, 'unixepoch')",
    ),
];

#[test]
fn every_way_to_write_times_decides_and_contradicts_within_its_unit() {
    let env = Environment::new();
    // Wall clocks of one hour that came twice, in three ways of writing.
    let (first, second) = ("unixepoch('2025-11-02 07:30:00')", "unixepoch('2025-11-02 08:30:00')");
    let own = [
        ("'2025-11-02 01:30:00.123456'", "from = 'iso8601'"),
        ("'02/11/2025 01:30:00.123456'", "from = 'dmy'"),
        ("'20251102T013000.123456'", "from = 'yyyymmdd'"),
    ];
    let (mut columns, mut rows, mut said) = (Vec::new(), [const { Vec::new() }; 3], String::new());
    for (number, (form, same, other)) in WRITTEN.into_iter().enumerate() {
        let (wall, from) = own[number % own.len()];
        columns.push(format!("w{number} DATETIME, \"at as {number}\""));
        let beside =
            [same.replace("{}", first), same.replace("{}", second), other.replace("{}", first)];
        for (row, beside) in rows.iter_mut().zip(beside) {
            row.push(format!("{wall}, {beside}"));
        }
        said.push_str(&format!(
            "w{number} = {{ type = 'timestamptz', {from}, zone = 'America/Denver', equals = 'at as {number} as {form}' }}\n"
        ));
    }
    let rows: Vec<_> =
        rows.iter().enumerate().map(|(id, row)| format!("({id}, {})", row.join(", "))).collect();
    env.sqlite(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, {}); INSERT INTO t VALUES {}",
        columns.join(", "),
        rows.join(", ")
    ));
    let done = run(&env, &format!("[tables.t.columns]\n{said}")).expect(65);
    assert_eq!(done.json()["tables"][0]["rejected"], 1, "{done}");
    for (number, (form, ..)) in WRITTEN.into_iter().enumerate() {
        let became = format!("SELECT w{number} AT TIME ZONE 'UTC' FROM t ORDER BY id");
        let decided = ["2025-11-02 07:30:00.123456", "2025-11-02 08:30:00.123456"];
        assert_eq!(env.column(&became), decided, "{form}");
        let reason = env
            .value(&format!("SELECT reason FROM liteferry.reject WHERE column_name = 'w{number}'"));
        assert!(reason.contains(&format!("`at as {number} as {form}`")), "{reason}");
    }
}

#[test]
fn instants_that_are_no_wall_clocks_are_compared_too() {
    let env = prepared(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, ms INTEGER, s INTEGER);
         INSERT INTO t VALUES (1, '2025-09-15T12:13:18.5Z', 1757938398500, 1757938398),
            (2, '2025-09-15T14:13:18.5+02:00', 1757938398500, 1757938398), (3, '2025-09-15T12:13:18.5Z', 1757938398501, 1757938397);",
    );
    let said = "[tables.t.columns]\nat = { type = 'timestamptz', equals = 'ms as unix_ms' }
        ms = { type = 'timestamptz', from = 'unix_ms', equals = 's as unix' }";
    run(&env, said).expect(65);
    assert_eq!(env.column("SELECT id FROM t WHERE at = ms ORDER BY id"), ["1", "2"]);
    let rejects =
        env.column("SELECT column_name || ': ' || reason FROM liteferry.reject ORDER BY 1");
    assert_eq!(
        rejects,
        [
            "at: it means 2025-09-15T12:13:18.5Z, and `ms as unix_ms` is INTEGER 1757938398501 (2025-09-15T12:13:18.501Z)",
            "ms: it means 2025-09-15T12:13:18.501Z, and `s as unix` is INTEGER 1757938397 (2025-09-15T12:13:17Z)",
        ]
    );
}

#[test]
fn a_run_that_died_and_a_source_that_is_damaged_are_compared_by_the_same_rule() {
    let env = prepared(
        "CREATE TABLE candles (id INTEGER PRIMARY KEY, \"local time\" DATETIME, timestamp BIGINT, note TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO candles SELECT i, strftime('%Y-%m-%d 01:%M:%S', s, 'unixepoch'), s + (i = 1999), 'note of ' || i || '.'
         FROM (SELECT i, unixepoch('2025-11-02 07:00:00') + i * 3 AS s FROM n)",
    );
    let mut bytes = std::fs::read(env.source()).unwrap();
    let lost = bytes.windows(13).position(|window| window == b"note of 1000.").unwrap();
    let page = lost / 4096 * 4096;
    bytes[page..page + 4096].fill(0);
    std::fs::write(env.source(), bytes).unwrap();
    let file = write(&env, &candles(""));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("[target]", "accept_corrupt = true\n[target]");
    std::fs::write(&file, format!("{text}\n[snapshot]\nchunk_bytes = 4096")).unwrap();
    let arguments = ["run", "--no-capture", "--workers", "1", &file];
    let mut command = env.command();
    command.args(arguments).env("LITEFERRY_FAIL", "chunk-committed:5=kill");
    assert_eq!(command.output().unwrap().status.signal(), Some(9));
    let before: u32 = env.value("SELECT count(*) FROM candles").parse().unwrap();
    assert!(before > 0 && before < 1800, "{before}");
    env.liteferry(&arguments).expect(65);
    let (rows, wrong) = (
        env.value("SELECT count(*) FROM candles").parse::<u32>().unwrap(),
        env.value(
            "SELECT count(*) FROM candles WHERE extract(epoch FROM \"local time\") <> timestamp",
        ),
    );
    assert!(rows > 1800 && rows < 1999, "{rows}");
    assert_eq!(wrong, "0");
    let both = "SELECT count(*) FROM candles WHERE \"local time\" < '2025-11-02 08:00Z' AND id < 900
                UNION ALL SELECT count(*) FROM candles WHERE \"local time\" >= '2025-11-02 08:00Z' AND id > 1200";
    assert_eq!(env.column(both), ["899", "799"]);
    assert_eq!(env.column("SELECT row_name FROM liteferry.reject"), ["rowid 1999"]);
}

#[test]
fn what_cannot_be_compared_must_be_decided_in_its_line() {
    let env = prepared(SOURCE);
    let zone = "type = 'timestamptz', zone = 'America/Denver'";
    for (said, words) in [
        (format!("{zone}, equals = 'stamp as unix'"), "there is no column `stamp`"),
        (format!("{zone}, equals = 'timestamp as minutes'"), "times are not written as `minutes`"),
        (
            format!("{zone}, equals = 'timestamp'"),
            "it does not say which column, and how it is written",
        ),
        (format!("{zone}, equals = 'local time as iso8601'"), "it names the column itself"),
        (format!("{zone}, equals = 'timestamp as unix in UTC'"), "an epoch counts instants"),
        (format!("{zone}, equals = 'note as dmy'"), "write `equals = \"note as dmy in UTC\"`"),
        (
            format!("{zone}, equals = 'note as iso8601 in Mars/Olympus'"),
            "there is no time zone `Mars/Olympus`",
        ),
        (
            "type = 'timestamptz', equals = 'timestamp as unix'".into(),
            "in which zone its times without an offset are",
        ),
        (
            "type = 'timestamp', equals = 'timestamp as unix'".into(),
            "only instants can be compared, and timestamp is none",
        ),
        (
            "type = 'text', equals = 'timestamp as unix'".into(),
            "only instants can be compared, and text is none",
        ),
    ] {
        let tables = format!("[tables.candles.columns]\n\"local time\" = {{ {said} }}");
        let done = plan(&env, &tables).expect(78);
        let line = "table candles: column local time: line 9 of the pipeline file, `equals = ";
        done.saying(&[line, words]);
    }
    // Where nothing agrees, the zone is wrong rather than every row.
    let wrong = candles("").replace("America/Denver", "Europe/Berlin");
    env.sqlite("DELETE FROM candles WHERE timestamp IS NULL");
    plan(&env, &wrong).expect(78).saying(&[
        "table candles: column local time: no value is timestamptz",
        "equal to `timestamp as unix`",
        "choose another `zone`",
    ]);
}

#[test]
fn init_offers_a_column_that_agrees_in_some_zone_and_none_that_one_row_contradicts() {
    let env = Environment::new();
    let sample = Trading::new(7, Sizes::for_rows(1000));
    fill(&env.source(), &sample, Journal::Delete, &mut |_| ()).unwrap();
    env.sqlite(
        "CREATE TABLE almost (timestamp BIGINT, datetime DATETIME);
         INSERT INTO almost SELECT timestamp, datetime FROM ohlcv_data; UPDATE almost SET timestamp = timestamp + 3600 WHERE rowid = 77;
         CREATE TABLE fine (ms INTEGER, at DATETIME, id INTEGER);
         INSERT INTO fine VALUES (1757938398123, '2025-09-15 12:13:18.123456', 1), (NULL, '2020-01-01 00:00:00', 2)",
    );
    env.liteferry(&env.ends("init", &["--output", "pipeline.toml"])).expect(0);
    let text = std::fs::read_to_string(env.path("pipeline.toml")).unwrap();
    let offered: Vec<_> = text.lines().filter(|line| line.contains("equals = ")).collect();
    let lines = [
        "# at = { type = \"timestamptz\", zone = \"UTC\", equals = \"ms as unix_ms\" }",
        "# datetime = { type = \"timestamptz\", zone = \"America/Denver\", equals = \"timestamp as unix_s\" }",
    ];
    assert_eq!(offered.len(), lines.len(), "{text}");
    for (offered, line) in offered.iter().zip(lines) {
        assert!(offered.starts_with(line), "{offered}");
        assert!(offered.contains("# instead: in all "), "{offered}");
    }
    // What is offered holds for every row.
    let taken = lines
        .iter()
        .fold(text.clone(), |text, line| text.replace(line, line.trim_start_matches("# ")));
    std::fs::write(env.path("pipeline.toml"), taken).unwrap();
    env.liteferry(&["run", "--no-capture", "pipeline.toml"]).expect(0);
    let apart = "SELECT count(*) FILTER (WHERE extract(epoch FROM datetime) = timestamp) || ' of ' || count(*) FROM ohlcv_data";
    let rows = env.value("SELECT count(*) FROM ohlcv_data");
    assert_eq!(env.value(apart), format!("{rows} of {rows}"));
}
