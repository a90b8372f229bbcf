//! Random schemas and random statements: whatever changes a row, its key is in the log.
//!
//! The judge knows nothing of triggers: it reads every table whole before and after each statement, by type and bytes,
//! and asks of each key whose rows differ whether the log names it.

use super::render::{Dice, Schema};
use super::{Changelog, key_of};
use crate::model::identifier::quoted;
use crate::model::{Capture, Follow, SourceTable, TouchKey};
use crate::store::sqlite::capture::hazard::hazard;
use crate::store::sqlite::introspect::introspect;
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

proptest! {
    #[test]
    fn every_key_whose_row_differs_is_in_the_log(
        tables in vec(any::<[u8; 24]>(), 1..=3),
        triggers in vec(any::<[u8; 10]>(), 0..=3),
        steps in vec(any::<[u8; 24]>(), 1..=40),
        attached in any::<bool>(),
        by_rowid in any::<bool>(),
    ) {
        let schema = Schema::of(&tables, &triggers, by_rowid);
        let Some(mut world) = World::new(&schema, attached) else { return Ok(()) };
        for step in &steps {
            world.step(&schema, &mut Dice::new(step))?;
        }
        world.finish()?;
    }
}

/// All rows of all tables: table, key and cells, each with the number of equal rows.
type Image = BTreeMap<(usize, String, String), usize>;

/// Where tables become larger than this they are emptied.
const ROWS_MAX: usize = 100;

/// Where a statement takes longer than this, one trigger of the application calls the other for ever.
const OPERATIONS_MAX: usize = 5_000;

struct World {
    application: Connection,
    tables: Vec<(SourceTable, Capture)>,
    /// How the application calls the file.
    database: &'static str,
    first: Image,
    /// Whether a change may be missing.
    is_lost: bool,
    /// What was run, for the report of a failure.
    script: String,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    /// None where the schema cannot be followed.
    fn new(schema: &Schema, attached: bool) -> Option<Self> {
        let (owner, folder) = if attached {
            let folder = tempfile::tempdir().unwrap();
            let owner = Connection::open(folder.path().join("a.db")).unwrap();
            owner.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF").unwrap();
            (owner, Some(folder))
        } else {
            (Connection::open_in_memory().unwrap(), None)
        };
        let mut script = String::new();
        let mut run = |sql: &str| {
            writeln!(script, "{sql};").unwrap();
            owner.execute_batch(sql).unwrap_or_else(|error| panic!("{script}: {error}"));
        };
        schema.tables.iter().chain(&schema.older).for_each(|sql| run(sql));
        let tables: Vec<_> = introspect(&owner)
            .unwrap()
            .tables
            .into_iter()
            .enumerate()
            .map(|(at, table)| {
                let key = if schema.by_rowid && table.rowid_name.is_some() {
                    TouchKey::Rowid
                } else {
                    key_of(&table)
                };
                let number = i64::try_from(at).unwrap();
                (table, Capture { number, key, follow: Follow::All })
            })
            .collect();
        let sources: Vec<_> = tables.iter().map(|(table, _)| table).collect();
        let triggers = [schema.older.as_slice(), &schema.younger].concat();
        if sources.iter().any(|table| hazard(table, &sources, &triggers).is_some()) {
            return None;
        }
        let followed: Vec<_> = tables.iter().map(|(table, capture)| (table, capture)).collect();
        let changelog = Changelog::design(&followed, "a", "b").unwrap();
        changelog.statements().chain(schema.younger.iter().cloned()).for_each(|sql| run(&sql));
        let (application, database) = match &folder {
            None => (owner, "main"),
            Some(folder) => {
                drop(owner);
                let application = Connection::open_in_memory().unwrap();
                let path = folder.path().join("a.db");
                application.execute("ATTACH ?1 AS f", [path.to_str()]).unwrap();
                application.execute_batch("PRAGMA f.synchronous = OFF").unwrap();
                (application, "f")
            }
        };
        application.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 4).unwrap();
        let first = Image::new();
        Some(Self { application, tables, database, first, is_lost: false, script, _folder: folder })
    }

    fn step(&mut self, schema: &Schema, dice: &mut Dice<'_>) -> Result<(), TestCaseError> {
        let sql = schema.statement(dice, self.database);
        let (before, log_before) = (self.image(), self.log());
        let in_transaction = !self.application.is_autocommit();
        let mut left = OPERATIONS_MAX;
        let is_endless = move || {
            left -= 1;
            left == 0
        };
        self.application.progress_handler(1, Some(is_endless)).unwrap();
        let outcome = self.application.execute_batch(&sql);
        self.application.progress_handler(1, None::<fn() -> bool>).unwrap();
        let is_stopped = outcome
            .as_ref()
            .is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted));
        let is_lost = outcome.is_err() && !schema.failures_count;
        self.is_lost |= is_lost;
        let is_comparable = !is_stopped && !sql.contains("OR FAIL") && !sql.contains("OR ROLLBACK");
        if let Err(error) = outcome.as_ref()
            && is_comparable
        {
            self.judge_failure(&sql, error)?;
        }
        let said = outcome.map_or_else(|error| format!(" -- {error}"), |()| String::new());
        writeln!(self.script, "{sql};{said}").unwrap();
        let is_undone = sql.contains("ROLLBACK")
            && (sql.starts_with("ROLLBACK") || in_transaction == self.application.is_autocommit());
        let is_crowded = before.values().sum::<usize>() > ROWS_MAX;
        if is_crowded {
            // Where that fails, the next step tries again.
            let _failed = self.application.execute_batch(&schema.clear(self.database));
        }
        if !is_undone && !is_crowded && !is_stopped && !is_lost {
            let touched = self.log().into_iter().filter(|(seq, _)| !log_before.contains_key(seq));
            self.judge(&before, &touched.map(|(_, touch)| touch).collect())?;
        }
        Ok(())
    }

    /// Without the changelog's triggers, a statement that failed must fail too.
    fn judge_failure(&self, sql: &str, error: &rusqlite::Error) -> Result<(), TestCaseError> {
        let said = error.to_string();
        // Our triggers are one more level; and of a foreign key it may be asked at the COMMIT only.
        if !sql.contains(" INTO ") && !sql.starts_with("UPDATE") && !sql.starts_with("DELETE")
            || said.contains("nested too deep")
            || said.contains("FOREIGN KEY")
            || said.contains("malformed JSON") && self.passes_over(sql)
        {
            return Ok(());
        }
        if self.fails_with(&[], sql, &said)? {
            return Ok(());
        }
        // Whether rows can be shifted one by one may depend on the order, which any trigger changes.
        let is_shift = sql.starts_with("UPDATE") && said.contains("UNIQUE");
        let is_order = is_shift && self.fails_with(&self.bystanders(), sql, &said)?;
        prop_assert!(is_order, "{}{sql}; -- {said}\nonly with the triggers\n", self.script);
        Ok(())
    }

    /// Whether a statement that failed fails too with these triggers in the place of ours.
    fn fails_with(&self, others: &[String], sql: &str, said: &str) -> Result<bool, TestCaseError> {
        let run = |sql: &str| self.application.execute_batch(sql);
        run("SAVEPOINT untouched").unwrap();
        for name in self.triggers() {
            run(&format!("DROP TRIGGER {}.{}", self.database, quoted(&name))).unwrap();
        }
        others.iter().for_each(|trigger| run(trigger).unwrap());
        let outcome = run(sql);
        let undone = run("ROLLBACK TO untouched; RELEASE untouched");
        prop_assert!(undone.is_ok(), "{}{sql}; -- {said}\n{undone:?}\n", self.script);
        Ok(outcome.is_err())
    }

    /// Triggers that look at what is updated, and do nothing.
    fn bystanders(&self) -> Vec<String> {
        let of = |(table, _): &(SourceTable, Capture)| {
            let cells = table.columns.iter().map(|column| format!("old.{0}, new.{0}", column.name));
            format!(
                "CREATE TRIGGER {}.bystander_{1} BEFORE UPDATE ON {1} BEGIN SELECT {2}; END",
                self.database,
                table.name,
                cells.collect::<Vec<_>>().join(", ")
            )
        };
        self.tables.iter().map(of).collect()
    }

    /// Whether a row may be passed over before an expression of it is computed, which fails: ours is computed first.
    fn passes_over(&self, sql: &str) -> bool {
        let is_in_it = |text: &str| text.contains("IGNORE") || text.contains("ON CONFLICT");
        is_in_it(sql) || self.script.lines().filter(|line| line.starts_with("CREATE")).any(is_in_it)
    }

    /// The names of the changelog's triggers.
    fn triggers(&self) -> Vec<String> {
        let sql = format!(
            "SELECT name FROM {}.sqlite_schema WHERE type = 'trigger' AND name GLOB '_liteferry*'",
            self.database
        );
        let mut statement = self.application.prepare(&sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// All of it at once: what was rolled back is in neither.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        if !self.application.is_autocommit() && self.application.execute_batch("COMMIT").is_err() {
            self.application.execute_batch("ROLLBACK").unwrap();
        }
        let first = std::mem::take(&mut self.first);
        if self.is_lost { Ok(()) } else { self.judge(&first, &self.log().into_values().collect()) }
    }

    fn judge(
        &self,
        before: &Image,
        touched: &BTreeSet<(usize, String)>,
    ) -> Result<(), TestCaseError> {
        let after = self.image();
        let changed = |one: &Image, other: &Image| -> BTreeSet<(usize, String)> {
            let differing = one.iter().filter(|(row, count)| other.get(*row) != Some(*count));
            differing.map(|((table, key, _), _)| (*table, key.clone())).collect()
        };
        for key in changed(before, &after).union(&changed(&after, before)) {
            prop_assert!(touched.contains(key), "{}\n{key:?} is not in the log\n", self.script);
        }
        Ok(())
    }

    fn image(&self) -> Image {
        let mut image = Image::new();
        for (number, (table, capture)) in self.tables.iter().enumerate() {
            let key = match &capture.key {
                TouchKey::Rowid => vec!["rowid".to_owned()],
                TouchKey::Columns(positions) => {
                    positions.iter().map(|at| table.columns[*at].name.clone()).collect()
                }
            };
            let cells: Vec<_> = table.columns.iter().map(|column| column.name.clone()).collect();
            let (key, cells) = (exactly(&key), exactly(&cells));
            let sql = format!("SELECT {key}, {cells} FROM {}.{}", self.database, table.name);
            let mut statement = self.application.prepare(&sql).unwrap();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                *image.entry((number, row.get(0).unwrap(), row.get(1).unwrap())).or_default() += 1;
            }
        }
        image
    }

    fn log(&self) -> BTreeMap<i64, (usize, String)> {
        let mut log = BTreeMap::new();
        for (number, (_, capture)) in self.tables.iter().enumerate() {
            let names: Vec<_> = (1..=capture.key.columns()).map(|at| format!("k{at}")).collect();
            let key = exactly(&names);
            let sql = format!(
                "SELECT seq, {key} FROM {}._liteferry_log WHERE t = {number}",
                self.database
            );
            let mut statement = self.application.prepare_cached(&sql).unwrap();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                log.insert(row.get(0).unwrap(), (number, row.get(1).unwrap()));
            }
        }
        log
    }
}

/// An expression that is different for values of different types or bytes.
fn exactly(columns: &[String]) -> String {
    let each = columns.iter().map(|name| format!("typeof({name}) || ' ' || hex({name})"));
    each.collect::<Vec<_>>().join(" || ',' || ")
}
