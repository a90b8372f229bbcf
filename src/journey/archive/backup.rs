//! Whole databases into an archive and out of it: copied, checked, packed; and unpacked, checked, put where none is.

mod postgres;

pub use postgres::Database;

use super::{Archive, Files};
use crate::error::{Class, Error, Place as _, Result};
use crate::pipeline::Stop;
use crate::pipeline::failpoint::{Step, reach};
use crate::store::parquet::backup::{self, BackupKind, Named, Old, Packed};
use crate::store::parquet::place;
use crate::store::sqlite::backup::{NewFile, check, copy};
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::scratch::Scratch;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Asked between two pieces of a backup.
fn goes_on(stop: &Stop) -> Result<()> {
    reach(Step::BackupMoved);
    stop.check()
}

fn wrong_kind(called: &str, wanted: BackupKind) -> Error {
    let (what, how) = match wanted {
        BackupKind::Sqlite => ("a SQLite file", "restore it with --target"),
        BackupKind::Postgres => ("a database of PostgreSQL", "restore it with --sqlite"),
    };
    Error::new(Class::Usage, format!("backup {called} is none of {what}"))
        .todo(format!("{how}, or take another one that `liteferry archive list` shows"))
}

impl Archive {
    /// Puts a backup that is proved, and names it.
    fn keep(&self, packed: Packed) -> Result<Named> {
        let Files { place, key } = self.files();
        let keep = || {
            let put = packed.put(place)?;
            reach(Step::BackupPut);
            let named = put.name(place, key)?;
            reach(Step::BackupNamed);
            Ok(named)
        };
        keep().at(|| format!("archive {}", self.url))
    }

    /// Backs a SQLite file up, whoever writes to it meanwhile.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is damaged, and a place that cannot be written to.
    pub fn back_up_sqlite(&self, file: &Path, stop: &Stop) -> Result<Named> {
        let source = Source::open_moving(file, false, stop)?;
        let folder = Scratch::beside(&std::env::temp_dir()).map_err(unwritten)?;
        let draft = folder.path().join("copy.db");
        copy(&source, &draft, stop)?;
        check(&draft, stop)?;
        let mut draft = File::open(&draft).map_err(unwritten)?;
        let of = source.path().to_string_lossy();
        let of = (BackupKind::Sqlite, of.as_ref());
        reach(Step::BackupProved);
        let Files { place, key } = self.files();
        let packed = backup::pack(place, key, of, &mut draft, &|| goes_on(stop))
            .at(|| format!("archive {}", self.url))?;
        self.keep(packed)
    }

    /// Restores a backup of a SQLite file to a path where there is none.
    ///
    /// # Errors
    ///
    /// A backup that is not there, is damaged or is none of a SQLite file, and a file that is there already.
    pub fn restore_sqlite(&self, called: &str, to: &Path, stop: &Stop) -> Result<()> {
        let Files { place, key } = self.files();
        let Named { backup: found, .. } = backup::open(place, key, called)?;
        if found.kind != BackupKind::Sqlite {
            return Err(wrong_kind(called, BackupKind::Sqlite));
        }
        restore(to, stop, |file| {
            backup::unpack(place, key, &found, file, &|| goes_on(stop))
                .at(|| format!("archive {}", self.url))
        })
    }

    /// Every backup, from the newest on; one that is damaged is an error under its name.
    ///
    /// # Errors
    ///
    /// A place that cannot be read.
    pub fn backups(&self) -> Result<Vec<(String, Result<Named>)>> {
        let Files { place, key } = self.files();
        backup::list(place, key).at(|| format!("archive {}", self.url))
    }

    /// The SQLite files that lie beside the archive, in its folder, and that other programs have put there; none where it is
    /// in a bucket. `liteferry restore --file` takes them.
    ///
    /// # Errors
    ///
    /// A folder that cannot be read.
    pub fn old_backups(&self) -> Result<Vec<Old>> {
        let folder = place::folder(&self.url);
        folder.map_or(Ok(Vec::new()), backup::old).at(|| format!("archive {}", self.url))
    }

    /// Fails unless a backup is there, of its size; with `all`, unless it can be unpacked.
    pub(super) fn check_backup(&self, named: &Named, all: bool, stop: &Stop) -> Result<()> {
        let Files { place, key } = self.files();
        let looked = backup::check(place, &named.backup).and_then(|()| {
            if all {
                backup::unpack(place, key, &named.backup, &mut io::sink(), &|| stop.check())
            } else {
                Ok(())
            }
        });
        looked.at(|| format!("backup {}", named.name))
    }
}

/// Restores a SQLite file that was put away by other means, as it is or packed by gzip or zstd, to a path where there is
/// none.
///
/// # Errors
///
/// A file that is no SQLite database, packed or not, and a file that is there already.
pub fn restore_old(old: &Path, to: &Path, stop: &Stop) -> Result<()> {
    let at = || format!("backup {}", old.display());
    // A FIFO in its place must not be waited for.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file =
        File::options().read(true).custom_flags(nonblock).open(old).map_err(unread).at(at)?;
    if !file.metadata().map_err(unread).at(at)?.is_file() {
        return Err(Error::new(Class::Usage, "it is no plain file")).at(at);
    }
    let is_used = ["-wal", "-journal"].iter().any(|suffix| {
        let mut beside = old.as_os_str().to_owned();
        beside.push(suffix);
        std::fs::metadata(beside).is_ok_and(|it| it.len() > 0)
    });
    if is_used {
        let what = "a journal that belongs to it lies beside it, and would be lost";
        return Err(Error::new(Class::Usage, what)
            .todo("open it once with sqlite3, or make a backup of it with `liteferry backup`"))
        .at(at);
    }
    restore(to, stop, |out| backup::unpack_old(file, out, &|| goes_on(stop)).at(at))
}

fn restore(to: &Path, stop: &Stop, unpack: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let new = NewFile::begin(to)?;
    let private = File::options().write(true).create_new(true).mode(0o600).open(new.draft());
    let mut file = private.map_err(unwritten)?;
    unpack(&mut file)?;
    drop(file);
    check(&new.draft(), stop)?;
    reach(Step::BackupUnpacked);
    new.place()?;
    reach(Step::BackupRestored);
    Ok(())
}

fn unread(error: io::Error) -> Error {
    let class = match error.kind() {
        io::ErrorKind::PermissionDenied => Class::Access,
        _ => Class::Usage,
    };
    Error::new(class, "it cannot be read").because(error)
}

fn unwritten(error: io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::new(Class::Temporary, "cannot make a copy")
        .todo(format!("make room in {}, or name another folder in TMPDIR", folder.display()))
        .because(error)
}
