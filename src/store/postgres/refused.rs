//! A row of the source that the target does not take: what stands in the way, and what a user can do about it.

use super::define;
use super::failure::{Refusal, key_twice, refusal};
use super::holders;
use super::ledger::column;
use super::stage::Staging;
use super::write::relation;
use crate::error::{Class, Error, Result};
use crate::model::TableSchema;

/// A server's refusal of a delta, as what must be decided about it; other failures as they are.
pub(super) fn as_undecided(error: Error, table: &TableSchema) -> Error {
    if error.class() != Class::Data {
        return error;
    }
    let Some((what, todo)) = refusal(&error).map(|refusal| told(&error, refusal, table)) else {
        return error;
    };
    Error::new(Class::Undecided, what).todo(todo).because(error)
}

fn told(error: &Error, refusal: &Refusal, table: &TableSchema) -> (String, String) {
    if let Some(key) = key_twice(error) {
        return (
            format!("the target's unique keys do not allow a row that the source has: {key}"),
            "drop that key of the target's table, or repair the row in the source, and run again"
                .into(),
        );
    }
    let name = refusal.constraint.as_deref();
    let named = |what: &str| name.map_or_else(|| what.into(), |name| format!("{what} {name}"));
    let source = &table.source;
    match refusal.code.as_str() {
        code if code == TOO_LONG => (
            format!(
                "{} of the target cannot hold a row that the source has: its values are too long for an index",
                named("the index")
            ),
            "drop that index or key of the target's table, or shorten the values in the source; then run this again"
                .into(),
        ),
        "23514" => (
            format!("{} of the target does not allow a row that the source has", named("the check")),
            "drop that check of the target's table or domain, or repair the row in the source; then run this again"
                .into(),
        ),
        code if code.starts_with("22") => {
            let computed: Vec<_> = table.columns.iter().filter(|column| column.computed).collect();
            let names: Vec<_> = computed.iter().map(|column| column.target.as_str()).collect();
            let what = match names.as_slice() {
                [] => "a column or an index".into(),
                [name] => format!("the column {name}"),
                names => format!("one of the columns {}", names.join(", ")),
            };
            let values = match names.as_slice() {
                [] => "drop that index, or the expression of that column (ALTER COLUMN … DROP EXPRESSION), in the target"
                    .into(),
                _ => format!(
                    "give `[tables.{source:?}] generated = \"values\"` in a pipeline file and take the table anew with \
                     `liteferry run --anew {source}`"
                ),
            };
            (
                format!("the target cannot compute {what} of a row that the source has"),
                format!("{values}; or repair the row in the source and run this again"),
            )
        }
        _ => (
            "the target does not take a row that the source has".into(),
            "change what the cause names in the target, or repair the row in the source; then run this again"
                .into(),
        ),
    }
}

/// What the server said, where it refused a row.
pub fn said(error: &Error) -> String {
    refusal(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// What the server calls a value that is longer than an index can hold.
const TOO_LONG: &str = "54000";

/// The indexes of the target's table that keep nothing unique and cannot hold a staged row: after a
/// [`super::apply::merge`] that failed with `error`, and in the same transaction, which can go on. None where something
/// else is in the way.
///
/// # Errors
///
/// What the server says.
pub fn unindexable(staging: &Staging<'_>, error: &Error) -> Result<Vec<String>> {
    let is_of_values =
        |refusal: &Refusal| refusal.code == TOO_LONG || refusal.code.starts_with("22");
    if !refusal(error).is_some_and(is_of_values) {
        return Ok(Vec::new());
    }
    let session = staging.session;
    session.batch("go back to a savepoint", "ROLLBACK TO SAVEPOINT merge")?;
    let indexes =
        session.query("look at the target's indexes", INDEXES, &[&relation(staging.table)])?;
    let completed = holders::completed(staging, &holders::columns(staging)?);
    let probe = format!("CREATE TEMP TABLE liteferry_probe AS SELECT * FROM {completed}");
    let mut unindexable = Vec::new();
    // Where the rows cannot even be completed, it is a column that the target cannot compute.
    let made = define::if_allowed(session, |session| session.batch("copy staged rows", &probe))?;
    for index in indexes.iter().filter(|_| made.is_some()) {
        let (name, sql): (String, String) = (column(Some(index), 0)?, column(Some(index), 1)?);
        let made = define::if_allowed(session, |session| session.batch("try an index", &sql))?;
        unindexable.extend(made.is_none().then_some(name));
    }
    session.batch("go back to a savepoint", "ROLLBACK TO SAVEPOINT merge")?;
    Ok(unindexable)
}

/// Each index with the SQL of one like it on the copy. What its SQL says of columns is without their table.
const INDEXES: &str = "
SELECT x.relname::text,
       format('CREATE INDEX ON pg_temp.liteferry_probe USING %I (%s)%s', m.amname,
              (SELECT string_agg('(' || pg_get_indexdef(i.indexrelid, n, true) || ')'
                      || coalesce((SELECT format(' COLLATE %I.%I', s.nspname, c.collname)
                                   FROM pg_collation c JOIN pg_namespace s ON s.oid = c.collnamespace
                                   WHERE c.oid = (i.indcollation::oid[])[n - 1]), '')
                      || (SELECT format(' %I.%I', s.nspname, k.opcname)
                          FROM pg_opclass k JOIN pg_namespace s ON s.oid = k.opcnamespace
                          WHERE k.oid = (i.indclass::oid[])[n - 1]), ', ' ORDER BY n)
               FROM generate_series(1, i.indnkeyatts) n)
              || coalesce(') INCLUDE ('
                          || (SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' ORDER BY n)
                              FROM generate_series(i.indnkeyatts + 1, i.indnatts) n), ''),
              coalesce(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), ''))
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
WHERE i.indrelid = to_regclass($1) AND NOT i.indisunique AND NOT i.indisexclusion AND i.indislive
ORDER BY i.indexrelid";
