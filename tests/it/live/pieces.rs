//! What has no rowids, or has grown, is read piece by piece: the application commits in between, and nothing is lost.

use crate::environment::{Done, Environment, wait_until};
use liteferry::pipeline::failpoint::VARIABLE;
use rusqlite::Connection;
use rustix::process::Signal;
use std::time::Duration;

const PIPELINE: &str = "pipeline.toml";

/// Its rows lie by the second column downwards, then by the first one.
const TABLE: &str = "CREATE TABLE t (name TEXT NOT NULL COLLATE NOCASE, at REAL NOT NULL, a INT, filling TEXT, PRIMARY KEY (at DESC, name)) WITHOUT ROWID; CREATE INDEX covering ON t (a, filling)";

/// Changes rows at both ends, and moves some from where it was read to where it will be, and back; by more than the log may
/// grow while a state is held.
const CHANGES: &str = "
    UPDATE t SET a = -1 WHERE at IN (1, 3999);
    UPDATE t SET at = at - 4000 WHERE at BETWEEN 3990 AND 3995;
    UPDATE t SET at = at + 4000 WHERE at BETWEEN 10 AND 15;
    UPDATE t SET name = 'NAME 3980' WHERE at = 3980;
    UPDATE t SET filling = printf('%.3000c', 'y') WHERE at BETWEEN 1000 AND 1600;
    DELETE FROM t WHERE at IN (2, 3998);
    INSERT INTO t VALUES ('new', 2000.5, 1, NULL), ('new', -5000, 1, NULL), ('new', 5000, 1, NULL)";

fn fill(rows: u32, bytes: u32) -> String {
    format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO t SELECT 'name ' || i, i, i, printf('%.{bytes}c', 'x') FROM n"
    )
}

impl Environment {
    /// A source that is written to, to be moved by chunks of so many bytes.
    fn moving(mode: &str, schema: &str, chunk_bytes: u32) -> Self {
        let environment = Self::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {schema}"));
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = {chunk_bytes}\nmax_wal_growth = \"1MiB\"\n",
            environment.source(),
            environment.url()
        );
        std::fs::write(environment.path(PIPELINE), text).unwrap();
        environment
    }

    /// Does a command that stands still at a step while the application, which waits for nobody, does `sql`.
    #[track_caller]
    fn while_at(&self, step: &str, command: &[&str], sql: &str) -> Done {
        let mut process = self.command();
        process.args(command).arg(PIPELINE).env(VARIABLE, format!("{step}=stop"));
        let process = self.spawn(process);
        process.wait_stopped();
        let application = Connection::open(self.source()).unwrap();
        application.busy_timeout(Duration::ZERO).unwrap();
        application.execute_batch(sql).unwrap();
        process.signal(Signal::CONT);
        process.wait()
    }

    fn assert_of_several_states(&self, table: &str) {
        let sql = format!(
            "SELECT low_mark < last_mark FROM liteferry.chunk WHERE table_name = '{table}' ORDER BY chunk DESC LIMIT 1"
        );
        assert_eq!(self.value(&sql), "t");
    }
}

#[test]
fn the_application_commits_between_the_pieces_of_a_table_without_rowids() {
    for mode in ["DELETE", "WAL"] {
        let environment = Environment::moving(mode, &format!("{TABLE}; {}", fill(4000, 100)), 4096);
        environment.while_at("piece-read:3", &["run"], CHANGES).expect(0);
        environment.assert_of_several_states("t");
        environment.liteferry(&["follow", "--until-caught-up", PIPELINE]).expect(0);
        environment.assert_followed();
        environment.liteferry(&["verify", PIPELINE]).expect(0);
    }
}

#[test]
fn the_application_commits_between_the_pieces_of_what_has_come_since_the_census() {
    for mode in ["DELETE", "WAL"] {
        let schema = "CREATE TABLE t (name TEXT, at INTEGER PRIMARY KEY, a INT, filling TEXT)";
        let environment = Environment::moving(mode, schema, 4096);
        environment.liteferry(&["run", "--until", "schema", PIPELINE]).expect(0);
        environment.sqlite(&fill(4000, 100));
        let changes = CHANGES.replace("2000.5", "9000");
        environment.while_at("piece-read:3", &["run"], &changes).expect(0);
        environment.assert_of_several_states("t");
        environment.liteferry(&["follow", "--until-caught-up", PIPELINE]).expect(0);
        environment.assert_followed();
    }
}

#[test]
fn a_run_that_is_killed_between_pieces_is_finished_by_the_same_command() {
    let environment = Environment::moving("DELETE", &format!("{TABLE}; {}", fill(4000, 100)), 4096);
    for step in ["piece-read:1", "piece-read:20"] {
        let mut process = environment.command();
        process.args(["run", PIPELINE]).env(VARIABLE, format!("{step}=kill"));
        let killed = environment.spawn(process).wait();
        assert!(killed.status.code().is_none() && killed.says("piece-read"), "{killed}");
        environment.sqlite(CHANGES.split(';').next().unwrap());
    }
    environment.liteferry(&["run", PIPELINE]).expect(0);
    environment.liteferry(&["follow", "--until-caught-up", PIPELINE]).expect(0);
    environment.assert_followed();
}

#[test]
fn an_application_that_keeps_the_lock_between_pieces_is_waited_for() {
    let environment = Environment::moving("DELETE", &format!("{TABLE}; {}", fill(4000, 100)), 4096);
    let mut process = environment.command();
    process.args(["run", "--workers", "1", PIPELINE]).env(VARIABLE, "piece-read:3=stop");
    let process = environment.spawn(process);
    process.wait_stopped();
    let application = Connection::open(environment.source()).unwrap();
    application.execute_batch("BEGIN EXCLUSIVE; UPDATE t SET a = -1 WHERE at > 3000").unwrap();
    process.signal(Signal::CONT);
    wait_until("patience", || process.said("is waited for"));
    application.execute_batch("COMMIT").unwrap();
    let done = process.wait().expect(0);
    // What was copied before is not copied again.
    assert!(!done.says("trying again"), "{done}");
    environment.liteferry(&["follow", "--until-caught-up", PIPELINE]).expect(0);
    environment.assert_followed();
}

#[test]
fn a_large_table_without_rowids_is_compared_piece_by_piece() {
    let environment =
        Environment::moving("DELETE", &format!("{TABLE}; {}", fill(20_000, 500)), 262_144);
    environment.liteferry(&["run", PIPELINE]).expect(0);
    let parts = || environment.column("SELECT part::text FROM liteferry.proved ORDER BY part");
    assert_eq!(parts(), ["0", "1"]);
    environment.while_at("part-proved:5", &["verify", "--max-rate", "1000000"], CHANGES).expect(0);
    environment.assert_followed();
    // One that is interrupted goes on behind the last row of its last piece.
    let mut process = environment.command();
    process.args(["verify", PIPELINE, "--max-rate", "1000000"]).env(VARIABLE, "part-proved:5=kill");
    let killed = environment.spawn(process).wait();
    assert!(killed.status.code().is_none(), "{killed}");
    assert_eq!(environment.value("SELECT count(*) FROM liteferry.proving"), "1");
    let spoil = |sql: &str| {
        environment.query(&format!(
            "SET session_replication_role = replica; ALTER TABLE t DISABLE TRIGGER ALL; {sql}"
        ));
    };
    spoil("UPDATE t SET a = 5 WHERE at = 19000");
    let done = environment.liteferry(&["verify", "--json", PIPELINE]).expect(0);
    assert_eq!(done.json()["tables"][0]["source_rows"], 20_001, "{done}");
    spoil("UPDATE t SET a = 19000 WHERE at = 19000");
    for (sql, kind) in [
        ("UPDATE t SET a = 6 WHERE at = 3", "changed"),
        ("INSERT INTO t VALUES ('somebody', 1.5, 1, 'x')", "extra"),
        ("DELETE FROM t WHERE at = 17000", "missing"),
    ] {
        spoil(&format!("CREATE TABLE kept AS SELECT * FROM t; {sql}"));
        let done = environment.liteferry(&["verify", "--json", PIPELINE]).expect(67);
        assert_eq!(done.json()["differences"][0][kind], 1, "{sql}: {done}");
        assert_eq!(done.json()["tables"][0]["source_rows"], 20_001, "{sql}: {done}");
        spoil("TRUNCATE t; INSERT INTO t SELECT * FROM kept; DROP TABLE kept");
        environment.liteferry(&["verify", PIPELINE]).expect(0);
    }
}
