//! What was said of keys last, in memory: rows as they are now, and keys of rows that are gone.

use super::super::ArchivedRows;
use super::super::keys::Key;
use crate::error::Result;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::SchemaRef;
use std::collections::HashMap;
use std::mem::take;

/// Bytes of small batches that are put together as one.
const JOINED_BYTES: usize = 2 * 1024 * 1024;
/// About the bytes that a key takes in the map and beside its batch.
const KEY_BYTES: usize = 64;

/// What a key's row has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is there: the number of its batch, and its position.
    Row(usize, usize),
    /// It is gone: the same of its key.
    Gone(usize, usize),
    /// It is there, and written already.
    Written,
}

/// A batch, and the key of each of its rows.
#[derive(Debug)]
struct Held {
    rows: ArchivedRows,
    keys: Vec<Key>,
}

impl Held {
    fn bytes(&self) -> usize {
        self.rows.bytes() + self.keys.len() * KEY_BYTES
    }
}

/// Rows and keys of one table, of which the last word on each key counts.
#[derive(Debug, Default)]
pub(super) struct Coalesced {
    latest: HashMap<Key, State>,
    rows: Vec<Held>,
    gone: Vec<Held>,
    bytes: usize,
}

impl Coalesced {
    pub(super) fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }

    /// About the bytes that all of it takes, what does not count any more included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows of these keys are gone, until they are said to be there.
    pub(super) fn touch(&mut self, batch: RecordBatch, keys: Vec<Key>) {
        let number = self.gone.len();
        for (row, key) in keys.iter().enumerate() {
            self.latest.insert(*key, State::Gone(number, row));
        }
        let held = self.held(ArchivedRows::plain(batch), keys);
        self.gone.push(held);
    }

    /// These rows are there.
    pub(super) fn put(&mut self, rows: ArchivedRows, keys: Vec<Key>) {
        let number = self.rows.len();
        for (row, key) in keys.iter().enumerate() {
            self.latest.insert(*key, State::Row(number, row));
        }
        let held = self.held(rows, keys);
        self.rows.push(held);
    }

    fn held(&mut self, rows: ArchivedRows, keys: Vec<Key>) -> Held {
        let held = Held { rows, keys };
        self.bytes = self.bytes.saturating_add(held.bytes());
        held
    }

    /// Adds what was said later.
    pub(super) fn absorb(&mut self, later: Self) {
        let (rows, gone) = (self.rows.len(), self.gone.len());
        self.latest.extend(later.latest.into_iter().map(|(key, state)| {
            let state = match state {
                State::Row(batch, row) => State::Row(rows + batch, row),
                State::Gone(batch, row) => State::Gone(gone + batch, row),
                State::Written => State::Written,
            };
            (key, state)
        }));
        self.rows.extend(later.rows);
        self.gone.extend(later.gone);
        self.bytes = self.bytes.saturating_add(later.bytes);
    }

    /// Hands on the rows that are there.
    pub(super) fn each_rows(
        &self,
        mut write: impl FnMut(ArchivedRows) -> Result<()>,
    ) -> Result<()> {
        for (number, held) in self.rows.iter().enumerate() {
            let counts = |row, key: &Key| self.latest.get(key) == Some(&State::Row(number, row));
            let rows = held.rows.clone().filter(&mask(&held.keys, counts))?;
            if rows.records.num_rows() > 0 {
                write(rows)?;
            }
        }
        Ok(())
    }

    /// Lets go of the rows that are there, because they are written: what is left knows of them.
    pub(super) fn let_go(&mut self) {
        for held in take(&mut self.rows) {
            self.bytes = self.bytes.saturating_sub(held.bytes());
        }
        let rows = self.latest.values_mut().filter(|state| matches!(state, State::Row(..)));
        rows.for_each(|state| *state = State::Written);
    }

    /// Whether the row of some key is written already.
    pub(super) fn has_written(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| self.latest.get(key) == Some(&State::Written))
    }

    /// The keys of rows that are gone.
    pub(super) fn gone(&self) -> Result<Vec<RecordBatch>> {
        let mut found = Vec::new();
        for (number, held) in self.gone.iter().enumerate() {
            let counts = |row, key: &Key| self.latest.get(key) == Some(&State::Gone(number, row));
            let records = held.rows.clone().filter(&mask(&held.keys, counts))?.records;
            if records.num_rows() > 0 {
                found.push(records);
            }
        }
        Ok(found)
    }

    /// Frees what does not count any more.
    pub(super) fn shrink(&mut self, rows: &SchemaRef, keys: &SchemaRef) -> Result<()> {
        let Self { latest, rows: all_rows, gone: all_gone, .. } = take(self);
        let of_rows = |number, row, key: &Key| latest.get(key) == Some(&State::Row(number, row));
        for held in shrunk(all_rows, rows, of_rows)? {
            self.put(held.rows, held.keys);
        }
        let of_gone = |number, row, key: &Key| latest.get(key) == Some(&State::Gone(number, row));
        for held in shrunk(all_gone, keys, of_gone)? {
            self.touch(held.rows.records, held.keys);
        }
        Ok(())
    }
}

/// Which rows of a batch count.
fn mask(keys: &[Key], counts: impl Fn(usize, &Key) -> bool) -> BooleanArray {
    keys.iter().enumerate().map(|(row, key)| Some(counts(row, key))).collect()
}

/// The rows that count, small batches as one.
fn shrunk(
    all: Vec<Held>,
    schema: &SchemaRef,
    counts: impl Fn(usize, usize, &Key) -> bool,
) -> Result<Vec<Held>> {
    let (mut found, mut parts, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0_usize;
    let mut join = |parts: &mut Vec<ArchivedRows>, keys: &mut Vec<Key>| -> Result<()> {
        if let Some(rows) = joined(schema, take(parts))? {
            found.push(Held { rows, keys: take(keys) });
        }
        Ok(())
    };
    for (number, held) in all.into_iter().enumerate() {
        let stays = mask(&held.keys, |row, key| counts(number, row, key));
        let stay = held.keys.iter().zip(&stays).filter(|(_, stays)| *stays == Some(true));
        let stay: Vec<_> = stay.map(|(key, _)| *key).collect();
        let rows = held.rows.filter(&stays)?;
        if stay.is_empty() {
            continue;
        }
        let more = rows.bytes();
        if bytes.saturating_add(more) > JOINED_BYTES {
            join(&mut parts, &mut keys)?;
            bytes = 0;
        }
        bytes = bytes.saturating_add(more);
        parts.push(rows);
        keys.extend(stay);
    }
    join(&mut parts, &mut keys)?;
    Ok(found)
}

/// Batches as one; a single one as it is, because it may be a large row.
fn joined(schema: &SchemaRef, mut parts: Vec<ArchivedRows>) -> Result<Option<ArchivedRows>> {
    match parts.len() {
        0 | 1 => Ok(parts.pop()),
        _ => ArchivedRows::concat(schema, parts).map(Some),
    }
}
