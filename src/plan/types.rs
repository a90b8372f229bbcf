//! The type of each column: one that carries every value that the census saw, as near to the declaration as that allows.
//!
//! Where no type carries them all (BLOBs beside texts, texts that are not UTF-8), the one that carries most is chosen,
//! and the rows of the others are set aside unless the pipeline file says what else to do with them.

mod careful;
mod declared;
mod fitted;
mod form;
mod hint;
mod said;
mod strays;
mod witness;

pub use hint::{Hint, hint};

use crate::config::{ColumnSection, MisfitPolicy};
use crate::error::{Class, Error, Result};
use crate::model::{
    BoolForm, CellShape, ColumnEvidence, Form, NumericSize, PgType, Probe, RawCell, Recast, Remedy,
    SourceColumn, SourceTable, TargetColumn, TextProbe, Witness,
};
use crate::row::zone;
use declared::Declared;

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
    /// Set where the declaration promised something else, or where values do not fit.
    pub warning: bool,
    /// Cells that the census saw and the column cannot hold, at least.
    pub strays: u64,
    /// What is done about them.
    pub misfits: Remedy,
    /// What takes their place where that is [`Remedy::Default`].
    pub default: Option<RawCell>,
    /// Whether this type carries everything because the pipeline file says so.
    pub widened: bool,
    /// How the source writes the values.
    pub form: Form,
    /// The labels of an enum.
    pub labels: Vec<String>,
    /// Digits of a second's fraction that the target keeps, where it does not keep all.
    pub fraction: Option<u8>,
    /// Another column that must tell the same instants.
    pub witness: Option<Witness>,
}

impl Choice {
    fn new(read: CellShape, pg: PgType, reason: impl Into<String>) -> Self {
        Self {
            read,
            recast: Recast::Keep,
            pg,
            reason: reason.into(),
            warning: false,
            strays: 0,
            misfits: Remedy::Reject,
            default: None,
            widened: false,
            form: Form::Plain,
            labels: Vec::new(),
            fraction: None,
            witness: None,
        }
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

/// What the census shall ask of a column, whose target may exist.
///
/// # Errors
///
/// A zone that is not known, and another column to compare with that is not there.
pub fn probe(
    table: &SourceTable,
    column: &SourceColumn,
    said: Option<&ColumnSection>,
    target: Option<&TargetColumn>,
) -> Result<Probe> {
    let nothing = ColumnSection::default();
    let said = said.unwrap_or(&nothing);
    let witness = witness::probe(table, column, said)?;
    if let Some(texts) = said::probe(said, target)? {
        return Ok(Probe { decimals: texts == TextProbe::Decimal, texts, witness, kin: false });
    }
    let zone = said.zone.as_deref().map(zone::find).transpose()?;
    let (decimals, texts) = match Declared::of(column) {
        Declared::Temporal(_) => (false, TextProbe::Temporal(zone)),
        Declared::Text(_) | Declared::Float => (false, TextProbe::Plain),
        Declared::Boolean => (true, TextProbe::Words),
        Declared::Uuid => (true, TextProbe::Uuid),
        Declared::Inet => (true, TextProbe::Inet),
        Declared::Json => (true, TextProbe::Json),
        Declared::Jsonb => (true, TextProbe::Jsonb),
        Declared::Integer | Declared::Decimal(_) | Declared::Bytes | Declared::Nothing => {
            (true, TextProbe::Decimal)
        }
    };
    let kin = target.is_none() && !said.is_about_the_type() && texts == TextProbe::Temporal(None);
    Ok(Probe { decimals, texts, witness, kin })
}

/// Chooses the type of a column; a target that exists has chosen already. `apart` is why keys would not be kept apart
/// by the type that would be chosen without it.
///
/// # Errors
///
/// [`Class::Undecided`] where the pipeline file or the target asks for a type that carries no value, or leaves open what values mean;
/// [`Class::Data`] where values do not fit and it says that this shall be the end.
pub fn choose(
    column: &SourceColumn,
    evidence: &ColumnEvidence,
    said: Option<&ColumnSection>,
    target: Option<&TargetColumn>,
    apart: Option<&str>,
) -> Result<Choice> {
    let nothing = ColumnSection::default();
    let said = said.unwrap_or(&nothing);
    let choice = match (target, apart) {
        (Some(target), _) => fitted::choose(target, evidence, said)?,
        (None, Some(why)) => {
            let widened = said.misfits == Some(MisfitPolicy::Widen);
            let choice = by_evidence(Declared::of(column), evidence);
            Choice { widened, ..carrying_all(&choice, evidence, why) }
        }
        (None, None) if said.is_about_the_type() => said::choose(column, evidence, said)?,
        (None, None) => {
            careful::by_sample(by_evidence(Declared::of(column), evidence), column, evidence)
        }
    };
    let choice = careful::any_text(choice, column, evidence);
    settle(choice, (column, target), evidence, said)
}

/// Counts what does not fit, and decides what is done about it.
fn settle(
    choice: Choice,
    (column, target): (&SourceColumn, Option<&TargetColumn>),
    evidence: &ColumnEvidence,
    said: &ColumnSection,
) -> Result<Choice> {
    let refused_nulls = target.filter(|target| target.not_null).map_or(0, |_| evidence.nulls);
    let strays = strays::count(&choice, evidence) + refused_nulls;
    match said.misfits {
        Some(MisfitPolicy::Widen) if strays > 0 && target.is_some() => {
            return Err(fitted::not_widened(&choice, strays));
        }
        // Whether a sample missed some nobody knows, and afterwards it is too late.
        Some(MisfitPolicy::Widen) if strays > 0 || (evidence.sampled && target.is_none()) => {
            return Ok(widened(&choice, evidence));
        }
        Some(MisfitPolicy::Fail) if strays > 0 => {
            let what =
                format!("values that do not fit {}: {strays} ({})", choice.pg, shown(evidence));
            return Err(Error::new(Class::Data, what).todo(
                "repair them in the source, or say `misfits = \"reject\"`, \"null\", \"default\" or \"widen\" for this column in the pipeline file",
            ));
        }
        Some(MisfitPolicy::Default) if said.default.is_none() => {
            return Err(Error::new(Class::Undecided, "`misfits = \"default\"` needs a `default`")
                .todo("add `default = …` to the column in the pipeline file"));
        }
        _ => {}
    }
    let (misfits, default) = remedy(said);
    let form = form::choose(&choice, column, evidence);
    let choice = Choice { strays, misfits, default, form, ..choice };
    if strays == 0 {
        return Ok(choice);
    }
    let fate = match misfits {
        Remedy::Reject | Remedy::Fail => "their rows are set aside",
        Remedy::Null => "they become NULL",
        Remedy::Default => "the default takes their place",
    };
    let reason = format!("{}; values that do not fit: {strays}, {fate}", choice.reason);
    Ok(Choice { reason, ..choice }.warn())
}

/// What the pipeline file says about values that do not fit, and what takes their place.
pub fn remedy(said: &ColumnSection) -> (Remedy, Option<RawCell>) {
    let remedy = match said.misfits.unwrap_or_default() {
        MisfitPolicy::Reject | MisfitPolicy::Widen => Remedy::Reject,
        MisfitPolicy::Null => Remedy::Null,
        MisfitPolicy::Default => Remedy::Default,
        MisfitPolicy::Fail => Remedy::Fail,
    };
    (remedy, said.default.as_ref().map(said::cell))
}

/// The type that carries everything.
fn widened(choice: &Choice, evidence: &ColumnEvidence) -> Choice {
    let reason = "widened: no narrower type carries every value";
    Choice { widened: true, ..carrying_all(choice, evidence, reason) }
}

fn carrying_all(choice: &Choice, evidence: &ColumnEvidence, reason: &str) -> Choice {
    let bytes = evidence.blobs + evidence.unstorable > 0 || choice.pg == PgType::Bytea;
    let (read, pg) = if bytes {
        (CellShape::AnyBytes, PgType::Bytea)
    } else {
        (CellShape::AnyText, PgType::Text)
    };
    Choice::new(read, pg, reason).warn()
}

fn by_evidence(declared: Declared, evidence: &ColumnEvidence) -> Choice {
    let (blobs, others) = (evidence.blobs, evidence.values() - evidence.blobs);
    if blobs == 0 || others == 0 {
        return by_classes(declared, evidence);
    }
    let reason = format!("{blobs} BLOBs stand beside {others} other values");
    if blobs > others || (blobs == others && declared == Declared::Bytes) {
        return Choice::new(CellShape::Blob, PgType::Bytea, reason).warn();
    }
    let choice = by_classes(declared, &ColumnEvidence { blobs: 0, ..evidence.clone() });
    Choice { reason: format!("{}; {reason}", choice.reason), ..choice }.warn()
}

fn by_classes(declared: Declared, evidence: &ColumnEvidence) -> Choice {
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
            Choice::new(CellShape::Bool(BoolForm::ZeroOne), PgType::Bool, "all values are 0 or 1")
        }
        (Declared::Decimal(size), ..) => by_decimals(size, evidence),
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
            if declared == Declared::Nothing { choice } else { choice.warn() }
        }
    }
}

/// An empty column: the declaration is all there is.
fn by_declaration(declared: Declared) -> Choice {
    let reason = "declared; there are no values";
    match declared {
        Declared::Boolean => Choice::new(CellShape::Bool(BoolForm::ZeroOne), PgType::Bool, reason),
        Declared::Temporal(PgType::Date) => Choice::new(CellShape::IsoDate, PgType::Date, reason),
        Declared::Temporal(PgType::Time) => Choice::new(CellShape::IsoTime, PgType::Time, reason),
        Declared::Temporal(_) => Choice::new(CellShape::IsoNaive, PgType::Timestamp, reason),
        Declared::Decimal(size) => Choice::new(CellShape::Decimal, PgType::Numeric(size), reason),
        Declared::Integer => Choice::new(CellShape::Integer, PgType::Int8, reason),
        Declared::Float => Choice::new(CellShape::Real, PgType::Float8, reason),
        Declared::Text(Some(chars)) => Choice::new(CellShape::Text, PgType::Varchar(chars), reason),
        Declared::Text(None) | Declared::Nothing => {
            Choice::new(CellShape::Text, PgType::Text, reason)
        }
        Declared::Bytes => Choice::new(CellShape::Blob, PgType::Bytea, reason),
        Declared::Uuid => Choice::new(CellShape::Uuid, PgType::Uuid, reason),
        Declared::Inet => Choice::new(CellShape::Inet, PgType::Inet, reason),
        Declared::Json => Choice::new(CellShape::Json, PgType::Json, reason),
        Declared::Jsonb => Choice::new(CellShape::Json, PgType::Jsonb, reason),
    }
}

fn is_zero_one(evidence: &ColumnEvidence) -> bool {
    evidence.integer_range.is_some_and(|(least, greatest)| least >= 0 && greatest <= 1)
}

fn by_texts(declared: Declared, evidence: &ColumnEvidence) -> Choice {
    let text = |reason: &str| Choice::new(CellShape::Text, PgType::Text, reason);
    match declared {
        Declared::Text(Some(chars)) if evidence.chars_max <= u64::from(chars) => Choice::new(
            CellShape::Text,
            PgType::Varchar(chars),
            format!("declared; the longest has {} characters", evidence.chars_max),
        ),
        Declared::Text(Some(chars)) => text(&format!(
            "the longest has {} characters, {chars} are declared",
            evidence.chars_max
        ))
        .warn(),
        Declared::Text(None) | Declared::Nothing => text("all values are texts"),
        Declared::Temporal(_) => by_dates(evidence),
        Declared::Decimal(size) if evidence.not_decimal == 0 => by_decimals(size, evidence),
        Declared::Boolean => by_words(evidence),
        Declared::Uuid => parsed(CellShape::Uuid, PgType::Uuid, "UUIDs", evidence),
        Declared::Inet => parsed(CellShape::Inet, PgType::Inet, "addresses", evidence),
        Declared::Json => parsed(CellShape::Json, PgType::Json, "JSON documents", evidence),
        Declared::Jsonb => parsed(CellShape::Json, PgType::Jsonb, "JSON documents", evidence),
        Declared::Decimal(_) | Declared::Integer | Declared::Float | Declared::Bytes => {
            text("all values are texts").warn()
        }
    }
}

/// A type whose texts have rules of their own, where all of them follow these.
fn parsed(read: CellShape, pg: PgType, what: &str, evidence: &ColumnEvidence) -> Choice {
    let (texts, parsed) = (evidence.texts, evidence.parsed);
    if parsed == texts {
        return Choice::new(read, pg, format!("declared; all values are {what}"));
    }
    let reason = format!("{} of {texts} texts are no {what}", texts - parsed);
    Choice::new(CellShape::Text, PgType::Text, reason).warn()
}

fn by_words(evidence: &ColumnEvidence) -> Choice {
    match evidence.forms.words.best() {
        Some((words, times)) if times == evidence.texts => {
            let (yes, no) = (words.word(true), words.word(false));
            let read = CellShape::Bool(BoolForm::Words(words));
            Choice::new(read, PgType::Bool, format!("all values are {yes} or {no}"))
        }
        _ => Choice::new(CellShape::Text, PgType::Text, "all values are texts").warn(),
    }
}

fn by_dates(evidence: &ColumnEvidence) -> Choice {
    let dates = &evidence.dates;
    if dates.time > 0 && dates.time == evidence.texts {
        return Choice::new(CellShape::IsoTime, PgType::Time, "all values are times of day");
    }
    match (dates.date, dates.naive, dates.offset, dates.other + dates.time) {
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
        Some(size) if size.holds(needed) => Choice::new(
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

/// The type that holds integers and floats exactly.
fn integers_and_floats(evidence: &ColumnEvidence) -> Choice {
    let reason = format!("{} integers and {} floats", evidence.integers, evidence.reals);
    match evidence {
        ColumnEvidence { beyond_decimal: 1.., integers_beyond_double: 1.., .. } => {
            Choice::new(CellShape::AnyText, PgType::Text, reason)
        }
        ColumnEvidence { beyond_decimal: 0, integers: 1.., .. } => {
            Choice::new(CellShape::Decimal, PgType::Numeric(None), reason)
        }
        _ => Choice::new(CellShape::Real, PgType::Float8, reason),
    }
}

/// The evidence in words.
pub fn shown(evidence: &ColumnEvidence) -> String {
    let mut parts = Vec::new();
    if evidence.sampled {
        parts.push("in a sample".to_owned());
    }
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
    part(evidence.with_nul, "with a NUL character");
    part(evidence.not_utf8, "not UTF-8");
    part(evidence.parsed, "of the kind asked for");
    part(evidence.dates.date, "dates");
    part(evidence.dates.time, "times of day");
    part(evidence.dates.naive, "times without offset");
    part(evidence.dates.offset, "times with offset");
    part(evidence.dates.twice, "times that clocks showed twice");
    part(evidence.dates.never, "times that clocks never showed");
    part(evidence.witness.differ, "that another column contradicts");
    part(evidence.witness.decided, "that another column decides");
    part(evidence.blobs, "BLOB");
    if let Some((least, greatest)) = evidence.integer_range {
        parts.push(format!("integers {least} to {greatest}"));
    }
    if evidence.texts > 0 {
        parts.push(format!("up to {} characters", evidence.chars_max));
    }
    if parts.is_empty() { "no values".into() } else { parts.join(", ") }
}
