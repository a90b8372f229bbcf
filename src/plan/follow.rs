//! How tables are followed: what names their rows in the changelog, and what the target must have for that.

use super::build::Facts;
use crate::config::CaptureWord;
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::model::{
    Capture, CellShape, Column, Follow, Form, Motion, Partition, PgType, Recast, Remedy,
    SourceTable, TableSchema, TouchKey,
};

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
    if facts.motion == Motion::AtRest {
        return Ok(None);
    }
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
        return Err(refused(what).todo("leave `equals` out for the columns of its key"));
    }
    if facts.pipeline.capture_of(&source.name) == CaptureWord::Append && key != TouchKey::Rowid {
        let what = "by `capture = \"append\"` new rows are those with the highest rowids, and its rows are named otherwise";
        return Err(refused(what).todo("leave `capture` out for it in the pipeline file"));
    }
    let follow = match facts.pipeline.capture_of(&source.name) {
        CaptureWord::All => Follow::All,
        CaptureWord::Append => Follow::Append,
    };
    Ok(Some(Capture { number, key, follow }))
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

/// Lets the rowid be a last column, and the key.
fn carry_rowid(source: &SourceTable, schema: &mut TableSchema, is_made: bool) -> Result<()> {
    let Some(rowid) = source.rowid_name else {
        return Err(refused(
            "nothing names its rows: it has no key, and its columns hide the rowid",
        )
        .todo("move it at rest, with --no-capture"));
    };
    if !is_made {
        return Err(refused(
            "nothing names its rows: it has no key, and the target's table exists, which has no column for the rowid",
        )
        .todo("move it at rest, with --no-capture, or let liteferry make the target's table"));
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

fn refused(what: &str) -> Error {
    Error::new(Class::Undecided, format!("cannot be followed: {what}"))
}
