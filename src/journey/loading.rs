//! Rows on their last steps: hashed whole, and sent as far as the target does not compute them itself.

use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::pipeline::failpoint::{Step, reach};
use crate::proof::GroupSums;
use crate::row::{Row, RowVisitor, TupleEncoder};
use crate::store::postgres::write::CopyWriter;
use crate::transform::Transform;
use arrow_array::RecordBatch;
use bytes::Bytes;

/// Encodes rows: the bytes that are loaded are the bytes that are hashed, but for columns that the target computes, which
/// are hashed only.
#[derive(Debug)]
pub(super) struct Encoding<'t> {
    transform: Transform<'t>,
    whole: TupleEncoder<'t>,
    sent: Option<(&'t [usize], TupleEncoder<'t>)>,
}

impl<'t> Encoding<'t> {
    /// For rows of `table`; `loaded` is what it says of the columns that are loaded.
    pub(super) fn new(
        table: &'t TableSchema,
        loaded: Option<&'t (Vec<usize>, TableSchema)>,
    ) -> Result<Self> {
        let sent = match loaded {
            Some((positions, shape)) => Some((positions.as_slice(), TupleEncoder::new(shape)?)),
            None => None,
        };
        Ok(Self { transform: Transform::new(table)?, whole: TupleEncoder::new(table)?, sent })
    }

    /// Encodes rows as they were read.
    pub(super) fn encode(
        &mut self,
        records: &RecordBatch,
        loading: &mut Loading<'_, '_>,
    ) -> Result<()> {
        let rows = self.transform.apply(records)?;
        let Some((positions, sent)) = &mut self.sent else {
            return self.whole.encode(&rows, loading);
        };
        self.whole.encode(&rows, &mut loading.sums)?;
        let part = rows.project(positions).map_err(|error| {
            Error::internal("a batch lacks columns of its table").because(error)
        })?;
        sent.encode(&part, &mut Sending(loading.copy))
    }

    /// Passes on what is left.
    pub(super) fn finish(mut self, loading: &mut Loading<'_, '_>) -> Result<()> {
        match &mut self.sent {
            None => self.whole.finish(loading),
            Some((_, sent)) => sent.finish(&mut Sending(loading.copy)),
        }
    }
}

/// Sums rows and sends their bytes.
pub(super) struct Loading<'c, 's> {
    pub(super) sums: GroupSums,
    pub(super) copy: &'c mut CopyWriter<'s>,
}

impl RowVisitor for Loading<'_, '_> {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.sums.row(row)
    }

    fn bytes(&mut self, piece: Bytes) -> Result<()> {
        send(self.copy, piece)
    }
}

/// Sends rows that are summed elsewhere.
struct Sending<'a, 's>(&'a mut CopyWriter<'s>);

impl RowVisitor for Sending<'_, '_> {
    fn row(&mut self, _summed_elsewhere: Row<'_>) -> Result<()> {
        Ok(())
    }

    fn bytes(&mut self, piece: Bytes) -> Result<()> {
        send(self.0, piece)
    }
}

fn send(copy: &mut CopyWriter<'_>, piece: Bytes) -> Result<()> {
    copy.write(piece)?;
    reach(Step::PieceSent);
    Ok(())
}
