//! How the followed tables stand: their columns, indexes and triggers, by which it is noticed what becomes of them.

use super::{Changelog, LOG, META, is_ours};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How the source stands: its followed tables, by their names, and which others there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) tables: BTreeMap<String, TableStanding>,
    /// The names of all tables, also of those that are not followed, but not of virtual ones and what they keep.
    pub(super) all: BTreeSet<String>,
}

/// How one table stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableStanding {
    /// Whether its rows are named by a rowid that no column shows.
    pub(super) is_keyless: bool,
    /// The digest of its CREATE TABLE.
    pub(super) declared: String,
    /// Its columns, in order.
    pub(super) columns: Vec<String>,
    /// Its unique indexes, each with the digest of its SQL.
    pub(super) indexes: BTreeMap<String, String>,
    /// Its triggers, each with the digest of its SQL; ours among them.
    pub(super) triggers: BTreeMap<String, String>,
    /// Those of the application that stand behind one of ours, and so fire before it; none when ours are made.
    #[serde(skip)]
    pub(super) behind: BTreeSet<String>,
}

impl Standing {
    /// How the tables of a changelog stand now; one that is gone is not there.
    pub(super) fn of(connection: &Connection, changelog: &Changelog) -> rusqlite::Result<Self> {
        let followed =
            changelog.tables.iter().map(|(name, is_keyless)| (name.as_str(), *is_keyless));
        Self::of_tables(connection, followed)
    }

    /// How the same tables stand now.
    pub(super) fn again(&self, connection: &Connection) -> rusqlite::Result<Self> {
        let followed = self.tables.iter().map(|(name, table)| (name.as_str(), table.is_keyless));
        Self::of_tables(connection, followed)
    }

    fn of_tables<'t>(
        connection: &Connection,
        followed: impl Iterator<Item = (&'t str, bool)>,
    ) -> rusqlite::Result<Self> {
        let written = objects(connection)?;
        let names = written.iter().filter(|object| object.kind == "table" && object.is_stored);
        let all: BTreeSet<_> = names.map(|object| object.name.clone()).collect();
        let mut tables = BTreeMap::new();
        for (name, is_keyless) in followed.filter(|(name, _)| all.contains(*name)) {
            let mut table = TableStanding { is_keyless, ..TableStanding::default() };
            table.columns = columns(connection, name)?;
            let unique = unique_indexes(connection, name)?;
            for object in written.iter().filter(|object| object.table.eq_ignore_ascii_case(name)) {
                let digest = object.digest.clone();
                match object.kind.as_str() {
                    "table" => table.declared = digest,
                    "trigger" => {
                        if !is_ours(&object.name) && table.triggers.keys().any(|name| is_ours(name))
                        {
                            table.behind.insert(object.name.clone());
                        }
                        table.triggers.insert(object.name.clone(), digest);
                    }
                    "index" if unique.contains(&object.name) => {
                        table.indexes.insert(object.name.clone(), digest);
                    }
                    _ => {}
                }
            }
            tables.insert(name.to_owned(), table);
        }
        Ok(Self { tables, all })
    }
}

/// A row of `sqlite_schema`.
struct Object {
    kind: String,
    name: String,
    table: String,
    digest: String,
    /// Whether it is no virtual table, and none that one keeps.
    is_stored: bool,
}

/// Everything in the schema but what SQLite keeps there, and our tables; in the order in which it was made.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let sql = format!(
        r"SELECT type, name, tbl_name, coalesce(CAST(sql AS BLOB), x''), name NOT IN (
              SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('virtual', 'shadow'))
          FROM main.sqlite_schema
          WHERE tbl_name NOT LIKE 'sqlite\_%' ESCAPE '\' AND tbl_name NOT IN ('{LOG}', '{META}')
          ORDER BY rowid"
    );
    let read = |row: &Row<'_>| {
        let digest = blake3::hash(&row.get::<_, Vec<u8>>(3)?).to_hex().to_string();
        let (name, table) = (lossy(row, 1)?, lossy(row, 2)?);
        Ok(Object { kind: row.get(0)?, name, table, digest, is_stored: row.get(4)? })
    };
    connection.prepare_cached(&sql)?.query_map([], read)?.collect()
}

/// A name, which need not be UTF-8.
fn lossy(row: &Row<'_>, at: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(at)?.as_bytes()?).into_owned())
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    connection.prepare_cached(sql)?.query_map([table], |row| row.get(0))?.collect()
}

fn unique_indexes(connection: &Connection, table: &str) -> rusqlite::Result<BTreeSet<String>> {
    let sql = "SELECT name FROM pragma_index_list(?1, 'main') WHERE \"unique\"";
    connection.prepare_cached(sql)?.query_map([table], |row| row.get(0))?.collect()
}
