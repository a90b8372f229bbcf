//! From facts to a plan: table by table, with every refusal gathered, so that a user sees all of them at once.

use super::limits::{self, ROW_BYTES_MAX, Width};
use super::names::Names;
use super::types::{self, Choice, shown};
use super::{
    ColumnReport, Identity, LeftBehind, Plan, PlannedTable, ddl, generated, keys, references,
};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::identifier::{Ident, Qualified};
use crate::model::{
    Column, EnumType, Partition, PgType, Remedy, RowRange, SourceSchema, SourceTable, Stretch,
    TableEvidence, TableSchema,
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
    refusals.extend(unusable_schema(&facts.pipeline.target.schema));
    let mut left_behind: Vec<_> = facts.schema.left_behind.iter().map(not_moved).collect();
    let mut names = Names::new(facts.schema, facts.pipeline.target.identifiers);
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
        references::foreign_keys(&facts.schema.tables, &tables, &mut names, &mut left_behind);
    Ok(Plan {
        format: Plan::FORMAT,
        name: facts.pipeline.name(),
        target_schema: facts.pipeline.target.schema.clone(),
        source_schema: facts.schema_hash.into(),
        settings: facts.pipeline.settings_hash(),
        tables,
        foreign_keys,
        left_behind,
        renames: names.into_renames(),
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

/// Schemas that are not for tables, or cannot be.
fn unusable_schema(schema: &str) -> Option<Error> {
    let reserved =
        schema.starts_with("pg_") || ["liteferry", "information_schema"].contains(&schema);
    let reason = match Ident::new(schema) {
        Ok(_) if reserved => "it is reserved".into(),
        Ok(_) => return None,
        Err(refusal) => refusal.to_string(),
    };
    let what = format!("the target's schema {schema:?} cannot be used: {reason}");
    Some(Error::new(Class::Undecided, what).todo("give another `schema` in the pipeline file"))
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
    let target = Qualified::new(&facts.pipeline.target.schema, &names.table(&source.name))
        .map_err(|_schema_is_refused_already| Vec::new())?;
    let mut choices = Vec::new();
    for (column, seen) in source.columns.iter().zip(&evidence.columns) {
        let said = facts.pipeline.column(&source.name, &column.name);
        match types::choose(column, seen, said) {
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
    let columns = names.columns(source);
    let mut schema = table_schema(facts, source, evidence, &choices, (&target, columns));
    name_enums(&mut schema, &choices, names);
    let identity = identity(source, &schema, names);
    let notes = row_width(&schema, evidence).map_err(|error| vec![at(error)])?;
    let as_values = facts.pipeline.generated_as_values(&source.name);
    let computed = generated::expressions(source, &schema, evidence, as_values, left_behind);
    for (column, expression) in schema.columns.iter_mut().zip(&computed) {
        column.computed = expression.is_some();
    }
    let create =
        ddl::create_table(&target, source, &schema, identity.as_ref(), &computed, left_behind);
    let steps = keys::steps(&target, source, &schema, evidence, names, left_behind);
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
    Ok(PlannedTable { schema, stretches, create, steps, identity, columns, notes })
}

/// Gives each enum a type of its own.
fn name_enums(schema: &mut TableSchema, choices: &[Choice], names: &mut Names) {
    for (column, choice) in schema.columns.iter_mut().zip(choices) {
        if choice.pg == PgType::Enum {
            let name = names.make(&schema.target, Some(&column.target), "enum");
            let labels = choice.labels.clone();
            let schema = schema.target_schema.clone();
            column.enum_type = Some(EnumType { schema, name, labels });
        }
    }
}

/// Refuses rows that surely do not fit a page, and notes those that may not.
fn row_width(schema: &TableSchema, evidence: &TableEvidence) -> Result<Vec<String>> {
    match limits::width(schema, evidence) {
        Width::Fits => Ok(Vec::new()),
        Width::Unknown(bytes) => Ok(vec![format!(
            "a row may take {bytes} bytes of a page, which has {ROW_BYTES_MAX}: the load ends where one does not fit"
        )]),
        Width::TooWide(bytes) => Err(Error::new(
            Class::Undecided,
            format!("each row takes {bytes} bytes of a page at least, and a page has {ROW_BYTES_MAX}"),
        )
        .todo("give columns another type in a pipeline file (a small whole number takes 8 bytes as int8, 5 as numeric), or leave columns out of the source")),
    }
}

/// PostgreSQL's own limit.
const COLUMNS_MAX: usize = 1600;

fn table_schema(
    facts: &Facts<'_>,
    source: &SourceTable,
    evidence: &TableEvidence,
    choices: &[Choice],
    (target, names): (&Qualified, Vec<String>),
) -> TableSchema {
    let nulls = |position: usize| evidence.columns.get(position).map_or(0, |seen| seen.nulls);
    let columns: Vec<_> = source
        .columns
        .iter()
        .zip(choices)
        .zip(names)
        .enumerate()
        .map(|(position, ((column, choice), name))| Column {
            source: column.name.clone(),
            target: name,
            read: choice.read.clone(),
            recast: choice.recast.clone(),
            misfits: choice.misfits,
            default: choice.default.clone(),
            form: choice.form.clone(),
            pg: choice.pg,
            enum_type: None,
            numbers_only: evidence
                .columns
                .get(position)
                .is_some_and(|seen| seen.texts + seen.blobs == 0),
            computed: false,
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
        target_schema: target.schema.as_str().into(),
        target: target.name.as_str().into(),
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
    let alias = source
        .rowid_alias
        .filter(|&position| columns.get(position).is_some_and(|column| column.pg == PgType::Int8));
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

fn identity(source: &SourceTable, schema: &TableSchema, names: &mut Names) -> Option<Identity> {
    let column = schema.columns.get(source.rowid_alias?)?;
    (column.pg == PgType::Int8).then(|| Identity {
        column: column.target.clone(),
        sequence: names.make(&schema.target, Some(&column.target), "seq"),
        given_out: source.sequence,
    })
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
