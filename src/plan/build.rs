//! From facts to a plan: table by table, with every refusal gathered, so that a user sees all of them at once.

use super::fit;
use super::identity::{identity, used_up};
use super::limits;
use super::names::Names;
use super::types::{self, Choice, shown};
use super::{
    ColumnReport, Damage, LeftBehind, Plan, PlannedTable, aside, chunks, ddl, existing, follow,
    generated, keys, references, unique::Apart,
};
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::model::identifier::{Ident, Qualified};
use crate::model::{
    Affinity, Column, ColumnEvidence, EnumType, Motion, PgType, Remedy, SourceColumn, SourceSchema,
    SourceTable, Stretch, TableEvidence, TableSchema, TargetTable,
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
    /// The target's tables that have names of source tables, whatever the case of their letters.
    pub target: &'a [TargetTable],
    /// Columns in whose type keys would be one that the source tells apart.
    pub apart: &'a Apart,
    /// Whether the source is written to meanwhile.
    pub motion: Motion,
    /// Bytes of a chunk, about.
    pub chunk_bytes: u64,
}

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
    let mut foreign_keys =
        references::foreign_keys(&facts.schema.tables, &tables, &mut names, &mut left_behind);
    let aside = aside::plan(&mut tables)
        .map_err(|refusal| Error::internal(format!("what is put aside: {refusal}")))?;
    foreign_keys.extend(aside.foreign_keys);
    let next_number = i64::try_from(facts.schema.tables.len())
        .map_err(|error| Error::internal("too many tables").because(error))?;
    Ok(Plan {
        format: Plan::FORMAT,
        name: facts.pipeline.name(),
        target_schema: facts.pipeline.target.schema.clone(),
        source_schema: facts.schema_hash.into(),
        settings: facts.pipeline.settings_hash(),
        tables,
        foreign_keys,
        aside: aside.away,
        triggers: aside.triggers,
        left_behind,
        renames: names.into_renames(),
        damage: Damage { found: Vec::new(), tables: facts.schema.unreadable.clone() },
        is_followed: facts.motion == Motion::Moving,
        next_number,
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
            if facts.schema.unreadable.iter().all(|table| table.name != *name) {
                refusals.push(unknown(format!("table {name}")));
            }
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

pub(super) fn undecided(mut refusals: Vec<Error>) -> Error {
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
    let fit = fit::find(facts, source)
        .map_err(|errors| errors.into_iter().map(at).collect::<Vec<_>>())?;
    let mut choices = Vec::new();
    for (position, (column, seen)) in source.columns.iter().zip(&evidence.columns).enumerate() {
        let said = facts.pipeline.column(&source.name, &column.name);
        let there = fit.as_ref().and_then(|fit| fit.columns.get(position).copied());
        let apart = facts.apart.get(&(source.name.clone(), column.name.clone()));
        match types::choose(column, seen, said, there, apart.map(String::as_str)) {
            Ok(choice) => choices.push(choice),
            Err(error) => refusals.push(at(error.at(format!("column {}", column.name)))),
        }
    }
    refusals.extend(limits::too_large(source, evidence).map(at));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    left_behind.extend(source.notes.iter().map(|note| LeftBehind {
        kind: "a declaration".into(),
        name: format!("of table {}", source.name),
        reason: note.clone(),
        sql: String::new(),
    }));
    if let Some(fit) = fit {
        return existing::plan(facts, source, evidence, &choices, &fit)
            .map_err(|error| vec![at(error)]);
    }
    let columns = names.columns(source);
    let mut schema = table_schema(facts, source, evidence, &choices, (&target, columns));
    name_enums(&mut schema, &choices, names);
    let capture =
        follow::capture(facts, source, &mut schema, true).map_err(|error| vec![at(error)])?;
    let identity = identity(source, evidence, &schema, names);
    let mut notes = limits::row_width(&schema, evidence).map_err(|error| vec![at(error)])?;
    notes.extend(identity.as_ref().and_then(used_up));
    notes.extend(follow::note(source, &schema));
    let as_values = facts.pipeline.generated_as_values(&source.name);
    let computed = generated::expressions(source, &schema, evidence, as_values, left_behind);
    for (column, expression) in schema.columns.iter_mut().zip(&computed) {
        column.computed = expression.is_some();
    }
    let create =
        ddl::create_table(&target, source, &schema, identity.as_ref(), &computed, left_behind);
    let steps = keys::steps(&target, source, &schema, evidence, names, left_behind);
    let mut columns = reports(source, evidence, &choices);
    hints(facts, source, evidence, &choices, &mut columns);
    Ok(PlannedTable {
        schema,
        settings: facts.pipeline.table_settings_hash(&source.name),
        stretches: stretches(facts, evidence),
        sample: evidence.sample,
        unreadable: evidence.unreadable.clone(),
        create,
        existing: None,
        steps,
        identity,
        capture,
        is_gone: false,
        columns,
        notes,
    })
}

/// What a source at rest is compared with where it was touched; of one that is written to, nothing.
pub(super) fn stretches(facts: &Facts<'_>, evidence: &TableEvidence) -> Vec<Stretch> {
    match facts.motion {
        Motion::AtRest => evidence.known_stretches(),
        Motion::Moving => Vec::new(),
    }
}

pub(super) fn reports(
    source: &SourceTable,
    evidence: &TableEvidence,
    choices: &[Choice],
) -> Vec<ColumnReport> {
    let columns = source.columns.iter().zip(&evidence.columns).zip(choices);
    let report =
        |((column, seen), choice): ((&SourceColumn, &ColumnEvidence), &Choice)| ColumnReport {
            declared: column.declared.clone(),
            reason: choice.reason.clone(),
            evidence: shown(seen),
            warning: choice.warning,
            strays: choice.strays,
            widened: choice.widened,
            hint: None,
        };
    columns.map(report).collect()
}

/// What could be said of columns whose types are not settled by a table that exists.
fn hints(
    facts: &Facts<'_>,
    source: &SourceTable,
    evidence: &TableEvidence,
    choices: &[Choice],
    reports: &mut [ColumnReport],
) {
    let columns = source.columns.iter().zip(&evidence.columns).zip(choices);
    for (((column, seen), choice), report) in columns.zip(reports) {
        let said = facts.pipeline.column(&source.name, &column.name);
        report.hint = types::hint(column, seen, choice, said);
    }
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

pub(super) fn table_schema(
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
            fraction: choice.fraction,
            numbers_only: evidence.columns.get(position).is_some_and(|seen| {
                seen.texts + seen.blobs == 0 && (!seen.sampled || makes_numbers(column))
            }),
            computed: false,
            witness: choice.witness.clone(),
            not_null: nulls(position) == 0
                && !((choice.strays > 0 || evidence.sample.is_some())
                    && choice.misfits == Remedy::Null)
                && (column.not_null
                    || source.rowid_alias == Some(position)
                    // NULLs that a sample missed, or that come, must not stand in the way of the key.
                    || ((evidence.sample.is_some() || facts.motion == Motion::Moving)
                        && source.primary_key.contains(&position))),
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
        partition: chunks::partition(source, &columns, evidence.rows),
        columns,
        key,
        named_by_key: false,
        chunks: match evidence.unreadable.as_slice() {
            [] => chunks::of(&evidence.stretches, follow::chunk_bytes(facts, &source.name)),
            // What was read beside damage is read again just so, or it may not be read at all.
            _ => evidence.stretches.iter().map(|stretch| stretch.range).collect(),
        },
        rows: evidence.rows,
        bytes: evidence.bytes,
        largest_row_bytes: evidence.largest_row_bytes,
    }
}

/// Whether SQLite makes numbers of texts that look like some when it stores them.
fn makes_numbers(column: &SourceColumn) -> bool {
    let affinity = Affinity::of(&column.declared);
    !column.any && matches!(affinity, Affinity::Integer | Affinity::Real | Affinity::Numeric)
}

#[cfg(test)]
mod tests {
    use super::{Facts, build};
    use crate::config::Pipeline;
    use crate::error::Class;
    use crate::model::{
        ColumnEvidence, Motion, RowRange, SourceColumn, SourceSchema, SourceTable, TableEvidence,
    };
    use crate::plan::Plan;
    use std::path::Path;

    /// A table of two BLOBs, whose largest row has so many bytes.
    fn planned(bytes: u64) -> crate::Result<Plan> {
        let column = |name: &str| SourceColumn {
            name: name.into(),
            declared: "BLOB".into(),
            not_null: false,
            default: None,
            any: false,
            collation: "BINARY".into(),
            generated: None,
        };
        let table = SourceTable {
            name: "t".into(),
            columns: vec![column("small"), column("large")],
            primary_key: Vec::new(),
            rowid_alias: None,
            without_rowid: false,
            rowid_name: Some("rowid"),
            autoincrement: false,
            sequence: None,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            notes: Vec::new(),
        };
        let seen = |bytes_max| ColumnEvidence { blobs: 1, bytes_max, ..ColumnEvidence::default() };
        let evidence = TableEvidence {
            rows: 1,
            bytes,
            largest_row_bytes: bytes,
            columns: vec![seen(1), seen(bytes - 1)],
            ..TableEvidence::default()
        };
        let schema = SourceSchema { tables: vec![table], ..SourceSchema::default() };
        let pipeline = Pipeline::of(Path::new("a.db"), "local");
        let facts = Facts {
            apart: &super::Apart::new(),
            motion: Motion::AtRest,
            chunk_bytes: pipeline.snapshot.chunk_bytes,
            schema: &schema,
            schema_hash: "",
            evidence: &[evidence],
            pipeline: &pipeline,
            target: &[],
        };
        build(&facts)
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_down_with_its_chunks() {
        let mut plan = planned(10).unwrap();
        let edges = [(i64::MIN, -1), (0, 9_007_199_254_740_993), (i64::MAX, i64::MAX)];
        let chunks = edges.map(|(first, last)| RowRange::Rowids { first, last });
        for chunks in [chunks.to_vec(), vec![RowRange::All], Vec::new()] {
            plan.tables[0].schema.chunks.clone_from(&chunks);
            let read = Plan::from_json(&plan.to_json().unwrap()).unwrap();
            assert_eq!(read.tables[0].schema.chunks, chunks);
            assert_eq!((&read, read.hash().unwrap()), (&plan, plan.hash().unwrap()));
        }
    }

    #[test]
    fn a_row_that_postgresql_cannot_build_is_refused_by_the_plan() {
        assert!(planned(1_000_000_000).is_ok(), "the largest row that SQLite has by default");
        let error = planned(0x3fff_ffff).unwrap_err();
        assert_eq!(error.class(), Class::Data);
        assert!(error.to_string().starts_with("table t: column large: "), "{error}");
    }
}
