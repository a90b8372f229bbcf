//! Where stages are joined: the only room with threads and channels.
//!
//! Stages are plain functions; [`join`](stage::join) puts a bounded channel between two of them, and
//! [`over`](workers::over) lets several workers take jobs from one list. Memory is bounded by a [`Budget`] of bytes,
//! a [`Spool`] keeps on disk what memory shall not hold, and everything ends early when [`Stop`] says so. [`failpoint`]
//! names the steps at which tests let a run die.

pub mod beside;
pub mod budget;
pub mod failpoint;
pub mod hand;
pub mod progress;
pub mod spool;
pub mod stage;
pub mod stop;
pub mod workers;

pub use budget::Budget;
pub use progress::{Event, Progress};
pub use spool::Spool;
pub use stop::Stop;
