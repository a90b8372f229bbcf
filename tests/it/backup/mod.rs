//! Whole databases in an archive: backed up while they are written to, restored as they were, listed, checked, pruned.

pub(crate) mod kills;
mod manual;
mod postgres;

use crate::environment::{Done, Environment};
use flate2::Compression;
use flate2::write::GzEncoder;
use rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const SOURCE: &str = "
    PRAGMA journal_mode = wal;
    CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER, note TEXT);
    CREATE TABLE b (id INTEGER PRIMARY KEY, n INTEGER);
    CREATE INDEX a_n ON a (n);
    WITH RECURSIVE i(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 50000)
    INSERT INTO a SELECT i, 0, 'note ' || i FROM i;
    INSERT INTO b SELECT id, 0 FROM a;
    UPDATE a SET note = x'00ff' WHERE id = 7;";

fn prepared() -> Environment {
    let env = Environment::new();
    env.sqlite(SOURCE);
    env
}

fn path(env: &Environment, name: &str) -> String {
    env.path(name).to_str().unwrap().to_owned()
}

fn back_up(env: &Environment, more: &[&str]) -> Done {
    let (source, archive) = (path(env, "source.db"), path(env, "archive"));
    let words = ["backup", "--json", "--sqlite", &source, "--archive", &archive];
    env.liteferry(&[&words[..], more].concat())
}

fn restore(env: &Environment, name: &str, to: &str, more: &[&str]) -> Done {
    let (archive, to) = (path(env, "archive"), path(env, to));
    let words = ["restore", "--json", "--archive", &archive, "--backup", name, "--sqlite", &to];
    env.liteferry(&[&words[..], more].concat())
}

fn archive(env: &Environment, what: &str, more: &[&str]) -> Done {
    let archive = path(env, "archive");
    env.liteferry(&[&["archive", what, &archive, "--json"], more].concat())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// All that a file holds, but for what a text of it does not show.
fn content(file: &Path) -> Vec<String> {
    let connection = Connection::open(file).unwrap();
    let sql = "SELECT sql FROM sqlite_schema UNION ALL SELECT id || ' ' || n || ' ' || typeof(note) || ' ' || hex(note) FROM a
        UNION ALL SELECT id || ' ' || n FROM b UNION ALL SELECT * FROM pragma_integrity_check";
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_file_comes_back_as_it_was() {
    let env = prepared();
    let made = back_up(&env, &[]).expect(0);
    let (source, back) = (env.path("source.db"), env.path("back.db"));
    let before = content(&source);
    Connection::open(&source).unwrap().execute_batch("DELETE FROM a; DROP TABLE b").unwrap();
    let name = text(&made.json()["backup"]);
    restore(&env, &name, "back.db", &[]).expect(0);
    assert_eq!(content(&back), before);
    assert_eq!(back.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // What is there is not replaced, nor given a journal of another file.
    restore(&env, &name, "back.db", &[]).expect(2).saying(&["is there already"]);
    fs::write(env.path("other.db-wal"), "of another").unwrap();
    restore(&env, &name, "other.db", &[]).expect(2).saying(&["other.db-wal is there already"]);
    restore(&env, "absent", "new.db", &[]).expect(2).saying(&["there is no such backup"]);
    let left = fs::read_dir(env.path(".")).unwrap().map(|it| it.unwrap().file_name());
    let left: Vec<_> = left.map(|it| it.into_string().unwrap()).collect();
    assert!(!left.iter().any(|it| it.starts_with(".liteferry") || it == "new.db"), "{left:?}");
}

#[test]
fn a_backup_is_one_state_whatever_is_written_meanwhile() {
    let env = prepared();
    let (source, ended) = (env.path("source.db"), AtomicBool::new(false));
    let made = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let connection = Connection::open(&source).unwrap();
            connection.busy_timeout(std::time::Duration::from_mins(1)).unwrap();
            let mut times = 0;
            while !ended.load(Ordering::Relaxed) {
                let both =
                    "BEGIN IMMEDIATE; UPDATE a SET n = n + 1; UPDATE b SET n = n + 1; COMMIT";
                connection.execute_batch(both).unwrap();
                times += 1;
            }
            times
        });
        let made: Vec<_> =
            (0..3).map(|_| text(&back_up(&env, &[]).expect(0).json()["backup"])).collect();
        ended.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 1);
        made
    });
    for (number, name) in made.iter().enumerate() {
        let file = format!("back{number}.db");
        restore(&env, name, &file, &[]).expect(0);
        let connection = Connection::open(env.path(&file)).unwrap();
        let sql = "SELECT count(DISTINCT n) FROM (SELECT n FROM a UNION ALL SELECT n FROM b)";
        let states: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(states, 1);
    }
}

#[test]
fn backups_are_listed_checked_and_pruned() {
    let env = prepared();
    for _ in 0..3 {
        back_up(&env, &[]).expect(0);
    }
    let listed = archive(&env, "list", &[]).expect(0);
    let backups = listed.json()["backups"].as_array().unwrap().clone();
    assert_eq!(backups.len(), 3);
    assert_eq!(backups[0]["kind"], "sqlite");
    assert_eq!(archive(&env, "check", &["--read-data"]).expect(0).json()["backups"], 3);
    let pruned = archive(&env, "prune", &["--keep", "2", "--now"]).expect(0);
    assert_eq!(pruned.json()["backups"], 1);
    let file = env.path("archive/backups").join(format!("{}.backup", text(&backups[0]["blake3"])));
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    archive(&env, "check", &[]).expect(0);
    archive(&env, "check", &["--read-data"]).expect(76);
    let newest = text(&backups[0]["backup"]);
    restore(&env, &newest, "back.db", &[]).expect(76);
    assert!(!env.path("back.db").exists());
}

#[test]
fn a_backup_with_a_key_needs_it() {
    let env = prepared();
    let file = env.path("key");
    fs::write(&file, (0..32).collect::<Vec<u8>>()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let with_key = ["--key-file", file.to_str().unwrap()];
    let name = text(&back_up(&env, &with_key).expect(0).json()["backup"]);
    restore(&env, &name, "back.db", &[]).expect(77);
    restore(&env, &name, "back.db", &with_key).expect(0);
    assert_eq!(content(&env.path("back.db")), content(&env.path("source.db")));
}

#[test]
fn files_that_were_put_away_by_other_means_are_restored() {
    let env = prepared();
    let source = env.path("source.db");
    Connection::open(&source).unwrap().execute_batch("PRAGMA journal_mode = delete").unwrap();
    let whole = fs::read(&source).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&whole).unwrap();
    fs::write(env.path("old.db.gz"), gzip.finish().unwrap()).unwrap();
    fs::write(env.path("old.db.zst"), zstd::encode_all(&whole[..], 1).unwrap()).unwrap();
    fs::write(env.path("cut.db"), &whole[..whole.len() / 2]).unwrap();
    fs::write(env.path("words"), "no database at all").unwrap();
    let restored = |old: &str, to: &str| {
        let (old, to) = (path(&env, old), path(&env, to));
        env.liteferry(&["restore", "--file", &old, "--sqlite", &to])
    };
    for (number, old) in ["source.db", "old.db.gz", "old.db.zst"].iter().enumerate() {
        let to = format!("new{number}.db");
        restored(old, &to).expect(0);
        assert!(fs::read(env.path(&to)).unwrap() == whole, "{old}");
    }
    // They are listed where they lie, beside an archive or without one.
    let folder = path(&env, ".");
    let listed = || {
        let done = env.liteferry(&["archive", "list", &folder, "--json"]).expect(0);
        let old = done.json()["old_backups"].as_array().unwrap().clone();
        let name = |file: &Value| {
            let path = Path::new(file["file"].as_str().unwrap());
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        old.iter().map(name).collect::<Vec<_>>()
    };
    let there = ["cut.db", "new0.db", "new1.db", "new2.db", "old.db.gz", "old.db.zst", "source.db"];
    assert_eq!(listed(), there);
    env.liteferry(&["backup", "--sqlite", &path(&env, "source.db"), "--archive", &folder])
        .expect(0);
    assert_eq!(listed(), there);
    for (old, code) in [("cut.db", 65), ("words", 65), ("absent", 2), (".", 2)] {
        restored(old, "none.db").expect(code);
        assert!(!env.path("none.db").exists(), "{old}");
    }
}

#[test]
fn a_damaged_file_is_not_backed_up() {
    let env = prepared();
    let source = env.path("source.db");
    Connection::open(&source).unwrap().execute_batch("PRAGMA journal_mode = delete").unwrap();
    let mut bytes = fs::read(&source).unwrap();
    let end = bytes.len() - 4096 * 20;
    bytes[end..end + 4096].fill(0xA5);
    fs::write(&source, bytes).unwrap();
    back_up(&env, &[]).expect(65).saying(&["damaged"]);
    archive(&env, "list", &[]).expect(2).saying(&["there is no archive"]);
}
