//! The server's type of a column, as a type that liteferry writes.

use crate::model::PgType;

/// The type that liteferry writes into a column; none where it cannot. `name` is the type as `format_type` writes it
/// where the search path makes it qualify everything that is not the server's own; `kind` is `pg_type.typtype`.
pub(super) fn pg(name: &str, kind: &str) -> Option<PgType> {
    match (name, kind) {
        (_, "e") => Some(PgType::Enum),
        // Without a length varchar holds what text holds, and by the same bytes.
        ("character varying", "b") => Some(PgType::Text),
        (_, "b") => PgType::parse(name).or_else(|| Some(with_fraction(name)?.0)),
        _ => None,
    }
}

/// The digits of a second's fraction that a type keeps, where that is not all six.
pub(super) fn fraction(name: &str) -> Option<u8> {
    with_fraction(name).map(|(_, digits)| digits).filter(|&digits| digits < 6)
}

/// A time with a number of digits, which stands in the middle of its name.
fn with_fraction(name: &str) -> Option<(PgType, u8)> {
    let (head, rest) =
        name.split_once('(').filter(|(head, _)| ["time", "timestamp"].contains(head))?;
    let (digits, tail) = rest.split_once(')')?;
    let digits = digits.parse().ok().filter(|digits| (0..=6).contains(digits))?;
    Some((PgType::parse(&format!("{head}{tail}"))?, digits))
}

#[cfg(test)]
mod tests {
    use super::{fraction, pg};
    use crate::model::{NumericSize, PgType};

    #[test]
    fn types_are_known_by_the_names_that_the_server_gives_them() {
        for (name, kind, expected) in [
            ("character varying(20)", "b", Some(PgType::Varchar(20))),
            ("character varying", "b", Some(PgType::Text)),
            ("character(3)", "b", Some(PgType::Char(3))),
            (
                "numeric(20,8)",
                "b",
                Some(PgType::Numeric(Some(NumericSize { precision: 20, scale: 8 }))),
            ),
            ("timestamp without time zone", "b", Some(PgType::Timestamp)),
            ("public.mood", "e", Some(PgType::Enum)),
            ("timestamp(3) without time zone", "b", Some(PgType::Timestamp)),
            ("timestamp(0) with time zone", "b", Some(PgType::Timestamptz)),
            ("time(6) without time zone", "b", Some(PgType::Time)),
            ("time(3) with time zone", "b", None),
            ("interval(3)", "b", None),
            // What the server would round, or somebody else's type of a known name.
            ("numeric(3,-2)", "b", None),
            ("public.text", "b", None),
            ("text[]", "b", None),
            ("public.short", "d", None),
        ] {
            assert_eq!(pg(name, kind), expected, "{name}");
        }
        assert_eq!(fraction("timestamp(0) with time zone"), Some(0));
        for whole in ["time(6) without time zone", "timestamp without time zone", "numeric(3,1)"] {
            assert_eq!(fraction(whole), None, "{whole}");
        }
    }
}
