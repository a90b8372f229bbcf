//! The words of SQL: names and functions, and what stands in double quotes, without strings and comments.

/// A word of SQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A keyword or a name, as written.
    Plain(String),
    /// The same before a parenthesis.
    Call(String),
    /// What stands between double quotes.
    Quoted(String),
}

/// The words of a text in their order; whatever is no word is passed over.
pub(super) fn words(sql: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = sql.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '\'' => drop(until_closed(&mut rest, '\'')),
            '`' => words.push(Word::Plain(until_closed(&mut rest, '`'))),
            '[' => words.push(Word::Plain(rest.by_ref().take_while(|&char| char != ']').collect())),
            '"' => words.push(Word::Quoted(until_closed(&mut rest, '"'))),
            '-' if rest.peek() == Some(&'-') => drop(rest.find(|&char| char == '\n')),
            '/' if rest.next_if_eq(&'*').is_some() => {
                let mut before = ' ';
                rest.find(|&char| std::mem::replace(&mut before, char) == '*' && char == '/');
            }
            first if first.is_alphabetic() || first == '_' => {
                let mut word = String::from(first);
                while let Some(next) = rest.next_if(|&char| char.is_alphanumeric() || char == '_') {
                    word.push(next);
                }
                while rest.next_if(|char| char.is_whitespace()).is_some() {}
                let is_call = rest.peek() == Some(&'(');
                words.push(if is_call { Word::Call(word) } else { Word::Plain(word) });
            }
            _ => {}
        }
    }
    words
}

/// Up to the closing quote; a doubled one stands for itself.
fn until_closed(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, quote: char) -> String {
    let mut text = String::new();
    while let Some(char) = rest.next() {
        if char == quote && rest.next_if_eq(&quote).is_none() {
            break;
        }
        text.push(char);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Word, words};

    #[test]
    fn strings_and_comments_hold_no_words() {
        let plain = |word: &str| Word::Plain(word.into());
        let sql = "SELECT 'it''s GLOB', \"a \"\"b\" -- GLOB\n FROM [t x] /* GLOB **/ WHERE `y`.größe=max (1)";
        let expected = [
            plain("SELECT"),
            Word::Quoted("a \"b".into()),
            plain("FROM"),
            plain("t x"),
            plain("WHERE"),
            plain("y"),
            plain("größe"),
            Word::Call("max".into()),
        ];
        assert_eq!(words(sql), expected);
        for broken in ["'", "\"a", "/*", "--", "[x", "/* *", "'a''"] {
            words(broken);
        }
    }
}
