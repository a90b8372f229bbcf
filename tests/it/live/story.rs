//! Stories at random: a source is written to, moved and followed, and what moves it dies anywhere, again and again.
//!
//! A story that fails is made simpler as long as it fails (fewer tables, acts and deaths, shorter writes), printed, and
//! kept: from then on it is told first.

use super::workload::{PARTS, Workload, schema_of};
use crate::environment::{Environment, Running};
use liteferry::pipeline::failpoint::VARIABLE;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};
use rustix::process::Signal;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;

/// Where the stories are that have failed.
const KEPT: &str = "tests/proptest-regressions/story.txt";
/// How often a story that fails is made simpler, and for how many milliseconds at most.
const SHRINKS_MAX: u32 = 300;
const SHRINK_TIME_MAX: u32 = 600_000;
/// How often a simpler one is told: it may well come to a good end where writers are faster or slower.
const TOLD_AGAIN: usize = 4;

#[derive(Debug, Clone)]
struct Story {
    with_write_ahead_log: bool,
    /// Which of the tables there are.
    parts: [bool; PARTS],
    /// What is there before.
    first: Writes,
    run: Fate,
    acts: Vec<Act>,
}

#[derive(Debug, Clone)]
enum Act {
    /// The application writes, and nobody follows.
    Write(Writes),
    /// It is followed until the target is what the source is.
    Follow(Fate),
}

/// Statements at random.
#[derive(Debug, Clone, Copy)]
struct Writes {
    seed: u32,
    statements: usize,
}

/// What befalls a command.
#[derive(Debug, Clone)]
struct Fate {
    /// It dies when it has come so many steps, and is given again.
    deaths: Vec<u32>,
    /// Before it comes to its end it stands still at a step, while the application writes.
    standstill: Option<(u32, Writes)>,
    /// So many writers, by their seeds, write all the while.
    writers: Vec<u32>,
}

fn writes(most: usize) -> impl Strategy<Value = Writes> {
    (any::<u32>().no_shrink(), 0..most).prop_map(|(seed, statements)| Writes { seed, statements })
}

fn fate() -> impl Strategy<Value = Fate> {
    let writers = vec(any::<u32>().no_shrink(), 0..3);
    let standstill = option::of((1..100_u32, writes(100)));
    let parts = (vec(1..120_u32, 0..3), standstill, writers);
    parts.prop_map(|(deaths, standstill, writers)| Fate { deaths, standstill, writers })
}

fn story() -> impl Strategy<Value = Story> {
    let act = prop_oneof![writes(300).prop_map(Act::Write), fate().prop_map(Act::Follow)];
    let parts = vec(prop::bool::weighted(0.8), PARTS).prop_map(|parts| parts.try_into().unwrap());
    (parts, vec(act, 0..5), prop::bool::weighted(0.7), writes(1300), fate()).prop_map(
        |(parts, acts, with_write_ahead_log, first, run)| Story {
            with_write_ahead_log,
            parts,
            first,
            run,
            acts,
        },
    )
}

/// A story that is told.
struct Telling<'s> {
    story: &'s Story,
    environment: Environment,
    deaths: u32,
}

impl<'s> Telling<'s> {
    fn of(story: &'s Story) -> Self {
        let environment = Environment::new();
        let mode = if story.with_write_ahead_log { "WAL" } else { "DELETE" };
        let schema = schema_of(&story.parts);
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {schema}"));
        // Chunks of a few dozen rows, so that the rows of a table come from many states.
        let pipeline = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = 4096\n",
            environment.source(),
            environment.url()
        );
        fs::write(environment.path("pipeline.toml"), pipeline).unwrap();
        Self { story, environment, deaths: 0 }
    }

    fn workload(&self, seed: u32) -> Workload {
        Workload::new(&self.environment.source(), seed.into()).only(&self.story.parts)
    }

    fn write(&self, writes: Writes) {
        self.workload(writes.seed).statements(writes.statements);
    }

    /// Gives a command until it has come to its end.
    fn give(&mut self, command: &[&str], fate: &Fate) {
        let writers = fate.writers.iter().map(|seed| self.workload(*seed).go_on_at_ease());
        let writers: Vec<_> = writers.collect();
        for step in &fate.deaths {
            let done = self.start(command, "2", Some(format!("any:{step}=kill"))).wait();
            match done.status.code() {
                None => self.deaths += 1,
                Some(_) => drop(done.expect(0)),
            }
        }
        // With a rollback journal whoever reads keeps the application from writing.
        match fate.standstill.filter(|_| self.story.with_write_ahead_log) {
            None => drop(self.start(command, "2", None).wait().expect(0)),
            Some((step, writes)) => {
                // One worker: another one could have the write lock just then.
                let process = self.start(command, "1", Some(format!("any:{step}=stop")));
                if process.stands_still() {
                    self.write(writes);
                    process.signal(Signal::CONT);
                }
                process.wait().expect(0);
            }
        }
        for writer in writers {
            writer.end();
        }
    }

    fn start(&self, command: &[&str], workers: &str, fault: Option<String>) -> Running {
        let mut process = self.environment.command();
        process.args(command).args(["--workers", workers, "pipeline.toml"]);
        if let Some(fault) = fault {
            process.env(VARIABLE, fault);
        }
        self.environment.spawn(process)
    }

    fn tell(mut self) -> u32 {
        let Story { first, run, acts, .. } = self.story;
        self.write(*first);
        self.give(&["run"], run);
        let peace = Fate { deaths: Vec::new(), standstill: None, writers: Vec::new() };
        for act in acts {
            match act {
                Act::Write(writes) => self.write(*writes),
                Act::Follow(fate) => {
                    self.give(&["follow", "--until-caught-up"], fate);
                    if fate.writers.is_empty() && fate.standstill.is_none() {
                        self.environment.assert_followed();
                    }
                }
            }
        }
        self.give(&["follow", "--until-caught-up"], &peace);
        self.environment.assert_followed();
        self.deaths
    }
}

/// As many stories as `LITEFERRY_STORIES` says, or twelve, by the seed of `LITEFERRY_STORY`.
#[test]
fn whatever_dies_and_when_all_that_was_written_comes_over() {
    let given = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let (seed, cases): (u64, _) =
        (given("LITEFERRY_STORY").unwrap_or(1), given("LITEFERRY_STORIES").unwrap_or(12));
    println!("{cases} stories of LITEFERRY_STORY={seed}");
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(KEPT))),
        max_shrink_iters: SHRINKS_MAX,
        max_shrink_time: SHRINK_TIME_MAX,
        ..Config::default()
    };
    let (deaths, untold, failed) = (Cell::new(0), RefCell::default(), RefCell::default());
    let told = TestRunner::new(config).run(&story(), |story| {
        let name = format!("{story:?}");
        println!("{name}");
        let failed: &mut BTreeSet<String> = &mut failed.borrow_mut();
        // One that was not told to its end has failed, and is not told again: it might come to a good end by chance.
        failed.extend(untold.replace(Some(name.clone())));
        prop_assert!(!failed.contains(&name), "it failed before, as said above");
        for _ in 0..if failed.is_empty() { 1 } else { TOLD_AGAIN } {
            deaths.set(deaths.get() + u64::from(Telling::of(&story).tell()));
        }
        untold.take();
        Ok(())
    });
    told.unwrap_or_else(|error| panic!("{error}"));
    assert!(deaths.get() >= cases / 2, "only {} deaths in {cases} stories", deaths.get());
}
