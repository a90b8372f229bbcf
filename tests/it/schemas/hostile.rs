//! Nothing of a source's text is executed on the target, wherever it stands.

use crate::comparison::Comparison;
use crate::environment::Environment;
use std::collections::BTreeSet;
use std::fs;

/// Stands in every text that must not be executed, or may only stand in a string or in a quoted name.
const MARK: &str = "evil";

/// A schema of which every text would do harm where it was executed.
fn hostile() -> String {
    let break_out = "'); DROP TABLE canary; SELECT evil('";
    let name = "a\"; DROP TABLE canary; SELECT \"evil\n--";
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    format!(
        "CREATE TABLE {table} (id INTEGER PRIMARY KEY, {column} TEXT DEFAULT {string} CHECK ({column} <> {string}),
            CONSTRAINT {constraint} CHECK (length({column}) < 99));
         INSERT INTO {table} VALUES (1, 'x');
         CREATE INDEX {index} ON {table} ({column}) WHERE {column} > {string};
         CREATE TABLE defaults (
            id INTEGER PRIMARY KEY, a TEXT DEFAULT (pg_read_file('/etc/passwd', 'evil')), b TEXT DEFAULT \"evil(); DROP TABLE canary; --\",
            c TEXT DEFAULT 'evil\\', d TEXT DEFAULT '\\''); DROP TABLE canary; SELECT evil(', e INTEGER DEFAULT (lo_import('/etc/passwd', 'evil')),
            f TEXT DEFAULT (lower('evil') || pg_sleep(1)), g DATE DEFAULT 'evil', h BLOB DEFAULT x'6576696c');
         INSERT INTO defaults (id, a, b, c, d, e, f, h) VALUES (1, 'a', 'b', 'c', 'd', 1, 'f', x'');
         CREATE TABLE types (
            id INTEGER PRIMARY KEY, a \"VARCHAR(10); DROP TABLE canary; SELECT evil()\", b \"evil) AS SELECT pg_sleep(1); --\",
            c \"INT REFERENCES evil\", d DOUBLE_evil_PRECISION, e \"DECIMAL(1, evil)\", f 'VARCHAR(999999999999)');
         INSERT INTO types VALUES (1, 'a', 'b', 3, 4.5, 5, 'f');
         CREATE TABLE checks (
            id INTEGER PRIMARY KEY, a TEXT, CHECK (length('/etc/passwd') <> 'evil'), CHECK (a <> 'evil' OR instr('evil', 'evil')),
            CHECK (a LIKE 'evil%' ESCAPE '\\' OR 1), CHECK (a COLLATE \"evil\" <> 'b' OR 1), CHECK (a IN ('evil', ''');evil(''') OR 1));
         CREATE TABLE computed (
            id INTEGER PRIMARY KEY, a TEXT, b AS (a || 'evil''); DROP TABLE canary; --'), c AS (upper(a)) STORED, d AS (printf('evil%s', a)), e AS (hex(a)) STORED);
         INSERT INTO computed (id, a) VALUES (1, 'x');
         CREATE TABLE indexed (id INTEGER PRIMARY KEY, a TEXT, b TEXT);
         CREATE INDEX evil_1 ON indexed (a) WHERE a <> 'evil' AND hex(b) <> 'evil';
         CREATE INDEX \"evil'2\" ON indexed (json_extract(a, 'evil'));
         CREATE UNIQUE INDEX evil_3 ON indexed (replace(a, 'evil', ''');DROP TABLE canary;--'));
         CREATE TABLE collated (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE UNIQUE, b TEXT COLLATE RTRIM, CHECK (a > 'b'));
         INSERT INTO collated VALUES (1, 'x', 'y');
         CREATE TABLE labels (id INTEGER PRIMARY KEY, {column} TEXT, b TEXT);
         INSERT INTO labels VALUES (1, {string}, 'evil\\'), (2, 'evil\\', 'evil'' || evil() || ''');
         CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES {table}, q REFERENCES \"evil; DROP TABLE canary\" ({column}));
         CREATE VIEW evil_view AS SELECT evil() FROM pg_shadow;
         CREATE VIEW {view} AS SELECT evil();
         CREATE TRIGGER evil_trigger AFTER INSERT ON defaults BEGIN SELECT evil(); END;
         CREATE VIRTUAL TABLE evil_words USING fts5 (body, tokenize = \"ascii separators 'evil'\");
         -- What SQLite itself does not let through.
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'length(''/etc', 'pg_read_file(''/etc') WHERE name = 'checks';
         UPDATE sqlite_schema SET sql = replace(sql, 'instr(''evil''', 'dblink(''evil''') WHERE name = 'checks';
         UPDATE sqlite_schema SET sql = replace(sql, 'hex(a)', 'pg_read_file(a)') WHERE name = 'computed';
         UPDATE sqlite_schema SET sql = replace(sql, 'hex(b)', 'evil(b)') WHERE name = 'evil_1';
         UPDATE sqlite_schema SET sql = replace(replace(sql, 'NOCASE', {collation}), 'RTRIM', 'evil') WHERE name = 'collated';",
        table = quoted(name),
        column = quoted(&format!("c {name}")),
        constraint = quoted(&format!("k {name}")),
        index = quoted(&format!("i {name}")),
        view = quoted(&format!("v {name}")),
        string = text(break_out),
        collation = text(&quoted(name)),
    )
}

/// The statements in a server's log.
fn executed(log: &str) -> Vec<String> {
    // One entry may have several lines, the following ones indented by a tab.
    let mut entries: Vec<String> = Vec::new();
    for line in log.lines() {
        match (line.strip_prefix('\t'), entries.last_mut()) {
            (Some(rest), Some(entry)) => {
                entry.push('\n');
                entry.push_str(rest);
            }
            _ => entries.push(line.into()),
        }
    }
    let statement = |entry: &String| {
        let (_, rest) = entry.split_once("LOG:  ")?;
        let text = rest
            .strip_prefix("statement: ")
            .or_else(|| rest.strip_prefix("execute ")?.split_once(": ").map(|(_, text)| text))?;
        Some(text.to_owned())
    };
    entries.iter().filter_map(statement).collect()
}

/// The text without its strings and quoted names, and the names before a parenthesis.
fn outside_quotes(sql: &str) -> (String, BTreeSet<String>) {
    let mut outside = String::new();
    let mut inside = None;
    for char in sql.chars() {
        match inside {
            Some(quote) if char == quote => inside = None,
            Some(_) => {}
            None if char == '\'' || char == '"' => {
                inside = Some(char);
                outside.push(char);
            }
            None => outside.push(char),
        }
    }
    let in_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut before: Vec<_> = outside.split('(').collect();
    before.pop();
    let names =
        before.iter().map(|text| text.rsplit(|char| !in_name(char)).next().unwrap_or_default());
    let calls = names.map(str::to_ascii_lowercase).collect();
    (outside, calls)
}

/// What may stand before a parenthesis in what a plan creates: the whitelist, types with a size, and words of DDL.
const CALLED: [&str; 36] = [
    "",
    "abs",
    "and",
    "as",
    "bigint",
    "btrim",
    "by",
    "char_length",
    "check",
    "coalesce",
    "date_trunc",
    "enum",
    "exists",
    "floor",
    "identity",
    "in",
    "key",
    "lower",
    "ltrim",
    "not",
    "now",
    "nullif",
    "numeric",
    "octet_length",
    "or",
    "replace",
    "rtrim",
    "sha256",
    "strpos",
    "substr",
    "to_char",
    "translate",
    "trunc",
    "unique",
    "upper",
    "varchar",
];

/// Values that become labels of types.
const ENUMS: &str = r#"
    [tables.labels.columns]
    "c a\"; DROP TABLE canary; SELECT \"evil\n--" = { type = "enum" }
    b = { type = "enum" }
"#;

/// The pipeline file that asks for them.
fn with_enums(env: &Environment) -> String {
    let file = env.path("pipeline.toml");
    let text = format!("[source]\npath = 'source.db'\n[target]\nurl = '{}'\n{ENUMS}", env.url());
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().into()
}

/// The judge knows texts only.
fn enums_become_texts(env: &Environment) {
    assert_eq!(env.value("SELECT count(*) FROM pg_type WHERE typtype = 'e'"), "2");
    let change = env.value(
        "SELECT string_agg(format('ALTER %I TYPE text', attname), ', ') FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
         WHERE attrelid = 'labels'::regclass AND typtype = 'e'",
    );
    env.query(&format!("ALTER TABLE labels {change}"));
}

#[test]
fn no_text_of_a_hostile_schema_is_executed() {
    let env = Environment::with_own_server(&[
        ("log_statement", "all"),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        // A database whose strings have escapes unless a session says otherwise.
        ("standard_conforming_strings", "off"),
        ("escape_string_warning", "off"),
        ("backslash_quote", "on"),
    ]);
    env.query("CREATE TABLE canary (alive text); INSERT INTO canary VALUES ('yes')");
    let log = env.server().dir().join("server.log");
    let before = fs::read_to_string(&log).unwrap();
    env.sqlite(&hostile());
    let file = &with_enums(&env);
    env.liteferry(&["plan", "--no-capture", file]).expect(0);
    let done = env.liteferry(&["run", "--no-capture", "--json", file]).expect(0);
    env.liteferry(&["verify", file]).expect(0);
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(env.value("SELECT alive FROM canary"), "yes");
    enums_become_texts(&env);
    Comparison::new().ignoring("canary").assert_equal(&env.source(), &env.connect());

    let statements = executed(said.strip_prefix(&before).unwrap());
    let schema: Vec<_> = statements
        .iter()
        .filter(|sql| {
            ["CREATE T", "ALTER TABLE \"", "CREATE INDEX", "CREATE UNIQUE"]
                .iter()
                .any(|start| sql.starts_with(start))
        })
        .collect();
    assert!(schema.len() > 20, "the log holds {} statements: {said}", schema.len());
    for sql in &statements {
        let (outside, calls) = outside_quotes(sql);
        assert!(!outside.contains(MARK), "{MARK} stands outside of quotes in {sql}");
        assert!(
            !outside.contains("DROP") && !outside.contains("--") && !outside.contains("pg_read"),
            "{sql}"
        );
        if schema.contains(&sql) {
            let unknown: Vec<_> =
                calls.iter().filter(|name| !CALLED.contains(&name.as_str())).collect();
            assert!(unknown.is_empty(), "{unknown:?} in {sql}");
        }
    }
    for left in [
        "default defaults.a",
        "default defaults.e",
        "generated column computed.d",
        "generated column computed.e",
        "index evil_1",
        "check of table checks",
        "view evil_view",
        "trigger evil_trigger",
    ] {
        assert!(done.says(left), "{left} is not told of: {done}");
    }
    // The strings themselves are there, whole.
    let row = env
        .query("INSERT INTO defaults (id) VALUES (9) RETURNING b, c, d, encode(h, 'escape')")
        .remove(0);
    let row: Vec<_> = row.into_iter().flatten().collect();
    assert_eq!(
        row,
        [
            "evil(); DROP TABLE canary; --",
            "evil\\",
            "\\'); DROP TABLE canary; SELECT evil(",
            "evil"
        ]
    );
}

#[test]
fn the_reader_of_the_log_sees_what_is_executed() {
    let log = "2025 LOG:  statement: SELECT 1,\n\t2\n2025 LOG:  execute <unnamed>: SELECT $1\n2025 DETAIL:  parameters: evil\n2025 ERROR:  x\n";
    assert_eq!(executed(log), ["SELECT 1,\n2", "SELECT $1"]);
    let (outside, calls) = outside_quotes("SELECT evil ('it''s evil()', \"evil()\", lower(x))");
    assert_eq!(outside, "SELECT evil ('', \", lower(x))");
    assert!(calls.contains("lower") && calls.contains(""));
}
