//! Stopping early and cleanly: one flag that a signal sets and that long work looks at or is woken by.

use crate::error::{Class, Error, Result, Signal};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

/// Says whether the run shall stop. Clones share one flag.
#[derive(Clone, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// 0 while running, else the signal's number.
    signal: AtomicU8,
    listeners: Mutex<Vec<Weak<Listener>>>,
}

type Listener = dyn Fn() + Send + Sync;

/// Keeps a listener of [`Stop::on_stop`] registered until it is dropped.
pub struct Registration(#[expect(dead_code, reason = "held for its drop")] Arc<Listener>);

impl Stop {
    /// Stops on SIGINT and SIGTERM; the second signal ends the process at once, as without this.
    ///
    /// # Errors
    ///
    /// Signals that cannot be caught on this system.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        let failed =
            |error: std::io::Error| Error::internal("cannot listen for signals").because(error);
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let shared = stop.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if shared.request(if signal == SIGINT {
                        Signal::Interrupt
                    } else {
                        Signal::Terminate
                    }) {
                        continue;
                    }
                    // It was asked before: whatever still runs is not waited for.
                    if signal_hook::low_level::emulate_default_handler(signal).is_err() {
                        break;
                    }
                }
            })
            .map_err(failed)?;
        Ok(stop)
    }

    /// Sets the flag and wakes the listeners; false if it was set before.
    pub fn request(&self, signal: Signal) -> bool {
        let number = match signal {
            Signal::Interrupt => 1,
            Signal::Terminate => 2,
        };
        if self.0.signal.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            return false;
        }
        let listeners =
            std::mem::take(&mut *self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        listeners.iter().filter_map(Weak::upgrade).for_each(|listener| listener());
        true
    }

    /// A stop of its own, which this one, too, requests while the registration lives.
    pub fn inner(&self) -> (Self, Registration) {
        let (inner, outer) = (Self::default(), self.clone());
        let pass_on = inner.clone();
        let registration = self.on_stop(move || {
            if let Some(signal) = outer.requested() {
                pass_on.request(signal);
            }
        });
        (inner, registration)
    }

    /// The signal that asked to stop.
    pub fn requested(&self) -> Option<Signal> {
        match self.0.signal.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(Signal::Interrupt),
            _ => Some(Signal::Terminate),
        }
    }

    /// Ends work between two steps.
    ///
    /// # Errors
    ///
    /// [`Class::Interrupted`] once a stop was requested.
    pub fn check(&self) -> Result<()> {
        self.requested().map_or(Ok(()), |signal| Err(interrupted(signal)))
    }

    /// The same failure, by the signal that was sent: who was stopped in the middle of something knows no signal.
    #[must_use]
    pub fn named(&self, error: Error) -> Error {
        match (error.class(), self.requested()) {
            (Class::Interrupted(_), Some(signal)) => error.reclassified(Class::Interrupted(signal)),
            _ => error,
        }
    }

    /// Pauses for so long, or until a stop is requested.
    ///
    /// # Errors
    ///
    /// [`Class::Interrupted`] once a stop was requested.
    pub fn wait(&self, pause: Duration) -> Result<()> {
        let (wake, woken) = mpsc::channel();
        let _registration = self.on_stop(move || {
            // Nobody waits any more where this fails.
            let _nobody_waits = wake.send(());
        });
        match woken.recv_timeout(pause) {
            Ok(())
            | Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => {
                self.check()
            }
        }
    }

    /// Calls `listener` when a stop is requested, at once if it was already, for as long as the registration lives.
    pub fn on_stop(&self, listener: impl Fn() + Send + Sync + 'static) -> Registration {
        let listener: Arc<Listener> = Arc::new(listener);
        {
            let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|listener| listener.strong_count() > 0);
            listeners.push(Arc::downgrade(&listener));
        }
        if self.requested().is_some() {
            listener();
        }
        Registration(listener)
    }
}

/// What a step that was stopped returns.
pub fn interrupted(signal: Signal) -> Error {
    Error::new(Class::Interrupted(signal), "stopped as asked")
        .todo("run the same command again to go on")
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.requested()).finish()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registration")
    }
}

#[cfg(test)]
mod tests {
    use super::Stop;
    use crate::error::Signal;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn listeners_hear_a_stop_once_and_only_while_they_are_registered() {
        let heard = Arc::new(AtomicUsize::new(0));
        let count = || {
            let heard = Arc::clone(&heard);
            move || {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        };
        let stop = Stop::default();
        let kept = stop.on_stop(count());
        drop(stop.on_stop(count()));
        assert!(stop.check().is_ok());
        assert!(stop.request(Signal::Terminate));
        assert!(!stop.request(Signal::Interrupt));
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        assert_eq!(stop.check().unwrap_err().class().exit_code(), 143);
        drop(kept);
        let _late = stop.on_stop(count());
        assert_eq!(heard.load(Ordering::SeqCst), 2);
    }
}
