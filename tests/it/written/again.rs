//! From one SQLite file to another, by batches of rows and the cells that are kept beside them.

use liteferry::config::Pipeline;
use liteferry::error::{Error, Result};
use liteferry::journey::Setting;
use liteferry::journey::inspect::Inspected;
use liteferry::model::{Motion, RawCell, TextEncoding};
use liteferry::pipeline::Stop;
use liteferry::pipeline::budget::Budget;
use liteferry::pipeline::progress::Silent;
use liteferry::plan::Plan;
use liteferry::store::sqlite::ReadBatch;
use liteferry::store::sqlite::original::original;
use liteferry::store::sqlite::read::Reader;
use liteferry::store::sqlite::write::{Begun, KeptCell, Making, TableWriter};
use liteferry::transform::Transform;
use std::path::Path;

/// Reads a file as a run does, and writes all that is read into another one; what is told at the end, and how many cells
/// and rows were kept.
pub(crate) fn again(
    from: &Path,
    to: &Path,
    pipeline: Option<Pipeline>,
    motion: Motion,
) -> Result<(Vec<String>, [usize; 2])> {
    let mut pipeline = pipeline.unwrap_or_else(|| Pipeline::of(from, "local"));
    pipeline.source.path = from.into();
    let (stop, budget) = (Stop::default(), Budget::new(64 << 20));
    let inspected = Inspected::open_as(motion, &pipeline, &stop)?;
    let setting = Setting { stop: &stop, progress: &Silent, workers: 1, budget: &budget };
    let plan = inspected.plan(&pipeline, &[], setting)?;
    let readers = inspected.readers(1)?;
    let reader = &readers[0];
    let file = original(reader.connection())?;
    let tables = plan.tables.iter().map(|table| table.schema.source.clone());
    let tables = tables.chain(file.shadows().map(|table| table.name.clone())).collect();
    let making = Making { file: &file, tables: &tables, of: "" };
    let made = fill(to, making, &plan, reader);
    if made.is_err() {
        making.discard(to);
    }
    made
}

/// Makes a file of all that a reader reads.
fn fill(
    to: &Path,
    making: Making<'_>,
    plan: &Plan,
    reader: &Reader,
) -> Result<(Vec<String>, [usize; 2])> {
    let Begun::Filling(writer) = Begun::at(to, making, &Stop::default())? else {
        return Err(Error::internal("all is in a new file"));
    };
    let mut kept = [0, 0];
    for table in plan.tables.iter().map(|table| &table.schema) {
        let transform = Transform::new(table)?;
        let mut rows = writer.table(table)?;
        for range in &table.chunks {
            reader.read::<Error>(table, *range, |batch| {
                write(&mut rows, &transform, &batch, &mut kept)
            })?;
        }
    }
    for table in making.file.shadows() {
        let mut rows = writer.kept_whole(&table.name)?;
        reader.read_whole::<Error>(table, |name, cells| rows.whole(&name, cells))?;
    }
    Ok((writer.finish()?.publish()?, kept))
}

fn write(
    rows: &mut TableWriter<'_>,
    transform: &Transform<'_>,
    batch: &ReadBatch,
    counts: &mut [usize; 2],
) -> Result<()> {
    let cell = |at: usize, column: usize, cell: &RawCell, encoding: TextEncoding| KeptCell {
        at,
        column,
        cell: cell.clone(),
        encoding,
    };
    let exceptions = batch.exceptions.iter();
    let exceptions = exceptions.map(|(at, it)| cell(*at, it.column, &it.cell, TextEncoding::Utf8));
    let misfits = batch.misfits.iter();
    let misfits =
        misfits.filter_map(|(at, it)| Some(cell((*at)?, it.column, &it.cell, it.encoding)));
    let mut kept: Vec<_> = exceptions.chain(misfits).collect();
    kept.sort_by_key(|cell| (cell.at, cell.column));
    *counts = [counts[0] + kept.len(), counts[1] + batch.rejected.len()];
    rows.rows(&transform.apply(&batch.records)?, &kept)?;
    batch.rejected.iter().try_for_each(|row| rows.raw(&row.cells))
}
