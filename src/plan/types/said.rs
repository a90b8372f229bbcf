//! The type that the pipeline file asks for, and what it leaves open.

use super::declared::Declared;
use super::{Choice, by_evidence, shown, strays, witness};
use crate::config::{ColumnSection, DefaultValue, TimeSource};
use crate::error::{Class, Error, Result};
use crate::model::{
    BoolForm, CellShape, ColumnEvidence, DateOrder, LABELS_MAX, PgType, RawCell, Recast,
    SourceColumn, TargetColumn, TextProbe,
};
use crate::row::zone;

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
        Some(kind) => parse(kind)?,
        None => by_evidence(Declared::of(column), evidence).pg,
    };
    let choice = choice(pg, evidence, said)?;
    if carries_nothing(&choice, evidence) {
        let what = format!(
            "no value is {} as the pipeline file says: {}",
            told(pg, said),
            shown(evidence)
        );
        return Err(undecided(what).todo(match said.equals {
            Some(_) => "choose another `zone` or type, or leave out `equals`",
            None => "choose another type, or leave it to the census",
        }));
    }
    Ok(choice)
}

/// Whether there are values, and not one fits.
pub(super) fn carries_nothing(choice: &Choice, evidence: &ColumnEvidence) -> bool {
    let (strays, values) = (strays::count(choice, evidence), evidence.values());
    values > 0 && strays >= values
}

/// What the census shall ask of texts for what the target or the pipeline file says; none where they say nothing of it.
///
/// # Errors
///
/// A zone that is not known.
pub(super) fn probe(
    said: &ColumnSection,
    target: Option<&TargetColumn>,
) -> Result<Option<TextProbe>> {
    let zone = said.zone.as_deref().map(zone::find).transpose()?;
    let kind = said.kind.as_deref().and_then(|kind| parse(kind).ok());
    let kind = target.and_then(|target| target.pg).or(kind);
    Ok(Some(match (kind, said.from) {
        (Some(PgType::Date | PgType::Timestamp | PgType::Timestamptz), from) => match from {
            Some(TimeSource::Dmy) => TextProbe::Ordered(DateOrder::Dmy, zone),
            Some(TimeSource::Mdy) => TextProbe::Ordered(DateOrder::Mdy, zone),
            Some(TimeSource::Yyyymmdd) => TextProbe::Compact(zone),
            _ => TextProbe::Temporal(zone),
        },
        (Some(PgType::Time), _) => TextProbe::Temporal(None),
        (Some(PgType::Numeric(_)), _) => TextProbe::Decimal,
        (Some(PgType::Bool), _) => TextProbe::Words,
        (Some(PgType::Uuid), _) => TextProbe::Uuid,
        (Some(PgType::Inet), _) => TextProbe::Inet,
        (Some(PgType::Cidr), _) => TextProbe::Cidr,
        (Some(PgType::Json), _) => TextProbe::Json,
        (Some(PgType::Jsonb), _) => TextProbe::Jsonb,
        (Some(PgType::Enum), _) => TextProbe::Labels,
        _ => return Ok(None),
    }))
}

pub(super) fn parse(kind: &str) -> Result<PgType> {
    if kind.trim().eq_ignore_ascii_case("enum") {
        return Ok(PgType::Enum);
    }
    PgType::parse(kind).ok_or_else(|| {
        undecided(format!("the pipeline file's type `{kind}` is not supported")).todo(
            "use bool, int2, int4, int8, float4, float8, numeric, numeric(p, s), text, varchar(n), bytea, date, time, \
             timestamp, timestamptz, uuid, inet, cidr, json, jsonb or enum",
        )
    })
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
    witness::check_type(pg, said)?;
    let timed = matches!(pg, PgType::Date | PgType::Timestamp | PgType::Timestamptz);
    if !timed && (said.from.is_some() || said.zone.is_some()) {
        return Err(undecided(format!(
            "`from` and `zone` are for dates and times, and {pg} is none"
        ))
        .todo("give `type = \"timestamptz\"`, \"timestamp\" or \"date\" too, or leave them out"));
    }
    let read = match pg {
        PgType::Bool => CellShape::Bool(boolean(evidence)),
        PgType::Int2 | PgType::Int4 | PgType::Int8 => CellShape::Integer,
        PgType::Float4 | PgType::Float8 => CellShape::Real,
        PgType::Numeric(_) => CellShape::Decimal,
        PgType::Text if evidence.integers + evidence.reals > 0 => CellShape::AnyText,
        PgType::Text | PgType::Varchar(_) | PgType::Char(_) => CellShape::Text,
        PgType::Bytea => CellShape::Blob,
        PgType::Time => CellShape::IsoTime,
        PgType::Uuid => CellShape::Uuid,
        PgType::Inet | PgType::Cidr => CellShape::Inet,
        PgType::Json | PgType::Jsonb => CellShape::Json,
        PgType::Enum => return labels(evidence),
        PgType::Date | PgType::Timestamp | PgType::Timestamptz => {
            let choice = time(pg, evidence, said).map_err(|error| match &said.equals {
                Some(equals) => witness::at_line(error, equals),
                None => error,
            })?;
            return witness::heard(choice, evidence, said);
        }
    };
    Ok(Choice::new(read, pg, SAID))
}

pub(super) const SAID: &str = "the pipeline file says so";

fn boolean(evidence: &ColumnEvidence) -> BoolForm {
    match evidence.forms.words.best() {
        Some((words, times)) if times > evidence.integers + evidence.reals => {
            BoolForm::Words(words)
        }
        _ if evidence.reals > evidence.integers => BoolForm::ZeroOneReal,
        _ => BoolForm::ZeroOne,
    }
}

fn labels(evidence: &ColumnEvidence) -> Result<Choice> {
    if evidence.sampled {
        let what = "an enum's labels are its values, and a sample does not show all of them";
        return Err(undecided(what).todo("take a full census, or leave it text"));
    }
    let labels = match &evidence.labels {
        Some(labels) => labels.iter().cloned().collect(),
        None if evidence.texts == 0 => Vec::new(),
        None => {
            return Err(undecided(format!(
                "it has more than {LABELS_MAX} different texts, too many for an enum"
            ))
            .todo("leave it text"));
        }
    };
    if let Some(long) = labels.iter().find(|label: &&String| label.len() > LABEL_BYTES_MAX) {
        return Err(undecided(format!(
            "`{long}` is longer than the {LABEL_BYTES_MAX} bytes of an enum's label"
        ))
        .todo("leave it text"));
    }
    Ok(Choice { labels, ..Choice::new(CellShape::Label, PgType::Enum, SAID) })
}

/// Bytes of an enum's label, PostgreSQL's limit.
const LABEL_BYTES_MAX: usize = 63;

fn time(pg: PgType, evidence: &ColumnEvidence, said: &ColumnSection) -> Result<Choice> {
    match witness::telling(said.from, None).read {
        _ if said.from.is_none() && evidence.integers + evidence.reals > evidence.texts => {
            Err(epoch_undecided(pg, evidence))
        }
        CellShape::Epoch(_) if said.zone.is_some() || pg == PgType::Date => {
            Err(undecided("an epoch counts instants, which have no zone and are no dates")
                .todo("say `type = \"timestamptz\"`, and leave out `zone`"))
        }
        read @ CellShape::Epoch(_) => Ok(Choice::new(read, pg, SAID)),
        read @ (CellShape::Ordered(_) | CellShape::Compact) => calendar(read, pg, evidence, said),
        _ => iso(pg, evidence, said),
    }
}

/// Dates and times that are not written as ISO has it.
fn calendar(
    read: CellShape,
    pg: PgType,
    evidence: &ColumnEvidence,
    said: &ColumnSection,
) -> Result<Choice> {
    let choice = Choice::new(read, pg, SAID);
    match (pg, &said.zone) {
        (PgType::Timestamptz, Some(zone)) => {
            Ok(with_twice(choice.recast(Recast::Localize(zone.clone())), evidence, zone))
        }
        (PgType::Timestamptz, None) => Err(zone_undecided()),
        (_, Some(_)) => Err(undecided(format!("a {pg} has no zone"))
            .todo("say `type = \"timestamptz\"`, or leave out `zone`")),
        (_, None) => Ok(choice),
    }
}

fn zone_undecided() -> Error {
    undecided("in which zone its times without an offset are is not said").todo(
        "say so in the pipeline file: { type = \"timestamptz\", zone = \"UTC\" }, or another zone",
    )
}

fn epoch_undecided(pg: PgType, evidence: &ColumnEvidence) -> Error {
    undecided(format!("what its integers count is not said: {}", shown(evidence))).todo(format!(
        "say so in the pipeline file: {{ type = \"{pg}\", from = \"unix_s\" }}, or \"unix_ms\", \"unix_us\""
    ))
}

fn iso(pg: PgType, evidence: &ColumnEvidence, said: &ColumnSection) -> Result<Choice> {
    let dates = &evidence.dates;
    match (pg, &said.zone) {
        (PgType::Date, None) => Ok(Choice::new(CellShape::IsoDate, pg, SAID)),
        (PgType::Timestamp, None) => Ok(Choice::new(CellShape::IsoNaive, pg, SAID)),
        (PgType::Date | PgType::Timestamp, Some(_)) => {
            Err(undecided(format!("a {pg} has no zone"))
                .todo("say `type = \"timestamptz\"`, or leave out `zone`"))
        }
        (_, None) if dates.naive + dates.date > 0 => Err(zone_undecided()),
        (_, None) => Ok(Choice::new(CellShape::IsoOffset, pg, SAID)),
        (_, Some(zone)) => Ok(localized(pg, evidence, zone)),
    }
}

fn localized(pg: PgType, evidence: &ColumnEvidence, zone: &str) -> Choice {
    let dates = &evidence.dates;
    // The same type carries what a sample may have missed: offsets, and times that the clocks never showed.
    let choice = if dates.offset > 0 || evidence.sampled {
        Choice::new(CellShape::IsoEither(zone.into()), pg, SAID)
    } else {
        let read = if dates.never > 0 { CellShape::IsoWall } else { CellShape::IsoNaive };
        Choice::new(read, pg, SAID).recast(Recast::Localize(zone.into()))
    };
    with_twice(choice, evidence, zone)
}

/// Whether times that a sample missed may have come twice.
pub(super) fn may_repeat(evidence: &ColumnEvidence, zone: &str) -> bool {
    evidence.sampled && !zone.eq_ignore_ascii_case("UTC")
}

/// Says of which wall clocks the first instant is taken.
fn with_twice(choice: Choice, evidence: &ColumnEvidence, zone: &str) -> Choice {
    match evidence.dates.twice {
        0 if may_repeat(evidence, zone) => {
            let reason = format!(
                "where a time came twice when clocks in {zone} were set back, the first is taken"
            );
            Choice { reason, ..choice.warn() }
        }
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
    let from = said.from.map(|from| format!(" from {}", from.name())).unwrap_or_default();
    let zone = said.zone.as_ref().map(|zone| format!(" in the zone {zone}")).unwrap_or_default();
    let equals = said.equals.as_ref().map(|equals| format!(" equal to `{}`", equals.text));
    format!("{pg}{from}{zone}{}", equals.unwrap_or_default())
}
