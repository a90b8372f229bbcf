//! Trying again what failed for a passing reason: with growing, jittered pauses, and not for ever.

use crate::error::{Class, Result, with_cause};
use crate::pipeline::{Event, Progress, Stop};
use backon::{BackoffBuilder, ExponentialBuilder};
use std::time::Duration;

/// The first pause.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: a server that is back shall not be left waiting.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often: some two minutes in all, longer than a server takes to restart and recover.
const TRIES_MAX: usize = 30;

/// Runs `work` until it succeeds, fails for good, or has failed too often.
///
/// # Errors
///
/// The last failure; [`Class::Interrupted`] where the run is stopped meanwhile.
pub fn persist<T>(
    stop: &Stop,
    progress: &dyn Progress,
    mut work: impl FnMut() -> Result<T>,
) -> Result<T> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .with_max_times(TRIES_MAX)
        .with_jitter()
        .build();
    for pause in pauses {
        match work() {
            Err(error) if error.class() == Class::Temporary => {
                progress.tell(Event::Warning(format!("{}; trying again", with_cause(&error))));
                stop.wait(pause)?;
            }
            done => return done,
        }
    }
    work()
}
