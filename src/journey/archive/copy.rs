//! Copying: a generation of an archive into another place, of which only what that lacks is fetched.

use super::publish::check_source;
use super::{Archive, Files, Which, passing};
use crate::config::ArchiveSection;
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::Setting;
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, workers};
use crate::status::ArchiveReport;
use crate::store::parquet::copy::{Copied, Copying, Trust};
use crate::store::parquet::generation::{self, Opened};
use crate::store::parquet::place::{Access, is_within};

/// What was copied.
#[derive(Debug)]
pub struct Brought {
    /// The generation, as it is in its copy.
    pub archive: ArchiveReport,
    /// Files that were fetched.
    pub fetched: usize,
    /// Their bytes.
    pub fetched_bytes: u64,
}

impl Archive {
    /// Copies a generation, the newest one unless its number is given, to another place, byte for byte; files that are
    /// there are not fetched. Both have the same key.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: there is no such generation, something else is at the destination, or that is in the archive
    /// itself; [`Class::Access`]: the destination has another key, or none; [`Class::Damaged`]: a part is not what was
    /// written, or the archive was set back behind its copy; [`Class::Temporary`]: the generation was pruned meanwhile;
    /// else what either place says. The same command goes on from there.
    pub fn copy(
        &self,
        to: &ArchiveSection,
        which: Which<'_>,
        trust: Trust,
        setting: Setting<'_>,
    ) -> Result<Brought> {
        if is_within(&to.url, &self.url)? {
            return Err(Error::new(Class::Usage, "it is to be copied into itself")
                .todo("name a place outside of it")
                .at(format!("archive {}", self.url)));
        }
        // Before the destination is made.
        let opened = self.chosen(which, setting.progress)?;
        let to = &Self::open(to, Access::Write)?;
        to.check_key()?;
        // Nobody prunes it before the manifest names what is copied.
        to.place.enter().at(|| format!("archive {}", to.url))?;
        let copying = CopyingAll { from: self, to, opened: &opened, trust, setting };
        let copied = copying.go(which.generation.is_none());
        to.place.leave();
        let copied = copied
            .at(|| format!("archive {}, copied to {}", self.url, to.url))
            .map_err(|error| self.unless_pruned(error, opened.manifest.generation))?;
        let files = opened.manifest.files.iter();
        let fetched = files.zip(copied).filter(|(_, copied)| *copied == Copied::Fetched);
        let bytes: Vec<_> = fetched.map(|(file, _)| file.bytes).collect();
        Ok(Brought {
            archive: to.report(&opened),
            fetched: bytes.len(),
            fetched_bytes: bytes.into_iter().fold(0, u64::saturating_add),
        })
    }
}

/// One generation on its way.
struct CopyingAll<'a> {
    from: &'a Archive,
    to: &'a Archive,
    opened: &'a Opened,
    trust: Trust,
    setting: Setting<'a>,
}

impl CopyingAll<'_> {
    /// Copies files, and then what names them; says of each file what became of it.
    fn go(&self, is_newest: bool) -> Result<Vec<Copied>> {
        let Self { from, to, opened, trust, setting } = self;
        let Files { place, key } = from.files();
        let copying = Copying { from: place, to: to.files().place, key };
        self.check_source()?;
        copying.check(opened, is_newest)?;
        setting.progress.tell(Event::Phase(Phase::Archive));
        passing::expect(&opened.manifest.files, setting.progress);
        let hands = vec![(); setting.workers];
        let copied = workers::over(&opened.manifest.files, hands, setting.stop, |(), file| {
            let copied = copying.file(file, *trust)?;
            reach(Step::FileCopied);
            passing::passed(file, setting.progress);
            Ok(copied)
        })?;
        copying.manifest(opened)?;
        reach(Step::ManifestCopied);
        copying.point(opened)?;
        Ok(copied)
    }

    /// Fails where an archive of another source is at the destination.
    fn check_source(&self) -> Result<()> {
        let Files { place, key } = self.to.files();
        let there = generation::numbers(place)?.first().copied();
        let there = there.map(|number| generation::open(place, key, number)).transpose()?;
        check_source(&self.opened.manifest.source, there.as_ref())
    }
}
