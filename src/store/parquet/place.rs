//! Where an archive is: a local folder, or a bucket of a store that speaks S3.
//!
//! Both do the same few things, each of which happens whole or not at all: a reader never finds half a file. What a
//! thing in the archive is called is a [`Name`], which cannot lead out of it.

mod bucket;
mod folder;
mod lease;
mod lock;
mod name;

pub use bucket::Bucket;
pub use folder::Folder;
pub use name::Name;

use super::file::Stored;
use crate::error::{Class, Error, Result};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What was there when something was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// Nothing: it is there now.
    New,
    /// Another one, which stays as it is.
    Exists,
}

/// One thing that is in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is called.
    pub name: Name,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, or was put once more, by the place's own clock.
    pub modified: SystemTime,
}

/// What an archive's owner is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read it: it must be there.
    Read,
    /// Write to it: it is made where it is not there.
    Write,
}

/// Where an archive is.
///
/// Every operation fails with [`Class::Temporary`] where the place cannot be reached, is full or gives no answer, and
/// with [`Class::Access`] where it does not let liteferry in.
pub trait Place: fmt::Debug + Send + Sync {
    /// Comes in to write: nobody prunes until this one has [left](Self::leave), is dropped, or its process has ended.
    /// [`draft`](Self::draft) does it by itself; once more it makes sure of it.
    ///
    /// # Errors
    ///
    /// [`Class::Held`]: another run is pruning, and does not end.
    fn enter(&self) -> Result<()>;

    /// Leaves: all that was put is named, or is worth nothing.
    fn leave(&self);

    /// Comes in to prune, until the answer is dropped.
    ///
    /// # Errors
    ///
    /// [`Class::Held`]: others are in, or this one itself is.
    fn alone(&self) -> Result<Box<dyn Alone + '_>>;

    /// A file to write to, which is in the archive once it is [`put`](Self::put); one that is dropped before is gone.
    fn draft(&self) -> Result<Draft>;

    /// Puts a file that was written there under its name, durably. One of the same bytes may be there already.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: what has the name is not what its hash says; [`Class::Internal`]: the draft is not of the
    /// size that is said.
    fn put(&self, draft: Draft, name: &Name, stored: &Stored) -> Result<()>;

    /// Creates what must not be there yet, whole and durably; of several that do it at once one gets [`Created::New`].
    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created>;

    /// Puts this in the place of what is there, whole and durably.
    fn replace(&self, name: &Name, bytes: &[u8]) -> Result<()>;

    /// All bytes; none where nothing has the name.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: it has more than `max` bytes, which are not read, or it is no file.
    fn get(&self, name: &Name, max: u64) -> Result<Option<Vec<u8>>>;

    /// The bytes of a range; none where nothing has the name.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: the file ends before the range does.
    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Option<Vec<u8>>>;

    /// The file itself, or a copy of it that is gone when it is closed; none where nothing has the name. A copy ends where
    /// the file has more than `bytes`.
    fn fetch(&self, name: &Name, bytes: u64) -> Result<Option<File>>;

    /// The size in bytes; none where nothing has the name.
    fn size(&self, name: &Name) -> Result<Option<u64>>;

    /// Everything below a folder, in the order of names; what cannot be liteferry's by its name is not there.
    fn list(&self, below: &Name) -> Result<Vec<Entry>>;

    /// Takes something away, durably; nothing may be there.
    fn delete(&self, name: &Name) -> Result<()>;

    /// Takes away drafts that nobody has written to since `before`, and says how many: those of a run that was killed.
    fn sweep(&self, before: SystemTime) -> Result<u64>;
}

/// One who is in an archive alone.
pub trait Alone: fmt::Debug {
    /// Makes sure that this is so still; asked before each thing that is taken away.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`]: nobody knows, because it stood still for long.
    fn keep(&self) -> Result<()>;
}

/// A file on its way into an archive.
#[derive(Debug)]
pub struct Draft {
    file: File,
    /// Where it lies in a local archive; elsewhere it has no name.
    lies: Option<folder::Lies>,
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Draft {
    /// What was written so far, for its writer to look at; both share one position.
    pub(super) fn reader(&self) -> Result<File> {
        self.file.try_clone().map_err(|error| failed("read a draft", error))
    }

    /// Fails unless as many bytes were written as are said to be.
    fn check(&self, stored: &Stored) -> Result<()> {
        let found = self.file.metadata().map_err(|error| failed("read a draft", error))?.len();
        if found == stored.bytes {
            return Ok(());
        }
        let what = format!("a draft of {found} bytes is put as a file of {}", stored.bytes);
        Err(Error::internal(what))
    }
}

/// Opens the place that `url` names: a path, `file:///path`, or `s3://bucket/prefix`, whose credentials, region and
/// endpoint are in the environment as `AWS_…`.
///
/// # Errors
///
/// [`Class::Usage`]: it is none of these, or there is no such folder to read; [`Class::Secret`]: it holds credentials.
pub fn open(url: &str, access: Access) -> Result<Box<dyn Place>> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Ok(Box::new(Folder::open(Path::new(url), access)?));
    };
    match scheme {
        "file" if rest.starts_with('/') => Ok(Box::new(Folder::open(Path::new(rest), access)?)),
        "s3" if rest.contains('@') => {
            Err(Error::new(Class::Secret, "credentials stand in the address of an archive")
                .todo("put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
        }
        "s3" => Ok(Box::new(Bucket::open(rest)?)),
        _ => Err(Error::new(Class::Usage, format!("no archive can be at {url}"))
            .todo("name a folder, file:///folder or s3://bucket/prefix")),
    }
}

/// Whether the place that `inner` names is the one that `outer` names, which is there, or is in it.
///
/// # Errors
///
/// A folder that cannot be looked at.
pub fn is_within(inner: &str, outer: &str) -> Result<bool> {
    let bucket = |url: &str| Some(format!("{}/", url.strip_prefix("s3://")?.trim_end_matches('/')));
    match (bucket(inner), bucket(outer)) {
        (Some(inner), Some(outer)) => Ok(inner.starts_with(&outer)),
        (None, None) => {
            let of_url =
                |url: &str| real_path(Path::new(url.strip_prefix("file://").unwrap_or(url)));
            Ok(of_url(inner)?.starts_with(of_url(outer)?))
        }
        _ => Ok(false),
    }
}

/// Where a path leads to; what is not there yet is as it is written.
fn real_path(path: &Path) -> Result<PathBuf> {
    let looked = |error| failed("look at a folder", error);
    let path = std::path::absolute(path).map_err(looked)?;
    for above in path.ancestors() {
        match (above.canonicalize(), path.strip_prefix(above)) {
            (Ok(real), Ok(rest)) => return Ok(real.join(rest)),
            (Err(error), _) if error.kind() != io::ErrorKind::NotFound => {
                return Err(looked(error));
            }
            _ => {}
        }
    }
    Ok(path)
}

/// The folder that `url` names; none where it names a bucket.
pub fn folder(url: &str) -> Option<&Path> {
    match url.split_once("://") {
        None => Some(Path::new(url)),
        Some(("file", rest)) => Some(Path::new(rest)),
        Some(_) => None,
    }
}

/// What a file system says, in our terms.
fn failed(doing: &str, error: impl Into<io::Error>) -> Error {
    let error = error.into();
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Class::Access,
        _ => Class::Temporary,
    };
    Error::new(class, format!("cannot {doing}"))
        .todo("look at the place of the archive: it may be full, gone or not writable")
        .because(error)
}

/// Waits for others to leave an archive.
#[expect(clippy::disallowed_methods, reason = "nothing tells when another program leaves")]
pub(super) fn pause(moment: Duration) {
    std::thread::sleep(moment);
}

/// Others are in an archive.
fn held(what: &str) -> Error {
    Error::new(Class::Held, what).todo("let it end, and run this again")
}

/// Something in the archive that is not as it was written.
fn damaged(name: &Name, what: impl fmt::Display) -> Error {
    Error::new(Class::Damaged, what.to_string()).at(format!("archive: {name}"))
}

#[cfg(test)]
pub(super) mod tests;
