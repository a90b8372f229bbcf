//! Both kinds of places do the same, whole or not at all; and a local folder keeps to itself.

use super::{Access, Bucket, Created, Draft, Folder, Name, Place, is_within, open};
use crate::error::{Class, Result};
use crate::store::parquet::file::Stored;
use crate::store::parquet::hash::ContentHash;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(in crate::store::parquet) fn stored(bytes: &[u8]) -> Stored {
    Stored { hash: ContentHash::of(bytes), bytes: bytes.len() as u64, rows: 1 }
}

pub(in crate::store::parquet) fn draft(place: &dyn Place, bytes: &[u8]) -> Draft {
    let mut draft = place.draft().unwrap();
    draft.write_all(bytes).unwrap();
    draft.flush().unwrap();
    draft
}

fn put(place: &dyn Place, at: &str, bytes: &[u8]) -> Result<()> {
    place.put(draft(place, bytes), &name(at), &stored(bytes))
}

/// What is below the folder of an archive, drafts included.
fn below(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else if !entry.ends_with(".lock") {
                found.push(entry.strip_prefix(path).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn each_place(test: impl Fn(&dyn Place)) {
    let folder = tempfile::tempdir().unwrap();
    test(&Folder::open(&folder.path().join("new/archive"), Access::Write).unwrap());
    test(&Bucket::in_memory("some/prefix"));
    test(&Bucket::in_memory(""));
    if let Some(url) = real_bucket(folder.path()) {
        test(&*open(&url, Access::Write).unwrap());
    }
}

#[test]
fn what_is_put_is_read_as_a_whole_and_in_parts() {
    each_place(|place| {
        let a = name("tables/a/rows/x");
        assert_eq!(place.get(&a, 100).unwrap(), None);
        assert_eq!(place.get_range(&a, 0..1).unwrap(), None);
        assert_eq!(place.size(&a).unwrap(), None);
        place.delete(&a).unwrap();
        assert_eq!(place.list(&name("tables")).unwrap(), []);

        put(place, "tables/a/rows/x", b"some bytes").unwrap();
        put(place, "tables/b", b"others").unwrap();
        put(place, "tablespoon", b"none of them").unwrap();
        assert_eq!(place.get(&a, 10).unwrap().unwrap(), b"some bytes");
        assert_eq!(place.get(&a, 9).unwrap_err().class(), Class::Damaged);
        assert_eq!(place.get_range(&a, 5..10).unwrap().unwrap(), b"bytes");
        assert_eq!(place.get_range(&a, 4..4).unwrap().unwrap(), b"");
        let fetched = |name: &Name, bytes| {
            let mut all = Vec::new();
            place.fetch(name, bytes).unwrap().map(|mut file| {
                file.seek(SeekFrom::Start(0)).unwrap();
                std::io::copy(&mut file, &mut all).unwrap();
                all
            })
        };
        assert_eq!(fetched(&a, 10).unwrap(), place.get(&a, 100).unwrap().unwrap());
        assert_eq!(fetched(&Name::parse("tables/none").unwrap(), 10), None);
        let short = place.get_range(&a, 5..11).unwrap_err();
        assert_eq!(short.class(), Class::Damaged);
        assert!(short.to_string().contains("tables/a/rows/x: it ends after 10 bytes"), "{short}");
        assert_eq!(place.size(&a).unwrap(), Some(10));

        let listed = place.list(&name("tables")).unwrap();
        let names: Vec<_> = listed.iter().map(|entry| (entry.name.as_str(), entry.bytes)).collect();
        assert_eq!(names, [("tables/a/rows/x", 10), ("tables/b", 6)]);
        let age = SystemTime::now().duration_since(listed[0].modified).unwrap_or_default();
        assert!(age < Duration::from_mins(5), "{age:?}");
        place.delete(&a).unwrap();
        place.delete(&a).unwrap();
        assert_eq!(place.get(&a, 100).unwrap(), None);
    });
}

#[test]
fn a_large_file_goes_in_parts() {
    each_place(|place| {
        let bytes: Vec<u8> = (0..=250).cycle().take(35_000_001).collect();
        put(place, "tables/large", &bytes).unwrap();
        assert!(place.get(&name("tables/large"), u64::MAX).unwrap().unwrap() == bytes);
    });
}

#[test]
fn a_file_that_is_there_is_kept_and_another_one_in_its_place_is_noticed() {
    each_place(|place| {
        put(place, "a/x", b"some bytes").unwrap();
        put(place, "a/x", b"some bytes").unwrap();
        place.replace(&name("a/x"), b"some byte").unwrap();
        let error = put(place, "a/x", b"some bytes").unwrap_err();
        assert_eq!(error.class(), Class::Damaged);
        assert!(error.to_string().contains("a/x"), "{error}");
        assert_eq!(place.get(&name("a/x"), 100).unwrap().unwrap(), b"some byte");
        let short = place.put(draft(place, b"some"), &name("a/y"), &stored(b"some bytes"));
        assert_eq!(short.unwrap_err().class(), Class::Internal);
        assert_eq!(place.size(&name("a/y")).unwrap(), None);
    });
}

#[test]
fn other_bytes_of_the_same_size_do_not_stay() {
    each_place(|place| {
        put(place, "a/x", b"some bytes").unwrap();
        place.replace(&name("a/x"), b"SOME BYTES").unwrap();
        match put(place, "a/x", b"some bytes") {
            // To read it once more costs more there than to put it once more.
            Ok(()) => assert_eq!(place.get(&name("a/x"), 10).unwrap().unwrap(), b"some bytes"),
            Err(error) => assert_eq!(error.class(), Class::Damaged, "{error}"),
        }
    });
}

/// A bucket of a real server, where one is given: `s3://bucket`, with the rest in `AWS_…`. Each test has its own part.
fn real_bucket(own: &Path) -> Option<String> {
    let url = std::env::var("LITEFERRY_TEST_S3").ok()?;
    let own = own.file_name().unwrap().to_str().unwrap().trim_start_matches('.');
    Some(format!("{url}/{own}"))
}

/// The same archive as each process sees it that opens it, in a folder and in a bucket.
fn each_opened(test: impl Fn(&(dyn Fn() -> Box<dyn Place> + Sync))) {
    let folder = tempfile::tempdir().unwrap();
    test(&|| Box::new(Folder::open(folder.path(), Access::Write).unwrap()));
    let bucket = Bucket::in_memory("some/prefix");
    test(&|| Box::new(bucket.again()));
    if let Some(url) = real_bucket(folder.path()) {
        test(&|| open(&url, Access::Write).unwrap());
    }
}

/// The same archive as two processes see it.
fn each_pair(test: impl Fn(&dyn Place, Box<dyn Place>)) {
    each_opened(|open| test(&*open(), open()));
}

#[test]
fn who_prunes_is_alone_and_who_writes_is_not() {
    each_pair(|one, other| {
        let is_held = |place: &dyn Place| match place.alone() {
            Ok(_alone) => false,
            Err(error) => {
                assert_eq!((error.class(), error.class().exit_code()), (Class::Held, 73));
                assert!(error.to_string().contains("archive"), "{error}");
                true
            }
        };
        assert!(!is_held(one) && !is_held(&*other));
        let written = draft(&*other, b"on its way");
        assert!(is_held(one));
        one.enter().unwrap();
        one.enter().unwrap();
        one.leave();
        assert!(is_held(one));
        // Not the draft, but the run that will name it.
        drop(written);
        assert!(is_held(one) && is_held(&*other));
        other.leave();
        assert!(!is_held(one));
        other.enter().unwrap();
        drop(other);
        assert!(!is_held(one));
        assert_eq!(one.list(&name("locks")).unwrap(), []);
    });
}

#[test]
fn who_would_write_waits_for_one_who_prunes() {
    each_pair(|one, other| {
        let alone = one.alone().unwrap();
        alone.keep().unwrap();
        std::thread::scope(|scope| {
            let begun = std::time::Instant::now();
            let writer = scope.spawn(move || other.enter().map(|()| begun.elapsed()));
            super::pause(Duration::from_millis(300));
            drop(alone);
            assert!(writer.join().unwrap().unwrap() >= Duration::from_millis(300));
        });
    });
}

/// Who is in an archive at this moment, as those see it who were let in.
#[derive(Debug, Default)]
struct Inside {
    writers: AtomicUsize,
    pruners: AtomicUsize,
}

impl Inside {
    /// Stays for a moment in which nobody else may be there but, beside a writer, `writers`.
    fn stay(&self, mine: &AtomicUsize, writers: usize) {
        mine.fetch_add(1, SeqCst);
        for moment in [0, 3] {
            super::pause(Duration::from_millis(moment));
            let (writing, pruning) = (self.writers.load(SeqCst), self.pruners.load(SeqCst));
            let is_alone = writing <= writers && pruning <= usize::from(writers == 0);
            assert!(is_alone, "{writing} write and {pruning} prune at once");
        }
        mine.fetch_sub(1, SeqCst);
    }
}

#[test]
fn in_a_race_nobody_writes_while_another_prunes() {
    const WRITERS: usize = 3;
    each_opened(|open| {
        let (inside, start) = (Inside::default(), Barrier::new(WRITERS + 2));
        let write = || {
            let place = open();
            start.wait();
            for _ in 0..10 {
                place.enter().unwrap();
                inside.stay(&inside.writers, WRITERS);
                place.leave();
                super::pause(Duration::from_millis(5));
            }
        };
        let prune = || {
            let place = open();
            start.wait();
            let (mut pruned, mut refused) = (0, 0);
            while pruned < 5 {
                match place.alone() {
                    Ok(_alone) => {
                        inside.stay(&inside.pruners, 0);
                        pruned += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.class(), Class::Held, "{error}");
                        refused += 1;
                        // Two who prune and come at the same moment both go away: not at the same moment again.
                        super::pause(Duration::from_millis(refused % 7));
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            (0..WRITERS).for_each(|_| drop(scope.spawn(write)));
            (0..2).for_each(|_| drop(scope.spawn(prune)));
        });
        assert_eq!(open().list(&name("locks")).unwrap(), []);
    });
}

#[test]
fn of_those_who_create_the_same_one_does() {
    each_place(|place| {
        for round in 0..20 {
            let at = Name::generation(round + 1);
            let start = Barrier::new(4);
            let create = |writer: u8| {
                start.wait();
                place.create(&at, &[writer; 100]).unwrap()
            };
            let created: Vec<_> = std::thread::scope(|scope| {
                let create = &create;
                let writers = [0, 1, 2, 3].map(|writer| scope.spawn(move || create(writer)));
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let won: Vec<_> = (0..4).filter(|&at| created[at] == Created::New).collect();
            assert_eq!(won.len(), 1, "{created:?}");
            let there = place.get(&at, 100).unwrap().unwrap();
            assert!(there.iter().all(|&byte| usize::from(byte) == won[0]) && there.len() == 100);
        }
        let latest = Name::latest();
        place.replace(&latest, b"1").unwrap();
        assert_eq!(place.create(&latest, b"2").unwrap(), Created::Exists);
        assert_eq!(place.get(&latest, 1).unwrap().unwrap(), b"1");
    });
}

#[test]
fn a_local_archive_is_its_owners_and_leaves_no_drafts() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("archive");
    let place = Folder::open(&root, Access::Write).unwrap();
    put(&place, "tables/a/rows/x", b"x").unwrap();
    put(&place, "tables/a/rows/x", b"x").unwrap();
    place.create(&Name::generation(1), b"m").unwrap();
    place.create(&Name::generation(1), b"n").unwrap();
    place.replace(&Name::latest(), b"1").unwrap();
    drop(draft(&place, b"never put"));
    let files = below(&root);
    assert_eq!(files, ["generations/000001.json", "latest.json", "tables/a/rows/x"]);
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{file}"));
    assert!(root.join(".lock").exists() && mode(".lock") == 0o600);
    for made in ["", "generations", "tables", "tables/a", "tables/a/rows", ".drafts"] {
        assert_eq!(mode(made), 0o700, "{made}");
    }
}

#[test]
fn drafts_of_a_run_that_was_killed_are_swept_and_those_of_one_that_runs_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::open(folder.path(), Access::Write).unwrap();
    std::mem::forget(draft(&place, b"killed"));
    assert_eq!(below(folder.path()).len(), 1);
    let now = SystemTime::now();
    assert_eq!(place.sweep(now - Duration::from_mins(1)).unwrap(), 0);
    assert_eq!(place.sweep(now + Duration::from_mins(1)).unwrap(), 1);
    assert_eq!(below(folder.path()), Vec::<String>::new());
}

#[test]
fn links_and_what_is_no_file_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("archive");
    let place = Folder::open(&root, Access::Write).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("outside/secret"), "secret").unwrap();
    symlink(folder.path().join("outside"), root.join("tables")).unwrap();
    symlink(folder.path().join("outside/secret"), root.join("link")).unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for odd in ["tables/secret", "link", "folder", "pipe", "link/below"] {
        let error = place.get(&name(odd), 100).unwrap_err();
        assert_eq!(error.class(), Class::Damaged, "{odd}: {error}");
        assert!(error.to_string().contains(odd), "{error}");
    }
    assert_eq!(put(&place, "tables/new", b"x").unwrap_err().class(), Class::Damaged);
    assert_eq!(place.delete(&name("tables/secret")).unwrap_err().class(), Class::Damaged);
    assert_eq!(place.list(&name("tables")).unwrap_err().class(), Class::Damaged);
    assert_eq!(place.list(&name("folder")).unwrap(), []);
    symlink(folder.path().join("outside"), root.join("folder/link")).unwrap();
    let error = place.list(&name("folder")).unwrap_err();
    assert!(error.class() == Class::Damaged && error.to_string().contains("link"), "{error}");
    fs::remove_file(root.join(".lock")).unwrap();
    symlink(folder.path().join("outside/secret"), root.join(".lock")).unwrap();
    place.leave();
    assert_eq!(place.enter().unwrap_err().class(), Class::Damaged);
    assert_eq!(below(&folder.path().join("outside")), ["secret"]);
}

#[test]
fn a_place_is_a_folder_or_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().to_str().unwrap().to_owned();
    open(&there, Access::Read).unwrap();
    open(&format!("file://{there}/made"), Access::Write).unwrap();
    open(&format!("file://{there}/made"), Access::Read).unwrap();
    open("s3://bucket", Access::Read).unwrap();
    open("s3://bucket/some/prefix/", Access::Write).unwrap();
    for (wrong, class) in [
        (format!("{there}/absent"), Class::Usage),
        ("file://relative".into(), Class::Usage),
        ("http://bucket/prefix".into(), Class::Usage),
        ("s3://".into(), Class::Usage),
        ("s3://bucket/../other".into(), Class::Usage),
        ("s3://id:secret@bucket".into(), Class::Secret),
    ] {
        let error = open(&wrong, Access::Read).unwrap_err();
        assert_eq!(error.class(), class, "{wrong}: {error}");
        assert!(!error.to_string().contains("id:secret"), "{error}");
    }
    assert!(!folder.path().join("absent").exists());
}

#[test]
fn a_place_within_another_is_known_however_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().to_str().unwrap().to_owned();
    fs::create_dir_all(folder.path().join("archive/below")).unwrap();
    symlink(folder.path().join("archive"), folder.path().join("link")).unwrap();
    let archive = format!("{there}/archive");
    for (inner, outer, expected) in [
        (archive.clone(), archive.clone(), true),
        (format!("file://{there}/archive/"), archive.clone(), true),
        (format!("{there}/link/not/there"), archive.clone(), true),
        (archive.clone(), format!("{there}/link"), true),
        (format!("{archive}/below/../../archive"), archive.clone(), true),
        (format!("{archive}-copy"), archive.clone(), false),
        (there, archive.clone(), false),
        ("s3://bucket/a".into(), "s3://bucket/a/".into(), true),
        ("s3://bucket/a/b".into(), "s3://bucket/a".into(), true),
        ("s3://bucket/a".into(), "s3://bucket".into(), true),
        ("s3://bucket/ab".into(), "s3://bucket/a".into(), false),
        ("s3://bucket".into(), "s3://bucket/a".into(), false),
        ("s3://bucket/a".into(), archive, false),
    ] {
        assert_eq!(is_within(&inner, &outer).unwrap(), expected, "{inner} in {outer}");
    }
}
