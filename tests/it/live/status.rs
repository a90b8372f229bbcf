//! What `status` says of a source that is followed.

use crate::environment::{Environment, Session, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// So many rows from a number on.
fn rows(first: u32, count: u32) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {first} + {count} - 1)
         INSERT INTO t SELECT i, i FROM n"
    )
}

fn lag(environment: &Environment) -> Value {
    let done = environment.liteferry(&environment.ends("status", &[])).expect(0);
    done.json()["migrations"][0]["lag"].clone()
}

/// What it says to people.
fn in_words(environment: &Environment) -> String {
    let (source, url) = (environment.source(), environment.url());
    let ends = ["status", "--source", source.to_str().unwrap(), "--target", &url];
    environment.liteferry(&ends).expect(0).stdout
}

#[test]
fn a_status_says_when_all_was_proved_and_what_a_cutover_would_take() {
    let environment = Environment::new();
    environment.sqlite("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); CREATE TABLE u (id TEXT PRIMARY KEY)");
    environment.sqlite(&rows(1, 10));
    environment.run_live(&["--until", "indexes"]).expect(0);
    assert_eq!(lag(&environment)["proved_seconds_ago"], Value::Null);
    assert!(in_words(&environment).contains("not proved in full yet"));
    environment.run_live(&[]).expect(0);
    // Nothing was applied yet that could have been measured.
    let first = lag(&environment);
    assert!(first["proved_seconds_ago"].as_f64().unwrap() < 600.0, "{first}");
    assert_eq!(first["cutover_seconds"], Value::Null);
    assert!(in_words(&environment).contains("a cutover would take an unknown time now"));
    environment.sqlite(&rows(11, 2000));
    environment.catch_up().expect(0);
    assert_eq!(lag(&environment)["cutover_seconds"], json!(0.0));
    environment.sqlite(&rows(2011, 3000));
    let behind = lag(&environment);
    assert_eq!(behind["touches"], 3000);
    let took: f64 = environment
        .value("SELECT bulk_seconds FROM liteferry.position WHERE bulk_touches = 2000")
        .parse()
        .unwrap();
    let (told, expected) =
        (behind["cutover_seconds"].as_f64().unwrap(), took / 2000.0 * 3000.0 * 2.0);
    assert!((told - expected).abs() < 1e-6, "{told} and not {expected}");
    // A part of a table that nobody compared is not proved.
    environment.query("DELETE FROM liteferry.proved WHERE table_name = 'u'");
    assert_eq!(lag(&environment)["proved_seconds_ago"], Value::Null);
    environment.liteferry(&environment.ends("pause", &[])).expect(0);
    assert_eq!(lag(&environment)["paused"], true);
    let words = in_words(&environment);
    assert!(
        words.contains("it is paused") && words.contains("a cutover would take about "),
        "{words}"
    );
}

#[test]
fn new_rows_of_a_table_that_only_grows_are_behind_too() {
    let environment = Environment::growing(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); CREATE TABLE noted (a INT);
         CREATE TABLE empty (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1, 1), (5, 5); INSERT INTO noted VALUES (1)",
        &["t", "noted", "empty"],
        0,
    );
    let assert_caught_up = || {
        let lag = lag(&environment);
        assert_eq!([&lag["new_rows"], &lag["touches"]], [0, 0], "{lag}");
        assert_eq!([&lag["seconds"], &lag["seconds_until_caught_up"]], [0.0, 0.0], "{lag}");
        assert!(in_words(&environment).contains(": caught up;"));
    };
    // Where no mark is noted yet, and where one is.
    for (rows, follows) in
        [(rows(11, 7), true), (rows(5000, 20), true), (rows(9000, 25_000), false)]
    {
        assert_caught_up();
        let count = environment.value("SELECT count(*) FROM t");
        environment.sqlite(&rows);
        environment.sqlite("INSERT INTO noted VALUES (2); INSERT INTO empty SELECT max(id) FROM t");
        let lag = lag(&environment);
        let new: i64 = {
            let connection = rusqlite::Connection::open(environment.source()).unwrap();
            connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
        };
        let new = new - count.parse::<i64>().unwrap() + 2;
        assert_eq!([&lag["new_rows"], &lag["touches"]], [new, 0], "{lag}");
        assert!(lag["seconds"].as_f64().unwrap() > 0.0, "{lag}");
        assert_eq!(lag["seconds_until_caught_up"], Value::Null, "{lag}");
        let words = in_words(&environment);
        let told = format!("0 touches, about {new} new rows and ");
        assert!(words.contains(&told) && words.contains("nobody follows it now"), "{words}");
        if follows {
            environment.grow().expect(0);
        }
    }
}

/// So many rows may be there that are not followed yet.
const AHEAD: i64 = 30;

/// Writes row after row, as fast as it is followed, until `ended`.
fn write_on(source: &Path, url: &str, ended: &AtomicBool) {
    let source = rusqlite::Connection::open(source).unwrap();
    source.busy_timeout(Duration::from_mins(1)).unwrap();
    let target = Session::open(url);
    let arrived = |row: i64| {
        let sql = format!("SELECT count(*) > 0 FROM t WHERE id >= {row}");
        target.query(&sql)[0][0].as_deref() == Some("t")
    };
    for row in 1..=20_000 {
        source.execute("INSERT INTO t VALUES (?1, 1)", [row]).unwrap();
        wait_until("what was written before", || {
            ended.load(Ordering::Relaxed) || row <= AHEAD || arrived(row - AHEAD)
        });
        if ended.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn a_follower_keeps_up_with_an_application_that_writes_on_and_on() {
    let environment = Environment::new();
    environment.sqlite("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT)");
    environment.run_live(&[]).expect(0);
    let follower = environment.start(&environment.ends("follow", &[]));
    let (source, url, ended) = (environment.source(), environment.url(), AtomicBool::new(false));
    let told: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| write_on(&source, &url, &ended));
        wait_until("the first of it", || environment.value("SELECT count(*) > 100 FROM t") == "t");
        let told = (0..6).map(|_| lag(&environment)).collect();
        ended.store(true, Ordering::Relaxed);
        told
    });
    let keep_up = told.iter().filter(|lag| lag["seconds_until_caught_up"] == 0.0).count();
    assert!(keep_up > 3, "{told:#?}");
    assert!(told.iter().all(|lag| lag["written_per_second"] != 0.0), "{told:#?}");
    follower.signal(Signal::TERM);
    follower.wait().expect(143);
    // Nobody keeps up who is not there.
    environment.sqlite("INSERT INTO t VALUES (-1, 1)");
    assert_eq!(lag(&environment)["seconds_until_caught_up"], Value::Null);
}
