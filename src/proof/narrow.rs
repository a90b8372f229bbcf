//! From groups that differ to the keys that differ: missing, extra, changed.

use super::Grouping;
use crate::error::Result;
use crate::model::{RowDigest, TableSchema};
use crate::row::{Row, RowVisitor, show_key};
use std::collections::BTreeMap;

/// What is wrong with a row of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// The source has it, the target has not.
    Missing,
    /// The target has it, the source has not.
    Extra,
    /// Both have it, with other values.
    Changed,
}

impl DifferenceKind {
    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Changed => "changed",
        }
    }
}

/// One row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What is wrong.
    pub kind: DifferenceKind,
    /// The group it was found in.
    pub group: usize,
    /// The key as it stands in tuples; the row's digest where the table has no key.
    pub key: Vec<u8>,
    /// How often, for rows without a key.
    pub times: u64,
    /// Whether the table has a key.
    pub keyed: bool,
}

impl Difference {
    /// The key for people.
    pub fn show_key(&self, table: &TableSchema) -> String {
        if self.keyed {
            return show_key(table, &self.key);
        }
        let digest: String = self.key.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("row {digest}… ({} times)", self.times)
    }
}

/// Gathers keys and digests of the rows of some groups.
#[derive(Debug)]
pub struct RowKeys<'g> {
    grouping: Grouping,
    groups: &'g [usize],
    rows: BTreeMap<(usize, Vec<u8>), BTreeMap<RowDigest, u64>>,
}

impl<'g> RowKeys<'g> {
    /// Gathers the rows of `groups`, in ascending order.
    pub fn new(table: &TableSchema, groups: &'g [usize]) -> Self {
        Self { grouping: Grouping::of(table), groups, rows: BTreeMap::new() }
    }

    /// Adds what was gathered elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (key, digests) in other.rows {
            let mine = self.rows.entry(key).or_default();
            digests
                .into_iter()
                .for_each(|(digest, times)| *mine.entry(digest).or_default() += times);
        }
    }
}

impl RowVisitor for RowKeys<'_> {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let group = self.grouping.group(&row)?;
        if self.groups.binary_search(&group).is_ok() {
            let key = if row.key.is_empty() { row.digest().0.to_vec() } else { row.key.to_vec() };
            *self.rows.entry((group, key)).or_default().entry(row.digest()).or_default() += 1;
        }
        Ok(())
    }
}

/// The rows that differ, in order of group and key.
pub fn diff(table: &TableSchema, source: &RowKeys<'_>, target: &RowKeys<'_>) -> Vec<Difference> {
    let keyed = !table.key.is_empty();
    let mut differences = Vec::new();
    let mut differ = |(group, key): &(usize, Vec<u8>), kind, times| {
        differences.push(Difference { kind, group: *group, key: key.clone(), times, keyed });
    };
    for (key, mine) in &source.rows {
        match target.rows.get(key) {
            None => differ(key, DifferenceKind::Missing, count(mine)),
            Some(theirs) if mine == theirs => {}
            Some(theirs) if keyed => {
                // A key that stands twice in the target, once as it should be, is one row too many.
                let unchanged = mine
                    .iter()
                    .all(|(digest, times)| theirs.get(digest).is_some_and(|found| found >= times));
                differ(
                    key,
                    if unchanged { DifferenceKind::Extra } else { DifferenceKind::Changed },
                    1,
                );
            }
            Some(theirs) if count(mine) > count(theirs) => {
                differ(key, DifferenceKind::Missing, count(mine) - count(theirs));
            }
            Some(theirs) => differ(key, DifferenceKind::Extra, count(theirs) - count(mine)),
        }
    }
    for (key, theirs) in target.rows.iter().filter(|(key, _)| !source.rows.contains_key(*key)) {
        differ(key, DifferenceKind::Extra, count(theirs));
    }
    differences.sort_by(|a, b| (a.group, &a.key, a.kind).cmp(&(b.group, &b.key, b.kind)));
    differences
}

fn count(digests: &BTreeMap<RowDigest, u64>) -> u64 {
    digests.values().sum()
}
