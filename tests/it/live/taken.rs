//! Who has the migration, and what those find who come to it later.

use crate::environment::{Environment, Running, wait_until};
use liteferry::pipeline::failpoint::VARIABLE;
use rustix::process::Signal;

const SOURCE: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a);
    CREATE TABLE noted (a); INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO noted VALUES (1), (2)";

const FOLLOWS: [&[&str]; 2] = [&["verify"], &["follow", "--until-caught-up"]];

impl Environment {
    fn starts(&self, words: &[&str]) -> Vec<String> {
        self.ends(words[0], &words[1..]).iter().map(ToString::to_string).collect()
    }

    /// A run that takes `t` anew, up to a step.
    fn retakes(&self, step: &str) -> Running {
        let mut process = self.command();
        process.args(self.ends("run", &["--anew", "t"])).env(VARIABLE, step);
        self.spawn(process)
    }
}

#[test]
fn nothing_is_followed_or_verified_while_it_is_loaded_nor_before_that_is_at_an_end() {
    let environment = Environment::new();
    environment.sqlite(SOURCE);
    environment.run_live(&[]).expect(0);
    environment.sqlite("ALTER TABLE t ADD COLUMN c; INSERT INTO t VALUES (3, 3, 3)");
    let run = environment.retakes("chunk-committed=stop");
    run.wait_stopped();
    for words in FOLLOWS {
        environment
            .liteferry(&environment.starts(words))
            .expect(73)
            .saying(&["has this migration"]);
    }
    run.signal(Signal::KILL);
    run.wait();
    environment.sqlite("UPDATE t SET a = 22 WHERE id = 2; INSERT INTO noted VALUES (3)");
    for words in FOLLOWS {
        let done = environment.liteferry(&environment.starts(words)).expect(78);
        assert!(done.says("let `liteferry run` come to its end"), "{done}");
    }
    environment.run_live(&[]).expect(0);
    environment.catch_up().expect(0);
    environment.assert_followed();
}

#[test]
fn who_waited_for_the_migration_finds_what_became_of_it_meanwhile() {
    for words in FOLLOWS {
        let environment = Environment::new();
        environment.sqlite(SOURCE);
        environment.run_live(&[]).expect(0);
        let other = environment.connect();
        other.query(
            "SELECT pg_advisory_lock_shared(x'6c666572'::integer, id) FROM liteferry.migration",
        );
        let waiting = environment.start(&environment.starts(words));
        let waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        wait_until("the command", || !environment.column(waits).is_empty());
        other.query(
            "UPDATE liteferry.migration SET phase = 'snapshotted'; SELECT pg_advisory_unlock_all()",
        );
        waiting.wait().expect(78).saying(&["the migration is snapshotted"]);
    }
}
