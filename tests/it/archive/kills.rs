//! kill -9 at every named step that leads to a generation.

use super::{Archived, SCHEMA, told};
use crate::environment::Environment;
use liteferry::pipeline::failpoint::{Step, VARIABLE};
use std::os::unix::process::ExitStatusExt;

/// What a run comes to only where it has an archive.
pub(crate) const OF_ARCHIVE: [Step; 4] =
    [Step::FilePut, Step::FilesReady, Step::GenerationPublished, Step::GenerationNoted];

/// What only a restore comes to.
pub(crate) const OF_RESTORE: [Step; 2] = [Step::FileFilled, Step::FileNamed];

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
fn dies(archived: &Archived, step: Step, arguments: &[&str]) {
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
    let file = archived.environment.path("restored.db");
    let to_file =
        ["restore", "--archive", place.to_str().unwrap(), "--sqlite", file.to_str().unwrap()];
    dies(&archived, Step::FileFilled, &to_file);
    assert!(!file.exists());
    archived.environment.liteferry(&to_file).expect(0);
    assert_eq!(told(&archived.environment.source()), told(&file));
    std::fs::remove_file(&file).unwrap();
    dies(&archived, Step::FileNamed, &to_file);
    assert_eq!(told(&archived.environment.source()), told(&file));
}
