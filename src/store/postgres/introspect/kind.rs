//! The server's type of a column, as a type that liteferry writes.

use crate::model::PgType;

/// The type that liteferry writes into a column; none where it cannot. `name` is the type as `format_type` writes it
/// where the search path makes it qualify everything that is not the server's own; `kind` is `pg_type.typtype`.
pub(super) fn pg(name: &str, kind: &str) -> Option<PgType> {
    match (name, kind) {
        (_, "e") => Some(PgType::Enum),
        // Without a length varchar holds what text holds, and by the same bytes.
        ("character varying", "b") => Some(PgType::Text),
        (_, "b") => PgType::parse(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::pg;
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
            // What the server would round, or somebody else's type of a known name.
            ("timestamp(3) without time zone", "b", None),
            ("numeric(3,-2)", "b", None),
            ("public.text", "b", None),
            ("text[]", "b", None),
            ("public.short", "d", None),
        ] {
            assert_eq!(pg(name, kind), expected, "{name}");
        }
    }
}
