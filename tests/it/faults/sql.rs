//! A connection of the test's own: text in, text out.

use backon::{BlockingRetryable, ConstantBuilder};
use liteferry::store::postgres::server::Server;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// A connection to a private server.
pub(super) struct Sql {
    client: Client,
    runtime: Runtime,
}

impl Sql {
    pub(super) fn connect(server: &Server) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut config = Config::new();
        config.host_path(server.socket_dir()).port(server.port()).user(server.user());
        config.dbname(server.database()).application_name("test");
        let (client, connection) = runtime.block_on(config.connect(NoTls)).unwrap();
        drop(runtime.spawn(connection));
        Self { client, runtime }
    }

    /// All rows, with NULL as `∅`.
    pub(super) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let messages = self.runtime.block_on(self.client.simple_query(sql)).expect(sql);
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).unwrap_or("∅").to_owned()).collect())
            }
            _ => None,
        };
        messages.iter().filter_map(row).collect()
    }

    /// The one value.
    pub(super) fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert!(rows.len() == 1 && rows[0].len() == 1, "{sql}: {rows:?}");
        rows[0][0].clone()
    }

    /// Statements without results.
    pub(super) fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).expect(sql);
    }

    /// Waits until a question is answered by `t`.
    pub(super) fn wait_until(&self, question: &str) {
        until(question, || self.value(question) == "t");
    }
}

/// Waits until something is so; a minute is long enough for every machine.
pub(super) fn until(what: &str, so: impl Fn() -> bool) {
    let patience =
        ConstantBuilder::new().with_delay(Duration::from_millis(10)).with_max_times(6000);
    let look = || if so() { Ok(()) } else { Err(()) };
    assert!(look.retry(patience).call().is_ok(), "never: {what}");
}
