//! CAST and COLLATE: the few that mean the same on both sides.

use super::Untranslatable;
use super::typed::{Collated, Collation, ExprType, Typed};
use crate::model::Affinity;
use sqlite3_parser::ast::Type;

/// The few casts that mean the same; SQLite finds the type's affinity in its name.
pub(super) fn cast(operand: Typed, to: Option<&Type<'_>>) -> Result<Typed, Untranslatable> {
    let name = to.map_or("", |to| to.name);
    let (affinity, kind) = (Affinity::of(name), operand.faithful()?.kind);
    Ok(match (affinity, kind) {
        (Affinity::Integer, ExprType::Integer)
        | (Affinity::Real, ExprType::Float)
        | (Affinity::Text, ExprType::Text) => operand.counted()?,
        (Affinity::Integer, ExprType::Boolean) => {
            Typed::new(format!("{}::integer::bigint", operand.sql), ExprType::Integer)
        }
        // PostgreSQL's own cast rounds.
        (Affinity::Integer, ExprType::Float | ExprType::Numeric) => {
            Typed::new(format!("trunc({})::bigint", operand.cast_to(kind)), ExprType::Integer)
        }
        (Affinity::Real, ExprType::Integer | ExprType::Numeric) => {
            Typed::new(operand.cast_to(ExprType::Float), ExprType::Float)
        }
        (Affinity::Text, ExprType::Integer) => {
            Typed::new(format!("{}::text", operand.cast_to(kind)), ExprType::Text)
        }
        _ => {
            return Err(Untranslatable::new(format!(
                "CAST of {kind} as {name:?} is not the same in PostgreSQL"
            )));
        }
    })
}

pub(super) fn collate(operand: Typed, name: &str) -> Result<Typed, Untranslatable> {
    operand.only(ExprType::Text)?;
    let Some(collation) = Collation::named(name) else {
        return Err(Untranslatable::new(format!("the collation {name:?} has no counterpart")));
    };
    Ok(Typed { collated: Collated::Explicit(collation), ..operand })
}
