//! An archive that is damaged in hundreds of ways, from a seed: whoever reads it refuses each before the first row, and
//! names the part. What reads is the caller's.

use super::generation::{self, Newest, Notice};
use super::key::Key;
use super::manifest::seal::{Sealed, seal};
use super::manifest::tests::contents;
use super::manifest::{ArchiveFile, Contents, FileKind};
use super::place::{Access, Folder, Name, Place};
use super::tests::{facts, one_column, sums};
use super::{BesideReader, BesideWriter, ChunkReader, ChunkWriter};
use crate::error::{Class, Error, Place as _, Result};
use crate::model::{FormException, PgType, RawCell, RowName, StorageClass, TableSchema};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Reads the newest generation of the archive in a folder, and hands on its rows.
pub(crate) type ReadAll<'r> =
    &'r dyn Fn(&Path, Option<&Key>, &mut dyn FnMut(&RecordBatch)) -> Result<()>;

/// Damages of each archive.
const DAMAGES: u64 = 300;
/// Where a forged manifest would have a file.
const FORGED: [&str; 5] =
    ["../../../etc/passwd", "/etc/passwd", "tables/../latest.json", "tables/a/rows/x.parquet", ""];

fn table(name: &str) -> TableSchema {
    let mut table = one_column(PgType::Int8);
    table.source = name.into();
    (table.columns[0].source, table.columns[0].target) = ("id".into(), "id".into());
    table.key = vec![0];
    let mut note = one_column(PgType::Text).columns;
    (note[0].source, note[0].target) = ("note".into(), "note".into());
    table.columns.extend(note);
    table
}

fn rows(table: &TableSchema, from: i64) -> RecordBatch {
    let notes: Vec<String> = (from..from + 50).map(|at| format!("note {}", at % 7)).collect();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(from..from + 50)),
        Arc::new(StringArray::from(notes)),
    ];
    let arrays = arrays.into_iter().take(table.columns.len()).collect();
    RecordBatch::try_new(table.write_schema(), arrays).unwrap()
}

/// Writes a file and puts it; `from` decides what it holds.
fn put(
    place: &dyn Place,
    key: Option<&Key>,
    (kind, name, chunk): (FileKind, &str, u64),
    from: i64,
) -> ArchiveFile {
    let mut table = table(name);
    let draft = place.draft().unwrap();
    let (draft, stored, digest) = match kind {
        FileKind::Rows | FileKind::Deltas | FileKind::DeletedKeys => {
            if kind == FileKind::DeletedKeys {
                table.columns.truncate(1);
            }
            let batches = [rows(&table, from)];
            let mut writer = ChunkWriter::new(draft, &table).with_key(key);
            writer.write(&batches[0]).unwrap();
            let (draft, stored) = writer.finish(&facts(&table, &batches)).unwrap();
            let digest = sums(&table, &batches).unwrap().total();
            (draft, stored, (kind != FileKind::DeletedKeys).then_some(digest))
        }
        FileKind::Forms | FileKind::Rejected | FileKind::Whole => {
            let mut writer = BesideWriter::new(draft).with_key(key);
            let cell = RawCell { class: StorageClass::Text, bytes: vec![b'x'; 300] };
            let exception = FormException { row: RowName::Rowid(from), column: 1, cell };
            writer.exception(0, &exception).unwrap();
            let of = super::hash::ContentHash::of(b"rows");
            let (draft, stored) = writer.finish(Some(of)).unwrap().unwrap();
            (draft, stored, None)
        }
    };
    let file = ArchiveFile::new(kind, name, chunk, stored, digest, key).unwrap();
    place.put(draft, file.name(), &stored).unwrap();
    file
}

/// Three generations of two tables.
fn made(key: Option<&Key>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let place = Folder::open(folder.path(), Access::Write).unwrap();
    let mut parent = None;
    let mut files: Vec<ArchiveFile> = Vec::new();
    let steps: [&[(FileKind, &str, u64)]; 3] = [
        &[
            (FileKind::Rows, "trades", 0),
            (FileKind::Rows, "trades", 1),
            (FileKind::Rows, "odd \"/../é", 0),
            (FileKind::Forms, "trades", 1),
        ],
        &[(FileKind::Deltas, "trades", 0), (FileKind::DeletedKeys, "trades", 0)],
        &[(FileKind::Rows, "trades", 1), (FileKind::Rejected, "trades", 0)],
    ];
    for (generation, step) in (0_i64..).zip(steps) {
        for (number, what) in (0_i64..).zip(step) {
            files.retain(|file| (file.kind, file.table.as_str(), file.chunk) != *what);
            files.push(put(&place, key, *what, generation * 1000 + number * 50));
        }
        let contents = Contents { position: Some(generation), ..contents(files.clone()) };
        parent = Some(generation::publish(&place, key, parent.as_ref(), contents).unwrap());
    }
    folder
}

/// Numbers from a seed.
struct Random(blake3::OutputReader);

impl Random {
    fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    /// A number below another one.
    fn below(&mut self, end: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        usize::try_from(u32::from_le_bytes(bytes)).unwrap() % end
    }
}

/// An archive's files as they were, to be put back.
struct Victim<'v> {
    root: &'v Path,
    key: Option<&'v Key>,
    all: BTreeMap<String, Vec<u8>>,
    /// What the newest generation is made of.
    parts: Vec<String>,
}

impl<'v> Victim<'v> {
    fn new(root: &'v Path, key: Option<&'v Key>) -> Self {
        let place = Folder::open(root, Access::Read).unwrap();
        let newest = generation::newest(&place, key).unwrap().unwrap().opened;
        let named = newest.manifest.files.iter().map(|file| file.name().to_string());
        let ends = [Name::latest(), Name::generation(3)].map(|name| name.to_string());
        let parts: Vec<String> = named.chain(ends).collect();
        let mut all = BTreeMap::new();
        for folder in [Name::tables(), Name::generations()] {
            let there = place.list(&folder).unwrap();
            all.extend(there.iter().map(|it| (it.name.to_string(), Vec::new())));
        }
        all.insert(Name::latest().to_string(), Vec::new());
        for (name, bytes) in &mut all {
            *bytes = fs::read(root.join(name)).unwrap();
        }
        Self { root, key, all, parts }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Damages the archive; says how, and which parts are not what they were.
    fn damage(&self, random: &mut Random) -> (String, Vec<String>) {
        let part = self.parts[random.below(self.parts.len())].clone();
        let bytes = &self.all[&part];
        let write = |how: &str, bytes: Vec<u8>| {
            fs::write(self.at(&part), bytes).unwrap();
            (how.to_owned(), vec![part.clone()])
        };
        match random.below(10) {
            0..=2 => {
                let mut flipped = bytes.clone();
                flipped[random.below(bytes.len())] ^= 1 << random.below(8);
                write("flip", flipped)
            }
            3 => write("truncate", bytes[..random.below(bytes.len())].to_vec()),
            4 => write("append", [bytes.as_slice(), &[0; 3]].concat()),
            5 => {
                let other = self.parts[random.below(self.parts.len())].clone();
                if other == part {
                    return write("empty", Vec::new());
                }
                fs::write(self.at(&other), bytes).unwrap();
                fs::write(self.at(&part), &self.all[&other]).unwrap();
                ("swap".into(), vec![part, other])
            }
            6 if part != Name::latest().as_str() => {
                fs::remove_file(self.at(&part)).unwrap();
                ("delete".into(), vec![part])
            }
            7 => {
                // What it leads to is right.
                fs::write(self.at("copy"), bytes).unwrap();
                fs::remove_file(self.at(&part)).unwrap();
                std::os::unix::fs::symlink(self.at("copy"), self.at(&part)).unwrap();
                ("link".into(), vec![part])
            }
            8 => {
                let older = Name::generation(1 + u64::try_from(random.below(2)).unwrap());
                let newest = Name::generation(3).to_string();
                fs::write(self.at(&newest), &self.all[older.as_str()]).unwrap();
                ("older".into(), vec![newest])
            }
            _ => self.forge(random),
        }
    }

    /// A manifest with a file elsewhere, sealed as one does who has no key.
    fn forge(&self, random: &mut Random) -> (String, Vec<String>) {
        let place = Folder::open(self.root, Access::Read).unwrap();
        let newest = generation::open(&place, self.key, 3).unwrap().manifest;
        let mut value = serde_json::to_value(&newest).unwrap();
        let at = random.below(newest.files.len());
        value["files"][at]["path"] = Value::from(FORGED[random.below(FORGED.len())]);
        let (bytes, _) = seal(&value, Sealed::Manifest, None).unwrap();
        let name = Name::generation(3).to_string();
        fs::write(self.at(&name), bytes).unwrap();
        ("forge".into(), vec![name])
    }

    fn put_back(&self, parts: &[String]) {
        for part in parts {
            let _there = fs::remove_file(self.at(part));
            fs::write(self.at(part), &self.all[part]).unwrap();
        }
    }
}

/// Damages archives without a key and with one, each in as many ways as there are [`DAMAGES`]; `read_all` must refuse
/// every one of them as [`Class::Damaged`], name a part that is, and hand on no row before.
pub(crate) fn sweep(read_all: ReadAll<'_>) {
    let secret = Key::new([9; 32]);
    for key in [None, Some(&secret)] {
        let folder = made(key);
        let victim = Victim::new(folder.path(), key);
        let read = || {
            let mut rows = 0;
            let done = read_all(folder.path(), key, &mut |batch| rows += batch.num_rows());
            (done, rows)
        };
        let (whole, rows) = read();
        whole.unwrap();
        assert!(rows > 0);
        let mut ways = BTreeMap::new();
        for seed in 0..DAMAGES {
            let (how, parts) = victim.damage(&mut Random::new(seed));
            let (done, handed_on) = read();
            let told = format!("seed {seed}, {how} of {parts:?}, key {}", key.is_some());
            let Err(error) = done else { panic!("{told}: nobody noticed") };
            assert_eq!((error.class(), error.class().exit_code()), (Class::Damaged, 76), "{told}");
            assert_eq!(handed_on, 0, "{told}");
            let said = error.to_string();
            let is_named = |part: &String| {
                let last = part.rsplit('/').next().unwrap();
                said.contains(last) || (last == "000003.json" && said.contains("generation 3"))
            };
            assert!(parts.iter().any(is_named), "{told}: {said}");
            *ways.entry(how).or_insert(0) += 1;
            victim.put_back(&parts);
        }
        assert!(ways.len() >= 8 && ways.values().all(|count| *count > 0), "{ways:?}");
        assert_eq!(read().1, rows);
    }
}

/// Reads all of a generation, first to know that it is whole, and then to hand it on.
fn read_newest(path: &Path, key: Option<&Key>, emit: &mut dyn FnMut(&RecordBatch)) -> Result<()> {
    let place = Folder::open(path, Access::Read)?;
    let none = || Error::new(Class::Damaged, "there is no generation");
    let Newest { opened, notices } = generation::newest(&place, key)?.ok_or_else(none)?;
    for notice in notices {
        match notice {
            Notice::Passed(_, error) | Notice::PointerDamaged(error) => return Err(error),
            Notice::PointerMissing | Notice::PointerBehind(_) => {}
        }
    }
    for hands_on in [false, true] {
        for file in &opened.manifest.files {
            read_file(&place, key, file, &mut |batch| {
                if hands_on {
                    emit(batch);
                }
            })
            .at(|| format!("archive: {}", file.name()))?;
        }
    }
    Ok(())
}

fn read_file(
    place: &dyn Place,
    key: Option<&Key>,
    file: &ArchiveFile,
    emit: &mut dyn FnMut(&RecordBatch),
) -> Result<()> {
    let missing = || Error::new(Class::Damaged, "it is missing");
    let bytes = place.fetch(file.name(), file.bytes)?.ok_or_else(missing)?;
    if matches!(file.kind, FileKind::Forms | FileKind::Rejected) {
        let reader = BesideReader::open(bytes, &file.stored(), key)?;
        return reader.kept().try_for_each(|kept| kept.map(drop));
    }
    let facts = ChunkReader::open(bytes, &file.stored(), key)?.read(|batch| {
        emit(&batch);
        Ok(())
    })?;
    match file.digest() {
        Some(digest) if digest != facts.sum => Err(Error::new(Class::Damaged, "another digest")),
        _ => Ok(()),
    }
}

#[test]
fn six_hundred_damages_are_refused_and_named() {
    sweep(&read_newest);
}
