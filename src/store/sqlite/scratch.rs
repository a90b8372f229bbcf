//! A folder for a file on its way, which nobody else may enter. It goes when its maker drops it; that of a maker that died
//! goes when the next one is made beside it.

use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use tempfile::TempDir;

const PREFIX: &str = ".liteferry-";
/// Locked while its maker lives.
const LOCK: &str = "lock";
/// A database may hold secrets, and where it is on its way others may look: TMPDIR.
const MODE: u32 = 0o700;

/// Such a folder.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one in this folder.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn beside(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        let ours_alone = Permissions::from_mode(MODE);
        let folder =
            tempfile::Builder::new().prefix(PREFIX).permissions(ours_alone).tempdir_in(parent)?;
        let lock = File::create_new(folder.path().join(LOCK))?;
        // Where a file system knows no locks nobody can tell that the maker died, and nothing is swept.
        let _no_locks_there = flock(&lock, FlockOperation::NonBlockingLockExclusive);
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Takes away what makers that died have left; what cannot be taken away stays.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_named = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if is_named && is_ours(&entry.path()) && is_left(&entry.path()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Whether it is a folder that this user has made, and no link to one.
fn is_ours(folder: &Path) -> bool {
    folder.symlink_metadata().is_ok_and(|it| {
        it.is_dir() && it.uid() == rustix::process::geteuid().as_raw() && it.mode() & 0o777 == MODE
    })
}

/// Whether its maker holds it no more. One without a lock may just be made.
fn is_left(folder: &Path) -> bool {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let lock = File::options().read(true).custom_flags(flags).open(folder.join(LOCK));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok())
}

#[cfg(test)]
mod tests {
    use super::Scratch;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_a_maker_that_died_has_left_goes_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let living = Scratch::beside(parent.path()).unwrap();
        fs::write(living.path().join("draft"), "on its way").unwrap();
        let made = |name: &str, mode: u32, lock: bool| {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("draft"), "left").unwrap();
            if lock {
                fs::write(folder.join("lock"), "").unwrap();
            }
            fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            folder
        };
        let dead = made(".liteferry-dead", 0o700, true);
        let others = [
            made(".liteferry-new", 0o700, false),
            made(".liteferry-open", 0o755, true),
            made("liteferry-other", 0o700, true),
        ];
        let link = parent.path().join(".liteferry-link");
        std::os::unix::fs::symlink(&others[2], &link).unwrap();
        let next = Scratch::beside(parent.path()).unwrap();
        let mode = next.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(!dead.exists() && living.path().join("draft").exists() && next.path().exists());
        assert!(others.iter().all(|other| other.join("draft").exists()) && link.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
