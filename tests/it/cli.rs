//! The command line: exit codes, what is said and what is kept silent, `plan`, `status`, and the undoing.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment, Row};
use serde_json::Value;
use std::fs;
use std::path::Path;

const SOURCE: &str = "
    CREATE TABLE pools (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
    CREATE TABLE trades (id INTEGER PRIMARY KEY, pool INTEGER REFERENCES pools, price REAL CHECK (price > 0));
    CREATE INDEX trades_price ON trades (price) WHERE price > 1;
    INSERT INTO pools VALUES (1, 'one'), (2, 'two');
    INSERT INTO trades VALUES (1, 1, 0.5), (2, 2, 2.5), (3, NULL, 3.5);";

fn prepared() -> Environment {
    let env = Environment::new();
    env.sqlite(SOURCE);
    env
}

fn run_with(env: &Environment, source: &Path, target: &str) -> Done {
    let source = source.to_str().unwrap();
    env.liteferry(&["run", "--no-capture", "--json", "--source", source, "--target", target])
}

#[test]
fn a_password_in_an_argument_is_refused_and_shown_nowhere() {
    let env = prepared();
    for target in [
        "postgresql://me:s3cr%65tW0rd@localhost/db",
        "postgresql://me:s3cretW0rd@localhost/db",
        "postgres://localhost/db?user=me&password=s3cretW0rd",
        "host=localhost user=me password=s3cretW0rd dbname=db",
        "host=localhost user=me password='s3cretW0rd' dbname=db",
        "host=localhost user=me password = s3cretW0rd dbname=db",
    ] {
        for command in ["run", "plan", "verify", "status"] {
            let source = env.source();
            let mut arguments =
                vec![command, "--json", "--source", source.to_str().unwrap(), "--target", target];
            if command == "run" {
                arguments.push("--no-capture");
            }
            let done = env.liteferry(&arguments).expect(64);
            for secret in ["s3cretW0rd", "s3cr%65tW0rd"] {
                assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done}");
            }
            assert!(done.says("PGPASSFILE"), "the ways that work are not told: {done}");
        }
    }
}

#[test]
fn servers_that_cannot_be_used_are_told_apart() {
    let env = prepared();
    let source = env.source();
    for target in [
        "postgresql://me@%2Fnonexistent%2Ffolder/db".to_owned(),
        // A port that nothing listens on: it is taken for this test and never accepts.
        format!("postgresql://me@127.0.0.1:{}/db?sslmode=disable", closed_port()),
        env.url() + "_that_is_not_there",
    ] {
        run_with(&env, &source, &target).expect(69);
    }
    let ascii = Environment::with_database(
        "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    let done = run_with(&ascii, &source, &ascii.url()).expect(69).saying(&["UTF8", "SQL_ASCII"]);
    assert!(done.says("what to do"), "{done}");
    assert_eq!(ascii.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'"), "0");
}

/// A port that was free a moment ago.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_role_that_may_not_create_ends_with_what_it_lacks() {
    let env = prepared();
    let role = format!("visitor_of_{}", env.value("SELECT current_database()"));
    env.query(&format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"));
    let target = env.url().replace("liteferry@", &format!("{role}@"));
    run_with(&env, &env.source(), &target).expect(77).saying(&["permission denied"]);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'";
    assert_eq!(env.value(schemas), "0");
    env.query(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn sources_that_cannot_be_used_are_told_apart() {
    let env = prepared();
    let file = |name: &str, bytes: &[u8]| {
        fs::write(env.path(name), bytes).unwrap();
        env.path(name)
    };
    let database = fs::read(env.source()).unwrap();
    let mut torn = database.clone();
    torn[4096..].fill(0xAB);
    for (source, code) in [
        (env.path("none.db"), 2),
        (env.path(""), 2),
        (file("empty.db", b""), 65),
        (file("noise.db", &[7; 10_000]), 65),
        (file("text.db", b"CREATE TABLE t (a);\n"), 65),
        (file("header.db", &database[..100]), 65),
        (file("torn.db", &torn), 65),
    ] {
        for command in ["run", "plan"] {
            let mut arguments =
                vec![command, "--json", "--source", source.to_str().unwrap(), "--target"];
            let url = env.url();
            arguments.push(&url);
            if command == "run" {
                arguments.push("--no-capture");
            }
            let done = env.liteferry(&arguments).expect(code);
            assert!(!done.says(": : "), "an empty place: {done}");
        }
    }
    assert_eq!(env.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'"), "0");
}

#[test]
fn what_cannot_be_understood_ends_with_2() {
    let env = prepared();
    let (source, url) = (env.source(), env.url());
    let source = source.to_str().unwrap();
    for arguments in [
        vec!["run", "--no-capture", "--source", source],
        vec!["run", "--no-capture", "--target", &url],
        vec!["run", "--no-capture"],
        vec!["run", "--no-capture", "none.toml"],
        vec!["run", "--no-capture", "--source", source, "--target", &url, "--until", "tomorrow"],
        vec!["run", "--no-capture", "--source", source, "--target", &url, "--workers", "0"],
        vec!["run", "--no-capture", "--source", source, "--target", "mysql://localhost/db"],
        vec!["run", "--no-capture", "--source", source, "--target", "local:"],
        vec!["ferry"],
        vec!["--nonsense"],
    ] {
        let done = env.liteferry(&arguments).expect(2);
        assert!(!done.stderr.is_empty(), "nothing was said");
        assert_eq!(done.stdout, "");
    }
    assert_eq!(env.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'"), "0");
}

#[test]
fn help_and_version_are_no_errors() {
    let env = Environment::new();
    for arguments in [["--help"].as_slice(), &["run", "--help"], &["--version"]] {
        let done = env.liteferry(arguments).expect(0);
        assert!(done.stdout.contains("liteferry"), "{done}");
    }
}

/// The one object of a `--json` run, with every key that a program may rely on.
#[track_caller]
fn assert_report(done: &Done, command: &str, ok: bool) {
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{done}");
    let json = done.json();
    assert_eq!((&json["command"], &json["ok"]), (&command.into(), &ok.into()), "{done}");
    for key in ["phase", "tables", "position", "seconds", "phases", "rows_per_second"] {
        assert!(json.get(key).is_some(), "{key} is missing: {done}");
    }
    for key in ["source", "applied"] {
        assert!(json["position"].get(key).is_some(), "{key} is missing: {done}");
    }
    for table in json["tables"].as_array().unwrap() {
        for key in [
            "name",
            "source_rows",
            "target_rows",
            "rejected",
            "digest_source",
            "digest_target",
            "equal",
        ] {
            assert!(table.get(key).is_some(), "{key} is missing: {done}");
        }
    }
}

#[test]
fn json_is_one_object_with_every_key_however_it_ends() {
    let env = prepared();
    let done = env.run(&[]).expect(0);
    assert_report(&done, "run", true);
    let json = done.json();
    assert_eq!(json["tables"].as_array().unwrap().len(), 2);
    assert_eq!(json["tables"][1]["name"], "trades");
    assert_eq!(json["tables"][1]["source_rows"], 3);
    for phase in ["census", "schema", "snapshot", "index", "proof"] {
        assert!(json["phases"][phase].is_number(), "{phase}: {done}");
    }
    assert!(json["seconds"].as_f64().unwrap() >= 0.0);
    assert!(json["rows_per_second"].as_f64().unwrap() > 0.0, "{done}");
    assert_report(&env.verify().expect(0), "verify", true);
    env.query("UPDATE trades SET price = 9 WHERE id = 1");
    assert_report(&env.verify().expect(67), "verify", false);
    assert_report(&env.run(&[]).expect(67), "run", false);
    let url = env.url();
    let missing = run_with(&env, &env.path("none.db"), &url).expect(2);
    assert_report(&missing, "run", false);
    assert_eq!(missing.json()["exit_code"], 2);
    assert!(missing.json()["error"].as_str().unwrap().contains("none.db"));
    let refused = run_with(&env, &env.source(), "host=x password=y");
    assert_report(&refused.expect(64), "run", false);
}

#[test]
fn log_lines_can_be_json_too() {
    let env = prepared();
    let more = ["--log-format", "json"];
    let done = env.run(&more).expect(0);
    assert!(done.stderr.lines().count() > 3, "{done}");
    for line in done.stderr.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line.is_object());
    }
    fs::remove_file(env.source()).unwrap();
    let failed = env.run(&more).expect(2);
    let last: Value = serde_json::from_str(failed.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "error", "{failed}");
}

#[test]
fn status_says_what_the_ledger_knows() {
    let env = prepared();
    let url = env.url();
    let ends = ["--source", "source.db", "--target", &url];
    let status = |more: &[&str]| env.liteferry(&[&["status"], more, &ends].concat());
    status(&[]).expect(0).saying(&["no migration has begun"]);
    env.run(&["--until", "schema"]).expect(0);
    let begun = status(&["--json"]).expect(0);
    let migration = &begun.json()["migrations"][0];
    assert_eq!((&migration["name"], &migration["chunks"]["done"]), (&"source".into(), &0.into()));
    assert_eq!((&migration["rows"]["done"], &migration["rows"]["all"]), (&0.into(), &5.into()));
    env.run(&[]).expect(0);
    env.query("DELETE FROM trades WHERE id = 3");
    env.run(&[]).expect(67);
    let ended = status(&["--json", "--history"]).expect(0);
    let migration = &ended.json()["migrations"][0];
    assert_eq!(migration["phase"], "not equal");
    assert_eq!(migration["rows"]["done"], 5);
    assert_eq!(migration["steps"]["done"], migration["steps"]["all"]);
    let runs = ended.json()["runs"].as_array().unwrap();
    let codes: Vec<_> = runs.iter().map(|run| run["exit_code"].as_i64().unwrap()).collect();
    assert_eq!(codes, [67, 0, 0], "newest first");
    for run in runs {
        assert_eq!(run["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(run["plan_hash"], migration["plan_hash"]);
        assert!(run["command"].as_str().unwrap().starts_with("run --no-capture"));
        assert!(run["seconds"].as_f64().unwrap() > 0.0);
    }
    status(&["--history"]).expect(0).saying(&[
        "run --no-capture --until schema",
        "not equal",
        "source.db",
    ]);
}

/// Everything in the database that a run might leave: schemas, relations, types, functions, rights.
fn inventory(env: &Environment) -> Vec<Row> {
    env.query(
        "SELECT 'schema', nspname::text, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
         UNION ALL SELECT 'relation', relnamespace::regnamespace || '.' || relname, relkind::text FROM pg_class
         WHERE relnamespace::regnamespace::text !~ '^pg_toast'
         UNION ALL SELECT 'type', typnamespace::regnamespace || '.' || typname, NULL FROM pg_type
         WHERE typnamespace::regnamespace::text !~ '^pg_toast'
         UNION ALL SELECT 'function', oid::text, NULL FROM pg_proc
         UNION ALL SELECT 'role', rolname::text, NULL FROM pg_roles WHERE rolname !~ '^visitor_of'
         ORDER BY 1, 2",
    )
}

#[test]
fn a_plan_changes_neither_end() {
    let env = prepared();
    let before = (inventory(&env), fs::read(env.source()).unwrap());
    let source = env.source();
    let files = || {
        let mut names: Vec<_> = fs::read_dir(source.parent().unwrap())
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.retain(|name| name.to_string_lossy().starts_with("source"));
        names
    };
    let beside = files();
    let url = env.url();
    let ends = ["plan", "--source", source.to_str().unwrap(), "--target", &url];
    env.liteferry(&ends).expect(0).saying(&[
        "CREATE TABLE \"public\".\"trades\"",
        "\"price\" double precision",
        "ADD CONSTRAINT \"trades_pkey\" PRIMARY KEY (\"id\")",
        "DROP TABLE",
    ]);
    let json = env.liteferry(&env.ends("plan", &[])).expect(0);
    assert_eq!((&json.json()["ok"], &json.json()["begun"]), (&true.into(), &false.into()));
    assert_eq!((inventory(&env), fs::read(env.source()).unwrap()), before);
    assert_eq!(files(), beside);
}

#[test]
fn the_plans_drop_sql_undoes_a_run_exactly() {
    for schema in ["public", "The \"new\" one"] {
        for until in [None, Some("schema"), Some("snapshot")] {
            let env = prepared();
            env.query("CREATE TABLE other (id int); CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.trades (id int)");
            let before = inventory(&env);
            let pipeline = env.path("pipeline.toml");
            let text = format!(
                "[source]\npath = \"source.db\"\n[target]\nurl = \"{}\"\nschema = {}\n",
                env.url(),
                toml::Value::from(schema)
            );
            fs::write(&pipeline, text).unwrap();
            let pipeline = pipeline.to_str().unwrap();
            let plan = env.liteferry(&["plan", "--json", pipeline]).expect(0);
            let drop_sql = plan.json()["drop_sql"].as_str().unwrap().to_owned();
            let mut run = vec!["run", "--no-capture", pipeline];
            run.extend(until.iter().flat_map(|&until| ["--until", until]));
            env.liteferry(&run).expect(0);
            if until.is_none() {
                Comparison::new()
                    .schema(schema)
                    .ignoring("other")
                    .assert_equal(&env.source(), &env.connect());
            }
            assert_ne!(inventory(&env), before);
            let kept = env.value("SELECT drop_sql FROM liteferry.migration");
            assert_eq!(kept, drop_sql, "the ledger keeps what the plan printed");
            env.query(&drop_sql);
            assert_eq!(inventory(&env), before, "schema {schema}, until {until:?}");
            // And it can begin again.
            env.liteferry(&["run", "--no-capture", pipeline]).expect(0);
        }
    }
}

#[test]
fn the_ledger_of_another_migration_survives_the_drop_sql() {
    let env = prepared();
    env.run(&[]).expect(0);
    let other = env.path("other.toml");
    let text = format!(
        "name = \"other\"\n[source]\npath = \"source.db\"\n[target]\nurl = \"{}\"\nschema = \"other\"\n",
        env.url()
    );
    fs::write(&other, text).unwrap();
    env.liteferry(&["run", "--no-capture", other.to_str().unwrap()]).expect(0);
    let drop_sql = env.value("SELECT drop_sql FROM liteferry.migration WHERE name = 'other'");
    env.query(&drop_sql);
    assert_eq!(env.column("SELECT name FROM liteferry.migration"), ["source"]);
    assert_eq!(env.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'other'"), "0");
    env.run(&[]).expect(0);
}

#[test]
fn a_pipeline_file_may_take_its_target_from_the_environment() {
    let env = prepared();
    let pipeline = env.path("pipeline.toml");
    fs::write(&pipeline, "[source]\npath = \"source.db\"\n[target]\nurl = \"${MY_TARGET}\"\n")
        .unwrap();
    let arguments = ["run", "--no-capture", "--json", pipeline.to_str().unwrap()];
    let mut command = env.command();
    command.args(arguments).env("MY_TARGET", env.url());
    env.spawn(command).wait().expect(0);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    env.liteferry(&arguments).expect(2).saying(&["MY_TARGET"]);
}
