//! A SQLite file written anew from its rows as they travel: the same in every cell, storage class and statement.

mod cases;
mod random;

pub(crate) use again::again;
pub(crate) use same::difference;

mod again;
mod same;
