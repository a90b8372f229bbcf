//! Pure data that every other room speaks of: types, schemas, chunks, digests, evidence.
//!
//! Nothing here reads or writes anything, and nothing here knows a database.

mod chunk;
mod digest;
mod evidence;
mod form;
pub mod identifier;
mod misfit;
mod original;
mod schema;
mod source;
mod target;
mod touch;
mod types;
mod witness;

pub use chunk::{Chunk, RowRange};
pub use digest::{DigestSum, RowDigest};
pub use evidence::{
    ColumnEvidence, DateShapes, DecimalSize, LABELS_MAX, Probe, Sample, Stretch, TableEvidence,
    TextLooks, TextProbe, WitnessCounts,
};
pub(crate) use form::BelowTen;
pub use form::{
    BoolForm, BoolWords, ClockForm, DateForm, DateOrder, Form, IsoColumn, IsoForm, IsoTally,
    JsonForm, Mark, NumberClass, NumberForm, OffsetDigits, OffsetForm, OffsetLayout, Padding,
    Separator, UtcName, UuidForm, UuidShape,
};
pub use misfit::{
    FormException, Misfit, MisfitReason, RawCell, RejectedRow, Remedy, RowName, TextEncoding,
};
pub use original::{AutoVacuum, ObjectKind, OriginalFile, OwnRow, SchemaObject, Tree};
pub(crate) use schema::FIRST_STORABLE;
pub use schema::{CellShape, Column, EpochUnit, Partition, Recast, TableSchema};
pub use source::{
    Affinity, Deferral, ForeignKeyAction, IndexOrigin, SourceCheck, SourceColumn, SourceForeignKey,
    SourceIndex, SourceIndexColumn, SourceSchema, SourceTable, StorageClass, UnreadableTable,
    is_comparable,
};
pub use target::{
    ConstraintKind, TargetColumn, TargetConstraint, TargetIndex, TargetKind, TargetTable,
    TargetTrigger,
};
pub use touch::{Capture, Follow, Motion, TouchKey, Touches};
pub use types::{EnumType, NumericSize, PgType};
pub use witness::{Kin, Telling, Witness};
