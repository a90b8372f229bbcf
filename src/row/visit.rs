//! The seam between codecs and what happens to rows: loading, summing, narrowing.

use crate::error::Result;
use crate::model::RowDigest;
use bytes::Bytes;

/// A row in its canonical form.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The key's fields as they stand in the tuple, each with its length; empty where a table has no key.
    pub key: &'a [u8],
    /// blake3 of the tuple.
    pub digest: RowDigest,
    /// The tuple itself, unless it was so large that it was passed on in pieces.
    pub tuple: Option<&'a [u8]>,
}

/// What is done with rows as they pass.
pub trait RowVisitor {
    /// One row is complete.
    fn row(&mut self, row: Row<'_>) -> Result<()>;

    /// The next bytes of the tuple stream, in order; rows may span pieces.
    fn bytes(&mut self, _piece: Bytes) -> Result<()> {
        Ok(())
    }
}
