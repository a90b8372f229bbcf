//! The parameters of a connection as somebody gave them, by libpq's names: a URL or a keyword string, a service
//! file, libpq's variables. Nothing is decided here, and no error repeats what was written: it may hold a password.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::config::percent;
use crate::config::variables::Environment;
use crate::error::{Class, Error, Result};

/// Every parameter that liteferry knows, with the variable that libpq reads it from.
const KNOWN: [(&str, Option<&str>); 23] = [
    ("application_name", Some("PGAPPNAME")),
    ("channel_binding", Some("PGCHANNELBINDING")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("dbname", Some("PGDATABASE")),
    ("fallback_application_name", None),
    ("host", Some("PGHOST")),
    ("hostaddr", Some("PGHOSTADDR")),
    ("keepalives", None),
    ("keepalives_count", None),
    ("keepalives_idle", None),
    ("keepalives_interval", None),
    ("options", Some("PGOPTIONS")),
    ("passfile", Some("PGPASSFILE")),
    ("password", Some("PGPASSWORD")),
    ("port", Some("PGPORT")),
    ("service", Some("PGSERVICE")),
    ("sslcert", Some("PGSSLCERT")),
    ("sslkey", Some("PGSSLKEY")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    ("tcp_user_timeout", None),
    ("user", Some("PGUSER")),
];

/// Who gave a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Giver {
    /// The URL or keyword string.
    Written,
    /// A service in this file.
    Service(PathBuf),
    /// One of libpq's variables.
    Variable(&'static str),
}

impl fmt::Display for Giver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written => f.write_str("the connection string"),
            Self::Service(file) => write!(f, "the service file {}", file.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// What was given, by parameter.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<&'static str, (String, Giver)>);

impl Parameters {
    /// Takes what is written: of a parameter that is given twice, the last holds.
    pub(super) fn take_written(&mut self, pairs: Vec<(String, String)>) -> Result<()> {
        for (name, value) in pairs {
            self.0.insert(known(&name)?, (value, Giver::Written));
        }
        Ok(())
    }

    /// Takes a parameter from a service, unless it was given before.
    pub(super) fn take_service(&mut self, name: &str, value: &str, file: &Path) -> Result<()> {
        let given = || (value.to_owned(), Giver::Service(file.to_path_buf()));
        self.0.entry(known(name)?).or_insert_with(given);
        Ok(())
    }

    /// Takes from libpq's variables what was not given before.
    pub(super) fn take_environment(&mut self, environment: Environment<'_>) {
        for (name, variable) in KNOWN {
            let Some(variable) = variable.filter(|_| !self.0.contains_key(name)) else { continue };
            if let Some(value) = environment(variable) {
                self.0.insert(name, (value, Giver::Variable(variable)));
            }
        }
    }

    /// The value; an empty one means that the default holds, as libpq has it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Who gave the value.
    pub(super) fn giver(&self, name: &str) -> Option<&Giver> {
        self.0.get(name).map(|(_, giver)| giver)
    }

    /// The value as a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The value as a number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.trim().parse().ok();
        number.map(Some).ok_or_else(|| self.invalid(name, "is not a number in its range"))
    }

    /// The value as one of the words that `choices` gives a meaning.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(word, _)| *word == value);
        chosen.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.invalid(name, "has a value that liteferry does not know")
                .todo(format!("write one of: {}", words.join(", ")))
        })
    }

    /// A usage error about the value of `name`, without the value: a badly written URL may have put a password there.
    pub(super) fn invalid(&self, name: &str, why: &str) -> Error {
        let giver = self.giver(name).map_or_else(String::new, |giver| format!(" (from {giver})"));
        let mut error = Error::new(Class::Usage, format!("{name}{giver} {why}"));
        if self.giver(name) == Some(&Giver::Written) {
            error = error.todo("in a URL, user and password write / as %2F, : as %3A and @ as %40");
        }
        error
    }
}

fn known(name: &str) -> Result<&'static str> {
    if let Some((known, _)) = KNOWN.iter().find(|(known, _)| *known == name) {
        return Ok(known);
    }
    let names: Vec<_> = KNOWN.iter().map(|(known, _)| *known).collect();
    let looks_like_a_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let shown = if looks_like_a_name { name } else { "(not a parameter's name)" };
    Err(Error::new(Class::Usage, format!("unknown connection parameter {shown}"))
        .todo(format!("the parameters are: {}", names.join(", "))))
}

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
    use super::{Parameters, parse};

    fn parsed(written: &str) -> String {
        let pairs = parse(written).unwrap();
        let texts: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        texts.join("|")
    }

    #[test]
    fn urls_read_as_libpq_reads_them() {
        let read = [
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
        ];
        for (written, expected) in read {
            assert_eq!(parsed(written), expected, "{written}");
        }
    }

    #[test]
    fn keyword_strings_read_as_libpq_reads_them() {
        let read = [
            ("", ""),
            ("host=h dbname = d", "host=h|dbname=d"),
            (r"password='a \' b \\ c' user=x\ y", r"password=a ' b \ c|user=x y"),
            ("options='' port=1", "options=|port=1"),
        ];
        for (written, expected) in read {
            assert_eq!(parsed(written), expected, "{written}");
        }
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

    #[test]
    fn an_unknown_parameter_is_named_and_a_mangled_url_is_not() {
        let take = |written| {
            Parameters::default().take_written(parse(written).unwrap()).unwrap_err().to_string()
        };
        assert!(take("host=h sslcompression=1").contains("sslcompression"));
        assert!(!take("postgresql+x://u:hunter2@h/d?ssl=1").contains("hunter2"));
    }

    #[test]
    fn the_last_of_a_repeated_parameter_holds_and_an_empty_one_means_the_default() {
        let mut given = Parameters::default();
        given.take_written(parse("host=a host=b user=''").unwrap()).unwrap();
        given.take_environment(&|name| (name == "PGUSER").then(|| "u".into()));
        assert_eq!((given.get("host"), given.get("user")), (Some("b"), None));
    }
}
