//! The first connection to a private server: it proves that the server answers, and creates the database.

use super::cluster::{PORT, USER};
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use backon::{BlockingRetryable, ExponentialBuilder};
use std::path::Path;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

/// PostgreSQL cuts longer names.
const NAME_BYTES: usize = 63;

/// Waits until the server behind `sockets` answers, and creates `database` where it is missing.
pub(super) fn ensure(sockets: &Path, database: &str) -> Result<()> {
    if database.is_empty() || database.len() > NAME_BYTES || database.contains('\0') {
        let what = format!("{database:?} cannot be the name of a database");
        return Err(Error::new(Class::Usage, what).todo("give a name of 1 to 63 bytes"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Error::new(Class::Server, "cannot wait for a socket").because(cause))?;
    let patience = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(5))
        .with_max_delay(Duration::from_millis(500))
        .with_total_delay(Some(Duration::from_mins(1)))
        .without_max_times();
    (|| runtime.block_on(create(sockets, database)))
        .retry(patience)
        .when(is_passing)
        .call()
        .map_err(|cause| {
            let what = format!("the server behind {} does not serve", sockets.display());
            Error::new(Class::Server, what)
                .todo("see server.log in the server's folder")
                .because(cause)
        })
}

async fn create(sockets: &Path, database: &str) -> Result<(), tokio_postgres::Error> {
    let mut config = Config::new();
    config.host_path(sockets).port(PORT).user(USER).dbname("postgres");
    let (client, connection) = config.connect(NoTls).await?;
    let work = async move {
        let known = "SELECT FROM pg_database WHERE datname = $1";
        if client.query_opt(known, &[&database]).await?.is_none() {
            client.batch_execute(&format!("CREATE DATABASE {}", quoted(database))).await?;
        }
        Ok(())
        // The client ends here, and with it the connection.
    };
    let (done, closed) = tokio::join!(work, connection);
    done.and(closed)
}

/// Whether the server is on its way: recovering, or its socket not yet there.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    if let Some(code) = error.code() {
        return *code == SqlState::CANNOT_CONNECT_NOW;
    }
    let cause = std::error::Error::source(error);
    cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()).is_some_and(|cause| {
        use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound};
        matches!(cause.kind(), ConnectionRefused | ConnectionReset | NotFound)
    })
}

/// The first value that `sql` yields, as text.
#[cfg(test)]
pub(super) fn ask(
    sockets: &Path,
    database: &str,
    sql: &str,
) -> Result<String, tokio_postgres::Error> {
    use tokio_postgres::SimpleQueryMessage::Row;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut config = Config::new();
        config.host_path(sockets).port(PORT).user(USER).dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        let work = async move { client.simple_query(sql).await };
        let (messages, _) = tokio::join!(work, connection);
        let value = messages?.into_iter().find_map(|message| match message {
            Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok(value.unwrap_or_default())
    })
}
