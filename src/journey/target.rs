//! Where rows go: a server that the user names, or the private one.

use crate::error::{Class, Error, Result};
use crate::store::postgres::conninfo::{Conninfo, Origin};
use crate::store::postgres::server::{Server, ServerOptions, default_dir};
use std::path::{Path, PathBuf};

/// A target that can be connected to.
#[derive(Debug)]
pub struct Target {
    /// How to connect.
    pub conninfo: Conninfo,
    /// The private server, where it is that.
    pub server: Option<Server>,
}

/// The environment variable of a name.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Target {
    /// Finds the target; starts the private server for `local` and `local:DIR`.
    ///
    /// # Errors
    ///
    /// A connection string that cannot be understood or holds a password, or a private server that cannot be had.
    pub fn find(
        written: &str,
        origin: Origin,
        bin_dir: Option<&Path>,
        say: &dyn Fn(&str),
    ) -> Result<Self> {
        let dir = match written.strip_prefix("local") {
            Some("") => default_dir(),
            Some(rest) if rest.starts_with(':') => PathBuf::from(rest.trim_start_matches(':')),
            _ => {
                return Ok(Self {
                    conninfo: Conninfo::decide(written, &environment, origin)?,
                    server: None,
                });
            }
        };
        if dir.as_os_str().is_empty() {
            return Err(Error::new(Class::Usage, "`local:` names no folder")
                .todo("write `local` or `local:DIR`"));
        }
        Self::private(
            &ServerOptions { bin_dir: bin_dir.map(Into::into), ..ServerOptions::new(dir) },
            say,
        )
    }

    /// The private server of these options.
    ///
    /// # Errors
    ///
    /// A private server that cannot be had.
    pub fn private(options: &ServerOptions, say: &dyn Fn(&str)) -> Result<Self> {
        let server = Server::ensure(options, say)?;
        // The server's own address is complete; nothing of the environment belongs into it.
        let conninfo = Conninfo::decide(&server.url(), &|_| None, Origin::Argument)?;
        Ok(Self { conninfo, server: Some(server) })
    }

    /// Where it is, without a password.
    pub fn display(&self) -> String {
        self.conninfo.display()
    }
}
