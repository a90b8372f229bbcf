//! The way from a generation that a target holds to a later one: which steps came in between, by the manifests alone.
//!
//! Each generation on the way either adds steps to the one before, or has folded the steps of that one into its base.
//! Whatever else has happened, a table taken anew or a chain with a gap, cannot be gone along: such a generation is
//! restored into another database.

use crate::error::{Class, Error, Place as _, Result};
use crate::journey::restore::Chosen;
use crate::model::DigestSum;
use crate::store::parquet::generation::{self, Opened};
use crate::store::parquet::manifest::{ArchiveFile, FileKind, Generation, Manifest};
use crate::store::parquet::place::Name;
use std::collections::{BTreeMap, BTreeSet};

/// The way to a generation, from an older one.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Its parts, from the oldest on.
    pub(super) legs: Vec<Leg>,
    /// The files of the rows that are set aside in the end, by the source's names of the tables that steps have touched, or
    /// where those are others than in the beginning.
    pub(super) rejected: BTreeMap<String, Vec<ArchiveFile>>,
}

/// A part of the way, which ends where steps were folded into a base: numbers of steps may begin anew behind that.
#[derive(Debug, Default)]
pub(super) struct Leg {
    /// The files of all its steps, each behind those of its table before it.
    pub(super) steps: Vec<ArchiveFile>,
    /// What the rows of each table are in its end, where the manifest says that, by the source's names.
    pub(super) ends: BTreeMap<String, DigestSum>,
}

/// What has led from a generation to the next.
#[derive(Debug)]
enum Move {
    /// These files of steps came.
    Extension(Vec<ArchiveFile>),
    /// Steps became part of the base, the rows of whose tables are these.
    Compaction(BTreeMap<String, DigestSum>),
}

impl Way {
    /// Finds the way to the generation that is wanted from the one whose manifest has this hash.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`]: there is no such way, or it cannot be gone along; [`Class::Damaged`]: a manifest is not what
    /// it should be; else as [`Place`](crate::store::parquet::place::Place) says.
    pub(super) fn find(chosen: &Chosen, held: &str) -> Result<Self> {
        let tables: BTreeSet<_> =
            chosen.plan.tables.iter().map(|table| table.schema.source.as_str()).collect();
        let there = generation::numbers(chosen.archive.files().place)?;
        let finding = Finding { chosen, held, tables, there };
        let mut moves = Vec::new();
        let mut newer = chosen.opened.clone();
        loop {
            let (older, moved) = finding.before(&newer)?;
            // What is wrong with one of them only matters where this is the way.
            moves.push(moved);
            if older.hash.to_string() == held {
                let moves = moves.into_iter().rev().collect::<Result<Vec<_>>>()?;
                let legs = legs_of(moves);
                let wanted = &chosen.opened.manifest;
                let touched = legs.iter().flat_map(|leg: &Leg| &leg.steps);
                let touched = touched.map(|file| file.table.as_str()).collect();
                let of_tables = (&finding.tables, &touched);
                let rejected = rejected_of(&older.manifest, wanted, of_tables);
                return Ok(Self { legs, rejected });
            }
            newer = older;
        }
    }

    /// All files that must be read to go along.
    pub(super) fn files(&self) -> Vec<ArchiveFile> {
        let steps = self.legs.iter().flat_map(|leg| &leg.steps);
        steps.chain(self.rejected.values().flatten()).cloned().collect()
    }
}

/// A target that stays as it is, because it cannot be brought to the generation that is wanted.
pub(super) fn refused(what: impl Into<String>) -> Error {
    Error::new(Class::Undecided, what)
        .todo("restore into another database, or drop what was created with the SQL in liteferry.migration, column drop_sql")
}

/// A way that is being looked for.
struct Finding<'a> {
    chosen: &'a Chosen,
    /// The hash of the generation that it begins from.
    held: &'a str,
    /// The tables that matter.
    tables: BTreeSet<&'a str>,
    /// The generations that there are, from the newest on.
    there: Vec<u64>,
}

impl Finding<'_> {
    /// The generation that another was made from, and what has led from it to that one.
    fn before(&self, newer: &Opened) -> Result<(Opened, Result<Move>)> {
        let wanted = self.chosen.opened.manifest.generation;
        let Some(parent) = newer.manifest.parent else {
            return Err(refused(format!(
                "the target holds a generation that generation {wanted} was not made from: a later one, or one of another archive"
            )));
        };
        if !self.there.contains(&parent.generation) {
            return self.before_gap(newer, parent);
        }
        let older = self.open(parent.generation)?;
        if older.hash != parent.hash {
            let what = format!(
                "generation {} is not the one that generation {} was made from",
                parent.generation, newer.manifest.generation
            );
            let of_archive = format!("archive {}", self.chosen.archive.url());
            return Err(Error::new(Class::Damaged, what).at(of_archive));
        }
        let moved = Move::between(&older.manifest, &newer.manifest, &self.tables);
        Ok((older, moved))
    }

    /// The same where that one was pruned, or is in no copy: an older one that has led there by steps alone. It needs no
    /// chain of parents: whatever was in between, the newer one has all its files, and steps behind them.
    fn before_gap(&self, newer: &Opened, parent: Generation) -> Result<(Opened, Result<Move>)> {
        for &number in self.there.iter().filter(|&&number| number < parent.generation) {
            let older = match self.open(number) {
                Err(error) if error.class() == Class::Damaged => continue,
                opened => opened?,
            };
            let moved = Move::between(&older.manifest, &newer.manifest, &self.tables);
            if let Ok(Move::Extension(_)) = moved {
                return Ok((older, moved));
            }
        }
        let (wanted, number) = (self.chosen.opened.manifest.generation, parent.generation);
        Err(refused(if parent.hash.to_string() == self.held {
            format!("the target holds generation {number}, and the archive has it no more")
        } else {
            format!(
                "it cannot be told whether generation {wanted} comes from the one that the target holds: the archive lacks \
                 generation {number}, from which it was made"
            )
        }))
    }

    fn open(&self, number: u64) -> Result<Opened> {
        let files = self.chosen.archive.files();
        generation::open(files.place, files.key, number)
            .at(|| format!("archive {}", self.chosen.archive.url()))
    }
}

impl Move {
    /// What has led from a generation to the one that was made from it, in some tables.
    fn between(older: &Manifest, newer: &Manifest, tables: &BTreeSet<&str>) -> Result<Self> {
        let number = newer.generation;
        if older.source != newer.source || older.schema.plan != newer.schema.plan {
            let what = format!("generation {number} is planned otherwise than the one before it");
            return Err(refused(what));
        }
        if newer.position < older.position {
            let what = format!("generation {number} is of an older state than the one before it");
            return Err(refused(what));
        }
        let (before, after) = (of_rows(older, tables), of_rows(newer, tables));
        match before.iter().find(|(name, file)| after.get(*name) != Some(*file)) {
            None => extension(&before, &after, number),
            Some(_) if is_compaction(older, newer, (&before, &after)) => {
                // Nothing is to be done for it: whoever folds steps proves that the rows stay the same, before a
                // generation names what was written. That the target has just these rows is seen from their sums.
                let mut ends: BTreeMap<_, _> =
                    tables.iter().map(|&table| (table.to_owned(), DigestSum::default())).collect();
                for file in after.values().filter(|file| file.kind == FileKind::Rows) {
                    *ends.entry(file.table.clone()).or_default() +=
                        file.digest().unwrap_or_default();
                }
                Ok(Self::Compaction(ends))
            }
            Some((_, file)) => Err(taken_anew(&file.table, number)),
        }
    }
}

type Named<'m> = BTreeMap<&'m Name, &'m ArchiveFile>;

/// The files that make the rows of some tables. Rows that were set aside are no such rows; nor are those of tables that
/// are kept whole, which no target has.
fn of_rows<'m>(manifest: &'m Manifest, tables: &BTreeSet<&str>) -> Named<'m> {
    let files = manifest.files.iter().filter(|file| {
        tables.contains(file.table.as_str())
            && !matches!(file.kind, FileKind::Rejected | FileKind::Whole)
    });
    files.map(|file| (file.name(), file)).collect()
}

/// The steps that came to files that are all there still.
fn extension(before: &Named<'_>, after: &Named<'_>, number: u64) -> Result<Move> {
    let mut highest: BTreeMap<_, u64> = BTreeMap::new();
    for file in before.values() {
        let highest = highest.entry(file.table.as_str()).or_default();
        *highest = file.chunk.max(*highest);
    }
    let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
    let new: Vec<_> = new.map(|(_, file)| *file).collect();
    let is_behind = |file: &ArchiveFile| {
        highest.get(file.table.as_str()).is_none_or(|&highest| highest < file.chunk)
    };
    match new.iter().find(|file| file.kind == FileKind::Rows || !is_behind(file)) {
        Some(file) => Err(taken_anew(&file.table, number)),
        None => Ok(Move::Extension(new.into_iter().cloned().collect())),
    }
}

/// Whether a generation is the one before it but for steps that have become part of the base.
fn is_compaction(
    older: &Manifest,
    newer: &Manifest,
    (before, after): (&Named<'_>, &Named<'_>),
) -> bool {
    let folded: BTreeSet<_> =
        before.values().filter(|file| is_step(file)).map(|file| file.table.as_str()).collect();
    let stays = |files: &Named<'_>, others: &Named<'_>| {
        let mut of_others = files.iter().filter(|(_, file)| !folded.contains(file.table.as_str()));
        of_others.all(|(name, file)| others.get(name) == Some(file))
    };
    (older.position, &older.nonce) == (newer.position, &newer.nonce)
        && !after.values().any(|file| is_step(file))
        && stays(before, after)
        && stays(after, before)
}

fn is_step(file: &ArchiveFile) -> bool {
    matches!(file.kind, FileKind::Deltas | FileKind::DeletedKeys)
}

fn taken_anew(table: &str, number: u64) -> Error {
    refused(format!("generation {number} has its rows in files that no step has led to"))
        .at(format!("table {table}"))
}

fn legs_of(moves: Vec<Move>) -> Vec<Leg> {
    let mut legs = Vec::new();
    let mut leg = Leg::default();
    for one in moves {
        match one {
            Move::Extension(steps) => leg.steps.extend(steps),
            Move::Compaction(ends) => legs.push(Leg { ends, ..std::mem::take(&mut leg) }),
        }
    }
    if !leg.steps.is_empty() {
        legs.push(leg);
    }
    legs
}

/// The files of rows that are set aside now, of the tables where those are others than before, and of those that were
/// touched: a row may be set aside again as it was.
fn rejected_of(
    before: &Manifest,
    now: &Manifest,
    (tables, touched): (&BTreeSet<&str>, &BTreeSet<&str>),
) -> BTreeMap<String, Vec<ArchiveFile>> {
    let of = |manifest: &Manifest, table: &str| -> Vec<ArchiveFile> {
        let files = manifest.files.iter();
        let of_table = files.filter(|it| it.table == table && it.kind == FileKind::Rejected);
        of_table.cloned().collect()
    };
    let names = |files: &[ArchiveFile]| -> Vec<Name> {
        files.iter().map(|file| file.name().clone()).collect()
    };
    let changed = tables.iter().filter_map(|&table| {
        let files = of(now, table);
        let may_differ = touched.contains(table) || names(&files) != names(&of(before, table));
        may_differ.then(|| (table.to_owned(), files))
    });
    changed.collect()
}
