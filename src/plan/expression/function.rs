//! The functions that both sides have, with one meaning for every argument that is let through.

use super::Untranslatable;
use super::constant::Constant;
use super::typed::{Collation, ExprType, Typed, collation_of, comparable, united};

/// A call of SQLite's function `name`.
pub(super) fn call(name: &str, arguments: &[Typed]) -> Result<Typed, Untranslatable> {
    let lower = name.to_ascii_lowercase();
    Ok(match (lower.as_str(), arguments) {
        ("length", [value]) => length(value)?,
        // SQLite changes the case of ASCII letters only, and so does PostgreSQL under "C".
        ("lower" | "upper", [text]) => Typed::new(
            format!("{lower}({} COLLATE \"C\")", text.only(ExprType::Text)?),
            ExprType::Text,
        ),
        ("trim", texts @ ([_] | [_, _])) => plain("btrim", texts, ExprType::Text)?,
        ("ltrim" | "rtrim", texts @ ([_] | [_, _])) => plain(&lower, texts, ExprType::Text)?,
        ("replace", texts @ [_, sought, _]) if is_sought(sought) => {
            plain("replace", texts, ExprType::Text)?
        }
        ("instr", texts @ [_, _]) => bigint(&plain("strpos", texts, ExprType::Integer)?.sql),
        ("substr" | "substring", [text, range @ ..]) if matches!(range.len(), 1 | 2) => {
            substr(text, range)?
        }
        ("abs", [number]) => abs(number)?,
        ("coalesce", [_, _, ..]) | ("ifnull", [_, _]) => coalesce(arguments)?,
        ("nullif", [left, right]) => nullif(left, right)?,
        _ => return Err(refused(&lower, name, arguments.len())),
    })
}

fn refused(lower: &str, name: &str, arguments: usize) -> Untranslatable {
    Untranslatable::new(match lower {
        "date" | "time" | "datetime" | "julianday" | "strftime" | "unixepoch" | "timediff" => {
            format!("{lower}() reads dates from text and numbers in ways that PostgreSQL does not")
        }
        "min" | "max" => format!("{lower}() gives NULL where PostgreSQL's counterpart skips it"),
        "round" => "round() rounds doubles in another way".into(),
        "typeof" => "typeof() asks for the type of a value; in PostgreSQL a column has one".into(),
        _ => format!(
            "the function {name:?} with {arguments} arguments has no counterpart that is known to be the same"
        ),
    })
}

fn length(value: &Typed) -> Result<Typed, Untranslatable> {
    if value.kind == ExprType::Bytes {
        return Ok(bigint(&format!("octet_length({})", value.only(ExprType::Bytes)?)));
    }
    Ok(bigint(&format!("char_length({})", value.only(ExprType::Text)?)))
}

/// A call whose arguments are all text.
fn plain(function: &str, texts: &[Typed], kind: ExprType) -> Result<Typed, Untranslatable> {
    let texts =
        texts.iter().map(|text| text.only(ExprType::Text)).collect::<Result<Vec<_>, _>>()?;
    Ok(Typed::new(format!("{function}({})", texts.join(", ")), kind))
}

/// Whether there is something to replace: to look for nothing gives the text itself in SQLite, even where the
/// replacement is NULL.
fn is_sought(text: &Typed) -> bool {
    matches!(&text.constant, Some(Constant::Text(text)) if !text.is_empty())
}

/// PostgreSQL's int4 as the bigint that SQLite counts with.
fn bigint(sql: &str) -> Typed {
    Typed::new(format!("{sql}::bigint"), ExprType::Integer)
}

/// Only from a constant place, because a place before the first character has a meaning of its own in SQLite.
fn substr(text: &Typed, range: &[Typed]) -> Result<Typed, Untranslatable> {
    let mut arguments = vec![text.only(ExprType::Text)?.to_owned()];
    for (number, least) in range.iter().zip([1_i64, 0]) {
        let constant = number.constant.as_ref().and_then(Constant::integer);
        let Some(number) = constant.filter(|n| (least..=i64::from(i32::MAX)).contains(n)) else {
            return Err(Untranslatable::new(
                "substr() needs a constant place from 1 and a constant length",
            ));
        };
        arguments.push(number.to_string());
    }
    Ok(Typed::new(format!("substr({})", arguments.join(", ")), ExprType::Text))
}

fn abs(number: &Typed) -> Result<Typed, Untranslatable> {
    let kind = number.faithful()?.kind;
    if !kind.is_number() {
        return Err(Untranslatable::new(format!(
            "{} is {kind} and has no absolute value",
            number.shown()
        )));
    }
    Ok(Typed::new(format!("abs({})", number.cast_to(kind)), kind))
}

fn coalesce(values: &[Typed]) -> Result<Typed, Untranslatable> {
    let (texts, kind) = united(values)?;
    if kind == ExprType::Null {
        // PostgreSQL would take it for a text.
        return Typed::constant(Constant::Null);
    }
    Ok(Typed::new(format!("coalesce({})", texts.join(", ")), kind))
}

/// The result has the type of the first argument in both, as long as the second does not widen it.
fn nullif(left: &Typed, right: &Typed) -> Result<Typed, Untranslatable> {
    let narrow = left.kind == right.kind
        || (left.constant.is_none()
            && right.constant.as_ref().and_then(Constant::integer).is_some());
    if !narrow || (left.kind == ExprType::Text && collation_of(left, right) != Collation::Binary) {
        return Err(Untranslatable::new(format!(
            "nullif() of {} and {} compares in another way",
            left.shown(),
            right.shown()
        )));
    }
    let (_, other) = comparable(left, right)?;
    Ok(Typed::new(format!("nullif({}, {other})", left.cast_to(left.kind)), left.kind))
}
