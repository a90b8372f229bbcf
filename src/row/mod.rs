//! The tuple codec: Arrow values to the bytes of a PostgreSQL COPY BINARY tuple, and back. No I/O.
//!
//! These bytes are the canonical form of a row: what is loaded is what is hashed, and what the server gives back
//! for equal values is the same bytes. The layouts are those of PostgreSQL's `typsend` functions.

pub mod boolean;
mod decode;
mod encode;
pub mod epoch;
pub mod form;
pub mod number;
pub mod numeric;
pub mod temporal;
mod visit;
pub mod zone;

pub use decode::{TupleDecoder, show_field, show_key, split_fields};
pub use encode::TupleEncoder;
pub use visit::{Row, RowVisitor};

/// What stands before the first tuple of a COPY BINARY stream: signature, flags, length of the extension.
pub const COPY_HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands after the last tuple: a field count of -1.
pub const COPY_TRAILER: [u8; 2] = [0xff, 0xff];
