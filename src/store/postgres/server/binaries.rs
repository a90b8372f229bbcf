//! Where PostgreSQL's programs are on this machine, and how one of them is called.
//!
//! A usable folder holds initdb, pg_ctl and postgres of version 13 or newer. The folders of PATH come first, then
//! the places where Debian, PGDG and Homebrew put them, the newest version first. `LITEFERRY_PG_SEARCH` (folders,
//! separated by colons) replaces all of them, PATH included: an empty folder hides the PostgreSQL of the machine.

use super::account::Account;
use super::program::{clean_program, run};
use crate::error::{Class, Error, Result};
use std::cmp::Reverse;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest major version that liteferry can use.
pub(super) const OLDEST: u32 = 13;

const SEARCH_VARIABLE: &str = "LITEFERRY_PG_SEARCH";
/// Where the folders of several versions lie side by side: `<parent>/<prefix><version>/bin`.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];
const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// One installation of PostgreSQL.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    dir: PathBuf,
    major: u32,
    libraries: OsString,
}

impl Binaries {
    /// The programs in `dir`, if they are there, run as `account`, and are new enough. `dir` may hold symlinks to
    /// the programs instead.
    pub(super) fn open(dir: &Path, account: &Account) -> Result<Self> {
        let dir = real_dir(dir)?;
        let unusable = format!("the PostgreSQL in {} cannot be used", dir.display());
        let mut found = Self { libraries: libraries_beside(&dir), dir, major: 0 };
        let said = run(found.command("postgres", account).arg("--version"))
            .map_err(|cause| Error::new(Class::Server, unusable.as_str()).because(cause))?;
        found.major = parse_major(&said).ok_or_else(|| {
            let cause = format!("its version cannot be understood: {}", said.trim());
            Error::new(Class::Server, unusable.as_str()).because(cause)
        })?;
        if found.major < OLDEST {
            let cause = format!("it is version {}", found.major);
            let todo = format!("give a folder with PostgreSQL {OLDEST} or newer");
            return Err(Error::new(Class::Server, unusable.as_str()).todo(todo).because(cause));
        }
        Ok(found)
    }

    /// The first usable folder of `candidates`; where a cluster exists already, only its own version will do.
    pub(super) fn find(
        candidates: impl IntoIterator<Item = PathBuf>,
        wanted: Option<u32>,
        account: &Account,
    ) -> Option<Self> {
        candidates
            .into_iter()
            .filter_map(|dir| Self::open(&dir, account).ok())
            .find(|found| wanted.is_none_or(|wanted| found.major == wanted))
    }

    /// The folder with the programs themselves.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The major version.
    pub(super) fn major(&self) -> u32 {
        self.major
    }

    /// What `LD_LIBRARY_PATH` must hold; empty for a PostgreSQL that the system itself installed.
    pub(super) fn libraries(&self) -> &OsString {
        &self.libraries
    }

    /// `tool` of this folder, run as `account`.
    pub(super) fn command(&self, tool: &str, account: &Account) -> Command {
        let mut command = clean_program(self.dir.join(tool));
        self.dress(&mut command, account);
        command
    }

    /// A shell that runs `script` with `arguments` ($0 is the folder of the programs), as `account`.
    pub(super) fn shell(&self, script: &str, account: &Account) -> Command {
        let bash = Path::new("/bin/bash");
        let mut command = clean_program(if bash.is_file() { bash } else { Path::new("/bin/sh") });
        self.dress(&mut command, account);
        command.arg("-c").arg(script).arg(&self.dir);
        command
    }

    fn dress(&self, command: &mut Command, account: &Account) {
        if !self.libraries.is_empty() {
            command.env("LD_LIBRARY_PATH", &self.libraries);
        }
        account.apply(command);
    }
}

/// Every folder to look into, in order.
pub(super) fn search_list() -> Vec<PathBuf> {
    if let Some(masked) = std::env::var_os(SEARCH_VARIABLE) {
        return std::env::split_paths(&masked).filter(|dir| dir.is_absolute()).collect();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut list: Vec<PathBuf> =
        std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect();
    for (parent, prefix) in VERSIONED {
        let versions = newest_first(Path::new(parent), prefix);
        list.extend(versions.into_iter().map(|(_, folder)| folder.join("bin")));
    }
    list.extend(["/opt/homebrew/bin", "/usr/local/bin"].map(PathBuf::from));
    list
}

/// The folders `parent/<prefix><version>` with their versions, the newest first.
pub(super) fn newest_first(parent: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major = leading_number(entry.file_name().to_str()?.strip_prefix(prefix)?)?;
            Some((major, entry.path()))
        })
        .collect();
    versions.sort_by_key(|(major, _)| Reverse(*major));
    versions
}

/// The folder that really holds the programs.
fn real_dir(dir: &Path) -> Result<PathBuf> {
    let whole = |dir: &Path| NEEDED.iter().all(|tool| dir.join(tool).is_file());
    let linked = dir.join("postgres").canonicalize().ok();
    if let Some(real) = linked.as_deref().and_then(Path::parent)
        && whole(real)
    {
        return Ok(real.to_owned());
    }
    if whole(dir)
        && let Ok(real) = dir.canonicalize()
    {
        return Ok(real);
    }
    let what = format!("{} does not hold {}", dir.display(), NEEDED.join(", "));
    Err(Error::new(Class::Server, what).todo("give the folder with PostgreSQL's server programs"))
}

/// The shared libraries that were unpacked together with a `<root>/usr/lib/postgresql/<version>/bin`.
pub(super) fn libraries_beside(bin: &Path) -> OsString {
    let unpacked = bin.ancestors().nth(5).filter(|root| {
        root.parent().is_some()
            && bin.strip_prefix(root).is_ok_and(|inner| inner.starts_with("usr/lib/postgresql"))
    });
    let Some(root) = unpacked else { return OsString::new() };
    let mut folders: Vec<PathBuf> = Vec::new();
    for parent in [root.join("usr/lib"), root.join("lib")] {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        folders.extend(
            entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.to_string_lossy().contains("-linux-")),
        );
    }
    folders.sort();
    std::env::join_paths(folders).unwrap_or_default()
}

/// The major version in what `postgres --version` says.
fn parse_major(said: &str) -> Option<u32> {
    said.split_whitespace().find_map(leading_number)
}

/// The number that `text` begins with.
fn leading_number(text: &str) -> Option<u32> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Account, Binaries, newest_first, parse_major};
    use std::fs::{Permissions, create_dir_all, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    /// An installation whose `postgres` says that it is `version`.
    fn pretend(dir: &Path, version: &str) -> PathBuf {
        create_dir_all(dir).unwrap();
        for tool in super::NEEDED {
            let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n");
            write(dir.join(tool), script).unwrap();
            set_permissions(dir.join(tool), Permissions::from_mode(0o755)).unwrap();
        }
        dir.canonicalize().unwrap()
    }

    #[test]
    fn the_major_version_is_read_from_releases_and_previews() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 17beta1"), Some(17));
        assert_eq!(parse_major("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(parse_major("no version here"), None);
    }

    #[test]
    fn the_newest_version_is_searched_first_and_by_number() {
        let top = tempfile::tempdir().unwrap();
        for version in ["pgsql-9.6", "pgsql-15", "pgsql-9", "pgsql-17", "pgsql-x", "other-99"] {
            create_dir_all(top.path().join(version)).unwrap();
        }
        let found = newest_first(top.path(), "pgsql-");
        let versions: Vec<u32> = found.iter().map(|(major, _)| *major).collect();
        assert_eq!(versions, [17, 15, 9, 9]);
        assert_eq!(found[0].1, top.path().join("pgsql-17"));
    }

    #[test]
    fn the_first_usable_folder_wins_and_old_or_incomplete_ones_are_passed_over() {
        let top = tempfile::tempdir().unwrap();
        let old = pretend(&top.path().join("old"), "12.9");
        let half = pretend(&top.path().join("half"), "16.1");
        std::fs::remove_file(half.join("pg_ctl")).unwrap();
        let first = pretend(&top.path().join("first"), "15.2");
        let second = pretend(&top.path().join("second"), "17.1");
        let list = vec![top.path().join("none"), old, half, first.clone(), second.clone()];

        let found = Binaries::find(list.clone(), None, &Account::Caller).unwrap();
        assert_eq!((found.dir(), found.major()), (first.as_path(), 15));
        let same = Binaries::find(list.clone(), Some(17), &Account::Caller).unwrap();
        assert_eq!((same.dir(), same.major()), (second.as_path(), 17));
        assert!(Binaries::find(list, Some(14), &Account::Caller).is_none());
    }

    #[test]
    fn symlinks_lead_to_the_folder_that_holds_the_programs() {
        let top = tempfile::tempdir().unwrap();
        let real = pretend(&top.path().join("real"), "15.2");
        let links = top.path().join("links");
        create_dir_all(&links).unwrap();
        symlink(real.join("postgres"), links.join("postgres")).unwrap();
        let found = Binaries::open(&links, &Account::Caller).unwrap();
        assert_eq!(found.dir(), real);
    }

    #[test]
    fn an_old_version_that_was_asked_for_is_refused_with_its_number() {
        let top = tempfile::tempdir().unwrap();
        let old = pretend(&top.path().join("old"), "9.6.24");
        let error = Binaries::open(&old, &Account::Caller).unwrap_err();
        assert_eq!(error.class(), crate::Class::Server);
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), "it is version 9");
    }

    #[test]
    fn only_unpacked_programs_bring_their_own_libraries() {
        let top = tempfile::tempdir().unwrap();
        let bin = pretend(&top.path().join("usr/lib/postgresql/15/bin"), "15.2");
        let libraries = top.path().canonicalize().unwrap().join("usr/lib/x86_64-linux-gnu");
        create_dir_all(&libraries).unwrap();
        let unpacked = Binaries::open(&bin, &Account::Caller).unwrap();
        assert_eq!(unpacked.libraries(), libraries.as_os_str());
        assert!(super::libraries_beside(Path::new("/usr/lib/postgresql/15/bin")).is_empty());
    }
}
