//! A backlog that is applied in several transactions: a cut between them may part rows that belong together.

use crate::environment::{Done, Environment};
use std::fs;

/// A moved source, whose target commits so many touches at once.
fn moved(schema: &str, max_batch: u32) -> Environment {
    let environment = Environment::new();
    environment.sqlite(&format!("PRAGMA journal_mode = WAL; {schema}"));
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[follow]\nmax_batch = {max_batch}\n",
        environment.source(),
        environment.url()
    );
    fs::write(environment.path("pipeline.toml"), text).unwrap();
    environment.liteferry(&["run", "pipeline.toml"]).expect(0);
    environment
}

fn catch_up(environment: &Environment) -> Done {
    environment.liteferry(&["follow", "--until-caught-up", "pipeline.toml"])
}

fn passes(environment: &Environment) -> u32 {
    environment.value("SELECT passes FROM liteferry.position").parse().unwrap()
}

#[test]
fn a_backlog_is_cut_where_nothing_belongs_together() {
    let environment = moved("CREATE TABLE t (id INTEGER PRIMARY KEY, a INT UNIQUE)", 3);
    environment
        .sqlite("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7)");
    let before = passes(&environment);
    catch_up(&environment).expect(0);
    assert_eq!(passes(&environment) - before, 3);
    environment.assert_followed();
}

#[test]
fn rows_that_swap_their_values_are_not_parted() {
    for max_batch in [1, 2, 5] {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT UNIQUE);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO t SELECT i, i FROM n";
        let environment = moved(schema, max_batch);
        // Each takes the value of the one before it: what is in its way comes later.
        environment
            .sqlite("UPDATE t SET a = -a; UPDATE t SET a = CASE id WHEN 40 THEN 1 ELSE 1 - a END");
        let before = passes(&environment);
        catch_up(&environment).expect(0);
        environment.assert_followed();
        assert!(passes(&environment) - before > 1, "it was not cut");
    }
}

#[test]
fn a_target_that_is_stricter_than_its_source_loses_no_row_at_a_cut() {
    let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')";
    let environment = moved(schema, 2);
    environment.query("CREATE UNIQUE INDEX folded ON t (lower(a))");
    environment.sqlite("UPDATE t SET a = 'ONE' WHERE id = 2");
    environment.sqlite("INSERT INTO t VALUES (4, 'four'), (5, 'five'), (6, 'six'), (7, 'seven')");
    for _ in 0..2 {
        catch_up(&environment).expect(78).saying(&["table t", "drop that unique key"]);
        assert_eq!(environment.column("SELECT a FROM t WHERE id = 1"), ["one"]);
    }
    environment.query("DROP INDEX folded");
    catch_up(&environment).expect(0);
    environment.assert_followed();
}

#[test]
fn a_table_that_only_grows_is_cut_too_and_loses_no_row() {
    let environment = Environment::new();
    environment
        .sqlite("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)");
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[follow]\nmax_batch = 2\n[tables.t]\ncapture = 'append'\n",
        environment.source(),
        environment.url()
    );
    fs::write(environment.path("pipeline.toml"), text).unwrap();
    environment.liteferry(&["run", "pipeline.toml"]).expect(0);
    environment.sqlite(
        "INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four'), (5, 'five')",
    );
    let before = passes(&environment);
    catch_up(&environment).expect(0);
    assert_eq!(passes(&environment) - before, 3);
    environment.assert_followed();
    environment.query("CREATE UNIQUE INDEX folded ON t (lower(a))");
    environment.sqlite(
        "INSERT INTO t VALUES (6, 'six'), (7, 'ONE'), (8, 'eight'), (9, 'nine'), (10, 'ten')",
    );
    catch_up(&environment).expect(78).saying(&["table t", "drop that unique key"]);
    assert_eq!(environment.column("SELECT a FROM t WHERE id = 1"), ["one"]);
    environment.query("DROP INDEX folded");
    catch_up(&environment).expect(0);
    environment.assert_followed();
}
