//! `equals` in the pipeline file: another column of the row that must tell the same instant.

use super::Choice;
use super::said::{SAID, may_repeat, undecided};
use crate::config::{ColumnSection, Equals, TimeSource};
use crate::error::{Error, Result};
use crate::model::{
    CellShape, ColumnEvidence, DateOrder, EpochUnit, PgType, Recast, SourceColumn, SourceTable,
    Telling, Witness, WitnessCounts,
};
use crate::row::zone;

/// What the census shall compare, for what the pipeline file says of a column.
///
/// # Errors
///
/// [`crate::Class::Undecided`] with the line, where that is no other column of the table, or not how one can be written.
pub(super) fn probe(
    table: &SourceTable,
    column: &SourceColumn,
    said: &ColumnSection,
) -> Result<Option<(Telling, Witness)>> {
    let Some(equals) = &said.equals else { return Ok(None) };
    let witness = parse(equals)?;
    if witness.column == column.name {
        return Err(refused(
            equals,
            "it names the column itself",
            "name another column of the row",
        ));
    }
    if table.columns.iter().all(|other| other.name != witness.column) {
        let what = format!("there is no column `{}`", witness.column);
        let names: Vec<_> = table.columns.iter().map(|other| other.name.as_str()).collect();
        return Err(refused(equals, what, format!("the table has {}", names.join(", "))));
    }
    Ok(Some((telling(said.from, said.zone.as_deref()), witness)))
}

/// The choice with the witness that the pipeline file names.
///
/// # Errors
///
/// A column that holds no instants.
pub(super) fn heard(
    choice: Choice,
    evidence: &ColumnEvidence,
    said: &ColumnSection,
) -> Result<Choice> {
    let Some(equals) = &said.equals else { return Ok(choice) };
    let witness = parse(equals)?;
    let Telling { read, recast } = telling(said.from, said.zone.as_deref());
    let WitnessCounts { differ, decided, open } = evidence.witness;
    let mut reason = format!("{SAID}, and compares it with `{}`", witness.said);
    for (count, what) in [
        (differ, "contradicted by it"),
        (decided, "that came twice when clocks were set back, decided by it"),
        (open, "that came twice, not decided by it: the first is taken"),
    ] {
        if count > 0 {
            reason.push_str(&format!("; times {what}: {count}"));
        }
    }
    let unseen = said.zone.as_ref().is_some_and(|zone| may_repeat(evidence, zone));
    if unseen && open == 0 {
        reason.push_str("; one that came twice and is not decided by it is taken as the first");
    }
    let warning = open > 0 || unseen;
    Ok(Choice { read, recast, witness: Some(witness), reason, warning, ..choice })
}

/// Refuses what only columns of instants can be compared with.
///
/// # Errors
///
/// [`crate::Class::Undecided`] with the line.
pub(super) fn check_type(pg: PgType, said: &ColumnSection) -> Result<()> {
    match &said.equals {
        Some(equals) if pg != PgType::Timestamptz => Err(refused(
            equals,
            format!("only instants can be compared, and {pg} is none"),
            "say `type = \"timestamptz\"`, and the `zone` of its clocks, or leave out `equals`",
        )),
        _ => Ok(()),
    }
}

/// How cells tell instants that are written so.
pub(super) fn telling(from: Option<TimeSource>, zone: Option<&str>) -> Telling {
    let read = match from.unwrap_or(TimeSource::Iso8601) {
        TimeSource::Iso8601 => {
            let read = zone.map_or(CellShape::IsoOffset, |zone| CellShape::IsoEither(zone.into()));
            return Telling { read, recast: Recast::Keep };
        }
        TimeSource::Dmy => CellShape::Ordered(DateOrder::Dmy),
        TimeSource::Mdy => CellShape::Ordered(DateOrder::Mdy),
        TimeSource::Yyyymmdd => CellShape::Compact,
        TimeSource::UnixS => CellShape::Epoch(EpochUnit::Seconds),
        TimeSource::UnixMs => CellShape::Epoch(EpochUnit::Milliseconds),
        TimeSource::UnixUs => CellShape::Epoch(EpochUnit::Microseconds),
        TimeSource::UnixNs => CellShape::Epoch(EpochUnit::Nanoseconds),
        TimeSource::Julian => CellShape::Epoch(EpochUnit::JulianDays),
        TimeSource::CoreData => CellShape::Epoch(EpochUnit::CoreData),
        TimeSource::Webkit => CellShape::Epoch(EpochUnit::Webkit),
    };
    Telling { read, recast: zone.map_or(Recast::Keep, |zone| Recast::Localize(zone.into())) }
}

/// Reads `COLUMN as FORM` or `COLUMN as FORM in ZONE`.
fn parse(equals: &Equals) -> Result<Witness> {
    let said = equals.text.trim();
    let Some((column, form)) = said.rsplit_once(" as ") else {
        return Err(refused(
            equals,
            "it does not say which column, and how it is written",
            "write `equals = \"COLUMN as unix\"`, for example",
        ));
    };
    let (form, zone) =
        form.split_once(" in ").map_or((form, None), |(form, zone)| (form, Some(zone)));
    let Some(from) = TimeSource::parse(form) else {
        return Err(refused(
            equals,
            format!("times are not written as `{form}`"),
            "use unix, unix_ms, unix_us, unix_ns, julian, core_data, webkit, iso8601, dmy, mdy or yyyymmdd",
        ));
    };
    zone.map(zone::find).transpose().map_err(|error| at_line(error, equals))?;
    let telling = telling(Some(from), zone);
    match (&telling.read, zone) {
        (CellShape::Epoch(_), Some(zone)) => Err(refused(
            equals,
            "an epoch counts instants, which have no zone",
            format!("leave out ` in {zone}`"),
        )),
        (CellShape::Ordered(_) | CellShape::Compact, None) => Err(refused(
            equals,
            "the zone of its clocks is not said",
            format!("write `equals = \"{said} in UTC\"`, or another zone"),
        )),
        _ => Ok(Witness { column: column.into(), telling, said: said.into() }),
    }
}

fn refused(equals: &Equals, what: impl Into<String>, todo: impl Into<String>) -> Error {
    at_line(undecided(what).todo(todo), equals)
}

/// The error with the line of the pipeline file that it is about.
pub(super) fn at_line(error: Error, equals: &Equals) -> Error {
    let line = format!("line {} of the pipeline file, `equals = {:?}`", equals.line(), equals.text);
    error.at(line)
}
