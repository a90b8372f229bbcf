//! kill -9 at every named step that leads to a generation.

use super::{Archived, SCHEMA};
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
