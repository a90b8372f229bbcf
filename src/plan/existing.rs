//! A table that exists: nothing is made, its columns and types stay.

use super::build::{Facts, reports, stretches, table_schema};
use super::fit::Fit;
use super::identity::given_out;
use super::limits::row_width;
use super::types::Choice;
use super::{Existing, PlannedTable, Sequence, follow, generated};
use crate::error::{Error, Result};
use crate::model::identifier::Qualified;
use crate::model::{PgType, SourceTable, TableEvidence};

/// Plans the load; what stands in the way is put aside later, for all tables together.
pub(super) fn plan(
    facts: &Facts<'_>,
    source: &SourceTable,
    evidence: &TableEvidence,
    choices: &[Choice],
    fit: &Fit<'_>,
) -> Result<PlannedTable> {
    let found = fit.table;
    let target = Qualified::new(&found.schema, &found.name)
        .map_err(|refusal| Error::internal(refusal.to_string()))?;
    let names = fit.columns.iter().map(|there| there.name.clone()).collect();
    let mut schema = table_schema(facts, source, evidence, choices, (&target, names));
    for (column, there) in schema.columns.iter_mut().zip(&fit.columns) {
        column.not_null = there.not_null;
        column.computed = there.generated;
        column.enum_type.clone_from(&there.enum_type);
    }
    let capture = follow::capture(facts, source, &mut schema, false)?;
    let notes = row_width(&schema, evidence)?;
    let sequences = fit.columns.iter().enumerate().filter_map(|(position, there)| {
        Some(Sequence {
            name: there.sequence.clone().filter(|_| there.pg.is_some_and(|pg| !pg.is_text()))?,
            column: there.name.clone(),
            given_out: given_out(source, evidence, position).filter(|&last| holds(there.pg, last)),
        })
    });
    let existing = Existing {
        found: found.clone(),
        extra: fit.extra.iter().map(|column| column.name.clone()).collect(),
        truncate: found.has_rows,
        sequences: sequences.collect(),
    };
    let planned = PlannedTable {
        schema,
        settings: facts.pipeline.table_settings_hash(&source.name),
        stretches: stretches(facts, evidence),
        sample: evidence.sample,
        unreadable: evidence.unreadable.clone(),
        create: String::new(),
        existing: Some(existing),
        steps: Vec::new(),
        identity: None,
        capture,
        is_gone: false,
        columns: reports(source, evidence, choices),
        notes,
    };
    generated::check_replaced(&planned, source)?;
    Ok(planned)
}

/// Whether a column can come to such a number.
fn holds(pg: Option<PgType>, number: i64) -> bool {
    match pg {
        Some(PgType::Int2) => i16::try_from(number).is_ok(),
        Some(PgType::Int4) => i32::try_from(number).is_ok(),
        _ => true,
    }
}
