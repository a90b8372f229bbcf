//! The place of a measurement: a folder in memory where there is room, the sample database, and a private server.

use anyhow::{Context, Result, ensure};
use liteferry::sample::Sample;
use liteferry::sample::bench::{Bench, Sizes};
use liteferry::store::postgres::server::{Scoped, Server, ServerOptions};
use liteferry::store::sqlite::fill::{Journal, fill};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const MEMORY: &str = "/dev/shm";
/// Everything, as a multiple of the SQLite file: itself, the floor's files, tables of both sides, and the server's log.
const SHARE: u64 = 6;
/// What stays free besides: the server's shared buffers and the programs themselves.
const RESERVE: u64 = 4 << 30;
const SEED: u64 = 1;
/// A server with room, but as durable as users have it.
const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "1GB"), ("max_wal_size", "16GB")];

/// Files and server of one size; all are gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    sizes: Sizes,
    // The server ends before its folder goes.
    server: Scoped,
    dir: TempDir,
}

impl Stage {
    /// Makes the sample database and starts the server.
    pub(crate) fn set(rows: u64, dir: Option<&Path>) -> Result<Self> {
        let sizes = Sizes::for_rows(rows);
        let parent = dir.map_or_else(|| place(&sizes), Path::to_path_buf);
        // The server may run as another account, which must get through.
        let dir = tempfile::Builder::new()
            .prefix("liteferry-bench-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(&parent)
            .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        let mut options = ServerOptions::new(dir.path().join("server"));
        options.settings = SETTINGS.map(|(name, value)| (name.into(), value.into())).into();
        let server = Server::scoped(&options, &super::table::say)?;
        let stage = Self { sizes, server, dir };
        super::table::say(&format!("making {} rows in {}", sizes.total(), parent.display()));
        fill(&stage.source(), &Bench::new(SEED, sizes), Journal::Delete, &mut |_done| ())?;
        Ok(stage)
    }

    /// All rows.
    pub(crate) fn rows(&self) -> u64 {
        self.sizes.total()
    }

    /// The rows that a table must have.
    pub(crate) fn rows_of(&self, table: &str) -> u64 {
        let tables = Bench::new(SEED, self.sizes).tables();
        let found = tables.iter().find(|(name, _)| name.to_string() == table);
        found.map_or(0, |(_, rows)| *rows)
    }

    /// The folder of everything.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The SQLite file.
    pub(crate) fn source(&self) -> PathBuf {
        self.dir.path().join("bench.db")
    }

    /// Its size.
    pub(crate) fn source_bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.source())?.len())
    }

    /// The encoded rows of a table.
    pub(crate) fn file(&self, table: &str) -> PathBuf {
        self.dir.path().join(format!("{table}.copy"))
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let url = self.server.url();
        url.strip_suffix(self.server.database())
            .map_or_else(|| url.clone(), |server| format!("{server}{database}"))
    }

    /// Makes a database, empty or a copy of `template`, in place of an earlier one of that name.
    pub(crate) fn create_database(&self, database: &str, template: Option<&str>) -> Result<()> {
        let template = template.unwrap_or("template0");
        let away = format!("DROP DATABASE IF EXISTS {database}");
        let anew = format!("CREATE DATABASE {database} TEMPLATE {template}");
        self.psql(self.server.database(), &[&away, &anew]).map(drop)
    }

    /// Runs commands by psql and gives what they print.
    pub(crate) fn psql(&self, database: &str, commands: &[&str]) -> Result<String> {
        let output = self.psql_command(database, commands).output().context("cannot run psql")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "psql failed at {}: {said}", commands.join("; "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// psql with commands to run in a database.
    pub(crate) fn psql_command(&self, database: &str, commands: &[&str]) -> Command {
        let mut psql = Command::new("sh");
        psql.arg("-c").arg(format!("{} \"$@\"", self.server.psql_command())).arg("sh");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-c", &format!("\\connect {database}")]);
        for command in commands {
            psql.args(["-c", command]);
        }
        psql
    }
}

/// The folder for temporary files, unless there is room in memory.
fn place(sizes: &Sizes) -> PathBuf {
    let needed = sizes.sqlite_bytes().saturating_mul(SHARE).saturating_add(RESERVE);
    let room = rustix::fs::statvfs(MEMORY).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    if room.min(available_memory()) >= needed { MEMORY.into() } else { std::env::temp_dir() }
}

/// Bytes that programs can still have, as Linux tells.
fn available_memory() -> u64 {
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    super::measure::kilobytes(&told, "MemAvailable:").unwrap_or(0)
}
