//! The application of the trading database: it goes on collecting while its database is moved.

use crate::error::{Class, Error, Place, Result};
use crate::sample::Sample;
use crate::sample::trading::{Table, Trading};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::iter::repeat_n;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// New trades in one transaction.
const TRADES: u64 = 5;
/// How long it waits for whoever else writes, as such applications do.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// A collector at work.
#[derive(Debug)]
pub struct Collector {
    connection: Connection,
    path: PathBuf,
    sample: Trading,
    transactions: u64,
}

impl Collector {
    /// Opens the database that was made of this sample.
    ///
    /// # Errors
    ///
    /// A file that cannot be opened.
    pub fn open(path: &Path, sample: Trading) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .and_then(|connection| {
                connection.busy_timeout(BUSY_TIMEOUT)?;
                connection.pragma_update(None, "synchronous", "NORMAL")?;
                Ok(connection)
            })
            .map_err(failed)
            .at(|| path.display().to_string())?;
        Ok(Self { connection, path: path.into(), sample, transactions: 0 })
    }

    /// Transactions that it has committed.
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Collects once: a few new trades, a trade and a candle that are known by now, and a trade that was none.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn collect(&mut self) -> Result<()> {
        self.transaction().map_err(failed).at(|| self.path.display().to_string())?;
        self.transactions += 1;
        Ok(())
    }

    fn transaction(&mut self) -> rusqlite::Result<()> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let first = self.sample.sizes().trades + self.transactions * TRADES;
        let mut row = Vec::new();
        for number in first..first + TRADES {
            self.sample.row(Table::Trades, number, &mut row);
            let places = repeat_n("?", row.len()).collect::<Vec<_>>().join(", ");
            let sql = format!("INSERT OR REPLACE INTO trades VALUES ({places})");
            transaction.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(&row))?;
        }
        let some = 1 + i64::try_from(self.transactions).unwrap_or(0) * 7;
        for sql in [
            "UPDATE trades SET price_usd = (SELECT price_usd FROM trades WHERE rowid = ?1 + 1) WHERE rowid = ?1",
            "UPDATE ohlcv_data SET close_price = high_price WHERE id = ?1",
            "DELETE FROM trades WHERE rowid = ?1 + 3",
        ] {
            transaction.prepare_cached(sql)?.execute([some])?;
        }
        transaction.commit()
    }
}

fn failed(cause: rusqlite::Error) -> Error {
    Error::new(Class::Internal, "the collector cannot write").because(cause)
}
