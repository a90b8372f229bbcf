//! The stores: what holds rows and can be read, written, captured and fenced.

pub mod sqlite;
