//! How long a state of the source is read from is what the pipeline file says; and what a pass takes is bounded in bytes.

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

/// The most memory, in KiB, that a follower has which applies so many rows of so many bytes in one pass.
#[cfg(target_os = "linux")]
fn peak_of_following(rows: u32, bytes: u32) -> u64 {
    let environment = Environment::new();
    environment
        .sqlite("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB)");
    environment.run_live(&[]).expect(0);
    environment.sqlite(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO t SELECT i, randomblob({bytes}) FROM n"
    ));
    let follower = environment.start(&environment.ends("follow", &["--until-caught-up"]));
    let done = follower.wait().expect(0);
    assert_eq!(environment.value("SELECT count(*) FROM t"), rows.to_string());
    done.peak_kib
}

#[cfg(target_os = "linux")]
#[test]
fn a_pass_takes_memory_by_its_batches_and_not_by_its_touches() {
    let few = peak_of_following(10, 1_000_000);
    let many = peak_of_following(150, 1_000_000);
    assert!(many < few + 32 * 1024, "{many} KiB, and {few} KiB for a fifteenth of it");
}
