//! How long a state of the source is read from is what the pipeline file says.

use crate::environment::Environment;
use rusqlite::Connection;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The states that the chunks of a snapshot are from, while somebody writes.
fn states(said: &str) -> u32 {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY, a BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) INSERT INTO t SELECT i, 'row ' || i FROM n",
    );
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = 4096\n{said}",
        environment.source(),
        environment.url()
    );
    fs::write(environment.path("pipeline.toml"), text).unwrap();
    let going = Arc::new(AtomicBool::new(true));
    let (goes, writer) = (Arc::clone(&going), Connection::open(environment.source()).unwrap());
    writer.busy_timeout(Duration::from_mins(1)).unwrap();
    let writing = std::thread::spawn(move || {
        while goes.load(Ordering::SeqCst) {
            writer.execute_batch("INSERT INTO u (a) VALUES (zeroblob(20000)); DELETE FROM u WHERE id < (SELECT max(id) FROM u) - 50").unwrap();
        }
    });
    environment.liteferry(&["run", "--until", "snapshot", "pipeline.toml"]).expect(0);
    going.store(false, Ordering::SeqCst);
    writing.join().unwrap();
    environment.value("SELECT count(DISTINCT low_mark) FROM liteferry.chunk").parse().unwrap()
}

#[test]
fn a_state_is_read_from_for_as_long_as_the_pipeline_file_says() {
    assert_eq!(states("max_age = '1h'\nmax_wal_growth = '100GiB'"), 1);
    let young = states("max_age = '100ms'\nmax_wal_growth = '100GiB'");
    assert!(young > 1, "{young} states by age");
    let small = states("max_age = '1h'\nmax_wal_growth = '1MiB'");
    assert!(small > 1, "{small} states by growth");
}
