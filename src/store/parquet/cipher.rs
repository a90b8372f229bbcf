//! AES-256-GCM as manifests, the modules of Parquet files and the pieces of backups have it: a random number that comes
//! once, then what is hidden, then the tag by which any change to either is noticed.
//!
//! A number is of 96 random bits, and an archive has some thousands of manifests, and of pieces four for each megabyte:
//! that one comes twice under a key is as likely as nothing (NIST SP 800-38D, section 8.3, allows for 2³² of them).

use crate::error::{Error, Result};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

/// Bytes that there are beside those that are hidden: the number and the tag.
pub(super) const OVERHEAD: usize = NONCE_LEN + MAX_TAG_LEN;

/// Hides bytes; `context` is not hidden and not kept, and must be the same where they are opened.
pub(super) fn hide(key: &[u8; 32], context: &[u8], mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let once = random::<NONCE_LEN>()?;
    cipher(key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(once);
            cipher.seal_in_place_append_tag(nonce, Aad::from(context), &mut bytes).ok()
        })
        .ok_or_else(|| Error::internal("more bytes than can be encrypted at once"))?;
    bytes.splice(..0, once);
    Ok(bytes)
}

/// What [`hide`] hid; none where a bit of it, of the key or of the context is another one.
pub(super) fn reveal(key: &[u8; 32], context: &[u8], hidden: &[u8]) -> Option<Vec<u8>> {
    let (once, rest) = hidden.split_first_chunk::<NONCE_LEN>()?;
    let mut bytes = rest.to_vec();
    let nonce = Nonce::assume_unique_for_key(*once);
    let length = cipher(key)?.open_in_place(nonce, Aad::from(context), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// Bytes that nobody can guess.
pub(super) fn random<const COUNT: usize>() -> Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| Error::internal("the machine gives no random bytes"))?;
    Ok(bytes)
}

fn cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::{hide, reveal};

    #[test]
    fn what_is_hidden_is_revealed_by_the_key_alone_and_no_bit_of_it_can_be_turned() {
        let key = [3; 32];
        let hidden = hide(&key, b"where", b"what".into()).unwrap();
        assert_ne!(hidden, hide(&key, b"where", b"what".into()).unwrap());
        assert_eq!(hidden.len(), 12 + 4 + 16);
        assert_eq!(reveal(&key, b"where", &hidden).unwrap(), b"what");
        assert_eq!(reveal(&[4; 32], b"where", &hidden), None);
        assert_eq!(reveal(&key, b"there", &hidden), None);
        for at in 0..hidden.len() {
            assert_eq!(reveal(&key, b"where", &hidden[..at]), None);
            let mut turned = hidden.clone();
            turned[at] ^= 1 << (at % 8);
            assert_eq!(reveal(&key, b"where", &turned), None, "byte {at}");
        }
    }
}
