//! What stands in a text of PostgreSQL, told apart by a reader that knows nothing of the printer.

use std::collections::BTreeSet;

/// Functions that the printer may call.
const FUNCTIONS: [&str; 15] = [
    "abs",
    "btrim",
    "char_length",
    "coalesce",
    "lower",
    "ltrim",
    "nullif",
    "octet_length",
    "replace",
    "rtrim",
    "strpos",
    "substr",
    "translate",
    "trunc",
    "upper",
];

/// Other words that may stand there, types among them.
const WORDS: [&str; 30] = [
    "and",
    "or",
    "not",
    "is",
    "null",
    "true",
    "false",
    "distinct",
    "from",
    "in",
    "case",
    "when",
    "then",
    "else",
    "end",
    "collate",
    "like",
    "ilike",
    "bigint",
    "integer",
    "boolean",
    "double",
    "precision",
    "text",
    "bytea",
    "date",
    "numeric",
    "timestamp",
    "timestamptz",
    "as",
];

const SYMBOLS: [&str; 16] =
    ["::", "<>", "<=", ">=", "||", "(", ")", ",", "=", "<", ">", "+", "-", "*", "/", "%"];

/// Fails where anything but the whitelist stands in an expression; `columns` are the names that may be quoted.
pub(crate) fn check(sql: &str, columns: &BTreeSet<String>) -> Result<(), String> {
    let mut rest = sql.trim_start();
    while !rest.is_empty() {
        rest = one(rest, columns)?.trim_start();
    }
    Ok(())
}

/// Reads one token and gives what follows it.
fn one<'a>(text: &'a str, columns: &BTreeSet<String>) -> Result<&'a str, String> {
    if let Some(inside) = text.strip_prefix('\'') {
        return Ok(quoted(inside, '\'')?.1);
    }
    if let Some(inside) = text.strip_prefix('"') {
        let (name, rest) = quoted(inside, '"')?;
        return if columns.contains(&name) || name == "C" {
            Ok(rest)
        } else {
            Err(format!("the name {name:?}"))
        };
    }
    let in_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.');
    let (word, rest) = text.split_at(text.find(|char| !in_word(char)).unwrap_or(text.len()));
    if !word.is_empty() {
        let lower = word.to_ascii_lowercase();
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let is_call = FUNCTIONS.contains(&lower.as_str()) && rest.starts_with('(');
        return if is_number || is_call || WORDS.contains(&lower.as_str()) {
            Ok(rest)
        } else {
            Err(format!("the word {word}"))
        };
    }
    if text.starts_with("--") || text.starts_with("/*") {
        return Err("a comment".into());
    }
    let symbol = SYMBOLS.iter().chain(&["&", "|"]).find_map(|symbol| text.strip_prefix(symbol));
    symbol.ok_or_else(|| format!("the symbol {:?}", text.chars().next()))
}

/// What stands before the closing quote, and what follows it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut inside = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once(quote).ok_or("a quote that does not end")?;
        inside.push_str(before);
        match after.strip_prefix(quote) {
            Some(after) => {
                inside.push(quote);
                rest = after;
            }
            None => return Ok((inside, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_the_whitelist_passes() {
        let columns = ["i".to_owned(), "a\"b".to_owned()].into();
        for sql in [
            r#"(("i" + 1) > abs("i"))"#,
            r#"("a""b" COLLATE "C" ILIKE 'it''s; DROP -- /* pg_sleep(1)%')"#,
            "CASE WHEN true THEN 1.5::double precision END",
        ] {
            assert_eq!(check(sql, &columns), Ok(()), "{sql}");
        }
        for sql in [
            "pg_sleep(1)",
            "i",
            "\"j\"",
            "1; 2",
            "1 -- 2",
            "1 /* */",
            "'open",
            "abs",
            "lower (1)",
            "$1",
            "(SELECT 1)",
            "\"i\".x",
            "E'\\''",
            "1 OPERATOR(+) 1",
        ] {
            assert!(check(sql, &columns).is_err(), "{sql}");
        }
    }
}
