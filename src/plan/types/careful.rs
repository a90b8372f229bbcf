//! What a sample does not show: where a wider reading costs nothing, it is chosen, so that less is set aside at load.

use super::Choice;
use super::declared::Declared;
use crate::model::{Affinity, CellShape, ColumnEvidence, PgType, SourceColumn};

/// A choice by what the census saw, where that was a sample.
pub(super) fn by_sample(
    choice: Choice,
    column: &SourceColumn,
    evidence: &ColumnEvidence,
) -> Choice {
    if !evidence.sampled {
        return choice;
    }
    let unseen = evidence.values() == 0;
    let chosen = match (Declared::of(column), choice.pg) {
        (Declared::Temporal(_), _) if unseen => Choice::new(
            CellShape::AnyText,
            PgType::Text,
            "no value was seen, so that it is open how its times are written",
        )
        .warn(),
        (_, _) if unseen => Choice { reason: "declared; no value was seen".into(), ..choice },
        (Declared::Temporal(_), PgType::Date) if has_time(column) => Choice {
            read: CellShape::IsoNaive,
            pg: PgType::Timestamp,
            reason: "declared; all values are dates".into(),
            ..choice
        },
        _ => choice,
    };
    Choice { reason: format!("{} (in a sample)", chosen.reason), ..chosen }
}

/// Text carries numbers as well, where SQLite makes no texts of them when it stores them.
pub(super) fn any_text(choice: Choice, column: &SourceColumn, evidence: &ColumnEvidence) -> Choice {
    let makes_texts = Affinity::of(&column.declared) == Affinity::Text && !column.any;
    if evidence.sampled
        && !makes_texts
        && (&choice.read, choice.pg) == (&CellShape::Text, PgType::Text)
    {
        return Choice { read: CellShape::AnyText, ..choice };
    }
    choice
}

fn has_time(column: &SourceColumn) -> bool {
    column.declared.to_ascii_uppercase().contains("TIME")
}
