//! Gets PostgreSQL onto a machine that has none.
//!
//! Root on a Debian-like system installs the package, without a cluster of the distribution being made or started.
//! Anybody else on such a system unpacks the packages into a cache. Elsewhere the command to type is named.

use super::account::Account;
use super::apt::Apt;
use super::binaries::{Binaries, OLDEST, newest_first, search_list};
use super::folder;
use super::program::{program, run};
use super::unpack;
use crate::error::{Class, Error, Result};
use std::path::{Path, PathBuf};

/// Read by Debian's postgresql-common before it makes a cluster for a newly installed version.
const DROP_IN: &str = "/etc/postgresql-common/createcluster.d/liteferry.conf";

/// What is locked while apt works, so that of several that need PostgreSQL at once one installs it.
const LOCKED: &str = "/run/liteferry";

/// The package managers that liteferry does not call itself, and what to type.
const BY_HAND: [(&str, &str); 5] = [
    ("dnf", "sudo dnf install postgresql-server"),
    ("zypper", "sudo zypper install postgresql-server"),
    ("apk", "sudo apk add postgresql"),
    ("pacman", "sudo pacman -S postgresql"),
    ("brew", "brew install postgresql@17"),
];

/// Installs or unpacks PostgreSQL: the newest, or where a cluster exists already, the version that `wanted` names.
pub(super) fn install(
    wanted: Option<u32>,
    account: &Account,
    say: &dyn Fn(&str),
) -> Result<Binaries> {
    if !exists("apt-get") {
        return Err(missing(wanted).todo(by_hand(wanted, exists)));
    }
    let bin = if rustix::process::geteuid().is_root() {
        from_apt(wanted, account, say)
    } else {
        from_cache(wanted, account, say)
    };
    let bin = bin.map_err(|cause| missing(wanted).todo(by_hand(wanted, exists)).because(cause))?;
    Binaries::open(&bin, account)
}

fn missing(wanted: Option<u32>) -> Error {
    let what = match wanted {
        Some(major) => {
            format!(
                "PostgreSQL {major} is what the server is, and this machine has no programs of it"
            )
        }
        None => format!("this machine has no PostgreSQL {OLDEST} or newer"),
    };
    Error::new(Class::Server, what)
}

/// What a person can type instead.
fn by_hand(wanted: Option<u32>, exists: impl Fn(&str) -> bool) -> String {
    let version = wanted.map_or_else(String::new, |major| format!(" (version {major})"));
    let command = if exists("apt-get") {
        let package =
            wanted.map_or_else(|| "postgresql".into(), |major| format!("postgresql-{major}"));
        Some(format!("sudo apt-get install {package}"))
    } else {
        BY_HAND.iter().find(|(tool, _)| exists(tool)).map(|(_, command)| (*command).to_owned())
    };
    command.map_or_else(
        || {
            format!(
                "install PostgreSQL's server programs{version}, or give their folder with --pg-bin"
            )
        },
        |command| {
            format!(
                "run `{command}`{version}, or give the folder of the server programs with --pg-bin"
            )
        },
    )
}

/// Whether `tool` can be called.
fn exists(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

fn from_apt(wanted: Option<u32>, account: &Account, say: &dyn Fn(&str)) -> Result<PathBuf> {
    let _lock = folder::lock(Path::new(LOCKED))?;
    // Whoever held the lock may have installed it.
    match Binaries::find(search_list(), wanted, account) {
        Some(found) => Ok(found.dir().to_owned()),
        None => by_apt(wanted, say),
    }
}

fn by_apt(wanted: Option<u32>, say: &dyn Fn(&str)) -> Result<PathBuf> {
    let apt = Apt::system();
    say("reading the package lists (apt-get update)");
    if let Err(error) = apt.update() {
        // One broken source of packages does not mean that the others cannot serve.
        say(&format!("{error}; going on with the package lists that are there"));
    }
    let major = apt.newest_postgres(wanted)?;
    say(&format!("installing PostgreSQL {major} (apt-get install postgresql-{major})"));
    forbid_clusters()?;
    // A postinst script asks for its service to be started; in runlevel 1 that is denied.
    let installed = run(program("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1")
        .args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install"])
        // An upgrade of what is there would stop the clusters that run on it.
        .args(["--no-upgrade", "--no-install-recommends"])
        .arg(format!("postgresql-{major}")));
    // Later installations of the administrator shall make their cluster as usual.
    std::fs::remove_file(DROP_IN).map_err(|cause| {
        Error::new(Class::Server, format!("cannot remove {DROP_IN}")).because(cause)
    })?;
    installed?;
    Ok(Path::new("/usr/lib/postgresql").join(major.to_string()).join("bin"))
}

fn forbid_clusters() -> Result<()> {
    let failed =
        |cause| Error::new(Class::Server, format!("cannot write {DROP_IN}")).because(cause);
    let drop_in = Path::new(DROP_IN);
    if let Some(folder) = drop_in.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(drop_in, "create_main_cluster = false\n").map_err(failed)
}

fn from_cache(wanted: Option<u32>, account: &Account, say: &dyn Fn(&str)) -> Result<PathBuf> {
    let cache = cache_dir()?;
    let unpacked = || {
        let versions = newest_first(&cache, "").into_iter();
        let folders = versions.map(|(major, _)| unpack::bin_dir(&cache, major));
        Binaries::find(folders, wanted, account).map(|found| found.dir().to_owned())
    };
    if let Some(found) = unpacked() {
        return Ok(found);
    }
    let _lock = folder::lock(&cache)?;
    // Whoever held the lock may have unpacked it, and may run it by now.
    unpacked().map_or_else(|| unpack::unpack(&cache, wanted, say), Ok)
}

fn cache_dir() -> Result<PathBuf> {
    let given =
        std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = given.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    base.map(|base| base.join("liteferry/postgresql")).ok_or_else(|| {
        Error::new(Class::Server, "there is no folder to unpack PostgreSQL into")
            .todo("set XDG_CACHE_HOME to a folder")
    })
}

#[cfg(test)]
mod tests {
    use super::by_hand;

    #[test]
    fn the_command_to_type_is_that_of_the_machine() {
        let only = |present: &'static str| move |tool: &str| tool == present;
        assert!(
            by_hand(None, only("apt-get")).starts_with("run `sudo apt-get install postgresql`")
        );
        assert!(by_hand(Some(14), only("apt-get")).contains("install postgresql-14`"));
        assert!(by_hand(None, only("dnf")).starts_with("run `sudo dnf install postgresql-server`"));
        assert!(by_hand(None, only("brew")).starts_with("run `brew install postgresql@"));
        assert!(by_hand(None, |_| false).contains("--pg-bin"));
    }
}
