//! The type of a column that exists in the target: the target has chosen, and only what values mean may be open.

use super::said::{SAID, carries_nothing, choice, parse, told, undecided};
use super::witness::check_type;
use super::{Choice, shown};
use crate::config::ColumnSection;
use crate::error::{Error, Result};
use crate::model::{CellShape, ColumnEvidence, PgType, TargetColumn};

/// The choice that the target makes.
///
/// # Errors
///
/// [`crate::Class::Undecided`] where its type is not written by liteferry, where the pipeline file says another one,
/// where not one value fits it, or where it is open what values mean.
pub(super) fn choose(
    target: &TargetColumn,
    evidence: &ColumnEvidence,
    said: &ColumnSection,
) -> Result<Choice> {
    let pg = target.pg.ok_or_else(|| {
        undecided(format!("the target's type {} is not supported", target.type_name)).todo(
            "give the target's column another type, or give another `schema` in the pipeline file",
        )
    })?;
    if let Some(written) = &said.kind
        && parse(written)? != pg
    {
        let what = format!(
            "the pipeline file says `{written}`, and the target's column is {}",
            target.type_name
        );
        return Err(undecided(what)
            .todo("leave out `type` in the pipeline file, or change the target's column"));
    }
    let choice = match &target.enum_type {
        Some(named) => {
            check_type(pg, said)?;
            let labels = named.labels.clone();
            Choice { labels, ..Choice::new(CellShape::Label, PgType::Enum, SAID) }
        }
        None => choice(pg, evidence, said)?,
    };
    if carries_nothing(&choice, evidence) {
        let what = format!(
            "no value is {} as the target's column is: {}",
            told(pg, said),
            shown(evidence)
        );
        return Err(undecided(what).todo("change the type of the target's column"));
    }
    let reason = match pg {
        PgType::Char(_) => "the target's column is so; shorter texts are padded with spaces",
        _ => "the target's column is so",
    };
    Ok(if choice.reason == SAID { Choice { reason: reason.into(), ..choice } } else { choice })
}

/// A column that exists cannot get a type that carries everything.
pub(super) fn not_widened(choice: &Choice, strays: u64) -> Error {
    let what = format!(
        "values that do not fit {}: {strays}, and the target's column exists: it is not widened",
        choice.pg
    );
    undecided(what)
        .todo("say another `misfits` in the pipeline file, or change the target's column")
}
