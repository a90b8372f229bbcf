//! The seal of a manifest and of the pointer to it: a hash of their bytes and, with a key, one that only who has the key
//! can make. Both are the last fields of the JSON, of known lengths, so that they are checked before anything is parsed.

use crate::error::{Class, Error, Result};
use crate::store::parquet::hash::ContentHash;
use serde::Serialize;
use std::fmt;

/// Bytes of a hash in hexadecimal digits.
const DIGITS: usize = 64;

/// The key of an archive: blake3's keyed mode, <https://github.com/BLAKE3-team/BLAKE3-specs>, section 2.3.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A JSON object with its seal as its last fields, and its hash: that of all its bytes before the seal.
pub(in crate::store::parquet) fn seal(
    of: &impl Serialize,
    key: Option<&Key>,
) -> Result<(Vec<u8>, ContentHash)> {
    let mut bytes = serde_json::to_vec(of)
        .map_err(|error| Error::internal("cannot write a manifest").because(error))?;
    if bytes.pop() != Some(b'}') {
        return Err(Error::internal("a manifest is no object"));
    }
    let hash = ContentHash::of(&bytes);
    let keyed = key.map(|Key(key)| blake3::keyed_hash(key, &bytes).to_hex());
    bytes.extend_from_slice(format!(",\"hash\":\"{hash}\"").as_bytes());
    if let Some(keyed) = keyed {
        bytes.extend_from_slice(format!(",\"keyed\":\"{keyed}\"").as_bytes());
    }
    bytes.extend_from_slice(b"}\n");
    Ok((bytes, hash))
}

/// The JSON object without its seal, and its hash.
///
/// # Errors
///
/// [`Class::Damaged`]: its bytes are not those that were sealed, or not with this key; [`Class::Access`]: it is sealed
/// with a key, and none is given.
pub(in crate::store::parquet) fn unseal(
    bytes: &[u8],
    key: Option<&Key>,
) -> Result<(Vec<u8>, ContentHash)> {
    let rest = bytes.strip_suffix(b"}\n").ok_or_else(|| refused("its end is missing"))?;
    let (rest, keyed) = match field(rest, "keyed") {
        Some((rest, keyed)) => (rest, Some(keyed)),
        None => (rest, None),
    };
    let (body, stated) = field(rest, "hash").ok_or_else(|| refused("it has no hash"))?;
    let hash = ContentHash::of(body);
    if ContentHash::parse(stated) != Some(hash) {
        return Err(refused("its bytes do not have its hash"));
    }
    match (key, keyed) {
        (None, None) => {}
        (None, Some(_)) => {
            return Err(Error::new(Class::Access, "this archive has a key")
                .todo("give the file of the key that it was written with"));
        }
        (Some(_), None) => return Err(refused("it was written without the key")),
        (Some(Key(key)), Some(keyed)) => {
            // Compared in a time that does not depend on where they differ.
            let is_ours = ContentHash::parse(keyed).is_some_and(|keyed| {
                blake3::Hash::from_bytes(keyed.bytes()) == blake3::keyed_hash(key, body)
            });
            if !is_ours {
                return Err(refused("it was written with another key, or is forged"));
            }
        }
    }
    let mut object = body.to_vec();
    object.push(b'}');
    Ok((object, hash))
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
