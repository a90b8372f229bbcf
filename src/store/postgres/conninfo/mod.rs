//! From what the user said to a connection in which everything is decided, before anything is opened.
//!
//! What is written (a URL or a keyword string) goes before a service, a service before libpq's variables, and these
//! before libpq's defaults. A password is taken from `${NAME}` in a pipeline file, a service, `PGPASSWORD` or the
//! password file; one that stands in an argument or in a pipeline file is refused.
//!
//! In a pipeline file `${NAME}` is replaced after the string has been taken apart, so that a value needs no encoding
//! and cannot change anything but the part that it stands in: `@` in `postgresql://u:${PW}@h/d` is never a separator.
//! A target that is one `${NAME}` and nothing else is a whole connection string, password and all.
//!
//! `written` and `grammar` read the string, `servicefile` the service, and `parameters` keeps who gave what. From these
//! `host`, `user`, `password` (with `passfile`), `network` and [`tls`](super::tls) decide; `url` shows what was decided.

mod grammar;
mod host;
mod network;
mod parameters;
mod passfile;
mod password;
mod secret;
mod servicefile;
#[cfg(test)]
mod tests;
mod url;
mod user;
mod written;

pub use host::Host;
pub use network::{Keepalives, Tcp};
pub(super) use parameters::Parameters;
pub use password::Password;
pub use secret::Secret;
pub use written::Origin;

use super::tls::Tls;
use crate::config::variables::Environment;
use crate::error::Result;
use passfile::Wanted;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

/// A connection, fully decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conninfo {
    /// Where the server is.
    pub host: Host,
    /// Its port, also part of a Unix socket's name.
    pub port: u16,
    /// The role that logs in.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password, and where it comes from.
    pub password: Password,
    /// The password file, if one was named and not just the usual one looked at.
    pub passfile: Option<PathBuf>,
    /// Encryption.
    pub tls: Tls,
    /// Whether a password's exchange is bound to the encrypted channel.
    pub channel_binding: ChannelBinding,
    /// What the server shows for this connection.
    pub application_name: String,
    /// Settings for the session, as the server's command line has them.
    pub options: Option<String>,
    /// How long each address may take to connect; nothing waits for ever.
    pub connect_timeout: Option<Duration>,
    /// When a silent network counts as broken.
    pub tcp: Tcp,
    /// Whether the session must be able to write.
    pub session: TargetSessionAttrs,
}

impl Conninfo {
    /// Decides everything about the connection that `written` and `environment` describe.
    ///
    /// A password that stands where it may not is an error of [`Class::Secret`](crate::Class::Secret), everything else
    /// that cannot be understood one of [`Class::Usage`](crate::Class::Usage); no error repeats a value. Reads the
    /// service file and the password file, and looks for `~/.postgresql`, the default sockets and the user's name;
    /// opens no connection.
    pub fn decide(written: &str, environment: Environment<'_>, origin: Origin) -> Result<Self> {
        let mut given = Parameters::default();
        given.take_written(written::parameters(written, environment, origin)?)?;
        let variable = || environment("PGSERVICE").filter(|service| !service.is_empty());
        if let Some(service) = given.get("service").map(str::to_owned).or_else(variable) {
            servicefile::add(&service, &mut given, environment)?;
        }
        given.take_environment(environment);
        let home = environment("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self::from_parameters(&given, home.as_deref(), environment)
    }

    fn from_parameters(
        given: &Parameters,
        home: Option<&Path>,
        environment: Environment<'_>,
    ) -> Result<Self> {
        let port = host::port(given)?;
        let host = Host::decide(given, port)?;
        let user = match given.get("user") {
            Some(user) => user.to_owned(),
            None => user::system_user(environment)?,
        };
        let database = given.get("dbname").unwrap_or(&user).to_owned();
        let names = ["application_name", "fallback_application_name"];
        let name = names.into_iter().find_map(|name| given.get(name));
        let passfile = given.path("passfile");
        let for_passfile = host.for_passfile();
        let wanted = Wanted { host: &for_passfile, port, database: &database, user: &user };
        let password = Password::decide(given, wanted, passfile.as_deref(), home);
        Ok(Self {
            tls: Tls::decide(given, host.reach(), home)?,
            channel_binding: given
                .choice("channel_binding", &CHANNEL_BINDING)?
                .unwrap_or(ChannelBinding::Prefer),
            application_name: name.unwrap_or(APPLICATION_NAME).to_owned(),
            options: given.get("options").map(str::to_owned),
            connect_timeout: network::connect_timeout(given)?,
            tcp: Tcp::decide(given)?,
            session: given
                .choice("target_session_attrs", &SESSION)?
                .unwrap_or(TargetSessionAttrs::Any),
            host,
            port,
            user,
            database,
            password,
            passfile,
        })
    }
}

const APPLICATION_NAME: &str = "liteferry";

const CHANNEL_BINDING: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];

const SESSION: [(&str, TargetSessionAttrs); 3] = [
    ("any", TargetSessionAttrs::Any),
    ("read-write", TargetSessionAttrs::ReadWrite),
    ("read-only", TargetSessionAttrs::ReadOnly),
];
