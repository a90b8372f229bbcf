//! What a target's table that exists says: columns, keys, indexes, triggers, as read, nothing decided.
//!
//! A plan keeps it, so that everything that is put aside for the load can be put back as it was, and so that a table
//! that was changed meanwhile is noticed.

use super::{EnumType, PgType};
use serde::{Deserialize, Serialize};

/// A relation of the target that has the name of a source table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub struct TargetTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TargetKind,
    /// Its owner.
    pub owner: String,
    /// The role that liteferry is connected as.
    pub role: String,
    /// Whether that role may do what the owner may.
    pub owned: bool,
    /// Whether that role may create indexes in the schema.
    pub may_create: bool,
    /// Whether row level security stands between that role and the rows.
    pub row_security: bool,
    /// Whether rows are there.
    pub has_rows: bool,
    /// Columns in order.
    pub columns: Vec<TargetColumn>,
    /// Its own constraints, and foreign keys of other tables that reference it, in the order of their names.
    pub constraints: Vec<TargetConstraint>,
    /// Indexes that no constraint stands on, in the order of their names.
    pub indexes: Vec<TargetIndex>,
    /// The user's triggers in the order of their names.
    pub triggers: Vec<TargetTrigger>,
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// An ordinary table.
    Table,
    /// A table that a crash of the server empties.
    Unlogged,
    /// A table that inherits from another, or that another inherits from.
    Inheriting,
    /// A partitioned table.
    Partitioned,
    /// A partition of a table.
    Partition,
    /// A table of another server.
    Foreign,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub struct TargetColumn {
    /// Its name.
    pub name: String,
    /// Its type as the server writes it.
    pub type_name: String,
    /// The same, where liteferry writes it.
    pub pg: Option<PgType>,
    /// Digits of a second's fraction that it keeps, where it does not keep all.
    #[serde(default)]
    pub fraction: Option<u8>,
    /// Whether its type is a domain over that one, whose CHECKs each value must keep.
    #[serde(default)]
    pub domain: bool,
    /// Name and labels of an enum.
    pub enum_type: Option<EnumType>,
    /// Whether it is NOT NULL, or its domain is.
    pub not_null: bool,
    /// Its DEFAULT.
    pub default: Option<String>,
    /// Whether it is an identity.
    pub identity: bool,
    /// Whether the server computes it from others.
    pub generated: bool,
    /// Its collation, where it has one.
    pub collation: Option<String>,
    /// The ascending sequence that its values come from, as quoted SQL.
    pub sequence: Option<String>,
    /// Whether the role may read and set that sequence.
    pub may_set: bool,
}

/// What a constraint demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// PRIMARY KEY
    PrimaryKey,
    /// UNIQUE
    Unique,
    /// EXCLUDE
    Exclusion,
    /// CHECK
    Check,
    /// FOREIGN KEY
    ForeignKey,
}

/// A constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts that have nothing to do with each other")]
pub struct TargetConstraint {
    /// The schema of its table; another table's for a foreign key that references this one.
    pub schema: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// What it demands.
    pub kind: ConstraintKind,
    /// Its SQL, as `pg_get_constraintdef` gives it.
    pub definition: String,
    /// Whether all rows were found to keep it.
    pub validated: bool,
    /// `DEFERRABLE` and `INITIALLY DEFERRED`, where it is so.
    pub deferral: String,
    /// The columns of a key, by name.
    pub columns: Vec<String>,
    /// The index behind a key.
    pub index: Option<TargetIndex>,
    /// Its COMMENT.
    pub comment: Option<String>,
    /// Whether something else hangs on it, so that it cannot go.
    pub pinned: bool,
    /// The owner of its table.
    pub owner: String,
    /// Whether the role may do what that owner may.
    pub owned: bool,
    /// Whether its table is partitioned.
    pub partitioned: bool,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetIndex {
    /// Its name.
    pub name: String,
    /// Its SQL, as `pg_get_indexdef` gives it.
    pub definition: String,
    /// Whether it is unique.
    pub unique: bool,
    /// The columns that are unique together; empty where it is partial, or over expressions.
    pub columns: Vec<String>,
    /// Whether NULL is as one more value of these, instead of differing from all others.
    #[serde(default)]
    pub nulls_are_one: bool,
    /// Its COMMENT.
    pub comment: Option<String>,
    /// Whether it must stay: something else hangs on it, or its SQL does not say all that it is.
    pub pinned: bool,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetTrigger {
    /// Its name.
    pub name: String,
    /// Its SQL, as `pg_get_triggerdef` gives it.
    pub definition: String,
    /// When it fires, as `pg_trigger.tgenabled` has it: `O`, `R`, `A` or, never, `D`.
    pub enabled: String,
}

impl TargetKind {
    /// The words for messages, with their article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Unlogged => "an unlogged table",
            Self::Inheriting => "a table with inheritance",
            Self::Partitioned => "a partitioned table",
            Self::Partition => "a partition of a table",
            Self::Foreign => "a foreign table",
            Self::View => "a view",
            Self::MaterializedView => "a materialized view",
        }
    }
}
