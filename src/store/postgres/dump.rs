//! Whole databases as `pg_dump --format custom` has them: out of a server, and into an empty database.
//!
//! Both programs are those of the server's own major version. They speak through pipes, so that no file of them is left
//! when liteferry dies, and so that they end with it; the password is in their environment, which others cannot read.
//! Owners, rights, tablespaces and security labels are in a dump, and are not restored: the roles of one server are not
//! those of another. <https://www.postgresql.org/docs/current/app-pgdump.html>

mod content;
mod tool;

pub use content::{Content, hold, occupant};

use super::conninfo::Conninfo;
use super::server::Programs;
use super::tls::Roots;
use crate::error::Result;
use crate::pipeline::Stop;
use rustix::event::PollFlags;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use tool::{Tool, ready};

/// Files of the authorities that an operating system trusts: libpq before 16 has no word for all of them.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A database on its way out.
#[derive(Debug)]
pub struct Dump {
    tool: Tool,
    from: Option<ChildStdout>,
}

impl Dump {
    /// Begins to dump a database in a state that a session [holds](hold). Nothing is packed: who reads it does that.
    ///
    /// # Errors
    ///
    /// [`Class::Server`](crate::Class::Server): the program cannot be run.
    pub fn start(
        programs: &Programs,
        conninfo: &Conninfo,
        state: &str,
        stop: &Stop,
    ) -> Result<Self> {
        let mut command = programs.command("pg_dump")?;
        command.args(["--format=custom", "--compress=0"]).arg(format!("--snapshot={state}"));
        connect(&mut command, conninfo);
        let mut tool = Tool::start("pg_dump", command.stdout(Stdio::piped()), stop)?;
        let from = tool.child.stdout.take();
        Ok(Self { tool, from })
    }

    /// Makes sure that all of it was read.
    ///
    /// # Errors
    ///
    /// [`Class::Server`](crate::Class::Server): the program failed, and what was read is worth nothing.
    pub fn end(mut self) -> Result<()> {
        drop(self.from.take());
        self.tool.end()
    }
}

impl Read for Dump {
    /// Is interrupted now and then while nothing comes.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from = self.from.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        ready(&*from, PollFlags::IN)?;
        from.read(buffer)
    }
}

/// How a dump goes into a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loading {
    /// In one transaction: all of it or nothing.
    Whole,
    /// Statement by statement, for a database that is dropped where it fails.
    Stepwise,
}

/// A database on its way in.
#[derive(Debug)]
pub struct Load {
    tool: Tool,
    to: Option<ChildStdin>,
    is_refused: bool,
    stop: Stop,
}

impl Load {
    /// Begins to fill an empty database with the dump that is going to be written.
    ///
    /// # Errors
    ///
    /// [`Class::Server`](crate::Class::Server): the program cannot be run.
    pub fn start(
        programs: &Programs,
        conninfo: &Conninfo,
        loading: Loading,
        stop: &Stop,
    ) -> Result<Self> {
        let mut command = programs.command("pg_restore")?;
        command.args(["--format=custom", "--exit-on-error", "--no-owner", "--no-privileges"]);
        command.args(["--no-tablespaces", "--no-security-labels"]);
        if loading == Loading::Whole {
            command.arg("--single-transaction");
        }
        connect(&mut command, conninfo);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut tool = Tool::start("pg_restore", piped, stop)?;
        let to = tool.child.stdin.take();
        if let Some(to) = &to {
            let flags = fcntl_getfl(to).and_then(|it| fcntl_setfl(to, it | OFlags::NONBLOCK));
            flags.map_err(|error| {
                crate::Error::internal("a pipe").because(io::Error::from(error))
            })?;
        }
        Ok(Self { tool, to, is_refused: false, stop: stop.clone() })
    }

    /// Waits until all is in; `fed` says how writing the dump has ended.
    ///
    /// # Errors
    ///
    /// What `fed` says, and [`Class::Server`](crate::Class::Server): the program failed.
    pub fn end(mut self, fed: Result<()>) -> Result<()> {
        self.stop.check()?;
        if fed.is_err() && !self.is_refused {
            return fed;
        }
        drop(self.to.take());
        self.tool.end()
    }
}

impl Write for Load {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let to = self.to.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        loop {
            if self.stop.requested().is_some() {
                return Err(io::Error::other("stopped"));
            }
            let written = ready(&*to, PollFlags::OUT).and_then(|()| to.write(bytes));
            match written.as_ref().map_err(io::Error::kind) {
                Err(io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(io::ErrorKind::BrokenPipe) => {
                    self.is_refused = true;
                    return written;
                }
                _ => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says where the server is as libpq has it. `--dbname` takes a whole address; a password is never part of it.
fn connect(command: &mut Command, conninfo: &Conninfo) {
    let mut conninfo = conninfo.clone();
    if conninfo.tls.roots == Some(Roots::System)
        && let Some(file) = BUNDLES.iter().map(PathBuf::from).find(|file| file.is_file())
    {
        conninfo.tls.roots = Some(Roots::File(file));
    }
    command.arg("--no-password").arg(format!("--dbname={}", conninfo.display()));
    command.env("PGAPPNAME", &conninfo.application_name);
    let seconds = conninfo.connect_timeout.map_or(0, |timeout| timeout.as_secs());
    command.env("PGCONNECT_TIMEOUT", seconds.to_string());
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    if let Some(password) = &conninfo.password.secret {
        command.env("PGPASSWORD", password.expose());
    }
}

#[cfg(test)]
mod tests {
    use super::connect;
    use crate::store::postgres::conninfo::{Conninfo, Origin};
    use std::process::Command;

    #[test]
    fn a_password_is_in_the_environment_and_in_no_argument() {
        let given = |name: &str| (name == "PGPASSWORD").then(|| "hunter2".to_owned());
        let written = "host=h user=u dbname=d sslmode=require connect_timeout=7";
        let conninfo = Conninfo::decide(written, &given, Origin::Argument).unwrap();
        let mut command = Command::new("pg_dump");
        connect(&mut command, &conninfo);
        let words: Vec<_> = command.get_args().map(|it| it.to_str().unwrap()).collect();
        assert!(words.contains(&"--no-password") && !words.concat().contains("hunter2"));
        assert!(
            words.iter().any(|it| it.starts_with("--dbname=postgresql://u@h:5432/d?")),
            "{words:?}"
        );
        let environment: Vec<_> = command.get_envs().collect();
        assert!(environment.contains(&("PGPASSWORD".as_ref(), Some("hunter2".as_ref()))));
        assert!(environment.contains(&("PGCONNECT_TIMEOUT".as_ref(), Some("7".as_ref()))));
    }
}
