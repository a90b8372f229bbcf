//! PostgreSQL as a store.

pub mod connection;
pub mod conninfo;
pub mod failure;
mod parameters;
pub mod passfile;
pub mod secret;
mod servicefile;
pub mod tls;
