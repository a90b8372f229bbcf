//! How tables are followed: what names their rows in the changelog, and what the target must have for that.

use super::build::Facts;
use super::{Plan, PlannedTable, file};
use crate::config::CaptureWord;
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::model::{
    Capture, CellShape, Column, Follow, Form, IndexOrigin, Motion, Partition, PgType, Recast,
    Remedy, SourceIndex, SourceIndexColumn, SourceSchema, SourceTable, TableSchema, TouchKey,
};

/// Bytes of a table that are read within a part of a second.
const UNDIVIDED_BYTES: u64 = 8 * 1024 * 1024;

/// Decides what names the rows of a table, and lets its schema have it. A table without a key, or with NULLs in it, is
/// given a last column for the rowid, where the target's table is made by this plan.
///
/// # Errors
///
/// [`Class::Undecided`] where nothing names them.
pub(super) fn capture(
    facts: &Facts<'_>,
    source: &SourceTable,
    schema: &mut TableSchema,
    is_made: bool,
) -> Result<Option<Capture>> {
    let follow = match facts.pipeline.capture_of(&source.name) {
        _ if facts.motion == Motion::AtRest => return Ok(None),
        CaptureWord::Copy => return Ok(None),
        CaptureWord::All => Follow::All,
        CaptureWord::Append => Follow::Append,
    };
    let number = facts.schema.tables.iter().position(|table| table.name == source.name);
    let number = number
        .and_then(|number| i64::try_from(number).ok())
        .ok_or_else(|| Error::internal("a table that is not in the source"))?;
    let key = if schema.key.is_empty() {
        carry_rowid(source, schema, is_made)?;
        TouchKey::Rowid
    } else if source.rowid_alias.is_some() {
        TouchKey::Rowid
    } else {
        schema.key = once_each(&schema.key);
        TouchKey::Columns(schema.key.clone())
    };
    schema.named_by_key = key != TouchKey::Rowid;
    if schema.key.iter().any(|&position| is_witnessed(schema, position)) {
        let what = "a column of its key takes its times from another column, so that a key alone does not name a row";
        let todo = format!(
            "leave `equals` out for the columns of its key, or {}",
            copy_said(&source.name)
        );
        return Err(refused(what).todo(todo));
    }
    check_key_is_kept(schema)?;
    if follow == Follow::Append && key != TouchKey::Rowid {
        let what = "by `capture = \"append\"` new rows are those with the highest rowids, and its rows are named otherwise";
        return Err(refused(what).todo("leave `capture` out for it in the pipeline file"));
    }
    Ok(Some(Capture { number, key, follow }))
}

/// Makes sure that nothing takes the place of a value by which rows are found.
///
/// # Errors
///
/// [`Class::Undecided`] where something does: a row whose key does not fit would be written under another key.
pub fn check_key_is_kept(schema: &TableSchema) -> Result<()> {
    let mut key = schema.key.iter().filter_map(|&position| schema.columns.get(position));
    let replaced = key.find(|column| matches!(column.misfits, Remedy::Null | Remedy::Default));
    let Some(column) = replaced else { return Ok(()) };
    let (name, word) = (&column.source, column.misfits.name());
    let what = format!(
        "`misfits = \"{word}\"` gives its key's column {name} other values than the source has, so that the key does not \
         name a row"
    );
    let todo =
        format!("leave `misfits` out for the columns of its key, or {}", copy_said(&schema.source));
    Err(refused(&what).todo(todo))
}

/// Bytes of a chunk of a table, about. One that is copied whole is one chunk, so that all of it is of one state of the
/// source: nothing would make one of several.
pub(super) fn chunk_bytes(facts: &Facts<'_>, table: &str) -> u64 {
    match facts.pipeline.capture_of(table) {
        CaptureWord::Copy if facts.motion == Motion::Moving => u64::MAX,
        _ => facts.chunk_bytes,
    }
}

/// What to say of a table that cannot be followed, or shall not be.
pub fn copy_said(table: &str) -> String {
    format!(
        "leave it to a copy as a whole: say `{}` under `[tables.{}]` in a pipeline file",
        file::COPIED,
        file::key(table)
    )
}

/// SQLite lets a key name a column twice.
fn once_each(key: &[usize]) -> Vec<usize> {
    let mut once = Vec::new();
    for position in key {
        if !once.contains(position) {
            once.push(*position);
        }
    }
    once
}

fn is_witnessed(schema: &TableSchema, position: usize) -> bool {
    schema.columns.get(position).is_some_and(|column| column.witness.is_some())
}

/// Lets the rowid be a last column, and the key. Where columns hide it nothing names the rows: the trial of the changelog
/// says so.
fn carry_rowid(source: &SourceTable, schema: &mut TableSchema, is_made: bool) -> Result<()> {
    let Some(rowid) = source.rowid_name else { return Ok(()) };
    if !is_made {
        return Err(refused(
            "nothing names its rows: it has no key, and the target's table exists, which has no column for the rowid",
        )
        .todo(format!("let liteferry make the target's table, or {}", copy_said(&source.name))));
    }
    schema.key = vec![schema.columns.len()];
    schema.partition = Partition::Chunks { key: schema.columns.len() };
    schema.columns.push(Column {
        source: rowid.into(),
        target: free_name(schema),
        read: CellShape::Integer,
        recast: Recast::Keep,
        pg: PgType::Int8,
        enum_type: None,
        fraction: None,
        not_null: true,
        numbers_only: true,
        misfits: Remedy::Fail,
        default: None,
        form: Form::Plain,
        computed: false,
        witness: None,
    });
    Ok(())
}

/// A column name that the table does not have.
fn free_name(schema: &TableSchema) -> String {
    let mut name = String::from(ROWID_COLUMN);
    while schema.columns.iter().any(|column| column.target == name) {
        name.push('_');
    }
    name
}

/// The name of the column for the rowid.
const ROWID_COLUMN: &str = "liteferry_rowid";

/// The column for the rowid, where a table was given one.
pub(super) fn carried_rowid(source: &SourceTable, schema: &TableSchema) -> Option<usize> {
    (schema.columns.len() > source.columns.len()).then_some(source.columns.len())
}

/// What is said of a table that was given a column.
pub(super) fn note(source: &SourceTable, schema: &TableSchema) -> Option<String> {
    let column = schema.columns.get(carried_rowid(source, schema)?)?;
    Some(format!(
        "nothing else names its rows while it is followed: the target's table has the rowid as a last column, {}",
        quoted(&column.target)
    ))
}

impl Plan {
    /// Whether a table of a followed source is not followed itself: its rows are of the state of their copy.
    pub fn is_copied(&self, table: &PlannedTable) -> bool {
        self.is_followed && table.capture.is_none() && !table.is_gone
    }

    /// The followed tables that only grow.
    pub fn growing(&self) -> impl Iterator<Item = &TableSchema> {
        let grows = |table: &&PlannedTable| {
            table.capture.as_ref().is_some_and(|capture| capture.follow == Follow::Append)
        };
        self.tables.iter().filter(grows).map(|table| &table.schema)
    }

    /// Large followed tables that are read as a whole, because nothing says in which order their rows lie: with a rollback
    /// journal the application cannot commit meanwhile. One line each.
    pub fn undivided_in_words(&self, source: &SourceSchema) -> Vec<String> {
        let is_undivided = |table: &&PlannedTable| {
            let TableSchema { rowid_name, chunks, bytes, source: name, .. } = &table.schema;
            let mut tables = source.tables.iter();
            let is_searched = tables.any(|source| source.name == *name && has_searched_key(source));
            table.capture.is_some()
                && rowid_name.is_none()
                && !is_searched
                && chunks.len() == 1
                && *bytes > UNDIVIDED_BYTES
        };
        let in_words = |table: &PlannedTable| {
            let TableSchema { source, bytes, .. } = &table.schema;
            format!(
                "table {source}: it is read as a whole, because columns have all names of its rowid, or its key is ordered \
                 as the application alone knows: as the source has a rollback journal, the application cannot commit while \
                 its {} MB are copied, and each time that they are compared; with `journal_mode = WAL` it can",
                bytes / 1_000_000
            )
        };
        self.tables.iter().filter(is_undivided).map(in_words).collect()
    }

    /// How a table is followed, in words; none where the source is at rest.
    pub fn followed_in_words(&self, table: &PlannedTable) -> Option<String> {
        if table.is_gone {
            return Some("not followed any more: it is gone from the source".into());
        }
        if self.is_copied(table) {
            return Some(
                "not followed: copied whole, and once more when the application moves over".into(),
            );
        }
        let (schema, capture) = (&table.schema, table.capture.as_ref()?);
        let names: Vec<_> = schema
            .key
            .iter()
            .filter_map(|&position| schema.columns.get(position))
            .map(|column| column.target.as_str())
            .collect();
        let rowid = schema.key.first().is_some_and(|&position| position >= table.columns.len());
        let by = match names.as_slice() {
            _ if rowid => {
                format!("by its rowid, which the target has as a last column, {}", names.join(", "))
            }
            [] => "by its rowid".into(),
            names => format!("by its key ({})", names.join(", ")),
        };
        Some(match capture.follow {
            Follow::All => format!("followed {by}"),
            Follow::Append => format!("followed {by}, new rows without triggers: it only grows"),
        })
    }
}

/// Whether the rows of a table lie in the order of a key that SQLite knows how to search.
fn has_searched_key(table: &SourceTable) -> bool {
    let mut indexes = table.indexes.iter();
    let key = indexes.find(|index| index.origin == IndexOrigin::PrimaryKey);
    let is_searched = |key: &SourceIndex| key.columns.iter().all(SourceIndexColumn::is_comparable);
    table.without_rowid && key.is_some_and(is_searched)
}

fn refused(what: &str) -> Error {
    Error::new(Class::Undecided, format!("cannot be followed: {what}"))
}
