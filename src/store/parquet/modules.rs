//! The encrypted parts of a Parquet file, opened before a parser sees them: its footer, the headers of its pages and its
//! dictionaries. What hides them is Parquet's own encryption, so that other programs read the files with the key.
//!
//! Layout: <https://github.com/apache/parquet-format/blob/master/Encryption.md>. Each part, a module, is its length, and
//! then what [`hide`](super::cipher::hide) gives; what it is and where it stands in the file is its context, which begins
//! with random bytes of the file's own. So no module can stand in another one's place, nor in another file's.
//!
//! There is no prefix of that context that would bind a file to its table: the manifest that names its hash does so, and
//! so does the file itself, whose table stands in its footer. DuckDB (2.0) reads no files with a prefix.

use super::cipher;
use super::facts::another;
use super::key::{Key, KeyId};
use super::pages::{BINARY, Cursor, FALSE, STRUCT};
use crate::error::Result;
use parquet::encryption::decrypt::FileDecryptionProperties;
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::ParquetError;
use std::sync::Arc;

/// Bytes of the length before a module.
pub(super) const LENGTH_BYTES: usize = 4;
/// Random bytes of a file's own, at most: there are eight of them.
const OWN_MAX: usize = 64;

/// Parts of a file that are opened here, as their contexts have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    Footer,
    /// Of a column of a row group.
    Dictionary(Place),
    /// The header of that.
    DictionaryHeader(Place),
    /// The header of one of its other pages, which are counted from 0.
    PageHeader(Place, usize),
}

/// Which column of which row group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) group: usize,
    pub(super) column: usize,
}

/// Opens the modules of one file.
#[derive(Clone)]
pub(super) struct Opener {
    key: Key,
    /// What the context of each module begins with.
    own: Vec<u8>,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

impl Opener {
    /// Reads what stands in the open before a hidden footer, and the footer behind it.
    ///
    /// # Errors
    ///
    /// [`Class::Access`](crate::Class::Access): it was written with another key;
    /// [`Class::Damaged`](crate::Class::Damaged): liteferry has not written it.
    pub(super) fn footer(key: &Key, bytes: &[u8]) -> Result<(Self, Vec<u8>)> {
        let head =
            OpenHead::read(bytes).ok_or_else(|| another("its footer is no encrypted one"))?;
        key.check_id(head.key)?;
        let opener = Self { key: key.clone(), own: head.own };
        let footer = opener.open(Module::Footer, head.behind);
        Ok((opener, footer.ok_or_else(|| another("its footer cannot be decrypted"))?))
    }

    /// What a module hides, behind its length; none where it is another one.
    pub(super) fn open(&self, module: Module, bytes: &[u8]) -> Option<Vec<u8>> {
        let (length, hidden) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if length != hidden.len() {
            return None;
        }
        cipher::reveal(self.key.files(), &context(&self.own, module)?, hidden)
    }

    /// What makes Parquet's reader open the rest.
    pub(super) fn properties(&self) -> Result<Arc<FileDecryptionProperties>, ParquetError> {
        FileDecryptionProperties::builder(self.key.files().to_vec()).build()
    }
}

/// What makes Parquet's writer hide a file whole, its footer too.
pub(super) fn hiding(key: &Key) -> Result<Arc<FileEncryptionProperties>, ParquetError> {
    let KeyId(id) = key.id();
    FileEncryptionProperties::builder(key.files().to_vec())
        .with_footer_key_metadata(id.to_vec())
        .build()
}

/// `FileCryptoMetaData`, which is not hidden.
struct OpenHead<'b> {
    own: Vec<u8>,
    key: KeyId,
    behind: &'b [u8],
}

impl<'b> OpenHead<'b> {
    fn read(bytes: &'b [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (mut own, mut key) = (None, None);
        cursor.fields(|id, kind, cursor| {
            match (id, kind) {
                (1, STRUCT) => own = Some(algorithm(cursor)?),
                (2, BINARY) => key = cursor.binary()?.try_into().ok(),
                _ => return None,
            }
            Some(())
        })?;
        let own = own.filter(|own| (1..=OWN_MAX).contains(&own.len()))?;
        Some(Self { own, key: KeyId(key?), behind: cursor.rest() })
    }
}

/// The file's own bytes, where the algorithm is AES-GCM and the context has no prefix.
fn algorithm(cursor: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let mut own = None;
    cursor.fields(|id, kind, cursor| {
        // A union: 1 is AES_GCM_V1.
        if (id, kind) != (1, STRUCT) {
            return None;
        }
        cursor.fields(|id, kind, cursor| {
            match (id, kind) {
                (2, BINARY) => own = Some(cursor.binary()?.to_vec()),
                (3, FALSE) => {}
                _ => return None,
            }
            Some(())
        })
    })?;
    own
}

/// The context of a module of a file.
fn context(own: &[u8], module: Module) -> Option<Vec<u8>> {
    let (kind, place, page) = match module {
        Module::Footer => (0, None, None),
        Module::Dictionary(place) => (3, Some(place), None),
        Module::PageHeader(place, page) => (4, Some(place), Some(page)),
        Module::DictionaryHeader(place) => (5, Some(place), None),
    };
    let mut context = own.to_vec();
    context.push(kind);
    for number in place.map(|it| [it.group, it.column]).into_iter().flatten().chain(page) {
        context.extend(i16::try_from(number).ok()?.to_le_bytes());
    }
    Some(context)
}

#[cfg(test)]
mod tests;
