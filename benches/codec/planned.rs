//! A source and its tables as liteferry plans them.

use liteferry::config::{Pipeline, TableSection};
use liteferry::journey::inspect::Inspected;
use liteferry::journey::{BUDGET_BYTES, Setting};
use liteferry::model::TableSchema;
use liteferry::pipeline::progress::Silent;
use liteferry::pipeline::{Budget, Stop};
use liteferry::store::sqlite::read::Reader;
use liteferry::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A SQLite file, open, with a plan.
pub(crate) struct Planned {
    pub(crate) reader: Reader,
    pub(crate) tables: Vec<TableSchema>,
    _folder: TempDir,
}

impl Planned {
    /// Lets `fill` make the file, and plans it with what is said of its tables.
    pub(crate) fn new(
        fill: impl FnOnce(&Path) -> Result<()>,
        said: BTreeMap<String, TableSection>,
    ) -> Result<Self> {
        let failed = |cause| Error::internal("no folder for a source").because(cause);
        let folder = tempfile::tempdir().map_err(failed)?;
        let path: PathBuf = folder.path().join("bench.db");
        fill(&path)?;
        let pipeline = Pipeline { tables: said, ..Pipeline::of(&path, "local") };
        let (stop, budget) = (Stop::default(), Budget::new(BUDGET_BYTES));
        let inspected = Inspected::open(&pipeline, &stop)?;
        let setting = Setting { stop: &stop, progress: &Silent, workers: 1, budget: &budget };
        let plan = inspected.plan(&pipeline, &[], setting)?;
        let tables = plan.tables.into_iter().map(|table| table.schema).collect();
        let reader = Reader::new(inspected.source.connect()?)?;
        Ok(Self { reader, tables, _folder: folder })
    }
}
