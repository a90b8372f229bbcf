//! Tables that the source has no more: they are let go, and the others are followed as before.

use crate::environment::{Done, Environment};
use std::fs;

const THREE: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE kept (id INTEGER PRIMARY KEY, a TEXT UNIQUE);
    CREATE TABLE old (id INTEGER PRIMARY KEY, a INT, kept INT REFERENCES kept);
    CREATE TABLE child (id INTEGER PRIMARY KEY, old INT REFERENCES old);
    INSERT INTO kept VALUES (1, 'one'), (2, 'two'); INSERT INTO old VALUES (1, 1, 1), (2, 2, 2); INSERT INTO child VALUES (1, 2)";

impl Environment {
    #[track_caller]
    fn anew(&self, tables: &[&str]) -> Done {
        let anew: Vec<_> = tables.iter().flat_map(|table| ["--anew", table]).collect();
        self.run_live(&anew)
    }

    /// The tables that a report names.
    fn reported(&self, command: &str) -> Vec<String> {
        let done = self.liteferry(&self.ends(command, &[])).expect(0);
        let tables = done.json()["tables"].as_array().unwrap().clone();
        tables.iter().map(|table| table["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What the application writes comes over, and is proved.
    #[track_caller]
    fn comes_over(&self, sql: &str, query: &str, value: &str) {
        self.sqlite(sql);
        self.catch_up().expect(0);
        assert_eq!(self.value(query), value);
        self.liteferry(&self.ends("verify", &[])).expect(0);
    }
}

#[test]
fn a_table_that_was_dropped_is_let_go_and_its_rows_in_the_target_stay() {
    let environment = Environment::new();
    environment.sqlite(THREE);
    environment.run_live(&[]).expect(0);
    // What is said of its rows goes with it.
    environment.sqlite("UPDATE old SET a = 'x' WHERE id = 2; UPDATE old SET a = 11 WHERE id = 1");
    environment.catch_up().expect(65);
    environment.sqlite("DROP TABLE old; UPDATE kept SET a = 'too' WHERE id = 2");
    let advice = "liteferry run --anew old";
    environment.catch_up().expect(78).saying(&["table old", "gone", advice]);
    environment.anew(&["kept"]).expect(78).saying(&["table old", "--anew old --anew kept"]);
    environment.anew(&["nowhere"]).expect(2);
    let old = environment.value("SELECT 'old'::regclass::oid");
    environment
        .anew(&["old"])
        .expect(0)
        .saying(&["table old: it is gone from the source: its rows in the target stay"]);
    assert_eq!(environment.value("SELECT 'old'::regclass::oid"), old);
    assert_eq!(environment.column("SELECT a FROM old"), ["11"]);
    environment.comes_over(
        "UPDATE kept SET a = 'uno' WHERE id = 1",
        "SELECT a FROM kept WHERE id = 1",
        "uno",
    );
    for command in ["verify", "run"] {
        assert_eq!(environment.reported(command), ["child", "kept"], "{command}");
    }
    environment
        .liteferry(&environment.ends("verify", &[]))
        .saying(&["old stays as it was last, and is not proved"]);
    environment.liteferry(&environment.ends("plan", &[])).expect(0);
    environment.liteferry(&environment.ends("status", &[])).expect(0);
    // Others are taken anew as if it had never been there, and join.
    environment.anew(&["kept"]).expect(0);
    environment.sqlite("CREATE TABLE new (id INTEGER PRIMARY KEY); INSERT INTO new VALUES (5)");
    environment.anew(&["new"]).expect(0);
    assert_eq!(environment.column("SELECT a FROM old"), ["11"]);
    let drop_sql = environment.value("SELECT drop_sql FROM liteferry.migration");
    environment.query(&drop_sql);
    let left = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(environment.value(left), "0");
}

#[test]
fn a_table_that_was_let_go_is_followed_again_when_it_came_back() {
    let environment = Environment::new();
    environment.sqlite(THREE);
    environment.run_live(&[]).expect(0);
    environment.sqlite("DROP TABLE old");
    environment.anew(&["old"]).expect(0);
    environment.catch_up().expect(0);
    environment.sqlite(
        "CREATE TABLE old (name TEXT PRIMARY KEY, b); INSERT INTO old VALUES ('x', 1), ('y', 2)",
    );
    environment.catch_up().expect(78).saying(&["table old", "--anew old"]);
    environment.anew(&["old"]).expect(0);
    environment.comes_over(
        "UPDATE old SET b = 7 WHERE name = 'y'",
        "SELECT b FROM old WHERE name = 'y'",
        "7",
    );
    environment.assert_followed();
}

#[test]
fn a_table_that_was_renamed_is_let_go_under_the_one_name_and_joins_under_the_other() {
    let environment = Environment::new();
    environment.sqlite(THREE);
    environment.run_live(&[]).expect(0);
    environment.sqlite("ALTER TABLE old RENAME TO renamed; INSERT INTO renamed VALUES (3, 3, 1)");
    environment.catch_up().expect(78).saying(&["table old", "table renamed"]);
    environment.anew(&["old"]).expect(78).saying(&["table renamed", "--anew renamed"]);
    environment.anew(&["renamed"]).expect(78).saying(&["--anew old --anew renamed"]);
    // SQLite has written the new name into what refers to it.
    environment.anew(&["old", "renamed"]).expect(78).saying(&["table child", "--anew child"]);
    environment.anew(&["old", "renamed", "child"]).expect(0);
    assert_eq!(environment.value("SELECT count(*) FROM old"), "2");
    environment.comes_over(
        "UPDATE renamed SET a = 30 WHERE id = 3; DELETE FROM renamed WHERE id = 1",
        "SELECT string_agg(id || ' ' || a, ',' ORDER BY id) FROM renamed",
        "2 2,3 30",
    );
    // Created again and followed again, or gone once more: by the same command.
    environment.sqlite("ALTER TABLE renamed RENAME TO old");
    environment.anew(&["old", "renamed", "child"]).expect(0);
    environment.comes_over(
        "UPDATE old SET a = 31 WHERE id = 3",
        "SELECT a FROM old WHERE id = 3",
        "31",
    );
    assert_eq!(environment.value("SELECT count(*) FROM renamed"), "2");
}

#[test]
fn a_table_that_was_only_copied_and_is_gone_keeps_nothing_from_being_taken_anew() {
    let environment = Environment::new();
    environment.sqlite(THREE);
    let copying = |said: &str| {
        let (source, url) = (environment.source(), environment.url());
        let text = format!("[source]\npath = {source:?}\n[target]\nurl = {url:?}\n{said}");
        fs::write(environment.path("copying.toml"), text).unwrap();
    };
    let take = |words: &[&str]| environment.liteferry(&[words, &["copying.toml"]].concat());
    copying("[tables.old]\ncapture = 'copy'");
    take(&["run"]).expect(0);
    environment.sqlite("DROP TABLE old; ALTER TABLE kept ADD COLUMN c INT");
    take(&["follow", "--until-caught-up"]).expect(78).saying(&["--anew kept"]);
    take(&["run", "--anew", "kept"]).expect(0);
    environment.sqlite("UPDATE kept SET c = 5");
    take(&["follow", "--until-caught-up"]).expect(0);
    take(&["verify"]).expect(0);
    assert_eq!(environment.value("SELECT sum(c) FROM kept"), "10");
    assert_eq!(environment.value("SELECT count(*) FROM old"), "2");
    // What the pipeline file says of it can go too.
    copying("");
    take(&["verify"]).expect(78).saying(&["table old", "--anew old"]);
    take(&["run", "--anew", "old"]).expect(0);
    take(&["verify"]).expect(0);
    assert_eq!(environment.value("SELECT count(*) FROM old"), "2");
}

#[test]
fn a_table_of_the_target_that_existed_is_let_go_and_given_back() {
    let environment = Environment::new();
    environment.sqlite(THREE);
    environment.query(
        "CREATE TABLE kept (id bigint PRIMARY KEY, a text);
         CREATE TABLE old (id bigint PRIMARY KEY, a int CONSTRAINT small CHECK (a < 100), kept bigint CONSTRAINT of_kept REFERENCES kept);
         CREATE TABLE child (id bigint PRIMARY KEY, old bigint CONSTRAINT of_old REFERENCES old);
         CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER noted BEFORE INSERT ON old FOR EACH ROW EXECUTE FUNCTION noted()",
    );
    let standing = || {
        environment.column(
            "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
             UNION ALL SELECT tgname || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
        )
    };
    let before = standing();
    assert_eq!(before.len(), 7);
    environment.run_live(&[]).expect(0);
    environment.sqlite("DROP TABLE old");
    environment.anew(&["old"]).expect(0);
    environment.comes_over(
        "UPDATE kept SET a = 'uno' WHERE id = 1",
        "SELECT a FROM kept WHERE id = 1",
        "uno",
    );
    // Its foreign keys are aside, as before, also when others are taken anew.
    environment.comes_over("DELETE FROM kept WHERE id = 2", "SELECT count(*) FROM old", "2");
    environment.anew(&["kept", "child"]).expect(0);
    assert_eq!(environment.value("SELECT count(*) FROM old"), "2");
    environment.query(&environment.value("SELECT drop_sql FROM liteferry.migration"));
    assert_eq!(standing(), before);
}

#[test]
fn what_dies_while_a_table_is_let_go_goes_on() {
    for step in
        ["retaken-made", "retaken-committed", "removal-noted", "changelog-installed", "proof-begun"]
    {
        let environment = Environment::new();
        environment.sqlite(THREE);
        environment.run_live(&[]).expect(0);
        environment.sqlite("DROP TABLE old");
        environment.dies(step, &["--anew", "old"]);
        environment.sqlite("INSERT INTO kept VALUES (3, 'three')");
        environment.anew(if step == "retaken-made" { &["old"] } else { &[] }).expect(0);
        environment.comes_over("DELETE FROM kept WHERE id = 1", "SELECT count(*) FROM kept", "2");
        assert_eq!(environment.value("SELECT count(*) FROM old"), "2", "{step}");
    }
}

#[test]
fn a_table_that_was_dropped_before_all_was_loaded_is_let_go() {
    for step in ["tables-made", "changelog-installed", "chunk-claimed", "key-made"] {
        let environment = Environment::new();
        environment.sqlite(THREE);
        environment.dies(step, &[]);
        environment.sqlite("DROP TABLE old; UPDATE kept SET a = 'uno' WHERE id = 1");
        environment.anew(&["old"]).expect(0);
        environment.comes_over(
            "DELETE FROM kept WHERE id = 2",
            "SELECT string_agg(a, ',') FROM kept",
            "uno",
        );
    }
}
