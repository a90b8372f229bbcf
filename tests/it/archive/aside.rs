//! Rows that PostgreSQL could not take: a node that is restored knows of them what the one knows that has loaded them.

use super::{Archived, files};
use crate::environment::{Done, Environment};
use std::fs;

/// Everything that is known of rows set aside, but when it was noted, and in which order and chunk.
const REJECTS: &str = "SELECT concat_ws(' ', table_name, encode(row_key, 'hex'), row_name, column_name, storage_class,
    encode(value, 'hex'), encoding, reason, policy) FROM liteferry.reject ORDER BY 1";

fn rejects(node: &Environment) -> Vec<String> {
    node.column(REJECTS)
}

/// A source that is followed, with an archive, and the node that has loaded it.
struct Followed(Archived);

impl Followed {
    fn of(sql: &str) -> Self {
        Self(Archived::of(&format!("PRAGMA journal_mode = WAL; {sql}")))
    }

    fn change(&self, sql: &str) {
        self.0.environment.sqlite(sql);
    }

    fn first(&self) -> &Environment {
        &self.0.environment
    }

    /// A command that brings the source to a node, or compares the two.
    fn to(&self, node: &Environment, command: &str, more: &[&str]) -> Done {
        let (source, target) = (self.first().source(), node.url());
        let ends = [command, "--json", "--source", source.to_str().unwrap(), "--target", &target];
        self.first().liteferry(&[&ends[..], more].concat())
    }

    fn archiving(&self, node: &Environment, command: &str, more: &[&str]) -> Done {
        let place = self.0.place();
        self.to(node, command, &[&["--archive", place.to_str().unwrap()], more].concat())
    }

    fn catch_up(&self, node: &Environment) -> Done {
        self.archiving(node, "follow", &["--until-caught-up"])
    }
}

/// Restores into a database of its own.
fn restored(archived: &Archived, more: &[&str]) -> (Environment, Done) {
    let (node, place) = (Environment::new(), archived.place());
    let target = node.url();
    let ends = ["restore", "--archive", place.to_str().unwrap(), "--target", &target, "--json"];
    let done = node.liteferry(&[&ends[..], more].concat());
    (node, done)
}

#[test]
fn every_value_that_does_not_fit_comes_back_with_its_reason() {
    // A row is set aside for `b`, whatever takes the place of its other values.
    let archived = Archived::of(
        "CREATE TABLE t (a INTEGER, b TEXT, c INTEGER, id INTEGER PRIMARY KEY);
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300)
         INSERT INTO t SELECT n, 'text', n, n FROM n;
         UPDATE t SET b = x'00ff' WHERE id IN (5, 6); UPDATE t SET b = 'a' || char(0) WHERE id = 7;
         UPDATE t SET a = x'01', c = x'02' WHERE id IN (6, 8, 9);
         CREATE TABLE lines (line TEXT, n INTEGER);
         INSERT INTO lines VALUES (x'01', 1), (x'01', 1), ('fits', 1), ('too', 1), ('fits', 1), (x'01', 2);
         CREATE TABLE named (name TEXT, n TEXT, PRIMARY KEY (n, name)) WITHOUT ROWID;
         INSERT INTO named VALUES ('a', 'b'), ('c', x'02'), (x'03', x'04'), ('e', 'f'), ('g', 'h');
         CREATE TABLE none (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO none VALUES (1, 'a' || char(0)), (2, char(0));",
    );
    let pipeline = archived.environment.path("pipeline.toml");
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[archive]\nurl = \"archive\"\n\
         [tables.t.columns]\na = {{ misfits = 'null' }}\nc = {{ misfits = 'null' }}\n",
        archived.environment.source(),
        archived.environment.url(),
    );
    fs::write(&pipeline, text).unwrap();
    let run = ["run", "--no-capture", pipeline.to_str().unwrap(), "--json"];
    let run = archived.environment.liteferry(&run).expect(65);
    let expected = rejects(&archived.environment);
    assert_eq!(expected.len(), 9 + 3 + 3 + 2, "{expected:#?}");
    assert!(expected.iter().any(|it| it.ends_with("null")), "{expected:#?}");
    let (node, done) = restored(&archived, &[]);
    let done = done.expect(65);
    assert_eq!(rejects(&node), expected);
    let counts = |done: &Done| -> Vec<String> {
        let all = done.json()["misfits"].as_array().unwrap().iter();
        let words = ["table", "column", "reason", "policy", "values"];
        all.map(|it| words.map(|word| it[word].to_string()).join(" ")).collect()
    };
    assert_eq!(counts(&done), counts(&run));
    for (table, rows) in [(0, 3), (1, 2), (2, 2), (3, 3)] {
        assert_eq!(done.json()["tables"][table]["rejected"], rows, "{}", done.json());
    }
    // Once more, with all of it there.
    let target = node.url();
    let place = archived.place();
    let again = ["restore", "--archive", place.to_str().unwrap(), "--target", &target];
    node.liteferry(&again).expect(65);
    assert_eq!(rejects(&node), expected);
    // A part of the tables has a part of the rows.
    let (node, done) = restored(&archived, &["--table", "none"]);
    done.expect(65);
    assert_eq!(node.value("SELECT count(*) FROM liteferry.reject"), "2");
}

#[test]
fn a_node_that_is_restored_to_follow_knows_what_is_not_there_until_it_is() {
    let source = Followed::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);
         INSERT INTO t VALUES (1, 5, 'x'), (2, 6, x'00ff'), (3, 7, 'y');",
    );
    let first = source.first();
    source.archiving(first, "run", &[]).expect(65);
    let (node, done) = restored(&source.0, &["--to-follow"]);
    done.expect(65);
    assert_eq!(rejects(&node).len(), 1);
    assert_eq!(rejects(&node), rejects(first));
    for node in [&node, first] {
        let verified = source.to(node, "verify", &[]).expect(65);
        assert_eq!(verified.json()["tables"][0]["rejected"], 1, "{}", verified.json());
        assert_eq!(verified.json()["misfits"][0]["column"], "b", "{}", verified.json());
    }
    let (plain, done) = restored(&source.0, &[]);
    done.expect(65);
    let verified = source.to(&plain, "verify", &[]).expect(65);
    assert_eq!(verified.json()["tables"][0]["rejected"], 1, "{}", verified.json());
    let followed = source.catch_up(&node).expect(65);
    assert_eq!(followed.json()["misfits"][0]["values"], 1, "{}", followed.json());
    source.change("UPDATE t SET b = 'repaired' WHERE id = 2");
    source.catch_up(&node).expect(0);
    assert!(rejects(&node).is_empty());
    source.to(&node, "verify", &[]).expect(0);
    assert_eq!(node.value("SELECT count(*) FROM t"), "3");
    // And of a table that is taken anew nothing is left of what was restored.
    source.change("UPDATE t SET b = x'01' WHERE id = 3");
    source.catch_up(&node).expect(65);
    let (other, done) = restored(&source.0, &["--to-follow"]);
    done.expect(65);
    assert_eq!(other.column("SELECT row_name FROM liteferry.reject"), ["rowid 3"]);
    source.change("UPDATE t SET b = 'z' WHERE id = 3; UPDATE t SET b = x'02' WHERE id = 1");
    source.archiving(&other, "run", &["--anew", "t"]).expect(65);
    assert_eq!(other.column("SELECT row_name FROM liteferry.reject"), ["rowid 1"]);
}

#[test]
fn a_table_without_rows_has_those_that_were_set_aside() {
    let source = Followed::of(
        "CREATE TABLE never (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO never VALUES (1, 'a' || char(0)), (2, char(0));
         CREATE TABLE left (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO left VALUES (1, 'a'), (2, x'01'), (3, 'b');
         CREATE TABLE gone (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO gone VALUES (1, 'a'), (2, x'01'), (3, 'b');
         CREATE TABLE stays (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO stays VALUES (1, 'a'), (2, 'b');",
    );
    let first = source.first();
    source.archiving(first, "run", &[]).expect(65);
    source
        .change("DELETE FROM left WHERE id <> 2; DELETE FROM gone; DELETE FROM stays WHERE id = 1");
    source.catch_up(first).expect(65);
    source.0.archive(&["compact"]).expect(0);
    let place = source.0.place();
    let of_left = files(&place.join("tables").join("left"));
    assert!(of_left.len() > 1, "{of_left:?}");
    let expected = rejects(first);
    assert_eq!(expected.len(), 3);
    let (plain, done) = restored(&source.0, &[]);
    done.expect(65);
    assert_eq!(rejects(&plain), expected);
    // All that is to be restored is set aside: no file has rows.
    let (alone, done) = restored(&source.0, &["--table", "left"]);
    let done = done.expect(65);
    assert_eq!(done.json()["tables"][0]["rejected"], 1, "{}", done.json());
    assert_eq!(rejects(&alone).len(), 1);
    let (node, done) = restored(&source.0, &["--to-follow"]);
    done.expect(65);
    assert_eq!(rejects(&node), expected);
    // Both go on, the one with nothing to apply.
    source.catch_up(first).expect(65);
    // What does not fit is noted of tables that had nothing at all, too.
    source.change("INSERT INTO left VALUES (4, x'02'); INSERT INTO gone VALUES (4, x'03'); DELETE FROM never WHERE id = 1");
    source.catch_up(&node).expect(65);
    let names = "SELECT table_name || ' ' || row_name FROM liteferry.reject ORDER BY 1";
    let expected = ["gone rowid 4", "left rowid 2", "left rowid 4", "never rowid 2"];
    assert_eq!(node.column(names), expected);
    let verified = source.to(&node, "verify", &[]).expect(65);
    assert_eq!(verified.json()["tables"].as_array().unwrap().len(), 4);
    // And what the restored node has published is restored again.
    let (next, done) = restored(&source.0, &[]);
    done.expect(65);
    assert_eq!(next.column(names), expected);
    assert_eq!(rejects(&next), rejects(&node));
}
