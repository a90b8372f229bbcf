//! The proof of a source that moves: one that was interrupted goes on, one that shall be slow is, and one goes on for as
//! long as the source is followed.

use super::workload::{SCHEMA, Workload};
use crate::environment::{Done, Environment, wait_until};
use liteferry::pipeline::failpoint::VARIABLE;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// A table of several chunks, and one that is compared as a whole.
const ROWS: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE named (id TEXT PRIMARY KEY, a INT);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO t SELECT i, printf('row %d', i) FROM n; INSERT INTO named SELECT a, id FROM t";

impl Environment {
    /// A pipeline file in which chunks are small.
    fn small_chunks(&self, more: &str) {
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = 4096\n{more}",
            self.source(),
            self.url()
        );
        std::fs::write(self.path("pipeline.toml"), text).unwrap();
    }

    #[track_caller]
    fn with_file(&self, command: &str, more: &[&str]) -> Done {
        self.liteferry(&[&[command, "pipeline.toml"], more].concat())
    }

    /// Changes a row of the target as somebody could who owns the table.
    fn tamper(&self, sql: &str) {
        self.query(&format!(
            "SET session_replication_role = replica; ALTER TABLE t DISABLE TRIGGER ALL; {sql}"
        ));
    }
}

#[test]
fn a_proof_that_was_interrupted_goes_on_where_it_was() {
    let environment = Environment::new();
    environment.sqlite(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    environment.small_chunks("");
    environment.with_file("run", &[]).expect(0);
    let parts: usize = environment.value("SELECT count(*) FROM liteferry.proved").parse().unwrap();
    assert!(parts > 10, "{parts} parts");
    let mut process = environment.command();
    process.args(["verify", "pipeline.toml", "--max-rate", "1000000"]);
    process.env(VARIABLE, "part-proved:4=kill");
    let killed = environment.spawn(process).wait();
    assert!(killed.status.code().is_none(), "{killed}");
    environment
        .sqlite("UPDATE t SET a = 'other' WHERE id = 1; DELETE FROM t WHERE id = 2999; DELETE FROM named WHERE a = 7");
    let words = format!("4 of {parts} parts were found equal");
    let done = environment.with_file("verify", &["--json"]).expect(0);
    assert!(done.says(&words), "{done}");
    // What was not compared yet is as it is by now.
    let tables = done.json()["tables"].as_array().unwrap().clone();
    let t = tables.iter().find(|table| table["name"] == "t").unwrap();
    assert_eq!(t["source_rows"], 2999, "{done}");
    environment.assert_followed();
    // The next one looks at everything.
    environment.tamper("UPDATE t SET a = 'somebody' WHERE id = 5");
    let done = environment.with_file("verify", &["--json"]).expect(67);
    assert!(!done.says("parts were found equal"), "{done}");
    assert_eq!(done.json()["differences"][0]["changed"], 1, "{done}");
}

#[test]
fn a_proof_takes_as_long_as_it_is_told_to() {
    let environment = Environment::new();
    environment.sqlite(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    environment.small_chunks("");
    environment.with_file("run", &[]).expect(0);
    let began = Instant::now();
    environment.with_file("verify", &["--max-rate", "4000"]).expect(0);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1200), "6000 rows at 4000 a second took {took:?}");
    let other = Environment::new();
    other.sqlite(ROWS);
    other.small_chunks("");
    other.with_file("run", &["--no-capture"]).expect(0);
    other.with_file("verify", &["--max-rate", "4000"]).expect(2).saying(&["at rest"]);
}

#[test]
fn a_follower_proves_everything_again_and_again_while_it_is_written_to() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}"));
        let mut workload = Workload::new(&environment.source(), 17);
        workload.statements(500);
        environment.small_chunks("[cutover]\nproof_age = \"2s\"\n");
        environment.with_file("run", &[]).expect(0);
        let mut follower = environment.start(&["follow", "pipeline.toml"]);
        for _ in 0..2 {
            let now = environment.value("SELECT clock_timestamp()");
            let is_new = format!("SELECT min(proved_at) > '{now}' FROM liteferry.proved");
            wait_until("a proof of every part", || {
                workload.statements(10);
                assert!(!follower.has_ended(), "{}", follower.told_so_far());
                environment.value(&is_new) == "t"
            });
        }
        follower.signal(Signal::TERM);
        follower.wait().expect(143);
        environment.with_file("follow", &["--until-caught-up"]).expect(0);
        environment.assert_followed();
    }
}

#[test]
fn a_follower_finds_what_somebody_else_wrote_and_says_where() {
    let environment = Environment::new();
    environment.sqlite(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    environment.small_chunks("[cutover]\nproof_age = \"4s\"\n");
    environment.with_file("run", &[]).expect(0);
    let follower = environment.start(&["follow", "pipeline.toml"]);
    environment.tamper("UPDATE t SET a = 'somebody' WHERE id = 2000");
    let done = follower.wait().expect(67);
    assert!(done.says("table t: rowids 1") && done.says("liteferry verify"), "{done}");
    // What is touched is healed, and it goes on.
    environment.sqlite("UPDATE t SET a = 'again' WHERE id = 2000");
    environment.with_file("follow", &["--until-caught-up"]).expect(0);
    environment.with_file("verify", &[]).expect(0);
}

#[test]
fn a_follower_that_has_nothing_else_to_do_compares_as_fast_as_the_age_of_a_proof_asks_for() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO t SELECT i, printf('row %d', i) FROM n",
    );
    environment.small_chunks("[cutover]\nproof_age = \"20s\"\n");
    environment.with_file("run", &[]).expect(0);
    let parts: u64 = environment.value("SELECT count(*) FROM liteferry.proved").parse().unwrap();
    assert!(parts > 90, "{parts} parts");
    environment
        .query("UPDATE liteferry.proved SET proved_at = clock_timestamp() - interval '1 min'");
    let words = environment.with_file("status", &[]).expect(0).stdout;
    assert!(words.contains(" s ago, which is more than 20 s"), "{words}");
    let began = Instant::now();
    let follower = environment.start(&["follow", "pipeline.toml"]);
    let old = "SELECT count(*) FROM liteferry.proved WHERE proved_at < clock_timestamp() - interval '20s'";
    wait_until("a proof of every part", || environment.value(old) == "0");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(parts / 3), "{parts} parts took {took:?}");
    follower.signal(Signal::TERM);
    let done = follower.wait().expect(143);
    assert_eq!(
        done.stderr.matches("not everything was found equal within 20 s").count(),
        1,
        "{done}"
    );
}

#[test]
fn what_was_found_different_is_said_until_it_is_found_equal() {
    let environment = Environment::new();
    environment.sqlite(&format!("PRAGMA journal_mode = WAL; {ROWS}"));
    environment.small_chunks("[cutover]\nproof_age = \"4s\"\n");
    environment.with_file("run", &[]).expect(0);
    let phase = || environment.value("SELECT phase FROM liteferry.migration");
    let assert_said = || {
        assert_eq!(phase(), "not equal");
        let done = environment.with_file("status", &["--json"]).expect(0);
        let standing = &done.json()["migrations"][0];
        assert_eq!(standing["phase"], "not equal", "{done}");
        assert!(standing["lag"]["proved_seconds_ago"].is_null(), "{done}");
        let words = environment.with_file("status", &[]).expect(0).stdout;
        assert!(words.contains("differs from") && !words.contains("last proved"), "{words}");
        // It goes on, and says so.
        let done = environment.with_file("follow", &["--until-caught-up", "--json"]).expect(0);
        assert_eq!(done.json()["phase"], "not equal", "{done}");
        assert!(done.says("liteferry verify") && done.says("run --anew"), "{done}");
        let done = environment.with_file("follow", &["--until-caught-up"]).expect(0);
        assert!(!done.stdout.contains("the target is what"), "{done}");
    };
    // A proof of a part that is none any more is none.
    environment.query(
        "INSERT INTO liteferry.proved SELECT migration, table_name, 1000 + part, groups, rejected, proved_at FROM liteferry.proved",
    );
    let follower = environment.start(&["follow", "pipeline.toml"]);
    environment.tamper("UPDATE t SET a = 'somebody' WHERE id = 2000");
    follower.wait().expect(67);
    assert_said();
    environment.with_file("verify", &[]).expect(67).saying(&["run --anew"]);
    assert_said();
    // What is touched is healed, and found equal by a follower.
    environment.sqlite("UPDATE t SET a = 'again' WHERE id = 2000");
    let follower = environment.start(&["follow", "pipeline.toml"]);
    wait_until("a proof of every part", || phase() == "following");
    follower.signal(Signal::TERM);
    assert!(follower.wait().expect(143).says("what differed was found equal"));
    let done = environment.with_file("follow", &["--until-caught-up"]).expect(0);
    assert!(!done.says("verify") && done.stdout.contains("the target is what"), "{done}");
    // And so it is by a proof of all, and by one table taken anew.
    environment.tamper("UPDATE t SET a = 'somebody' WHERE id = 5");
    environment.with_file("verify", &[]).expect(67);
    assert_said();
    environment.sqlite("UPDATE t SET a = 'again' WHERE id = 5");
    environment.with_file("verify", &[]).expect(0);
    assert_eq!(phase(), "following");
    environment.tamper("DELETE FROM t WHERE id = 7");
    environment.with_file("verify", &[]).expect(67);
    environment.with_file("run", &["--anew", "t"]).expect(0);
    assert_eq!(phase(), "following");
    environment.assert_followed();
}

#[test]
fn a_large_table_with_another_key_is_compared_part_by_part_where_reading_keeps_writers_out() {
    let environment = Environment::new();
    environment.sqlite(
        "CREATE TABLE t (hash TEXT PRIMARY KEY, a INT, filling TEXT);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t SELECT printf('%08x', i * 7919 % 100003), i, printf('%.500c', 'x') FROM n",
    );
    environment.run_live(&[]).expect(0);
    let parts = || environment.value("SELECT count(*) FROM liteferry.proved");
    let before: usize = parts().parse().unwrap();
    assert!(before > 4, "{before} parts");
    environment.sqlite(
        "UPDATE t SET a = -a WHERE a % 100 = 0; DELETE FROM t WHERE a = 77; INSERT INTO t VALUES ('new', 1, NULL);
         REPLACE INTO t SELECT hash, a, 'again' FROM t WHERE a % 1000 = 1",
    );
    environment.liteferry(&environment.ends("verify", &[])).expect(0);
    environment.assert_followed();
    // Rows that no touch heals.
    for (sql, kind) in [
        ("UPDATE t SET a = 6 WHERE a = 5", "changed"),
        ("INSERT INTO t VALUES ('somebody', 1, 'x')", "extra"),
        ("DELETE FROM t WHERE a = 9", "missing"),
    ] {
        environment.query(&format!("BEGIN; SET LOCAL session_replication_role = replica; ALTER TABLE t DISABLE TRIGGER ALL;
            CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM t; {sql}; COMMIT"));
        let done = environment.liteferry(&environment.ends("verify", &[])).expect(67);
        assert_eq!(done.json()["differences"][0][kind], 1, "{sql}: {done}");
        environment.query("TRUNCATE t; INSERT INTO t SELECT * FROM kept; DROP TABLE kept");
        environment.liteferry(&environment.ends("verify", &[])).expect(0);
    }
}
