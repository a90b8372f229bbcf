//! Whether everything is still as it was installed.
//!
//! Asked in the read transaction in which the log is read. The schema is only looked through where its version is not
//! the one that was found in order last; three rows are read each time besides.

use super::finding::Finding;
use super::meta::Meta;
use super::standing::{Standing, TableStanding};
use super::{LOG, is_ours};
use crate::error::Result;
use crate::store::sqlite::connection::Refused as _;
use crate::store::sqlite::read::Reader;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// Watches a source that is followed.
#[derive(Debug)]
pub struct Watch {
    identity: String,
    /// The schema's version when it was last found in order.
    in_order: Option<i64>,
}

/// What the target has of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known<'a> {
    /// Up to where the log was read; 0: nothing of it.
    pub position: i64,
    /// The nonce that was seen last; none: there was none yet.
    pub nonce: Option<&'a str>,
}

/// What is known of a source at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The nonce, to be noted in the target; empty where there is none.
    pub nonce: String,
    /// The highest number in the log; 0 where it is empty.
    pub last: i64,
    /// What is not as it was; nothing where all is in order.
    pub findings: Vec<Finding>,
}

impl Watch {
    /// Watches over the changelog of this identity.
    pub fn new(identity: &str) -> Self {
        Self { identity: identity.into(), in_order: None }
    }

    /// Looks whether the source is as it was, where the log was read up to `position` (0: nothing of it) and `noted` is
    /// the nonce that was seen last (none: there was none yet).
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn look(&mut self, reader: &Reader, position: i64, noted: Option<&str>) -> Result<Seen> {
        let known = Known { position, nonce: noted };
        reader.in_one_state(|connection| self.look_at(connection, &known))
    }

    /// The same through a connection that has a transaction.
    pub(super) fn look_at(&mut self, connection: &Connection, known: &Known<'_>) -> Result<Seen> {
        self.found(connection, known.position, known.nonce).refused(|| "source".into())
    }

    fn found(
        &mut self,
        connection: &Connection,
        position: i64,
        noted: Option<&str>,
    ) -> rusqlite::Result<Seen> {
        let gone = |finding| Seen { nonce: String::new(), last: 0, findings: vec![finding] };
        let Some(meta) = Meta::read(connection)? else { return Ok(gone(Finding::Gone)) };
        if meta.identity != self.identity {
            return Ok(gone(Finding::Another { identity: meta.identity }));
        }
        let Some(bounds) = Bounds::of(connection)? else { return Ok(gone(Finding::Gone)) };
        let Bounds { is_emptied, first, last } = bounds;
        let mut findings = Vec::new();
        if !noted.is_none_or(|noted| meta.goes_on_from(&self.identity, noted)) {
            findings.push(Finding::Restored);
        }
        if is_emptied {
            findings.push(Finding::Emptied { position });
        } else if last < position {
            findings.push(Finding::Regressed { position, last });
        } else if first > position.saturating_add(1) {
            findings.push(Finding::Gap { position, first });
        }
        if !meta.is_numbered_as_before {
            let tables = Meta::standing(connection)?.tables;
            let keyless = tables.into_iter().filter(|(_, table)| table.is_keyless);
            findings.extend(keyless.map(|(table, _)| Finding::Renumbered { table }));
        }
        let version = connection.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
        if self.in_order != Some(version) {
            let before = Meta::standing(connection)?;
            let changes = changes(&before, &before.again(connection)?);
            self.in_order = changes.is_empty().then_some(version);
            findings.extend(changes);
        }
        Ok(Seen { nonce: meta.nonce, last, findings })
    }
}

/// How far the log goes.
struct Bounds {
    /// Whether row 0 is gone, so that the numbers may have begun again.
    is_emptied: bool,
    /// The lowest number of a touch, 1 where there is none.
    first: i64,
    /// The highest number, 0 where there is no touch.
    last: i64,
}

impl Bounds {
    /// Of the log; none where there is none.
    fn of(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let there =
            "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?1)";
        if !connection.query_row(there, [LOG], |row| row.get(0))? {
            return Ok(None);
        }
        // Each by itself is found at an end of the log.
        let sql = format!(
            "SELECT NOT EXISTS (SELECT 1 FROM main.{LOG} WHERE seq = 0),
                    coalesce((SELECT min(seq) FROM main.{LOG} WHERE seq > 0), 1),
                    coalesce((SELECT max(seq) FROM main.{LOG}), 0)"
        );
        let read = |row: &Row<'_>| {
            Ok(Self { is_emptied: row.get(0)?, first: row.get(1)?, last: row.get(2)? })
        };
        connection.prepare_cached(&sql)?.query_row([], read).map(Some)
    }
}

/// What became of the tables.
fn changes(before: &Standing, now: &Standing) -> Vec<Finding> {
    let added = now.all.difference(&before.all);
    let mut findings: Vec<_> =
        added.map(|table| Finding::TableAdded { table: table.clone() }).collect();
    for (name, before) in &before.tables {
        let table = name.clone();
        match now.tables.get(name) {
            Some(now) => findings.extend(table_changes(&table, before, now)),
            None => findings.push(Finding::TableGone { table }),
        }
    }
    findings
}

fn table_changes(name: &str, before: &TableStanding, now: &TableStanding) -> Vec<Finding> {
    let table = || name.to_owned();
    let mut findings = Vec::new();
    let is_rebuilt = !now.triggers.keys().any(|name| is_ours(name));
    if is_rebuilt {
        findings.push(Finding::Rebuilt { table: table() });
    }
    if before.columns != now.columns {
        findings.push(Finding::ColumnsChanged {
            table: table(),
            added: without(&now.columns, &before.columns),
            gone: without(&before.columns, &now.columns),
        });
    }
    if is_rebuilt {
        return findings;
    }
    if before.declared != now.declared && before.columns == now.columns {
        findings.push(Finding::Redeclared { table: table() });
    }
    let some = |names: Vec<String>| (!names.is_empty()).then_some(names);
    let ours = differing(&before.triggers, &now.triggers).filter(|name| is_ours(name)).collect();
    let theirs = differing(&now.triggers, &before.triggers).filter(|name| !is_ours(name));
    let theirs: BTreeSet<_> = theirs.chain(now.behind.iter().cloned()).collect();
    let theirs = theirs.into_iter().collect();
    let indexes = differing(&now.indexes, &before.indexes).collect();
    findings
        .extend(some(ours).map(|triggers| Finding::TriggersChanged { table: table(), triggers }));
    findings
        .extend(some(indexes).map(|indexes| Finding::IndexesChanged { table: table(), indexes }));
    findings.extend(
        some(theirs).map(|triggers| Finding::ApplicationTriggers { table: table(), triggers }),
    );
    findings
}

/// The names in `one` that `other` has not, or has with another digest.
fn differing<'a>(
    one: &'a BTreeMap<String, String>,
    other: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = String> {
    let differs = |(name, digest): &(&String, &String)| other.get(*name) != Some(*digest);
    one.iter().filter(differs).map(|(name, _)| name.clone())
}

fn without(one: &[String], other: &[String]) -> Vec<String> {
    one.iter().filter(|name| !other.contains(name)).cloned().collect()
}
