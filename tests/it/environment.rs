//! What every test stands on: a folder, a SQLite file, a PostgreSQL database of its own, and the program.
//!
//! One private server is shared by all tests of the process; it ends with the process, however that ends. A test
//! that stops or crashes its server has one of its own. Nothing of the user's environment reaches the program.

use backon::{BlockingRetryable, ConstantBuilder};
use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use liteferry::store::postgres::server::{Scoped, Server, ServerOptions};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A row as the server writes it in text.
pub(crate) type Row = Vec<Option<String>>;

/// How often something that must come about is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Looks before a test fails: three minutes, more than the slowest machine needs.
const LOOKS: usize = 36_000;

static SHARED: LazyLock<Scoped> = LazyLock::new(|| start_server(&[]));
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A server with settings beside those of all test servers.
pub(crate) fn start_server(settings: &[(&str, &str)]) -> Scoped {
    let mut options = ServerOptions::scratch();
    // Each test has a few connections, and there are as many tests at once as processors.
    let all = [("max_connections", "500")].iter().chain(settings);
    options.settings.extend(all.map(|&(name, value)| (name.into(), value.into())));
    Server::scoped(&options, &|_| ()).expect("a private server for the tests")
}

/// What one test has for itself.
pub(crate) struct Environment {
    folder: TempDir,
    own: Option<Scoped>,
    database: String,
    outputs: Cell<u32>,
}

impl Environment {
    /// A new database in the shared server.
    pub(crate) fn new() -> Self {
        Self::of(None, "")
    }

    /// A new database in the shared server, made with options of CREATE DATABASE.
    pub(crate) fn with_database(options: &str) -> Self {
        Self::of(None, options)
    }

    /// A server that is this test's own, with settings beside those of all test servers.
    pub(crate) fn with_own_server(settings: &[(&str, &str)]) -> Self {
        Self::of(Some(start_server(settings)), "")
    }

    fn of(own: Option<Scoped>, options: &str) -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let environment = Self {
            folder: tempfile::tempdir().unwrap(),
            own,
            database: format!("test_{number}"),
            outputs: Cell::new(0),
        };
        environment.maintain(&format!("CREATE DATABASE {} {options}", environment.database));
        environment
    }

    /// The server that the database is in.
    pub(crate) fn server(&self) -> &Server {
        self.own.as_ref().unwrap_or(&SHARED)
    }

    /// The target's address.
    pub(crate) fn url(&self) -> String {
        self.url_of(&self.database)
    }

    fn url_of(&self, database: &str) -> String {
        let url = self.server().url();
        let (server, _) = url.rsplit_once('/').unwrap();
        format!("{server}/{database}")
    }

    /// A path in this test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The SQLite file.
    pub(crate) fn source(&self) -> PathBuf {
        self.path("source.db")
    }

    /// Runs SQL in the SQLite file, which is made where there is none.
    #[track_caller]
    pub(crate) fn sqlite(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.source()).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error} in {sql}"));
    }

    /// A connection to the target.
    pub(crate) fn connect(&self) -> Session {
        Session::open(&self.url())
    }

    /// Gives the database settings for all sessions to come.
    pub(crate) fn set(&self, settings: &[&str]) {
        let database = self.value("SELECT current_database()");
        for setting in settings {
            self.query(&format!("ALTER DATABASE {database} SET {setting}"));
        }
    }

    /// Runs SQL in the target, and gives the rows of its last query.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
        self.connect().query(sql)
    }

    /// The one value of a query in the target.
    #[track_caller]
    pub(crate) fn value(&self, sql: &str) -> String {
        let rows = self.query(sql);
        let [row] = rows.as_slice() else { panic!("{} rows from {sql}", rows.len()) };
        let [Some(value)] = row.as_slice() else { panic!("{row:?} from {sql}") };
        value.clone()
    }

    /// The values of a query of one column in the target.
    #[track_caller]
    pub(crate) fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.query(sql);
        rows.into_iter().map(|mut row| row.swap_remove(0).unwrap_or_default()).collect()
    }

    /// The program with nothing of the user's environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_liteferry"));
        command.env_clear().env("HOME", self.folder.path()).current_dir(self.folder.path());
        for name in ["PATH", "TMPDIR", "LITEFERRY_PG_SEARCH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// `run --no-capture --source SOURCE --target URL` with two workers, and more arguments.
    pub(crate) fn run_arguments(&self, more: &[&str]) -> Vec<String> {
        self.ends("run", &[&["--no-capture", "--workers", "2"], more].concat())
    }

    /// A command with this test's ends, and more arguments.
    pub(crate) fn ends(&self, command: &str, more: &[&str]) -> Vec<String> {
        let source = self.source();
        let ends = [command, "--json", "--source", source.to_str().unwrap(), "--target"];
        let url = [self.url()];
        ends.iter()
            .map(|&word| word.to_owned())
            .chain(url)
            .chain(more.iter().map(|&word| word.to_owned()))
            .collect()
    }

    /// The plan of a source at rest as people read it.
    #[track_caller]
    pub(crate) fn plan_in_words(&self) -> Done {
        let (source, url) = (self.source(), self.url());
        let ends = ["--source", source.to_str().unwrap(), "--target", &url];
        self.liteferry(&[&["plan", "--no-capture"], &ends[..]].concat())
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn liteferry<S: AsRef<str>>(&self, arguments: &[S]) -> Done {
        self.start(arguments).wait()
    }

    /// Moves the source to its proof; more arguments may follow.
    #[track_caller]
    pub(crate) fn run(&self, more: &[&str]) -> Done {
        self.liteferry(&self.run_arguments(more))
    }

    /// `verify` with this test's ends.
    #[track_caller]
    pub(crate) fn verify(&self) -> Done {
        self.liteferry(&self.ends("verify", &["--workers", "2"]))
    }

    /// Starts the program.
    pub(crate) fn start<S: AsRef<str>>(&self, arguments: &[S]) -> Running {
        let mut command = self.command();
        command.args(arguments.iter().map(AsRef::as_ref));
        self.spawn(command)
    }

    /// Starts a command of which the program is the end.
    pub(crate) fn spawn(&self, mut command: Command) -> Running {
        let number = self.outputs.replace(self.outputs.get() + 1);
        // Files, not pipes: a program that nobody reads from must not wait.
        let (stdout, stderr) =
            (self.path(&format!("stdout.{number}")), self.path(&format!("stderr.{number}")));
        command.stdin(Stdio::null());
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let told = format!("{command:?}");
        let child = command.spawn().unwrap_or_else(|error| panic!("{error}: {told}"));
        Running { child, told, stdout, stderr, peak_kib: 0 }
    }

    /// Runs SQL in the server's own database.
    pub(crate) fn maintain(&self, sql: &str) {
        Session::open(&self.url_of("postgres")).query(sql);
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // A server of its own goes as a whole.
        if self.own.is_none() && !std::thread::panicking() {
            self.maintain(&format!("DROP DATABASE {} WITH (FORCE)", self.database));
        }
    }
}

/// A connection to a server, for what the test itself does there.
pub(crate) struct Session {
    client: Client,
    runtime: Runtime,
}

impl Session {
    /// Connects as the server's superuser.
    pub(crate) fn open(url: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(url, NoTls)).unwrap();
        drop(runtime.spawn(connection));
        Self { client, runtime }
    }

    /// Runs SQL and gives the rows of its last query.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
        self.try_query(sql).unwrap_or_else(|error| panic!("{error:?}: {}", shortened(sql)))
    }

    /// The one value of a query of one `bytea`.
    #[track_caller]
    pub(crate) fn bytes(&self, sql: &str) -> Vec<u8> {
        self.runtime.block_on(self.client.query_one(sql, &[])).unwrap().get(0)
    }

    /// Sends this stream to a `COPY … FROM STDIN`, and gives the rows that the server took.
    #[track_caller]
    pub(crate) fn copy_in(&self, sql: &str, stream: Vec<u8>) -> u64 {
        let taken = self.runtime.block_on(async {
            let mut sink = pin!(self.client.copy_in::<_, Bytes>(sql).await?);
            sink.send(Bytes::from(stream)).await?;
            sink.finish().await
        });
        taken.unwrap_or_else(|error| panic!("{error:?}: {sql}"))
    }

    /// The stream of a `COPY … TO STDOUT`.
    #[track_caller]
    pub(crate) fn copy_out(&self, sql: &str) -> Vec<u8> {
        let stream = self.runtime.block_on(async {
            let messages: Vec<Bytes> = self.client.copy_out(sql).await?.try_collect().await?;
            Ok::<_, tokio_postgres::Error>(messages.concat())
        });
        stream.unwrap_or_else(|error| panic!("{error:?}: {sql}"))
    }

    /// Runs SQL that may fail.
    pub(crate) fn try_query(&self, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        let messages = self.runtime.block_on(self.client.simple_query(sql))?;
        let mut rows = Vec::new();
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(_) => rows.clear(),
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|at| row.get(at).map(Into::into)).collect());
                }
                _ => {}
            }
        }
        Ok(rows)
    }
}

/// The program while it runs; killed where the test ends before it.
pub(crate) struct Running {
    child: Child,
    told: String,
    stdout: PathBuf,
    stderr: PathBuf,
    peak_kib: u64,
}

impl Running {
    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// What it has said by now, on stderr.
    pub(crate) fn told_so_far(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Whether it has said this by now, on stderr.
    pub(crate) fn said(&self, word: &str) -> bool {
        self.told_so_far().contains(word)
    }

    /// Waits until it stands still at a step.
    #[track_caller]
    pub(crate) fn wait_stopped(&self) {
        assert!(self.stands_still(), "it ended: {}", self.told);
    }

    /// Waits until it stands still at a step, or ends.
    pub(crate) fn stands_still(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), options).unwrap().unwrap().stopped()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Done {
        let status = look_for(|| {
            self.peak_kib = peak_kib(&self.child).unwrap_or(self.peak_kib);
            self.child.try_wait().unwrap()
        });
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        let (stdout, stderr) = (text(&self.stdout), text(&self.stderr));
        let Some(status) = status else {
            panic!("{} does not end\nstdout: {stdout}\nstderr: {stderr}", self.told)
        };
        let json = stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let told = std::mem::take(&mut self.told);
        Done { told, status, stdout, stderr, json, peak_kib: self.peak_kib }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// The most memory that a process has had, where the system tells.
fn peak_kib(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix(" kB")?
        .parse()
        .ok()
}

/// What the program came to.
#[derive(Debug)]
pub(crate) struct Done {
    told: String,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it wrote as result.
    pub(crate) stdout: String,
    /// What it said.
    pub(crate) stderr: String,
    /// The object in the last line of the result.
    pub(crate) json: Option<Value>,
    /// The most memory it had; 0 where the system does not tell.
    pub(crate) peak_kib: u64,
}

impl Done {
    /// Its exit code.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{}\n{self}", self.status))
    }

    /// Fails the test unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self}");
        self
    }

    /// Fails the test unless it said all of this, as a result or otherwise.
    #[track_caller]
    pub(crate) fn saying(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.says(word), "`{word}` is not in\n{self}");
        }
        self
    }

    /// Whether it said this.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.stdout.contains(word) || self.stderr.contains(word)
    }

    /// The object in the last line of the result.
    #[track_caller]
    pub(crate) fn json(&self) -> &Value {
        self.json.as_ref().unwrap_or_else(|| panic!("the last line is no JSON\n{self}"))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { told, status, stdout, stderr, .. } = self;
        write!(f, "{told}\n{status}\nstdout: {stdout}\nstderr: {stderr}")
    }
}

/// Looks again and again until there is something, and gives up after minutes.
pub(crate) fn look_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let patience = ConstantBuilder::new().with_delay(LOOK_EVERY).with_max_times(LOOKS);
    (|| look().ok_or(())).retry(patience).call().ok()
}

/// Waits until something has come about.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    assert!(look_for(|| is_so().then_some(())).is_some(), "in vain: {what}");
}

fn shortened(sql: &str) -> String {
    sql.chars().take(2000).collect()
}
