//! Writing to a table of the copy in every way, and looking whether the log names each row that changed.

use super::scratch::Scratch;
use crate::model::identifier::quoted;
use crate::model::{Affinity, Capture, SourceColumn, SourceIndex, SourceTable, TouchKey};
use crate::sql::words;
use crate::store::sqlite::capture::{LOG, key};
use crate::store::sqlite::failure::reason;
use rusqlite::{Connection, ErrorCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

/// Tries a table; an error is why it cannot be followed.
pub(super) fn exercise(
    scratch: &Scratch,
    table: &SourceTable,
    capture: &Capture,
) -> Result<(), String> {
    let mut exercise = Exercise::new(scratch, table, capture);
    let connection = exercise.connection;
    let fails = |sql: &String| connection.prepare(sql).err().map(|error| reason(&error));
    if let Some(reason) = exercise.statements().iter().find_map(fails) {
        return Err(format!("its changes cannot be logged: {reason}"));
    }
    // Values that its columns, their expressions and the application's triggers take.
    for style in STYLES {
        exercise.style = style;
        if exercise.insert_some() {
            return exercise.run();
        }
    }
    Ok(())
}

/// Every style, in the order in which they are tried.
pub(super) const STYLES: [Style; 4] = [Style::Typed, Style::Json, Style::Time, Style::Number];

/// What values look like.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Typed,
    Json,
    Time,
    Number,
}

/// A table that is written to.
pub(super) struct Exercise<'t> {
    connection: &'t Connection,
    turns: &'t AtomicU32,
    pub(super) table: &'t SourceTable,
    capture: &'t Capture,
    /// Counts values, so that they are different.
    number: u32,
    pub(super) style: Style,
}

/// The rows of a table by key and cells, each with how many are equal.
type Image = BTreeMap<(String, String), i64>;

impl<'t> Exercise<'t> {
    pub(super) fn new(scratch: &'t Scratch, table: &'t SourceTable, capture: &'t Capture) -> Self {
        let Scratch { connection, turns, .. } = scratch;
        Self { connection, turns, table, capture, number: 0, style: Style::Typed }
    }

    fn run(&mut self) -> Result<(), String> {
        for at in 0..self.statements().len() {
            let _maybe_refused = self.insert_some();
            // Made anew, so that its values are new.
            if let Some(sql) = self.statements().get(at) {
                self.judged(sql)?;
            }
        }
        Ok(())
    }

    /// Puts two rows in, if that can be done.
    fn insert_some(&mut self) -> bool {
        (0..2).all(|_| {
            let sql = self.insert("INSERT", |_| false, "");
            self.execute(&sql).is_ok()
        })
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.turns.store(0, Ordering::Relaxed);
        self.connection.execute_batch(sql)
    }

    /// Runs a statement; an error where the log does not name what it changed.
    fn judged(&self, sql: &str) -> Result<(), String> {
        match self.is_logged(sql) {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("a change of it was not logged: {sql}")),
            // Its triggers call one another for ever.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                Ok(())
            }
            Err(error) => Err(format!("it cannot be tried: {}", reason(&error))),
        }
    }

    fn is_logged(&self, sql: &str) -> rusqlite::Result<bool> {
        self.execute(&format!("DELETE FROM {LOG}"))?;
        let before = self.image()?;
        // A refusal is the application's own; what it leaves changed must be in the log all the same.
        let _refused_or_not = self.execute(sql);
        self.turns.store(0, Ordering::Relaxed);
        let (after, touched) = (self.image()?, self.touched()?);
        let is_missed = |one: &Image, other: &Image| {
            one.iter()
                .any(|(row, count)| other.get(row) != Some(count) && !touched.contains(&row.0))
        };
        Ok(!is_missed(&before, &after) && !is_missed(&after, &before))
    }

    fn image(&self) -> rusqlite::Result<Image> {
        let name = quoted(&self.table.name);
        let key = match &self.capture.key {
            TouchKey::Rowid => vec![key::rowid(self.table).unwrap_or_default()],
            TouchKey::Columns(positions) => {
                let columns = positions.iter().filter_map(|at| self.table.columns.get(*at));
                columns.map(|column| quoted(&column.name)).collect()
            }
        };
        let cells: Vec<_> = self.table.columns.iter().map(|column| quoted(&column.name)).collect();
        let (key, cells) = (exactly(&key), exactly(&cells));
        let sql = format!(
            "SELECT {key} AS one, {cells} AS other, count(*) FROM {name} GROUP BY one, other"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        rows.collect()
    }

    fn touched(&self) -> rusqlite::Result<BTreeSet<String>> {
        let names: Vec<_> = (1..=self.capture.key.columns()).map(|at| format!("k{at}")).collect();
        let sql =
            format!("SELECT {} FROM {LOG} WHERE t = {}", exactly(&names), self.capture.number);
        self.connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
    }

    /// Every way of changing rows.
    fn statements(&mut self) -> Vec<String> {
        let name = quoted(&self.table.name);
        let first = format!(" FROM {name} LIMIT 1");
        let mut statements = vec![self.insert("INSERT", |_| false, "")];
        let unique: Vec<_> = self.table.indexes.iter().filter(|index| index.unique).collect();
        for index in unique {
            let parts = parts(self.table, index);
            statements.push(self.insert("INSERT OR REPLACE", |at| parts.contains(&at), &first));
            let columns = parts.iter().filter_map(|at| self.table.columns.get(*at));
            let same: Vec<_> = columns
                .filter(|column| column.generated.is_none())
                .map(|column| quoted(&column.name))
                .map(|column| format!("{column} = (SELECT {column}{first})"))
                .collect();
            if !same.is_empty() {
                statements.push(format!("UPDATE OR REPLACE {name} SET {}", same.join(", ")));
            }
        }
        for at in self.columns_that_matter() {
            let value = self.value(at);
            let Some(column) = self.table.columns.get(at) else { continue };
            if column.generated.is_none() {
                let column = quoted(&column.name);
                statements.push(format!("UPDATE OR REPLACE {name} SET {column} = {value}"));
            }
        }
        statements.push(format!("DELETE FROM {name}"));
        statements
    }

    /// Those of keys and unique indexes, and one more.
    fn columns_that_matter(&self) -> BTreeSet<usize> {
        let unique = self.table.indexes.iter().filter(|index| index.unique);
        let mut matter: BTreeSet<_> = unique.flat_map(|index| parts(self.table, index)).collect();
        matter.extend(&self.table.primary_key);
        let other = (0..self.table.columns.len()).find(|at| !matter.contains(at));
        matter.extend(other);
        matter
    }

    /// An INSERT of one row of new values, but for the columns that are taken from another row.
    pub(super) fn insert(
        &mut self,
        verb: &str,
        is_taken: impl Fn(usize) -> bool,
        from: &str,
    ) -> String {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (at, column) in self.table.columns.iter().enumerate() {
            if column.generated.is_none() {
                names.push(quoted(&column.name));
                values.push(if is_taken(at) { quoted(&column.name) } else { self.value(at) });
            }
        }
        let (names, values) = (names.join(", "), values.join(", "));
        format!("{verb} INTO {} ({names}) SELECT {values}{from}", quoted(&self.table.name))
    }

    /// A value for a column that no row has.
    pub(super) fn value(&mut self, at: usize) -> String {
        self.number += 1;
        let number = self.number;
        let is_key = self.table.rowid_alias == Some(at);
        let affinity = self.table.columns.get(at).map_or(Affinity::Blob, affinity);
        match (self.style, affinity) {
            _ if is_key => number.to_string(),
            (Style::Json, Affinity::Text | Affinity::Blob | Affinity::Numeric) => {
                format!("'{{\"id\": {number}}}'")
            }
            (Style::Time, Affinity::Text | Affinity::Blob | Affinity::Numeric) => {
                format!("'{:04}-01-31 12:34:56'", 1000 + number % 9000)
            }
            (Style::Typed, Affinity::Text) => format!("'v{number}'"),
            (Style::Typed, Affinity::Blob) => format!("x'{number:08x}'"),
            (Style::Typed, Affinity::Real) => format!("{number}.5"),
            _ => number.to_string(),
        }
    }
}

fn affinity(column: &SourceColumn) -> Affinity {
    if column.any { Affinity::Blob } else { Affinity::of(&column.declared) }
}

/// The columns on which an index depends.
fn parts(table: &SourceTable, index: &SourceIndex) -> BTreeSet<usize> {
    let mut parts = BTreeSet::new();
    for part in &index.columns {
        let expression = match &part.key {
            Ok(at) => {
                parts.insert(*at);
                table.columns.get(*at).and_then(|column| column.generated.clone())
            }
            Err(expression) => Some(expression.clone()),
        };
        let words = words(&expression.unwrap_or_default()).unwrap_or_default();
        let is_named = |column: &SourceColumn| {
            words.iter().any(|word| word.eq_ignore_ascii_case(&column.name))
        };
        let columns = table.columns.iter().enumerate();
        parts.extend(columns.filter(|(_, column)| is_named(column)).map(|(at, _)| at));
    }
    parts
}

/// An expression that is different for values of different types or bytes.
fn exactly(columns: &[String]) -> String {
    let each = columns.iter().map(|name| format!("typeof({name}) || ' ' || hex({name})"));
    each.collect::<Vec<_>>().join(" || ',' || ")
}

#[cfg(test)]
mod tests {
    use super::exercise;
    use crate::model::{Capture, Follow, TouchKey};
    use crate::pipeline::Stop;
    use crate::store::sqlite::capture::trial::scratch::Scratch;
    use crate::store::sqlite::capture::triggers;
    use crate::store::sqlite::introspect::introspect;
    use rusqlite::Connection;

    /// What is said of a table of which one of the triggers is missing.
    fn without(missing: &str, columns: &str) -> Result<(), String> {
        let source = Connection::open_in_memory().unwrap();
        source
            .execute_batch(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})"))
            .unwrap();
        let schema = introspect(&source).unwrap();
        let table = &schema.tables[0];
        let capture = Capture { number: 1, key: TouchKey::Rowid, follow: Follow::All };
        let scratch = Scratch::of(&source, &[table], &Stop::default()).unwrap();
        scratch
            .connection
            .execute_batch("CREATE TABLE _liteferry_log (seq INTEGER PRIMARY KEY, t, k1)")
            .unwrap();
        for trigger in triggers::of(table, &capture).unwrap() {
            if trigger.name != format!("_liteferry_1_{missing}") {
                scratch.connection.execute_batch(&trigger.sql).unwrap();
            }
        }
        exercise(&scratch, table, &capture)
    }

    #[test]
    fn a_trigger_that_is_missing_is_missed() {
        let columns = "a TEXT, j, g AS (json_extract(j, '$.id')) UNIQUE, UNIQUE (a)";
        assert_eq!(without("nothing", columns), Ok(()));
        for missing in
            ["before_insert", "after_insert", "before_update", "after_update", "after_delete"]
        {
            let error = without(missing, columns).unwrap_err();
            assert!(error.contains("not logged"), "{missing}: {error}");
        }
    }
}
