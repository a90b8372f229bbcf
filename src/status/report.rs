//! The result of a run or a verification: tables with their rows and digests, times, warnings, differences.

use crate::error::Class;
use crate::proof::{DifferenceKind, TableProof};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The phase of a followed migration that is loaded, and was found equal.
pub const FOLLOWING: &str = "following";
/// The phase in which everything is loaded, and was found different.
pub const NOT_EQUAL: &str = "not equal";

/// What a journey came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was asked for.
    pub command: &'static str,
    /// How far the migration has come.
    pub phase: String,
    /// Tables in name order.
    pub tables: Vec<TableReport>,
    /// How long each phase took, in order.
    pub phases: Vec<(&'static str, Duration)>,
    /// Rows that this run copied.
    pub copied_rows: u64,
    /// What the user should look at.
    pub warnings: Vec<String>,
    /// Where rows differ.
    pub differences: Vec<Differences>,
    /// Values that do not fit.
    pub misfits: Vec<Misfits>,
    /// What of the source cannot be read, and what its check found where that was accepted; none of it is compared.
    pub losses: Losses,
    /// How far a followed source is applied.
    pub position: Option<Heads>,
    /// The newest generation of the archive, where there is one.
    pub archive: Option<ArchiveReport>,
}

/// A generation of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveReport {
    /// Where the archive is.
    pub url: String,
    /// The generation's number.
    pub generation: u64,
    /// What tells it from any other: the hash of its manifest.
    pub hash: String,
    /// The hash of what it holds, the same for the same rows.
    pub root: String,
    /// Its files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// How far a followed source is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Heads {
    /// The highest touch that the source has.
    pub source: i64,
    /// The highest one that is applied.
    pub applied: i64,
}

/// Values of one column that do not fit, for one reason.
#[derive(Debug, Clone, Serialize)]
pub struct Misfits {
    /// The source table's name.
    pub table: String,
    /// The column's name.
    pub column: String,
    /// Why they do not fit.
    pub reason: String,
    /// What was done about them: `reject`, `null` or `default`.
    pub policy: String,
    /// How many.
    pub values: u64,
    /// The row of the first of them.
    pub example: String,
}

/// What of the source cannot be read, or not be trusted.
#[derive(Debug, Clone, Default)]
pub struct Losses {
    /// Tables and ranges of rows that cannot be read.
    pub unreadable: Vec<Unread>,
    /// What SQLite's check of the file found.
    pub damage: Vec<String>,
}

/// Rows of the source that cannot be read.
#[derive(Debug, Clone, Serialize)]
pub struct Unread {
    /// The source table's name.
    pub table: String,
    /// Its rowids, from and to; none where no row of the table can be read.
    pub rowids: Option<(i64, i64)>,
    /// Why, in SQLite's words, where that is known.
    pub reason: Option<String>,
}

impl Losses {
    /// Whether nothing is lost.
    pub fn is_empty(&self) -> bool {
        self.unreadable.is_empty() && self.damage.is_empty()
    }
}

/// One table.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// The source table's name.
    pub name: String,
    /// Rows of the source, those set aside included.
    pub source_rows: u64,
    /// Rows of the target; none while it was not read back.
    pub target_rows: Option<u64>,
    /// Rows that were set aside.
    pub rejected: u64,
    /// The digest of the source's rows, in hexadecimal.
    pub digest_source: Option<String>,
    /// The digest of the target's rows.
    pub digest_target: Option<String>,
    /// Whether they are equal; none while it was not read back, and where the table is only copied.
    pub equal: Option<bool>,
    /// Rows that were copied and that the target still has so, where the table is not followed though its source is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_rows: Option<u64>,
}

/// Where the rows of one table differ.
#[derive(Debug, Clone, Serialize)]
pub struct Differences {
    /// The source table's name.
    pub table: String,
    /// Rows that the target lacks.
    pub missing: u64,
    /// Rows that the target has too many.
    pub extra: u64,
    /// Rows with other values.
    pub changed: u64,
    /// Whether these are all, or the search ended early.
    pub complete: bool,
    /// The first of them.
    pub rows: Vec<ShownDifference>,
}

/// One row that differs, for people.
#[derive(Debug, Clone, Serialize)]
pub struct ShownDifference {
    /// `missing`, `extra` or `changed`.
    pub kind: &'static str,
    /// Its key.
    pub key: String,
    /// The chunk or bucket it was found in.
    pub group: usize,
    /// The columns that differ: name, the source's value, the target's value.
    pub columns: Vec<(String, String, String)>,
}

impl TableReport {
    /// A table that was compared.
    pub fn proved(proof: &TableProof, rejected: u64) -> Self {
        Self {
            name: proof.table.clone(),
            source_rows: proof.source.rows + rejected,
            target_rows: Some(proof.target.rows),
            rejected,
            digest_source: Some(proof.source.to_string()),
            digest_target: Some(proof.target.to_string()),
            equal: Some(proof.equal()),
            copied_rows: None,
        }
    }

    /// A table that is not followed: the target was compared with what was copied, and not with the source as it is now.
    pub fn copied(proof: &TableProof, rejected: u64) -> Self {
        let proved = Self::proved(proof, rejected);
        let is_as_copied = proof.equal();
        Self {
            equal: (!is_as_copied).then_some(false),
            copied_rows: is_as_copied.then_some(proof.source.rows),
            ..proved
        }
    }

    /// A table that was not read back yet.
    pub fn unproved(name: &str, source_rows: u64, rejected: u64) -> Self {
        Self {
            name: name.into(),
            source_rows,
            target_rows: None,
            rejected,
            digest_source: None,
            digest_target: None,
            equal: None,
            copied_rows: None,
        }
    }
}

impl Differences {
    /// Counts one more.
    pub fn count(&mut self, kind: DifferenceKind, times: u64) {
        match kind {
            DifferenceKind::Missing => self.missing += times,
            DifferenceKind::Extra => self.extra += times,
            DifferenceKind::Changed => self.changed += times,
        }
    }
}

impl Report {
    /// Whether nothing that was compared differs, and nothing was left out.
    pub fn ok(&self) -> bool {
        self.failure().is_none()
    }

    /// Rows that are set aside.
    pub fn rejected(&self) -> u64 {
        self.tables.iter().map(|table| table.rejected).sum()
    }

    /// Whether nothing that was compared differs.
    pub fn equal(&self) -> bool {
        self.differences.is_empty() && self.tables.iter().all(|table| table.equal != Some(false))
    }

    /// Whether the last comparison found rows that differ, perhaps an earlier command's.
    pub fn differs(&self) -> bool {
        self.phase == NOT_EQUAL
    }

    /// As what it fails, if it does.
    pub fn failure(&self) -> Option<Class> {
        if !self.equal() {
            Some(Class::NotEqual)
        } else if !self.losses.is_empty() || self.rejected() > 0 {
            Some(Class::Data)
        } else {
            None
        }
    }

    /// Whether every table was compared and is equal, or as it was copied.
    pub fn proved(&self) -> bool {
        self.tables.iter().all(|table| table.equal == Some(true) || table.copied_rows.is_some())
    }

    /// Tables that are only as they were copied.
    pub fn copied_tables(&self) -> usize {
        self.tables.iter().filter(|table| table.copied_rows.is_some()).count()
    }

    /// All phases together.
    pub fn duration(&self) -> Duration {
        self.phases.iter().map(|(_, duration)| *duration).sum()
    }

    /// Rows that were copied in a second of the snapshot; none where nothing was copied.
    pub fn rows_per_second(&self) -> Option<f64> {
        let snapshot = self.phases.iter().find(|(name, _)| *name == "snapshot")?.1.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rounded speed")]
        let rows = self.copied_rows as f64;
        (self.copied_rows > 0 && snapshot > 0.0).then(|| (rows / snapshot).round())
    }

    /// The one object that `--json` prints.
    pub fn to_json(&self) -> Value {
        let phases: Map<_, _> = self
            .phases
            .iter()
            .map(|(name, duration)| ((*name).into(), seconds(*duration)))
            .collect();
        let mut object = json!({
            "command": self.command,
            "phase": self.phase,
            "ok": self.ok(),
            "tables": self.tables,
            "position": {
                "source": self.position.map(|heads| heads.source),
                "applied": self.position.map(|heads| heads.applied),
            },
            "seconds": seconds(self.duration()),
            "phases": phases,
            "copied_rows": self.copied_rows,
            "rows_per_second": self.rows_per_second(),
            "warnings": self.warnings,
        });
        if let Some(object) = object.as_object_mut() {
            let mut insert = |name: &str, is_empty: bool, value: Value| {
                if !is_empty {
                    object.insert(name.into(), value);
                }
            };
            insert("archive", self.archive.is_none(), json!(self.archive));
            insert("misfits", self.misfits.is_empty(), json!(self.misfits));
            insert("differences", self.differences.is_empty(), json!(self.differences));
            let Losses { unreadable, damage } = &self.losses;
            insert("unreadable", unreadable.is_empty(), json!(unreadable));
            insert("damage", damage.is_empty(), json!(damage));
        }
        object
    }
}

/// Seconds with milliseconds.
fn seconds(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}
