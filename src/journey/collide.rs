//! Keys that conversion makes one, found before anything is loaded: the rows are read as they would be loaded, and what
//! becomes of their keys is compared.

use super::Setting;
use super::inspect::Inspected;
use crate::error::{Error, Result};
use crate::model::{
    CellShape, Column, Form, Partition, PgType, RawCell, Recast, Remedy, SourceTable,
    TableEvidence, TableSchema,
};
use crate::pipeline::{Event, workers};
use crate::plan::Plan;
use crate::plan::unique::{Folding, Merged, UniqueKey, keys_at_risk};
use crate::proof::{Repeats, Short};
use crate::row::{Row, RowVisitor, TupleEncoder};
use crate::store::sqlite::read::Reader;
use crate::transform::Transform;

/// A key whose values are looked at.
struct Job<'p> {
    table: usize,
    schema: &'p TableSchema,
    key: UniqueKey,
}

/// The keys that would be one; of each key the first pair.
pub(super) fn find(
    inspected: &Inspected,
    plan: &Plan,
    tables: &[SourceTable],
    evidence: &[TableEvidence],
    setting: Setting<'_>,
) -> Result<Vec<Merged>> {
    let mut jobs = Vec::new();
    for (number, ((planned, source), seen)) in
        plan.tables.iter().zip(tables).zip(evidence).enumerate()
    {
        let keys = keys_at_risk(source, planned, seen);
        jobs.extend(keys.into_iter().map(|key| Job {
            table: number,
            schema: &planned.schema,
            key,
        }));
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

impl Job<'_> {
    fn merged(&self, reader: &Reader, setting: Setting<'_>) -> Result<Option<Merged>> {
        let mut repeats = Repeats::default();
        let keys = self.positions();
        read(reader, self.schema, &[&keys], setting, &mut |fields| match fields {
            [key] => self.digest(key).map_or(Ok(()), |digest| repeats.add(digest)),
            _ => Ok(()),
        })?;
        let Some(wanted) = repeats.first()? else { return Ok(None) };
        let mut shown = Vec::new();
        let wide = self.with_raw_cells();
        let raw: Vec<_> = (self.schema.columns.len()..wide.columns.len()).collect();
        read(reader, &wide, &[&keys, &raw], setting, &mut |fields| {
            if let [key, raw] = fields
                && shown.len() < 2
                && self.digest(key) == Some(wanted)
            {
                shown.push(in_words(raw));
            }
            Ok(())
        })?;
        let shown = <[String; 2]>::try_from(shown)
            .map_err(|_fewer| Error::internal("a key that came twice comes no more"))?;
        Ok(Some(Merged { table: self.table, key: self.key.clone(), shown }))
    }

    fn positions(&self) -> Vec<usize> {
        self.key.columns.iter().map(|(position, _)| *position).collect()
    }

    /// The table, and behind its columns those of the key once more, with their cells as they are.
    fn with_raw_cells(&self) -> TableSchema {
        let mut wide = self.schema.clone();
        for position in self.positions() {
            wide.columns.extend(self.schema.columns.get(position).map(|column| Column {
                read: CellShape::AnyBytes,
                recast: Recast::Keep,
                pg: PgType::Bytea,
                enum_type: None,
                fraction: None,
                witness: None,
                not_null: false,
                misfits: Remedy::Reject,
                default: None,
                form: Form::Plain,
                ..column.clone()
            }));
        }
        wide
    }

    /// What becomes of a key; nothing where NULL is part of it, which differs from all others.
    fn digest(&self, fields: &[Option<Vec<u8>>]) -> Option<Short> {
        let mut hasher = blake3::Hasher::new();
        for (field, (_, folding)) in fields.iter().zip(&self.key.columns) {
            let mut field = field.clone()?;
            match folding {
                Folding::Nothing => {}
                Folding::Case => field.make_ascii_lowercase(),
                Folding::Spaces => {
                    let end = field.iter().rposition(|&byte| byte != b' ');
                    field.truncate(end.map_or(0, |last| last + 1));
                }
            }
            hasher.update(&field.len().to_be_bytes()).update(&field);
        }
        hasher.finalize().as_bytes().first_chunk().copied()
    }
}

/// The values of some columns of a row, as they would be loaded.
type Values = Vec<Option<Vec<u8>>>;

/// Reads all rows of a table as they would be loaded, and gives each one's values of these columns.
fn read(
    reader: &Reader,
    table: &TableSchema,
    parts: &[&[usize]],
    setting: Setting<'_>,
    each: &mut dyn FnMut(&[&Values]) -> Result<()>,
) -> Result<()> {
    let transform = Transform::new(table)?;
    let shapes: Vec<_> = parts.iter().map(|positions| part(table, positions)).collect();
    for &range in &table.chunks {
        reader.read::<Error>(table, range, |batch| {
            setting.stop.check()?;
            let rows = transform.apply(&batch.records)?;
            let mut taken = Vec::new();
            for (shape, positions) in shapes.iter().zip(parts) {
                let rows = rows.project(positions).map_err(|error| {
                    Error::internal("a batch lacks columns of its table").because(error)
                })?;
                let mut values = Gathered::default();
                TupleEncoder::new(shape)?.encode(&rows, &mut values)?;
                taken.push(values.0);
            }
            for row in 0..rows.num_rows() {
                let values: Vec<_> = taken.iter().filter_map(|part| part.get(row)).collect();
                each(&values)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// A table with some of its columns only.
fn part(table: &TableSchema, positions: &[usize]) -> TableSchema {
    let columns = positions.iter().filter_map(|&position| table.columns.get(position).cloned());
    TableSchema {
        columns: columns.collect(),
        key: Vec::new(),
        partition: Partition::Buckets { count: 1 },
        chunks: Vec::new(),
        ..table.clone()
    }
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

/// A key as the source has it.
fn in_words(cells: &[Option<Vec<u8>>]) -> String {
    let word = |cell: &Option<Vec<u8>>| match cell {
        None => "NULL".into(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(_) => RawCell::text(bytes).to_string(),
            Err(_) => RawCell::blob(bytes).to_string(),
        },
    };
    let words: Vec<String> = cells.iter().map(word).collect();
    let words: Vec<_> = words.iter().map(|word| word.trim_start_matches("TEXT ")).collect();
    format!("({})", words.join(", "))
}
