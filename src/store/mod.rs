//! Anything that holds rows. The stores mirror each other in what they share, and never import one another.

pub mod parquet;
pub mod postgres;
pub mod sqlite;
