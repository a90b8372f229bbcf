//! kill -9 at every named step of a backup and of its restore: the archive stays whole, the place to restore to is as it was
//! or complete, and the same command goes on.

use super::{SOURCE, archive, content, path, postgres, restore, text};
use crate::archive::files;
use crate::environment::{Environment, wait_until};
use liteferry::pipeline::failpoint::{Step, VARIABLE};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

/// What only backups come to.
pub(crate) const OF_BACKUP: [Step; 6] = [
    Step::BackupMoved,
    Step::BackupProved,
    Step::BackupPut,
    Step::BackupNamed,
    Step::BackupUnpacked,
    Step::BackupRestored,
];

/// Rows of more than a few pieces.
const ROWS: &str = "CREATE TABLE a AS SELECT i AS id, repeat(md5(i::text), 20) AS word FROM generate_series(1, 4000) i;
                    ALTER TABLE a ADD PRIMARY KEY (id)";

fn killed(env: &Environment, fault: &str, words: &[&str]) {
    println!("{fault}");
    let mut command = env.command();
    let died = command.args(words).env(VARIABLE, format!("{fault}=kill")).output().unwrap();
    assert_eq!(died.status.signal(), Some(9), "{died:?}");
}

/// Makes sure that the archive is whole, and gives the names of its backups; pruning leaves their files alone there.
fn names(env: &Environment) -> Vec<String> {
    let is_named = |path: &PathBuf| path.extension().is_some_and(|it| it == "json");
    let place = env.path("archive");
    if !place.exists() || !files(&place).iter().any(is_named) {
        // It is no archive yet, and so nobody takes anything away there.
        archive(env, "prune", &["--keep", "99", "--now"]).expect(2);
        return Vec::new();
    }
    archive(env, "prune", &["--keep", "99", "--now"]).expect(0);
    let listed = archive(env, "list", &[]).expect(0);
    let backups = listed.json()["backups"].as_array().unwrap().clone();
    let names: Vec<_> = backups.iter().map(|it| text(&it["backup"])).collect();
    let count = |folder: &str| fs::read_dir(env.path(folder)).map_or(0, Iterator::count);
    // Two backups of the same bytes have one file.
    let hashes: BTreeSet<_> = backups.iter().map(|it| text(&it["blake3"])).collect();
    assert_eq!(count("archive/backups"), names.len() + hashes.len());
    assert_eq!(count("archive/.drafts"), 0);
    archive(env, "check", &["--read-data"]).expect(0);
    names
}

#[test]
fn a_backup_that_is_killed_leaves_the_archive_whole() {
    let env = Environment::new();
    env.sqlite(SOURCE);
    env.query(ROWS);
    let (source, url, place) = (path(&env, "source.db"), env.url(), path(&env, "archive"));
    let mut made = 0;
    for from in [["--sqlite", &source], ["--target", &url]] {
        let words = ["backup", from[0], from[1], "--archive", &place];
        for (fault, is_named) in [
            ("backup-moved", false),
            ("backup-moved:4", false),
            ("backup-proved", false),
            ("backup-put", false),
            ("backup-named", true),
        ] {
            killed(&env, fault, &words);
            made += usize::from(is_named);
            assert_eq!(names(&env).len(), made, "{fault}");
            env.liteferry(&words).expect(0);
            made += 1;
            assert_eq!(names(&env).len(), made, "{fault}");
        }
    }
    // pg_dump has ended with who reads it.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    wait_until("nobody dumps", || env.value(others) == "0");
}

#[test]
fn a_file_that_is_killed_on_its_way_back_is_not_there_or_is_whole() {
    let env = Environment::new();
    env.sqlite(SOURCE);
    let name = text(&super::back_up(&env, &[]).expect(0).json()["backup"]);
    let (place, to) = (path(&env, "archive"), path(&env, "back.db"));
    let words = ["restore", "--archive", &place, "--backup", &name, "--sqlite", &to];
    for fault in ["backup-moved", "backup-moved:3", "backup-unpacked"] {
        killed(&env, fault, &words);
        assert!(!env.path("back.db").exists(), "{fault}");
        env.liteferry(&words).expect(0);
        assert_eq!(content(&env.path("back.db")), content(&env.path("source.db")));
        let left = fs::read_dir(env.path(".")).unwrap().map(|it| it.unwrap().file_name());
        let left: Vec<_> = left.map(|it| it.into_string().unwrap()).collect();
        assert!(!left.iter().any(|it| it.starts_with(".liteferry")), "{left:?}");
        fs::remove_file(env.path("back.db")).unwrap();
    }
    killed(&env, "backup-restored", &words);
    assert_eq!(content(&env.path("back.db")), content(&env.path("source.db")));
    restore(&env, &name, "back.db", &[]).expect(2);
}

#[test]
fn a_database_that_is_killed_on_its_way_back_is_empty_or_whole() {
    let env = Environment::new();
    env.query(ROWS);
    let name = text(&postgres::back_up(&env, &[]).expect(0).json()["backup"]);
    let whole = "SELECT md5(string_agg((a.*)::text, ',' ORDER BY id)) FROM a";
    for (fault, is_there) in [
        ("backup-moved", false),
        ("backup-moved:3", false),
        ("backup-moved:7", false),
        ("backup-restored", true),
    ] {
        let other = Environment::new();
        let (place, url) = (path(&env, "archive"), other.url());
        let words = ["restore", "--archive", &place, "--backup", &name, "--target", &url];
        killed(&other, fault, &words);
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        wait_until("nobody restores", || other.value(others) == "0");
        let tables = other.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
        assert_eq!(tables, if is_there { "1" } else { "0" }, "{fault}");
        other.liteferry(&words).expect(if is_there { 2 } else { 0 });
        assert_eq!(other.value(whole), env.value(whole));
    }
}

#[test]
fn a_backup_that_is_stopped_leaves_nothing() {
    let env = Environment::new();
    env.query(ROWS);
    let (url, place) = (env.url(), path(&env, "archive"));
    // While it is dumped, and while the dump is restored to be compared.
    for fault in ["backup-moved:3", "backup-moved:15"] {
        let mut command = env.command();
        command.args(["backup", "--target", &url, "--archive", &place]);
        command.env(VARIABLE, format!("{fault}=stop"));
        let running = env.spawn(command);
        running.wait_stopped();
        running.signal(Signal::TERM);
        running.signal(Signal::CONT);
        running.wait().expect(143);
        assert_eq!(fs::read_dir(env.path("archive/.drafts")).unwrap().count(), 0);
        assert!(!env.path("archive/backups").exists());
    }
}
