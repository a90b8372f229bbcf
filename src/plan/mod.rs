//! Evidence in, decisions out: types, names, tables, indexes, keys, each with its DDL. No I/O.
//!
//! A [`Plan`] is complete: what runs later reads it and decides nothing. It is kept in the ledger, and its hash with
//! every run.

pub mod advice;
pub mod anew;
mod aside;
mod build;
mod chunks;
mod ddl;
pub mod estimate;
mod existing;
pub mod expression;
pub mod file;
pub mod fit;
mod follow;
pub mod generated;
mod identity;
mod keys;
mod limits;
mod names;
mod offenders;
mod onto;
mod references;
mod restored;
mod retake;
mod sampled;
pub mod types;
pub mod unique;

pub use aside::PutAside;
pub use build::{Facts, build};
pub use follow::{check_key_is_kept, copy_said};
pub use limits::check_columns;

use crate::error::{Error, Result};
use crate::model::identifier::quoted;
use crate::model::{
    Capture, EnumType, Motion, RowRange, Sample, Stretch, TableSchema, TargetTable, UnreadableTable,
};
use serde::{Deserialize, Serialize};
use types::Hint;
use unique::UniqueKey;

/// Everything decided about one migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this form of plan; see [`Plan::FORMAT`].
    pub format: u32,
    /// The migration's name.
    pub name: String,
    /// The target's schema.
    pub target_schema: String,
    /// blake3 of the source's schema.
    pub source_schema: String,
    /// blake3 of what the pipeline file says, but for what it says about tables.
    pub settings: String,
    /// Tables in name order.
    pub tables: Vec<PlannedTable>,
    /// Foreign keys, after all tables are loaded.
    pub foreign_keys: Vec<Step>,
    /// What is put aside before the load in tables that exist, in order; steps put it back.
    pub aside: Vec<PutAside>,
    /// Triggers of tables that exist, which fire again after everything else.
    pub triggers: Vec<Step>,
    /// What the target will not have, each with the reason and the SQL.
    pub left_behind: Vec<LeftBehind>,
    /// What has another name than in the source, folded names not counted.
    pub renames: Vec<Rename>,
    /// What of the source cannot be read, or not be trusted.
    #[serde(default)]
    pub damage: Damage,
    /// Whether the source is written to meanwhile, and followed.
    #[serde(default)]
    pub is_followed: bool,
    /// The first number that no table has in the changelog, or had; it only grows.
    pub next_number: i64,
}

/// What of a source cannot be read, or not be trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// What SQLite's own check of the file says, accepted by the user.
    pub found: Vec<String>,
    /// Tables that no row can be read of.
    pub tables: Vec<UnreadableTable>,
}

/// A name of the source that the target could not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// `table`, `column`, `index` or `check`.
    pub kind: String,
    /// The source table.
    pub table: String,
    /// The name in the source.
    pub source: String,
    /// The name in the target.
    pub target: String,
    /// Why.
    pub reason: String,
}

/// One table with all its DDL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedTable {
    /// The shape in which rows travel.
    pub schema: TableSchema,
    /// blake3 of what the pipeline file says about it.
    pub settings: String,
    /// What the census saw, by which a source that changed is told from one that was only touched; none where it was a
    /// sample.
    pub stretches: Vec<Stretch>,
    /// How much the census looked at, where that is not all; then rows and bytes are estimates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// Ranges of rows that cannot be read; no chunk covers them.
    #[serde(default)]
    pub unreadable: Vec<RowRange>,
    /// CREATE TABLE, bare but for NOT NULL, defaults and identity; empty where the table exists.
    pub create: String,
    /// The table as it was found, where it exists.
    pub existing: Option<Existing>,
    /// Keys, indexes and checks, in the order in which they are made after the load.
    pub steps: Vec<Step>,
    /// The identity column.
    pub identity: Option<Identity>,
    /// How it is followed, where the source is written to meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// Whether the user has let it go, because the source has it no more: its rows in the target stay as they were last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_gone: bool,
    /// Why each column is what it is.
    pub columns: Vec<ColumnReport>,
    /// What the user should know of the table.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A table that exists, and how the source fits it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Existing {
    /// The table as it was found.
    pub found: TargetTable,
    /// Its columns that the source does not have, which get what the target gives them.
    pub extra: Vec<String>,
    /// Whether the rows that it holds are deleted before the load.
    pub truncate: bool,
    /// Sequences that loaded columns take their values from.
    pub sequences: Vec<Sequence>,
}

/// A sequence of a table that exists, and where it must not fall back behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The sequence, as quoted SQL.
    pub name: String,
    /// The target column that takes its values from it.
    pub column: String,
    /// The highest value that the source has, or gave out once and remembers.
    pub given_out: Option<i64>,
}

/// One statement after the load; done once, and noted in the ledger in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it makes.
    pub kind: StepKind,
    /// The name of what it makes, unique in the plan.
    pub name: String,
    /// The target table, for messages.
    pub table: String,
    /// The statement.
    pub sql: String,
    /// A statement that checks the rows that are there, in a transaction of its own.
    pub validate: Option<String>,
    /// A query for the rows that the check does not allow: their number, and the keys of the first ones.
    #[serde(default)]
    pub offenders: Option<String>,
    /// Statements that make something like it where values are too long for an index; none where there is nothing like it.
    #[serde(default)]
    pub instead: Vec<String>,
    /// What the user should know of it before it is made.
    #[serde(default)]
    pub note: Option<String>,
    /// What must differ in all rows, where it is made of what the source has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<UniqueKey>,
}

/// What a step makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A primary key.
    PrimaryKey,
    /// A UNIQUE constraint or a unique index.
    Unique,
    /// Any other index.
    Index,
    /// A CHECK constraint.
    Check,
    /// A foreign key.
    ForeignKey,
    /// A trigger, which fires again.
    Trigger,
}

impl Step {
    /// Kind and name: what the ledger and messages call it.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.kind.name(), self.name)
    }

    /// What the ledger calls its check of the rows.
    pub fn validation_name(&self) -> String {
        format!("validation of {}", self.full_name())
    }

    /// All that the ledger notes of it.
    pub fn ledger_names(&self) -> [String; 2] {
        [self.full_name(), self.validation_name()]
    }
}

impl Rename {
    fn in_words(&self) -> String {
        let Self { kind, table, source, target, reason } = self;
        let place = if kind == "table" { String::new() } else { format!("table {table:?}: ") };
        format!("{place}{kind} {source:?} becomes {target:?}: {reason}")
    }
}

impl StepKind {
    /// The words for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrimaryKey => "primary key",
            Self::Unique => "unique key",
            Self::Index => "index",
            Self::Check => "check",
            Self::ForeignKey => "foreign key",
            Self::Trigger => "trigger",
        }
    }
}

/// An identity column and where its sequence must not fall back behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The target column.
    pub column: String,
    /// The sequence's name.
    pub sequence: String,
    /// The highest value that the source has, or gave out once and remembers.
    pub given_out: Option<i64>,
}

/// Why a column is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// The type that the source declares.
    pub declared: String,
    /// Why the target's type was chosen.
    pub reason: String,
    /// What the census saw, in words.
    pub evidence: String,
    /// Whether this is another kind of type than declared.
    pub warning: bool,
    /// Values that the census saw and the column cannot hold, at least.
    #[serde(default)]
    pub strays: u64,
    /// Whether it carries everything because the pipeline file says so.
    #[serde(default)]
    pub widened: bool,
    /// What the pipeline file could say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
}

/// Something of the source that the target will not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// `view`, `trigger`, `index`, `check`, `default`, `foreign key`, …
    pub kind: String,
    /// Its name, or its table's and column's.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Its SQL in the source.
    pub sql: String,
}

impl Plan {
    /// The version of the form of plans that this liteferry writes and reads.
    pub const FORMAT: u32 = 3;

    /// The plan as kept in the ledger.
    ///
    /// # Errors
    ///
    /// None that a plan can cause.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::internal("the plan cannot be written down").because(error))
    }

    /// A plan from the ledger.
    ///
    /// # Errors
    ///
    /// A plan of another liteferry, or a damaged one.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            Error::new(crate::Class::Undecided, "the plan in the ledger cannot be read")
                .todo("it was made by another version of liteferry: go on with that version, or drop what it created and begin again")
                .because(error)
        })
    }

    /// blake3 of the plan, in hexadecimal.
    ///
    /// # Errors
    ///
    /// None that a plan can cause.
    pub fn hash(&self) -> Result<String> {
        Ok(blake3::hash(self.to_json()?.as_bytes()).to_hex().to_string())
    }

    /// All steps after the load, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let tables = self.tables.iter().flat_map(|table| &table.steps);
        tables.chain(&self.foreign_keys).chain(&self.triggers)
    }

    /// Whether the source is written to meanwhile.
    pub fn motion(&self) -> Motion {
        if self.is_followed { Motion::Moving } else { Motion::AtRest }
    }

    /// Whether a step is not done while the source is followed: deltas are applied to tables that refer to nothing, and
    /// whose triggers do not fire. Nor do they check rows: SQLite does not look at the columns that an UPDATE leaves as
    /// they are, and changes a row that PostgreSQL would refuse.
    pub fn waits(&self, step: &Step) -> bool {
        use StepKind::{Check, ForeignKey, Trigger};
        self.is_followed && matches!(step.kind, Check | ForeignKey | Trigger)
    }

    /// What a followed target has not yet, in words.
    pub fn waiting(&self) -> Option<String> {
        let kinds = [(StepKind::ForeignKey, "foreign keys"), (StepKind::Check, "checks")];
        let counted = kinds.into_iter().filter_map(|(kind, words)| {
            let steps = self.steps().filter(|step| step.kind == kind && self.waits(step));
            let count = steps.count();
            (count > 0).then(|| format!("{count} {words}"))
        });
        let counted: Vec<_> = counted.collect();
        (!counted.is_empty()).then(|| {
            format!(
                "{} are not made while the source is followed: rows are applied as the source has them, in an order of \
                 their own",
                counted.join(" and ")
            )
        })
    }

    /// The step that makes an index of a table, by their names in the target.
    pub fn index(&self, table: &str, name: &str) -> Option<&Step> {
        let put_back = format!("{name} of {}.{table}", self.target_schema);
        let mut steps = self.steps().filter(|step| step.kind == StepKind::Index);
        steps.find(|step| step.table == table && [name, &put_back].contains(&step.name.as_str()))
    }

    /// The statement that drops an index; it does nothing where that is done.
    pub fn drop_index(&self, name: &str) -> String {
        format!("DROP INDEX IF EXISTS {}.{}", quoted(&self.target_schema), quoted(name))
    }

    /// The tables that do not exist.
    pub fn created(&self) -> impl Iterator<Item = &PlannedTable> {
        self.tables.iter().filter(|table| table.existing.is_none())
    }

    /// The names of all relations that this plan creates: tables, sequences and indexes.
    pub fn relations(&self) -> Vec<String> {
        let sequences = self.tables.iter().filter_map(|table| table.identity.as_ref());
        let indexes = self.steps().filter(|step| {
            !matches!(step.kind, StepKind::Check | StepKind::ForeignKey) && !self.puts_back(step)
        });
        let tables = self.created().map(|table| &table.schema.target);
        let enums = self.enums().map(|named| &named.name);
        let all = tables.chain(enums).chain(sequences.map(|identity| &identity.sequence));
        all.chain(indexes.map(|step| &step.name)).cloned().collect()
    }

    /// The enums that are created before the tables.
    pub fn enums(&self) -> impl Iterator<Item = &EnumType> {
        self.created().flat_map(ddl::enums)
    }

    /// The SQL that creates the target's schema.
    pub fn create_schema(&self) -> String {
        format!("CREATE SCHEMA {}", quoted(&self.target_schema))
    }

    /// The SQL that creates the enums and then the tables, one statement after the other.
    pub fn create_tables(&self) -> impl Iterator<Item = String> {
        let tables = self.created().map(|table| table.create.clone());
        self.enums().map(ddl::create_enum).chain(tables)
    }

    /// The SQL that drops the tables that this plan creates, and nothing else.
    pub fn drop_tables(&self) -> String {
        ddl::drop_tables(self)
    }

    /// What of the source the target will not have because it cannot be read, one line each; and what makes that
    /// likely elsewhere.
    pub fn losses(&self) -> Vec<String> {
        let tables = self.damage.tables.iter().map(|table| {
            format!("table {}: no row of it can be read: {}", table.name, table.reason)
        });
        let ranges = self.tables.iter().flat_map(|table| {
            table
                .unreadable
                .iter()
                .map(|range| format!("table {}: {range} cannot be read", table.schema.source))
        });
        let found = self.damage.found.iter().map(|line| format!("the source is damaged: {line}"));
        tables.chain(ranges).chain(found).collect()
    }

    /// What the user should look at, in words.
    pub fn warnings(&self) -> Vec<String> {
        let columns = self.tables.iter().flat_map(|table| {
            let named = table
                .schema
                .columns
                .iter()
                .zip(&table.columns)
                .filter(|(_, report)| report.warning);
            named.map(|(column, report)| {
                let declared =
                    if report.declared.is_empty() { "without type" } else { &report.declared };
                let hint = report.hint.as_ref().map(|hint| format!("; {}", hint.in_words()));
                format!(
                    "table {}: column {}: declared {declared}, becomes {}: {}{}",
                    table.schema.source,
                    column.source,
                    column.pg,
                    report.reason,
                    hint.unwrap_or_default()
                )
            })
        });
        let of_table = |table: &str, note: &str| format!("table {table}: {note}");
        let tables = self
            .tables
            .iter()
            .flat_map(|table| table.notes.iter().map(|note| of_table(&table.schema.source, note)));
        let steps = self.steps().filter_map(|step| {
            let note = format!("{}: {}", step.full_name(), step.note.as_ref()?);
            Some(of_table(&step.table, &note))
        });
        let left = self.left_behind.iter().map(|left| {
            format!("{} {} is not carried over: {}", left.kind, left.name, left.reason)
        });
        let renames = self.renames.iter().map(Rename::in_words);
        let losses = self.losses().into_iter();
        let sample = self.sample_in_words().into_iter();
        losses
            .chain(sample)
            .chain(renames)
            .chain(columns)
            .chain(tables)
            .chain(steps)
            .chain(left)
            .collect()
    }
}
