//! The phases of a migration, over the stores: each file is one way that a user can go.

pub mod demo;
pub mod history;
mod index;
pub mod inspect;
pub mod plan;
mod prove;
pub mod run;
mod snapshot;
pub mod target;
pub mod verify;

use crate::pipeline::{Progress, Stop};

/// What every journey is given: who watches, what stops it, and how many hands it has.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Says when to stop early.
    pub stop: &'a Stop,
    /// Hears what happens.
    pub progress: &'a dyn Progress,
    /// Workers, each with a connection to both ends.
    pub workers: usize,
    /// Bytes of rows in flight, at most, all workers together; a larger row has them for itself.
    pub budget_bytes: u64,
}

/// Bytes of rows in flight unless said otherwise.
pub const BUDGET_BYTES: u64 = 64 * 1024 * 1024;

/// Workers unless said otherwise: as many as processors, and not so many that a server is flooded.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(1, 8))
}
