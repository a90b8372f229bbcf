//! The archive: Parquet files that any reader of Parquet understands, and that give back every row as it was.
//!
//! A chunk of a table is one file of data, named by the hash of its bytes, and where some of its cells are kept with
//! their exact bytes, a file beside it. The batches are those that go to PostgreSQL: an archive is written while they
//! pass, and never reads the source. Around the files there are the [generations](generation): each a [manifest] of files
//! that are together one state of the source, in a [place] that is a folder or a bucket, until they are [pruned](prune), and can be [copied](copy) from one to another.
//! With a [`Key`] nothing of it can be read without that, nor written: not a value, nor a name.
//! The format of the files: <https://parquet.apache.org/docs/file-format/>.

pub mod backup;
mod beside;
mod cipher;
pub mod copy;
mod facts;
mod file;
mod footer;
pub mod generation;
mod guard;
mod hash;
mod key;
mod layout;
pub mod manifest;
mod modules;
mod pages;
pub mod place;
pub mod presence;
pub mod prune;
mod read;
mod types;
mod verified;
mod write;

pub use beside::{BesideReader, BesideWriter, Kept};
pub use facts::{ChunkFacts, KEY};
pub use file::Stored;
pub use hash::ContentHash;
pub use key::Key;
pub use read::ChunkReader;
pub use types::{PG_TYPE, Shape};
pub use write::ChunkWriter;

#[cfg(test)]
pub(crate) mod damage;
#[cfg(test)]
mod tests;
