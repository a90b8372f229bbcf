//! Restoring into a SQLite file: as the original was, every cell with its storage class and its bytes.

use super::{Chosen, Wanted};
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::Setting;
use crate::journey::archive::ArchivedRows;
use crate::journey::archive::merged::{Merged, Unit};
use crate::journey::run::Clock;
use crate::journey::snapshot::read_source;
use crate::model::{Chunk, DigestSum, OriginalFile, RowRange, TextEncoding};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::stage::{self, Halt, Made, Outlet};
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::proof::{Summing, TableProof};
use crate::row::TupleEncoder;
use crate::status::{Report, TableReport};
use crate::store::parquet::Kept;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::write::{DatabaseWriter, KeptCell, TableWriter};
use std::collections::BTreeSet;
use std::path::Path;

/// Restores a generation into a file that is not there yet, and appears when it is complete.
///
/// # Errors
///
/// [`Class::Damaged`]: the archive is not what was written; [`Class::Usage`]: something has the file's name. Else what the
/// disk says. Nothing is left behind then.
pub fn to_file(wanted: &Wanted, path: &Path, setting: Setting<'_>) -> Result<Report> {
    let mut clock = Clock::start();
    if path.symlink_metadata().is_ok() {
        return Err(Error::new(Class::Usage, "there is a file of this name")
            .todo("name another one, or move it away")
            .at(format!("database {}", path.display())));
    }
    setting.progress.tell(Event::Phase(Phase::Check));
    let chosen = Chosen::open(wanted, setting)?;
    clock.lap(Phase::Check);
    let file = chosen.file(wanted);
    let writer = DatabaseWriter::create(path, &file, setting.stop)?;
    setting.progress.tell(Event::Phase(Phase::Snapshot));
    let all = chosen.files();
    let mut written = Vec::new();
    for planned in &chosen.plan.tables {
        let merged = Merged::open(chosen.archive.files(), &all, &planned.schema)?;
        let table = restore_table(&merged, &writer, setting);
        written.push(table.at(|| format!("table {}", planned.schema.source))?);
    }
    for file in all.iter().filter(|it| it.kind == FileKind::Whole) {
        if chosen.has_shadow(&file.table, wanted) {
            restore_whole(&chosen, file, &writer).at(|| format!("table {}", file.table))?;
        }
    }
    clock.lap(Phase::Snapshot);
    setting.progress.tell(Event::Phase(Phase::Index));
    reach(Step::FileFilled);
    let mut tables = Vec::new();
    let warnings = writer.finish(|path| {
        clock.lap(Phase::Index);
        tables = prove(path, &chosen.plan, &written, setting)?;
        clock.lap(Phase::Proof);
        Ok(())
    })?;
    reach(Step::FileNamed);
    let copied_rows = tables.iter().map(|table: &TableReport| table.source_rows).sum();
    let archive = Some(chosen.archive.report(&chosen.opened));
    Ok(chosen.told(Report {
        command: "restore",
        phase: "restored".into(),
        tables,
        phases: clock.laps(),
        copied_rows,
        warnings,
        archive,
        ..Report::default()
    }))
}

impl Chosen {
    /// Whether a table that was kept whole belongs to the file.
    fn has_shadow(&self, table: &str, wanted: &Wanted) -> bool {
        let mut shadows = self.opened.manifest.schema.file.shadows();
        let is_wanted = wanted.tables.is_empty() || wanted.tables.contains(table);
        is_wanted && shadows.any(|shadow| shadow.name == table)
    }

    /// The file that is made: of some tables, only what belongs to them.
    fn file(&self, wanted: &Wanted) -> OriginalFile {
        let mut file = self.opened.manifest.schema.file.clone();
        if !wanted.tables.is_empty() {
            // SQLite's own tables stay, with what they say of these.
            let is_own = |name: &str| name.starts_with("sqlite_");
            let is_wanted = |table: &str| wanted.tables.contains(table);
            file.objects.retain(|object| is_wanted(&object.table) || is_own(&object.name));
            file.own_rows.retain(|row| {
                let name = row.cells.first().map(|(cell, _)| String::from_utf8_lossy(&cell.bytes));
                name.is_some_and(|name| is_wanted(&name))
            });
            let tables: BTreeSet<_> =
                file.objects.iter().map(|object| object.name.clone()).collect();
            file.objects.retain(|object| !is_own(&object.name) || tables.contains(&object.table));
        }
        file
    }
}

/// Writes all rows of a table that was kept whole.
fn restore_whole(chosen: &Chosen, file: &ArchiveFile, writer: &DatabaseWriter<'_>) -> Result<()> {
    let mut written = writer.kept_whole(&file.table)?;
    for kept in chosen.archive.files().beside(file)?.kept() {
        match kept.at(|| format!("archive: {}", file.name()))? {
            Kept::Rejected(row) => written.whole(&row.row, row.cells)?,
            Kept::Exception(..) | Kept::Misfit(..) => {
                let what = "it holds other things than rows of a table that is kept whole";
                return Err(
                    Error::new(Class::Damaged, what).at(format!("archive: {}", file.name()))
                );
            }
        }
    }
    Ok(())
}

/// What was written of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Written {
    /// Its rows, as they are in the archive.
    rows: DigestSum,
    /// Rows that were set aside, and are in the file all the same.
    aside: u64,
}

/// Reads a file as a run would, and compares it with what was written.
fn prove(
    path: &Path,
    plan: &Plan,
    written: &[Written],
    setting: Setting<'_>,
) -> Result<Vec<TableReport>> {
    setting.progress.tell(Event::Phase(Phase::Proof));
    let source = Source::open(path, false, setting.stop)?;
    let readers = (0..setting.workers.max(1)).map(|_| Reader::new(source.connect()?));
    let readers = readers.collect::<Result<Vec<_>>>()?;
    let found = workers::over(&plan.tables, readers, setting.stop, |reader, planned| {
        let table = planned.schema.in_one_group();
        let all = Chunk { table: 0, number: 0, range: RowRange::All };
        let mut sums = Summing::new(&table);
        let aside = read_source(reader, &table, &all, &mut sums, setting)
            .at(|| format!("table {}", table.source))?;
        Ok(Written { rows: sums.finish()?.total(), aside })
    })?;
    let mut tables = Vec::new();
    for ((planned, written), found) in plan.tables.iter().zip(written).zip(found) {
        let name = &planned.schema.source;
        if *written != found {
            let what = format!(
                "the file that was written has {} rows of the digest {}, and the archive {} of the digest {}",
                found.rows.rows + found.aside,
                found.rows,
                written.rows.rows + written.aside,
                written.rows
            );
            return Err(Error::new(Class::NotEqual, what)
                .todo("check the disk and its memory, and run the same command again")
                .at(format!("table {name}")));
        }
        let (table, [source, target]) = (name.clone(), [written.rows, found.rows]);
        let proof = TableProof { table, source, target, differing: Vec::new() };
        // What was set aside is in the file again.
        let report = TableReport::proved(&proof, 0);
        let rows = report.source_rows + written.aside;
        tables.push(TableReport { source_rows: rows, target_rows: Some(rows), ..report });
    }
    Ok(tables)
}

/// Writes all rows of a table, and gives what they are. Files are read on a thread of its own.
fn restore_table(
    merged: &Merged<'_>,
    writer: &DatabaseWriter<'_>,
    setting: Setting<'_>,
) -> Result<Written> {
    let table = merged.table();
    let rows: u64 = merged.units().iter().map(|unit| unit.file().rows).sum();
    setting.progress.tell(Event::Expect {
        table: table.source.clone(),
        rows,
        about: !merged.is_base(),
        bytes: 0,
    });
    let mut written = writer.table(table)?;
    let (mut sum, shape) = (Written::default(), table.in_one_group());
    // Where there are no steps, each file says what its rows are, and was found to be right.
    let mut sums = if merged.is_base() {
        None
    } else {
        Some((Summing::new(&shape), TupleEncoder::new(&shape)?))
    };
    let of_files = &mut sum.rows;
    let _permit = setting.reserve(table);
    stage::join(
        BATCHES_QUEUED,
        |outlet| {
            let mut units = merged.units().iter();
            units.try_for_each(|unit| {
                *of_files =
                    [*of_files, read_unit(merged, unit, outlet, setting)?].into_iter().sum();
                Ok(())
            })
        },
        |batches: &Made<ArchivedRows>| {
            while let Some(rows) = batches.next()? {
                let passed = u64::try_from(rows.records.num_rows()).unwrap_or(u64::MAX);
                if let Some((sums, encoder)) = &mut sums {
                    encoder.encode(&rows.records, sums)?;
                }
                write(&mut written, rows)?;
                let table = table.source.clone();
                setting.progress.tell(Event::Rows { table, rows: passed, bytes: 0 });
            }
            Ok(())
        },
    )?;
    if let Some((mut sums, mut encoder)) = sums {
        encoder.finish(&mut sums)?;
        sum.rows = sums.finish()?.total();
    }
    merged.rejected(|row| {
        sum.aside += 1;
        written.raw(&row.cells)
    })?;
    Ok(sum)
}

/// Batches between reading and writing.
const BATCHES_QUEUED: usize = 2;

fn read_unit(
    merged: &Merged<'_>,
    unit: &Unit,
    outlet: &Outlet<ArchivedRows>,
    setting: Setting<'_>,
) -> Result<DigestSum, Halt> {
    let mut halted = None;
    let read = merged.read(unit, |rows| {
        setting.stop.check()?;
        outlet.send(rows).map_err(|halt| {
            halted = Some(halt);
            Error::internal("nobody writes what is read")
        })
    });
    // Whoever hangs up has the cause.
    halted.map_or(Ok(()), Err)?;
    Ok(read?.sum)
}

/// Writes a batch; kept cells go in the order of rows and columns.
fn write(written: &mut TableWriter<'_>, rows: ArchivedRows) -> Result<()> {
    let ArchivedRows { records, exceptions, misfits } = rows;
    let exceptions = exceptions.into_iter().map(|(at, exception)| KeptCell {
        at,
        column: exception.column,
        cell: exception.cell,
        encoding: TextEncoding::default(),
    });
    let misfits = misfits.into_iter().map(|(at, misfit)| KeptCell {
        at,
        column: misfit.column,
        cell: misfit.cell,
        encoding: misfit.encoding,
    });
    let mut kept: Vec<_> = exceptions.chain(misfits).collect();
    kept.sort_by_key(|kept| (kept.at, kept.column));
    written.rows(&records, &kept)
}
