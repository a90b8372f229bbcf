//! Proof: sums of row digests by group on both sides, their comparison, and the narrowing to keys where they differ.
//!
//! Groups are chunks or buckets of keys ([`crate::model::Partition`]): the same row falls into the same group on both
//! sides, so that a difference is first narrowed to a group, and then only that group's rows are looked at.

mod compare;
mod narrow;
mod sums;

pub use compare::{TableProof, compare};
pub use narrow::{Difference, DifferenceKind, RowKeys, diff};
pub use sums::{GroupSums, Grouping, Summing};
