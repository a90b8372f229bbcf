//! Nodes that bring a copy of the archive with them fetch what is new.

#[cfg(debug_assertions)]
use super::kills::dies;
use super::{Archived, files};
use crate::environment::{Done, Environment};
#[cfg(debug_assertions)]
use liteferry::pipeline::failpoint::Step;
use std::fs;
use std::path::PathBuf;

/// A source that is followed, with an archive of one generation, and a copy of that to be.
struct Node {
    archived: Archived,
    copy: PathBuf,
}

impl Node {
    fn new() -> Self {
        let archived = Archived::of(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE trades (id INTEGER PRIMARY KEY, price REAL, note TEXT);
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
             INSERT INTO trades SELECT n, n * 1.5, 'note ' || n FROM n;
             CREATE TABLE tokens (symbol TEXT PRIMARY KEY, supply NUMERIC) WITHOUT ROWID;
             INSERT INTO tokens VALUES ('a', 1), ('b', 2.5), ('ü', NULL);",
        );
        let copy = archived.environment.path("copy");
        let node = Self { archived, copy };
        node.of_source("run", &[]);
        node
    }

    fn of_source(&self, command: &str, more: &[&str]) {
        let place = self.archived.place();
        let more = [&["--archive", place.to_str().unwrap()], more].concat();
        let environment = &self.archived.environment;
        environment.liteferry(&environment.ends(command, &more)).expect(0);
    }

    /// The next generation.
    fn change(&self, sql: &str) {
        self.archived.environment.sqlite(sql);
        self.of_source("follow", &["--until-caught-up"]);
    }

    fn copied(&self) -> Done {
        let (place, copy) = (self.archived.place(), &self.copy);
        let [place, copy] = [&place, copy].map(|path| path.to_str().unwrap());
        self.archived.environment.liteferry(&["archive", "copy", place, copy, "--json"])
    }

    fn restored(&self, name: &str) -> (PathBuf, Done) {
        let (place, file) = (self.archived.place(), self.archived.environment.path(name));
        let [place, copy, to] = [&place, &self.copy, &file].map(|path| path.to_str().unwrap());
        let words = ["restore", "--archive", place, "--copy", copy, "--sqlite", to];
        let done = self.archived.environment.liteferry(&words);
        (file, done)
    }

    /// Whether what is restored is the source.
    #[track_caller]
    fn assert_restored(&self, name: &str) {
        let (file, done) = self.restored(name);
        done.expect(0);
        let rows = |file: &PathBuf| {
            let connection = rusqlite::Connection::open(file).unwrap();
            [
                "SELECT json_group_array(json_array(id, price, note)) FROM trades",
                "SELECT json_group_array(json_array(symbol, supply)) FROM tokens",
            ]
            .map(|sql| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap())
        };
        assert_eq!(rows(&file), rows(&self.archived.environment.source()));
    }
}

#[test]
fn a_node_that_has_a_copy_fetches_only_what_is_new() {
    let node = Node::new();
    node.assert_restored("first.db");
    let first = files(&node.archived.place().join("tables"));
    node.change("UPDATE trades SET price = -price WHERE id % 500 = 0; DELETE FROM tokens WHERE symbol = 'a'");
    node.change("INSERT INTO trades VALUES (4000, 1, 'late'); DELETE FROM trades WHERE id = 7");
    // Nothing of what it has can be had there any more.
    for file in first {
        fs::remove_file(file).unwrap();
    }
    node.archived.archive(&["check"]).expect(76);
    node.assert_restored("second.db");
    let copied = node.copied().expect(0);
    assert_eq!(copied.json()["archive"]["generation"], 3);
    assert_eq!(
        (&copied.json()["fetched_files"], &copied.json()["fetched_bytes"]),
        (&0.into(), &0.into())
    );
    // It is an archive itself.
    let copy = node.copy.to_str().unwrap();
    node.archived.environment.liteferry(&["archive", "check", "--read-data", copy]).expect(0);
    let other = Environment::new();
    other.liteferry(&["restore", "--archive", copy, "--target", &other.url()]).expect(0);
    crate::comparison::Comparison::new()
        .assert_equal(&node.archived.environment.source(), &other.connect());
}

#[test]
fn a_copy_belongs_to_one_archive_and_knows_that_it_was_set_back() {
    let node = Node::new();
    node.change("DELETE FROM tokens");
    node.copied().expect(0);
    let before = files(&node.copy);
    let generations = node.archived.place().join("generations");
    fs::remove_file(generations.join("000002.json")).unwrap();
    fs::remove_file(node.archived.place().join("latest.json")).unwrap();
    node.copied().expect(76).saying(&["set back"]);
    let (file, done) = node.restored("restored.db");
    done.expect(76);
    assert!(!file.exists());
    assert_eq!(files(&node.copy), before);
    let other = Node::new();
    let other = Node { copy: node.copy.clone(), ..other };
    other.copied().expect(76).saying(&["set back"]);
    assert_eq!(files(&node.copy), before);
}

#[test]
#[cfg(debug_assertions)]
fn a_copy_that_is_killed_is_finished_by_the_same_command() {
    for step in [Step::FileCopied, Step::ManifestCopied] {
        let node = Node::new();
        let place = node.archived.place();
        let [from, to] = [&place, &node.copy].map(|path| path.to_str().unwrap());
        dies(&node.archived, step, &["archive", "copy", from, to]);
        node.copied().expect(0);
        node.archived.environment.liteferry(&["archive", "check", "--read-data", to]).expect(0);
        node.assert_restored("restored.db");
    }
}
