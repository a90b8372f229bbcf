//! Runs that go on where others ended: stages, second runs, changed and touched sources, changed settings.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment, Running, Session, wait_until};
use rustix::process::Signal;
use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime};

const SOURCE: &str = "
    CREATE TABLE pools (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE trades (id INTEGER PRIMARY KEY, pool INTEGER NOT NULL REFERENCES pools, price REAL, at DATETIME);
    CREATE INDEX trades_at ON trades (pool, at DESC);
    CREATE TABLE notes (body TEXT);
    INSERT INTO pools VALUES (1, 'one'), (2, 'two'), (3, 'three');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO trades SELECT i, i % 3 + 1, i / 7.0, '2025-09-15 12:13:22' FROM n;
    INSERT INTO notes VALUES ('a'), ('a'), (NULL);";

fn prepared() -> Environment {
    let env = Environment::new();
    env.sqlite(SOURCE);
    env
}

#[track_caller]
fn assert_moved(env: &Environment) {
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!((compared.tables, compared.rows), (3, 3006));
    let keys = "SELECT count(*) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND convalidated
                AND contype IN ('p', 'u', 'f')";
    assert_eq!(env.value(keys), "4");
    assert_eq!(env.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'trades_at'"), "1");
}

/// How many rows the target's tables have; none where there are no tables.
fn rows(env: &Environment) -> Option<String> {
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let there = env.value(tables) == "3";
    there.then(|| {
        env.value("SELECT (SELECT count(*) FROM trades) || ' ' || (SELECT count(*) FROM notes)")
    })
}

fn indexes(env: &Environment) -> String {
    env.value("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'")
}

#[test]
fn each_stage_ends_where_it_says_and_the_next_run_goes_on() {
    let env = prepared();
    let schema = env.run(&["--until", "schema"]).expect(0);
    assert_eq!(schema.json()["phase"], "schema");
    assert_eq!(rows(&env).as_deref(), Some("0 0"));
    let snapshot = env.run(&["--until", "snapshot"]).expect(0);
    assert_eq!(snapshot.json()["phase"], "snapshot");
    assert_eq!(snapshot.json()["tables"][2]["source_rows"], 3000);
    assert!(snapshot.json()["tables"][2]["equal"].is_null(), "nothing was compared yet");
    assert_eq!(rows(&env).as_deref(), Some("3000 3"));
    assert_eq!(indexes(&env), "0");
    let made = env.run(&["--until", "indexes"]).expect(0);
    assert_eq!(made.json()["phase"], "indexes");
    assert_eq!(indexes(&env), "4");
    let proved = env.run(&[]).expect(0);
    assert_eq!(proved.json()["phase"], "proved");
    assert_moved(&env);
}

#[test]
fn each_stage_can_be_the_last_but_one() {
    for until in ["schema", "snapshot", "indexes"] {
        let env = prepared();
        env.run(&["--until", until]).expect(0);
        // The same stage again does nothing anew.
        env.run(&["--until", until]).expect(0);
        env.run(&[]).expect(0);
        assert_moved(&env);
    }
}

#[test]
fn a_stage_that_is_done_is_not_undone_by_asking_for_an_earlier_one() {
    let env = prepared();
    env.run(&[]).expect(0);
    env.run(&["--until", "schema"]).expect(0);
    env.run(&["--until", "snapshot"]).expect(0);
    env.run(&[]).expect(0);
    assert_moved(&env);
}

#[test]
fn a_second_run_copies_nothing_and_proves_again() {
    let env = prepared();
    let first = env.run(&[]).expect(0);
    assert!(first.json()["rows_per_second"].as_f64().unwrap() > 0.0, "{first}");
    let again = env.run(&[]).expect(0);
    assert!(again.json()["rows_per_second"].is_null(), "{again}");
    assert_eq!(again.json()["tables"], first.json()["tables"]);
    // Each chunk and each step was done by the first run.
    assert_eq!(env.column("SELECT DISTINCT epoch FROM liteferry.chunk"), ["1"]);
    assert_eq!(env.column("SELECT DISTINCT epoch FROM liteferry.step"), ["1"]);
    assert_eq!(env.value("SELECT count(*) FROM liteferry.run WHERE exit_code = 0"), "2");
    assert_moved(&env);
}

#[test]
fn a_source_that_changed_after_the_load_ends_the_run() {
    for change in [
        "UPDATE trades SET price = 1 WHERE id = 1500",
        "UPDATE trades SET price = -0.5 WHERE id = 3000",
        "INSERT INTO trades VALUES (3001, 1, 1, NULL)",
        "INSERT INTO trades VALUES (-5, 1, 1, NULL)",
        "DELETE FROM trades WHERE id = 1",
        "UPDATE notes SET body = 'b' WHERE rowid = 1",
        "INSERT INTO notes VALUES ('a')",
        "DELETE FROM notes",
    ] {
        for until in ["snapshot", "indexes"] {
            let env = prepared();
            env.run(&["--until", until]).expect(0);
            env.sqlite(change);
            let done = env.run(&[]).expect(66);
            let table = if change.contains("trades") { "table trades" } else { "table notes" };
            assert!(done.says("the source changed"), "{change}: {done}");
            assert!(done.says(table), "{change}: {done}");
            // It stays so until somebody decides.
            env.run(&[]).expect(66);
        }
    }
}

#[test]
fn a_schema_that_changed_ends_the_run() {
    for change in [
        "ALTER TABLE notes ADD COLUMN more TEXT",
        "ALTER TABLE notes RENAME TO remarks",
        "CREATE TABLE new (id INTEGER PRIMARY KEY)",
        "DROP TABLE notes",
        "CREATE INDEX more ON trades (price)",
        "DROP INDEX trades_at",
    ] {
        for until in ["schema", "snapshot"] {
            let env = prepared();
            env.run(&["--until", until]).expect(0);
            env.sqlite(change);
            env.run(&[]).expect(66).saying(&["schema"]);
        }
    }
}

#[test]
fn a_source_that_was_touched_and_not_changed_goes_on() {
    for until in ["schema", "snapshot", "indexes"] {
        let env = prepared();
        env.run(&["--until", until]).expect(0);
        let later = SystemTime::now() + Duration::from_mins(1);
        File::options().write(true).open(env.source()).unwrap().set_modified(later).unwrap();
        env.run(&[]).expect(0);
        assert_moved(&env);
    }
}

#[test]
fn a_change_that_was_taken_back_is_none() {
    let env = prepared();
    env.run(&["--until", "snapshot"]).expect(0);
    env.sqlite("UPDATE trades SET price = price + 1; INSERT INTO notes VALUES ('x')");
    env.run(&[]).expect(66);
    env.sqlite("UPDATE trades SET price = id / 7.0; DELETE FROM notes WHERE body = 'x'");
    env.run(&[]).expect(0);
    assert_moved(&env);
}

#[test]
fn a_checkpoint_between_two_runs_is_no_change() {
    let env = Environment::new();
    env.sqlite("PRAGMA journal_mode = WAL");
    let writer = rusqlite::Connection::open(env.source()).unwrap();
    writer.execute_batch(SOURCE).unwrap();
    let log = env.path("source.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    env.run(&["--until", "snapshot"]).expect(0);
    writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    env.run(&[]).expect(0);
    assert_moved(&env);
}

#[test]
fn a_vacuum_between_two_runs_is_no_change() {
    let env = prepared();
    env.run(&["--until", "snapshot"]).expect(0);
    let before = fs::read(env.source()).unwrap();
    env.sqlite("PRAGMA page_size = 8192; VACUUM");
    assert_ne!(fs::read(env.source()).unwrap(), before);
    env.run(&[]).expect(0);
    assert_moved(&env);
}

#[test]
fn a_copy_with_the_same_content_may_take_the_sources_place() {
    let env = prepared();
    env.run(&["--until", "snapshot"]).expect(0);
    let copy = env.path("copy.db");
    fs::copy(env.source(), &copy).unwrap();
    fs::rename(&copy, env.source()).unwrap();
    env.run(&[]).expect(0);
    assert_moved(&env);
}

/// Writes a pipeline file of these ends, and runs it.
fn run_file(env: &Environment, settings: &str) -> Done {
    let text = format!(
        "name = \"file\"\n[source]\npath = \"source.db\"\n[target]\nurl = \"{}\"\n{settings}",
        env.url()
    );
    let file = env.path("pipeline.toml");
    fs::write(&file, text).unwrap();
    env.liteferry(&["run", "--no-capture", "--json", file.to_str().unwrap()])
}

#[test]
fn other_settings_than_the_migration_began_with_are_refused() {
    let env = prepared();
    let settings = "[tables.trades.columns]\nprice = { type = \"numeric\" }";
    run_file(&env, settings).expect(0);
    let hash = "SELECT plan_hash FROM liteferry.migration";
    let before = env.value(hash);
    for other in ["", "[tables.trades.columns]\nprice = { type = \"text\" }"] {
        run_file(&env, other).expect(78).saying(&["pipeline file"]);
    }
    assert_eq!(env.value(hash), before);
    // Written differently is not said differently.
    run_file(&env, "# the same\n[tables.trades.columns.price]\ntype = 'numeric'").expect(0);
    assert_eq!(env.value("SELECT pg_typeof(price) FROM trades LIMIT 1"), "numeric");
}

#[test]
fn what_the_pipeline_file_names_must_be_there() {
    let env = prepared();
    for (settings, place) in [
        ("[tables.trade.columns]\nprice = { type = \"text\" }", "table trade"),
        ("[tables.trades.columns]\nprize = { type = \"text\" }", "column prize"),
        ("[tables.trades.columns]\nprice = { type = \"uuid\" }", "column price"),
        ("[tables.trades.columns]\nprice = { type = \"money\" }", "money"),
        (
            "[tables.trades.columns]\nat = { type = \"timestamptz\", zone = \"Mars/Olympus\" }",
            "Mars/Olympus",
        ),
    ] {
        run_file(&env, settings).expect(78).saying(&[place]);
        assert_untouched(&env);
    }
    run_file(&env, "[tables.trades.columns]\nprice = { kind = \"text\" }")
        .expect(2)
        .saying(&["kind"]);
    assert_untouched(&env);
}

/// That nothing at all was created in the target.
#[track_caller]
fn assert_untouched(env: &Environment) {
    let schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'";
    assert_eq!(env.column(schemas), ["public"]);
    assert_eq!(
        env.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "0"
    );
}

#[test]
fn relations_in_the_way_are_named_before_anything_is_created() {
    for (way, name) in [
        ("CREATE TABLE notes (other int)", "notes"),
        ("CREATE VIEW trades AS SELECT 1 AS x", "trades"),
        ("CREATE TABLE x (y int); CREATE INDEX trades_at ON x (y)", "trades_at"),
        ("CREATE SEQUENCE pools_pkey", "pools_pkey"),
    ] {
        let env = prepared();
        env.query(way);
        let relations = "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1";
        let before = env.column(relations);
        for command in ["run", "plan"] {
            let more: &[&str] = if command == "run" { &["--no-capture"] } else { &[] };
            env.liteferry(&env.ends(command, more)).expect(78).saying(&[name]);
        }
        assert_eq!(env.column(relations), before);
        let ledger = "SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'";
        assert_eq!(env.value(ledger), "0");
    }
}

/// A run whose COPY waits, because somebody else holds the table.
struct Held<'e> {
    env: &'e Environment,
    holder: Session,
    run: Running,
}

impl<'e> Held<'e> {
    /// `table` is locked before the run begins; it waits in a statement that contains `word`.
    fn begin(env: &'e Environment, table: &str, word: &str) -> Self {
        let holder = env.connect();
        holder.query(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
        let mut run = env.start(&env.run_arguments(&[]));
        let watcher = env.connect();
        wait_until(&format!("a {word} that waits"), || {
            assert!(!run.has_ended(), "the run ended without a {word}");
            let sql = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE '{word}%'"
            );
            watcher.query(&sql)[0][0].as_deref() != Some("0")
        });
        Self { env, holder, run }
    }

    /// Lets the table go, and gives the run.
    fn release(self) -> Running {
        self.holder.query("ROLLBACK");
        self.run
    }

    /// Ends the run by a signal while the table is still held; nothing of it may stay in the server.
    #[track_caller]
    fn end_by(self, signal: Signal) -> Done {
        let Self { env, holder, run } = self;
        let sent = Instant::now();
        run.signal(signal);
        let done = run.wait();
        let took = sent.elapsed();
        assert!(took < Duration::from_secs(2), "it took {took:?}\n{done}");
        let watcher = env.connect();
        let pid = holder.query("SELECT pg_backend_pid()")[0][0].clone().unwrap();
        wait_until("the end of its transactions", || {
            let sql = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), {pid})"
            );
            watcher.query(&sql)[0][0].as_deref() == Some("0")
        });
        holder.query("ROLLBACK");
        done
    }
}

#[test]
fn a_second_run_meanwhile_is_told_who_has_the_migration() {
    let env = prepared();
    env.run(&["--until", "schema"]).expect(0);
    let held = Held::begin(&env, "trades", "COPY");
    let pid = held.run.pid().as_raw_nonzero().to_string();
    env.run(&[]).expect(73).saying(&[&pid, "run --no-capture"]);
    // Looking is allowed.
    env.liteferry(&env.ends("status", &["--history"])).expect(0);
    env.liteferry(&env.ends("plan", &[])).expect(0);
    held.release().wait().expect(0);
    env.run(&[]).expect(0);
    assert_moved(&env);
}

/// A run that a signal ends while it waits for a lock, and the run after it.
#[track_caller]
fn stops_by(signal: Signal, code: i32, until: &str, table: &str, word: &str) {
    let env = prepared();
    env.run(&["--until", until]).expect(0);
    Held::begin(&env, table, word).end_by(signal).expect(code);
    let ended = "SELECT exit_code FROM liteferry.run ORDER BY id DESC LIMIT 1";
    assert_eq!(env.value(ended), code.to_string());
    env.run(&[]).expect(0);
    assert_moved(&env);
}

#[test]
fn an_interrupt_ends_a_load_at_once_and_cleanly() {
    stops_by(Signal::INT, 130, "schema", "trades", "COPY");
}

#[test]
fn a_termination_ends_a_load_at_once_and_cleanly() {
    stops_by(Signal::TERM, 143, "schema", "trades", "COPY");
}

#[test]
fn an_interrupt_ends_the_making_of_an_index_at_once_and_cleanly() {
    stops_by(Signal::INT, 130, "snapshot", "trades", "ALTER TABLE");
}

#[test]
fn a_termination_ends_the_proof_at_once_and_cleanly() {
    stops_by(Signal::TERM, 143, "indexes", "notes", "SELECT pg_relation_size");
}

/// Gives the source, in write-ahead mode, this SQL when one table is loaded and another one waits; how the run ends.
#[track_caller]
fn changed_meanwhile(sql: &str) -> (Environment, Done) {
    let env = Environment::new();
    env.sqlite("PRAGMA journal_mode = WAL");
    let writer = rusqlite::Connection::open(env.source()).unwrap();
    writer.execute_batch(SOURCE).unwrap();
    env.run(&["--until", "schema"]).expect(0);
    let held = Held::begin(&env, "trades", "COPY");
    wait_until("a table that is loaded", || {
        env.value("SELECT count(*) FROM liteferry.chunk WHERE table_name = 'pools'") == "1"
    });
    writer.execute_batch(sql).unwrap();
    let done = held.release().wait();
    (env, done)
}

#[test]
fn a_change_of_what_is_loaded_already_ends_the_run() {
    for sql in
        ["UPDATE pools SET name = 'other' WHERE id = 2", "INSERT INTO pools VALUES (4, 'four')"]
    {
        let (env, done) = changed_meanwhile(sql);
        done.expect(66).saying(&["table pools", "changed"]);
        // It is not taken for whole by the next run either.
        env.run(&[]).expect(66);
    }
}

#[test]
fn a_change_of_what_is_not_loaded_yet_ends_the_run() {
    for sql in ["UPDATE trades SET price = 1 WHERE id = 1500", "DELETE FROM trades WHERE id = 3000"]
    {
        let (env, done) = changed_meanwhile(sql);
        done.expect(66).saying(&["table trades", "changed"]);
        env.run(&[]).expect(66);
    }
}

#[test]
fn a_change_before_anything_is_loaded_ends_the_run() {
    for sql in [
        "UPDATE notes SET body = 'b' WHERE rowid = 2",
        "INSERT INTO pools VALUES (4, 'four')",
        "UPDATE trades SET price = 'unknown' WHERE id = 5",
    ] {
        let env = prepared();
        env.run(&["--until", "schema"]).expect(0);
        env.sqlite(sql);
        env.run(&[]).expect(66).saying(&["the source changed"]);
        assert_eq!(rows(&env).as_deref(), Some("0 0"));
    }
}

#[test]
fn a_checkpoint_while_it_is_loaded_is_no_change() {
    let (env, done) = changed_meanwhile("PRAGMA wal_checkpoint(PASSIVE)");
    done.expect(0);
    assert_moved(&env);
}
