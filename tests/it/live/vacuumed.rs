//! Autovacuum is off in the tables that are followed, and liteferry does its work.

use crate::environment::{Environment, wait_until};
use rustix::process::Signal;

/// What the tables of the target say of autovacuum.
fn settings(environment: &Environment) -> Vec<String> {
    environment.column(
        "SELECT c.relname || coalesce(' ' || array_to_string(c.reloptions, ',' ), '') || coalesce(' toast ' || array_to_string(t.reloptions, ','), '')
         FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace ORDER BY 1",
    )
}

const OFF: &str = "autovacuum_enabled=off";

#[test]
fn autovacuum_is_off_while_a_table_is_followed_and_given_back_after_that() {
    let environment = Environment::new();
    environment.sqlite(
        "CREATE TABLE made (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE there (id INTEGER PRIMARY KEY, a TEXT);
         CREATE TABLE small (id INTEGER PRIMARY KEY)",
    );
    environment.query(
        "CREATE TABLE there (id bigint PRIMARY KEY, a text)
         WITH (fillfactor = 70, autovacuum_enabled = on, toast.autovacuum_enabled = false)",
    );
    let before = settings(&environment);
    let off = [
        format!("made {OFF} toast {OFF}"),
        format!("small {OFF}"),
        format!("there fillfactor=70,{OFF} toast {OFF}"),
    ];
    environment.run_live(&["--until", "snapshot"]).expect(0);
    assert_eq!(settings(&environment)[2], before[0]);
    for _ in 0..2 {
        environment.run_live(&[]).expect(0);
        assert_eq!(settings(&environment), off);
    }
    environment.run_live(&["--anew", "made", "--anew", "there"]).expect(0);
    assert_eq!(settings(&environment), off);
    environment.liteferry(&environment.ends("uninstall", &[])).expect(0);
    let after = settings(&environment);
    assert_eq!(after[..2], ["made".to_owned(), "small".to_owned()]);
    assert_eq!(
        after[2].replace("='", "=").replace('\'', ""),
        "there fillfactor=70,autovacuum_enabled=on toast autovacuum_enabled=false"
    );
    environment.query(&environment.value("SELECT drop_sql FROM liteferry.migration"));
    // The SQL that takes everything back does so, too.
    environment.run_live(&[]).expect(0);
    assert_eq!(settings(&environment), off);
    environment.query(&environment.value("SELECT drop_sql FROM liteferry.migration"));
    assert_eq!(
        settings(&environment),
        ["there fillfactor=70,autovacuum_enabled=on toast autovacuum_enabled=false"]
    );
}

const OTHER: &str = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'other'";

#[test]
fn a_table_that_is_followed_is_vacuumed_when_autovacuum_would_do_it() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); CREATE TABLE quiet (id INTEGER PRIMARY KEY);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, 0 FROM n;
         INSERT INTO quiet SELECT id FROM t; CREATE TABLE other (id INTEGER PRIMARY KEY, a INT); INSERT INTO other SELECT id, 0 FROM t",
    );
    environment.run_live(&[]).expect(0);
    let counted = |what: &str| {
        environment
            .value(&format!("SELECT {what} FROM pg_stat_user_tables WHERE relname = 't'"))
            .parse::<u32>()
            .unwrap()
    };
    let dead = || {
        environment.value(
            "SELECT min(n_dead_tup) > 250 FROM pg_stat_user_tables WHERE relname IN ('t', 'other')",
        )
    };
    wait_until("the first vacuum", || counted("vacuum_count") == 1);
    // Few rows are left for later.
    environment.sqlite("UPDATE t SET a = 1 WHERE id <= 100");
    environment.catch_up().expect(0);
    wait_until("the dead rows", || counted("n_dead_tup") >= 100);
    environment.catch_up().expect(0);
    assert_eq!(counted("vacuum_count"), 1);
    environment.sqlite("UPDATE t SET a = 2 WHERE id <= 600; UPDATE other SET a = 2");
    environment.catch_up().expect(0);
    // Whoever catches up next does it.
    wait_until("the dead rows", || dead() == "t");
    assert_eq!(counted("vacuum_count"), 1);
    environment.catch_up().expect(0);
    wait_until("the second vacuum", || counted("vacuum_count") == 2 && counted("n_dead_tup") == 0);
    wait_until("that of the other", || environment.value(OTHER) == "2");
    // And so does one that follows on and on, beside the tail.
    environment.sqlite("UPDATE t SET a = 3");
    environment.catch_up().expect(0);
    wait_until("the dead rows", || counted("n_dead_tup") > 250);
    let follower = environment.start(&environment.ends("follow", &[]));
    wait_until("the third vacuum", || counted("vacuum_count") == 3);
    environment.sqlite("UPDATE t SET a = 4 WHERE id = 1");
    wait_until("the last row", || environment.value("SELECT a FROM t WHERE id = 1") == "4");
    follower.signal(Signal::TERM);
    follower.wait().expect(143);
    assert_eq!(
        environment.value("SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'quiet'"),
        "1"
    );
    environment.assert_followed();
}

#[test]
fn a_follower_that_fails_does_not_wait_for_a_vacuum_which_keeps_nobody_out() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, 0 FROM n",
    );
    environment.run_live(&[]).expect(0);
    environment.sqlite("UPDATE t SET a = 1");
    environment.catch_up().expect(0);
    wait_until("the dead rows", || {
        environment.value("SELECT n_dead_tup > 250 FROM pg_stat_user_tables WHERE relname = 't'")
            == "t"
    });
    let other = environment.connect();
    other.query("BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE");
    let follower = environment.start(&environment.ends("follow", &[]));
    let waits = "SELECT pid FROM pg_locks WHERE relation = 't'::regclass AND NOT granted";
    wait_until("the vacuum", || !environment.column(waits).is_empty());
    let leases =
        format!("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid IN ({waits})");
    assert_eq!(environment.value(&leases), "0");
    environment.sqlite("DROP TRIGGER _liteferry_0_after_update; UPDATE t SET a = 2 WHERE id = 1");
    follower.wait().expect(66);
    assert!(environment.column(waits).is_empty(), "its vacuum goes on");
    other.query("ROLLBACK");
}
