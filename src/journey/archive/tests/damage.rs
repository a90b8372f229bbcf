//! What is damaged is refused by name, and no row of it is handed on.

use super::{Archive, with_steps};
use crate::error::{Class, Error};
use crate::journey::archive::merged::Merged;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use std::fs;
use std::path::PathBuf;

fn path(archive: &Archive, file: &ArchiveFile) -> PathBuf {
    archive.folder.path().join(file.name().as_str())
}

/// Reads all there is: the error of the first file that is refused, and how many rows of that came before it.
fn refused(archive: &Archive, files: &[ArchiveFile]) -> (Error, usize) {
    let merged = match Merged::open(archive.files(), files, &archive.table) {
        Ok(merged) => merged,
        Err(error) => return (error, 0),
    };
    for unit in merged.units() {
        let mut rows = 0;
        let mut emit = |batch: super::ArchivedRows| {
            rows += batch.records.num_rows();
            Ok(())
        };
        if let Err(error) = merged.read(unit, &mut emit) {
            return (error, rows);
        }
    }
    let mut rows = 0;
    let read = merged.rejected(|_row| {
        rows += 1;
        Ok(())
    });
    (read.unwrap_err(), rows)
}

#[test]
fn a_damaged_file_of_any_kind_is_refused_before_its_first_row() {
    for secret in [None, Some([9; 32])] {
        let archive = Archive::new(&[1], secret);
        let (world, opened) = with_steps(&archive);
        let files = &opened.manifest.files;
        let mut kinds: Vec<_> = files.iter().map(|file| file.kind).collect();
        kinds.dedup();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 5, "there is a file of each kind");
        for file in files {
            let path = path(&archive, file);
            let whole = fs::read(&path).unwrap();
            let mut turned = whole.clone();
            turned[whole.len() / 2] ^= 1;
            let another = files.iter().find(|it| it.blake3 != file.blake3).unwrap();
            let another = fs::read(super::damage::path(&archive, another)).unwrap();
            let longer = [&whole[..], &[0]].concat();
            for bytes in
                [Some(turned), Some(whole[1..].to_vec()), Some(another), Some(longer), None]
            {
                match &bytes {
                    Some(bytes) => fs::write(&path, bytes).unwrap(),
                    None => fs::remove_file(&path).unwrap(),
                }
                let (error, rows) = refused(&archive, files);
                assert_eq!((error.class(), rows), (Class::Damaged, 0), "{error}");
                assert!(error.to_string().contains(file.name().as_str()), "{error}");
            }
            fs::write(&path, &whole).unwrap();
        }
        assert_eq!(archive.read(&opened).unwrap(), world);
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let archive = Archive::new(&[1], None);
    let (_, opened) = with_steps(&archive);
    let files = &opened.manifest.files;
    let of_kind = |kind| files.iter().filter(move |file| file.kind == kind);
    let forms: Vec<_> = of_kind(FileKind::Forms).map(|file| file.chunk).collect();
    let swapped = files.iter().cloned().map(|mut file| {
        if file.kind == FileKind::Forms {
            let at = forms.iter().position(|&chunk| chunk == file.chunk).unwrap();
            file.chunk = forms[(at + 1) % forms.len()];
        }
        file
    });
    let without_rows = files.iter().filter(|file| file.kind != FileKind::Rows).cloned();
    let as_steps = files.iter().cloned().map(|mut file| {
        if file.kind == FileKind::Deltas {
            file.kind = FileKind::DeletedKeys;
        }
        file
    });
    for (wrong, why) in [
        (swapped.collect::<Vec<_>>(), "not beside these rows"),
        (without_rows.collect(), "beside rows that are not there"),
        (as_steps.collect(), "beside rows that are not there"),
    ] {
        let (error, rows) = refused(&archive, &wrong);
        assert_eq!((error.class(), rows), (Class::Damaged, 0));
        assert!(error.to_string().contains(why), "{error}");
    }
}
