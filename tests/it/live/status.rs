//! What `status` says of a source that is followed.

use crate::environment::Environment;
use serde_json::{Value, json};

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
