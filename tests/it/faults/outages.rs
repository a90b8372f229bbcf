//! The server's faults: connections that are ended or break, a server that is restarted, crashes, or is away for a while.
//! The same process goes on by itself.

use super::process::{Ended, Process};
use super::proxy::{Break, Proxy};
use super::stage::{Migration, Stage};
use crate::environment::wait_until;
use liteferry::store::postgres::server::StopMode;
use rustix::process::Signal;

/// A run that stands still in the middle of a COPY.
fn in_the_middle_of_a_copy(migration: &Migration<'_>) -> Process {
    let mut process = migration.start_with("piece-sent:10=stop");
    process.wait_stopped();
    process
}

/// It went on by itself, said why it had to, and arrived.
#[track_caller]
fn expect_gone_on(migration: &Migration<'_>, ended: Ended) {
    let ended = ended.expect_code(0);
    let warned = ended
        .stderr
        .lines()
        .any(|line| line.contains(r#""level":"warning""#) && line.contains("trying again"));
    assert!(warned, "nothing is said of the fault:\n{}", ended.stderr);
    migration.check();
}

#[test]
fn a_copy_whose_backend_is_terminated_is_done_again() {
    let stage = Stage::new();
    let migration = stage.migration("terminated");
    let process = in_the_middle_of_a_copy(&migration);
    let before = migration.loaded();
    assert!(before.chunks() >= 5);
    let copies = "FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY %'";
    let ended = stage.0.value(&format!("SELECT count(pg_terminate_backend(pid)) {copies}"));
    assert_ne!(ended, "0", "no COPY was under way");
    process.signal(Signal::CONT);
    expect_gone_on(&migration, process.end());
    before.expect_kept_in(&migration.loaded());
}

#[test]
fn every_backend_of_a_run_may_be_terminated_again_and_again() {
    let stage = Stage::new();
    let migration = stage.migration("terminated");
    migration.run_until("schema").expect_code(0);
    let blocker = stage.0.connect();
    blocker.query("BEGIN; LOCK terminated.trades IN SHARE MODE");
    let mut process = Process::start(&mut migration.command());
    for _ in 0..5 {
        stage.wait_until_blocked("COPY %");
        let all = "SELECT coalesce(string_agg(pid::text, ','), '') FROM (
                       SELECT pid FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name = 'liteferry' OFFSET 0
                   ) AS backends WHERE pg_terminate_backend(pid)";
        let terminated = stage.0.value(all);
        assert_ne!(terminated, "");
        // One that is still there would look blocked in the next round, and be gone a moment later.
        let left = format!("SELECT count(*) FROM pg_stat_activity WHERE pid IN ({terminated})");
        wait_until("their end", || stage.0.value(&left) == "0");
        process.wait_for("trying again");
    }
    drop(blocker);
    expect_gone_on(&migration, process.end());
}

#[test]
fn a_copy_under_which_the_server_is_restarted_or_crashes_is_done_again() {
    let stage = Stage::with_own_server();
    for (name, mode) in [("fast", StopMode::Fast), ("immediate", StopMode::Immediate)] {
        let migration = stage.migration(name);
        let process = in_the_middle_of_a_copy(&migration);
        let before = migration.loaded();
        stage.0.server().restart(mode).unwrap();
        process.signal(Signal::CONT);
        expect_gone_on(&migration, process.end());
        before.expect_kept_in(&migration.loaded());
    }
}

#[test]
fn a_run_outlasts_a_server_that_is_away_for_a_while() {
    let stage = Stage::with_own_server();
    let migration = stage.migration("away");
    let mut process = in_the_middle_of_a_copy(&migration);
    let before = migration.loaded();
    stage.0.server().stop(StopMode::Immediate).unwrap();
    process.signal(Signal::CONT);
    for _ in 0..6 {
        process.wait_for("trying again");
    }
    stage.0.server().start().unwrap();
    expect_gone_on(&migration, process.end());
    before.expect_kept_in(&migration.loaded());
}

#[test]
fn a_server_that_crashes_under_indexes_and_proof_is_waited_for() {
    let stage = Stage::with_own_server();
    for step in
        ["key-made", "checked", "sequence-set", "vacuumed", "foreign-key-made", "portion-read"]
    {
        let migration = stage.migration(&step.replace('-', "_"));
        let mut process = migration.start_with(&format!("{step}=stop"));
        process.wait_stopped();
        stage.0.server().restart(StopMode::Immediate).unwrap();
        process.signal(Signal::CONT);
        expect_gone_on(&migration, process.end());
    }
}

/// A migration whose connections break.
fn breaking<'s>(
    stage: &'s Stage,
    schema: &str,
    at: Break,
    wanted: impl Fn(u64) -> bool + Send + Sync + 'static,
) -> (Migration<'s>, Proxy) {
    let server = stage.0.server();
    let socket = server.socket_dir().join(format!(".s.PGSQL.{}", server.port()));
    let proxy = Proxy::start(&socket, at, wanted);
    let url = stage.0.url();
    let (_, database) = url.rsplit_once('/').unwrap();
    let host = proxy.folder().to_str().unwrap().replace('/', "%2F");
    let url = format!("postgresql://{}@{host}:{}/{database}", server.user(), server.port());
    (stage.migration_by(schema, &url), proxy)
}

#[test]
fn a_commit_that_was_not_answered_is_not_done_twice() {
    let stage = Stage::new();
    let (migration, proxy) =
        breaking(&stage, "unanswered", Break::AfterCommit, |commit| commit % 2 == 1);
    let ended = migration.run();
    println!("{} of {} answers were lost", proxy.broken(), proxy.met());
    assert!(proxy.broken() >= 30);
    expect_gone_on(&stage.migration("unanswered"), ended);
}

#[test]
fn a_commit_that_was_not_heard_is_done_again() {
    let stage = Stage::new();
    let (migration, proxy) =
        breaking(&stage, "unheard", Break::BeforeCommit, |commit| commit % 2 == 1);
    let ended = migration.run();
    println!("{} of {} commits were lost", proxy.broken(), proxy.met());
    assert!(proxy.broken() >= 30);
    expect_gone_on(&stage.migration("unheard"), ended);
}

/// Each answer in turn: what begins a migration, takes it, notes its run and makes its tables is done once.
#[test]
fn no_answer_at_the_beginning_is_needed_to_know_what_was_done() {
    let stage = Stage::new();
    let mut gone_on = 0;
    for at in 1.. {
        let schema = format!("answer_{at}");
        let (migration, proxy) =
            breaking(&stage, &schema, Break::BeforeReady, move |met| met == at);
        let ended = migration.run_until("schema");
        if proxy.broken() == 0 {
            ended.expect_code(0);
            break;
        }
        println!("{at}: {:?} {}", ended.code, ended.stderr.lines().last().unwrap_or_default());
        if ended.code == Some(0) {
            gone_on += 1;
        } else {
            // Before anything was done there is nothing to go on with.
            ended.expect_code(75);
            assert_eq!(gone_on, 0);
        }
        let migration = stage.migration(&schema);
        migration.check_runs_noted_once();
        if at % 8 == 0 {
            migration.arrive();
        }
    }
    assert!(gone_on >= 20, "{gone_on}");
}

/// Each connection breaks after a while, and a while is enough for at least one step.
#[test]
fn a_run_whose_every_connection_breaks_arrives() {
    let stage = Stage::new();
    let (migration, proxy) = breaking(&stage, "breaking", Break::BeforeReady, |met| met % 61 == 0);
    let ended = migration.run();
    println!("{} of {} answers were lost", proxy.broken(), proxy.met());
    assert!(proxy.broken() >= 10);
    expect_gone_on(&stage.migration("breaking"), ended);
}
