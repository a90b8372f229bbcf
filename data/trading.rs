//! A trading-data collector's database, made from a seed, with the values that such a collector really writes.
//!
//! NUMERIC columns hold doubles of 15 to 17 digits, and INTEGERs where the value is whole. `ohlcv_data.datetime` is on
//! the wall clock of Denver while every other time is in UTC. Trade ids are some 118 characters long, names have
//! emoji, one pool in nine is a stub without a name.

use super::clock::{push_denver, push_micros, push_number, push_utc};
use super::draw::Draw;
use super::{Cell, Sample, names};
use std::fmt;

/// Bytes of the SQLite file for each row of the database, indexes included; measured at a million rows.
const SQLITE_BYTES_PER_ROW: u64 = 537;

/// Rows of each table. A table that others refer to needs at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Rows of `dexes`.
    pub dexes: u64,
    /// Rows of `pools`.
    pub pools: u64,
    /// Rows of `tokens`.
    pub tokens: u64,
    /// Rows of `trades`.
    pub trades: u64,
    /// Rows of `ohlcv_data`.
    pub candles: u64,
    /// Rows of `watchlist`; no more than there are pools.
    pub watchlist: u64,
}

impl Sizes {
    /// Sizes that add up to `total` rows, from a thousand to tens of billions: three fifths trades, the rest candles
    /// but for the small tables.
    pub fn for_rows(total: u64) -> Self {
        let dexes = (total / 2000).clamp(3, 12);
        let pools = (total / 500).clamp(5, 50_000);
        let tokens = pools + QUOTES;
        let watchlist = pools.min(500);
        let trades = total / 5 * 3 + total % 5 * 3 / 5;
        let candles = total.saturating_sub(trades + dexes + pools + tokens + watchlist);
        Self { dexes, pools, tokens, trades, candles, watchlist }
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        tables(self).map(|(_, rows)| rows).sum()
    }

    /// About how many bytes the SQLite file will have.
    pub fn sqlite_bytes(&self) -> u64 {
        self.total().saturating_mul(SQLITE_BYTES_PER_ROW)
    }
}

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `dexes`: the exchanges.
    Dexes,
    /// `tokens`
    Tokens,
    /// `pools`: the markets.
    Pools,
    /// `watchlist`: the pools that are collected.
    Watchlist,
    /// `ohlcv_data`
    Candles,
    /// `trades`
    Trades,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dexes => "dexes",
            Self::Tokens => "tokens",
            Self::Pools => "pools",
            Self::Watchlist => "watchlist",
            Self::Candles => "ohlcv_data",
            Self::Trades => "trades",
        })
    }
}

/// Every table with its rows, a referenced table before those that refer to it.
pub fn tables(sizes: &Sizes) -> impl Iterator<Item = (Table, u64)> + use<> {
    [
        (Table::Dexes, sizes.dexes),
        (Table::Tokens, sizes.tokens),
        (Table::Pools, sizes.pools),
        (Table::Watchlist, sizes.watchlist),
        (Table::Candles, sizes.candles),
        (Table::Trades, sizes.trades),
    ]
    .into_iter()
}

/// The database of one seed and size.
#[derive(Debug, Clone, Copy)]
pub struct Trading {
    seed: u64,
    sizes: Sizes,
}

impl Trading {
    /// The same seed and sizes give the same rows, always and everywhere.
    pub fn new(seed: u64, sizes: Sizes) -> Self {
        Self { seed, sizes }
    }

    /// The sizes.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }
}

impl Sample for Trading {
    type Table = Table;

    const SCHEMA_SQL: &'static str = include_str!("trading.sql");

    fn tables(&self) -> Vec<(Table, u64)> {
        tables(&self.sizes).collect()
    }

    fn row(&self, table: Table, number: u64, row: &mut Vec<Cell>) {
        row.clear();
        match table {
            Table::Dexes => self.dex(number, row),
            Table::Tokens => self.token(number, row),
            Table::Pools => self.pool(number, row),
            Table::Watchlist => self.watched(number, row),
            Table::Candles => self.candle(number, row),
            Table::Trades => self.trade(number, row),
        }
    }
}

impl Trading {
    fn dex(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Dex, number);
        let id = dex_id(number);
        row.extend([id.clone().into(), id.into(), "solana".into(), recent(&mut draw)]);
    }

    fn token(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Token, number);
        let id = self.token_id(number);
        let address = address_of(&id);
        let (name, symbol) = self.token_name(number);
        let unnamed = number >= QUOTES && draw.chance(30);
        let decimals = Cell::Integer(draw.pick(&[6, 6, 6, 9, 9, 8, 5, 0]));
        row.extend([
            id.into(),
            address.into(),
            null_if(unnamed, name.into()),
            null_if(unnamed, symbol.into()),
            null_if(draw.chance(150), decimals),
            "solana".into(),
            recent(&mut draw),
        ]);
    }

    fn pool(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Pool, number);
        let id = self.pool_id(number);
        let dex = dex_id(draw.below(self.sizes.dexes));
        if is_stub(number) {
            // The address of a stub wrongly carries the network's prefix, and nothing else is known of it.
            row.extend([id.clone().into(), id.into(), "".into(), dex.into()]);
            row.extend([Cell::Null, Cell::Null, Cell::Null]);
        } else {
            let quote = u64::from(draw.chance(80)).min(self.sizes.tokens.saturating_sub(1));
            let base = self.base_token(number);
            let name = [&*self.token_name(base).1, " / ", &self.token_name(quote).1].concat();
            let address = address_of(&id);
            row.extend([id.into(), address.into(), name.into(), dex.into()]);
            row.extend([self.token_id(base).into(), self.token_id(quote).into()]);
            let reserve = draw.within(&VOLUMES);
            row.push(real_or_whole(&mut draw, reserve, 30));
        }
        let since = FIRST + draw.below(DAYS * DAY).cast_signed();
        row.extend([created(since), recent(&mut draw)]);
        if draw.chance(600) {
            row.extend([Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Null]);
        } else {
            row.push(percent(&mut draw));
            row.push(draw.pick(&["auto", "manual", "watchlist"]).into());
            row.push(draw.pick(&["normal", "normal", "high", "low"]).into());
            row.extend([recent(&mut draw), recent(&mut draw)]);
        }
    }

    fn watched(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Watched, number);
        let every = self.sizes.pools.checked_div(self.sizes.watchlist).unwrap_or(1).max(1);
        let pool = number * every;
        let token = self.base_token(pool);
        let (name, symbol) = self.token_name(token);
        let address = address_of(&self.token_id(token));
        row.extend([
            row_id(number),
            self.pool_id(pool).into(),
            symbol.into(),
            null_if(draw.chance(100), name.into()),
            null_if(draw.chance(200), address.into()),
            recent(&mut draw),
            Cell::Integer(i64::from(draw.chance(800))),
        ]);
    }

    /// Candles come pool by pool, so that the UNIQUE index grows in few places, however large the file is.
    fn candle(&self, number: u64, row: &mut Vec<Cell>) {
        let per_pool = self.sizes.candles.div_ceil(self.sizes.pools.max(1)).max(1);
        let pool = number / per_pool;
        let (timeframe, unix) = self.candle_slot(pool, number % per_pool, per_pool);
        let mut draw = self.draw(Purpose::Candle, number);
        let level = self.price_level(pool);
        let (open, close) = (level * draw.between(0.75, 1.25), level * draw.between(0.75, 1.25));
        let low = open.min(close) * draw.between(0.97, 1.0);
        let high = open.max(close) * draw.between(1.0, 1.03);
        let pegged = is_pegged(pool) && draw.chance(500);
        let volume = draw.within(&VOLUMES);
        let volume = real_or_whole(&mut draw, volume, 10);
        let mut local = String::with_capacity(26);
        push_denver(&mut local, unix);
        push_micros(&mut local, 0);
        row.extend([
            row_id(number),
            self.pool_id(pool).into(),
            timeframe.into(),
            Cell::Integer(unix),
        ]);
        row.extend([open, high, low, close].map(|price| price_cell(price, pegged)));
        row.push(if draw.chance(50) { Cell::Integer(0) } else { volume });
        row.extend([local.into(), created(unix + draw.below(DAY).cast_signed())]);
    }

    /// Timeframe and unix second of one of a pool's candles. Every second candle is of the shortest timeframe, every
    /// second of the rest of the next, and so on: short ones are many in the same while.
    fn candle_slot(&self, pool: u64, of_pool: u64, per_pool: u64) -> (&'static str, i64) {
        let nth = of_pool + 1;
        let halvings = nth.trailing_zeros();
        let (timeframe, seconds, count) =
            match usize::try_from(halvings).ok().and_then(|h| SHORT_TIMEFRAMES.get(h)) {
                Some(&(timeframe, seconds)) => (timeframe, seconds, nth >> halvings >> 1),
                None => ("1d", DAY, nth / LONG_EVERY - 1),
            };
        let days = per_pool / LONG_EVERY;
        let latest = DAYS.saturating_sub(days).max(1);
        let first_day = self.draw(Purpose::CandleStart, pool).below(latest);
        let since_first = (first_day * DAY + count * seconds).cast_signed();
        let before_first = (days.saturating_sub(DAYS) * DAY).cast_signed();
        (timeframe, FIRST + since_first - before_first)
    }

    /// Trades come in the order of their time; the first pools have most of them.
    fn trade(&self, number: u64, row: &mut Vec<Cell>) {
        let mut draw = self.draw(Purpose::Trade, number);
        let pools = draw.below(self.sizes.pools) + 1;
        let pool = draw.below(pools);
        let second = number.saturating_mul(DAYS * DAY) / self.sizes.trades.max(1);
        let unix = FIRST + second.cast_signed();
        let block = FIRST_BLOCK + second / 5 * BLOCKS_IN_FIVE_SECONDS;
        let hash_chars = draw.pick(&[87, 88, 88, 88]);
        let hash = base58(&mut draw, hash_chars);
        let account = base58(&mut draw, 44);
        let pegged = is_pegged(pool) && draw.chance(500);
        let price = if pegged { 1.0 } else { self.price_level(pool) * draw.between(0.7, 1.3) };
        let volume = draw.within(&VOLUMES);
        let paid = volume / draw.between(150.0, 240.0);
        let mut block_time = String::with_capacity(26);
        push_utc(&mut block_time, unix);
        push_micros(&mut block_time, 0);
        row.extend([
            trade_id(&mut draw, block, &hash, unix).into(),
            self.pool_id(pool).into(),
            Cell::Integer(block.cast_signed()),
            hash.into(),
            null_if(draw.chance(30), account.into()),
            null_if(draw.chance(10), real_or_whole(&mut draw, paid, 73)),
            null_if(draw.chance(10), real_or_whole(&mut draw, volume / price, 4)),
            null_if(draw.chance(5), price_cell(price, pegged)),
            null_if(draw.chance(5), real_or_whole(&mut draw, volume, 10)),
            null_if(draw.chance(10), draw.pick(&["buy", "sell"]).into()),
            block_time.into(),
            created(unix + draw.below(1800).cast_signed()),
        ]);
    }

    fn draw(&self, purpose: Purpose, number: u64) -> Draw {
        Draw::new(self.seed, purpose as u64, number)
    }

    fn pool_id(&self, number: u64) -> String {
        let mut id = String::with_capacity(51);
        id.push_str(PREFIX);
        self.draw(Purpose::PoolAddress, number).push_base58(&mut id, 44);
        id
    }

    fn token_id(&self, number: u64) -> String {
        let mut id = String::with_capacity(51);
        id.push_str(PREFIX);
        match number {
            0 => id.push_str("So11111111111111111111111111111111111111112"),
            1 => id.push_str("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"),
            _ => self.draw(Purpose::TokenAddress, number).push_base58(&mut id, 44),
        }
        id
    }

    /// The name and the symbol of a token.
    fn token_name(&self, number: u64) -> (String, String) {
        match number {
            0 => ("Wrapped SOL".into(), "SOL".into()),
            1 => ("USD Coin".into(), "USDC".into()),
            _ => names::token(&mut self.draw(Purpose::TokenName, number)),
        }
    }

    /// The token that a pool trades.
    fn base_token(&self, pool: u64) -> u64 {
        (pool + QUOTES).checked_rem(self.sizes.tokens).unwrap_or(0)
    }

    /// The price in USD around which a pool moves.
    fn price_level(&self, pool: u64) -> f64 {
        if is_pegged(pool) {
            1.0
        } else {
            self.draw(Purpose::PriceLevel, pool).within(&PRICE_LEVELS)
        }
    }
}

/// What random values are for, so that no two uses share them. The numbers are part of every row.
#[derive(Clone, Copy)]
enum Purpose {
    Dex = 1,
    Token = 2,
    TokenAddress = 3,
    TokenName = 4,
    Pool = 5,
    PoolAddress = 6,
    PriceLevel = 7,
    Watched = 8,
    Candle = 9,
    CandleStart = 10,
    Trade = 11,
}

const DAY: u64 = 86_400;
/// 2024-06-01 00:00:00 UTC: the first trade. Two changes to summer time and back lie within `DAYS` of it.
const FIRST: i64 = 1_717_200_000;
/// Up to 2025-09-16.
const DAYS: u64 = 472;
/// About the chain's block at `FIRST`, and its pace.
const FIRST_BLOCK: u64 = 269_000_000;
const BLOCKS_IN_FIVE_SECONDS: u64 = 12;
/// Ids are the network and the address.
const PREFIX: &str = "solana_";
/// The tokens that the others are priced in: SOL and USDC.
const QUOTES: u64 = 2;
/// Timeframes but for the longest, each half as frequent as the one before it, with their seconds.
const SHORT_TIMEFRAMES: [(&str, u64); 6] =
    [("1m", 60), ("5m", 300), ("15m", 900), ("1h", 3600), ("4h", 14_400), ("12h", 43_200)];
/// One candle of a pool in so many is of the longest timeframe.
const LONG_EVERY: u64 = 1 << SHORT_TIMEFRAMES.len();
/// With the moves around them, prices are between 6.87e-06 and 240.
const PRICE_LEVELS: [(f64, f64); 8] = [
    (1.1e-5, 1e-4),
    (1e-4, 1e-3),
    (1e-3, 1e-2),
    (1e-2, 1e-1),
    (1e-1, 1.0),
    (1.0, 10.0),
    (10.0, 100.0),
    (100.0, 180.0),
];
const VOLUMES: [(f64, f64); 6] =
    [(0.01, 0.1), (0.1, 1.0), (1.0, 10.0), (10.0, 100.0), (100.0, 1000.0), (1000.0, 50_000.0)];

/// One pool in nine is a stub: seen in a trade, not yet described.
fn is_stub(pool: u64) -> bool {
    pool % 9 == 4
}

/// One pool in fifty is of a token pegged to the dollar, so that prices are often whole.
fn is_pegged(pool: u64) -> bool {
    pool % 50 == 2
}

fn dex_id(number: u64) -> String {
    let known = u64::try_from(names::DEXES.len()).unwrap_or(u64::MAX);
    let name = usize::try_from(number % known).ok().and_then(|index| names::DEXES.get(index));
    let mut id = String::from(*name.unwrap_or(&"dex"));
    if number >= known {
        id.push('-');
        push_number(&mut id, number / known);
    }
    id
}

fn address_of(id: &str) -> String {
    id.strip_prefix(PREFIX).unwrap_or(id).into()
}

fn base58(draw: &mut Draw, chars: usize) -> String {
    let mut text = String::with_capacity(chars);
    draw.push_base58(&mut text, chars);
    text
}

/// `solana_{block}_{hash}_{n}_{unix}`
fn trade_id(draw: &mut Draw, block: u64, hash: &str, unix: i64) -> String {
    let mut id = String::with_capacity(120);
    let instruction_bound = draw.pick(&[10, 10, 100, 1000]);
    let instruction = draw.below(instruction_bound);
    id.push_str(PREFIX);
    push_number(&mut id, block);
    id.push('_');
    id.push_str(hash);
    id.push('_');
    push_number(&mut id, instruction);
    id.push('_');
    push_number(&mut id, unix.cast_unsigned());
    id
}

/// The id of a row whose rowid SQLite counts from 1.
fn row_id(number: u64) -> Cell {
    Cell::Integer((number + 1).cast_signed())
}

fn null_if(null: bool, cell: Cell) -> Cell {
    if null { Cell::Null } else { cell }
}

/// A double, or in some cases an INTEGER, which is what a NUMERIC column makes of a whole number.
fn real_or_whole(draw: &mut Draw, real: f64, whole_per_mille: u64) -> Cell {
    if draw.chance(whole_per_mille) {
        Cell::Integer((draw.below(5000) + 1).cast_signed())
    } else {
        Cell::Real(real)
    }
}

fn price_cell(price: f64, pegged: bool) -> Cell {
    if pegged { Cell::Integer(1) } else { Cell::Real(price) }
}

/// 0 to 100 in steps of a hundredth.
fn percent(draw: &mut Draw) -> Cell {
    let hundredths = draw.below(10_001);
    if hundredths.is_multiple_of(100) {
        Cell::Integer((hundredths / 100).cast_signed())
    } else {
        Cell::Real(f64::from(u32::try_from(hundredths).unwrap_or(0)) / 100.0)
    }
}

/// What CURRENT_TIMESTAMP writes: 19 characters, in UTC.
fn created(unix: i64) -> Cell {
    let mut text = String::with_capacity(19);
    push_utc(&mut text, unix);
    text.into()
}

/// What SQLAlchemy writes: 26 characters, here in UTC, within the last ten days.
fn recent(draw: &mut Draw) -> Cell {
    let mut text = String::with_capacity(26);
    push_utc(&mut text, FIRST + ((DAYS - 10) * DAY + draw.below(10 * DAY)).cast_signed());
    push_micros(&mut text, draw.below(1_000_000));
    text.into()
}

#[cfg(test)]
mod tests {
    use super::{Sizes, Table, Trading, tables};
    use crate::sample::{Cell, Sample, rows};
    use jiff::civil::DateTime;
    use jiff::tz::{Offset, TimeZone};
    use std::collections::{BTreeMap, BTreeSet};

    fn sample(total: u64) -> Trading {
        Trading::new(42, Sizes::for_rows(total))
    }

    fn text(cell: &Cell) -> &str {
        match cell {
            Cell::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    fn integer(cell: &Cell) -> i64 {
        match cell {
            Cell::Integer(value) => *value,
            other => panic!("{other:?} is no integer"),
        }
    }

    fn per_mille(part: usize, whole: usize) -> usize {
        part * 1000 / whole
    }

    #[test]
    fn sizes_add_up_from_a_thousand_rows_to_billions() {
        for total in [1000, 1001, 20_000, 999_999, 1_000_000, 5_000_000_000, 20_000_000_000] {
            let sizes = Sizes::for_rows(total);
            assert_eq!(tables(&sizes).map(|(_, rows)| rows).sum::<u64>(), total);
            assert_eq!(sizes.trades, total * 3 / 5);
            assert!(sizes.candles * 100 > total * 37, "{sizes:?}");
            assert!(tables(&sizes).all(|(_, rows)| rows > 0), "{sizes:?}");
            assert!(sizes.watchlist <= sizes.pools && sizes.pools <= 50_000);
        }
    }

    #[test]
    fn another_seed_gives_other_rows() {
        let sizes = Sizes::for_rows(1000);
        for (table, _) in tables(&sizes) {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            Trading::new(1, sizes).row(table, 0, &mut one);
            Trading::new(2, sizes).row(table, 0, &mut other);
            assert_ne!(one, other, "{table}");
        }
    }

    #[test]
    fn a_row_made_alone_is_the_row_made_in_sequence() {
        let sample = sample(20_000);
        let mut reused = Vec::new();
        for (table, count) in sample.tables() {
            let sequence: Vec<_> = (0..count)
                .map(|number| {
                    sample.row(table, number, &mut reused);
                    reused.clone()
                })
                .collect();
            for number in (0..count).rev().step_by(97) {
                let mut alone = Vec::new();
                Trading::new(42, Sizes::for_rows(20_000)).row(table, number, &mut alone);
                assert_eq!(alone, sequence[usize::try_from(number).unwrap()], "{table} {number}");
            }
        }
    }

    #[test]
    fn rows_far_into_a_huge_table_can_be_made() {
        let sample = sample(20_000_000_000);
        let mut row = Vec::new();
        for (table, count) in sample.tables() {
            sample.row(table, count - 1, &mut row);
            assert!(!row.is_empty(), "{table}");
        }
        sample.row(Table::Candles, sample.sizes().candles - 1, &mut row);
        assert!(text(&row[9]) > "2007" && text(&row[9]) < "2026", "{row:?}");
    }

    #[test]
    fn candle_datetimes_are_on_denvers_clock_on_both_sides_of_a_change() {
        let denver = TimeZone::posix("MST7MDT,M3.2.0,M11.1.0").unwrap();
        let mut offsets = BTreeSet::new();
        for row in rows(&sample(20_000), Table::Candles) {
            let local: DateTime = text(&row[9]).parse().unwrap();
            let as_utc = local.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
            let instant = jiff::Timestamp::from_second(integer(&row[3])).unwrap();
            assert_eq!(text(&row[9]).len(), 26);
            assert_eq!(denver.to_datetime(instant), local);
            offsets.insert(as_utc - integer(&row[3]));
        }
        assert_eq!(offsets, [-7 * 3600, -6 * 3600].into());
    }

    #[test]
    fn candle_keys_are_unique_aligned_and_of_all_timeframes_even_in_a_small_database() {
        let seconds: BTreeMap<_, _> = [
            ("1m", 60),
            ("5m", 300),
            ("15m", 900),
            ("1h", 3600),
            ("4h", 14_400),
            ("12h", 43_200),
            ("1d", 86_400),
        ]
        .into();
        for total in [1000, 20_000] {
            let mut keys = BTreeSet::new();
            let mut timeframes = BTreeSet::new();
            for row in rows(&sample(total), Table::Candles) {
                assert_eq!(integer(&row[3]) % seconds[text(&row[2])], 0);
                timeframes.insert(text(&row[2]).to_owned());
                assert!(keys.insert((
                    text(&row[1]).to_owned(),
                    text(&row[2]).to_owned(),
                    integer(&row[3])
                )));
            }
            assert_eq!(timeframes.len(), 7);
        }
    }

    #[test]
    fn trade_times_are_in_utc_and_agree_with_the_id() {
        let mut lengths = BTreeSet::new();
        let mut before = 0;
        for row in rows(&sample(20_000), Table::Trades) {
            let parts: Vec<_> = text(&row[0]).split('_').collect();
            let ["solana", block, hash, _, unix] = parts[..] else { panic!("{parts:?}") };
            let unix: i64 = unix.parse().unwrap();
            let time: DateTime = text(&row[10]).parse().unwrap();
            assert_eq!(time, Offset::UTC.to_datetime(jiff::Timestamp::from_second(unix).unwrap()));
            assert_eq!(text(&row[10]).len(), 26);
            assert_eq!(text(&row[11]).len(), 19);
            assert_eq!(block, integer(&row[2]).to_string());
            assert_eq!(hash, text(&row[3]));
            assert!((87..=88).contains(&hash.len()));
            lengths.insert(text(&row[0]).len());
            assert!(unix >= before);
            before = unix;
        }
        assert_eq!(lengths, [117, 118, 119, 120].into());
    }

    #[test]
    fn numeric_columns_mix_long_doubles_with_whole_numbers() {
        let trades: Vec<_> = rows(&sample(20_000), Table::Trades).collect();
        let integers = |column: usize| {
            trades.iter().filter(|row| matches!(row[column], Cell::Integer(_))).count()
        };
        assert!((55..95).contains(&per_mille(integers(5), trades.len())));
        for column in [6, 7, 8] {
            assert!(
                (1..50).contains(&per_mille(integers(column), trades.len())),
                "column {column}"
            );
        }
        let candles: Vec<_> = rows(&sample(20_000), Table::Candles).collect();
        for column in 4..=8 {
            assert!(candles.iter().any(|row| matches!(row[column], Cell::Integer(_))));
        }
        let digits = |row: &Vec<Cell>| match row[7] {
            Cell::Real(price) => {
                format!("{price:e}").split('e').next().unwrap().replace('.', "").len()
            }
            _ => 0,
        };
        assert!(trades.iter().all(|row| digits(row) <= 17));
        let long = trades.iter().filter(|row| digits(row) >= 15).count();
        assert!(per_mille(long, trades.len()) > 900, "{long}");
    }

    #[test]
    fn prices_stay_within_what_was_measured() {
        let sample = sample(20_000);
        let mut all = Vec::new();
        for (table, columns) in [(Table::Trades, 7..=7), (Table::Candles, 4..=7)] {
            for row in rows(&sample, table) {
                all.extend(row[columns.clone()].iter().filter_map(|cell| match cell {
                    Cell::Real(price) => Some(*price),
                    _ => None,
                }));
            }
        }
        assert!(all.iter().all(|price| (6.87e-6..=240.0).contains(price)));
        assert!(all.iter().any(|price| *price < 1e-4) && all.iter().any(|price| *price > 100.0));
    }

    #[test]
    fn nullable_columns_have_nulls_and_the_others_none() {
        let sample = sample(500_000);
        let nullable = |table: Table| -> &[usize] {
            match table {
                Table::Dexes | Table::Candles => &[],
                Table::Tokens => &[2, 3, 4],
                Table::Pools => &[4, 5, 6, 9, 10, 11, 12, 13],
                Table::Watchlist => &[3, 4],
                Table::Trades => &[4, 5, 6, 7, 8, 9],
            }
        };
        for (table, _) in sample.tables() {
            let mut found = BTreeSet::new();
            for row in rows(&sample, table).take(5000) {
                found.extend(
                    row.iter()
                        .enumerate()
                        .filter(|(_, cell)| **cell == Cell::Null)
                        .map(|(column, _)| column),
                );
            }
            assert_eq!(found.into_iter().collect::<Vec<_>>(), nullable(table), "{table}");
        }
    }

    #[test]
    fn one_pool_in_nine_is_a_stub_and_names_have_emoji() {
        let pools: Vec<_> = rows(&sample(500_000), Table::Pools).collect();
        let stubs = pools.iter().filter(|row| text(&row[2]).is_empty());
        assert!(
            stubs
                .clone()
                .all(|row| row[4] == Cell::Null && row[5] == Cell::Null && row[0] == row[1])
        );
        assert_eq!(per_mille(stubs.count(), pools.len()), 111);
        assert!(pools.iter().all(|row| text(&row[0]).len() == 51));
        assert!(pools.iter().any(|row| text(&row[2]).contains('🚀')));
        let active: BTreeSet<_> =
            rows(&sample(500_000), Table::Watchlist).map(|row| integer(&row[6])).collect();
        assert_eq!(active, [0, 1].into());
    }
}
