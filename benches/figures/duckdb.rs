//! DuckDB: `CREATE TABLE … AS SELECT * FROM` an attached SQLite file into an attached PostgreSQL; no keys, no proof.

use crate::measure::{self, Measured};
use crate::peers;
use crate::source::Source;
use crate::stage::Stage;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// DuckDB, ready to run.
#[derive(Debug)]
pub(crate) struct Duckdb {
    python: PathBuf,
}

impl Duckdb {
    /// Fetches it where that has not been done.
    pub(crate) fn fetch() -> Result<Self> {
        Ok(Self { python: peers::fetch("duckdb")?.join("bin/python") })
    }

    /// Copies all tables, one after the other, as DuckDB does by itself; gives the seconds of the copies, without those
    /// that Python and the extensions need to start, and the whole process.
    pub(crate) fn copy(&self, stage: &Stage, source: &Source) -> Result<(f64, Measured)> {
        stage.create_database("duckdb", None)?;
        let mut command = Command::new(&self.python);
        command.arg(peers::here("by_duckdb.py")).arg(source.path()).arg(stage.url("duckdb"));
        command.args(source.tables().iter().map(|(table, _)| table));
        let whole = measure::run(&mut command)?;
        stage.check_rows("duckdb", source)?;
        stage.drop_database("duckdb")?;
        Ok((whole.stdout.trim().parse().context("DuckDB's seconds")?, whole))
    }
}
