//! That whatever keeps changes from being logged is noticed.

use super::{Followed, design};
use crate::model::Follow;
use crate::store::sqlite::capture::{Finding, Known, Seen, Watch, install, reinstall};
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::introspect::{fingerprint, introspect};
use crate::store::sqlite::read::Reader;
use rusqlite::Connection;

const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a); CREATE TABLE keyless (x);
     INSERT INTO keyless VALUES (1), (2), (3); DELETE FROM keyless WHERE x = 2";

fn reader(source: &Source) -> Reader {
    Reader::of_moving(source.connect().unwrap())
}

fn look(followed: &Followed, position: i64, noted: Option<&str>) -> Seen {
    let mut reader = reader(&followed.source);
    reader.hold().unwrap();
    let mut watch = Watch::new("a migration");
    let first = watch.look(&reader, position, noted).unwrap();
    assert_eq!(
        watch.look(&reader, position, noted).unwrap(),
        first,
        "what is found is found again"
    );
    first
}

fn found(followed: &Followed) -> Vec<Finding> {
    look(followed, 0, None).findings
}

fn t() -> String {
    "t".into()
}

#[test]
fn what_an_application_does_every_day_is_in_order() {
    let followed = Followed::new(SCHEMA);
    assert_eq!(found(&followed), []);
    followed.run(
        "INSERT INTO t VALUES (1, 2); UPDATE t SET id = 5; CREATE INDEX i ON t (a); ANALYZE; REINDEX;
         CREATE VIEW v AS SELECT a FROM t; DROP INDEX i; CREATE TEMP TABLE t (z); PRAGMA user_version = 7",
    );
    let seen = look(&followed, 2, None);
    assert_eq!((seen.last, seen.findings), (3, vec![]));
}

#[test]
fn a_trigger_that_was_made_again_word_for_word_stands_behind_ours_and_is_noticed() {
    let ignoring = "CREATE TRIGGER mine AFTER UPDATE ON t BEGIN SELECT RAISE(IGNORE); END";
    let followed = Followed::new(&format!("{SCHEMA}; INSERT INTO t VALUES (1, 2); {ignoring}"));
    assert_eq!(followed.touches_of("UPDATE t SET a = 3"), ["2:1"]);
    assert_eq!(found(&followed), []);
    followed.run(&format!("DROP TRIGGER IF EXISTS mine; {ignoring}"));
    assert_eq!(followed.touches_of("UPDATE t SET a = 4"), [""; 0], "it fires first");
    let mine = Finding::ApplicationTriggers { table: t(), triggers: vec!["mine".into()] };
    assert_eq!(found(&followed), [mine]);
}

#[test]
fn a_virtual_table_and_what_it_keeps_are_no_tables_that_could_be_followed() {
    let followed = Followed::new(SCHEMA);
    followed.run("CREATE VIRTUAL TABLE f USING fts5 (x); INSERT INTO f VALUES ('x')");
    assert_eq!(found(&followed), []);
}

#[test]
fn what_becomes_of_a_table_is_noticed_and_said() {
    for (sql, expected) in [
        (
            "ALTER TABLE t ADD COLUMN b; ALTER TABLE t ADD COLUMN c",
            vec![Finding::ColumnsChanged {
                table: t(),
                added: vec!["b".into(), "c".into()],
                gone: vec![],
            }],
        ),
        (
            "CREATE TABLE u (id INTEGER PRIMARY KEY, a); INSERT INTO u SELECT * FROM t; DROP TABLE t;
             ALTER TABLE u RENAME TO t",
            vec![Finding::Rebuilt { table: t() }],
        ),
        (
            "CREATE TABLE u (id INTEGER PRIMARY KEY, b); DROP TABLE t; ALTER TABLE u RENAME TO t",
            vec![
                Finding::Rebuilt { table: t() },
                Finding::ColumnsChanged {
                    table: t(),
                    added: vec!["b".into()],
                    gone: vec!["a".into()],
                },
            ],
        ),
        ("DROP TABLE t", vec![Finding::TableGone { table: t() }]),
        (
            "ALTER TABLE t RENAME TO other",
            vec![
                Finding::TableAdded { table: "other".into() },
                Finding::TableGone { table: t() },
            ],
        ),
        ("CREATE TABLE other (a)", vec![Finding::TableAdded { table: "other".into() }]),
        (
            "DROP TRIGGER _liteferry_2_after_update",
            vec![Finding::TriggersChanged {
                table: t(),
                triggers: vec!["_liteferry_2_after_update".into()],
            }],
        ),
        (
            "DROP TRIGGER _liteferry_2_after_update;
             CREATE TRIGGER _liteferry_2_after_update AFTER UPDATE ON T BEGIN SELECT 1; END",
            vec![Finding::TriggersChanged {
                table: t(),
                triggers: vec!["_liteferry_2_after_update".into()],
            }],
        ),
        (
            "CREATE UNIQUE INDEX i ON T (a)",
            vec![Finding::IndexesChanged { table: t(), indexes: vec!["i".into()] }],
        ),
        (
            "CREATE TRIGGER mine AFTER UPDATE ON T BEGIN SELECT RAISE(IGNORE); END",
            vec![Finding::ApplicationTriggers { table: t(), triggers: vec!["mine".into()] }],
        ),
        ("VACUUM", vec![Finding::Renumbered { table: "keyless".into() }]),
    ] {
        noticed(sql, &expected);
    }
}

#[test]
fn what_becomes_of_the_changelog_is_noticed_and_said() {
    let another = Finding::Another { identity: "x".into() };
    noticed("DROP TABLE _liteferry_log", &[Finding::Gone]);
    noticed("DROP TABLE _liteferry_meta", &[Finding::Gone]);
    noticed("UPDATE _liteferry_meta SET identity = 'x'", &[another]);
}

fn noticed(sql: &str, expected: &[Finding]) {
    let followed = Followed::new(SCHEMA);
    assert_eq!(found(&followed), []);
    followed.run(sql);
    let findings = found(&followed);
    assert_eq!(findings, expected, "{sql}");
    for finding in findings {
        let error = finding.error();
        assert!([66, 78].contains(&error.class().exit_code()), "{error}");
    }
}

#[test]
fn a_vacuum_matters_to_tables_without_key_only() {
    let followed = Followed::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a); CREATE TABLE u (k TEXT PRIMARY KEY)",
    );
    followed.run("VACUUM");
    assert_eq!(found(&followed), []);
}

#[test]
fn a_watch_notices_what_changes_while_it_watches() {
    let followed = Followed::new(SCHEMA);
    let reader = reader(&followed.source);
    let mut watch = Watch::new("a migration");
    assert_eq!(watch.look(&reader, 0, None).unwrap().findings, []);
    followed.run("CREATE INDEX i ON t (a)");
    assert_eq!(watch.look(&reader, 0, None).unwrap().findings, []);
    followed.run("DROP TRIGGER _liteferry_2_after_delete");
    assert_eq!(watch.look(&reader, 0, None).unwrap().findings.len(), 1);
}

#[test]
fn a_log_that_does_not_go_on_where_it_was_left_is_noticed() {
    let followed = Followed::new(SCHEMA);
    assert_eq!(look(&followed, 1, None).findings, [Finding::Regressed { position: 1, last: 0 }]);
    followed.run("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4)");
    assert_eq!(look(&followed, 4, None).findings, []);
    assert_eq!(look(&followed, 5, None).findings, [Finding::Regressed { position: 5, last: 4 }]);
    followed.run("DELETE FROM _liteferry_log WHERE seq BETWEEN 1 AND 2");
    assert_eq!(look(&followed, 2, None).findings, []);
    assert_eq!(look(&followed, 1, None).findings, [Finding::Gap { position: 1, first: 3 }]);
    followed.run("DELETE FROM _liteferry_log; INSERT INTO t VALUES (5, 5), (6, 6), (7, 7), (8, 8)");
    assert_eq!(look(&followed, 4, None).findings, [Finding::Emptied { position: 4 }]);
}

#[test]
fn making_the_triggers_anew_ends_what_was_found_and_keeps_the_log() {
    let mut followed = Followed::new(SCHEMA);
    let nonce = look(&followed, 0, None).nonce;
    followed.run("INSERT INTO t VALUES (1, 1)");
    followed.run("CREATE TABLE u (a, b, PRIMARY KEY (a, b)); DROP TABLE t; ALTER TABLE u RENAME TO t; VACUUM");
    assert_eq!(found(&followed).len(), 3);
    let connection = Connection::open(followed.source.path()).unwrap();
    followed.changelog = design(&introspect(&connection).unwrap(), Follow::All).unwrap();
    let before = fingerprint(&connection).unwrap();
    assert!(install(&followed.source, &followed.changelog, &before).is_ok());
    assert_eq!(found(&followed).len(), 3, "installing again is no cure");
    let again = |judge: fn(&[Finding]) -> crate::Result<()>| {
        reinstall(&followed.source, &followed.changelog, &before, &Known::default(), judge)
    };
    let refused = again(|findings| Err(findings[0].error()));
    assert!(refused.is_err());
    assert_eq!(found(&followed).len(), 3, "what was not allowed was done");
    let installed = again(|findings| {
        assert_eq!(findings.len(), 3);
        Ok(())
    });
    let installed = installed.unwrap();
    assert_eq!((installed.is_new, installed.epoch, &installed.nonce), (false, 2, &nonce));
    let seen = look(&followed, 1, Some(&nonce));
    assert_eq!((seen.last, seen.findings), (1, vec![]));
    assert_eq!(followed.touches_of("INSERT INTO t VALUES (8, 9)"), ["2:8,9"]);
}
