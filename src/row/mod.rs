//! The tuple codec: Arrow values to the bytes of a PostgreSQL COPY BINARY tuple, and back. No I/O.
//!
//! These bytes are the canonical form of a row: what is loaded is what is hashed, and what the server gives back
//! for equal values is the same bytes. The layouts are those of PostgreSQL's `typsend` functions. A `jsonb` is written as
//! the server would write it, whatever text it comes as; so its digest is that of its content.

pub mod boolean;
mod cells;
mod decode;
mod digest;
mod encode;
pub mod epoch;
pub mod form;
pub mod inet;
pub mod json;
pub mod number;
pub mod numeric;
mod show;
mod stored;
pub mod temporal;
pub mod uuid;
mod visit;
pub mod zone;

pub use decode::{TupleDecoder, split_fields};
pub use digest::ManyDigests;
pub use encode::TupleEncoder;
pub use show::{show_field, show_key};
pub use stored::{CellWriter, StoredCell, Values};
pub use visit::{Body, Row, RowVisitor};

/// What stands before the first tuple of a COPY BINARY stream: signature, flags, length of the extension.
pub const COPY_HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands after the last tuple: a field count of -1.
pub const COPY_TRAILER: [u8; 2] = [0xff, 0xff];
