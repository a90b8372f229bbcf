//! Names that an application must write in double quotes, because PostgreSQL would read something else.

/// Words that PostgreSQL keeps for itself where a table or a column is named: those that `pg_get_keywords()` has as
/// reserved, in the versions from 13 to 18.
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric authorization binary both case cast check \
    collate collation column concurrently constraint create cross current_catalog current_date current_role \
    current_schema current_time current_timestamp current_user default deferrable desc distinct do else end except \
    false fetch for foreign freeze from full grant group having ilike in initially inner intersect into is isnull join \
    lateral leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer \
    overlaps placing primary references returning right select session_user similar some symmetric system_user table \
    tablesample then to trailing true union unique user using variadic verbose when where window with";

/// Whether a name means itself only in quotes.
pub fn needs_quotes(name: &str) -> bool {
    let begins = |char: char| char.is_ascii_lowercase() || char == '_' || !char.is_ascii();
    let goes_on = |char: char| begins(char) || char.is_ascii_digit() || char == '$';
    let plain = name.chars().next().is_some_and(begins) && name.chars().all(goes_on);
    !plain || RESERVED.split_ascii_whitespace().any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::needs_quotes;

    #[test]
    fn capitals_reserved_words_and_odd_characters_need_quotes() {
        for name in
            ["Users", "order", "user", "current_date", "a b", "1st", "a-b", "", "end", "a.b"]
        {
            assert!(needs_quotes(name), "{name}");
        }
        for name in ["users", "_x1", "timestamp", "key", "größe", "name", "value", "date"] {
            assert!(!needs_quotes(name), "{name}");
        }
    }
}
