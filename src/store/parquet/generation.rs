//! The generations of an archive: each is published whole, and read whole.
//!
//! Files come first, then the manifest `generations/000001.json`, which must not be there yet, then `latest.json`, which
//! points to it. The manifest is what makes a generation: the pointer only tells those who come later that it was there,
//! so that nobody can take it away unnoticed.

use super::facts::of_format;
use super::hash::ContentHash;
use super::key::Key;
use super::manifest::seal::{self, Sealed};
use super::manifest::{ArchiveFile, Contents, FORMAT, Generation, MANIFEST_MAX, Manifest};
use super::place::{Created, Name, Place};
use crate::error::{Class, Error, Place as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A pointer is a line; bytes, at most.
const POINTER_MAX: u64 = 4096;

/// A generation that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// What it holds.
    pub manifest: Manifest,
    /// The manifest's hash: who keeps it can tell this generation from any other.
    pub hash: ContentHash,
}

impl Opened {
    /// Its number and its hash.
    pub fn generation(&self) -> Generation {
        Generation { generation: self.manifest.generation, hash: self.hash }
    }
}

/// The newest generation, and what is not as it should be around it.
#[derive(Debug)]
pub struct Newest {
    /// The newest generation that is whole.
    pub opened: Opened,
    /// What its reader should be told.
    pub notices: Vec<Notice>,
}

/// Something that does not keep the newest whole generation from being read.
#[derive(Debug)]
pub enum Notice {
    /// A newer generation is damaged or forged, and was passed over.
    Passed(u64, Error),
    /// The pointer is missing: it was taken away, or the first publisher died before it.
    PointerMissing,
    /// The pointer names an older generation: it was put back, or a publisher died before it.
    PointerBehind(u64),
    /// The pointer is damaged or forged.
    PointerDamaged(Error),
}

/// A generation that is damaged, and how.
type Passed = (u64, Error);

/// What `latest.json` says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    format: u32,
    latest: Generation,
}

/// Publishes a generation whose files have all been [put](Place::put). `parent` is the newest one, from which it was
/// made; none in an archive that has none.
///
/// # Errors
///
/// [`Class::Held`]: another publisher was faster, or another run is pruning, and nothing has changed;
/// [`Class::Damaged`]: a file is not there, or not of its size; else as [`Place`] says, and then the generation is there
/// whole, or not at all.
pub fn publish(
    place: &dyn Place,
    key: Option<&Key>,
    parent: Option<&Opened>,
    contents: Contents,
) -> Result<Opened> {
    // Nobody prunes between the look at the files and the manifest that names them.
    place.enter()?;
    let numbers = numbers(place)?;
    let pointed = match pointer(place, key) {
        Err(error) if error.class() == Class::Damaged => None,
        pointed => pointed?,
    };
    let newest = first_whole(place, key, &numbers)?.0.map(|opened| opened.generation());
    if newest != parent.map(Opened::generation) {
        return Err(outrun(newest.map_or(0, |newest| newest.generation)));
    }
    check_new_files(place, parent, &contents.files)?;
    // Above those that are damaged, too, and above one that was taken away: a number has one meaning for ever.
    let above = numbers.first().copied().max(pointed.map(|latest| latest.generation)).unwrap_or(0);
    let number = above.checked_add(1).ok_or_else(|| {
        Error::new(Class::Damaged, "an archive has a generation of the highest number")
    })?;
    let manifest = Manifest::new(number, parent.map(Opened::generation), contents, key)?;
    let (bytes, hash) = manifest.to_bytes(key)?;
    match place.create(&Name::generation(number), &bytes)? {
        Created::New => {}
        Created::Exists => return Err(outrun(number)),
    }
    let opened = Opened { manifest, hash };
    point(place, key, opened.generation())?;
    place.leave();
    Ok(opened)
}

fn outrun(number: u64) -> Error {
    let what = format!("another run has published generation {number} of this archive meanwhile");
    Error::new(Class::Held, what).todo("let one run publish at a time; then run this one again")
}

/// Fails unless files that the parent does not have are there.
fn check_new_files(
    place: &dyn Place,
    parent: Option<&Opened>,
    files: &[ArchiveFile],
) -> Result<()> {
    let before: HashSet<&Name> =
        parent.iter().flat_map(|it| &it.manifest.files).map(ArchiveFile::name).collect();
    files
        .iter()
        .filter(|file| !before.contains(file.name()))
        .try_for_each(|file| check(place, file))
}

/// Fails unless a file is there, of its size.
///
/// # Errors
///
/// [`Class::Damaged`], which names it.
pub fn check(place: &dyn Place, file: &ArchiveFile) -> Result<()> {
    check_size(place, file.name(), file.bytes)
}

/// Fails unless a file of this name is there and has so many bytes.
pub(super) fn check_size(place: &dyn Place, name: &Name, bytes: u64) -> Result<()> {
    let what = match place.size(name)? {
        Some(found) if found == bytes => return Ok(()),
        Some(found) => format!("it has {found} bytes instead of {bytes}"),
        None => "it is missing".into(),
    };
    Err(Error::new(Class::Damaged, what).at(format!("archive: {name}")))
}

/// Points to a generation.
pub(super) fn point(place: &dyn Place, key: Option<&Key>, latest: Generation) -> Result<()> {
    let (bytes, _) = seal::seal(&Pointer { format: FORMAT, latest }, Sealed::Pointer, key)?;
    place.replace(&Name::latest(), &bytes)
}

/// Which generation is pointed to.
pub(super) fn pointer(place: &dyn Place, key: Option<&Key>) -> Result<Option<Generation>> {
    let name = Name::latest();
    let read = || {
        let Some(bytes) = place.get(&name, POINTER_MAX)? else { return Ok(None) };
        let (text, _) = seal::unseal(&bytes, Sealed::Pointer, key)?;
        let unread = |error| Error::new(Class::Damaged, "it cannot be read").because(error);
        let pointer: Pointer = of_format(&text, FORMAT, unread)?;
        Ok(Some(pointer.latest))
    };
    read().at(|| format!("archive: {name}"))
}

/// The numbers of the generations that have a manifest, from the newest on.
///
/// # Errors
///
/// As [`Place`] says.
pub fn numbers(place: &dyn Place) -> Result<Vec<u64>> {
    let entries = place.list(&Name::generations())?;
    let mut numbers: Vec<u64> =
        entries.iter().filter_map(|entry| entry.name.generation_number()).collect();
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    Ok(numbers)
}

/// Reads a generation.
///
/// # Errors
///
/// [`Class::Damaged`]: it is missing, damaged, or not what its number says; [`Class::Usage`]: a later liteferry wrote it;
/// [`Class::Access`]: it has a key, and none is given.
pub fn open(place: &dyn Place, key: Option<&Key>, number: u64) -> Result<Opened> {
    let name = Name::generation(number);
    let read = || {
        let bytes = place.get(&name, MANIFEST_MAX)?;
        let bytes = bytes.ok_or_else(|| Error::new(Class::Damaged, "it is missing"))?;
        let (manifest, hash) = Manifest::parse(&bytes, key)?;
        if manifest.generation != number {
            let what = format!("it is that of generation {}", manifest.generation);
            return Err(Error::new(Class::Damaged, what));
        }
        Ok(Opened { manifest, hash })
    };
    read().at(|| format!("archive: {name}"))
}

/// The newest generation that is whole, and what was passed over for it.
fn first_whole(
    place: &dyn Place,
    key: Option<&Key>,
    numbers: &[u64],
) -> Result<(Option<Opened>, Vec<Passed>)> {
    let mut passed = Vec::new();
    for &number in numbers {
        match open(place, key, number) {
            Ok(opened) => return Ok((Some(opened), passed)),
            Err(error) if error.class() == Class::Damaged => passed.push((number, error)),
            Err(error) => return Err(error),
        }
    }
    Ok((None, passed))
}

/// Reads the newest generation that is whole; none in a place where there is no archive.
///
/// # Errors
///
/// [`Class::Damaged`]: there are generations and none is whole; or the pointer names one that is newer than all of them,
/// or another one of that number: the archive was set back; [`Class::Usage`]: a later liteferry wrote the newest one;
/// [`Class::Access`]: it has a key, and none is given.
pub fn newest(place: &dyn Place, key: Option<&Key>) -> Result<Option<Newest>> {
    // The pointer first: whoever publishes meanwhile makes the manifest before it.
    let pointed = pointer(place, key);
    let numbers = numbers(place)?;
    let (opened, mut passed) = first_whole(place, key, &numbers)?;
    let mut notices = Vec::new();
    let pointed = match pointed {
        Ok(pointed) => pointed,
        Err(error) if error.class() == Class::Damaged => {
            if opened.is_none() && passed.is_empty() {
                return Err(error);
            }
            notices.push(Notice::PointerDamaged(error));
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(latest) = pointed {
        check_pointed(place, key, latest, &numbers)?;
    }
    let Some(opened) = opened else {
        // The newest one's failure stands for those of all.
        return passed.drain(..).next().map_or(Ok(None), |(_, error)| Err(error));
    };
    match pointed {
        Some(latest) if latest.generation < opened.manifest.generation => {
            notices.push(Notice::PointerBehind(latest.generation));
        }
        None if notices.is_empty() => notices.push(Notice::PointerMissing),
        Some(_) | None => {}
    }
    notices.extend(passed.into_iter().map(|(number, error)| Notice::Passed(number, error)));
    Ok(Some(Newest { opened, notices }))
}

/// Fails where the generation that is pointed to was taken away from the end, or is another one now.
fn check_pointed(
    place: &dyn Place,
    key: Option<&Key>,
    latest: Generation,
    numbers: &[u64],
) -> Result<()> {
    let number = latest.generation;
    let is_set_back = |what: String| {
        Err(Error::new(Class::Damaged, what)
            .todo("look at who writes to the archive, or read a generation by its number"))
    };
    if numbers.first().is_none_or(|&newest| newest < number) {
        return is_set_back(format!("archive: generation {number} was the newest, and is missing"));
    }
    // An older one may have been pruned, or is passed over for what it is.
    match open(place, key, number) {
        Ok(opened) if opened.hash != latest.hash => {
            is_set_back(format!("archive: generation {number} is not the one that was published"))
        }
        Err(error) if error.class() != Class::Damaged => Err(error),
        _ => Ok(()),
    }
}

/// Reads every generation, from the newest on; a parent that is there must be the one that was built on.
///
/// # Errors
///
/// As [`Place`] says, and [`Class::Access`]: the archive has a key, and none is given. A generation that is damaged is an
/// error in the list.
pub fn list(place: &dyn Place, key: Option<&Key>) -> Result<Vec<(u64, Result<Opened>)>> {
    let mut found: Vec<(u64, Result<Opened>)> = Vec::new();
    for number in numbers(place)? {
        match open(place, key, number) {
            Err(error) if error.class() != Class::Damaged => return Err(error),
            read => found.push((number, read)),
        }
    }
    let parents: Vec<Generation> =
        found.iter().filter_map(|(_, read)| read.as_ref().ok()?.manifest.parent).collect();
    for (number, read) in &mut found {
        let other = |opened: &Opened| {
            let mut those = parents.iter().filter(|parent| parent.generation == *number);
            those.any(|parent| parent.hash != opened.hash)
        };
        if read.as_ref().is_ok_and(other) {
            let what = "it is not the one that later generations were made from";
            let error = Error::new(Class::Damaged, what);
            *read = Err(error.at(format!("archive: {}", Name::generation(*number))));
        }
    }
    Ok(found)
}

#[cfg(test)]
pub(crate) mod tests;
