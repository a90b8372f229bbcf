//! The sample databases that the demo, the benchmarks and the tests share.
//!
//! A sample is a schema as SQL and rows that are pure functions of a seed, a table and a number, so that any row can
//! be made alone, in any order, and is the same everywhere. `store::sqlite::fill` writes one into a file.

use std::borrow::Cow;
use std::fmt;

#[path = "../data/bench.rs"]
pub mod bench;
#[path = "../data/clock.rs"]
mod clock;
#[path = "../data/draw.rs"]
mod draw;
#[path = "../data/names.rs"]
mod names;
#[path = "../data/trading.rs"]
pub mod trading;

/// Schema and rows of every type that must arrive exactly, as one SQL script.
pub const ZOO_SQL: &str = include_str!("../data/zoo.sql");

/// A value as SQLite stores it. No sample holds a BLOB.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// An INTEGER.
    Integer(i64),
    /// A REAL.
    Real(f64),
    /// A TEXT.
    Text(Cow<'static, str>),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<&'static str> for Cell {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// A database that can be made from a seed.
pub trait Sample {
    /// Names a table; its text is the table's name.
    type Table: Copy + fmt::Display;

    /// The DDL of all tables and indexes, without data.
    const SCHEMA_SQL: &'static str;

    /// Every table with its number of rows, a referenced table before those that refer to it.
    fn tables(&self) -> Vec<(Self::Table, u64)>;

    /// Replaces `row` by row `number` of a table, from 0, with one cell for each column in the order of the DDL.
    fn row(&self, table: Self::Table, number: u64, row: &mut Vec<Cell>);
}

/// All rows of a table.
#[cfg(test)]
fn rows<S: Sample>(sample: &S, table: S::Table) -> impl Iterator<Item = Vec<Cell>> {
    let of_table = |(other, _): &(S::Table, u64)| other.to_string() == table.to_string();
    let count = sample.tables().into_iter().find(of_table).map_or(0, |(_, rows)| rows);
    (0..count).map(move |number| {
        let mut row = Vec::new();
        sample.row(table, number, &mut row);
        row
    })
}

#[cfg(test)]
mod tests {
    use super::bench::{self, Bench};
    use super::trading::{self, Trading};
    use super::{Cell, Sample, rows};

    /// The start of blake3 over the first thousand rows of each table.
    fn digests<S: Sample>(sample: &S) -> Vec<(String, String)> {
        let digest = |(table, _): (S::Table, u64)| {
            let mut hasher = blake3::Hasher::new();
            for cell in rows(sample, table).take(1000).flatten() {
                match cell {
                    Cell::Null => hasher.update(b"n"),
                    Cell::Integer(value) => hasher.update(b"i").update(&value.to_le_bytes()),
                    Cell::Real(value) => hasher.update(b"r").update(&value.to_bits().to_le_bytes()),
                    Cell::Text(text) => hasher.update(b"t").update(text.as_bytes()).update(b"\0"),
                };
            }
            (table.to_string(), hasher.finalize().to_hex().chars().take(16).collect())
        };
        sample.tables().into_iter().map(digest).collect()
    }

    #[test]
    fn the_rows_of_a_seed_never_change() {
        let named = |digests: &[(&str, &str)]| -> Vec<(String, String)> {
            digests.iter().map(|(table, digest)| ((*table).into(), (*digest).into())).collect()
        };
        let trading = Trading::new(42, trading::Sizes::for_rows(20_000));
        let expected = [
            ("dexes", "bdbb17d8d24f9913"),
            ("tokens", "fc8b128f3923f891"),
            ("pools", "bba72f0655bc4d11"),
            ("watchlist", "423238f6721186ea"),
            ("ohlcv_data", "2d9a187875a133e8"),
            ("trades", "05a36153fe1a8fc4"),
        ];
        assert_eq!(digests(&trading), named(&expected));
        let bench = Bench::new(42, bench::Sizes::for_rows(20_000));
        let expected = [
            ("pools", "3df76e3edd59f437"),
            ("trades", "fb12a315408cd648"),
            ("candles", "beaef4d29a0ea194"),
        ];
        assert_eq!(digests(&bench), named(&expected));
    }
}
