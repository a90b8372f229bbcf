//! The SQLite files that are moved: the sample of a size, and tables of trades with keys of other kinds, made of it.

use crate::table::say;
use anyhow::{Context, Result};
use liteferry::sample::Sample as _;
use liteferry::sample::bench::{Bench, Sizes};
use liteferry::store::sqlite::fill::{Journal, fill};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

const SEED: u64 = 1;

/// A SQLite file and the rows of its tables.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    tables: Vec<(String, u64)>,
}

/// The key of a table of trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// `id INTEGER PRIMARY KEY`, which is the rowid.
    Integer,
    /// `tx_hash TEXT PRIMARY KEY`, an index beside the rows.
    Text,
    /// The same, and the rows are in that index.
    WithoutRowid,
    /// No key at all.
    Keyless,
}

impl Source {
    /// Makes the sample of that size.
    pub(crate) fn sample(path: &Path, sizes: Sizes) -> Result<Self> {
        say(&format!("making {} rows in {}", sizes.total(), path.display()));
        let sample = Bench::new(SEED, sizes);
        fill(path, &sample, Journal::Delete, &mut |_done| ())?;
        let tables = sample.tables().into_iter().map(|(name, rows)| (name.to_string(), rows));
        Ok(Self { path: path.into(), tables: tables.collect() })
    }

    /// Makes a file of the first trades of this one, and nothing else: the same columns and rows, whatever their key.
    pub(crate) fn trades(&self, path: &Path, key: Key, rows: u64) -> Result<Self> {
        say(&format!("making {rows} trades in {}", path.display()));
        let connection = Connection::open(path)?;
        let from = self.path.to_str().context("a path that is no UTF-8")?;
        connection.execute("ATTACH ?1 AS sample", [from])?;
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;
             {};
             INSERT INTO main.trades
             SELECT * FROM (SELECT * FROM sample.trades ORDER BY id LIMIT {rows}) {};",
            key.table_sql(),
            key.order_sql()
        ))?;
        let made: i64 =
            connection.query_row("SELECT count(*) FROM main.trades", [], |row| row.get(0))?;
        Ok(Self { path: path.into(), tables: vec![("trades".into(), made.unsigned_abs())] })
    }

    /// Makes room.
    pub(crate) fn remove(self) -> Result<()> {
        Ok(std::fs::remove_file(self.path)?)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tables and their rows.
    pub(crate) fn tables(&self) -> &[(String, u64)] {
        &self.tables
    }

    /// Rows of all tables.
    pub(crate) fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }

    /// Rows of a table; 0 where there is none of that name.
    pub(crate) fn rows_of(&self, table: &str) -> u64 {
        self.tables.iter().find(|(name, _)| name == table).map_or(0, |(_, rows)| *rows)
    }

    /// The size of the file.
    pub(crate) fn bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path)?.len())
    }
}

impl Key {
    /// As in `data/bench.sql`, but for the key, and without reference or index.
    fn table_sql(self) -> String {
        let (id, hash, end) = match self {
            Self::Integer => ("INTEGER PRIMARY KEY", "TEXT NOT NULL", ""),
            Self::Text => ("INTEGER NOT NULL", "TEXT NOT NULL PRIMARY KEY", ""),
            Self::WithoutRowid => {
                ("INTEGER NOT NULL", "TEXT NOT NULL PRIMARY KEY", "WITHOUT ROWID")
            }
            Self::Keyless => ("INTEGER NOT NULL", "TEXT NOT NULL", ""),
        };
        format!(
            "CREATE TABLE main.trades (
                id {id}, pool_id TEXT NOT NULL, block_number BIGINT NOT NULL, tx_hash {hash}, tx_from_address TEXT,
                from_token_amount REAL, to_token_amount REAL, price_usd REAL, volume_usd DECIMAL(20, 4), side TEXT,
                block_timestamp DATETIME NOT NULL
             ) {end}"
        )
    }

    /// The order in which a table is filled fastest and densest.
    fn order_sql(self) -> &'static str {
        match self {
            Self::WithoutRowid => "ORDER BY tx_hash",
            Self::Integer | Self::Text | Self::Keyless => "",
        }
    }
}
