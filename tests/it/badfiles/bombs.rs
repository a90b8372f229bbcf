//! Small files that would take much memory or time: what they claim, compute or nest is not believed.

use super::damage::{PAGE, is_refused, nothing_came_to_be, pages, says_in_one_line, write_page};
use crate::environment::{Done, Environment};
use std::process::Command;

/// What the program may have beside its own pages and threads: less than any of these bombs would take.
const MEMORY_KIB: u64 = 1_500_000;

/// Runs the program where it gets no more memory than this, whatever it asks for.
#[track_caller]
fn in_little_memory(env: &Environment, arguments: &[String]) -> Done {
    let mut shell = Command::new("sh");
    let program = env.command();
    shell.args(["-c", "ulimit -v \"$0\" && exec \"$@\""]);
    shell.arg(MEMORY_KIB.to_string()).arg(program.get_program()).args(arguments);
    shell.env_clear().current_dir(env.path(""));
    for (name, value) in program.get_envs() {
        shell.env(name, value.unwrap());
    }
    env.spawn(shell).wait()
}

/// A row that says that it has this many bytes, in a file of a few pages.
fn bomb(bytes: u64) -> Environment {
    let env = Environment::new();
    env.sqlite(
        "PRAGMA page_size = 1024;
         CREATE TABLE bomb (v BLOB); INSERT INTO bomb VALUES (x'00');
         CREATE TABLE other (v); INSERT INTO other VALUES (1), (2);",
    );
    let serial = varint(bytes * 2 + 12);
    let header = 1 + serial.len();
    let payload = bytes + header as u64;
    let usable = PAGE as u64;
    let least = (usable - 12) * 32 / 255 - 23;
    let fitting = least + (payload - least) % (usable - 4);
    let local = if fitting <= usable - 35 { fitting } else { least };
    let mut cell = varint(payload);
    cell.push(1);
    let before = cell.len();
    cell.push(u8::try_from(header).unwrap());
    cell.extend(serial);
    cell.resize(before + usize::try_from(local).unwrap(), 7);
    cell.extend([0, 0, 0, 2]);
    let at = u16::try_from(PAGE - cell.len()).unwrap().to_be_bytes();
    let mut page = vec![0x0d, 0, 0, 0, 1, at[0], at[1], 0, at[0], at[1]];
    page.resize(PAGE - cell.len(), 0);
    page.extend(cell);
    let root = pages(&env, "bomb", "leaf")[0];
    write_page(&env, root, &page);
    env
}

fn varint(value: u64) -> Vec<u8> {
    let part = |part: u32| u8::try_from(value >> (7 * part) & 0x7f).unwrap();
    let mut bytes: Vec<u8> = (0..5).map(part).collect();
    bytes[1..].iter_mut().for_each(|byte| *byte |= 0x80);
    bytes.reverse();
    bytes
}

#[test]
fn a_row_that_claims_more_than_the_file_has_is_refused_in_little_memory() {
    for claimed in [900_000_000, 1_500_000_000] {
        let env = bomb(claimed);
        is_refused(&env, 65, &["is damaged"]);
        let done = env.run(&["--accept-corrupt"]).expect(65);
        assert_eq!(env.column("SELECT v FROM other ORDER BY v"), ["1", "2"]);
        assert_eq!(done.json()["unreadable"][0]["table"], "bomb", "{done}");
        assert!(done.peak_kib < 300_000, "{} KiB", done.peak_kib);
    }
}

/// A value that is computed when it is read; SQLite would compute it too, were it there when the row is written.
fn computing(declared: &str, columns: &[&str]) -> Environment {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE bomb (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO bomb VALUES (1, 'x');
         CREATE TABLE other (v); INSERT INTO other VALUES (1), (2);",
    );
    for (number, expression) in columns.iter().enumerate() {
        env.sqlite(&format!("ALTER TABLE bomb ADD COLUMN c{number} {declared} AS ({expression})"));
    }
    env
}

#[test]
fn a_computed_value_that_is_larger_than_any_may_be_is_named() {
    let more = "zeroblob(1000000001)";
    let env = computing("", &[more]);
    is_refused(&env, 65, &["table bomb: holds a value larger than the gigabyte"]);
    // SQLite's own check compares it with its declared type, and so computes it first.
    let env = computing("TEXT", &[more]);
    is_refused(&env, 65, &["string or blob too big"]);
}

#[test]
fn computed_values_that_are_larger_together_than_memory_are_named() {
    let five = ["zeroblob(400000000)"; 5];
    let checked = ["zeroblob(900000000) || a"];
    for (env, place) in
        [(computing("", &five), "table bomb"), (computing("TEXT", &checked), "the file as a whole")]
    {
        let done = in_little_memory(&env, &env.run_arguments(&[]));
        says_in_one_line(&done, 65, &[place, "needs more memory than there is"]);
        nothing_came_to_be(&env);
    }
}

#[test]
fn a_row_that_no_memory_of_the_server_holds_is_named() {
    let env = computing("", &["zeroblob(359000000)"; 3]);
    let done = env.liteferry(&env.ends("plan", &["--no-capture"])).expect(65);
    assert!(done.says("table bomb: a row has 1077000"), "{done}");
}

#[test]
fn a_declaration_of_megabytes_is_refused() {
    let env = Environment::new();
    let text = "x".repeat(4_100_000);
    env.sqlite(&format!("CREATE TABLE fine (a); CREATE TABLE bomb (a TEXT CHECK (a <> '{text}'))"));
    is_refused(&env, 65, &["is damaged"]);
    assert!(env.run(&[]).says("malformed database schema (bomb) - string or blob too big"));
}

/// What would be computed for hours, were it ever asked for.
#[test]
fn views_and_triggers_of_thousands_of_millions_of_rows_are_never_read() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);
         CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 2000000000;
         CREATE VIEW pairs AS SELECT a.i, b.i FROM endless AS a, endless AS b;
         CREATE TRIGGER slow AFTER INSERT ON t BEGIN SELECT count(*) FROM pairs; END;",
    );
    let planned = in_little_memory(&env, &env.ends("plan", &["--no-capture"])).expect(0);
    assert_eq!(planned.json()["plan"]["left_behind"].as_array().unwrap().len(), 3, "{planned}");
    in_little_memory(&env, &env.run_arguments(&[])).expect(0).saying(&[
        "view endless is not carried over",
        "view pairs is not carried over",
        "trigger slow is not carried over",
    ]);
    assert_eq!(env.column("SELECT relname FROM pg_class WHERE relkind IN ('r', 'v', 'm') AND relnamespace = 'public'::regnamespace"), ["t"]);
}

#[test]
fn documents_of_a_hundred_thousand_levels_are_texts_and_are_set_aside_where_they_shall_be_more() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a JSON, b JSONB);
         INSERT INTO t VALUES (1, '[]', '{}');
         INSERT INTO t SELECT 2, replace(hex(zeroblob(50000)), '0', '['), replace(hex(zeroblob(50000)), '0', '{\"a\":');
         UPDATE t SET a = a || replace(a, '[', ']'), b = b || '0' || replace(hex(zeroblob(50000)), '0', '}') WHERE id = 2;",
    );
    let server = "SELECT (repeat('[', 100000) || repeat(']', 100000))::json";
    assert!(env.connect().try_query(server).is_err(), "the server itself does not take it");
    in_little_memory(&env, &env.run_arguments(&[])).expect(0).saying(&[
        "column a: declared JSON, becomes text: 1 of 2 texts are no JSON documents",
        "column b: declared JSONB, becomes text: 1 of 2 texts are no JSON documents",
    ]);
    assert_eq!(
        env.value("SELECT length(a) || ' ' || length(b) FROM t WHERE id = 2"),
        "200000 600001"
    );
    env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
    let file = env.path("pipeline.toml");
    let text = format!(
        "[source]\npath = 'source.db'\n[target]\nurl = '{}'\n[tables.t.columns]\na = {{ type = 'json' }}\nb = {{ type = 'jsonb' }}\n",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    let words = ["run", "--no-capture", "--json", file.to_str().unwrap()].map(str::to_owned);
    in_little_memory(&env, &words).expect(65);
    let rejects = "SELECT row_name || ' ' || column_name || ' ' || length(value) FROM liteferry.reject ORDER BY 1";
    assert_eq!(env.column(rejects), ["rowid 2 a 200000", "rowid 2 b 600001"]);
    assert_eq!(env.column("SELECT a::text || b::text FROM t"), ["[]{}"]);
}
