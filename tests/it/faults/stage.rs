//! A server, a source, and what must hold of a migration between them however it came to its end.

use super::process::{Ended, Process};
use super::sql::Sql;
use liteferry::store::postgres::server::{Scoped, Server, ServerOptions};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const SOURCE_SQL: &str = include_str!("source.sql");

/// Each table with its columns as both databases show them alike: SQLite's SQL, then PostgreSQL's.
const TABLES: [(&str, &str, &str); 7] = [
    ("dexes", "id, name", "id, name"),
    ("empty", "id, remark", "id, remark"),
    ("log", "at, line", "at, line"),
    ("pairs", "base, quote, lower(hex(raw))", "base, quote, encode(raw, 'hex')"),
    ("pools", "id, dex, name", "id, dex, name"),
    (
        "trades",
        "id, pool, price, CAST(round(amount * 100) AS INTEGER), note",
        "id, pool, encode(float8send(price), 'hex'), trunc(amount * 100), note",
    ),
    ("watchlist", "pool, \"by\"", "pool, \"by\""),
];

/// A server with a source beside it.
pub(super) struct Stage {
    pub(super) server: Scoped,
    pub(super) folder: TempDir,
}

/// One migration of the source, into a schema of its own.
pub(super) struct Migration<'s> {
    stage: &'s Stage,
    schema: String,
    pipeline: PathBuf,
}

/// What is in the target that no later run may touch: rows of the ledger, and rows of tables by their transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loaded(BTreeMap<String, Vec<Vec<String>>>);

impl Stage {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Connection::open(folder.path().join("source.db")).unwrap();
        source
            .execute_batch(&format!("PRAGMA foreign_keys = OFF; BEGIN; {SOURCE_SQL}; COMMIT"))
            .unwrap();
        Self { server: Server::scoped(&ServerOptions::scratch(), &|_| ()).unwrap(), folder }
    }

    pub(super) fn sql(&self) -> Sql {
        Sql::connect(&self.server)
    }

    pub(super) fn migration(&self, schema: &str) -> Migration<'_> {
        self.migration_by(schema, &self.server.url())
    }

    /// A migration to the server by another address.
    pub(super) fn migration_by(&self, schema: &str, url: &str) -> Migration<'_> {
        let pipeline = self.folder.path().join(format!("{schema}.toml"));
        let text = format!(
            "name = '{schema}'\n[source]\npath = 'source.db'\n[snapshot]\nchunk_bytes = 4096\n\
             [target]\nurl = '{url}'\nschema = '{schema}'\n"
        );
        std::fs::write(&pipeline, text).unwrap();
        Migration { stage: self, schema: schema.into(), pipeline }
    }
}

impl Migration<'_> {
    /// The one command that a user has to know.
    pub(super) fn command(&self) -> Command {
        let mut command = self.program("run");
        command.args(["--no-capture", "--workers", "2", "--log-format", "json", "--json"]);
        command
    }

    fn program(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_liteferry"));
        command.arg(verb).arg(&self.pipeline).env_remove("LITEFERRY_FAIL");
        command
    }

    pub(super) fn run(&self) -> Ended {
        Process::start(&mut self.command()).end()
    }

    /// A run that a fault befalls.
    pub(super) fn start_with(&self, fault: &str) -> Process {
        Process::start(self.command().env("LITEFERRY_FAIL", fault))
    }

    pub(super) fn run_until(&self, until: &str) -> Ended {
        Process::start(self.command().args(["--until", until])).end()
    }

    /// The same command again, then everything that must hold.
    pub(super) fn arrive(&self) -> Ended {
        let ended = self.run().expect_code(0);
        self.check();
        ended
    }

    /// All that must hold of a migration that has arrived.
    pub(super) fn check(&self) {
        let sql = self.stage.sql();
        self.check_equal(&sql);
        self.check_ledger(&sql);
        self.check_keys(&sql);
        Process::start(&mut self.program("verify")).end().expect_code(0);
    }

    /// Row for row, as multisets.
    fn check_equal(&self, sql: &Sql) {
        let source = self.source();
        for (table, of_source, of_target) in TABLES {
            let mut wanted = rows_of(&source, &format!("SELECT {of_source} FROM {table}"));
            let mut found = sql.rows(&format!("SELECT {of_target} FROM {}.{table}", self.schema));
            wanted.sort();
            found.sort();
            assert_eq!(wanted.len(), found.len(), "rows of {table}");
            for (wanted, found) in wanted.iter().zip(&found) {
                assert_eq!(wanted, found, "table {table}");
            }
        }
    }

    fn source(&self) -> Connection {
        let file = self.stage.folder.path().join("source.db");
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// The chunks partition what rowids there can be, each is in the ledger once, and their rows are the table's.
    fn check_ledger(&self, sql: &Sql) {
        let schema = &self.schema;
        let migration = format!("SELECT id FROM liteferry.migration WHERE name = '{schema}'");
        let plan =
            sql.value(&format!("SELECT plan FROM liteferry.migration WHERE name = '{schema}'"));
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let tables = plan["tables"].as_array().unwrap();
        assert_eq!(tables.len(), TABLES.len());
        let mut all = 0;
        for table in tables {
            let (name, chunks) = (
                table["schema"]["source"].as_str().unwrap(),
                table["schema"]["chunks"].as_array().unwrap(),
            );
            check_partition(name, chunks);
            all += chunks.len();
            let noted = sql.rows(&format!(
                "SELECT chunk, rows FROM liteferry.chunk
                 WHERE migration = ({migration}) AND table_name = '{name}' ORDER BY chunk"
            ));
            let numbers: Vec<usize> = noted.iter().map(|row| row[0].parse().unwrap()).collect();
            assert_eq!(numbers, (0..chunks.len()).collect::<Vec<_>>(), "chunks of {name}");
            let rows: u64 = noted.iter().map(|row| row[1].parse::<u64>().unwrap()).sum();
            let there = sql.value(&format!("SELECT count(*) FROM {schema}.{name}"));
            assert_eq!(rows.to_string(), there, "rows of {name}");
            for (chunk, noted) in chunks.iter().zip(&noted) {
                if let (Some(range), "trades") = (chunk.get("rowids"), name) {
                    let between = format!("'{}' AND '{}'", range["first"], range["last"]);
                    let count =
                        format!("SELECT count(*) FROM {schema}.trades WHERE id BETWEEN {between}");
                    assert_eq!(sql.value(&count), noted[1], "trades {between}");
                }
            }
        }
        assert!(all > 40, "only {all} chunks: nothing can fall between them");
        let of_others = "SELECT count(*) FROM liteferry.chunk WHERE migration";
        assert_eq!(sql.value(&format!("{of_others} = ({migration})")), all.to_string());
    }

    /// Every key, index, constraint and sequence is there once, and the last run noted its end.
    fn check_keys(&self, sql: &Sql) {
        let schema = &self.schema;
        let constraints = format!(
            "SELECT string_agg(contype::text || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END || ' ' || conname, ', '
                               ORDER BY contype, conname)
             FROM pg_constraint WHERE connamespace = '{schema}'::regnamespace"
        );
        assert_eq!(
            sql.value(&constraints),
            "c trades_check, f pools_dex_fkey, f trades_pool_fkey, f NOT VALID watchlist_pool_fkey, \
             p dexes_pkey, p empty_pkey, p pairs_pkey, p pools_pkey, p trades_pkey, u dexes_name_key, u pools_dex_name_key"
        );
        let indexes = format!(
            "SELECT string_agg(indexname, ', ' ORDER BY indexname) FROM pg_indexes
                               WHERE schemaname = '{schema}' AND tablename = 'trades'"
        );
        assert_eq!(sql.value(&indexes), "dear, schema, trades_pkey");
        let next = format!("SELECT nextval('{schema}.trades_id_seq')");
        assert!(
            sql.value(&next).parse::<i64>().unwrap() > 900_000,
            "a key would be given out again"
        );
        let ends = format!(
            "SELECT outcome || ' ' || exit_code FROM liteferry.run r JOIN liteferry.migration m ON m.id = r.migration
             WHERE m.name = '{schema}' ORDER BY r.id DESC LIMIT 1"
        );
        assert_eq!(sql.value(&ends), "proved 0");
        assert_eq!(
            sql.value(&format!("SELECT phase FROM liteferry.migration WHERE name = '{schema}'")),
            "proved"
        );
        let doubled = "SELECT count(*) - count(DISTINCT (migration, epoch)) FROM liteferry.run";
        assert_eq!(sql.value(doubled), "0");
    }

    /// What is loaded now; nothing where the migration has not come so far.
    pub(super) fn loaded(&self) -> Loaded {
        let sql = self.stage.sql();
        let mut loaded = BTreeMap::new();
        for (table, ..) in TABLES {
            let there = format!("SELECT to_regclass('{}.{table}') IS NOT NULL", self.schema);
            if sql.value(&there) == "t" {
                let rows = format!(
                    "SELECT xmin::text, count(*) FROM {}.{table} GROUP BY 1 ORDER BY 1",
                    self.schema
                );
                loaded.insert(format!("rows of {table}"), sql.rows(&rows));
            }
        }
        if sql.value("SELECT to_regclass('liteferry.chunk') IS NOT NULL") == "t" {
            let chunks = format!(
                "SELECT c.table_name, c.chunk, c.epoch, c.rows, c.loaded_at, c.xmin
                 FROM liteferry.chunk c JOIN liteferry.migration m ON m.id = c.migration
                 WHERE m.name = '{}' ORDER BY 1, 2",
                self.schema
            );
            loaded.insert("chunks".into(), sql.rows(&chunks));
        }
        Loaded(loaded)
    }
}

impl Loaded {
    /// Nothing of this was loaded again or changed.
    pub(super) fn expect_kept_in(&self, later: &Self) {
        for (what, rows) in &self.0 {
            let kept = &later.0[what];
            for row in rows {
                assert!(kept.contains(row), "{what}: {row:?} is gone from {kept:?}");
            }
        }
    }

    pub(super) fn chunks(&self) -> usize {
        self.0.get("chunks").map_or(0, Vec::len)
    }
}

fn check_partition(table: &str, chunks: &[Value]) {
    if chunks.len() == 1 && chunks[0] == "all" {
        return;
    }
    let mut next = Some(i64::MIN);
    for chunk in chunks {
        let range = &chunk["rowids"];
        assert_eq!(
            range["first"].as_i64(),
            next,
            "table {table}: a gap or an overlap before {chunk}"
        );
        next = range["last"].as_i64().unwrap().checked_add(1);
    }
    assert_eq!(next, None, "table {table}: the last chunk does not reach to the end");
}

/// SQLite's rows as PostgreSQL shows the same values.
fn rows_of(source: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = source.prepare(sql).unwrap();
    let width = statement.column_count();
    let show = |cell: ValueRef<'_>| match cell {
        ValueRef::Null => "∅".into(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => format!("{:016x}", value.to_bits()),
        ValueRef::Text(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        ValueRef::Blob(_) => panic!("shown by hex()"),
    };
    let rows = statement
        .query_map([], |row| (0..width).map(|at| Ok(show(row.get_ref(at)?))).collect())
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// `folder` as the host of a connection string.
pub(super) fn url(folder: &Path, server: &Server) -> String {
    let host = folder.to_str().unwrap().replace('/', "%2F");
    format!("postgresql://{}@{host}:{}/{}", server.user(), server.port(), server.database())
}
