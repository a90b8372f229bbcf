//! A backup on its way into an archive: packed, and where the archive has a key hidden; then put; then named.
//!
//! Between these its maker can prove what was packed, by the bytes that are going to be put, while nothing names them.

use super::super::file::Stored;
use super::super::hash::Hashing;
use super::super::key::Key;
use super::super::manifest::seal::{self, Sealed};
use super::super::place::{Created, Draft, Place};
use super::{Backup, BackupKind, FORMAT, Named, ZSTD_LEVEL};
use super::{name, pour, seconds, stream, unpack_file, unread, unwritten};
use crate::error::{Class, Error, Result};
use std::io::{Read, Seek as _, Write};
use std::time::SystemTime;

/// Backups of one second, at most.
const SAME_SECOND_MAX: u32 = 1000;

/// What is packed and in no archive yet; nobody prunes until it is there or is dropped.
#[derive(Debug)]
pub struct Packed {
    draft: Draft,
    backup: Backup,
}

/// What is in an archive, and has no name there.
#[derive(Debug)]
pub struct Put {
    backup: Backup,
}

/// Packs what `from` gives, of this kind and with these words for where it comes from, into a draft of the archive.
/// `goes_on` is asked again and again.
///
/// # Errors
///
/// As [`Place`] says, what `goes_on` says, and [`Class::Temporary`]: `from` cannot be read.
pub fn pack(
    place: &dyn Place,
    key: Option<&Key>,
    (kind, source): (BackupKind, &str),
    from: &mut dyn Read,
    goes_on: &dyn Fn() -> Result<()>,
) -> Result<Packed> {
    let written = seconds(SystemTime::now());
    let packed = stream::Hiding::new(Hashing::new(place.draft()?), key)?;
    let mut packing = zstd::Encoder::new(packed, ZSTD_LEVEL).map_err(unwritten)?;
    packing.include_checksum(true).map_err(unwritten)?;
    let whole = pour(from, &mut packing, u64::MAX, goes_on)?;
    let mut hashing = packing.finish().and_then(stream::Hiding::finish).map_err(unwritten)?;
    let (draft, blake3, bytes) =
        hashing.finish().ok_or_else(|| Error::internal("a backup is ended twice"))?;
    let source = source.to_owned();
    let backup = Backup { format: FORMAT, kind, source, written, whole, bytes, blake3 };
    Ok(Packed { draft, backup })
}

impl Packed {
    /// Unpacks what is going to be put, as [`super::unpack`] does.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`]: the draft cannot be read, or `out` takes no more; [`Class::Damaged`]: it is not what was
    /// written; and what `goes_on` says.
    pub fn unpack(
        &self,
        key: Option<&Key>,
        out: &mut dyn Write,
        goes_on: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let mut file = self.draft.reader()?;
        file.rewind().map_err(unread)?;
        unpack_file(file, key, &self.backup, out, goes_on)
    }

    /// Puts it where it is going to be found by its hash.
    ///
    /// # Errors
    ///
    /// As [`Place::put`] says.
    pub fn put(self, place: &dyn Place) -> Result<Put> {
        let Self { draft, backup } = self;
        place.put(draft, &backup.file()?, &Stored::from(&backup))?;
        Ok(Put { backup })
    }
}

impl Put {
    /// Names it, and leaves the archive.
    ///
    /// # Errors
    ///
    /// As [`Place::create`] says.
    pub fn name(self, place: &dyn Place, key: Option<&Key>) -> Result<Named> {
        let Self { backup } = self;
        // Whoever prunes may not come in between the file and its name.
        place.enter()?;
        let (text, _) = seal::seal(&backup, Sealed::Backup, key)?;
        let time = i64::try_from(backup.written).ok();
        let time = time.and_then(|it| jiff::Timestamp::from_second(it).ok());
        let time = time.map_or_else(String::new, |it| it.strftime("%Y%m%dT%H%M%SZ").to_string());
        for number in 1..SAME_SECOND_MAX {
            let again = if number == 1 { String::new() } else { format!("-{number}") };
            let called = format!("{time}-{}{again}", backup.kind.name());
            if place.create(&name(&format!("{called}.json"))?, &text)? == Created::New {
                place.leave();
                return Ok(Named { name: called, backup });
            }
        }
        Err(Error::new(Class::Temporary, "too many backups were made in this second"))
    }
}
