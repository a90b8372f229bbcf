//! The digest of a row: blake3 of its tuple, filled up with zeros to whole blocks of 64 bytes.
//!
//! A tuple says itself where it ends, so what fills it up hides nothing. Tuples of equally many blocks can be hashed side
//! by side, one in each lane of the processor's vector unit, which takes a fraction of the time that one after another
//! does: rows are short, and within one blake3 has nothing to do at once. The blake3 crate does that for the chunks of one
//! long input by a function that it shows without documenting it: hence its exact version in Cargo.toml, and the test
//! that compares with what it documents.

use crate::error::Result;
use crate::model::RowDigest;
use blake3::platform::Platform;
use blake3::{BLOCK_LEN, CHUNK_LEN, Hasher, IncrementCounter, OUT_LEN};

/// Tuples that are hashed at once: as many as the widest vector unit takes.
const LANES: usize = 16;
/// Blocks of the longest tuple that is hashed beside others; in a longer one blake3 has enough to do at once.
const BLOCKS_MAX: usize = CHUNK_LEN / BLOCK_LEN;

/// The digest of one tuple.
pub(super) fn digest_of(tuple: &[u8]) -> RowDigest {
    let mut hasher = TupleHasher::default();
    hasher.update(tuple);
    hasher.finish()
}

/// Hashes a tuple that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct TupleHasher {
    hasher: Hasher,
    bytes: usize,
}

impl TupleHasher {
    /// Adds the next piece.
    pub(super) fn update(&mut self, piece: &[u8]) -> &mut Self {
        self.hasher.update(piece);
        self.bytes = self.bytes.wrapping_add(piece.len());
        self
    }

    /// The digest of all pieces.
    pub(super) fn finish(mut self) -> RowDigest {
        let missing = self.bytes.next_multiple_of(BLOCK_LEN) - self.bytes;
        self.hasher.update([0; BLOCK_LEN].get(..missing).unwrap_or_default());
        RowDigest(*self.hasher.finalize().as_bytes())
    }
}

/// Hashes many tuples, several at once; each has a tag by which its digest is known when it comes.
#[derive(Debug)]
pub struct ManyDigests<T> {
    platform: Platform,
    /// The tuples that wait, by their number of blocks less one.
    waiting: [Waiting<T>; BLOCKS_MAX],
}

/// Tuples of equally many blocks, one behind the other.
#[derive(Debug)]
struct Waiting<T> {
    tags: Vec<T>,
    tuples: Vec<u8>,
}

impl<T> Default for ManyDigests<T> {
    fn default() -> Self {
        let waiting = || Waiting { tags: Vec::new(), tuples: Vec::new() };
        Self { platform: Platform::detect(), waiting: std::array::from_fn(|_| waiting()) }
    }
}

impl<T> ManyDigests<T> {
    /// Takes a tuple; `done` hears the digests that are ready, not in the order of the tuples.
    ///
    /// # Errors
    ///
    /// Whatever `done` says.
    pub fn add(
        &mut self,
        tag: T,
        tuple: &[u8],
        mut done: impl FnMut(T, RowDigest) -> Result<()>,
    ) -> Result<()> {
        let blocks = tuple.len().div_ceil(BLOCK_LEN);
        match blocks.checked_sub(1).and_then(|slot| self.waiting.get_mut(slot)) {
            Some(waiting) => {
                waiting.tags.push(tag);
                waiting.tuples.extend_from_slice(tuple);
                waiting.tuples.resize(waiting.tags.len() * blocks * BLOCK_LEN, 0);
                if waiting.tags.len() < LANES {
                    Ok(())
                } else {
                    waiting.hash(self.platform, blocks, done)
                }
            }
            None => done(tag, digest_of(tuple)),
        }
    }

    /// Hashes what still waits.
    ///
    /// # Errors
    ///
    /// Whatever `done` says.
    pub fn finish(mut self, mut done: impl FnMut(T, RowDigest) -> Result<()>) -> Result<()> {
        let platform = self.platform;
        let mut waiting = self.waiting.iter_mut().zip(1..);
        waiting.try_for_each(|(waiting, blocks)| waiting.hash(platform, blocks, &mut done))
    }
}

impl<T> Waiting<T> {
    fn hash(
        &mut self,
        platform: Platform,
        blocks: usize,
        mut done: impl FnMut(T, RowDigest) -> Result<()>,
    ) -> Result<()> {
        let mut digests = [0; LANES * OUT_LEN];
        hash_blocks(platform, blocks, &self.tuples, &mut digests);
        self.tuples.clear();
        let digests = digests.as_chunks::<OUT_LEN>().0;
        self.tags.drain(..).zip(digests).try_for_each(|(tag, digest)| done(tag, RowDigest(*digest)))
    }
}

/// The function takes the length as a constant.
fn hash_blocks(platform: Platform, blocks: usize, tuples: &[u8], digests: &mut [u8]) {
    macro_rules! by_length {
        ($($number:literal)*) => {
            match blocks {
                $($number => hash_many::<{ $number * BLOCK_LEN }>(platform, tuples, digests),)*
                _ => {}
            }
        };
    }
    by_length!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
}

fn hash_many<const BYTES: usize>(platform: Platform, tuples: &[u8], digests: &mut [u8]) {
    /// What blake3 begins with where it has no key, and what it marks a short input by: figures of its specification.
    const START: [u32; 8] = [
        0x6A09_E667,
        0xBB67_AE85,
        0x3C6E_F372,
        0xA54F_F53A,
        0x510E_527F,
        0x9B05_688C,
        0x1F83_D9AB,
        0x5BE0_CD19,
    ];
    const CHUNK_START: u8 = 1 << 0;
    const CHUNK_END: u8 = 1 << 1;
    const ROOT: u8 = 1 << 3;

    let tuples = tuples.as_chunks::<BYTES>().0;
    let mut inputs = [&[0; BYTES]; LANES];
    for (input, tuple) in inputs.iter_mut().zip(tuples) {
        *input = tuple;
    }
    platform.hash_many(
        inputs.get(..tuples.len()).unwrap_or_default(),
        &START,
        0,
        IncrementCounter::No,
        0,
        CHUNK_START,
        CHUNK_END | ROOT,
        digests,
    );
}

#[cfg(test)]
mod tests {
    use super::{LANES, ManyDigests, TupleHasher, digest_of};
    use std::collections::BTreeMap;

    fn tuple(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| u8::try_from((at * 7 + bytes) % 251).unwrap()).collect()
    }

    fn expected(tuple: &[u8]) -> [u8; 32] {
        let mut padded = tuple.to_vec();
        padded.resize(tuple.len().next_multiple_of(64), 0);
        *blake3::hash(&padded).as_bytes()
    }

    #[test]
    fn tuples_of_every_length_have_the_digest_that_blake3_documents() {
        for round in 1..=2 * LANES + 1 {
            let lengths = (0..1100).step_by(round).chain([5000]);
            let tuples: Vec<_> = lengths.map(tuple).collect();
            let mut seen = BTreeMap::new();
            let mut many = ManyDigests::default();
            let mut keep = |number: usize, digest| {
                assert_eq!(seen.insert(number, digest), None);
                Ok(())
            };
            for (number, tuple) in tuples.iter().enumerate() {
                many.add(number, tuple, &mut keep).unwrap();
            }
            many.finish(keep).unwrap();
            assert_eq!(seen.len(), tuples.len());
            for (number, digest) in seen {
                assert_eq!(digest.0, expected(&tuples[number]), "{} bytes", tuples[number].len());
            }
        }
    }

    #[test]
    fn pieces_have_the_digest_of_the_whole() {
        for bytes in [0, 1, 63, 64, 65, 1024, 1025, 100_000] {
            let tuple = tuple(bytes);
            let mut pieces = TupleHasher::default();
            for piece in tuple.chunks(100) {
                pieces.update(piece);
            }
            assert_eq!(pieces.finish(), digest_of(&tuple));
            assert_eq!(digest_of(&tuple).0, expected(&tuple), "{bytes} bytes");
        }
    }
}
