//! That a purge keeps what it must, and that an older copy of a sealed file is told from a crash.

use super::Followed;
use crate::error::Class;
use crate::model::Touches;
use crate::pipeline::Stop;
use crate::store::sqlite::capture::{Finding, Purged, Watch, purge, seal};
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail;

const SCHEMA: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY)";

fn findings(source: &Source, position: i64, noted: &str) -> Vec<Finding> {
    let reader = Reader::of_moving(source.connect().unwrap());
    Watch::new("a migration").look(&reader, position, Some(noted)).unwrap().findings
}

impl Followed {
    fn rows(&self, count: i64) {
        self.run(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO t SELECT NULL FROM n"
        ));
    }

    fn purge(&self, up_to: i64, noted: &str) -> crate::Result<Purged> {
        purge(&self.source, "a migration", up_to, noted, &Stop::default())
    }

    fn seal(&self, noted: &str) -> String {
        seal(&self.source, "a migration", noted).unwrap().unwrap()
    }

    fn log(&self) -> (i64, i64, i64) {
        let sql = "SELECT count(*), min(seq), max(seq) FROM _liteferry_log WHERE seq > 0";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        self.application.query_row(sql, [], read).unwrap()
    }
}

#[test]
fn what_was_read_is_deleted_and_never_the_highest_row() {
    let followed = Followed::new(SCHEMA);
    let nonce = followed.install().unwrap().nonce;
    followed.rows(3500);
    let purged = followed.purge(2500, &nonce).unwrap();
    assert_eq!(purged, Purged { rows: 2500, done: true });
    assert_eq!(followed.log(), (1000, 2501, 3500));
    let purged = followed.purge(i64::MAX, &nonce).unwrap();
    assert_eq!(purged, Purged { rows: 999, done: true });
    assert_eq!(followed.log(), (1, 3500, 3500));
    followed.rows(1);
    assert_eq!(followed.log(), (2, 3500, 3501));
    let again = followed.purge(3499, &nonce).unwrap();
    assert_eq!(again, Purged { rows: 0, done: true });
    assert_eq!(findings(&followed.source, 3500, &nonce), []);
}

#[test]
fn a_crash_between_both_sides_is_no_older_copy_and_an_older_copy_is() {
    let followed = Followed::new(SCHEMA);
    let first = followed.install().unwrap().nonce;
    followed.rows(10);
    let older = followed.source.path().with_file_name("older.db");
    followed.run(&format!("VACUUM INTO {:?}", older.display().to_string()));
    // The target never heard of the second nonce, nor of the third.
    let second = followed.seal(&first);
    assert_eq!(findings(&followed.source, 10, &first), []);
    let third = followed.seal(&first);
    assert_eq!(findings(&followed.source, 10, &first), []);
    assert_eq!(findings(&followed.source, 10, &third), []);
    assert_eq!(findings(&followed.source, 10, &second), [Finding::Restored]);
    let fourth = followed.seal(&third);
    let older = Source::open(&older, false, &Stop::default()).unwrap();
    assert_eq!(findings(&older, 10, &first), []);
    for noted in [third, fourth] {
        assert_eq!(findings(&older, 10, &noted), [Finding::Restored]);
        let error = purge(&older, "a migration", 5, &noted, &Stop::default()).unwrap_err();
        assert_eq!(error.class(), Class::SourceChanged);
        let error = seal(&older, "a migration", &noted).unwrap_err();
        assert_eq!(error.class(), Class::SourceChanged);
    }
}

#[test]
fn a_turn_is_given_up_where_the_application_writes() {
    let followed = Followed::new(SCHEMA);
    let nonce = followed.install().unwrap().nonce;
    followed.rows(10);
    followed.run("BEGIN IMMEDIATE");
    let purged = followed.purge(5, &nonce).unwrap();
    assert_eq!(purged, Purged { rows: 0, done: false });
    assert_eq!(seal(&followed.source, "a migration", &nonce).unwrap(), None);
    followed.run("COMMIT");
    assert!(followed.purge(5, &nonce).unwrap().done);
    assert!(purge(&followed.source, "another", 9, &nonce, &Stop::default()).is_err());
}

#[test]
fn a_log_that_says_something_else_has_another_sum() {
    let followed = Followed::new(SCHEMA);
    followed.rows(5);
    let sum = |after, last| {
        let reader = Reader::of_moving(followed.source.connect().unwrap());
        tail::sum(&reader, Touches { after, last }).unwrap()
    };
    let (all, parts) = (sum(0, 5), [sum(0, 2), sum(2, 5)]);
    assert_eq!((all.rows, parts.into_iter().sum()), (5, all));
    followed.run("ALTER TABLE _liteferry_log ADD COLUMN k2");
    assert_eq!(sum(0, 5), all, "a column that says nothing");
    followed.run("DELETE FROM _liteferry_log WHERE seq = 5; INSERT INTO t VALUES (77)");
    assert_ne!(sum(0, 5), all);
    assert_eq!(sum(0, 4).rows, 4);
}
