//! Markers keep those apart who write and who prunes, for as long as they are worth something and no longer.

use super::{Alone as _, Entry, Lease, Name, PAUSE, Place, Role};
use crate::error::Class;
use crate::store::parquet::place::tests::{draft, stored};
use crate::store::parquet::place::{Bucket, pause};
use std::thread::scope;
use std::time::{Duration, SystemTime};

fn markers(bucket: &Bucket) -> usize {
    bucket.list(&Name::locks()).unwrap().len()
}

#[test]
fn a_marker_that_is_too_old_is_not_believed() {
    let bucket = Bucket::in_memory("");
    let alone = Lease::alone(&bucket).unwrap();
    let lease = Role::Pruner.lease();
    for (age, goes_on) in [(0, true), (2, true), (5, false), (60, false)] {
        alone.lease.set_age(Duration::from_mins(age));
        let kept = alone.keep();
        assert_eq!(kept.is_ok(), goes_on, "{age} minutes");
        if let Err(error) = kept {
            assert_eq!(error.class(), Class::Temporary);
        }
        // Two minutes are enough to make it new.
        assert!(!goes_on || alone.lease.age() < lease / 6);
    }
    drop(alone);
    assert_eq!(markers(&bucket), 0);
}

#[test]
fn a_writer_whose_marker_was_taken_away_comes_in_again() {
    let bucket = Bucket::in_memory("");
    let writer = Lease::shared(&bucket).unwrap();
    writer.end(&bucket);
    writer.keep(&bucket).unwrap();
    assert_eq!(markers(&bucket), 0);
    writer.set_age(Role::Writer.lease());
    writer.keep(&bucket).unwrap();
    assert_eq!(markers(&bucket), 1);
    assert_eq!(Lease::alone(&bucket).unwrap_err().class(), Class::Held);
    assert_eq!(markers(&bucket), 1);
}

/// When the one marker of a role was made new.
fn made(bucket: &Bucket, role: Role) -> SystemTime {
    let all = bucket.list(&Name::locks()).unwrap();
    let mut those = all.into_iter().filter(|entry| Role::of(&entry.name) == Some(role));
    let (first, second) = (those.next().unwrap(), those.next());
    assert_eq!(second, None);
    first.modified
}

#[test]
fn a_marker_of_another_counts_for_as_long_as_it_is_worth_something() {
    let bucket = Bucket::in_memory("");
    let own = Lease::marked(&bucket, Role::Writer).unwrap();
    let now = SystemTime::now();
    let entry = |name: &Name, modified| Entry { name: name.clone(), bytes: 1, modified };
    for role in Role::ALL {
        let other = Lease::marked(&bucket, role).unwrap().marker;
        let counts = |modified| {
            let all = [entry(&own.marker, now), entry(&other, modified)];
            let others = own.others_of(&all).unwrap();
            assert!(others.iter().all(|it| *it == (other.clone(), role)));
            others.len()
        };
        let second = Duration::from_secs(1);
        assert_eq!(counts(now - role.lease() + second), 1, "{role:?}");
        assert_eq!(counts(now - role.lease() - second), 0, "{role:?}");
        // It was made new after this one's own.
        assert_eq!(counts(now + second), 1, "{role:?}");
        // By whose clock, where the own one is gone?
        let error = own.others_of(&[entry(&other, now)]).unwrap_err();
        assert_eq!(error.class(), Class::Temporary);
    }
    let foreign = entry(&Name::parse("locks/notes").unwrap(), now);
    assert_eq!(own.others_of(&[entry(&own.marker, now), foreign]).unwrap(), []);
}

#[test]
fn of_two_who_prune_one_at_most_is_let_in() {
    let bucket = Bucket::in_memory("");
    let first = Lease::alone(&bucket).unwrap();
    let error = Lease::alone(&bucket).unwrap_err();
    assert!(error.class() == Class::Held && error.to_string().contains("pruning"), "{error}");
    assert_eq!(markers(&bucket), 1);
    drop(first);
    Lease::alone(&bucket).unwrap();
}

#[test]
fn who_would_write_makes_its_marker_new_while_it_waits_and_takes_it_away_where_that_is_in_vain() {
    let bucket = Bucket::in_memory("");
    let alone = Lease::alone(&bucket).unwrap();
    let other = bucket.again();
    scope(|scope| {
        let patience = Duration::from_millis(300);
        let waits = scope.spawn(move || Lease::shared_within(&other, patience).map(drop));
        pause(PAUSE * 10);
        let first = made(&bucket, Role::Writer);
        pause(PAUSE * 10);
        assert!(made(&bucket, Role::Writer) > first);
        let error = waits.join().unwrap().unwrap_err();
        assert!(error.class() == Class::Held && error.to_string().contains("pruning"), "{error}");
    });
    assert_eq!(markers(&bucket), 1);
    drop(alone);
}

#[test]
fn a_writer_who_was_away_for_long_waits_for_one_who_came_in_meanwhile() {
    let bucket = Bucket::in_memory("");
    let writer = Lease::shared(&bucket).unwrap();
    let pruner = Lease::marked(&bucket, Role::Pruner).unwrap();
    // While it is believed, the other one goes away.
    writer.keep(&bucket).unwrap();
    writer.set_age(Role::Writer.lease());
    scope(|scope| {
        let other = bucket.again();
        let waits = scope.spawn(move || writer.keep(&other));
        pause(PAUSE * 10);
        assert!(!waits.is_finished());
        pruner.end(&bucket);
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn who_puts_a_file_makes_sure_of_its_marker() {
    let bucket = Bucket::in_memory("");
    let name = Name::parse("tables/a/x").unwrap();
    for is_draft in [true, false] {
        let begun = draft(&bucket, b"x");
        bucket.lose_marker(Role::Writer.lease());
        assert_eq!(markers(&bucket), 0);
        if is_draft {
            drop(draft(&bucket, b"y"));
        } else {
            bucket.put(begun, &name, &stored(b"x")).unwrap();
        }
        assert_eq!(markers(&bucket), 1, "{is_draft}");
    }
}
