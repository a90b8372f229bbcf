//! The pipeline file that `init` writes: it says what is done anyway, and each of its lines does what it says.

use crate::environment::{Done, Environment};
use liteferry::sample::ZOO_SQL;
use serde_json::{Value, json};
use std::fs;

/// Names that a pipeline file must escape, and values that it must not lose.
const ODD: &str = "
    CREATE TABLE \"a.b\" (\"c.d\" INTEGER PRIMARY KEY, \"it's \"\"so\"\"\" TEXT, \"two\nlines\" VARCHAR(9), \"#\" , \"a = { }\" REAL);
    INSERT INTO \"a.b\" VALUES (1, 'x', 'y', 'z', 0.5), (2, NULL, NULL, 5, 1);
    CREATE TABLE \"tables]\n[x\" (\"größe\" \"ODD\nTYPE\", b BLOB, \"\\\" BOOLEAN);
    INSERT INTO \"tables]\n[x\" VALUES (1, x'00', 1), (0.5, x'01', 0);
    CREATE TABLE moments (s DATETIME, ms TIMESTAMP, us DATETIME, mixed DATETIME, day TEXT, at TEXT, instant TEXT, id TEXT, doc TEXT);
    INSERT INTO moments VALUES
        (1700000000, 1700000000123, 1700000000123456, 1700000000, '2025-01-31', '2025-01-31 10:00', '2025-01-31T10:00:00Z',
         '0b9de4a1-3f2c-4c55-9b0e-0123456789ab', '{\"a\": 1}'),
        (1600000000, 1600000000123, 1600000000123456, 1700000000000, '2024-02-29', '2024-02-29T23:59:59.5', '2024-02-29 10:00+02:00',
         '1b9de4a1-3f2c-4c55-9b0e-0123456789ab', '[1]');
    CREATE TABLE kinds (id UUID, doc JSON, other JSONB, host INET, flag BOOLEAN, at TIME, xmin INTEGER, money DECIMAL(9, 2));
    INSERT INTO kinds VALUES ('1b9de4a1-3f2c-4c55-9b0e-0123456789ab', '{}', '[1,2]', '10.0.0.1', 'true', '12:34:56', 1, '1.50'),
        ('1B9DE4A1-3F2C-4C55-9B0E-0123456789AB', '{\"b\":1,\"a\":2}', '{}', '::1', 'false', '23:59:59.5', 2, '2.25');
    CREATE TABLE strays (id INTEGER PRIMARY KEY, note TEXT);
    INSERT INTO strays VALUES (1, 'fine'), (2, 'fine'), (3, x'00ff');";

fn init(env: &Environment, more: &[&str]) -> Done {
    env.liteferry(&env.ends("init", more))
}

fn plan(env: &Environment, file: &str) -> Value {
    let file = env.path(file);
    env.liteferry(&["plan", "--json", file.to_str().unwrap()]).expect(0).json()["plan"].clone()
}

/// The written file with every line that says what is done anyway taken out of its comment.
fn spelt_out(text: &str) -> String {
    let spell = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.contains(" = { type = ") && !rest.contains("# instead: ") => {
            if rest.starts_with("decide: ") { line.to_owned() } else { rest.to_owned() }
        }
        _ => line.to_owned(),
    };
    text.lines().map(spell).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_written_file_leads_to_the_same_plan_as_none() {
    for source in [ZOO_SQL, ODD] {
        let env = Environment::new();
        env.sqlite(source);
        let written = init(&env, &[]).expect(0);
        assert_eq!(written.json()["output"], "source.toml");
        let without = env.liteferry(&env.ends("plan", &[])).expect(0).json()["plan"].clone();
        let with = plan(&env, "source.toml");
        assert_eq!(without["tables"].as_array().unwrap().len(), written.json()["tables"]);
        assert_eq!(with, without);
        // And each line of it, spelt out, says what is done without it.
        let text = fs::read_to_string(env.path("source.toml")).unwrap();
        let spelt = spelt_out(&text);
        assert_ne!(spelt, text);
        fs::write(env.path("spelt.toml"), &spelt).unwrap();
        let with = plan(&env, "spelt.toml");
        let said = |plan: &Value| {
            let tables = plan["tables"].as_array().unwrap().clone();
            tables
                .iter()
                .map(|table| (table["schema"].clone(), table["create"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(said(&with), said(&without), "{spelt}");
        let columns = without["tables"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|table| table["columns"].as_array().unwrap());
        let lines =
            spelt.lines().filter(|line| !line.starts_with('#') && line.contains(" = { type = "));
        assert_eq!(lines.count(), columns.count(), "{spelt}");
    }
}

#[test]
fn a_run_of_the_written_file_moves_everything() {
    let env = Environment::new();
    env.sqlite(ZOO_SQL);
    init(&env, &["--output", "zoo.toml"]).expect(0);
    env.liteferry(&["run", "--no-capture", "zoo.toml"]).expect(0);
    crate::comparison::Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!(env.value("SELECT name FROM liteferry.migration"), "source");
}

#[test]
fn what_is_open_comes_first_with_its_line() {
    let env = Environment::new();
    env.sqlite(ODD);
    let written = init(&env, &[]).expect(0);
    let open = written.json()["open"].as_array().unwrap();
    let named: Vec<_> = open.iter().map(|open| (&open["table"], &open["column"])).collect();
    assert_eq!(named, [(&json!("moments"), &json!("mixed")), (&json!("strays"), &json!("note"))]);
    let text = fs::read_to_string(env.path("source.toml")).unwrap();
    assert!(text.contains("# 2 to decide"), "{text}");
    let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("no `{words}` in\n{text}"));
    let first = [
        "[tables.moments.columns]",
        "# decide: what its integers count is open",
        "# mixed = { type = \"timestamptz\", from = \"unix_s\" }",
        "# mixed = { type = \"bigint\" }",
        "# s = { type = \"bigint\" }",
        "[tables.strays.columns]",
        "# decide: what does not fit text (values: 1)",
        "# note = { misfits = \"widen\" }",
        "# id = { type = \"bigint\" }",
        "[tables.\"a.b\".columns]",
    ];
    assert!(first.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
}

#[test]
fn what_the_file_offers_instead_holds_for_every_value() {
    let env = Environment::new();
    env.sqlite(ODD);
    init(&env, &[]).expect(0);
    let text = fs::read_to_string(env.path("source.toml")).unwrap();
    for words in [
        "# instead: all of its texts are dates",
        "# instead: all of its texts are UUIDs",
        "# instead: all of its texts are JSON",
    ] {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    // Everything but the one column whose unit nobody knows.
    let take = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if line.contains("# instead: ") && !rest.starts_with("mixed") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let taken: Vec<_> = text.lines().map(take).collect();
    fs::write(env.path("instead.toml"), taken.join("\n")).unwrap();
    env.liteferry(&["run", "--no-capture", "instead.toml"]).expect(0);
    let row = "SELECT concat_ws(' ', extract(epoch FROM s), extract(epoch FROM ms), extract(epoch FROM us), mixed, day + 1,
        at, instant AT TIME ZONE 'UTC') FROM moments ORDER BY s DESC LIMIT 1";
    assert_eq!(
        env.value(row),
        "1700000000.000000 1700000000.123000 1700000000.123456 1700000000 2025-02-01 2025-01-31 10:00:00 2025-01-31 10:00:00"
    );
    assert_eq!(env.value("SELECT encode(note, 'hex') FROM strays WHERE id = 3"), "00ff");
}

#[test]
fn nothing_is_overwritten_unasked_and_never_the_source() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (a)");
    let (file, source) = (env.path("source.toml"), fs::read(env.source()).unwrap());
    fs::write(&file, "mine").unwrap();
    init(&env, &[]).expect(2).saying(&["source.toml", "is there already", "--force"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    init(&env, &["--force"]).expect(0);
    assert!(fs::read_to_string(&file).unwrap().contains("[source]"));
    init(&env, &["--force", "--output", "source.db"]).expect(2).saying(&["the source itself"]);
    assert_eq!(fs::read(env.source()).unwrap(), source);
    init(&env, &["--output", "none/x.toml"])
        .expect(2)
        .saying(&["none/x.toml", "cannot be written"]);
}

#[test]
fn no_password_is_written_and_a_dollar_stays_a_dollar() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (a)");
    let init_to = |target: &str| {
        let source = env.source();
        env.liteferry(&["init", "--source", source.to_str().unwrap(), "--target", target])
    };
    let refused = init_to("postgresql://me:hunter2@localhost/db").expect(64);
    assert!(!refused.says("hunter2"), "{refused}");
    init_to("host=localhost password=hunter2").expect(64);
    assert!(!env.path("source.toml").exists());
    init_to("mysql://localhost/db").expect(2);
    init_to("local:").expect(2);
    // A server is not needed, and `${` is nothing but itself on the command line.
    init_to("host=nowhere.invalid dbname='${HOME}'").expect(0);
    let text = fs::read_to_string(env.path("source.toml")).unwrap();
    let url = text.parse::<toml::Table>().unwrap()["target"]["url"].as_str().unwrap().to_owned();
    assert_eq!(url, "host=nowhere.invalid dbname='$${HOME}'");
}

#[test]
fn the_file_finds_its_source_from_another_folder() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    fs::create_dir(env.path("folder")).unwrap();
    let url = env.url();
    let ends = ["init", "--source", "source.db", "--target", &url];
    env.liteferry(&[&ends[..], &["--output", "folder/x.toml"]].concat()).expect(0);
    env.liteferry(&ends)
        .expect(0)
        .saying(&["wrote source.toml: 1 tables, 1 columns", "plan source.toml"]);
    let text = fs::read_to_string(env.path("source.toml")).unwrap();
    assert!(text.contains("path = \"source.db\""), "{text}");
    for file in ["folder/x.toml", "source.toml"] {
        assert_eq!(plan(&env, file)["tables"][0]["schema"]["rows"], 1);
    }
}
