//! Backups of old: SQLite files that were put into a folder by other means, as they are, or packed by gzip or zstd.

use super::unread;
use crate::error::Result;
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What each SQLite file begins with: <https://www.sqlite.org/fileformat2.html#magic_header_string>.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A SQLite file that no archive names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes, as it lies there.
    pub bytes: u64,
    /// When it was written, by its file system.
    pub modified: SystemTime,
}

/// The SQLite files that lie in a folder itself, by their names; links and what has a hidden name are passed over.
///
/// # Errors
///
/// A folder that cannot be read.
pub fn old(folder: &Path) -> Result<Vec<Old>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if is_hidden || !entry.file_type().map_err(unread)?.is_file() {
            continue;
        }
        let (path, of) = (entry.path(), entry.metadata().map_err(unread)?);
        if is_sqlite(&path) {
            let modified = of.modified().map_err(unread)?;
            found.push(Old { path, bytes: of.len(), modified });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Whether a file is a database, or becomes one when it is unpacked, as its first bytes say.
fn is_sqlite(path: &Path) -> bool {
    let begins = || -> Result<bool> {
        let mut first = [0; MAGIC.len()];
        unpacking(File::open(path).map_err(unread)?)?.read_exact(&mut first).map_err(unread)?;
        Ok(first == *MAGIC)
    };
    // What cannot be read is none that could be restored.
    begins().unwrap_or(false)
}

/// What a file holds, unpacked as its first bytes say.
pub(super) fn unpacking(mut file: File) -> Result<Box<dyn Read>> {
    let mut magic = Vec::new();
    Read::by_ref(&mut file).take(4).read_to_end(&mut magic).map_err(unread)?;
    file.rewind().map_err(unread)?;
    let file = BufReader::new(file);
    Ok(match magic.as_slice() {
        [0x1F, 0x8B, ..] => Box::new(MultiGzDecoder::new(file)),
        [0x28, 0xB5, 0x2F, 0xFD] => Box::new(zstd::Decoder::with_buffer(file).map_err(unread)?),
        _ => Box::new(file),
    })
}
