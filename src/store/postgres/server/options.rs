//! Which server is wanted, and where it is unless another folder is given.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

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
    /// [`Server::scoped`](super::Server::scoped).
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

/// Where root's server is unless another folder is given.
pub(super) const ROOT_DIR: &str = "/var/lib/liteferry/server";
