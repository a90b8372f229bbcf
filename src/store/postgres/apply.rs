//! Applying a delta: what is staged of a table becomes the target's, and is read back, in the caller's transaction.
//!
//! Rows whose key is gone are deleted, the others upserted. That fails where a row takes a unique value that another row
//! still has: two rows swap theirs, or only a part of the log is applied. Then all touched rows are deleted, and with
//! them every row that holds a unique value of a row to come, before those come (`holders`).
//!
//! No foreign key and no trigger of the user's is active meanwhile: a table that existed had them put aside before its
//! load. A delete that cascades, or a trigger that writes, would not be seen by what is read back.

use super::define::is_not_unique;
use super::holders;
use super::ledger::column;
use super::read::read_where;
use super::refused;
use super::session::Session;
use super::stage::{Staging, key, others};
use super::write::{loaded, named, relation};
use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{Column, PgType, TableSchema};
use crate::row::RowVisitor;

/// Up to so many keys, rows are looked up by the index, one after the other; beyond, the server decides by a look at what
/// is staged. Without one it takes any temp table for ten pages at least, and would read a table of some 100,000 rows as a
/// whole for the sake of one; and it takes all keys for 200 different ones, and would look up 100,000 one by one.
const LOOKED_UP_KEYS: u64 = 2_000;

/// What a merge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows that were taken out: those whose keys are gone, and in a replacement all touched ones.
    pub deleted: u64,
    /// Rows that were inserted or updated.
    pub written: u64,
    /// Rows that were not touched, and were taken out because they hold a unique value of a staged row. Where the log was
    /// applied in part only, their own touches are still to come; after a whole one, the target is stricter than the
    /// source, and rows are missing.
    pub displaced: u64,
}

/// Merges what is staged. `indexed` says whether the target has its key and its indexes yet; without, the touched rows
/// are found by reading the table as a whole, deleted, and inserted as they are now.
///
/// # Errors
///
/// [`Class::Undecided`] where the target's keys, indexes, checks or computed columns do not allow the rows; what the
/// server says.
pub fn merge(staging: &Staging<'_>, indexed: bool) -> Result<Merged> {
    merged(staging, indexed).at(|| format!("table {}", staging.table.target))
}

fn merged(staging: &Staging<'_>, indexed: bool) -> Result<Merged> {
    if (staging.keys, staging.rows) == (0, 0) {
        return Ok(Merged::default());
    }
    let way = Way::of(staging, indexed)?;
    let done = match run(staging, way, way.statements(staging)) {
        Err(error) if is_not_unique(&error) => {
            staging.session.batch("go back to a savepoint", "ROLLBACK TO SAVEPOINT merge")?;
            run(staging, way, replace(staging)?)
        }
        done => done,
    };
    done.map_err(|error| as_undecided(error, staging.table))
}

/// Visits the rows that the touched keys have before [`merge`], in the same transaction, once all is staged and where the
/// target has its key and its indexes.
///
/// # Errors
///
/// What the server or the visitor says.
pub fn read_before(staging: &Staging<'_>, visitor: &mut impl RowVisitor) -> Result<()> {
    let found = || {
        let prepared = Way::of(staging, true)?.preparation(staging);
        staging.session.batch("prepare a delta", &prepared.join(";\n"))
    };
    found().at(|| format!("table {}", staging.table.target))?;
    read_back(staging, visitor)
}

/// Visits the target's rows of the touched keys, after [`merge`] and in the same transaction.
///
/// # Errors
///
/// What the server or the visitor says.
pub fn read_back(staging: &Staging<'_>, visitor: &mut impl RowVisitor) -> Result<()> {
    if staging.keys == 0 {
        return Ok(());
    }
    let names = named(key(staging.table));
    let condition = format!("({names}) IN (SELECT {names} FROM {})", staging.stage.keys);
    read_where(staging.session, staging.table, &[condition], visitor)
        .at(|| format!("table {}", staging.table.target))
}

/// How many rows of the target have keys of one whole number from `first` to `last`, both included, and are none of the
/// rows that were staged, after [`merge`] and in the same transaction.
///
/// # Errors
///
/// What the server says.
pub fn strays(staging: &Staging<'_>, first: i64, last: i64) -> Result<u64> {
    let Staging { session, table, stage, .. } = staging;
    let name = named(key(table));
    // Only as it is can it be looked up in an index.
    let is_whole =
        key(table).all(|column| matches!(column.pg, PgType::Int2 | PgType::Int4 | PgType::Int8));
    let key = if is_whole { name } else { format!("{name}::bigint") };
    let within = format!("WHERE {key} BETWEEN $1::bigint AND $2::bigint");
    let sql = format!(
        "SELECT (SELECT count(*) FROM {} {within}) - (SELECT count(*) FROM {} {within})",
        relation(table),
        stage.rows
    );
    let rows = session.query("count rows", &sql, &[&first, &last])?;
    let strays: i64 = column(rows.first(), 0).at(|| format!("table {}", table.target))?;
    Ok(u64::try_from(strays).unwrap_or(0))
}

/// The highest value of a key of one whole number; none in an empty table.
///
/// # Errors
///
/// What the server says.
pub fn highest_key(session: &Session, table: &TableSchema) -> Result<Option<i64>> {
    let key = named(key(table));
    let sql = format!("SELECT max({key})::bigint FROM {}", relation(table));
    let rows = session.query_prepared("find the highest key", &sql, &[])?;
    column(rows.first(), 0).at(|| format!("table {}", table.target))
}

/// How the touched rows are found and become others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the key's index; they are updated.
    LookUp,
    /// As the server likes, which looks at the temp tables first; they are updated.
    Free,
    /// As the server likes; they are deleted and inserted, as the table has no key by which they could be updated.
    Anew,
}

impl Way {
    fn of(staging: &Staging<'_>, indexed: bool) -> Result<Self> {
        // What the server says of the indexes is kept: it must not be asked before they are there.
        Ok(if !indexed || !staging.upserts()? {
            Self::Anew
        } else if staging.keys.max(staging.rows) <= LOOKED_UP_KEYS {
            Self::LookUp
        } else {
            Self::Free
        })
    }

    fn statements(self, staging: &Staging<'_>) -> Vec<(Effect, String)> {
        match self {
            Self::LookUp | Self::Free => upsert(staging),
            Self::Anew => {
                vec![(Effect::Delete, delete_touched(staging)), (Effect::Write, insert(staging))]
            }
        }
    }

    /// What is said before. Settings hold to the end of the transaction, or until the next table's merge sets them.
    fn preparation(self, staging: &Staging<'_>) -> Vec<String> {
        let hashes = if self == Self::LookUp { "off" } else { "on" };
        let settings = [
            ("jit", "off"),
            ("enable_hashjoin", hashes),
            ("enable_mergejoin", hashes),
            ("default_statistics_target", "10"),
        ];
        let mut said: Vec<_> =
            settings.map(|(name, value)| format!("SET LOCAL {name} = {value}")).into();
        if self != Self::LookUp {
            let (keys, rows, names) =
                (&staging.stage.keys, &staging.stage.rows, named(key(staging.table)));
            said.push(format!("ANALYZE {keys}, {rows} ({names})"));
        }
        said
    }
}

/// What the rows count as that a statement touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Nothing,
    Delete,
    Displace,
    Write,
}

/// Runs statements in one message, behind a savepoint.
fn run(
    staging: &Staging<'_>,
    way: Way,
    statements: impl IntoIterator<Item = (Effect, String)>,
) -> Result<Merged> {
    let aside = |sql: &str| (Effect::Nothing, sql.to_owned());
    let before = way.preparation(staging).into_iter().map(|sql| (Effect::Nothing, sql));
    let all: Vec<_> = before
        .chain([aside("SAVEPOINT merge")])
        .chain(statements)
        // What is checked at the end of a transaction is checked while there is a way back.
        .chain([aside("SET CONSTRAINTS ALL IMMEDIATE"), aside("RELEASE SAVEPOINT merge")])
        .collect();
    let sql: Vec<_> = all.iter().map(|(_, sql)| sql.as_str()).collect();
    let counts = staging.session.batch_counted("apply a delta", &sql.join(";\n"))?;
    let mut merged = Merged::default();
    for ((effect, _), count) in all.iter().zip(counts) {
        match effect {
            Effect::Nothing => {}
            Effect::Delete => merged.deleted += count,
            Effect::Displace => merged.displaced += count,
            Effect::Write => merged.written += count,
        }
    }
    Ok(merged)
}

/// The rows that are gone, and those that are there.
fn upsert(staging: &Staging<'_>) -> Vec<(Effect, String)> {
    let mut statements = Vec::new();
    // As many rows as keys: none is gone.
    if staging.keys != staging.rows {
        statements.push((Effect::Delete, delete_gone(staging)));
    }
    if staging.rows > 0 {
        statements.push((Effect::Write, insert(staging) + &on_conflict(staging)));
    }
    statements
}

/// Everything that was touched or is in the way, and then the rows that are there.
fn replace(staging: &Staging<'_>) -> Result<Vec<(Effect, String)>> {
    let mut statements = vec![(Effect::Delete, delete_touched(staging))];
    if staging.rows > 0 {
        let holders = holders::delete(staging)?;
        statements.extend(holders.into_iter().map(|sql| (Effect::Displace, sql)));
        statements.push((Effect::Write, insert(staging)));
    }
    Ok(statements)
}

fn delete_gone(staging: &Staging<'_>) -> String {
    let (target, names) = (relation(staging.table), named(key(staging.table)));
    let (keys, rows) = (&staging.stage.keys, &staging.stage.rows);
    let same = same_key(staging, "gone");
    // Two temp tables have no index, and must not be compared row by row: EXCEPT does not.
    format!(
        "DELETE FROM {target} AS t USING (SELECT {names} FROM {keys} EXCEPT SELECT {names} FROM {rows}) AS gone
         WHERE {same}"
    )
}

fn delete_touched(staging: &Staging<'_>) -> String {
    let (target, keys, same) =
        (relation(staging.table), &staging.stage.keys, same_key(staging, "k"));
    format!("DELETE FROM {target} AS t USING {keys} AS k WHERE {same}")
}

fn insert(staging: &Staging<'_>) -> String {
    let (target, names) = (relation(staging.table), named(loaded(staging.table)));
    // Where the server would count by itself, the source's numbers stand all the same.
    format!(
        "INSERT INTO {target} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {}",
        staging.stage.rows
    )
}

fn on_conflict(staging: &Staging<'_>) -> String {
    let set = |column: &Column| {
        let name = quoted(&column.target);
        format!("{name} = excluded.{name}")
    };
    let set: Vec<_> = others(staging.table).map(set).collect();
    let update =
        if set.is_empty() { "NOTHING".into() } else { format!("UPDATE SET {}", set.join(", ")) };
    format!(" ON CONFLICT ({}) DO {update}", named(key(staging.table)))
}

/// That a row of the target has the key of another relation's row.
fn same_key(staging: &Staging<'_>, other: &str) -> String {
    let same = key(staging.table).map(|column| {
        let name = quoted(&column.target);
        format!("t.{name} = {other}.{name}")
    });
    same.collect::<Vec<_>>().join(" AND ")
}

/// What a user can do where the target does not take the rows.
fn as_undecided(error: Error, table: &TableSchema) -> Error {
    if is_staged_twice(&error) {
        let what = "two rows of the source have one key in the target";
        return Error::new(Class::Undecided, what)
            .todo("give the key's columns types in the pipeline file that keep all of its values apart")
            .because(error);
    }
    refused::as_undecided(error, table)
}

/// Whether the server refused to update one row twice in a statement.
fn is_staged_twice(error: &Error) -> bool {
    super::define::cause(error).contains(" 21000: ")
}
