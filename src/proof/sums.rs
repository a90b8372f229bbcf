//! One sum for each group of a table's rows.

use crate::error::{Error, Result};
use crate::model::{DigestSum, Partition, RowDigest, RowRange, TableSchema};
use crate::row::{Body, ManyDigests, Row, RowVisitor};
use std::ops::Range;

/// Says which group a row belongs to; the same on both sides.
#[derive(Debug, Clone)]
pub enum Grouping {
    /// By the chunk whose range holds the rowid; the first rowid of each chunk, ascending.
    Chunks(Vec<i64>),
    /// By hash of the key.
    Buckets(u64),
}

impl Grouping {
    /// How the rows of a table are grouped.
    pub fn of(table: &TableSchema) -> Self {
        match table.partition {
            Partition::Chunks { .. } => Self::Chunks(
                table
                    .chunks
                    .iter()
                    .map(|range| match range {
                        RowRange::Rowids { first, .. } => *first,
                        RowRange::All => i64::MIN,
                    })
                    .collect(),
            ),
            Partition::Buckets { count } => {
                Self::Buckets(count.max(1).try_into().unwrap_or(u64::MAX))
            }
        }
    }

    /// The group of a row.
    ///
    /// # Errors
    ///
    /// A key that is no rowid where there must be one.
    pub fn group(&self, row: &Row<'_>) -> Result<usize> {
        Ok(self.group_of_key(row.key)?.unwrap_or_else(|| self.group_of_keyless(row.digest())))
    }

    /// The group of a row with this key; none where there is no key to tell.
    fn group_of_key(&self, key: &[u8]) -> Result<Option<usize>> {
        match self {
            Self::Chunks(firsts) => Ok(Some(chunk_of(firsts, rowid(key)?))),
            Self::Buckets(1) => Ok(Some(0)),
            Self::Buckets(_) if key.is_empty() => Ok(None),
            Self::Buckets(count) => Ok(Some(bucket(mixed(key), *count))),
        }
    }

    /// The group of a row that has no key.
    fn group_of_keyless(&self, digest: RowDigest) -> usize {
        match self {
            Self::Chunks(_) => 0,
            Self::Buckets(count) => {
                let head = digest.0.first_chunk::<8>();
                bucket(head.map_or(0, |head| u64::from_le_bytes(*head)), *count)
            }
        }
    }
}

/// The last chunk that does not begin behind a rowid.
fn chunk_of(firsts: &[i64], rowid: i64) -> usize {
    firsts.partition_point(|&first| first <= rowid).saturating_sub(1)
}

/// The bucket of a hash, of `count` and at least one.
fn bucket(hash: u64, count: u64) -> usize {
    usize::try_from(hash % count.max(1)).unwrap_or(usize::MAX)
}

/// A hash of a key that spreads keys over buckets, and need do no more: what proves anything is the digest of the row.
fn mixed(key: &[u8]) -> u64 {
    /// Odd, with ones and zeros without a pattern: the golden ratio.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

    let (words, rest) = key.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
    let hash = words.iter().chain([&last]).fold(0, |hash: u64, word| {
        (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)
    });
    hash ^ hash >> 32
}

/// The rowid in a key of one `bigint`: its length and its bytes.
fn rowid(key: &[u8]) -> Result<i64> {
    match key.split_first_chunk::<4>() {
        Some(([0, 0, 0, 8], value)) => {
            value.as_array::<8>().map(|bytes| i64::from_be_bytes(*bytes))
        }
        _ => None,
    }
    .ok_or_else(|| Error::internal("a key is no rowid"))
}

/// One sum for each group of rows.
#[derive(Debug, Clone)]
pub struct GroupSums {
    grouping: Grouping,
    sums: Vec<DigestSum>,
    /// The chunk of the row before: most rows come in the order of their rowids.
    chunk: usize,
}

/// Bytes of one group in [`GroupSums::to_bytes`].
const GROUP_BYTES: usize = 40;

impl GroupSums {
    /// Nothing summed yet.
    pub fn new(table: &TableSchema) -> Self {
        Self {
            grouping: Grouping::of(table),
            sums: vec![DigestSum::default(); table.groups()],
            chunk: 0,
        }
    }

    /// One sum for each group.
    pub fn groups(&self) -> &[DigestSum] {
        &self.sums
    }

    /// All groups together.
    pub fn total(&self) -> DigestSum {
        self.sums.iter().copied().sum()
    }

    /// As [`Grouping::group_of_key`].
    #[inline]
    fn group_of_key(&mut self, key: &[u8]) -> Result<Option<usize>> {
        let Grouping::Chunks(firsts) = &self.grouping else {
            return self.grouping.group_of_key(key);
        };
        let rowid = rowid(key)?;
        let begins = firsts.get(self.chunk).is_none_or(|&first| first <= rowid);
        let ends = firsts.get(self.chunk + 1).is_some_and(|&next| next <= rowid);
        if !begins || ends {
            self.chunk = chunk_of(firsts, rowid);
        }
        Ok(Some(self.chunk))
    }

    fn add(&mut self, group: Option<usize>, digest: RowDigest) -> Result<()> {
        let group = group.unwrap_or_else(|| self.grouping.group_of_keyless(digest));
        let sum = self.sums.get_mut(group).ok_or_else(|| Error::internal("a row of no group"))?;
        sum.add_row(digest);
        Ok(())
    }

    /// Adds what was summed elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.sums.iter_mut().zip(&other.sums) {
            *mine += *theirs;
        }
    }

    /// Takes out what was summed elsewhere; false where that is more rows of a group than there are.
    #[must_use]
    pub fn take(&mut self, other: &Self) -> bool {
        let mut are_there = true;
        for (mine, theirs) in self.sums.iter_mut().zip(&other.sums) {
            are_there &= mine.rows >= theirs.rows;
            *mine -= *theirs;
        }
        are_there
    }

    /// The groups that are not empty, as the ledger keeps them: number, rows, sum, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes_of(0..self.sums.len())
    }

    /// The same of some groups.
    pub fn bytes_of(&self, groups: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let all = self.sums.iter().enumerate();
        let wanted = all.skip(groups.start).take(groups.len());
        for (number, sum) in wanted.filter(|(_, sum)| **sum != DigestSum::default()) {
            bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(sum.rows).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(&sum.bytes());
        }
        bytes
    }

    /// Adds what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    ///
    /// Bytes that are of another table or damaged.
    pub fn merge_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let damaged = || Error::internal("a chunk's sums in the ledger are damaged");
        let (groups, rest) = bytes.as_chunks::<GROUP_BYTES>();
        if !rest.is_empty() {
            return Err(damaged());
        }
        for group in groups {
            let [n0, n1, n2, n3, r0, r1, r2, r3, sum @ ..] = *group;
            let number = usize::try_from(u32::from_le_bytes([n0, n1, n2, n3]))
                .map_err(|_too_wide| damaged())?;
            let rows = u64::from(u32::from_le_bytes([r0, r1, r2, r3]));
            *self.sums.get_mut(number).ok_or_else(damaged)? += DigestSum::from_parts(rows, sum);
        }
        Ok(())
    }
}

/// Sums rows as they pass, group by group.
#[derive(Debug)]
pub struct Summing {
    sums: GroupSums,
    /// Rows that wait for their digest, with their group where the key tells it.
    digests: ManyDigests<Option<usize>>,
}

impl Summing {
    /// Nothing summed yet.
    pub fn new(table: &TableSchema) -> Self {
        Self { sums: GroupSums::new(table), digests: ManyDigests::default() }
    }

    /// The sums of all rows that passed.
    ///
    /// # Errors
    ///
    /// A row of no group.
    pub fn finish(self) -> Result<GroupSums> {
        let Self { mut sums, digests } = self;
        digests.finish(|group, digest| sums.add(group, digest))?;
        Ok(sums)
    }
}

impl RowVisitor for Summing {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let Self { sums, digests } = self;
        let group = sums.group_of_key(row.key)?;
        match row.body {
            Body::Tuple(tuple) => {
                digests.add(group, tuple, |group, digest| sums.add(group, digest))
            }
            Body::Digest(digest) => sums.add(group, digest),
        }
    }
}
