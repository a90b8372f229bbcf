//! A copy is whole or not there, whenever its process dies; and of two that are not of one archive it is said.

use super::{Copied, Copying, Trust};
use crate::error::{Class, Result};
use crate::store::parquet::Key;
use crate::store::parquet::generation::tests::{Dying, archive, assert_whole, next};
use crate::store::parquet::generation::{Newest, Notice, Opened, newest, numbers};
use crate::store::parquet::place::{Name, Place};

/// Copies the newest generation, and says how many files were fetched.
fn copy(from: &dyn Place, to: &dyn Place, key: Option<&Key>) -> Result<usize> {
    let opened = newest(from, key)?.unwrap().opened;
    let copying = Copying { from, to, key };
    copying.check(&opened, true)?;
    let files = opened.manifest.files.iter().map(|file| copying.file(file, Trust::Size));
    let copied = files.collect::<Result<Vec<_>>>()?;
    copying.manifest(&opened)?;
    copying.point(&opened)?;
    Ok(copied.into_iter().filter(|copied| *copied == Copied::Fetched).count())
}

fn read(place: &dyn Place, key: Option<&Key>) -> Opened {
    let Newest { opened, notices } = newest(place, key).unwrap().unwrap();
    assert!(notices.is_empty());
    assert_whole(place, &opened);
    opened
}

#[test]
fn only_what_a_copy_lacks_is_fetched() {
    let key = Key::new([1; 32]);
    for key in [None, Some(&key)] {
        let ((_one, from), (_other, to)) = (archive(), archive());
        next(&from, key, &[1, 2]).unwrap();
        assert_eq!(copy(&from, &to, key).unwrap(), 2);
        assert_eq!(copy(&from, &to, key).unwrap(), 0);
        next(&from, key, &[2, 3]).unwrap();
        let third = next(&from, key, &[2, 3, 4]).unwrap();
        assert_eq!(copy(&from, &to, key).unwrap(), 2);
        assert_eq!(read(&to, key), third);
        assert_eq!(numbers(&to).unwrap(), [3, 1]);
    }
}

#[test]
fn a_copy_that_dies_at_any_step_is_finished_by_the_next_one() {
    for after in [false, true] {
        let (mut unfinished, mut arrived) = (0, false);
        for step in 0.. {
            let ((_one, from), (_other, to)) = (archive(), archive());
            let first = next(&from, None, &[1, 2]).unwrap();
            copy(&from, &to, None).unwrap();
            let second = next(&from, None, &[2, 3, 4]).unwrap();
            let dying = Dying::new(&to, step, after);
            arrived = copy(&from, &dying, None).is_ok();
            let Newest { opened, notices } = newest(&to, None).unwrap().unwrap();
            assert_whole(&to, &opened);
            assert!(opened == second || (opened == first && !arrived), "step {step}");
            let is_behind = matches!(notices[..], [Notice::PointerBehind(1)]);
            assert!(is_behind || notices.is_empty(), "step {step}: {notices:?}");
            unfinished += usize::from(opened == first);
            copy(&from, &to, None).unwrap();
            assert_eq!(read(&to, None), second);
            if arrived {
                break;
            }
        }
        assert!(arrived && unfinished > 8, "{unfinished} steps left the first generation");
    }
}

#[test]
fn an_archive_that_was_set_back_is_found_out_by_its_copy() {
    let ((_one, from), (_other, to)) = (archive(), archive());
    next(&from, None, &[1]).unwrap();
    next(&from, None, &[1, 2]).unwrap();
    copy(&from, &to, None).unwrap();
    let before = read(&to, None);
    from.delete(&Name::generation(2)).unwrap();
    from.delete(&Name::latest()).unwrap();
    let error = copy(&from, &to, None).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains("set back"), "{error}");
    // Another second generation in the place of the one that was copied.
    next(&from, None, &[1, 7]).unwrap();
    let error = copy(&from, &to, None).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains("is not that of the archive"), "{error}");
    next(&from, None, &[1, 7, 8]).unwrap();
    assert_eq!(copy(&from, &to, None).unwrap_err().class(), Class::Damaged);
    assert_eq!(read(&to, None), before);
}

#[test]
fn nothing_is_copied_that_is_not_what_was_written() {
    let ((_one, from), (_other, to)) = (archive(), archive());
    let opened = next(&from, None, &[1, 2]).unwrap();
    let file = &opened.manifest.files[1];
    let bytes = from.get(file.name(), file.bytes).unwrap().unwrap();
    let mut wrong = bytes.clone();
    wrong[3] ^= 1;
    for damaged in [&wrong[..], &bytes[..9], &[&bytes[..], b"more"].concat()] {
        from.replace(file.name(), damaged).unwrap();
        assert_eq!(copy(&from, &to, None).unwrap_err().class(), Class::Damaged);
        assert!(numbers(&to).unwrap().is_empty());
        assert_eq!(to.list(&Name::tables()).unwrap().len(), 1);
    }
    from.replace(file.name(), &bytes).unwrap();
    copy(&from, &to, None).unwrap();
    // What was cut off in the copy is fetched again.
    to.replace(file.name(), &bytes[..9]).unwrap();
    assert_eq!(copy(&from, &to, None).unwrap(), 1);
    assert_eq!(read(&to, None), opened);
    let mut rotten = bytes.clone();
    rotten[5] ^= 1;
    to.replace(file.name(), &rotten).unwrap();
    let copying = Copying { from: &from, to: &to, key: None };
    assert_eq!(copying.file(file, Trust::Size).unwrap(), Copied::Present);
    assert_eq!(copying.file(file, Trust::Hash).unwrap(), Copied::Fetched);
    assert_eq!(copying.file(file, Trust::Hash).unwrap(), Copied::Present);
    // What cannot be had any more is not taken away.
    to.replace(file.name(), &bytes[..9]).unwrap();
    from.delete(file.name()).unwrap();
    assert_eq!(copying.file(file, Trust::Size).unwrap_err().class(), Class::Damaged);
    assert_eq!(to.size(file.name()).unwrap(), Some(9));
}

#[test]
fn who_was_set_back_and_has_gone_on_is_found_out_by_the_parent() {
    let ((_one, from), (_other, to)) = (archive(), archive());
    for chunks in [&[1][..], &[1, 2], &[1, 2, 3]] {
        next(&from, None, chunks).unwrap();
    }
    copy(&from, &to, None).unwrap();
    from.delete(&Name::generation(3)).unwrap();
    from.delete(&Name::latest()).unwrap();
    next(&from, None, &[1, 2, 7]).unwrap();
    next(&from, None, &[1, 2, 7, 8]).unwrap();
    (1..=3).for_each(|number| from.delete(&Name::generation(number)).unwrap());
    assert_eq!(copy(&from, &to, None).unwrap_err().class(), Class::Damaged);
}
