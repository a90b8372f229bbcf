//! Retention: which generations an archive keeps, and taking away what no kept one names.
//!
//! Manifests go first, from the oldest on, and then the files: wherever it is killed, every manifest that is there has
//! all its files, and the next run takes the rest away. Nobody writes meanwhile: a file that is put once more, and is about
//! to be named, must not be taken for what it was before.

use super::generation::{Opened, list, numbers, open, point, pointer};
use super::key::Key;
use super::manifest::{FileKind, Generation};
use super::place::{Entry, Name, Place};
use crate::error::{Class, Error, Result};
use std::collections::HashSet;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file that no manifest names is left for so long: a run that is not over may be about to name it.
pub const GRACE: Duration = Duration::from_hours(24);
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// What an archive keeps; the newest generation always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// So many generations.
    Generations(NonZeroU64),
    /// Those that were made in the last so many days.
    Days(NonZeroU64),
}

/// How far pruning has come, for whoever is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Come {
    /// It is known what goes, and nothing of it is gone.
    Begun,
    /// A generation's manifest is gone, or what named a backup.
    ManifestGone,
    /// A file that nothing names is gone.
    FileGone,
}

/// What was taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Generations.
    pub generations: u64,
    /// Backups.
    pub backups: u64,
    /// Files that no other generation names, drafts included.
    pub files: u64,
    /// Bytes of those files, drafts not included.
    pub bytes: u64,
}

/// Takes away what is not kept. Files that liteferry does not name so are left alone. `now` is the time by the place's
/// clock, nearly; `grace` is [`GRACE`], or less where nobody else can be publishing. `told` is called on the way.
///
/// # Errors
///
/// [`Class::Held`]: a run is writing to the archive; [`Class::Damaged`]: a generation is damaged, so that nobody knows what
/// it names, or what points to the newest one is missing or names another one; nothing is taken away then. Else as
/// [`Place`] says; the same command goes on from there.
pub fn prune(
    place: &dyn Place,
    key: Option<&Key>,
    keep: Keep,
    (now, grace): (SystemTime, Duration),
    told: &dyn Fn(Come),
) -> Result<Pruned> {
    let alone = place.alone()?;
    let pointed = pointer(place, key);
    let mut generations = Vec::new();
    for (_, read) in list(place, key)? {
        generations.push(read.map_err(|error| {
            error.todo("nobody knows which files it names: put it back, or remove it")
        })?);
    }
    // From the newest on, as they are listed.
    let Some(newest) = generations.first() else {
        return match pointed? {
            Some(lost) => Err(missing(lost)),
            None => Ok(Pruned::default()),
        };
    };
    repoint(place, key, pointed, newest)?;
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let goes = |at: usize, written: u64| match keep {
        Keep::Generations(count) => u64::try_from(at).is_ok_and(|at| at >= count.get()),
        Keep::Days(days) => {
            at > 0 && written < since.saturating_sub(days.get().saturating_mul(DAY_SECONDS))
        }
    };
    told(Come::Begun);
    let mut pruned = Pruned::default();
    let mut named = HashSet::new();
    for (at, opened) in generations.iter().enumerate().rev() {
        if goes(at, opened.manifest.written) {
            alone.keep()?;
            place.delete(&Name::generation(opened.manifest.generation))?;
            told(Come::ManifestGone);
            pruned.generations += 1;
        } else {
            named.extend(opened.manifest.files.iter().map(|file| file.name().clone()));
        }
    }
    // What was published since the list was read.
    for number in numbers(place)?.into_iter().filter(|&it| it > newest.manifest.generation) {
        named.extend(
            open(place, key, number)?.manifest.files.iter().map(|file| file.name().clone()),
        );
    }
    let before = now.checked_sub(grace).unwrap_or(UNIX_EPOCH);
    for entry in place.list(&Name::tables())? {
        if is_lost(&entry, &named, before) {
            alone.keep()?;
            place.delete(&entry.name)?;
            told(Come::FileGone);
            pruned.files += 1;
            pruned.bytes = pruned.bytes.saturating_add(entry.bytes);
        }
    }
    pruned.files += place.sweep(before)?;
    Ok(pruned)
}

/// Whether no manifest names a file of ours, and nobody is about to.
fn is_lost(entry: &Entry, named: &HashSet<Name>, before: SystemTime) -> bool {
    FileKind::is_named(&entry.name) && !named.contains(&entry.name) && entry.modified <= before
}

/// Points to the newest generation, where a publisher died before it did: what is pointed to must not be pruned.
fn repoint(
    place: &dyn Place,
    key: Option<&Key>,
    pointed: Result<Option<Generation>>,
    newest: &Opened,
) -> Result<()> {
    match pointed {
        Ok(Some(latest)) if latest == newest.generation() => return Ok(()),
        Ok(Some(latest)) if latest.generation >= newest.manifest.generation => {
            return Err(missing(latest));
        }
        // Only the first publisher can die before there is one.
        Ok(None) if newest.manifest.parent.is_some() => {
            return Err(Error::new(
                Class::Damaged,
                "it lacks the pointer to its newest generation",
            )
            .todo("put latest.json back, or publish the next generation, which makes it anew")
            .at("archive"));
        }
        Err(error) if error.class() != Class::Damaged => return Err(error),
        Ok(_) | Err(_) => {}
    }
    point(place, key, newest.generation())
}

/// What is pointed to is not there.
fn missing(latest: Generation) -> Error {
    let number = latest.generation;
    let what = format!("generation {number} was the newest, and is missing or another one");
    Error::new(Class::Damaged, what)
        .todo("look at who writes to the archive, and put it back as it was")
        .at("archive")
}

#[cfg(test)]
mod tests;
