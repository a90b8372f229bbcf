//! What happens to a follower from outside: a server that crashes, backends that are terminated, a COMMIT whose answer is
//! lost, an application that keeps the write lock.

use super::workload::{SCHEMA, Workload};
use crate::environment::{Environment, Running, wait_until};
use crate::faults::proxy::{Break, Proxy};
use liteferry::store::postgres::server::StopMode;
use rusqlite::Connection;
use rustix::process::Signal;

impl Environment {
    /// A source that was written to, moved to where it can be followed.
    fn moved(&self, seed: u64) -> Workload {
        self.sqlite(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
        let mut workload = Workload::new(&self.source(), seed);
        workload.statements(200);
        self.run_live(&[]).expect(0);
        workload
    }

    /// The highest touch of the source.
    fn head(&self) -> String {
        let connection = Connection::open(self.source()).unwrap();
        let sql = "SELECT coalesce(max(seq), 0) FROM _liteferry_log";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().to_string()
    }

    /// Waits until everything that was written is applied by a follower.
    #[track_caller]
    fn wait_until_applied(&self, follower: &mut Running) {
        let head = self.head();
        wait_until("all that was written", || {
            assert!(!follower.has_ended(), "{}", follower.told_so_far());
            self.value("SELECT seq FROM liteferry.position") == head
        });
    }

    /// Ends a follower, and compares.
    #[track_caller]
    fn end(&self, follower: Running) {
        follower.signal(Signal::TERM);
        follower.wait().expect(143);
        self.assert_followed();
    }
}

#[test]
fn a_follower_outlasts_a_server_that_crashes_again_and_again() {
    let environment = Environment::with_own_server(&[]);
    let mut workload = environment.moved(21);
    let mut follower = environment.start(&environment.ends("follow", &[]));
    // One that finds no server when it begins says so, and ends.
    workload.statements(20);
    environment.wait_until_applied(&mut follower);
    for _ in 0..4 {
        workload.statements(60);
        environment.server().restart(StopMode::Immediate).unwrap();
        workload.statements(60);
        environment.wait_until_applied(&mut follower);
        environment.assert_followed();
    }
    assert!(follower.said("trying again"), "it did not notice");
    environment.end(follower);
}

#[test]
fn a_follower_whose_backend_is_terminated_goes_on() {
    let environment = Environment::new();
    let mut workload = environment.moved(22);
    let mut follower = environment.start(&environment.ends("follow", &[]));
    for _ in 0..5 {
        workload.statements(60);
        environment.wait_until_applied(&mut follower);
        let terminated = environment.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'liteferry'",
        );
        assert_ne!(terminated, "0");
    }
    workload.statements(60);
    environment.wait_until_applied(&mut follower);
    assert!(follower.said("trying again"), "it did not notice");
    environment.end(follower);
}

#[test]
fn a_pass_whose_commit_was_not_answered_or_not_heard_is_applied_once() {
    for (at, seed) in [(Break::AfterCommit, 23), (Break::BeforeCommit, 24)] {
        let environment = Environment::new();
        let mut workload = environment.moved(seed);
        let server = environment.server();
        let socket = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
        let proxy = Proxy::start(&socket, at, |commit| commit % 3 == 0);
        let url = environment.url();
        let (_, database) = url.rsplit_once('/').unwrap();
        let host = proxy.folder().to_str().unwrap().replace('/', "%2F");
        let url = format!("postgresql://{}@{host}:{}/{database}", server.user(), server.port());
        let source = environment.source();
        let arguments = ["follow", "--source", source.to_str().unwrap(), "--target", &url];
        let mut follower = environment.start(&arguments);
        for _ in 0..12 {
            workload.statements(20);
            environment.wait_until_applied(&mut follower);
            environment.assert_followed();
        }
        assert!(proxy.broken() >= 2, "{} of {} commits broke", proxy.broken(), proxy.met());
        environment.end(follower);
    }
}

#[test]
fn an_application_that_asks_for_the_lock_now_and_then_gets_it_while_the_log_is_purged() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
         INSERT INTO t SELECT i, i FROM n",
    );
    environment.run_live(&[]).expect(0);
    environment.sqlite("UPDATE t SET a = a + 1");
    let mut follower = environment.start(&environment.ends("follow", &["--until-caught-up"]));
    let sealed = "SELECT sealed FROM liteferry.position";
    wait_until("the seal", || environment.value(sealed) == "300000");
    let application = Connection::open(environment.source()).unwrap();
    application.busy_timeout(std::time::Duration::from_mins(1)).unwrap();
    application.execute_batch("PRAGMA synchronous = NORMAL").unwrap();
    let mut commits = 0;
    while !follower.has_ended() {
        application.execute_batch("INSERT INTO t VALUES (NULL, 1)").unwrap();
        commits += 1;
    }
    // Without room between the slices there are one or two.
    assert!(commits > 30, "{commits}");
    follower.wait().expect(0);
    environment.catch_up().expect(0);
    environment.assert_followed();
}

#[test]
fn an_application_with_a_rollback_journal_waits_for_no_server() {
    let environment = Environment::new();
    environment.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1), (2, 2)",
    );
    environment.run_live(&[]).expect(0);
    let other = environment.connect();
    other.query("BEGIN; LOCK TABLE t IN EXCLUSIVE MODE");
    environment.sqlite("UPDATE t SET a = 10 WHERE id = 1");
    let mut follower = environment.start(&environment.ends("follow", &[]));
    let application = Connection::open(environment.source()).unwrap();
    application.busy_timeout(std::time::Duration::ZERO).unwrap();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let waits = || environment.value(waits) == "1";
    let commits = || application.execute_batch("UPDATE t SET a = a + 1 WHERE id = 2").is_ok();
    for _ in 0..3 {
        wait_until("a commit beside a pass that waits", || waits() && commits() && waits());
    }
    other.query("ROLLBACK");
    environment.wait_until_applied(&mut follower);
    environment.end(follower);
}

#[test]
fn an_application_that_keeps_the_write_lock_keeps_no_follower() {
    let environment = Environment::new();
    let mut workload = environment.moved(25);
    let mut follower = environment.start(&environment.ends("follow", &[]));
    let other = Connection::open(environment.source()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO keyless VALUES (1, 'kept')").unwrap();
    // What was committed before comes over all the same, and what is not committed does not.
    environment.wait_until_applied(&mut follower);
    assert_eq!(environment.value("SELECT count(*) FROM keyless WHERE b = 'kept'"), "0");
    other.execute_batch("COMMIT").unwrap();
    environment.wait_until_applied(&mut follower);
    assert_eq!(environment.value("SELECT count(*) FROM keyless WHERE b = 'kept'"), "1");
    workload.statements(40);
    environment.wait_until_applied(&mut follower);
    environment.end(follower);
}
