//! Rows that the application may write, and that PostgreSQL would not take as they are.

use crate::environment::Environment;

/// The application goes on, and the target with it.
#[track_caller]
fn goes_on(environment: &Environment, sql: &str) {
    environment.sqlite(sql);
    environment.catch_up().expect(0);
    environment.assert_followed();
    environment.liteferry(&environment.ends("verify", &[])).expect(0);
}

fn indexes(environment: &Environment) -> Vec<String> {
    environment.column("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
}

#[test]
fn an_index_that_cannot_hold_a_row_is_left_out_and_the_row_comes_over() {
    // The server names the index of the first, and of the second says only how long it is.
    for bytes in [2_500, 20_000] {
        let environment = Environment::new();
        environment.sqlite(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INT);
             CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b); CREATE INDEX t_ba ON t (b, a);
             INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)",
        );
        environment.run_live(&[]).expect(0);
        assert_eq!(indexes(&environment), ["t_a", "t_b", "t_ba", "t_pkey"]);
        environment.sqlite(&format!(
            "UPDATE t SET a = hex(randomblob({bytes})) WHERE id = 2; INSERT INTO t VALUES (3, 'three', 3)"
        ));
        let done = environment.catch_up().expect(0);
        for index in ["t_a", "t_ba"] {
            let told =
                format!("table t: index {index} is left out: a row came that it cannot hold");
            assert!(done.says(&told), "{told}: {done}");
        }
        assert_eq!(indexes(&environment), ["t_b", "t_pkey"]);
        goes_on(&environment, "UPDATE t SET b = 5; DELETE FROM t WHERE id = 1");
        // They are no more than not made: as soon as the rows allow it, they are there again.
        environment.run_live(&[]).expect(0).saying(&["index t_a is left out"]);
    }
}

#[test]
fn rows_that_have_no_name_of_their_own_are_each_set_aside() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (k TEXT PRIMARY KEY, a INT, b INT); INSERT INTO t VALUES ('a', 1, 1)",
    );
    environment.run_live(&[]).expect(0);
    environment
        .sqlite("INSERT INTO t VALUES (NULL, 1, 'x'), (NULL, 2, 2), (NULL, 2, 2), ('b', 3, 'y')");
    environment.catch_up().expect(65).saying(&["do not fit: 4"]);
    environment.liteferry(&environment.ends("verify", &[])).expect(65);
    environment.sqlite("DELETE FROM t WHERE a = 2");
    environment.catch_up().expect(65).saying(&["do not fit: 2"]);
    environment.sqlite("DELETE FROM t WHERE k IS NULL OR k = 'b'");
    goes_on(&environment, "UPDATE t SET a = 5");
}

#[test]
#[cfg(debug_assertions)]
fn a_copy_that_was_killed_goes_on_after_a_change_of_the_schema_that_is_nothing_to_it() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.dies_at("chunk-committed", "run", &[]);
    environment.sqlite("CREATE INDEX t_a ON t (a); CREATE VIEW v AS SELECT a FROM t");
    environment.run_live(&[]).expect(0);
    goes_on(&environment, "UPDATE t SET a = a + 1");
    // Nor after what is something to it, which has its name.
    environment.dies_at("chunk-committed", "run", &["--anew", "t"]);
    environment.sqlite("DROP VIEW v; ALTER TABLE t ADD COLUMN c");
    environment.run_live(&[]).expect(78).saying(&["table t", "new columns: c", "--anew t"]);
    environment.run_live(&["--anew", "t"]).expect(0);
    goes_on(&environment, "UPDATE t SET c = 'x'");
}

#[test]
fn an_index_that_was_left_out_is_made_again_when_the_rows_allow_it() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.query(
        "CREATE TABLE t (id bigint PRIMARY KEY, a bigint); CREATE INDEX inverse ON t ((100 / a))",
    );
    environment.run_live(&[]).expect(0);
    assert_eq!(indexes(&environment), ["inverse", "t_pkey"]);
    environment.sqlite("UPDATE t SET a = 0 WHERE id = 2");
    environment
        .catch_up()
        .expect(0)
        .saying(&["inverse of public.t is left out", "division by zero"]);
    assert_eq!(indexes(&environment), ["t_pkey"]);
    goes_on(&environment, "UPDATE t SET a = 7 WHERE id = 2");
    environment.run_live(&[]).expect(0);
    assert_eq!(indexes(&environment), ["inverse", "t_pkey"]);
}

const TWO: &str = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT);
    INSERT INTO t VALUES (1, 1), (2, 2)";

#[test]
fn a_key_that_cannot_hold_a_row_is_named_and_can_be_dropped() {
    let environment = Environment::new();
    environment.sqlite(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (id TEXT PRIMARY KEY, a INT); INSERT INTO t VALUES ('one', 1)",
    );
    environment.run_live(&[]).expect(0);
    environment.sqlite("INSERT INTO t VALUES (hex(randomblob(2500)), 2)");
    for _ in 0..2 {
        environment.catch_up().expect(78).saying(&[
            "table t",
            "the index t_pkey",
            "too long",
            "drop that index",
        ]);
    }
    environment.query("ALTER TABLE t DROP CONSTRAINT t_pkey");
    goes_on(&environment, "UPDATE t SET a = a + 1");
}

#[test]
fn what_the_target_cannot_compute_of_a_row_is_named() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.query(
        "CREATE TABLE t (id bigint PRIMARY KEY, a bigint, c bigint GENERATED ALWAYS AS (100 / a) STORED)",
    );
    environment.run_live(&[]).expect(0);
    environment.sqlite("UPDATE t SET a = 0 WHERE id = 2");
    let words = ["table t", "cannot compute a column", "division by zero", "DROP EXPRESSION"];
    environment.catch_up().expect(78).saying(&words);
    environment.query("ALTER TABLE t ALTER COLUMN c DROP EXPRESSION");
    environment.catch_up().expect(0);
    assert_eq!(environment.column("SELECT a FROM t ORDER BY id"), ["1", "0"]);
}

#[test]
fn a_row_that_breaks_a_check_is_changed_all_the_same() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!(
            "PRAGMA journal_mode = {mode}; PRAGMA ignore_check_constraints = ON;
             CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b INT CHECK (b > 0)); INSERT INTO t VALUES (1, 1, 1), (2, 2, -2)",
        ));
        let (source, url) = (environment.source(), environment.url());
        let arguments = ["plan", "--source", source.to_str().unwrap(), "--target", &url];
        let planned = environment.liteferry(&arguments).expect(0);
        let (_, later) = planned.stdout.split_once("-- what comes with the cutover\n").unwrap();
        assert!(later.contains("CHECK ("), "{planned}");
        let done = environment.run_live(&[]).expect(0);
        assert!(done.says("1 checks are not made while the source is followed"), "{done}");
        // SQLite looks at those of the changed columns only.
        goes_on(&environment, "UPDATE t SET a = 22 WHERE id = 2");
    }
}

#[test]
fn the_checks_of_a_table_that_existed_stay_aside() {
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.query("CREATE TABLE t (id bigint PRIMARY KEY, a bigint CHECK (a < 3))");
    environment.run_live(&[]).expect(0).saying(&["1 checks are not made"]);
    goes_on(&environment, "UPDATE t SET a = 30 WHERE id = 2");
    // One of a domain cannot be put aside.
    let environment = Environment::new();
    environment.sqlite(TWO);
    environment.query(
        "CREATE DOMAIN little AS bigint CONSTRAINT below CHECK (VALUE < 3); CREATE TABLE t (id bigint PRIMARY KEY, a little)",
    );
    environment.run_live(&[]).expect(0);
    environment.sqlite("UPDATE t SET a = 30 WHERE id = 2");
    environment.catch_up().expect(78).saying(&["table t", "the check below", "drop that check"]);
    environment.query("ALTER DOMAIN little DROP CONSTRAINT below");
    goes_on(&environment, "UPDATE t SET a = 31 WHERE id = 2");
}
