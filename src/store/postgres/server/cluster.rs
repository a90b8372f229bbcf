//! One cluster: made by initdb, configured by a file of its own, started and stopped by pg_ctl.
//!
//! `DIR/data` is PostgreSQL's, `DIR/socket` holds the socket, `DIR/server.log` is what the server says. DIR is
//! private to the account that runs the server, which is why the server trusts whoever reaches the socket.
//!
//! Every method that changes something takes a `hold`: a descriptor (the folder's lock, or a scoped server's leash)
//! that each program keeps open as its standard input, so that whoever waits for it waits for that program too, even
//! when liteferry itself was killed meanwhile. The server does not inherit it.

use super::account::Account;
use super::binaries::Binaries;
use super::program::{run, tail};
use super::{StopMode, folder};
use crate::error::{Class, Error, Result};
use backon::{BlockingRetryable, ExponentialBuilder};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// The one role; it may do everything.
pub(super) const USER: &str = "liteferry";
/// The port is only a part of the socket's name: every server has a folder of its own.
pub(super) const PORT: u16 = 5432;

/// A socket's path may have 107 bytes on Linux and 103 elsewhere.
const SOCKET_PATH_BYTES: usize = 103;
/// Exit status 0 if the server of the data in $1 runs. The process that its file names may be dead or another one
/// meanwhile; a server has its data as working folder, which tells where there is a /proc.
pub(super) const IS_RUNNING: &str = r#"read -r pid <"$1/postmaster.pid" && kill -0 "$pid" &&
{ test ! -d /proc/self/cwd || test "/proc/$pid/cwd" -ef "$1"; }"#;

const PID_FILE: &str = "postmaster.pid";
/// A number that no process has.
const NO_PROCESS: i32 = i32::MAX;
const SETTINGS: &str = "liteferry.conf";
/// Seconds that a server may take to recover or to shut down.
const PATIENCE: &str = "300";
/// Lets go of whatever else the caller has open, because the server outlives it. Only bash can close 10 and above.
const DETACHED: &str = r#"for fd in /dev/fd/*; do
fd=${fd##*/}
if [ "$fd" -gt 2 ] && { [ -n "$BASH_VERSION" ] || [ "$fd" -lt 10 ]; }; then eval "exec $fd<&-"; fi
done
exec "$0/pg_ctl" "$@""#;

/// A cluster, the programs for it and the account that runs it.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The folder of everything: absolute, without symlinks.
    pub(super) dir: PathBuf,
    pub(super) binaries: Binaries,
    pub(super) account: Account,
}

impl Cluster {
    /// Where PostgreSQL keeps its data.
    pub(super) fn data(&self) -> PathBuf {
        data_in(&self.dir)
    }

    /// The folder of the socket.
    pub(super) fn sockets(&self) -> PathBuf {
        sockets_in(&self.dir)
    }

    /// Makes the cluster if there is none. A half-made one is never taken for whole: it has another name.
    pub(super) fn create(&self, quick: bool, hold: &OwnedFd) -> Result<()> {
        let data = self.data();
        if data.exists() {
            return Ok(());
        }
        // A machine without the locale C.UTF-8 has to do with C.
        let made = self.initdb("C.UTF-8", quick, hold).or_else(|error| {
            let locale = cause_has(&error, "invalid locale");
            if locale { self.initdb("C", quick, hold) } else { Err(error) }
        })?;
        folder::append(&made.join("postgresql.conf"), &format!("\ninclude = '{SETTINGS}'\n"))?;
        std::fs::rename(&made, &data).map_err(|cause| {
            Error::new(Class::Server, format!("cannot make {}", data.display())).because(cause)
        })
    }

    /// Writes the settings that count at the next start. The caller's win over ours but for the socket.
    pub(super) fn configure(&self, settings: &[(String, String)]) -> Result<()> {
        let path = self.data().join(SETTINGS);
        let text = settings_file(settings, &self.sockets())?;
        if folder::read(&path)? == text {
            return Ok(());
        }
        folder::write(&path, &text, &self.account)
    }

    /// Whether the server of this cluster runs.
    pub(super) fn is_running(&self) -> Result<bool> {
        let mut look = self.binaries.shell(IS_RUNNING, &self.account);
        look.arg(self.data()).stdout(Stdio::null()).stderr(Stdio::null());
        let found = look.status();
        found
            .map(|status| status.success())
            .map_err(|cause| Error::new(Class::Server, "cannot run /bin/sh").because(cause))
    }

    /// Starts the server, which does not run, and waits until it takes connections. It stays when liteferry ends.
    pub(super) fn start(&self, hold: &OwnedFd) -> Result<()> {
        self.disown_dead()?;
        // The processes of a server that crashed are on their way out: the next one waits for them.
        let patience = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_millis(500))
            .with_total_delay(Some(Duration::from_secs(30)))
            .without_max_times();
        let still_leaving = |error: &Error| cause_has(error, "shared memory block");
        (|| self.start_once(hold)).retry(patience).when(still_leaving).call()
    }

    /// Stops the server if it runs.
    pub(super) fn stop(&self, mode: StopMode, hold: &OwnedFd) -> Result<()> {
        if !self.is_running()? {
            return Ok(());
        }
        let mut stop = self.binaries.command("pg_ctl", &self.account);
        stop.args(["stop", "-w", "-s", "-t", PATIENCE, "-m", mode.name(), "-D"]).arg(self.data());
        let stopped = run(stop.stdin(held(hold)?));
        stopped.map(drop).map_err(|error| error.at(self.dir.display().to_string()))
    }

    fn start_once(&self, hold: &OwnedFd) -> Result<()> {
        let log = self.dir.join("server.log");
        let said_before = std::fs::metadata(&log).map_or(0, |log| log.len());
        let mut start = self.binaries.shell(DETACHED, &self.account);
        start.args(["start", "-w", "-s", "-t", PATIENCE, "-D"]).arg(self.data());
        start.arg("-l").arg(&log).stdin(held(hold)?);
        let Err(error) = run(&mut start) else { return Ok(()) };
        let what = format!("the server in {} does not start", self.dir.display());
        let failed =
            Error::new(Class::Server, what).todo(format!("see the end of {}", log.display()));
        let said = folder::read_from(&log, said_before)?;
        Err(if said.trim().is_empty() {
            failed.because(error)
        } else {
            failed.because(tail(&said))
        })
    }

    /// PostgreSQL refuses to start while any process has the number of the server that crashed, even one that is
    /// dead and not yet buried, or that has nothing to do with it. The rest of the file still lets it find out
    /// whether other processes of the crashed server go on.
    fn disown_dead(&self) -> Result<()> {
        folder::remove(&self.sockets())?;
        folder::make_private(&self.sockets(), &self.account)?;
        let path = self.data().join(PID_FILE);
        let text = folder::read(&path)?;
        match text.split_once('\n') {
            Some((_, rest)) => {
                folder::write(&path, &format!("{NO_PROCESS}\n{rest}"), &self.account)
            }
            None => Ok(()),
        }
    }

    fn initdb(&self, locale: &str, quick: bool, hold: &OwnedFd) -> Result<PathBuf> {
        let draft = self.dir.join("data.new");
        folder::remove(&draft)?;
        let mut initdb = self.binaries.command("initdb", &self.account);
        initdb.arg("-D").arg(&draft).arg(format!("--locale={locale}")).stdin(held(hold)?);
        initdb.arg(format!("--username={USER}"));
        initdb.args(["--encoding=UTF8", "--auth-local=trust", "--auth-host=reject"]);
        if quick {
            initdb.arg("--no-sync");
        }
        run(&mut initdb).map_err(|error| error.at(self.dir.display().to_string()))?;
        Ok(draft)
    }
}

/// Fails where pg_ctl, which puts paths into a shell command, could not handle `dir`.
pub(super) fn check_name(dir: &Path) -> Result<()> {
    if dir.to_str().is_some_and(|dir| !dir.contains(['"', '$', '`', '\\', '\n', '\r'])) {
        return Ok(());
    }
    let what = format!("PostgreSQL cannot work in a folder of the name {}", dir.display());
    Err(Error::new(Class::Server, what)
        .todo("choose a folder whose name is UTF-8 without quotes, dollars, backticks, backslashes and line breaks"))
}

/// PostgreSQL's own folder.
pub(super) fn data_in(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// The folder of the socket: in `dir`, or where the socket's path would be too long for the system, in `/tmp` under
/// a name that follows from `dir`.
pub(super) fn sockets_in(dir: &Path) -> PathBuf {
    let inside = dir.join("socket");
    let name = format!("/.s.PGSQL.{PORT}");
    if inside.as_os_str().len() + name.len() <= SOCKET_PATH_BYTES {
        return inside;
    }
    let hash = blake3::hash(dir.as_os_str().as_encoded_bytes()).to_hex();
    Path::new("/tmp").join(format!("liteferry-{}", hash.chars().take(16).collect::<String>()))
}

/// The major version of the cluster in `dir`, if there is one.
pub(super) fn version_in(dir: &Path) -> Result<Option<u32>> {
    let path = data_in(dir).join("PG_VERSION");
    let text = folder::read(&path)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.trim().parse().map(Some).map_err(|cause: std::num::ParseIntError| {
        Error::new(Class::Server, format!("{} holds no version", path.display())).because(cause)
    })
}

/// The folder of the programs that the cluster in `dir` was last started with.
pub(super) fn last_binaries(dir: &Path) -> Result<Option<PathBuf>> {
    let options = folder::read(&data_in(dir).join("postmaster.opts"))?;
    let program = options.split(" \"").next().map(Path::new);
    Ok(program.filter(|path| path.is_absolute()).and_then(Path::parent).map(Path::to_owned))
}

/// The process that runs the cluster in `dir`, as its file says.
pub(super) fn pid_in(dir: &Path) -> Result<Option<u32>> {
    let text = folder::read(&data_in(dir).join(PID_FILE))?;
    Ok(text.lines().next().and_then(|line| line.trim().parse().ok()))
}

fn cause_has(error: &Error, text: &str) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.to_string().contains(text))
}

fn held(hold: &OwnedFd) -> Result<Stdio> {
    let copy = hold.try_clone();
    copy.map(Stdio::from)
        .map_err(|cause| Error::new(Class::Server, "cannot open another file").because(cause))
}

fn settings_file(settings: &[(String, String)], sockets: &Path) -> Result<String> {
    let sockets = sockets.to_string_lossy();
    let mut text =
        String::from("# Written by liteferry, and written anew when its settings change.\n");
    let mut add = |name: &str, value: &str| -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if name.is_empty() || !name.chars().all(plain) || value.contains(['\n', '\r', '\0']) {
            let what = format!("{name:?} = {value:?} is no setting of a server");
            return Err(Error::new(Class::Usage, what));
        }
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        text.extend([name, " = '", &value, "'\n"]);
        Ok(())
    };
    add("listen_addresses", "")?;
    for (name, value) in settings {
        add(name, value)?;
    }
    // A comma in the folder's name would make two folders of it.
    add("unix_socket_directories", &format!("\"{}\"", sockets.replace('"', "\"\"")))?;
    add("port", &PORT.to_string())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{SOCKET_PATH_BYTES, settings_file, sockets_in};
    use std::path::Path;

    #[test]
    fn a_socket_that_would_have_too_long_a_path_gets_a_short_folder_of_its_own() {
        let short = Path::new("/var/lib/liteferry/server");
        assert_eq!(sockets_in(short), short.join("socket"));

        let path_bytes = |dir: &Path| sockets_in(dir).join(".s.PGSQL.5432").as_os_str().len();
        let dir_of = |bytes: usize| format!("/{}", "d".repeat(bytes - 1));
        let room = SOCKET_PATH_BYTES - "/socket/.s.PGSQL.5432".len();
        let (longest, too_long) = (dir_of(room), dir_of(room + 1));
        assert_eq!(path_bytes(Path::new(&longest)), SOCKET_PATH_BYTES);
        let moved = sockets_in(Path::new(&too_long));
        assert!(moved.starts_with("/tmp") && path_bytes(Path::new(&too_long)) < 50);
        assert_ne!(moved, sockets_in(Path::new(&dir_of(room + 2))));
    }

    #[test]
    fn a_callers_setting_comes_after_ours_but_cannot_move_the_socket() {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let settings = [setting("fsync", "off"), setting("port", "1"), setting("a.b", "it's \\")];
        let text = settings_file(&settings, Path::new("/x,y")).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "listen_addresses = ''",
                "fsync = 'off'",
                "port = '1'",
                "a.b = 'it''s \\\\'",
                "unix_socket_directories = '\"/x,y\"'",
                "port = '5432'"
            ]
        );
        let error = settings_file(&[setting("work_mem", "1\nfsync = off")], Path::new("/x"));
        assert_eq!(error.unwrap_err().class(), crate::Class::Usage);
    }
}
