//! `liteferry archive`

use super::screen::Screen;
use super::{Failed, Hands, Output, show};
use crate::config::ArchiveSection;
use crate::error::{Class, Error};
use crate::journey::Setting;
use crate::journey::archive::check::{Depth, check};
use crate::journey::archive::copy::Brought;
use crate::journey::archive::{Archive, Which};
use crate::pipeline::Stop;
use crate::store::parquet::copy::Trust;
use crate::store::parquet::place::Access;
use crate::store::parquet::prune::Keep;
use clap::{Args, Subcommand};
use std::num::NonZeroU64;
use std::path::PathBuf;

/// Look after an archive: its generations, whether they are whole, and how many are kept
#[derive(Debug, Args)]
pub(super) struct ArchiveCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List its generations and its backups
    List(At),
    /// Make sure that every file of every generation is there, of its size, and every backup
    Check {
        #[command(flatten)]
        at: At,
        /// Read every file: hash its bytes, sum its rows, and unpack backups
        #[arg(long)]
        read_data: bool,
        /// This generation and no other
        #[arg(long, value_name = "N")]
        generation: Option<u64>,
        #[command(flatten)]
        hands: Hands,
    },
    /// Copy a generation into another place; files that are there already are not fetched again
    Copy {
        #[command(flatten)]
        at: At,
        /// Where to: a folder, file:///folder, or s3://bucket/prefix
        #[arg(value_name = "TO")]
        to: String,
        /// The generation [default: the newest]
        #[arg(long, value_name = "N")]
        generation: Option<u64>,
        /// Read what is there, too, and fetch again what is damaged
        #[arg(long)]
        read_data: bool,
        #[command(flatten)]
        hands: Hands,
    },
    /// Fold what has changed into a new base, which is read without looking at changes
    Compact {
        #[command(flatten)]
        at: At,
    },
    /// Take away old generations and backups, and the files that no other one names; the newest stay
    Prune {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        keep: KeepArgument,
        /// Take away files that no generation names at once, not only those of yesterday: while nobody publishes
        #[arg(long)]
        now: bool,
    },
}

/// Which archive.
#[derive(Debug, Clone, Args)]
pub(super) struct At {
    /// A folder, file:///folder, or s3://bucket/prefix
    #[arg(value_name = "ARCHIVE")]
    url: String,
    /// The file with its key, where it has one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct KeepArgument {
    /// Keep so many generations, and so many backups of each database
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroU64>,
    /// Keep the generations and the backups of so many days
    #[arg(long, value_name = "DAYS")]
    keep_days: Option<NonZeroU64>,
}

impl At {
    pub(super) fn new(url: String, key_file: Option<PathBuf>) -> Self {
        Self { url, key_file }
    }

    pub(super) fn open(&self, access: Access) -> crate::Result<Archive> {
        Archive::open(&self.section(&self.url), access)
    }

    /// Opens it to look after it: it must be there.
    fn open_there(&self) -> crate::Result<Archive> {
        Archive::open_there(&self.section(&self.url))
    }

    /// The place, whose key must be this one where it has any.
    fn open_known(&self) -> crate::Result<Archive> {
        let archive = self.open(Access::Read)?;
        archive.check_key()?;
        Ok(archive)
    }

    /// A place with the key of this one.
    fn section(&self, url: &str) -> ArchiveSection {
        ArchiveSection { key_file: self.key_file.clone(), ..ArchiveSection::at(url) }
    }

    /// Copies a generation to another place, under the same key.
    pub(super) fn copy_to(
        &self,
        to: &str,
        which: Which<'_>,
        trust: Trust,
        setting: Setting<'_>,
    ) -> crate::Result<Brought> {
        self.open_there()?.copy(&self.section(to), which, trust, setting)
    }
}

impl ArchiveCommand {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        match &self.what {
            What::List(at) => {
                let old = at.open(Access::Read)?.old_backups()?;
                // Where there is nothing else, they are all that there is to be listed.
                let archive = if old.is_empty() { at.open_there()? } else { at.open_known()? };
                let (generations, backups) = (archive.list_known()?, archive.backups()?);
                show::archive::listed(&generations, &backups, &old, output);
                let damaged = generations.iter().filter(|(_, read)| read.is_err()).count()
                    + backups.iter().filter(|(_, read)| read.is_err()).count();
                judge(damaged, "`liteferry archive check` tells more of them")
            }
            What::Check { at, read_data, generation, hands } => {
                let budget = hands.budget();
                let depth = if *read_data { Depth::Data } else { Depth::Sizes };
                let archive = at.open(Access::Read)?;
                archive.check_key()?;
                let checked =
                    check(&archive, *generation, depth, hands.setting(stop, screen, &budget))?;
                screen.finish();
                show::archive::checked(&checked, output);
                let todo = "restore an older generation, or put the files back from another copy";
                judge(checked.damaged.len(), todo)
            }
            What::Copy { at, to, generation, read_data, hands } => {
                let budget = hands.budget();
                let setting = hands.setting(stop, screen, &budget);
                let trust = if *read_data { Trust::Hash } else { Trust::Size };
                let which = Which { generation: *generation, root: None };
                let copied = at.copy_to(to, which, trust, setting)?;
                screen.finish();
                show::archive::copied(&copied, output);
                Ok(())
            }
            What::Compact { at } => {
                let report = at.open_there()?.compact(screen, stop)?;
                screen.finish();
                show::archive::compacted(&report, output);
                Ok(())
            }
            What::Prune { at, keep, now } => {
                let pruned = at.open_there()?.prune(keep.keep(), *now)?;
                show::archive::pruned(pruned, output);
                Ok(())
            }
        }
    }
}

/// What has been printed of an archive, as the command's end.
fn judge(damaged: usize, todo: &str) -> Result<(), Failed> {
    if damaged == 0 {
        return Ok(());
    }
    let what = format!("parts of the archive that are damaged: {damaged}");
    Err(Failed::Reported(Error::new(Class::Damaged, what).todo(todo)))
}

impl KeepArgument {
    fn keep(&self) -> Keep {
        match (self.keep, self.keep_days) {
            (_, Some(days)) => Keep::Days(days),
            (generations, None) => Keep::Generations(generations.unwrap_or(NonZeroU64::MIN)),
        }
    }
}
