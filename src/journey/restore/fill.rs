//! Filling a SQLite file: the rows of each table, file by file of the archive, each a part that is there whole or not.

use super::{Chosen, Wanted};
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::Setting;
use crate::journey::archive::ArchivedRows;
use crate::journey::archive::merged::{Merged, Unit};
use crate::model::{DigestSum, TableSchema, TextEncoding};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::stage::{self, Halt, Made, Outlet};
use crate::proof::Summing;
use crate::row::TupleEncoder;
use crate::store::parquet::Kept;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::sqlite::write::{DatabaseWriter, KeptCell, TableWriter};
use std::collections::BTreeSet;

/// What a file is filled from.
pub(super) struct Filling<'a> {
    chosen: &'a Chosen,
    files: Vec<ArchiveFile>,
    /// Those of the tables that are kept whole.
    whole: Vec<ArchiveFile>,
    pub(super) setting: Setting<'a>,
}

/// What was written of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Its rows, as they are in the archive.
    pub(super) rows: DigestSum,
    /// Rows that were set aside, and are in the file all the same.
    pub(super) aside: u64,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct AllWritten {
    /// Of each table, by earlier processes too.
    pub(super) tables: Vec<Written>,
    /// Rows that this process has written.
    pub(super) now: u64,
}

/// The parts of a file in their order.
struct Parts<'w> {
    /// The file in the making; none where it has all.
    writer: Option<&'w DatabaseWriter<'w>>,
    /// Those that an earlier process has written and that were not come to yet.
    done: usize,
}

impl Parts<'_> {
    /// Whether the next part is missing in the file.
    fn next_is_missing(&mut self) -> bool {
        let is_done = self.done > 0;
        self.done = self.done.saturating_sub(1);
        !is_done && self.writer.is_some()
    }

    /// Ends a part that was missing.
    fn end(&self) -> Result<()> {
        self.writer.map_or(Ok(()), DatabaseWriter::end_part)?;
        reach(Step::PartWritten);
        Ok(())
    }
}

/// What is read of the archive, in the order of the file's parts; with each whether it is missing in the file.
enum Item {
    Rows(ArchivedRows, bool),
    /// All rows of a file have come, whose digest this is.
    End(DigestSum, bool),
}

/// Batches between reading and writing.
const BATCHES_QUEUED: usize = 2;

impl<'a> Filling<'a> {
    pub(super) fn of(chosen: &'a Chosen, wanted: &Wanted, setting: Setting<'a>) -> Self {
        let files = chosen.files();
        let is_whole = |file: &&ArchiveFile| {
            file.kind == FileKind::Whole && chosen.has_shadow(&file.table, wanted)
        };
        let whole = files.iter().filter(is_whole).cloned().collect();
        Self { chosen, files, whole, setting }
    }

    /// The tables whose rows there are.
    pub(super) fn tables(&self) -> BTreeSet<String> {
        let tables = self.chosen.plan.tables.iter().map(|table| table.schema.source.clone());
        tables.chain(self.whole.iter().map(|file| file.table.clone())).collect()
    }

    /// Writes all that is not in the file yet.
    pub(super) fn fill(&self, writer: &DatabaseWriter<'_>) -> Result<AllWritten> {
        self.go(Parts { writer: Some(writer), done: writer.parts() })
    }

    /// What there is to be written, where all is.
    pub(super) fn said(&self) -> Result<AllWritten> {
        self.go(Parts { writer: None, done: usize::MAX })
    }

    fn go(&self, mut parts: Parts<'_>) -> Result<AllWritten> {
        let mut written = AllWritten::default();
        for planned in &self.chosen.plan.tables {
            let table = self.table(&planned.schema, &mut parts, &mut written.now);
            written.tables.push(table.at(|| format!("table {}", planned.schema.source))?);
        }
        for file in &self.whole {
            if parts.next_is_missing()
                && let Some(writer) = parts.writer
            {
                let mut table = writer.kept_whole(&file.table)?;
                self.whole(file, &mut table).at(|| format!("table {}", file.table))?;
                parts.end()?;
            }
        }
        Ok(written)
    }

    /// Writes the parts of a table: its files of rows, and the rows that were set aside. Files are read on a thread of its
    /// own.
    fn table(&self, table: &TableSchema, parts: &mut Parts<'_>, now: &mut u64) -> Result<Written> {
        let merged = Merged::open(self.chosen.archive.files(), &self.files, table)?;
        self.expect(&merged);
        let missing: Vec<_> = merged.units().iter().map(|_unit| parts.next_is_missing()).collect();
        let mut into = parts.writer.map(|writer| writer.table(table)).transpose()?;
        let shape = table.in_one_group();
        let mut sums = Sums::of(&merged, &shape)?;
        let _permit = self.setting.reserve(table);
        stage::join(
            BATCHES_QUEUED,
            |outlet| self.read(&merged, &missing, outlet),
            |items: &Made<Item>| {
                while let Some(item) = items.next()? {
                    match (item, &mut into) {
                        (Item::Rows(rows, true), Some(into)) => {
                            sums.add(&rows)?;
                            *now = now.saturating_add(self.told(&rows, table));
                            write(into, rows)?;
                        }
                        (Item::Rows(rows, _), _) => sums.add(&rows)?,
                        (Item::End(sum, is_missing), _) => {
                            sums.files += sum;
                            if is_missing {
                                parts.end()?;
                            }
                        }
                    }
                }
                Ok(())
            },
        )?;
        let (mut aside, is_missing) = (0, parts.next_is_missing());
        merged.rejected(|row| {
            aside += 1;
            match &mut into {
                Some(into) if is_missing => into.raw(&row.cells),
                _ => Ok(()),
            }
        })?;
        if is_missing {
            parts.end()?;
        }
        Ok(Written { rows: sums.finish()?, aside })
    }

    fn expect(&self, merged: &Merged<'_>) {
        let rows: u64 = merged.units().iter().map(|unit| unit.file().rows).sum();
        let (table, about) = (merged.table().source.clone(), !merged.is_base());
        self.setting.progress.tell(Event::Expect { table, rows, about, bytes: 0 });
    }

    /// Tells that rows pass, and gives how many.
    fn told(&self, rows: &ArchivedRows, table: &TableSchema) -> u64 {
        let passed = u64::try_from(rows.records.num_rows()).unwrap_or(u64::MAX);
        let table = table.source.clone();
        self.setting.progress.tell(Event::Rows { table, rows: passed, bytes: 0 });
        passed
    }

    /// Reads the files of a table in their order; of those that are not missing only what has to be summed.
    fn read(
        &self,
        merged: &Merged<'_>,
        missing: &[bool],
        outlet: &Outlet<Item>,
    ) -> Result<(), Halt> {
        for (unit, &is_missing) in merged.units().iter().zip(missing) {
            let known = unit.file().digest().filter(|_| !is_missing && merged.is_base());
            let sum = match known {
                Some(sum) => sum,
                None => self.read_unit(merged, (unit, is_missing), outlet)?,
            };
            outlet.send(Item::End(sum, is_missing))?;
        }
        Ok(())
    }

    fn read_unit(
        &self,
        merged: &Merged<'_>,
        (unit, is_missing): (&Unit, bool),
        outlet: &Outlet<Item>,
    ) -> Result<DigestSum, Halt> {
        let mut halted = None;
        let read = merged.read(unit, |rows| {
            self.setting.stop.check()?;
            outlet.send(Item::Rows(rows, is_missing)).map_err(|halt| {
                halted = Some(halt);
                Error::internal("nobody writes what is read")
            })
        });
        // Whoever hangs up has the cause.
        halted.map_or(Ok(()), Err)?;
        Ok(read?.sum)
    }

    /// Writes all rows of a table that was kept whole.
    fn whole(&self, file: &ArchiveFile, into: &mut TableWriter<'_>) -> Result<()> {
        let of_file = || format!("archive: {}", file.name());
        for kept in self.chosen.archive.files().beside(file)?.kept() {
            match kept.at(of_file)? {
                Kept::Rejected(row) => into.whole(&row.row, row.cells)?,
                Kept::Exception(..) | Kept::Misfit(..) => {
                    let what = "it holds other things than rows of a table that is kept whole";
                    return Err(Error::new(Class::Damaged, what)).at(of_file);
                }
            }
        }
        Ok(())
    }
}

/// The sum of a table's rows.
struct Sums<'s> {
    /// What files say of theirs, and was found to be right.
    files: DigestSum,
    /// Where there are steps, they have rows that are others by now: what is left is summed anew.
    left: Option<(Summing, TupleEncoder<'s>)>,
}

impl<'s> Sums<'s> {
    fn of(merged: &Merged<'_>, shape: &'s TableSchema) -> Result<Self> {
        let left = if merged.is_base() {
            None
        } else {
            Some((Summing::new(shape), TupleEncoder::new(shape)?))
        };
        Ok(Self { files: DigestSum::default(), left })
    }

    fn add(&mut self, rows: &ArchivedRows) -> Result<()> {
        match &mut self.left {
            Some((sums, encoder)) => encoder.encode(&rows.records, sums),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<DigestSum> {
        match self.left {
            Some((mut sums, mut encoder)) => {
                encoder.finish(&mut sums)?;
                Ok(sums.finish()?.total())
            }
            None => Ok(self.files),
        }
    }
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

impl Chosen {
    /// Whether a table that was kept whole belongs to the file.
    fn has_shadow(&self, table: &str, wanted: &Wanted) -> bool {
        let mut shadows = self.opened.manifest.schema.file.shadows();
        let is_wanted = wanted.tables.is_empty() || wanted.tables.contains(table);
        is_wanted && shadows.any(|shadow| shadow.name == table)
    }
}
