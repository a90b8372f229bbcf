//! Sources that are written to while they are moved, and followed afterwards.

mod archived;
mod away;
mod bounded;
mod copies;
mod cuts;
mod decided;
mod faults;
mod forward;
#[cfg(target_os = "linux")]
mod full;
#[cfg(debug_assertions)]
mod gone;
mod grown;
mod invariants;
#[cfg(debug_assertions)]
mod kills;
mod legal;
#[cfg(debug_assertions)]
mod lost;
mod outgrown;
#[cfg(debug_assertions)]
mod pieces;
mod planned;
mod proved;
mod retaken;
mod status;
mod story;
mod taken;
mod told;
mod unfollowed;
mod unseen;
mod vacuumed;
mod workload;

use crate::comparison::Comparison;
use crate::environment::{Done, Environment, wait_until};
#[cfg(debug_assertions)]
use liteferry::pipeline::failpoint::VARIABLE;
use rustix::process::Signal;
use workload::{SCHEMA, Workload};

impl Environment {
    /// `run` of a source that is written to meanwhile, to where it can be followed.
    #[track_caller]
    fn run_live(&self, more: &[&str]) -> Done {
        self.liteferry(&self.ends("run", &[&["--workers", "2"], more].concat()))
    }

    /// A command that is killed at a step.
    #[cfg(debug_assertions)]
    #[track_caller]
    fn dies_at(&self, step: &str, command: &str, more: &[&str]) {
        let mut process = self.command();
        process.args(self.ends(command, more)).env(VARIABLE, format!("{step}=kill"));
        let died = self.spawn(process).wait();
        assert!(died.status.code().is_none() && died.says(step), "{died}");
    }

    /// Follows until the target is what the source is.
    #[track_caller]
    fn catch_up(&self) -> Done {
        self.liteferry(&self.ends("follow", &["--workers", "2", "--until-caught-up"]))
    }

    #[track_caller]
    fn assert_followed(&self) {
        Comparison::new().assert_equal(&self.source(), &self.connect());
    }
}

#[test]
fn what_changes_after_the_run_comes_over_when_it_is_followed() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}"));
        let mut workload = Workload::new(&environment.source(), 7);
        workload.statements(200);
        environment.run_live(&[]).expect(0);
        environment.assert_followed();
        for _ in 0..5 {
            workload.statements(100);
            environment.catch_up().expect(0);
            environment.assert_followed();
        }
        // Nothing is there to be done.
        environment.catch_up().expect(0);
        environment.assert_followed();
    }
}

#[test]
fn a_writer_at_full_speed_loses_nothing_while_all_is_moved() {
    for (mode, seed) in [("WAL", 1), ("DELETE", 2)] {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}"));
        Workload::new(&environment.source(), seed).statements(2000);
        let writer = Workload::new(&environment.source(), seed + 100).go_on();
        environment.run_live(&[]).expect(0);
        environment.catch_up().expect(0);
        assert!(writer.end() > 0, "it wrote nothing meanwhile");
        environment.catch_up().expect(0);
        environment.assert_followed();
    }
}

#[test]
fn what_is_uninstalled_leaves_the_source_as_it_was() {
    let environment = Environment::new();
    environment.sqlite(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
    Workload::new(&environment.source(), 3).statements(300);
    let schema = || -> Vec<(String, String, String, Option<String>)> {
        let connection = rusqlite::Connection::open(environment.source()).unwrap();
        let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
        let mut statement = connection.prepare(sql).unwrap();
        let rows =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    };
    let before = schema();
    let printed = environment.run_live(&[]).expect(0);
    assert!(schema().len() > before.len());
    environment.liteferry(&environment.ends("verify", &[])).expect(0);
    environment.liteferry(&environment.ends("uninstall", &[])).expect(0);
    assert_eq!(schema(), before);
    // It cannot be followed any more, and says so.
    environment.catch_up().expect(78).saying(&["uninstalled"]);
    // What the run printed does the same, without liteferry.
    let other = Environment::new();
    other.sqlite(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
    let printed_there = other.run_live(&[]).expect(0);
    let sql = printed_there.stderr.split_once("or by this SQL:").unwrap().1;
    let sql = sql.split_once("COMMIT;").unwrap().0;
    assert!(sql.lines().count() > 10, "{sql}");
    assert!(printed.stderr.contains("or by this SQL:"));
    other.sqlite(&format!("{sql}COMMIT"));
    let connection = rusqlite::Connection::open(other.source()).unwrap();
    let left = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%liteferry%'";
    assert_eq!(connection.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn a_proof_of_a_source_that_moves_names_what_somebody_else_wrote() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
         INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')",
    );
    environment.run_live(&[]).expect(0);
    environment.query("ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET a = 'too' WHERE id = 2");
    environment.sqlite("INSERT INTO t VALUES (4, 'four')");
    let done = environment.liteferry(&environment.ends("verify", &[])).expect(67);
    let differences = &done.json()["differences"][0];
    assert_eq!(
        (&differences["table"], &differences["changed"]),
        (&"t".into(), &1.into()),
        "{done}"
    );
    assert_eq!(differences["missing"], 0, "{done}");
    // What is touched is healed.
    environment.sqlite("UPDATE t SET a = 'two!' WHERE id = 2");
    environment.liteferry(&environment.ends("verify", &[])).expect(0);
}

#[test]
fn a_table_that_only_grows_needs_no_trigger_for_its_new_rows() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT);
         CREATE TABLE noted (a INT, b TEXT); INSERT INTO t VALUES (1, 1), (2, 2)",
    );
    let pipeline = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[tables.t]\ncapture = 'append'\n[tables.noted]\ncapture = 'append'\n",
        environment.source(),
        environment.url()
    );
    std::fs::write(environment.path("pipeline.toml"), pipeline).unwrap();
    environment.liteferry(&["run", "pipeline.toml"]).expect(0);
    let log = || {
        let connection = rusqlite::Connection::open(environment.source()).unwrap();
        let sql = "SELECT count(*) FROM _liteferry_log WHERE seq > 0";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    for statements in [
        "INSERT INTO t VALUES (3, 3), (4, 4); INSERT INTO noted VALUES (1, 'x'), (1, 'x')",
        "INSERT INTO t VALUES (9, 9); INSERT INTO noted VALUES (2, 'y')",
    ] {
        environment.sqlite(statements);
        assert_eq!(log(), 0, "new rows are not logged");
        environment.liteferry(&["follow", "--until-caught-up", "pipeline.toml"]).expect(0);
        environment.assert_followed();
    }
    environment.sqlite(
        "UPDATE t SET a = 5 WHERE id = 3; DELETE FROM t WHERE id = 9; INSERT INTO t VALUES (9, 10);
         INSERT INTO t VALUES (20, 20); UPDATE t SET a = 21 WHERE id = 20; DELETE FROM noted WHERE a = 2;
         INSERT INTO noted VALUES (3, 'z')",
    );
    assert!(log() > 0, "what is no new row is logged");
    environment.liteferry(&["follow", "--until-caught-up", "pipeline.toml"]).expect(0);
    environment.assert_followed();
    // The claim that it only grows is proved.
    environment.sqlite("INSERT INTO t VALUES (15, 15)");
    let done = environment.liteferry(&["verify", "--json", "pipeline.toml"]).expect(67);
    assert_eq!(done.json()["differences"][0]["missing"], 1, "{done}");
}

#[test]
fn a_table_that_only_grows_may_be_emptied_and_its_rowids_given_out_again() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT);
         INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
    );
    let pipeline = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[tables.t]\ncapture = 'append'\n",
        environment.source(),
        environment.url()
    );
    std::fs::write(environment.path("pipeline.toml"), pipeline).unwrap();
    environment.liteferry(&["run", "pipeline.toml"]).expect(0);
    for statement in [
        "INSERT INTO t (a) VALUES (4)",
        "DELETE FROM t WHERE id = 4",
        "INSERT INTO t (a) VALUES (14), (15)",
        "DELETE FROM t",
        "INSERT INTO t (a) VALUES (21), (22)",
        "INSERT INTO t VALUES (9223372036854775807, 5)",
        "UPDATE t SET a = a + 1",
        "DELETE FROM t WHERE id > 2",
        "INSERT INTO t (a) VALUES (33)",
    ] {
        environment.sqlite(statement);
        environment.liteferry(&["follow", "--until-caught-up", "pipeline.toml"]).expect(0);
        environment.assert_followed();
    }
}

#[test]
fn following_can_be_paused_and_goes_on_when_it_is_resumed() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)",
    );
    environment.run_live(&[]).expect(0);
    let follower = environment.start(&environment.ends("follow", &[]));
    environment.sqlite("INSERT INTO t VALUES (2)");
    wait_until("the second row", || environment.value("SELECT count(*) FROM t") == "2");
    environment.liteferry(&environment.ends("pause", &[])).expect(0);
    environment.liteferry(&environment.ends("pause", &[])).expect(0).saying(&["paused already"]);
    // The first commit may meet a follower that has looked just before.
    environment.sqlite("INSERT INTO t VALUES (3)");
    wait_until("the pause", || follower.said("paused"));
    let before = environment.value("SELECT count(*) FROM t");
    environment.sqlite("INSERT INTO t VALUES (4)");
    environment.liteferry(&environment.ends("status", &[])).expect(0);
    assert_eq!(environment.value("SELECT count(*) FROM t"), before);
    environment.liteferry(&environment.ends("resume", &[])).expect(0);
    wait_until("the fourth row", || environment.value("SELECT count(*) FROM t") == "4");
    follower.signal(Signal::TERM);
    let done = follower.wait().expect(143);
    assert!(done.says("resumed"), "{done}");
    // How it ended is in the ledger.
    let codes = environment.column("SELECT exit_code FROM liteferry.run ORDER BY id");
    assert_eq!(codes, ["0", "143"]);
}

#[test]
fn what_was_read_is_taken_out_of_the_log_and_its_highest_row_stays() {
    let environment = Environment::new();
    environment.sqlite(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
    let mut workload = Workload::new(&environment.source(), 5);
    environment.run_live(&[]).expect(0);
    let logged = || {
        let connection = rusqlite::Connection::open(environment.source()).unwrap();
        let sql = "SELECT count(*), max(seq) FROM _liteferry_log WHERE seq > 0";
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let mut highest = 0;
    for _ in 0..3 {
        workload.statements(200);
        let (rows, last): (i64, i64) = logged();
        assert!(rows > 50 && last > highest, "{rows} rows up to {last}");
        environment.catch_up().expect(0);
        highest = last;
        assert_eq!(logged(), (1, highest));
        environment.assert_followed();
    }
}

#[test]
fn what_keeps_changes_from_being_logged_ends_the_follower_and_is_named() {
    for (what, code, words) in [
        ("ALTER TABLE t ADD COLUMN c", 78, ["table t", "c"]),
        ("DROP TRIGGER _liteferry_1_after_update", 66, ["table t", "_liteferry_1_after_update"]),
        ("DROP TABLE _liteferry_log", 66, ["changelog is gone", ""]),
        ("DELETE FROM _liteferry_log", 66, ["was emptied", ""]),
        ("VACUUM", 66, ["table keyless", "VACUUM"]),
    ] {
        let environment = Environment::new();
        environment.sqlite(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a);
             CREATE TABLE keyless (a); INSERT INTO keyless VALUES (1), (2), (3); DELETE FROM keyless WHERE a = 1;
             INSERT INTO t VALUES (1, 1), (2, 2)",
        );
        environment.run_live(&[]).expect(0);
        environment.sqlite("UPDATE t SET a = 3");
        environment.catch_up().expect(0);
        environment.sqlite(what);
        let done = environment.catch_up().expect(code);
        assert!(words.iter().all(|word| done.says(word)), "{what}: {done}");
    }
}

#[test]
fn a_value_that_does_not_fit_sets_its_row_aside_until_a_better_one_comes() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT);
         CREATE TABLE named (id TEXT PRIMARY KEY, a INT);
         INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO named VALUES ('a', 1), ('b', 2)",
    );
    environment.run_live(&[]).expect(0);
    let aside = || {
        environment.column("SELECT table_name || ' ' || row_name FROM liteferry.reject ORDER BY 1")
    };
    environment.sqlite(
        "UPDATE t SET a = 'one' WHERE id = 1; INSERT INTO named VALUES ('c', 'three'); UPDATE named SET a = x'00' WHERE id = 'a'",
    );
    environment.catch_up().expect(65).saying(&["set aside"]);
    assert_eq!(aside(), ["named key (TEXT 'a')", "named key (TEXT 'c')", "t rowid 1"]);
    assert_eq!(environment.column("SELECT id FROM t UNION ALL SELECT 2 FROM named"), ["2", "2"]);
    Comparison::new().setting_aside().assert_equal(&environment.source(), &environment.connect());
    // Touched again, it is still aside, once.
    environment.sqlite("UPDATE t SET a = 'uno' WHERE id = 1");
    environment.catch_up().expect(65);
    assert_eq!(aside().len(), 3);
    environment.sqlite(
        "UPDATE t SET a = 11 WHERE id = 1; DELETE FROM named WHERE id = 'c'; REPLACE INTO named VALUES ('a', 5)",
    );
    environment.catch_up().expect(0);
    assert!(aside().is_empty());
    environment.assert_followed();
    environment.liteferry(&environment.ends("verify", &[])).expect(0);
}

#[test]
fn a_table_that_cannot_be_followed_is_named_before_anything_is_begun() {
    let environment = Environment::new();
    environment.sqlite(
        "CREATE TABLE fine (id INTEGER PRIMARY KEY);
         CREATE TABLE hidden (rowid TEXT, oid TEXT, _rowid_ TEXT);
         CREATE TABLE odd (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE other (a);
         CREATE TRIGGER odd_1 AFTER INSERT ON odd BEGIN SELECT no_such_function(1); END",
    );
    let done = environment.run_live(&[]).expect(78);
    assert!(done.says("hidden") && !done.says("fine"), "{done}");
    assert_eq!(environment.value("SELECT to_regclass('liteferry.migration') IS NULL"), "t");
    let connection = rusqlite::Connection::open(environment.source()).unwrap();
    let ours = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%liteferry%'";
    assert_eq!(connection.query_row(ours, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn a_source_without_tables_is_followed_too() {
    let environment = Environment::new();
    environment.sqlite("CREATE TABLE gone (a); DROP TABLE gone");
    environment.run_live(&[]).expect(0);
    environment.run_live(&[]).expect(0);
    environment.catch_up().expect(0);
    environment.sqlite("CREATE TABLE new (id INTEGER PRIMARY KEY)");
    environment.catch_up().expect(78).saying(&["table new"]);
    environment.run_live(&["--anew", "new"]).expect(0);
    environment.sqlite("INSERT INTO new VALUES (1)");
    environment.catch_up().expect(0);
    environment.assert_followed();
}

#[test]
fn a_key_that_is_written_otherwise_takes_no_others_place() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (at DATETIME PRIMARY KEY, a INT);
         INSERT INTO t VALUES ('2026-01-31 12:00:00', 1), ('2026-01-31 13:00:00', 2)",
    );
    environment.run_live(&[]).expect(0);
    assert_eq!(
        environment.column("SELECT pg_typeof(at)::text FROM t LIMIT 1"),
        ["timestamp without time zone"]
    );
    // To PostgreSQL it is the same time as one that is there.
    environment
        .sqlite("INSERT INTO t VALUES ('2026-01-31T12:00:00', 3), ('2026-01-31 14:00:00', 4)");
    environment.catch_up().expect(65).saying(&["written otherwise"]);
    assert_eq!(environment.column("SELECT a FROM t ORDER BY at"), ["1", "2", "4"]);
    environment.liteferry(&environment.ends("verify", &[])).expect(65);
    environment.sqlite("DELETE FROM t WHERE a = 3; UPDATE t SET a = 11 WHERE a = 1");
    environment.catch_up().expect(0);
    environment.assert_followed();
}

#[test]
fn what_dies_while_it_writes_to_the_source_is_rolled_back_by_the_next_command() {
    let environment = Environment::new();
    environment.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 1)");
    environment.run_live(&[]).expect(0);
    let writer = rusqlite::Connection::open(environment.source()).unwrap();
    // What is in the file before its commit, and the journal beside it, are what a writer leaves that is killed.
    writer.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1").unwrap();
    writer
        .execute_batch(
            "BEGIN; WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO t SELECT i, hex(randomblob(200)) FROM n",
        )
        .unwrap();
    for suffix in ["", "-journal"] {
        let name = format!("source.db{suffix}");
        std::fs::copy(environment.path(&name), environment.path(&format!("dead.{name}"))).unwrap();
    }
    writer.execute_batch("ROLLBACK").unwrap();
    drop(writer);
    for suffix in ["", "-journal"] {
        let name = format!("source.db{suffix}");
        std::fs::rename(environment.path(&format!("dead.{name}")), environment.path(&name))
            .unwrap();
    }
    environment.catch_up().expect(0);
    environment.assert_followed();
}
