//! The form in which most values of a column are written.

use super::Choice;
use crate::model::{
    Affinity, CellShape, ColumnEvidence, Form, IsoColumn, JsonForm, NumberClass, NumberForm,
    PgType, Recast, SourceColumn,
};

/// The form of a column as chosen; cells that are written otherwise are exceptions.
pub(super) fn choose(choice: &Choice, column: &SourceColumn, evidence: &ColumnEvidence) -> Form {
    match (&choice.read, choice.pg) {
        (CellShape::Decimal, _) => Form::Number(number(column, evidence)),
        (CellShape::Bool(form), _) => Form::Bool(*form),
        (CellShape::Epoch(unit), _) => {
            let class = if evidence.reals > evidence.integers {
                NumberClass::Real
            } else {
                NumberClass::Integer
            };
            Form::Epoch { unit: *unit, class }
        }
        (CellShape::Uuid, _) if evidence.uuid_blobs > evidence.parsed => Form::UuidBytes,
        (CellShape::Uuid, _) => {
            Form::Uuid(evidence.forms.uuid.best().map_or_else(Default::default, |(form, _)| form))
        }
        (CellShape::Json, PgType::Jsonb) => {
            let best = evidence.forms.json.best();
            Form::Json(best.map_or(JsonForm::Spaced, |(form, _)| form))
        }
        (
            CellShape::Integer
            | CellShape::Real
            | CellShape::Text
            | CellShape::AnyText
            | CellShape::Blob
            | CellShape::AnyBytes
            | CellShape::Inet
            | CellShape::Json
            | CellShape::Label,
            _,
        ) => Form::Plain,
        _ => time(choice, evidence),
    }
}

fn number(column: &SourceColumn, evidence: &ColumnEvidence) -> NumberForm {
    let ColumnEvidence { integers, reals, texts, short_decimals, .. } = *evidence;
    if texts > integers + reals {
        let scale = u16::try_from(evidence.decimal.scale).unwrap_or(u16::MAX);
        return if short_decimals * 2 >= texts {
            NumberForm::Text
        } else {
            NumberForm::TextScale(scale)
        };
    }
    // Numeric affinity makes an INTEGER of every whole number by itself.
    let is_numeric =
        matches!(Affinity::of(&column.declared), Affinity::Numeric | Affinity::Integer);
    let class = if is_numeric || integers > 0 { NumberClass::Integer } else { NumberClass::Real };
    NumberForm::Stored(class)
}

fn time(choice: &Choice, evidence: &ColumnEvidence) -> Form {
    let Some((form, _times)) = evidence.forms.iso.best() else { return Form::Plain };
    let zone = match (&choice.read, &choice.recast) {
        (CellShape::IsoEither(zone), _) | (_, Recast::Localize(zone)) => Some(zone.clone()),
        _ => None,
    };
    let integer = choice.read == CellShape::Compact && evidence.integers > evidence.texts;
    Form::Iso(IsoColumn { form, zone, integer })
}
