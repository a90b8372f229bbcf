//! Single tables that are taken anew, because they became others, or were written to by others.

use super::workload::{SCHEMA, Workload};
use crate::environment::{Done, Environment};
use liteferry::pipeline::failpoint::VARIABLE;
use rusqlite::Connection;

const TWO: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE t (id INTEGER PRIMARY KEY, a); CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT UNIQUE);
    INSERT INTO t VALUES (1, 1), (2, 2), (3, 3); INSERT INTO u VALUES (1, 'one'), (2, 'two')";

impl Environment {
    #[track_caller]
    fn take_anew(&self, tables: &[&str]) -> Done {
        let anew: Vec<_> = tables.iter().flat_map(|table| ["--anew", table]).collect();
        self.run_live(&anew)
    }

    /// What tells a table of the target from one that was made again.
    fn made(&self, table: &str) -> String {
        self.value(&format!("SELECT '{table}'::regclass::oid"))
    }

    /// Goes on with the application, and follows it.
    #[track_caller]
    fn goes_on(&self, sql: &str) {
        self.sqlite(sql);
        self.catch_up().expect(0);
        self.assert_followed();
        self.liteferry(&self.ends("verify", &[])).expect(0);
    }
}

#[test]
fn a_table_that_became_another_is_taken_anew_and_the_others_stay() {
    for (change, code, more) in [
        ("ALTER TABLE t ADD COLUMN c DEFAULT 'new'", 78, "INSERT INTO t VALUES (9, 9, 'nine')"),
        (
            "UPDATE t SET a = 7 WHERE id = 1;
             CREATE TABLE n (a INT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO n SELECT a, id FROM t;
             DROP TABLE t; ALTER TABLE n RENAME TO t",
            66,
            "REPLACE INTO t VALUES (7, '1'), (8, 'x'); DELETE FROM t WHERE a = 2",
        ),
        (
            "DROP TRIGGER _liteferry_0_after_update; UPDATE t SET a = 70 WHERE id = 1",
            66,
            "UPDATE t SET a = 71 WHERE id = 1",
        ),
    ] {
        let environment = Environment::new();
        environment.sqlite(TWO);
        environment.run_live(&[]).expect(0);
        let (t, u) = (environment.made("t"), environment.made("u"));
        environment.sqlite("UPDATE t SET a = 5 WHERE id = 1; UPDATE u SET a = 'too' WHERE id = 2");
        environment.sqlite(change);
        environment.catch_up().expect(code).saying(&["table t", "liteferry run --anew t"]);
        environment.take_anew(&["t"]).expect(0).saying(&["table t: its rows in the target are dropped"]);
        environment.assert_followed();
        assert_ne!(environment.made("t"), t, "{change}: it is as it was");
        assert_eq!(environment.made("u"), u, "{change}: another table was made again");
        environment.goes_on("UPDATE u SET a = 'one' || 1 WHERE id = 1");
        environment.goes_on(more);
        let keys = "SELECT count(*) FROM pg_index WHERE indrelid IN ('t'::regclass, 'u'::regclass) AND indisunique";
        assert_eq!(environment.value(keys), "3", "{change}");
    }
}

#[test]
fn a_table_that_came_since_joins_the_migration() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.run_live(&[]).expect(0);
    environment.sqlite(
        "CREATE TABLE joining (a TEXT, b, PRIMARY KEY (b, a)); INSERT INTO joining VALUES ('x', 1)",
    );
    environment.catch_up().expect(78).saying(&["table joining", "liteferry run --anew joining"]);
    // One that is taken anew does not make it join in silence.
    environment.take_anew(&["t"]).expect(78).saying(&["table joining", "--anew joining"]);
    environment.take_anew(&["joining"]).expect(0).saying(&["joins the migration"]);
    environment.goes_on(
        "INSERT INTO joining VALUES ('y', 2); UPDATE t SET a = 8; DELETE FROM joining WHERE b = 1",
    );
    let drop_sql = environment.value("SELECT drop_sql FROM liteferry.migration");
    assert!(drop_sql.contains(r#""public"."joining""#), "{drop_sql}");
    environment.liteferry(&environment.ends("uninstall", &[])).expect(0);
    let connection = Connection::open(environment.source()).unwrap();
    let left = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%liteferry%'";
    assert_eq!(connection.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[test]
fn what_became_of_other_tables_is_not_forgotten() {
    let environment = Environment::new();
    environment.sqlite(&format!("{TWO}; CREATE TABLE keyless (a); CREATE TABLE nameless (a);
        INSERT INTO keyless VALUES (1), (2), (3); INSERT INTO nameless VALUES (1), (2); DELETE FROM keyless WHERE a = 1"));
    environment.run_live(&[]).expect(0);
    environment.sqlite("ALTER TABLE u ADD COLUMN c INT; VACUUM");
    let keyless = environment.made("keyless");
    environment
        .take_anew(&["t", "keyless", "nameless"])
        .expect(78)
        .saying(&["table u", "--anew u"]);
    environment.take_anew(&["u", "keyless"]).expect(66).saying(&["table nameless", "VACUUM"]);
    assert_eq!(environment.made("keyless"), keyless, "a refusal dropped it");
    environment.take_anew(&["u", "keyless", "nameless"]).expect(0);
    environment.goes_on(
        "UPDATE keyless SET a = 7 WHERE a = 2; INSERT INTO nameless VALUES (5); UPDATE u SET c = 1",
    );
}

#[test]
fn what_dies_while_a_table_is_taken_anew_goes_on_by_the_same_command_or_without_its_name() {
    let steps = [
        "retaken-made",
        "retaken-committed",
        "guard-raised",
        "removal-noted",
        "changelog-installed",
        "chunk-claimed",
        "chunk-committed",
        "key-made",
        "key-committed",
        "proof-begun",
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let environment = Environment::new();
        environment.sqlite(&format!(
            "PRAGMA journal_mode = WAL; {SCHEMA}; {}",
            TWO.replace(" t ", " taken ")
        ));
        let mut workload = Workload::new(&environment.source(), 31);
        workload.statements(100);
        environment.run_live(&[]).expect(0);
        workload.statements(50);
        environment.sqlite("ALTER TABLE taken ADD COLUMN c DEFAULT 1");
        let mut process = environment.command();
        let arguments = environment.ends("run", &["--workers", "2", "--anew", "taken"]);
        process.args(&arguments).env(VARIABLE, format!("{step}=kill"));
        let killed = environment.spawn(process).wait();
        assert!(killed.status.code().is_none(), "{step}: {killed}");
        workload.statements(50);
        environment.sqlite("UPDATE taken SET c = 2 WHERE id = 1");
        if number % 2 == 0 || step == "retaken-made" {
            environment.take_anew(&["taken"]).expect(0);
        } else {
            environment.run_live(&[]).expect(0);
        }
        workload.statements(50);
        environment.catch_up().expect(0);
        environment.assert_followed();
    }
}

#[test]
fn the_sql_that_takes_the_changelog_out_leaves_nothing_of_it_in_the_midst_of_taking_a_table_anew() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.run_live(&[]).expect(0);
    environment.sqlite("ALTER TABLE t ADD COLUMN c");
    for _ in 0..2 {
        let mut process = environment.command();
        let arguments = environment.ends("run", &["--anew", "t"]);
        process.args(&arguments).env(VARIABLE, "removal-noted=kill");
        let killed = environment.spawn(process).wait();
        assert!(killed.status.code().is_none(), "{killed}");
        let sql = killed.stderr.split_once("or by this SQL:").unwrap().1;
        let sql = sql.split_once("COMMIT;").unwrap().0;
        // Another one is in its place afterwards: it is only tried.
        let connection = Connection::open(environment.source()).unwrap();
        connection.execute_batch(sql).unwrap();
        connection
            .execute_batch("INSERT INTO t VALUES (9, 9, 9); UPDATE u SET a = 'x' WHERE id = 1")
            .unwrap();
        let left = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%liteferry%'";
        assert_eq!(connection.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        connection.execute_batch("ROLLBACK").unwrap();
    }
    environment.take_anew(&["t"]).expect(0);
    environment.goes_on("INSERT INTO t VALUES (7, 7, NULL)");
}

/// A table of the target that is there before, with a key and an index of its own.
const EXISTING: &str =
    "CREATE TABLE u (id bigint PRIMARY KEY, a varchar(20), CONSTRAINT known UNIQUE (a));
    CREATE INDEX below ON u (lower(a))";

#[test]
fn a_table_that_existed_is_emptied_and_stays_what_it_is() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.query(EXISTING);
    environment.run_live(&[]).expect(0);
    let u = environment.made("u");
    environment.sqlite("DROP TRIGGER _liteferry_1_after_delete; DELETE FROM u WHERE id = 1");
    environment.catch_up().expect(66).saying(&["table u", "--anew u"]);
    environment.take_anew(&["u"]).expect(0);
    assert_eq!(environment.made("u"), u);
    let indexes = environment
        .column("SELECT indexname::text FROM pg_indexes WHERE tablename = 'u' ORDER BY 1");
    assert_eq!(indexes, ["below", "known", "u_pkey"]);
    environment.goes_on("INSERT INTO u VALUES (7, 'seven'); UPDATE u SET a = 'ii' WHERE id = 2");
}

#[test]
fn a_table_that_existed_is_taken_anew_with_a_column_that_both_sides_got_since() {
    for when in ["followed", "made again"] {
        let environment = Environment::new();
        environment.sqlite(TWO);
        environment.query(EXISTING);
        environment.run_live(&[]).expect(0);
        let u = environment.made("u");
        environment.sqlite("ALTER TABLE u ADD COLUMN c INT; UPDATE u SET c = id + 10");
        environment.catch_up().expect(78).saying(&["table u", "--anew u"]);
        environment
            .take_anew(&["u"])
            .expect(78)
            .saying(&["lacks columns that the source has: c", "add them"]);
        environment.query("ALTER TABLE u ADD COLUMN c smallint");
        if when == "made again" {
            // By then it is as this plan has it, and its keys are aside.
            let mut process = environment.command();
            process
                .args(environment.ends("run", &["--anew", "u"]))
                .env(VARIABLE, "retaken-committed=kill");
            assert!(environment.spawn(process).wait().status.code().is_none());
            environment.sqlite("ALTER TABLE u ADD COLUMN d TEXT DEFAULT 'd'");
            environment.query("ALTER TABLE u ADD COLUMN d text");
        }
        environment.take_anew(&["u"]).expect(0);
        assert_eq!(environment.made("u"), u);
        assert_eq!(environment.value("SELECT c FROM u WHERE id = 2"), "12");
        let indexes = environment
            .column("SELECT indexname::text FROM pg_indexes WHERE tablename = 'u' ORDER BY 1");
        assert_eq!(indexes, ["below", "known", "u_pkey"]);
        environment.goes_on(
            "INSERT INTO u (id, a, c) VALUES (7, 'seven', 17); UPDATE u SET c = 0 WHERE id = 1",
        );
    }
}

#[test]
fn a_table_that_others_wrote_to_is_loaded_again_from_a_source_at_rest() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    let at_rest = |more: &[&str]| {
        environment.liteferry(&environment.ends("run", &[&["--no-capture"], more].concat()))
    };
    at_rest(&["--anew", "t"]).expect(78).saying(&["has begun"]);
    at_rest(&[]).expect(0);
    environment.query("UPDATE t SET a = 4 WHERE id = 3");
    environment.liteferry(&environment.ends("verify", &[])).expect(67);
    at_rest(&["--anew", "t"]).expect(0);
    environment.assert_followed();
    // The source may have changed there, and nowhere else.
    environment.sqlite("UPDATE t SET a = 44 WHERE id = 1");
    at_rest(&[]).expect(66);
    at_rest(&["--anew", "t"]).expect(0);
    environment.assert_followed();
    environment.sqlite("UPDATE u SET a = 'otherwise' WHERE id = 1");
    at_rest(&["--anew", "t"]).expect(66).saying(&["table u"]);
    // Rows that the target alone has are not dropped.
    environment.sqlite("UPDATE u SET a = 'one' WHERE id = 1");
    environment.query("INSERT INTO t VALUES (9, 9)");
    at_rest(&["--anew", "t"])
        .expect(78)
        .saying(&["it has 4 rows, of which this migration has loaded 3"]);
    at_rest(&["--anew", "nowhere"]).expect(2).saying(&["no table nowhere"]);
}

#[test]
fn the_pipeline_file_may_say_something_else_of_a_table_that_is_taken_anew() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    let write = |said: &str| {
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n{said}",
            environment.source(),
            environment.url()
        );
        std::fs::write(environment.path("pipeline.toml"), text).unwrap();
    };
    write("");
    environment.liteferry(&["run", "pipeline.toml"]).expect(0);
    write("[tables.t.columns]\na = { type = \"numeric\" }");
    environment.liteferry(&["run", "pipeline.toml"]).expect(78).saying(&["table t", "--anew t"]);
    environment.liteferry(&["run", "pipeline.toml", "--anew", "u"]).expect(78).saying(&["table t"]);
    environment.liteferry(&["run", "pipeline.toml", "--anew", "t"]).expect(0);
    let kind = "SELECT atttypid::regtype::text FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'a'";
    assert_eq!(environment.value(kind), "numeric");
    environment.sqlite("UPDATE t SET a = 1.5 WHERE id = 2");
    environment.liteferry(&["follow", "--until-caught-up", "pipeline.toml"]).expect(0);
    environment.assert_followed();
}
