//! The rows of a table as a generation has them: its base, and the steps behind it.
//!
//! Of a key that steps have touched, the last of them says all. So the keys of all steps are read first, and are in
//! memory as hashes, about fifty bytes for each: what keeps them few is that steps are folded into the base from time to
//! time. Then each file of rows can be read by itself, by whoever has time, in any order.

use super::ArchivedRows;
use super::files::{Files, count_of, damaged};
use super::keys::{Key, KeyHasher};
use crate::error::{Place as _, Result};
use crate::model::{FormException, Misfit, RejectedRow, TableSchema};
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::parquet::{BesideReader, ChunkFacts, Kept};
use arrow_array::{BooleanArray, RecordBatch};
use std::collections::{HashMap, HashSet};
use std::iter::Peekable;

/// The rows of one table in one generation.
#[derive(Debug)]
pub struct Merged<'a> {
    files: Files<'a>,
    table: &'a TableSchema,
    hasher: KeyHasher,
    units: Vec<Unit>,
    /// The keys of rows that are gone.
    gone: Vec<ArchiveFile>,
    rejected: Vec<ArchiveFile>,
    /// The last step that says something of a key.
    latest: HashMap<Key, u64>,
}

/// A part of the rows that can be read by itself: a chunk of the base, or what is left of a step.
#[derive(Debug, Clone)]
pub struct Unit {
    rows: ArchiveFile,
    forms: Option<ArchiveFile>,
}

impl Unit {
    /// The file of its rows.
    pub fn file(&self) -> &ArchiveFile {
        &self.rows
    }

    /// The file of what is kept beside them.
    pub fn forms(&self) -> Option<&ArchiveFile> {
        self.forms.as_ref()
    }

    /// The number of the step, where it is one.
    fn step(&self) -> Option<u64> {
        (self.rows.kind == FileKind::Deltas).then_some(self.rows.chunk)
    }
}

impl<'a> Merged<'a> {
    /// Opens a table of a generation, given all its files, and reads what its steps have touched.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`](crate::Class::Damaged), which names the file: one of a step is missing, or not what it should
    /// be; else as [`Place`](crate::store::parquet::place::Place) says.
    pub fn open(files: Files<'a>, all: &[ArchiveFile], table: &'a TableSchema) -> Result<Self> {
        let hasher = KeyHasher::of(table);
        let mut of_table: Vec<_> = all.iter().filter(|file| file.table == table.source).collect();
        of_table.sort_by_key(|file| (file.kind, file.chunk));
        let of_kind = |kind| of_table.iter().copied().filter(move |file| file.kind == kind);
        let unit = |rows: &ArchiveFile| {
            let forms = of_kind(FileKind::Forms).find(|forms| forms.chunk == rows.chunk);
            Unit { rows: rows.clone(), forms: forms.cloned() }
        };
        let units = of_kind(FileKind::Rows).chain(of_kind(FileKind::Deltas)).map(unit).collect();
        let rejected = of_kind(FileKind::Rejected).cloned().collect();
        let gone = of_kind(FileKind::DeletedKeys).cloned().collect();
        let latest = HashMap::new();
        let mut merged = Self { files, table, hasher, units, gone, rejected, latest };
        merged.check_forms(&of_table)?;
        let steps = of_kind(FileKind::Deltas).chain(of_kind(FileKind::DeletedKeys));
        steps.into_iter().try_for_each(|step| merged.touch(step))?;
        Ok(merged)
    }

    /// Fails where cells are kept of rows that are not there, or of two files alike.
    fn check_forms(&self, of_table: &[&ArchiveFile]) -> Result<()> {
        let of_units: Vec<_> = self.units.iter().filter_map(|unit| unit.forms.as_ref()).collect();
        let names: HashSet<_> = of_units.iter().map(|forms| forms.name()).collect();
        let of_table = of_table.iter().copied();
        let stray = of_table
            .filter(|file| file.kind == FileKind::Forms)
            .find(|file| !names.contains(file.name()));
        match stray {
            Some(stray) => Err(damaged("it is beside rows that are not there"))
                .at(|| format!("archive: {}", stray.name())),
            None if names.len() < of_units.len() => {
                Err(damaged("one file is beside the rows of two"))
                    .at(|| format!("archive of table {}", self.table.source))
            }
            None => Ok(()),
        }
    }

    /// Notes the keys that a file of a step says something of.
    fn touch(&mut self, file: &ArchiveFile) -> Result<()> {
        let Self { files, table, hasher, latest, .. } = self;
        let has_rows = file.kind == FileKind::Deltas;
        if table.key.is_empty() {
            return Err(damaged("it is of a table without a key"))
                .at(|| format!("archive: {}", file.name()));
        }
        let shape = if has_rows { *table } else { hasher.shape() };
        let read = files.rows(file, shape)?.read(|batch| {
            let keys = if has_rows { hasher.of_rows(&batch)? } else { hasher.of_keys(&batch)? };
            for key in keys {
                let last = latest.entry(key).or_insert(file.chunk);
                *last = file.chunk.max(*last);
            }
            Ok(())
        });
        read.map(drop).at(|| format!("archive: {}", file.name()))
    }

    /// The table.
    pub fn table(&self) -> &'a TableSchema {
        self.table
    }

    /// What can be read by itself, the base first: all of it together is all rows, each once.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// Whether there is nothing behind the base.
    pub fn is_base(&self) -> bool {
        self.latest.is_empty()
    }

    /// Hands on the rows of a unit that no later step says anything of, in batches of some megabytes or of one larger row,
    /// and gives what its file says of itself. No row is handed on before all bytes of the unit's files are hashed; and
    /// what `emit` made of rows is worth nothing where this fails.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`](crate::Class::Damaged), which names the file: it is missing, or not what it should be; what
    /// `emit` says; else as [`Place`](crate::store::parquet::place::Place) says.
    pub fn read(
        &self,
        unit: &Unit,
        mut emit: impl FnMut(ArchivedRows) -> Result<()>,
    ) -> Result<ChunkFacts> {
        let reader = self.files.rows(&unit.rows, self.table)?;
        let beside = match &unit.forms {
            Some(forms) => Some(self.beside(forms, &unit.rows)?),
            None => None,
        };
        let mut kept = beside.as_ref().map(|reader| KeptCells::of(reader, self.table));
        let of_forms = || {
            let name = unit.forms.as_ref().map(|forms| forms.name().to_string());
            format!("archive: {}", name.unwrap_or_default())
        };
        let facts = reader.read(|records| {
            let rows = match &mut kept {
                Some(kept) => kept.beside(records).at(of_forms)?,
                None => ArchivedRows::plain(records),
            };
            let rows = self.left_of(unit.step(), rows)?;
            if rows.records.num_rows() > 0 { emit(rows) } else { Ok(()) }
        });
        let facts = facts.at(|| format!("archive: {}", unit.rows.name()))?;
        kept.map_or(Ok(()), KeptCells::finish).at(of_forms)?;
        Ok(facts)
    }

    fn beside(&self, forms: &ArchiveFile, rows: &ArchiveFile) -> Result<BesideReader> {
        let reader = self.files.beside(forms)?;
        if reader.rows() == Some(rows.blake3) {
            return Ok(reader);
        }
        Err(damaged("it is not beside these rows")).at(|| format!("archive: {}", forms.name()))
    }

    /// What no step behind `step` says anything of.
    fn left_of(&self, step: Option<u64>, rows: ArchivedRows) -> Result<ArchivedRows> {
        if self.latest.is_empty() {
            return Ok(rows);
        }
        let keys = self.hasher.of_rows(&rows.records)?;
        let stays = keys.iter().map(|key| Some(self.latest.get(key).copied() == step));
        rows.filter(&stays.collect())
    }

    /// Hands on the keys that steps have touched, in the shape of [`TableSchema::keys`]: each by the last step that says
    /// something of it.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn touched(&self, mut emit: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        for unit in &self.units {
            self.read(unit, |rows| match unit.step() {
                Some(_) => emit(self.hasher.keys(&rows.records)?),
                None => Ok(()),
            })?;
        }
        for file in &self.gone {
            let read = self.files.rows(file, self.hasher.shape())?.read(|keys| {
                let of_file = |key| Some(self.latest.get(key) == Some(&file.chunk));
                let stays: BooleanArray = self.hasher.of_keys(&keys)?.iter().map(of_file).collect();
                emit(ArchivedRows::plain(keys).filter(&stays)?.records)
            });
            read.map(drop).at(|| format!("archive: {}", file.name()))?;
        }
        Ok(())
    }

    /// Hands on the rows that were set aside.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn rejected(&self, emit: impl FnMut(RejectedRow) -> Result<()>) -> Result<()> {
        let columns = self.table.columns.len();
        rejected_rows(self.files, &self.rejected, columns, emit)
    }
}

/// Hands on the rows that files of rows set aside hold, of a table of so many columns.
pub(super) fn rejected_rows(
    files: Files<'_>,
    all: &[ArchiveFile],
    columns: usize,
    mut emit: impl FnMut(RejectedRow) -> Result<()>,
) -> Result<()> {
    for file in all {
        let of_file = || format!("archive: {}", file.name());
        for kept in files.beside(file)?.kept() {
            match kept.at(of_file)? {
                Kept::Rejected(row) if row.cells.len() == columns => emit(row)?,
                _ => return Err(damaged("it holds no rows of its table set aside")).at(of_file),
            }
        }
    }
    Ok(())
}

/// What is kept beside the rows of a file, while those are read. Cells of either kind are in the order of their rows: so
/// each has its own reader of the one file, and nothing has to be sorted.
struct KeptCells<'r> {
    exceptions: Cells<'r, FormException>,
    misfits: Cells<'r, Misfit>,
    /// Rows so far.
    count: u64,
    columns: usize,
}

type Cells<'r, T> = Peekable<Box<dyn Iterator<Item = Result<(u64, T)>> + 'r>>;

impl<'r> KeptCells<'r> {
    fn of(reader: &'r BesideReader, table: &TableSchema) -> Self {
        let exception = |kept| match kept {
            Ok(Kept::Exception(at, it)) => Some(Ok((at, it))),
            Ok(Kept::Misfit(Some(_), _)) => None,
            Ok(_) => Some(Err(damaged("it holds rows that were set aside"))),
            Err(error) => Some(Err(error)),
        };
        let misfit = |kept| match kept {
            Ok(Kept::Misfit(Some(at), it)) => Some(Ok((at, it))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        };
        let exceptions: Box<dyn Iterator<Item = _>> = Box::new(reader.kept().filter_map(exception));
        let misfits: Box<dyn Iterator<Item = _>> = Box::new(reader.kept().filter_map(misfit));
        let (exceptions, misfits) = (exceptions.peekable(), misfits.peekable());
        Self { exceptions, misfits, count: 0, columns: table.columns.len() }
    }

    /// The next rows, with what is kept of them.
    fn beside(&mut self, records: RecordBatch) -> Result<ArchivedRows> {
        let first = self.count;
        self.count = first.saturating_add(count_of(records.num_rows()));
        let rows = (first, self.count);
        let exceptions = taken(&mut self.exceptions, rows)?;
        let misfits = taken(&mut self.misfits, rows)?;
        let mut columns = exceptions.iter().map(|(_, it)| it.column);
        let mut others = misfits.iter().map(|(_, it)| it.column);
        if columns.any(|it| it >= self.columns) || others.any(|it| it >= self.columns) {
            return Err(damaged("it holds cells of columns that are not there"));
        }
        Ok(ArchivedRows { records, exceptions, misfits })
    }

    /// Fails where cells are left whose rows are not there.
    fn finish(mut self) -> Result<()> {
        let left = self.exceptions.next().map(|it| it.map(drop));
        match left.or_else(|| self.misfits.next().map(|it| it.map(drop))) {
            None => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok(())) => Err(damaged("it holds cells of rows that are not there")),
        }
    }
}

/// The cells of the rows from one position to before another, with their positions from the first of those on.
fn taken<T>(cells: &mut Cells<'_, T>, (first, end): (u64, u64)) -> Result<Vec<(usize, T)>> {
    let mut found: Vec<(usize, T)> = Vec::new();
    while let Some(cell) = cells.next_if(|cell| cell.as_ref().map_or(true, |(at, _)| *at < end)) {
        let (at, cell) = cell?;
        let at = at.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let last = found.last().map_or(0, |(at, _)| *at);
        let at = at.filter(|&at| at >= last);
        found.push((at.ok_or_else(|| damaged("its cells are in no order"))?, cell));
    }
    Ok(found)
}
