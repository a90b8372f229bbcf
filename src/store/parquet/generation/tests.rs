//! A generation is there whole or not at all, whenever its publisher dies, and who sets an archive back is noticed.

use super::seal::{self, Sealed};
use super::{Newest, Notice, Opened, check, list, newest, open, publish};
use crate::error::{Class, Error, Result};
use crate::store::parquet::Key;
use crate::store::parquet::file::Stored;
use crate::store::parquet::manifest::tests::{contents, file};
use crate::store::parquet::manifest::{Contents, FileKind};
use crate::store::parquet::place::tests::draft;
use crate::store::parquet::place::{Access, Alone, Created, Draft, Entry, Folder, Name, Place};
use std::fs::File;
use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tempfile::TempDir;

/// A local archive whose process dies at one of its operations: before it, or once it is done.
#[derive(Debug)]
pub(crate) struct Dying<'p> {
    place: &'p dyn Place,
    /// Operations that are done before the one at which it dies.
    left: AtomicU64,
    /// Whether that one is done.
    after: bool,
    /// How often who is in it alone can make sure of that.
    sure: AtomicU64,
}

/// One who is alone, until that is not sure any more.
#[derive(Debug)]
struct Unsure<'p> {
    _alone: Box<dyn Alone + 'p>,
    sure: &'p AtomicU64,
}

impl Alone for Unsure<'_> {
    fn keep(&self) -> Result<()> {
        let next = |left: u64| left.checked_sub(1);
        let left = self.sure.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        left.map(drop).map_err(|_zero| Error::new(Class::Temporary, "not sure"))
    }
}

impl<'p> Dying<'p> {
    pub(crate) fn new(place: &'p dyn Place, left: u64, after: bool) -> Self {
        Self { place, left: left.into(), after, sure: u64::MAX.into() }
    }

    /// One that does not die, and in which who is alone is sure of it so many times only.
    pub(crate) fn unsure(place: &'p dyn Place, sure: u64) -> Self {
        Self { sure: sure.into(), ..Self::new(place, u64::MAX, false) }
    }

    fn step<T>(&self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let dead = || Error::new(Class::Temporary, "dead");
        let left =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => step(),
            // Dead for ever, not for one operation.
            Err(_zero) if self.after && self.left.swap(u64::MAX, Ordering::SeqCst) == 0 => {
                step()?;
                Err(dead())
            }
            Err(_zero) => Err(dead()),
        }
    }
}

impl Place for Dying<'_> {
    fn enter(&self) -> Result<()> {
        self.step(|| self.place.enter())
    }
    fn leave(&self) {
        // What a process holds ends with it.
        self.place.leave();
    }
    fn alone(&self) -> Result<Box<dyn Alone + '_>> {
        let alone = self.step(|| self.place.alone())?;
        Ok(Box::new(Unsure { _alone: alone, sure: &self.sure }))
    }
    fn draft(&self) -> Result<Draft> {
        self.step(|| self.place.draft())
    }
    fn put(&self, draft: Draft, name: &Name, stored: &Stored) -> Result<()> {
        self.step(|| self.place.put(draft, name, stored))
    }
    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created> {
        self.step(|| self.place.create(name, bytes))
    }
    fn replace(&self, name: &Name, bytes: &[u8]) -> Result<()> {
        self.step(|| self.place.replace(name, bytes))
    }
    fn get(&self, name: &Name, max: u64) -> Result<Option<Vec<u8>>> {
        self.step(|| self.place.get(name, max))
    }
    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        self.step(|| self.place.get_range(name, range))
    }
    fn fetch(&self, name: &Name, bytes: u64) -> Result<Option<File>> {
        self.step(|| self.place.fetch(name, bytes))
    }
    fn size(&self, name: &Name) -> Result<Option<u64>> {
        self.step(|| self.place.size(name))
    }
    fn list(&self, below: &Name) -> Result<Vec<Entry>> {
        self.step(|| self.place.list(below))
    }
    fn delete(&self, name: &Name) -> Result<()> {
        self.step(|| self.place.delete(name))
    }
    fn sweep(&self, before: SystemTime) -> Result<u64> {
        self.step(|| self.place.sweep(before))
    }
}

pub(in crate::store::parquet) fn archive() -> (TempDir, Folder) {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::open(folder.path(), Access::Write).unwrap();
    (folder, place)
}

/// Puts chunks, and says what a generation of them holds.
pub(in crate::store::parquet) fn put(
    place: &dyn Place,
    key: Option<&Key>,
    chunks: &[u64],
) -> Result<Contents> {
    let mut files = Vec::new();
    for &chunk in chunks {
        let (file, bytes) = file(FileKind::Rows, "trades", chunk, key);
        let mut draft = place.draft()?;
        std::io::Write::write_all(&mut draft, &bytes).unwrap();
        place.put(draft, file.name(), &file.stored())?;
        files.push(file);
    }
    Ok(contents(files))
}

/// Publishes chunks on top of the newest generation.
pub(in crate::store::parquet) fn next(
    place: &dyn Place,
    key: Option<&Key>,
    chunks: &[u64],
) -> Result<Opened> {
    let parent = newest(place, key)?.map(|newest| newest.opened);
    let contents = put(place, key, chunks)?;
    publish(place, key, parent.as_ref(), contents)
}

fn read(place: &dyn Place) -> Newest {
    newest(place, None).unwrap().unwrap()
}

pub(in crate::store::parquet) fn assert_whole(place: &dyn Place, opened: &Opened) {
    opened.manifest.files.iter().for_each(|file| check(place, file).unwrap());
}

#[test]
fn generations_follow_each_other_and_each_can_be_read() {
    let key = Key::new([1; 32]);
    for key in [None, Some(&key)] {
        let (_folder, place) = archive();
        assert!(newest(&place, key).unwrap().is_none());
        let one = next(&place, key, &[1, 2]).unwrap();
        let two = next(&place, key, &[2, 3]).unwrap();
        assert_eq!(two.manifest.parent, Some(one.generation()));
        let Newest { opened, notices } = newest(&place, key).unwrap().unwrap();
        assert_eq!((&opened, notices.len()), (&two, 0));
        assert_eq!(open(&place, key, 1).unwrap(), one);
        assert_eq!(open(&place, key, 3).unwrap_err().class(), Class::Damaged);
        let listed: Vec<_> =
            list(&place, key).unwrap().into_iter().map(|(_, read)| read.unwrap()).collect();
        assert_eq!(listed, [two, one]);
        if key.is_some() {
            assert_eq!(newest(&place, None).unwrap_err().class(), Class::Access);
            assert_eq!(next(&place, None, &[9]).unwrap_err().class(), Class::Access);
        }
    }
}

#[test]
fn a_publisher_that_dies_at_any_step_leaves_the_old_generation_or_the_new_one() {
    for after in [false, true] {
        let (mut before, mut arrived) = (0, false);
        for step in 0.. {
            let (_folder, place) = archive();
            next(&place, None, &[1, 2]).unwrap();
            arrived = next(&Dying::new(&place, step, after), None, &[2, 3, 4]).is_ok();
            let found = read(&place);
            let number = found.opened.manifest.generation;
            assert!(number == 1 || number == 2, "step {step}");
            assert!(!arrived || number == 2, "step {step}");
            assert_whole(&place, &found.opened);
            before += u64::from(number == 1);
            // Who reads is told of what is between the two, and who publishes goes on.
            let behind = matches!(found.notices[..], [Notice::PointerBehind(1)]);
            assert!(behind || found.notices.is_empty(), "step {step}: {:?}", found.notices);
            let third = next(&place, None, &[5]).unwrap();
            assert_eq!(third.manifest.generation, number + 1);
            assert!(read(&place).notices.is_empty());
            if arrived {
                break;
            }
        }
        assert!(arrived && before > 8, "{before} steps left the old generation");
    }
}

#[test]
fn of_those_who_publish_at_once_one_wins_and_the_others_are_told() {
    let (_folder, place) = archive();
    for round in 0..10 {
        let parent = newest(&place, None).unwrap().map(|newest| newest.opened);
        let start = Barrier::new(3);
        let publish = |writer: u64| {
            let contents = put(&place, None, &[round, 100 + writer]).unwrap();
            start.wait();
            publish(&place, None, parent.as_ref(), contents)
        };
        let published: Vec<_> = std::thread::scope(|scope| {
            let publish = &publish;
            let writers = [0, 1, 2].map(|writer| scope.spawn(move || publish(writer)));
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = published.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for error in lost.into_iter().map(Result::unwrap_err) {
            assert_eq!(error.class(), Class::Held);
            assert!(error.to_string().contains(&format!("generation {}", round + 1)), "{error}");
        }
        assert_eq!(Some(read(&place).opened), won.into_iter().next().map(Result::unwrap));
    }
}

#[test]
fn no_generation_names_a_file_that_is_not_there() {
    let (_folder, place) = archive();
    let one = next(&place, None, &[1]).unwrap();
    let contents = put(&place, None, &[1, 2]).unwrap();
    let name = contents.files[1].name().clone();
    place.delete(&name).unwrap();
    let error = publish(&place, None, Some(&one), contents.clone()).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains(name.as_str()), "{error}");
    place.replace(&name, b"short").unwrap();
    let error = publish(&place, None, Some(&one), contents).unwrap_err();
    assert!(error.to_string().contains("5 bytes instead of"), "{error}");
    assert_eq!(read(&place).opened, one);
}

#[test]
fn an_archive_that_is_set_back_is_noticed() {
    let (_folder, place) = archive();
    next(&place, None, &[1]).unwrap();
    let pointer = place.get(&Name::latest(), 1000).unwrap().unwrap();
    let first = place.get(&Name::generation(1), 1_000_000).unwrap().unwrap();
    next(&place, None, &[2]).unwrap();
    let right = place.get(&Name::latest(), 1000).unwrap().unwrap();

    place.replace(&Name::latest(), &pointer).unwrap();
    assert!(matches!(read(&place).notices[..], [Notice::PointerBehind(1)]));
    place.delete(&Name::latest()).unwrap();
    assert!(matches!(read(&place).notices[..], [Notice::PointerMissing]));
    place.replace(&Name::latest(), b"{\"format\":1}").unwrap();
    assert!(matches!(read(&place).notices[..], [Notice::PointerDamaged(_)]));
    assert_eq!(read(&place).opened.manifest.generation, 2);

    // An older manifest in the place of a newer one, a newer one taken away, and another of the same number.
    place.replace(&Name::latest(), &right).unwrap();
    let second = place.get(&Name::generation(2), 1_000_000).unwrap().unwrap();
    place.replace(&Name::generation(2), &first).unwrap();
    let found = read(&place);
    assert_eq!(found.opened.manifest.generation, 1);
    assert!(
        matches!(&found.notices[..], [Notice::Passed(2, why)] if why.to_string().contains("that of generation 1"))
    );
    place.delete(&Name::generation(2)).unwrap();
    let error = newest(&place, None).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains("generation 2 was the newest, and is missing"), "{error}");
    let one = open(&place, None, 1).unwrap();
    let other = put(&place, None, &[7]).unwrap();
    // What is taken away is not made again: its number had a meaning.
    assert_eq!(publish(&place, None, Some(&one), other.clone()).unwrap().manifest.generation, 3);
    place.delete(&Name::generation(3)).unwrap();
    place.delete(&Name::latest()).unwrap();
    publish(&place, None, Some(&one), other).unwrap();
    place.replace(&Name::latest(), &right).unwrap();
    let error = newest(&place, None).unwrap_err();
    assert!(error.to_string().contains("not the one that was published"), "{error}");
    place.replace(&Name::generation(2), &second).unwrap();
    assert!(read(&place).notices.is_empty());
}

#[test]
fn a_damaged_generation_is_passed_over_and_never_alone_read() {
    let (_folder, place) = archive();
    next(&place, None, &[1]).unwrap();
    next(&place, None, &[2]).unwrap();
    place.replace(&Name::generation(2), b"{}").unwrap();
    let found = read(&place);
    assert_eq!(found.opened.manifest.generation, 1);
    assert!(matches!(found.notices[..], [Notice::Passed(2, _)]), "{:?}", found.notices);
    let listed = list(&place, None).unwrap();
    let error = listed[0].1.as_ref().unwrap_err();
    assert!(error.to_string().contains("generations/000002.json"), "{error}");
    assert_eq!(next(&place, None, &[3]).unwrap().manifest.generation, 3);
    for number in 1..=3 {
        place.replace(&Name::generation(number), b"{}").unwrap();
    }
    let error = newest(&place, None).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains("generations/000003.json"), "{error}");
}

#[test]
fn a_parent_that_was_exchanged_is_named() {
    let (_folder, place) = archive();
    next(&place, None, &[1]).unwrap();
    next(&place, None, &[2]).unwrap();
    next(&place, None, &[3]).unwrap();
    let (_other_folder, other) = archive();
    next(&other, None, &[1, 8]).unwrap();
    next(&other, None, &[9]).unwrap();
    let forged = other.get(&Name::generation(2), 1_000_000).unwrap().unwrap();
    place.replace(&Name::generation(2), &forged).unwrap();
    let listed = list(&place, None).unwrap();
    assert!(listed[0].1.is_ok());
    let error = listed[1].1.as_ref().unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains("generations/000002.json"), "{error}");
    drop(draft(&place, b""));
}

#[test]
fn a_generation_of_a_later_liteferry_is_not_passed_over() {
    let (_folder, place) = archive();
    let first = next(&place, None, &[1]).unwrap();
    let later = serde_json::json!({"format": 2, "generation": 2});
    let (bytes, _) = seal::seal(&later, Sealed::Manifest, None).unwrap();
    place.replace(&Name::generation(2), &bytes).unwrap();
    let contents = put(&place, None, &[7]).unwrap();
    for error in [
        newest(&place, None).unwrap_err(),
        open(&place, None, 2).unwrap_err(),
        publish(&place, None, Some(&first), contents).unwrap_err(),
    ] {
        assert_eq!(error.class(), Class::Usage, "{error}");
    }
    place.delete(&Name::generation(2)).unwrap();
    let (bytes, _) =
        seal::seal(&serde_json::json!({"format": 2, "newest": 1}), Sealed::Pointer, None).unwrap();
    place.replace(&Name::latest(), &bytes).unwrap();
    assert_eq!(newest(&place, None).unwrap_err().class(), Class::Usage);
}
