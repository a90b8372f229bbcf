//! A hand that does one job at a time beside other work, which asks now and then what became of it.

use crate::error::{Error, Result};
use std::cell::Cell;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

/// The hand, as the other work has it.
#[derive(Debug)]
pub struct Hand<J, R> {
    jobs: SyncSender<J>,
    results: Receiver<R>,
    is_free: Cell<bool>,
}

impl<J, R> Hand<J, R> {
    /// Whether it has nothing to do, and its last result was taken.
    pub fn is_free(&self) -> bool {
        self.is_free.get()
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
}

fn gone() -> Error {
    Error::internal("a thread panicked")
}

/// Does `work`, with a hand beside it that does jobs by `job`. A job that is not done when the work is, is waited for.
///
/// # Errors
///
/// What `work` says.
pub fn with_hand<J: Send, R: Send, T>(
    job: impl Fn(J) -> R + Send,
    work: impl FnOnce(&Hand<J, R>) -> Result<T>,
) -> Result<T> {
    let (jobs, given) = sync_channel(1);
    let (done, results) = sync_channel(1);
    thread::scope(|scope| {
        scope.spawn(move || {
            for one in given {
                if done.send(job(one)).is_err() {
                    return;
                }
            }
        });
        let hand = Hand { jobs, results, is_free: Cell::new(true) };
        work(&hand)
    })
}

#[cfg(test)]
mod tests {
    use super::with_hand;
    use std::sync::mpsc::channel;

    #[test]
    fn it_does_one_job_after_the_other_beside_the_work() {
        let (go, wait) = channel::<()>();
        let job = move |number: u32| {
            wait.recv().unwrap();
            number * 2
        };
        let sum = with_hand(job, |hand| {
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

    #[test]
    fn a_job_that_is_under_way_does_not_outlive_the_work() {
        let (done, heard) = channel();
        let job = move |()| done.send(()).unwrap();
        with_hand(job, |hand| hand.give(())).unwrap();
        heard.try_recv().unwrap();
    }
}
