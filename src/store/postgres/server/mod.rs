//! The private PostgreSQL: found or installed, made, started and kept by liteferry itself.
//!
//! One folder holds one server: its data, its socket, its log. It listens on a Unix socket only, in a folder that
//! nobody else may enter, so it needs no password. [`Server::ensure`] gives a server that stays when liteferry ends
//! (`--target local`, the demo), [`Server::scoped`] one that ends with its owner (tests).
//!
//! The programs are searched for in PATH and in the usual places of Debian, PGDG and Homebrew. The environment variable
//! `LITEFERRY_PG_SEARCH` replaces all of these by a list of folders, separated by colons; an empty folder hides the
//! PostgreSQL of the machine.

mod account;
mod apt;
mod binaries;
mod cluster;
mod database;
mod folder;
mod install;
mod program;
mod scoped;
mod unpack;

use crate::error::{Class, Error, Result};
use account::Account;
use binaries::{Binaries, search_list};
use cluster::Cluster;
use scoped::Keeper;
pub use scoped::Scoped;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Where root's server is unless another folder is given.
const ROOT_DIR: &str = "/var/lib/liteferry/server";

/// Which server is wanted.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The folder of the server: new, empty, or of an earlier server of liteferry.
    pub dir: PathBuf,
    /// The folder of PostgreSQL's programs; otherwise it is searched for.
    pub bin_dir: Option<PathBuf>,
    /// The database to connect to, which is created where it is missing.
    pub database: String,
    /// Settings for the server (`fsync` = `off`), which count at its next start. They win over liteferry's own, but
    /// for the socket's folder and port.
    pub settings: Vec<(String, String)>,
}

impl ServerOptions {
    /// A server in `dir` with the database `liteferry`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            bin_dir: None,
            database: "liteferry".to_owned(),
            settings: Vec::new(),
        }
    }

    /// A server that may lose its data with the machine's power, in a new folder for temporary files: for
    /// [`Server::scoped`].
    pub fn scratch() -> Self {
        let number = RandomState::new().hash_one(std::process::id());
        let mut options = Self::new(std::env::temp_dir().join(format!("liteferry-{number:016x}")));
        let quick = [("fsync", "off"), ("full_page_writes", "off"), ("shared_buffers", "32MB")];
        options.settings = quick.map(|(name, value)| (name.into(), value.into())).into();
        options
    }
}

/// Where the server of `--target local` and of the demo is unless another folder is given.
pub fn default_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from(ROOT_DIR);
    }
    let given =
        std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = given.or_else(|| Some(std::env::home_dir()?.join(".local/share")));
    base.unwrap_or_else(std::env::temp_dir).join("liteferry/server")
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Transactions are rolled back, and everything is written.
    Fast,
    /// As by a crash: the next start recovers.
    Immediate,
}

impl StopMode {
    /// As pg_ctl names it.
    fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

/// A private server.
#[derive(Debug)]
pub struct Server {
    cluster: Cluster,
    sockets: PathBuf,
    database: String,
    was_running: bool,
    /// What keeps a scoped server alive.
    leash: Option<OwnedFd>,
}

impl Server {
    /// Finds or installs the binaries, makes the cluster where there is none, starts it where it does not run, and
    /// creates the database where it is missing. Slow steps are told to `say`. The server stays when liteferry ends.
    ///
    /// Must not be called from within an async runtime.
    ///
    /// # Errors
    ///
    /// [`Class::Server`] where there is no PostgreSQL and none can be had (the advice is what to type), where the
    /// folder cannot be used, or where the server does not start.
    pub fn ensure(options: &ServerOptions, say: &dyn Fn(&str)) -> Result<Self> {
        let dir = absolute(&options.dir)?;
        folder::check_ours(&dir)?;
        check_place(&dir)?;
        folder::make(&dir)?;
        let hold = folder::lock(&dir)?;
        let cluster = prepare(&dir, options, say)?;
        Self::serve(cluster, options, &hold, say)
    }

    /// The same in a folder that must not exist yet, for a server that is stopped and deleted when the returned
    /// value is dropped or its process dies, even by `kill -9`. See [`ServerOptions::scratch`].
    pub fn scoped(options: &ServerOptions, say: &dyn Fn(&str)) -> Result<Scoped> {
        let dir = absolute(&options.dir)?;
        if dir.exists() {
            let what =
                format!("{} exists already, and a scoped server deletes its folder", dir.display());
            return Err(Error::new(Class::Server, what).todo("choose a folder that does not exist"));
        }
        let cluster = prepare(&dir, options, say)?;
        let (mut keeper, leash) = Keeper::start(&cluster)?;
        match Self::serve(cluster, options, &leash, say) {
            Ok(mut server) => {
                server.leash = Some(leash);
                Ok(Scoped::new(server, keeper))
            }
            Err(error) => {
                drop(leash);
                keeper.end()?;
                Err(error)
            }
        }
    }

    /// Stops the server in `dir` and deletes the folder; nothing happens where there is no such folder.
    ///
    /// # Errors
    ///
    /// [`Class::Server`] where the folder is not a server of liteferry, or the server does not stop.
    pub fn remove(dir: &Path, say: &dyn Fn(&str)) -> Result<()> {
        let dir = absolute(dir)?;
        if !dir.exists() {
            return Ok(());
        }
        folder::check_ours(&dir)?;
        let hold = folder::lock(&dir)?;
        if cluster::pid_in(&dir)?.is_some() {
            let account = Account::choose(&cluster::data_in(&dir))?;
            let candidates = cluster::last_binaries(&dir)?.into_iter().chain(search_list());
            let binaries = Binaries::find(candidates, None, &account).ok_or_else(|| {
                let what = format!("cannot stop the server in {}", dir.display());
                Error::new(Class::Server, what).because("its programs are gone from this machine")
            })?;
            say("stopping the private PostgreSQL");
            let cluster = Cluster { dir: dir.clone(), binaries, account };
            cluster.stop(StopMode::Immediate, &hold)?;
        }
        folder::remove(&cluster::sockets_in(&dir))?;
        folder::remove(&dir)
    }

    /// Stops the server; nothing happens where it does not run.
    pub fn stop(&self, mode: StopMode) -> Result<()> {
        self.cluster.stop(mode, &self.hold()?)
    }

    /// Starts the server again after [`Server::stop`], or after it crashed.
    pub fn start(&self) -> Result<()> {
        let hold = self.hold()?;
        if self.cluster.is_running()? {
            return Ok(());
        }
        self.cluster.start(&hold)
    }

    /// Stops the server and starts it again.
    pub fn restart(&self, mode: StopMode) -> Result<()> {
        self.stop(mode)?;
        self.start()
    }

    /// Whether the server ran already when it was asked for.
    pub fn was_running(&self) -> bool {
        self.was_running
    }

    /// The process id of the server, while it runs.
    pub fn pid(&self) -> Result<Option<u32>> {
        cluster::pid_in(self.dir())
    }

    /// The folder of everything: absolute, without symlinks.
    pub fn dir(&self) -> &Path {
        &self.cluster.dir
    }

    /// The folder of PostgreSQL's programs.
    pub fn bin_dir(&self) -> &Path {
        self.cluster.binaries.dir()
    }

    /// The major version of PostgreSQL.
    pub fn major_version(&self) -> u32 {
        self.cluster.binaries.major()
    }

    /// The folder of the socket.
    pub fn socket_dir(&self) -> &Path {
        &self.sockets
    }

    /// The port, which names the socket.
    pub fn port(&self) -> u16 {
        cluster::PORT
    }

    /// The role, a superuser.
    pub fn user(&self) -> &str {
        cluster::USER
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// `postgresql://liteferry@%2Fpath%2Fto%2Fsocket:5432/liteferry`, as psql and liteferry understand it.
    pub fn url(&self) -> String {
        format!(
            "postgresql://{}@{}:{}/{}",
            self.user(),
            percent_encoded(self.sockets.as_os_str().as_encoded_bytes()),
            self.port(),
            percent_encoded(self.database.as_bytes())
        )
    }

    /// What a person types to look into the database.
    pub fn psql_command(&self) -> String {
        let psql = self.bin_dir().join("psql");
        if !psql.is_file() {
            return format!("psql {}", self.url());
        }
        let libraries = self.cluster.binaries.libraries().to_string_lossy();
        let psql = shell_word(&psql.to_string_lossy());
        if libraries.is_empty() {
            return format!("{psql} {}", self.url());
        }
        format!("LD_LIBRARY_PATH={} {psql} {}", shell_word(&libraries), self.url())
    }

    fn serve(
        cluster: Cluster,
        options: &ServerOptions,
        hold: &OwnedFd,
        say: &dyn Fn(&str),
    ) -> Result<Self> {
        let version = cluster.binaries.major();
        if !cluster.data().exists() {
            say(&format!("making a private PostgreSQL {version} in {}", cluster.dir.display()));
        }
        let quick = options.settings.iter().any(|(name, value)| name == "fsync" && value == "off");
        folder::make(&cluster.dir)?;
        folder::make_private(&cluster.dir, &cluster.account)?;
        cluster.create(quick, hold)?;
        cluster.configure(&options.settings)?;
        let was_running = cluster.is_running()?;
        if !was_running {
            say(&format!("starting the private PostgreSQL {version}"));
            cluster.start(hold)?;
        }
        let sockets = cluster.sockets();
        database::ensure(&sockets, &options.database)
            .map_err(|error| error.at(cluster.dir.display().to_string()))?;
        Ok(Self { cluster, sockets, database: options.database.clone(), was_running, leash: None })
    }

    /// What the programs keep open: the leash of a scoped server, the lock of any other.
    fn hold(&self) -> Result<OwnedFd> {
        match &self.leash {
            None => folder::lock(self.dir()),
            Some(leash) => leash.try_clone().map_err(|cause| {
                Error::new(Class::Server, "cannot open another file").because(cause)
            }),
        }
    }
}

/// Fails where no server could work in `dir`, and gives the account that it would run as.
fn check_place(dir: &Path) -> Result<Account> {
    cluster::check_name(dir)?;
    let account = Account::choose(&cluster::data_in(dir))?;
    account.check_reach(dir)?;
    Ok(account)
}

/// Finds or installs the programs for a server in `dir`.
fn prepare(dir: &Path, options: &ServerOptions, say: &dyn Fn(&str)) -> Result<Cluster> {
    let binaries = binaries(dir, options.bin_dir.as_deref(), &check_place(dir)?, say)?;
    // A package may have brought a better account.
    Ok(Cluster { dir: dir.to_owned(), binaries, account: check_place(dir)? })
}

fn binaries(
    dir: &Path,
    given: Option<&Path>,
    account: &Account,
    say: &dyn Fn(&str),
) -> Result<Binaries> {
    let wanted = cluster::version_in(dir)?;
    let Some(given) = given else {
        let found = Binaries::find(search_list(), wanted, account);
        return found.map_or_else(|| install::install(wanted, account, say), Ok);
    };
    let found = Binaries::open(given, account)?;
    match wanted {
        Some(wanted) if wanted != found.major() => {
            let what = format!(
                "the data in {} are of PostgreSQL {wanted}, and the programs in {} of {}",
                dir.display(),
                given.display(),
                found.major()
            );
            Err(Error::new(Class::Server, what)
                .todo("give the programs of that version, or choose another folder for the data"))
        }
        _ => Ok(found),
    }
}

/// `dir` from the root and without symlinks, as far as it exists.
fn absolute(dir: &Path) -> Result<PathBuf> {
    let failed = |cause| {
        Error::new(Class::Server, format!("cannot look at {}", dir.display())).because(cause)
    };
    let whole = std::path::absolute(dir).map_err(failed)?;
    let there = whole.ancestors().find(|folder| folder.exists()).unwrap_or(&whole);
    let mut real = there.canonicalize().map_err(failed)?;
    real.extend(whole.strip_prefix(there).unwrap_or_else(|_same| Path::new("")));
    Ok(real)
}

/// `bytes` as a part of a URL.
fn percent_encoded(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: &u8| match *byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(encode).collect::<Vec<_>>().concat()
}

/// `text` as one word of a shell command.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::scoped::Keeper;
    use super::{Server, ServerOptions, StopMode, database, folder, prepare};
    use std::os::fd::OwnedFd;

    /// A folder for a server that stays, and yet is gone with the test.
    struct Stage {
        options: ServerOptions,
        keeper: Option<(OwnedFd, Keeper)>,
    }

    impl Stage {
        fn new(below: &str) -> Self {
            let mut options = ServerOptions::scratch();
            options.dir.push(below);
            let cluster = prepare(&options.dir, &options, &|_| ()).unwrap();
            let (keeper, leash) = Keeper::start(&cluster).unwrap();
            Self { options, keeper: Some((leash, keeper)) }
        }

        fn ensure(&self) -> Server {
            Server::ensure(&self.options, &|_| ()).unwrap()
        }

        fn set(&mut self, name: &str, value: &str) {
            self.options.settings.push((name.into(), value.into()));
        }
    }

    impl Drop for Stage {
        fn drop(&mut self) {
            if let Some((leash, mut keeper)) = self.keeper.take() {
                drop(leash);
                keeper.end().unwrap();
            }
            let _left_by_thekeeper = folder::remove(self.options.dir.parent().unwrap());
        }
    }

    fn ask(server: &Server, sql: &str) -> String {
        database::ask(server.socket_dir(), server.database(), sql).unwrap()
    }

    #[test]
    fn a_server_stays_and_is_found_running_by_whoever_asks_next() {
        let stage = Stage::new("server");
        let first = std::thread::scope(|threads| {
            let both = [threads.spawn(|| stage.ensure()), threads.spawn(|| stage.ensure())];
            let [first, second] = both.map(|thread| thread.join().unwrap());
            assert_ne!(first.was_running(), second.was_running(), "one starts it, one finds it");
            assert_eq!(first.pid().unwrap(), second.pid().unwrap());
            first
        });
        ask(&first, "CREATE TABLE kept AS SELECT 42 AS answer");
        drop(first);
        let again = stage.ensure();
        assert!(again.was_running());
        assert_eq!(ask(&again, "SELECT answer FROM kept"), "42");

        Server::remove(again.dir(), &|_| ()).unwrap();
        assert!(!again.dir().exists());
        assert!(database::ask(again.socket_dir(), "postgres", "SELECT 1").is_err());
        Server::remove(again.dir(), &|_| ()).unwrap();
    }

    #[test]
    fn a_server_that_was_killed_is_started_again_with_its_data() {
        let stage = Stage::new("server");
        let first = stage.ensure();
        ask(&first, "CREATE TABLE kept AS SELECT 42 AS answer");
        let pid = i32::try_from(first.pid().unwrap().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        super::scoped::tests::wait_until_gone(pid);
        let again = stage.ensure();
        assert!(!again.was_running());
        assert_eq!(ask(&again, "SELECT answer FROM kept"), "42");
    }

    #[test]
    fn a_server_whose_number_another_process_has_now_is_started_again() {
        let stage = Stage::new("server");
        let first = stage.ensure();
        let pid_file = first.dir().join("data/postmaster.pid");
        let text = std::fs::read_to_string(&pid_file).unwrap();
        let (_, rest) = text.split_once('\n').unwrap();
        first.stop(StopMode::Immediate).unwrap();
        let (_, keeper) = stage.keeper.as_ref().unwrap();
        std::fs::write(&pid_file, format!("{}\n{rest}", keeper.pid())).unwrap();
        assert!(!stage.ensure().was_running());
    }

    #[test]
    fn changed_settings_count_from_the_next_start() {
        let mut stage = Stage::new("server");
        stage.set("work_mem", "5MB");
        let server = stage.ensure();
        assert_eq!(ask(&server, "SHOW work_mem"), "5MB");
        stage.set("work_mem", "7MB");
        assert_eq!(ask(&stage.ensure(), "SHOW work_mem"), "5MB");
        server.restart(StopMode::Fast).unwrap();
        assert_eq!(ask(&server, "SHOW work_mem"), "7MB");
    }

    #[test]
    fn a_folder_with_a_very_long_and_odd_name_works_too() {
        let mut stage = Stage::new(&format!("it's, odd; {}", "long".repeat(30)));
        stage.options.database = "a \"b\" / ü".to_owned();
        let server = stage.ensure();
        assert!(server.socket_dir().starts_with("/tmp/"), "{}", server.socket_dir().display());
        assert_eq!(ask(&server, "SELECT current_database()"), "a \"b\" / ü");
        assert_eq!(ask(&server, "SHOW server_encoding"), "UTF8");
        assert_eq!(ask(&server, "SHOW listen_addresses"), "");
        let end = ":5432/a%20%22b%22%20%2F%20%C3%BC";
        assert!(server.url().ends_with(end), "{}", server.url());
        let psql = format!("{} -Atc 'SELECT 6 * 7'", server.psql_command());
        let said = super::program::run(super::program::clean_program("sh").args(["-c", &psql]));
        assert_eq!(said.unwrap(), "42\n");
        Server::remove(server.dir(), &|_| ()).unwrap();
        assert!(!server.socket_dir().exists());
    }

    #[test]
    fn a_server_that_does_not_start_says_why() {
        let mut stage = Stage::new("server");
        stage.set("shared_buffers", "plenty");
        let error = Server::ensure(&stage.options, &|_| ()).unwrap_err();
        assert_eq!(error.class(), crate::Class::Server);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("shared_buffers"), "{cause}");
    }

    #[test]
    fn a_folder_with_other_things_is_neither_used_nor_removed() {
        let top = tempfile::tempdir().unwrap();
        let precious = top.path().join("thesis.txt");
        std::fs::write(&precious, "years of work").unwrap();
        let options = ServerOptions::new(top.path());
        for refused in [
            Server::ensure(&options, &|_| ()).map(drop),
            Server::scoped(&options, &|_| ()).map(drop),
            Server::remove(top.path(), &|_| ()),
        ] {
            assert_eq!(refused.unwrap_err().class(), crate::Class::Server);
        }
        assert!(precious.exists());
    }

    #[test]
    fn programs_of_another_version_than_the_data_are_refused() {
        let options = ServerOptions::scratch();
        let found = prepare(&options.dir, &options, &|_| ()).unwrap();
        folder::make(&options.dir.join("data")).unwrap();
        std::fs::write(options.dir.join("data/PG_VERSION"), "14\n").unwrap();
        let given = Some(found.binaries.dir());
        let refused = super::binaries(&options.dir, given, &found.account, &|_| ());
        folder::remove(&options.dir).unwrap();
        assert!(refused.unwrap_err().to_string().contains("are of PostgreSQL 14"));
    }
}
