//! How a connection is written: a URL or a keyword string, by libpq's grammar. No error repeats what was written: it may
//! hold a password.

use crate::config::percent;
use crate::error::{Class, Error, Result};

/// The parameters in a URL or keyword string, in their order, with libpq's grammar; names are not checked yet.
pub(super) fn parse(written: &str) -> Result<Vec<(String, String)>> {
    let written = written.trim();
    match written.strip_prefix("postgresql://").or_else(|| written.strip_prefix("postgres://")) {
        Some(rest) => parse_url(rest),
        None => parse_keywords(written),
    }
}

/// `[user[:password]@][host][:port][/database][?name=value[&…]]`
fn parse_url(rest: &str) -> Result<Vec<(String, String)>> {
    let (userinfo, rest) = match rest.find(['@', '/']) {
        Some(at) if rest.get(at..).is_some_and(|tail| tail.starts_with('@')) => {
            rest.split_once('@').unwrap_or(("", rest))
        }
        _ => ("", rest),
    };
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = before_query.split_once('/').unwrap_or((before_query, ""));
    if before_query.contains('@') {
        return Err(malformed("the URL has an @ after its host or more than one before it"));
    }
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (host, port) = split_host(authority)?;
    let mut pairs = Vec::new();
    let parts = [
        ("user", user),
        ("password", password),
        ("host", host),
        ("port", port),
        ("dbname", database),
    ];
    for (name, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        pairs.push((name.to_owned(), percent::decode(part)?));
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let pair = parameter.split_once('=');
        let (name, value) = pair.ok_or_else(|| malformed("a parameter of the URL has no ="))?;
        pairs.push(match (percent::decode(name)?, percent::decode(value)?) {
            (name, value) if name == "ssl" && value == "true" => {
                ("sslmode".into(), "require".into())
            }
            pair => pair,
        });
    }
    Ok(pairs)
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`
fn split_host(authority: &str) -> Result<(&str, &str)> {
    let Some(bracketed) = authority.strip_prefix('[') else {
        return Ok(authority.split_once(':').unwrap_or((authority, "")));
    };
    let unclosed = || malformed("the URL's [ has no ]");
    let (host, after) = bracketed.split_once(']').ok_or_else(unclosed)?;
    match after.strip_prefix(':') {
        Some(port) => Ok((host, port)),
        None if after.is_empty() => Ok((host, "")),
        None => Err(malformed("after the URL's ] stands neither :port nor /")),
    }
}

/// `name = value`, any white space between; a value is a word or stands in `'`, and `\` takes the next character as it is.
fn parse_keywords(written: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = written.trim_start();
    while !rest.is_empty() {
        let (name, after) =
            rest.split_once('=').ok_or_else(|| malformed("a parameter has no ="))?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(malformed("a parameter has no ="));
        }
        let (value, after) = take_value(after.trim_start())?;
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn take_value(text: &str) -> Result<(String, &str)> {
    let (quoted, text) = text.strip_prefix('\'').map_or((false, text), |text| (true, text));
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next() {
            Some('\'') if quoted => return Ok((value, rest.as_str())),
            Some(space) if !quoted && space.is_whitespace() => return Ok((value, rest.as_str())),
            Some('\\') => value.extend(rest.next()),
            Some(character) => value.push(character),
            None if quoted => return Err(malformed("a ' is not closed")),
            None => return Ok((value, "")),
        }
    }
}

fn malformed(what: &str) -> Error {
    Error::new(Class::Usage, format!("the connection string cannot be read: {what}")).todo(
        "write postgresql://user@host:port/database (in user and password \
         / is %2F, : is %3A, @ is %40), or host=… dbname=… user=…",
    )
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn read_as(expected: &[(&str, &str)]) {
        for (written, expected) in expected {
            assert_eq!(parsed(written), *expected, "{written}");
        }
    }

    fn parsed(written: &str) -> String {
        let pairs = parse(written).unwrap();
        let texts: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        texts.join("|")
    }

    #[test]
    fn urls_read_as_libpq_reads_them() {
        read_as(&[
            ("postgresql://", ""),
            ("postgres://localhost", "host=localhost"),
            (
                "postgresql://u%40x:p%2Fw@h:6543/d%20b",
                "user=u@x|password=p/w|host=h|port=6543|dbname=d b",
            ),
            ("postgresql://u:p?q&r@h", "user=u|password=p?q&r|host=h"),
            ("postgresql://[2001:db8::1]:7/x", "host=2001:db8::1|port=7|dbname=x"),
            ("postgresql://[::1]", "host=::1"),
            ("postgresql://%2Ftmp/x", "host=/tmp|dbname=x"),
            ("postgresql:///x?host=/tmp&port=7", "dbname=x|host=/tmp|port=7"),
            ("postgresql://h?options=-c%20a%3Db&ssl=true", "host=h|options=-c a=b|sslmode=require"),
            ("postgresql:///x?user=a+b", "dbname=x|user=a+b"),
        ]);
    }

    #[test]
    fn keyword_strings_read_as_libpq_reads_them() {
        read_as(&[
            ("", ""),
            ("host=h dbname = d", "host=h|dbname=d"),
            (r"password='a \' b \\ c' user=x\ y", r"password=a ' b \ c|user=x y"),
            ("options='' port=1", "options=|port=1"),
        ]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_repeating_a_piece_of_it() {
        let broken = [
            "postgresql://u:hunter2@hunter2@h/d",
            "postgresql://u:hunter2/x@h/d",
            "postgresql://h/d?hunter2",
            "postgresql://[::1/hunter2",
            "postgresql://[::1]hunter2",
            "host=h hunter2",
            "host=h my hunter2=x",
            "password='hunter2",
            "mysql://u:hunter2@h/d",
        ];
        for written in broken {
            let error = parse(written).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
