//! A server that ends with its owner, however the owner ends.
//!
//! A small shell, the keeper, reads from a pipe that only the owner (and the programs it runs for the server) hold
//! open. When the pipe closes, because the owner let go or was killed, the keeper stops the server and removes its
//! folder.

use super::cluster::{Cluster, IS_RUNNING};
use super::{Server, folder};
use crate::error::{Class, Error, Result};
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

/// What the keeper does when the pipe has closed: `$0` is the folder of the programs, `$1` the data, what follows is
/// to be removed.
const AT_THE_END: &str =
    r#"then "$0/pg_ctl" stop -D "$1" -m immediate -w -s; fi; shift; rm -rf -- "$@""#;

/// A private server that is stopped and deleted when this value is dropped, or its process dies.
///
/// It costs no care: not even `kill -9` of the process leaves the server or its folder behind.
#[derive(Debug)]
pub struct Scoped {
    server: Server,
    keeper: Keeper,
}

impl Scoped {
    /// `server` must hold the only other end of the keeper's pipe.
    pub(super) fn new(server: Server, keeper: Keeper) -> Self {
        Self { server, keeper }
    }
}

impl Deref for Scoped {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for Scoped {
    fn drop(&mut self) {
        drop(self.server.leash.take());
        // A drop has nobody to tell; the keeper goes on with what it was told before.
        drop(self.keeper.end());
    }
}

/// The shell that waits for the owner's end.
#[derive(Debug)]
pub(super) struct Keeper {
    shell: Child,
    dir: PathBuf,
}

impl Keeper {
    /// Starts the keeper of `cluster`, and gives the pipe's end that holds it back.
    pub(super) fn start(cluster: &Cluster) -> Result<(Self, OwnedFd)> {
        let failed =
            |cause| Error::new(Class::Server, "cannot start a server's keeper").because(cause);
        let (end, leash) = std::io::pipe().map_err(failed)?;
        let script = format!("trap '' HUP INT TERM; read -r _; if {IS_RUNNING}; {AT_THE_END}");
        let mut shell = cluster.binaries.shell(&script, &cluster.account);
        shell.arg(cluster.data()).arg(&cluster.dir).arg(cluster.sockets());
        // In a process group of its own, it outlives a Ctrl-C that ends its owner.
        shell.stdin(end).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let shell = shell.spawn().map_err(failed)?;
        Ok((Self { shell, dir: cluster.dir.clone() }, leash.into()))
    }

    /// Waits for the keeper's end, which comes when the last copy of the leash is closed.
    pub(super) fn end(&mut self) -> Result<()> {
        self.shell.wait().map_err(|cause| {
            Error::new(Class::Server, "cannot wait for a server's keeper").because(cause)
        })?;
        // The server's account cannot always remove its own folder from the folder above.
        folder::remove(&self.dir)
    }

    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.shell.id()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Server, ServerOptions, database};
    use backon::{BlockingRetryable, ConstantBuilder};
    use rustix::process::Pid;
    use std::io::{BufRead, BufReader, Write as _};
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    /// Set for the process that holds a scoped server and is killed.
    const VICTIM: &str = "LITEFERRY_TEST_VICTIM";
    const KILLED: &str = "a_scoped_server_is_gone_when_its_owner_is_killed";

    /// Waits until `gone`; a minute is long enough for every machine.
    fn wait_until(what: &str, gone: impl Fn() -> bool) {
        let patience =
            ConstantBuilder::new().with_delay(Duration::from_millis(20)).with_max_times(3000);
        let look = || if gone() { Ok(()) } else { Err(()) };
        assert!(look.retry(patience).call().is_ok(), "{what} is still there");
    }

    /// Waits until no process `pid` runs; one that is dead but not yet buried does not run.
    pub(in super::super) fn wait_until_gone(pid: Pid) {
        wait_until("the process", || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            match status {
                Ok(status) => status.contains("State:\tZ"),
                Err(_) => rustix::process::test_kill_process(pid).is_err(),
            }
        });
    }

    fn pid(text: &str) -> Pid {
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }

    #[test]
    fn a_scoped_server_serves_and_is_gone_when_it_is_dropped() {
        let server = Server::scoped(&ServerOptions::scratch(), &|_| ()).unwrap();
        let (dir, sockets) = (server.dir().to_owned(), server.socket_dir().to_owned());
        let postgres = pid(&server.pid().unwrap().unwrap().to_string());
        assert!(!server.was_running());
        let seen = database::ask(&sockets, server.database(), "SELECT current_user").unwrap();
        assert_eq!(seen, "liteferry");
        drop(server);
        assert!(!dir.exists());
        assert!(database::ask(&sockets, "postgres", "SELECT 1").is_err());
        wait_until_gone(postgres);
    }

    #[test]
    fn a_scoped_server_can_crash_and_come_back() {
        let server = Server::scoped(&ServerOptions::scratch(), &|_| ()).unwrap();
        let ask = |sql| database::ask(server.socket_dir(), server.database(), sql);
        ask("CREATE TABLE kept AS SELECT 42 AS answer").unwrap();
        server.restart(super::super::StopMode::Immediate).unwrap();
        assert_eq!(ask("SELECT answer FROM kept").unwrap(), "42");
    }

    #[test]
    fn a_scoped_server_is_gone_when_its_owner_is_killed() {
        if std::env::var_os(VICTIM).is_some() {
            return be_the_victim();
        }
        let me = format!("{}::{KILLED}", module_path!().split_once("::").unwrap().1);
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &me, "--nocapture"])
            .env(VICTIM, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let told: Vec<String> = lines
            .map(Result::unwrap)
            .filter_map(|line| line.split_once("VICTIM ").map(|(_, told)| told.to_owned()))
            .take(2)
            .collect();
        let [postgres, dir] = told.try_into().unwrap();
        let (postgres, dir) = (pid(&postgres), PathBuf::from(dir));
        assert!(dir.join("data").exists() && rustix::process::test_kill_process(postgres).is_ok());

        victim.kill().unwrap();
        victim.wait().unwrap();
        wait_until("the server's folder", || !dir.exists());
        wait_until_gone(postgres);
    }

    /// Starts a server, tells of it, and waits to be killed.
    fn be_the_victim() {
        let server = Server::scoped(&ServerOptions::scratch(), &|_| ()).unwrap();
        let pid = server.pid().unwrap().unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "\nVICTIM {pid}\nVICTIM {}", server.dir().display()).unwrap();
        out.flush().unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
}
