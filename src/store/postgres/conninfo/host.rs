//! Where the server is: a folder with its Unix socket, or a machine.

use super::Parameters;
use crate::error::Result;
use crate::store::postgres::tls::Reach;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The folders that servers put their Unix sockets in unless told otherwise.
pub(super) const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

pub(super) const DEFAULT_PORT: u16 = 5432;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// The folder of its Unix socket.
    Unix(PathBuf),
    /// A machine.
    Tcp {
        /// Its name, which the certificate must be made out to; an address if no name was given.
        name: String,
        /// Its address, if the name is not to be looked up.
        address: Option<IpAddr>,
    },
}

impl Host {
    /// Decides from what was given, and looks for the usual sockets where nothing was.
    pub(super) fn decide(given: &Parameters, port: u16) -> Result<Self> {
        for name in ["host", "hostaddr"] {
            if given.get(name).is_some_and(|value| value.contains(',')) {
                return Err(given.invalid(name, "names more than one server").todo(
                    "name the one server to write to: a migration cannot move to another by itself",
                ));
            }
        }
        let invalid = |_hides_the_value| given.invalid("hostaddr", "is not an IP address");
        let address =
            given.get("hostaddr").map(str::parse::<IpAddr>).transpose().map_err(invalid)?;
        Ok(match (given.get("host"), address) {
            (Some(folder), None) if folder.starts_with('/') => Self::Unix(folder.into()),
            (Some(name), address) if !name.starts_with('/') => {
                Host::Tcp { name: name.into(), address }
            }
            (_, Some(address)) => Self::Tcp { name: address.to_string(), address: Some(address) },
            (_, None) => default_host(&SOCKET_FOLDERS.map(Path::new), port),
        })
    }

    /// How far away it is: by the address if one was given, because that is where the bytes go.
    pub fn reach(&self) -> Reach {
        let Self::Tcp { name, address } = self else { return Reach::Socket };
        let address = address.or_else(|| name.parse().ok());
        let loopback = address.map_or_else(
            || name.eq_ignore_ascii_case("localhost"),
            |address| address.to_canonical().is_loopback(),
        );
        if loopback { Reach::Loopback } else { Reach::Network }
    }

    /// As a line of the password file names it.
    pub(super) fn for_passfile(&self) -> String {
        match self {
            Self::Unix(folder) => folder.display().to_string(),
            Self::Tcp { name, .. } => name.clone(),
        }
    }
}

/// The port, also of a Unix socket.
pub(super) fn port(given: &Parameters) -> Result<u16> {
    match given.number::<u16>("port") {
        Ok(None) => Ok(DEFAULT_PORT),
        Ok(Some(port)) if port > 0 => Ok(port),
        _ => Err(given.invalid("port", "is not one number from 1 to 65535")),
    }
}

/// The first folder with this server's socket, or else the machine itself.
fn default_host(folders: &[&Path], port: u16) -> Host {
    let socket = format!(".s.PGSQL.{port}");
    let folder = folders.iter().find(|folder| folder.join(&socket).exists());
    folder.map_or_else(
        || Host::Tcp { name: "localhost".into(), address: None },
        |folder| Host::Unix(folder.to_path_buf()),
    )
}

#[cfg(test)]
mod tests {
    use super::{Host, default_host};

    #[test]
    fn without_a_host_the_first_folder_with_the_socket_is_taken_or_else_localhost() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(full.path().join(".s.PGSQL.7"), "").unwrap();
        let folders = [empty.path(), full.path()];
        assert_eq!(default_host(&folders, 7), Host::Unix(full.path().into()));
        let local = Host::Tcp { name: "localhost".into(), address: None };
        assert_eq!(default_host(&folders, 8), local);
        assert_eq!(default_host(&[], 7), local);
    }
}
