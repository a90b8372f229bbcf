//! COPY BINARY streams from the server back to rows in canonical form.
//!
//! The server normalises nothing that the encoder wrote (a `jsonb` was normalised by the encoder, and is the server's
//! own text), with one exception: the scale of a `numeric`. Without size it
//! keeps the scale it was given, so `1.5` and `1.50` differ in bytes; one too large for Arrow's decimals is written
//! with its least scale and comes back with the declared one. Such fields are hashed with their least scale.

use super::digest::TupleHasher;
use super::numeric;
use super::visit::{Body, Row, RowVisitor};
use super::{COPY_HEADER, COPY_TRAILER};
use crate::error::{Error, Result};
use crate::model::{NumericSize, PgType, RowDigest, TableSchema};

/// Cuts a COPY BINARY stream of one table into rows, wherever its messages begin and end.
#[derive(Debug)]
pub struct TupleDecoder<'t> {
    table: &'t TableSchema,
    /// Columns that are `numeric` and travel as decimal text, so that their scale says nothing.
    free_numerics: Vec<usize>,
    /// Bytes of a tuple whose rest has not come yet.
    pending: Vec<u8>,
    canonical: Vec<u8>,
    key: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Tuples,
    Done,
}

impl<'t> TupleDecoder<'t> {
    /// A decoder for rows of `table`, whose columns come in the table's order.
    pub fn new(table: &'t TableSchema) -> Self {
        let is_free =
            |pg| matches!(pg, PgType::Numeric(size) if !size.is_some_and(NumericSize::fits_arrow));
        let free_numerics = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| is_free(column.pg))
            .map(|(position, _)| position)
            .collect();
        Self {
            table,
            free_numerics,
            pending: Vec::new(),
            canonical: Vec::new(),
            key: Vec::new(),
            state: State::Header,
        }
    }

    /// Takes the next bytes of the stream and visits each row that they complete.
    ///
    /// # Errors
    ///
    /// A stream that is no COPY BINARY of this table, and whatever the visitor says.
    pub fn push(&mut self, message: &[u8], visitor: &mut impl RowVisitor) -> Result<()> {
        if self.pending.is_empty() {
            let used = self.consume(message, visitor)?;
            self.pending.extend_from_slice(message.get(used..).unwrap_or_default());
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(message);
        let used = self.consume(&pending, visitor)?;
        pending.drain(..used);
        self.pending = pending;
        Ok(())
    }

    /// Says that the stream is over.
    ///
    /// # Errors
    ///
    /// A stream that ended before its trailer.
    pub fn finish(&self) -> Result<()> {
        if self.state == State::Done && self.pending.is_empty() {
            return Ok(());
        }
        Err(Error::internal("the server's COPY stream ended before its trailer"))
    }

    /// Visits the whole rows at the start of `bytes` and gives how many bytes they were.
    fn consume(&mut self, bytes: &[u8], visitor: &mut impl RowVisitor) -> Result<usize> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            match self.state {
                State::Header => {
                    if rest.len() < COPY_HEADER.len() {
                        return Ok(used);
                    }
                    if !rest.starts_with(&COPY_HEADER) {
                        return Err(Error::internal(
                            "the server's COPY stream has an unknown header",
                        ));
                    }
                    used += COPY_HEADER.len();
                    self.state = State::Tuples;
                }
                State::Tuples if rest.starts_with(&COPY_TRAILER) => {
                    used += COPY_TRAILER.len();
                    self.state = State::Done;
                }
                State::Tuples => match tuple_length(rest, self.table.columns.len())? {
                    Some(length) => {
                        self.visit(rest.get(..length).unwrap_or_default(), visitor)?;
                        used += length;
                    }
                    None => return Ok(used),
                },
                State::Done => return Ok(used),
            }
        }
    }

    fn visit(&mut self, tuple: &[u8], visitor: &mut impl RowVisitor) -> Result<()> {
        let numerics = self.free_numerics.as_slice();
        self.key.clear();
        for (position, field) in split_fields(tuple).enumerate() {
            if !self.table.key.contains(&position) {
                continue;
            }
            let start = self.key.len();
            self.key.extend_from_slice(field.framed);
            if numerics.contains(&position)
                && let Some(scale) = least_scale(&field)
            {
                patch(&mut self.key, start + SCALE_AT, scale);
            }
        }
        let body = match numerics {
            [] => Body::Tuple(tuple),
            _ if tuple.len() > COPIED_BYTES_MAX => Body::Digest(digest_of_patched(tuple, numerics)),
            _ => {
                self.canonical.clear();
                self.canonical.extend_from_slice(tuple);
                for (at, scale) in least_scales(tuple, numerics) {
                    patch(&mut self.canonical, at, scale);
                }
                Body::Tuple(&self.canonical)
            }
        };
        visitor.row(Row { key: &self.key, body })
    }
}

/// The largest tuple of which a copy is made to put it into its canonical form.
const COPIED_BYTES_MAX: usize = 256 * 1024;

/// The digest of the canonical form, without making it.
fn digest_of_patched(tuple: &[u8], numerics: &[usize]) -> RowDigest {
    let mut hasher = TupleHasher::default();
    let mut hashed = 0;
    for (at, scale) in least_scales(tuple, numerics) {
        hasher.update(tuple.get(hashed..at).unwrap_or_default()).update(&scale);
        hashed = at + scale.len();
    }
    hasher.update(tuple.get(hashed..).unwrap_or_default());
    hasher.finish()
}

/// Where the scale of a numeric stands in its field: behind the field's length, and the digits, weight and sign.
const SCALE_AT: usize = 4 + 6;

/// Where the scales of these columns, all numeric, stand in the tuple, and what they are at least.
fn least_scales<'t>(
    tuple: &'t [u8],
    numerics: &'t [usize],
) -> impl Iterator<Item = (usize, [u8; 2])> + 't {
    let fields =
        split_fields(tuple).enumerate().filter(|(position, _)| numerics.contains(position));
    fields.filter_map(|(_, field)| Some((field.start + SCALE_AT, least_scale(&field)?)))
}

/// The scale that a numeric's digits need; none for NULL and for what has no digits.
fn least_scale(field: &TupleField<'_>) -> Option<[u8; 2]> {
    Some(numeric::least_dscale(field.value?)?.to_be_bytes())
}

fn patch(bytes: &mut [u8], at: usize, scale: [u8; 2]) {
    if let Some(slot) = bytes.get_mut(at..at + scale.len()) {
        slot.copy_from_slice(&scale);
    }
}

/// The length of the tuple at the start of `bytes`; none if its end has not come yet.
fn tuple_length(bytes: &[u8], columns: usize) -> Result<Option<usize>> {
    let Some((count, _)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    if usize::try_from(i16::from_be_bytes(*count)) != Ok(columns) {
        return Err(Error::internal(
            "a row of the server's COPY stream has another number of fields",
        ));
    }
    let mut end = 2_usize;
    for _ in 0..columns {
        let Some(length) = bytes.get(end..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(None);
        };
        end += 4 + usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
    }
    Ok((end <= bytes.len()).then_some(end))
}

/// A field of a tuple.
#[derive(Debug, Clone, Copy)]
pub struct TupleField<'a> {
    /// Where its length stands in the tuple.
    pub start: usize,
    /// Length and bytes.
    pub framed: &'a [u8],
    /// The bytes; none for NULL.
    pub value: Option<&'a [u8]>,
}

/// The fields of one whole tuple.
pub fn split_fields(tuple: &[u8]) -> impl Iterator<Item = TupleField<'_>> {
    framed_fields(tuple, 2)
}

pub(super) fn framed_fields(bytes: &[u8], mut at: usize) -> impl Iterator<Item = TupleField<'_>> {
    std::iter::from_fn(move || {
        let start = at;
        let length = i32::from_be_bytes(*bytes.get(start..)?.first_chunk::<4>()?);
        let value_length = usize::try_from(length).ok();
        at = start + 4 + value_length.unwrap_or(0);
        let framed = bytes.get(start..at)?;
        Some(TupleField {
            start,
            framed,
            value: framed.get(4..).filter(|_| value_length.is_some()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::digest::digest_of;
    use super::{TupleDecoder, digest_of_patched};
    use crate::error::Result;
    use crate::model::{CellShape, Column, PgType, RowDigest, TableSchema};
    use crate::row::{COPY_HEADER, COPY_TRAILER, Row, RowVisitor};

    fn table() -> TableSchema {
        let columns = vec![
            Column::new("id", CellShape::Integer, PgType::Int8),
            Column::new("n", CellShape::Decimal, PgType::Numeric(None)),
        ];
        TableSchema { key: vec![0], ..TableSchema::new("t", columns) }
    }

    /// `(7, 1.5)` with this scale.
    fn tuple(scale: u16) -> Vec<u8> {
        let mut tuple =
            vec![0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 12, 0, 2, 0, 0, 0, 0];
        tuple.extend(scale.to_be_bytes());
        tuple.extend([0, 1, 0x13, 0x88]);
        tuple
    }

    #[derive(Default)]
    struct Seen(Vec<(Vec<u8>, RowDigest)>);

    impl RowVisitor for Seen {
        fn row(&mut self, row: Row<'_>) -> Result<()> {
            self.0.push((row.key.to_vec(), row.digest()));
            Ok(())
        }
    }

    #[test]
    fn equal_numerics_of_any_scale_have_one_digest_whether_copied_or_not() {
        assert_eq!(digest_of_patched(&tuple(2), &[1]), digest_of(&tuple(1)));
        assert_eq!(digest_of_patched(&tuple(1), &[1]), digest_of(&tuple(1)));
        assert_ne!(digest_of(&tuple(2)), digest_of(&tuple(1)));
    }

    #[test]
    fn rows_are_found_wherever_the_stream_is_cut() {
        let stream = [COPY_HEADER.as_slice(), &tuple(1), &tuple(2), &COPY_TRAILER].concat();
        let table = table();
        for length in 1..stream.len() {
            let mut seen = Seen::default();
            let mut decoder = TupleDecoder::new(&table);
            stream.chunks(length).for_each(|piece| decoder.push(piece, &mut seen).unwrap());
            decoder.finish().unwrap();
            let row = (tuple(1)[2..14].to_vec(), digest_of(&tuple(1)));
            assert_eq!(seen.0, [row.clone(), row], "cut at {length}");
        }
    }

    #[test]
    fn a_stream_without_its_trailer_is_no_end() {
        let table = table();
        let mut decoder = TupleDecoder::new(&table);
        let stream = [COPY_HEADER.as_slice(), &tuple(1)].concat();
        decoder.push(&stream, &mut Seen::default()).unwrap();
        assert!(decoder.finish().is_err());
        assert!(TupleDecoder::new(&table).push(&[0; 40], &mut Seen::default()).is_err());
    }
}
