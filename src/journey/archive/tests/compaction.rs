//! A compacted generation has the rows that it was made from, whenever the compaction dies.

use super::{Archive, with_steps};
use crate::error::Class;
use crate::journey::archive::compact::compact;
use crate::pipeline::Stop;
use crate::store::parquet::generation::tests::Dying;
use crate::store::parquet::generation::{self, Opened};
use crate::store::parquet::manifest::FileKind;
use std::fs;

#[test]
fn chunks_that_no_step_touches_are_shared_by_the_compacted_generation() {
    let archive = Archive::new(&[1], None);
    let (world, opened) = with_steps(&archive);
    let compacted = archive.compact(&opened).unwrap();
    assert_eq!(archive.read(&compacted).unwrap(), world);
    assert_eq!(compacted.manifest.parent, Some(opened.generation()));
    assert_eq!(compacted.manifest.position, opened.manifest.position);
    let named = |opened: &Opened, kind| -> Vec<_> {
        let files = opened.manifest.files.iter().filter(|file| file.kind == kind);
        files.map(|file| file.blake3).collect()
    };
    let (before, after) = (named(&opened, FileKind::Rows), named(&compacted, FileKind::Rows));
    // Steps have changed rows of the first two chunks; the other two stay, and there is one more.
    assert_eq!((before.len(), after.len()), (4, 5));
    assert_eq!(before.iter().filter(|file| after.contains(file)).count(), 2);
    assert_eq!(named(&opened, FileKind::Rejected), named(&compacted, FileKind::Rejected));
    assert!(archive.compact(&compacted).is_none(), "there is nothing to do any more");
}

/// Another archive with the same files.
fn copy(archive: &Archive) -> Archive {
    let copy = Archive::new(&archive.table.key, None);
    let mut folders = vec![(archive.folder.path().to_owned(), copy.folder.path().to_owned())];
    while let Some((from, to)) = folders.pop() {
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&to).unwrap();
                folders.push((entry.path(), to));
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    copy
}

#[test]
fn a_compaction_that_dies_at_any_step_leaves_the_old_generation_or_the_new_one() {
    let original = Archive::new(&[1], None);
    let (world, opened) = with_steps(&original);
    for after in [false, true] {
        let (mut steps, mut killed) = (0.., 0);
        let done = steps.any(|step| {
            let archive = copy(&original);
            let dying = Dying::new(&archive.place, step, after);
            let done = compact(archive.on(&dying), &opened, &Stop::default()).is_ok();
            let newest = generation::newest(&archive.place, None).unwrap().unwrap().opened;
            assert_eq!(archive.read(&newest).unwrap(), world, "step {step}");
            if newest.hash == opened.hash {
                killed += 1;
            }
            if newest.hash == opened.hash && step % 5 == 0 {
                let compacted = archive.compact(&newest).unwrap();
                assert_eq!(archive.read(&compacted).unwrap(), world, "step {step}");
            }
            done
        });
        assert!(done && killed > 20, "killed {killed} times before the generation was there");
    }
}

#[test]
fn a_step_in_the_place_of_another_is_not_folded() {
    let archive = Archive::new(&[1], None);
    let (_, opened) = with_steps(&archive);
    archive.compact(&opened).unwrap();
    let late = compact(archive.files(), &opened, &Stop::default()).unwrap_err();
    assert_eq!(late.class(), Class::Held);
}
