//! Work that goes on again and again beside other work, until that is done.

use super::Stop;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Does `work`, and beside it `again` at least once, with a pause each time.
///
/// # Errors
///
/// What `work` says, else what `again` says.
pub fn beside<R>(
    pause: Duration,
    stop: &Stop,
    mut again: impl FnMut() -> Result<()> + Send,
    work: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            loop {
                again()?;
                if done.load(Ordering::SeqCst) || stop.requested().is_some() {
                    return Ok(());
                }
                stop.wait(pause)?;
            }
        });
        let worked = work();
        done.store(true, Ordering::SeqCst);
        let other = other.join().unwrap_or_else(|_panic| Err(Error::internal("a thread panicked")));
        worked.and_then(|worked| other.map(|()| worked))
    })
}

#[cfg(test)]
mod tests {
    use super::beside;
    use crate::error::{Class, Error};
    use crate::pipeline::Stop;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn it_goes_on_until_the_work_is_done() {
        let (told, heard) = channel();
        let again = || told.send(()).map_err(|_gone| Error::internal("nobody hears"));
        let worked = beside(Duration::ZERO, &Stop::default(), again, || {
            (0..3).for_each(|_| heard.recv().unwrap());
            Ok(7)
        });
        assert_eq!(worked.unwrap(), 7);
    }

    #[test]
    fn its_failure_is_told_when_the_work_is_done() {
        let again = || Err(Error::new(Class::Data, "beside"));
        let worked = beside(Duration::ZERO, &Stop::default(), again, || Ok(()));
        assert_eq!(worked.unwrap_err().to_string(), "beside");
    }
}
