//! Row digests and their order-free sums: 256-bit, wrapping, with carry, little-endian.
//!
//! A sum can be split and joined at will, so that the digests of any chunks that cover a table add up to the
//! table's digest, and a row can be taken out again. Duplicate rows count, unlike under XOR.

use std::fmt;
use std::ops::{AddAssign, SubAssign};

/// blake3 of a row's canonical tuple, filled up with zeros to whole blocks of 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowDigest(pub [u8; 32]);

/// The number of rows and the sum of their digests modulo 2^256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DigestSum {
    /// How many rows.
    pub rows: u64,
    lanes: [u64; 4],
}

impl DigestSum {
    /// Rebuilds a sum from what [`Self::bytes`] gave.
    pub fn from_parts(rows: u64, bytes: [u8; 32]) -> Self {
        Self { rows, lanes: lanes(bytes) }
    }

    /// The sum alone, little-endian.
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (slot, lane) in bytes.chunks_exact_mut(8).zip(self.lanes) {
            slot.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }

    /// Puts one row in.
    pub fn add_row(&mut self, digest: RowDigest) {
        *self += Self { rows: 1, lanes: lanes(digest.0) };
    }

    /// Takes one row out.
    pub fn remove_row(&mut self, digest: RowDigest) {
        *self -= Self { rows: 1, lanes: lanes(digest.0) };
    }
}

impl AddAssign for DigestSum {
    fn add_assign(&mut self, other: Self) {
        self.rows = self.rows.wrapping_add(other.rows);
        let mut carry = false;
        for (mine, theirs) in self.lanes.iter_mut().zip(other.lanes) {
            let (sum, over_a) = mine.overflowing_add(theirs);
            let (sum, over_b) = sum.overflowing_add(u64::from(carry));
            *mine = sum;
            carry = over_a || over_b;
        }
    }
}

impl SubAssign for DigestSum {
    fn sub_assign(&mut self, other: Self) {
        self.rows = self.rows.wrapping_sub(other.rows);
        let mut borrow = false;
        for (mine, theirs) in self.lanes.iter_mut().zip(other.lanes) {
            let (rest, under_a) = mine.overflowing_sub(theirs);
            let (rest, under_b) = rest.overflowing_sub(u64::from(borrow));
            *mine = rest;
            borrow = under_a || under_b;
        }
    }
}

impl std::iter::Sum for DigestSum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), |mut total, sum| {
            total += sum;
            total
        })
    }
}

impl fmt::Display for DigestSum {
    /// The sum in hexadecimal, first byte first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn lanes(bytes: [u8; 32]) -> [u64; 4] {
    let mut lanes = [0; 4];
    for (lane, slot) in lanes.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*slot);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::{DigestSum, RowDigest};

    fn digest(text: &str) -> RowDigest {
        RowDigest(*blake3::hash(text.as_bytes()).as_bytes())
    }

    #[test]
    fn order_does_not_matter_and_duplicates_count() {
        let sum = |rows: &[&str]| {
            let mut sum = DigestSum::default();
            rows.iter().for_each(|row| sum.add_row(digest(row)));
            sum
        };
        assert_eq!(sum(&["a", "b", "c"]), sum(&["c", "a", "b"]));
        assert_ne!(sum(&["a", "a"]), sum(&[]));
        assert_ne!(sum(&["a", "a", "b"]).bytes(), sum(&["b"]).bytes());
    }

    #[test]
    fn the_carry_crosses_lanes_and_a_row_can_be_taken_out() {
        let mut sum = DigestSum::from_parts(1, [0xff; 32]);
        let mut one = [0; 32];
        one[0] = 1;
        sum.add_row(RowDigest(one));
        assert_eq!(sum, DigestSum::from_parts(2, [0; 32]));
        sum.remove_row(RowDigest(one));
        assert_eq!(sum, DigestSum::from_parts(1, [0xff; 32]));
    }
}
