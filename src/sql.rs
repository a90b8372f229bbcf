//! SQLite's SQL as a syntax tree: the one door to the parser.
//!
//! The text comes from a database that may be hostile. It is bounded in length and in nesting before it is
//! parsed, because trees of nested parentheses are dropped and printed by recursion; and it must be exactly one
//! statement, or exactly one expression, with nothing behind it.

use sqlite3_parser::ast::{Cmd, Expr, OneSelect, ResultColumn, Select, SelectBody, Stmt};
use sqlite3_parser::lexer::Scanner;
use sqlite3_parser::lexer::sql::{Error as ParseError, Parser, TokenType, Tokenizer};
use sqlite3_parser::{Bump, FallibleIterator as _};
use std::collections::BTreeSet;
use std::fmt;

/// The longest statement that is parsed, in bytes.
const STATEMENT_BYTES_MAX: usize = 1024 * 1024;

/// The longest expression that is parsed, in bytes.
const EXPRESSION_BYTES_MAX: usize = 16 * 1024;

/// How deep parentheses may be nested.
const NESTING_MAX: usize = 100;

/// SQL that the parser cannot read, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable(String);

impl Unreadable {
    /// SQL that is unreadable for `reason`.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// The parser's reason, without the position: it counts what stands around an expression, too.
    fn because(error: &ParseError) -> Self {
        const CHARS_MAX: usize = 200;
        let text = match error {
            ParseError::ParserError(message, _) => message.to_string(),
            other => other.to_string(),
        };
        Self(text.split(" at Some(").next().unwrap_or_default().chars().take(CHARS_MAX).collect())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses `sql` as one statement and hands its tree to `read`; the tree does not outlive the call.
pub(crate) fn with_statement<T>(
    sql: &str,
    read: impl FnOnce(&Stmt<'_>) -> T,
) -> Result<T, Unreadable> {
    check_bounds(sql, STATEMENT_BYTES_MAX)?;
    let arena = Bump::new();
    let mut parser = Parser::new(&arena, sql.as_bytes());
    let mut next = || parser.next().map_err(|error| Unreadable::because(&error));
    let Some(Cmd::Stmt(statement)) = next()? else {
        return Err(Unreadable("there is no statement".into()));
    };
    if next()?.is_some() {
        return Err(Unreadable("there is more than one statement".into()));
    }
    Ok(read(&statement))
}

/// Parses `sql` as one expression and hands its tree to `read`; the tree does not outlive the call.
pub(crate) fn with_expression<T>(
    sql: &str,
    read: impl FnOnce(&Expr<'_>) -> T,
) -> Result<T, Unreadable> {
    check_bounds(sql, EXPRESSION_BYTES_MAX)?;
    // The line break ends a comment at the end of the expression.
    with_statement(&format!("SELECT ({sql}\n)"), |statement| sole_expression(statement).map(read))?
        .ok_or_else(|| Unreadable("it is not one expression".into()))
}

/// A name or a string without its quotes, of any of SQLite's four kinds.
pub(crate) fn unquoted(raw: &str) -> String {
    let inner = |open: char, close: char| raw.strip_prefix(open)?.strip_suffix(close);
    for quote in ['"', '\'', '`'] {
        if let Some(text) = inner(quote, quote) {
            return text.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    inner('[', ']').unwrap_or(raw).to_owned()
}

/// The words of a text, without their quotes: names, strings, keywords and numbers.
pub(crate) fn words(sql: &str) -> Result<BTreeSet<String>, Unreadable> {
    let mut scanner = Scanner::new(Tokenizer::new());
    let mut words = BTreeSet::new();
    loop {
        let scanned = scanner.scan(sql.as_bytes());
        let (_, token, _) = scanned.map_err(|error| Unreadable::because(&error))?;
        let Some((bytes, _)) = token else { return Ok(words) };
        words.insert(unquoted(&String::from_utf8_lossy(bytes)));
    }
}

/// Refuses what is too long or nested too deep.
fn check_bounds(sql: &str, bytes_max: usize) -> Result<(), Unreadable> {
    if sql.len() > bytes_max {
        return Err(Unreadable(format!("it is longer than {bytes_max} bytes")));
    }
    let mut scanner = Scanner::new(Tokenizer::new());
    let mut nesting = 0_usize;
    loop {
        let scanned = scanner.scan(sql.as_bytes());
        let (_, token, _) = scanned.map_err(|error| Unreadable::because(&error))?;
        match token {
            None => return Ok(()),
            Some((_, TokenType::TK_LP)) => nesting += 1,
            Some((_, TokenType::TK_RP)) => nesting = nesting.saturating_sub(1),
            Some(_) => {}
        }
        if nesting > NESTING_MAX {
            return Err(Unreadable(format!("it is nested deeper than {NESTING_MAX} parentheses")));
        }
    }
}

/// The `x` of a bare `SELECT (x)`.
fn sole_expression<'tree>(statement: &'tree Stmt<'_>) -> Option<&'tree Expr<'tree>> {
    let Stmt::Select(Select { with: None, body, order_by: None, limit: None }) = statement else {
        return None;
    };
    let SelectBody { select, compounds: None } = body else { return None };
    let OneSelect::Select {
        distinctness: None,
        columns: [ResultColumn::Expr(Expr::Parenthesized(inner), None)],
        from: None,
        where_clause: None,
        group_by: None,
        having: None,
        window_clause: None,
    } = select
    else {
        return None;
    };
    match inner.as_slice() {
        [expression] => Some(expression),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{unquoted, with_expression, with_statement, words};

    fn printed(sql: &str) -> Result<String, String> {
        with_expression(sql, |expression| expression.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_expression_keeps_its_meaning_and_loses_its_comments() {
        assert_eq!(printed("a /* ) */ > -- it's\n 1 -- end").unwrap(), "a > 1");
    }

    #[test]
    fn text_that_is_more_than_one_expression_is_refused() {
        for sql in
            ["", "1) FROM (t", "1), (2", "1, 2", "1); DROP TABLE x; --", "1) UNION SELECT (2"]
        {
            assert!(printed(sql).is_err(), "{sql}");
        }
        assert!(with_statement("SELECT 1; SELECT 2", |_| ()).is_err());
    }

    #[test]
    fn hostile_nesting_is_refused_before_it_is_parsed() {
        let deep = format!("{}1{}", "(".repeat(7000), ")".repeat(7000));
        assert!(printed(&deep).unwrap_err().contains("nested"));
        assert!(printed(&format!("{}1", "(".repeat(7000))).unwrap_err().contains("nested"));
        assert!(printed(&"1+".repeat(20_000)).unwrap_err().contains("longer"));
    }

    #[test]
    fn the_words_of_a_text_are_found_whatever_quotes_they_have() {
        let found = words("lower(a) || \"b \"\"c\"\"\" || [d]||`e` || 'f' -- g").unwrap();
        for word in ["lower", "a", "b \"c\"", "d", "e", "f"] {
            assert!(found.contains(word), "{word}");
        }
        assert!(!found.contains("g") && !found.contains("b"));
    }

    #[test]
    fn quotes_of_all_four_kinds_are_taken_off() {
        for (raw, name) in [
            ("plain", "plain"),
            ("\"a \"\"b\"\"\"", "a \"b\""),
            ("`a``b`", "a`b"),
            ("[a]", "a"),
            ("'it''s'", "it's"),
            ("\"", "\""),
            ("\"\"", ""),
        ] {
            assert_eq!(unquoted(raw), name);
        }
    }
}
