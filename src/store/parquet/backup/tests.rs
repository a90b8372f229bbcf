//! Backups come back with every byte, with a key and without; what is not what was put there is refused.

use super::stream::{Hiding, Showing};
use super::{BackupKind, Named, check, list, name, open, pack, unpack, unpack_old};
use crate::error::{Class, Result};
use crate::store::parquet::Key;
use crate::store::parquet::generation::tests::Dying;
use crate::store::parquet::place::{Access, Folder, Name, Place};
use crate::store::parquet::prune::{Keep, Pruned};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn archive() -> (TempDir, Folder) {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::open(&folder.path().join("archive"), Access::Write).unwrap();
    (folder, place)
}

fn prune(
    place: &dyn Place,
    key: Option<&Key>,
    keep: Keep,
    now: SystemTime,
    grace: Duration,
) -> Result<Pruned> {
    super::prune(place, key, keep, (now, grace), &|_come| ())
}

fn key() -> Key {
    Key::new(std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

/// Bytes that zstd can do little about.
fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// A file of these bytes, at its beginning.
fn file(bytes: &[u8]) -> File {
    let mut file = crate::store::parquet::tests::file(bytes);
    file.rewind().unwrap();
    file
}

fn put_one(place: &dyn Place, key: Option<&Key>, source: &str, bytes: &[u8]) -> Named {
    let packed = pack(place, key, (BackupKind::Sqlite, source), &mut &*bytes, &|| Ok(())).unwrap();
    packed.put(place).unwrap().name(place, key).unwrap()
}

fn unpacked(place: &dyn Place, key: Option<&Key>, named: &Named) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    unpack(place, key, &named.backup, &mut out, &|| Ok(())).map(|()| out)
}

#[test]
fn a_backup_comes_back_with_every_byte_with_a_key_and_without() {
    for key in [None, Some(&key())] {
        for count in [0, 1, 700_000] {
            let (_folder, place) = archive();
            let put = put_one(&place, key, "a.db", &bytes(count));
            let found = open(&place, key, &put.name).unwrap();
            assert_eq!(found, put);
            assert_eq!((put.backup.whole, put.backup.source.as_str()), (count as u64, "a.db"));
            check(&place, &found.backup).unwrap();
            assert_eq!(unpacked(&place, key, &found).unwrap(), bytes(count));
            let listed = list(&place, key).unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!(listed[0].1.as_ref().unwrap(), &put);
        }
    }
}

#[test]
fn a_backup_with_a_key_says_nothing_without_it() {
    let (_folder, place) = archive();
    let put = put_one(&place, Some(&key()), "secret.db", &vec![b'x'; 100_000]);
    let other = Key::new(std::array::from_fn(|at| u8::try_from(at + 1).unwrap()));
    for wrong in [None, Some(&other)] {
        assert_eq!(open(&place, wrong, &put.name).unwrap_err().class(), Class::Access);
        assert_eq!(list(&place, wrong).unwrap_err().class(), Class::Access);
    }
    for entry in place.list(&super::folder().unwrap()).unwrap() {
        let stored = place.get(&entry.name, 1_000_000).unwrap().unwrap();
        assert!(!stored.windows(6).any(|it| it == b"secret" || it == b"xxxxxx"));
    }
    assert_eq!(unpacked(&place, Some(&other), &put).unwrap_err().class(), Class::Access);
    assert!(unpacked(&place, None, &put).is_err());
}

#[test]
fn a_stream_that_is_cut_turned_or_put_together_anew_is_refused() {
    let shown = |bytes: &[u8]| {
        let mut out = Vec::new();
        let mut showing = Showing::new(bytes, Some(&key())).map_err(drop)?;
        showing.read_to_end(&mut out).map(|_| out).map_err(drop)
    };
    let mut hiding = Hiding::new(Vec::new(), Some(&key())).unwrap();
    hiding.write_all(&bytes(600_000)).unwrap();
    let hidden = hiding.finish().unwrap();
    assert_eq!(shown(&hidden), Ok(bytes(600_000)));
    let head = 19 + 16 + 16;
    let piece = 4 + 12 + 256 * 1024 + 16;
    let (first, second) = (head..head + piece, head + piece..head + 2 * piece);
    let cut = hidden[..second.end].to_vec();
    let without = [&hidden[..head], &hidden[second.start..]].concat();
    let swapped =
        [&hidden[..head], &hidden[second.clone()], &hidden[first], &hidden[second.end..]].concat();
    let only = [&hidden[..head], &hidden[second.end..]].concat();
    for wrong in [cut, without, swapped, only, hidden[..head].to_vec(), hidden[..10].to_vec()] {
        assert_eq!(shown(&wrong), Err(()));
    }
    for at in (0..hidden.len()).step_by(9973).chain([0, 20, 40, head, hidden.len() - 1]) {
        let mut turned = hidden.clone();
        turned[at] ^= 1;
        assert_eq!(shown(&turned), Err(()), "byte {at}");
    }
}

#[test]
fn damage_is_told_before_anything_is_unpacked() {
    let (folder, place) = archive();
    let put = put_one(&place, None, "a.db", &bytes(10_000));
    let path = folder.path().join("archive").join(put.backup.file().unwrap().as_str());
    let whole = std::fs::read(&path).unwrap();
    let mut turned = whole.clone();
    turned[whole.len() / 2] ^= 1;
    for wrong in [&turned[..], &whole[..whole.len() - 1]] {
        std::fs::write(&path, wrong).unwrap();
        let mut out = Vec::new();
        let error = unpack(&place, None, &put.backup, &mut out, &|| Ok(())).unwrap_err();
        assert_eq!((error.class(), out.len()), (Class::Damaged, 0));
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(check(&place, &put.backup).unwrap_err().class(), Class::Damaged);
    assert_eq!(unpacked(&place, None, &put).unwrap_err().class(), Class::Damaged);
    // What is said of it, and more than is said.
    let short =
        Named { backup: super::Backup { whole: 9_999, ..put.backup.clone() }, ..put.clone() };
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(unpacked(&place, None, &short).unwrap_err().class(), Class::Damaged);
    let said = name(&format!("{}.json", put.name)).unwrap();
    place.replace(&said, b"{}\n").unwrap();
    assert!(list(&place, None).unwrap()[0].1.is_err());
    let keep = Keep::Generations(NonZeroU64::MIN);
    let pruned = prune(&place, None, keep, SystemTime::now(), Duration::ZERO);
    assert_eq!(pruned.unwrap_err().class(), Class::Damaged);
}

#[test]
fn names_cannot_lead_elsewhere() {
    let (_folder, place) = archive();
    for wrong in ["../latest", "a/b", "", "absent", ".a"] {
        assert_eq!(open(&place, None, wrong).unwrap_err().class(), Class::Usage, "{wrong}");
    }
}

#[test]
fn the_newest_backups_of_each_database_are_kept() {
    let (_folder, place) = archive();
    for at in 0..3 {
        put_one(&place, None, "a.db", &bytes(at));
        put_one(&place, None, "b.db", &bytes(9 + at));
    }
    let names =
        || list(&place, None).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names().len(), 6);
    let days = Keep::Days(NonZeroU64::MIN);
    let far = SystemTime::now() + Duration::from_hours(1);
    assert_eq!(prune(&place, None, days, far, Duration::ZERO).unwrap().backups, 0);
    let later = SystemTime::now() + Duration::from_hours(100);
    let pruned = prune(&place, None, days, later, Duration::ZERO).unwrap();
    assert_eq!((pruned.backups, pruned.files), (4, 4));
    let left = list(&place, None).unwrap();
    assert_eq!(left.len(), 2);
    left.iter().for_each(|(_, read)| drop(unpacked(&place, None, read.as_ref().unwrap()).unwrap()));
    let keep = Keep::Generations(NonZeroU64::MIN);
    assert_eq!(prune(&place, None, keep, later, Duration::ZERO).unwrap().backups, 0);
}

#[test]
fn who_is_not_sure_to_be_alone_takes_no_backup_away() {
    for sure in 0..4 {
        let (_folder, place) = archive();
        (0..3).for_each(|at| drop(put_one(&place, None, "a.db", &bytes(at))));
        let there = || place.list(&Name::parse("backups").unwrap()).unwrap().len();
        assert_eq!(there(), 6);
        let (keep, soon) = (Keep::Generations(NonZeroU64::MIN), SystemTime::now());
        let unsure = Dying::unsure(&place, sure);
        let pruned = prune(&unsure, None, keep, soon + Duration::from_secs(5), Duration::ZERO);
        assert_eq!(pruned.unwrap_err().class(), Class::Temporary);
        assert_eq!(6 - there(), usize::try_from(sure).unwrap());
    }
}

#[test]
fn nobody_prunes_while_a_backup_is_made_and_none_is_named_while_somebody_prunes() {
    let (folder, place) = archive();
    let other = Folder::open(&folder.path().join("archive"), Access::Write).unwrap();
    let pruned = || {
        let keep = Keep::Generations(NonZeroU64::MIN);
        prune(&other, None, keep, SystemTime::now(), Duration::ZERO)
    };
    let is_held = || pruned().is_err_and(|error| error.class() == Class::Held);
    let of = (BackupKind::Sqlite, "a.db");
    let packed = pack(&place, None, of, &mut &b"whole"[..], &|| {
        assert!(is_held());
        Ok(())
    });
    let packed = packed.unwrap();
    let mut out = Vec::new();
    packed.unpack(None, &mut out, &|| Ok(())).unwrap();
    assert_eq!(out, b"whole");
    let put = packed.put(&place).unwrap();
    assert!(is_held());
    let named = put.name(&place, None).unwrap();
    assert_eq!(pruned().unwrap().files, 0);
    assert_eq!(unpacked(&place, None, &named).unwrap(), b"whole");
    // Of a maker that died before the name: its file goes.
    pack(&place, None, of, &mut &b"lost"[..], &|| Ok(())).unwrap().put(&place).unwrap();
    place.leave();
    assert_eq!(pruned().unwrap().files, 1);
    let alone = other.alone().unwrap();
    std::thread::scope(|scope| {
        let maker = scope.spawn(|| put_one(&place, None, "b.db", b"later"));
        super::super::place::pause(Duration::from_millis(100));
        assert!(!maker.is_finished() && list(&other, None).unwrap().len() == 1);
        drop(alone);
        maker.join().unwrap();
    });
    assert_eq!(list(&other, None).unwrap().len(), 2);
}

#[test]
fn files_of_old_are_unpacked_as_their_first_bytes_say() {
    let whole = [b"SQLite format 3\0", &bytes(300_000)[..]].concat();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&whole[..1000]).unwrap();
    let mut gzip = gzip.finish().unwrap();
    let mut more = GzEncoder::new(Vec::new(), Compression::default());
    more.write_all(&whole[1000..]).unwrap();
    gzip.extend(more.finish().unwrap());
    let packed = zstd::encode_all(&whole[..], 3).unwrap();
    for old in [&whole, &gzip, &packed] {
        let mut out = Vec::new();
        unpack_old(file(old), &mut out, &|| Ok(())).unwrap();
        assert!(out == whole);
    }
    for packed in [&gzip[..gzip.len() - 9], &packed[..packed.len() - 9]] {
        let error = unpack_old(file(packed), &mut Vec::new(), &|| Ok(())).unwrap_err();
        assert_eq!(error.class(), Class::Damaged);
    }
}
