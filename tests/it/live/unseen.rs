//! Changes that no trigger of the changelog sees: the proof finds them.

use crate::environment::Environment;
use rusqlite::Connection;

/// What an application's own trigger does to a statement: the row is written, and no trigger behind it fires.
const IGNORED: [(&str, &str, &str); 3] = [
    ("INSERT", "INSERT INTO t VALUES (3, 3)", "missing"),
    ("UPDATE", "UPDATE t SET a = 9 WHERE id = 1", "changed"),
    ("DELETE", "DELETE FROM t WHERE id = 1", "extra"),
];

fn moved() -> Environment {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT CHECK (a < 100));
         INSERT INTO t VALUES (1, 1), (2, 2)",
    );
    environment.run_live(&[]).expect(0);
    environment
}

fn write(environment: &Environment, before: &str, event: &str, statement: &str) {
    let application = Connection::open(environment.source()).unwrap();
    let trigger = format!(
        "CREATE TEMP TRIGGER mine {before} {event} ON main.t BEGIN SELECT RAISE(IGNORE); END"
    );
    application.execute_batch(&trigger).unwrap();
    application.execute_batch(statement).unwrap();
}

#[test]
fn a_temporary_trigger_that_ignores_the_rest_is_found_by_the_proof() {
    for (event, statement, what) in IGNORED {
        let environment = moved();
        // One before the change keeps the row from being written.
        write(&environment, "BEFORE", event, statement);
        environment.liteferry(&environment.ends("verify", &[])).expect(0);
        write(&environment, "AFTER", event, statement);
        environment.catch_up().expect(0);
        let done = environment.liteferry(&environment.ends("verify", &[])).expect(67);
        assert_eq!(done.json()["differences"][0][what], 1, "{done}");
    }
}

#[test]
fn a_follower_finds_what_a_temporary_trigger_kept_from_the_log() {
    let environment = moved();
    let (event, statement, _) = IGNORED[1];
    write(&environment, "AFTER", event, statement);
    let (source, url) = (environment.source(), environment.url());
    let pipeline = format!(
        "name = 'source'\n[source]\npath = {source:?}\n[target]\nurl = {url:?}\n[cutover]\nproof_age = '1s'\n"
    );
    std::fs::write(environment.path("pipeline.toml"), pipeline).unwrap();
    environment.liteferry(&["follow", "pipeline.toml"]).expect(67).saying(&["table t"]);
}

#[test]
fn rows_that_a_check_does_not_allow_are_seen() {
    let environment = moved();
    let application = Connection::open(environment.source()).unwrap();
    let sql = "PRAGMA ignore_check_constraints = 1; INSERT INTO t VALUES (3, 300); UPDATE t SET a = 200 WHERE id = 1";
    application.execute_batch(sql).unwrap();
    environment.catch_up().expect(0);
    environment.assert_followed();
}
