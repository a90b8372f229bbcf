//! A file whose bytes are known to be those that were written: nothing else is ever parsed.

use super::facts::another;
use super::file::Stored;
use super::hash::Hashing;
use crate::error::{Class, Error, Result};
use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

/// Bytes that are hashed at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What bytes are read from.
pub(super) trait Positional: FileExt + fmt::Debug + Send + Sync {}

impl<T: FileExt + fmt::Debug + Send + Sync> Positional for T {}

/// A file with the size and the hash that it should have.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    from: Arc<Readable>,
    bytes: u64,
}

/// A file, and why it could not be read once: decoders tell of that as of damage.
#[derive(Debug)]
struct Readable {
    file: Box<dyn Positional>,
    failure: OnceLock<Arc<io::Error>>,
}

impl Readable {
    fn new(file: impl Positional + 'static) -> Self {
        Self { file: Box::new(file), failure: OnceLock::new() }
    }

    /// Remembers why the file could not be read.
    fn failed(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::Interrupted {
            return error;
        }
        let kind = error.kind();
        // The first failure is what the others follow from.
        let first = self.failure.get_or_init(|| Arc::new(error));
        io::Error::new(kind, Arc::clone(first))
    }
}

impl Verified {
    /// Hashes all of a file.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: another size or another hash; [`Class::Temporary`]: it cannot be read.
    pub(super) fn check(file: File, stored: &Stored) -> Result<Self> {
        let found = file.metadata().map_err(unreadable)?.len();
        if found != stored.bytes {
            let what = format!("it has {found} bytes instead of {}", stored.bytes);
            return Err(another(&what));
        }
        let verified = Self { from: Arc::new(Readable::new(file)), bytes: found };
        let mut hashing = Hashing::new(io::sink());
        let mut piece = vec![0; PIECE_BYTES];
        let mut from = Positioned { from: Arc::clone(&verified.from), at: 0 };
        loop {
            let count = from.read(&mut piece).map_err(unreadable)?;
            if count == 0 {
                break;
            }
            hashing.write_all(piece.get(..count).unwrap_or_default()).map_err(unreadable)?;
        }
        match hashing.finish() {
            Some((_, hash, bytes)) if hash == stored.hash && bytes == found => Ok(verified),
            _ => Err(another(&format!("its bytes do not have the hash {}", stored.hash))),
        }
    }

    /// What is said where bytes could not be read; none where all could.
    pub(super) fn unread(&self) -> Option<Error> {
        self.from.failure.get().map(|failure| unreadable(Arc::clone(failure)))
    }

    /// Bytes as they are, for a test of what is behind the hash.
    #[cfg(test)]
    pub(super) fn unchecked(file: File) -> Self {
        let bytes = file.metadata().unwrap().len();
        Self::unchecked_from(file, bytes)
    }

    /// The same of what is no file.
    #[cfg(test)]
    pub(super) fn unchecked_from(file: impl Positional + 'static, bytes: u64) -> Self {
        Self { from: Arc::new(Readable::new(file)), bytes }
    }
}

fn unreadable(error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(Class::Temporary, "cannot read a file of the archive")
        .todo(
            "look at the disk or the share that the archive is on, and run the same command again",
        )
        .because(error)
}

impl Length for Verified {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Verified {
    type T = BufReader<Positioned>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::new(Positioned { from: Arc::clone(&self.from), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let end = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
        if end.is_none_or(|end| end > self.bytes) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} are not there")));
        }
        let mut bytes = vec![0; length];
        let read = self.from.file.read_exact_at(&mut bytes, start);
        read.map_err(|error| self.from.failed(error))?;
        Ok(bytes.into())
    }
}

/// Reads on from a place in a file, whoever else reads it.
#[derive(Debug)]
pub(super) struct Positioned {
    from: Arc<Readable>,
    at: u64,
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.file.read_at(buffer, self.at);
        let count = read.map_err(|error| self.from.failed(error))?;
        self.at = self.at.saturating_add(count.try_into().unwrap_or(u64::MAX));
        Ok(count)
    }
}
