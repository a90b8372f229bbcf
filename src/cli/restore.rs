//! `liteferry restore`

use super::archive::At;
use super::backup::FromBackup;
use super::screen::Screen;
use super::{Failed, Hands, Output, judge, show};
use crate::config::ArchiveSection;
use crate::error::{Class, Error};
use crate::journey::archive::Which;
use crate::journey::restore::{Wanted, to_file, to_target};
use crate::journey::target::Target;
use crate::pipeline::Stop;
use crate::store::parquet::copy::Trust;
use crate::store::postgres::conninfo::Origin;
use clap::{ArgGroup, Args};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Make a database of an archive again: in PostgreSQL, or as a SQLite file that is as the original
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("to").required(true))]
pub(super) struct Restore {
    /// The archive: a folder, file:///folder, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE", required_unless_present = "file")]
    archive: Option<String>,
    /// Where to: a connection string without password, `local`, or `local:DIR`; one that holds an earlier generation is brought forward
    #[arg(long, value_name = "URL", group = "to")]
    target: Option<String>,
    /// The SQLite file to make; it must not be there yet, and appears when it is complete
    #[arg(long, value_name = "FILE", group = "to")]
    sqlite: Option<PathBuf>,
    /// The generation [default: the newest]
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    /// Fail unless the generation has this root, as a run or `archive list` told it: all of it, or its first 12 digits or more
    #[arg(long, value_name = "HASH", value_parser = root)]
    root: Option<String>,
    /// Restore this table and no other; may be given several times
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,
    /// Restore a followed source's archive such that `liteferry follow` goes on from it: without what waits for the cutover
    #[arg(long, conflicts_with_all = ["sqlite", "tables"])]
    to_follow: bool,
    /// Keep a copy of the archive in this folder and restore from that: only files that it lacks are fetched
    #[arg(long, value_name = "FOLDER", requires = "archive")]
    copy: Option<String>,
    #[command(flatten)]
    from: FromBackup,
    /// The file with the archive's key, where it has one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The folder of PostgreSQL's programs, for `local` and for backups of PostgreSQL
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
    #[command(flatten)]
    hands: Hands,
}

impl Restore {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        if self.from.is_given() {
            return self.put_back(screen, stop, output);
        }
        let budget = self.hands.budget();
        let setting = self.hands.setting(stop, screen, &budget);
        let Some(archive) = &self.archive else { return Err(incomplete().into()) };
        let key_file = self.key_file.clone();
        let mut generation = self.generation;
        if let Some(copy) = &self.copy {
            let at = At::new(archive.clone(), key_file.clone());
            let which = Which { generation, root: self.root.as_deref() };
            let copied = at.copy_to(copy, which, Trust::Hash, setting)?;
            screen.say(&show::archive::brought(&copied));
            generation = Some(copied.archive.generation);
        }
        let wanted = Wanted {
            archive: ArchiveSection {
                key_file,
                ..ArchiveSection::at(self.copy.as_ref().unwrap_or(archive))
            },
            generation,
            root: self.root.clone(),
            tables: self.tables.iter().cloned().collect(),
            to_follow: self.to_follow,
        };
        let report = match (&self.target, &self.sqlite) {
            (Some(url), _) => {
                let say = |what: &str| screen.say(what);
                let target = Target::find(url, Origin::Argument, self.pg_bin.as_deref(), &say)?;
                to_target(&wanted, &target.conninfo, setting)?
            }
            (None, Some(file)) => to_file(&wanted, file, setting)?,
            (None, None) => return Err(incomplete().into()),
        };
        screen.finish();
        show::report(&report, screen, output);
        judge(&report)
    }

    fn put_back(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let at = self.archive.as_ref().map(|url| At::new(url.clone(), self.key_file.clone()));
        let restored = match (&self.target, &self.sqlite) {
            (Some(url), _) => {
                let to = (url.as_str(), self.pg_bin.as_deref());
                self.from.restore_postgres(at, to, screen, stop)?
            }
            (None, Some(file)) => self.from.restore_sqlite(at, file, stop)?,
            (None, None) => return Err(incomplete().into()),
        };
        screen.finish();
        show::archive::restored(&restored, output);
        Ok(())
    }
}

/// Digits of a root, and those of them that tell one from others at least.
const ROOT_DIGITS: RangeInclusive<usize> = 12..=64;

/// Reads a root, or what it begins with.
fn root(text: &str) -> Result<String, String> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("a root is hexadecimal digits".into());
    }
    if !ROOT_DIGITS.contains(&text.len()) {
        return Err(format!("give {} to {} digits", ROOT_DIGITS.start(), ROOT_DIGITS.end()));
    }
    Ok(text.to_ascii_lowercase())
}

fn incomplete() -> Error {
    Error::new(Class::Usage, "give --archive or --file, and --target or --sqlite")
}
