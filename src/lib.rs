//! Moves a SQLite database to PostgreSQL as a stream, and proves that every row arrived.
pub mod error;
pub mod model;
pub mod plan;
mod sql;
pub mod store;
pub use error::{Class, Error, Result, Signal};
