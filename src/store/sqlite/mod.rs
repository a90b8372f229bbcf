//! The SQLite side: the only room that knows rusqlite.

pub mod backup;
mod batch;
mod behind;
pub mod capture;
mod cell;
pub mod census;
pub mod check;
mod collation;
pub mod collect;
pub mod connection;
pub mod content;
mod declaration;
pub mod extent;
mod failure;
pub mod fill;
mod guard;
pub mod introspect;
mod kin;
mod lock_out;
mod looks;
pub mod original;
pub mod read;
pub mod references;
pub mod salvage;
pub mod scratch;
pub mod slices;
mod stamp;
pub mod state;
mod statement;
pub mod tail;
pub mod wake;
mod wide;
mod witnessed;
pub mod write;
#[cfg(test)]
mod zoo;

pub use batch::{ReadBatch, holds_default};
