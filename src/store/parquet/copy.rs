//! A generation as it is in one place, byte for byte in another: what is there already is not fetched again.
//!
//! Files come first and the manifest after them, as where it was published: a reader of the copy finds it whole or not at
//! all. A copy remembers which generation it has: an archive that was set back is found out by it.

use super::generation::{self, Opened, numbers, open, point, pointer};
use super::hash::Hashing;
use super::key::Key;
use super::manifest::{ArchiveFile, MANIFEST_MAX};
use super::place::{Created, Name, Place};
use crate::error::{Class, Error, Place as _, Result};
use std::io::{self, Seek as _};

/// Where to a generation is copied, and the key of both places.
#[derive(Debug, Clone, Copy)]
pub struct Copying<'a> {
    /// Where it was published.
    pub from: &'a dyn Place,
    /// Where it is going to be as well.
    pub to: &'a dyn Place,
    /// Their key, if they have one.
    pub key: Option<&'a Key>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It was there already.
    Present,
    /// It was fetched.
    Fetched,
}

impl Copying<'_> {
    /// Fails where something else than an earlier generation of the same archive is at the destination.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: the destination has another generation of the same number, or, where the newest one is to be
    /// copied, a newer one: the archive was set back; [`Class::Usage`]: it is of another source; else as [`Place`] says.
    pub fn check(self, opened: &Opened, is_newest: bool) -> Result<()> {
        let Self { from, to, key } = self;
        let there = numbers(to)?;
        let here = numbers(from)?;
        let wanted = opened.manifest.generation;
        if let Some(newer) = there.first().filter(|&&newest| is_newest && newest > wanted) {
            let what = format!(
                "its newest generation is {wanted}, and the copy has generation {newer}: it was set back"
            );
            return Err(Error::new(Class::Damaged, what)
                .todo("look at who writes to the archive; the copy is as it was"));
        }
        // Each names the one before it by its hash: where the newest that both have is the same, so are all before.
        if let Some(&number) = there.iter().find(|number| here.contains(number))
            && open(to, key, number)?.hash != open(from, key, number)?.hash
        {
            return Err(another(number));
        }
        match there.first() {
            Some(&newest) if open(to, key, newest)?.manifest.source != opened.manifest.source => {
                Err(Error::new(Class::Usage, "there is an archive of another source")
                    .todo("name an empty folder, or the one that this archive was copied to"))
            }
            _ => Ok(()),
        }
    }

    /// Copies a file, unless it is there.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: it is missing, or its bytes are not those that were written; else as [`Place`] says.
    pub fn file(self, file: &ArchiveFile) -> Result<Copied> {
        let copy = || {
            match self.to.size(file.name())? {
                Some(bytes) if bytes == file.bytes => return Ok(Copied::Present),
                // No run leaves half a file: something has cut it off.
                Some(_) => self.to.delete(file.name())?,
                None => {}
            }
            self.fetch(file)?;
            Ok(Copied::Fetched)
        };
        copy().at(|| format!("archive: {}", file.name()))
    }

    fn fetch(self, file: &ArchiveFile) -> Result<()> {
        let found = self.from.fetch(file.name(), file.bytes)?;
        let mut bytes = found.ok_or_else(|| Error::new(Class::Damaged, "it is missing"))?;
        let mut hashing = Hashing::new(self.to.draft()?);
        // A copy that a bucket gives stands at its end.
        let copied = bytes.rewind().and_then(|()| io::copy(&mut bytes, &mut hashing));
        copied.map_err(|error| {
            Error::new(Class::Temporary, "cannot be copied")
                .todo(
                    "look at both places, one may be full or gone, and run the same command again",
                )
                .because(error)
        })?;
        match hashing.finish() {
            Some((draft, hash, bytes)) if (hash, bytes) == (file.blake3, file.bytes) => {
                self.to.put(draft, file.name(), &file.stored())
            }
            _ => {
                let what = format!("its bytes do not have the hash {}", file.blake3);
                Err(Error::new(Class::Damaged, what))
            }
        }
    }

    /// Puts the manifest beside its files.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: a file is not there, the manifest is another one now, or the destination has another generation
    /// of this number; else as [`Place`] says.
    pub fn manifest(self, opened: &Opened) -> Result<()> {
        let Self { from, to, key } = self;
        let files = &opened.manifest.files;
        files.iter().try_for_each(|file| generation::check(to, file))?;
        let number = opened.manifest.generation;
        let name = Name::generation(number);
        let bytes = from.get(&name, MANIFEST_MAX)?;
        let bytes = bytes.ok_or_else(|| {
            Error::new(Class::Damaged, "it is missing").at(format!("archive: {name}"))
        })?;
        // Whoever was faster, and whatever the place gave this time: it must be the one whose files were copied.
        match to.create(&name, &bytes)? {
            Created::New | Created::Exists if open(to, key, number)?.hash == opened.hash => Ok(()),
            Created::New | Created::Exists => Err(another(number)),
        }
    }

    /// Points to a generation whose manifest is there, unless there is a newer one.
    ///
    /// # Errors
    ///
    /// As [`Place`] says, and [`Class::Damaged`]: what is pointed to cannot be read.
    pub fn point(self, opened: &Opened) -> Result<()> {
        match pointer(self.to, self.key)? {
            Some(latest) if latest.generation >= opened.manifest.generation => Ok(()),
            _ => point(self.to, self.key, opened.generation()),
        }
    }
}

fn another(number: u64) -> Error {
    let what = format!("generation {number} of the copy is not that of the archive");
    Error::new(Class::Damaged, what)
        .todo("look at who writes to either; else name an empty folder for the copy")
}

#[cfg(test)]
mod tests;
