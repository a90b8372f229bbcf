//! The text of a `jsonb` as the server writes it, made from any text that it takes.

use super::grammar::{Bracket, Events, walk};
use super::number::push_number;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

/// Bytes of a document in the server, at most, and of its text here.
const SIZE_MAX: usize = 0x0fff_ffff;
/// Members of one array or object, at most: the server's table of them grows by doubling, and has no room for more.
const MEMBERS_MAX: usize = 1 << 23;

/// The text that the server gives back where it is given this one for a `jsonb`; none where it takes no such text.
pub fn canonical_jsonb(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    push_canonical(text, &mut out)?;
    String::from_utf8(out).ok()
}

/// Appends [`canonical_jsonb`]; where that is none, what was appended means nothing.
pub(in crate::row) fn push_canonical(text: &str, out: &mut Vec<u8>) -> Option<()> {
    push_within(SIZE_MAX, text, out)
}

fn push_within(size_max: usize, text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut writer = Writer {
        size_max,
        size: 0,
        start: out.len(),
        out,
        open: Vec::new(),
        members: Vec::new(),
        names: Vec::new(),
    };
    walk(text, &mut writer)
}

/// Writes values as they come. When an object ends, its members are put in order.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Where the document begins in `out`.
    start: usize,
    open: Vec<Open>,
    /// The members of all open objects, those of the innermost last.
    members: Vec<Member>,
    /// Their names without escapes.
    names: Vec<u8>,
    /// No fewer bytes than the server needs for what was written.
    size: usize,
    /// What this and the text may be at most.
    size_max: usize,
}

/// An array or an object whose end has not come.
struct Open {
    bracket: Bracket,
    /// Where its content begins in the text.
    start: usize,
    first_member: usize,
    first_name: usize,
    count: usize,
}

struct Member {
    name: Range<usize>,
    /// Where it begins in the text, with its name.
    start: usize,
}

impl Events for Writer<'_> {
    fn open(&mut self, bracket: Bracket) -> Option<()> {
        self.begin_value(8)?;
        self.out.push(if bracket == Bracket::Array { b'[' } else { b'{' });
        self.open.push(Open {
            bracket,
            start: self.out.len(),
            first_member: self.members.len(),
            first_name: self.names.len(),
            count: 0,
        });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let ended = self.open.pop()?;
        if ended.bracket == Bracket::Array {
            self.out.push(b']');
            return Some(());
        }
        self.put_in_order(&ended);
        self.members.truncate(ended.first_member);
        self.names.truncate(ended.first_name);
        self.out.push(b'}');
        Some(())
    }

    fn key(&mut self, raw: &str) -> Option<()> {
        let name = unescaped(raw)?;
        self.separate(name.len())?;
        let (start, name_start) = (self.out.len(), self.names.len());
        self.names.extend_from_slice(name.as_bytes());
        self.members.push(Member { name: name_start..self.names.len(), start });
        push_string(&name, self.out);
        self.out.extend_from_slice(b": ");
        Some(())
    }

    fn string(&mut self, raw: &str) -> Option<()> {
        let value = unescaped(raw)?;
        self.begin_value(value.len())?;
        push_string(&value, self.out);
        Some(())
    }

    fn number(&mut self, written: &str) -> Option<()> {
        let before = self.out.len();
        self.begin_value(0)?;
        push_number(written, self.out)?;
        // Groups of four digits take two bytes, and the first and the last may not be full.
        self.grow(16 + (self.out.len() - before) / 2)?;
        // A few written digits may be many.
        (self.out.len() - self.start <= self.size_max).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.begin_value(0)?;
        self.out.extend_from_slice(word.as_bytes());
        Some(())
    }
}

impl Writer<'_> {
    /// Makes room for a value of so many bytes; behind a name nothing separates it.
    fn begin_value(&mut self, bytes: usize) -> Option<()> {
        match self.open.last() {
            Some(Open { bracket: Bracket::Array, .. }) => self.separate(bytes),
            _ => self.grow(bytes),
        }
    }

    fn separate(&mut self, bytes: usize) -> Option<()> {
        let innermost = self.open.last_mut()?;
        if innermost.count >= MEMBERS_MAX {
            return None;
        }
        if innermost.count > 0 {
            self.out.extend_from_slice(SEPARATOR);
        }
        innermost.count += 1;
        self.grow(bytes)
    }

    /// Counts the bytes of a value and of its place in the table of what holds it.
    fn grow(&mut self, bytes: usize) -> Option<()> {
        self.size += bytes + 4;
        (self.size <= self.size_max).then_some(())
    }

    /// Sorts the members of the object that ends by the length of their names, then by their bytes, and keeps the last
    /// of those with one name.
    fn put_in_order(&mut self, ended: &Open) {
        let members = self.members.get(ended.first_member..).unwrap_or_default();
        let name = |member: &Member| {
            let name = self.names.get(member.name.clone()).unwrap_or_default();
            (name.len(), name)
        };
        if members.is_sorted_by(|one, next| name(one) < name(next)) {
            return;
        }
        let content = self.out.split_off(ended.start);
        let ends = members.iter().skip(1).map(|next| next.start - SEPARATOR.len());
        let ends = ends.chain([ended.start + content.len()]);
        let mut sorted: Vec<_> = members.iter().zip(ends).collect();
        sorted.sort_unstable_by_key(|(member, _)| (name(member), Reverse(member.start)));
        sorted.dedup_by(|(next, _), (kept, _)| name(next) == name(kept));
        for (position, (member, end)) in sorted.into_iter().enumerate() {
            if position > 0 {
                self.out.extend_from_slice(SEPARATOR);
            }
            let range = member.start - ended.start..end - ended.start;
            self.out.extend_from_slice(content.get(range).unwrap_or_default());
        }
    }
}

const SEPARATOR: &[u8] = b", ";

/// The characters of a string whose escapes are well formed; none where one of them is NUL or half a character.
fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(raw));
    }
    let (mut text, mut rest) = (String::with_capacity(raw.len()), raw);
    while let Some((plain, escape)) = rest.split_once('\\') {
        let (char, behind) = escaped_char(escape)?;
        text.push_str(plain);
        text.push(char);
        rest = behind;
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// Reads what stands behind a backslash, and gives what follows.
fn escaped_char(escape: &str) -> Option<(char, &str)> {
    let (letter, rest) = escape.split_at_checked(1)?;
    let char = match letter {
        "u" => return unicode_escape(rest),
        "b" => '\u{8}',
        "f" => '\u{c}',
        "n" => '\n',
        "r" => '\r',
        "t" => '\t',
        itself => itself.chars().next()?,
    };
    Some((char, rest))
}

/// Reads the four digits behind `\u`, of a surrogate those of the one that must follow too.
fn unicode_escape(digits: &str) -> Option<(char, &str)> {
    let (first, rest) = hex4(digits)?;
    if !(0xd800..0xdc00).contains(&first) {
        let char = char::from_u32(first).filter(|&char| char != '\0')?;
        return Some((char, rest));
    }
    let (second, rest) = hex4(rest.strip_prefix("\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)?, rest))
}

fn hex4(digits: &str) -> Option<(u32, &str)> {
    let (digits, rest) = digits.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// Appends a string in quotes, with the escapes that the server writes.
fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..b' ')) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\x08' => out.extend_from_slice(b"\\b"),
            b'\x0c' => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::{canonical_jsonb, push_within};

    #[test]
    fn a_document_is_written_as_the_server_writes_it() {
        for (text, canonical) in [
            (" [ 1 , [ ] , { } ] ", "[1, [], {}]"),
            (
                r#"{"bb":1,"a":2,"c":{"z":0,"y":[{}]}}"#,
                r#"{"a": 2, "c": {"y": [{}], "z": 0}, "bb": 1}"#,
            ),
            (r#"{"a":1,"b":2,"a":{"x":3},"a":4}"#, r#"{"a": 4, "b": 2}"#),
            (
                r#"{"b":[{"d":1,"c":2}],"a":[{"f":1,"e":2}]}"#,
                r#"{"a": [{"e": 2, "f": 1}], "b": [{"c": 2, "d": 1}]}"#,
            ),
            (r#"{"\u0061":1,"a":2}"#, r#"{"a": 2}"#),
            (r#"{"":1," ":2,"":3}"#, r#"{"": 3, " ": 2}"#),
            // By length in bytes.
            (r#"{"é":1,"zz":2,"z":3}"#, r#"{"z": 3, "zz": 2, "é": 1}"#),
            (
                r#""\u00e9\u007f\u001F\/\b\f\n\r\t\"\\ \ud83d\ude00""#,
                "\"é\u{7f}\\u001f/\\b\\f\\n\\r\\t\\\"\\\\ 😀\"",
            ),
            ("-0", "0"),
            ("[1e2,1.10,true,false,null]", "[100, 1.10, true, false, null]"),
        ] {
            assert_eq!(canonical_jsonb(text).as_deref(), Some(canonical), "{text}");
            assert_eq!(canonical_jsonb(canonical).as_deref(), Some(canonical), "{text}");
        }
    }

    #[test]
    fn what_jsonb_does_not_take_is_refused() {
        for text in [
            r#""\u0000""#,
            r#"{"\u0000":1}"#,
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\ud800\n""#,
            r#""\ud800\u0041""#,
            r#""\ud800\ud800""#,
            r#""\udc00""#,
            r#""\udc00\ud800""#,
            "1E400000",
            "[1e131072]",
        ] {
            assert!(super::super::check(text), "{text}");
            assert_eq!(canonical_jsonb(text), None, "{text}");
        }
    }

    #[test]
    fn neither_a_few_digits_nor_many_values_fill_the_memory() {
        let within = |size_max, text: &str| push_within(size_max, text, &mut Vec::new()).is_some();
        assert!(within(300_000, "[1e131071,1e131071]"));
        assert!(!within(300_000, "[1e131071,1e131071,1e131071]"));
        assert!(within(4096, &format!("[{}]", "0,".repeat(100) + "0")));
        assert!(!within(4096, &format!("[{}]", "0,".repeat(1000) + "0")));
        assert!(!within(4096, &format!("{{{}}}", "\"\":null,".repeat(1000) + "\"\":null")));
        assert!(!within(4096, &"[".repeat(1000)));
    }

    #[test]
    fn disorder_on_every_level_is_put_in_order() {
        let levels = 900;
        let text = format!("{}0{}", r#"{"b":1,"a":"#.repeat(levels), "}".repeat(levels));
        let canonical = format!("{}0{}", r#"{"a": "#.repeat(levels), r#", "b": 1}"#.repeat(levels));
        assert_eq!(canonical_jsonb(&text), Some(canonical));
    }
}
