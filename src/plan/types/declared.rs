//! What a declared type promises.

use crate::model::{Affinity, NumericSize, SourceColumn};

/// What a declared type promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
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
    pub(super) fn of(column: &SourceColumn) -> Self {
        let name = column.declared.to_ascii_uppercase();
        match Affinity::of(&column.declared) {
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
pub(super) fn arguments(declared: &str) -> Vec<u32> {
    let inside = declared
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(inside, _)| inside);
    inside.split(',').map_while(|number| number.trim().parse().ok()).collect()
}

pub(super) fn numeric_size(declared: &str) -> Option<NumericSize> {
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
