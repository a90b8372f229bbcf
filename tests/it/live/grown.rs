//! Tables that only grow (`capture = "append"`): their new rows are those with the highest rowids.

use crate::environment::{Done, Environment};
use std::time::{Duration, Instant};

impl Environment {
    /// A moved source whose tables only grow.
    pub(super) fn growing(schema: &str, tables: &[&str], code: i32) -> Self {
        let environment = Self::new();
        environment.sqlite(&format!("PRAGMA journal_mode = WAL; {schema}"));
        let settings: String =
            tables.iter().map(|table| format!("[tables.{table}]\ncapture = 'append'\n")).collect();
        let (source, url) = (environment.source(), environment.url());
        let pipeline = format!(
            "[source]\npath = {source:?}\n[target]\nurl = {url:?}\n[follow]\nmax_batch = 2\n{settings}"
        );
        std::fs::write(environment.path("pipeline.toml"), pipeline).unwrap();
        environment.liteferry(&["run", "--workers", "2", "pipeline.toml"]).expect(code);
        environment
    }

    #[track_caller]
    pub(super) fn grow(&self) -> Done {
        self.liteferry(&["follow", "--until-caught-up", "pipeline.toml"])
    }
}

#[test]
fn rows_that_were_set_aside_when_they_were_copied_are_noted_once() {
    let environment = Environment::growing(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); CREATE TABLE noted (a INT, b TEXT);
         INSERT INTO t VALUES (-20, 1), (-19, 1), (-18, 1), (-17, 1), (-16, 1), (-15, 1), (-14, 1), (-7, x'00'), (1, 1), (2, x'02'), (3, x'03'), (4, x'04'), (5, x'05'), (6, x'06');
         INSERT INTO noted VALUES (1, 'x'), (1, 'x'), (x'02', 'y')",
        &["t", "noted"],
        65,
    );
    let aside = || {
        environment.column(
            "SELECT table_name || ' ' || row_name || ' ' || column_name FROM liteferry.reject ORDER BY 1",
        )
    };
    let all = [
        "noted rowid 3 a",
        "t rowid -7 a",
        "t rowid 2 a",
        "t rowid 3 a",
        "t rowid 4 a",
        "t rowid 5 a",
        "t rowid 6 a",
    ];
    assert_eq!(aside(), all);
    environment.sqlite("INSERT INTO t VALUES (7, 7)");
    for _ in 0..2 {
        environment.grow().expect(65);
        assert_eq!(aside(), all);
    }
    environment.sqlite("UPDATE t SET a = id; UPDATE noted SET a = 2 WHERE b = 'y'");
    environment.grow().expect(0);
    assert!(aside().is_empty());
    environment.assert_followed();
}

/// What was applied last is lost with the follower, before it was sealed; then the application writes these.
#[cfg(debug_assertions)]
fn losing_the_last_rows(then: &str) -> Environment {
    let environment = Environment::growing(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); CREATE TABLE noted (a INT);
         INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO noted VALUES (1)",
        &["t", "noted"],
        0,
    );
    environment.sqlite("INSERT INTO t VALUES (3, 3); PRAGMA wal_checkpoint(TRUNCATE)");
    environment.grow().expect(0);
    environment.sqlite("PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::copy(environment.source(), environment.path("older.db")).unwrap();
    environment.sqlite("INSERT INTO t VALUES (4, 4), (5, 5)");
    let mut process = environment.command();
    process.args(["follow", "pipeline.toml"]);
    process.env(liteferry::pipeline::failpoint::VARIABLE, "pass-committed=kill");
    let died = environment.spawn(process).wait();
    assert!(died.status.code().is_none() && died.says("pass-committed"), "{died}");
    assert_eq!(environment.value("SELECT max(id) FROM t"), "5");
    environment.put("older.db");
    environment.sqlite(then);
    environment
}

#[test]
#[cfg(debug_assertions)]
fn last_rows_that_were_lost_are_noticed_and_their_table_is_taken_anew() {
    for then in [
        "",
        "INSERT INTO t VALUES (4, 14)",
        // The rowid of a row that was lost stays free.
        "INSERT INTO t VALUES (5, 15), (6, 16)",
        "DELETE FROM t WHERE id > 1",
        "INSERT INTO noted VALUES (2), (3), (4)",
        // More than a pass takes stands between.
        "INSERT INTO t VALUES (5, 15), (6, 16); UPDATE noted SET a = 2; UPDATE noted SET a = 3; UPDATE noted SET a = 4;
         UPDATE noted SET a = 5; UPDATE noted SET a = 6",
    ] {
        let environment = losing_the_last_rows(then);
        for _ in 0..2 {
            let done = environment.grow().expect(66);
            assert!(done.says("table t") && done.says("liteferry run --anew t"), "{then}: {done}");
        }
        environment.liteferry(&["run", "pipeline.toml", "--anew", "t"]).expect(0);
        environment.sqlite("INSERT INTO t VALUES (40, 40)");
        environment.grow().expect(0);
        environment.assert_followed();
    }
}

#[test]
#[cfg(debug_assertions)]
fn last_rows_that_were_lost_and_come_again_are_read_again() {
    for then in [
        "INSERT INTO t VALUES (4, 14), (5, 15)",
        "INSERT INTO t VALUES (4, 14), (5, 15), (6, 16), (7, 17), (8, 18)",
        "INSERT INTO t VALUES (4, 14), (5, 15), (6, 16); UPDATE t SET a = 7 WHERE id IN (1, 4, 6)",
    ] {
        let environment = losing_the_last_rows(then);
        environment.grow().expect(0);
        environment.assert_followed();
        environment.liteferry(&["verify", "pipeline.toml"]).expect(0);
    }
}

#[test]
fn an_older_copy_of_a_table_that_only_grows_is_noticed() {
    let environment = Environment::growing(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1), (2, 2)",
        &["t"],
        0,
    );
    environment.sqlite("PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::copy(environment.source(), environment.path("older.db")).unwrap();
    environment.sqlite("INSERT INTO t VALUES (3, 3)");
    environment.grow().expect(0);
    environment.put("older.db");
    for then in ["", "INSERT INTO t VALUES (3, 13), (4, 14)"] {
        environment.sqlite(then);
        environment.grow().expect(66).saying(&["older copy of itself", "put the file back"]);
    }
}

#[test]
fn new_rows_are_applied_no_faster_than_asked_for_and_tell_how_long_others_take() {
    let environment = Environment::growing(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1)",
        &["t"],
        0,
    );
    let text = std::fs::read_to_string(environment.path("pipeline.toml")).unwrap();
    let slow = text.replace("max_batch = 2", "max_rate = 1500");
    std::fs::write(environment.path("pipeline.toml"), slow).unwrap();
    environment.sqlite(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 4501)
         INSERT INTO t SELECT i, i FROM n",
    );
    let began = Instant::now();
    environment.grow().expect(0);
    let took = began.elapsed();
    assert!(took > Duration::from_secs(2), "4500 rows at 1500 a second took {took:?}");
    environment.assert_followed();
    let pace = "SELECT touches, last_touches, bulk_touches FROM liteferry.position";
    let pace = &environment.query(pace)[0];
    assert_eq!(pace.iter().flatten().collect::<Vec<_>>(), ["0", "1500", "1500"]);
}
