//! Ctrl-C: whatever is under way ends within two seconds, and leaves nothing behind that is in anybody's way.

use super::process::Process;
use super::stage::Stage;
use crate::environment::wait_until;
use liteferry::store::postgres::server::StopMode;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// What the README promises.
const PATIENCE: Duration = Duration::from_secs(2);

/// Interrupts a process and looks at what is left of it.
#[track_caller]
fn expect_interrupted(stage: &Stage, process: Process, signal: Signal, code: i32) {
    let asked = Instant::now();
    process.signal(signal);
    process.signal(Signal::CONT);
    process.end().expect_code(code);
    let took = asked.elapsed();
    assert!(took < PATIENCE, "it took {took:?} to end");
    // The server notices as soon as it gets to it.
    let left = "SELECT count(*) FROM pg_stat_activity a LEFT JOIN pg_locks l USING (pid)
                WHERE a.datname = current_database() AND application_name = 'liteferry'";
    wait_until("no session, transaction or lock is left", || stage.0.value(left) == "0");
}

#[test]
fn an_interrupt_ends_every_step_at_once() {
    let stage = Stage::new();
    for step in [
        "census-passing",
        "plan-written",
        "tables-made",
        "piece-sent:10",
        "key-made",
        "checked",
        "portion-read",
    ] {
        let (name, _) = step.split_once(':').unwrap_or((step, ""));
        let migration = stage.migration(&name.replace('-', "_"));
        let mut process = migration.start_with(&format!("{step}=stop"));
        process.wait_stopped();
        let pid = process.pid().as_raw_nonzero().get();
        expect_interrupted(&stage, process, Signal::INT, 130);
        if !["census-passing", "plan-written"].contains(&step) {
            let outcome = migration.outcome_of(pid);
            assert!(
                outcome.starts_with("130 ") && outcome.ends_with("stopped as asked"),
                "{outcome}"
            );
        }
        migration.arrive();
    }
}

#[test]
fn an_interrupt_ends_what_the_server_keeps_waiting() {
    let stage = Stage::new();
    for (phase, before, lock, statement) in [
        (
            "take",
            Some("schema"),
            "LOCK liteferry.migration IN EXCLUSIVE MODE",
            "UPDATE liteferry.migration %",
        ),
        ("copy", Some("schema"), "LOCK copy.trades IN SHARE MODE", "COPY %"),
        ("index", Some("snapshot"), "LOCK index.trades IN SHARE MODE", "ALTER TABLE %"),
        ("proof", Some("indexes"), "LOCK proof.trades IN ACCESS EXCLUSIVE MODE", "%"),
    ] {
        let migration = stage.migration(phase);
        if let Some(until) = before {
            migration.run_until(until).expect_code(0);
        }
        let before = migration.loaded();
        let blocker = stage.0.connect();
        blocker.query(&format!("BEGIN; {lock}"));
        let process = Process::start(&mut migration.command());
        stage.wait_until_blocked(statement);
        expect_interrupted(&stage, process, Signal::INT, 130);
        drop(blocker);
        before.expect_kept_in(&migration.loaded());
        migration.arrive();
    }
}

#[test]
fn a_run_that_waits_for_a_server_to_come_back_can_be_interrupted() {
    let stage = Stage::with_own_server();
    let migration = stage.migration("away");
    let mut process = migration.start_with("piece-sent:10=stop");
    process.wait_stopped();
    stage.0.server().stop(StopMode::Fast).unwrap();
    process.signal(Signal::CONT);
    for _ in 0..5 {
        process.wait_for("trying again");
    }
    let asked = Instant::now();
    process.signal(Signal::TERM);
    process.end().expect_code(143);
    let took = asked.elapsed();
    assert!(took < PATIENCE, "it took {took:?} to end");
    stage.0.server().start().unwrap();
    migration.arrive();
}
