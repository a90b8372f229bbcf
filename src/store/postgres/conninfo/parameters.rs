//! The parameters of a connection as somebody gave them, by libpq's names: a URL or a keyword string, a service
//! file, libpq's variables. Nothing is decided here, and no error repeats what was written: it may hold a password.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

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
pub(crate) struct Parameters(BTreeMap<&'static str, (String, Giver)>);

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
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Who gave the value.
    pub(super) fn giver(&self, name: &str) -> Option<&Giver> {
        self.0.get(name).map(|(_, giver)| giver)
    }

    /// The value as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The value as a number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.trim().parse().ok();
        number.map(Some).ok_or_else(|| self.invalid(name, "is not a number in its range"))
    }

    /// The value as one of the words that `choices` gives a meaning.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(word, _)| *word == value);
        chosen.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.invalid(name, "has a value that liteferry does not know")
                .todo(format!("write one of: {}", words.join(", ")))
        })
    }

    /// A usage error about the value of `name`, without the value: a badly written URL may have put a password there.
    pub(crate) fn invalid(&self, name: &str, why: &str) -> Error {
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

#[cfg(test)]
mod tests {
    use super::Parameters;
    use crate::store::postgres::conninfo::grammar::parse;

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
