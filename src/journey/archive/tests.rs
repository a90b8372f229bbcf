//! Tables are read from their archive as a plain map has them, whatever passes did, and whenever they were published.

mod compaction;
mod damage;
mod memory;

use super::ArchivedRows;
use super::compact::compact;
use super::files::{Files, Origin, RowsWriter};
use super::merged::Merged;
use super::pending::{Pending, Staged};
use crate::error::Result;
use crate::model::{
    CellShape, Column, FormException, Misfit, MisfitReason, OriginalFile, PgType, RawCell,
    RejectedRow, Remedy, RowName, RowRange, TableSchema, TextEncoding, Touches,
};
use crate::pipeline::Stop;
use crate::store::parquet::Key;
use crate::store::parquet::generation::{self, Opened};
use crate::store::parquet::manifest::{ArchiveFile, ArchiveSchema, Contents, FileKind};
use crate::store::parquet::place::{Access, Folder, Place};
use crate::store::sqlite::ReadBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// What a row is: the state that it was given by the how manieth word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Plain(u64),
    /// A cell of its text is kept, as one of another form.
    Excepted(u64),
    /// Of a column there is NULL in the place of what does not fit.
    Misfit(u64),
    Rejected(u64),
}

impl Row {
    fn version(self) -> u64 {
        match self {
            Self::Plain(it) | Self::Excepted(it) | Self::Misfit(it) | Self::Rejected(it) => it,
        }
    }
}

type World = BTreeMap<i64, Row>;

fn table(key: &[usize]) -> TableSchema {
    let column = |name, pg| Column::new(name, CellShape::AnyText, pg);
    let columns =
        vec![column("name", PgType::Text), column("id", PgType::Int8), column("v", PgType::Text)];
    let mut table = TableSchema::new("odd \"table\"", columns);
    table.key = key.to_vec();
    table.rowid_name = Some("rowid".into());
    table.chunks = vec![RowRange::All; 4];
    table
}

fn text(id: i64, version: u64) -> RawCell {
    RawCell::text(format!("{id} of {version}").as_bytes())
}

fn exception(id: i64, version: u64) -> FormException {
    FormException { row: RowName::Rowid(id), column: 2, cell: text(id, version) }
}

fn misfit(id: i64, version: u64) -> Misfit {
    Misfit {
        row: RowName::Rowid(id),
        column: 2,
        cell: text(id, version),
        encoding: TextEncoding::Utf16le,
        reason: "it does not fit".into(),
        remedy: Remedy::Null,
    }
}

fn rejected(id: i64, version: u64) -> RejectedRow {
    let cells = [text(id, 0), RawCell::integer(id), text(id, version)];
    let cells = cells.map(|cell| (cell, TextEncoding::Utf8)).into();
    let reason =
        MisfitReason { column: 2, reason: format!("not {version}"), remedy: Remedy::Reject };
    RejectedRow { row: RowName::Rowid(id), cells, reasons: vec![reason] }
}

fn keys_of(table: &TableSchema, ids: &[i64]) -> RecordBatch {
    let rows: Vec<_> = ids.iter().map(|&id| (id, Row::Plain(0))).collect();
    let records = batch(table, &rows).records;
    RecordBatch::try_new(
        table.keys().write_schema(),
        table.key.iter().map(|&at| Arc::clone(records.column(at))).collect(),
    )
    .unwrap()
}

/// Rows as they are read; of those that are set aside there is nothing in the records.
fn batch(table: &TableSchema, rows: &[(i64, Row)]) -> ReadBatch {
    let (mut exceptions, mut misfits, mut aside, mut there) = (vec![], vec![], vec![], vec![]);
    for &(id, row) in rows {
        match row {
            Row::Plain(_) => {}
            Row::Excepted(version) => exceptions.push((there.len(), exception(id, version))),
            Row::Misfit(version) => misfits.push((Some(there.len()), misfit(id, version))),
            Row::Rejected(version) => {
                misfits.push((None, misfit(id, version)));
                aside.push(rejected(id, version));
                continue;
            }
        }
        there.push((id, row));
    }
    let names: StringArray = there.iter().map(|(id, _)| Some(format!("name {id}"))).collect();
    let ids: Int64Array = there.iter().map(|(id, _)| Some(*id)).collect();
    let of = |row: &Row| (!matches!(row, Row::Misfit(_))).then(|| row.version().to_string());
    let values: StringArray = there.iter().map(|(_, row)| of(row)).collect();
    let arrays: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(ids), Arc::new(values)];
    let records = RecordBatch::try_new(table.write_schema(), arrays).unwrap();
    ReadBatch { records, misfits, rejected: aside, exceptions }
}

fn pending_behind(opened: &Opened, budget: usize) -> Pending {
    Pending::new("a source", budget, &opened.manifest.files)
}

/// A local archive of one table.
struct Archive {
    folder: TempDir,
    place: Folder,
    key: Option<Key>,
    table: TableSchema,
}

impl Archive {
    fn new(key: &[usize], secret: Option<[u8; 32]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Folder::open(folder.path(), Access::Write).unwrap();
        Self { folder, place, key: secret.map(Key::new), table: table(key) }
    }

    fn files(&self) -> Files<'_> {
        self.on(&self.place)
    }

    fn on<'a>(&'a self, place: &'a dyn Place) -> Files<'a> {
        Files { place, key: self.key.as_ref() }
    }

    fn publish(&self, parent: Option<&Opened>, files: Vec<ArchiveFile>) -> Opened {
        let schema = ArchiveSchema {
            tables: vec![self.table.clone()],
            plan: "{}".into(),
            file: OriginalFile::default(),
        };
        let (source, position, written) = ("a source".into(), Some(7), 1_700_000_000);
        let nonce = Some("a nonce".into());
        let contents = Contents { source, position, nonce, written, schema, files };
        generation::publish(&self.place, self.key.as_ref(), parent, contents).unwrap()
    }

    /// Publishes rows as a base of several chunks.
    fn base(&self, world: &World) -> Opened {
        let files = self.files();
        let rows: Vec<_> = world.iter().map(|(&id, &row)| (id, row)).collect();
        let mut all = Vec::new();
        for (number, rows) in (0..).zip(rows.chunks(rows.len().div_ceil(4).max(1))) {
            let read = batch(&self.table, rows);
            let mut writer = RowsWriter::begin(files, &self.table).unwrap();
            writer.write(&ArchivedRows::of(read.records.clone(), &read)).unwrap();
            let (range, low, last) = (RowRange::All, Some(1), Some(2));
            let origin = Origin { source: "a source", number, range, low, last, rejected: 0 };
            let mut finished = writer.finish(FileKind::Rows, origin).unwrap();
            let of_rows = finished[0].0.blake3;
            let mut aside = files.begin_beside().unwrap();
            read.rejected.iter().for_each(|row| aside.rejected(row).unwrap());
            if let Some(written) = aside.finish(Some(of_rows)).unwrap() {
                let of = (self.table.source.as_str(), number);
                finished.push(files.named(FileKind::Rejected, of, written, None).unwrap());
            }
            all.extend(files.put(finished).unwrap());
        }
        self.publish(None, all)
    }

    /// What a pass says: each of these rows was touched, and is that now, or gone.
    fn stage<'s>(&'s self, pending: &Pending, said: &[(i64, Option<Row>)]) -> Staged<'s> {
        let mut staged = pending.stage(self.files(), &self.table);
        for (id, _) in said {
            staged.name(&RowName::Rowid(*id).to_bytes());
        }
        for said in said.chunks(said.len().div_ceil(4).max(3)) {
            let ids: Vec<_> = said.iter().map(|(id, _)| *id).collect();
            staged.keys(keys_of(&self.table, &ids)).unwrap();
        }
        for said in said.chunks(said.len().div_ceil(3).max(5)) {
            let rows: Vec<_> = said.iter().filter_map(|&(id, row)| Some((id, row?))).collect();
            let read = batch(&self.table, &rows);
            staged.rows(read.records.clone(), &read).unwrap();
        }
        staged
    }

    fn pass(&self, pending: &mut Pending, said: &[(i64, Option<Row>)]) {
        let staged = self.stage(pending, said);
        pending.keep(self.files(), vec![staged], Touches { after: 3, last: 9 }).unwrap();
    }

    fn publish_pending(&self, pending: &mut Pending, parent: &Opened) -> Opened {
        let files = pending.files(self.files(), &parent.manifest.files).unwrap();
        let opened = self.publish(Some(parent), files);
        pending.published();
        opened
    }

    /// All rows of a generation.
    fn read(&self, opened: &Opened) -> Result<World> {
        let mut world = World::new();
        let mut put = |id, row| assert_eq!(world.insert(id, row), None, "{id} is there twice");
        let merged = Merged::open(self.files(), &opened.manifest.files, &self.table)?;
        for unit in merged.units() {
            merged.read(unit, |rows| {
                rows_of(&rows).into_iter().for_each(|(id, row)| put(id, row));
                Ok(())
            })?;
        }
        merged.rejected(|row| {
            let &RowName::Rowid(id) = &row.row else { panic!("{row:?}") };
            let version = version(&row.cells[2].0, id);
            assert_eq!(row, rejected(id, version));
            put(id, Row::Rejected(version));
            Ok(())
        })?;
        Ok(world)
    }

    fn compact(&self, opened: &Opened) -> Option<Opened> {
        compact(self.files(), opened, &Stop::default()).unwrap()
    }
}

fn version(cell: &RawCell, id: i64) -> u64 {
    let text = String::from_utf8(cell.bytes.clone()).unwrap();
    text.strip_prefix(&format!("{id} of ")).unwrap().parse().unwrap()
}

/// The rows of a batch: each cell that is kept stands beside its own row.
fn rows_of(rows: &ArchivedRows) -> Vec<(i64, Row)> {
    let ids = rows.records.column(1).as_primitive::<Int64Type>();
    let (names, values) = (rows.records.column(0), rows.records.column(2));
    let (names, values) = (names.as_string::<i32>(), values.as_string::<i32>());
    let mut found: Vec<_> = (0..ids.len())
        .map(|at| {
            assert_eq!(names.value(at), format!("name {}", ids.value(at)));
            let value = values.value(at);
            (ids.value(at), Row::Plain(value.parse().unwrap_or(u64::MAX)))
        })
        .collect();
    for (at, it) in &rows.exceptions {
        let (id, row) = &mut found[*at];
        assert_eq!(*it, exception(*id, row.version()));
        *row = Row::Excepted(row.version());
    }
    for (at, it) in &rows.misfits {
        let (id, row) = &mut found[*at];
        assert_eq!(row.version(), u64::MAX, "a misfit has no value");
        *row = Row::Misfit(version(&it.cell, *id));
        assert_eq!(*it, misfit(*id, row.version()));
    }
    found
}

/// What happens to an archive.
#[derive(Debug, Clone)]
enum Event {
    /// A pass, of rows and what becomes of them.
    Pass(Vec<(i64, u8)>),
    /// A pass that is not committed.
    Lost(Vec<(i64, u8)>),
    Publish,
    Compact,
    /// The run ends, and what is not published is read from the changelog again.
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let said = || proptest::collection::vec((0..40_i64, 0..6_u8), 1..25);
    let event = prop_oneof![
        6 => said().prop_map(Event::Pass),
        1 => said().prop_map(Event::Lost),
        2 => Just(Event::Publish),
        1 => Just(Event::Compact),
        1 => Just(Event::Restart),
    ];
    proptest::collection::vec(event, 1..25)
}

/// What a pass says of rows, each once.
fn said(rows: &[(i64, u8)], version: &mut u64) -> Vec<(i64, Option<Row>)> {
    let rows: BTreeMap<_, _> = rows.iter().copied().collect();
    rows.into_iter()
        .map(|(id, kind)| {
            *version += 1;
            let row = match kind {
                0 | 1 => None,
                2 => Some(Row::Excepted(*version)),
                3 => Some(Row::Misfit(*version)),
                4 => Some(Row::Rejected(*version)),
                _ => Some(Row::Plain(*version)),
            };
            (id, row)
        })
        .collect()
}

fn apply(world: &mut World, said: &[(i64, Option<Row>)]) {
    for &(id, row) in said {
        match row {
            Some(row) => drop(world.insert(id, row)),
            None => drop(world.remove(&id)),
        }
    }
}

fn play(archive: &Archive, budget: usize, base: u8, events: &[Event]) {
    let mut version = 0;
    let mut world = World::new();
    let begins: Vec<_> = (0..20).map(|id| (id, (u8::try_from(id).unwrap() + base) % 6)).collect();
    apply(&mut world, &said(&begins, &mut version));
    let mut opened = archive.base(&world);
    let (mut published, mut unpublished) = (world.clone(), Vec::new());
    let mut pending = pending_behind(&opened, budget);
    for event in events.iter().chain([&Event::Publish, &Event::Compact]) {
        match event {
            Event::Pass(rows) => {
                let said = said(rows, &mut version);
                archive.pass(&mut pending, &said);
                apply(&mut world, &said);
                unpublished.push(said);
            }
            Event::Lost(rows) => drop(archive.stage(&pending, &said(rows, &mut version))),
            Event::Publish => {
                opened = archive.publish_pending(&mut pending, &opened);
                published = world.clone();
                unpublished.clear();
                assert!(pending.is_empty());
            }
            Event::Compact => {
                let compacted = archive.compact(&opened);
                opened = compacted.unwrap_or(opened);
                let kinds = opened.manifest.files.iter().map(|file| file.kind);
                let of_step = |kind| matches!(kind, FileKind::Deltas | FileKind::DeletedKeys);
                assert_eq!(kinds.filter(|kind| of_step(*kind)).count(), 0);
            }
            Event::Restart => {
                pending = pending_behind(&opened, budget);
                unpublished.iter().for_each(|said| archive.pass(&mut pending, said));
            }
        }
        assert_eq!(archive.read(&opened).unwrap(), published, "after {event:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_generation_has_the_rows_that_a_map_has(
        events in events(),
        base in 0..6_u8,
        budget in prop_oneof![Just(1_usize), Just(8 * 1024), Just(64 * 1024), Just(1 << 30)],
        key in prop_oneof![Just(&[1][..]), Just(&[0, 1][..]), Just(&[1, 0][..])],
        secret in prop_oneof![4 => Just(None), 1 => Just(Some([7; 32]))],
    ) {
        play(&Archive::new(key, secret), budget, base, &events);
    }
}

/// A base with rows of every kind, and steps behind it that change, delete and add some.
fn with_steps(archive: &Archive) -> (World, Opened) {
    let (mut version, mut world) = (0, World::new());
    let begins: Vec<_> = (0..40).map(|id| (id, 2 + u8::try_from(id % 4).unwrap())).collect();
    apply(&mut world, &said(&begins, &mut version));
    let mut opened = archive.base(&world);
    let mut pending = pending_behind(&opened, 1 << 30);
    for rows in [[(3, 0), (4, 2), (50, 5)], [(4, 5), (2, 5), (51, 3)], [(50, 0), (15, 2), (52, 2)]]
    {
        let said = said(&rows, &mut version);
        archive.pass(&mut pending, &said);
        apply(&mut world, &said);
        opened = archive.publish_pending(&mut pending, &opened);
    }
    (world, opened)
}

#[test]
fn steps_that_somebody_else_added_are_not_gone_behind() {
    let archive = Archive::new(&[1], None);
    let (_, opened) = with_steps(&archive);
    let mut pending = pending_behind(&opened, 1);
    let mut other = pending_behind(&opened, 1);
    archive.pass(&mut pending, &[(1, Some(Row::Plain(1000)))]);
    archive.pass(&mut other, &[(1, Some(Row::Plain(2000)))]);
    let opened = archive.publish_pending(&mut pending, &opened);
    let error = other.files(archive.files(), &opened.manifest.files).unwrap_err();
    assert_eq!(error.class(), crate::Class::Held);
}
