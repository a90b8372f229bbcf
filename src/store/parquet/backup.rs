//! Backups beside the generations: whole databases, packed with zstd and where the archive has a key encrypted, each
//! with a small JSON object that names it.
//!
//! The file comes first, `backups/HASH.backup`, named by the hash of its bytes; then `backups/NAME.json`, which must not
//! be there yet: `{"format":1,"kind":…,"source":…,"written":…,"whole":…,"bytes":…,"blake3":…,"hash":…}`, sealed as a
//! manifest is.

mod old;
mod packed;
mod stream;

pub use old::{Old, old};
pub use packed::{Packed, Put, pack};

use super::facts::of_format;
use super::file::Stored;
use super::generation::check_size;
use super::hash::ContentHash;
use super::key::Key;
use super::manifest::seal::{self, Sealed};
use super::place::{Name, Place};
use super::prune::{Come, Keep, Pruned};
use super::verified::Verified;
use crate::error::{Class, Error, Place as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What this program writes, and the only one that it reads.
const FORMAT: u32 = 1;
/// A description is a line; bytes, at most.
const DESCRIPTION_MAX: u64 = 64 * 1024;
/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;
/// Bytes that are moved at once.
const PIECE_BYTES: usize = 256 * 1024;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// What a backup is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackupKind {
    /// A SQLite file.
    Sqlite,
    /// A database of PostgreSQL, as `pg_dump --format custom` has it.
    Postgres,
}

impl BackupKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What is said of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    format: u32,
    /// What it is of.
    pub kind: BackupKind,
    /// What it is of, by its file or its address, without a password.
    pub source: String,
    /// When it was made, in seconds since 1970.
    pub written: u64,
    /// Its bytes once it is unpacked.
    pub whole: u64,
    /// Its bytes in the archive.
    pub bytes: u64,
    /// The hash of those.
    pub blake3: ContentHash,
}

/// A backup under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// By what it is asked for.
    pub name: String,
    /// What is said of it.
    pub backup: Backup,
}

impl Backup {
    fn file(&self) -> Result<Name> {
        name(&format!("{}.backup", self.blake3))
    }
}

impl From<&Backup> for Stored {
    fn from(backup: &Backup) -> Self {
        Self { hash: backup.blake3, bytes: backup.bytes, rows: 0 }
    }
}

fn folder() -> Result<Name> {
    Name::parse("backups").ok_or_else(|| Error::internal("a folder has no name"))
}

fn name(last: &str) -> Result<Name> {
    Name::parse(&format!("backups/{last}")).filter(|_| !last.contains('/')).ok_or_else(|| {
        Error::new(Class::Usage, format!("no backup can have the name {last:?}"))
            .todo("take a name that `liteferry archive list` shows")
    })
}

/// What is said of the backup that has a name.
///
/// # Errors
///
/// [`Class::Usage`]: there is none of this name, or a later liteferry wrote it; [`Class::Damaged`]: what is said of it is
/// damaged; [`Class::Access`]: it has a key, and none is given.
pub fn open(place: &dyn Place, key: Option<&Key>, called: &str) -> Result<Named> {
    let of = name(&format!("{called}.json"))?;
    let read = || {
        let bytes = place.get(&of, DESCRIPTION_MAX)?.ok_or_else(|| {
            Error::new(Class::Usage, "there is no such backup")
                .todo("take a name that `liteferry archive list` shows")
        })?;
        let (text, _) = seal::unseal(&bytes, Sealed::Backup, key)?;
        let unread = |error| Error::new(Class::Damaged, "it cannot be read").because(error);
        of_format(&text, FORMAT, unread)
    };
    let backup = read().at(|| format!("archive: {of}"))?;
    Ok(Named { name: called.into(), backup })
}

/// Every backup, from the newest on; one that is damaged is an error under its name.
///
/// # Errors
///
/// As [`Place`] says, and [`Class::Access`]: the archive has a key, and none is given.
pub fn list(place: &dyn Place, key: Option<&Key>) -> Result<Vec<(String, Result<Named>)>> {
    let mut found = Vec::new();
    for name in names(place)? {
        let Some(called) = called(&name) else { continue };
        match open(place, key, called) {
            Err(error) if error.class() != Class::Damaged => return Err(error),
            read => found.push((called.to_owned(), read)),
        }
    }
    let written = |read: &Result<Named>| read.as_ref().map_or(u64::MAX, |it| it.backup.written);
    found.sort_by(|(a, one), (b, other)| (written(other), b).cmp(&(written(one), a)));
    Ok(found)
}

/// What names backups, in the order of names.
pub(super) fn names(place: &dyn Place) -> Result<Vec<Name>> {
    let names = place.list(&folder()?)?.into_iter().map(|entry| entry.name);
    Ok(names.filter(|name| called(name).is_some()).collect())
}

/// By what a backup is asked for that is named so.
fn called(name: &Name) -> Option<&str> {
    name.as_str().strip_prefix("backups/")?.strip_suffix(".json")
}

/// Fails unless a backup is there, of its size.
///
/// # Errors
///
/// [`Class::Damaged`], which names it.
pub fn check(place: &dyn Place, backup: &Backup) -> Result<()> {
    check_size(place, &backup.file()?, backup.bytes)
}

/// Unpacks a backup into `out`, once all its bytes are hashed.
///
/// # Errors
///
/// [`Class::Damaged`]: it is missing, or not what was put there; [`Class::Access`]: it has another key;
/// [`Class::Temporary`]: it cannot be read, or `out` takes no more; and what `goes_on` says.
pub fn unpack(
    place: &dyn Place,
    key: Option<&Key>,
    backup: &Backup,
    out: &mut dyn Write,
    goes_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let file = backup.file()?;
    let mut read = || {
        let missing = || Error::new(Class::Damaged, "it is missing");
        let fetched = place.fetch(&file, backup.bytes)?.ok_or_else(missing)?;
        unpack_file(fetched, key, backup, out, goes_on)
    };
    read().at(|| format!("archive: {file}"))
}

fn unpack_file(
    file: File,
    key: Option<&Key>,
    backup: &Backup,
    out: &mut dyn Write,
    goes_on: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let mut same = file.try_clone().map_err(unread)?;
    Verified::check(file, &Stored::from(backup))?;
    same.rewind().map_err(unread)?;
    let shown = stream::Showing::new(BufReader::new(same), key)?;
    let mut unpacking = zstd::Decoder::new(shown).map_err(unread)?;
    let whole = pour(&mut unpacking, out, backup.whole, goes_on)?;
    if whole == backup.whole {
        return Ok(());
    }
    let what = format!("it becomes {whole} bytes instead of {}", backup.whole);
    Err(Error::new(Class::Damaged, what))
}

/// Unpacks a file of old that is no part of an archive: as it is, or by gzip or zstd, as its first bytes say.
///
/// # Errors
///
/// [`Class::Damaged`]: it cannot be unpacked; [`Class::Temporary`]: `out` takes no more; and what `goes_on` says.
pub fn unpack_old(file: File, out: &mut dyn Write, goes_on: &dyn Fn() -> Result<()>) -> Result<()> {
    pour(&mut old::unpacking(file)?, out, u64::MAX, goes_on).map(drop)
}

/// Takes away what is not kept, of each source by itself; the newest stays. Files that no backup names go once they are
/// older than `grace`, and drafts too. `told` is called on the way.
///
/// # Errors
///
/// [`Class::Held`]: a run is writing to the archive; [`Class::Damaged`]: what is said of a backup is damaged, and nothing
/// is taken away; else as [`Place`] says.
pub fn prune(
    place: &dyn Place,
    key: Option<&Key>,
    keep: Keep,
    (now, grace): (SystemTime, Duration),
    told: &dyn Fn(Come),
) -> Result<Pruned> {
    let alone = place.alone()?;
    let mut pruned = Pruned::default();
    let mut seen: HashMap<(BackupKind, String), u64> = HashMap::new();
    let all = list(place, key)?.into_iter().map(|(_, read)| {
        read.map_err(|error| {
            error.todo("nobody knows which file it names: put it back, or remove it")
        })
    });
    for Named { name: called, backup } in all.collect::<Result<Vec<_>>>()? {
        let newer = seen.entry((backup.kind, backup.source)).or_default();
        let is_kept = match keep {
            Keep::Generations(count) => *newer < count.get(),
            Keep::Days(days) => {
                let age = days.get().saturating_mul(DAY_SECONDS);
                *newer == 0 || backup.written >= seconds(now).saturating_sub(age)
            }
        };
        *newer += 1;
        if !is_kept {
            alone.keep()?;
            place.delete(&name(&format!("{called}.json"))?)?;
            told(Come::ManifestGone);
            pruned.backups += 1;
        }
    }
    let left = list(place, key)?.into_iter().map(|(_, read)| read?.backup.file());
    let named: HashSet<Name> = left.collect::<Result<_>>()?;
    let before = now.checked_sub(grace).unwrap_or(UNIX_EPOCH);
    for entry in place.list(&folder()?)? {
        let last = entry.name.as_str().strip_prefix("backups/");
        let hash = last.and_then(|last| last.strip_suffix(".backup")).and_then(ContentHash::parse);
        if hash.is_some() && !named.contains(&entry.name) && entry.modified <= before {
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

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Moves all bytes, so many at most, and gives their number; one more where there are more.
fn pour(
    from: &mut dyn Read,
    to: &mut dyn Write,
    most: u64,
    goes_on: &dyn Fn() -> Result<()>,
) -> Result<u64> {
    let mut from = from.take(most.saturating_add(1));
    let (mut piece, mut poured) = (vec![0; PIECE_BYTES], 0_u64);
    loop {
        goes_on()?;
        let count = match from.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count.map_err(unread)?,
        };
        if count == 0 {
            return Ok(poured);
        }
        poured = poured.saturating_add(count.try_into().unwrap_or(u64::MAX));
        if poured > most {
            return Ok(poured);
        }
        to.write_all(piece.get(..count).unwrap_or_default()).map_err(unwritten)?;
    }
}

/// What cannot be read: a disk that fails has a number, bytes that cannot be unpacked have none.
fn unread(error: io::Error) -> Error {
    let (class, what) = match error.raw_os_error() {
        Some(_) => (Class::Temporary, "it cannot be read"),
        None => (Class::Damaged, "it cannot be unpacked"),
    };
    Error::new(class, what).because(error)
}

fn unwritten(error: io::Error) -> Error {
    Error::new(Class::Temporary, "it cannot be written")
        .todo("look whether there is room on the disk")
        .because(error)
}

#[cfg(test)]
mod tests;
