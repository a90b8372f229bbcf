//! The private PostgreSQL: found or installed, made, started and kept by liteferry itself.
//!
//! One folder holds one server: its data, its socket, its log. It listens on a Unix socket only, in a folder that
//! nobody else may enter, so it needs no password. [`Server::ensure`] gives a server that stays when liteferry ends
//! (`--target local`, the demo), [`Server::scoped`] one that ends with its owner (tests).
//!
//! The programs are searched for in PATH and in the usual places of Debian, PGDG and Homebrew. The environment variable
//! `LITEFERRY_PG_SEARCH` replaces all of these by a list of folders, separated by colons; an empty folder hides the
//! PostgreSQL of the machine.
//!
//! `prepare` chooses the account and finds the programs (`binaries`) or has them installed (`install`, with `apt` or
//! `unpack`); `cluster` makes, starts and stops with them; `database` asks; `address` says how others reach it.

mod account;
mod address;
mod apt;
mod binaries;
mod cluster;
mod database;
mod folder;
mod install;
mod options;
mod prepare;
mod program;
mod programs;
mod scoped;
#[cfg(test)]
mod tests;
mod unpack;

pub use options::{ServerOptions, default_dir};
pub(super) use program::tail;
pub use programs::Programs;
pub use scoped::Scoped;

use crate::error::{Class, Error, Result};
use account::Account;
use binaries::{Binaries, search_list};
use cluster::Cluster;
use prepare::{check_place, prepare};
use scoped::Keeper;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

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
        let dir = folder::absolute(&options.dir)?;
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
        let dir = folder::absolute(&options.dir)?;
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
        let dir = folder::absolute(dir)?;
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
