//! The place of all measurements: a folder in memory where there is room, and a private server with its databases.

use crate::source::Source;
use anyhow::{Context, Result, ensure};
use liteferry::pipeline::Stop;
use liteferry::sample::bench::Sizes;
use liteferry::store::postgres::server::{Scoped, Server, ServerOptions};
use std::cell::OnceCell;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const MEMORY: &str = "/dev/shm";
/// Everything, as a multiple of the SQLite file: itself, the floor's files, tables of two sides, the server's log, and an
/// archive with the files that are restored of it.
const SHARE: u64 = 9;
/// What stays free besides: the server's shared buffers and the programs themselves.
const RESERVE: u64 = 4 << 30;
/// A server with room, but as durable as users have it. The times of commits tell when the first row was there.
const SETTINGS: [(&str, &str); 3] =
    [("shared_buffers", "1GB"), ("max_wal_size", "16GB"), ("track_commit_timestamp", "on")];

/// Files and server; all are gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Stage {
    sizes: Sizes,
    sample: OnceCell<Source>,
    stop: Stop,
    // The server ends before its folder goes.
    server: Scoped,
    dir: TempDir,
}

impl Stage {
    /// Starts the server in a folder with room for a sample of so many rows.
    pub(crate) fn set(rows: u64, dir: Option<&Path>, stop: Stop) -> Result<Self> {
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
        let server = Server::scoped(&options, &crate::table::say)?;
        Ok(Self { sizes, sample: OnceCell::new(), stop, server, dir })
    }

    /// The sample of the size that was asked for, made when it is first needed.
    pub(crate) fn sample(&self) -> Result<&Source> {
        if self.sample.get().is_none() {
            let made = Source::sample(&self.file("bench.db"), self.sizes)?;
            return Ok(self.sample.get_or_init(|| made));
        }
        self.sample.get().context("no sample")
    }

    /// The folder of everything.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The path of a SQLite file in it that is to be made: an earlier one is gone, with what lay beside it.
    pub(crate) fn fresh_file(&self, name: &str) -> PathBuf {
        for suffix in ["", "-wal", "-shm"] {
            let _not_there = std::fs::remove_file(self.file(&format!("{name}{suffix}")));
        }
        self.file(name)
    }

    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let url = self.server.url();
        url.strip_suffix(self.server.database())
            .map_or_else(|| url.clone(), |server| format!("{server}{database}"))
    }

    /// Makes a database, empty or a copy of `template`, in place of an earlier one of that name, and lets the server
    /// write out whatever it still holds. Here a measurement can be stopped.
    pub(crate) fn create_database(&self, database: &str, template: Option<&str>) -> Result<()> {
        self.stop.check()?;
        let template = template.unwrap_or("template0");
        self.drop_database(database)?;
        let create = format!("CREATE DATABASE {database} TEMPLATE {template}");
        self.psql(self.server.database(), &[&create, "CHECKPOINT"]).map(|_said| ())
    }

    /// Makes room.
    pub(crate) fn drop_database(&self, database: &str) -> Result<()> {
        let drop = format!("DROP DATABASE IF EXISTS {database}");
        self.psql(self.server.database(), &[&drop]).map(|_said| ())
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
        psql.arg("-c").arg(format!("exec {} \"$@\"", self.server.psql_command())).arg("sh");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-c", &format!("\\connect {database}")]);
        for command in commands {
            psql.args(["-c", command]);
        }
        psql
    }

    /// Fails where a table of the target has not as many rows as that of the source.
    pub(crate) fn check_rows(&self, database: &str, source: &Source) -> Result<()> {
        source
            .tables()
            .iter()
            .try_for_each(|(table, rows)| self.check_rows_of(database, table, *rows))
    }

    /// Fails where a table has not so many rows.
    pub(crate) fn check_rows_of(&self, database: &str, table: &str, rows: u64) -> Result<()> {
        let found = self.psql(database, &[&format!("SELECT count(*) FROM {table}")])?;
        let found = found.trim();
        ensure!(found.parse() == Ok(rows), "{database} has {found} rows of {table}, not {rows}");
        Ok(())
    }

    /// Seconds from `began` until the first rows that liteferry's ledger knows were committed.
    pub(crate) fn first_row(&self, database: &str, began: SystemTime) -> Result<f64> {
        let first = "SELECT extract(epoch FROM min(pg_xact_commit_timestamp(xmin))) FROM liteferry.chunk WHERE rows > 0";
        let first: f64 = self.psql(database, &[first])?.trim().parse().context("no first row")?;
        let began = began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Ok(first - began.as_secs_f64())
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
    crate::measure::kilobytes(&told, "MemAvailable:").unwrap_or(0)
}
