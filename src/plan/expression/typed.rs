//! A piece of PostgreSQL text with what is known of it: its type, its value where it is constant, its collation.
//!
//! SQLite compares and converts anything with anything; PostgreSQL does not, and where it does the result is
//! another. The rules by which two pieces may meet are here.

use super::Untranslatable;
use super::constant::{Constant, quoted};
use super::iso;
use crate::model::PgType;
use std::fmt;

/// The type of an expression in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprType {
    /// `boolean`
    Boolean,
    /// `bigint`, or a whole number that fits one
    Integer,
    /// `double precision`
    Float,
    /// A number that SQLite may hold as INTEGER or as REAL
    Numeric,
    /// `text` or `varchar`
    Text,
    /// `bytea`
    Bytes,
    /// `date`
    Date,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    Timestamptz,
    /// A type whose values SQLite has as something else: it can only be asked whether they are NULL
    Foreign,
    /// The constant NULL
    Null,
}

/// The collations of SQLite that the target can imitate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collation {
    /// By bytes.
    Binary,
    /// By bytes, ASCII letters without case.
    NoCase,
    /// By bytes, without the spaces at the end.
    RTrim,
}

impl Collation {
    /// The collation of this name, if it is one of SQLite's own.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "BINARY" => Some(Self::Binary),
            "NOCASE" => Some(Self::NoCase),
            "RTRIM" => Some(Self::RTrim),
            _ => None,
        }
    }
}

/// The collation that an operand brings into a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collated {
    /// None of its own.
    No,
    /// A column's.
    Column(Collation),
    /// Said by COLLATE.
    Explicit(Collation),
}

impl Collated {
    fn explicit(self) -> Option<Collation> {
        if let Self::Explicit(collation) = self { Some(collation) } else { None }
    }

    fn column(self) -> Option<Collation> {
        if let Self::Column(collation) = self { Some(collation) } else { None }
    }
}

/// A piece of PostgreSQL text that can stand as an operand without further parentheses.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub sql: String,
    pub kind: ExprType,
    pub constant: Option<Constant>,
    pub collated: Collated,
    /// Whether SQLite would find the same in its stored values.
    pub as_stored: bool,
}

impl ExprType {
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Numeric)
    }
}

impl From<PgType> for ExprType {
    fn from(kind: PgType) -> Self {
        match kind {
            PgType::Bool => Self::Boolean,
            PgType::Int2 | PgType::Int4 | PgType::Int8 => Self::Integer,
            PgType::Float4 | PgType::Float8 => Self::Float,
            PgType::Numeric(_) => Self::Numeric,
            PgType::Text | PgType::Varchar(_) | PgType::Char(_) => Self::Text,
            PgType::Bytea => Self::Bytes,
            PgType::Date => Self::Date,
            PgType::Timestamp => Self::Timestamp,
            PgType::Timestamptz => Self::Timestamptz,
            PgType::Time
            | PgType::Uuid
            | PgType::Inet
            | PgType::Cidr
            | PgType::Json
            | PgType::Jsonb
            | PgType::Enum => Self::Foreign,
        }
    }
}

impl fmt::Display for ExprType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Integer => "bigint",
            Self::Float => "double precision",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Bytes => "bytea",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Foreign => "of a type that SQLite does not have",
            Self::Null => "NULL",
        })
    }
}

impl Typed {
    pub(super) fn new(sql: impl Into<String>, kind: ExprType) -> Self {
        Self { sql: sql.into(), kind, constant: None, collated: Collated::No, as_stored: true }
    }

    pub(super) fn condition(sql: impl Into<String>) -> Self {
        Self::new(sql, ExprType::Boolean)
    }

    pub(super) fn constant(constant: Constant) -> Result<Self, Untranslatable> {
        let kind = match constant {
            Constant::Null => ExprType::Null,
            Constant::Integer(_) | Constant::Truth(_) => ExprType::Integer,
            Constant::Float(_) => ExprType::Float,
            Constant::Text(_) => ExprType::Text,
            Constant::Bytes(_) => ExprType::Bytes,
        };
        let typed = Self::new(constant.sql()?, kind);
        Ok(Self { constant: Some(constant), ..typed })
    }

    /// The text as a reason shows it.
    pub(super) fn shown(&self) -> String {
        const CHARS_MAX: usize = 60;
        match self.sql.char_indices().nth(CHARS_MAX) {
            Some((end, _)) => format!("{}…", self.sql.get(..end).unwrap_or_default()),
            None => self.sql.clone(),
        }
    }

    /// Refuses a column whose values SQLite holds in another form: nothing but NULL can be asked of it.
    pub(super) fn faithful(&self) -> Result<&Self, Untranslatable> {
        if self.as_stored {
            return Ok(self);
        }
        Err(Untranslatable::new(format!(
            "the values of {} are converted on the way, so that SQLite compares others than PostgreSQL",
            self.shown()
        )))
    }

    /// The text, where the type is `kind`.
    pub(super) fn only(&self, kind: ExprType) -> Result<&str, Untranslatable> {
        if self.faithful()?.kind == kind {
            return Ok(&self.sql);
        }
        Err(Untranslatable::new(format!(
            "{} is {} where {kind} is needed",
            self.shown(),
            self.kind
        )))
    }

    /// The same, with TRUE and FALSE as mere numbers.
    pub(super) fn counted(self) -> Result<Self, Untranslatable> {
        match self.constant {
            Some(Constant::Truth(truth)) => Self::constant(Constant::Integer(i64::from(truth))),
            _ => Ok(self),
        }
    }

    /// The text as a condition.
    pub(super) fn truth(&self) -> Result<String, Untranslatable> {
        if let Some(number) = self.constant.as_ref().and_then(Constant::integer) {
            return Ok((number != 0).to_string());
        }
        match self.faithful()?.kind {
            ExprType::Boolean => Ok(self.sql.clone()),
            ExprType::Null => Ok("NULL::boolean".into()),
            kind if kind.is_number() => Ok(format!("({} <> 0)", self.sql)),
            kind => {
                Err(Untranslatable::new(format!("{} is {kind} and no condition", self.shown())))
            }
        }
    }

    /// The text as a number of the type `kind`, so that no arithmetic happens in a narrower one.
    pub(super) fn cast_to(&self, kind: ExprType) -> String {
        if kind == ExprType::Null || (self.kind == kind && self.constant.is_none()) {
            return self.sql.clone();
        }
        match (self.kind, kind) {
            (ExprType::Integer, ExprType::Integer) => format!("{}::bigint", self.sql),
            (_, ExprType::Float) => format!("{}::double precision", self.sql),
            _ => self.sql.clone(),
        }
    }

    /// The text beside an operand of another type: 0 and 1 beside a boolean, a day beside a date.
    fn beside(&self, other: ExprType) -> Option<Result<String, Untranslatable>> {
        match (&self.constant, other) {
            (Some(constant), ExprType::Boolean) => match constant.integer() {
                Some(0) => Some(Ok("false".into())),
                Some(1) => Some(Ok("true".into())),
                _ => None,
            },
            (Some(Constant::Text(text)), ExprType::Date) => {
                iso::date(text).map(|_date| Ok(format!("{}::date", quoted(text)?)))
            }
            _ => None,
        }
    }
}

/// The texts of two operands as they can be compared: of one type, and folded where the collation says so.
pub(super) fn comparable(left: &Typed, right: &Typed) -> Result<(String, String), Untranslatable> {
    left.faithful()?;
    right.faithful()?;
    if left.kind == ExprType::Text && right.kind == ExprType::Text {
        let collation = collation_of(left, right);
        return Ok((folded(&left.sql, collation), folded(&right.sql, collation)));
    }
    if left.kind == right.kind
        || (left.kind.is_number() && right.kind.is_number())
        || left.kind == ExprType::Null
        || right.kind == ExprType::Null
    {
        return Ok((left.sql.clone(), right.sql.clone()));
    }
    if let Some(text) = right.beside(left.kind) {
        return Ok((left.sql.clone(), text?));
    }
    if let Some(text) = left.beside(right.kind) {
        return Ok((text?, right.sql.clone()));
    }
    Err(Untranslatable::new(format!(
        "{} is {} and {} is {}: SQLite and PostgreSQL compare them differently",
        left.shown(),
        left.kind,
        right.shown(),
        right.kind
    )))
}

/// The collation of a comparison: a COLLATE, of the left before the right, else a column's, in the same order.
pub(super) fn collation_of(left: &Typed, right: &Typed) -> Collation {
    let (left, right) = (left.collated, right.collated);
    let ranked = [left.explicit(), right.explicit(), left.column(), right.column()];
    ranked.into_iter().flatten().next().unwrap_or(Collation::Binary)
}

/// The text as `collation` sees it: NOCASE folds the 26 ASCII letters and no others, RTRIM cuts spaces and no others.
pub(super) fn folded(sql: &str, collation: Collation) -> String {
    match collation {
        Collation::Binary => sql.to_owned(),
        Collation::NoCase => {
            format!("translate({sql}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')")
        }
        Collation::RTrim => format!("rtrim({sql}, ' ')"),
    }
}

/// The texts of several values of which one becomes the result (COALESCE, CASE), and the result's type.
pub(super) fn united(values: &[Typed]) -> Result<(Vec<String>, ExprType), Untranslatable> {
    // Constants follow the columns: 0 beside a boolean is false.
    let (constants, others): (Vec<_>, Vec<_>) =
        values.iter().partition(|value| value.constant.is_some());
    let mut kind = ExprType::Null;
    for value in others.into_iter().chain(constants) {
        kind = unite(kind, value.faithful()?)?;
    }
    let any_float = values.iter().any(|value| value.kind == ExprType::Float);
    let number = if kind == ExprType::Numeric && any_float { ExprType::Float } else { kind };
    let texts = values.iter().map(|value| match value.beside(kind) {
        Some(text) => text,
        None => Ok(value.cast_to(number)),
    });
    Ok((texts.collect::<Result<_, _>>()?, kind))
}

fn unite(kind: ExprType, value: &Typed) -> Result<ExprType, Untranslatable> {
    match (kind, value.kind) {
        (kind, ExprType::Null) => Ok(kind),
        (ExprType::Null, other) => Ok(other),
        (kind, other) if kind == other => Ok(kind),
        (kind, other) if kind.is_number() && other.is_number() => Ok(ExprType::Numeric),
        (kind, _) if value.beside(kind).is_some() => Ok(kind),
        (kind, other) => Err(Untranslatable::new(format!("the result may be {kind} or {other}"))),
    }
}
