//! That nothing which the application writes fails because of the triggers.

use super::exercise::{Exercise, STYLES};
use super::scratch::Scratch;
use crate::model::identifier::quoted;
use crate::model::{Capture, SourceTable};
use crate::store::sqlite::failure::reason;
use rusqlite::ErrorCode;
use std::sync::atomic::Ordering;

/// Whether CHECKs are passed over, as they are in a copy.
const CHECKS: &str = "ignore_check_constraints";

/// The statements that an empty table takes one after the other; it stays empty.
pub(super) fn taken(scratch: &Scratch, table: &SourceTable, capture: &Capture) -> Vec<String> {
    let mut statements = statements(&mut Exercise::new(scratch, table, capture));
    undone(scratch, || statements.retain(|sql| run(scratch, sql).is_ok()));
    statements
}

/// An error where one of them is not taken any more.
pub(super) fn still_taken(scratch: &Scratch, taken: &[String]) -> Result<(), String> {
    let mut failed = None;
    undone(scratch, || failed = taken.iter().find_map(|sql| failure(scratch, sql)));
    failed.map_or(Ok(()), Err)
}

fn failure(scratch: &Scratch, sql: &str) -> Option<String> {
    let error = run(scratch, sql).err()?;
    // With ours its triggers take more turns, until they take too many.
    let is_stopped = error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted);
    (!is_stopped).then(|| format!("this would fail with its changelog ({}): {sql}", reason(&error)))
}

fn run(scratch: &Scratch, sql: &str) -> rusqlite::Result<()> {
    scratch.turns.store(0, Ordering::Relaxed);
    scratch.connection.execute_batch(sql)
}

/// Does `work` in a transaction that is rolled back, if a trigger has not done that.
fn undone(scratch: &Scratch, work: impl FnOnce()) {
    let _begun = run(scratch, "BEGIN");
    work();
    let _undone_or_not_there = run(scratch, "ROLLBACK");
}

/// Rows of every style of values, because nothing is looked for in an empty table; then, with CHECKs in force, rows that
/// come beside them, also where some may be refused, and each of their columns changed.
fn statements(exercise: &mut Exercise<'_>) -> Vec<String> {
    let mut statements: Vec<_> = inserts(exercise, "INSERT").collect();
    statements.push(format!("PRAGMA {CHECKS} = OFF"));
    statements.extend(inserts(exercise, "INSERT"));
    statements.extend(inserts(exercise, "INSERT OR IGNORE"));
    let name = quoted(&exercise.table.name);
    for style in STYLES {
        exercise.style = style;
        for (at, column) in exercise.table.columns.iter().enumerate() {
            if column.generated.is_none() {
                let value = exercise.value(at);
                let column = quoted(&column.name);
                statements.push(format!("UPDATE OR IGNORE {name} SET {column} = {value}"));
            }
        }
    }
    statements.push(format!("PRAGMA {CHECKS} = ON"));
    statements
}

fn inserts(exercise: &mut Exercise<'_>, verb: &str) -> impl Iterator<Item = String> {
    STYLES.into_iter().map(move |style| {
        exercise.style = style;
        exercise.insert(verb, |_| false, "")
    })
}
