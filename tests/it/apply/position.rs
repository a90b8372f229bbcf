//! The position: each pass moves it on once, whatever becomes of its COMMIT.

use super::{Stage, begin_migration, open};
use liteferry::model::{DigestSum, RowDigest};
use liteferry::store::postgres::ledger::{
    self, Advance, Lease, Position, advance_position, begin_position, lock_position, position,
    seal_position,
};
use liteferry::store::postgres::session::Session;
use std::time::{Duration, SystemTime};

fn stage() -> (Stage, Lease) {
    let stage = Stage::new(
        "CREATE TABLE t (id bigint PRIMARY KEY, n bigint)",
        &["id bigint", "n bigint"],
        1,
    );
    let lease = begin_migration(&stage.session, "gecko");
    assert_eq!(position(&stage.session, lease.migration).unwrap(), None);
    assert!(begin_position(&stage.session, lease, 40, "first", sum(40)).unwrap());
    assert!(!begin_position(&stage.session, lease, 41, "second", sum(41)).unwrap());
    (stage, lease)
}

fn now(stage: &Stage, lease: Lease) -> Position {
    position(&stage.session, lease.migration).unwrap().unwrap()
}

/// The sum of so many touches.
fn sum(touches: u8) -> DigestSum {
    let mut sum = DigestSum::default();
    (0..touches).for_each(|number| sum.add_row(RowDigest([number; 32])));
    sum
}

fn advance(seq: i64) -> Advance {
    let unsealed = sum(u8::try_from(seq).unwrap());
    let state_at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_750_000_000_123_456);
    let took = Duration::from_millis(12);
    Advance { seq, consistent: true, state_at, touches: 3, grown: 0, took, unsealed }
}

/// One pass, that counts up; nothing where it was committed before.
fn pass(session: &Session, lease: Lease, from: &Position, commit: &str) -> liteferry::Result<bool> {
    session.batch("begin", "BEGIN")?;
    ledger::guard(session, lease)?;
    let first = lock_position(session, lease)?.passes == from.passes;
    if first {
        session.batch(
            "apply",
            "INSERT INTO public.t VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = t.n + 1",
        )?;
        advance_position(session, lease, &advance(from.seq + 2))?;
    }
    session.batch("commit", commit)?;
    Ok(first)
}

#[test]
fn a_position_says_what_was_applied_and_of_which_state() {
    let (stage, lease) = stage();
    let begun = now(&stage, lease);
    assert_eq!((begun.seq, begun.consistent, begun.state_at, begun.passes), (40, false, None, 0));
    assert_eq!((begun.sealed, begun.unsealed), (0, sum(40)));
    stage
        .session
        .transaction(|session| {
            assert_eq!(lock_position(session, lease).unwrap(), begun);
            advance_position(session, lease, &advance(47))
        })
        .unwrap();
    let Position { seq, consistent, state_at, touches, passes, unsealed, updated_at, .. } =
        now(&stage, lease);
    assert_eq!((seq, consistent, touches, passes), (47, true, 3, 1));
    assert_eq!(state_at, Some(advance(0).state_at));
    assert_eq!(unsealed, sum(47));
    assert!(updated_at >= begun.updated_at);
    // It stands still where nothing was touched, and never goes back.
    advance_position(&stage.session, lease, &advance(47)).unwrap();
    assert!(advance_position(&stage.session, lease, &advance(46)).is_err());
    assert_eq!(now(&stage, lease).seq, 47);
}

#[test]
fn a_seal_is_of_the_position_as_it_is() {
    let (stage, lease) = stage();
    assert!(seal_position(&stage.session, lease, 39, "second").is_err());
    assert_eq!(now(&stage, lease).nonces, ["first"]);
    seal_position(&stage.session, lease, 40, "second").unwrap();
    let sealed = now(&stage, lease);
    assert_eq!((sealed.seq, sealed.sealed, sealed.unsealed), (40, 40, DigestSum::default()));
    assert_eq!(sealed.nonces, ["second"]);
}

#[test]
fn a_pass_whose_commit_was_answered_by_nobody_is_not_applied_twice() {
    let (stage, lease) = stage();
    let from = now(&stage, lease);
    assert!(pass(&stage.session, lease, &from, "COMMIT").unwrap());
    // The answer was lost: the same pass again, on another connection.
    let again = open(&stage.env);
    ledger::share(&again, lease).unwrap();
    assert!(!pass(&again, lease, &from, "COMMIT").unwrap());
    assert_eq!(stage.env.value("SELECT n FROM t"), "1");
    assert_eq!(now(&stage, lease).passes, 1);
    // One that was rolled back is applied.
    let from = now(&stage, lease);
    assert!(pass(&again, lease, &from, "ROLLBACK").unwrap());
    assert!(pass(&again, lease, &from, "COMMIT").unwrap());
    assert_eq!(stage.env.value("SELECT n FROM t"), "2");
}

#[test]
fn a_pass_that_is_done_again_waits_for_the_one_that_may_still_commit() {
    let (stage, lease) = stage();
    let from = now(&stage, lease);
    let zombie = &stage.session;
    zombie.batch("begin", "BEGIN").unwrap();
    lock_position(zombie, lease).unwrap();
    zombie.batch("apply", "INSERT INTO public.t VALUES (1, 1)").unwrap();
    advance_position(zombie, lease, &advance(from.seq + 2)).unwrap();
    std::thread::scope(|threads| {
        let other = open(&stage.env);
        ledger::share(&other, lease).unwrap();
        let from = &from;
        let again = threads.spawn(move || pass(&other, lease, from, "COMMIT").unwrap());
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'
                     AND datname = current_database()";
        crate::environment::wait_until("the pass waits", || stage.env.value(waits) == "1");
        zombie.batch("commit", "COMMIT").unwrap();
        assert!(!again.join().unwrap());
    });
    assert_eq!(stage.env.value("SELECT n FROM t"), "1");
}

#[test]
fn a_run_that_has_lost_its_lease_moves_nothing() {
    let (stage, lease) = stage();
    let from = now(&stage, lease);
    stage.now("UPDATE liteferry.migration SET epoch = epoch + 1");
    let refused = pass(&stage.session, lease, &from, "COMMIT").unwrap_err();
    assert_eq!(refused.class(), liteferry::Class::Held);
}
