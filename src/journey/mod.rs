//! The phases of a migration, over the stores: each file is one way that a user can go.

mod anew;
pub mod archive;
mod aside;
mod begin;
pub mod check;
mod collide;
pub mod demo;
pub mod follow;
pub mod history;
mod index;
pub mod init;
pub mod inspect;
pub mod lag;
mod live;
mod narrow;
mod noted;
mod part;
pub mod pause;
pub mod plan;
mod prove;
mod reading;
mod reject;
pub mod restore;
mod retake;
pub mod run;
mod snapshot;
pub mod target;
mod touched;
mod undecided;
pub mod uninstall;
pub mod verify;

use crate::model::TableSchema;
use crate::pipeline::budget::{Budget, Permit};
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
    /// Bytes of rows in flight, all workers together; a larger row has them for itself.
    pub budget: &'a Budget,
}

/// What one worker has in flight: a batch being read, those queued, one being encoded, and the pieces sent.
const WORKER_BYTES: u64 = 12 * 1024 * 1024;
/// Copies of one large row that are alive at once: the store's, the one that waits, the one that is worked on.
const ROW_COPIES: u64 = 3;

impl Setting<'_> {
    /// Waits until rows of `table` may be in flight in one worker: large rows have the budget for themselves.
    fn reserve(&self, table: &TableSchema) -> Permit<'_> {
        self.budget.take(WORKER_BYTES.max(table.largest_row_bytes.saturating_mul(ROW_COPIES)))
    }
}

/// Bytes of rows in flight unless said otherwise.
pub const BUDGET_BYTES: u64 = 64 * 1024 * 1024;

/// Workers unless said otherwise: as many as processors, and not so many that a server is flooded.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(1, 8))
}
