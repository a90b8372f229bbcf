//! What is kept beside a chunk's rows: cells that are written otherwise than their columns' forms say, and cells that
//! their columns cannot hold, each with its storage class and its exact bytes.
//!
//! It is a file of its own, so that the rows' file holds the rows and nothing else. Its columns:
//!
//! | column | of an exception | of a misfit |
//! | --- | --- | --- |
//! | `kind` | `exception` | `misfit` |
//! | `rowid` | INT64: the row's rowid, where that names it | the same |
//! | `row` | BYTE_ARRAY: else the cells that name it, packed as [`RowName::to_bytes`] has them | the same |
//! | `column` | INT32: the column's position in the table | the same |
//! | `class` | STRING: the storage class, as `typeof` has it | the same |
//! | `bytes` | BYTE_ARRAY: the cell as [`RawCell`] has it | the same |
//! | `encoding` | NULL | STRING: the encoding of a text |
//! | `reason` | NULL | STRING: why the column cannot hold it |
//! | `remedy` | NULL | STRING: what was done about it |

use super::facts::{self, KEY, another};
use super::file::{FileWriter, Stored};
use super::hash::ContentHash;
use super::key::Key;
use super::layout::Width;
use super::read::{FileReader, Footer, guarded};
use super::verified::Verified;
use crate::error::{Error, Place, Result};
use crate::model::{FormException, Misfit, RawCell, Remedy, RowName, StorageClass, TextEncoding};
use arrow_array::builder::{BinaryBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, LazyLock};

/// Records of a batch, at most.
const BATCH_RECORDS: usize = 8 * 1024;
/// Bytes of cells after which a batch is written.
const BATCH_BYTES: usize = 1024 * 1024;

const EXCEPTION: &str = "exception";
const MISFIT: &str = "misfit";

/// One cell that is kept beside its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is written otherwise than its column's form says.
    Exception(FormException),
    /// Its column cannot hold it.
    Misfit(Misfit),
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let field = |name: &str, kind| Field::new(name, kind, true);
    Arc::new(Schema::new(vec![
        field("kind", DataType::Utf8),
        field("rowid", DataType::Int64),
        field("row", DataType::Binary),
        field("column", DataType::Int32),
        field("class", DataType::Utf8),
        field("bytes", DataType::Binary),
        field("encoding", DataType::Utf8),
        field("reason", DataType::Utf8),
        field("remedy", DataType::Utf8),
    ]))
});

/// The file beside that of a chunk's rows, being written.
#[derive(Debug)]
pub struct BesideWriter<W: Write + Send> {
    file: FileWriter<W>,
    batch: BatchBuilder,
}

impl<W: Write + Send> BesideWriter<W> {
    /// Begins a file; nothing is written before there are cells.
    pub fn new(out: W) -> Self {
        // Any of the cells may be a large one.
        let file = FileWriter::new(out, Arc::clone(&SCHEMA), Width::Wide);
        Self { file, batch: BatchBuilder::default() }
    }

    /// Hides the file with the archive's key, if it has one.
    pub fn with_key(mut self, key: Option<&Key>) -> Self {
        self.file.set_key(key);
        self
    }

    /// Adds a cell that is written otherwise than its column's form says.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn exception(&mut self, exception: &FormException) -> Result<()> {
        let FormException { row, column, cell } = exception;
        self.batch.add(EXCEPTION, row, *column, cell, None)?;
        self.written(BATCH_RECORDS)
    }

    /// Adds a cell that its column cannot hold.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn misfit(&mut self, misfit: &Misfit) -> Result<()> {
        let Misfit { row, column, cell, encoding, reason, remedy } = misfit;
        let why = Some((encoding.name(), reason.as_str(), remedy.name()));
        self.batch.add(MISFIT, row, *column, cell, why)?;
        self.written(BATCH_RECORDS)
    }

    /// Ends the file beside the rows of `chunk`; none where nothing was kept, and then `out` is no file.
    ///
    /// # Errors
    ///
    /// [`Class::Temporary`](crate::Class::Temporary): `out` takes no more.
    pub fn finish(mut self, chunk: ContentHash) -> Result<Option<(W, Stored)>> {
        self.written(1)?;
        match self.file.rows() {
            0 => Ok(None),
            rows => self.file.finish(KEY, facts::of_beside(chunk, rows)?).map(Some),
        }
    }

    /// Writes what was added, if it is so many records or many bytes.
    fn written(&mut self, records: usize) -> Result<()> {
        let BatchBuilder { count, bytes, .. } = self.batch;
        if count >= records || bytes >= BATCH_BYTES {
            self.file.write(&self.batch.finish()?)?;
        }
        Ok(())
    }
}

/// Records on their way into a file.
#[derive(Debug, Default)]
struct BatchBuilder {
    kind: StringBuilder,
    rowid: Int64Builder,
    row: BinaryBuilder,
    column: Int32Builder,
    class: StringBuilder,
    cell: BinaryBuilder,
    encoding: StringBuilder,
    reason: StringBuilder,
    remedy: StringBuilder,
    count: usize,
    bytes: usize,
}

impl BatchBuilder {
    fn add(
        &mut self,
        kind: &str,
        row: &RowName,
        column: usize,
        cell: &RawCell,
        why: Option<(&str, &str, &str)>,
    ) -> Result<()> {
        let column = i32::try_from(column)
            .map_err(|_too_high| Error::internal("a column of a very high number"))?;
        self.kind.append_value(kind);
        match row {
            RowName::Rowid(rowid) => {
                self.rowid.append_value(*rowid);
                self.row.append_null();
            }
            RowName::Cells(_) => {
                self.rowid.append_null();
                self.row.append_value(row.to_bytes());
            }
        }
        self.column.append_value(column);
        self.class.append_value(cell.class.name());
        self.cell.append_value(&cell.bytes);
        self.encoding.append_option(why.map(|(encoding, ..)| encoding));
        self.reason.append_option(why.map(|(_, reason, _)| reason));
        self.remedy.append_option(why.map(|(.., remedy)| remedy));
        self.count += 1;
        self.bytes += cell.bytes.len() + row.size();
        Ok(())
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        (self.count, self.bytes) = (0, 0);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.kind.finish()),
            Arc::new(self.rowid.finish()),
            Arc::new(self.row.finish()),
            Arc::new(self.column.finish()),
            Arc::new(self.class.finish()),
            Arc::new(self.cell.finish()),
            Arc::new(self.encoding.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.remedy.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&SCHEMA), arrays)
            .map_err(|error| Error::internal("kept cells have no shape").because(error))
    }
}

/// What is kept beside a chunk's rows, as a file has it.
#[derive(Debug)]
pub struct BesideReader {
    chunk: ContentHash,
    file: FileReader,
}

impl BesideReader {
    /// Opens a file that [`BesideWriter`] wrote, once all its bytes are hashed.
    /// It is encrypted just where the archive has a key.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`](crate::Class::Damaged): it is not the file that `stored` tells of, or not one beside a chunk;
    /// [`Class::Temporary`](crate::Class::Temporary): it cannot be read; [`Class::Access`](crate::Class::Access): it is
    /// encrypted, and not with this key.
    pub fn open(file: File, stored: &Stored, key: Option<&Key>) -> Result<Self> {
        Verified::check(file, stored)
            .and_then(|file| Self::of_verified(file, stored.rows, key))
            .at(|| format!("file {}", stored.hash.file_name()))
    }

    /// Reads a file whose hash is right.
    pub(super) fn of_verified(file: Verified, rows: u64, key: Option<&Key>) -> Result<Self> {
        guarded(|| {
            let footer = Footer::read(file, key)?;
            let (chunk, said) = facts::read_beside(&footer.said)?;
            if said != rows {
                return Err(another(&format!("it has {said} records instead of {rows}")));
            }
            Ok(Self { chunk, file: footer.open(&SCHEMA, rows)? })
        })
    }

    /// The hash of the file whose rows it belongs to.
    pub fn chunk(&self) -> ContentHash {
        self.chunk
    }

    /// All that is kept, in the order in which it was added; nothing follows an error.
    ///
    /// An item is an error of [`Class::Damaged`](crate::Class::Damaged) where it is nothing that is kept.
    pub fn kept(&self) -> impl Iterator<Item = Result<Kept>> + '_ {
        let mut ended = false;
        self.file
            .batches()
            .flat_map(|batch| match batch.and_then(|batch| Records::of(&batch)) {
                Ok(records) => records.all(),
                Err(error) => vec![Err(error)],
            })
            .take_while(move |kept| {
                let goes_on = !ended;
                ended |= kept.is_err();
                goes_on
            })
    }
}

/// The columns of a batch.
struct Records {
    kind: StringArray,
    rowid: ArrayRef,
    row: BinaryArray,
    column: ArrayRef,
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
            Some(Self {
                kind: text(0)?,
                rowid: Arc::clone(batch.columns().get(1)?),
                row: bytes(2)?,
                column: Arc::clone(batch.columns().get(3)?),
                class: text(4)?,
                cell: bytes(5)?,
                encoding: text(6)?,
                reason: text(7)?,
                remedy: text(8)?,
            })
        };
        columns().ok_or_else(|| another("its columns are none of cells that are kept"))
    }

    fn all(&self) -> Vec<Result<Kept>> {
        let none = || another("a record is none of a cell that is kept");
        (0..self.kind.len()).map(|at| self.get(at).ok_or_else(none)).collect()
    }

    /// The record at a place; none where it is none.
    fn get(&self, at: usize) -> Option<Kept> {
        let text = |array: &StringArray| array.is_valid(at).then(|| array.value(at).to_owned());
        let rowid = self.rowid.as_primitive_opt::<Int64Type>()?;
        let row = match (rowid.is_valid(at), self.row.is_valid(at)) {
            (true, false) => RowName::Rowid(rowid.value(at)),
            (false, true) => named(self.row.value(at))?,
            _ => return None,
        };
        let column = self.column.as_primitive_opt::<Int32Type>().filter(|it| it.is_valid(at))?;
        let column = usize::try_from(column.value(at)).ok()?;
        let class = class_of(&text(&self.class)?)?;
        let bytes = self.cell.is_valid(at).then(|| self.cell.value(at).to_vec())?;
        let cell = cell_of(class, bytes)?;
        let why = (text(&self.encoding), text(&self.reason), text(&self.remedy));
        match (text(&self.kind)?.as_str(), why) {
            (EXCEPTION, (None, None, None)) => {
                Some(Kept::Exception(FormException { row, column, cell }))
            }
            (MISFIT, (Some(encoding), Some(reason), Some(remedy))) => {
                let encoding = TextEncoding::of_name(&encoding)?;
                let remedy = Remedy::of_name(&remedy)?;
                Some(Kept::Misfit(Misfit { row, column, cell, encoding, reason, remedy }))
            }
            _ => None,
        }
    }
}

/// The storage class that has this name.
fn class_of(name: &str) -> Option<StorageClass> {
    (0..=u8::MAX).map_while(StorageClass::of_code).find(|class| class.name() == name)
}

/// The row that cells name, each with as many bytes as its class has.
fn named(packed: &[u8]) -> Option<RowName> {
    RowName::from_bytes(packed, false).filter(|name| match name {
        RowName::Cells(cells) => cells.iter().all(|cell| fits(cell.class, &cell.bytes)),
        RowName::Rowid(_) => false,
    })
}

/// A cell whose bytes are as many as its class has.
fn cell_of(class: StorageClass, bytes: Vec<u8>) -> Option<RawCell> {
    fits(class, &bytes).then_some(RawCell { class, bytes })
}

fn fits(class: StorageClass, bytes: &[u8]) -> bool {
    match class {
        StorageClass::Null => bytes.is_empty(),
        StorageClass::Integer | StorageClass::Real => bytes.len() == 8,
        StorageClass::Text | StorageClass::Blob => true,
    }
}

#[cfg(test)]
mod tests;
