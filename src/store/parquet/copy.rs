//! A generation as it is in one place, byte for byte in another: what is there already is not fetched again.
//!
//! Files come first and the manifest after them, as where it was published: a reader of the copy finds it whole or not at
//! all. A copy remembers which generation it has: an archive that was set back is found out by it.

use super::generation::{self, Opened, numbers, open, point, pointer};
use super::hash::Hashing;
use super::key::Key;
use super::manifest::{ArchiveFile, Generation, MANIFEST_MAX};
use super::place::{Created, Draft, Name, Place};
use crate::error::{Class, Error, Place as _, Result};
use std::io::{self, Read as _, Seek as _};

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

/// How closely is looked at what is at the destination already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A file of the right size is the one that was copied.
    Size,
    /// It is read, and fetched again where it is another one.
    Hash,
}

impl Copying<'_> {
    /// Fails where the destination has what is no earlier generation of the same archive.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: the destination has another generation of the same number, or, where the newest one is to be
    /// copied, a newer one: the archive was set back; else as [`Place`] says.
    pub fn check(self, opened: &Opened, is_newest: bool) -> Result<()> {
        let Self { to, key, .. } = self;
        let there = numbers(to)?;
        let wanted = opened.manifest.generation;
        if let Some(newer) = there.first().filter(|&&newest| is_newest && newest > wanted) {
            let what = format!(
                "its newest generation is {wanted}, and the copy has generation {newer}: it was set back"
            );
            return Err(Error::new(Class::Damaged, what)
                .todo("look at who writes to the archive; the copy is as it was"));
        }
        match self.known_to_both(opened, &there)? {
            Some(known) if open(to, key, known.generation)?.hash != known.hash => {
                Err(another(known.generation))
            }
            _ => Ok(()),
        }
    }

    /// The newest generation that the archive knows and whose manifest is `there`. Each names the one before it by its
    /// hash: where this one is the same, so are all before.
    fn known_to_both(self, opened: &Opened, there: &[u64]) -> Result<Option<Generation>> {
        let told = [Some(opened.generation()), opened.manifest.parent];
        let mut told = told.into_iter().flatten();
        if let Some(known) = told.find(|known| there.contains(&known.generation)) {
            return Ok(Some(known));
        }
        let here = numbers(self.from)?;
        let common = there.iter().find(|number| here.contains(number));
        let open = |&number| open(self.from, self.key, number).map(|opened| opened.generation());
        common.map(open).transpose()
    }

    /// Copies a file, unless it is there.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: it is missing, or its bytes are not those that were written; else as [`Place`] says. What is at
    /// the destination stays then.
    pub fn file(self, file: &ArchiveFile, trust: Trust) -> Result<Copied> {
        let copy = || match self.is_there(file, trust)? {
            Some(true) => Ok(Copied::Present),
            there => {
                let draft = self.fetch(file)?;
                if there.is_some() {
                    // No run leaves another file of this name: something has damaged it.
                    self.to.delete(file.name())?;
                }
                self.to.put(draft, file.name(), &file.stored())?;
                Ok(Copied::Fetched)
            }
        };
        copy().at(|| format!("archive: {}", file.name()))
    }

    /// Whether what has the name at the destination is the file; none where nothing has.
    fn is_there(self, file: &ArchiveFile, trust: Trust) -> Result<Option<bool>> {
        let Some(bytes) = self.to.size(file.name())? else { return Ok(None) };
        if bytes != file.bytes || trust == Trust::Size {
            return Ok(Some(bytes == file.bytes));
        }
        let Some(found) = self.to.fetch(file.name(), file.bytes)? else { return Ok(None) };
        match file.stored().check(found) {
            Err(error) if error.class() != Class::Damaged => Err(error),
            checked => Ok(Some(checked.is_ok())),
        }
    }

    /// A draft that has the bytes that were written.
    fn fetch(self, file: &ArchiveFile) -> Result<Draft> {
        let found = self.from.fetch(file.name(), file.bytes)?;
        let mut found = found.ok_or_else(|| Error::new(Class::Damaged, "it is missing"))?;
        let mut hashing = Hashing::new(self.to.draft()?);
        // A copy that a bucket gives stands at its end. One byte more tells a longer file.
        let most = file.bytes.saturating_add(1);
        let copied = found.rewind().and_then(|()| io::copy(&mut found.take(most), &mut hashing));
        copied.map_err(|error| {
            Error::new(Class::Temporary, "cannot be copied")
                .todo(
                    "look at both places, one may be full or gone, and run the same command again",
                )
                .because(error)
        })?;
        match hashing.finish() {
            Some((draft, hash, bytes)) if (hash, bytes) == (file.blake3, file.bytes) => Ok(draft),
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
    /// As [`Place`] says.
    pub fn point(self, opened: &Opened) -> Result<()> {
        match pointer(self.to, self.key) {
            Ok(Some(latest)) if latest.generation >= opened.manifest.generation => Ok(()),
            Err(error) if error.class() != Class::Damaged => Err(error),
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
