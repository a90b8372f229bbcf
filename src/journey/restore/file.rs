//! Restoring into a SQLite file: as the original was, every cell with its storage class and its bytes.

use super::fill::{Filling, Written};
use super::{Chosen, Wanted};
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::Setting;
use crate::journey::run::Clock;
use crate::journey::snapshot::read_source;
use crate::model::{Chunk, OriginalFile, RowRange};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::proof::{Summing, TableProof};
use crate::status::{Report, TableReport};
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::write::{Begun, Making};
use std::collections::BTreeSet;
use std::path::Path;

/// Restores a generation into a file that is not there yet, and appears when it is complete; goes on where an earlier
/// restore of the same to the same place was killed or could not go on.
///
/// # Errors
///
/// [`Class::Damaged`]: the archive is not what was written; [`Class::Usage`]: something has the file's name;
/// [`Class::Held`]: another process is making it; [`Class::Temporary`]: the generation was pruned meanwhile. Else what the
/// disk says. Where that can pass, a hidden file is left beside its place, with which the same command goes on; else
/// nothing.
pub fn to_file(wanted: &Wanted, path: &Path, setting: Setting<'_>) -> Result<Report> {
    let clock = Clock::start();
    if path.symlink_metadata().is_ok() {
        return Err(Error::new(Class::Usage, "there is a file of this name")
            .todo("name another one, or move it away")
            .at(format!("database {}", path.display())));
    }
    setting.progress.tell(Event::Phase(Phase::Check));
    let chosen = Chosen::open(wanted, setting)?;
    check_and_make(&chosen, (wanted, path), setting, clock)
        .map_err(|error| chosen.unless_pruned(error))
}

fn check_and_make(
    chosen: &Chosen,
    (wanted, path): (&Wanted, &Path),
    setting: Setting<'_>,
    mut clock: Clock,
) -> Result<Report> {
    chosen.check_files(&chosen.files(), setting)?;
    clock.lap(Phase::Check);
    let (file, filling) = (chosen.file(wanted), Filling::of(chosen, wanted, setting));
    let tables = filling.tables();
    let of = format!("{} {:?}", chosen.opened.hash, wanted.tables);
    let making = Making { file: &file, tables: &tables, of: &of };
    let made = chosen.make(path, making, &filling, clock);
    match &made {
        Err(error) if error.class().passes() => chosen.tell_what_is_left(setting),
        Err(_) => making.discard(path),
        Ok(_) => {}
    }
    made
}

impl Chosen {
    fn make(
        &self,
        path: &Path,
        making: Making<'_>,
        filling: &Filling<'_>,
        mut clock: Clock,
    ) -> Result<Report> {
        let setting = filling.setting;
        setting.progress.tell(Event::Phase(Phase::Snapshot));
        let (filled, written) = match Begun::at(path, making, setting.stop)? {
            Begun::Filling(writer) => {
                let written = filling.fill(&writer)?;
                clock.lap(Phase::Snapshot);
                setting.progress.tell(Event::Phase(Phase::Index));
                reach(Step::FileFilled);
                (writer.finish()?, written)
            }
            Begun::Filled(filled) => (filled, filling.said()?),
        };
        clock.lap(Phase::Index);
        reach(Step::FileIndexed);
        let tables = prove(filled.path(), &self.plan, &written.tables, setting)?;
        clock.lap(Phase::Proof);
        let warnings = filled.publish()?;
        reach(Step::FileNamed);
        Ok(self.told(Report {
            command: "restore",
            phase: "restored".into(),
            tables,
            phases: clock.laps(),
            copied_rows: written.now,
            warnings,
            archive: Some(self.archive.report(&self.opened)),
            ..Report::default()
        }))
    }

    /// Says how the restore goes on that has not come to its end.
    fn tell_what_is_left(&self, setting: Setting<'_>) {
        let number = self.opened.manifest.generation;
        let told = format!(
            "what was written is kept beside the file's place: the same command with --generation {number} goes on"
        );
        setting.progress.tell(Event::Warning(told));
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
