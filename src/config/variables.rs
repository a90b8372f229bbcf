//! `${NAME}`: a value that the environment holds and the pipeline file only names, so that no secret stands in a file.
//!
//! A name is a letter or `_`, then letters, digits or `_`. `$${` stands for a literal `${`; any other `$` stands for
//! itself. What is put in is not looked at again, so a value may contain `${` and means just that.

use crate::config::percent;
use crate::error::{Class, Error, Result};

/// Looks a variable up; a parameter everywhere, so that only `main` touches the process's environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How a value is written into the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Verbatim,
    /// Percent-encoded, for a part of a URL: no value can add a host, a path or a parameter.
    Percent,
}

/// Replaces every `${NAME}` in `text`.
///
/// A variable that is not set and a `${` without name or `}` are errors of [`Class::Usage`]; an empty one is not.
/// No error repeats the text.
pub fn expand(text: &str, environment: Environment<'_>, encode: Encoding) -> Result<String> {
    let mut expanded = String::with_capacity(text.len());
    for piece in pieces(text)? {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Variable(name) => {
                let value = environment(name).ok_or_else(|| unset(name))?;
                match encode {
                    Encoding::Verbatim => expanded.push_str(&value),
                    Encoding::Percent => expanded.push_str(&percent::encode(&value, "")),
                }
            }
        }
    }
    Ok(expanded)
}

/// Whether `text` is made of variables only, and of at least one: it holds no secret itself.
pub fn is_only_variables(text: &str) -> bool {
    pieces(text).is_ok_and(|pieces| {
        !pieces.is_empty() && pieces.iter().all(|piece| matches!(piece, Piece::Variable(_)))
    })
}

enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The text in order, without empty pieces.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            pieces.extend([Piece::Text(literal), Piece::Text("${")]);
            rest = after;
            continue;
        }
        let variable = after.split_once('}').filter(|(name, _)| is_name(name));
        let (name, following) = variable.ok_or_else(malformed)?;
        pieces.extend([Piece::Text(before), Piece::Variable(name)]);
        rest = following;
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| !matches!(piece, Piece::Text("")));
    Ok(pieces)
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

fn unset(name: &str) -> Error {
    Error::new(Class::Usage, format!("the variable {name} is not set"))
        .todo(format!("export {name} before running liteferry"))
}

fn malformed() -> Error {
    Error::new(Class::Usage, "a ${ is not followed by a variable's name and }")
        .todo("write ${NAME}, or $${ for a literal ${")
}

#[cfg(test)]
mod tests {
    use super::{Encoding, expand, is_only_variables};
    use crate::error::Class;

    fn environment(name: &str) -> Option<String> {
        match name {
            "PW" => Some("p@ss ${HOST}".into()),
            "HOST" => Some("db".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn expanded(text: &str, encode: Encoding) -> String {
        expand(text, &environment, encode).unwrap()
    }

    #[test]
    fn a_name_is_replaced_by_its_value_and_the_value_is_not_looked_at_again() {
        assert_eq!(expanded("<${PW}|${HOST}${EMPTY}>", Encoding::Verbatim), "<p@ss ${HOST}|db>");
    }

    #[test]
    fn in_a_url_the_value_cannot_change_the_structure() {
        let url = expanded("s3://${HOST}/${PW}", Encoding::Percent);
        assert_eq!(url, "s3://db/p%40ss%20%24%7BHOST%7D");
    }

    #[test]
    fn an_unset_name_is_a_usage_error_that_names_it() {
        let error = expand("a${NO_SUCH}", &environment, Encoding::Verbatim).unwrap_err();
        assert_eq!(error.class(), Class::Usage);
        assert!(error.to_string().contains("NO_SUCH"), "{error}");
    }

    #[test]
    fn a_dollar_that_names_nothing_stands_for_itself_and_a_broken_reference_does_not() {
        assert_eq!(expanded("$5 $HOST $${HOST}", Encoding::Verbatim), "$5 $HOST ${HOST}");
        for text in ["${", "${}", "${HOST", "${1A}", "${A-B}"] {
            assert!(expand(text, &environment, Encoding::Verbatim).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_text_of_variables_holds_no_secret_itself() {
        assert!(is_only_variables("${PW}") && is_only_variables("${A}${B}"));
        for text in ["", "x${PW}", "${PW}x", "$${PW}", "hunter2", "${"] {
            assert!(!is_only_variables(text), "{text}");
        }
    }
}
