//! What passes have committed since the newest generation, on its way into the archive.
//!
//! Of each table there is the last word on each key that was touched. It is in memory up to a budget; what is more becomes
//! a step of its own, whose files are put at once and wait to be named. Nothing of it is durable before a generation names
//! it: the source's changelog is kept from the newest generation on, and says it again to the next run.

mod aside;
mod coalesced;
mod stage;

pub use stage::Staged;

use super::files::{Files, Origin, RowsWriter, count_of, write_keys};
use crate::error::{Class, Error, Place as _, Result};
use crate::model::{RowRange, TableSchema, Touches};
use crate::store::parquet::generation;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use arrow_array::RecordBatch;
use aside::AsideChanges;
use coalesced::Coalesced;
use std::collections::BTreeMap;

/// Bytes of rows in memory, unless said otherwise.
pub const PENDING_BYTES: usize = 32 * 1024 * 1024;

/// What is to become steps of the next generation.
#[derive(Debug)]
pub struct Pending {
    /// What names the source.
    source: String,
    /// Bytes in memory, at most.
    budget: usize,
    /// The number behind those that the archive has, by the tables' names in the source.
    numbers: BTreeMap<String, u64>,
    /// By the same names.
    tables: BTreeMap<String, Table>,
    /// Whether something that was committed could not be kept, and was not said again yet.
    is_lost: bool,
}

/// One table.
#[derive(Debug)]
struct Table {
    /// Its shape.
    schema: TableSchema,
    keys: TableSchema,
    /// What no step has yet.
    coalesced: Coalesced,
    aside: AsideChanges,
    /// Files of steps that no generation names yet.
    steps: Vec<ArchiveFile>,
    /// The number of the step that comes next.
    next: u64,
    /// The touches that it is from.
    touches: Option<Touches>,
}

impl Pending {
    /// Nothing yet. `source` names the source, `budget` is the bytes that may be in memory, and `before` has the files of
    /// the newest generation, whose numbers steps are counted on from.
    pub fn new(source: impl Into<String>, budget: usize, before: &[ArchiveFile]) -> Self {
        let mut numbers = BTreeMap::new();
        for file in before {
            let next = numbers.entry(file.table.clone()).or_insert(0);
            *next = file.chunk.saturating_add(1).max(*next);
        }
        Self { source: source.into(), budget, numbers, tables: BTreeMap::new(), is_lost: false }
    }

    /// Whether nothing was committed since the newest generation.
    pub fn is_empty(&self) -> bool {
        !self.is_lost && self.tables.values().all(Table::is_empty)
    }

    /// Begins what a pass has to say of a table, given with all its chunks; it counts once it is [kept](Self::keep).
    pub fn stage<'s>(&self, files: Files<'s>, table: &'s TableSchema) -> Staged<'s> {
        Staged::new(files, table, self.budget)
    }

    /// Takes what a pass has said, now that it is committed.
    ///
    /// # Errors
    ///
    /// As [`Place`](crate::store::parquet::place::Place) says, and [`Class::Temporary`] where
    /// there is no room for temporary files. Unless it [has it all](Self::has_all) nevertheless, what is said next must
    /// begin with the same touches.
    pub fn keep(
        &mut self,
        files: Files<'_>,
        staged: Vec<Staged<'_>>,
        touches: Touches,
    ) -> Result<()> {
        let kept = staged.into_iter().try_for_each(|it| self.keep_one(files, it, touches));
        self.is_lost = kept.is_err();
        kept.and_then(|()| self.fit(files)).at(|| "archive of what has changed".into())
    }

    fn keep_one(&mut self, files: Files<'_>, staged: Staged<'_>, touches: Touches) -> Result<()> {
        let (schema, said) = staged.end()?;
        let Self { source, tables, numbers, .. } = self;
        let table = tables.entry(schema.source.clone()).or_insert_with(|| {
            let next = numbers.get(&schema.source).copied().unwrap_or(0);
            Table::new(schema, next)
        });
        table.aside.absorb(said.aside)?;
        match said.written {
            // What was said before is older than these rows, and must be in a step before theirs.
            Some(rows) => {
                table.spill(files, source)?;
                table.touches = Some(touches);
                table.put(files, source, Some(rows), &said.coalesced.gone()?)?;
            }
            None if said.coalesced.is_empty() => {}
            None => {
                let after = table.touches.map_or(touches.after, |it| it.after.min(touches.after));
                table.touches = Some(Touches { after, last: touches.last });
                table.coalesced.absorb(said.coalesced);
            }
        }
        Ok(())
    }

    /// Whether all is here that was given to be kept: in memory, or in files.
    pub fn has_all(&self) -> bool {
        !self.is_lost
    }

    /// Keeps to the budget.
    ///
    /// # Errors
    ///
    /// As [`Place`](crate::store::parquet::place::Place) says; all of it stays in memory then.
    pub fn fit(&mut self, files: Files<'_>) -> Result<()> {
        if self.bytes() <= self.budget {
            return Ok(());
        }
        for table in self.tables.values_mut() {
            let (rows, keys) = (table.schema.write_schema(), table.keys.write_schema());
            table.coalesced.shrink(&rows, &keys)?;
        }
        // By half: else the next pass would look through all of it again.
        while self.bytes() > self.budget / 2 {
            let largest = self.tables.values_mut().max_by_key(|table| table.coalesced.bytes());
            let Some(largest) = largest else { break };
            largest.spill(files, &self.source)?;
        }
        Ok(())
    }

    /// About the bytes that are in memory.
    pub(super) fn bytes(&self) -> usize {
        self.tables.values().map(|table| table.coalesced.bytes()).sum()
    }

    /// Writes what no file has yet, and gives all files of the next generation, which come behind those of `before`: the
    /// newest one's, or those that were loaded. It may be asked again until a generation is
    /// [published](Self::published).
    ///
    /// # Errors
    ///
    /// [`Class::Internal`]: something was lost before;
    /// [`Class::Held`]: somebody else has added steps meanwhile;
    /// [`Class::Damaged`]: a file of rows that were set aside is not what it should be; else as
    /// [`Place`](crate::store::parquet::place::Place) says.
    pub fn files(&mut self, files: Files<'_>, before: &[ArchiveFile]) -> Result<Vec<ArchiveFile>> {
        if self.is_lost {
            let what = "what was applied to the target did not get into the archive";
            return Err(Error::internal(what).todo("run this again: it is read from the changelog"));
        }
        let mut all = before.to_vec();
        for (name, table) in &mut self.tables {
            let of_table: Vec<_> =
                before.iter().filter(|file| file.table == *name).cloned().collect();
            let of = || format!("archive of table {name}");
            table.spill(files, &self.source).at(of)?;
            table.check_behind(&of_table).at(of)?;
            all.extend(table.steps.iter().cloned());
            // Where nothing is known of rows set aside, those that were are so still.
            if !table.aside.is_empty() {
                let aside = table.set_aside(files, &of_table).at(of)?;
                all.retain(|file| file.table != *name || file.kind != FileKind::Rejected);
                all.extend(aside);
            }
        }
        Ok(all)
    }

    /// Fails unless the files of all steps are in their place still.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: one is not; else as [`Place`](crate::store::parquet::place::Place) says.
    pub fn check_steps(&self, files: Files<'_>) -> Result<()> {
        let mut steps = self.tables.values().flat_map(|table| &table.steps);
        steps.try_for_each(|step| generation::check(files.place, step))
    }

    /// Gives up all that no generation names: what is said next must begin behind the newest one.
    pub fn forget(&mut self) {
        for table in self.tables.values_mut() {
            table.steps.clear();
            table.coalesced = Coalesced::default();
            table.aside = AsideChanges::default();
            table.touches = None;
        }
        self.is_lost = true;
    }

    /// A generation names all files: what comes now is behind it.
    pub fn published(&mut self) {
        for table in self.tables.values_mut() {
            table.steps.clear();
            table.aside = AsideChanges::default();
        }
    }
}

impl Table {
    fn new(schema: &TableSchema, next: u64) -> Self {
        Self {
            keys: schema.keys(),
            coalesced: Coalesced::default(),
            aside: AsideChanges::default(),
            steps: Vec::new(),
            next: next.max(count_of(schema.chunks.len())),
            touches: None,
            schema: schema.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        self.coalesced.is_empty() && self.aside.is_empty() && self.steps.is_empty()
    }

    /// Makes a step of what is in memory; all of it stays there where that fails.
    fn spill(&mut self, files: Files<'_>, source: &str) -> Result<()> {
        if self.coalesced.is_empty() {
            return Ok(());
        }
        let schema = self.schema.clone();
        let mut rows = RowsWriter::begin(files, &schema)?;
        self.coalesced.each_rows(|batch| rows.write(&batch))?;
        let rows = (rows.count() > 0).then_some(rows);
        self.put(files, source, rows, &self.coalesced.gone()?)?;
        self.coalesced = Coalesced::default();
        Ok(())
    }

    /// Puts the files of a step.
    fn put(
        &mut self,
        files: Files<'_>,
        source: &str,
        rows: Option<RowsWriter<'_>>,
        gone: &[RecordBatch],
    ) -> Result<()> {
        let origin = Origin {
            source,
            number: self.next,
            range: RowRange::All,
            low: self.touches.map(|touches| touches.after),
            last: self.touches.map(|touches| touches.last),
            rejected: 0,
        };
        let mut finished = match rows {
            Some(rows) => rows.finish(FileKind::Deltas, origin)?,
            None => Vec::new(),
        };
        finished.extend(write_keys(files, &self.keys, origin, gone)?);
        self.steps.extend(files.put(finished)?);
        self.next = self.next.saturating_add(1);
        self.touches = None;
        Ok(())
    }

    /// Fails unless all steps are behind those that there are.
    fn check_behind(&self, before: &[ArchiveFile]) -> Result<()> {
        let first = self.steps.iter().map(|step| step.chunk).min();
        let there = before.iter().map(|file| file.chunk).max();
        if first.zip(there).is_none_or(|(first, there)| there < first) {
            return Ok(());
        }
        Err(Error::new(Class::Held, "another run has added to the archive meanwhile")
            .todo("let one run write to an archive at a time; then run this one again"))
    }

    /// The file of all rows that are set aside now, if there are any.
    fn set_aside(&mut self, files: Files<'_>, before: &[ArchiveFile]) -> Result<Vec<ArchiveFile>> {
        let before = before.iter().filter(|file| file.kind == FileKind::Rejected);
        let before: Vec<_> = before.cloned().collect();
        let number = self.next.saturating_sub(1);
        let finished = self.aside.write(files, &before, (&self.schema, number))?;
        files.put(finished)
    }
}
