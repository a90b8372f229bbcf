//! Sources of another user: the files that SQLite makes beside them must not keep that user out.

use crate::environment::{Done, Environment};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

const OWNER: u32 = 64_101;
const STRANGER: u32 = 64_102;

impl Environment {
    /// A source of somebody's, in a folder to which everybody may write; none where this process cannot become somebody
    /// else. The rule by itself is tested where it stands.
    fn of_another(journal: &str, mode: u32) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        // Its server is there for everybody, too.
        let environment = Self::with_own_server(&[]);
        let sockets = environment.server().socket_dir().to_owned();
        for folder in [sockets.parent().unwrap(), &sockets] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        environment.sqlite(&format!(
            "PRAGMA journal_mode = {journal}; CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)"
        ));
        let folder = environment.path(".");
        fs::set_permissions(environment.source(), Permissions::from_mode(mode)).unwrap();
        chown(environment.source(), Some(OWNER), Some(OWNER)).unwrap();
        chown(&folder, Some(OWNER), Some(OWNER)).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        let program = environment.path("liteferry");
        // Where it was built others may not go.
        if fs::hard_link(env!("CARGO_BIN_EXE_liteferry"), &program).is_err() {
            fs::copy(env!("CARGO_BIN_EXE_liteferry"), &program).unwrap();
        }
        Some(environment)
    }

    /// Runs the program as another user.
    #[track_caller]
    fn liteferry_as(&self, user: u32, command: &str, more: &[&str]) -> Done {
        let known = self.command();
        let mut process = Command::new(self.path("liteferry"));
        process.env_clear().envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
        process.current_dir(self.path(".")).uid(user).gid(user);
        process.args(self.ends(command, more));
        self.spawn(process).wait()
    }

    /// The users of what SQLite has made beside the source.
    fn beside(&self) -> Vec<u32> {
        let names = ["source.db-wal", "source.db-shm", "source.db-journal"];
        names.iter().filter_map(|name| Some(fs::metadata(self.path(name)).ok()?.uid())).collect()
    }
}

#[test]
fn who_is_neither_root_nor_the_owner_of_a_source_makes_no_files_beside_it() {
    let Some(environment) = Environment::of_another("WAL", 0o644) else { return };
    let refused = |command: &str| {
        let done = environment.liteferry_as(STRANGER, command, &[]).expect(77);
        assert!(done.says("is user 64101's") && done.says("sudo -u '#64101'"), "{done}");
        assert!(environment.beside().is_empty(), "{command}");
    };
    ["plan", "run"].into_iter().for_each(refused);
    environment.liteferry(&environment.ends("run", &[])).expect(0);
    // Who closes it last takes them away.
    environment.sqlite("INSERT INTO t VALUES (2)");
    ["follow", "verify", "uninstall"].into_iter().for_each(refused);
    // The ledger says the rest.
    let status = environment.liteferry_as(STRANGER, "status", &[]).expect(0);
    assert!(status.says("is user 64101's") && environment.beside().is_empty(), "{status}");
}

#[test]
fn a_source_at_rest_is_read_by_anybody_without_files_beside_it() {
    let Some(environment) = Environment::of_another("WAL", 0o644) else { return };
    let before = fs::read(environment.source()).unwrap();
    for command in [&["run", "--no-capture"][..], &["verify"], &["status"]] {
        environment.liteferry_as(STRANGER, command[0], &command[1..]).expect(0);
        assert!(environment.beside().is_empty(), "{command:?}");
    }
    assert_eq!(environment.value("SELECT count(*) FROM t"), "1");
    assert_eq!(fs::read(environment.source()).unwrap(), before);
}

#[test]
fn a_source_with_a_rollback_journal_is_read_by_anybody_and_followed_by_its_owner() {
    let Some(environment) = Environment::of_another("DELETE", 0o664) else { return };
    // A stranger may write to the file, but what is made in the folder is for others.
    chown(environment.source(), Some(OWNER), Some(STRANGER)).unwrap();
    fs::set_permissions(environment.path("."), Permissions::from_mode(0o2777)).unwrap();
    let done = environment.liteferry_as(STRANGER, "run", &[]).expect(77);
    assert!(done.says("is user 64101's"), "{done}");
    assert!(environment.liteferry_as(STRANGER, "plan", &[]).says("is user 64101's"));
    environment.liteferry_as(STRANGER, "plan", &["--no-capture"]).expect(0);
    environment.liteferry_as(OWNER, "run", &[]).expect(0);
}

#[test]
fn the_owner_and_whoever_may_share_a_source_follow_it() {
    for (user, mode) in [(OWNER, 0o644), (0, 0o644), (STRANGER, 0o666)] {
        let Some(environment) = Environment::of_another("WAL", mode) else { return };
        environment.liteferry_as(user, "run", &[]).expect(0);
        let (log, owner) = (environment.beside(), if user == 0 { OWNER } else { user });
        assert!(log.iter().all(|&made_by| made_by == owner) && !log.is_empty(), "{user}: {log:?}");
        environment.liteferry_as(OWNER, "follow", &["--until-caught-up"]).expect(0);
    }
}

/// Lets the owner and the stranger read and write a file by its access control list, or whatever is made in a folder by
/// the default one. Whether the file system knows such lists.
#[cfg(target_os = "linux")]
fn share(path: &std::path::Path, list: &str) -> bool {
    const NOBODY: u32 = u32::MAX;
    let (user, group, mask, other) = (1_u16, 4_u16, 16_u16, 32_u16);
    let named = |of: u32| (2_u16, 6_u16, of);
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, of) in [
        (user, 6, NOBODY),
        named(OWNER),
        named(STRANGER),
        (group, 0, NOBODY),
        (mask, 6, NOBODY),
        (other, 0, NOBODY),
    ] {
        bytes.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
        bytes.extend(of.to_le_bytes());
    }
    match rustix::fs::setxattr(path, list, &bytes, rustix::fs::XattrFlags::empty()) {
        Err(rustix::io::Errno::OPNOTSUPP) => false,
        done => done.map(|()| true).unwrap(),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_shares_a_source_by_access_control_lists_follows_it() {
    let Some(environment) = Environment::of_another("WAL", 0o644) else { return };
    if !share(&environment.path("."), "system.posix_acl_default") {
        return;
    }
    // SQLite would take from its files what the mode of the database does not give.
    let done = environment.liteferry_as(STRANGER, "plan", &[]).expect(77);
    assert!(done.says("setfacl -d -m u:64101:rw,u:64102:rw"), "{done}");
    assert!(share(&environment.source(), "system.posix_acl_access"));
    environment.liteferry_as(STRANGER, "run", &[]).expect(0);
    assert_eq!(environment.beside(), [STRANGER, STRANGER]);
    environment.liteferry_as(OWNER, "follow", &["--until-caught-up"]).expect(0);
}

#[test]
fn a_source_of_root_is_followed_by_whoever_may_write_to_it() {
    let Some(environment) = Environment::of_another("WAL", 0o664) else { return };
    chown(environment.source(), Some(0), Some(STRANGER)).unwrap();
    fs::set_permissions(environment.path("."), Permissions::from_mode(0o2777)).unwrap();
    environment.liteferry_as(STRANGER, "run", &[]).expect(0);
    assert_eq!(environment.beside(), [STRANGER, STRANGER]);
    environment.liteferry_as(0, "follow", &["--until-caught-up"]).expect(0);
}

#[test]
fn files_that_are_there_already_are_read_by_anybody() {
    let Some(environment) = Environment::of_another("WAL", 0o644) else { return };
    let application = rusqlite::Connection::open(environment.source()).unwrap();
    application.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(environment.beside(), [OWNER, OWNER]);
    let done = environment.liteferry_as(STRANGER, "plan", &[]);
    assert!(done.says("cannot be written to") && !done.says("is user 64101's"), "{done}");
    environment.liteferry_as(STRANGER, "run", &["--no-capture"]).expect(0);
    assert_eq!(environment.value("SELECT count(*) FROM t"), "2");
    assert_eq!(environment.beside(), [OWNER, OWNER]);
}
