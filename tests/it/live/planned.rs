//! What `plan` and `init` say of a source that goes on being written to.

use crate::environment::Environment;
use crate::shapes::ReadOnly;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE parents (id INTEGER PRIMARY KEY, a INT UNIQUE);
    CREATE TABLE children (name TEXT PRIMARY KEY, parent INT REFERENCES parents (id));
    CREATE TABLE keyless (a INT);
    CREATE TABLE journal (id INTEGER PRIMARY KEY, line TEXT);
    INSERT INTO parents VALUES (1, 1); INSERT INTO children VALUES ('one', 1); INSERT INTO keyless VALUES (1), (1);
    INSERT INTO journal VALUES (1, 'x')";

/// The schema of the source, and how many pages it has.
fn stands(environment: &Environment) -> (Vec<String>, i64) {
    let connection = Connection::open(environment.source()).unwrap();
    let mut statement = connection
        .prepare("SELECT name || ' ' || sql FROM sqlite_schema WHERE sql IS NOT NULL")
        .unwrap();
    let schema =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    (schema, connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap())
}

/// A pipeline file of this test's ends.
fn pipeline(environment: &Environment, said: &str) -> String {
    let file = environment.path("pipeline.toml");
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n{said}\n",
        environment.source(),
        environment.url()
    );
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_plan_says_how_tables_are_followed_and_its_sql_does_just_that() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    let before = stands(&environment);
    let file = pipeline(&environment, "[tables.journal]\ncapture = 'append'");
    let planned = environment.liteferry(&["plan", &file]).expect(0).saying(&[
        "  followed by its key (id)\n",
        "  followed by its key (name)\n",
        "  followed by its rowid, which the target has as a last column, liteferry_rowid\n",
        "  followed by its key (id), new rows without triggers: it only grows\n",
        "-- what comes with the cutover\nALTER TABLE \"public\".\"children\" ADD CONSTRAINT",
        "-- 1 foreign keys are not made while the source is followed",
    ]);
    // The application does not know of the column for the rowid.
    let json = environment.liteferry(&["plan", "--json", &file]).expect(0);
    let advice = json.json()["advice"].as_array().unwrap();
    let new_ids = advice.iter().find(|advice| advice["topic"] == "new_ids").unwrap();
    assert_eq!(new_ids["names"], json!(["journal", "parents"]));
    // Nothing is put into either store by it.
    assert_eq!(stands(&environment), before);
    assert_eq!(
        environment.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'"),
        "0"
    );
    // What it prints makes and takes out what a run makes.
    let (_, script) = planned.stdout.split_once("changes are logged (SQLite)\n").unwrap();
    let (install, rest) = script.split_once("\n-- what takes it out of the source again").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let (remove, rest) = rest.split_once("\n-- what is created\n").unwrap();
    let (script, _) = rest.split_once("\n-- what comes with the cutover").unwrap();
    environment.query(script);
    environment.query("DROP TABLE parents, children, keyless, journal");
    environment.sqlite(install);
    let installed = stands(&environment);
    environment.sqlite(remove);
    assert_eq!(stands(&environment).0, before.0);
    environment.liteferry(&["run", &file]).expect(0);
    assert_eq!(stands(&environment).0, installed.0);
    assert!(installed.0.len() > before.0.len() + 10);
    // A migration that has begun shows its own plan.
    let begun = environment.liteferry(&["plan", "--no-capture", "--json", &file]).expect(0);
    assert_eq!(
        (&begun.json()["begun"], &begun.json()["plan"]["is_followed"]),
        (&json!(true), &json!(true))
    );
    let sql = begun.json()["changelog"]["install_sql"].as_array().unwrap();
    let made = sql.iter().filter(|sql| sql.as_str().unwrap().starts_with("CREATE")).count();
    assert_eq!(made + before.0.len(), installed.0.len());
}

#[test]
fn a_plan_of_a_source_at_rest_follows_nothing_and_is_shown_as_it_was_begun() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    let at_rest = |more: &[&str]| {
        let planned = environment.liteferry(&environment.ends("plan", more)).expect(0);
        let json = planned.json();
        assert_eq!(
            (&json["plan"]["is_followed"], &json["changelog"]),
            (&json!(false), &Value::Null)
        );
        let create = json["plan"]["tables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|table| table["create"].to_string());
        assert!(!create.collect::<String>().contains("liteferry_rowid"));
    };
    at_rest(&["--no-capture"]);
    environment.run(&[]).expect(0);
    at_rest(&[]);
}

#[test]
fn a_large_table_that_the_application_must_wait_for_is_named() {
    for (mode, rows, is_named) in
        [("DELETE", 9000, true), ("DELETE", 90, false), ("WAL", 9000, false)]
    {
        let environment = Environment::new();
        environment.sqlite(&format!(
            "PRAGMA journal_mode = {mode}; CREATE TABLE w (id TEXT PRIMARY KEY, a BLOB, rowid INT, _rowid_ INT, oid INT);
             CREATE TABLE r (id TEXT PRIMARY KEY, a BLOB) WITHOUT ROWID;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO w SELECT 'row ' || i, zeroblob(1000), i, i, i FROM n; INSERT INTO r SELECT id, a FROM w"
        ));
        let is_said = |text: &str| {
            let told = |table| text.contains(&format!("table {table}: it is read as a whole"));
            assert!(!told("r"), "{text}");
            assert_eq!(told("w"), is_named, "{mode}: {text}");
        };
        let file = pipeline(&environment, "");
        is_said(&environment.liteferry(&["plan", &file]).expect(0).stdout);
        let at_rest = environment.liteferry(&["plan", "--no-capture", &file]).expect(0);
        assert!(!at_rest.stdout.contains("it is read as a whole"), "{at_rest}");
        is_said(&environment.liteferry(&["run", &file]).expect(0).stderr);
        // It was waited for.
        let again = environment.liteferry(&["run", &file]).expect(0);
        assert!(!again.stderr.contains("it is read as a whole"), "{again}");
    }
}

#[test]
fn a_source_is_planned_and_its_file_written_while_it_is_written_to() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {}", super::SCHEMA));
        let mut workload = super::Workload::new(&environment.source(), 31);
        workload.statements(400);
        let writer = workload.go_on();
        for _ in 0..3 {
            environment.liteferry(&environment.ends("plan", &[])).expect(0);
            environment.liteferry(&environment.ends("init", &["--force"])).expect(0);
        }
        assert!(writer.end() > 0, "it wrote nothing meanwhile");
    }
}

#[test]
fn a_table_that_cannot_be_followed_is_named_beside_the_plan_and_in_the_written_file() {
    let environment = Environment::new();
    environment.sqlite(
        "CREATE TABLE fine (id INTEGER PRIMARY KEY);
         CREATE TABLE \"hidden one\" (rowid TEXT, oid TEXT, _rowid_ TEXT);",
    );
    let words = ["table hidden one", "all three names of the rowid"];
    let (source, url) = (environment.source(), environment.url());
    let in_words = ["plan", "--source", source.to_str().unwrap(), "--target", &url];
    let said = environment.liteferry(&in_words).expect(78).saying(&words);
    let said = said.saying(&["-- WHAT CANNOT BE FOLLOWED\n"]);
    assert!(said.stdout.contains("CREATE TRIGGER \"_liteferry_0_after_insert\""), "{said}");
    let planned = environment.liteferry(&environment.ends("plan", &[])).expect(78);
    let json = planned.json();
    assert_eq!(
        (&json["ok"], &json["changelog"]["refused"][0]["table"]),
        (&json!(false), &json!("hidden one"))
    );
    environment.liteferry(&environment.ends("plan", &["--no-capture"])).expect(0);
    let written = environment.liteferry(&environment.ends("init", &[])).expect(0);
    assert_eq!(written.json()["open"][0]["line"], "capture = \"copy\"", "{written}");
    let text = fs::read_to_string(environment.path("source.toml")).unwrap();
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("no `{words}` in\n{text}"));
    assert!(
        at("# 1 to decide") < at("[tables.\"hidden one\"]\n# decide: cannot be followed: "),
        "{text}"
    );
    // The line that it offers is one that does.
    environment.liteferry(&["run", "source.toml"]).expect(78).saying(&words);
    fs::write(environment.path("source.toml"), text.replace("# capture = ", "capture = ")).unwrap();
    environment
        .liteferry(&["plan", "source.toml"])
        .expect(0)
        .saying(&["  not followed: copied whole"]);
    environment.liteferry(&["run", "source.toml"]).expect(0);
}

#[test]
fn a_table_with_rowids_far_apart_is_moved_and_followed() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!(
            "PRAGMA journal_mode = {mode}; CREATE TABLE far (id INTEGER PRIMARY KEY, a INT);
             INSERT INTO far VALUES (-9223372036854775808, 1), (0, 2), (1700000000000, 3), (9223372036854775807, 4)"
        ));
        environment.run_live(&[]).expect(0);
        environment.sqlite("UPDATE far SET a = a + 1; DELETE FROM far WHERE id = 0");
        environment.catch_up().expect(0);
        environment.assert_followed();
    }
}

#[test]
fn a_source_that_cannot_be_written_to_is_refused_before_anything_is_begun() {
    let environment = Environment::new();
    environment.sqlite(SCHEMA);
    let folder = environment.path("read-only");
    fs::create_dir(&folder).unwrap();
    fs::copy(environment.source(), folder.join("source.db")).unwrap();
    let read_only = ReadOnly::new(&environment, &folder);
    let words = ["cannot be followed, because it cannot be written to"];
    let planned = read_only.liteferry(&environment, &["plan"]).expect(77).saying(&words);
    assert!(planned.json()["plan"].is_object(), "the plan is printed all the same");
    read_only.liteferry(&environment, &["run"]).expect(77).saying(&words);
    assert_eq!(environment.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
    read_only.liteferry(&environment, &["plan", "--no-capture"]).expect(0);
}
