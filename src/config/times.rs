//! How a source writes times, and which columns tell the same ones.

use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

/// How a source writes times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// ISO 8601 text.
    Iso8601,
    /// Seconds since 1970-01-01 00:00 UTC.
    #[serde(alias = "unix")]
    UnixS,
    /// Milliseconds since then.
    UnixMs,
    /// Microseconds since then.
    UnixUs,
    /// Nanoseconds since then.
    UnixNs,
    /// Julian days, as SQLite's julianday().
    Julian,
    /// Seconds since 2001-01-01 00:00 UTC, as Apple's Core Data.
    CoreData,
    /// Microseconds since 1601-01-01 00:00 UTC, as Chromium.
    Webkit,
    /// Text like `31/01/2025`, the day first.
    Dmy,
    /// Text like `01/31/2025`, the month first.
    Mdy,
    /// Digits like `20250131`.
    Yyyymmdd,
}

impl TimeSource {
    /// What a word says, as `from` has it.
    pub fn parse(word: &str) -> Option<Self> {
        let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
        Self::deserialize(word).ok()
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso8601 => "iso8601",
            Self::UnixS => "unix_s",
            Self::UnixMs => "unix_ms",
            Self::UnixUs => "unix_us",
            Self::UnixNs => "unix_ns",
            Self::Julian => "julian",
            Self::CoreData => "core_data",
            Self::Webkit => "webkit",
            Self::Dmy => "dmy",
            Self::Mdy => "mdy",
            Self::Yyyymmdd => "yyyymmdd",
        }
    }
}

/// `equals = "COLUMN as FORM"` or `"COLUMN as FORM in ZONE"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equals {
    /// What is written.
    pub text: String,
    /// Where it begins: its byte until the line is known, then the line, counted from 1.
    place: usize,
}

impl<'de> Deserialize<'de> for Equals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<String>::deserialize(deserializer)?;
        let place = written.span().start;
        Ok(Self { text: written.into_inner(), place })
    }
}

impl Equals {
    /// The line of the pipeline file that it stands in.
    pub fn line(&self) -> usize {
        self.place
    }

    pub(super) fn find_line(&mut self, file: &str) {
        self.place = 1 + file.bytes().take(self.place).filter(|&byte| byte == b'\n').count();
    }

    /// The same wherever it stands.
    pub(super) fn anywhere(self) -> Self {
        Self { place: 0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::TimeSource;
    use crate::config::Pipeline;

    const FILE: &str = "[source]\npath = 'a.db'\n[target]\nurl = 'local'\n[tables.t.columns]\n";

    #[test]
    fn what_must_be_equal_is_known_by_its_line_and_is_no_other_setting_on_another() {
        let read = |said: &str| {
            let pipeline = Pipeline::parse(&format!("{FILE}{said}")).unwrap();
            let equals = pipeline.column("t", "a").unwrap().equals.clone().unwrap();
            (equals.text.clone(), equals.line(), pipeline.table_settings_hash("t"))
        };
        let (text, line, hash) = read("a = { zone = 'UTC', equals = 'b as unix' }");
        assert_eq!((text.as_str(), line), ("b as unix", 6));
        let below = read("# größer\n\n[tables.t.columns.a]\nzone = 'UTC'\nequals = \"b as unix\"");
        assert_eq!((below.0.as_str(), below.1), ("b as unix", 10));
        assert_eq!(below.2, hash);
        assert_ne!(read("a = { zone = 'UTC', equals = 'c as unix' }").2, hash);
    }

    #[test]
    fn a_word_for_times_means_what_it_means_for_from() {
        for source in ["unix_ms", "iso8601", "yyyymmdd", "core_data"] {
            assert_eq!(TimeSource::parse(source).map(TimeSource::name), Some(source));
        }
        assert_eq!(TimeSource::parse("unix"), Some(TimeSource::UnixS));
        assert_eq!(TimeSource::parse("unix_minutes"), None);
    }
}
