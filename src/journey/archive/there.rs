//! What must be there before anybody goes to work in an archive, and what a failure is where it is not there any more.

use super::Archive;
use crate::config::ArchiveSection;
use crate::error::{Class, Error, Place as _, Result};
use crate::store::parquet::generation::{self, Opened};
use crate::store::parquet::place::Access;
use crate::store::parquet::presence;

impl Archive {
    /// Opens an archive that is there, whether to read it or to look after it: nothing is made.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: there is neither a generation nor a backup, nor was there any; [`Class::Access`]: it has no key or
    /// another one than is given; a place that cannot be reached, or a key that cannot be read.
    pub fn open_there(section: &ArchiveSection) -> Result<Self> {
        let archive = Self::open(section, Access::Read)?;
        archive.check_there()?;
        archive.check_key()?;
        Ok(archive)
    }

    /// Fails where there is no archive.
    pub(super) fn check_there(&self) -> Result<()> {
        let of_archive = || format!("archive {}", self.url);
        if presence::is_archive(self.place.as_ref()).at(of_archive)? {
            return Ok(());
        }
        Err(Error::new(Class::Usage, "there is no archive: neither a generation nor a backup")
            .todo("name a place that a run with `--archive`, or `liteferry backup`, has written to")
            .at(of_archive()))
    }

    /// Fails where what is there was written without the key, or with one where none is given.
    ///
    /// # Errors
    ///
    /// [`Class::Access`]; else a place that cannot be read.
    pub fn check_key(&self) -> Result<()> {
        presence::check_key(self.place.as_ref(), self.key.as_ref())
            .at(|| format!("archive {}", self.url))
    }

    /// Every generation, as [`Self::list`] has them.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: there were some, and none is left; else as [`Self::list`].
    pub fn list_known(&self) -> Result<Vec<(u64, Result<Opened>)>> {
        let listed = self.list()?;
        if listed.is_empty() {
            generation::newest(self.place.as_ref(), self.key.as_ref())
                .at(|| format!("archive {}", self.url))?;
        }
        Ok(listed)
    }

    /// What a failure to read a generation is where that was pruned meanwhile: nothing is damaged then.
    pub(in crate::journey) fn unless_pruned(&self, error: Error, number: u64) -> Error {
        if error.class() != Class::Damaged {
            return error;
        }
        // What cannot be listed now proves nothing.
        let left = generation::numbers(self.place.as_ref()).unwrap_or_default();
        let is_pruned = !left.contains(&number) && left.iter().any(|&newer| newer > number);
        if !is_pruned {
            return error;
        }
        Error::new(Class::Temporary, format!("generation {number} was pruned meanwhile"))
            .todo("take another generation: `liteferry archive list` tells which there are")
            .because(error)
            .at(format!("archive {}", self.url))
    }
}
