//! A stream that is hidden piece by piece, so that it never is in memory whole: each piece says which one it is, and the
//! last one that it is the last, so that none can be left out, repeated or put elsewhere.
//!
//! `liteferry backup 1`, the end of the line, 16 bytes that tell which key it was, 16 random bytes of this stream; then
//! of each piece its length as four bytes, the lowest first, and what AES-256-GCM makes of it.

use super::super::cipher;
use super::super::key::{Key, KeyId};
use crate::error::{Class, Error, Result};
use std::io::{self, Read, Write};

const MAGIC: &[u8] = b"liteferry backup 1\n";
/// Bytes of a piece.
const PIECE_BYTES: usize = 256 * 1024;
/// Random bytes of a stream.
const SALT: usize = 16;

/// What must be the same where a piece is opened.
struct Pieces {
    key: [u8; 32],
    salt: [u8; SALT],
    next: u64,
}

impl Pieces {
    /// The context of the next piece.
    fn context(&self, is_last: bool) -> Vec<u8> {
        [MAGIC, &self.salt, &self.next.to_le_bytes(), &[u8::from(is_last)]].concat()
    }
}

/// Hides what is written to it, where there is a key.
pub(super) struct Hiding<W> {
    inner: W,
    pieces: Option<Pieces>,
    piece: Vec<u8>,
}

impl<W: Write> Hiding<W> {
    pub(super) fn new(mut inner: W, key: Option<&Key>) -> Result<Self> {
        let Some(key) = key else { return Ok(Self { inner, pieces: None, piece: Vec::new() }) };
        let salt = cipher::random::<SALT>()?;
        let KeyId(id) = key.id();
        inner.write_all(&[MAGIC, &id, &salt].concat()).map_err(super::unwritten)?;
        let pieces = Pieces { key: *key.backups(), salt, next: 0 };
        Ok(Self { inner, pieces: Some(pieces), piece: Vec::with_capacity(PIECE_BYTES) })
    }

    /// Writes the last piece, and gives back where to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.end_piece(true)?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn end_piece(&mut self, is_last: bool) -> io::Result<()> {
        let Some(pieces) = &mut self.pieces else { return Ok(()) };
        let context = pieces.context(is_last);
        pieces.next += 1;
        let hidden = cipher::hide(&pieces.key, &context, std::mem::take(&mut self.piece));
        let hidden = hidden.map_err(io::Error::other)?;
        let length = u32::try_from(hidden.len()).map_err(io::Error::other)?;
        self.inner.write_all(&length.to_le_bytes())?;
        self.inner.write_all(&hidden)
    }
}

impl<W: Write> Write for Hiding<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.pieces.is_none() {
            return self.inner.write(bytes);
        }
        if self.piece.len() == PIECE_BYTES {
            self.end_piece(false)?;
        }
        let some = bytes.get(..bytes.len().min(PIECE_BYTES - self.piece.len())).unwrap_or(bytes);
        self.piece.extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Gives what [`Hiding`] was given.
pub(super) struct Showing<R> {
    inner: R,
    pieces: Option<Pieces>,
    piece: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl<R: Read> Showing<R> {
    /// # Errors
    ///
    /// [`Class::Access`]: it was hidden with another key; [`Class::Damaged`]: it was hidden with none.
    pub(super) fn new(mut inner: R, key: Option<&Key>) -> Result<Self> {
        let piece = io::Cursor::new(Vec::new());
        let Some(key) = key else { return Ok(Self { inner, pieces: None, piece, ended: false }) };
        let none = || Error::new(Class::Damaged, "it was written without the key");
        let (mut magic, mut id, mut salt) = ([0; MAGIC.len()], [0; KeyId::BYTES], [0; SALT]);
        let mut read = |into: &mut [u8]| inner.read_exact(into);
        let begun = read(&mut magic).and_then(|()| read(&mut id)).and_then(|()| read(&mut salt));
        begun.map_err(|error| none().because(error))?;
        if magic != MAGIC {
            return Err(none());
        }
        key.check_id(KeyId(id))?;
        let pieces = Some(Pieces { key: *key.backups(), salt, next: 0 });
        Ok(Self { inner, pieces, piece, ended: false })
    }

    /// Opens the next piece; the last one is told by its context.
    fn next_piece(&mut self) -> io::Result<()> {
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let Some(pieces) = &mut self.pieces else { return Ok(()) };
        let mut length = [0; 4];
        self.inner.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > PIECE_BYTES + cipher::OVERHEAD {
            return Err(broken("a piece is longer than any that is written"));
        }
        let mut hidden = vec![0; length];
        self.inner.read_exact(&mut hidden)?;
        let [on, last] = [false, true].map(|is_last| pieces.context(is_last));
        let shown = cipher::reveal(&pieces.key, &on, &hidden).or_else(|| {
            self.ended = true;
            cipher::reveal(&pieces.key, &last, &hidden)
        });
        pieces.next += 1;
        let shown = shown.ok_or_else(|| broken("a piece is not the one that was written"))?;
        self.piece = io::Cursor::new(shown);
        Ok(())
    }
}

impl<R: Read> Read for Showing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pieces.is_none() {
            return self.inner.read(buffer);
        }
        loop {
            let count = self.piece.read(buffer)?;
            if count > 0 || self.ended || buffer.is_empty() {
                return Ok(count);
            }
            self.next_piece()?;
        }
    }
}
