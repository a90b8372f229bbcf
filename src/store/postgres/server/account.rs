//! The account that the server runs as.
//!
//! PostgreSQL refuses to run as root. Root therefore runs it as `postgres`, or else as `nobody`; a folder that
//! already holds a cluster keeps the account that owns it. Everybody else runs it as themselves.

use crate::error::{Class, Error, Result};
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// Whoever runs liteferry.
    Caller,
    /// Root runs liteferry, and this account runs the server.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// The account for a cluster whose data are, or will be, in `data`.
    pub(super) fn choose(data: &Path) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Caller);
        }
        let passwd = std::fs::read_to_string("/etc/passwd")
            .map_err(|cause| Error::new(Class::Server, "cannot read /etc/passwd").because(cause))?;
        match std::fs::symlink_metadata(data) {
            Ok(owned) if owned.uid() != 0 => Ok(Self::owner(&owned, &passwd)),
            _ => Self::unprivileged(&passwd),
        }
    }

    /// Makes `command` run as this account, without the caller's supplementary groups (the standard library clears
    /// them whenever root sets a uid).
    pub(super) fn apply(&self, command: &mut Command) {
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
    }

    /// Gives `path` to this account.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        let Self::Other { name, uid, gid } = self else { return Ok(()) };
        lchown(path, Some(*uid), Some(*gid)).map_err(|cause| {
            let what = format!("cannot give {} to the account {name}", path.display());
            Error::new(Class::Server, what).because(cause)
        })
    }

    /// Whether a file with this metadata belongs to this account.
    pub(super) fn owns(&self, file: &Metadata) -> bool {
        file.uid() == self.uid()
    }

    /// Fails where a folder above `dir` is closed to this account. `dir` is absolute and free of symlinks; what does
    /// not exist yet will be open.
    pub(super) fn check_reach(&self, dir: &Path) -> Result<()> {
        let Self::Other { name, .. } = self else { return Ok(()) };
        let mut above: Vec<&Path> =
            dir.ancestors().skip(1).filter(|folder| folder.exists()).collect();
        above.reverse();
        for folder in above {
            let metadata = std::fs::metadata(folder).map_err(|cause| {
                Error::new(Class::Server, format!("cannot look at {}", folder.display()))
                    .because(cause)
            })?;
            if !self.may_enter(&metadata) {
                let what = format!(
                    "the server runs as the account {name}, which may not enter {}",
                    folder.display()
                );
                return Err(Error::new(Class::Server, what).todo(format!(
                    "choose a folder that is not under {}, such as {}, or run liteferry as another user than root",
                    folder.display(),
                    super::options::ROOT_DIR
                )));
            }
        }
        Ok(())
    }

    fn uid(&self) -> u32 {
        match self {
            Self::Caller => rustix::process::geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        }
    }

    fn owner(owned: &Metadata, passwd: &str) -> Self {
        let name = entries(passwd).find(|(_, uid, _)| *uid == owned.uid());
        let name =
            name.map_or_else(|| format!("uid {}", owned.uid()), |(name, ..)| name.to_owned());
        Self::Other { name, uid: owned.uid(), gid: owned.gid() }
    }

    fn unprivileged(passwd: &str) -> Result<Self> {
        let named =
            |wanted: &str| entries(passwd).find(|(name, uid, _)| *name == wanted && *uid != 0);
        let (name, uid, gid) = named("postgres").or_else(|| named("nobody")).ok_or_else(|| {
            Error::new(
                Class::Server,
                "PostgreSQL refuses to run as root, and there is no account for it",
            )
            .todo("make an account named postgres, or run liteferry as another user than root")
        })?;
        Ok(Self::Other { name: name.to_owned(), uid, gid })
    }

    fn may_enter(&self, folder: &Metadata) -> bool {
        let Self::Other { uid, gid, .. } = self else { return true };
        let bit = if folder.uid() == *uid {
            0o100
        } else if folder.gid() == *gid {
            0o010
        } else {
            0o001
        };
        folder.mode() & bit != 0
    }
}

/// Name, uid and gid of every account.
fn entries(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::Account;
    use std::fs::{Permissions, create_dir, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                          nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n";

    fn stranger() -> Account {
        Account::Other { name: "stranger".into(), uid: 4_000_001, gid: 4_000_001 }
    }

    #[test]
    fn root_runs_the_server_as_postgres_or_else_as_nobody() {
        let nobody = Account::unprivileged(PASSWD).unwrap();
        assert_eq!(nobody, Account::Other { name: "nobody".into(), uid: 65534, gid: 65534 });
        let with_postgres = format!("{PASSWD}postgres:x:101:104::/var/lib/postgresql:/bin/bash\n");
        let postgres = Account::unprivileged(&with_postgres).unwrap();
        assert_eq!(postgres, Account::Other { name: "postgres".into(), uid: 101, gid: 104 });
        assert!(Account::unprivileged("postgres:x:0:0::/:/bin/sh").is_err());
    }

    #[test]
    fn the_first_folder_that_the_account_may_not_enter_is_named() {
        let top =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let closed = top.join("closed");
        let inner = closed.join("inner");
        for folder in [&closed, &inner] {
            create_dir(folder).unwrap();
            set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        stranger().check_reach(&inner.join("server")).unwrap();

        set_permissions(&closed, Permissions::from_mode(0o750)).unwrap();
        let error = stranger().check_reach(&inner.join("server")).unwrap_err();
        assert!(
            error.to_string().ends_with(&format!("may not enter {}", closed.display())),
            "{error}"
        );
        assert!(error.advice().unwrap().contains("/var/lib/liteferry/server"));
        Account::Caller.check_reach(&inner.join("server")).unwrap();
    }
}
