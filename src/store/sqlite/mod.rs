//! The SQLite side: the only room that knows rusqlite.

pub mod census;
pub mod connection;
pub mod read;
