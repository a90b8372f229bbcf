//! pgloader: everything that it does by itself, which is tables, rows, indexes, foreign keys and sequences; no proof.

use crate::measure::{self, Measured};
use crate::peers;
use crate::source::Source;
use crate::stage::Stage;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// Megabytes that its Lisp may use.
const MEMORY: &str = "8192";

/// pgloader, ready to run.
#[derive(Debug)]
pub(crate) struct Pgloader {
    program: PathBuf,
}

impl Pgloader {
    /// Fetches it where that has not been done.
    pub(crate) fn fetch() -> Result<Self> {
        Ok(Self { program: peers::fetch("pgloader")?.join("pgloader") })
    }

    /// Moves everything, into a database that stays.
    pub(crate) fn run(&self, stage: &Stage, source: &Source, database: &str) -> Result<Measured> {
        stage.create_database(database, None)?;
        let script = stage.file("pgloader.load");
        std::fs::write(&script, load_script(stage, source, database))?;
        let mut command = Command::new(&self.program);
        command.args(["--dynamic-space-size", MEMORY, "--root-dir"]).arg(stage.file("pgloader"));
        let measured = measure::run(command.arg(&script))?;
        stage.check_rows(database, source)?;
        Ok(measured)
    }
}

fn load_script(stage: &Stage, source: &Source, database: &str) -> String {
    let server = stage.server();
    format!(
        "LOAD DATABASE FROM sqlite://{}\nINTO postgresql://{}@unix:{}:{}/{database}\n\
         WITH create tables, create indexes, reset sequences, prefetch rows = 2000;\n",
        source.path().display(),
        server.user(),
        server.socket_dir().display(),
        server.port()
    )
}
