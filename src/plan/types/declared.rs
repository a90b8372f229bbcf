//! What a declared type promises.

use crate::model::{Affinity, NumericSize, PgType, SourceColumn};

/// What a declared type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    Boolean,
    /// With what an empty column becomes.
    Temporal(PgType),
    Decimal(Option<NumericSize>),
    Integer,
    Float,
    /// Characters, where a length is declared.
    Text(Option<u32>),
    Bytes,
    Uuid,
    Inet,
    Json,
    Jsonb,
    Nothing,
}

impl Declared {
    pub(super) fn of(column: &SourceColumn) -> Self {
        let name = column.declared.to_ascii_uppercase();
        match Affinity::of(&column.declared) {
            _ if column.any => Self::Nothing,
            _ if name.contains("BOOL") => Self::Boolean,
            _ if name.contains("UUID") || name.contains("GUID") => Self::Uuid,
            _ if name.contains("JSONB") => Self::Jsonb,
            _ if name.contains("JSON") => Self::Json,
            _ if name.trim() == "INET" => Self::Inet,
            Affinity::Text => Self::Text(
                arguments(&name).first().copied().filter(|&n| (1..=10_485_760).contains(&n)),
            ),
            Affinity::Integer => Self::Integer,
            Affinity::Real => Self::Float,
            Affinity::Blob if name.trim().is_empty() => Self::Nothing,
            Affinity::Blob => Self::Bytes,
            Affinity::Numeric if name.contains("DATE") || name.contains("TIME") => {
                Self::Temporal(time(name.trim()))
            }
            Affinity::Numeric => Self::Decimal(NumericSize::declared(&arguments(&name))),
        }
    }
}

/// The kind of time that a name alone promises.
fn time(name: &str) -> PgType {
    match name {
        "DATE" => PgType::Date,
        "TIME" => PgType::Time,
        _ => PgType::Timestamp,
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
