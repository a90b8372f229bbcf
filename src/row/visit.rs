//! The seam between codecs and what happens to rows: loading, summing, narrowing.

use super::digest::digest_of;
use crate::error::Result;
use crate::model::RowDigest;
use bytes::Bytes;

/// A row in its canonical form.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The key's fields as they stand in the tuple, each with its length; empty where a table has no key.
    pub key: &'a [u8],
    /// The tuple.
    pub body: Body<'a>,
}

/// What there is of a tuple.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// All of it, not hashed yet.
    Tuple(&'a [u8]),
    /// The digest alone, of one so large that it was passed on in pieces.
    Digest(RowDigest),
}

impl<'a> Row<'a> {
    /// The row's digest, made now where there is none yet.
    pub fn digest(&self) -> RowDigest {
        match self.body {
            Body::Tuple(tuple) => digest_of(tuple),
            Body::Digest(digest) => digest,
        }
    }

    /// The tuple, unless it was passed on in pieces.
    pub fn tuple(&self) -> Option<&'a [u8]> {
        match self.body {
            Body::Tuple(tuple) => Some(tuple),
            Body::Digest(_) => None,
        }
    }
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
