//! The printer of expressions under random fire for as long as one likes: `tests/scripts/fuzz.sh expression SECONDS [SEED]`.
//!
//! Not a part of `cargo test`, which plays a few rounds of the same. A failure prints its seed and both texts.

#![expect(dead_code, reason = "the tests use more of the environment")]

#[cfg(test)]
#[path = "../it/environment.rs"]
mod environment;
#[cfg(test)]
#[path = "../it/expressions/mod.rs"]
mod expressions;

use environment::Environment;
use expressions::{Found, Round};
use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

fn main() -> ExitCode {
    let number = |at| env::args().nth(at).and_then(|word: String| word.parse::<u64>().ok());
    let Some(seconds) = number(1) else {
        eprintln!("run tests/scripts/fuzz.sh expression SECONDS [SEED]");
        return ExitCode::from(2);
    };
    let by_clock =
        || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() << 20;
    let first = number(2).unwrap_or_else(by_clock);
    println!("the first seed is {first}");
    let env = Environment::new();
    let target = env.connect();
    let (since, mut found, mut failures, mut rounds) = (Instant::now(), Found::default(), 0, 0);
    while since.elapsed() < Duration::from_secs(seconds) || rounds == 0 {
        match Round::new(first + rounds).play(&target) {
            Ok(played) => found += played,
            Err(failure) => {
                failures += 1;
                eprintln!("{failure}");
            }
        }
        rounds += 1;
    }
    println!("{rounds} rounds, {failures} failures: {found:?}");
    ExitCode::from(u8::from(failures > 0))
}
