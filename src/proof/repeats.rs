//! Finds out which of many digests come more than once, in memory that does not grow with their number: what does not
//! fit is sorted and put aside in one unnamed file, and merged at the end.

use crate::error::{Class, Error, Result};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

/// A digest, long enough that two different things never have the same.
pub type Short = [u8; SHORT_BYTES];

const SHORT_BYTES: usize = 16;
/// Digests in memory: 8 MiB of them.
const HELD_MAX: usize = 512 * 1024;
/// Digests that are read at once of each sorted run.
const READ_AT_ONCE: usize = 512;

/// Digests that have come so far.
#[derive(Debug)]
pub struct Repeats {
    held: Vec<Short>,
    held_max: usize,
    file: Option<File>,
    /// Where the sorted runs in the file end, in digests.
    ends: Vec<u64>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::holding(HELD_MAX)
    }
}

impl Repeats {
    fn holding(held_max: usize) -> Self {
        Self { held: Vec::new(), held_max, file: None, ends: Vec::new() }
    }

    /// Adds one.
    ///
    /// # Errors
    ///
    /// A disk that takes no more.
    pub fn add(&mut self, digest: Short) -> Result<()> {
        self.held.push(digest);
        if self.held.len() >= self.held_max { self.put_aside() } else { Ok(()) }
    }

    /// The least digests that came more than once: so many at most, in order.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn least(mut self, most: usize) -> Result<Vec<Short>> {
        self.held.sort_unstable();
        let mut runs = Vec::new();
        let mut begin = 0;
        for &end in &self.ends {
            runs.push(Run { file: self.file.as_ref(), next: begin, end, read: Vec::new() });
            begin = end;
        }
        self.held.reverse();
        runs.push(Run { file: None, next: 0, end: 0, read: std::mem::take(&mut self.held) });
        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|digest| Reverse((digest, number))));
        }
        let (mut last, mut found) = (None, Vec::new());
        while let Some(Reverse((digest, number))) = heads.pop()
            && found.len() < most
        {
            if last == Some(digest) && found.last() != Some(&digest) {
                found.push(digest);
            }
            last = Some(digest);
            let next = runs.get_mut(number).map_or(Ok(None), Run::next)?;
            heads.extend(next.map(|digest| Reverse((digest, number))));
        }
        Ok(found)
    }

    fn put_aside(&mut self) -> Result<()> {
        self.held.sort_unstable();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(unwritable)?),
        };
        for some in self.held.chunks(READ_AT_ONCE) {
            file.write_all(some.as_flattened()).map_err(unwritable)?;
        }
        let before = self.ends.last().copied().unwrap_or_default();
        self.ends.push(before + u64::try_from(self.held.len()).unwrap_or(u64::MAX));
        self.held.clear();
        Ok(())
    }
}

/// Sorted digests.
struct Run<'f> {
    /// Where they are read from; none where all of them are at hand.
    file: Option<&'f File>,
    /// The next one that is read, and where they end.
    next: u64,
    end: u64,
    /// Those that were read, the next one last.
    read: Vec<Short>,
}

impl Run<'_> {
    fn next(&mut self) -> Result<Option<Short>> {
        if self.read.is_empty()
            && let Some(file) = self.file
        {
            let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
            self.read = vec![[0; SHORT_BYTES]; left.min(READ_AT_ONCE)];
            let at = self.next * SHORT_BYTES as u64;
            file.read_exact_at(self.read.as_flattened_mut(), at).map_err(unwritable)?;
            self.next += u64::try_from(self.read.len()).unwrap_or(u64::MAX);
            self.read.reverse();
        }
        Ok(self.read.pop())
    }
}

fn unwritable(cause: std::io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::new(Class::Temporary, "keys cannot be compared in a file beside")
        .todo(format!("make room in {}, or name another folder in TMPDIR", folder.display()))
        .because(cause)
}

#[cfg(test)]
mod tests {
    use super::{Repeats, Short};

    fn digest(number: u32) -> Short {
        let mut digest = Short::default();
        digest[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
        digest
    }

    fn least(held_max: usize, numbers: impl Iterator<Item = u32>) -> Vec<Short> {
        let mut repeats = Repeats::holding(held_max);
        numbers.for_each(|number| repeats.add(digest(number)).unwrap());
        repeats.least(2).unwrap()
    }

    #[test]
    fn what_comes_twice_is_found_wherever_it_comes_and_nothing_else() {
        for held_max in [1, 7, 600, 5000, 100_000] {
            assert_eq!(least(held_max, 0..5000), Vec::<Short>::new(), "{held_max}");
            for again in [0, 1, 6, 2500, 4999] {
                let found = least(held_max, (0..5000).chain([again]));
                assert_eq!(found, [digest(again)], "{held_max}");
            }
            assert_eq!(least(held_max, [3, 3, 3].into_iter()), [digest(3)]);
            assert_eq!(least(held_max, std::iter::empty()), Vec::<Short>::new());
            let found = least(held_max, (0..5000).chain([7, 8, 9, 9]));
            let mut twice = [7, 8, 9].map(digest);
            twice.sort_unstable();
            assert_eq!(found, twice[..2], "{held_max}");
        }
    }
}
