//! Pure data that every other room speaks of: types, schemas, chunks, digests, evidence.
//!
//! Nothing here reads or writes anything, and nothing here knows a database.

mod chunk;
mod digest;
mod evidence;
pub mod identifier;
mod misfit;
mod schema;
mod source;
mod types;

pub use chunk::{Chunk, RowRange};
pub use digest::{DigestSum, RowDigest};
pub use evidence::{
    ColumnEvidence, DateShapes, DecimalSize, Probe, Stretch, TableEvidence, TextLooks,
};
pub use misfit::{Misfit, RawCell, Remedy, RowName};
pub use schema::{CellShape, Column, EpochUnit, Partition, Recast, TableSchema};
pub use source::{
    Affinity, Deferral, ForeignKeyAction, IndexOrigin, SourceCheck, SourceColumn, SourceForeignKey,
    SourceIndex, SourceIndexColumn, SourceSchema, SourceTable, StorageClass,
};
pub use types::{NumericSize, PgType};
