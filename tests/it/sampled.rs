//! A census that is a sample: what it chooses, what it says of itself, and what becomes of what it did not see.
//!
//! A table of evenly standing rows is seen to row 16,384, in its last 256 rows, and in 64 slices of 256 rows between.
//! Strays stand behind slices; that no slice saw them is seen from the plan.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment};
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, SystemTime};

/// Rows of a table that is too large to be seen whole.
const ROWS: i64 = 60_000;

/// A row that stands behind a slice, just before the next one: as rows stand evenly, what is widest is halved.
fn behind_slice(number: usize) -> i64 {
    let mut spans = vec![(16_385, ROWS - 256)];
    while spans.len() < 64 {
        let width = |&(first, last): &(i64, i64)| last - (first + 255);
        let widest = spans.iter_mut().max_by_key(|span| width(span)).unwrap();
        let (first, last) = *widest;
        let middle = first + 255 + (last - (first + 255) + 1) / 2;
        widest.1 = middle - 1;
        spans.push((middle, last));
    }
    spans.sort_unstable();
    spans[number].1
}

fn numbers(count: i64) -> String {
    format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) ")
}

/// A pipeline file with a sample as census, which says this beside.
fn write(env: &Environment, said: &str) -> String {
    let file = env.path("pipeline.toml");
    let text = format!(
        "name = 'source'\n[source]\npath = 'source.db'\ncensus = 'sample'\n[target]\nurl = '{}'\n[snapshot]\nchunk_bytes = 262144\n{said}",
        env.url()
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().into()
}

fn run(env: &Environment, said: &str) -> Done {
    let file = write(env, said);
    env.liteferry(&["run", "--no-capture", "--json", "--workers", "2", &file])
}

fn plan(env: &Environment, said: &str) -> Value {
    let file = write(env, said);
    env.liteferry(&["plan", "--json", &file]).expect(0).json().clone()
}

fn status(env: &Environment) -> Value {
    let done = env.liteferry(&env.ends("status", &[])).expect(0);
    done.json()["migrations"][0].clone()
}

fn table<'r>(report: &'r Value, name: &str) -> &'r Value {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|table| table["name"] == name).unwrap_or_else(|| panic!("{report}"))
}

/// A table with a stray in each column, each in a row of its own.
fn strays() -> String {
    let rows = numbers(ROWS);
    let update =
        |number, set: &str| format!("UPDATE t SET {set} WHERE id = {};", behind_slice(number));
    let strays = [
        "n = 'N/A'",
        "note = x'00ff'",
        "code = 'too long a code'",
        "price = 1.005",
        "at = '2025-03-30 02:30:00'",
        "flag = 2",
        "doc = '{'",
        "uid = 'none'",
        "name = CAST(x'ff' AS TEXT)",
        "at = 'soon'",
        "made = made + 1",
    ];
    let strays: String =
        (0..).zip(strays).map(|(number, set)| update(number * 5 + 2, set)).collect();
    format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, note TEXT, code VARCHAR(8), price DECIMAL(8, 2), at TEXT,
            flag BOOLEAN, doc JSON, uid UUID, name TEXT, any, day DATETIME, late DATETIME,
            made INTEGER, clock TEXT);
         {rows} INSERT INTO t SELECT i, i, 'note ' || i, 'c' || i, i / 4.0, datetime(1735689600 + i, 'unixepoch'), i % 2,
            '{{\"i\":' || i || '}}', printf('%08x-0000-4000-8000-000000000000', i), 'name', 'any', date(i * 1000, 'unixepoch'), NULL, i * 60,
            datetime(i * 60, 'unixepoch') FROM n;
         {strays}
         -- What a sample did not see, and what a wider reading of the same type holds.
         UPDATE t SET any = 5, at = '2025-06-01T12:00:00+02:00', day = '2025-06-01 12:34:56', late = 1700000000 WHERE id = {};
         CREATE TABLE keyed (k INT PRIMARY KEY, v TEXT); {rows} INSERT INTO keyed SELECT i, 'v' FROM n; UPDATE keyed SET k = NULL WHERE rowid = {};
         CREATE TABLE small (a INTEGER, b); INSERT INTO small VALUES (1, 'x'), ('two', 2);
         CREATE TABLE pairs (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID; {rows} INSERT INTO pairs SELECT 'a' || i, i FROM n WHERE i < 20000;",
        behind_slice(60),
        behind_slice(10),
    )
}

const ZONE: &str = "[tables.t.columns]\nat = { type = 'timestamptz', zone = 'Europe/Berlin' }
    clock = { type = 'timestamptz', zone = 'UTC', equals = 'made as unix' }";

/// The strays, with their exact bytes.
fn assert_set_aside(env: &Environment) {
    let row = behind_slice;
    let rejects = "SELECT table_name || ' ' || row_name || ' ' || column_name || ' ' || storage_class || ' ' || encode(value, 'hex')
        || ' ' || policy FROM liteferry.reject ORDER BY table_name, row_name, column_name";
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        env.column(rejects),
        [
            format!("keyed rowid {} k null  reject", row(10)),
            format!("t rowid {} n text {} reject", row(2), hex("N/A")),
            format!("t rowid {} note blob 00ff reject", row(7)),
            format!("t rowid {} code text {} reject", row(12), hex("too long a code")),
            format!("t rowid {} price real {:016x} reject", row(17), 1.005_f64.to_bits()),
            format!("t rowid {} at text {} reject", row(22), hex("2025-03-30 02:30:00")),
            format!("t rowid {} flag integer 0000000000000002 reject", row(27)),
            format!("t rowid {} doc text {} reject", row(32), hex("{")),
            format!("t rowid {} uid text {} reject", row(37), hex("none")),
            format!("t rowid {} name text ff reject", row(42)),
            format!("t rowid {} at text {} reject", row(47), hex("soon")),
            format!("t rowid {} clock text {} reject", row(52), hex("1970-02-06 15:49:00")),
        ]
    );
}

/// All other rows are those of a source without the strays.
fn assert_others_arrived(env: &Environment) {
    let others = env.path("others.db");
    fs::copy(env.source(), &others).unwrap();
    let sqlite = rusqlite::Connection::open(&others).unwrap();
    let gone: Vec<_> = (2..=52).step_by(5).map(|number| behind_slice(number).to_string()).collect();
    sqlite
        .execute_batch(&format!(
            "DELETE FROM keyed WHERE k IS NULL; DELETE FROM t WHERE id IN ({})",
            gone.join(", ")
        ))
        .unwrap();
    let judge = Comparison::new().zone("t", "at", "Europe/Berlin").zone("t", "clock", "UTC");
    let rows = usize::try_from(ROWS * 2 - 12 + 2 + 19_999).unwrap();
    assert_eq!(judge.assert_equal(&others, &env.connect()).rows, rows);
    let kept = format!(
        "SELECT \"any\" || ' ' || at::text || ' ' || day || ' ' || late FROM t WHERE id = {}",
        behind_slice(60)
    );
    assert!(env.value(&kept).starts_with("5 2025-06-01 1"), "{}", env.value(&kept));
}

#[test]
fn what_a_sample_did_not_see_is_set_aside_and_loaded_when_the_user_has_decided() {
    let env = Environment::new();
    env.sqlite(&strays());
    let planned = plan(&env, ZONE);
    assert!(!planned.to_string().contains("values that do not fit"), "{planned}");
    let done = run(&env, ZONE).expect(65);
    assert!(done.says("rows set aside because their values do not fit: 12"), "{done}");
    assert!(done.says("the census was a sample: a full one finds every value"), "{done}");
    let of_type = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
                   WHERE attrelid = 't'::regclass AND attnum > 0";
    assert_eq!(
        env.value(of_type),
        "bigint, bigint, text, character varying(8), numeric(8,2), timestamp with time zone, boolean, json, uuid, text, text, timestamp without time zone, text, bigint, timestamp with time zone"
    );
    assert_set_aside(&env);
    assert_others_arrived(&env);
    let report = done.json();
    assert_eq!(
        (&table(report, "t")["source_rows"], &table(report, "t")["rejected"]),
        (&ROWS.into(), &11.into())
    );
    assert_eq!(table(report, "keyed")["source_rows"], ROWS);
    let rows = &status(&env)["rows"];
    assert_eq!(
        (&rows["all"], &rows["estimated"]),
        (&(ROWS * 2 + 2 + 19_999).into(), &false.into())
    );
    // And what the user decides then holds.
    let said = "[tables.t.columns]\nat = { type = 'timestamptz', zone = 'Europe/Berlin', misfits = 'null' }
        n = { misfits = 'null' }\nnote = { misfits = 'null' }\ncode = { misfits = 'default', default = 'long' }
        price = { misfits = 'null' }\nflag = { misfits = 'null' }\ndoc = { misfits = 'null' }\nuid = { misfits = 'null' }
        name = { misfits = 'null' }
        clock = { type = 'timestamptz', zone = 'UTC', equals = 'made as unix', misfits = 'null' }
        [tables.keyed.columns]\nk = { misfits = 'default', default = -1 }";
    let done = run(&env, said).expect(0);
    assert_eq!(table(done.json(), "t")["target_rows"], ROWS, "{done}");
    assert_eq!(env.value("SELECT count(*) FROM t WHERE at IS NULL"), "2");
    assert_eq!(env.value(&format!("SELECT code FROM t WHERE id = {}", behind_slice(12))), "long");
    assert_eq!(env.value("SELECT count(*) FROM keyed WHERE k = -1"), "1");
    let file = env.path("pipeline.toml");
    env.liteferry(&["verify", "--json", file.to_str().unwrap()]).expect(0);
}

/// Gaps, negative rowids, both ends of what there can be, and groups far away.
fn scattered() -> String {
    let all = numbers(300_000);
    format!(
        "CREATE TABLE far (id INTEGER PRIMARY KEY, word TEXT NOT NULL, price REAL);
         {all} INSERT INTO far SELECT i - 150000 + i / 50000 * 1000000000000, 'word ' || i, i / 7.0 FROM n
            WHERE i % 11 <> 5 AND i NOT BETWEEN 100000 AND 120000;
         INSERT INTO far VALUES (-9223372036854775808, 'least', 1), (9223372036854775807, 'greatest', 2);
         CREATE TABLE near (word TEXT); INSERT INTO near VALUES ('a'), ('b');"
    )
}

#[test]
fn a_large_table_arrives_by_a_sample_also_over_a_run_that_was_killed() {
    let env = Environment::new();
    env.sqlite(&scattered());
    let count = "SELECT count(*) FROM far";
    let sqlite = rusqlite::Connection::open(env.source()).unwrap();
    let rows: i64 = sqlite.query_row(count, [], |row| row.get(0)).unwrap();
    let planned = plan(&env, "");
    let far = &planned["plan"]["tables"][0];
    let (seen, about) =
        (far["sample"]["rows"].as_i64().unwrap(), far["schema"]["rows"].as_i64().unwrap());
    assert!(
        seen < 40_000 && (about - rows).abs() < rows / 20,
        "{seen} of about {about}, {rows} are there"
    );
    assert_eq!(planned["plan"]["tables"][1]["sample"], Value::Null);
    assert_eq!(planned["estimate"]["tables"][0]["exact"], false);
    let file = write(&env, "");
    let mut command = env.command();
    command.args(["run", "--no-capture", "--workers", "1", &file]);
    let killed = command.env("LITEFERRY_FAIL", "chunk-committed:9=kill").output().unwrap().status;
    assert_eq!(killed.signal(), Some(9));
    assert_eq!(status(&env)["rows"]["estimated"], true);
    let done =
        env.liteferry(&["run", "--no-capture", "--json", "--log-format", "json", &file]).expect(0);
    let report = table(done.json(), "far");
    assert_eq!((&report["source_rows"], &report["target_rows"]), (&rows.into(), &rows.into()));
    assert_eq!(report["digest_source"], report["digest_target"]);
    // What the screen says is true at the end of the copy, and of the proof.
    let told = done.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let whole = told
        .filter(|line| line["table"] == "far" && line["rows"] == rows && line["expected"] == rows);
    assert_eq!(whole.filter(|line| line["estimated"] == Value::Null).count(), 2, "{done}");
    let standing = &status(&env)["rows"];
    assert_eq!(
        *standing,
        serde_json::json!({ "done": rows + 2, "all": rows + 2, "estimated": false })
    );
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!(i64::try_from(compared.rows).unwrap(), rows + 2);
    env.liteferry(&["verify", &file]).expect(0);
}

fn touch(env: &Environment) {
    let later = SystemTime::now() + Duration::from_mins(1);
    File::options().write(true).open(env.source()).unwrap().set_modified(later).unwrap();
}

#[test]
fn a_source_that_was_touched_goes_on_only_while_nothing_of_a_sampled_table_is_loaded() {
    let env = Environment::new();
    env.sqlite(&format!(
        "CREATE TABLE large (v INTEGER); {} INSERT INTO large SELECT i FROM n; CREATE TABLE small (v TEXT); INSERT INTO small VALUES ('a')",
        numbers(ROWS)
    ));
    let until = |until| {
        let file = write(&env, "");
        env.liteferry(&["run", "--no-capture", "--json", "--until", until, &file])
    };
    until("schema").expect(0);
    touch(&env);
    until("schema").expect(0);
    // What was seen whole is compared still; what was not may be anything.
    env.sqlite("UPDATE large SET v = -1 WHERE rowid = 5");
    until("snapshot").expect(0);
    env.sqlite("VACUUM");
    let told =
        ["table large", "the census was a sample", "cannot be told", "begin again", "full census"];
    run(&env, "").expect(66).saying(&told);
    assert_eq!(env.value("SELECT count(*) FROM large WHERE v = -1"), "1");
    // The rows that are loaded are those of the source, and a look at both ends can tell so.
    let file = write(&env, "");
    env.liteferry(&["verify", &file]).expect(0);
}

#[test]
fn a_small_table_that_was_seen_whole_is_compared_where_another_was_not() {
    let env = Environment::new();
    env.sqlite(&format!(
        "CREATE TABLE large (v INTEGER); {} INSERT INTO large SELECT i FROM n; CREATE TABLE small (v TEXT); INSERT INTO small VALUES ('a')",
        numbers(ROWS)
    ));
    let file = write(&env, "");
    env.liteferry(&["run", "--no-capture", "--until", "schema", &file]).expect(0);
    env.sqlite("UPDATE small SET v = 'b'");
    run(&env, "").expect(66).saying(&["table small", "the source changed"]);
}

#[test]
fn a_plan_by_a_sample_says_so_and_the_command_line_goes_before_the_file() {
    let env = Environment::new();
    env.sqlite(&format!(
        "CREATE TABLE large (v INTEGER, day DATE); {} INSERT INTO large SELECT i, '2025-01-31' FROM n; CREATE TABLE small (v TEXT)",
        numbers(ROWS)
    ));
    let file = write(&env, "");
    let words = [
        "of about 60",
        "rows of the table large were looked at",
        "is set aside at load",
        "in a sample",
        "about",
    ];
    env.liteferry(&["plan", &file]).expect(0).saying(&words);
    let census = |arguments: &[&str]| {
        let done = env.liteferry(&[&["plan", "--json"], arguments].concat()).expect(0);
        done.json()["plan"].clone()
    };
    let (sample, full) = (census(&[&file]), census(&[&file, "--census", "full"]));
    assert!(sample["tables"][0]["sample"]["rows"].as_i64().unwrap() < 40_000);
    assert_eq!(full["tables"][0]["sample"], Value::Null);
    assert_eq!(full["tables"][0]["schema"]["rows"], ROWS);
    let (source, url) = (env.source(), env.url());
    let ends = ["--source", source.to_str().unwrap(), "--target", &url];
    let bare = census(&[&ends[..], &["--census", "sample"]].concat());
    assert_eq!(bare["tables"][0]["sample"], sample["tables"][0]["sample"]);
    // What `init` writes by a sample is planned by a sample.
    let init = [&["init", "--census", "sample", "--output", "init.toml"][..], &ends].concat();
    env.liteferry(&init).expect(0);
    let text = fs::read_to_string(env.path("init.toml")).unwrap();
    for words in
        ["\ncensus = \"sample\"\n", "# the census was a sample: ", "of which", "(in a sample)"]
    {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(census(&["init.toml"]), bare);
    let begun = env.run(&["--census", "sample", "--until", "schema"]).expect(0);
    assert!(begun.says("warning: the census was a sample: "), "{begun}");
}

#[test]
fn keys_that_a_sample_did_not_see_are_made_in_another_way_or_to_be_decided() {
    let env = Environment::new();
    let long = "(SELECT group_concat(hex(randomblob(50))) FROM n WHERE i < 100)";
    env.sqlite(&format!(
        "CREATE TABLE t (word TEXT UNIQUE, other TEXT, x REAL, y REAL AS (x * 2)); {} INSERT INTO t SELECT 'w' || i, 'o' || i, i / 3.0 FROM n;
         CREATE INDEX t_other ON t (other);
         {} UPDATE t SET word = {long}, other = word, x = 9e999 WHERE rowid = {row};
         {} UPDATE t SET other = {long} WHERE rowid = {row};",
        numbers(ROWS),
        numbers(100),
        numbers(100),
        row = behind_slice(30)
    ));
    let done = run(&env, "").expect(0);
    assert!(done.says("is made in another way"), "{done}");
    Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!(env.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attgenerated <> ''"), "0");
    // Two writings of one UUID are one value.
    let env = Environment::new();
    let uuid = "'%08x-0000-4000-8000-00000000000a'";
    env.sqlite(&format!(
        "CREATE TABLE t (id UUID UNIQUE); {} INSERT INTO t SELECT printf({uuid}, i) FROM n;
         UPDATE t SET id = upper(printf({uuid}, 1)) WHERE rowid = {}",
        numbers(ROWS),
        behind_slice(30)
    ));
    run(&env, "").expect(78).saying(&[
        "table t",
        "('00000001-0000-4000-8000-00000000000a') and ('00000001-0000-4000-8000-00000000000A'), which would be one: id is uuid",
        "say `id = { misfits = \"widen\" }` under [tables.t.columns]",
    ]);
}

#[test]
fn what_cannot_be_known_by_a_sample_is_refused_or_widened_at_once() {
    let env = Environment::new();
    env.sqlite(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, word TEXT, raw BLOB); {} INSERT INTO t SELECT i, i, 'a', x'00' FROM n;
         UPDATE t SET n = 'N/A', raw = 'text' WHERE id = {}",
        numbers(ROWS),
        behind_slice(20)
    ));
    let said = "[tables.t.columns]\nword = { type = 'enum' }";
    run(&env, said).expect(78).saying(&["table t: column word", "enum", "take a full census"]);
    let said = "[tables.t.columns]\nn = { misfits = 'widen' }\nraw = { misfits = 'fail' }";
    let row = format!("rowid {}", behind_slice(20));
    run(&env, said).expect(65).saying(&["table t", &row, "column raw", "TEXT 'text'"]);
    // The column was made wide before a value showed that it must be.
    assert_eq!(env.value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'n'"), "text");
    // Into a table that exists as well.
    let env_of = Environment::new();
    fs::copy(env.source(), env_of.source()).unwrap();
    env_of.query(
        "CREATE TABLE t (id bigint PRIMARY KEY, n smallint, word char(3) NOT NULL, raw bytea)",
    );
    let done = run(&env_of, "[tables.t.columns]\nn = { misfits = 'null' }").expect(65);
    assert_eq!(table(done.json(), "t")["rejected"], 1, "{done}");
    assert_eq!(env_of.value("SELECT count(*) FROM t WHERE n IS NULL"), (ROWS - 32_767).to_string());
}
