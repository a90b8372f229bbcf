//! The pipeline file as written: checked for sense, nothing decided.
//!
//! An unknown setting is an error, so that a misspelt one is never ignored in silence.

mod archive;
mod cutover;
pub mod percent;
mod quantity;
mod snapshot;
mod times;
pub mod variables;

pub use archive::ArchiveSection;
pub use cutover::CutoverSection;
pub use snapshot::SnapshotSection;
pub use times::{Equals, TimeSource};

use crate::error::{Class, Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

/// A pipeline file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The migration's name; the source file's stem unless given.
    pub name: Option<String>,
    /// Where rows come from.
    pub source: SourceSection,
    /// Where they go.
    pub target: TargetSection,
    /// How rows are copied.
    #[serde(default)]
    pub snapshot: SnapshotSection,
    /// How a source is followed.
    #[serde(default)]
    pub follow: FollowSection,
    /// What the cutover needs.
    #[serde(default)]
    pub cutover: CutoverSection,
    /// Where Parquet files of it are kept.
    pub archive: Option<ArchiveSection>,
    /// What is said of single tables.
    #[serde(default)]
    pub tables: BTreeMap<String, TableSection>,
}

/// `[source]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSection {
    /// The SQLite file; relative to the pipeline file's folder.
    pub path: PathBuf,
    /// Whether a damaged file is moved as far as it can be read.
    #[serde(default)]
    pub accept_corrupt: bool,
    /// How much of it is looked at before types are chosen.
    #[serde(default)]
    pub census: Census,
}

/// How much of the source is looked at before types are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Census {
    /// Every value.
    #[default]
    Full,
    /// A part of each large table; a value that does not fit what that shows is found at load.
    Sample,
}

/// `[target]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSection {
    /// A connection string, or `local` or `local:DIR`; `${NAME}` is taken from the environment.
    pub url: String,
    /// The schema that the tables are created in.
    #[serde(default = "public")]
    pub schema: String,
    /// What becomes of the case of names.
    #[serde(default)]
    pub identifiers: Identifiers,
    /// What is done about tables that exist and hold rows.
    #[serde(default)]
    pub existing: ExistingPolicy,
}

/// What is done about a table that exists and holds rows that are not from this migration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExistingPolicy {
    /// Nothing is loaded.
    #[default]
    Refuse,
    /// It is emptied before the load.
    Truncate,
}

/// What becomes of the case of the names of tables, columns, indexes and constraints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identifiers {
    /// Names stay as the source has them.
    #[default]
    Preserve,
    /// The letters of ASCII lose their case, as in names that PostgreSQL reads without quotes.
    Lower,
}

impl Identifiers {
    /// The name that this asks for.
    pub fn fold(self, name: &str) -> String {
        match self {
            Self::Preserve => name.into(),
            Self::Lower => name.to_ascii_lowercase(),
        }
    }
}

/// `[follow]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FollowSection {
    /// Touched rows that are applied in a second, at most.
    pub max_rate: Option<NonZeroU32>,
    /// Touched rows that one transaction applies, at most, where no unique key needs more of them at once: a longer
    /// backlog is cut, and what the target has between two cuts is no state of the source. A million unless given.
    pub max_batch: NonZeroU32,
}

impl Default for FollowSection {
    fn default() -> Self {
        Self { max_rate: None, max_batch: NonZeroU32::MIN.saturating_add(999_999) }
    }
}

/// `[tables.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSection {
    /// What is done if it exists and holds rows; what `[target]` says unless given.
    pub existing: Option<ExistingPolicy>,
    /// What becomes of generated columns.
    #[serde(default)]
    pub generated: GeneratedColumns,
    /// Which of its changes are logged while it is followed.
    #[serde(default)]
    pub capture: CaptureWord,
    /// What is said of single columns.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnSection>,
}

/// Which changes of a table are logged while its source is followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureWord {
    /// All of them.
    #[default]
    All,
    /// Updates and deletes: the table only grows, and new rows are those with the highest rowids.
    Append,
    /// None: it is not followed, and is copied as a whole again when the application moves over.
    Copy,
}

/// What becomes of a table's generated columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneratedColumns {
    /// The target computes those whose expression means the same there.
    #[default]
    Computed,
    /// All become plain columns that hold the values.
    Values,
}

/// `columns.NAME = { … }`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSection {
    /// The target's type; chosen by the census unless given.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// How the source writes times.
    pub from: Option<TimeSource>,
    /// The IANA zone of wall clocks.
    pub zone: Option<String>,
    /// The other column of the row that must tell the same instant, and how it is written.
    pub equals: Option<Equals>,
    /// What is done about values that the type cannot hold.
    pub misfits: Option<MisfitPolicy>,
    /// What takes their place where that is `default`, written as the source would write it.
    pub default: Option<DefaultValue>,
}

/// What is done about values that a column's type cannot hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MisfitPolicy {
    /// Their rows are set aside in the ledger.
    #[default]
    Reject,
    /// They become NULL.
    Null,
    /// The column's `default` takes their place.
    Default,
    /// The column gets a type that carries everything: text, or bytea.
    Widen,
    /// Nothing is loaded.
    Fail,
}

/// A value in the pipeline file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum DefaultValue {
    /// `true` or `false`
    Boolean(bool),
    /// An integer
    Integer(i64),
    /// A float
    Float(f64),
    /// A text
    Text(String),
}

impl ColumnSection {
    /// Whether anything is said about the type or what values mean.
    pub fn is_about_the_type(&self) -> bool {
        let time = self.from.is_some() || self.zone.is_some() || self.equals.is_some();
        self.kind.is_some() || time
    }

    /// The same without what may change while a migration is under way: what is done about misfits.
    fn lasting(&self) -> Self {
        let equals = self.equals.clone().map(Equals::anywhere);
        Self { misfits: None, default: None, equals, ..self.clone() }
    }
}

fn public() -> String {
    "public".into()
}

impl Pipeline {
    /// Reads a pipeline file.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where it cannot be read or says something unknown.
    pub fn read(path: &Path) -> Result<Self> {
        let at = || format!("pipeline file {}", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new(Class::Usage, "cannot be read").because(error).at(at()))?;
        let mut pipeline = Self::parse(&text).map_err(|error| error.at(at()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        pipeline.source.path = folder.join(&pipeline.source.path);
        if let Some(archive) = &mut pipeline.archive {
            archive.begin_in(folder);
        }
        Ok(pipeline)
    }

    /// Reads a pipeline file's text.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`] where it says something unknown.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pipeline: Self = toml::from_str(text)
            .map_err(|error| Error::new(Class::Usage, "cannot be understood").because(error))?;
        let columns = pipeline.tables.values_mut().flat_map(|table| table.columns.values_mut());
        columns.filter_map(|column| column.equals.as_mut()).for_each(|said| said.find_line(text));
        pipeline.cutover.check()?;
        pipeline.snapshot.check()?;
        pipeline.archive.as_ref().map_or(Ok(()), ArchiveSection::check)?;
        Ok(pipeline)
    }

    /// The pipeline file that says nothing but source and target.
    pub fn of(source: &Path, target: &str) -> Self {
        Self {
            name: None,
            source: SourceSection {
                path: source.into(),
                accept_corrupt: false,
                census: Census::default(),
            },
            target: TargetSection {
                url: target.into(),
                schema: public(),
                existing: ExistingPolicy::default(),
                identifiers: Identifiers::default(),
            },
            snapshot: SnapshotSection::default(),
            follow: FollowSection::default(),
            cutover: CutoverSection::default(),
            archive: None,
            tables: BTreeMap::new(),
        }
    }

    /// The migration's name.
    pub fn name(&self) -> String {
        let stem = || self.source.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        self.name.clone().or_else(stem).unwrap_or_else(|| "source".into())
    }

    /// blake3 of what is said about chunks and names: a migration that has begun cannot go on under other settings.
    pub fn settings_hash(&self) -> String {
        let Self { target, snapshot, .. } = self;
        let (name, schema, bytes) = (self.name(), &target.schema, snapshot.chunk_bytes);
        let said = format!("{name:?} {schema} {:?} {bytes}", target.identifiers);
        blake3::hash(said.as_bytes()).to_hex().to_string()
    }

    /// The same of what is said about one table, but for what is done about misfits.
    pub fn table_settings_hash(&self, table: &str) -> String {
        let nothing = TableSection::default();
        let section = self.tables.get(table).unwrap_or(&nothing);
        let columns = section.columns.iter().map(|(column, said)| (column, said.lasting()));
        let lasting: Vec<_> =
            columns.filter(|(_, said)| *said != ColumnSection::default()).collect();
        let existing = self.existing(table);
        let said =
            format!("{existing:?} {:?} {:?} {lasting:?}", section.generated, section.capture);
        blake3::hash(said.as_bytes()).to_hex().to_string()
    }

    /// What is done if a table's target exists and holds rows.
    pub fn existing(&self, table: &str) -> ExistingPolicy {
        let said = self.tables.get(table).and_then(|section| section.existing);
        said.unwrap_or(self.target.existing)
    }

    /// Whether the generated columns of a table become plain ones.
    pub fn generated_as_values(&self, table: &str) -> bool {
        self.tables.get(table).is_some_and(|said| said.generated == GeneratedColumns::Values)
    }

    /// Which changes of a table are logged while it is followed.
    pub fn capture_of(&self, table: &str) -> CaptureWord {
        self.tables.get(table).map(|said| said.capture).unwrap_or_default()
    }

    /// What is said of a column, if anything.
    pub fn column(&self, table: &str, column: &str) -> Option<&ColumnSection> {
        self.tables.get(table)?.columns.get(column)
    }
}

#[cfg(test)]
mod tests {
    use super::{Pipeline, TimeSource};

    #[test]
    fn a_pipeline_file_says_what_it_says() {
        let pipeline = Pipeline::parse(
            r#"
            name = "gecko"
            [source]
            path = "gecko_data.db"
            [target]
            url = "postgresql://localhost/gecko"
            [tables.ohlcv_data.columns]
            datetime = { type = "timestamptz", from = "iso8601", zone = "America/Denver" }
            "#,
        )
        .unwrap();
        let column = pipeline.column("ohlcv_data", "datetime").unwrap();
        assert_eq!(column.from, Some(TimeSource::Iso8601));
        assert_eq!(column.zone.as_deref(), Some("America/Denver"));
        assert_eq!(pipeline.target.schema, "public");
        assert_eq!(pipeline.snapshot.chunk_bytes, 16 << 20);
    }

    #[test]
    fn another_case_of_names_is_another_setting() {
        let parse = |said: &str| {
            let text = format!("[source]\npath = 'a.db'\n[target]\nurl = 'local'\n{said}");
            Pipeline::parse(&text)
        };
        let (nothing, preserve, lower) = (
            parse("").unwrap(),
            parse("identifiers = 'preserve'").unwrap(),
            parse("identifiers = 'lower'").unwrap(),
        );
        assert_eq!(nothing.settings_hash(), preserve.settings_hash());
        assert_ne!(preserve.settings_hash(), lower.settings_hash());
        assert_eq!(lower.target.identifiers.fold("Größe ÄÖ_X"), "größe ÄÖ_x");
        assert_eq!(parse("identifiers = 'upper'").unwrap_err().class().exit_code(), 2);
    }

    #[test]
    fn what_is_said_of_a_table_as_a_whole_is_a_setting() {
        let hash = |said: &str| {
            let text = format!("[source]\npath = 'a.db'\n[target]\nurl = 'local'\n{said}");
            Pipeline::parse(&text).unwrap().table_settings_hash("t")
        };
        let nothing = hash("");
        for default in ["[tables.t]", "[tables.t]\nexisting = 'refuse'\ngenerated = 'computed'"] {
            assert_eq!(hash(default), nothing, "{default}");
        }
        let (values, truncate) =
            (hash("[tables.t]\ngenerated = 'values'"), hash("[tables.t]\nexisting = 'truncate'"));
        assert!(values != nothing && truncate != nothing && values != truncate);
        assert_eq!(nothing, hash("[tables.u]\ngenerated = 'values'"));
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        let text = "[source]\npath = 'a.db'\nmode = 'fast'\n[target]\nurl = 'local'\n";
        let error = Pipeline::parse(text).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("mode"));
    }
}
