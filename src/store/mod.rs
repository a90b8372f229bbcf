//! Everything that holds rows.

pub mod sqlite;
