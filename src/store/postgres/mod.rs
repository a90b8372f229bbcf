//! PostgreSQL as a store.

pub mod server;
