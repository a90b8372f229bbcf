//! Keys that conversion makes one, found before anything is loaded: the rows are read as they would be loaded, and what
//! becomes of their keys is compared. What an index computes, and which rows it has, SQLite says.

use super::Setting;
use super::inspect::Inspected;
use crate::error::{Error, Result};
use crate::model::identifier::quoted;
use crate::model::{
    CellShape, Column, Partition, PgType, RawCell, SourceTable, TableEvidence, TableSchema,
};
use crate::pipeline::{Event, workers};
use crate::plan::unique::{AtRisk, Folding, Merged, UniqueKey, keys_at_risk, merging};
use crate::plan::{Plan, PlannedTable};
use crate::proof::{Repeats, Short};
use crate::row::json::comparable_jsonb;
use crate::row::{Row, RowVisitor, TupleEncoder};
use crate::store::sqlite::read::Reader;
use crate::transform::Transform;
use arrow_array::RecordBatch;
use std::collections::BTreeMap;

/// Keys that come more than once which are looked at: those of a damaged source may be the same there already.
const REPEATS_MAX: usize = 1000;

/// A key whose values are looked at.
struct Job<'p> {
    table: usize,
    schema: &'p TableSchema,
    key: UniqueKey,
    merging: Vec<usize>,
    /// Whether the source has no such key.
    foreign: bool,
    /// Whether numbers that are computed lose what doubles do not hold, as they may in the target.
    rounded: bool,
}

/// The keys that would be one; of each key a pair that the source tells apart.
pub(super) fn find(
    inspected: &Inspected,
    plan: &Plan,
    tables: &[SourceTable],
    evidence: &[TableEvidence],
    setting: Setting<'_>,
) -> Result<Vec<Merged>> {
    let mut jobs = Vec::new();
    for (number, planned) in plan.tables.iter().enumerate() {
        let (Some(source), Some(seen)) = (tables.get(number), evidence.get(number)) else {
            continue;
        };
        let jobs_of_table = keys_at_risk(planned, source, seen).into_iter().map(|found| {
            let AtRisk { key, merging, foreign } = found;
            Job { table: number, schema: &planned.schema, key, merging, foreign, rounded: false }
        });
        jobs.extend(jobs_of_table);
    }
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let words = format!("whether {} keys stay apart in the target's types", jobs.len());
    setting.progress.tell(Event::Step(words));
    let readers = inspected.readers(setting.workers.min(jobs.len()))?;
    let found = workers::over(&jobs, readers, setting.stop, |reader, job| {
        let _permit = setting.reserve(job.schema);
        job.merged(reader, setting)
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Why a key cannot be made of rows that are loaded: two of the source's that are one, where that is the reason.
pub(super) fn explain(
    inspected: &Inspected,
    table: &PlannedTable,
    key: &UniqueKey,
    setting: Setting<'_>,
) -> Result<Option<Merged>> {
    let (schema, merging) = (&table.schema, merging(table, key));
    let (key, foreign) = (key.clone(), table.existing.is_some());
    let job = Job { table: 0, schema, key, merging, foreign, rounded: true };
    let _permit = setting.reserve(schema);
    inspected.readers(1)?.first().map_or(Ok(None), |reader| job.merged(reader, setting))
}

impl Job<'_> {
    fn merged(&self, reader: &Reader, setting: Setting<'_>) -> Result<Option<Merged>> {
        let mut repeats = Repeats::default();
        self.read(reader, &[], setting, &mut |digest, _cells| {
            digest.map_or(Ok(()), |digest| repeats.add(digest))
        })?;
        let repeated = repeats.least(REPEATS_MAX)?;
        if repeated.is_empty() {
            return Ok(None);
        }
        let (mut firsts, mut pair) = (BTreeMap::new(), None);
        self.read(reader, &self.cells(), setting, &mut |digest, cells| {
            let digest = digest.filter(|digest| repeated.binary_search(digest).is_ok());
            if let (Some(digest), None) = (digest, &pair) {
                let (is, shown) = (of(cells), in_words(cells));
                match firsts.get(&digest) {
                    None => _ = firsts.insert(digest, (is, shown)),
                    Some((first, _)) if *first == is && !self.foreign => {}
                    Some((first, words)) => pair = Some(([words.clone(), shown], *first == is)),
                }
            }
            Ok(())
        })?;
        let (table, key, merging) = (self.table, self.key.clone(), self.merging.clone());
        Ok(pair.map(|(shown, equal)| Merged { table, key, merging, shown, equal }))
    }

    /// What SQLite computes for the key: its expressions, and NULL for rows that do not have it.
    fn computed(&self) -> Vec<String> {
        let expressions = self.key.expressions.iter().map(|(sql, _)| {
            if self.rounded {
                format!(
                    "CASE typeof({sql}) WHEN 'integer' THEN CAST(({sql}) AS REAL) ELSE ({sql}) END"
                )
            } else {
                format!("({sql})")
            }
        });
        let predicate =
            self.key.predicate.iter().map(|sql| format!("CASE WHEN ({sql}) THEN 1 END"));
        expressions.chain(predicate).collect()
    }

    /// The cells of the key as they are, each behind its storage class.
    fn cells(&self) -> Vec<String> {
        let columns = self.positions();
        let columns = columns.iter().filter_map(|&at| self.schema.columns.get(at));
        let columns = columns.map(|column| quoted(&column.source));
        let expressions = self.key.expressions.iter().map(|(sql, _)| format!("({sql})"));
        columns.chain(expressions).flat_map(|cell| [format!("typeof({cell})"), cell]).collect()
    }

    fn positions(&self) -> Vec<usize> {
        self.key.columns.iter().map(|(position, _)| *position).collect()
    }

    /// Reads all rows as they would be loaded, and gives what becomes of each one's key, and these cells.
    fn read(
        &self,
        reader: &Reader,
        cells: &[String],
        setting: Setting<'_>,
        each: &mut dyn FnMut(Option<Short>, &Values) -> Result<()>,
    ) -> Result<()> {
        let computed = self.computed();
        let own = self.schema.columns.len();
        let made = own + computed.len();
        let expressions = [computed.as_slice(), cells].concat();
        let mut table = self.schema.clone();
        table.columns.extend(expressions.iter().map(|sql| as_it_is(sql)));
        let parts =
            [self.positions(), (own..made).collect(), (made..table.columns.len()).collect()];
        let transform = Transform::new(&table)?;
        for &range in &table.chunks {
            reader.read_with::<Error>(&table, range, &expressions, |batch| {
                setting.stop.check()?;
                let rows = transform.apply(&batch.records)?;
                let [columns, computed, cells] = &parts;
                let columns = values(&table, &rows, columns)?;
                let computed = values(&table, &rows, computed)?;
                let cells = values(&table, &rows, cells)?;
                let keys = columns.iter().zip(&computed).map(|(row, made)| self.digest(row, made));
                keys.zip(&cells).try_for_each(|(key, cells)| each(key, cells))
            })?;
        }
        Ok(())
    }

    /// What becomes of a key; nothing for rows that do not have it, and where NULL is part of it and differs from all
    /// others.
    fn digest(&self, columns: &Values, computed: &Values) -> Option<Short> {
        let mut hasher = blake3::Hasher::new();
        let types = self.key.columns.iter().map(|(position, folding)| {
            (self.schema.columns.get(*position).map(|column| column.pg), *folding)
        });
        let expressions = self.key.expressions.iter().map(|(_, folding)| (None, *folding));
        let predicate = self.key.predicate.iter().map(|_| (None, Folding::Nothing));
        let fields = columns.iter().zip(types);
        for (field, (pg, folding)) in
            fields.chain(computed.iter().zip(expressions.chain(predicate)))
        {
            match field.clone() {
                Some(field) => {
                    let field = folded(field, pg, folding);
                    hasher.update(&field.len().to_be_bytes()).update(&field);
                }
                // The length of no field.
                None if self.key.nulls_are_one => _ = hasher.update(&usize::MAX.to_be_bytes()),
                None => return None,
            }
        }
        hasher.finalize().as_bytes().first_chunk().copied()
    }
}

/// What of a field its key compares.
fn folded(mut field: Vec<u8>, pg: Option<PgType>, folding: Folding) -> Vec<u8> {
    match folding {
        Folding::Nothing if pg == Some(PgType::Jsonb) => return comparable_jsonb(&field),
        Folding::Nothing => {}
        Folding::Case => field.make_ascii_lowercase(),
        Folding::Spaces => {
            let end = field.iter().rposition(|&byte| byte != b' ');
            field.truncate(end.map_or(0, |last| last + 1));
        }
    }
    field
}

/// A column for what SQLite gives.
fn as_it_is(sql: &str) -> Column {
    Column { target: String::new(), ..Column::new(sql, CellShape::AnyBytes, PgType::Bytea) }
}

/// The values of some columns of a row, as they would be loaded.
type Values = Vec<Option<Vec<u8>>>;

/// The values of some columns of all rows.
fn values(table: &TableSchema, rows: &RecordBatch, positions: &[usize]) -> Result<Vec<Values>> {
    if positions.is_empty() {
        return Ok(vec![Values::new(); rows.num_rows()]);
    }
    let columns = positions.iter().filter_map(|&position| table.columns.get(position).cloned());
    let part = TableSchema {
        columns: columns.collect(),
        key: Vec::new(),
        partition: Partition::Buckets { count: 1 },
        chunks: Vec::new(),
        ..table.clone()
    };
    let rows = rows
        .project(positions)
        .map_err(|error| Error::internal("a batch lacks columns of its table").because(error))?;
    let mut values = Gathered::default();
    TupleEncoder::new(&part)?.encode(&rows, &mut values)?;
    Ok(values.0)
}

/// Takes tuples apart again.
#[derive(Default)]
struct Gathered(Vec<Values>);

impl RowVisitor for Gathered {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        // One that is too large to be at hand is too large for an index as well: what it becomes is enough of it.
        let whole = || vec![Some(row.digest().0.to_vec())];
        self.0.push(row.tuple().and_then(fields).unwrap_or_else(whole));
        Ok(())
    }
}

fn fields(tuple: &[u8]) -> Option<Values> {
    let (_count, mut rest) = tuple.split_first_chunk::<2>()?;
    let mut fields = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => {
                let (value, after) = after.split_at_checked(length)?;
                fields.push(Some(value.to_vec()));
                rest = after;
            }
            Err(_null) => {
                fields.push(None);
                rest = after;
            }
        }
    }
    Some(fields)
}

/// What tells cells from all others.
fn of(cells: &Values) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for cell in cells.iter().map(|cell| cell.as_deref().unwrap_or_default()) {
        hasher.update(&cell.len().to_be_bytes()).update(cell);
    }
    hasher.finalize()
}

/// A key as the source has it.
fn in_words(cells: &Values) -> String {
    let word = |cell: &[Option<Vec<u8>>]| match cell {
        [Some(class), Some(bytes)] => match class.as_slice() {
            b"text" => RawCell::text(bytes).to_string(),
            b"blob" => RawCell::blob(bytes).to_string(),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        },
        [_, None] => "NULL".into(),
        _ => "…".into(),
    };
    let words: Vec<String> = cells.chunks(2).map(word).collect();
    let words: Vec<_> = words.iter().map(|word| word.trim_start_matches("TEXT ")).collect();
    format!("({})", words.join(", "))
}
