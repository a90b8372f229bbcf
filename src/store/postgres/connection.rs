//! Opens a connection and makes sure of the server behind it: 13 or newer, and UTF-8.
//!
//! Nothing here spawns or retries: the caller polls [`Opened::driver`] as long as it uses the client, and opens again
//! when an error is temporary. Inside [`open`] both run side by side.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select};
use rustls::CertificateError;
use tokio_postgres::config::SslMode as Encryption;
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Config, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::{Conninfo, Host};
use super::failure::{
    Moment, because, classify_connect, failed, is_connection_lost, is_identity_refused,
    is_password_missing, is_tls_missing, is_unbound, of_certificate,
};
use super::tls::{self, SslMode};
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;

/// Moves bytes between client and server; ends with the connection, and the client waits as long as nobody polls it.
pub type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// An open connection.
pub struct Opened {
    /// Takes statements.
    pub client: Client,
    /// Must be polled for the client to make progress.
    pub driver: Driver,
    /// Stops the statement that is running.
    pub canceller: Canceller,
    /// The server's version as a number, 150014 for 15.14.
    pub server_version_num: u32,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("server_version_num", &self.server_version_num)
            .finish_non_exhaustive()
    }
}

/// Opens a connection as `conninfo` says.
///
/// Classes: [`Class::Server`] for no server, no such database, one that is too old or not UTF-8; [`Class::Access`] for
/// authentication, TLS and permission; [`Class::Temporary`] for what may pass, and, at [`Moment::Reconnect`], for a
/// server that is absent.
pub async fn open(conninfo: &Conninfo, moment: Moment) -> Result<Opened> {
    let tls = tls::connector(&conninfo.tls)?;
    let opening = Box::pin(open_and_check(conninfo, moment, tls));
    let Some(limit) = limit(conninfo) else { return opening.await };
    tokio::time::timeout(limit, opening).await.unwrap_or_else(|_elapsed| {
        let class = match moment {
            Moment::FirstConnect => Class::Server,
            Moment::Reconnect => Class::Temporary,
        };
        let what = format!("no connection to {} within {limit:?}", conninfo.display());
        Err(Error::new(class, what).todo("check host, port and firewall, or raise connect_timeout"))
    })
}

/// How long all of it may take: each address has the timeout for itself, and TLS, authentication and the checks come
/// on top.
fn limit(conninfo: &Conninfo) -> Option<Duration> {
    conninfo.connect_timeout.map(|timeout| timeout.saturating_mul(3))
}

async fn open_and_check(
    conninfo: &Conninfo,
    moment: Moment,
    tls: MakeRustlsConnect,
) -> Result<Opened> {
    let (client, connection) = config(conninfo)
        .connect(tls.clone())
        .await
        .map_err(|error| not_opened(conninfo, moment, error))?;
    let mut driver: Driver = Box::pin(connection);
    let canceller = Canceller { token: client.cancel_token(), tls, limit: limit(conninfo) };
    let server_version_num = {
        let prepared = pin!(prepare(&client, conninfo));
        match select(prepared, &mut driver).await {
            Either::Left((prepared, _driver)) => prepared?,
            Either::Right((Ok(()), prepared)) => prepared.await?,
            Either::Right((Err(error), _)) => {
                return Err(not_opened(conninfo, moment, error));
            }
        }
    };
    Ok(Opened { client, driver, canceller, server_version_num })
}

/// What tokio-postgres is told. The certificate's checks are the connector's.
fn config(conninfo: &Conninfo) -> Config {
    let mut config = Config::new();
    config
        .port(conninfo.port)
        .user(&conninfo.user)
        .dbname(&conninfo.database)
        .application_name(&conninfo.application_name)
        .channel_binding(conninfo.channel_binding)
        .target_session_attrs(conninfo.session)
        .ssl_mode(match conninfo.tls.mode {
            SslMode::Disable => Encryption::Disable,
            SslMode::Prefer => Encryption::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Encryption::Require,
        })
        .keepalives(conninfo.tcp.keepalives.is_some());
    match &conninfo.host {
        Host::Unix(folder) => config.host_path(folder),
        Host::Tcp { name, address } => {
            if let Some(address) = address {
                config.hostaddr(*address);
            }
            config.host(name)
        }
    };
    if let Some(password) = &conninfo.password.secret {
        config.password(password.expose());
    }
    if let Some(options) = &conninfo.options {
        config.options(options);
    }
    if let Some(timeout) = conninfo.connect_timeout {
        config.connect_timeout(timeout);
    }
    if let Some(timeout) = conninfo.tcp.user_timeout {
        config.tcp_user_timeout(timeout);
    }
    if let Some(probes) = conninfo.tcp.keepalives {
        config.keepalives_idle(probes.idle);
        config.keepalives_interval(probes.interval);
        config.keepalives_retries(probes.count);
    }
    config
}

/// Checks the server and sets the session; returns the server's version.
async fn prepare(client: &Client, conninfo: &Conninfo) -> Result<u32> {
    let version = ask(client, "SHOW server_version_num").await?;
    let version: u32 = version.parse().map_err(|error| {
        let what = format!("{} is not a PostgreSQL server", conninfo.display());
        Error::new(Class::Server, what).because(error)
    })?;
    let encoding = ask(client, "SHOW server_encoding").await?;
    check_server(conninfo, version, &encoding)?;
    if version >= 140_000 {
        notice_a_lost_client(client).await?;
    }
    Ok(version)
}

/// Lets the server end a statement whose client is gone, so that its locks do not outlive it. Some systems cannot.
async fn notice_a_lost_client(client: &Client) -> Result<()> {
    match client.batch_execute("SET client_connection_check_interval = '1s'").await {
        Err(error) if error.as_db_error().is_none() || is_connection_lost(&error) => {
            Err(failed("cannot set the session up", error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn ask(client: &Client, question: &str) -> Result<String> {
    let answer = client.simple_query(question).await;
    let messages = answer.map_err(|error| failed("cannot ask the server who it is", error))?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    value
        .map(str::to_owned)
        .ok_or_else(|| Error::new(Class::Server, format!("the server does not answer {question}")))
}

const OLDEST: u32 = 130_000;

fn check_server(conninfo: &Conninfo, version: u32, encoding: &str) -> Result<()> {
    if version < OLDEST {
        let (major, minor) = (version / 10_000, version % 10_000);
        return Err(Error::new(
            Class::Server,
            format!("the server is PostgreSQL {major}.{minor}, and liteferry needs 13 or newer"),
        )
        .todo("upgrade the server, or name a newer one"));
    }
    if encoding != "UTF8" {
        let database = quoted(&conninfo.database);
        return Err(Error::new(
            Class::Server,
            format!(
                "the database {database} has the encoding {encoding}, and liteferry needs UTF8"
            ),
        )
        .todo("CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name that one"));
    }
    Ok(())
}

fn not_opened(conninfo: &Conninfo, moment: Moment, error: tokio_postgres::Error) -> Error {
    let class = classify_connect(&error, moment);
    let refused = Error::new(class, format!("cannot connect to {}", conninfo.display()));
    if is_password_missing(&error) {
        let origin = &conninfo.password.origin;
        return refused.because("the server asks for a password, and there is none").todo(format!(
            "give the password in ~/.pgpass (mode 0600), PGPASSFILE or PGPASSWORD: {origin}"
        ));
    }
    let refused = match advice(conninfo, class, &error) {
        Some(advice) => refused.todo(advice),
        None => refused,
    };
    because(refused, error)
}

fn advice(conninfo: &Conninfo, class: Class, error: &tokio_postgres::Error) -> Option<String> {
    if is_tls_missing(error) {
        let advice = "set ssl = on at the server, \
                      or write sslmode=disable where the network itself is trusted";
        return Some(advice.to_owned());
    }
    if let Some(fault) = of_certificate(error) {
        return advice_on_certificate(fault);
    }
    if is_identity_refused(error) {
        let advice = "show a certificate of an authority that the server trusts (its ssl_ca_file): \
                      sslcert=FILE and sslkey=FILE";
        return Some(advice.to_owned());
    }
    if is_unbound(error) {
        let advice = "channel_binding=require needs encryption (sslmode=verify-full), \
                      and scram-sha-256 in pg_hba.conf";
        return Some(advice.to_owned());
    }
    let origin = &conninfo.password.origin;
    match error.code().map(SqlState::code) {
        Some("28P01") => Some(format!("check the role, its password and pg_hba.conf: {origin}")),
        Some("28000") => Some(format!(
            "check the role, and what pg_hba.conf asks of it: encryption (sslmode), \
             a certificate (sslcert and sslkey) or a password ({origin})"
        )),
        Some("3D000") => Some(format!(
            "CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0, or name another",
            quoted(&conninfo.database)
        )),
        Some(_) if class == Class::Server && conninfo.options.is_some() => {
            Some("check options (PGOPTIONS)".to_owned())
        }
        None if class == Class::Server => {
            Some("start the server, or check host and port".to_owned())
        }
        _ => None,
    }
}

fn advice_on_certificate(fault: &CertificateError) -> Option<String> {
    Some(
        match fault {
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::Other(_) => {
                "name the authority's certificate with sslrootcert=FILE \
                 (or the server's own, if it signed itself)"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "connect by the name that the certificate is made out to \
                 (subjectAltName; hostaddr= may say where that is), or write sslmode=verify-ca"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "renew the server's certificate"
            }
            _ => return None,
        }
        .to_owned(),
    )
}

/// Stops the statement that runs on a connection, over a connection of its own with the same encryption.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    tls: MakeRustlsConnect,
    limit: Option<Duration>,
}

impl Canceller {
    /// Asks the server to stop the statement. The server does not say whether there was one; the statement itself
    /// ends with SQLSTATE 57014 if it was stopped.
    pub async fn cancel(&self) -> Result<()> {
        let what = "cannot ask the server to stop the statement";
        let asking = Box::pin(self.token.cancel_query(self.tls.clone()));
        let asked = match self.limit {
            None => asking.await,
            Some(limit) => tokio::time::timeout(limit, asking)
                .await
                .map_err(|elapsed| Error::new(Class::Temporary, what).because(elapsed))?,
        };
        asked.map_err(|error| failed(what, error))
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::JoinHandle;
    use std::time::Duration;

    use super::{Error, check_server, open};
    use crate::error::Class;
    use crate::store::postgres::conninfo::{Conninfo, Origin};
    use crate::store::postgres::failure::Moment;

    fn conninfo(port: u16, parameters: &str) -> Conninfo {
        let written = format!("host=127.0.0.1 port={port} user=u dbname=d {parameters}");
        Conninfo::decide(&written, &|_| None, Origin::Argument).unwrap()
    }

    fn refused(conninfo: &Conninfo, moment: Moment) -> Error {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(open(conninfo, moment)).unwrap_err()
    }

    /// A server that answers the first message and returns everything that comes after it.
    fn server(answer: &'static [u8]) -> (u16, JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = stream.read(&mut [0; 1024]).unwrap();
            assert!(read > 0);
            stream.write_all(answer).unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            rest
        });
        (port, served)
    }

    #[test]
    fn a_server_that_cannot_encrypt_is_told_nothing_when_encryption_is_required() {
        for mode in ["require", "verify-full"] {
            let (port, served) = server(b"N");
            let error = refused(&conninfo(port, &format!("sslmode={mode}")), Moment::FirstConnect);
            assert_eq!(error.class(), Class::Access);
            assert!(error.advice().unwrap().contains("ssl = on"));
            assert!(served.join().unwrap().is_empty(), "{mode}");
        }
    }

    #[test]
    fn whoever_has_no_password_is_told_why() {
        let (port, served) = server(b"R\0\0\0\x08\0\0\0\x03");
        let given = "sslmode=disable passfile=/nonexistent/pgpass";
        let error = refused(&conninfo(port, given), Moment::FirstConnect);
        assert_eq!(error.class(), Class::Access);
        assert!(error.advice().unwrap().contains("/nonexistent/pgpass does not exist"));
        assert!(error.source().unwrap().to_string().contains("asks for a password"));
        assert!(served.join().unwrap().is_empty());
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut silent = conninfo(listener.local_addr().unwrap().port(), "");
        silent.connect_timeout = Some(Duration::from_millis(10));
        assert_eq!(refused(&silent, Moment::FirstConnect).class(), Class::Server);
        assert_eq!(refused(&silent, Moment::Reconnect).class(), Class::Temporary);
    }

    #[test]
    fn an_old_server_and_one_that_is_not_utf8_are_refused() {
        let check = |version, encoding| check_server(&conninfo(1, ""), version, encoding);
        assert!(check(130_000, "UTF8").is_ok());
        let old = check(120_017, "UTF8").unwrap_err();
        assert_eq!(old.class(), Class::Server);
        assert!(old.to_string().contains("12.17"), "{old}");
        let ascii = check(150_000, "SQL_ASCII").unwrap_err();
        assert_eq!(ascii.class(), Class::Server);
        assert!(ascii.to_string().contains("SQL_ASCII"), "{ascii}");
        assert!(ascii.advice().unwrap().contains("TEMPLATE template0"));
    }
}
