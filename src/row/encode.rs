//! Arrow batches to COPY BINARY tuples, row by row.
//!
//! A tuple is a 16-bit field count and, for each field, a 32-bit length (-1 for NULL) and the bytes. Tuples are
//! gathered into pieces of about [`PIECE_BYTES`]; a value that is larger than a piece and is written as it is gets passed
//! on in slices, so that memory does not grow with it.

use super::cells::{Cells, write_length};
use super::digest::TupleHasher;
use super::visit::{Body, Row, RowVisitor};
use crate::error::{Error, Place, Result};
use crate::model::{Column, TableSchema};
use arrow_array::RecordBatch;
use bytes::Bytes;

/// Large enough that a message's overhead is lost in it, small enough to stay in the processor's cache.
const PIECE_BYTES: usize = 256 * 1024;

/// Encodes the rows of one table.
#[derive(Debug)]
pub struct TupleEncoder<'t> {
    table: &'t TableSchema,
    /// Which columns are part of the key.
    in_key: Vec<bool>,
    field_count: [u8; 2],
    piece: Vec<u8>,
    key: Vec<u8>,
}

impl<'t> TupleEncoder<'t> {
    /// An encoder for rows of `table`.
    ///
    /// # Errors
    ///
    /// A table with more columns than a tuple can have.
    pub fn new(table: &'t TableSchema) -> Result<Self> {
        let count = i16::try_from(table.columns.len()).map_err(|_too_many| {
            Error::internal("more columns than a tuple can have")
                .at(format!("table {}", table.source))
        })?;
        let in_key = (0..table.columns.len()).map(|column| table.key.contains(&column)).collect();
        Ok(Self {
            table,
            in_key,
            field_count: count.to_be_bytes(),
            piece: Vec::new(),
            key: Vec::new(),
        })
    }

    /// Encodes all rows of a batch in [`TableSchema::write_schema`]'s shape.
    ///
    /// # Errors
    ///
    /// A value that its column cannot hold, and whatever the visitor says.
    pub fn encode(&mut self, batch: &RecordBatch, visitor: &mut impl RowVisitor) -> Result<()> {
        let fields = self
            .table
            .columns
            .iter()
            .zip(batch.columns())
            .zip(&self.in_key)
            .map(|((column, array), &in_key)| {
                let cells = Cells::of(column, array)?;
                let has_large = cells.has_plain_above(PIECE_BYTES);
                Ok(Field { column, in_key, has_large, cells })
            })
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            self.encode_row(&fields, row, visitor)?;
        }
        Ok(())
    }

    /// Passes on what is left of the last piece.
    ///
    /// # Errors
    ///
    /// Whatever the visitor says.
    pub fn finish(&mut self, visitor: &mut impl RowVisitor) -> Result<()> {
        self.pass_on(visitor)
    }

    fn encode_row(
        &mut self,
        fields: &[Field<'_>],
        row: usize,
        visitor: &mut impl RowVisitor,
    ) -> Result<()> {
        let mut tuple = Tuple { start: self.piece.len(), passed_on: None };
        self.key.clear();
        self.piece.extend_from_slice(&self.field_count);
        for field in fields {
            let start = self.piece.len();
            let sliced = field.large(row);
            if let Some(value) = sliced {
                self.encode_slices(value, &mut tuple, visitor)?;
            } else {
                field
                    .cells
                    .write(row, &mut self.piece)
                    .at(|| format!("column {}", field.column.source))?;
            }
            if field.in_key {
                match sliced {
                    Some(value) => {
                        write_length(value.len(), &mut self.key)?;
                        self.key.extend_from_slice(value);
                    }
                    None => self.key.extend_from_slice(self.piece.get(start..).unwrap_or_default()),
                }
            }
        }
        let rest = self.piece.get(tuple.start..).unwrap_or_default();
        let body = match tuple.passed_on {
            None => Body::Tuple(rest),
            Some(mut hasher) => {
                hasher.update(rest);
                Body::Digest(hasher.finish())
            }
        };
        visitor.row(Row { key: &self.key, body })?;
        if self.piece.len() >= PIECE_BYTES { self.pass_on(visitor) } else { Ok(()) }
    }

    /// Writes a value that is larger than a piece, slice by slice.
    fn encode_slices(
        &mut self,
        value: &[u8],
        tuple: &mut Tuple,
        visitor: &mut impl RowVisitor,
    ) -> Result<()> {
        write_length(value.len(), &mut self.piece)?;
        for slice in value.chunks(PIECE_BYTES) {
            self.piece.extend_from_slice(slice);
            let hasher = tuple.passed_on.get_or_insert_default();
            hasher.update(self.piece.get(tuple.start..).unwrap_or_default());
            tuple.start = 0;
            self.pass_on(visitor)?;
        }
        Ok(())
    }

    fn pass_on(&mut self, visitor: &mut impl RowVisitor) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
        visitor.bytes(Bytes::from(std::mem::replace(&mut self.piece, next)))
    }
}

/// The tuple being written: where it begins in the piece, and the hash of what has been passed on already.
struct Tuple {
    start: usize,
    passed_on: Option<TupleHasher>,
}

struct Field<'a> {
    column: &'a Column,
    in_key: bool,
    /// Whether some value of the batch is passed on in slices.
    has_large: bool,
    cells: Cells<'a>,
}

impl<'a> Field<'a> {
    /// The value's bytes, where they are larger than a piece.
    #[inline]
    fn large(&self, row: usize) -> Option<&'a [u8]> {
        if !self.has_large {
            return None;
        }
        self.cells.plain_bytes(row).filter(|value| value.len() > PIECE_BYTES)
    }
}
