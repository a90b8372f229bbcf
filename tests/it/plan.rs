//! What `plan` says beyond what is done: both ends checked, what stays behind, sizes, estimates and advice.

use crate::environment::{Done, Environment};
use liteferry::plan::advice::needs_quotes;
use serde_json::{Value, json};

fn plan(env: &Environment) -> Done {
    env.liteferry(&env.ends("plan", &["--no-capture"]))
}

const ORPHANS: &str = "
    CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE books (
        id INTEGER PRIMARY KEY, author_id INTEGER REFERENCES authors, editor TEXT REFERENCES editors (name),
        series INTEGER, volume INTEGER, FOREIGN KEY (series, volume) REFERENCES volumes (series, number));
    CREATE TABLE volumes (series INTEGER, number INTEGER, PRIMARY KEY (series, number)) WITHOUT ROWID;
    CREATE TABLE editors (name TEXT UNIQUE);
    INSERT INTO authors VALUES (1, 'Ada');
    INSERT INTO editors VALUES ('Ed');
    INSERT INTO volumes VALUES (1, 1);
    INSERT INTO books VALUES (1, 1, 'Ed', 1, 1), (2, 9, 'it''s nobody', 1, 2), (3, NULL, NULL, NULL, 7),
        (4, 9, NULL, 1, 1), (5, 8, NULL, 1, 1), (6, 7, NULL, 1, 1);";

#[test]
fn rows_that_refer_to_nothing_are_counted_and_the_first_are_named() {
    let env = Environment::new();
    env.sqlite(ORPHANS);
    let planned = plan(&env).expect(0);
    let violations = &planned.json()["checks"]["source"]["foreign_key_violations"];
    let expected = json!([
        { "table": "books", "columns": ["author_id"], "parent": "authors", "rows": 4,
          "first": ["rowid 2 (author_id 9)", "rowid 4 (author_id 9)", "rowid 5 (author_id 8)"] },
        { "table": "books", "columns": ["editor"], "parent": "editors", "rows": 1,
          "first": ["rowid 2 (editor 'it''s nobody')"] },
        { "table": "books", "columns": ["series", "volume"], "parent": "volumes", "rows": 1,
          "first": ["rowid 2 (series 1, volume 2)"] },
    ]);
    assert_eq!(violations, &expected, "{planned}");
    env.plan_in_words().expect(0).saying(&[
        "-- source: table books: the foreign key (author_id) to authors is violated by 4 rows",
        "rowid 5 (author_id 8), …",
    ]);
    // And so it comes.
    env.run(&[]).expect(0);
    let not_valid =
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT convalidated ORDER BY 1";
    assert_eq!(
        env.column(not_valid),
        ["books_author_id_fkey", "books_editor_fkey", "books_series_volume_fkey"]
    );
}

#[test]
fn foreign_keys_that_sqlite_cannot_check_are_named_and_sound_ones_are_not() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO p VALUES (1, 'x');
         CREATE TABLE c (note TEXT REFERENCES p (note)); INSERT INTO c VALUES ('x');
         CREATE TABLE d (p INTEGER REFERENCES p); INSERT INTO d VALUES (1), (NULL);",
    );
    let planned = plan(&env).expect(0);
    let source = &planned.json()["checks"]["source"];
    assert_eq!(source["foreign_key_violations"], json!([]), "{planned}");
    assert_eq!(source["foreign_keys_unchecked"][0]["table"], "c", "{planned}");
    assert_eq!(source["foreign_keys_unchecked"].as_array().unwrap().len(), 1, "{planned}");
    assert!(source["bytes"].as_u64().unwrap() >= 4096);
}

#[test]
fn a_role_that_lacks_a_right_is_told_what_to_grant_and_that_is_enough() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    let database = env.value("SELECT current_database()");
    let role = format!("visitor_of_{database}_to_plan");
    env.query(&format!("CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"));
    let target = env.url().replace("liteferry@", &format!("{role}@"));
    let source = env.source();
    let ends = ["--json", "--source", source.to_str().unwrap(), "--target", &target];
    let refused = env.liteferry(&[&["plan"], &ends[..]].concat()).expect(77);
    assert_eq!(refused.json()["ok"], false);
    assert!(
        refused.json()["plan"]["tables"][0]["create"].is_string(),
        "the plan is printed all the same"
    );
    let problems = refused.json()["checks"]["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{refused}");
    for problem in problems {
        assert_eq!(problem["exit_code"], 77);
        env.query(problem["advice"].as_str().unwrap());
    }
    let granted = env.liteferry(&[&["plan"], &ends[..]].concat()).expect(0);
    let target = &granted.json()["checks"]["target"];
    assert_eq!((&target["user"], &target["create_tables"]), (&json!(role), &json!(true)));
    // It may not know where the data are, and so it is not said how much is free.
    assert_eq!((&target["folder"], &target["free_bytes"]), (&Value::Null, &Value::Null));
    env.liteferry(&[&["run", "--no-capture"], &ends[..]].concat()).expect(0);
    env.query(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn a_server_that_only_reads_is_not_ready() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let database = env.value("SELECT current_database()");
    env.query(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on"));
    plan(&env).expect(69).saying(&["the server only reads"]);
}

#[test]
fn the_target_is_described_as_it_is() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let planned = plan(&env).expect(0);
    let target = &planned.json()["checks"]["target"];
    assert_eq!(target["version"], env.value("SHOW server_version"));
    assert_eq!(target["encoding"], "UTF8");
    assert_eq!(target["user"], env.value("SELECT current_user"));
    assert_eq!(target["database"], env.value("SELECT current_database()"));
    assert_eq!(target["folder"], env.value("SHOW data_directory"));
    assert_eq!((&target["create_schemas"], &target["create_tables"]), (&json!(true), &json!(true)));
    assert!(target["free_bytes"].as_u64().unwrap() > 0);
    let file = env.path("elsewhere.toml");
    let text = format!(
        "[source]\npath = 'source.db'\n[target]\nurl = '{}'\nschema = 'Else where'\n",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    let planned = env.liteferry(&["plan", "--json", file.to_str().unwrap()]).expect(0);
    assert_eq!(planned.json()["checks"]["target"]["create_tables"], Value::Null);
    assert_eq!(topic(&planned, "schema").unwrap(), ["Else where"]);
}

#[test]
fn what_stays_behind_is_printed_with_its_sql_and_nothing_leaves_its_comment() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, \"a\nb\" DATETIME);
         INSERT INTO t VALUES (1, 5);
         CREATE VIEW seen AS SELECT id\nFROM t;\n
         CREATE TRIGGER told AFTER INSERT ON t BEGIN\r DELETE FROM t;\nEND;
         CREATE VIEW \"x\nDROP TABLE kept; --\" AS SELECT 1;
         CREATE INDEX folded ON t (id COLLATE RTRIM, \"a\nb\" COLLATE RTRIM) WHERE typeof(id) GLOB 'i*';",
    );
    let planned = env.plan_in_words().expect(0).saying(&[
        "-- view seen:\n--     CREATE VIEW seen AS SELECT id\n--     FROM t\n",
        "--     CREATE TRIGGER told AFTER INSERT ON t BEGIN\\r DELETE FROM t;\n--     END\n",
        "-- index folded:",
        "--     CREATE INDEX folded",
    ]);
    // All that comes after the tables for people is SQL and makes exactly what it says.
    let (_, script) = planned.stdout.split_once("\n-- what is created\n").unwrap();
    let (script, drop_sql) = script.split_once("\n-- what drops exactly this again").unwrap();
    env.query("CREATE TABLE kept (id int)");
    env.query(script);
    assert_eq!(env.column("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"), ["kept", "t"]);
    assert!(drop_sql.contains("DROP TABLE"));
}

#[test]
fn the_estimate_of_disk_is_near_what_the_server_uses() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE trades (id TEXT PRIMARY KEY, pool TEXT NOT NULL, price REAL, volume DECIMAL(20, 4), at INTEGER, note TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO trades SELECT hex(i * 7919 % 20011) || '-' || i, 'pool ' || i % 40, i / 7.0, i / 8.0, 1700000000 + i, hex(i * i) FROM n;
         CREATE INDEX trades_at ON trades (at); CREATE INDEX trades_pool ON trades (pool, at DESC);
         CREATE TABLE pairs (a INTEGER, b INTEGER, c REAL, PRIMARY KEY (a, b)) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO pairs SELECT i, i, i FROM n;",
    );
    let planned = plan(&env).expect(0);
    let estimate = &planned.json()["estimate"];
    for part in ["census", "snapshot", "index", "proof", "total"] {
        assert!(estimate["seconds"][part].as_f64().unwrap() > 0.0, "{part}: {estimate}");
    }
    env.run(&[]).expect(0);
    for table in estimate["tables"].as_array().unwrap() {
        assert_eq!(table["rows"], 20000);
        let name = table["name"].as_str().unwrap();
        for (part, function) in
            [("heap_bytes", "pg_table_size"), ("index_bytes", "pg_indexes_size")]
        {
            let told = table[part].as_f64().unwrap();
            let real: f64 = env.value(&format!("SELECT {function}('{name}')")).parse().unwrap();
            assert!((0.6..1.7).contains(&(told / real)), "{name}: {part}: {told} for {real}");
        }
    }
    let bytes = |key: &str| estimate[key].as_u64().unwrap();
    assert_eq!(
        bytes("disk_bytes"),
        bytes("heap_bytes") + bytes("index_bytes") + bytes("wal_bytes")
    );
    assert_eq!(bytes("wal_bytes"), bytes("heap_bytes") + bytes("index_bytes"));
    // Once it has begun there is no census to measure.
    let begun = plan(&env).expect(0);
    assert_eq!(
        (&begun.json()["begun"], &begun.json()["estimate"]["seconds"]),
        (&json!(true), &Value::Null)
    );
}

/// The names that a topic of advice lists, if there is such advice.
fn topic(planned: &Done, topic: &str) -> Option<Vec<String>> {
    let advice = planned.json()["advice"].as_array().unwrap();
    let found = advice.iter().find(|advice| advice["topic"] == topic)?;
    let names = found["names"].as_array().unwrap().iter();
    Some(names.map(|name| name.as_str().unwrap().to_owned()).collect())
}

#[test]
fn each_advice_has_a_cause_in_the_schema() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE Users (id INTEGER PRIMARY KEY AUTOINCREMENT, Email TEXT COLLATE NOCASE UNIQUE, \"order\" INTEGER,
            active BOOLEAN, xmin REAL, born DATE, balance DECIMAL(10, 2), made_at DATETIME DEFAULT (strftime('%s', 'now')));
         INSERT INTO Users (Email, active, born, balance) VALUES ('a@b', 1, '2000-01-01', 1.5);
         CREATE TABLE log (line TEXT CHECK (line GLOB 'a*'), user_id INTEGER REFERENCES Users);
         CREATE VIEW active_users AS SELECT ifnull(Email, \"nobody\") AS \"mail\", group_concat(id) FROM Users WHERE active = 1;
         CREATE TRIGGER keep AFTER INSERT ON log BEGIN SELECT 'ifnull(', \"line\" FROM log; END;
         CREATE VIRTUAL TABLE found USING fts5(line);",
    );
    let planned = plan(&env).expect(0);
    let expected = [
        ("placeholders", vec![]),
        ("renamed", vec!["column Users.xmin is xmin_"]),
        ("names", vec!["Users", "Users.Email", "Users.order"]),
        ("upserts", vec!["Users"]),
        ("new_ids", vec!["Users"]),
        ("autoincrement", vec!["Users"]),
        ("rowid", vec!["log"]),
        ("foreign_keys", vec!["log"]),
        ("booleans", vec!["Users.active"]),
        ("times", vec!["Users.born"]),
        ("decimals", vec!["Users.balance"]),
        ("like", vec![]),
        ("nocase", vec!["Users.Email"]),
        ("strings", vec!["view active_users"]),
        ("glob", vec!["a check of log"]),
        (
            "functions",
            vec![
                "group_concat: string_agg (view active_users)",
                "ifnull: coalesce (view active_users)",
                "strftime: to_char (the default of Users.made_at)",
            ],
        ),
        ("views", vec!["active_users"]),
        ("triggers", vec!["keep"]),
        ("virtual_tables", vec!["found"]),
    ];
    for (name, names) in &expected {
        assert_eq!(
            topic(&planned, name).unwrap_or_else(|| panic!("no {name}: {planned}")),
            *names,
            "{name}"
        );
    }
    assert_eq!(planned.json()["advice"].as_array().unwrap().len(), expected.len());
    env.plan_in_words().expect(0).saying(&[
        "-- what the application must change",
        "reserves the word: Users, Users.Email, Users.order",
        "what SQLite rounded when it stored a number as a double is lost, there and here: Users.balance",
    ]);

    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, r REAL)");
    let planned = plan(&env).expect(0);
    let topics = planned.json()["advice"].as_array().unwrap().iter();
    let topics: Vec<_> = topics.map(|advice| advice["topic"].as_str().unwrap()).collect();
    assert_eq!(topics, ["placeholders", "upserts", "new_ids"]);

    let env = Environment::new();
    env.sqlite("CREATE VIEW v AS SELECT 1");
    assert_eq!(topic(&plan(&env).expect(0), "placeholders"), None);
}

#[test]
fn the_words_that_need_quotes_are_those_that_the_server_reserves() {
    let env = Environment::new();
    for word in env.column("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')") {
        assert!(needs_quotes(&word), "{word}");
    }
    let free = env.column("SELECT word FROM pg_get_keywords() WHERE catcode IN ('U', 'C')");
    assert!(free.len() > 200);
    for word in free.iter().map(String::as_str).chain(["größe", "_x", "a$1"]) {
        // What a newer server reserves may be free in this one, but what is said to be free is.
        if !needs_quotes(word) {
            env.query(&format!("CREATE TEMP TABLE {word} ({word} int); SELECT {word} FROM {word}"));
        }
    }
}

#[test]
fn a_warning_says_the_line_that_would_decide_it() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (\"made at\" DATETIME, open TIMESTAMP, day TEXT);
         INSERT INTO t VALUES (1700000000, 5, '2025-01-31'), (1600000000, 1700000000, '2025-02-01');",
    );
    env.plan_in_words().expect(0).saying(&[
        "say `\"made at\" = { type = \"timestamptz\", from = \"unix_s\" }` in the pipeline file",
        "column open: declared TIMESTAMP, becomes bigint: all values are integers; what its integers count is open",
        "-- table t: column day: all of its texts are dates: say `day = { type = \"date\" }` in the pipeline file",
    ]);
    let planned = plan(&env).expect(0);
    let columns = &planned.json()["plan"]["tables"][0]["columns"];
    let open: Vec<_> =
        columns.as_array().unwrap().iter().map(|column| &column["hint"]["open"]).collect();
    assert_eq!(open, [false, true, false]);
}

#[test]
fn a_table_that_exists_leaves_nothing_to_suggest_about_its_types() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (made_at DATETIME, day TEXT); INSERT INTO t VALUES (5, '2025-01-31')",
    );
    let hints = || {
        let planned = plan(&env).expect(0);
        let columns = planned.json()["plan"]["tables"][0]["columns"].as_array().unwrap().clone();
        columns.iter().filter(|column| column["hint"].is_object()).count()
    };
    assert_eq!(hints(), 2);
    env.query("CREATE TABLE t (made_at bigint, day text)");
    assert_eq!(hints(), 0);
}
