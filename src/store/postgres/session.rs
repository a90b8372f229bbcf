//! One connection, used from ordinary threads: each call runs to its end, or until the run is stopped.
//!
//! Async does not leave this folder. A session owns a runtime of one thread, on which its connection is driven whenever
//! a call waits.

use super::connection::{Canceller, Opened, open};
use super::conninfo::Conninfo;
use super::failure::{Moment, failed};
use super::memory::Memory;
use super::stage::Stage;
use crate::error::{Error, Result};
use crate::pipeline::Stop;
use crate::pipeline::stop::{Registration, interrupted};
use futures_util::TryStreamExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};

/// How long a query that was asked to stop is given; past it, the connection is closed under it.
const CANCEL_PATIENCE: Duration = Duration::from_secs(1);

/// What every session says first: names are always qualified, strings and NULLs are read as written, nothing times out but on purpose, what is
/// committed is on the server's disk, and its notices are not wanted. A client that the network has lost keeps its locks no longer than it takes that client to
/// notice the same.
const GREETING: &str = "SET search_path = pg_catalog; SET standard_conforming_strings = on; \
                        SET transform_null_equals = off; SET client_min_messages = warning; SET statement_timeout = 0; \
                        SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
                        SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
                        SET tcp_keepalives_count = 3; SET tcp_user_timeout = '30s'; \
                        SELECT set_config('synchronous_commit', 'on', false) \
                        WHERE current_setting('synchronous_commit') = 'off'";

/// The same for what newer servers can time out.
const GREETING_SINCE: [(u32, &str); 2] =
    [(140_000, "SET idle_session_timeout = 0"), (170_000, "SET transaction_timeout = 0")];

/// One connection.
#[derive(Debug)]
pub struct Session {
    client: Client,
    canceller: Canceller,
    server_version: u32,
    /// What was prepared, by its SQL.
    statements: Memory<Statement>,
    /// The temp tables that were made, by what they are for.
    pub(super) stages: Memory<Arc<Stage>>,
    stop: Stop,
    stopped: Arc<Notify>,
    _registration: Registration,
    // Dropped last: the connection lives on it.
    runtime: Runtime,
}

impl Session {
    /// Connects; `moment` says whether there has been a connection before, so that a refusal is known to be passing.
    ///
    /// # Errors
    ///
    /// No server, no access, or a server that is too old or not UTF-8.
    pub fn open(conninfo: &Conninfo, moment: Moment, stop: &Stop) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::internal("cannot start an async runtime").because(error))?;
        let stopped = Arc::new(Notify::new());
        let wake = Arc::clone(&stopped);
        let registration = stop.on_stop(move || wake.notify_one());
        let Opened { client, driver, canceller, server_version_num } =
            runtime.block_on(unless_stopped(stop, &stopped, None, open(conninfo, moment)))?;
        // The driver's own failure reaches every call as a closed connection.
        drop(runtime.spawn(driver));
        let session = Self {
            client,
            canceller,
            server_version: server_version_num,
            statements: Memory::default(),
            stages: Memory::default(),
            stop: stop.clone(),
            stopped,
            _registration: registration,
            runtime,
        };
        session.batch("begin a session", GREETING)?;
        for (since, sql) in GREETING_SINCE {
            if server_version_num >= since {
                session.batch("begin a session", sql)?;
            }
        }
        Ok(session)
    }

    /// The server's version, as `server_version_num` has it: 150018 is 15.18.
    pub fn server_version(&self) -> u32 {
        self.server_version
    }

    /// Runs one statement and gives the number of rows it touched. `doing` says what for, for messages.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn execute(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64> {
        self.wait(doing, self.client.execute(sql, parameters))
    }

    /// Runs one query.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn query(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        self.wait(doing, self.client.query(sql, parameters))
    }

    /// The same as [`Self::execute`] for what is said again and again: the server reads the statement once a session.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn execute_prepared(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64> {
        let statement = self.prepared(doing, sql)?;
        self.wait(doing, self.client.execute(&statement, parameters))
    }

    /// The same as [`Self::query`] for what is asked again and again: the server reads the query once a session.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn query_prepared(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let statement = self.prepared(doing, sql)?;
        self.wait(doing, self.client.query(&statement, parameters))
    }

    /// A statement that the server has read, now or before.
    pub(super) fn prepared(&self, doing: &str, sql: &str) -> Result<Statement> {
        self.statements.recall(sql, |_| self.wait(doing, self.client.prepare(sql)))
    }

    /// Runs one query and hands its rows on one by one, however many there are.
    ///
    /// # Errors
    ///
    /// What the server says, or `take`; then the session is used no more.
    pub fn each(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        mut take: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let refused = |error| failed(format!("cannot {doing}"), error);
        self.wait_for(async {
            let rows = self.client.query_raw(sql, parameters.iter().copied());
            let mut rows = pin!(rows.await.map_err(refused)?);
            while let Some(row) = rows.try_next().await.map_err(refused)? {
                take(&row)?;
            }
            Ok(())
        })
    }

    /// Runs statements without parameters and without results.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn batch(&self, doing: &str, sql: &str) -> Result<()> {
        self.wait(doing, self.client.batch_execute(sql))
    }

    /// The same, and gives how many rows each of the statements touched.
    pub(super) fn batch_counted(&self, doing: &str, sql: &str) -> Result<Vec<u64>> {
        let messages = self.wait(doing, self.client.simple_query(sql))?;
        let count = |message| match message {
            SimpleQueryMessage::CommandComplete(count) => Some(count),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(count).collect())
    }

    /// Runs `work` in a transaction, which is rolled back where `work` fails.
    ///
    /// # Errors
    ///
    /// What `work` or the server says. A COMMIT whose answer was lost fails as [`crate::Class::Temporary`]: the caller
    /// finds out by writing the same ledger key again.
    pub fn transaction<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let done = self.attempt(|session| work(session).map(Some))?;
        done.ok_or_else(|| Error::internal("a transaction that came to nothing"))
    }

    /// The same for work that may come to nothing: then it is rolled back too.
    ///
    /// # Errors
    ///
    /// As [`Self::transaction`].
    pub fn attempt<T>(&self, work: impl FnOnce(&Self) -> Result<Option<T>>) -> Result<Option<T>> {
        self.batch("begin a transaction", "BEGIN")?;
        let done = work(self);
        match done {
            Ok(Some(_)) => self.batch("commit", "COMMIT")?,
            Ok(None) => self.batch("roll back", "ROLLBACK")?,
            Err(_) => {
                // What went wrong is told; that there is nothing left to roll back would only hide it.
                let _told_already = self.batch("roll back", "ROLLBACK");
            }
        }
        done
    }

    /// Lets statements to the end of the transaction wait for locks for a second, and no longer.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn be_brief(&self) -> Result<()> {
        self.batch("bound the wait for locks", "SET LOCAL lock_timeout = '1s'")
    }

    /// The client, for COPY.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for a call of the client.
    pub(super) fn wait<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.wait_for(async {
            call.await.map_err(|error| failed(format!("cannot {doing}"), error))
        })
    }

    /// Waits for work that has errors of its own.
    pub(super) fn wait_for<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(unless_stopped(
            &self.stop,
            &self.stopped,
            Some(&self.canceller),
            work,
        ))
    }
}

/// Runs `work` until a stop is requested; then the server is asked to cancel it, and it gets a moment to end.
async fn unless_stopped<T>(
    stop: &Stop,
    stopped: &Notify,
    canceller: Option<&Canceller>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::pin!(work);
    let signal = loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = stopped.notified() => if let Some(signal) = stop.requested() { break signal },
        }
    };
    if let Some(canceller) = canceller {
        // Whether the cancellation arrives or not, the result is the same: this session is used no more.
        let _best_effort = timeout(CANCEL_PATIENCE, async {
            canceller.cancel().await?;
            work.await.map(drop)
        })
        .await;
    }
    Err(interrupted(signal))
}
