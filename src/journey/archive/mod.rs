//! The archive beside a migration: what is loaded goes into Parquet files too, whose generations other nodes begin from.
//!
//! The state of a table in a generation is its base, which are the chunks that were loaded, and the steps behind it, in
//! the order of their numbers. A step is made of what passes have applied: rows as they are after it, and the keys of
//! rows that it has touched and that are not there after it. Rows are found by their typed key alone: whatever a step
//! says of a key holds, until a later one says something else.

pub mod backup;
pub mod check;
pub mod compact;
pub mod copy;
mod files;
pub(in crate::journey) mod fork;
mod keys;
pub mod merged;
mod passing;
pub mod pending;
pub(in crate::journey) mod publish;
mod rows;
mod there;
mod whole;

pub use files::Files;
pub use rows::ArchivedRows;

use crate::config::{ArchiveSection, Pipeline};
use crate::error::{Class, Error, Place as _, Result};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::{Event, Progress, Stop};
use crate::status::ArchiveReport;
use crate::store::parquet::Key;
use crate::store::parquet::backup as backups;
use crate::store::parquet::generation::{self, Notice, Opened};
use crate::store::parquet::place::{self, Access, Place};
use crate::store::parquet::prune::{Come, GRACE, Keep, Pruned, prune};
use crate::store::postgres::ledger::{self, Lease};
use crate::store::postgres::link::Link;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

/// The step of the ledger that says where a followed migration has its archive.
pub(in crate::journey) const STEP: &str = "archive";

/// Which generation of an archive is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Which<'a> {
    /// Its number; the newest unless given.
    pub generation: Option<u64>,
    /// Its root, or what that begins with, where its reader knows it.
    pub root: Option<&'a str>,
}

/// An archive that is open.
#[derive(Debug)]
pub struct Archive {
    url: String,
    place: Box<dyn Place>,
    key: Option<Key>,
    /// For how many days generations are kept; for ever unless said.
    retain_days: Option<NonZeroU64>,
}

impl Archive {
    /// Opens what the pipeline file names, to write to it; none where it names none.
    ///
    /// # Errors
    ///
    /// A place that cannot be reached or written to, a key that cannot be read, or one that is not that of the archive.
    pub fn of(pipeline: &Pipeline) -> Result<Option<Self>> {
        let Some(section) = &pipeline.archive else { return Ok(None) };
        let archive = Self::open(section, Access::Write)?;
        match archive.check_key() {
            // Who follows goes on while the archive cannot be reached, and looks again before it publishes.
            Err(error) if error.class().passes() => {}
            checked => checked?,
        }
        Ok(Some(archive))
    }

    /// Opens an archive.
    ///
    /// # Errors
    ///
    /// A place that cannot be reached, or a key that cannot be read.
    pub fn open(section: &ArchiveSection, access: Access) -> Result<Self> {
        let ArchiveSection { url, key_file, retain_days, .. } = section;
        let key = key_file.as_deref().map(Key::read).transpose()?;
        let place = place::open(url, access).at(|| format!("archive {url}"))?;
        let retain_days = retain_days.map(NonZeroU64::from);
        Ok(Self { url: url.clone(), place, key, retain_days })
    }

    /// Where it is, as it was named.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its files are.
    pub fn files(&self) -> Files<'_> {
        Files { place: self.place.as_ref(), key: self.key.as_ref() }
    }

    /// Lets in those who would prune it, until something is written to it again.
    pub(in crate::journey) fn leave(&self) {
        self.place.leave();
    }

    /// The newest generation; fails where it, or the pointer to it, is damaged, though an older one may be whole. Who is going
    /// to write makes a pointer anew that is missing.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`], which names the part; a place that cannot be read.
    pub(in crate::journey) fn newest_of_all(
        &self,
        access: Access,
        progress: &dyn Progress,
    ) -> Result<Option<Opened>> {
        let of_archive = || format!("archive {}", self.url);
        let Files { place, key } = self.files();
        let newest = generation::newest(place, key).at(of_archive)?;
        let Some(newest) = newest else { return Ok(None) };
        for notice in newest.notices {
            match notice {
                Notice::Passed(_, error) | Notice::PointerDamaged(error) => {
                    let todo = "`liteferry archive list` tells which generations are whole: name one by its number";
                    return Err(error.todo(todo)).at(of_archive);
                }
                Notice::PointerMissing
                    if access == Access::Read && newest.opened.manifest.parent.is_some() =>
                {
                    let todo = "put latest.json back; a copy gets it from `liteferry archive copy`";
                    return Err(Error::new(Class::Damaged, words(&notice)).todo(todo))
                        .at(of_archive);
                }
                Notice::PointerMissing | Notice::PointerBehind(_) => {
                    let told = format!("archive {}: {}", self.url, words(&notice));
                    progress.tell(Event::Warning(told));
                }
            }
        }
        Ok(Some(newest.opened))
    }

    /// A generation that is to be read.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: there is no such generation; [`Class::Damaged`]: it has another root; else as
    /// [`Self::newest_of_all`].
    pub(in crate::journey) fn chosen(
        &self,
        which: Which<'_>,
        progress: &dyn Progress,
    ) -> Result<Opened> {
        let of_archive = || format!("archive {}", self.url);
        let opened = match which.generation {
            Some(number) => self.numbered(number)?,
            None => self.newest_of_all(Access::Read, progress)?.ok_or_else(|| {
                Error::new(Class::Usage, "there is no generation in it")
                    .todo("name a place that a run with `--archive` has published to")
                    .at(of_archive())
            })?,
        };
        let root = opened.manifest.root.to_string();
        match which.root {
            Some(expected) if !root.starts_with(expected) => {
                let number = opened.manifest.generation;
                let what = format!("generation {number} has the root {root}, and not {expected}");
                Err(Error::new(Class::Damaged, what)).at(of_archive)
            }
            _ => Ok(opened),
        }
    }

    fn numbered(&self, number: u64) -> Result<Opened> {
        let (of_archive, Files { place, key }) = (|| format!("archive {}", self.url), self.files());
        if generation::numbers(place).at(of_archive)?.contains(&number) {
            let opened = generation::open(place, key, number).at(of_archive);
            return opened.map_err(|error| self.unless_pruned(error, number));
        }
        Err(self.has_no(number))
    }

    /// Every generation, from the newest on.
    ///
    /// # Errors
    ///
    /// A place that cannot be read. A generation that is damaged is an error in the list.
    pub fn list(&self) -> Result<Vec<(u64, Result<Opened>)>> {
        let Files { place, key } = self.files();
        generation::list(place, key).at(|| format!("archive {}", self.url))
    }

    /// Folds what has changed since the base of the newest generation into a new base, and gives the newest generation then.
    ///
    /// # Errors
    ///
    /// As [`compact::compact`], and [`Class::Usage`]: there is no generation.
    pub fn compact(&self, progress: &dyn Progress, stop: &Stop) -> Result<ArchiveReport> {
        let newest = self.newest_of_all(Access::Write, progress)?.ok_or_else(|| {
            Error::new(Class::Usage, "there is no generation").at(format!("archive {}", self.url))
        })?;
        let compacted =
            compact::compact(self.files(), &newest, stop).at(|| format!("archive {}", self.url))?;
        Ok(self.report(&compacted.unwrap_or(newest)))
    }

    /// Fails where a followed migration has an archive and none is given: what is applied without it would be missing there.
    pub(in crate::journey) fn check_given(
        given: Option<&Self>,
        lease: Lease,
        link: &mut Link<'_>,
    ) -> Result<()> {
        if given.is_some() {
            return Ok(());
        }
        match link.with(|session| ledger::note_of(session, lease.migration, STEP))? {
            None => Ok(()),
            Some(url) => {
                let what = format!(
                    "this migration has an archive, {url}, which would miss what is applied without it"
                );
                Err(Error::new(Class::Undecided, what).todo(
                    "name its place by `[archive]` in the pipeline file or by `--archive`; who gives it up deletes the row \
                     `archive` from liteferry.step",
                ))
            }
        }
    }

    /// Takes away what is older than the pipeline file says; not while somebody else writes to it or prunes it.
    pub(in crate::journey) fn prune_as_said(&self) -> Result<()> {
        let Some(days) = self.retain_days else { return Ok(()) };
        match self.prune(Keep::Days(days), false) {
            Err(error) if error.class() == Class::Held => Ok(()),
            pruned => pruned.map(drop),
        }
    }

    /// Takes away the generations and the backups that are not kept; what none of them names, `at_once` or when it is a day old.
    ///
    /// # Errors
    ///
    /// A generation that is damaged, and a place that cannot be written to.
    pub fn prune(&self, keep: Keep, at_once: bool) -> Result<Pruned> {
        let grace = if at_once { Duration::ZERO } else { GRACE };
        let (place, key, now) = (self.place.as_ref(), self.key.as_ref(), SystemTime::now());
        let told = |come| {
            reach(match come {
                Come::Begun => Step::PruningBegun,
                Come::ManifestGone => Step::ManifestPruned,
                Come::FileGone => Step::FilePruned,
            });
        };
        let both = || {
            let mut pruned = prune(place, key, keep, (now, grace), &told)?;
            let backups = backups::prune(place, key, keep, (now, grace), &told)?;
            pruned.backups = backups.backups;
            pruned.files += backups.files;
            pruned.bytes = pruned.bytes.saturating_add(backups.bytes);
            Ok(pruned)
        };
        both().at(|| format!("archive {}", self.url))
    }

    /// A generation of it, for people and programs.
    pub(in crate::journey) fn report(&self, opened: &Opened) -> ArchiveReport {
        let Opened { manifest, hash } = opened;
        ArchiveReport {
            url: self.url.clone(),
            generation: manifest.generation,
            hash: hash.to_string(),
            root: manifest.root.to_string(),
            files: manifest.files.len(),
            bytes: manifest.bytes(),
        }
    }
}

fn words(notice: &Notice) -> String {
    match notice {
        Notice::Passed(number, error) => format!("generation {number} is damaged: {error}"),
        Notice::PointerMissing => "it lacks the pointer to its newest generation".into(),
        Notice::PointerBehind(number) => {
            format!("it points to generation {number}, and there are newer ones")
        }
        Notice::PointerDamaged(error) => {
            format!("the pointer to its newest generation is damaged: {error}")
        }
    }
}

#[cfg(test)]
mod tests;
