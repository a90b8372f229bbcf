//! The SQLite store.

pub mod fill;
#[cfg(test)]
mod zoo;
