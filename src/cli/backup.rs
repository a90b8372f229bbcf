//! `liteferry backup`, and what `liteferry restore` takes from a backup

use super::archive::At;
use super::screen::Screen;
use super::{Failed, Output, show};
use crate::error::{Class, Error};
use crate::journey::archive::backup::{Database, restore_old};
use crate::journey::target::Target;
use crate::pipeline::Stop;
use crate::store::parquet::place::Access;
use crate::store::postgres::conninfo::Origin;
use clap::Args;
use std::path::{Path, PathBuf};

/// Put a whole database into an archive, checked and packed, whoever writes to it meanwhile
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The SQLite file
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "target",
        conflicts_with = "target"
    )]
    sqlite: Option<PathBuf>,
    /// The PostgreSQL database: a connection string without password, `local`, or `local:DIR`
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// The archive: a folder, file:///folder, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    archive: String,
    /// The file with the archive's key, where it has one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The folder of PostgreSQL's programs
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
}

/// What is restored where it is no generation of an archive.
#[derive(Debug, Args)]
pub(super) struct FromBackup {
    /// The backup, by the name that `liteferry archive list` shows
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "copy", "generation", "root", "tables", "to_follow"])]
    backup: Option<String>,
    /// A SQLite file that was put away by other means, as it is or packed by gzip or zstd
    #[arg(long, value_name = "FILE", conflicts_with_all = ["archive", "target", "copy", "generation", "root", "tables", "to_follow"])]
    file: Option<PathBuf>,
}

impl Backup {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let archive = At::new(self.archive.clone(), self.key_file.clone()).open(Access::Write)?;
        archive.check_key()?;
        let made = match (&self.target, &self.sqlite) {
            (Some(url), _) => {
                let (say, bin_dir) = (|what: &str| screen.say(what), self.pg_bin.as_deref());
                let target = Target::find(url, Origin::Argument, bin_dir, &say)?;
                let database = Database { conninfo: &target.conninfo, bin_dir };
                archive.back_up_postgres(database, &say, stop)?
            }
            (None, Some(file)) => archive.back_up_sqlite(file, stop)?,
            (None, None) => {
                return Err(Error::new(Class::Usage, "give --sqlite or --target").into());
            }
        };
        screen.finish();
        show::archive::backed_up(&made, output);
        Ok(())
    }
}

impl FromBackup {
    /// Whether it is one of these.
    pub(super) fn is_given(&self) -> bool {
        self.backup.is_some() || self.file.is_some()
    }

    /// Makes a SQLite file, and says which.
    pub(super) fn restore_sqlite(
        &self,
        at: Option<At>,
        file: &Path,
        stop: &Stop,
    ) -> crate::Result<String> {
        match (&self.backup, at, &self.file) {
            (Some(backup), Some(at), _) => {
                at.open(Access::Read)?.restore_sqlite(backup, file, stop)?;
            }
            (_, _, Some(old)) => restore_old(old, file, stop)?,
            _ => return Err(missing()),
        }
        Ok(file.display().to_string())
    }

    /// Fills an empty database that is written so, by programs of this folder, and says where it is.
    pub(super) fn restore_postgres(
        &self,
        at: Option<At>,
        (url, bin_dir): (&str, Option<&Path>),
        screen: &Screen,
        stop: &Stop,
    ) -> crate::Result<String> {
        let (Some(backup), Some(at)) = (&self.backup, at) else { return Err(missing()) };
        let (archive, say) = (at.open(Access::Read)?, |what: &str| screen.say(what));
        let target = Target::find(url, Origin::Argument, bin_dir, &say)?;
        let database = Database { conninfo: &target.conninfo, bin_dir };
        archive.restore_postgres(backup, database, &say, stop)?;
        Ok(target.display())
    }
}

fn missing() -> Error {
    Error::new(Class::Usage, "give --archive and --backup, or --file")
}
