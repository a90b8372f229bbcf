//! Whether an archive is whole: every file of its generations there, of its size and, where it is read, of its hash and
//! of the sum of its rows.

use super::{Archive, passing};
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::Setting;
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::store::parquet::generation;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::parquet::place::{Access, Name};
use crate::store::parquet::{BesideReader, ChunkReader};
use std::collections::BTreeMap;

/// How closely an archive is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every file is there, of its size.
    Sizes,
    /// Its bytes have its hash, and its rows their digest.
    Data,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Generations that were looked at.
    pub generations: usize,
    /// Backups that were looked at.
    pub backups: usize,
    /// Files, each once.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that wait for the first generation, where there is none.
    pub waiting: usize,
    /// Parts that are not as they were written, each by its name.
    pub damaged: Vec<Error>,
}

/// Looks at all generations, or at one.
///
/// # Errors
///
/// A place that cannot be read; [`Class::Usage`]: there is nothing of an archive, or not the generation that is asked for.
/// What is damaged is in the result.
pub fn check(
    archive: &Archive,
    generation: Option<u64>,
    depth: Depth,
    setting: Setting<'_>,
) -> Result<Checked> {
    if let Some(waiting) = archive.waiting()? {
        // A run has begun, and has not come to publish anything.
        return match generation {
            None => Ok(Checked { waiting, ..Checked::default() }),
            Some(number) => Err(archive.has_no(number)),
        };
    }
    let mut checked = Checked::default();
    // The pointer, and whether the newest generation is the one that it names.
    let newest = archive.newest_of_all(Access::Read, setting.progress);
    if let Err(error) = newest {
        checked.note(error)?;
    }
    let listed = archive.list()?;
    let backups = if generation.is_none() { archive.backups()? } else { Vec::new() };
    for (_, read) in &backups {
        if let Ok(named) = read {
            let all = depth == Depth::Data;
            checked.backups += 1;
            archive.check_backup(named, all, setting.stop).or_else(|error| checked.note(error))?;
        }
    }
    let damaged = backups.into_iter().filter_map(|(_, read)| read.err());
    damaged.into_iter().try_for_each(|error| checked.note(error))?;
    let wanted =
        listed.into_iter().filter(|(number, _)| generation.is_none_or(|one| one == *number));
    let mut files: BTreeMap<Name, (ArchiveFile, Vec<u64>)> = BTreeMap::new();
    for (number, read) in wanted {
        match read {
            Ok(opened) => {
                checked.generations += 1;
                for file in opened.manifest.files {
                    let known = files.entry(file.name().clone());
                    known.or_insert_with(|| (file, Vec::new())).1.push(number);
                }
            }
            Err(error) => checked.note(error)?,
        }
    }
    if let Some(number) = generation
        && checked.generations == 0
        && checked.damaged.is_empty()
    {
        return Err(archive.has_no(number));
    }
    let files: Vec<_> = files.into_values().collect();
    checked.files = files.len();
    checked.bytes = files.iter().map(|(file, _)| file.bytes).fold(0, u64::saturating_add);
    setting.progress.tell(Event::Phase(Phase::Check));
    passing::expect(files.iter().map(|(file, _)| file), setting.progress);
    let hands = vec![(); setting.workers];
    let looked = workers::over(&files, hands, setting.stop, |(), (file, generations)| {
        let looked = archive.check_file(file, depth, setting);
        passing::passed(file, setting.progress);
        Ok(looked.at(|| format!("of {}", words_of(generations))).err())
    })?;
    looked.into_iter().flatten().try_for_each(|error| checked.note(error))?;
    Ok(checked)
}

/// The numbers of generations, which come from the newest on, in a few words.
fn words_of(generations: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in generations.iter().rev() {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let words: Vec<_> = runs
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            _ => format!("{first} to {last}"),
        })
        .collect();
    let several = if generations.len() == 1 { "" } else { "s" };
    format!("generation{several} {}", words.join(", "))
}

impl Checked {
    /// Keeps what is damaged; anything else is a failure of the check itself.
    fn note(&mut self, error: Error) -> Result<()> {
        if error.class() != Class::Damaged {
            return Err(error);
        }
        // The pointer and the list may tell of one manifest.
        let told = error.to_string();
        if self.damaged.iter().all(|before| before.to_string() != told) {
            self.damaged.push(error);
        }
        Ok(())
    }
}

impl Archive {
    /// How many files wait for the first generation; none where there is one, or a backup.
    fn waiting(&self) -> Result<Option<usize>> {
        let nothing = match self.check_there() {
            Err(error) if error.class() == Class::Usage => error,
            checked => return checked.map(|()| None),
        };
        let there = self.place.list(&Name::tables())?;
        match there.iter().filter(|entry| FileKind::is_named(&entry.name)).count() {
            0 => Err(nothing),
            waiting => Ok(Some(waiting)),
        }
    }

    /// What a generation is that is not there.
    pub(super) fn has_no(&self, generation: u64) -> Error {
        Error::new(Class::Usage, format!("there is no generation {generation}"))
            .todo("`liteferry archive list` tells which there are")
            .at(format!("archive {}", self.url))
    }

    /// Fails unless a file is what the manifest says.
    pub(in crate::journey) fn check_file(
        &self,
        file: &ArchiveFile,
        depth: Depth,
        setting: Setting<'_>,
    ) -> Result<()> {
        generation::check(self.place.as_ref(), file)?;
        match depth {
            Depth::Sizes => Ok(()),
            Depth::Data => {
                self.check_data(file, setting).at(|| format!("archive: {}", file.name()))
            }
        }
    }

    /// Fails unless the bytes of a file have its hash.
    pub(in crate::journey) fn check_bytes(&self, file: &ArchiveFile) -> Result<()> {
        let bytes = self.files().fetch(file);
        bytes
            .and_then(|bytes| file.stored().check(bytes))
            .at(|| format!("archive: {}", file.name()))
    }

    fn check_data(&self, file: &ArchiveFile, setting: Setting<'_>) -> Result<()> {
        let bytes = self.files().fetch(file)?;
        let (stored, key) = (file.stored(), self.key.as_ref());
        match file.kind {
            FileKind::Rows | FileKind::Deltas | FileKind::DeletedKeys => {
                let facts =
                    ChunkReader::open(bytes, &stored, key)?.read(|_rows| setting.stop.check())?;
                if file.digest().is_some_and(|digest| digest != facts.sum) {
                    let what = format!(
                        "its rows have the digest {}, and not that of the manifest",
                        facts.sum
                    );
                    return Err(Error::new(Class::Damaged, what));
                }
                Ok(())
            }
            FileKind::Forms | FileKind::Rejected | FileKind::Whole => {
                let reader = BesideReader::open(bytes, &stored, key)?;
                reader.kept().try_for_each(|kept| {
                    setting.stop.check()?;
                    kept.map(drop)
                })
            }
        }
    }
}
