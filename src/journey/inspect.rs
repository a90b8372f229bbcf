//! The source seen through: its schema, and the census of every value.

use super::Setting;
use super::reject::check_remedies;
use crate::config::Pipeline;
use crate::error::{Class, Error, Place, Result};
use crate::model::{
    Probe, RowRange, SourceColumn, SourceSchema, SourceTable, TableEvidence, TargetTable,
};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::{self, Facts, Plan, fit, types};
use crate::store::sqlite::census;
use crate::store::sqlite::connection::{FileStamp, Source};
use crate::store::sqlite::introspect;
use crate::store::sqlite::read::Reader;

/// Parts of one table that the census may be divided into.
const PARTS_MAX: u64 = 64;

/// Pieces of a chunk's size that the census cuts: neighbours are joined to chunks across the parts of a table.
const STRETCHES_PER_CHUNK: u64 = 4;

/// An open source with its schema.
#[derive(Debug)]
pub struct Inspected {
    /// The file.
    pub source: Source,
    /// What `stat` said before anything was read.
    pub stamp: FileStamp,
    /// Its schema.
    pub schema: SourceSchema,
    /// blake3 of its schema.
    pub schema_hash: String,
}

impl Inspected {
    /// Opens the source and reads its schema.
    ///
    /// # Errors
    ///
    /// A file that is not there, or no readable database.
    pub fn open(pipeline: &Pipeline) -> Result<Self> {
        let source = Source::open(&pipeline.source.path)?;
        let stamp = source.stamp()?;
        let connection = source.connect()?;
        let schema = introspect::introspect(&connection)?;
        let schema_hash = introspect::fingerprint(&connection)?;
        Ok(Self { source, stamp, schema, schema_hash })
    }

    /// Opens `count` readers that all see one state of the source.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where somebody wrote while they were opened.
    pub fn readers(&self, count: usize) -> Result<Vec<Reader>> {
        let open = || Reader::new(self.source.connect()?);
        let readers = (0..count.max(1)).map(|_| open()).collect::<Result<Vec<_>>>()?;
        // The first one would notice a commit that the others have seen and it has not.
        readers.first().map_or(Ok(()), Reader::check_unchanged)?;
        Ok(readers)
    }

    /// Looks at every value and decides everything; `target` has the tables that exist.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`] where the user must decide first.
    pub fn plan(
        &self,
        pipeline: &Pipeline,
        target: &[TargetTable],
        setting: Setting<'_>,
    ) -> Result<Plan> {
        let evidence = self.census(pipeline, target, setting)?;
        if self.source.stamp()? != self.stamp {
            return Err(Error::new(
                Class::SourceChanged,
                "the source was written to during the census",
            )
            .todo("stop what writes to it and run the same command again"));
        }
        let facts = Facts {
            schema: &self.schema,
            schema_hash: &self.schema_hash,
            evidence: &evidence,
            pipeline,
            target,
        };
        let plan = plan::build(&facts)?;
        plan.tables.iter().try_for_each(|table| check_remedies(&table.schema))?;
        Ok(plan)
    }

    fn census(
        &self,
        pipeline: &Pipeline,
        target: &[TargetTable],
        setting: Setting<'_>,
    ) -> Result<Vec<TableEvidence>> {
        setting.progress.tell(Event::Phase(Phase::Census));
        let readers = self.readers(setting.workers)?;
        let tables = &self.schema.tables;
        let probes = tables
            .iter()
            .map(|table| probes(table, pipeline, target))
            .collect::<Result<Vec<_>>>()?;
        let stretch_bytes = pipeline.snapshot.chunk_bytes / STRETCHES_PER_CHUNK;
        let jobs = self.census_jobs(&readers)?;
        let seen = workers::over(&jobs, readers, setting.stop, |reader, &(number, range)| {
            let (Some(table), Some(probes)) = (tables.get(number), probes.get(number)) else {
                return Err(Error::internal("a census of no table"));
            };
            census::take(reader, table, probes, range, stretch_bytes, &mut |rows, bytes| {
                setting.progress.tell(Event::Rows { table: table.name.clone(), rows, bytes });
                reach(Step::CensusPassing);
                setting.stop.check()
            })
        })?;
        let mut evidence: Vec<_> = tables.iter().map(TableEvidence::empty).collect();
        for (&(number, _), part) in jobs.iter().zip(seen) {
            if let Some(table) = evidence.get_mut(number) {
                table.append(part);
            }
        }
        Ok(evidence)
    }

    fn census_jobs(&self, readers: &[Reader]) -> Result<Vec<(usize, RowRange)>> {
        let reader = readers.first().ok_or_else(|| Error::internal("a census without a reader"))?;
        let mut jobs = Vec::new();
        for (number, table) in self.schema.tables.iter().enumerate() {
            let parts = census::divide(reader, table, PARTS_MAX)?;
            jobs.extend(parts.into_iter().map(|range| (number, range)));
        }
        Ok(jobs)
    }
}

/// What the census shall ask of each column.
fn probes(table: &SourceTable, pipeline: &Pipeline, target: &[TargetTable]) -> Result<Vec<Probe>> {
    let names = pipeline.target.identifiers;
    let found =
        fit::table(&names.fold(&table.name), target).at(|| format!("table {}", table.name))?;
    let ask = |column: &SourceColumn| {
        let there = found.map(|found| fit::column(&names.fold(&column.name), found)).transpose();
        there
            .and_then(|there| {
                let said = pipeline.column(&table.name, &column.name);
                types::probe(column, said, there.flatten())
            })
            .at(|| format!("column {}", column.name))
    };
    table.columns.iter().map(ask).collect::<Result<_>>().at(|| format!("table {}", table.name))
}
