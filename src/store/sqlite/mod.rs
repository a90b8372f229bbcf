//! SQLite as a store.

mod declaration;
pub mod introspect;
