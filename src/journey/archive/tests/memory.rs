//! Memory is bounded, however often a row changes and however many do.

use super::{Archive, Row, World, batch, keys_of, pending_behind};
use crate::model::Touches;
use crate::store::parquet::manifest::FileKind;

const BUDGET: usize = 256 * 1024;

#[test]
fn a_key_that_changes_many_times_takes_the_room_of_one() {
    let archive = Archive::new(&[0, 1], None);
    let opened = archive.base(&World::new());
    let mut pending = pending_behind(&opened, BUDGET);
    for version in 0..2000 {
        archive.pass(&mut pending, &[(7, Some(Row::Excepted(version))), (8, None)]);
        assert!(pending.bytes() <= BUDGET);
    }
    let opened = archive.publish_pending(&mut pending, &opened);
    let steps = |kind| opened.manifest.files.iter().filter(|file| file.kind == kind).count();
    assert_eq!([FileKind::Deltas, FileKind::DeletedKeys, FileKind::Forms].map(steps), [1, 1, 1]);
    assert_eq!(archive.read(&opened).unwrap(), World::from([(7, Row::Excepted(1999))]));
}

#[test]
fn many_keys_of_many_passes_go_to_files() {
    let archive = Archive::new(&[1], None);
    let opened = archive.base(&World::new());
    let mut pending = pending_behind(&opened, BUDGET);
    for first in (0..20_000).step_by(500) {
        let said: Vec<_> = (first..first + 500).map(|id| (id, Some(Row::Plain(1)))).collect();
        archive.pass(&mut pending, &said);
        assert!(pending.bytes() <= BUDGET, "{}", pending.bytes());
    }
    let opened = archive.publish_pending(&mut pending, &opened);
    let steps = opened.manifest.files.iter().filter(|file| file.kind == FileKind::Deltas).count();
    assert!((4..40).contains(&steps), "{steps}");
    assert_eq!(archive.read(&opened).unwrap().len(), 20_000);
}

#[test]
fn a_large_pass_goes_to_files_while_it_is_read() {
    let archive = Archive::new(&[1], None);
    let opened = archive.base(&World::new());
    let mut pending = pending_behind(&opened, BUDGET);
    archive.pass(&mut pending, &[(5, Some(Row::Plain(1))), (60_000, Some(Row::Plain(1)))]);
    let mut staged = pending.stage(archive.files(), &archive.table);
    let ids: Vec<i64> = (0..1000).chain([60_000]).collect();
    staged.keys(keys_of(&archive.table, &ids)).unwrap();
    let of_keys = staged.bytes();
    for first in (1..40_000).step_by(100) {
        let rows: Vec<_> = (first..first + 100).map(|id| (id, Row::Excepted(2))).collect();
        let read = batch(&archive.table, &rows);
        staged.rows(read.records.clone(), &read).unwrap();
        assert!(staged.bytes() <= BUDGET, "{}", staged.bytes());
    }
    assert!(of_keys < BUDGET);
    pending.keep(archive.files(), vec![staged], Touches { after: 9, last: 10 }).unwrap();
    archive.pass(&mut pending, &[(6, None)]);
    let opened = archive.publish_pending(&mut pending, &opened);
    let mut expected: World = (1..=40_000).map(|id| (id, Row::Excepted(2))).collect();
    expected.remove(&6);
    assert!(archive.read(&opened).unwrap() == expected);
}
