//! A server that asks everybody who they are, and a user of it with a database and a folder of their own.
//!
//! It listens on 127.0.0.1, and so answers on 0.0.0.0 too, which is no loopback address: what holds of a network can
//! be seen there. It logs every connection that it lets in.

use super::certificates::{Authority, Papers};
use crate::environment::{Done, Environment, Running, Session, start_server};
use liteferry::store::postgres::server::{Scoped, StopMode};
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A role with a password, encrypted or not, also over the Unix socket.
pub(super) const ANNA: &str = "anna";
/// A role with the same password, which is let in only with encryption.
pub(super) const BERT: &str = "bert";
/// A role with a certificate, and no password.
pub(super) const CARL: &str = "carl";
/// Every character of it means something somewhere.
pub(super) const PASSWORD: &str = r"p@ss:w\rd/?%41'${HOME}#é";

const ACCESS: &str = "\
    local all anna scram-sha-256\n\
    local all all trust\n\
    hostssl all carl 127.0.0.1/32 cert\n\
    hostssl all bert 127.0.0.1/32 scram-sha-256\n\
    host all anna 127.0.0.1/32 scram-sha-256\n";

/// A port may be taken by another between its choice and its use.
const PORTS_TO_TRY: usize = 5;

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The server of all tests that need no other: its certificate is for `db.test` and 127.0.0.1.
pub(super) static SHARED: LazyLock<Guarded> = LazyLock::new(|| {
    let authority = Authority::new("authority");
    let papers = authority.server(&["db.test", "127.0.0.1"]);
    Guarded::start(authority, Some(&papers))
});

/// A server that asks everybody who they are.
pub(super) struct Guarded {
    server: Scoped,
    port: u16,
    /// Whom it trusts to know clients.
    pub(super) authority: Authority,
}

impl Guarded {
    /// Without papers of its own it does not encrypt.
    pub(super) fn start(authority: Authority, papers: Option<&Papers>) -> Self {
        let settings = [("log_connections", "on"), ("password_encryption", "scram-sha-256")];
        let mut guarded = Self { server: start_server(&settings), port: 0, authority };
        let roles = [ANNA, BERT].map(|role| {
            format!("CREATE ROLE {role} LOGIN PASSWORD '{}'", PASSWORD.replace('\'', "''"))
        });
        let roles = format!("{}; CREATE ROLE {CARL} LOGIN", roles.join("; "));
        Session::open(&guarded.server.url()).query(&roles);
        guarded.place("pg_hba.conf", ACCESS);
        if let Some(papers) = papers {
            guarded.place("server.crt", &papers.certificate);
            guarded.place("server.key", &papers.key);
            guarded.place("authority.crt", &guarded.authority.pem);
        }
        guarded.listen(papers.is_some());
        guarded
    }

    /// Starts it again at a port that is free.
    fn listen(&mut self, encrypts: bool) {
        let settings = self.server.dir().join("data/postgresql.conf");
        let mut settings = fs::OpenOptions::new().append(true).open(settings).unwrap();
        settings.write_all(b"\ninclude 'listen.conf'\n").unwrap();
        for _ in 0..PORTS_TO_TRY {
            self.port = free_port();
            let tls = "ssl = on\nssl_ca_file = 'authority.crt'\n";
            let tls = if encrypts { tls } else { "" };
            let text = format!("listen_addresses = '127.0.0.1'\nport = {}\n{tls}", self.port);
            self.place("listen.conf", &text);
            if self.server.restart(StopMode::Fast).is_ok() {
                return;
            }
        }
        panic!("the server does not start, see its log:\n{}", self.log());
    }

    /// Writes a file among its data that only the server reads.
    fn place(&self, name: &str, text: &str) {
        let data = self.server.dir().join("data");
        let owner = fs::metadata(&data).unwrap();
        let file = data.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.server.dir().join("server.log")).unwrap()
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A user of the server: a database, which all roles may fill, and a folder with a SQLite file.
pub(super) struct User<'s> {
    server: &'s Guarded,
    environment: Environment,
    /// The database.
    pub(super) database: String,
}

impl<'s> User<'s> {
    pub(super) fn of(server: &'s Guarded) -> Self {
        let database = format!("guarded_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let user = Self { server, environment: Environment::new(), database };
        user.session("postgres").query(&format!("CREATE DATABASE {}", user.database));
        user.session(&user.database).query(&format!(
            "GRANT ALL ON DATABASE {} TO PUBLIC; GRANT ALL ON SCHEMA public TO PUBLIC",
            user.database
        ));
        user.environment.sqlite(
            "CREATE TABLE trades (id INTEGER PRIMARY KEY, price REAL);
             INSERT INTO trades VALUES (1, 0.5), (2, 2.5), (3, NULL);",
        );
        user
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port
    }

    /// The folder of the server's socket.
    pub(super) fn socket(&self) -> String {
        self.server.server.socket_dir().to_str().unwrap().to_owned()
    }

    /// A role at 127.0.0.1, with more parameters.
    pub(super) fn target(&self, role: &str, more: &str) -> String {
        self.target_at("host=127.0.0.1", role, more)
    }

    /// A role at another place.
    pub(super) fn target_at(&self, place: &str, role: &str, more: &str) -> String {
        let (port, database) = (self.port(), &self.database);
        format!("{place} port={port} user={role} dbname={database} {more}")
    }

    /// A file in the user's folder.
    pub(super) fn file(&self, name: &str, text: &str, mode: u32) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A path in the user's folder, which is their home.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.environment.path(name)
    }

    /// The certificate of the server's authority, as a parameter.
    pub(super) fn root(&self) -> String {
        format!("sslrootcert={}", self.file("root.crt", &self.server.authority.pem, 0o644))
    }

    /// A superuser's session in the user's database.
    pub(super) fn admin(&self) -> Session {
        self.session(&self.database)
    }

    fn session(&self, database: &str) -> Session {
        let url = self.server.server.url();
        let (server, _) = url.rsplit_once(':').unwrap();
        Session::open(&format!("{server}:{}/{database}", self.server.port))
    }

    /// Starts the program with variables.
    pub(super) fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.environment.command();
        command.args(arguments).envs(variables.iter().copied());
        self.environment.spawn(command)
    }

    /// Lets the program run to its end with variables; it never repeats the password.
    #[track_caller]
    pub(super) fn call(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Done {
        let done = self.start(arguments, variables).wait();
        for output in [&done.stdout, &done.stderr] {
            assert!(!output.contains(PASSWORD), "the password is told: {done}");
        }
        done
    }

    /// Moves the source to `target`, proved, and gives the lines of the server's log about its connections.
    #[track_caller]
    pub(super) fn arrives(&self, target: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let before = self.connections().len();
        let done = self.call(&run(target), variables).expect(0);
        assert_eq!(done.json()["phase"], "proved", "{done}");
        let rows = self.admin().query("SELECT count(*) FROM public.trades");
        assert_eq!(rows, [[Some("3".to_owned())]]);
        let connections = self.connections().split_off(before);
        // More than one: the workers' are there too.
        assert!(connections.len() > 1, "{connections:?}");
        connections
    }

    /// Tries to move the source to `target`; the server lets nobody in.
    #[track_caller]
    pub(super) fn refused(&self, target: &str, variables: &[(&str, &str)], code: i32) -> Done {
        let before = self.connections();
        let done = self.call(&run(target), variables).expect(code);
        assert_eq!(self.connections(), before, "{done}");
        done
    }

    /// What the log says about connections to this database that were let in, but for the test's own.
    pub(super) fn connections(&self) -> Vec<String> {
        let of = format!(" database={} ", self.database);
        let mine = |line: &&str| {
            line.contains("connection authorized: user=")
                && line.contains(&of)
                && !line.contains("user=liteferry ")
        };
        self.server.log().lines().filter(mine).map(Into::into).collect()
    }

    /// Whether the log says this.
    pub(super) fn is_logged(&self, text: &str) -> bool {
        self.server.log().contains(text)
    }
}

fn run(target: &str) -> [&str; 9] {
    ["run", "--no-capture", "--json", "--workers", "2", "--source", "source.db", "--target", target]
}
