//! The SQLite side: the only room that knows rusqlite.

mod batch;
mod cell;
pub mod census;
mod collation;
pub mod connection;
pub mod content;
mod declaration;
pub mod fill;
pub mod introspect;
mod looks;
pub mod read;
pub mod references;
#[cfg(test)]
mod zoo;

pub use batch::{ReadBatch, holds_default};
