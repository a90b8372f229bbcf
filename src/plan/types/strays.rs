//! How many of the cells that the census saw a column cannot hold.

use super::{Choice, is_zero_one};
use crate::model::{BoolForm, CellShape, ColumnEvidence, PgType};
use std::collections::BTreeSet;

/// Their number, at least: where the census did not count them one by one, some are one.
pub(super) fn count(choice: &Choice, evidence: &ColumnEvidence) -> u64 {
    let contradicted = choice.witness.as_ref().map_or(0, |_| evidence.witness.differ);
    let finer = choice.fraction.map_or(0, |digits| evidence.forms.iso.finer_than(digits));
    of_shape(choice, evidence) + contradicted + finer
}

/// Those that the column could not hold whatever stands beside them.
fn of_shape(choice: &Choice, evidence: &ColumnEvidence) -> u64 {
    let ColumnEvidence { integers, reals, texts, blobs, dates, .. } = evidence;
    let numbers = integers + reals;
    let some = u64::from;
    let unparsed = texts - evidence.parsed.min(*texts);
    match &choice.read {
        CellShape::Integer => {
            let (least, greatest) = evidence.integer_range.unwrap_or((0, 0));
            let range = match choice.pg {
                PgType::Int2 => i64::from(i16::MIN)..=i64::from(i16::MAX),
                PgType::Int4 => i64::from(i32::MIN)..=i64::from(i32::MAX),
                _ => i64::MIN..=i64::MAX,
            };
            let beyond = !(range.contains(&least) && range.contains(&greatest));
            reals + texts + blobs + some(beyond)
        }
        CellShape::Bool(BoolForm::ZeroOne) => {
            reals + texts + blobs + some(*integers > 0 && !is_zero_one(evidence))
        }
        CellShape::Bool(BoolForm::ZeroOneReal) => integers + texts + blobs,
        CellShape::Bool(BoolForm::Words(_)) => {
            let said = evidence.forms.words.best().map_or(0, |(_, times)| times);
            numbers + blobs + texts - said
        }
        CellShape::Epoch(unit) => {
            let (least, greatest) = evidence.integer_range.unwrap_or((0, 0));
            let beyond =
                *integers > 0 && (unit.micros(least).is_none() || unit.micros(greatest).is_none());
            texts + blobs + some(beyond)
        }
        CellShape::Real => texts + blobs + evidence.integers_beyond_double,
        CellShape::Decimal => {
            let long = matches!(choice.pg, PgType::Numeric(Some(size)) if !size.holds(evidence.decimal_size()));
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
        CellShape::IsoDate => numbers + blobs + texts - dates.date,
        CellShape::IsoTime => numbers + blobs + texts - dates.time,
        CellShape::IsoNaive => numbers + blobs + texts - dates.date - dates.naive,
        CellShape::IsoWall => numbers + blobs + texts - dates.date - dates.naive + dates.never,
        CellShape::IsoOffset => numbers + blobs + texts - dates.offset,
        CellShape::IsoEither(_) => numbers + blobs + dates.other + dates.time + dates.never,
        CellShape::Ordered(_) => {
            let dated = dates.date + if choice.pg == PgType::Date { 0 } else { dates.naive };
            numbers + blobs + texts - dated + dates.never
        }
        CellShape::Compact => {
            let timed = if choice.pg == PgType::Date { dates.naive } else { 0 };
            reals + blobs + dates.other + timed + dates.never
        }
        CellShape::Uuid => numbers + unparsed + blobs - evidence.uuid_blobs,
        CellShape::Inet | CellShape::Json => numbers + blobs + unparsed,
        CellShape::Label => {
            let known = |labels: &BTreeSet<_>| labels.iter().all(|it| choice.labels.contains(it));
            let strange = *texts > 0 && !evidence.labels.as_ref().is_some_and(known);
            numbers + blobs + some(strange)
        }
    }
}
