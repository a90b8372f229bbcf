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

    /// Writes each table of a database into a Parquet file in zstd, in the order of its key, and gives the bytes of all.
    pub(crate) fn parquet_bytes(
        &self,
        stage: &Stage,
        database: &str,
        source: &Source,
    ) -> Result<u64> {
        let mut command = Command::new(&self.python);
        command.arg(peers::here("parquet_by_duckdb.py")).arg(stage.url(database)).arg(stage.dir());
        let tables = source.tables().iter().map(|(table, _)| table);
        measure::run(command.args(tables.clone()))?;
        let mut bytes = 0;
        for table in tables {
            let path = stage.file(&format!("{table}.parquet"));
            bytes += std::fs::metadata(&path)?.len();
            std::fs::remove_file(path)?;
        }
        Ok(bytes)
    }
}
