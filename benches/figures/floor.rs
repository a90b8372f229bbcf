//! The floor: the same rows, already encoded as COPY BINARY files, loaded by two psql at once into bare tables.

use crate::ferry::Ferry;
use crate::measure::{self, Measured};
use crate::source::Source;
use crate::stage::Stage;
use anyhow::Result;

/// Both large tables, the larger first.
pub(crate) const TABLES: [&str; 2] = ["trades", "candles"];

/// The encoded rows of a source, and a database with its bare tables.
#[derive(Debug)]
pub(crate) struct Floor<'a> {
    stage: &'a Stage,
    source: &'a Source,
}

impl<'a> Floor<'a> {
    /// Lets liteferry bring the rows to the server once, and takes them from there as COPY BINARY files. Tables as
    /// liteferry creates them, still bare, stay behind as the template of the floor's databases.
    pub(crate) fn lay(ferry: Ferry<'a>) -> Result<Self> {
        crate::table::say("encoding the rows for the floor");
        let Ferry { stage, source, .. } = ferry;
        ferry.make_tables("bare")?;
        ferry.run("encoded", Some("snapshot"))?;
        let floor = Self { stage, source };
        for table in TABLES {
            stage.psql("encoded", &[&floor.copy(table, "to")])?;
        }
        stage.drop_database("encoded")?;
        Ok(floor)
    }

    /// Bytes of the encoded rows.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let sizes =
            TABLES.map(|table| std::fs::metadata(self.stage.file(&format!("{table}.copy"))));
        let mut bytes = 0;
        for size in sizes {
            bytes += size?.len();
        }
        Ok(bytes)
    }

    /// Loads both files at once, each by a psql of its own.
    pub(crate) fn load(&self) -> Result<Measured> {
        self.stage.create_database("floor", Some("bare"))?;
        let psql = |table| self.stage.psql_command("floor", &[&self.copy(table, "from")]);
        let measured = measure::run_both(TABLES.map(psql))?;
        for table in TABLES {
            self.stage.check_rows_of("floor", table, self.source.rows_of(table))?;
        }
        self.stage.drop_database("floor")?;
        Ok(measured)
    }

    fn copy(&self, table: &str, direction: &str) -> String {
        let file = self.stage.file(&format!("{table}.copy"));
        format!("\\copy {table} {direction} '{}' (format binary)", file.display())
    }
}
