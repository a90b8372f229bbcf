//! What tells the rows of a table apart in its archive: a hash of the canonical tuple of their typed keys.

use crate::error::{Error, Place as _, Result};
use crate::model::{RowDigest, TableSchema};
use crate::row::{Body, ManyDigests, Row, RowVisitor, TupleEncoder};
use arrow_array::RecordBatch;

/// The first half of the blake3 hash of a key's tuple: no two keys that anybody can find have the same.
pub(super) type Key = u128;

/// Hashes the keys of one table.
#[derive(Debug)]
pub(super) struct KeyHasher {
    /// The shape of the keys.
    shape: TableSchema,
    /// Where they are in the rows.
    positions: Vec<usize>,
}

impl KeyHasher {
    pub(super) fn of(table: &TableSchema) -> Self {
        Self { shape: table.keys(), positions: table.key.clone() }
    }

    /// The shape of the keys alone, as [`TableSchema::keys`] has it.
    pub(super) fn shape(&self) -> &TableSchema {
        &self.shape
    }

    /// The keys of rows of the table, one for each.
    ///
    /// # Errors
    ///
    /// Rows that are none of the table's.
    pub(super) fn of_rows(&self, rows: &RecordBatch) -> Result<Vec<Key>> {
        self.of_keys(&self.keys(rows)?)
    }

    /// The keys themselves of rows of the table, in their shape.
    ///
    /// # Errors
    ///
    /// As [`Self::of_rows`].
    pub(super) fn keys(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        rows.project(&self.positions)
            .map_err(|error| Error::internal("a batch lacks columns of its key").because(error))
    }

    /// The keys of a batch that has nothing else, one for each of its rows.
    ///
    /// # Errors
    ///
    /// As [`Self::of_rows`].
    pub(super) fn of_keys(&self, keys: &RecordBatch) -> Result<Vec<Key>> {
        if self.positions.is_empty() {
            let what = "rows of a table without a key were to be told apart";
            return Err(Error::internal(what)).at(|| format!("table {}", self.shape.source));
        }
        let mut encoder = TupleEncoder::new(&self.shape)?;
        let all = vec![0; keys.num_rows()];
        let mut hashing = Hashing { all, next: 0, digests: ManyDigests::default() };
        encoder.encode(keys, &mut hashing)?;
        encoder.finish(&mut hashing)?;
        let Hashing { mut all, digests, .. } = hashing;
        digests.finish(|at, digest| note(&mut all, at, digest))?;
        Ok(all)
    }
}

struct Hashing {
    all: Vec<Key>,
    /// The row that comes next.
    next: usize,
    digests: ManyDigests<usize>,
}

impl RowVisitor for Hashing {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        let Self { all, next, digests } = self;
        let at = *next;
        *next += 1;
        match row.body {
            Body::Tuple(tuple) => digests.add(at, tuple, |at, digest| note(all, at, digest)),
            Body::Digest(digest) => note(all, at, digest),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what hears digests may fail elsewhere")]
fn note(all: &mut [Key], at: usize, digest: RowDigest) -> Result<()> {
    if let (Some(slot), Some(half)) = (all.get_mut(at), digest.0.first_chunk::<16>()) {
        *slot = Key::from_le_bytes(*half);
    }
    Ok(())
}
