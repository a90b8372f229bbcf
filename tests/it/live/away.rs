//! A follower whose archive cannot be written to for a while goes on, loses nothing, and lets in those who prune.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment, Running, wait_until};
use rusqlite::Connection;
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SCHEMA: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB); CREATE TABLE u (id INTEGER PRIMARY KEY, a BLOB);
    CREATE VIRTUAL TABLE texts USING fts5 (body); INSERT INTO texts VALUES ('one two')";

/// A source that is followed, with an archive that is published often.
struct Followed {
    environment: Environment,
}

impl Followed {
    fn every(every: &str) -> Self {
        let environment = Environment::new();
        environment.sqlite(SCHEMA);
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[archive]\nurl = \"archive\"\nevery = \"{every}\"\n
             [tables.t]\ncapture = 'append'\n",
            environment.source(),
            environment.url(),
        );
        fs::write(environment.path("pipeline.toml"), text).unwrap();
        environment.liteferry(&["run", "pipeline.toml"]).expect(0);
        Self { environment }
    }

    fn place(&self) -> PathBuf {
        self.environment.path("archive")
    }

    fn follow(&self) -> Running {
        self.environment.start(&["follow", "pipeline.toml"])
    }

    fn prune(&self) -> Done {
        let place = self.place();
        let words = ["archive", "prune", "--keep", "99", "--now", place.to_str().unwrap()];
        self.environment.liteferry(&words)
    }

    /// Writes a row of so many bytes to each table: to one whose new rows are logged, and to one whose are not.
    fn write(&self, id: usize, bytes: usize) {
        let row = format!("VALUES ({id}, randomblob({bytes}))");
        self.environment.sqlite(&format!(
            "BEGIN; INSERT INTO t {row}; INSERT INTO u {row}; UPDATE u SET a = a WHERE id = {id}; COMMIT"
        ));
    }

    /// Rows that are applied.
    fn applied(&self) -> usize {
        let rows = "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM u)";
        self.environment.value(rows).parse().unwrap()
    }

    /// The numbers of the generations, wherever they are now.
    fn generations(&self, folder: &str) -> usize {
        fs::read_dir(self.environment.path(folder).join("generations")).unwrap().count()
    }

    /// Touches that are in the source's log, of which the last is never taken out.
    fn logged(&self) -> i64 {
        let connection = Connection::open(self.environment.source()).unwrap();
        let sql = "SELECT count(*) FROM _liteferry_log WHERE seq > 0";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Ends a follower; what is restored is the source then.
    #[track_caller]
    fn assert_restored(&self, follower: Running) -> Done {
        follower.signal(Signal::TERM);
        let done = follower.wait().expect(143);
        let words = ["follow", "--until-caught-up", "pipeline.toml"];
        self.environment.liteferry(&words).expect(0);
        let place = self.place();
        let check = ["archive", "check", "--read-data", place.to_str().unwrap()];
        self.environment.liteferry(&check).expect(0);
        let other = Environment::new();
        let target = other.url();
        let words = ["restore", "--archive", place.to_str().unwrap(), "--target", &target];
        other.liteferry(&words).expect(0);
        Comparison::new().assert_equal(&self.environment.source(), &self.environment.connect());
        Comparison::new().assert_equal(&self.environment.source(), &other.connect());
        done
    }
}

/// Waits until something has come about while a follower runs.
#[track_caller]
fn wait_for(what: &str, follower: &mut Running, mut came: impl FnMut() -> bool) {
    wait_until(what, || {
        assert!(!follower.has_ended(), "{}", follower.told_so_far());
        came()
    });
}

#[test]
fn a_follower_whose_archive_is_moved_away_goes_on_and_publishes_when_it_is_back() {
    for is_file_there in [false, true] {
        let followed = Followed::every("200ms");
        let environment = &followed.environment;
        let mut follower = followed.follow();
        followed.write(1, 10);
        wait_for("a generation", &mut follower, || followed.generations("archive") == 2);
        wait_for("the log is purged", &mut follower, || followed.logged() == 1);
        fs::rename(followed.place(), environment.path("away")).unwrap();
        if is_file_there {
            fs::write(followed.place(), "no folder").unwrap();
        }
        let told = "the archive is not published until it can be written to";
        for id in 2..6 {
            followed.write(id, 10);
            wait_for("it is applied", &mut follower, || followed.applied() == 2 * id);
        }
        wait_until("it is told", || follower.said(told));
        assert_eq!(followed.generations("away"), 2);
        // It is in no generation: so the log must keep it.
        assert_eq!(followed.logged(), 1 + 2 * 4);
        if is_file_there {
            fs::remove_file(followed.place()).unwrap();
        }
        fs::rename(environment.path("away"), followed.place()).unwrap();
        wait_for("a generation", &mut follower, || followed.generations("archive") == 3);
        wait_for("the log is purged", &mut follower, || followed.logged() == 1);
        let done = followed.assert_restored(follower);
        assert_eq!(done.stderr.matches(told).count(), 1, "{done}");
        assert!(done.says("its folder was moved away") && done.says("published again"), "{done}");
    }
}

/// More than may be kept in memory for an archive that takes nothing.
const MUCH: usize = 64 * 1024 * 1024;

#[test]
fn a_follower_applies_no_more_than_it_has_room_to_keep_for_its_archive() {
    // A pass that fits into what may be kept, and one that does not.
    for bytes in [4 * 1024 * 1024, MUCH / 2] {
        let followed = Followed::every("200ms");
        let environment = &followed.environment;
        let mut follower = followed.follow();
        followed.write(1, 10);
        wait_for("a generation", &mut follower, || followed.generations("archive") == 2);
        fs::rename(followed.place(), environment.path("away")).unwrap();
        let last = 2 + MUCH / bytes;
        for id in 2..last {
            followed.write(id, bytes / 2);
        }
        let told = "nothing is applied until the archive can be written to";
        wait_until("it waits", || follower.said(told));
        // Whatever was applied before that: this is not.
        followed.write(last, 10);
        let (applied, all) = (followed.applied(), 2 * last);
        assert!(applied < all, "{applied} of {all} rows are applied");
        // It does not go on, nor end.
        let since = Instant::now();
        wait_until("it could have", || since.elapsed() > Duration::from_secs(4));
        assert!(!follower.has_ended() && followed.applied() == applied);
        assert_eq!(followed.generations("away"), 2);
        fs::rename(environment.path("away"), followed.place()).unwrap();
        wait_for("it is applied", &mut follower, || followed.applied() == all);
        wait_for("the log is purged", &mut follower, || followed.logged() == 1);
        let done = followed.assert_restored(follower);
        assert_eq!(done.stderr.matches(told).count(), 1, "{done}");
        assert!(done.peak_kib < 400 * 1024, "{} KiB", done.peak_kib);
    }
}

#[test]
fn a_follower_that_could_not_publish_lets_in_who_prunes_and_says_again_what_is_gone() {
    let followed = Followed::every("4s");
    let environment = &followed.environment;
    // Another one has the number that comes next, as where two publish at once.
    let next = followed.place().join("generations").join("000002.json");
    fs::create_dir(&next).unwrap();
    let mut follower = followed.follow();
    followed.write(1, 10);
    wait_until("it is told", || follower.said("is not published yet"));
    let rows = followed.place().join("tables").join("u").join("deltas");
    let put = || fs::read_dir(&rows).map_or(0, Iterator::count);
    assert_eq!(put(), 1);
    followed.prune().expect(0);
    assert_eq!(put(), 0);
    fs::remove_dir(&next).unwrap();
    wait_for("a generation", &mut follower, || next.exists());
    assert!(follower.said("is read from the changelog again"), "{}", follower.told_so_far());
    followed.write(2, 10);
    wait_for("it is applied", &mut follower, || followed.applied() == 4);
    followed.assert_restored(follower);
    assert_eq!(environment.value("SELECT count(*) FROM u"), "2");
}

#[test]
fn a_follower_that_has_nothing_to_publish_lets_in_who_prunes() {
    let followed = Followed::every("200ms");
    let mut follower = followed.follow();
    followed.write(1, 10);
    wait_for("a generation", &mut follower, || followed.generations("archive") == 2);
    // What is kept whole is put each time that it is looked whether there is anything new.
    for _ in 0..5 {
        let since = Instant::now();
        wait_until("it has looked", || since.elapsed() > Duration::from_millis(500));
        wait_for("who prunes is let in", &mut follower, || followed.prune().code() == 0);
    }
    assert_eq!(followed.generations("archive"), 2);
    followed.assert_restored(follower);
}
