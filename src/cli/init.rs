//! `liteferry init`

use super::capture::CaptureArgument;
use super::census::CensusArgument;
use super::screen::Screen;
use super::{Failed, Hands, Output, show};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::journey::init::init;
use crate::journey::target::Target;
use crate::pipeline::Stop;
use crate::store::postgres::conninfo::Origin;
use clap::Args;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write a pipeline file that says what would be done with every column, and why, to be edited
#[derive(Debug, Args)]
pub(super) struct Init {
    /// The SQLite file
    #[arg(long, value_name = "FILE")]
    source: PathBuf,
    /// Where to: a connection string without password, `local`, or `local:DIR`
    #[arg(long, value_name = "URL")]
    target: String,
    /// The file to write [default: the source's name with .toml, in the current folder]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    census: CensusArgument,
    #[command(flatten)]
    capture: CaptureArgument,
    #[command(flatten)]
    hands: Hands,
}

impl Init {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        Target::check(&self.target, Origin::Argument)?;
        let file = self.output.clone().unwrap_or_else(|| {
            let mut name = self.source.file_stem().unwrap_or_default().to_owned();
            name.push(".toml");
            name.into()
        });
        // Before the census, which takes its time; writing makes sure of it once more.
        if !self.force && file.symlink_metadata().is_ok() {
            return Err(in_the_way(&file).into());
        }
        let mut pipeline = Pipeline::of(&self.source, &self.target);
        self.census.decide(&mut pipeline);
        let budget = self.hands.budget();
        let setting = self.hands.setting(stop, screen, &budget);
        let initial = init(&pipeline, self.capture.motion(), &file, setting)?;
        self.write(&file, &initial.text)?;
        screen.finish();
        show::init(&initial, &file, output);
        Ok(())
    }

    fn write(&self, file: &Path, text: &str) -> Result<()> {
        let mut options = OpenOptions::new();
        options.write(true);
        if self.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let written = options.open(file).and_then(|mut open| open.write_all(text.as_bytes()));
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => in_the_way(file),
            _ => Error::new(Class::Usage, "cannot be written")
                .because(error)
                .at(format!("pipeline file {}", file.display())),
        })
    }
}

fn in_the_way(file: &Path) -> Error {
    Error::new(Class::Usage, "is there already")
        .todo("give another file by --output, or overwrite it with --force")
        .at(format!("pipeline file {}", file.display()))
}
