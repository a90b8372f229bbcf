//! A hand that does one job at a time beside other work, which asks now and then what became of it.

use super::Stop;
use crate::error::{Error, Result, Signal};
use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// The hand, as the other work has it.
#[derive(Debug)]
pub struct Hand<J, R> {
    jobs: SyncSender<J>,
    results: Receiver<R>,
    is_free: Cell<bool>,
    stop: Stop,
}

impl<J, R> Hand<J, R> {
    /// Whether it has nothing to do, and its last result was taken.
    pub fn is_free(&self) -> bool {
        self.is_free.get()
    }

    /// What ends its jobs early: requested when the other work is at an end.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Gives it a job; it must be free.
    ///
    /// # Errors
    ///
    /// A hand that has one, or is gone.
    pub fn give(&self, job: J) -> Result<()> {
        if !self.is_free.replace(false) {
            return Err(Error::internal("a second job for a hand that has one"));
        }
        self.jobs.try_send(job).map_err(|_gone| gone())
    }

    /// The result of its job, when it is done.
    ///
    /// # Errors
    ///
    /// A hand that is gone.
    pub fn take(&self) -> Result<Option<R>> {
        match self.results.try_recv() {
            Ok(result) => {
                self.is_free.set(true);
                Ok(Some(result))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// Waits for the result of its job; none where it has no job.
    ///
    /// # Errors
    ///
    /// A hand that is gone.
    pub fn wait(&self) -> Result<Option<R>> {
        if self.is_free() {
            return Ok(None);
        }
        let result = self.results.recv().map_err(|_gone| gone())?;
        self.is_free.set(true);
        Ok(Some(result))
    }
}

fn gone() -> Error {
    Error::internal("a thread panicked")
}

/// Does `work`, with a hand beside it that does jobs by `job`. A job that is not done when the work is at an end, however
/// it came to that, is stopped, as it is where `stop` is requested.
///
/// # Errors
///
/// What `work` says.
pub fn with_hand<J: Send, R: Send, T>(
    stop: &Stop,
    job: impl Fn(J, &Stop) -> R + Send,
    work: impl FnOnce(&Hand<J, R>) -> Result<T>,
) -> Result<T> {
    let (jobs, given) = sync_channel(1);
    let (done, results) = sync_channel(1);
    let (inner, _registration) = stop.inner();
    let stop = inner.clone();
    thread::scope(|scope| {
        scope.spawn(move || {
            for one in given {
                if done.send(job(one, &stop)).is_err() {
                    return;
                }
            }
        });
        let hand = Hand { jobs, results, is_free: Cell::new(true), stop: inner };
        let outcome = work(&hand);
        hand.stop.request(Signal::Terminate);
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::with_hand;
    use crate::error::{Class, Error, Signal};
    use crate::pipeline::Stop;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn it_does_one_job_after_the_other_beside_the_work() {
        let (go, wait) = channel::<()>();
        let job = move |number: u32, _: &Stop| {
            wait.recv().unwrap();
            number * 2
        };
        let sum = with_hand(&Stop::default(), job, |hand| {
            let mut sum = 0;
            for number in [1, 2, 3] {
                assert!(hand.is_free());
                hand.give(number).unwrap();
                assert!(!hand.is_free() && hand.give(9).is_err());
                assert_eq!(hand.take().unwrap(), None, "it was not let go on yet");
                go.send(()).unwrap();
                sum += loop {
                    if let Some(result) = hand.take().unwrap() {
                        break result;
                    }
                };
            }
            Ok(sum)
        });
        assert_eq!(sum.unwrap(), 12);
    }

    /// Ends when it is stopped, and says so.
    const FOREVER: Duration = Duration::from_hours(1000);

    #[test]
    fn a_job_that_is_under_way_is_stopped_when_the_work_is_at_an_end() {
        for outcome in [Ok(()), Err(Error::new(Class::Data, "failed"))] {
            let (began, wait) = channel();
            let (done, heard) = channel();
            let job = move |(), stop: &Stop| {
                began.send(()).unwrap();
                done.send(stop.wait(FOREVER).is_err()).unwrap();
            };
            let failed = outcome.is_err();
            let ended = with_hand(&Stop::default(), job, |hand| {
                hand.give(()).unwrap();
                wait.recv().unwrap();
                outcome
            });
            assert_eq!(ended.is_err(), failed);
            assert!(heard.try_recv().unwrap(), "it went on after the work");
        }
    }

    #[test]
    fn a_job_that_is_under_way_is_stopped_when_all_is() {
        let stop = Stop::default();
        let (began, wait) = channel();
        let job = |(), inner: &Stop| {
            began.send(()).unwrap();
            inner.wait(FOREVER).unwrap_err().class()
        };
        let class = with_hand(&stop, job, |hand| {
            hand.give(()).unwrap();
            wait.recv().unwrap();
            stop.request(Signal::Interrupt);
            loop {
                if let Some(class) = hand.take().unwrap() {
                    return Ok(class);
                }
            }
        });
        assert_eq!(class.unwrap(), Class::Interrupted(Signal::Interrupt));
    }
}
