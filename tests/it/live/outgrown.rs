//! Tables that have grown far beyond what the plan saw of them are proved piece by piece, each in a state of its own.

use super::workload::{SCHEMA, Workload};
use crate::environment::{Environment, wait_until};
use liteferry::pipeline::failpoint::VARIABLE;
use rusqlite::Connection;
use rustix::process::Signal;
use std::time::Duration;

const PIPELINE: &str = "pipeline.toml";

impl Environment {
    /// A followed source whose tables were empty when it was planned, by chunks of so many bytes.
    fn empty(mode: &str, schema: &str, chunk_bytes: u32, more: &str) -> Self {
        let environment = Self::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {schema}"));
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = {chunk_bytes}\n{more}",
            environment.source(),
            environment.url()
        );
        std::fs::write(environment.path(PIPELINE), text).unwrap();
        environment.liteferry(&["run", PIPELINE]).expect(0);
        environment
    }

    /// Two hundred chunks of a table that had none, and are followed.
    fn grown(mode: &str, more: &str) -> Self {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)";
        let environment = Self::empty(mode, schema, 4096, more);
        environment.sqlite(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
             INSERT INTO t SELECT i, printf('%.200c', 'x') FROM n",
        );
        environment.liteferry(&["follow", "--until-caught-up", PIPELINE]).expect(0);
        environment
    }

    /// Does what no touch heals.
    fn spoil(&self, sql: &str) {
        self.query(&format!(
            "SET session_replication_role = replica; ALTER TABLE t DISABLE TRIGGER ALL; {sql}"
        ));
    }
}

#[test]
#[cfg(debug_assertions)]
fn the_application_commits_between_the_pieces_of_a_table_that_was_empty_when_it_was_planned() {
    for mode in ["DELETE", "WAL"] {
        let environment = Environment::grown(mode, "");
        let mut process = environment.command();
        // A rate, for with a log many pieces would be compared in one state.
        process.args(["verify", "--json", PIPELINE, "--max-rate", "100000"]);
        process.env(VARIABLE, "part-proved:20=stop");
        let verify = environment.spawn(process);
        verify.wait_stopped();
        // It does not wait, and so it fails where anybody reads.
        let application = Connection::open(environment.source()).unwrap();
        application.busy_timeout(Duration::ZERO).unwrap();
        let sql = "UPDATE t SET a = 'other' WHERE id % 1000 = 1; DELETE FROM t WHERE id = 3000";
        application.execute_batch(sql).unwrap();
        verify.signal(Signal::CONT);
        let done = verify.wait().expect(0);
        // Each piece is as it was when it was compared; the last ones are what was written meanwhile.
        assert_eq!(done.json()["tables"][0]["source_rows"], 3999, "{done}");
        environment.assert_followed();
        assert_eq!(environment.value("SELECT count(*) FROM liteferry.proved"), "1");
        assert_eq!(environment.value("SELECT count(*) FROM liteferry.proving"), "0");
    }
}

#[test]
fn rows_that_differ_are_found_in_any_piece_by_a_proof_and_by_a_follower() {
    let environment = Environment::grown("WAL", "[cutover]\nproof_age = \"4s\"\n");
    for (sql, heal, kind) in [
        ("UPDATE t SET a = 'y' WHERE id = 1", "UPDATE t SET a = 'z' WHERE id = 1", "changed"),
        ("DELETE FROM t WHERE id = 2000", "UPDATE t SET a = 'z' WHERE id = 2000", "missing"),
        (
            "INSERT INTO t VALUES (5000, 'y')",
            "INSERT INTO t VALUES (5000, 'y'); DELETE FROM t WHERE id = 5000",
            "extra",
        ),
        ("INSERT INTO t VALUES (-5, 'y')", "INSERT INTO t VALUES (-5, 'y')", "extra"),
    ] {
        environment.spoil(sql);
        let done = environment.liteferry(&["verify", "--json", PIPELINE]).expect(67);
        let found = &done.json()["differences"][0];
        let all = ["changed", "missing", "extra"].map(|kind| found[kind].as_u64().unwrap());
        assert_eq!((&found[kind], all.iter().sum::<u64>()), (&1.into(), 1), "{sql}: {done}");
        assert_eq!(environment.value("SELECT count(*) FROM liteferry.proving"), "0");
        let follower = environment.start(&["follow", PIPELINE]);
        let done = follower.wait().expect(67);
        assert!(done.says("table t: rowids "), "{done}");
        environment.sqlite(heal);
        environment.liteferry(&["verify", PIPELINE]).expect(0);
        environment.assert_followed();
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_proof_that_was_interrupted_goes_on_at_the_piece_where_it_was() {
    let environment = Environment::grown("DELETE", "");
    let mut process = environment.command();
    process.args(["verify", PIPELINE, "--max-rate", "1000000"]);
    process.env(VARIABLE, "part-proved:20=kill");
    let killed = environment.spawn(process).wait();
    assert!(killed.status.code().is_none(), "{killed}");
    // Its class, its length, and then the number itself.
    let sql = "SELECT ('x' || encode(substring(last_row FROM 10), 'hex'))::bit(64)::bigint FROM liteferry.proving";
    let last: i64 = environment.value(sql).parse().unwrap();
    assert!((500..3500).contains(&last), "{last}");
    let before = environment.value("SELECT proved_at FROM liteferry.proving");
    // What is compared already is not looked at again; what follows is.
    environment.spoil("UPDATE t SET a = 'y' WHERE id = 1");
    let done = environment.liteferry(&["verify", "--json", PIPELINE]).expect(0);
    assert_eq!(done.json()["tables"][0]["source_rows"], 4000, "{done}");
    // It is as old as the first piece.
    let age = format!(
        "SELECT max(abs(extract(epoch FROM proved_at - '{before}'))) < 1 FROM liteferry.proved"
    );
    assert_eq!(environment.value(&age), "t");
    environment.liteferry(&["verify", PIPELINE]).expect(67);
}

#[test]
fn a_follower_proves_all_that_has_come_to_tables_that_were_empty_while_they_grow() {
    for mode in ["WAL", "DELETE"] {
        let more = "[cutover]\nproof_age = \"2s\"\n";
        let environment = Environment::empty(mode, SCHEMA, 4096, more);
        let mut workload = Workload::new(&environment.source(), 23);
        let mut follower = environment.start(&["follow", PIPELINE]);
        workload.statements(1000);
        for _ in 0..2 {
            let now = environment.value("SELECT clock_timestamp()");
            let is_new = format!("SELECT min(proved_at) > '{now}' FROM liteferry.proved");
            wait_until("a proof of every part", || {
                workload.statements(20);
                assert!(!follower.has_ended(), "{}", follower.told_so_far());
                environment.value(&is_new) == "t"
            });
        }
        follower.signal(Signal::TERM);
        follower.wait().expect(143);
        environment.liteferry(&["follow", "--until-caught-up", PIPELINE]).expect(0);
        environment.assert_followed();
        environment.liteferry(&["verify", PIPELINE]).expect(0);
    }
}

#[test]
fn a_table_that_has_grown_too_large_to_be_compared_as_a_whole_is_compared_by_its_keys() {
    let schema = "CREATE TABLE t (hash TEXT PRIMARY KEY, a INT, filling TEXT)";
    let more = "[cutover]\nproof_age = \"2s\"\n";
    let environment = Environment::empty("DELETE", schema, 1024 * 1024, more);
    let parts = || environment.column("SELECT part::text FROM liteferry.proved ORDER BY part");
    assert_eq!(parts(), ["2"]);
    let mut follower = environment.start(&["follow", PIPELINE]);
    environment.sqlite(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO t SELECT printf('%08x', i * 7919 % 100003), i, printf('%.500c', 'x') FROM n",
    );
    wait_until("a proof by keys", || {
        assert!(!follower.has_ended(), "{}", follower.told_so_far());
        parts() == ["0", "1", "2"]
    });
    follower.signal(Signal::TERM);
    follower.wait().expect(143);
    let status = environment.liteferry(&["status", "--json", PIPELINE]).expect(0);
    let lag = &status.json()["migrations"][0]["lag"];
    assert!(lag["proved_seconds_ago"].as_f64().unwrap() < 100.0, "{lag}");
    for (sql, kind) in [
        ("UPDATE t SET a = 6 WHERE a = 19999", "changed"),
        ("INSERT INTO t VALUES ('somebody', 1, 'x')", "extra"),
        ("DELETE FROM t WHERE a = 9", "missing"),
    ] {
        environment.spoil(&format!("CREATE TABLE kept AS SELECT * FROM t; {sql}"));
        let done = environment.liteferry(&["verify", "--json", PIPELINE]).expect(67);
        assert_eq!(done.json()["differences"][0][kind], 1, "{sql}: {done}");
        environment.start(&["follow", PIPELINE]).wait().expect(67);
        environment.spoil("TRUNCATE t; INSERT INTO t SELECT * FROM kept; DROP TABLE kept");
        environment.liteferry(&["verify", PIPELINE]).expect(0);
    }
    environment.assert_followed();
}
