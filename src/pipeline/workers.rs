//! Several workers that take jobs from one list, each with a state of its own (a connection, say).

use super::Stop;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Works through `jobs` in their order with one thread for each of `workers`, and gives the results in that order.
///
/// # Errors
///
/// The first failure; the other workers end their current job and take no further one.
pub fn over<J: Sync, W: Send, R: Send>(
    jobs: &[J],
    workers: Vec<W>,
    stop: &Stop,
    work: impl Fn(&mut W, &J) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let turn = |mut worker: W| -> Result<Vec<(usize, R)>> {
        let mut done = Vec::new();
        while !failed.load(Ordering::SeqCst) {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some(job) = jobs.get(number) else { break };
            match stop.check().and_then(|()| work(&mut worker, job)) {
                Ok(result) => done.push((number, result)),
                Err(error) => {
                    failed.store(true, Ordering::SeqCst);
                    return Err(stop.named(error));
                }
            }
        }
        Ok(done)
    };
    let outcomes: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            workers.into_iter().map(|worker| scope.spawn(|| turn(worker))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_panic| Err(panicked())))
            .collect()
    });
    let mut results: Vec<(usize, R)> =
        outcomes.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    results.sort_by_key(|(number, _)| *number);
    if results.len() != jobs.len() {
        return Err(Error::internal("a job was lost between workers"));
    }
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn panicked() -> Error {
    Error::internal("a worker panicked")
}

#[cfg(test)]
mod tests {
    use super::over;
    use crate::error::{Class, Error, Signal};
    use crate::pipeline::Stop;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..1000).collect();
        let doubled =
            over(&jobs, vec![(), (), ()], &Stop::default(), |(), job| Ok(job * 2)).unwrap();
        assert_eq!(doubled, jobs.iter().map(|job| job * 2).collect::<Vec<_>>());
    }

    #[test]
    fn one_failure_is_the_result() {
        let outcome = over(&[1, 2, 3], vec![(), ()], &Stop::default(), |(), job| match job {
            2 => Err(Error::new(Class::Data, "two")),
            job => Ok(*job),
        });
        assert_eq!(outcome.unwrap_err().to_string(), "two");
    }

    #[test]
    fn a_stop_ends_the_work_between_jobs() {
        let stop = Stop::default();
        let outcome = over(&[1, 2, 3], vec![()], &stop, |(), job| {
            stop.request(Signal::Interrupt);
            assert_eq!(*job, 1);
            Ok(())
        });
        assert_eq!(outcome.unwrap_err().class(), Class::Interrupted(Signal::Interrupt));
    }
}
