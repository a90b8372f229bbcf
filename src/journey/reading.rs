//! Where workers read the chunks that they copy: of a source at rest, or, piece by piece, of one that is written to.

use super::live::states::States;
use crate::error::Result;
use crate::model::{RowRange, TableSchema};
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::stage::Halt;
use crate::store::sqlite::ReadBatch;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::tail;

/// Batches between the reading and the loading stage of one worker.
const BATCHES_QUEUED: usize = 2;
/// The same where the application cannot commit while rows are read: a piece of small rows waits in memory, and not in its
/// file.
const BATCHES_QUEUED_BRIEFLY: usize = 64;

/// Where workers read their chunks.
pub(super) enum Readers<'a> {
    /// One for each worker, of a source at rest.
    Own(Vec<Reader>),
    /// Some that take turns, of a source that moves.
    Turns(&'a States<'a>),
}

/// Where one worker reads.
pub(super) enum Hand<'a> {
    Own(Box<Reader>),
    Turns(&'a States<'a>),
}

impl<'a> Readers<'a> {
    /// One for each worker.
    pub(super) fn hands(self, workers: usize) -> Vec<Hand<'a>> {
        match self {
            Self::Own(readers) => {
                readers.into_iter().map(|reader| Hand::Own(Box::new(reader))).collect()
            }
            Self::Turns(states) => (0..workers).map(|_| Hand::Turns(states)).collect(),
        }
    }
}

impl Hand<'_> {
    /// Batches that may wait between reading and loading.
    pub(super) fn batches_queued(&self) -> usize {
        match self {
            Self::Turns(states) if states.keeps_out => BATCHES_QUEUED_BRIEFLY,
            Self::Own(_) | Self::Turns(_) => BATCHES_QUEUED,
        }
    }

    /// Reads the rows of a range: of a source that moves piece by piece, each in a state that is held for no longer, but for
    /// a table whose rows must be of one state.
    pub(super) fn read(
        &mut self,
        table: &TableSchema,
        (mut range, is_of_one_state): (RowRange, bool),
        mut emit: impl FnMut(ReadBatch) -> Result<(), Halt>,
    ) -> Result<Marks, Halt> {
        let mut marks = Marks::default();
        let states = match self {
            Self::Own(reader) => {
                reader.read(table, range, emit)?;
                return Ok(marks);
            }
            Self::Turns(states) => states,
        };
        let bytes = if is_of_one_state { u64::MAX } else { states.piece_bytes };
        let mut behind = None;
        loop {
            behind = states.with(|reader, mark| {
                marks.add(mark);
                if behind.is_none() {
                    range = as_it_is(reader, table, range)?;
                }
                let piece = (behind.as_ref(), bytes);
                let last = reader.read_piece(table, range, piece, &mut emit)?;
                reader.read_through()?;
                Ok::<_, Halt>(last)
            })?;
            reach(Step::PieceRead);
            if behind.is_none() {
                return Ok(marks);
            }
        }
    }
}

/// A range to the last row that there is in the state of the reader: what comes behind it while it is read is a change.
fn as_it_is(reader: &Reader, table: &TableSchema, range: RowRange) -> Result<RowRange> {
    match range {
        RowRange::Rowids { first, last: i64::MAX } => {
            let end = tail::end(reader, table)?.unwrap_or(first);
            Ok(RowRange::Rowids { first, last: end.max(first) })
        }
        range => Ok(range),
    }
}

/// The highest touches of the states from which a chunk is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    /// That of the oldest state; none of a source at rest.
    pub(super) low: Option<i64>,
    /// That of the youngest one.
    pub(super) last: Option<i64>,
}

impl Marks {
    fn add(&mut self, mark: i64) {
        self.low = Some(self.low.map_or(mark, |low| low.min(mark)));
        self.last = Some(self.last.map_or(mark, |last| last.max(mark)));
    }
}
