//! From what the user said to a connection in which everything is decided, before anything is opened.
//!
//! What is written (a URL or a keyword string) goes before a service, a service before libpq's variables, and these
//! before libpq's defaults. A password is taken from `${NAME}` in a pipeline file, a service, `PGPASSWORD` or the
//! password file; one that stands in an argument or in a pipeline file is refused.
//!
//! In a pipeline file `${NAME}` is replaced after the string has been taken apart, so that a value needs no encoding
//! and cannot change anything but the part that it stands in: `@` in `postgresql://u:${PW}@h/d` is never a separator.
//! A target that is one `${NAME}` and nothing else is a whole connection string, password and all.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, TargetSessionAttrs};

use super::parameters::{Giver, Parameters, parse};
use super::passfile::{self, Lookup, SOCKET_FOLDERS, Wanted};
use super::secret::Secret;
use super::servicefile;
use super::tls::{Reach, Roots, Tls};
use crate::config::percent;
use crate::config::variables::{self, Encoding, Environment};
use crate::error::{Class, Error, Result};

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

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// The folder of its Unix socket.
    Unix(PathBuf),
    /// A machine.
    Tcp {
        /// Its name, which the certificate must be made out to; an address if no name was given.
        name: String,
        /// Its address, if the name is not to be looked up.
        address: Option<IpAddr>,
    },
}

/// A password, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// The password itself.
    pub secret: Option<Secret>,
    /// For people, and told to them when the server refuses: where it comes from, or why there is none.
    pub origin: String,
}

/// When a silent network counts as broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// How long the server's machine may leave sent data without taking it.
    pub user_timeout: Option<Duration>,
    /// How an idle connection is probed, if it is.
    pub keepalives: Option<Keepalives>,
}

/// How an idle connection is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// The silence before the first probe.
    pub idle: Duration,
    /// The time between probes.
    pub interval: Duration,
    /// How many probes may stay without an answer.
    pub count: u32,
}

/// Where the string was written, which decides whether it may hold a password and whether `${NAME}` is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, which every user of the machine can read: no password.
    Argument,
    /// In a pipeline file: a password only as `${NAME}`.
    PipelineFile,
}

const APPLICATION_NAME: &str = "liteferry";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A half-open connection is noticed within 30 seconds. The kernel counts a server that stops reading for as long as
/// broken too; what was sent is then sent again.
const TCP: Tcp = Tcp { user_timeout: Some(Duration::from_secs(30)), keepalives: Some(KEEPALIVES) };
const KEEPALIVES: Keepalives =
    Keepalives { idle: Duration::from_secs(10), interval: Duration::from_secs(5), count: 3 };

impl Conninfo {
    /// Decides everything about the connection that `written` and `environment` describe.
    ///
    /// A password that stands where it may not is an error of [`Class::Secret`], everything else that cannot be
    /// understood one of [`Class::Usage`]; no error repeats a value. Reads the service file and the password file,
    /// and looks for `~/.postgresql`, the default sockets and the user's name; opens no connection.
    pub fn decide(written: &str, environment: Environment<'_>, origin: Origin) -> Result<Self> {
        let mut given = Parameters::default();
        given.take_written(written_parameters(written, environment, origin)?)?;
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
        let port = decide_port(given)?;
        let host = decide_host(given, port)?;
        let user = match given.get("user") {
            Some(user) => user.to_owned(),
            None => system_user(environment)?,
        };
        let database = given.get("dbname").unwrap_or(&user).to_owned();
        let names = ["application_name", "fallback_application_name"];
        let name = names.into_iter().find_map(|name| given.get(name));
        let passfile = given.path("passfile");
        let password = {
            let wanted =
                Wanted { host: &host.for_passfile(), port, database: &database, user: &user };
            decide_password(given, wanted, passfile.as_deref(), home)
        };
        Ok(Self {
            tls: Tls::decide(given, host.reach(), home)?,
            channel_binding: given
                .choice("channel_binding", &CHANNEL_BINDING)?
                .unwrap_or(ChannelBinding::Prefer),
            application_name: name.unwrap_or(APPLICATION_NAME).to_owned(),
            options: given.get("options").map(str::to_owned),
            connect_timeout: match given.number::<i64>("connect_timeout")? {
                Some(seconds) => positive(seconds).map(Duration::from_secs),
                None => Some(CONNECT_TIMEOUT),
            },
            tcp: decide_tcp(given)?,
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

    /// A URL without password, for people and logs. [`Conninfo::decide`] reads the same connection from it.
    pub fn display(&self) -> String {
        let mut query = Vec::new();
        let authority = match &self.host {
            Host::Unix(folder) => {
                query.push(("host", folder.display().to_string()));
                if self.port != DEFAULT_PORT {
                    query.push(("port", self.port.to_string()));
                }
                String::new()
            }
            Host::Tcp { name, address } => {
                query.extend(address.map(|address| ("hostaddr", address.to_string())));
                format!("{}:{}", shown_host(name), self.port)
            }
        };
        self.describe_tls(&mut query);
        self.describe_session(&mut query);
        let query: Vec<_> = query
            .into_iter()
            .map(|(name, value)| format!("{name}={}", percent::encode(&value, "/")))
            .collect();
        let (user, database) =
            (percent::encode(&self.user, ""), percent::encode(&self.database, ""));
        let separator = if query.is_empty() { "" } else { "?" };
        format!("postgresql://{user}@{authority}/{database}{separator}{}", query.join("&"))
    }

    fn describe_tls(&self, query: &mut Vec<(&'static str, String)>) {
        if matches!(self.host, Host::Tcp { .. }) {
            query.push(("sslmode", self.tls.mode.as_str().to_owned()));
        }
        match &self.tls.roots {
            Some(Roots::File(file)) => query.push(("sslrootcert", file.display().to_string())),
            Some(Roots::System) => query.push(("sslrootcert", "system".to_owned())),
            None => {}
        }
        if let Some(identity) = &self.tls.identity {
            query.push(("sslcert", identity.certificate.display().to_string()));
            query.push(("sslkey", identity.key.display().to_string()));
        }
        if self.channel_binding != ChannelBinding::Prefer {
            query.extend(
                word(&CHANNEL_BINDING, &self.channel_binding).map(|w| ("channel_binding", w)),
            );
        }
    }

    fn describe_session(&self, query: &mut Vec<(&'static str, String)>) {
        query.extend(self.passfile.iter().map(|file| ("passfile", file.display().to_string())));
        if self.application_name != APPLICATION_NAME {
            query.push(("application_name", self.application_name.clone()));
        }
        query.extend(self.options.iter().map(|options| ("options", options.clone())));
        if self.connect_timeout != Some(CONNECT_TIMEOUT) {
            query.push(("connect_timeout", seconds(self.connect_timeout)));
        }
        if self.tcp.user_timeout != TCP.user_timeout {
            let milliseconds = self.tcp.user_timeout.unwrap_or_default().as_millis();
            query.push(("tcp_user_timeout", milliseconds.to_string()));
        }
        match self.tcp.keepalives {
            None => query.push(("keepalives", "0".to_owned())),
            Some(probes) if probes != KEEPALIVES => {
                query.push(("keepalives_idle", seconds(Some(probes.idle))));
                query.push(("keepalives_interval", seconds(Some(probes.interval))));
                query.push(("keepalives_count", probes.count.to_string()));
            }
            Some(_) => {}
        }
        if self.session != TargetSessionAttrs::Any {
            query.extend(word(&SESSION, &self.session).map(|w| ("target_session_attrs", w)));
        }
    }
}

impl Host {
    /// How far away it is: by the address if one was given, because that is where the bytes go.
    pub fn reach(&self) -> Reach {
        let Self::Tcp { name, address } = self else { return Reach::Socket };
        let address = address.or_else(|| name.parse().ok());
        let loopback = address.map_or_else(
            || name.eq_ignore_ascii_case("localhost"),
            |address| address.to_canonical().is_loopback(),
        );
        if loopback { Reach::Loopback } else { Reach::Network }
    }

    fn for_passfile(&self) -> String {
        match self {
            Self::Unix(folder) => folder.display().to_string(),
            Self::Tcp { name, .. } => name.clone(),
        }
    }
}

const DEFAULT_PORT: u16 = 5432;

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

fn word<T: PartialEq>(words: &[(&str, T)], meaning: &T) -> Option<String> {
    words.iter().find(|(_, means)| means == meaning).map(|(word, _)| (*word).to_owned())
}

fn seconds(duration: Option<Duration>) -> String {
    duration.unwrap_or_default().as_secs().to_string()
}

fn shown_host(name: &str) -> String {
    if name.contains(':') { format!("[{name}]") } else { percent::encode(name, "") }
}

fn written_parameters(
    written: &str,
    environment: Environment<'_>,
    origin: Origin,
) -> Result<Vec<(String, String)>> {
    let expand = |text: &str| variables::expand(text, environment, Encoding::Verbatim);
    if origin == Origin::PipelineFile && variables::is_only_variables(written.trim()) {
        return parse(&expand(written)?);
    }
    let mut parameters = parse(written)?;
    for (name, value) in &mut parameters {
        if name == "password" && !value.is_empty() {
            refuse_password(value, origin)?;
        }
        if origin == Origin::PipelineFile {
            *value = expand(value)?;
        }
    }
    Ok(parameters)
}

fn refuse_password(password: &str, origin: Origin) -> Result<()> {
    let what = match origin {
        Origin::PipelineFile if variables::is_only_variables(password) => return Ok(()),
        Origin::PipelineFile => "a password stands in the pipeline file, which is kept and shared",
        Origin::Argument => {
            "a password stands on the command line, where every user of this machine can read it"
        }
    };
    Err(Error::new(Class::Secret, what).todo(
        "take it out, and give it in one of these ways: \
         a line host:port:database:user:password in ~/.pgpass, or in the file that \
         PGPASSFILE or passfile=FILE names (mode 0600); the variable PGPASSWORD; a service file (service=NAME, PGSERVICE); \
         ${NAME} in the place of the password in a pipeline file",
    ))
}

fn decide_port(given: &Parameters) -> Result<u16> {
    match given.number::<u16>("port") {
        Ok(None) => Ok(DEFAULT_PORT),
        Ok(Some(port)) if port > 0 => Ok(port),
        _ => Err(given.invalid("port", "is not one number from 1 to 65535")),
    }
}

fn decide_host(given: &Parameters, port: u16) -> Result<Host> {
    for name in ["host", "hostaddr"] {
        if given.get(name).is_some_and(|value| value.contains(',')) {
            return Err(given.invalid(name, "names more than one server").todo(
                "name the one server to write to: a migration cannot move to another by itself",
            ));
        }
    }
    let invalid = |_hides_the_value| given.invalid("hostaddr", "is not an IP address");
    let address = given.get("hostaddr").map(str::parse::<IpAddr>).transpose().map_err(invalid)?;
    Ok(match (given.get("host"), address) {
        (Some(folder), None) if folder.starts_with('/') => Host::Unix(folder.into()),
        (Some(name), address) if !name.starts_with('/') => Host::Tcp { name: name.into(), address },
        (_, Some(address)) => Host::Tcp { name: address.to_string(), address: Some(address) },
        (_, None) => default_host(&SOCKET_FOLDERS.map(Path::new), port),
    })
}

/// The first folder with this server's socket, or else the machine itself.
fn default_host(folders: &[&Path], port: u16) -> Host {
    let socket = format!(".s.PGSQL.{port}");
    let folder = folders.iter().find(|folder| folder.join(&socket).exists());
    folder.map_or_else(
        || Host::Tcp { name: "localhost".into(), address: None },
        |folder| Host::Unix(folder.to_path_buf()),
    )
}

/// The name of the user that this process runs as, from `/etc/passwd`, or `USER` for one who is not listed there.
fn system_user(environment: Environment<'_>) -> Result<String> {
    let id = rustix::process::geteuid().as_raw().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let listed = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&id)).then(|| name.to_owned())
    });
    let user = listed.or_else(|| environment("USER")).filter(|user| !user.is_empty());
    user.ok_or_else(|| {
        Error::new(Class::Usage, format!("no user is given, and user id {id} has no name"))
            .todo("write user=NAME or set PGUSER")
    })
}

fn decide_password(
    given: &Parameters,
    wanted: Wanted<'_>,
    passfile: Option<&Path>,
    home: Option<&Path>,
) -> Password {
    if let (Some(password), Some(giver)) = (given.get("password"), given.giver("password")) {
        let origin = match giver {
            Giver::Written => "the password came from the pipeline file's variables".to_owned(),
            giver => format!("the password came from {giver}"),
        };
        return Password { secret: Some(Secret::new(password)), origin };
    }
    let usual = || home.map(|home| home.join(".pgpass"));
    let Some(file) = passfile.map(Path::to_path_buf).or_else(usual) else {
        let origin = "no password is given, and without HOME there is no password file".to_owned();
        return Password { secret: None, origin };
    };
    match passfile::look_up(&file, wanted) {
        Lookup::Found(secret) => {
            let origin = format!("the password came from {}", file.display());
            Password { secret: Some(secret), origin }
        }
        Lookup::Nothing(origin) | Lookup::Ignored(origin) => Password { secret: None, origin },
    }
}

fn decide_tcp(given: &Parameters) -> Result<Tcp> {
    let whole = |name, default: Duration| -> Result<Duration> {
        let seconds = given.number::<i64>(name)?.and_then(positive);
        Ok(seconds.map_or(default, Duration::from_secs))
    };
    let keepalives = Keepalives {
        idle: whole("keepalives_idle", KEEPALIVES.idle)?,
        interval: whole("keepalives_interval", KEEPALIVES.interval)?,
        count: given.number("keepalives_count")?.filter(|n| *n > 0).unwrap_or(KEEPALIVES.count),
    };
    let probed = given.number::<i64>("keepalives")? != Some(0);
    Ok(Tcp {
        user_timeout: match given.number::<i64>("tcp_user_timeout")? {
            Some(milliseconds) => positive(milliseconds).map(Duration::from_millis),
            None => TCP.user_timeout,
        },
        keepalives: probed.then_some(keepalives),
    })
}

/// libpq reads zero and less as "not limited" or "the default".
fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use proptest::prelude::*;

    use super::{Conninfo, Host, Origin, default_host};
    use crate::error::{Class, Error};
    use crate::store::postgres::tls::{Roots, SslMode};

    /// A user who has set nothing but who they are.
    fn nothing(name: &str) -> Option<String> {
        variables(&[])(name)
    }

    fn variables<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
    }

    fn decided(written: &str, set: &[(&str, &str)]) -> Conninfo {
        Conninfo::decide(written, &variables(set), Origin::PipelineFile).unwrap()
    }

    fn refused(written: &str, set: &[(&str, &str)], origin: Origin) -> Error {
        Conninfo::decide(written, &variables(set), origin).unwrap_err()
    }

    fn password(conninfo: &Conninfo) -> Option<&str> {
        conninfo.password.secret.as_ref().map(super::Secret::expose)
    }

    #[test]
    fn a_password_in_an_argument_is_refused_with_the_ways_that_work_and_is_not_repeated() {
        let written = [
            "postgresql://u:hunter2@h/d",
            "postgresql://u@h/d?password=hunter2",
            "postgresql://u@h/d?pass%77ord=hunter2",
            "host=h password=hunter2",
            "host=h password = 'hunter2' colour=red",
            "postgresql://u:${hunter2}@h/d",
        ];
        for written in written {
            let error = refused(written, &[("hunter2", "x")], Origin::Argument);
            assert_eq!(error.class(), Class::Secret, "{written}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            let advice = error.advice().unwrap();
            for way in ["PGPASSWORD", "PGPASSFILE", ".pgpass", "service", "${NAME}", "passfile="] {
                assert!(advice.contains(way), "{way}");
            }
        }
    }

    #[test]
    fn a_literal_password_in_a_pipeline_file_is_refused_too() {
        for written in ["postgresql://u:hunter2@h/d", "host=h password=hunter2${PW}"] {
            let error = refused(written, &[("PW", "x")], Origin::PipelineFile);
            assert_eq!(error.class(), Class::Secret, "{written}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_variable_in_a_pipeline_file_gives_any_part_and_changes_no_other() {
        let set = [("PW", "p@ss/?: '%41\\"), ("H", "db.example"), ("P", "6543")];
        let written = [
            "postgresql://u:${PW}@${H}:${P}/d",
            "postgresql://u@${H}/d?port=${P}&password=${PW}",
            "host=${H} port=${P} password=${PW} user=u dbname=d",
        ];
        for written in written {
            let conninfo = decided(written, &set);
            assert_eq!(password(&conninfo), Some("p@ss/?: '%41\\"), "{written}");
            assert_eq!(conninfo.host, Host::Tcp { name: "db.example".into(), address: None });
            assert_eq!((conninfo.port, conninfo.database.as_str()), (6543, "d"));
        }
    }

    #[test]
    fn a_target_that_is_one_variable_is_a_whole_connection_string() {
        let set = [("DATABASE_URL", "postgresql://u:p%40w@localhost:7/d")];
        let conninfo = decided("${DATABASE_URL}", &set);
        assert_eq!((password(&conninfo), conninfo.port), (Some("p@w"), 7));
    }

    #[test]
    fn in_an_argument_a_variable_is_text_and_in_a_pipeline_file_it_must_be_set() {
        let argument = Conninfo::decide("dbname=${D} host=h", &nothing, Origin::Argument).unwrap();
        assert_eq!(argument.database, "${D}");
        let error = refused("dbname=${D} host=h", &[], Origin::PipelineFile);
        assert_eq!(error.class(), Class::Usage);
        assert!(error.to_string().contains('D'));
    }

    #[test]
    fn the_string_goes_before_the_service_the_service_before_variables_and_these_before_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("services");
        let text = "[s]\nhost=service\nport=1\ndbname=service\npassword=fromservice\n";
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let set = [
            ("PGSERVICEFILE", file.as_str()),
            ("PGPORT", "2"),
            ("PGDATABASE", "variable"),
            ("PGUSER", "variable"),
            ("PGAPPNAME", "variable"),
            ("PGPASSWORD", "fromvariable"),
        ];
        let by_name = decided("service=s host=written", &set);
        let by_variable = decided("host=written", &[&set[..], &[("PGSERVICE", "s")]].concat());
        for conninfo in [by_name, by_variable] {
            assert_eq!(conninfo.host, Host::Tcp { name: "written".into(), address: None });
            assert_eq!((conninfo.port, conninfo.database.as_str()), (1, "service"));
            assert_eq!(conninfo.user, "variable");
            assert_eq!(conninfo.application_name, "variable");
            assert_eq!(password(&conninfo), Some("fromservice"));
        }
        let bare = decided("host=h user=u", &[]);
        assert_eq!((bare.database.as_str(), bare.application_name.as_str()), ("u", "liteferry"));
        assert_eq!(bare.port, 5432);
    }

    #[test]
    fn pgpassword_goes_before_the_password_file_and_each_origin_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let file = folder.path().join(".pgpass");
        std::fs::write(&file, "h:5432:d:u:fromfile\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        let written = "postgresql://u@h/d";
        let from_file = decided(written, &[("HOME", &home)]);
        assert_eq!(password(&from_file), Some("fromfile"));
        assert!(from_file.password.origin.ends_with("/.pgpass"));
        let from_variable = decided(written, &[("HOME", &home), ("PGPASSWORD", "v")]);
        assert_eq!(password(&from_variable), Some("v"));
        assert!(from_variable.password.origin.contains("PGPASSWORD"));
        let elsewhere = file.display().to_string();
        assert_eq!(password(&decided(written, &[("PGPASSFILE", &elsewhere)])), Some("fromfile"));
        let named = decided(&format!("{written}?passfile={elsewhere}"), &[("PGPASSFILE", "/none")]);
        assert_eq!(password(&named), Some("fromfile"));
        mode(0o644);
        let ignored = decided(written, &[("HOME", &home)]);
        assert_eq!(password(&ignored), None);
        assert!(ignored.password.origin.contains("mode 0644"), "{}", ignored.password.origin);
    }

    #[test]
    fn without_a_host_the_first_folder_with_the_socket_is_taken_or_else_localhost() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(full.path().join(".s.PGSQL.7"), "").unwrap();
        let folders = [empty.path(), full.path()];
        assert_eq!(default_host(&folders, 7), Host::Unix(full.path().into()));
        let local = Host::Tcp { name: "localhost".into(), address: None };
        assert_eq!(default_host(&folders, 8), local);
        assert_eq!(default_host(&[], 7), local);
    }

    #[test]
    fn over_a_network_the_default_is_verify_full_on_loopback_prefer_and_on_a_socket_none() {
        let mode = |host: &str| decided(&format!("host={host}"), &[("PGUSER", "u")]).tls.mode;
        for host in ["db.example", "10.0.0.1", "2001:db8::1", "localhost.example", "127.1"] {
            assert_eq!(mode(host), SslMode::VerifyFull, "{host}");
        }
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
        {
            assert_eq!(mode(host), SslMode::Prefer, "{host}");
        }
        assert_eq!(mode("/tmp"), SslMode::Disable);
        assert_eq!(mode("tunnel.example hostaddr=127.0.0.1"), SslMode::Prefer);
        assert_eq!(mode("localhost hostaddr=10.0.0.1"), SslMode::VerifyFull);
        assert_eq!(decided("host=h user=u", &[]).tls.roots, Some(Roots::System));
    }

    #[test]
    fn over_a_network_a_weaker_mode_must_be_said_and_one_that_decays_to_plain_text_is_refused() {
        let mode = |written: &str, set: &[(&str, &str)]| decided(written, set).tls.mode;
        assert_eq!(mode("postgresql://u@h/d?sslmode=disable", &[]), SslMode::Disable);
        assert_eq!(mode("postgresql://u@h/d", &[("PGSSLMODE", "require")]), SslMode::Require);
        for word in ["prefer", "allow"] {
            let error = refused("postgresql://u@h/d", &[("PGSSLMODE", word)], Origin::Argument);
            assert_eq!(error.class(), Class::Usage);
            assert!(error.to_string().contains("PGSSLMODE"), "{error}");
        }
        let allowed = "postgresql://u@localhost/d?sslmode=allow";
        assert_eq!(refused(allowed, &[], Origin::Argument).class(), Class::Usage);
    }

    #[test]
    fn the_usual_certificates_are_found_and_a_check_needs_something_to_check_against() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().display().to_string();
        let certificates = folder.path().join(".postgresql");
        std::fs::create_dir(&certificates).unwrap();
        for name in ["root.crt", "postgresql.crt"] {
            std::fs::write(certificates.join(name), "").unwrap();
        }
        let tls = |written: &str| decided(written, &[("HOME", &home)]).tls;
        let root = Some(Roots::File(certificates.join("root.crt")));
        for mode in ["require", "verify-ca", "verify-full"] {
            assert_eq!(tls(&format!("host=h user=u sslmode={mode}")).roots, root, "{mode}");
        }
        let local = tls("host=localhost user=u");
        assert_eq!((local.mode, local.roots), (SslMode::Prefer, None));
        assert_eq!(local.identity.unwrap().key, certificates.join("postgresql.key"));
        assert_eq!(tls("host=h user=u sslrootcert=system").roots, Some(Roots::System));
        let refused = |written| refused(written, &[], Origin::Argument).class();
        assert_eq!(refused("host=h user=u sslmode=verify-ca"), Class::Usage);
        assert_eq!(refused("host=h user=u sslrootcert=system sslmode=require"), Class::Usage);
    }

    #[test]
    fn what_cannot_be_understood_is_a_usage_error_that_names_the_parameter() {
        let written = [
            ("host=h port=0", "port"),
            ("host=h port=1,2", "port"),
            ("postgresql://a,b/d", "host"),
            ("host=h hostaddr=nowhere", "hostaddr"),
            ("host=h connect_timeout=soon", "connect_timeout"),
            ("host=h sslmode=maybe", "sslmode"),
            ("host=h target_session_attrs=standby", "target_session_attrs"),
            ("host=h replication=true", "replication"),
            ("postgresql://u:hunter2/x@h", "@"),
            ("postgresql://u:hunter2/x", "port"),
        ];
        for (written, named) in written {
            let error = refused(written, &[("PGUSER", "u")], Origin::Argument);
            assert_eq!(error.class(), Class::Usage, "{written}");
            assert!(error.to_string().contains(named), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn neither_debug_nor_display_show_the_password() {
        let conninfo = decided("postgresql://u@h/d", &[("PGPASSWORD", "hunter2")]);
        assert_eq!(password(&conninfo), Some("hunter2"));
        assert!(!format!("{conninfo:?}{}", conninfo.display()).contains("hunter2"));
    }

    #[test]
    fn the_url_shown_is_short_where_nothing_unusual_was_said() {
        let shown = |written: &str| decided(written, &[]).display();
        assert_eq!(
            shown("host=localhost user=u dbname=d"),
            "postgresql://u@localhost:5432/d?sslmode=prefer"
        );
        assert_eq!(shown("host=/tmp user=u port=7"), "postgresql://u@/u?host=/tmp&port=7");
    }

    #[test]
    fn every_parameter_survives_being_shown_and_read_again() {
        let written = [
            "host=::1 user=u hostaddr=::1 sslmode=verify-ca sslrootcert='/a b/&=.crt'",
            "host=h user=u sslcert=/c sslkey=/k channel_binding=require sslmode=require",
            "host=h user=u passfile=/p application_name='a b' options='-c x=1&y' connect_timeout=0",
            "host=h user=u tcp_user_timeout=0 keepalives=0 target_session_attrs=read-write",
            "host=/tmp user=u tcp_user_timeout=1500 keepalives_idle=1 keepalives_count=9",
            "hostaddr=10.0.0.1 user=u connect_timeout=3 sslmode=disable",
        ];
        for written in written {
            let conninfo = decided(written, &[]);
            let again = Conninfo::decide(&conninfo.display(), &nothing, Origin::Argument).unwrap();
            assert_eq!(again, conninfo, "{}", conninfo.display());
        }
    }

    proptest! {
        #[test]
        fn any_name_survives_being_shown_and_read_again(
            user in "[^\0]{1,9}",
            database in "[^\0]{1,9}",
            host in "[^\0,/][^\0,]{0,9}",
            port in 1_u16..
        ) {
            let mut conninfo = decided("host=h user=u", &[]);
            conninfo.host = Host::Tcp { name: host.replace([':', '[', ']'], "-"), address: None };
            conninfo.tls.mode = SslMode::VerifyFull;
            prop_assume!(conninfo.host.reach() == super::Reach::Network);
            (conninfo.user, conninfo.database, conninfo.port) = (user, database, port);
            let again = Conninfo::decide(&conninfo.display(), &nothing, Origin::Argument).unwrap();
            prop_assert_eq!(again, conninfo);
        }
    }

    #[test]
    fn a_user_who_says_nothing_is_who_runs_the_process() {
        let conninfo = decided("host=h", &[]);
        let id = rustix::process::geteuid().as_raw().to_string();
        let accounts = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap();
        assert!(accounts.lines().any(|line| {
            let fields: Vec<_> = line.split(':').collect();
            fields[0] == conninfo.user && fields[2] == id
        }));
    }
}
