//! kill -9 at every named step, and at random instants with server restarts between.

use super::process::{Ended, Process};
use super::stage::{Migration, Stage};
use crate::archive::kills::{OF_ARCHIVE, OF_COPY, OF_RESTORE};
use crate::archive::upkeep::OF_UPKEEP;
use crate::backup::kills::OF_BACKUP;
use crate::environment::wait_until;
use liteferry::pipeline::failpoint::Step;
use liteferry::store::postgres::server::StopMode;
use rustix::process::Signal;
use std::time::Duration;

/// What a run comes to only for tables that existed or are taken anew, or where rows were set aside: these steps have
/// tests of their own.
pub(crate) const OF_ODD_TABLES: [Step; 12] = [
    Step::AnewMade,
    Step::AnewCommitted,
    Step::RetakenMade,
    Step::RetakenCommitted,
    Step::ConstraintsAside,
    Step::ConstraintsGone,
    Step::RejectsLoaded,
    Step::ExistingLocked,
    Step::ExistingCleared,
    Step::ExistingReady,
    Step::TriggerEnabled,
    Step::TriggerCommitted,
];

/// What it comes to only where the source is followed.
const OF_FOLLOWED_SOURCES: [Step; 11] = [
    Step::PieceRead,
    Step::GuardRaised,
    Step::RemovalNoted,
    Step::ChangelogInstalled,
    Step::DeltaApplied,
    Step::PositionNoted,
    Step::PassCommitted,
    Step::LogSealed,
    Step::SealNoted,
    Step::LogPurged,
    Step::PartProved,
];

#[test]
fn a_run_that_is_killed_at_any_step_is_finished_by_the_same_command() {
    let stage = Stage::new();
    let elsewhere: Vec<_> = OF_ODD_TABLES
        .iter()
        .chain(&OF_FOLLOWED_SOURCES)
        .chain(&OF_ARCHIVE)
        .chain(&OF_COPY)
        .chain(&OF_RESTORE)
        .chain(&OF_UPKEEP)
        .chain(&OF_BACKUP)
        .collect();
    for step in Step::ALL.iter().filter(|step| !elsewhere.contains(step)) {
        println!("{}", step.name());
        let migration = stage.migration(&schema_of(*step));
        migration.start_with(&format!("{}=kill", step.name())).end().expect_killed();
        migration.arrive();
    }
}

#[test]
fn a_run_that_is_killed_in_the_midst_of_its_chunks_keeps_those_that_are_committed() {
    let stage = Stage::new();
    for step in [Step::ChunkNext, Step::PieceSent, Step::ChunkCompleted, Step::ChunkCommitted] {
        let migration = stage.migration(&schema_of(step));
        migration.start_with(&format!("{}:20=kill", step.name())).end().expect_killed();
        let chunks = migration.loaded().chunks();
        // The other worker may have committed one more, and not have come to the step yet.
        assert!((15..=21).contains(&chunks), "{step:?}: {chunks} chunks are committed");
        migration.arrive();
    }
}

#[test]
fn runs_that_each_die_one_step_later_arrive_together() {
    let stage = Stage::new();
    // At least so many deaths: where two workers get one step further each, there are half as many.
    for (step, time, least) in [
        (Step::KeyCommitted, 1, 5),
        // What dies before its commit is made again: the one before it is kept.
        (Step::KeyMade, 2, 3),
        (Step::SequenceNoted, 1, 2),
        (Step::VacuumNoted, 1, 4),
        (Step::ForeignKeyCommitted, 1, 3),
        (Step::CheckNoted, 1, 2),
    ] {
        let migration = stage.migration(&schema_of(step));
        let fault = format!("{}:{time}=kill", step.name());
        let mut deaths = 0;
        let end = loop {
            let ended = migration.start_with(&fault).end();
            if ended.signal.is_none() {
                break ended;
            }
            ended.expect_killed();
            deaths += 1;
            assert!(deaths < 40, "{step:?}: it does not get on");
        };
        end.expect_code(0);
        assert!(deaths >= least, "{step:?}: {deaths}");
        migration.arrive();
    }
}

/// A statement does not end with the client that asked for it: the server must notice.
#[test]
fn a_run_that_is_killed_while_the_server_works_for_it_is_finished_at_once() {
    let stage = Stage::new();
    if stage.0.server().major_version() < 14 {
        // It does not look for its clients: the same command ends with 73 until the statement has ended.
        return;
    }
    let migration = stage.migration("orphan");
    migration.run_until("snapshot").expect_code(0);
    let blocker = stage.0.connect();
    blocker.query("BEGIN; LOCK orphan.trades IN SHARE MODE");
    let first = Process::start(&mut migration.command());
    stage.wait_until_blocked("ALTER TABLE %");
    first.signal(Signal::KILL);
    first.end().expect_killed();
    let begun = "SELECT count(*) FROM liteferry.run WHERE ended_at IS NULL";
    assert_eq!(stage.0.value(begun), "1");
    let second = Process::start(&mut migration.command());
    wait_until("another run has the lease", || stage.0.value(begun) == "2");
    drop(blocker);
    second.end().expect_code(0);
    migration.arrive();
}

#[test]
fn a_run_that_comes_later_takes_back_nothing_that_a_sequence_has_given_out() {
    let stage = Stage::new();
    let migration = stage.migration("sequences");
    migration.arrive();
    stage.0.query("SELECT setval('sequences.trades_id_seq', 1000000)");
    migration.run().expect_code(0);
    assert_eq!(stage.0.value("SELECT last_value FROM sequences.trades_id_seq"), "1000000");
}

#[test]
fn a_fault_that_cannot_be_understood_is_refused_before_anything_is_done() {
    let stage = Stage::new();
    let migration = stage.migration("misspelt");
    let ended = migration.start_with("chunk-comitted=kill").end().expect_code(2);
    assert!(ended.stderr.contains("LITEFERRY_FAIL"), "{}", ended.stderr);
    assert_eq!(stage.0.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
}

/// As often as `LITEFERRY_FAULT_ROUNDS` says, or thirty times.
#[test]
fn a_migration_that_is_killed_thirty_times_under_a_server_that_is_restarted_arrives() {
    let kills = std::env::var("LITEFERRY_FAULT_ROUNDS").map_or(30, |text| text.parse().unwrap());
    let mut chance = Chance::new();
    let stage = Stage::with_own_server();
    let (mut killed, mut number) = (0, 0);
    while killed < kills {
        let migration = stage.migration(&format!("m{number}"));
        // A migration that has arrived before its last kill is followed by another.
        while killed < kills && dies(&migration, &mut chance) {
            killed += 1;
            if killed % 4 == 0 {
                let crash = killed % 8 == 0;
                let mode = if crash { StopMode::Immediate } else { StopMode::Fast };
                stage.0.server().restart(mode).unwrap();
            }
        }
        migration.arrive();
        number += 1;
        println!("{killed} kills in {number} migrations");
    }
}

/// Lets a run die at an instant that is drawn over what it does, what it says, or time; false where it ended before.
fn dies(migration: &Migration<'_>, chance: &mut Chance) -> bool {
    let before = migration.loaded();
    let ended = match chance.below(3) {
        0 => migration.start_with(&format!("any:{}=kill", 1 + chance.below(24))).end(),
        1 => killed_after_lines(migration, 1 + chance.below(4)),
        _ => killed_after_time(migration, Duration::from_micros(chance.below(60_000))),
    };
    let after = migration.loaded();
    before.expect_kept_in(&after);
    println!("{} chunks, signal {:?}", after.chunks(), ended.signal);
    if ended.signal.is_none() {
        ended.expect_code(0);
        return false;
    }
    ended.expect_killed();
    true
}

fn killed_after_lines(migration: &Migration<'_>, lines: u64) -> Ended {
    let mut process = Process::start(&mut migration.command());
    if (0..lines).all(|_| process.line().is_some()) {
        process.signal(Signal::KILL);
    }
    process.end()
}

fn killed_after_time(migration: &Migration<'_>, time: Duration) -> Ended {
    let mut process = Process::start(&mut migration.command());
    if process.speaks_for(time) {
        process.signal(Signal::KILL);
    }
    process.end()
}

fn schema_of(step: Step) -> String {
    step.name().replace('-', "_")
}

/// Chance that says its seed, and is the same again by `LITEFERRY_SEED`.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let given = std::env::var("LITEFERRY_SEED").ok();
        let seed = given.map_or_else(|| std::process::id().into(), |seed| seed.parse().unwrap());
        println!("LITEFERRY_SEED={seed}");
        Self(seed)
    }

    /// splitmix64
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
