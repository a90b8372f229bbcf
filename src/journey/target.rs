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

/// What is written about a target.
enum Place {
    Private(PathBuf),
    Server(Box<Conninfo>),
}

impl Place {
    fn read(written: &str, origin: Origin) -> Result<Self> {
        let Some(dir) = private_folder(written) else {
            let conninfo = Conninfo::decide(written, &environment, origin)?;
            return Ok(Self::Server(Box::new(conninfo)));
        };
        if dir.as_os_str().is_empty() {
            return Err(Error::new(Class::Usage, "`local:` names no folder")
                .todo("write `local` or `local:DIR`"));
        }
        Ok(Self::Private(dir))
    }
}

/// The private server's folder, where `local` or `local:DIR` is written.
fn private_folder(written: &str) -> Option<PathBuf> {
    match written.strip_prefix("local")? {
        "" => Some(default_dir()),
        rest => rest.strip_prefix(':').map(Into::into),
    }
}

/// A target of the command line as it stands in a pipeline file, where `${` begins a variable.
pub fn written_in_a_file(written: &str) -> String {
    match private_folder(written) {
        Some(_) => written.into(),
        None => written.replace("${", "$${"),
    }
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
        match Place::read(written, origin)? {
            Place::Server(conninfo) => Ok(Self { conninfo: *conninfo, server: None }),
            Place::Private(dir) => Self::private(
                &ServerOptions { bin_dir: bin_dir.map(Into::into), ..ServerOptions::new(dir) },
                say,
            ),
        }
    }

    /// Makes sure that a target can be understood, and that no password stands in it, without looking for it.
    ///
    /// # Errors
    ///
    /// As [`Self::find`], but for what is only known once it is looked for.
    pub fn check(written: &str, origin: Origin) -> Result<()> {
        Place::read(written, origin).map(drop)
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
