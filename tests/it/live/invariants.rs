//! What holds in every committed state of a source holds in the target, too, whenever that says that it is one.

use crate::environment::{Environment, Session};
use rusqlite::Connection;
use rustix::process::Signal;
use std::time::Duration;

/// Accounts, and places in the ring.
const COUNT: i64 = 50;
/// States of the target that are looked at.
const STATES: usize = 200;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, money INT NOT NULL);
    CREATE TABLE ring (id TEXT PRIMARY KEY, next TEXT UNIQUE, version INT NOT NULL);
    CREATE TABLE journal (id INTEGER PRIMARY KEY, a INT);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 50 - 1)
    INSERT INTO accounts SELECT i, 100 FROM n;
    INSERT INTO ring SELECT 'k' || id, 'k' || ((id + 1) % 50), 0 FROM accounts";

/// Three places of the ring, one after the other, before two of them swap.
const SWAPPED: &str = "
    CREATE TEMP TABLE swapped AS SELECT * FROM ring WHERE 0";

const LOOK: &str = "
    SELECT (SELECT consistent::int FROM liteferry.position), (SELECT seq FROM liteferry.position),
        (SELECT sum(money) FROM accounts), (SELECT count(DISTINCT next) FROM ring),
        (WITH RECURSIVE way(id, length) AS (
             SELECT 'k0' COLLATE \"C\", 0 UNION ALL
             SELECT r.next COLLATE \"C\", w.length + 1 FROM way w JOIN ring r ON r.id = w.id
             WHERE w.length < 60 AND (w.length = 0 OR w.id <> 'k0'))
         SELECT max(length) FROM way),
        (SELECT sum(version) FROM ring), (SELECT count(*) - coalesce(max(id), 0) FROM journal)";

/// Money goes from one account to another, two neighbours in the ring swap their places, and the journal gets a line.
fn write(writer: &Connection, number: i64) {
    let (one, other) = (number * 7 % COUNT, (number * 7 + 13) % COUNT);
    let first = format!("'k{}'", number * 3 % COUNT);
    let next = |of: &str| format!("(SELECT next FROM swapped WHERE id = {of})");
    let in_ring = |of: &str| format!("(SELECT next FROM ring WHERE id = {of})");
    let second = next(&first);
    let transaction = format!(
        "BEGIN IMMEDIATE;
         UPDATE accounts SET money = money - 7 WHERE id = {one};
         UPDATE accounts SET money = money + 7 WHERE id = {other};
         INSERT INTO journal (a) VALUES ({number});
         DELETE FROM swapped;
         INSERT INTO swapped SELECT * FROM ring
             WHERE id IN ({first}, {}, {});
         UPDATE ring SET next = NULL WHERE id IN (SELECT id FROM swapped);
         UPDATE ring SET version = version + 1,
             next = CASE id WHEN {first} THEN {} WHEN {second} THEN {} ELSE {second} END
         WHERE id IN (SELECT id FROM swapped);
         COMMIT",
        in_ring(&first),
        in_ring(&in_ring(&first)),
        next(&second),
        next(&next(&second))
    );
    writer.execute_batch(&transaction).unwrap();
}

/// What the target has, as one transaction sees it.
fn look(target: &Session) -> Vec<i64> {
    let seen = target
        .query(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; {LOOK}"))
        .into_iter()
        .flatten()
        .map(|value| value.unwrap().parse().unwrap())
        .collect();
    target.query("COMMIT");
    seen
}

#[test]
fn every_state_that_the_target_calls_one_is_one_of_the_source() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    environment.run_live(&[]).expect(0);
    let follower = environment.start(&environment.ends("follow", &[]));
    let writer = Connection::open(environment.source()).unwrap();
    writer.busy_timeout(Duration::from_mins(1)).unwrap();
    writer.execute_batch(SWAPPED).unwrap();
    let target = environment.connect();
    let (mut states, mut last, mut number) = (0, (0, 0), 0);
    while states < STATES {
        write(&writer, number);
        number += 1;
        let seen = look(&target);
        let &[consistent, position, money, places, round, versions, holes] = seen.as_slice() else {
            panic!("{seen:?}")
        };
        if consistent == 0 {
            continue;
        }
        states += 1;
        assert_eq!(money, COUNT * 100, "money was lost or made: {seen:?}");
        assert_eq!((places, round), (COUNT, COUNT), "the ring is broken: {seen:?}");
        assert_eq!(holes, 0, "the journal has a hole: {seen:?}");
        assert!((position, versions) >= last, "it went back: {seen:?}, before {last:?}");
        last = (position, versions);
    }
    assert!(last.1 > 0, "nothing came over");
    follower.signal(Signal::TERM);
    follower.wait().expect(143);
    environment.catch_up().expect(0);
    environment.assert_followed();
}
