//! A source, a server, and what must hold of a migration between them however it came to its end.

use super::process::{Ended, Process};
use crate::comparison::Comparison;
use crate::environment::{Environment, Row, Session, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

const SOURCE_SQL: &str = include_str!("source.sql");
/// The source's tables.
const TABLES: [&str; 7] = ["dexes", "empty", "log", "pairs", "pools", "trades", "watchlist"];

/// The target's constraints: kind, validity, name.
const CONSTRAINTS: &str = "\
    c trades_check, f pools_dex_fkey, f trades_pool_fkey, f NOT VALID watchlist_pool_fkey, p dexes_pkey, p empty_pkey, \
    p pairs_pkey, p pools_pkey, p trades_pkey, u dexes_name_key, u pools_dex_name_key";

/// An environment with a source in it.
pub(super) struct Stage(pub(super) Environment);

/// One migration of the source, into a schema of its own.
pub(super) struct Migration<'s> {
    stage: &'s Stage,
    schema: String,
    pipeline: PathBuf,
}

/// What is in the target that no later run may touch: chunks of the ledger, and rows of tables by their transaction.
#[derive(Debug)]
pub(super) struct Loaded(BTreeMap<String, Vec<Row>>);

impl Stage {
    /// A database in the server of all tests.
    pub(super) fn new() -> Self {
        Self::of(Environment::new())
    }

    /// A server that may be stopped.
    pub(super) fn with_own_server() -> Self {
        Self::of(Environment::with_own_server(&[]))
    }

    fn of(environment: Environment) -> Self {
        environment.sqlite(&format!("BEGIN; {SOURCE_SQL}; COMMIT"));
        Self(environment)
    }

    pub(super) fn migration(&self, schema: &str) -> Migration<'_> {
        self.migration_by(schema, &self.0.url())
    }

    /// A migration that goes to the database by another address.
    pub(super) fn migration_by(&self, schema: &str, url: &str) -> Migration<'_> {
        let pipeline = self.0.path(&format!("{schema}.toml"));
        let text = format!(
            "name = '{schema}'\n[source]\npath = 'source.db'\n[snapshot]\nchunk_bytes = 4096\n\
             [target]\nurl = '{url}'\nschema = '{schema}'\n"
        );
        std::fs::write(&pipeline, text).unwrap();
        Migration { stage: self, schema: schema.into(), pipeline }
    }

    /// Waits until a statement of a run waits for a lock of the test.
    pub(super) fn wait_until_blocked(&self, statement: &str) {
        let blocked = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND application_name = 'liteferry' AND wait_event_type = 'Lock' AND query LIKE '{statement}'"
        );
        wait_until(statement, || self.0.value(&blocked) != "0");
    }
}

impl Migration<'_> {
    /// The one command that a user has to know.
    pub(super) fn command(&self) -> Command {
        self.command_of(2)
    }

    fn command_of(&self, workers: u16) -> Command {
        let mut command = self.program("run");
        command.args(["--no-capture", "--log-format", "json", "--json", "--workers"]);
        command.arg(workers.to_string());
        command
    }

    fn program(&self, verb: &str) -> Command {
        let mut command = self.stage.0.command();
        command.arg(verb).arg(&self.pipeline);
        command
    }

    pub(super) fn run(&self) -> Ended {
        Process::start(&mut self.command()).end()
    }

    pub(super) fn run_until(&self, until: &str) -> Ended {
        Process::start(self.command().args(["--until", until])).end()
    }

    /// A run that a fault befalls.
    pub(super) fn start_with(&self, fault: &str) -> Process {
        Process::start(self.command().env("LITEFERRY_FAIL", fault))
    }

    /// A run with one worker that a fault befalls.
    pub(super) fn start_alone_with(&self, fault: &str) -> Process {
        Process::start(self.command_of(1).env("LITEFERRY_FAIL", fault))
    }

    /// The same command again, then everything that must hold; nothing that was committed was done again.
    #[track_caller]
    pub(super) fn arrive(&self) {
        let before = self.loaded();
        let ended = self.run().expect_code(0);
        before.expect_kept_in(&self.loaded());
        self.check();
        // Said by every run that arrives, whichever found it.
        assert!(ended.stderr.contains("watchlist_pool_fkey stays NOT VALID"), "{}", ended.stderr);
    }

    /// All that must hold of a migration that has arrived.
    #[track_caller]
    pub(super) fn check(&self) {
        let target = self.stage.0.connect();
        Comparison::new().schema(&self.schema).assert_equal(&self.stage.0.source(), &target);
        self.check_chunks(&target);
        self.check_keys(&target);
        self.check_runs(&target);
        Process::start(&mut self.program("verify")).end().expect_code(0);
    }

    /// The chunks partition what rowids there can be, each is in the ledger once, and their rows are the table's.
    #[track_caller]
    fn check_chunks(&self, target: &Session) {
        let mut all = 0;
        for (table, chunks) in &self.planned_chunks(target) {
            check_partition(table, chunks);
            all += chunks.len();
            let noted = target.query(&format!(
                "SELECT c.chunk, c.rows FROM {} AND c.table_name = '{table}' ORDER BY 1",
                self.of_ledger("chunk")
            ));
            let number = |row: &Row| row[0].as_ref().unwrap().parse::<usize>().unwrap();
            let rows = |row: &Row| row[1].as_ref().unwrap().parse::<usize>().unwrap();
            let numbers: Vec<_> = noted.iter().map(number).collect();
            assert_eq!(numbers, (0..chunks.len()).collect::<Vec<_>>(), "chunks of {table}");
            let there = |condition: &str| {
                let count = format!("SELECT count(*) FROM {}.{table} {condition}", self.schema);
                value(target, &count).parse::<usize>().unwrap()
            };
            assert_eq!(noted.iter().map(rows).sum::<usize>(), there(""), "rows of {table}");
            if table == "trades" {
                for (chunk, noted) in chunks.iter().zip(&noted) {
                    let (first, last) = (&chunk["rowids"]["first"], &chunk["rowids"]["last"]);
                    let condition = format!("WHERE id BETWEEN '{first}' AND '{last}'");
                    assert_eq!(rows(noted), there(&condition), "trades {condition}");
                }
            }
        }
        assert!(all > 40, "only {all} chunks: nothing can fall between them");
        let noted = format!("SELECT count(*) FROM {}", self.of_ledger("chunk"));
        assert_eq!(value(target, &noted), all.to_string());
    }

    fn planned_chunks(&self, target: &Session) -> BTreeMap<String, Vec<Value>> {
        let sql = format!("SELECT plan FROM liteferry.migration WHERE name = '{}'", self.schema);
        let plan: Value = serde_json::from_str(&value(target, &sql)).unwrap();
        let tables = plan["tables"].as_array().unwrap().iter().map(|table| {
            let schema = &table["schema"];
            (
                schema["source"].as_str().unwrap().into(),
                schema["chunks"].as_array().unwrap().clone(),
            )
        });
        let chunks: BTreeMap<String, _> = tables.collect();
        assert!(chunks.keys().eq(TABLES), "{:?}", chunks.keys());
        chunks
    }

    /// Rows of a table of the ledger, as `c`, that are of this migration.
    fn of_ledger(&self, table: &str) -> String {
        let join = format!("liteferry.{table} c JOIN liteferry.migration m ON m.id = c.migration");
        format!("{join} WHERE m.name = '{}'", self.schema)
    }

    /// Every key, index, constraint and sequence is there once.
    #[track_caller]
    fn check_keys(&self, target: &Session) {
        let schema = &self.schema;
        let constraints = format!(
            "SELECT string_agg(contype::text || CASE WHEN convalidated THEN ' ' ELSE ' NOT VALID ' END || conname, ', '
                               ORDER BY contype, conname)
             FROM pg_constraint WHERE connamespace = '{schema}'::regnamespace AND contype <> 'n'"
        );
        assert_eq!(value(target, &constraints), CONSTRAINTS);
        let indexes = format!(
            "SELECT string_agg(indexname, ', ' ORDER BY indexname) FROM pg_indexes
             WHERE schemaname = '{schema}' AND tablename = 'trades'"
        );
        assert_eq!(value(target, &indexes), "dear, schema, trades_pkey");
        let last = format!("SELECT last_value::text FROM {schema}.trades_id_seq WHERE is_called");
        assert_eq!(value(target, &last), "900000", "a key would be given out again");
    }

    /// The last run noted its end, and no run is noted twice.
    #[track_caller]
    fn check_runs(&self, target: &Session) {
        let of_runs = self.of_ledger("run");
        let last = format!(
            "SELECT m.phase || ', ' || c.outcome || ' ' || c.exit_code FROM {of_runs} ORDER BY c.id DESC LIMIT 1"
        );
        assert_eq!(value(target, &last), "proved, proved 0");
        self.check_runs_noted_once();
    }

    #[track_caller]
    pub(super) fn check_runs_noted_once(&self) {
        let target = self.stage.0.connect();
        if value(&target, "SELECT to_regclass('liteferry.run') IS NOT NULL") == "t" {
            let of_runs = self.of_ledger("run");
            let doubled = format!("SELECT count(*) - count(DISTINCT c.pid) FROM {of_runs}");
            assert_eq!(value(&target, &doubled), "0", "a run is noted twice");
        }
    }

    /// What is loaded now; nothing where the migration has not come so far.
    pub(super) fn loaded(&self) -> Loaded {
        let target = self.stage.0.connect();
        let there = |name: &str| {
            value(&target, &format!("SELECT to_regclass('{name}') IS NOT NULL")) == "t"
        };
        let mut loaded = BTreeMap::new();
        for table in TABLES {
            let table = format!("{}.{table}", self.schema);
            if there(&table) {
                let sql = format!("SELECT xmin::text, count(*) FROM {table} GROUP BY 1");
                loaded.insert(table, target.query(&sql));
            }
        }
        if there("liteferry.chunk") {
            let of_chunks = self.of_ledger("chunk");
            let columns = "c.table_name, c.chunk, c.epoch, c.rows, c.loaded_at, c.xmin, c.ctid";
            let sql = format!("SELECT {columns} FROM {of_chunks}");
            loaded.insert("chunks".into(), target.query(&sql));
        }
        Loaded(loaded)
    }

    /// How a process noted its end in the ledger.
    #[track_caller]
    pub(super) fn outcome_of(&self, pid: i32) -> String {
        let outcome = "SELECT coalesce(c.exit_code || ' ' || c.outcome, 'not noted')";
        self.stage.0.value(&format!("{outcome} FROM {} AND c.pid = {pid}", self.of_ledger("run")))
    }
}

impl Loaded {
    /// Nothing of this was loaded again or changed.
    #[track_caller]
    pub(super) fn expect_kept_in(&self, later: &Self) {
        for (what, rows) in &self.0 {
            for row in rows {
                assert!(
                    later.0[what].contains(row),
                    "{what}: {row:?} is gone: {:?}",
                    later.0[what]
                );
            }
        }
    }

    /// This is all that there is later.
    #[track_caller]
    pub(super) fn expect_same(&self, later: &Self) {
        self.expect_kept_in(later);
        later.expect_kept_in(self);
    }

    pub(super) fn chunks(&self) -> usize {
        self.0.get("chunks").map_or(0, Vec::len)
    }
}

/// The one value of a query.
#[track_caller]
pub(super) fn value(session: &Session, sql: &str) -> String {
    let rows = session.query(sql);
    assert!(rows.len() == 1 && rows[0].len() == 1, "{sql}: {rows:?}");
    rows[0][0].clone().unwrap_or_else(|| panic!("{sql}: NULL"))
}

#[track_caller]
fn check_partition(table: &str, chunks: &[Value]) {
    if chunks.len() == 1 && chunks[0] == "all" {
        return;
    }
    let mut next = Some(i64::MIN);
    for chunk in chunks {
        let range = &chunk["rowids"];
        assert_eq!(range["first"].as_i64(), next, "{table}: a gap or an overlap before {chunk}");
        next = range["last"].as_i64().unwrap().checked_add(1);
    }
    assert_eq!(next, None, "{table}: the last chunk does not reach to the end");
}
