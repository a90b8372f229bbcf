//! From evidence to decisions: names, types and expressions of the target. No I/O.

pub mod expression;
pub mod identifier;
