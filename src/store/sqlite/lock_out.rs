//! Whether the files that SQLite makes beside a database would keep its owner out of it.
//!
//! They get the database's mode, and its owner where root makes them. Made by anybody else they are that user's, and the
//! application may then not open its own database any more: so a source is left alone where that would come of it.

use super::stamp::beside;
use crate::error::{Class, Error, Result};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whose a database is, and who else may do what with it.
#[derive(Debug, Clone, Copy)]
struct Rights {
    user: u32,
    group: u32,
    mode: u32,
}

/// Whose a file is that this process has made beside a database. SQLite gives its own the database's mode.
#[derive(Debug, Clone, Copy)]
struct Made {
    user: u32,
    group: u32,
    /// Whether the folder gives it an access control list, which lets others in than its user and its group.
    has_acl: bool,
}

/// Who is kept out of nothing.
const ROOT: u32 = 0;

/// Reading and writing, by the file's group (and at most so by whoever is in its access control list), and by everybody.
const GROUP_WRITES: u32 = 0o060;
const ALL_WRITE: u32 = 0o006;

/// Where a database says that it has a write-ahead log, and how.
const READ_VERSION: usize = 19;
const WRITE_AHEAD: u8 = 2;

/// Makes sure that whatever SQLite makes beside a database can be opened by the one whose database it is. The file is
/// not opened for that.
///
/// # Errors
///
/// [`Class::Access`] where it could not.
pub(super) fn check(path: &Path) -> Result<()> {
    // What cannot be looked at cannot be opened either, which is told there.
    let (Ok(file), Some(folder)) = (fs::metadata(path), path.parent()) else {
        return Ok(());
    };
    let (user, file) = (caller(), Rights::of(&file));
    let is_all_there = || ["-wal", "-shm"].iter().all(|suffix| beside(path, suffix).exists());
    if !is_strange(user, file) || is_all_there() {
        return Ok(());
    }
    // Where nothing can be made, SQLite makes nothing.
    let Some(made) = make(folder) else { return Ok(()) };
    if !locks_out(user, file, made) {
        return Ok(());
    }
    let what = format!(
        "is user {}'s: what SQLite makes beside it for user {user} could keep the application from opening it",
        file.user
    );
    let todo = format!(
        "run liteferry as that user (`sudo -u '#{0}' liteferry ...`) or as root; or make the file and its folder \
         writable for a group that both users are in, with `chmod g+s` for the folder; or share them by ACLs, with \
         `setfacl -m u:{user}:rw` for the file and `setfacl -d -m u:{0}:rw,u:{user}:rw` for the folder",
        file.user
    );
    Err(Error::new(Class::Access, what).todo(todo))
}

/// Whether SQLite makes files beside it as soon as somebody reads it, and they would be somebody else's than the file.
///
/// Looks into the file where it is not this user's: to be asked before this process has a connection to it, whose locks
/// would go with that.
pub(super) fn is_made_by_reading(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| is_strange(caller(), Rights::of(&file)))
        && has_write_ahead_log(path)
}

fn has_write_ahead_log(path: &Path) -> bool {
    let mut header = [0; READ_VERSION + 1];
    // What cannot be read, or is no database, SQLite says when it opens it.
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header.last() == Some(&WRITE_AHEAD)
}

/// Makes a file without a name, which goes as it is closed, to see whose it is: that depends on the user, the folder and
/// what it is mounted with. None where no file can be made.
fn make(folder: &Path) -> Option<Made> {
    let file = tempfile::tempfile_in(folder).ok()?;
    let found = file.metadata().ok()?;
    Some(Made { user: found.uid(), group: found.gid(), has_acl: has_acl(&file) })
}

#[cfg(target_os = "linux")]
fn has_acl(file: &File) -> bool {
    // Without a place to put it, it says how long it is.
    rustix::fs::fgetxattr(file, "system.posix_acl_access", &mut [0; 0]).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn has_acl(_: &File) -> bool {
    false
}

/// Whether whoever has the database may not open what `user` has made beside it, once that has the database's mode.
fn locks_out(user: u32, database: Rights, made: Made) -> bool {
    let group_writes = database.mode & GROUP_WRITES == GROUP_WRITES;
    let by_group = group_writes && made.group == database.group;
    // SQLite sets the mode, and what that gives the group bounds the whole list.
    let by_acl = group_writes && made.has_acl;
    let by_all = database.mode & ALL_WRITE == ALL_WRITE;
    is_strange(user, database) && made.user != database.user && !by_group && !by_acl && !by_all
}

/// Whether what `user` makes could be somebody else's than the database, and keep that one out.
fn is_strange(user: u32, database: Rights) -> bool {
    ![ROOT, database.user].contains(&user) && database.user != ROOT
}

fn caller() -> u32 {
    rustix::process::geteuid().as_raw()
}

impl Rights {
    fn of(found: &fs::Metadata) -> Self {
        Self { user: found.uid(), group: found.gid(), mode: found.mode() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Made, ROOT, Rights, has_write_ahead_log, locks_out, make};
    use rusqlite::Connection;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    const OWNER: u32 = 33;
    const GROUP: u32 = 34;
    const STRANGER: u32 = 1000;
    const STRANGERS: Made = Made { user: STRANGER, group: STRANGER, has_acl: false };

    fn database(mode: u32) -> Rights {
        Rights { user: OWNER, group: GROUP, mode: 0o100_000 | mode }
    }

    #[test]
    fn the_owner_and_root_keep_nobody_out() {
        for user in [ROOT, OWNER] {
            assert!(!locks_out(user, database(0o600), STRANGERS), "{user}");
        }
        assert!(locks_out(STRANGER, database(0o600), STRANGERS));
    }

    #[test]
    fn nobody_keeps_root_out() {
        assert!(!locks_out(STRANGER, Rights { user: ROOT, ..database(0o600) }, STRANGERS));
    }

    #[test]
    fn what_is_made_for_the_owner_keeps_him_not_out() {
        assert!(!locks_out(STRANGER, database(0o600), Made { user: OWNER, ..STRANGERS }));
        assert!(locks_out(STRANGER, database(0o600), Made { user: 7, ..STRANGERS }));
    }

    #[test]
    fn a_stranger_keeps_the_owner_out_unless_everybody_may_write() {
        for (mode, is_so) in [(0o644, true), (0o664, true), (0o646, false), (0o602, true)] {
            assert_eq!(locks_out(STRANGER, database(mode), STRANGERS), is_so, "{mode:o}");
        }
    }

    #[test]
    fn what_is_made_for_the_files_group_keeps_nobody_out_who_is_in_it() {
        for (group, mode, is_so) in
            [(GROUP, 0o660, false), (GROUP, 0o640, true), (GROUP, 0o620, true), (7, 0o660, true)]
        {
            let made = Made { group, ..STRANGERS };
            assert_eq!(locks_out(STRANGER, database(mode), made), is_so, "{group} {mode:o}");
        }
    }

    #[test]
    fn an_access_control_list_lets_others_in_as_far_as_the_mode_lets_the_group() {
        let made = Made { has_acl: true, ..STRANGERS };
        for (mode, is_so) in [(0o660, false), (0o644, true), (0o620, true)] {
            assert_eq!(locks_out(STRANGER, database(mode), made), is_so, "{mode:o}");
        }
    }

    #[test]
    fn what_is_made_to_look_at_it_is_nowhere_to_be_found() {
        let folder = tempfile::tempdir().unwrap();
        let made = make(folder.path()).unwrap();
        let named = folder.path().join("named");
        fs::write(&named, "").unwrap();
        let named_is = fs::metadata(&named).unwrap();
        assert_eq!((made.user, made.group), (named_is.uid(), named_is.gid()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(make(&named).is_none() && make(&folder.path().join("none")).is_none());
    }

    #[test]
    fn the_journal_is_read_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, is_so) in [("WAL", true), ("DELETE", false)] {
            let path = folder.path().join(mode);
            let sql = format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (a)");
            Connection::open(&path).unwrap().execute_batch(&sql).unwrap();
            assert_eq!(has_write_ahead_log(&path), is_so, "{mode}");
        }
        assert!(!has_write_ahead_log(&folder.path().join("none")));
    }
}
