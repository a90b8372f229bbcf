//! Moves a SQLite database to PostgreSQL as a stream, and proves that every row arrived.
pub mod error;
pub mod model;
pub mod pipeline;
pub mod proof;
pub mod row;
pub mod store;
pub mod transform;
pub use error::{Class, Error, Result, Signal};
