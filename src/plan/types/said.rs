//! The type that the pipeline file asks for, and what it leaves open.

use super::declared::Declared;
use super::{Choice, by_evidence, parse_type, shown, strays};
use crate::config::{ColumnSection, DefaultValue, TimeSource};
use crate::error::{Class, Error, Result};
use crate::model::{CellShape, ColumnEvidence, EpochUnit, PgType, RawCell, Recast, SourceColumn};

/// The choice that the pipeline file makes.
///
/// # Errors
///
/// [`Class::Undecided`] where not one value fits it, or where it leaves open what values mean.
pub(super) fn choose(
    column: &SourceColumn,
    evidence: &ColumnEvidence,
    said: &ColumnSection,
) -> Result<Choice> {
    let pg = match &said.kind {
        Some(kind) => parse_type(kind).ok_or_else(|| {
            undecided(format!("the pipeline file's type `{kind}` is not supported"))
                .todo("use bool, int8, float8, numeric, numeric(p, s), text, varchar(n), bytea, date, timestamp or timestamptz")
        })?,
        None => by_evidence(Declared::of(column), evidence).pg,
    };
    let choice = choice(pg, evidence, said)?;
    if carries_nothing(&choice, evidence) {
        let what = format!(
            "no value is {} as the pipeline file says: {}",
            told(pg, said),
            shown(evidence)
        );
        return Err(undecided(what).todo("choose another type, or leave it to the census"));
    }
    Ok(choice)
}

/// Whether there are values, and not one fits.
pub(super) fn carries_nothing(choice: &Choice, evidence: &ColumnEvidence) -> bool {
    let (strays, values) = (strays::count(choice, evidence), evidence.values());
    values > 0 && strays >= values
}

/// A default as the cell that SQLite would hold.
pub(super) fn cell(default: &DefaultValue) -> RawCell {
    match default {
        DefaultValue::Boolean(value) => RawCell::integer(i64::from(*value)),
        DefaultValue::Integer(value) => RawCell::integer(*value),
        DefaultValue::Float(value) => RawCell::real(*value),
        DefaultValue::Text(value) => RawCell::text(value.as_bytes()),
    }
}

pub(super) fn undecided(what: impl Into<String>) -> Error {
    Error::new(Class::Undecided, what)
}

/// How cells are read for a type.
pub(super) fn choice(
    pg: PgType,
    evidence: &ColumnEvidence,
    said: &ColumnSection,
) -> Result<Choice> {
    let timed = matches!(pg, PgType::Timestamp | PgType::Timestamptz);
    if !timed && (said.from.is_some() || said.zone.is_some()) {
        return Err(undecided(format!("`from` and `zone` are for times, and {pg} is none"))
            .todo("give `type = \"timestamptz\"` or \"timestamp\" too, or leave them out"));
    }
    let read = match pg {
        PgType::Bool => CellShape::ZeroOne,
        PgType::Int8 => CellShape::Integer,
        PgType::Float8 => CellShape::Real,
        PgType::Numeric(_) => CellShape::Decimal,
        PgType::Text if evidence.integers + evidence.reals > 0 => CellShape::AnyText,
        PgType::Text | PgType::Varchar(_) | PgType::Char(_) => CellShape::Text,
        PgType::Bytea => CellShape::Blob,
        PgType::Date => CellShape::IsoDate,
        PgType::Timestamp | PgType::Timestamptz => return time(pg, evidence, said),
    };
    Ok(Choice::new(read, pg, SAID))
}

pub(super) const SAID: &str = "the pipeline file says so";

fn time(pg: PgType, evidence: &ColumnEvidence, said: &ColumnSection) -> Result<Choice> {
    let unit = match said.from {
        None if evidence.integers > evidence.texts => return Err(epoch_undecided(pg, evidence)),
        None | Some(TimeSource::Iso8601) => return iso(pg, evidence, said),
        Some(TimeSource::UnixS) => EpochUnit::Seconds,
        Some(TimeSource::UnixMs) => EpochUnit::Milliseconds,
        Some(TimeSource::UnixUs) => EpochUnit::Microseconds,
    };
    if said.zone.is_some() {
        return Err(undecided("an epoch has no zone").todo("leave out `zone`"));
    }
    Ok(Choice::new(CellShape::Epoch(unit), pg, SAID))
}

fn epoch_undecided(pg: PgType, evidence: &ColumnEvidence) -> Error {
    undecided(format!("what its integers count is not said: {}", shown(evidence))).todo(format!(
        "say so in the pipeline file: {{ type = \"{pg}\", from = \"unix_s\" }}, or \"unix_ms\", \"unix_us\""
    ))
}

fn iso(pg: PgType, evidence: &ColumnEvidence, said: &ColumnSection) -> Result<Choice> {
    let dates = &evidence.dates;
    let walls = dates.naive + dates.date;
    match (pg, &said.zone) {
        (PgType::Timestamp, None) => Ok(Choice::new(CellShape::IsoNaive, pg, SAID)),
        (PgType::Timestamp, Some(_)) => Err(undecided("a timestamp has no zone")
            .todo("say `type = \"timestamptz\"`, or leave out `zone`")),
        (_, None) if walls > 0 => {
            Err(undecided(format!("in which zone its {walls} times without an offset are is not said"))
                .todo("say so in the pipeline file: { type = \"timestamptz\", zone = \"UTC\" }, or another zone"))
        }
        (_, None) => Ok(Choice::new(CellShape::IsoOffset, pg, SAID)),
        (_, Some(zone)) => Ok(localized(pg, evidence, zone)),
    }
}

fn localized(pg: PgType, evidence: &ColumnEvidence, zone: &str) -> Choice {
    let dates = &evidence.dates;
    let choice = if dates.offset > 0 {
        Choice::new(CellShape::IsoEither(zone.into()), pg, SAID)
    } else {
        let read = if dates.never > 0 { CellShape::IsoWall } else { CellShape::IsoNaive };
        Choice::new(read, pg, SAID).recast(Recast::Localize(zone.into()))
    };
    match dates.twice {
        0 => choice,
        twice => {
            let reason = format!(
                "{twice} times came twice when clocks in {zone} were set back: the first is taken"
            );
            Choice { reason, ..choice.warn() }
        }
    }
}

pub(super) fn told(pg: PgType, said: &ColumnSection) -> String {
    let from = match said.from {
        None => "",
        Some(TimeSource::Iso8601) => " from iso8601",
        Some(TimeSource::UnixS) => " from unix_s",
        Some(TimeSource::UnixMs) => " from unix_ms",
        Some(TimeSource::UnixUs) => " from unix_us",
    };
    let zone = said.zone.as_ref().map(|zone| format!(" in the zone {zone}")).unwrap_or_default();
    format!("{pg}{from}{zone}")
}
