//! From facts to a plan: table by table, with every refusal gathered, so that a user sees all of them at once.

use super::keys::{self, Names};
use super::types::{self, Choice, shown};
use super::{ColumnReport, Identity, LeftBehind, Plan, PlannedTable, ddl};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::identifier::{Ident, Qualified, Refusal};
use crate::model::{
    Column, Partition, Remedy, RowRange, SourceSchema, SourceTable, Stretch, TableEvidence,
    TableSchema,
};

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The source's schema.
    pub schema: &'a SourceSchema,
    /// blake3 of the source's schema.
    pub schema_hash: &'a str,
    /// What the census saw, table by table.
    pub evidence: &'a [TableEvidence],
    /// What the user said.
    pub pipeline: &'a Pipeline,
}

/// Rows in a bucket, about, and the most buckets that a table has.
const BUCKET_ROWS: u64 = 2048;
const BUCKETS_MAX: u64 = 1024;

/// Decides everything.
///
/// # Errors
///
/// [`Class::Undecided`] with one line for each thing that must be decided first.
pub fn build(facts: &Facts<'_>) -> Result<Plan> {
    let mut refusals = unknown_settings(facts);
    refusals.extend(reserved_schema(&facts.pipeline.target.schema));
    let mut left_behind: Vec<_> = facts.schema.left_behind.iter().map(not_moved).collect();
    let mut names = Names::new(facts.schema.tables.iter().map(|table| table.name.clone()));
    let mut tables = Vec::new();
    for (source, evidence) in facts.schema.tables.iter().zip(facts.evidence) {
        match plan_table(facts, source, evidence, &mut names, &mut left_behind) {
            Ok(table) => tables.push(table),
            Err(errors) => refusals.extend(errors),
        }
    }
    if !refusals.is_empty() {
        return Err(undecided(refusals));
    }
    let foreign_keys =
        keys::foreign_keys(&facts.schema.tables, &tables, &mut names, &mut left_behind);
    Ok(Plan {
        format: Plan::FORMAT,
        name: facts.pipeline.name(),
        target_schema: facts.pipeline.target.schema.clone(),
        source_schema: facts.schema_hash.into(),
        settings: facts.pipeline.settings_hash(),
        tables,
        foreign_keys,
        left_behind,
    })
}

/// What the pipeline file says of tables and columns that are not there.
fn unknown_settings(facts: &Facts<'_>) -> Vec<Error> {
    let mut refusals = Vec::new();
    let unknown = |place: String| {
        Error::new(Class::Undecided, "the pipeline file names it, but it is not there").at(place)
    };
    for (name, section) in &facts.pipeline.tables {
        let Some(table) = facts.schema.tables.iter().find(|table| table.name == *name) else {
            refusals.push(unknown(format!("table {name}")));
            continue;
        };
        let missing = section
            .columns
            .keys()
            .filter(|&name| table.columns.iter().all(|column| column.name != *name));
        refusals.extend(missing.map(|column| unknown(format!("table {name}: column {column}"))));
    }
    refusals
}

/// Schemas that are not for tables.
fn reserved_schema(schema: &str) -> Option<Error> {
    let reserved =
        schema.starts_with("pg_") || ["liteferry", "information_schema"].contains(&schema);
    reserved.then(|| {
        Error::new(Class::Undecided, format!("the target's schema {schema} is reserved"))
            .todo("give another `schema` in the pipeline file")
    })
}

fn undecided(mut refusals: Vec<Error>) -> Error {
    if refusals.len() == 1 {
        return refusals.swap_remove(0);
    }
    let lines: String = refusals.iter().map(|error| format!("\n  {error}")).collect();
    let advice = refusals
        .iter()
        .find_map(Error::advice)
        .unwrap_or("decide each of them in a pipeline file")
        .to_owned();
    Error::new(Class::Undecided, format!("{} things must be decided first:{lines}", refusals.len()))
        .todo(advice)
}

fn not_moved((kind, name, sql): &(String, String, String)) -> LeftBehind {
    let reason = match kind.as_str() {
        "view" => "views are not translated",
        "trigger" => "triggers are not translated",
        _ => "it holds no ordinary rows",
    };
    LeftBehind { kind: kind.clone(), name: name.clone(), reason: reason.into(), sql: sql.clone() }
}

fn plan_table(
    facts: &Facts<'_>,
    source: &SourceTable,
    evidence: &TableEvidence,
    names: &mut Names,
    left_behind: &mut Vec<LeftBehind>,
) -> Result<PlannedTable, Vec<Error>> {
    let at = |error: Error| error.at(format!("table {}", source.name));
    let mut refusals = Vec::new();
    let target = Qualified::new(&facts.pipeline.target.schema, &source.name)
        .map_err(|refusal| vec![at(unnameable(&refusal))])?;
    let mut choices = Vec::new();
    for (column, seen) in source.columns.iter().zip(&evidence.columns) {
        let said = facts.pipeline.column(&source.name, &column.name);
        let name = Ident::for_column(&column.name).map_err(|refusal| unnameable(&refusal));
        match name.and_then(|_| types::choose(column, seen, said)) {
            Ok(choice) => choices.push(choice),
            Err(error) => refusals.push(at(error.at(format!("column {}", column.name)))),
        }
    }
    if source.columns.len() > COLUMNS_MAX {
        refusals.push(at(Error::new(Class::Undecided, format!("more than {COLUMNS_MAX} columns"))));
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    left_behind.extend(source.notes.iter().map(|note| LeftBehind {
        kind: "a declaration".into(),
        name: format!("of table {}", source.name),
        reason: note.clone(),
        sql: String::new(),
    }));
    let schema = table_schema(facts, source, evidence, &choices);
    let identity = identity(source, &schema);
    if let Some(identity) = &identity {
        names.reserve(&format!("{}_{}_seq", schema.target, identity.column));
    }
    let create = ddl::create_table(&target, source, &schema, identity.as_ref(), left_behind);
    let steps = keys::steps(&target, source, &schema, names, left_behind);
    let columns = source.columns.iter().zip(&evidence.columns).zip(&choices).map(
        |((column, seen), choice)| ColumnReport {
            declared: column.declared.clone(),
            reason: choice.reason.clone(),
            evidence: shown(seen),
            warning: choice.warning,
            hint: types::hint(
                column,
                seen,
                choice,
                facts.pipeline.column(&source.name, &column.name),
            ),
        },
    );
    let (columns, stretches) = (columns.collect(), evidence.stretches.clone());
    Ok(PlannedTable { schema, stretches, create, steps, identity, columns })
}

fn unnameable(refusal: &Refusal) -> Error {
    Error::new(Class::Undecided, refusal.to_string())
        .todo("giving another name is not supported yet: rename it in a copy of the source")
}

/// PostgreSQL's own limit.
const COLUMNS_MAX: usize = 1600;

fn table_schema(
    facts: &Facts<'_>,
    source: &SourceTable,
    evidence: &TableEvidence,
    choices: &[Choice],
) -> TableSchema {
    let nulls = |position: usize| evidence.columns.get(position).map_or(0, |seen| seen.nulls);
    let columns: Vec<_> = source
        .columns
        .iter()
        .zip(choices)
        .enumerate()
        .map(|(position, (column, choice))| Column {
            source: column.name.clone(),
            target: column.name.clone(),
            read: choice.read.clone(),
            recast: choice.recast.clone(),
            misfits: choice.misfits,
            default: choice.default.clone(),
            pg: choice.pg,
            numbers_only: evidence
                .columns
                .get(position)
                .is_some_and(|seen| seen.texts + seen.blobs == 0),
            not_null: nulls(position) == 0
                && !(choice.strays > 0 && choice.misfits == Remedy::Null)
                && (column.not_null || source.rowid_alias == Some(position)),
        })
        .collect();
    let key = if source.primary_key.iter().any(|&position| nulls(position) > 0) {
        Vec::new()
    } else {
        source.primary_key.clone()
    };
    TableSchema {
        source: source.name.clone(),
        target_schema: facts.pipeline.target.schema.clone(),
        target: source.name.clone(),
        rowid_name: source.rowid_name.map(Into::into),
        partition: partition(source, &columns, evidence.rows),
        columns,
        key,
        chunks: chunks(&evidence.stretches, facts.pipeline.snapshot.chunk_bytes),
        rows: evidence.rows,
        bytes: evidence.bytes,
        largest_row_bytes: evidence.largest_row_bytes,
    }
}

/// By chunk where the rowid stands in the target, else by hash of the key.
fn partition(source: &SourceTable, columns: &[Column], rows: u64) -> Partition {
    let alias = source.rowid_alias.filter(|&position| {
        columns.get(position).is_some_and(|column| column.pg == crate::model::PgType::Int8)
    });
    if let Some(key) = alias {
        Partition::Chunks { key }
    } else {
        let count = (rows / BUCKET_ROWS).clamp(1, BUCKETS_MAX);
        Partition::Buckets { count: usize::try_from(count).unwrap_or(1) }
    }
}

/// Joins neighbouring stretches up to the size of a chunk; together they cover what they covered.
fn chunks(stretches: &[Stretch], chunk_bytes: u64) -> Vec<RowRange> {
    let mut chunks: Vec<RowRange> = Vec::new();
    let mut filled = 0;
    for stretch in stretches {
        match (chunks.last_mut(), stretch.range) {
            (Some(RowRange::Rowids { last, .. }), RowRange::Rowids { last: next_last, .. })
                if filled + stretch.bytes <= chunk_bytes =>
            {
                *last = next_last;
                filled += stretch.bytes;
            }
            _ => {
                chunks.push(stretch.range);
                filled = stretch.bytes;
            }
        }
    }
    chunks
}

fn identity(source: &SourceTable, schema: &TableSchema) -> Option<Identity> {
    let column = schema.columns.get(source.rowid_alias?)?;
    (column.pg == crate::model::PgType::Int8)
        .then(|| Identity { column: column.target.clone(), given_out: source.sequence })
}

#[cfg(test)]
mod tests {
    use super::chunks;
    use crate::model::{RowRange, Stretch};

    #[test]
    fn chunks_cover_what_the_stretches_covered() {
        let edges = [i64::MIN, -5, 0, 17, 1_000, i64::MAX];
        let stretches: Vec<_> = edges
            .windows(2)
            .enumerate()
            .map(|(number, pair)| Stretch {
                range: RowRange::Rowids {
                    first: if number == 0 { pair[0] } else { pair[0] + 1 },
                    last: pair[1],
                },
                bytes: 8,
                content: String::new(),
            })
            .collect();
        let chunks = chunks(&stretches, 16);
        assert_eq!(chunks.len(), 3);
        let mut next = Some(i64::MIN);
        for chunk in chunks {
            let RowRange::Rowids { first, last } = chunk else { panic!("{chunk}") };
            assert_eq!(Some(first), next);
            next = last.checked_add(1);
        }
        assert_eq!(next, None, "the last chunk reaches to the end");
    }
}
