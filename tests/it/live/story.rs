//! Stories at random: a source is written to, moved and followed, and what moves it dies anywhere, again and again.

use super::workload::{Going, SCHEMA, Workload};
use crate::environment::Environment;
use liteferry::pipeline::failpoint::VARIABLE;
use std::fs;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// One story.
struct Story {
    environment: Environment,
    dice: Dice,
    seed: u64,
    deaths: u64,
}

impl Story {
    fn of(seed: u64) -> Self {
        println!("story of seed {seed}");
        let (environment, mut dice) = (Environment::new(), Dice(seed));
        let mode = ["WAL", "WAL", "DELETE"][usize::try_from(dice.below(3)).unwrap()];
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}"));
        // Chunks of a few dozen rows, so that the rows of a table come from many states.
        let pipeline = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = 4096\n",
            environment.source(),
            environment.url()
        );
        fs::write(environment.path("pipeline.toml"), pipeline).unwrap();
        let rows = 20 + 400 * usize::try_from(dice.below(4)).unwrap();
        Workload::new(&environment.source(), seed).statements(rows);
        Self { environment, dice, seed, deaths: 0 }
    }

    fn writer(&mut self) -> Going {
        let seed = self.dice.below(1 << 30);
        Workload::new(&self.environment.source(), seed).go_on()
    }

    /// Gives a command until it comes to its end; it dies a few times before.
    fn until_done(&mut self, command: &str, more: &[&str]) {
        let mut deaths_left = self.dice.below(4);
        loop {
            let mut process = self.environment.command();
            process.args([command, "--workers", "2", "pipeline.toml"]).args(more);
            if deaths_left > 0 {
                deaths_left -= 1;
                let step = 1 + self.dice.below(120);
                process.env(VARIABLE, format!("any:{step}=kill"));
            }
            let done = self.environment.spawn(process).wait();
            match done.status.code() {
                None => self.deaths += 1,
                Some(0) => return,
                Some(code) => panic!("seed {}: {command} ended with {code}\n{done}", self.seed),
            }
        }
    }

    fn tell(mut self) -> u64 {
        let writer = self.writer();
        self.until_done("run", &[]);
        for _ in 0..self.dice.below(3) {
            self.until_done("follow", &["--until-caught-up"]);
        }
        writer.end();
        for _ in 0..=self.dice.below(2) {
            let (seed, count) = (self.dice.below(1 << 30), self.dice.below(300));
            let count = usize::try_from(count).unwrap();
            Workload::new(&self.environment.source(), seed).statements(count);
            self.until_done("follow", &["--until-caught-up"]);
            self.environment.assert_followed();
        }
        self.deaths
    }
}

#[test]
fn whatever_dies_and_when_all_that_was_written_comes_over() {
    let first = std::env::var("LITEFERRY_STORY").map_or(1, |seed| seed.parse().unwrap());
    let count = std::env::var("LITEFERRY_STORIES").map_or(6, |count| count.parse().unwrap());
    let deaths: u64 = (first..first + count).map(|seed| Story::of(seed).tell()).sum();
    assert!(deaths >= count / 2, "only {deaths} deaths in {count} stories");
}
