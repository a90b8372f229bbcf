//! What a user writes: the pipeline file and the variables in it.

pub mod percent;
pub mod variables;
