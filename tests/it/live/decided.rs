//! What the user says later, in the pipeline file, of tables that are followed.

use crate::environment::{Done, Environment};

const T: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT);
    CREATE TABLE u (id INTEGER PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO u VALUES (1, 1)";

impl Environment {
    /// A command with a pipeline file that says `said`.
    #[track_caller]
    fn said(&self, said: &str, command: &[&str]) -> Done {
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n{said}",
            self.source(),
            self.url()
        );
        std::fs::write(self.path("pipeline.toml"), text).unwrap();
        self.liteferry(&[command, &["pipeline.toml"]].concat())
    }
}

const FOLLOW: &[&str] = &["follow", "--until-caught-up"];

#[test]
fn what_is_decided_of_rows_set_aside_is_carried_out_by_taking_the_table_anew() {
    for (kind, misfits, values) in [
        ("type = 'bigint'", ", misfits = 'null'", ["NULL", "2"]),
        ("type = 'bigint'", ", misfits = 'default', default = 7", ["7", "2"]),
        ("type = 'bigint'", ", misfits = 'widen'", ["one", "2"]),
    ] {
        let environment = Environment::new();
        environment.sqlite(T);
        let before = format!("[tables.t.columns]\na = {{ {kind} }}");
        environment.said(&before, &["run"]).expect(0);
        environment.sqlite("UPDATE t SET a = 'one' WHERE id = 1");
        environment.said(&before, FOLLOW).expect(65).saying(&["liteferry run --anew t"]);
        let said = format!("[tables.t.columns]\na = {{ {kind}{misfits} }}");
        let number =
            || environment.value("SELECT plan::jsonb -> 'next_number' FROM liteferry.migration");
        let given = number();
        for command in [&["run"], &["plan"]] {
            let refused = environment.said(&said, command).expect(78);
            assert!(refused.says("table t") && refused.says("liteferry run --anew t"), "{refused}");
        }
        assert_eq!(number(), given);
        environment.said(&said, &["run", "--anew", "t"]).expect(0);
        let all = "SELECT coalesce(a::text, 'NULL') FROM t ORDER BY id";
        assert_eq!(environment.column(all), values, "{misfits}");
        // It is followed so, and nothing more is to be decided.
        environment.sqlite("UPDATE t SET a = 'one' WHERE id = 2; UPDATE u SET a = 5");
        environment.said(&said, FOLLOW).expect(0);
        assert_eq!(environment.column(all), [values[0], values[0]], "{misfits}");
        assert_eq!(environment.value("SELECT a FROM u"), "5");
        environment.said(&said, &["run"]).expect(0);
        environment.said(&said, &["verify"]).expect(0);
        // What was handled is not taken back in silence either.
        environment
            .said(&before, &["run"])
            .expect(78)
            .saying(&["table t", "liteferry run --anew t"]);
    }
}

#[test]
fn what_is_said_of_values_to_come_is_taken_over_at_once() {
    let environment = Environment::new();
    environment.sqlite(T);
    environment.said("", &["run"]).expect(0);
    let said = "[tables.t.columns]\na = { misfits = 'null' }";
    environment.said(said, &["run"]).expect(0);
    environment.sqlite("UPDATE t SET a = 'one' WHERE id = 1");
    environment.said(said, FOLLOW).expect(0);
    assert_eq!(environment.value("SELECT a IS NULL FROM t WHERE id = 1"), "t");
}

#[test]
fn nothing_takes_the_place_of_a_key_by_which_rows_are_followed() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1), (2, 2)",
    );
    let said = "[tables.t.columns]\nid = { misfits = 'default', default = 9 }";
    let words = ["table t", "its key's column id"];
    environment.said(said, &["run"]).expect(78).saying(&words);
    environment.said("", &["run"]).expect(0);
    environment.said(said, &["run"]).expect(78).saying(&words);
    // At rest nothing is found by it.
    let environment = Environment::new();
    environment.sqlite(
        "CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t VALUES ('one', 1), (2, 2)",
    );
    environment.said(said, &["run", "--no-capture"]).expect(0);
}

#[test]
fn the_number_of_a_table_that_is_not_followed_any_more_is_no_others() {
    let environment = Environment::new();
    environment.sqlite(T);
    environment.said("", &["run"]).expect(0);
    let copied = "[tables.u]\ncapture = 'copy'";
    // What is logged of it and not applied yet is of nobody.
    environment
        .sqlite("UPDATE u SET a = 2; INSERT INTO u VALUES (7, 7); UPDATE t SET a = 3 WHERE id = 1");
    environment.said(copied, &["run", "--anew", "u"]).expect(0);
    environment.said(copied, FOLLOW).expect(0);
    assert_eq!(environment.column("SELECT a FROM u ORDER BY id"), ["2", "7"]);
    environment.said(copied, &["run", "--anew", "t"]).expect(0);
    environment.sqlite("UPDATE t SET a = 4 WHERE id = 1");
    environment.said("", &["run", "--anew", "u"]).expect(0);
    let numbers = "SELECT t ->> 'number' FROM (SELECT jsonb_array_elements(plan::jsonb -> 'tables') -> 'capture'
                   FROM liteferry.migration) AS _(t)";
    assert_eq!(environment.column(numbers), ["2", "3"]);
    environment.sqlite("DELETE FROM u WHERE id = 7; INSERT INTO t VALUES (7, 7)");
    environment.said("", FOLLOW).expect(0);
    environment.assert_followed();
}

#[test]
fn a_table_that_has_another_name_is_not_passed_over() {
    let environment = Environment::new();
    environment.sqlite(T);
    environment.said("", &["run"]).expect(0);
    environment.sqlite("ALTER TABLE t RENAME TO x; ALTER TABLE x RENAME TO T; UPDATE T SET a = 5");
    let done = environment.said("", FOLLOW);
    assert!([66, 78].contains(&done.status.code().unwrap()) && done.says("table t"), "{done}");
}
