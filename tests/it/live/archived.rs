//! The archive of a source that is written to while it is moved and followed: what is restored from it is what the source
//! was.

use super::workload::{SCHEMA, Workload};
use crate::comparison::Comparison;
use crate::environment::{Done, Environment};
use std::path::PathBuf;

/// A source, its writer, and an archive of it.
struct Archived {
    environment: Environment,
    workload: Workload,
}

impl Archived {
    fn of(mode: &str, seed: u64) -> Self {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}"));
        let mut workload = Workload::new(&environment.source(), seed);
        workload.statements(200);
        Self { environment, workload }
    }

    fn place(&self) -> PathBuf {
        self.environment.path("archive")
    }

    fn ends(&self, command: &str, more: &[&str]) -> Vec<String> {
        let place = self.place();
        let archive = ["--workers", "2", "--archive", place.to_str().unwrap()];
        self.environment.ends(command, &[&archive[..], more].concat())
    }

    fn run(&self) -> Done {
        self.environment.liteferry(&self.ends("run", &[]))
    }

    fn catch_up(&self) -> Done {
        self.environment.liteferry(&self.ends("follow", &["--until-caught-up"]))
    }

    fn archive(&self, words: &[&str]) -> Done {
        let place = self.place();
        let words = [&["archive"], words, &[place.to_str().unwrap(), "--json"]].concat();
        self.environment.liteferry(&words)
    }

    /// Restores into another database, and compares that with the source.
    #[track_caller]
    fn assert_restored(&self, more: &[&str]) {
        let other = Environment::new();
        let (place, target) = (self.place(), other.url());
        let ends = ["restore", "--archive", place.to_str().unwrap(), "--target", &target, "--json"];
        other.liteferry(&[&ends[..], more].concat()).expect(0);
        Comparison::new().assert_equal(&self.environment.source(), &other.connect());
    }
}

#[test]
fn what_is_restored_is_what_the_source_was_when_it_was_published() {
    for mode in ["WAL", "DELETE"] {
        let mut archived = Archived::of(mode, 11);
        archived.run().expect(0);
        archived.assert_restored(&[]);
        for round in 2..5 {
            archived.workload.statements(100);
            let done = archived.catch_up().expect(0);
            assert_eq!(done.json()["archive"]["generation"], round);
            archived.environment.assert_followed();
            archived.assert_restored(&[]);
        }
        archived.archive(&["check", "--read-data"]).expect(0);
        archived.archive(&["compact"]).expect(0);
        archived.assert_restored(&[]);
        archived.archive(&["prune", "--keep", "1", "--now"]).expect(0);
        archived.archive(&["check", "--read-data"]).expect(0);
        archived.assert_restored(&[]);
        // What comes next is behind the new base.
        archived.workload.statements(100);
        archived.catch_up().expect(0);
        archived.assert_restored(&[]);
    }
}

#[test]
fn a_table_that_is_empty_when_the_archive_is_compacted_is_followed_on() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE parent (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO parent VALUES (1, 'x');
         CREATE TABLE child (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO child VALUES (1, 'y');",
    );
    let workload = Workload::new(&environment.source(), 1);
    let archived = Archived { environment, workload };
    archived.run().expect(0);
    archived.environment.sqlite("DELETE FROM child; UPDATE parent SET a = 'z';");
    archived.catch_up().expect(0);
    archived.archive(&["compact"]).expect(0);
    archived.archive(&["prune", "--keep", "1", "--now"]).expect(0);
    assert!(!archived.place().join("tables/child/rows").read_dir().unwrap().any(|it| it.is_ok()));
    archived.environment.sqlite("UPDATE parent SET a = 'w'");
    archived.catch_up().expect(0);
    archived.assert_restored(&[]);
    archived.environment.sqlite("INSERT INTO child VALUES (7, 'back')");
    archived.catch_up().expect(0);
    archived.assert_restored(&[]);
    archived.archive(&["check", "--read-data"]).expect(0);
}

#[test]
fn a_node_that_is_restored_follows_on() {
    let mut archived = Archived::of("WAL", 14);
    archived.run().expect(0);
    archived.workload.statements(60);
    archived.catch_up().expect(0);
    archived.workload.statements(60);
    let other = Environment::new();
    let (place, target) = (archived.place(), other.url());
    let place = place.to_str().unwrap();
    let ends = ["restore", "--archive", place, "--target", &target, "--to-follow"];
    other.liteferry(&ends).expect(0);
    let source = archived.environment.source();
    let source = source.to_str().unwrap();
    let follow = ["follow", "--until-caught-up", "--source", source, "--target", &target];
    let follow = [&follow[..], &["--archive", place, "--json"]].concat();
    other.liteferry(&follow).expect(0);
    Comparison::new().assert_equal(&archived.environment.source(), &other.connect());
    archived.workload.statements(60);
    other.liteferry(&follow).expect(0);
    Comparison::new().assert_equal(&archived.environment.source(), &other.connect());
    archived.assert_restored(&[]);
    // What it has applied since is not taken back, by the newest generation or the one that it began from.
    for more in [&[][..], &["--generation", "2"]] {
        let again = [&ends[..], more].concat();
        other.liteferry(&again).expect(78).saying(&["follows the source", "liteferry follow"]);
    }
    Comparison::new().assert_equal(&archived.environment.source(), &other.connect());
    // The one that stayed behind notices that another goes on.
    archived.catch_up().expect(66);
}

#[test]
fn where_nothing_has_changed_nothing_is_published() {
    let archived = Archived::of("WAL", 12);
    archived.run().expect(0);
    let before = archived.archive(&["list"]).expect(0).json()["generations"].clone();
    archived.catch_up().expect(0);
    assert_eq!(archived.archive(&["list"]).expect(0).json()["generations"], before);
}

#[test]
fn a_source_with_an_archive_is_not_followed_without_it() {
    let mut archived = Archived::of("WAL", 13);
    archived.run().expect(0);
    archived.workload.statements(20);
    archived.environment.catch_up().expect(78).saying(&["archive", "--archive"]);
    archived.catch_up().expect(0);
    archived.assert_restored(&[]);
}

#[test]
fn old_generations_go_as_the_pipeline_file_says() {
    let mut archived = Archived::of("WAL", 16);
    let environment = &archived.environment;
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[archive]\nurl = \"archive\"\nretain_days = 1\n",
        environment.source(),
        environment.url(),
    );
    std::fs::write(environment.path("pipeline.toml"), text).unwrap();
    let words = ["run", "pipeline.toml", "--json"];
    environment.liteferry(&words).expect(0);
    // As if it had been made long ago.
    let generation = archived.place().join("generations").join("000001.json");
    assert!(generation.exists());
    archived.workload.statements(20);
    let words = ["follow", "--until-caught-up", "pipeline.toml", "--json"];
    archived.environment.liteferry(&words).expect(0);
    assert!(generation.exists(), "it is not a day old");
    archived.assert_restored(&[]);
}

#[test]
fn nothing_is_published_on_an_archive_that_was_set_back() {
    let mut archived = Archived::of("WAL", 15);
    archived.run().expect(0);
    archived.workload.statements(30);
    archived.catch_up().expect(0);
    let newest = archived.place().join("generations").join("000002.json");
    let whole = std::fs::read(&newest).unwrap();
    archived.workload.statements(30);
    std::fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    archived.catch_up().expect(76).saying(&["000002.json"]);
    archived.archive(&["compact"]).expect(76);
    // As if the archive had never had it.
    std::fs::remove_file(&newest).unwrap();
    std::fs::remove_file(archived.place().join("latest.json")).unwrap();
    archived.catch_up().expect(76).saying(&["generation 2 was published"]);
    std::fs::write(&newest, &whole).unwrap();
    archived.catch_up().expect(0);
    archived.assert_restored(&[]);
}

#[test]
fn rows_set_aside_come_and_go_in_the_archive_too() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
         INSERT INTO t VALUES (1, 'x'), (2, x'00ff'), (3, x'01'), (7, 'y'), (8, 'z'), (9, 'a');",
    );
    let workload = Workload::new(&environment.source(), 1);
    let archived = Archived { environment, workload };
    archived.run().expect(65);
    let aside = || {
        let folder = archived.place();
        let other = Environment::new();
        let (place, target) = (folder.to_str().unwrap(), other.url());
        let ends = ["restore", "--archive", place, "--target", &target, "--json"];
        let done = other.liteferry(&ends);
        done.json()["tables"][0]["rejected"].as_u64().unwrap()
    };
    assert_eq!(aside(), 2);
    archived
        .environment
        .sqlite("UPDATE t SET a = 'y' WHERE id = 2; INSERT INTO t VALUES (4, x'02');");
    archived.catch_up();
    assert_eq!(aside(), 2);
    archived.environment.sqlite("DELETE FROM t WHERE id = 3; UPDATE t SET a = 'z' WHERE id = 4;");
    archived.catch_up().expect(0);
    assert_eq!(aside(), 0);
    archived.assert_restored(&[]);
}

#[cfg(debug_assertions)]
mod kills {
    use super::Archived;
    use liteferry::pipeline::failpoint::{Step, VARIABLE};

    impl Archived {
        /// Whether a command has died at a step; else it has come to its end.
        #[track_caller]
        fn dies(&self, step: Step, arguments: &[String]) -> bool {
            let mut process = self.environment.command();
            process.args(arguments).env(VARIABLE, format!("{}=kill", step.name()));
            let done = self.environment.spawn(process).wait();
            let died = done.status.code().is_none();
            if !died {
                done.expect(0);
            }
            died
        }
    }

    #[test]
    fn a_follower_that_dies_at_any_step_leaves_nothing_out_of_the_archive() {
        let mut archived = Archived::of("WAL", 21);
        archived.run().expect(0);
        for step in [
            Step::PassCommitted,
            Step::FilePut,
            Step::FilesReady,
            Step::GenerationPublished,
            Step::GenerationNoted,
            Step::LogSealed,
            Step::SealNoted,
            Step::LogPurged,
            Step::EndReached,
        ] {
            println!("{}", step.name());
            archived.workload.statements(40);
            let arguments = archived.ends("follow", &["--until-caught-up"]);
            assert!(archived.dies(step, &arguments), "it never came to {}", step.name());
            archived.workload.statements(10);
            archived.catch_up().expect(0);
            archived.environment.assert_followed();
            archived.archive(&["check", "--read-data"]).expect(0);
            archived.assert_restored(&[]);
        }
    }

    #[test]
    fn a_run_that_dies_at_any_step_leaves_nothing_out_of_the_archive() {
        for (step, seed) in [
            Step::ChunkCommitted,
            Step::PassCommitted,
            Step::KeyCommitted,
            Step::FilesReady,
            Step::GenerationPublished,
            Step::LogSealed,
        ]
        .into_iter()
        .zip(31..)
        {
            println!("{}", step.name());
            let archived = Archived::of("WAL", seed);
            // What is written while it runs is applied by a pass.
            let writer =
                super::Workload::new(&archived.environment.source(), seed + 100).go_on_at_ease();
            let died = (0..10).any(|_| archived.dies(step, &archived.ends("run", &[])));
            assert!(died, "it never came to {}", step.name());
            archived.run().expect(0);
            assert!(writer.end() > 0, "nobody wrote");
            archived.catch_up().expect(0);
            archived.environment.assert_followed();
            archived.assert_restored(&[]);
        }
    }
}

#[test]
fn what_virtual_tables_hold_is_there_after_a_compaction() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE posts (id INTEGER PRIMARY KEY, body TEXT);
         INSERT INTO posts VALUES (1, 'x'), (2, 'y');
         CREATE VIRTUAL TABLE texts USING fts5 (body); INSERT INTO texts VALUES ('one two');",
    );
    let archived = Archived { workload: Workload::new(&environment.source(), 1), environment };
    archived.run().expect(0);
    archived.environment.sqlite(
        "UPDATE posts SET body = 'z' WHERE id = 2; INSERT INTO texts VALUES ('three two');",
    );
    archived.catch_up().expect(0);
    archived.archive(&["compact"]).expect(0);
    let (place, file) = (archived.place(), archived.environment.path("restored.db"));
    let [place, to] = [&place, &file].map(|path| path.to_str().unwrap());
    archived.environment.liteferry(&["restore", "--archive", place, "--sqlite", to]).expect(0);
    let restored = rusqlite::Connection::open(&file).unwrap();
    let sql = "SELECT group_concat(body) || (SELECT group_concat(body) FROM posts)
               FROM texts WHERE texts MATCH 'two'";
    let found = restored.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(found, "one two,three twox,z");
    drop(restored);
    // No touch tells of what only a virtual table takes, nor of the header.
    let newest = |done: &Done| done.json()["archive"]["generation"].as_u64().unwrap();
    let before = newest(&archived.catch_up().expect(0));
    archived.environment.sqlite("INSERT INTO texts VALUES ('four two'); PRAGMA user_version = 7;");
    assert_eq!(newest(&archived.catch_up().expect(0)), before + 1);
    assert_eq!(newest(&archived.catch_up().expect(0)), before + 1);
    std::fs::remove_file(&file).unwrap();
    archived.environment.liteferry(&["restore", "--archive", place, "--sqlite", to]).expect(0);
    let restored = rusqlite::Connection::open(&file).unwrap();
    let sql = "SELECT count(*) || '/' || user_version FROM texts, pragma_user_version
               WHERE texts MATCH 'two'";
    let found = restored.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(found, "3/7");
}
