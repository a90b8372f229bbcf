//! Whether every table can be followed, found out before anything is begun.

use super::capture::captured;
use crate::error::{Class, Error, Result};
use crate::journey::Setting;
use crate::journey::inspect::Inspected;
use crate::plan::Plan;
use crate::store::sqlite::capture::trial;

/// Tries the changelog of a plan on an empty copy of the schema.
///
/// # Errors
///
/// [`Class::Undecided`] with each table that cannot be followed, and why.
pub(in crate::journey) fn check_followable(
    inspected: &Inspected,
    plan: &Plan,
    setting: Setting<'_>,
) -> Result<()> {
    let readers = inspected.readers(1)?;
    let reader = readers.first().ok_or_else(|| Error::internal("a trial without a reader"))?;
    let reasons = trial(reader.connection(), &captured(inspected, plan), setting.stop)?;
    let mut reasons: Vec<_> = reasons
        .iter()
        .map(|(table, reason)| format!("table {table}: cannot be followed: {reason}"))
        .collect();
    let what = match reasons.len() {
        0 => return Ok(()),
        1 => reasons.swap_remove(0),
        count => format!("{count} tables cannot be followed:\n  {}", reasons.join("\n  ")),
    };
    Err(Error::new(Class::Undecided, what)
        .todo("change them in the source, or move it at rest with --no-capture"))
}
