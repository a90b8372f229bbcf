//! The one error type: where it happened, what happened, what to do about it, and the cause as source.
//!
//! What follows from an error (its exit code, whether a retry may help) is decided by its [`Class`], in one
//! exhaustive match each. The text never repeats its cause: `main` prints the chain.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure this is; the exit code is a function of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// The command line or the pipeline file cannot be understood.
    Usage,
    /// A password stands on the command line.
    Secret,
    /// The source holds something that cannot be read or stored, or is not a readable SQLite database.
    Data,
    /// The source changed identity or content since the migration began.
    SourceChanged,
    /// Source and target are not equal.
    NotEqual,
    /// No server, or one that is too old or not UTF-8.
    Server,
    /// An invariant of liteferry itself is broken.
    Internal,
    /// Another run holds the lease.
    Held,
    /// A passing fault: the same command may be run again.
    Temporary,
    /// Authentication, TLS or permission.
    Access,
    /// A part of an archive is damaged, missing, not the one that was written, or forged.
    Damaged,
    /// The plan must be decided or made again.
    Undecided,
    /// A signal stopped the run.
    Interrupted(Signal),
}

/// The signals that stop a run cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What `kill` sends by default.
    Terminate,
}

impl Class {
    /// Whether it can pass by itself: the same command may be run again.
    pub fn passes(self) -> bool {
        matches!(self, Self::Temporary | Self::Held | Self::Interrupted(_))
    }

    /// The process's exit code, as the README lists them.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Secret => 64,
            Self::Data => 65,
            Self::SourceChanged => 66,
            Self::NotEqual => 67,
            Self::Server => 69,
            Self::Internal => 70,
            Self::Held => 73,
            Self::Temporary => 75,
            Self::Damaged => 76,
            Self::Access => 77,
            Self::Undecided => 78,
            Self::Interrupted(Signal::Interrupt) => 130,
            Self::Interrupted(Signal::Terminate) => 143,
        }
    }

    /// Whether the same step may succeed when it is tried again a little later.
    pub fn is_temporary(self) -> bool {
        self == Self::Temporary
    }
}

/// A failure with its place, its text, its advice and its cause.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    class: Class,
    place: Vec<String>,
    what: String,
    todo: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of `class`; `what` is lower case, without a full stop and without its cause.
    pub fn new(class: Class, what: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            class,
            place: Vec::new(),
            what: what.into(),
            todo: None,
            cause: None,
        }))
    }

    /// A broken invariant of liteferry itself.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(Class::Internal, what).todo("this is a bug in liteferry: please report it")
    }

    /// Adds an outer place, for example "table trades", "chunk 17", "column price"; made [`legible`], because names may
    /// hold anything.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place.insert(0, legible(&place.into()).into_owned());
        self
    }

    /// Says what the user can do.
    #[must_use]
    pub fn todo(mut self, todo: impl Into<String>) -> Self {
        self.0.todo = Some(todo.into());
        self
    }

    /// Keeps the cause as the source of this error.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Gives the same failure another class, where the place that catches it knows better.
    #[must_use]
    pub fn reclassified(mut self, class: Class) -> Self {
        self.0.class = class;
        self
    }

    /// What kind of failure this is.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// What the user can do, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.0.todo.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.0.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.what)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// Adds a place to an error on its way up.
pub trait Place<T> {
    /// See [`Error::at`].
    fn at(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Place<T> for Result<T> {
    fn at(self, place: impl FnOnce() -> String) -> Self {
        self.map_err(|error| error.at(place()))
    }
}

/// The error with its causes, on one line.
pub fn with_cause(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Text from outside as it can stand in a line: what would break the line, steer a terminal or turn the direction of
/// writing is escaped.
pub fn legible(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if steers(char) { escaped.extend(char.escape_default()) } else { escaped.push(char) }
    }
    Cow::Owned(escaped)
}

/// Whether a character would break a line, steer a terminal or turn the direction of writing.
pub fn steers(char: char) -> bool {
    let turns = matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::{Class, Error, Place, legible};
    use std::error::Error as _;

    #[test]
    fn places_read_from_the_outside_in_and_the_cause_stays_apart() {
        let cause = std::io::Error::other("disk on fire");
        let failed: super::Result<()> = Err(Error::new(Class::Data, "cannot read").because(cause));
        let error = failed.at(|| "column b".into()).at(|| "table t".into()).unwrap_err();
        assert_eq!(error.to_string(), "table t: column b: cannot read");
        assert_eq!(error.source().unwrap().to_string(), "disk on fire");
        assert_eq!(error.class().exit_code(), 65);
    }

    #[test]
    fn a_name_cannot_break_a_line_or_steer_a_terminal() {
        assert_eq!(legible("größe 🐸 it's \"x\" \\"), "größe 🐸 it's \"x\" \\");
        let hostile = "a\nerror: \r\u{1b}[2J\u{9b}\u{7f}\u{202e}";
        assert_eq!(legible(hostile), "a\\nerror: \\r\\u{1b}[2J\\u{9b}\\u{7f}\\u{202e}");
        let error = Error::new(Class::Data, "cannot read").at("table a\nb");
        assert_eq!(error.to_string(), "table a\\nb: cannot read");
    }
}
