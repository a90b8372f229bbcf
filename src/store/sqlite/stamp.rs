//! What the file system says of a source, by which it is noticed that somebody wrote to it.

use crate::error::{Class, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What `stat` says of the file and its write-ahead log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified_ns: i128,
    wal_bytes: u64,
    wal_modified_ns: i128,
}

impl FileStamp {
    /// That of a file as it is now.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let gone = |error: io::Error| {
            Error::new(Class::SourceChanged, "has disappeared")
                .because(error)
                .at(format!("source {}", path.display()))
        };
        let file = fs::metadata(path).map_err(gone)?;
        let wal = match fs::metadata(beside(path, "-wal")) {
            Ok(wal) if wal.len() > 0 => Some(wal),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(gone(error)),
        };
        Ok(Self {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.len(),
            modified_ns: modified_ns(&file),
            wal_bytes: wal.as_ref().map_or(0, MetadataExt::size),
            wal_modified_ns: wal.as_ref().map_or(0, modified_ns),
        })
    }

    /// Whether there is a write-ahead log that is not empty.
    pub(super) fn has_log(&self) -> bool {
        self.wal_bytes > 0
    }

    /// The file's size, without its write-ahead log.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The size of its write-ahead log.
    pub fn log_bytes(&self) -> u64 {
        self.wal_bytes
    }

    /// Whether both stamps are of the same file, whatever was written to it.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The name of a file that SQLite keeps beside a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn modified_ns(file: &fs::Metadata) -> i128 {
    i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec())
}
