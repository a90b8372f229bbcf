//! kill -9 at every named step, and at random instants with server restarts between.

use super::process::Process;
use super::stage::{Migration, Stage};
use liteferry::pipeline::failpoint::Step;
use liteferry::store::postgres::server::StopMode;
use std::time::Duration;

#[test]
fn a_run_that_is_killed_at_any_step_is_finished_by_the_same_command() {
    let stage = Stage::new();
    for step in Step::ALL {
        println!("{}", step.name());
        let migration = stage.migration(&step.name().replace('-', "_"));
        migration.start_with(&format!("{}=kill", step.name())).end().expect_killed();
        finish(&migration);
    }
}

/// In the middle of the work of a step, not at its first.
#[test]
fn a_run_that_is_killed_in_the_midst_of_its_chunks_keeps_those_that_are_committed() {
    let stage = Stage::new();
    for step in [Step::ChunkCompleted, Step::ChunkCommitted, Step::PieceSent, Step::ChunkNext] {
        let migration = stage.migration(&step.name().replace('-', "_"));
        migration.start_with(&format!("{}:20=kill", step.name())).end().expect_killed();
        let chunks = migration.loaded().chunks();
        assert!((15..=20).contains(&chunks), "{step:?}: {chunks} chunks are committed");
        finish(&migration);
    }
}

#[test]
fn runs_that_are_killed_after_each_step_one_by_one_arrive_too() {
    let stage = Stage::new();
    for step in
        [Step::KeyCommitted, Step::KeyMade, Step::CheckNoted, Step::VacuumNoted, Step::PhaseNoted]
    {
        let migration = stage.migration(&step.name().replace('-', "_"));
        let mut deaths = 0;
        loop {
            // What is not committed at its first time is never reached a second time by dying there.
            let time = if step == Step::KeyMade { deaths + 1 } else { 1 };
            let ended = migration.start_with(&format!("{}:{time}=kill", step.name())).end();
            if ended.signal != Some(9) {
                ended.expect_code(0);
                break;
            }
            deaths += 1;
            assert!(deaths < 30, "{step:?}: it does not get on");
            if step == Step::PhaseNoted && deaths == 3 {
                // Noted anew by every run.
                break;
            }
        }
        assert!(deaths >= 3, "{step:?}: {deaths}");
        finish(&migration);
    }
}

#[test]
fn a_migration_that_is_killed_thirty_times_under_a_server_that_is_restarted_arrives() {
    let kills = rounds(30);
    let mut chance = Chance::new();
    let stage = Stage::new();
    let mut killed = 0;
    for number in 0.. {
        let migration = stage.migration(&format!("m{number}"));
        while killed < kills && kill_somewhere(&migration, &mut chance) {
            killed += 1;
            if killed % 4 == 0 {
                let crash = killed % 8 == 0;
                stage
                    .server
                    .restart(if crash { StopMode::Immediate } else { StopMode::Fast })
                    .unwrap();
            }
        }
        finish(&migration);
        println!("{killed} kills in {} migrations", number + 1);
        if killed == kills {
            break;
        }
    }
}

/// Finishes what was killed, and makes sure that nothing that was committed was done again.
fn finish(migration: &Migration<'_>) {
    let before = migration.loaded();
    migration.arrive();
    before.expect_kept_in(&migration.loaded());
}

/// Lets a run die at an instant that is drawn over what it says, what it does, or time; false where it ended before.
fn kill_somewhere(migration: &Migration<'_>, chance: &mut Chance) -> bool {
    let before = migration.loaded();
    let way = chance.below(3);
    let ended = match way {
        0 => migration.start_with(&format!("any:{}=kill", 1 + chance.below(40))).end(),
        1 => killed_after_lines(migration, 1 + chance.below(8)),
        _ => killed_after_time(migration, Duration::from_micros(chance.below(200_000))),
    };
    println!("way {way}: signal {:?}, code {:?}", ended.signal, ended.code);
    before.expect_kept_in(&migration.loaded());
    if ended.signal == Some(9) {
        return true;
    }
    ended.expect_code(0);
    false
}

fn killed_after_lines(migration: &Migration<'_>, lines: u64) -> super::process::Ended {
    let mut process = Process::start(&mut migration.command());
    for _ in 0..lines {
        if process.line().is_none() {
            return process.end();
        }
    }
    process.signal(rustix::process::Signal::KILL);
    process.end()
}

fn killed_after_time(migration: &Migration<'_>, time: Duration) -> super::process::Ended {
    let mut process = Process::start(&mut migration.command());
    if process.lines_for(time) {
        process.signal(rustix::process::Signal::KILL);
    }
    process.end()
}

/// How often: more by `LITEFERRY_FAULT_ROUNDS`.
fn rounds(usual: u64) -> u64 {
    std::env::var("LITEFERRY_FAULT_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// Chance that says its seed, and can be had again by `LITEFERRY_SEED`.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let drawn = || std::process::id().into();
        let seed =
            std::env::var("LITEFERRY_SEED").map_or_else(|_| drawn(), |seed| seed.parse().unwrap());
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
