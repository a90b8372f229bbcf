//! The type of each column: one that carries every value that the census saw, as near to the declaration as that allows.

use crate::config::{ColumnSection, TimeSource};
use crate::error::{Class, Error, Result};
use crate::model::{
    Affinity, CellShape, ColumnEvidence, EpochUnit, NumericSize, PgType, Probe, Recast,
    SourceColumn,
};
use crate::row::zone;

/// What was chosen for a column, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// How cells are read.
    pub read: CellShape,
    /// What they become.
    pub recast: Recast,
    /// The target's type.
    pub pg: PgType,
    /// Why this type.
    pub reason: String,
    /// Set where the declaration promised something else.
    pub warning: bool,
}

impl Choice {
    fn new(read: CellShape, pg: PgType, reason: impl Into<String>) -> Self {
        Self { read, recast: Recast::Keep, pg, reason: reason.into(), warning: false }
    }

    fn recast(mut self, recast: Recast) -> Self {
        self.recast = recast;
        self
    }

    fn warn(mut self) -> Self {
        self.warning = true;
        self
    }
}

/// What the census shall ask of a column.
///
/// # Errors
///
/// A zone that is not known.
pub fn probe(column: &SourceColumn, said: Option<&ColumnSection>) -> Result<Probe> {
    let zone = said.and_then(|said| said.zone.as_deref()).map(zone::find).transpose()?;
    let said_kind = said.and_then(|said| said.kind.as_deref()).and_then(parse_type);
    match said_kind {
        Some(PgType::Date | PgType::Timestamp | PgType::Timestamptz) => {
            return Ok(Probe::Temporal(zone));
        }
        Some(PgType::Numeric(_)) => return Ok(Probe::Decimal),
        _ => {}
    }
    Ok(match Declared::of(column) {
        Declared::Temporal => Probe::Temporal(zone),
        Declared::Text(_) | Declared::Float => Probe::Plain,
        Declared::Boolean
        | Declared::Integer
        | Declared::Decimal(_)
        | Declared::Bytes
        | Declared::Nothing => Probe::Decimal,
    })
}

/// Chooses the type of a column.
///
/// # Errors
///
/// [`Class::Undecided`] where no type carries every value, or where the pipeline file asks for one that does not.
pub fn choose(
    column: &SourceColumn,
    evidence: &ColumnEvidence,
    said: Option<&ColumnSection>,
) -> Result<Choice> {
    storable(evidence)?;
    match said {
        Some(said) if *said != ColumnSection::default() => as_said(column, evidence, said),
        _ => Ok(by_evidence(&Declared::of(column), evidence)),
    }
}

/// What a declared type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    Boolean,
    Temporal,
    Decimal(Option<NumericSize>),
    Integer,
    Float,
    /// Characters, where a length is declared.
    Text(Option<u32>),
    Bytes,
    Nothing,
}

impl Declared {
    fn of(column: &SourceColumn) -> Self {
        let name = column.declared.to_ascii_uppercase();
        match Affinity::of(&column.declared) {
            _ if column.any => Self::Nothing,
            _ if name.contains("BOOL") => Self::Boolean,
            Affinity::Text => Self::Text(
                arguments(&name).first().copied().filter(|&n| (1..=10_485_760).contains(&n)),
            ),
            Affinity::Integer => Self::Integer,
            Affinity::Real => Self::Float,
            Affinity::Blob if name.trim().is_empty() => Self::Nothing,
            Affinity::Blob => Self::Bytes,
            Affinity::Numeric if name.contains("DATE") || name.contains("TIME") => Self::Temporal,
            Affinity::Numeric => Self::Decimal(numeric_size(&name)),
        }
    }
}

/// The numbers in a declared type's parentheses.
fn arguments(declared: &str) -> Vec<u32> {
    let inside = declared
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(inside, _)| inside);
    inside.split(',').map_while(|number| number.trim().parse().ok()).collect()
}

fn numeric_size(declared: &str) -> Option<NumericSize> {
    let (precision, scale) = match *arguments(declared).as_slice() {
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => return None,
    };
    let size = NumericSize { precision: precision.try_into().ok()?, scale: scale.try_into().ok()? };
    let legal =
        (1..=NumericSize::PRECISION_MAX).contains(&size.precision) && size.scale <= size.precision;
    legal.then_some(size)
}

/// Refuses what no type here can hold.
fn storable(evidence: &ColumnEvidence) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::new(Class::Undecided, what)
            .todo("this is not supported yet: repair these values in the source, or leave the column out of it"))
    };
    match evidence {
        ColumnEvidence { with_nul: 1.., .. } => refuse(format!(
            "{} texts hold a NUL character, which PostgreSQL's text cannot",
            evidence.with_nul
        )),
        ColumnEvidence { not_utf8: 1.., .. } => refuse(format!(
            "{} texts are not UTF-8, which PostgreSQL's text must be",
            evidence.not_utf8
        )),
        ColumnEvidence { blobs: 1.., .. } if evidence.blobs < evidence.values() => refuse(format!(
            "{} BLOBs stand beside {} other values, and no type holds both",
            evidence.blobs,
            evidence.values() - evidence.blobs
        )),
        ColumnEvidence { beyond_decimal: 1.., texts: 1.., .. } => refuse(format!(
            "{} numbers that no decimal equals (infinite, or -0.0) stand beside {} texts",
            evidence.beyond_decimal, evidence.texts
        )),
        ColumnEvidence { beyond_decimal: 1.., integers_beyond_double: 1.., .. } => refuse(format!(
            "{} numbers that no decimal equals (infinite, or -0.0) stand beside {} integers that no double equals",
            evidence.beyond_decimal, evidence.integers_beyond_double
        )),
        _ => Ok(()),
    }
}

fn by_evidence(declared: &Declared, evidence: &ColumnEvidence) -> Choice {
    let ColumnEvidence { integers, reals, texts, blobs, .. } = *evidence;
    match (declared, integers, reals, texts, blobs) {
        (_, 0, 0, 0, 0) => by_declaration(declared),
        (Declared::Bytes | Declared::Nothing, 0, 0, 0, _) => {
            Choice::new(CellShape::Blob, PgType::Bytea, "BLOBs")
        }
        (_, 0, 0, 0, _) => {
            Choice::new(CellShape::Blob, PgType::Bytea, "all values are BLOBs").warn()
        }
        (_, _, _, 1.., _) if integers + reals > 0 => Choice::new(
            CellShape::AnyText,
            PgType::Text,
            format!("{texts} texts stand beside {} numbers", integers + reals),
        )
        .warn(),
        (_, 0, 0, _, _) => by_texts(declared, evidence),
        (Declared::Boolean, _, 0, _, _) if is_zero_one(evidence) => {
            Choice::new(CellShape::Integer, PgType::Bool, "all values are 0 or 1")
                .recast(Recast::ZeroOneToBool)
        }
        (Declared::Decimal(size), ..) => by_decimals(*size, evidence),
        (_, _, 0, _, _) => {
            let choice = Choice::new(CellShape::Integer, PgType::Int8, "all values are integers");
            if matches!(declared, Declared::Integer | Declared::Nothing) {
                choice
            } else {
                choice.warn()
            }
        }
        (_, 0, _, _, _) => {
            let choice = Choice::new(CellShape::Real, PgType::Float8, "all values are floats");
            if matches!(declared, Declared::Float | Declared::Nothing) {
                choice
            } else {
                choice.warn()
            }
        }
        _ => {
            let choice = integers_and_floats(evidence);
            if *declared == Declared::Nothing { choice } else { choice.warn() }
        }
    }
}

/// An empty column: the declaration is all there is.
fn by_declaration(declared: &Declared) -> Choice {
    let reason = "declared; there are no values";
    match declared {
        Declared::Boolean => {
            Choice::new(CellShape::Integer, PgType::Bool, reason).recast(Recast::ZeroOneToBool)
        }
        Declared::Temporal => Choice::new(CellShape::IsoNaive, PgType::Timestamp, reason),
        Declared::Decimal(size) => Choice::new(CellShape::Decimal, PgType::Numeric(*size), reason),
        Declared::Integer => Choice::new(CellShape::Integer, PgType::Int8, reason),
        Declared::Float => Choice::new(CellShape::Real, PgType::Float8, reason),
        Declared::Text(Some(chars)) => {
            Choice::new(CellShape::Text, PgType::Varchar(*chars), reason)
        }
        Declared::Text(None) | Declared::Nothing => {
            Choice::new(CellShape::Text, PgType::Text, reason)
        }
        Declared::Bytes => Choice::new(CellShape::Blob, PgType::Bytea, reason),
    }
}

fn is_zero_one(evidence: &ColumnEvidence) -> bool {
    evidence.integer_range.is_some_and(|(least, greatest)| least >= 0 && greatest <= 1)
}

fn by_texts(declared: &Declared, evidence: &ColumnEvidence) -> Choice {
    let text = |reason: &str| Choice::new(CellShape::Text, PgType::Text, reason);
    match declared {
        Declared::Text(Some(chars)) if evidence.chars_max <= u64::from(*chars) => Choice::new(
            CellShape::Text,
            PgType::Varchar(*chars),
            format!("declared; the longest has {} characters", evidence.chars_max),
        ),
        Declared::Text(Some(chars)) => text(&format!(
            "the longest has {} characters, {chars} are declared",
            evidence.chars_max
        ))
        .warn(),
        Declared::Text(None) | Declared::Nothing => text("all values are texts"),
        Declared::Temporal => by_dates(evidence),
        Declared::Decimal(size) if evidence.not_decimal == 0 => by_decimals(*size, evidence),
        Declared::Boolean
        | Declared::Decimal(_)
        | Declared::Integer
        | Declared::Float
        | Declared::Bytes => text("all values are texts").warn(),
    }
}

fn by_dates(evidence: &ColumnEvidence) -> Choice {
    let dates = &evidence.dates;
    match (dates.date, dates.naive, dates.offset, dates.other) {
        (1.., 0, 0, 0) => Choice::new(CellShape::IsoDate, PgType::Date, "all values are dates"),
        (0, 1.., 0, 0) => Choice::new(CellShape::IsoNaive, PgType::Timestamp, "all values are times without a zone"),
        (0, 0, 1.., 0) => Choice::new(CellShape::IsoOffset, PgType::Timestamptz, "all values are times with an offset"),
        (date, naive, offset, other) => Choice::new(
            CellShape::Text,
            PgType::Text,
            format!(
                "shapes differ: {date} dates, {naive} times without and {offset} with an offset, {other} of no known shape"
            ),
        )
        .warn(),
    }
}

/// Integers and floats in a column that is declared decimal, or decimals as text.
fn by_decimals(size: Option<NumericSize>, evidence: &ColumnEvidence) -> Choice {
    if evidence.beyond_decimal > 0 {
        return integers_and_floats(evidence).warn();
    }
    let needed = evidence.decimal_size();
    match size {
        None => Choice::new(CellShape::Decimal, PgType::Numeric(None), "decimals"),
        Some(size) if fits(size, evidence) => Choice::new(
            CellShape::Decimal,
            PgType::Numeric(Some(size)),
            format!(
                "declared; {} digits before and {} after the point are used",
                needed.integer_digits, needed.scale
            ),
        ),
        Some(_) => Choice::new(
            CellShape::Decimal,
            PgType::Numeric(None),
            format!(
                "{} digits before and {} after the point are used",
                needed.integer_digits, needed.scale
            ),
        )
        .warn(),
    }
}

fn fits(size: NumericSize, evidence: &ColumnEvidence) -> bool {
    let needed = evidence.decimal_size();
    needed.scale <= u32::from(size.scale)
        && needed.integer_digits <= u32::from(size.precision - size.scale)
}

/// The number type that holds integers and floats exactly.
fn integers_and_floats(evidence: &ColumnEvidence) -> Choice {
    let reason = format!("{} integers and {} floats", evidence.integers, evidence.reals);
    match evidence {
        ColumnEvidence { beyond_decimal: 0, integers: 1.., .. } => {
            Choice::new(CellShape::Decimal, PgType::Numeric(None), reason)
        }
        _ => Choice::new(CellShape::Real, PgType::Float8, reason),
    }
}

/// What the pipeline file asks for, if every value fits it.
fn as_said(
    column: &SourceColumn,
    evidence: &ColumnEvidence,
    said: &ColumnSection,
) -> Result<Choice> {
    let undecided = |what: String| Error::new(Class::Undecided, what);
    let pg = match &said.kind {
        Some(kind) => parse_type(kind).ok_or_else(|| {
            undecided(format!("the pipeline file's type `{kind}` is not supported"))
                .todo("use bool, int8, float8, numeric, numeric(p, s), text, varchar(n), bytea, date, timestamp or timestamptz")
        })?,
        None => by_evidence(&Declared::of(column), evidence).pg,
    };
    let choice = said_choice(pg, evidence, said);
    choice.ok_or_else(|| {
        undecided(format!(
            "not every value is {} as the pipeline file says: {}",
            told(pg, said),
            shown(evidence)
        ))
        .todo("choose a type that carries every value, or repair the values in the source")
    })
}

fn said_choice(pg: PgType, evidence: &ColumnEvidence, said: &ColumnSection) -> Option<Choice> {
    let ColumnEvidence { integers, reals, texts, blobs, dates, .. } = evidence;
    let numbers_only = *texts == 0 && *blobs == 0;
    let texts_only = numbers_only_is_zero(*integers, *reals, *blobs);
    let only_times = texts_only && dates.other == 0;
    let choice = |read| Choice::new(read, pg, "the pipeline file says so");
    let timed = matches!(pg, PgType::Timestamp | PgType::Timestamptz);
    if !timed && (said.from.is_some() || said.zone.is_some()) {
        return None;
    }
    match pg {
        PgType::Bool => (numbers_only && *reals == 0 && (*integers == 0 || is_zero_one(evidence)))
            .then(|| choice(CellShape::Integer).recast(Recast::ZeroOneToBool)),
        PgType::Int8 => (numbers_only && *reals == 0).then(|| choice(CellShape::Integer)),
        PgType::Float8 => {
            (numbers_only && evidence.integers_beyond_double == 0).then(|| choice(CellShape::Real))
        }
        PgType::Numeric(size) => (*blobs == 0
            && evidence.beyond_decimal == 0
            && evidence.not_decimal == 0
            && size.is_none_or(|size| fits(size, evidence)))
        .then(|| choice(CellShape::Decimal)),
        PgType::Text => (*blobs == 0)
            .then(|| choice(if texts_only { CellShape::Text } else { CellShape::AnyText })),
        PgType::Varchar(chars) => {
            (texts_only && evidence.chars_max <= u64::from(chars)).then(|| choice(CellShape::Text))
        }
        PgType::Bytea => (numbers_only && integers + reals == 0).then(|| choice(CellShape::Blob)),
        PgType::Date => {
            (only_times && dates.naive + dates.offset == 0).then(|| choice(CellShape::IsoDate))
        }
        PgType::Timestamp | PgType::Timestamptz => match said.from.unwrap_or(TimeSource::Iso8601) {
            TimeSource::Iso8601 if only_times => iso_choice(pg, evidence, said),
            TimeSource::Iso8601 => None,
            from if numbers_only && *reals == 0 && said.zone.is_none() => {
                let unit = match from {
                    TimeSource::UnixMs => EpochUnit::Milliseconds,
                    TimeSource::UnixUs => EpochUnit::Microseconds,
                    TimeSource::UnixS | TimeSource::Iso8601 => EpochUnit::Seconds,
                };
                let (least, greatest) = evidence.integer_range.unwrap_or((0, 0));
                (unit.micros(least).is_some() && unit.micros(greatest).is_some())
                    .then(|| choice(CellShape::Integer).recast(Recast::FromEpoch(unit)))
            }
            _ => None,
        },
    }
}

fn numbers_only_is_zero(integers: u64, reals: u64, blobs: u64) -> bool {
    integers + reals + blobs == 0
}

fn iso_choice(pg: PgType, evidence: &ColumnEvidence, said: &ColumnSection) -> Option<Choice> {
    let has_offset = evidence.dates.offset > 0;
    let has_wall = evidence.dates.naive + evidence.dates.date > 0;
    let choice = |read| Choice::new(read, pg, "the pipeline file says so");
    match (pg, &said.zone) {
        (PgType::Timestamp, None) if !has_offset => Some(choice(CellShape::IsoNaive)),
        (PgType::Timestamptz, None) if !has_wall => Some(choice(CellShape::IsoOffset)),
        (PgType::Timestamptz, Some(zone)) if !has_offset && evidence.dates.never == 0 => {
            let localized = choice(CellShape::IsoNaive).recast(Recast::Localize(zone.clone()));
            Some(match evidence.dates.twice {
                0 => localized,
                twice => {
                    let reason = format!(
                        "{twice} times came twice when clocks in {zone} were set back: the first is taken"
                    );
                    Choice { reason, ..localized.warn() }
                }
            })
        }
        _ => None,
    }
}

fn told(pg: PgType, said: &ColumnSection) -> String {
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

/// The evidence in words.
pub fn shown(evidence: &ColumnEvidence) -> String {
    let mut parts = Vec::new();
    let mut part = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    part(evidence.nulls, "NULL");
    part(evidence.integers, "INTEGER");
    part(evidence.reals, "REAL");
    part(evidence.beyond_decimal, "infinite or -0.0");
    part(evidence.texts, "TEXT");
    part(evidence.dates.date, "dates");
    part(evidence.dates.naive, "times without offset");
    part(evidence.dates.offset, "times with offset");
    part(evidence.dates.twice, "times that clocks showed twice");
    part(evidence.dates.never, "times that clocks never showed");
    part(evidence.blobs, "BLOB");
    if let Some((least, greatest)) = evidence.integer_range {
        parts.push(format!("integers {least} to {greatest}"));
    }
    if evidence.texts > 0 {
        parts.push(format!("up to {} characters", evidence.chars_max));
    }
    if parts.is_empty() { "no values".into() } else { parts.join(", ") }
}

/// Reads a type as the pipeline file writes it.
pub fn parse_type(written: &str) -> Option<PgType> {
    let name = written.trim().to_ascii_lowercase();
    let base = name.split('(').next().unwrap_or_default().trim();
    match (base, arguments(&name).as_slice()) {
        ("bool" | "boolean", []) => Some(PgType::Bool),
        ("int8" | "bigint", []) => Some(PgType::Int8),
        ("float8" | "double precision", []) => Some(PgType::Float8),
        ("numeric" | "decimal", []) => Some(PgType::Numeric(None)),
        ("numeric" | "decimal", _) => numeric_size(&name).map(|size| PgType::Numeric(Some(size))),
        ("text", []) => Some(PgType::Text),
        ("varchar", [chars @ 1..=10_485_760]) => Some(PgType::Varchar(*chars)),
        ("bytea", []) => Some(PgType::Bytea),
        ("date", []) => Some(PgType::Date),
        ("timestamp", []) => Some(PgType::Timestamp),
        ("timestamptz", []) => Some(PgType::Timestamptz),
        _ => None,
    }
}
