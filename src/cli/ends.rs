//! Source and target as the command line gives them: a pipeline file, or the two of them.

use super::screen::Screen;
use crate::config::{ArchiveSection, Pipeline};
use crate::error::{Class, Error, Result};
use crate::journey::target::Target;
use crate::store::postgres::conninfo::Origin;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct Ends {
    /// The pipeline file
    #[arg(value_name = "PIPELINE", required_unless_present = "source", conflicts_with_all = ["source", "target"])]
    pipeline: Option<PathBuf>,
    /// The SQLite file
    #[arg(long, value_name = "FILE", requires = "target")]
    source: Option<PathBuf>,
    /// Where to: a connection string without password, `local`, or `local:DIR`
    #[arg(long, value_name = "URL", requires = "source")]
    target: Option<String>,
    /// Keep Parquet files of it here: a folder, file:///folder, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    archive: Option<String>,
    /// The file with the archive's key; an archive has one from its first generation on or never
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Move a damaged source as far as it can be read; names what cannot be, and ends with 65
    #[arg(long)]
    accept_corrupt: bool,
    /// The folder of PostgreSQL's programs, for `local`
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
}

impl Ends {
    /// The pipeline and where its target's address came from.
    pub(super) fn pipeline(&self) -> Result<(Pipeline, Origin)> {
        let (mut pipeline, origin) = match (&self.pipeline, &self.source, &self.target) {
            (Some(file), ..) => (Pipeline::read(file)?, Origin::PipelineFile),
            (None, Some(source), Some(target)) => (Pipeline::of(source, target), Origin::Argument),
            _ => {
                return Err(Error::new(
                    Class::Usage,
                    "give a pipeline file, or --source and --target",
                ));
            }
        };
        pipeline.source.accept_corrupt |= self.accept_corrupt;
        self.name_archive(&mut pipeline)?;
        Ok((pipeline, origin))
    }

    /// Puts what is said of the archive into the place of what the pipeline file says of it; the rest of that holds.
    fn name_archive(&self, pipeline: &mut Pipeline) -> Result<()> {
        match (&mut pipeline.archive, &self.archive) {
            (Some(section), Some(url)) => section.url.clone_from(url),
            (section @ None, Some(url)) => *section = Some(ArchiveSection::at(url)),
            (_, None) => {}
        }
        match (&mut pipeline.archive, &self.key_file) {
            (Some(section), Some(file)) => section.key_file = Some(file.clone()),
            (None, Some(_)) => {
                return Err(Error::new(Class::Usage, "a key of no archive")
                    .todo("name the archive by --archive, or in the pipeline file"));
            }
            (_, None) => {}
        }
        Ok(())
    }

    /// Both ends; the private server is started where it is the target.
    pub(super) fn open(&self, screen: &Screen) -> Result<(Pipeline, Target)> {
        let (pipeline, origin) = self.pipeline()?;
        let target = Target::find(&pipeline.target.url, origin, self.pg_bin.as_deref(), &|what| {
            screen.say(what);
        })?;
        Ok((pipeline, target))
    }
}
