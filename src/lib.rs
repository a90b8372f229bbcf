//! Moves a SQLite database to PostgreSQL as a stream, and proves that every row arrived.

pub mod cli;
pub mod config;
pub mod error;
pub mod journey;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod proof;
pub mod row;
pub mod sample;
mod sql;
pub mod status;
pub mod store;
pub mod transform;

pub use error::{Class, Error, Result, Signal};
