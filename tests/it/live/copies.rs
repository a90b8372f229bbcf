//! Files and databases that are not those that were followed last: older copies, lost logs, restored backups. What
//! cannot be made good is noticed.

use crate::environment::{Environment, wait_until};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs;

/// Six rows with keys.
const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a);
     INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)";

impl Environment {
    /// A moved source.
    fn followed(mode: &str) -> Self {
        let environment = Self::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}"));
        environment.run_live(&[]).expect(0);
        // What the run wrote to it goes with every copy.
        environment.sqlite("PRAGMA wal_checkpoint(TRUNCATE)");
        environment
    }

    /// Writes as an application does that dies: its write-ahead log stays as it is.
    fn write_and_die(&self, sql: &str) {
        let application = Connection::open(self.source()).unwrap();
        application.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        application.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
        application.execute_batch(sql).unwrap();
    }

    /// Removes what belongs to the file that was there before.
    fn remove_beside(&self) {
        for beside in ["source.db-wal", "source.db-shm"] {
            let _may_not_be_there = fs::remove_file(self.path(beside));
        }
    }

    /// Puts another file in the place of the source.
    pub(super) fn put(&self, other: &str) {
        self.remove_beside();
        fs::copy(self.path(other), self.source()).unwrap();
    }

    fn lose_write_ahead_log(&self) {
        assert!(fs::metadata(self.path("source.db-wal")).unwrap().len() > 0, "nothing to lose");
        fs::remove_file(self.path("source.db-wal")).unwrap();
        fs::remove_file(self.path("source.db-shm")).unwrap();
    }

    /// Applies what was written, and dies at a step.
    #[cfg(debug_assertions)]
    #[track_caller]
    fn catch_up_and_die(&self, step: &str) {
        self.dies_at(step, "follow", &["--until-caught-up"]);
    }

    /// Follows, and compares where that ends well.
    #[track_caller]
    fn catches_up(&self) {
        self.catch_up().expect(0);
        self.assert_followed();
        self.liteferry(&self.ends("verify", &[])).expect(0);
    }

    #[track_caller]
    fn notices(&self, words: &[&str]) {
        self.catch_up().expect(66).saying(words);
        // It is no passing thing.
        self.catch_up().expect(66);
    }

    fn backup(&self) -> String {
        let name = self.value("SELECT current_database()");
        self.maintain(&format!("CREATE DATABASE {name}_backup TEMPLATE {name}"));
        name
    }

    fn restore(&self, name: &str) {
        self.maintain(&format!("DROP DATABASE {name} WITH (FORCE)"));
        self.maintain(&format!("CREATE DATABASE {name} TEMPLATE {name}_backup"));
        self.maintain(&format!("DROP DATABASE {name}_backup"));
    }
}

#[test]
fn an_older_copy_is_noticed_from_the_first_pass_on() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::followed(mode);
        fs::copy(environment.source(), environment.path("older.db")).unwrap();
        // Nothing was ever taken out of the log: it has one row.
        environment.sqlite("UPDATE t SET a = 10 WHERE id = 1");
        environment.catches_up();
        environment.put("older.db");
        environment.sqlite("UPDATE t SET a = 11 WHERE id = 1; UPDATE t SET a = 20 WHERE id = 2");
        environment.notices(&["older copy of itself", "put the file back"]);
    }
}

#[test]
fn an_older_copy_is_noticed_whenever_it_was_made() {
    let environment = Environment::followed("DELETE");
    for pass in 0..3 {
        let older = environment.path(&format!("older.{pass}"));
        fs::copy(environment.source(), older).unwrap();
        environment.sqlite(&format!("UPDATE t SET a = a + {pass}"));
        environment.catches_up();
    }
    fs::copy(environment.source(), environment.path("now")).unwrap();
    for pass in 0..3 {
        environment.put(&format!("older.{pass}"));
        environment.sqlite("UPDATE t SET a = 7; UPDATE t SET a = 8; UPDATE t SET a = 9");
        environment.sqlite("UPDATE t SET a = 7; UPDATE t SET a = 8; UPDATE t SET a = 9");
        environment.notices(&["older copy of itself"]);
    }
    // What was followed comes back.
    environment.put("now");
    environment.sqlite("UPDATE t SET a = 1");
    environment.catches_up();
}

#[test]
#[cfg(debug_assertions)]
fn a_follower_that_died_tells_an_older_copy_by_what_it_had_read() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::followed(mode);
        fs::copy(environment.source(), environment.path("older.db")).unwrap();
        environment.sqlite("UPDATE t SET a = 10 WHERE id IN (1, 2, 3)");
        environment.catch_up_and_die("pass-committed");
        environment.put("older.db");
        let touches = "UPDATE t SET a = 20 WHERE id IN (1, 2, 4); UPDATE t SET a = 30 WHERE id = 5";
        environment.sqlite(touches);
        environment.notices(&["says something else", "put the file back"]);
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_follower_that_died_twice_tells_an_older_copy_that_was_sealed_before_the_first_time() {
    let environment = Environment::followed("DELETE");
    environment.sqlite("UPDATE t SET a = 10 WHERE id IN (1, 2)");
    environment.catch_up_and_die("log-sealed");
    fs::copy(environment.source(), environment.path("older.db")).unwrap();
    environment.sqlite("UPDATE t SET a = 20 WHERE id IN (3, 4)");
    environment.catch_up_and_die("pass-committed");
    environment.put("older.db");
    environment.sqlite("UPDATE t SET a = 30 WHERE id IN (5, 6)");
    environment.notices(&["says something else", "put the file back"]);
}

#[test]
#[cfg(debug_assertions)]
fn touches_that_are_made_again_with_other_values_are_applied_again() {
    let environment = Environment::followed("DELETE");
    fs::copy(environment.source(), environment.path("older.db")).unwrap();
    environment.sqlite("UPDATE t SET a = 10 WHERE id IN (1, 2, 3)");
    environment.catch_up_and_die("pass-committed");
    environment.put("older.db");
    environment.sqlite("UPDATE t SET a = 20 WHERE id IN (1, 2, 3)");
    environment.catches_up();
}

#[test]
fn a_lost_write_ahead_log_that_was_read_is_noticed() {
    for later in ["", "UPDATE t SET a = 20", "UPDATE t SET a = 20; UPDATE t SET a = 30"] {
        let environment = Environment::followed("WAL");
        environment.write_and_die("UPDATE t SET a = 10 WHERE id < 4");
        environment.catch_up().expect(0);
        environment.lose_write_ahead_log();
        environment.sqlite(later);
        environment.notices(&["put the file back"]);
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_write_ahead_log_that_is_lost_with_the_follower_is_noticed_or_made_good() {
    for (later, words) in [
        ("", "its last writes were lost"),
        ("UPDATE t SET a = 20 WHERE id > 3", "its last writes were lost"),
        ("DELETE FROM t WHERE id < 4; DELETE FROM t WHERE id = 6", ""),
    ] {
        let environment = Environment::followed("WAL");
        environment.write_and_die("UPDATE t SET a = 10 WHERE id < 4");
        environment.catch_up_and_die("pass-committed");
        environment.lose_write_ahead_log();
        environment.sqlite(later);
        match words {
            "" => environment.catches_up(),
            words => environment.notices(&[words]),
        }
    }
}

#[test]
fn a_lost_write_ahead_log_that_had_nothing_new_is_nothing_to_stop_for() {
    let environment = Environment::followed("WAL");
    environment.sqlite("UPDATE t SET a = 10 WHERE id < 4");
    environment.catch_up().expect(0);
    environment.sqlite("PRAGMA wal_checkpoint(TRUNCATE)");
    // What nobody has read is lost for the application, and was never anybody else's.
    environment.write_and_die("UPDATE t SET a = 50");
    environment.lose_write_ahead_log();
    environment.catches_up();
    environment.sqlite("UPDATE t SET a = 60 WHERE id = 1");
    environment.catches_up();
}

#[test]
fn a_file_that_takes_the_place_of_the_one_that_is_followed_is_noticed_at_once() {
    let environment = Environment::followed("WAL");
    let follower = environment.start(&environment.ends("follow", &[]));
    environment.sqlite("UPDATE t SET a = 10");
    let sealed = "SELECT seq > 0 AND sealed = seq FROM liteferry.position";
    wait_until("all is sealed", || environment.value(sealed) == "t");
    let copy = environment.path("copy.db");
    environment.sqlite(&format!("VACUUM INTO {copy:?}"));
    fs::rename(&copy, environment.source()).unwrap();
    follower
        .wait()
        .expect(66)
        .saying(&["another file has taken its place", "run the same command"]);
    for name in ["source.db-wal", "source.db-shm"] {
        // They belonged to the other one.
        let _may_be_gone = fs::remove_file(environment.path(name));
    }
    // It goes on from the one that was followed.
    environment.sqlite("UPDATE t SET a = 11 WHERE id = 1");
    environment.catches_up();
}

#[test]
#[cfg(debug_assertions)]
fn a_target_that_is_restored_goes_on_where_the_log_still_has_everything() {
    // The log was sealed since, or not.
    for (at, sealed) in [("pass-committed", false), ("seal-noted", true)] {
        let environment = Environment::followed("WAL");
        environment.sqlite("UPDATE t SET a = 10 WHERE id < 3");
        environment.catch_up_and_die("pass-committed");
        let name = environment.backup();
        environment.sqlite("UPDATE t SET a = 20 WHERE id = 1; DELETE FROM t WHERE id = 6");
        environment.catch_up_and_die(at);
        environment.restore(&name);
        assert_eq!(environment.value("SELECT count(*) FROM t"), "6", "sealed: {sealed}");
        environment.catches_up();
    }
}

#[test]
fn a_target_that_is_restored_from_before_the_log_was_purged_is_noticed() {
    for passes in [1, 3] {
        let environment = Environment::followed("WAL");
        environment.sqlite("UPDATE t SET a = 10 WHERE id < 3");
        environment.catches_up();
        let name = environment.backup();
        for pass in 0..passes {
            environment.sqlite(&format!("UPDATE t SET a = {pass}; DELETE FROM t WHERE id = 6"));
            environment.catches_up();
        }
        environment.restore(&name);
        environment.notices(&["the target", "older copy of itself", "put"]);
        environment.sqlite("UPDATE t SET a = 10 WHERE id = 1");
        environment.notices(&["the target", "older copy of itself", "put"]);
    }
}

#[test]
fn a_target_that_is_restored_after_nothing_was_written_goes_on() {
    let environment = Environment::followed("WAL");
    environment.sqlite("UPDATE t SET a = 10 WHERE id < 3");
    environment.catches_up();
    let name = environment.backup();
    environment.catches_up();
    environment.restore(&name);
    environment.sqlite("UPDATE t SET a = 10 WHERE id = 1");
    environment.catches_up();
}

#[test]
fn a_log_that_somebody_emptied_is_noticed_though_it_has_grown_as_far_again() {
    for (before, after) in [(1, 1), (1, 3), (6, 6), (6, 18)] {
        let environment = Environment::followed("WAL");
        environment.sqlite(&format!("UPDATE t SET a = 10 WHERE id <= {before}"));
        environment.catches_up();
        // One row is touched again and again, as by the last touch that was applied.
        let touches = format!("UPDATE t SET a = a + 1 WHERE id = {before}; ").repeat(after);
        let lost = "UPDATE t SET a = 11 WHERE id = 3; DELETE FROM _liteferry_log";
        environment.sqlite(&format!("{lost}; {touches}"));
        environment.notices(&["was emptied", "put the file back", "liteferry uninstall"]);
    }
}

#[test]
fn rows_that_somebody_deleted_from_the_log_are_missed() {
    for missing in [
        "seq % 4 = 2",
        "seq BETWEEN 5 AND 6",
        "seq = (SELECT min(seq) + 1 FROM _liteferry_log WHERE seq > 0)",
    ] {
        let environment = Environment::followed("WAL");
        environment.sqlite("UPDATE t SET a = 10 WHERE id < 3");
        environment.catches_up();
        environment.sqlite("UPDATE t SET a = a + 1; UPDATE t SET a = a + 1");
        environment.sqlite(&format!("DELETE FROM _liteferry_log WHERE {missing} AND seq > 2"));
        environment.notices(&["source", "missing", "put the file back"]);
        // Nothing of it was applied.
        assert_eq!(environment.value("SELECT count(*) FROM t WHERE a = '10'"), "2");
    }
}

#[test]
fn a_file_that_is_restored_beside_the_log_of_another_is_noticed() {
    // SQLite takes the log for that of the file: of some pages it has the newer state, of all others the older one.
    for (later, code) in [
        ("UPDATE t SET a = 10 WHERE id < 4", 66),
        ("UPDATE u SET b = 'x' WHERE id < 300", 65),
        ("UPDATE u SET b = 'x' WHERE id < 900", 65),
        ("UPDATE u SET b = 'x'", 65),
    ] {
        let environment = Environment::new();
        environment.sqlite(&format!(
            "PRAGMA journal_mode = WAL; {SCHEMA}; CREATE TABLE u (id INTEGER PRIMARY KEY, b TEXT);
             CREATE INDEX u_b ON u (b);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO u SELECT i, printf('%040d', i * 7) FROM n; PRAGMA wal_checkpoint(TRUNCATE)"
        ));
        fs::copy(environment.source(), environment.path("backup.db")).unwrap();
        environment.run_live(&[]).expect(0);
        environment
            .sqlite("UPDATE u SET b = printf('%040d', id * 3); DELETE FROM u WHERE id % 3 = 0");
        environment.catches_up();
        environment.sqlite("PRAGMA wal_checkpoint(TRUNCATE)");
        environment.write_and_die(later);
        fs::copy(environment.path("backup.db"), environment.source()).unwrap();
        fs::remove_file(environment.path("source.db-shm")).unwrap();
        environment.catch_up().expect(code);
        environment.liteferry(&environment.ends("verify", &[])).expect(code);
    }
}

#[test]
fn an_older_copy_beside_the_log_of_the_file_that_was_followed_is_noticed() {
    let environment = Environment::followed("WAL");
    environment.sqlite("UPDATE t SET a = 7; PRAGMA wal_checkpoint(TRUNCATE)");
    environment.catches_up();
    environment.sqlite("PRAGMA wal_checkpoint(TRUNCATE)");
    fs::copy(environment.source(), environment.path("backup.db")).unwrap();
    environment.sqlite("UPDATE t SET a = 8");
    environment.catches_up();
    environment.sqlite("PRAGMA wal_checkpoint(TRUNCATE)");
    environment.write_and_die("UPDATE t SET a = 9 WHERE id = 1");
    fs::copy(environment.path("backup.db"), environment.source()).unwrap();
    fs::remove_file(environment.path("source.db-shm")).unwrap();
    environment.notices(&["older copy of itself", "put the file back"]);
}
