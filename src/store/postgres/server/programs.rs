//! PostgreSQL's programs for a server that is anywhere: those of its own major version.

use super::account::Account;
use super::binaries::{Binaries, search_list};
use super::install::install;
use crate::error::{Class, Error, Result};
use std::path::Path;
use std::process::Command;

/// One installation of PostgreSQL, whose programs are run as whoever runs liteferry.
#[derive(Debug)]
pub struct Programs {
    binaries: Binaries,
}

impl Programs {
    /// Finds or installs the programs of a major version; where a folder is given, they must be there. Slow steps are told
    /// to `say`.
    ///
    /// # Errors
    ///
    /// [`Class::Server`]: there are none of this version, and none can be had; the advice is what to type.
    pub fn find(major: u32, given: Option<&Path>, say: &dyn Fn(&str)) -> Result<Self> {
        let account = Account::Caller;
        let Some(given) = given else {
            let found = Binaries::find(search_list(), Some(major), &account);
            let binaries = found.map_or_else(|| install(Some(major), &account, say), Ok)?;
            return Ok(Self { binaries });
        };
        let binaries = Binaries::open(given, &account)?;
        if binaries.major() == major {
            return Ok(Self { binaries });
        }
        let what = format!(
            "the programs in {} are of PostgreSQL {}, and the server is {major}",
            given.display(),
            binaries.major()
        );
        Err(Error::new(Class::Server, what).todo("give the programs of the server's version"))
    }

    /// Their folder.
    pub fn dir(&self) -> &Path {
        self.binaries.dir()
    }

    /// One of them, in an empty environment.
    ///
    /// # Errors
    ///
    /// [`Class::Server`]: it is not there.
    pub fn command(&self, tool: &str) -> Result<Command> {
        if self.dir().join(tool).is_file() {
            return Ok(self.binaries.command(tool, &Account::Caller));
        }
        let what = format!("{tool} is missing in {}", self.dir().display());
        Err(Error::new(Class::Server, what)
            .todo("install PostgreSQL's client programs of this version"))
    }
}

#[cfg(test)]
mod tests {
    use super::Programs;
    use crate::error::Class;
    use crate::store::postgres::server::{Server, ServerOptions};

    #[test]
    fn programs_are_those_of_the_version_that_is_asked_for() {
        let server = Server::scoped(&ServerOptions::scratch(), &|_| ()).unwrap();
        let (major, dir) = (server.major_version(), server.bin_dir());
        for given in [None, Some(dir)] {
            let programs = Programs::find(major, given, &|_| ()).unwrap();
            let said = programs.command("pg_dump").unwrap().arg("--version").output().unwrap();
            let said = String::from_utf8(said.stdout).unwrap();
            assert!(said.contains(&format!(" {major}")), "{said}");
            assert_eq!(programs.command("pg_absent").unwrap_err().class(), Class::Server);
        }
        let error = Programs::find(major + 1, Some(dir), &|_| ()).unwrap_err();
        assert!(error.to_string().contains(&format!("the server is {}", major + 1)), "{error}");
    }
}
