//! A budget of bytes that workers share, so that memory is bounded whatever the size of tables and rows.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that may be in flight at once.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

/// Bytes taken from a budget; they go back when this is dropped.
#[derive(Debug)]
pub struct Permit<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { total: bytes, free: Mutex::new(bytes), returned: Condvar::new() }
    }

    /// Waits until so many bytes are free and takes them. What is larger than the whole budget takes all of it, and so
    /// has it for itself.
    pub fn take(&self, bytes: u64) -> Permit<'_> {
        let bytes = bytes.min(self.total);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .returned
            .wait_while(free, |free| *free < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Permit { budget: self, bytes }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn what_is_larger_than_the_budget_runs_alone() {
        let budget = Budget::new(10);
        let budget = &budget;
        let small = budget.take(4);
        thread::scope(|scope| {
            let (taken, heard) = mpsc::channel();
            scope.spawn(move || {
                let permit = budget.take(1_000);
                taken.send(*budget.free.lock().unwrap()).unwrap();
                drop(permit);
            });
            assert!(heard.try_recv().is_err(), "four bytes are still taken");
            drop(small);
            assert_eq!(heard.recv(), Ok(0), "nothing is left for others");
        });
        drop(budget.take(10));
    }
}
