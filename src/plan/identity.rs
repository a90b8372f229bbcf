//! Columns that count up, and where their sequences go on.

use super::Identity;
use super::follow::carried_rowid;
use super::names::Names;
use crate::model::{PgType, SourceTable, TableEvidence, TableSchema};

/// The column that is another name for the rowid, or was made for it.
pub(super) fn identity(
    source: &SourceTable,
    evidence: &TableEvidence,
    schema: &TableSchema,
    names: &mut Names,
) -> Option<Identity> {
    let alias = source.rowid_alias.or_else(|| carried_rowid(source, schema))?;
    let column = schema.columns.get(alias)?;
    (column.pg == PgType::Int8).then(|| Identity {
        column: column.target.clone(),
        sequence: names.make(&schema.target, Some(&column.target), "seq"),
        given_out: given_out(source, evidence, alias),
    })
}

/// The highest number that the source has in a column or had as a rowid, that of a row set aside among them.
pub(super) fn given_out(
    source: &SourceTable,
    evidence: &TableEvidence,
    position: usize,
) -> Option<i64> {
    let counted = source.sequence.filter(|_| source.rowid_alias == Some(position));
    let seen = evidence.columns.get(position).and_then(|seen| seen.integer_range);
    counted.max(seen.map(|(_, greatest)| greatest))
}

/// What to say where no number is left.
pub(super) fn used_up(identity: &Identity) -> Option<String> {
    let last = identity.given_out == Some(i64::MAX);
    last.then(|| {
        "the ids are used up: where SQLite looks for one that is free, an INSERT without an id fails in PostgreSQL"
            .into()
    })
}
