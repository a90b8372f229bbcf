//! What is in a place before anybody goes to work there: whether it is an archive, and whether that has a key. Both are
//! told by the first bytes of a few small files, and without the key.

use super::backup;
use super::generation::numbers;
use super::key::Key;
use super::manifest::seal::{self, HEAD_BYTES, Written};
use super::place::{Name, Place};
use crate::error::{Class, Error, Place as _, Result};

/// Whether there is a generation, what points to one, or what names a backup.
///
/// # Errors
///
/// As [`Place`] says.
pub fn is_archive(place: &dyn Place) -> Result<bool> {
    if place.size(&Name::latest())?.is_some() || !numbers(place)?.is_empty() {
        return Ok(true);
    }
    Ok(of_backups(place)?.is_some())
}

/// Fails where what is there was written without a key and one is given, or with another one than that: an archive has a
/// key from its first generation, or backup, on or never.
///
/// # Errors
///
/// [`Class::Access`]; else as [`Place`] says.
pub fn check_key(place: &dyn Place, key: Option<&Key>) -> Result<()> {
    let newest = numbers(place)?.first().map(|&number| Name::generation(number));
    let mut open = None;
    for name in [Some(Name::latest()), newest].into_iter().flatten() {
        match written(place, &name)? {
            // A part that is open among those that are hidden is forged: who reads it says so.
            Some(hidden @ Written::Hidden(_)) => return fits(key, (name, hidden)),
            Some(Written::Open) => open = Some((name, Written::Open)),
            None => {}
        }
    }
    let found = match open {
        None => of_backups(place)?,
        open => open,
    };
    found.map_or(Ok(()), |found| fits(key, found))
}

fn fits(key: Option<&Key>, (name, written): (Name, Written)) -> Result<()> {
    let fits = match (key, written) {
        (None, Written::Open) => Ok(()),
        (Some(key), Written::Hidden(id)) => key.check_id(id),
        (None, Written::Hidden(_)) => Err(Error::new(Class::Access, "this archive has a key")
            .todo("give its file by --key-file, or `key_file` in a pipeline file, or name another place")),
        (Some(_), Written::Open) => {
            Err(Error::new(Class::Access, "this archive was written without a key")
                .todo("give none, or name another place: an archive has a key from its first part on or never"))
        }
    };
    fits.at(|| format!("archive: {name}"))
}

/// The newest of what names backups by its name, which begins with its time, and can have been written by liteferry.
fn of_backups(place: &dyn Place) -> Result<Option<(Name, Written)>> {
    for name in backup::names(place)?.into_iter().rev() {
        if let Some(written) = written(place, &name)? {
            return Ok(Some((name, written)));
        }
    }
    Ok(None)
}

/// How a part was written; none where it is not there, or is damaged.
fn written(place: &dyn Place, name: &Name) -> Result<Option<Written>> {
    match place.get_range(name, 0..HEAD_BYTES) {
        Err(error) if error.class() == Class::Damaged => Ok(None),
        head => Ok(head?.as_deref().and_then(seal::written)),
    }
}

#[cfg(test)]
mod tests;
