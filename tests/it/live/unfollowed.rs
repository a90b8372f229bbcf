//! Tables that are not followed though their source is: they are copied, and nothing else is said of them.

use crate::environment::{Done, Environment};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

impl Environment {
    /// A pipeline file in which these tables are left to a copy.
    fn copying(&self, tables: &[&str]) {
        let said: String =
            tables.iter().map(|table| format!("[tables.{table}]\ncapture = 'copy'\n")).collect();
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\n[snapshot]\nchunk_bytes = 4096\n{said}",
            self.source(),
            self.url()
        );
        fs::write(self.path("copying.toml"), text).unwrap();
    }

    #[track_caller]
    fn copying_do(&self, command: &[&str]) -> Done {
        self.liteferry(&[command, &["--json", "copying.toml"]].concat())
    }
}

/// What a report says of a table.
fn of<'r>(done: &'r Done, table: &str) -> &'r Value {
    let tables = done.json()["tables"].as_array().unwrap();
    tables.iter().find(|said| said["name"] == table).unwrap()
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE followed (id INTEGER PRIMARY KEY, a INT);
    CREATE TABLE copied (id TEXT PRIMARY KEY, a INT);
    CREATE TABLE hidden (rowid TEXT, oid TEXT, _rowid_ TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO copied SELECT 'k' || i, i FROM n;
    INSERT INTO hidden VALUES ('a', 'b', 'c'), ('a', 'b', 'c');
    INSERT INTO followed VALUES (1, 1)";

#[test]
fn a_table_that_is_copied_is_not_followed_and_not_called_equal() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    environment.copying(&["copied", "hidden"]);
    for _ in 0..2 {
        // Again, it is as before.
        let run = environment.copying_do(&["run"]).expect(0);
        assert_eq!(of(&run, "followed")["equal"], true, "{run}");
        assert_eq!(of(&run, "followed").get("copied_rows"), None, "{run}");
        let copied = of(&run, "copied");
        assert_eq!(
            (&copied["equal"], &copied["copied_rows"]),
            (&Value::Null, &json!(2000)),
            "{run}"
        );
        assert_eq!(
            (&of(&run, "hidden")["equal"], &of(&run, "hidden")["copied_rows"]),
            (&Value::Null, &json!(2))
        );
        environment.sqlite(
            "UPDATE followed SET a = a + 1; UPDATE copied SET a = a + 1; DELETE FROM hidden",
        );
    }
    // Nothing of it is in the source, nor a column for its rowid in the target.
    let connection = Connection::open(environment.source()).unwrap();
    let ours = "SELECT group_concat(DISTINCT tbl_name) FROM sqlite_schema WHERE name GLOB '_liteferry_[0-9]*'";
    assert_eq!(connection.query_row(ours, [], |row| row.get::<_, String>(0)).unwrap(), "followed");
    assert_eq!(environment.value("SELECT count(*) FROM pg_attribute WHERE attname LIKE 'liteferry%' AND attrelid = 'hidden'::regclass"), "0");
    environment.copying_do(&["follow", "--until-caught-up"]).expect(0);
    assert_eq!(environment.value("SELECT a FROM followed"), "3");
    assert_eq!(environment.value("SELECT sum(a) FROM copied"), (2000 * 2001 / 2).to_string());
    let verified = environment.copying_do(&["verify"]).expect(0);
    assert_eq!(
        (&of(&verified, "copied")["equal"], &of(&verified, "copied")["copied_rows"]),
        (&Value::Null, &json!(2000))
    );
    environment.liteferry(&["verify", "copying.toml"]).expect(0).saying(&[
        "as copied, not followed",
        "every row and value is equal, but for 2 tables that are not followed, and are as they were copied",
    ]);
}

#[test]
fn a_copy_that_somebody_else_wrote_to_is_no_copy() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    environment.copying(&["copied", "hidden"]);
    environment.copying_do(&["run"]).expect(0);
    environment.query("ALTER TABLE hidden DISABLE TRIGGER ALL; DELETE FROM hidden");
    let verified = environment.copying_do(&["verify"]).expect(67).saying(&["not equal in hidden"]);
    assert_eq!(
        (&of(&verified, "hidden")["equal"], &of(&verified, "copied")["equal"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn a_copy_is_of_one_state_of_the_source_however_it_is_written_to() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!(
            "PRAGMA journal_mode = {mode}; CREATE TABLE copied (id TEXT PRIMARY KEY, a INT);
             WITH RECURSIVE n(i) AS (SELECT -4989 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO copied (rowid, id, a) SELECT i, 'k' || i, 0 FROM n"
        ));
        environment.copying(&["copied"]);
        let going = Arc::new(AtomicBool::new(true));
        let (goes, writer) = (Arc::clone(&going), Connection::open(environment.source()).unwrap());
        writer.busy_timeout(Duration::from_mins(1)).unwrap();
        writer.execute_batch("PRAGMA synchronous = OFF").unwrap();
        // Some rows go from the end to the beginning and back: of two states their keys come twice, or not at all.
        let moving = "UPDATE copied SET rowid = -rowid, a = a + 1 WHERE abs(rowid) >= 4990";
        let writing = std::thread::spawn(move || {
            let mut rounds = 0;
            while goes.load(Ordering::SeqCst) {
                writer.execute_batch(moving).unwrap();
                rounds += 1;
            }
            rounds
        });
        let run = environment.copying_do(&["run"]).expect(0);
        going.store(false, Ordering::SeqCst);
        assert!(writing.join().unwrap() > 10, "it wrote nothing meanwhile");
        assert_eq!(of(&run, "copied")["copied_rows"], 9990, "{run}");
        assert_eq!(environment.value("SELECT count(DISTINCT a) FROM copied WHERE a > 0"), "1");
    }
}

#[test]
fn a_refused_table_is_told_what_to_say() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    environment
        .run_live(&[])
        .expect(78)
        .saying(&["say `capture = \\\"copy\\\"` under `[tables.hidden]`"]);
}

#[test]
fn a_table_that_is_taken_anew_can_be_left_to_a_copy_and_followed_again() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    environment.copying(&["hidden"]);
    environment.copying_do(&["run"]).expect(0);
    environment.copying(&["copied", "hidden"]);
    environment.copying_do(&["run"]).expect(78);
    let run = environment.copying_do(&["run", "--anew", "copied"]).expect(0);
    assert_eq!(of(&run, "copied")["copied_rows"], 2000, "{run}");
    environment.sqlite("UPDATE copied SET a = 0; UPDATE followed SET a = 5");
    environment.copying_do(&["follow", "--until-caught-up"]).expect(0);
    assert_ne!(environment.value("SELECT sum(a) FROM copied"), "0");
    environment.copying(&["hidden"]);
    let run = environment.copying_do(&["run", "--anew", "copied"]).expect(0);
    assert_eq!(of(&run, "copied")["equal"], true, "{run}");
    environment.sqlite("UPDATE copied SET a = 1");
    environment.copying_do(&["follow", "--until-caught-up"]).expect(0);
    environment.assert_followed();
}
