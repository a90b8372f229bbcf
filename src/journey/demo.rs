//! The demo: a trading database made from a seed, moved into a private PostgreSQL while a collector goes on writing to
//! it, followed until both are the same, and proved; and a second node that comes up from the archive of it.

use super::Setting;
use super::follow::{Until, follow};
use super::restore::{self, Wanted};
use super::run::{Course, run};
use super::target::Target;
use super::verify::verify;
use crate::config::{ArchiveSection, Pipeline};
use crate::error::{Class, Error, Place, Result};
use crate::model::Motion;
use crate::pipeline::beside::beside;
use crate::sample::trading::{Sizes, Trading};
use crate::status::Report;
use crate::store::postgres::server::{Server, ServerOptions, default_dir};
use crate::store::sqlite::collect::Collector;
use crate::store::sqlite::fill::{Journal, fill};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The pipeline file of the system that the demo imitates.
const PIPELINE: &str = include_str!("../../pipelines/gecko.toml");
const SOURCE: &str = "gecko_data.db";
const SOURCE_LOG: &str = "gecko_data.db-wal";
const SOURCE_LOG_INDEX: &str = "gecko_data.db-shm";
const PIPELINE_NAME: &str = "gecko.toml";
const ARCHIVE: &str = "archive";
/// The databases of both nodes.
const NODES: [&str; 2] = ["gecko", "second_node"];
/// How long the collector pauses between two transactions.
const COLLECTED_EVERY: Duration = Duration::from_millis(5);
/// The same rows for everybody.
const SEED: u64 = 1;
/// What PostgreSQL needs for the same rows twice, as a share of the SQLite file: tables and indexes, and its log.
const TARGET_SHARE: u64 = 4;
/// What any cluster needs, and its log while rows stream in.
const CLUSTER_BYTES: u64 = 1_200_000_000;

/// Where the demo is and how large.
#[derive(Debug, Clone)]
pub struct Demo {
    folder: PathBuf,
    sizes: Sizes,
}

/// What the demo left behind for a look around.
#[derive(Debug)]
pub struct Shown {
    /// What the run came to.
    pub report: Report,
    /// The folder of everything.
    pub folder: PathBuf,
    /// The SQLite file.
    pub source: PathBuf,
    /// Its size in bytes.
    pub source_bytes: u64,
    /// The address of the private server.
    pub target: String,
    /// The archive.
    pub archive: PathBuf,
    /// The address of the database that was restored from it.
    pub second: String,
    /// What to type for a look with psql.
    pub psql: String,
    /// The pipeline file, to read and to play with.
    pub pipeline: PathBuf,
}

impl Demo {
    /// A demo of about so many rows, in `folder` or where demos are by default.
    pub fn new(rows: u64, folder: Option<PathBuf>) -> Self {
        Self { folder: folder.unwrap_or_else(default_folder), sizes: Sizes::for_rows(rows) }
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many rows there will be.
    pub fn rows(&self) -> u64 {
        self.sizes.total()
    }

    /// How much disk the demo needs, about.
    pub fn disk_bytes(&self) -> u64 {
        self.sizes.sqlite_bytes().saturating_mul(1 + TARGET_SHARE).saturating_add(CLUSTER_BYTES)
    }

    /// Deletes what an earlier demo made.
    ///
    /// # Errors
    ///
    /// A folder that is not of a demo, or a server that does not stop.
    pub fn clean(&self, say: &dyn Fn(&str)) -> Result<()> {
        Server::remove(&self.server_dir(), say)?;
        // SQLite may have left its log and the log's index beside the file.
        for name in [SOURCE, SOURCE_LOG, SOURCE_LOG_INDEX, PIPELINE_NAME] {
            remove_if_there(&self.folder.join(name))?;
        }
        match fs::remove_dir_all(self.archive()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_failed("cannot delete", &self.archive(), error));
            }
            _ => {}
        }
        match fs::remove_dir(&self.folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(file_failed("cannot delete", &self.folder, error)
                    .todo("something else is in it: look, and delete it yourself"));
            }
        }
        if self.folder == default_folder()
            && let Some(above) = self.folder.parent()
        {
            // The private server may be there too: then the folder stays.
            let _not_empty = fs::remove_dir(above);
        }
        Ok(())
    }

    /// Makes the database, moves it and proves it; an earlier demo is deleted first.
    ///
    /// # Errors
    ///
    /// Too little disk, no server, or whatever a run may meet.
    pub fn play(
        &self,
        bin_dir: Option<&Path>,
        say: &dyn Fn(&str),
        filled: &mut dyn FnMut(u64),
        setting: Setting<'_>,
    ) -> Result<Shown> {
        self.clean(say)?;
        fs::create_dir_all(&self.folder)
            .map_err(|error| file_failed("cannot create", &self.folder, error))?;
        self.check_disk()?;
        say("making a trading database");
        let sample = Trading::new(SEED, self.sizes);
        fill(&self.source(), &sample, Journal::Wal, filled)?;
        setting.stop.check()?;
        let [first, second] = NODES.map(|database| ServerOptions {
            bin_dir: bin_dir.map(Into::into),
            database: database.into(),
            ..ServerOptions::new(self.server_dir())
        });
        let target = Target::private(&first, say)?;
        let pipeline = self.pipeline(&target)?;
        say("a collector goes on writing to it while it is moved");
        let mut collector = Collector::open(&self.source(), sample)?;
        let collect = || collector.collect();
        let course = Course { motion: Motion::Moving, ..Course::default() };
        let report = beside(COLLECTED_EVERY, setting.stop, collect, || {
            run(&pipeline, &target.conninfo, &course, setting)
        })?;
        say(&format!(
            "the collector has written {} transactions meanwhile, and ends",
            collector.transactions()
        ));
        let report = if report.equal() {
            follow(&pipeline, &target.conninfo, Until::CaughtUp, setting)?;
            let last = verify(&pipeline, &target.conninfo, None, setting)?;
            let phases =
                report.phases.into_iter().chain([("last proof", last.duration())]).collect();
            Report { phases, copied_rows: report.copied_rows, command: report.command, ..last }
        } else {
            report
        };
        let second = Target::private(&second, say)?;
        let report = if report.equal() {
            say("a second node comes up from the archive");
            let node = restore::to_target(&self.wanted(), &second.conninfo, setting)?;
            let took = node.duration();
            check_same(&report, &node)?;
            let phases = report.phases.into_iter().chain([("second node", took)]).collect();
            Report { phases, archive: node.archive, ..report }
        } else {
            report
        };
        let source_bytes = fs::metadata(self.source()).map_or(0, |file| file.len());
        Ok(Shown {
            report,
            folder: self.folder.clone(),
            source: self.source(),
            source_bytes,
            target: target.display(),
            archive: self.archive(),
            second: second.display(),
            psql: target.server.as_ref().map(Server::psql_command).unwrap_or_default(),
            pipeline: self.pipeline_file(),
        })
    }

    /// The pipeline file with the demo's own ends.
    fn pipeline(&self, target: &Target) -> Result<Pipeline> {
        let text = PIPELINE
            .replace(
                "path = \"gecko_data.db\"",
                &format!("path = {}", toml_text(&self.source().to_string_lossy())),
            )
            .replace("url = \"local\"", &format!("url = {}", toml_text(&target.display())));
        let archive = toml_text(&self.archive().to_string_lossy());
        let text = format!("{text}\n[archive]\nurl = {archive}\n");
        let file = self.pipeline_file();
        fs::write(&file, text).map_err(|error| file_failed("cannot write", &file, error))?;
        Pipeline::read(&file)
    }

    fn check_disk(&self) -> Result<()> {
        let free = rustix::fs::statvfs(&self.folder)
            .map(|system| system.f_bavail.saturating_mul(system.f_frsize))
            .map_err(|error| file_failed("cannot measure", &self.folder, error.into()))?;
        if free >= self.disk_bytes() {
            return Ok(());
        }
        let megabytes = |bytes: u64| bytes / 1_000_000;
        Err(Error::new(
            Class::Usage,
            format!(
                "the demo needs about {} MB of disk, {} MB are free",
                megabytes(self.disk_bytes()),
                megabytes(free)
            ),
        )
        .todo("give fewer --rows, or another --dir"))
        .at(|| self.folder.display().to_string())
    }

    fn source(&self) -> PathBuf {
        self.folder.join(SOURCE)
    }

    fn pipeline_file(&self) -> PathBuf {
        self.folder.join(PIPELINE_NAME)
    }

    fn archive(&self) -> PathBuf {
        self.folder.join(ARCHIVE)
    }

    /// All of the newest generation.
    fn wanted(&self) -> Wanted {
        Wanted {
            archive: ArchiveSection::at(&self.archive().to_string_lossy()),
            generation: None,
            root: None,
            tables: BTreeSet::new(),
            to_follow: false,
        }
    }

    fn server_dir(&self) -> PathBuf {
        self.folder.join("server")
    }
}

/// Fails unless the second node has what the first one has.
fn check_same(first: &Report, second: &Report) -> Result<()> {
    let told = |report: &Report| -> Vec<_> {
        let tables = report.tables.iter();
        tables.map(|table| (table.name.clone(), table.digest_target.clone())).collect()
    };
    if second.equal() && told(first) == told(second) {
        return Ok(());
    }
    Err(Error::new(Class::NotEqual, "the second node has other rows than the first one"))
}

/// Beside the private server's own folder.
fn default_folder() -> PathBuf {
    default_dir().with_file_name("demo")
}

fn toml_text(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn remove_if_there(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file_failed("cannot delete", file, error))
        }
        _ => Ok(()),
    }
}

fn file_failed(what: &str, file: &Path, error: std::io::Error) -> Error {
    Error::new(Class::Access, format!("{what} {}", file.display())).because(error)
}
