//! The parts into which a check is divided among readers, and what they say together.

use super::index::{self, Sum};
use super::{Findings, file, table};
use crate::error::Result;
use crate::model::{RowRange, SourceIndex, SourceTable, TextEncoding};
use crate::store::sqlite::census;
use crate::store::sqlite::connection::refused;
use crate::store::sqlite::failure::Unreadable;
use crate::store::sqlite::read::Reader;
use std::collections::BTreeMap;
use std::hash::RandomState;

/// Ranges into which the rows of a table are divided.
const RANGES_MAX: u64 = 64;

/// A part of the check that one reader can do beside others.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// The structure of the whole file.
    File,
    /// A table and each of its indexes against it, by SQLite.
    Table(&'a SourceTable),
    /// What an index has.
    Index(&'a SourceTable, &'a SourceIndex),
    /// What the indexes of a table should have of a range of its rows.
    Rows(&'a SourceTable, RowRange),
}

/// What came of a part.
#[derive(Debug)]
pub enum Seen {
    /// SQLite's verdict.
    Findings(Findings),
    /// The sum of the index; none where SQLite must be asked.
    Index(Option<Sum>),
    /// A sum for each index of the table; none where the rows cannot be read.
    Rows(Option<Vec<Sum>>),
}

/// The key under which the sums of one check are made: nobody can write a file for which they agree by chance.
#[derive(Debug, Default)]
pub struct Secret(RandomState);

impl Part<'_> {
    /// Does this part.
    ///
    /// # Errors
    ///
    /// Only what has nothing to do with the file's state, such as a stop.
    pub fn check(&self, reader: &Reader, secret: &Secret) -> Result<Seen> {
        Ok(match self {
            Self::File => Seen::Findings(file(reader)?),
            Self::Table(source) => Seen::Findings(table(reader, source)?),
            Self::Index(source, index) => {
                Seen::Index(readable(index::of_index(reader, source, index, &secret.0))?.flatten())
            }
            Self::Rows(source, range) => {
                Seen::Rows(readable(index::of_rows(reader, source, *range, &secret.0))?)
            }
        })
    }
}

/// The parts of a check of these tables, which have indexes.
///
/// # Errors
///
/// Only what has nothing to do with the file's state, such as a stop.
pub fn parts<'a>(reader: &Reader, tables: &[&'a SourceTable]) -> Result<Vec<Part<'a>>> {
    // Texts of UTF-16 are ordered by other bytes than those that are seen of them.
    let encoding = readable(TextEncoding::of(reader.connection()).map_err(refused))?;
    let utf_8 = encoding == Some(TextEncoding::Utf8);
    let (plain, others): (Vec<_>, Vec<_>) =
        tables.iter().partition(|table| utf_8 && index::is_plain(table));
    let mut parts: Vec<_> = others.into_iter().map(Part::Table).collect();
    for table in &plain {
        parts.extend(table.indexes.iter().map(|index| Part::Index(table, index)));
    }
    for table in plain {
        let ranges = readable(census::divide(reader, table, RANGES_MAX))?;
        let ranges = ranges.unwrap_or_else(|| vec![census::whole(table)]);
        parts.extend(ranges.into_iter().map(|range| Part::Rows(table, range)));
    }
    Ok(parts)
}

/// The tables of which SQLite must be asked, because their rows and their indexes do not say the same.
pub fn doubted<'a>(parts: &[Part<'a>], seen: &[Seen]) -> Vec<Part<'a>> {
    let mut tables = BTreeMap::new();
    for (part, seen) in parts.iter().zip(seen) {
        match (part, seen) {
            (Part::Index(table, _), Seen::Index(sum)) => {
                tables.entry(&table.name).or_insert_with(|| Both::of(table)).indexes.push(*sum);
            }
            (Part::Rows(table, _), Seen::Rows(sums)) => {
                tables.entry(&table.name).or_insert_with(|| Both::of(table)).add(sums.as_deref());
            }
            _ => {}
        }
    }
    tables.into_values().filter(|both| !both.agree()).map(|both| Part::Table(both.table)).collect()
}

/// Both sides of a table's indexes.
struct Both<'a> {
    table: &'a SourceTable,
    indexes: Vec<Option<Sum>>,
    rows: Option<Vec<Sum>>,
}

impl<'a> Both<'a> {
    fn of(table: &'a SourceTable) -> Self {
        let none = vec![Sum::default(); table.indexes.len()];
        Self { table, indexes: Vec::new(), rows: Some(none) }
    }

    fn add(&mut self, more: Option<&[Sum]>) {
        self.rows = self.rows.take().zip(more).map(|(sums, more)| {
            sums.into_iter().zip(more).map(|(sum, more)| sum.plus(*more)).collect()
        });
    }

    fn agree(&self) -> bool {
        let indexes: Option<Vec<Sum>> = self.indexes.iter().copied().collect();
        indexes.is_some() && indexes == self.rows
    }
}

/// None where the state of the file keeps it from being read.
fn readable<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if Unreadable::of(&error).is_some() => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::made;
    use super::{Part, Secret, doubted, parts};

    /// The tables that SQLite is asked about, of a file made by these statements.
    fn asked(sql: &str) -> Vec<String> {
        let (_folder, reader, tables) = made(sql);
        let indexed: Vec<_> = tables.iter().filter(|table| !table.indexes.is_empty()).collect();
        let parts = parts(&reader, &indexed).unwrap();
        let secret = Secret::default();
        let seen: Vec<_> = parts.iter().map(|part| part.check(&reader, &secret).unwrap()).collect();
        let doubted = doubted(&parts, &seen);
        let named = |part: &Part<'_>| match part {
            Part::Table(table) => Some(table.name.clone()),
            _ => None,
        };
        parts.iter().chain(&doubted).filter_map(named).collect()
    }

    const MIXED: &str = "
        CREATE TABLE u (id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE, c, d);
        CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE, c REAL UNIQUE, d TEXT);
        CREATE INDEX t_a ON t (a DESC, b); CREATE UNIQUE INDEX t_b ON t (b COLLATE RTRIM, a, c);
        CREATE INDEX t_d ON t (d, c DESC);
        INSERT INTO t VALUES (-9223372036854775808, 1, 'a', 1, 'x'), (-1, 1.5, 'B', NULL, 'X'), (0, 'x', 'b', NULL, 'x'),
            (7, NULL, 'a ', -0.5, ''), (8, x'00', NULL, 9e999, NULL), (9, 'y', NULL, 2, 'é'), (9223372036854775807, 1, 'a', 3, 'x');
        PRAGMA writable_schema = ON;";

    #[test]
    fn a_table_that_agrees_with_its_indexes_needs_no_other_check() {
        assert!(asked(MIXED).is_empty());
        let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70000)
             INSERT INTO t (a, b, c, d) SELECT i % 7, 'b' || i, i, i % 3 FROM n WHERE i > 100;";
        assert!(asked(&format!("{MIXED} DELETE FROM t WHERE id > 0; {many}")).is_empty());
    }

    #[test]
    fn whatever_does_not_agree_is_doubted() {
        for change in [
            // Each index has the rows of the other one.
            "UPDATE sqlite_schema SET rootpage = (SELECT sum(rootpage) FROM sqlite_schema WHERE name IN ('t_a', 't_d')) - rootpage
             WHERE name IN ('t_a', 't_d')",
            // The entries stand in another order than this.
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX t_a ON t (a, b)' WHERE name = 't_a'",
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX t_d ON t (d COLLATE NOCASE, c DESC)' WHERE name = 't_d'",
            // Two entries are one key.
            "UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX t_d ON t (d)' WHERE name = 't_d';
             UPDATE sqlite_schema SET sql = 'CREATE UNIQUE INDEX t_b ON t (b COLLATE RTRIM)' WHERE name = 't_b'",
            // An entry too many, and one that is missing.
            "INSERT INTO u SELECT * FROM t WHERE id <> 7;
             UPDATE sqlite_schema SET sql = 'CREATE INDEX t_a ON u (a DESC, b)', tbl_name = 'u' WHERE name = 't_a'",
            "INSERT INTO u SELECT * FROM t UNION ALL SELECT 10, 1, 'a', NULL, NULL;
             UPDATE sqlite_schema SET sql = 'CREATE INDEX t_a ON u (a DESC, b)', tbl_name = 'u' WHERE name = 't_a'",
        ] {
            assert!(!asked(&format!("{MIXED} {change}")).is_empty(), "{change}");
        }
    }

    #[test]
    fn indexes_that_sums_cannot_tell_of_are_left_to_sqlite() {
        for (table, index) in [
            ("t (a, b)", "CREATE INDEX i ON t (a + 1)"),
            ("t (a, b)", "CREATE INDEX i ON t (a) WHERE b IS NULL"),
            ("t (a, b AS (a + 1))", "CREATE INDEX i ON t (b)"),
            ("t (a, b PRIMARY KEY) WITHOUT ROWID", "CREATE INDEX i ON t (a)"),
            ("t (a INTEGER PRIMARY KEY, b)", "CREATE INDEX i ON t (b, a)"),
            ("t (a, b)", "CREATE INDEX i ON t (a, a COLLATE NOCASE)"),
        ] {
            assert_eq!(asked(&format!("CREATE TABLE {table}; {index}")), ["t"], "{table} {index}");
        }
        let wide = "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a TEXT UNIQUE)";
        assert_eq!(asked(wide), ["t"]);
    }
}
