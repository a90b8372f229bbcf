//! Which tables can be followed, found out before anything is begun; and what would be put into the source for that.

use super::capture::captured;
use crate::error::{Class, Error, Result};
use crate::journey::Setting;
use crate::journey::inspect::Inspected;
use crate::model::Motion;
use crate::plan::{self, Plan};
use crate::store::sqlite::capture::{Changelog, trial};

/// What would log the changes of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// The SQL that is put into the source, statement by statement.
    pub install_sql: Vec<String>,
    /// The script that takes it out again.
    pub remove_sql: String,
    /// The tables that cannot be followed, each with the reason; nothing would be put into the source as long as there
    /// is one.
    pub refused: Vec<(String, String)>,
}

/// Tries the changelog of a plan on an empty copy of the schema.
///
/// # Errors
///
/// [`Class::Access`] for a source that cannot be written to; [`Class::Undecided`] with each table that cannot be followed,
/// and why.
pub(in crate::journey) fn check_followable(
    inspected: &Inspected,
    plan: &Plan,
    setting: Setting<'_>,
) -> Result<()> {
    if inspected.motion == Motion::Moving {
        inspected.source.check_writable()?;
    }
    refusal(&refused(inspected, plan, setting)?).map_or(Ok(()), Err)
}

/// What would log the changes of the source that the plan is of; none where it is at rest.
pub(in crate::journey) fn logging(
    inspected: &Inspected,
    plan: &Plan,
    setting: Setting<'_>,
) -> Result<Option<Logging>> {
    if inspected.motion == Motion::AtRest {
        return Ok(None);
    }
    let refused = refused(inspected, plan, setting)?;
    let is_refused = |name: &String| refused.iter().any(|(table, _)| table == name);
    let mut tables = captured(inspected, plan);
    tables.retain(|(table, _)| !is_refused(&table.name));
    // Whose changelog it is does not stand in its SQL.
    let changelog = Changelog::design(&tables, "", "")?;
    Ok(Some(Logging {
        install_sql: changelog.statements().collect(),
        remove_sql: changelog.remove_sql(),
        refused,
    }))
}

/// The tables that cannot be followed, and why; none of a source at rest.
fn refused(
    inspected: &Inspected,
    plan: &Plan,
    setting: Setting<'_>,
) -> Result<Vec<(String, String)>> {
    let tables = captured(inspected, plan);
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let readers = inspected.readers(1)?;
    let reader = readers.first().ok_or_else(|| Error::internal("a trial without a reader"))?;
    Ok(trial(reader.connection(), &inspected.schema.tables, &tables, setting.stop)?
        .into_iter()
        .collect())
}

/// That these tables cannot be followed, in one error; none where there are none.
pub(in crate::journey) fn refusal(refused: &[(String, String)]) -> Option<Error> {
    let of_table =
        |(table, reason): &(String, String)| format!("table {table}: cannot be followed: {reason}");
    let reasons: Vec<_> = refused.iter().map(of_table).collect();
    let what = match reasons.as_slice() {
        [] => return None,
        [reason] => reason.clone(),
        reasons => {
            format!("{} tables cannot be followed:\n  {}", reasons.len(), reasons.join("\n  "))
        }
    };
    let leave = refused.first().map(|(table, _)| plan::copy_said(table)).unwrap_or_default();
    Some(Error::new(Class::Undecided, what).todo(format!(
        "{leave}; or change it in the source, or move the source at rest with --no-capture"
    )))
}
