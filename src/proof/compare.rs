//! The comparison of one table's sums on both sides.

use super::GroupSums;
use crate::model::DigestSum;

/// Whether a table is equal on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableProof {
    /// The source table's name.
    pub table: String,
    /// All rows of the source.
    pub source: DigestSum,
    /// All rows of the target.
    pub target: DigestSum,
    /// The groups whose sums differ.
    pub differing: Vec<usize>,
}

impl TableProof {
    /// Whether every group is equal.
    pub fn equal(&self) -> bool {
        self.differing.is_empty() && self.source == self.target
    }
}

/// Compares group by group.
pub fn compare(table: &str, source: &GroupSums, target: &GroupSums) -> TableProof {
    let pairs = source.groups().iter().zip(target.groups()).enumerate();
    let differing =
        pairs.filter(|(_, (source, target))| source != target).map(|(group, _)| group).collect();
    TableProof { table: table.into(), source: source.total(), target: target.total(), differing }
}
