//! The grammar of JSON as PostgreSQL reads it, without recursion: one pass over the text that tells what it meets.

/// Levels of arrays and objects. The server's default stack has room for ten times as many.
pub const DEPTH_MAX: usize = 1000;

/// What holds values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bracket {
    Array,
    Object,
}

/// What is told, in the text's order; none ends the walk.
pub(super) trait Events {
    /// An array or an object begins.
    fn open(&mut self, bracket: Bracket) -> Option<()>;
    /// The innermost one ends.
    fn close(&mut self) -> Option<()>;
    /// The name of the next value, as it stands between its quotes, its escapes well formed.
    fn key(&mut self, raw: &str) -> Option<()>;
    /// A string, in the same form.
    fn string(&mut self, raw: &str) -> Option<()>;
    /// A number as it is written.
    fn number(&mut self, written: &str) -> Option<()>;
    /// `true`, `false` or `null`.
    fn word(&mut self, word: &str) -> Option<()>;
}

/// Walks over one JSON text; none where it is not one, or where the listener had enough.
pub(super) fn walk(text: &str, events: &mut impl Events) -> Option<()> {
    let mut scanner = Scanner { text, at: 0 };
    let mut open = Vec::new();
    loop {
        if scanner.value(events, &mut open)? {
            continue;
        }
        // A value is complete, and so may be what holds it.
        loop {
            scanner.skip_blanks();
            let Some(&innermost) = open.last() else {
                return scanner.rest().is_empty().then_some(());
            };
            match (innermost, scanner.next()?) {
                (Bracket::Array, b',') => break,
                (Bracket::Object, b',') => {
                    scanner.key(events)?;
                    break;
                }
                (Bracket::Array, b']') | (Bracket::Object, b'}') => {
                    open.pop();
                    events.close()?;
                }
                _ => return None,
            }
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Reads a value, or the beginning of one that holds others: then a value is to follow.
    fn value(&mut self, events: &mut impl Events, open: &mut Vec<Bracket>) -> Option<bool> {
        self.skip_blanks();
        match self.peek()? {
            b'[' => return self.open(Bracket::Array, events, open),
            b'{' => return self.open(Bracket::Object, events, open),
            b'"' => events.string(self.string()?)?,
            b'-' | b'0'..=b'9' => events.number(self.number()?)?,
            _ => events.word(self.word()?)?,
        }
        Some(false)
    }

    fn open(
        &mut self,
        bracket: Bracket,
        events: &mut impl Events,
        open: &mut Vec<Bracket>,
    ) -> Option<bool> {
        if open.len() >= DEPTH_MAX {
            return None;
        }
        self.at += 1;
        events.open(bracket)?;
        self.skip_blanks();
        match (bracket, self.peek()?) {
            (Bracket::Array, b']') | (Bracket::Object, b'}') => {
                self.at += 1;
                events.close()?;
                return Some(false);
            }
            (Bracket::Array, _) => {}
            (Bracket::Object, _) => self.key(events)?,
        }
        open.push(bracket);
        Some(true)
    }

    /// Reads a name and its colon.
    fn key(&mut self, events: &mut impl Events) -> Option<()> {
        self.skip_blanks();
        if self.peek()? != b'"' {
            return None;
        }
        events.key(self.string()?)?;
        self.skip_blanks();
        (self.next()? == b':').then_some(())
    }

    /// Reads a string and gives what stands between its quotes.
    fn string(&mut self) -> Option<&'a str> {
        self.at += 1;
        let start = self.at;
        loop {
            let plain =
                self.rest().iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..b' '))?;
            self.at += plain;
            match self.next()? {
                b'"' => return self.text.get(start..self.at - 1),
                b'\\' => self.escape()?,
                _control => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.rest().first_chunk::<4>()?;
                self.at += digits.len();
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.skip_one(b"-");
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => _ = self.skip_digits(),
            _ => return None,
        }
        if self.skip_one(b".") && !self.skip_digits() {
            return None;
        }
        if self.skip_one(b"eE") {
            self.skip_one(b"+-");
            if !self.skip_digits() {
                return None;
            }
        }
        self.text.get(start..self.at)
    }

    fn word(&mut self) -> Option<&'static str> {
        let word = ["true", "false", "null"]
            .into_iter()
            .find(|word| self.rest().starts_with(word.as_bytes()))?;
        self.at += word.len();
        Some(word)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Skips one of these, if it is next.
    fn skip_one(&mut self, bytes: &[u8]) -> bool {
        let found = self.peek().is_some_and(|byte| bytes.contains(&byte));
        self.at += usize::from(found);
        found
    }

    /// Skips digits, if there are any.
    fn skip_digits(&mut self) -> bool {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count > 0
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}
