//! Only what no kept generation names is taken away, whenever the pruning is killed.

use super::{Come, GRACE, Keep, Pruned};
use crate::error::{Class, Result};
use crate::store::parquet::Key;
use crate::store::parquet::generation::tests::{Dying, archive, assert_whole, next, put};
use crate::store::parquet::generation::{list, newest, numbers, publish};
use crate::store::parquet::manifest::Contents;
use crate::store::parquet::place::tests::draft;
use crate::store::parquet::place::{Access, Bucket, Folder, Name, Place};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Barrier;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn generations(count: u64) -> Keep {
    Keep::Generations(NonZeroU64::new(count).unwrap())
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

/// Nobody else is at work, and no time is lost.
fn prune_now(place: &dyn Place, keep: Keep) -> Result<Pruned> {
    let soon = SystemTime::now() + Duration::from_secs(5);
    prune(place, None, keep, soon, Duration::ZERO)
}

/// Every generation that is there has its files; and says which files those are.
fn named(place: &dyn Place) -> BTreeSet<Name> {
    let mut named = BTreeSet::new();
    for (_, read) in list(place, None).unwrap() {
        let opened = read.unwrap();
        assert_whole(place, &opened);
        named.extend(opened.manifest.files.iter().map(|file| file.name().clone()));
    }
    named
}

fn there(place: &dyn Place) -> BTreeSet<Name> {
    place.list(&Name::tables()).unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn the_newest_generations_are_kept_with_what_they_share() {
    let (_folder, place) = archive();
    for chunks in [[1, 2], [2, 3], [3, 4], [1, 4]] {
        next(&place, None, &chunks).unwrap();
    }
    assert_eq!(prune_now(&place, generations(4)).unwrap(), Pruned::default());
    let pruned = prune_now(&place, generations(2)).unwrap();
    assert_eq!((pruned.generations, pruned.files), (2, 1));
    assert_eq!(pruned.bytes, 16);
    assert_eq!(numbers(&place).unwrap(), [4, 3]);
    assert_eq!(named(&place), there(&place));
    assert_eq!(there(&place).len(), 3);
    assert!(newest(&place, None).unwrap().unwrap().notices.is_empty());
    assert_eq!(prune_now(&place, generations(2)).unwrap(), Pruned::default());
    assert_eq!(next(&place, None, &[1]).unwrap().manifest.generation, 5);
}

#[test]
fn whoever_prunes_is_told_of_it_step_by_step() {
    let (_folder, place) = archive();
    for chunks in [[1], [2], [3]] {
        next(&place, None, &chunks).unwrap();
    }
    let (told, soon) = (RefCell::new(Vec::new()), SystemTime::now() + Duration::from_secs(5));
    let tell = |come| {
        // What it says has come to be so.
        let (generations, files) = (numbers(&place).unwrap().len(), there(&place).len());
        told.borrow_mut().push((come, generations, files));
    };
    super::prune(&place, None, generations(1), (soon, Duration::ZERO), &tell).unwrap();
    let steps = [
        (Come::Begun, 3, 3),
        (Come::ManifestGone, 2, 3),
        (Come::ManifestGone, 1, 3),
        (Come::FileGone, 1, 2),
        (Come::FileGone, 1, 1),
    ];
    assert_eq!(told.into_inner(), steps);
}

#[test]
fn who_is_not_sure_to_be_alone_takes_nothing_away() {
    for sure in 0..7 {
        let (_folder, place) = archive();
        for chunks in [[1, 11], [2, 12], [3, 13]] {
            next(&place, None, &chunks).unwrap();
        }
        let pruned = prune_now(&Dying::unsure(&place, sure), generations(1));
        let gone = 3 - numbers(&place).unwrap().len() + 6 - there(&place).len();
        assert_eq!(gone, usize::try_from(sure.min(6)).unwrap());
        match pruned {
            Ok(_) => assert_eq!(sure, 6),
            Err(error) => assert_eq!(error.class(), Class::Temporary),
        }
    }
}

#[test]
fn who_publishes_what_lies_there_waits_for_one_who_prunes() {
    let (folder, place) = archive();
    let contents = put(&place, None, &[1]).unwrap();
    // It comes again later, and has no file to put any more.
    place.leave();
    let other = Folder::open(folder.path(), Access::Write).unwrap();
    let alone = other.alone().unwrap();
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(&place, None, None, contents).map(drop));
        crate::store::parquet::place::pause(Duration::from_millis(200));
        assert!(!publisher.is_finished() && numbers(&other).unwrap().is_empty());
        drop(alone);
        publisher.join().unwrap().unwrap();
    });
    assert_eq!(numbers(&other).unwrap(), [1]);
}

#[test]
fn generations_of_some_days_are_kept_and_the_newest_whatever_its_age() {
    let day = 24 * 60 * 60;
    let (_folder, place) = archive();
    for written in [10 * day, 12 * day, 14 * day] {
        let parent = newest(&place, None).unwrap().map(|newest| newest.opened);
        let contents = Contents { written, ..put(&place, None, &[written]).unwrap() };
        publish(&place, None, parent.as_ref(), contents).unwrap();
    }
    let keep = Keep::Days(NonZeroU64::new(3).unwrap());
    let on_day = |number: u64| UNIX_EPOCH + Duration::from_secs(number * day);
    let prune = |number| prune(&place, None, keep, on_day(number), GRACE).unwrap().generations;
    assert_eq!(prune(13), 0);
    assert_eq!(prune(15), 1);
    assert_eq!(numbers(&place).unwrap(), [3, 2]);
    assert_eq!(prune(1000), 1);
    assert_eq!(numbers(&place).unwrap(), [3]);
    // By the files' own clock they are new.
    assert_eq!(there(&place).len(), 3);
}

#[test]
fn what_another_run_is_about_to_name_and_what_is_not_ours_is_left() {
    let (folder, place) = archive();
    next(&place, None, &[1]).unwrap();
    put(&place, None, &[2]).unwrap();
    let draft = draft(&place, b"being written");
    let held = prune(&place, None, generations(1), SystemTime::now(), Duration::ZERO);
    assert_eq!(held.unwrap_err().class(), Class::Held);
    assert_eq!(there(&place).len(), 2);
    // As where the run's process died, or its marker is too old.
    place.leave();
    for foreign in ["tables/trades/rows/notes.txt", "tables/readme", "README"] {
        std::fs::write(folder.path().join(foreign), "mine").unwrap();
    }
    let now = SystemTime::now();
    let pruned = prune(&place, None, generations(1), now, GRACE).unwrap();
    assert_eq!(pruned, Pruned::default());
    assert_eq!(there(&place).len(), 4);
    drop(draft);
    let later = now + GRACE + Duration::from_secs(5);
    let pruned = prune(&place, None, generations(1), later, GRACE).unwrap();
    assert_eq!((pruned.generations, pruned.files), (0, 1));
    assert_eq!(there(&place).len(), 3);
    assert!(folder.path().join("README").exists());
}

#[test]
fn a_file_that_is_put_once_more_is_new() {
    let (folder, place) = archive();
    next(&place, None, &[1]).unwrap();
    let name = put(&place, None, &[2]).unwrap().files[0].name().clone();
    let long_ago = SystemTime::now() - 2 * GRACE;
    let file = std::fs::File::options().write(true).open(folder.path().join(name.as_str()));
    file.unwrap().set_modified(long_ago).unwrap();
    put(&place, None, &[2]).unwrap();
    place.leave();
    let pruned = prune(&place, None, generations(1), SystemTime::now(), GRACE).unwrap();
    assert_eq!(pruned, Pruned::default());
    assert_eq!(there(&place).len(), 2);
}

#[test]
fn pruning_that_is_killed_at_any_step_leaves_whole_generations_and_is_finished_by_the_next() {
    for after in [false, true] {
        let mut steps = 0;
        for step in 0.. {
            let (_folder, place) = archive();
            for chunks in [[1, 2], [2, 3], [3, 4], [4, 5]] {
                next(&place, None, &chunks).unwrap();
            }
            // As a publisher leaves it that dies before the pointer.
            let older = crate::store::parquet::generation::open(&place, None, 2).unwrap();
            super::point(&place, None, older.generation()).unwrap();
            let done = prune_now(&Dying::new(&place, step, after), generations(1)).is_ok();
            let listed = list(&place, None).unwrap();
            assert!((1..=4).contains(&listed.len()));
            assert!(named(&place).is_subset(&there(&place)), "step {step}");
            let found = newest(&place, None).unwrap().unwrap();
            assert_eq!(found.opened.manifest.generation, 4);
            prune_now(&place, generations(1)).unwrap();
            assert_eq!(numbers(&place).unwrap(), [4]);
            assert_eq!(named(&place), there(&place));
            assert_eq!(there(&place).len(), 2);
            if done {
                break;
            }
            steps += 1;
        }
        assert!(steps > 12, "only {steps} steps");
    }
}

#[test]
fn nothing_is_taken_away_where_nobody_knows_what_is_named() {
    let (_folder, place) = archive();
    for chunks in [[1], [2], [3]] {
        next(&place, None, &chunks).unwrap();
    }
    for damaged in [1, 2, 3] {
        let name = Name::generation(damaged);
        let bytes = place.get(&name, 1_000_000).unwrap().unwrap();
        place.replace(&name, b"{}").unwrap();
        let error = prune_now(&place, generations(1)).unwrap_err();
        assert_eq!(error.class(), Class::Damaged);
        assert!(error.to_string().contains(name.as_str()), "{error}");
        assert_eq!((numbers(&place).unwrap().len(), there(&place).len()), (3, 3));
        place.replace(&name, &bytes).unwrap();
    }
    place.delete(&Name::generation(3)).unwrap();
    let error = prune_now(&place, generations(1)).unwrap_err();
    assert!(error.to_string().contains("generation 3 was the newest"), "{error}");
    assert_eq!((numbers(&place).unwrap().len(), there(&place).len()), (2, 3));
}

/// Publishes and prunes at once as often as it is let in; no time is lost.
fn publish_and_prune(publishers: [&dyn Place; 2], pruner: &dyn Place) {
    let start = Barrier::new(3);
    let publish = |place: &dyn Place, other: u64| {
        start.wait();
        for round in 0..15_u64 {
            // Again and again the same files, which are lost between.
            match next(place, None, &[round % 3, 3 + (round + other) % 2]) {
                Ok(_) => {}
                Err(error) if error.class() == Class::Held => place.leave(),
                Err(error) => panic!("{error}"),
            }
            // Else nobody is ever alone.
            crate::store::parquet::place::pause(Duration::from_millis(5));
        }
    };
    std::thread::scope(|scope| {
        let [one, two] = publishers;
        let publish = &publish;
        let publishers =
            [scope.spawn(move || publish(one, 0)), scope.spawn(move || publish(two, 1))];
        start.wait();
        let (mut pruned, mut held) = (0, 0);
        while !publishers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            match prune_now(pruner, generations(1)) {
                Ok(now) => pruned += now.files,
                Err(error) if error.class() == Class::Held => held += 1,
                Err(error) => panic!("{error}"),
            }
            named(pruner);
        }
        assert!(pruned > 0 && held > 0, "{pruned} files, and held {held} times");
    });
    prune_now(pruner, generations(1)).unwrap();
    assert_eq!(named(pruner), there(pruner));
}

#[test]
fn nobody_loses_a_file_to_one_who_prunes_meanwhile() {
    let (folder, one) = archive();
    let open = || Folder::open(folder.path(), Access::Write).unwrap();
    publish_and_prune([&one, &open()], &open());
    let bucket = Bucket::in_memory("");
    publish_and_prune([&bucket, &bucket.again()], &bucket.again());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_generation_that_is_kept_stays_whole(
        turns in proptest::collection::vec(
            (proptest::collection::btree_set(0_u64..8, 1..4), 0_u64..4, 0_u64..40, any::<bool>()),
            1..8,
        )
    ) {
        let (_folder, place) = archive();
        for (chunks, keep, step, after) in turns {
            let chunks: Vec<u64> = chunks.into_iter().collect();
            let published = next(&place, None, &chunks).unwrap();
            if let Some(keep) = NonZeroU64::new(keep) {
                let dying = Dying::new(&place, step, after);
                let pruned = prune_now(&dying, Keep::Generations(keep));
                let left = u64::try_from(numbers(&place).unwrap().len()).unwrap();
                prop_assert!(pruned.is_err() || left <= keep.get());
            }
            prop_assert!(named(&place).is_subset(&there(&place)));
            prop_assert_eq!(newest(&place, None).unwrap().unwrap().opened, published);
        }
    }
}
