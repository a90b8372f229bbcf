//! How many of the cells that the census saw a column cannot hold.

use super::{Choice, fits, is_zero_one};
use crate::model::{CellShape, ColumnEvidence, PgType};

/// Their number, at least: where the census did not count them one by one, some are one.
pub(super) fn count(choice: &Choice, evidence: &ColumnEvidence) -> u64 {
    let ColumnEvidence { integers, reals, texts, blobs, dates, .. } = evidence;
    let numbers = integers + reals;
    let some = u64::from;
    match &choice.read {
        CellShape::Integer => reals + texts + blobs,
        CellShape::ZeroOne => reals + texts + blobs + some(*integers > 0 && !is_zero_one(evidence)),
        CellShape::Epoch(unit) => {
            let (least, greatest) = evidence.integer_range.unwrap_or((0, 0));
            let beyond = unit.micros(least).is_none() || unit.micros(greatest).is_none();
            reals + texts + blobs + some(beyond)
        }
        CellShape::Real => texts + blobs + evidence.integers_beyond_double,
        CellShape::Decimal => {
            let long = matches!(choice.pg, PgType::Numeric(Some(size)) if !fits(size, evidence));
            blobs + evidence.beyond_decimal + evidence.not_decimal + some(long)
        }
        CellShape::Text => {
            let long = matches!(choice.pg, PgType::Varchar(chars) | PgType::Char(chars)
                                if evidence.chars_max > chars.into());
            numbers + blobs + evidence.unstorable + some(long)
        }
        CellShape::AnyText => blobs + evidence.unstorable,
        CellShape::Blob => numbers + texts,
        CellShape::AnyBytes => 0,
        CellShape::IsoDate => numbers + blobs + dates.naive + dates.offset + dates.other,
        CellShape::IsoNaive => numbers + blobs + dates.offset + dates.other,
        CellShape::IsoWall => numbers + blobs + dates.offset + dates.other + dates.never,
        CellShape::IsoOffset => numbers + blobs + dates.date + dates.naive + dates.other,
        CellShape::IsoEither(_) => numbers + blobs + dates.other + dates.never,
    }
}
