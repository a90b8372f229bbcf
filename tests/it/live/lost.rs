//! Runs that come back to a source whose changelog is not what it was.

use super::workload::{SCHEMA, Workload};
use crate::environment::Environment;
use liteferry::pipeline::failpoint::VARIABLE;

const SOURCE: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a);
    CREATE TABLE u (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO u VALUES (1, 1)";

/// What happens to a changelog, how a run ends then, and what it says.
const LOSSES: [(&str, i32, [&str; 2]); 3] = [
    ("DROP TABLE _liteferry_log", 66, ["its changelog is gone", "liteferry uninstall"]),
    (
        "DROP TABLE _liteferry_meta; DROP TABLE _liteferry_log",
        66,
        ["its changelog is gone", "liteferry uninstall"],
    ),
    ("DROP TRIGGER _liteferry_0_after_update", 66, ["table t", "liteferry run --anew t"]),
];

impl Environment {
    /// A run that is killed at a step.
    #[track_caller]
    pub(super) fn dies(&self, step: &str, more: &[&str]) {
        let mut process = self.command();
        let arguments = self.ends("run", &[&["--workers", "1"], more].concat());
        process.args(arguments).env(VARIABLE, format!("{step}=kill"));
        let killed = self.spawn(process).wait();
        assert!(killed.status.code().is_none(), "{step}: {killed}");
    }
}

#[test]
fn a_run_says_what_became_of_the_changelog_and_what_to_do() {
    for (loss, code, words) in LOSSES {
        for step in [None, Some("chunk-claimed"), Some("key-made")] {
            let environment = Environment::new();
            environment.sqlite(SOURCE);
            match step {
                None => drop(environment.run_live(&[]).expect(0)),
                Some(step) => environment.dies(step, &[]),
            }
            environment.sqlite(loss);
            environment.run_live(&[]).expect(code).saying(&words);
            if words[1].contains("--anew") {
                environment.run_live(&["--anew", "t"]).expect(0);
                environment.sqlite("UPDATE t SET a = 5");
                environment.catch_up().expect(0);
                environment.assert_followed();
            }
        }
    }
}

#[test]
fn what_takes_nothing_from_the_changelog_does_not_keep_a_run_from_going_on() {
    for step in ["changelog-installed", "chunk-claimed", "key-made", "proof-begun"] {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
        let mut workload = Workload::new(&environment.source(), 17);
        workload.statements(100);
        environment.dies(step, &[]);
        workload.statements(50);
        drop(workload);
        environment
            .sqlite("PRAGMA wal_checkpoint(TRUNCATE); ANALYZE; PRAGMA journal_mode = DELETE");
        environment.run_live(&[]).expect(0);
        environment.assert_followed();
    }
}
