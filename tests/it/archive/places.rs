//! Where an archive is, is not, or is another one: nothing is made, mixed or taken away there by mistake.

use super::{Archived, files};
use crate::environment::{Done, Environment};
#[cfg(debug_assertions)]
use liteferry::pipeline::failpoint::{Step, VARIABLE};
#[cfg(debug_assertions)]
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
#[cfg(debug_assertions)]
use std::process::Command;
use std::time::{Duration, SystemTime};

const SMALL: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
    INSERT INTO t VALUES (1, 'x'), (2, 'y');
    CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO u VALUES (1, 'x'), (2, 'y');";

/// A file of this many hexadecimal digits in which others of its kind differ.
fn key_file(environment: &Environment, digit: &str) -> PathBuf {
    let file = environment.path(&format!("key-{digit}"));
    fs::write(&file, format!("{}{digit}", "0123456789abcde".repeat(4)) + "012").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `liteferry archive`, with words behind the place.
fn archive(environment: &Environment, what: &str, place: &Path, more: &[&str]) -> Done {
    environment.liteferry(&[&["archive", what, text(place)], more, &["--json"]].concat())
}

/// A generation and then another one, in which other files are.
fn two_generations() -> Archived {
    let archived = Archived::of(SMALL);
    let place = archived.place();
    let follow = |command: &str, more: &[&str]| {
        let more = [&["--archive", text(&place)], more].concat();
        archived.environment.liteferry(&archived.environment.ends(command, &more)).expect(0);
    };
    follow("run", &[]);
    archived
        .environment
        .sqlite("UPDATE t SET a = 'z' WHERE id = 1; UPDATE u SET a = 'z' WHERE id = 1");
    follow("follow", &["--until-caught-up"]);
    archive(&archived.environment, "compact", &place, &[]).expect(0);
    archived
}

/// A pipeline file with an archive, and its key, if it has one.
fn pipeline(environment: &Environment, place: &Path, key: &[&str]) -> String {
    let (source, url) = (environment.source(), environment.url());
    let key: String = key.iter().skip(1).map(|file| format!("key_file = {file:?}\n")).collect();
    let text = format!(
        "[source]\npath = {source:?}\n[target]\nurl = {url:?}\n[archive]\nurl = {place:?}\n{key}"
    );
    let file = environment.path("pipeline.toml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Everything below a folder, with its bytes.
fn all(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(folder).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn what_has_a_key_is_not_added_to_without_it_nor_what_has_none_with_one() {
    for with_key in [false, true] {
        for backup_first in [false, true] {
            let archived = Archived::of(SMALL);
            let (environment, place) = (&archived.environment, archived.place());
            let [key, other] = ["1", "2"].map(|digit| key_file(environment, digit));
            let [key, other] = [&key, &other].map(|file| ["--key-file", text(file)]);
            let source = environment.source();
            let back_up = |key: &[&str]| {
                let words = ["backup", "--archive", text(&place), "--sqlite", text(&source)];
                environment.liteferry(&[&words[..], key].concat())
            };
            let goes = |command: &str, key: &[&str]| {
                let words = [&[command, &pipeline(environment, &place, key)], &["--json"][..]];
                let more: &[&str] = if command == "follow" { &["--until-caught-up"] } else { &[] };
                environment.liteferry(&[&words.concat()[..], more].concat())
            };
            let (right, wrong): (&[&str], [&[&str]; 2]) =
                if with_key { (&key, [&[], &other]) } else { (&[], [&key, &other]) };
            let first = if backup_first { back_up(right) } else { goes("run", right) };
            first.expect(0);
            let before = all(&place);
            for key in wrong {
                back_up(key).expect(77).saying(&["key"]);
                let command = if backup_first { "run" } else { "follow" };
                goes(command, key).expect(77).saying(&["key"]);
                for (command, more) in
                    [("list", &[][..]), ("check", &[]), ("prune", &["--keep", "1"])]
                {
                    archive(environment, command, &place, &[more, key].concat()).expect(77);
                }
            }
            assert_eq!(all(&place), before);
            goes("run", right).expect(0);
            back_up(right).expect(0);
            archive(environment, "check", &place, &[right, &["--read-data"]].concat()).expect(0);
            archive(environment, "list", &place, right).expect(0);
        }
    }
}

#[test]
fn where_there_is_no_archive_nothing_is_looked_after_made_or_taken_away() {
    let environment = Environment::new();
    let foreign = environment.path("foreign");
    fs::create_dir_all(foreign.join("backups")).unwrap();
    fs::create_dir(foreign.join("tables")).unwrap();
    let theirs = foreign.join("backups").join(format!("{}.backup", "ab".repeat(32)));
    for file in [&theirs, &foreign.join("backups/list.json"), &foreign.join("tables/some.csv")] {
        fs::write(file, "somebody's").unwrap();
    }
    let old = SystemTime::now() - Duration::from_hours(72);
    fs::File::options().append(true).open(&theirs).unwrap().set_modified(old).unwrap();
    let (empty, nowhere) = (environment.path("empty"), environment.path("nowhere"));
    fs::create_dir(&empty).unwrap();
    let before = all(&foreign);
    let to = environment.path("to");
    for place in [&foreign, &empty, &nowhere] {
        let commands: [(&str, &[&str]); 6] = [
            ("list", &[]),
            ("check", &[]),
            ("check", &["--read-data"]),
            ("compact", &[]),
            ("prune", &["--keep", "1", "--now"]),
            ("copy", &[text(&to)]),
        ];
        for (command, more) in commands {
            archive(&environment, command, place, more).expect(2);
        }
    }
    assert_eq!(all(&foreign), before);
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert!(!nowhere.exists() && !to.exists());
}

#[test]
fn a_file_in_the_place_of_an_archive_is_refused_by_every_command() {
    let archived = Archived::of(SMALL);
    let (environment, place) = (&archived.environment, archived.place());
    let below = place.join("below");
    fs::write(&place, "somebody's").unwrap();
    for place in [&place, &below] {
        let source = environment.source();
        let archive_at = ["--archive", text(place)];
        environment.liteferry(&environment.ends("run", &archive_at)).expect(2);
        environment
            .liteferry(&[&["backup", "--sqlite", text(&source)], &archive_at[..]].concat())
            .expect(2);
        let restored = environment.path("restored.db");
        environment
            .liteferry(&[&["restore", "--sqlite", text(&restored)], &archive_at[..]].concat())
            .expect(2);
        for (command, more) in
            [("list", &[][..]), ("check", &[]), ("compact", &[]), ("prune", &["--keep", "1"])]
        {
            archive(environment, command, place, more).expect(2);
        }
    }
    assert_eq!(fs::read_to_string(&place).unwrap(), "somebody's");
}

#[test]
fn nothing_is_pruned_where_the_newest_generation_or_what_points_to_it_is_lost() {
    let archived = two_generations();
    let (environment, place) = (&archived.environment, archived.place());
    let prune = || archive(environment, "prune", &place, &["--keep", "1", "--now"]);
    let latest = place.join("latest.json");
    let pointer = fs::read(&latest).unwrap();
    fs::remove_file(&latest).unwrap();
    let tables = all(&place.join("tables"));
    prune().expect(76).saying(&["pointer"]);
    archive(environment, "check", &place, &[]).expect(76);
    fs::write(&latest, pointer).unwrap();
    let kept = environment.path("kept");
    fs::rename(place.join("generations"), &kept).unwrap();
    prune().expect(76).saying(&["generation 3 was the newest"]);
    archive(environment, "list", &place, &[]).expect(76).saying(&["generation 3 was the newest"]);
    assert_eq!(all(&place.join("tables")), tables);
    fs::rename(&kept, place.join("generations")).unwrap();
    assert_eq!(prune().expect(0).json()["generations"], 2);
}

#[test]
fn a_list_tells_of_everything_and_ends_as_the_archive_is() {
    let archived = two_generations();
    let (environment, place) = (&archived.environment, archived.place());
    assert_eq!(archive(environment, "list", &place, &[]).expect(0).json()["ok"], true);
    fs::write(place.join("generations/000002.json"), "{}").unwrap();
    let listed = archive(environment, "list", &place, &[]).expect(76);
    assert_eq!(listed.json()["ok"], false);
    let generations = listed.json()["generations"].as_array().unwrap();
    let damaged: Vec<_> = generations.iter().map(|it| it["damaged"].is_string()).collect();
    assert_eq!(damaged, [false, true, false]);
}

#[test]
fn a_check_tells_which_generations_have_a_file_that_is_damaged() {
    let archived = two_generations();
    let (environment, place) = (&archived.environment, archived.place());
    let check = |how: &[&str]| archive(environment, "check", &place, how);
    let [steps, base] = ["deltas", "rows"].map(|kind| files(&place.join("tables/t").join(kind)));
    // One chunk that was, and two that were made of it and of the step.
    assert_eq!((steps.len(), base.len()), (1, 3));
    let spoil = |file: &Path| {
        let whole = fs::read(file).unwrap();
        let mut bytes = whole.clone();
        bytes[40] ^= 1;
        fs::write(file, bytes).unwrap();
        let told = check(&["--read-data"]).expect(76).json()["damaged"][0].clone();
        fs::write(file, whole).unwrap();
        told.as_str().unwrap().to_owned()
    };
    assert!(spoil(&steps[0]).starts_with("of generation 2: "));
    let mut told: Vec<_> = base.iter().map(|file| spoil(file)).collect();
    told.sort();
    assert!(told[..2].iter().all(|it| it.starts_with("of generation 3: ")), "{told:?}");
    assert!(told[2].starts_with("of generations 1 to 2: "), "{told:?}");
}

#[test]
fn an_archive_is_not_copied_into_itself_and_what_cannot_be_copied_leaves_nothing() {
    let archived = two_generations();
    let (environment, place) = (&archived.environment, archived.place());
    let before = all(&place);
    let link = environment.path("link");
    std::os::unix::fs::symlink(&place, &link).unwrap();
    let url = format!("file://{}", text(&place));
    let within = place.join("copies/first");
    let restored = environment.path("restored.db");
    for to in [
        &place,
        &link,
        Path::new(&url),
        &within,
        &link.join("copy"),
        &place.join("..").join("archive"),
    ] {
        archive(environment, "copy", &place, &[text(to)]).expect(2).saying(&["into itself"]);
        let words =
            ["restore", "--archive", text(&place), "--copy", text(to), "--sqlite", text(&restored)];
        environment.liteferry(&words).expect(2).saying(&["into itself"]);
    }
    assert_eq!(all(&place), before);
    let to = environment.path("to");
    archive(environment, "copy", &place, &[text(&to), "--generation", "99"]).expect(2);
    assert!(!to.exists());
    // Beside it, with a name that begins as its own does.
    let beside = environment.path("archive-copy");
    archive(environment, "copy", &place, &[text(&beside)]).expect(0);
}

#[test]
fn a_root_is_known_by_its_first_digits() {
    let archived = two_generations();
    let (environment, place) = (&archived.environment, archived.place());
    let root = archived.generations()[0]["root"].as_str().unwrap().to_owned();
    let restored = environment.path("restored.db");
    let restore = |root: &str| {
        let words = ["restore", "--archive", text(&place), "--sqlite", text(&restored)];
        environment.liteferry(&[&words[..], &["--root", root]].concat())
    };
    let first = |digits: usize| root.chars().take(digits).collect::<String>();
    for short in [&first(16), &first(12), &root, &root.to_uppercase()] {
        restore(short).expect(0);
        fs::remove_file(&restored).unwrap();
    }
    for none in [&first(11), "", "no such root", &format!("{root}0")] {
        restore(none).expect(2);
    }
    let other: String = first(16).chars().map(|it| if it == '0' { '1' } else { '0' }).collect();
    restore(&other).expect(76).saying(&[&root]);
    assert!(!restored.exists());
}

#[cfg(debug_assertions)]
#[test]
fn who_reads_a_generation_that_is_pruned_meanwhile_is_told_so() {
    let archived = two_generations();
    let (environment, place) = (&archived.environment, archived.place());
    let whole = environment.path("whole");
    fs::rename(&place, &whole).unwrap();
    let (file, other) = (environment.path("restored.db"), Environment::new());
    let (target, copy) = (other.url(), environment.path("copy"));
    let restore = ["restore", "--archive", text(&place)];
    let readers = [
        (Step::ChunkClaimed, [&restore[..], &["--target", &target]].concat()),
        (Step::PartWritten, [&restore[..], &["--sqlite", text(&file)]].concat()),
        (Step::FileCopied, vec!["archive", "copy", text(&place), text(&copy)]),
    ];
    for (step, words) in readers {
        let copied = Command::new("cp").arg("-a").args([&whole, &place]).status().unwrap();
        assert!(copied.success());
        let mut command = environment.command();
        command.args(words).args(["--workers", "1", "--generation", "1"]);
        command.env(VARIABLE, format!("{}=stop", step.name()));
        let reader = environment.spawn(command);
        reader.wait_stopped();
        archive(environment, "prune", &place, &["--keep", "1", "--now"]).expect(0);
        reader.signal(Signal::CONT);
        reader.wait().expect(75).saying(&["generation 1 was pruned meanwhile", "archive list"]);
        assert!(!file.exists() && !copy.join("latest.json").exists());
        fs::remove_dir_all(&place).unwrap();
    }
}

#[test]
fn a_key_for_an_archive_that_has_none_is_told_so() {
    let archived = two_generations();
    let (environment, place) = (&archived.environment, archived.place());
    let key = key_file(environment, "1");
    for command in ["list", "check", "compact"] {
        archive(environment, command, &place, &["--key-file", text(&key)])
            .expect(77)
            .saying(&["without a key"]);
    }
}
