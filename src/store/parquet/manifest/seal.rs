//! The seal of a manifest and of the pointer to it: a hash of their bytes, which is the last field of the JSON and of a
//! known length, so that it is checked before anything is parsed.
//!
//! With a key the whole is hidden, by AES-256-GCM: `liteferry sealed 1`, the end of the line, 16 bytes that tell which key
//! it was, 12 random bytes, what is hidden, 16 bytes that only who has the key can make, and the blake3 hash of all that.
//! The hash tells damage from a forgery, and from another key.

use crate::error::{Class, Error, Result};
use crate::store::parquet::cipher;
use crate::store::parquet::hash::ContentHash;
use crate::store::parquet::key::{Key, KeyId};
use serde::Serialize;

/// Bytes of a hash in hexadecimal digits.
const DIGITS: usize = 64;

/// What a hidden one begins with.
const MAGIC: &[u8] = b"liteferry sealed 1\n";

/// Bytes from its beginning on that tell how it was written; everything sealed has more.
pub(in crate::store::parquet) const HEAD_BYTES: u64 = (MAGIC.len() + KeyId::BYTES) as u64;
/// What one begins with that is not hidden, whatever it is.
const OPEN: &[u8] = b"{\"format\":";

/// How something was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::parquet) enum Written {
    /// Without a key.
    Open,
    /// With this one.
    Hidden(KeyId),
}

/// What is sealed: none is taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::parquet) enum Sealed {
    Manifest,
    Pointer,
    Backup,
}

impl Sealed {
    /// The context in which it is hidden.
    fn context(self) -> &'static [u8] {
        match self {
            Self::Manifest => b"liteferry manifest 1",
            Self::Pointer => b"liteferry pointer 1",
            Self::Backup => b"liteferry backup 1",
        }
    }
}

/// A JSON object with its seal as its last field, hidden where there is a key, and its hash: that of all the object's
/// bytes before the seal.
pub(in crate::store::parquet) fn seal(
    of: &impl Serialize,
    what: Sealed,
    key: Option<&Key>,
) -> Result<(Vec<u8>, ContentHash)> {
    let mut bytes = serde_json::to_vec(of)
        .map_err(|error| Error::internal("cannot write a manifest").because(error))?;
    if bytes.pop() != Some(b'}') {
        return Err(Error::internal("a manifest is no object"));
    }
    let hash = ContentHash::of(&bytes);
    bytes.extend_from_slice(format!(",\"hash\":\"{hash}\"}}\n").as_bytes());
    let bytes = match key {
        Some(key) => hide(bytes, what, key)?,
        None => bytes,
    };
    Ok((bytes, hash))
}

/// The JSON object without its seal, and its hash.
///
/// # Errors
///
/// [`Class::Damaged`]: its bytes are not those that were sealed, or not as this; [`Class::Access`]: it is sealed with a
/// key, and none is given, or another one.
pub(in crate::store::parquet) fn unseal(
    bytes: &[u8],
    what: Sealed,
    key: Option<&Key>,
) -> Result<(Vec<u8>, ContentHash)> {
    let revealed;
    let bytes = match (key, bytes.starts_with(MAGIC)) {
        (None, false) => bytes,
        (Some(_), false) => return Err(refused("it was written without the key")),
        (key, true) => {
            revealed = reveal(bytes, what, key)?;
            &revealed
        }
    };
    let rest = bytes.strip_suffix(b"}\n").ok_or_else(|| refused("its end is missing"))?;
    let (body, stated) = field(rest, "hash").ok_or_else(|| refused("it has no hash"))?;
    let hash = ContentHash::of(body);
    if ContentHash::parse(stated) != Some(hash) {
        return Err(refused("its bytes do not have its hash"));
    }
    let mut object = body.to_vec();
    object.push(b'}');
    Ok((object, hash))
}

/// How something was sealed, by the [`HEAD_BYTES`] that it begins with; none where it was not.
pub(in crate::store::parquet) fn written(head: &[u8]) -> Option<Written> {
    match head.strip_prefix(MAGIC) {
        Some(rest) => rest.first_chunk().map(|id| Written::Hidden(KeyId(*id))),
        None => head.starts_with(OPEN).then_some(Written::Open),
    }
}

fn hide(bytes: Vec<u8>, what: Sealed, key: &Key) -> Result<Vec<u8>> {
    let KeyId(id) = key.id();
    let hidden = cipher::hide(key.manifests(), what.context(), bytes)?;
    let mut bytes = [MAGIC, &id, &hidden].concat();
    bytes.extend(ContentHash::of(&bytes).bytes());
    Ok(bytes)
}

fn reveal(bytes: &[u8], what: Sealed, key: Option<&Key>) -> Result<Vec<u8>> {
    let is_whole = |(rest, hash): &(&[u8], &[u8; 32])| ContentHash::of(rest).bytes() == **hash;
    let parts = bytes.split_last_chunk().filter(is_whole);
    let rest = parts.and_then(|(rest, _)| rest.strip_prefix(MAGIC));
    let (id, hidden) = rest
        .and_then(<[u8]>::split_first_chunk)
        .ok_or_else(|| refused("its bytes do not have its hash"))?;
    let key = key.ok_or_else(|| {
        Error::new(Class::Access, "this archive has a key")
            .todo("give the file of the key that it was written with")
    })?;
    key.check_id(KeyId(*id))?;
    cipher::reveal(key.manifests(), what.context(), hidden)
        .ok_or_else(|| refused("it was not written with the key"))
}

/// Takes `,"NAME":"64 digits"` off the end.
fn field<'b>(bytes: &'b [u8], name: &str) -> Option<(&'b [u8], &'b str)> {
    let rest = bytes.strip_suffix(b"\"")?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let rest = rest.strip_suffix(format!(",\"{name}\":\"").as_bytes())?;
    Some((rest, std::str::from_utf8(digits).ok()?))
}

fn refused(why: &str) -> Error {
    Error::new(Class::Damaged, format!("it is damaged or forged: {why}"))
}
