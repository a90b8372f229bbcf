//! Folders and files of a private server: making them, locking them, removing them, and knowing that they are ours.
//!
//! Root works here in folders that an unprivileged account owns, so nothing follows a symlink at its end.

use super::account::Account;
use crate::error::{Class, Error, Result};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file that is locked, and by which a folder is known to be liteferry's.
const LOCK: &str = "liteferry.lock";

/// `dir` from the root and without symlinks, as far as it exists.
pub(super) fn absolute(dir: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(dir).map_err(failed("look at", dir))?;
    let there = whole.ancestors().find(|folder| folder.exists()).unwrap_or(&whole);
    let mut real = there.canonicalize().map_err(failed("look at", dir))?;
    real.extend(whole.strip_prefix(there).unwrap_or_else(|_same| Path::new("")));
    Ok(real)
}

/// Makes `dir` and what is missing above it; root makes folders that other accounts can pass through.
pub(super) fn make(dir: &Path) -> Result<()> {
    let mode = if rustix::process::geteuid().is_root() { 0o755 } else { 0o777 };
    let missing: Vec<&Path> = dir.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        match std::fs::DirBuilder::new().mode(mode).create(folder) {
            Ok(()) if mode == 0o755 => set_mode(folder, mode)?,
            Ok(()) => {}
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(failed("make", folder)(cause)),
        }
    }
    Ok(())
}

/// Makes `dir`, or takes it as it is, as a folder that `account` owns and nobody else (but root) may enter.
pub(super) fn make_private(dir: &Path, account: &Account) -> Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed("make", dir)(cause)),
    }
    let found = std::fs::symlink_metadata(dir).map_err(failed("look at", dir))?;
    let root = rustix::process::geteuid().is_root() && found.uid() == 0;
    if !found.is_dir() || !(root || account.owns(&found)) {
        let what = format!("{} is no folder of the account that runs the server", dir.display());
        return Err(Error::new(Class::Server, what).todo("remove it, or choose another folder"));
    }
    set_mode(dir, 0o700)?;
    account.own(dir)
}

/// Fails unless `dir` is empty, absent, or a folder that liteferry has locked before.
pub(super) fn check_ours(dir: &Path) -> Result<()> {
    let mut entries = match std::fs::read_dir(dir) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed("read", dir))?,
    };
    if entries.next().is_none() || std::fs::symlink_metadata(dir.join(LOCK)).is_ok() {
        return Ok(());
    }
    let what = format!("{} holds other things than a server of liteferry", dir.display());
    Err(Error::new(Class::Server, what).todo("choose a new or an empty folder"))
}

/// Waits until nobody else holds `dir`, and holds it as long as the descriptor, or a copy of it, is open.
pub(super) fn lock(dir: &Path) -> Result<OwnedFd> {
    let path = dir.join(LOCK);
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let file = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::NOENT) => {
                make(dir)?;
                continue;
            }
            file => file.map_err(failed("open", &path))?,
        };
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))
            .map_err(failed("lock", &path))?;
        // Whoever held the lock may have removed the folder: then the lock of a new one is needed.
        if is_still(&file, &path)? {
            return Ok(file);
        }
    }
}

/// Puts `text` into `path`, for `account` to read, in one step.
pub(super) fn write(path: &Path, text: &str, account: &Account) -> Result<()> {
    let draft = path.with_extension("new");
    remove_file(&draft)?;
    let mut file = std::fs::File::create_new(&draft).map_err(failed("make", &draft))?;
    file.write_all(text.as_bytes()).map_err(failed("write", &draft))?;
    account.own(&draft)?;
    std::fs::rename(&draft, path).map_err(failed("write", path))
}

/// Adds `text` to the end of `path`.
pub(super) fn append(path: &Path, text: &str) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(failed("open", path))?;
    std::fs::File::from(file).write_all(text.as_bytes()).map_err(failed("write", path))
}

/// The text of `path`; empty where there is no such file.
pub(super) fn read(path: &Path) -> Result<String> {
    read_from(path, 0)
}

/// The text of `path` from byte `start`; empty where there is no such file.
pub(super) fn read_from(path: &Path, start: u64) -> Result<String> {
    let mut bytes = Vec::new();
    match std::fs::File::open(path) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(String::new()),
        file => {
            let mut file = std::io::BufReader::new(file.map_err(failed("open", path))?);
            file.seek(SeekFrom::Start(start)).map_err(failed("read", path))?;
            file.read_to_end(&mut bytes).map_err(failed("read", path))?;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The paths in `dir`.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(failed("read", dir))?;
    let paths: std::io::Result<Vec<PathBuf>> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(failed("read", dir))
}

/// Removes `dir` and all that is in it, if it is there.
pub(super) fn remove(dir: &Path) -> Result<()> {
    absent(std::fs::remove_dir_all(dir)).map_err(failed("remove", dir))
}

/// Removes `path`, if it is there.
pub(super) fn remove_file(path: &Path) -> Result<()> {
    absent(std::fs::remove_file(path)).map_err(failed("remove", path))
}

/// Whether `path` still names the open `file`.
fn is_still(file: &OwnedFd, path: &Path) -> Result<bool> {
    let open = rustix::fs::fstat(file).map_err(failed("look at", path))?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.st_dev, open.st_ino)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(failed("look at", path)(cause)),
    }
}

fn set_mode(dir: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode))
        .map_err(failed("set the permissions of", dir))
}

fn absent(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn failed<C: std::error::Error + Send + Sync + 'static>(
    verb: &str,
    path: &Path,
) -> impl FnOnce(C) -> Error {
    let what = format!("cannot {verb} {}", path.display());
    move |cause| Error::new(Class::Server, what).because(cause)
}

#[cfg(test)]
mod tests {
    use super::{check_ours, is_still, lock, remove};
    use rustix::fs::FlockOperation;

    #[test]
    fn a_folder_with_other_things_is_never_taken_for_a_server() {
        let top = tempfile::tempdir().unwrap();
        check_ours(top.path()).unwrap();
        check_ours(&top.path().join("absent")).unwrap();
        std::fs::write(top.path().join("thesis.txt"), "years of work").unwrap();
        assert_eq!(check_ours(top.path()).unwrap_err().class(), crate::Class::Server);
    }

    #[test]
    fn a_locked_folder_is_ours_and_is_held_until_the_last_copy_of_the_lock_is_closed() {
        let top = tempfile::tempdir().unwrap();
        let held = lock(top.path()).unwrap();
        check_ours(top.path()).unwrap();
        let copy = held.try_clone().unwrap();
        drop(held);
        let other = std::fs::File::open(top.path().join(super::LOCK)).unwrap();
        let attempt = rustix::fs::flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(attempt.unwrap_err(), rustix::io::Errno::WOULDBLOCK);
        drop(copy);
        // This waits, because a program that another thread just starts has a copy of every file for a moment.
        rustix::fs::flock(&other, FlockOperation::LockExclusive).unwrap();
    }

    #[test]
    fn a_lock_of_a_folder_that_was_removed_meanwhile_does_not_count() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("server");
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join(super::LOCK);
        let held = lock(&dir).unwrap();
        assert!(is_still(&held, &path).unwrap());
        remove(&dir).unwrap();
        assert!(!is_still(&held, &path).unwrap());
        let anew = lock(&dir).unwrap();
        assert!(is_still(&anew, &path).unwrap() && !is_still(&held, &path).unwrap());
    }
}
