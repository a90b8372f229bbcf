//! Two stages joined by a bounded channel: one thread makes, the other takes.

use crate::error::{Error, Result};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::thread;

/// The side of the channel that a making stage writes to.
#[derive(Debug)]
pub struct Outlet<T>(Sender<T>);

/// Why a making stage stopped before its work was over.
#[derive(Debug)]
pub enum Halt {
    /// The taking stage is gone; it holds the cause.
    HungUp,
    /// This stage failed.
    Failed(Error),
}

impl<T> Outlet<T> {
    /// Hands one item on; waits while the channel is full.
    ///
    /// # Errors
    ///
    /// [`Halt::HungUp`] where nobody takes any more.
    pub fn send(&self, item: T) -> Result<(), Halt> {
        self.0.send(item).map_err(|_hung_up| Halt::HungUp)
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs `make` on a thread of its own and `take` on this one, with at most `capacity` items between them.
///
/// # Errors
///
/// The taking stage's failure, else the making stage's: what happened downstream is the cause of a hang-up. When the
/// making stage fails, the taking stage sees its input end and its result is thrown away.
pub fn join<T: Send, R>(
    capacity: usize,
    make: impl FnOnce(&Outlet<T>) -> Result<(), Halt> + Send,
    take: impl FnOnce(&Made<T>) -> Result<R>,
) -> Result<R> {
    let (sender, receiver) = bounded(capacity);
    let (ended, end) = bounded(1);
    thread::scope(|scope| {
        let maker = scope.spawn(move || {
            let outlet = Outlet(sender);
            let outcome = make(&outlet);
            // Told before the channel closes, so that the taking stage knows a failure from an end.
            let told = ended.send(outcome.is_ok());
            drop(outlet);
            told.map_err(|_hung_up| Halt::HungUp).and(outcome)
        });
        let taken = take(&Made { items: receiver, end });
        match (taken, maker.join()) {
            (_, Err(_panic)) => Err(Error::internal("the reading stage panicked")),
            (_, Ok(Err(Halt::Failed(error)))) | (Err(error), Ok(_)) => Err(error),
            (Ok(result), Ok(Ok(()))) => Ok(result),
            (Ok(_), Ok(Err(Halt::HungUp))) => {
                Err(Error::internal("a stage hung up without a cause"))
            }
        }
    })
}

/// What the making stage made, as the taking stage sees it.
#[derive(Debug)]
pub struct Made<T> {
    items: Receiver<T>,
    end: Receiver<bool>,
}

impl<T> Made<T> {
    /// The next item; none when the making stage has come to its end.
    ///
    /// # Errors
    ///
    /// The making stage failed: whatever was taken must not be committed. [`join`] puts the cause in its place.
    pub fn next(&self) -> Result<Option<T>> {
        match self.items.recv() {
            Ok(item) => Ok(Some(item)),
            Err(_closed) if self.end.recv() == Ok(true) => Ok(None),
            Err(_closed) => Err(Error::internal("the reading stage failed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Halt, Made, Outlet, join};
    use crate::error::{Class, Error, Result};

    fn count_to(end: u64) -> impl FnOnce(&Outlet<u64>) -> Result<(), Halt> + Send {
        move |outlet| (0..end).try_for_each(|item| outlet.send(item))
    }

    fn collect(made: &Made<u64>) -> Result<Vec<u64>> {
        let mut items = Vec::new();
        while let Some(item) = made.next()? {
            items.push(item);
        }
        Ok(items)
    }

    fn refusal(what: &str) -> Error {
        Error::new(Class::Data, what)
    }

    #[test]
    fn every_item_arrives_in_order() {
        assert_eq!(join(2, count_to(100), collect).unwrap(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_failed_taker_stops_an_endless_maker_and_is_the_cause() {
        let error = join(2, count_to(u64::MAX), |made| {
            made.next()?;
            Err::<(), _>(refusal("full"))
        });
        assert_eq!(error.unwrap_err().to_string(), "full");
    }

    #[test]
    fn a_failed_maker_never_looks_like_an_end() {
        let mut seen_end = false;
        let error = join(
            2,
            |outlet: &Outlet<u64>| {
                outlet.send(1)?;
                Err(refusal("torn").into())
            },
            |made| {
                collect(made)?;
                seen_end = true;
                Ok(())
            },
        );
        assert_eq!(error.unwrap_err().to_string(), "torn");
        assert!(!seen_end);
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = join(2, |_: &Outlet<u64>| panic!("boom"), collect).unwrap_err();
        assert_eq!(error.class(), Class::Internal);
    }
}
