//! A program that speaks through a pipe: it is waited for no longer than until a stop is requested, what it says of its
//! failure is the cause of the error, and it ends when this process does, because its pipe does.

use crate::error::{Class, Error, Result};
use crate::pipeline::Stop;
use crate::store::postgres::server::tail;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::time::Duration;

/// How long a pipe is waited for before somebody asks whether to go on.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How often a program that shall end is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// A program that runs; dropped, it is killed.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) child: Child,
    /// What it says, which nobody needs to read while it runs.
    said: File,
    name: &'static str,
    stop: Stop,
}

impl Tool {
    /// Starts a program whose pipes are said already.
    pub(super) fn start(name: &'static str, command: &mut Command, stop: &Stop) -> Result<Self> {
        let failed = |cause| Error::new(Class::Server, format!("cannot run {name}")).because(cause);
        let said = tempfile::tempfile().map_err(failed)?;
        command.stderr(said.try_clone().map_err(failed)?);
        let child = command.spawn().map_err(failed)?;
        Ok(Self { child, said, name, stop: stop.clone() })
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// [`Class::Server`]: it failed; [`Class::Interrupted`]: a stop was requested before.
    pub(super) fn end(&mut self) -> Result<()> {
        let name = self.name;
        let failed =
            |cause| Error::new(Class::Server, format!("cannot wait for {name}")).because(cause);
        let status = loop {
            match self.child.try_wait().map_err(failed)? {
                Some(status) => break status,
                None => self.stop.wait(PAUSE)?,
            }
        };
        if status.success() {
            return Ok(());
        }
        let mut said = Vec::new();
        self.said.rewind().and_then(|()| self.said.read_to_end(&mut said)).map_err(failed)?;
        Err(Error::new(Class::Server, format!("{name} failed ({status})"))
            .because(tail(&String::from_utf8_lossy(&said))))
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // A drop has nobody to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits a moment for a pipe.
///
/// # Errors
///
/// [`io::ErrorKind::Interrupted`]: nothing can be done yet.
pub(super) fn ready(pipe: impl AsFd, what: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(&pipe, what)], Some(&PATIENCE))? {
        0 => Err(io::ErrorKind::Interrupted.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Tool;
    use crate::error::Class;
    use crate::pipeline::Stop;
    use std::process::Command;

    #[test]
    fn a_program_that_fails_tells_why_and_one_that_is_dropped_is_gone() {
        let stop = Stop::default();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "echo reason >&2; exit 3"]);
        let error = Tool::start("shell", &mut shell, &stop).unwrap().end().unwrap_err();
        assert_eq!(error.to_string(), "shell failed (exit status: 3)");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "reason");

        let begun = std::time::Instant::now();
        let mut endless = Tool::start("sleep", Command::new("sleep").arg("100"), &stop).unwrap();
        stop.request(crate::error::Signal::Terminate);
        let error = endless.end().unwrap_err();
        assert_eq!(error.class(), Class::Interrupted(crate::error::Signal::Terminate));
        drop(endless);
        assert!(begun.elapsed().as_secs() < 50);
    }
}
