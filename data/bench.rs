//! The workload of the speed benchmark, made from a seed: trades with REAL prices and DECIMAL volumes, and candles.
//!
//! Two timestamp columns and wide texts make rows like those of the collector; the schema is small enough to be
//! created alike by every tool that is measured.

use super::clock::{push_micros, push_utc};
use super::draw::Draw;
use super::{Cell, Sample, names};
use std::fmt;

/// Bytes of the SQLite file for each row of the database, indexes included; measured at five million rows.
const SQLITE_BYTES_PER_ROW: u64 = 284;

/// Rows of each table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of `pools`; at least one.
    pub pools: u64,
    /// Rows of `trades`.
    pub trades: u64,
    /// Rows of `candles`.
    pub candles: u64,
}

impl Sizes {
    /// Three fifths of `total` trades, two fifths candles, and the pools that they need besides.
    pub fn for_rows(total: u64) -> Self {
        let trades = total / 5 * 3 + total % 5 * 3 / 5;
        Self { pools: (total / 2500).clamp(5, 2000), trades, candles: total - trades }
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.pools + self.trades + self.candles
    }

    /// About how many bytes the SQLite file will have.
    pub fn sqlite_bytes(&self) -> u64 {
        self.total().saturating_mul(SQLITE_BYTES_PER_ROW)
    }
}

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `pools`
    Pools,
    /// `trades`
    Trades,
    /// `candles`
    Candles,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pools => "pools",
            Self::Trades => "trades",
            Self::Candles => "candles",
        })
    }
}

/// The workload of one seed and size.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    seed: u64,
    sizes: Sizes,
}

impl Bench {
    /// The same seed and sizes give the same rows, always and everywhere.
    pub fn new(seed: u64, sizes: Sizes) -> Self {
        Self { seed, sizes }
    }

    /// The sizes.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }
}

impl Sample for Bench {
    type Table = Table;

    const SCHEMA_SQL: &'static str = include_str!("bench.sql");

    fn tables(&self) -> Vec<(Table, u64)> {
        vec![
            (Table::Pools, self.sizes.pools),
            (Table::Trades, self.sizes.trades),
            (Table::Candles, self.sizes.candles),
        ]
    }

    fn row(&self, table: Table, number: u64, row: &mut Vec<Cell>) {
        row.clear();
        match table {
            Table::Pools => self.pool(number, row),
            Table::Trades => self.trade(number, row),
            Table::Candles => self.candle(number, row),
        }
    }
}

impl Bench {
    fn pool(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Pool, number);
        let mut created = String::with_capacity(26);
        push_utc(&mut created, FIRST);
        push_micros(&mut created, draw.below(1_000_000));
        row.extend([
            self.pool_id(number).into(),
            names::token(&mut draw).0.into(),
            draw.pick(&names::DEXES).into(),
            money(&mut draw),
            created.into(),
        ]);
    }

    fn trade(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Trade, number);
        let pool = draw.below(self.sizes.pools);
        let second = number.saturating_mul(SECONDS) / self.sizes.trades.max(1);
        let mut hash = String::with_capacity(88);
        draw.push_base58(&mut hash, 88);
        let mut account = String::with_capacity(44);
        draw.push_base58(&mut account, 44);
        let price = self.price_level(pool) * draw.between(0.7, 1.3);
        let amount = draw.between(0.001, 5000.0);
        let mut time = String::with_capacity(26);
        push_utc(&mut time, FIRST + second.cast_signed());
        push_micros(&mut time, draw.below(1_000_000));
        row.extend([
            row_id(number),
            self.pool_id(pool).into(),
            Cell::Integer((FIRST_BLOCK + second * 12 / 5).cast_signed()),
            hash.into(),
            if draw.chance(20) { Cell::Null } else { account.into() },
            Cell::Real(amount),
            Cell::Real(amount * price),
            Cell::Real(price),
            money(&mut draw),
            draw.pick(&["buy", "sell"]).into(),
            time.into(),
        ]);
    }

    /// Candles come pool by pool, and for each pool in the order of time.
    fn candle(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Candle, number);
        let per_pool = self.sizes.candles.div_ceil(self.sizes.pools.max(1)).max(1);
        let (pool, nth) = (number / per_pool, number % per_pool);
        let (timeframe, seconds) = if nth % 4 == 3 { ("5m", 300) } else { ("1m", 60) };
        let unix = FIRST + (nth * seconds).cast_signed();
        let level = self.price_level(pool);
        let (open, close) = (level * draw.between(0.75, 1.25), level * draw.between(0.75, 1.25));
        let mut time = String::with_capacity(26);
        push_utc(&mut time, unix);
        push_micros(&mut time, 0);
        row.extend([
            row_id(number),
            self.pool_id(pool).into(),
            timeframe.into(),
            Cell::Integer(unix),
        ]);
        row.extend([
            Cell::Real(open),
            Cell::Real(open.max(close) * draw.between(1.0, 1.03)),
            Cell::Real(open.min(close) * draw.between(0.97, 1.0)),
            Cell::Real(close),
            money(&mut draw),
            time.into(),
        ]);
    }

    fn draw(&self, purpose: Purpose, number: u64) -> Draw {
        Draw::new(self.seed, purpose as u64, number)
    }

    fn pool_id(&self, number: u64) -> String {
        let mut id = String::with_capacity(POOL_ID_CHARS);
        self.draw(Purpose::PoolId, number).push_base58(&mut id, POOL_ID_CHARS);
        id
    }

    /// The price in USD around which a pool moves.
    fn price_level(&self, pool: u64) -> f64 {
        self.draw(Purpose::PriceLevel, pool).within(&[
            (1e-5, 1e-3),
            (1e-3, 0.1),
            (0.1, 10.0),
            (10.0, 180.0),
        ])
    }
}

/// What random values are for, so that no two uses share them. The numbers are part of every row.
#[derive(Clone, Copy)]
enum Purpose {
    Pool = 101,
    PoolId = 102,
    PriceLevel = 103,
    Trade = 104,
    Candle = 105,
}

/// 2024-06-01 00:00:00 UTC.
const FIRST: i64 = 1_717_200_000;
/// Trades spread over a year.
const SECONDS: u64 = 365 * 86_400;
const FIRST_BLOCK: u64 = 269_000_000;
/// Chosen so that five million rows make a file of about 1.4 GB.
const POOL_ID_CHARS: usize = 24;

/// The id of a row whose rowid SQLite counts from 1.
fn row_id(number: u64) -> Cell {
    Cell::Integer((number + 1).cast_signed())
}

/// An amount that DECIMAL(20, 4) holds exactly: an INTEGER where it is whole.
fn money(draw: &mut Draw) -> Cell {
    let bound = draw.pick(&[10_000, 1_000_000, 100_000_000]);
    let whole = draw.chance(10);
    let ten_thousandths = if whole { draw.below(10_000) * 10_000 } else { draw.below(bound) };
    if ten_thousandths.is_multiple_of(10_000) {
        Cell::Integer((ten_thousandths / 10_000).cast_signed())
    } else {
        Cell::Real(f64::from(u32::try_from(ten_thousandths).unwrap_or(0)) / 10_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bench, Sizes, Table};
    use crate::sample::{Cell, rows};
    use std::collections::BTreeSet;

    fn sample() -> Bench {
        Bench::new(42, Sizes::for_rows(20_000))
    }

    #[test]
    fn five_million_rows_are_three_million_trades_and_two_million_candles() {
        let sizes = Sizes::for_rows(5_000_000);
        assert_eq!((sizes.pools, sizes.trades, sizes.candles), (2000, 3_000_000, 2_000_000));
    }

    #[test]
    fn candle_keys_are_unique() {
        let mut keys = BTreeSet::new();
        for row in rows(&sample(), Table::Candles) {
            assert!(keys.insert(format!("{:?}", &row[1..4])));
        }
        assert_eq!(keys.len(), 8000);
    }

    #[test]
    fn volumes_have_at_most_four_decimals_and_are_integers_where_whole() {
        let mut integers = 0;
        for row in rows(&sample(), Table::Trades) {
            match row[8] {
                Cell::Integer(_) => integers += 1,
                Cell::Real(volume) => {
                    let decimals = volume.to_string().split('.').nth(1).map(str::len);
                    assert!((1..=4).contains(&decimals.unwrap()), "{volume}");
                }
                ref other => panic!("{other:?}"),
            }
            assert!(matches!(row[7], Cell::Real(_)));
        }
        assert!(integers > 0);
    }
}
