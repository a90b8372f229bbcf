//! What names a file: the blake3 hash of all its bytes, taken while they are written and before they are read.

use blake3::Hasher;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, Write};

/// The blake3 hash of a file's bytes; as text 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash(blake3::Hash);

impl ContentHash {
    /// The hash of bytes that are in memory.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes))
    }

    /// A hash that only who has the key can make.
    pub(super) fn keyed(key: &[u8; 32], bytes: &[u8]) -> Self {
        Self(blake3::keyed_hash(key, bytes))
    }

    /// The bytes of the hash itself.
    pub(super) fn bytes(&self) -> [u8; 32] {
        *self.0.as_bytes()
    }

    /// Reads the text of a hash.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = Self(blake3::Hash::from_hex(text).ok()?);
        (hash.to_string() == text).then_some(hash)
    }

    /// The name of the file that has these bytes.
    pub fn file_name(&self) -> String {
        format!("{self}.parquet")
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no blake3 hash in 64 hexadecimal digits")
    }
}

/// Passes bytes on and hashes them.
#[derive(Debug)]
pub(super) struct Hashing<W> {
    /// None once all is written.
    inner: Option<W>,
    hasher: Hasher,
    bytes: u64,
}

impl<W> Hashing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner: Some(inner), hasher: Hasher::new(), bytes: 0 }
    }

    /// Where the bytes went, their hash, and how many they were; none where that was asked before.
    pub(super) fn finish(&mut self) -> Option<(W, ContentHash, u64)> {
        Some((self.inner.take()?, ContentHash(self.hasher.finalize()), self.bytes))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inner = self.inner.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let count = inner.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(count.try_into().unwrap_or(u64::MAX));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::{ContentHash, Hashing};
    use std::io::{self, Write};

    /// Takes three bytes at a time.
    struct Slow(Vec<u8>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = &bytes[..bytes.len().min(3)];
            self.0.write(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_bytes_that_were_taken_are_hashed() {
        let mut hashing = Hashing::new(Slow(Vec::new()));
        hashing.write_all(b"every byte once").unwrap();
        let (Slow(taken), hash, bytes) = hashing.finish().unwrap();
        assert!(hashing.finish().is_none() && hashing.write_all(b"late").is_err());
        assert_eq!((taken.as_slice(), bytes), (&b"every byte once"[..], 15));
        assert_eq!(hash.to_string(), blake3::hash(&taken).to_hex().to_string());
        assert_eq!(hash.file_name(), format!("{hash}.parquet"));
    }

    #[test]
    fn a_hash_has_one_text() {
        let hash = Hashing::new(Vec::<u8>::new()).finish().unwrap().1;
        let text = hash.to_string();
        assert!(text.contains('f'));
        assert_eq!(ContentHash::parse(&text), Some(hash));
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<ContentHash>(&json).unwrap(), hash);
        for wrong in
            [text.to_uppercase(), text.replace('f', ""), format!("{text}/../x"), String::new()]
        {
            assert_eq!(ContentHash::parse(&wrong), None, "{wrong}");
        }
        assert!(serde_json::from_str::<ContentHash>("\"../../etc/passwd\"").is_err());
    }
}
