//! An archive in a local folder: files of 0600 in folders of 0700, each written aside, synced, and then named.
//!
//! Nothing follows a symbolic link below the archive's own folder: each part of a name is opened from the folder above.

use super::lock::Lock;
use super::{Access, Alone, Created, Draft, Entry, Name, Place, failed};
use crate::error::{Class, Error, Place as _, Result};
use crate::store::parquet::file::Stored;
use crate::store::parquet::verified::Verified;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timestamps};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::process::id;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where files are written before they have their names; no [`Name`] begins so.
const DRAFTS: &str = ".drafts";
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER_MODE: Mode = Mode::RWXU;
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A FIFO in the place of a file must not be waited for.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// Tells apart the drafts of one process.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// An archive in a local folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    root: OwnedFd,
    /// While it is written to.
    writing: Mutex<Option<Lock>>,
}

/// Where a draft lies; dropping it takes the draft away.
#[derive(Debug)]
pub(super) struct Lies {
    folder: Arc<OwnedFd>,
    name: String,
}

impl Drop for Lies {
    fn drop(&mut self) {
        // What cannot be taken away here is swept later.
        let _left = rustix::fs::unlinkat(&*self.folder, &self.name, AtFlags::empty());
    }
}

impl Folder {
    /// Opens the archive in `path`, which itself may be reached through links.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: there is no such folder, and it is to be read; else as [`Place`] says.
    pub fn open(path: &Path, access: Access) -> Result<Self> {
        let at = || format!("archive {}", path.display());
        if access == Access::Write {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(unmade).at(at)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty());
        let root = root.map_err(|error| match error {
            Errno::NOENT | Errno::NOTDIR => Error::new(Class::Usage, "there is no such folder")
                .todo("name the folder that an archive was written to"),
            error => failed("open its folder", error),
        });
        Ok(Self { path: path.to_owned(), root: root.at(at)?, writing: Mutex::default() })
    }

    /// Fails where the folder is not where it was opened, as long as it is not: what is put there nobody finds.
    fn check_there(&self) -> Result<()> {
        let own =
            rustix::fs::fstat(&self.root).map_err(|error| failed("open its folder", error))?;
        match rustix::fs::stat(&self.path) {
            Ok(there) if (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino) => Ok(()),
            _ => Err(Error::new(Class::Temporary, "its folder was moved away")
                .todo("put it back, or end what writes to it and begin again")),
        }
    }

    /// Opens the folder that parts lead to; none where it is not there.
    fn walk(&self, parts: &[&str]) -> Result<Option<OwnedFd>> {
        let mut folder = self.root.try_clone().map_err(|error| failed("open a folder", error))?;
        for part in parts {
            folder = match rustix::fs::openat(&folder, *part, FOLDER, Mode::empty()) {
                Ok(below) => below,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(unopened(part, error)),
            };
        }
        Ok(Some(folder))
    }

    /// The same, and makes what is missing; a folder is durable once the one above is synced.
    fn make(&self, parts: &[&str]) -> Result<OwnedFd> {
        let mut folder = self.root.try_clone().map_err(|error| failed("open a folder", error))?;
        for part in parts {
            match rustix::fs::mkdirat(&folder, *part, FOLDER_MODE) {
                Ok(()) => sync(&folder)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(failed("make a folder", error)),
            }
            folder = rustix::fs::openat(&folder, *part, FOLDER, Mode::empty())
                .map_err(|error| unopened(part, error))?;
        }
        Ok(folder)
    }

    /// Opens a file; none where nothing has the name.
    fn file(&self, name: &Name) -> Result<Option<File>> {
        let (parts, last) = name.split();
        let Some(folder) = self.walk(&parts)? else { return Ok(None) };
        let file = match rustix::fs::openat(&folder, last, FILE, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(unopened(last, error)),
        };
        if !file.metadata().map_err(|error| failed("read it", error))?.is_file() {
            return Err(Error::new(Class::Damaged, "it is no file"));
        }
        Ok(Some(file))
    }

    fn writing(&self) -> MutexGuard<'_, Option<Lock>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_draft(&self) -> Result<Draft> {
        let make = || {
            let folder = Arc::new(self.make(&[DRAFTS])?);
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            loop {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("{}-{}-{count}", id(), since.as_nanos());
                let file = match rustix::fs::openat(&*folder, &name, flags, FILE_MODE) {
                    Err(Errno::EXIST) => continue,
                    file => file.map_err(|error| failed("make a draft", error))?,
                };
                return Ok(Draft { file: file.into(), lies: Some(Lies { folder, name }) });
            }
        };
        make().at(|| format!("archive {}", self.path.display()))
    }

    /// A draft that has these bytes, synced.
    fn written(&self, bytes: &[u8]) -> Result<(Draft, Lies)> {
        let mut draft = self.new_draft()?;
        draft.file.write_all(bytes).map_err(|error| failed("write it", error))?;
        draft.file.sync_all().map_err(|error| failed("write it", error))?;
        let lies = lies(&mut draft)?;
        Ok((draft, lies))
    }

    /// Names a draft, whatever has the name now.
    fn rename(&self, lies: &Lies, name: &Name) -> Result<()> {
        let (parts, last) = name.split();
        let folder = self.make(&parts)?;
        rustix::fs::renameat(&*lies.folder, &lies.name, &folder, last)
            .map_err(|error| failed("name it", error))?;
        sync(&folder)
    }

    /// Whether a file is there with these bytes; its time is that of now.
    fn has(&self, name: &Name, stored: &Stored) -> Result<bool> {
        let Some(file) = self.file(name)? else { return Ok(false) };
        let same = file.try_clone().map_err(|error| failed("read it", error))?;
        Verified::check(same, stored)?;
        // Whoever prunes must not take it for one that nobody has needed for long.
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        rustix::fs::futimens(&file, &times).map_err(|error| failed("keep it", error))?;
        Ok(true)
    }

    fn at(&self, name: &Name) -> String {
        format!("archive {}: {name}", self.path.display())
    }
}

impl Place for Folder {
    fn enter(&self) -> Result<()> {
        let mut writing = self.writing();
        let mut enter = || {
            self.check_there()?;
            if writing.is_none() {
                *writing = Some(Lock::shared(&self.root)?);
            }
            Ok(())
        };
        enter().at(|| format!("archive {}", self.path.display()))
    }

    fn leave(&self) {
        self.writing().take();
    }

    fn alone(&self) -> Result<Box<dyn Alone + '_>> {
        let lock = Lock::alone(&self.root).at(|| format!("archive {}", self.path.display()))?;
        Ok(Box::new(lock))
    }

    fn draft(&self) -> Result<Draft> {
        self.enter()?;
        self.new_draft()
    }

    fn put(&self, mut draft: Draft, name: &Name, stored: &Stored) -> Result<()> {
        let mut put = || {
            draft.check(stored)?;
            if self.has(name, stored)? {
                return Ok(());
            }
            draft.file.sync_all().map_err(|error| failed("write it", error))?;
            self.rename(&lies(&mut draft)?, name)
        };
        put().at(|| self.at(name))
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created> {
        let create = || {
            let (_draft, lies) = self.written(bytes)?;
            let (parts, last) = name.split();
            let folder = self.make(&parts)?;
            let linked =
                rustix::fs::linkat(&*lies.folder, &lies.name, &folder, last, AtFlags::empty());
            match linked {
                Ok(()) => sync(&folder).map(|()| Created::New),
                Err(Errno::EXIST) => Ok(Created::Exists),
                Err(Errno::PERM | Errno::OPNOTSUPP) => {
                    Err(Error::new(Class::Access, "this file system has no hard links")
                        .todo("keep the archive on one that has, or on S3"))
                }
                Err(error) => Err(failed("name it", error)),
            }
        };
        create().at(|| self.at(name))
    }

    fn replace(&self, name: &Name, bytes: &[u8]) -> Result<()> {
        let replace = || {
            let (_draft, lies) = self.written(bytes)?;
            self.rename(&lies, name)
        };
        replace().at(|| self.at(name))
    }

    fn get(&self, name: &Name, max: u64) -> Result<Option<Vec<u8>>> {
        let get = || {
            let Some(file) = self.file(name)? else { return Ok(None) };
            let mut bytes = Vec::new();
            let read = file.take(max.saturating_add(1)).read_to_end(&mut bytes);
            let read = read.map_err(|error| failed("read it", error))?;
            if u64::try_from(read).is_ok_and(|read| read <= max) {
                return Ok(Some(bytes));
            }
            Err(Error::new(Class::Damaged, format!("it has more than {max} bytes")))
        };
        get().at(|| self.at(name))
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let get = || {
            let Some(file) = self.file(name)? else { return Ok(None) };
            let found = file.metadata().map_err(|error| failed("read it", error))?.len();
            if range.end > found || range.start > range.end {
                return Err(Error::new(Class::Damaged, format!("it ends after {found} bytes")));
            }
            let wanted = usize::try_from(range.end.saturating_sub(range.start));
            let wanted =
                wanted.map_err(|_huge| Error::internal("a range is larger than memory"))?;
            let mut bytes = vec![0; wanted];
            file.read_exact_at(&mut bytes, range.start)
                .map_err(|error| failed("read it", error))?;
            Ok(Some(bytes))
        };
        get().at(|| self.at(name))
    }

    fn fetch(&self, name: &Name, _bytes: u64) -> Result<Option<File>> {
        self.file(name).at(|| self.at(name))
    }

    fn size(&self, name: &Name) -> Result<Option<u64>> {
        let size = || {
            let Some(file) = self.file(name)? else { return Ok(None) };
            Ok(Some(file.metadata().map_err(|error| failed("read it", error))?.len()))
        };
        size().at(|| self.at(name))
    }

    fn list(&self, below: &Name) -> Result<Vec<Entry>> {
        let list = || {
            let (mut parts, last) = below.split();
            parts.push(last);
            let mut found = Vec::new();
            if let Some(folder) = self.walk(&parts)? {
                collect(&folder, below.as_str(), &mut found)?;
            }
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        };
        list().at(|| self.at(below))
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let delete = || {
            let (parts, last) = name.split();
            let Some(folder) = self.walk(&parts)? else { return Ok(()) };
            match rustix::fs::unlinkat(&folder, last, AtFlags::empty()) {
                Ok(()) => sync(&folder),
                Err(Errno::NOENT) => Ok(()),
                Err(error) => Err(failed("take it away", error)),
            }
        };
        delete().at(|| self.at(name))
    }

    fn sweep(&self, before: SystemTime) -> Result<u64> {
        let sweep = || {
            let Some(folder) = self.walk(&[DRAFTS])? else { return Ok(0) };
            let mut drafts = Vec::new();
            collect(&folder, "drafts", &mut drafts)?;
            let mut swept = 0;
            for draft in drafts.iter().filter(|draft| draft.modified < before) {
                match rustix::fs::unlinkat(&folder, draft.name.split().1, AtFlags::empty()) {
                    Ok(()) => swept += 1,
                    Err(Errno::NOENT) => {}
                    Err(error) => return Err(failed("take a draft away", error)),
                }
            }
            Ok(swept)
        };
        sweep().at(|| format!("archive {}", self.path.display()))
    }
}

/// Why the archive's own folder cannot be made.
fn unmade(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::new(Class::Usage, "a file stands where its folder should be")
                .todo("name a folder, or a place where there is nothing yet")
                .because(error)
        }
        _ => failed("make its folder", error),
    }
}

/// All regular files below a folder, with their sizes and times; `prefix` is what leads to it.
fn collect(folder: &OwnedFd, prefix: &str, found: &mut Vec<Entry>) -> Result<()> {
    for entry in rustix::fs::Dir::read_from(folder).map_err(unlisted)? {
        let entry = entry.map_err(unlisted)?;
        let Ok(part) = entry.file_name().to_str() else { continue };
        let Some(name) = Name::parse(&format!("{prefix}/{part}")) else { continue };
        let stat = match rustix::fs::statat(folder, part, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            stat => stat.map_err(unlisted)?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => found.push(Entry {
                name,
                bytes: u64::try_from(stat.st_size).unwrap_or(0),
                modified: time(stat.st_mtime),
            }),
            FileType::Directory => {
                let below = rustix::fs::openat(folder, part, FOLDER, Mode::empty());
                match below {
                    Ok(below) => collect(&below, name.as_str(), found)?,
                    Err(Errno::NOENT) => {}
                    Err(error) => return Err(unlisted(error)),
                }
            }
            FileType::Symlink => {
                let what = format!("{name} is a link, and is not followed");
                return Err(Error::new(Class::Damaged, what));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where a draft of a local archive lies.
fn lies(draft: &mut Draft) -> Result<Lies> {
    draft.lies.take().ok_or_else(|| Error::internal("a draft of another place is put"))
}

fn sync(folder: &OwnedFd) -> Result<()> {
    rustix::fs::fsync(folder).map_err(|error| failed("sync a folder", error))
}

/// A part that is a link, or no folder, was not put there by liteferry.
pub(super) fn unopened(part: &str, error: Errno) -> Error {
    match error {
        Errno::LOOP | Errno::NOTDIR => {
            let what = format!("{part} is a link, or no folder, and is not followed");
            Error::new(Class::Damaged, what).because(io::Error::from(error))
        }
        error => failed("open it", error),
    }
}

fn unlisted(error: Errno) -> Error {
    failed("list it", error)
}

/// Seconds since 1970, before which nothing was written.
fn time(seconds: i64) -> SystemTime {
    let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
