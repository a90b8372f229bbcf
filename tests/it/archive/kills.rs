//! kill -9 at every named step that leads to a generation.

use super::{Archived, SCHEMA, told};
use crate::environment::Environment;
use liteferry::pipeline::failpoint::{Step, VARIABLE};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// What a run comes to only where it has an archive.
pub(crate) const OF_ARCHIVE: [Step; 4] =
    [Step::FilePut, Step::FilesReady, Step::GenerationPublished, Step::GenerationNoted];

/// What only a copy of an archive comes to.
pub(crate) const OF_COPY: [Step; 2] = [Step::FileCopied, Step::ManifestCopied];

/// What only a restore comes to.
pub(crate) const OF_RESTORE: [Step; 6] = [
    Step::PartWritten,
    Step::FileFilled,
    Step::FileIndexed,
    Step::FileNamed,
    Step::ForwardApplied,
    Step::ForwardCommitted,
];

#[test]
fn a_run_that_is_killed_while_it_archives_is_finished_by_the_same_command() {
    for step in OF_ARCHIVE {
        println!("{}", step.name());
        let archived = Archived::of(SCHEMA);
        let place = archived.place();
        let mut command = archived.environment.command();
        command.args(archived.environment.run_arguments(&["--archive", place.to_str().unwrap()]));
        let died = command.env(VARIABLE, format!("{}=kill", step.name())).output().unwrap();
        assert_eq!(died.status.signal(), Some(9));
        archived.run(&[]).expect(0);
        archived.assert_whole();
        assert_eq!(archived.generations().len(), 1);
    }
}

/// Gives a command until it has died at a step.
#[track_caller]
pub(super) fn dies(archived: &Archived, step: Step, arguments: &[&str]) {
    println!("{} of {}", step.name(), arguments[0]);
    let mut command = archived.environment.command();
    command.args(arguments).env(VARIABLE, format!("{}=kill", step.name()));
    assert_eq!(command.output().unwrap().status.signal(), Some(9), "{}", step.name());
}

#[test]
fn a_restore_that_is_killed_is_finished_by_the_same_command() {
    let archived = Archived::of(SCHEMA);
    archived.run(&[]).expect(0);
    let place = archived.place();
    let other = Environment::new();
    let target = other.url();
    let to_target = ["restore", "--archive", place.to_str().unwrap(), "--target", &target];
    for step in [
        Step::PlanWritten,
        Step::TablesCommitted,
        Step::ChunkClaimed,
        Step::ChunkCommitted,
        Step::KeyMade,
        Step::SequenceSet,
        Step::ProofBegun,
        Step::PhaseNoted,
    ] {
        dies(&archived, step, &to_target);
    }
    archived.environment.liteferry(&to_target).expect(0);
    crate::comparison::Comparison::new()
        .assert_equal(&archived.environment.source(), &other.connect());
}

#[test]
fn a_file_whose_restore_is_killed_is_gone_on_with() {
    let archived = Archived::of(&format!(
        "PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL; PRAGMA encoding = 'UTF-16le'; {SCHEMA}
         INSERT INTO pools VALUES ('0x3', x'00'); PRAGMA user_version = 2;
         CREATE VIRTUAL TABLE texts USING fts5 (body); INSERT INTO texts VALUES ('one two');"
    ));
    archived.run(&[]).expect(65);
    let place = archived.place();
    let file = archived.environment.path("restored.db");
    let [from, to] = [&place, &file].map(|path| path.to_str().unwrap());
    let words = ["restore", "--archive", from, "--sqlite", to, "--json"];
    let whole = told(&archived.environment.source());
    let restored = || {
        let done = archived.environment.liteferry(&words).expect(0);
        assert_eq!(told(&file), whole);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(hidden(&file), [""; 0]);
        done.json()["copied_rows"].as_u64().unwrap()
    };
    let all = restored();
    assert!(all > 3000, "{all}");
    // A process that goes on writes only what is missing.
    let dies_at = |step: Step, nth: usize| {
        println!("{}:{nth}", step.name());
        let mut command = archived.environment.command();
        command.args(words).env(VARIABLE, format!("{}:{nth}=kill", step.name()));
        assert_eq!(command.output().unwrap().status.signal(), Some(9), "{}", step.name());
        assert!(!file.exists() && !hidden(&file).is_empty());
    };
    let mut left = Vec::new();
    for nth in [1, 2, 4] {
        dies_at(Step::PartWritten, nth);
        left.push(restored());
    }
    assert!(left.is_sorted_by(|before, after| before >= after) && left[2] < all, "{left:?}");
    // Whoever is killed again and again comes to the end all the same.
    (0..5).for_each(|_again| dies_at(Step::PartWritten, 1));
    dies_at(Step::FileFilled, 1);
    assert_eq!(restored(), 0);
    dies_at(Step::FileIndexed, 1);
    assert_eq!(restored(), 0);
    // Another restore to the same place takes away what was left.
    dies_at(Step::FileFilled, 1);
    let single = [&words[..], &["--table", "tokens"]].concat();
    archived.environment.liteferry(&single).expect(0);
    assert_eq!(hidden(&file), [""; 0]);
    std::fs::remove_file(&file).unwrap();
    dies(&archived, Step::FileNamed, &words);
    assert_eq!(told(&file), whole);
}

/// What lies beside a file under hidden names.
fn hidden(file: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".liteferry-")).collect()
}
