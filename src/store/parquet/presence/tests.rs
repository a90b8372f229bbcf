//! Whether there is an archive, and whether that has a key, is told without the key; and what is not liteferry's is none.

use super::{check_key, is_archive};
use crate::error::Class;
use crate::store::parquet::Key;
use crate::store::parquet::backup::{BackupKind, pack};
use crate::store::parquet::generation::tests::{archive, next};
use crate::store::parquet::place::{Bucket, Name, Place};

fn key(byte: u8) -> Key {
    Key::new([byte; 32])
}

fn back_up(place: &dyn Place, key: Option<&Key>) {
    let of = (BackupKind::Sqlite, "file.db");
    let packed = pack(place, key, of, &mut &b"all of it"[..], &|| Ok(())).unwrap();
    packed.put(place).unwrap().name(place, key).unwrap();
}

/// Looks at a place with no key, with key 1 and with key 2; gives which of them fit.
fn fitting(place: &dyn Place) -> [bool; 3] {
    [None, Some(key(1)), Some(key(2))].map(|key| match check_key(place, key.as_ref()) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.class(), Class::Access, "{error}");
            assert!(error.advice().is_some(), "{error}");
            false
        }
    })
}

#[test]
fn a_key_fits_what_was_written_with_it_and_none_fits_what_was_written_without() {
    let kinds: [fn(&dyn Place, Option<&Key>); 2] =
        [back_up, |place, key| drop(next(place, key, &[1]).unwrap())];
    for write in kinds {
        for (key, expected) in [(None, [true, false, false]), (Some(key(1)), [false, true, false])]
        {
            let (_folder, folder) = archive();
            let bucket = Bucket::in_memory("some/where");
            for place in [&folder as &dyn Place, &bucket] {
                assert!(!is_archive(place).unwrap());
                assert_eq!(fitting(place), [true; 3]);
                write(place, key.as_ref());
                assert!(is_archive(place).unwrap());
                assert_eq!(fitting(place), expected);
            }
        }
    }
}

#[test]
fn what_is_forged_or_damaged_does_not_hide_that_there_is_a_key() {
    let (_folder, place) = archive();
    next(&place, Some(&key(1)), &[1]).unwrap();
    back_up(&place, None);
    for bytes in [&b"{\"format\":1,\"latest\":{\"generation\":1,\"hash\":\"\"}}"[..], b"", b"x"] {
        place.replace(&Name::latest(), bytes).unwrap();
        assert_eq!(fitting(&place), [false, true, false]);
    }
    place.delete(&Name::latest()).unwrap();
    assert_eq!(fitting(&place), [false, true, false]);
}

#[test]
fn what_somebody_else_has_put_there_is_no_archive() {
    let (_folder, place) = archive();
    let hash = "ab".repeat(32);
    for name in
        ["backups/settings.json", &format!("backups/{hash}.backup"), "generations/last.json"]
    {
        place.replace(&Name::parse(name).unwrap(), &[b' '; 100]).unwrap();
    }
    assert!(!is_archive(&place).unwrap());
    assert_eq!(fitting(&place), [true; 3]);
    place.replace(&Name::latest(), b"x").unwrap();
    assert!(is_archive(&place).unwrap());
}
