//! Reading back what is kept beside the rows: nothing is taken for a cell that no writer has written so.

use super::super::facts::{self, COLUMNS_MAX, another};
use super::super::file::Stored;
use super::super::hash::ContentHash;
use super::super::key::Key;
use super::super::read::{FileReader, Footer, guarded};
use super::super::verified::Verified;
use super::{CELL, EXCEPTION, Kept, MISFIT, SCHEMA};
use crate::error::{Place, Result};
use crate::model::{
    FormException, Misfit, MisfitReason, RawCell, RejectedRow, Remedy, RowName, StorageClass,
    TextEncoding,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, Int64Type};
use arrow_array::{
    Array, BinaryArray, Int32Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
};
use std::fs::File;

/// Bytes of the cells of a row, at most: more than a row of SQLite can have.
const ROW_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// What is kept beside rows, as a file has it.
#[derive(Debug)]
pub struct BesideReader {
    rows: Option<ContentHash>,
    file: FileReader,
}

impl BesideReader {
    /// Opens a file that [`BesideWriter`](super::BesideWriter) wrote, once all its bytes are hashed.
    /// It is encrypted just where the archive has a key.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`](crate::Class::Damaged): it is not the file that `stored` tells of, or not one of this kind;
    /// [`Class::Usage`](crate::Class::Usage): a later liteferry wrote it; [`Class::Temporary`](crate::Class::Temporary): it
    /// cannot be read; [`Class::Access`](crate::Class::Access): it is encrypted, and not with this key.
    pub fn open(file: File, stored: &Stored, key: Option<&Key>) -> Result<Self> {
        Verified::check(file, stored)
            .and_then(|file| Self::of_verified(file, stored.rows, key))
            .at(|| format!("file {}", stored.hash.file_name()))
    }

    /// Reads a file whose hash is right.
    pub(in super::super) fn of_verified(
        file: Verified,
        records: u64,
        key: Option<&Key>,
    ) -> Result<Self> {
        guarded(&file.clone(), || {
            let footer = Footer::read(file, key)?;
            let (rows, said) = facts::read_beside(&footer.said)?;
            if said != records {
                return Err(another(&format!("it has {said} records instead of {records}")));
            }
            Ok(Self { rows, file: footer.open(&SCHEMA, records)? })
        })
    }

    /// The hash of the file whose rows it is beside; none where it is that of rows that were set aside.
    pub fn rows(&self) -> Option<ContentHash> {
        self.rows
    }

    /// All that is kept, in the order in which it was added; nothing follows an error.
    ///
    /// An item is an error of [`Class::Damaged`](crate::Class::Damaged) where it is nothing that is kept.
    pub fn kept(&self) -> impl Iterator<Item = Result<Kept>> + '_ {
        let mut batches = self.file.batches();
        let (mut found, mut row) = (Vec::new().into_iter(), Unfinished::default());
        let mut next = move || loop {
            if let Some(kept) = found.next() {
                return Some(kept);
            }
            let Some(batch) = batches.next() else {
                return (!row.cells.is_empty()).then(|| Err(none_kept()));
            };
            let records = batch.and_then(|batch| Records::of(&batch));
            let all =
                records.map_or_else(|error| vec![Err(error)], |records| records.all(&mut row));
            found = all.into_iter();
        };
        let mut ended = false;
        std::iter::from_fn(move || {
            let kept = if ended { None } else { next() };
            ended = !matches!(kept, Some(Ok(_)));
            kept
        })
    }
}

/// A row that was set aside, while its cells come.
#[derive(Default)]
struct Unfinished {
    /// Which one it is.
    aside: u64,
    cells: Vec<(RawCell, TextEncoding)>,
    reasons: Vec<MisfitReason>,
    bytes: usize,
}

impl Unfinished {
    /// Takes its next cell; no part of it where that cannot be it.
    fn take(
        &mut self,
        (aside, column): (Option<u64>, usize),
        (cell, encoding): (RawCell, TextEncoding),
        why: Option<MisfitReason>,
    ) -> Option<()> {
        let said = why.as_ref().map_or(0, |why| why.reason.len());
        self.bytes = self.bytes.saturating_add(cell.bytes.len()).saturating_add(said);
        let follows = aside == Some(self.aside) && column == self.cells.len();
        if !follows || column >= COLUMNS_MAX || self.bytes > ROW_BYTES {
            return None;
        }
        self.cells.push((cell, encoding));
        self.reasons.extend(why);
        Some(())
    }

    /// The row, which has this name, and is all there.
    fn finish(&mut self, row: RowName) -> RejectedRow {
        let next = Self { aside: self.aside + 1, ..Self::default() };
        let Self { cells, reasons, .. } = std::mem::replace(self, next);
        RejectedRow { row, cells, reasons }
    }
}

/// What a record is.
enum Found {
    /// All that is kept of something.
    Whole(Kept),
    /// A cell of a row that goes on.
    Part,
}

/// The columns of a batch.
struct Records {
    kind: StringArray,
    at: Int64Array,
    aside: Int64Array,
    rowid: Int64Array,
    row: BinaryArray,
    column: Int32Array,
    class: StringArray,
    cell: BinaryArray,
    encoding: StringArray,
    reason: StringArray,
    remedy: StringArray,
}

impl Records {
    fn of(batch: &RecordBatch) -> Result<Self> {
        let columns = || {
            let text = |at: usize| batch.columns().get(at)?.as_string_opt::<i32>().cloned();
            let bytes = |at: usize| batch.columns().get(at)?.as_binary_opt::<i32>().cloned();
            let whole =
                |at: usize| batch.columns().get(at)?.as_primitive_opt::<Int64Type>().cloned();
            Some(Self {
                kind: text(0)?,
                at: whole(1)?,
                aside: whole(2)?,
                rowid: whole(3)?,
                row: bytes(4)?,
                column: batch.columns().get(5)?.as_primitive_opt::<Int32Type>()?.clone(),
                class: text(6)?,
                cell: bytes(7)?,
                encoding: text(8)?,
                reason: text(9)?,
                remedy: text(10)?,
            })
        };
        columns().ok_or_else(|| another("its columns are none of cells that are kept"))
    }

    /// What they say, as far as a row is not still to be finished.
    fn all(&self, row: &mut Unfinished) -> Vec<Result<Kept>> {
        let kept = |record| match self.get(record, row) {
            Some(Found::Whole(kept)) => Some(Ok(kept)),
            Some(Found::Part) => None,
            None => Some(Err(none_kept())),
        };
        (0..self.kind.len()).filter_map(kept).collect()
    }

    /// What the record at a place is; none where it is no record.
    fn get(&self, record: usize, unfinished: &mut Unfinished) -> Option<Found> {
        let text =
            |array: &StringArray| array.is_valid(record).then(|| array.value(record).to_owned());
        let number = |array: &Int64Array| value(array, record).map(u64::try_from).transpose().ok();
        let (at, aside) = (number(&self.at)?, number(&self.aside)?);
        let column = usize::try_from(value(&self.column, record)?).ok()?;
        let encoding = match text(&self.encoding) {
            Some(name) => Some(TextEncoding::of_name(&name)?),
            None => None,
        };
        let (row, cell) = (self.row(record).ok()?, self.cell(record)?);
        let why = text(&self.reason).zip(text(&self.remedy));
        let is_said = self.reason.is_valid(record) || self.remedy.is_valid(record);
        let kept = match (text(&self.kind)?.as_str(), row, encoding, why) {
            (EXCEPTION, Some(row), None, None) if !is_said => {
                Kept::Exception(at?, FormException { row, column, cell })
            }
            (MISFIT, Some(row), Some(encoding), Some((reason, remedy))) => {
                let remedy = Remedy::of_name(&remedy)?;
                Kept::Misfit(at, Misfit { row, column, cell, encoding, reason, remedy })
            }
            (CELL, row, Some(encoding), why) if why.is_some() == is_said && at.is_none() => {
                let why = match why {
                    Some((reason, remedy)) => {
                        let remedy = Remedy::of_name(&remedy)?;
                        Some(MisfitReason { column, reason, remedy })
                    }
                    None => None,
                };
                unfinished.take((aside, column), (cell, encoding), why)?;
                return Some(match row {
                    Some(row) => Found::Whole(Kept::Rejected(unfinished.finish(row))),
                    None => Found::Part,
                });
            }
            _ => return None,
        };
        (aside.is_none() && unfinished.cells.is_empty()).then_some(Found::Whole(kept))
    }

    /// The name that stands in a record, if one does.
    fn row(&self, record: usize) -> Result<Option<RowName>> {
        match (value(&self.rowid, record), self.row.is_valid(record)) {
            (Some(rowid), false) => Ok(Some(RowName::Rowid(rowid))),
            (None, true) => named(self.row.value(record)).map(Some).ok_or_else(none_kept),
            (None, false) => Ok(None),
            (Some(_), true) => Err(none_kept()),
        }
    }

    /// The cell of a record; none where its bytes are not as many as its class has.
    fn cell(&self, record: usize) -> Option<RawCell> {
        let class = self.class.is_valid(record).then(|| self.class.value(record))?;
        let class = class_of(class)?;
        let bytes = self.cell.is_valid(record).then(|| self.cell.value(record).to_vec())?;
        fits(class, &bytes).then_some(RawCell { class, bytes })
    }
}

fn value<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, record: usize) -> Option<T::Native> {
    array.is_valid(record).then(|| array.value(record))
}

fn none_kept() -> crate::Error {
    another("a record is none of a cell that is kept")
}

/// The storage class that has this name.
fn class_of(name: &str) -> Option<StorageClass> {
    (0..=u8::MAX).map_while(StorageClass::of_code).find(|class| class.name() == name)
}

/// The row that cells name, each with as many bytes as its class has.
pub(super) fn named(packed: &[u8]) -> Option<RowName> {
    RowName::from_bytes(packed, false).filter(|name| match name {
        RowName::Cells(cells) => cells.iter().all(|cell| fits(cell.class, &cell.bytes)),
        RowName::Rowid(_) => false,
    })
}

fn fits(class: StorageClass, bytes: &[u8]) -> bool {
    match class {
        StorageClass::Null => bytes.is_empty(),
        StorageClass::Integer | StorageClass::Real => bytes.len() == 8,
        StorageClass::Text | StorageClass::Blob => true,
    }
}
