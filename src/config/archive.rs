//! What a pipeline file says of the archive.

use super::quantity;
use crate::error::{Class, Error, Result};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[archive]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSection {
    /// Where it is: a folder, relative to the pipeline file's, `file:///folder`, or `s3://bucket/prefix`.
    pub url: String,
    /// How often a follower publishes what has changed: ten minutes unless given.
    #[serde(default = "every", deserialize_with = "quantity::duration")]
    pub every: Duration,
    /// For how many days a generation is kept that is not the newest, and a backup that is not the newest of its database;
    /// for ever unless given.
    pub retain_days: Option<NonZeroU32>,
    /// A file with the key that seals and encrypts all of it, relative to the pipeline file's folder.
    pub key_file: Option<PathBuf>,
}

fn every() -> Duration {
    Duration::from_mins(10)
}

/// How often: not so often that nothing else is done, nor so seldom that the source's log grows for months.
const EVERY: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24 * 31);

impl ArchiveSection {
    /// The archive in a place of which nothing else is said.
    pub fn at(url: &str) -> Self {
        Self { url: url.into(), every: every(), retain_days: None, key_file: None }
    }

    /// Makes sure that its numbers make sense.
    pub(super) fn check(&self) -> Result<()> {
        if EVERY.contains(&self.every) {
            return Ok(());
        }
        Err(Error::new(Class::Usage, "[archive] every must be 100ms to 31d"))
    }

    /// Lets paths begin in the folder of the pipeline file.
    pub(super) fn begin_in(&mut self, folder: &Path) {
        if !self.url.contains("://") {
            self.url = folder.join(&self.url).to_string_lossy().into_owned();
        }
        if let Some(file) = &mut self.key_file {
            *file = folder.join(&file);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Pipeline;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    #[test]
    fn an_archive_says_where_it_is_and_how_often_it_is_published() {
        let parse = |said: &str| {
            let text =
                format!("[source]\npath = 'a.db'\n[target]\nurl = 'local'\n[archive]\n{said}\n");
            Pipeline::parse(&text).map(|pipeline| pipeline.archive.unwrap())
        };
        let archive = parse("url = 'backups'").unwrap();
        assert_eq!((archive.every, archive.retain_days), (Duration::from_mins(10), None));
        let archive = parse("url = 's3://a/b'\nevery = '1h'\nretain_days = 30").unwrap();
        assert_eq!(archive.every, Duration::from_hours(1));
        for refused in ["", "url = 'a'\nevery = '1ms'", "url = 'a'\nretain_days = 0", "path = 'a'"]
        {
            assert_eq!(parse(refused).unwrap_err().class().exit_code(), 2, "{refused}");
        }
    }

    #[test]
    fn a_path_begins_in_the_folder_of_the_pipeline_file() {
        let moved = |url: &str| {
            let mut archive = super::ArchiveSection::at(url);
            archive.key_file = Some(PathBuf::from("key"));
            archive.begin_in(Path::new("/etc/ferry"));
            (archive.url, archive.key_file.unwrap())
        };
        let key = PathBuf::from("/etc/ferry/key");
        assert_eq!(moved("backups"), ("/etc/ferry/backups".into(), key.clone()));
        assert_eq!(moved("/backups"), ("/backups".into(), key.clone()));
        assert_eq!(moved("s3://a/b"), ("s3://a/b".into(), key));
    }
}
