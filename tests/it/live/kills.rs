//! kill -9 at every named step of a run that moves a source under its writers, and of what follows it.

use super::workload::{SCHEMA, Workload};
use crate::archive::kills::{OF_ARCHIVE, OF_COPY, OF_RESTORE};
use crate::archive::upkeep::OF_UPKEEP;
use crate::backup::kills::OF_BACKUP;
use crate::environment::Environment;
use crate::faults::kills::OF_ODD_TABLES;
use liteferry::pipeline::failpoint::{Step, VARIABLE};
use rusqlite::Connection;
use std::os::unix::process::ExitStatusExt;

/// What comes with the cutover where the source is followed.
const OF_CUTOVER: [Step; 4] =
    [Step::ForeignKeyMade, Step::ForeignKeyCommitted, Step::Checked, Step::CheckNoted];

/// The application checks what it writes.
const CHECKED: &str = "CREATE TABLE checked (id INTEGER PRIMARY KEY, a INT CHECK (a > 0)); INSERT INTO checked VALUES (1, 1)";

/// What a follower comes to.
const OF_FOLLOWER: [Step; 9] = [
    Step::RunNoted,
    Step::DeltaApplied,
    Step::PositionNoted,
    Step::PassCommitted,
    Step::LogSealed,
    Step::SealNoted,
    Step::LogPurged,
    Step::EndReached,
    Step::EndNoted,
];

/// Commands after which one must have come to its step: where the application writes just then, the log is not sealed.
const TRIES_MAX: usize = 30;

struct Kills {
    environment: Environment,
    seed: u64,
}

impl Kills {
    fn of(mode: &str, seed: u64) -> Self {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}; {CHECKED}"));
        Workload::new(&environment.source(), seed).statements(200);
        Self { environment, seed }
    }

    /// Gives a command under a writer until it has died at a step, and then once more, and looks whether all came over.
    #[track_caller]
    fn dies_and_goes_on(&self, step: Step, command: &str, more: &[&str]) {
        println!("{} of {command}", step.name());
        let arguments = self.environment.ends(command, &[&["--workers", "2"], more].concat());
        let writer = Workload::new(&self.environment.source(), self.seed).go_on_at_ease();
        let died = (0..TRIES_MAX).any(|_| self.dies(step, &arguments));
        assert!(died, "it never came to {}", step.name());
        self.environment.liteferry(&arguments).expect(0);
        assert!(writer.end() > 0, "nobody wrote");
        self.environment.catch_up().expect(0);
        self.environment.assert_followed();
        self.assert_whole();
    }

    #[track_caller]
    fn dies(&self, step: Step, arguments: &[String]) -> bool {
        let mut process = self.environment.command();
        process.args(arguments).env(VARIABLE, format!("{}=kill", step.name()));
        let done = self.environment.spawn(process).wait();
        match done.status.signal() {
            None => drop(done.expect(0)),
            Some(signal) => {
                let told = format!("{VARIABLE}: {}", step.name());
                assert!(signal == 9 && done.stderr.lines().any(|line| line == told), "{done}");
                return true;
            }
        }
        false
    }

    #[track_caller]
    fn assert_whole(&self) {
        let connection = Connection::open(self.environment.source()).unwrap();
        let check =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(check.unwrap(), "ok");
    }
}

fn every_step_of_a_run(mode: &str) {
    let elsewhere: Vec<_> = OF_ODD_TABLES
        .iter()
        .chain(&OF_CUTOVER)
        .chain(&OF_ARCHIVE)
        .chain(&OF_COPY)
        .chain(&OF_RESTORE)
        .chain(&OF_UPKEEP)
        .chain(&OF_BACKUP)
        .collect();
    let steps = Step::ALL.iter().filter(|step| !elsewhere.contains(step));
    for (step, seed) in steps.zip(1..) {
        Kills::of(mode, seed).dies_and_goes_on(*step, "run", &[]);
    }
}

fn every_step_of_a_follower(mode: &str) {
    let kills = Kills::of(mode, 77);
    kills.environment.run_live(&[]).expect(0);
    for step in OF_FOLLOWER {
        kills.dies_and_goes_on(step, "follow", &["--until-caught-up"]);
    }
}

#[test]
fn a_run_with_a_write_ahead_log_is_finished_after_a_kill_at_any_step() {
    every_step_of_a_run("WAL");
}

#[test]
fn a_run_with_a_rollback_journal_is_finished_after_a_kill_at_any_step() {
    every_step_of_a_run("DELETE");
}

#[test]
fn a_follower_with_a_write_ahead_log_goes_on_after_a_kill_at_any_step() {
    every_step_of_a_follower("WAL");
}

#[test]
fn a_follower_with_a_rollback_journal_goes_on_after_a_kill_at_any_step() {
    every_step_of_a_follower("DELETE");
}
