//! The key of an archive: a file of 32 random bytes, from which everything that is secret in an archive is derived.
//!
//! Each purpose has a key of its own, by blake3's key derivation
//! (<https://github.com/BLAKE3-team/BLAKE3-specs>, section 2.3): who is given the key of the Parquet files, to read them
//! with other programs, cannot make a manifest with it, nor tell the names of tables.

use super::hash::ContentHash;
use crate::error::{Class, Error, Place as _, Result};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Bytes of a key.
const BYTES: usize = 32;
/// What a key file may have, at most: a key in hexadecimal digits, and the end of the line.
const FILE_MAX: u64 = 2 * BYTES as u64 + 2;

/// What the keys are for; no two are the same text, and none ever changes.
const FILES: &str = "liteferry archive 2026 Parquet files";
const MANIFESTS: &str = "liteferry archive 2026 manifests";
const NAMES: &str = "liteferry archive 2026 names of tables";
const BACKUPS: &str = "liteferry archive 2026 backups";
const ID: &str = "liteferry archive 2026 which key";

/// The key of an archive.
#[derive(Clone)]
pub struct Key {
    files: [u8; BYTES],
    manifests: [u8; BYTES],
    names: [u8; BYTES],
    backups: [u8; BYTES],
    id: KeyId,
}

/// Tells keys apart, and says nothing of them: it stands in the open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId(pub(super) [u8; KeyId::BYTES]);

impl KeyId {
    pub(super) const BYTES: usize = 16;
}

impl Key {
    /// A key of 32 random bytes.
    pub fn new(secret: [u8; BYTES]) -> Self {
        let derive = |purpose| blake3::derive_key(purpose, &secret);
        let mut id = [0; KeyId::BYTES];
        id.iter_mut().zip(derive(ID)).for_each(|(to, from)| *to = from);
        Self {
            files: derive(FILES),
            manifests: derive(MANIFESTS),
            names: derive(NAMES),
            backups: derive(BACKUPS),
            id: KeyId(id),
        }
    }

    /// Reads a key file: 32 bytes as they are, or 64 hexadecimal digits and at most the end of the line.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: there is no such file, or it holds no key; [`Class::Access`]: it cannot be read, or others than
    /// its owner can read it.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_file(path).at(|| format!("key file {}", path.display()))
    }

    fn read_file(path: &Path) -> Result<Self> {
        // A FIFO in its place must not be waited for.
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(nonblock).open(path);
        let file = file.map_err(unread)?;
        let metadata = file.metadata().map_err(unread)?;
        if !metadata.is_file() {
            return Err(none("it is no plain file"));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            let what = format!("others have access to it (mode {mode:04o})");
            return Err(Error::new(Class::Access, what).todo("chmod 600 it"));
        }
        let mut bytes = Vec::new();
        file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
        secret(&bytes).map(Self::new)
    }

    /// The key of AES-256-GCM by which Parquet's own encryption hides the files: the footer key of other readers.
    pub fn files(&self) -> &[u8; BYTES] {
        &self.files
    }

    /// The key of AES-256-GCM that hides manifests and the pointer to them.
    pub(super) fn manifests(&self) -> &[u8; BYTES] {
        &self.manifests
    }

    /// The key of AES-256-GCM that hides backups.
    pub(super) fn backups(&self) -> &[u8; BYTES] {
        &self.backups
    }

    /// Tells it from other keys.
    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    /// What stands in the place of a table's name in paths: 64 hexadecimal digits.
    pub(super) fn table_part(&self, table: &str) -> String {
        ContentHash::keyed(&self.names, table.as_bytes()).to_string()
    }

    /// Fails where something was hidden with another key.
    pub(super) fn check_id(&self, found: KeyId) -> Result<()> {
        if found == self.id {
            return Ok(());
        }
        Err(Error::new(Class::Access, "it was written with another key")
            .todo("give the file of the key that the archive was written with"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// The key that a file's bytes are.
fn secret(bytes: &[u8]) -> Result<[u8; BYTES]> {
    let digits = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let digits = digits.strip_suffix(b"\r").unwrap_or(digits);
    let secret = match <[u8; BYTES]>::try_from(bytes) {
        Ok(secret) => secret,
        Err(_) if bytes.is_empty() => return Err(none("it is empty")),
        Err(_) if digits.len() == 2 * BYTES => {
            let hash =
                std::str::from_utf8(digits).ok().and_then(|it| blake3::Hash::from_hex(it).ok());
            *hash.ok_or_else(|| none("its 64 characters are no hexadecimal digits"))?.as_bytes()
        }
        Err(_) if bytes.len() < BYTES => {
            return Err(none(&format!("it has only {} bytes", bytes.len())));
        }
        Err(_) => return Err(none("it has more than a key")),
    };
    // A disk that was full, or a device of zeros: nobody's random bytes are all the same.
    if secret.iter().all(|byte| secret.first() == Some(byte)) {
        return Err(none("all its bytes are the same"));
    }
    Ok(secret)
}

fn none(why: &str) -> Error {
    Error::new(Class::Usage, why)
        .todo("a key is 32 random bytes: (umask 077; head -c 32 /dev/urandom > FILE)")
}

fn unread(error: io::Error) -> Error {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied => Class::Access,
        io::ErrorKind::Interrupted | io::ErrorKind::OutOfMemory => Class::Temporary,
        _ => Class::Usage,
    };
    Error::new(class, "it cannot be read").because(error)
}

#[cfg(test)]
mod tests {
    use super::Key;
    use crate::error::Class;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    fn random() -> [u8; 32] {
        std::array::from_fn(|at| u8::try_from(at * 7 % 256).unwrap())
    }

    fn written(path: &Path, bytes: &[u8], mode: u32) {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_read_as_bytes_and_as_digits() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let digits: String = random().iter().map(|byte| format!("{byte:02x}")).collect();
        let upper = digits.to_uppercase();
        let forms: [&[u8]; 5] = [
            &random(),
            digits.as_bytes(),
            &[digits.as_bytes(), b"\n"].concat(),
            &[digits.as_bytes(), b"\r\n"].concat(),
            upper.as_bytes(),
        ];
        for bytes in forms {
            written(&file, bytes, 0o600);
            let key = Key::read(&file).unwrap();
            assert_eq!(key.files(), Key::new(random()).files());
        }
        symlink(&file, folder.path().join("link")).unwrap();
        Key::read(&folder.path().join("link")).unwrap();
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let no_digits = [b'x'; 64];
        let cases: [(&[u8], u32, Class, &str); 9] = [
            (&random(), 0o604, Class::Access, "mode 0604"),
            (&random(), 0o640, Class::Access, "others have access"),
            (b"", 0o600, Class::Usage, "it is empty"),
            (b"secret\n", 0o600, Class::Usage, "only 7 bytes"),
            (&[1; 33], 0o600, Class::Usage, "more than a key"),
            (&[1; 5000], 0o600, Class::Usage, "more than a key"),
            (&no_digits, 0o600, Class::Usage, "no hexadecimal digits"),
            (&[0; 32], 0o600, Class::Usage, "all its bytes are the same"),
            (&[b'0'; 64], 0o600, Class::Usage, "all its bytes are the same"),
        ];
        for (bytes, mode, class, why) in cases {
            written(&file, bytes, mode);
            let error = Key::read(&file).unwrap_err();
            assert_eq!(error.class(), class, "{error}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.to_string().contains("key file "), "{error}");
        }
        let at = |name: &str| folder.path().join(name);
        symlink(at("a"), at("b")).unwrap();
        symlink(at("b"), at("a")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        for odd in ["a", "absent", "pipe", "."] {
            assert_eq!(Key::read(&at(odd)).unwrap_err().class(), Class::Usage, "{odd}");
        }
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let key = Key::new(random());
        let all = [key.files, key.manifests, key.names, key.backups, random()];
        for (at, one) in all.iter().enumerate() {
            assert!(all.iter().skip(at + 1).all(|other| other != one));
            assert_ne!(one[..16], key.id.0);
        }
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert_eq!(key.table_part("trades"), key.table_part("trades"));
        assert_ne!(key.table_part("trades"), key.table_part("candles"));
        assert_ne!(key.table_part("trades"), Key::new([7; 32]).table_part("trades"));
        // For ever: who reads files by other means derives it himself.
        assert_eq!(
            Key::new([7; 32]).files(),
            &blake3::derive_key("liteferry archive 2026 Parquet files", &[7; 32])
        );
    }
}
