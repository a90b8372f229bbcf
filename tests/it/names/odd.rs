//! Names that PostgreSQL takes otherwise than SQLite, or not at all, one kind after the other.

use super::{columns, drops_everything, moved, pipeline, quoted, relations, run};
use crate::comparison::Comparison;
use crate::environment::{Done, Environment};
use serde_json::Value;

/// 64 bytes: one more than PostgreSQL keeps.
const OVER: &str = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

/// Tables and columns that are too long, with one beginning, empty, or called like what every table has.
fn replaced() -> Environment {
    let env = Environment::new();
    let (long, like_it) = ("ä".repeat(100), format!("{}ö", "ä".repeat(99)));
    env.sqlite(&format!(
        "CREATE TABLE \"{long}\" (id INTEGER PRIMARY KEY AUTOINCREMENT, \"\" TEXT UNIQUE, xmin INTEGER DEFAULT 7,
            xmin_ AS (xmin + 1), \"{OVER}\" TEXT, \"{OVER}o\" TEXT,
            CONSTRAINT \"{OVER}c\" CHECK (xmin > 0 AND \"{OVER}\" <> ''));
         CREATE INDEX \"{OVER}i\" ON \"{long}\" (\"{OVER}\", \"\" DESC) WHERE xmin > 1;
         CREATE TABLE \"{like_it}\" (ctid INTEGER REFERENCES \"{long}\" (id), CMAX TEXT);
         CREATE TABLE \"\" (\"\" TEXT PRIMARY KEY) WITHOUT ROWID;
         CREATE TABLE unnamed (a);
         INSERT INTO \"{long}\" (\"\", xmin, \"{OVER}\", \"{OVER}o\") VALUES ('e', 1, 'x', 'y'), (NULL, 2, 'z', 'w');
         INSERT INTO \"{like_it}\" VALUES (1, 'c'), (2, NULL);
         INSERT INTO \"\" VALUES ('it'); INSERT INTO unnamed VALUES (1);"
    ));
    env
}

#[test]
fn a_name_that_postgresql_would_cut_or_refuse_is_replaced_and_both_are_told() {
    let env = replaced();
    let ends = env.ends("plan", &[]);
    let planned = env.liteferry(&ends).expect(0);
    let text: Vec<_> = ends.iter().filter(|word| *word != "--json").collect();
    let text = env.liteferry(&text).expect(0);
    let mut kinds = Vec::new();
    for rename in planned.json()["plan"]["renames"].as_array().unwrap() {
        let [kind, table, source, target] =
            ["kind", "table", "source", "target"].map(|key| rename[key].as_str().unwrap());
        let place = if kind == "table" { String::new() } else { format!("table {table:?}: ") };
        let line = format!("\n-- {place}{kind} {source:?} becomes {target:?}: it ");
        assert_eq!(text.stdout.matches(&line).count(), 1, "{line}\n{text}");
        kinds.push(kind);
    }
    kinds.sort_unstable();
    let all = ["check", "column", "column", "column", "column", "column", "column", "index"];
    assert_eq!(kinds, [all.as_slice(), &["table"; 3]].concat());
    // Beside the source's name where types are shown, too.
    text.saying(&["\nunnamed (1 rows", "\"\" → unnamed_", "ctid → ctid_", " has 200 bytes"]);
}

#[test]
fn what_was_replaced_is_moved_proved_compared_and_dropped() {
    let env = replaced();
    // In steps, each of which must find what the one before made.
    for until in ["schema", "snapshot", "indexes"] {
        env.run(&["--until", until]).expect(0);
    }
    let done = env.run(&[]).expect(0);
    assert_eq!(done.json()["phase"], "proved", "{done}");
    Comparison::new().assert_equal(&env.source(), &env.connect());
    env.verify().expect(0);
    let tables = relations(&env, "r");
    let empty = &tables[1];
    assert!(tables[0] == "unnamed" && empty.starts_with("unnamed_"), "{tables:?}");
    assert_eq!(columns(&env, empty), ["unnamed"]);
    let wide = tables.iter().find(|table| columns(&env, table).len() == 6).unwrap();
    let names = columns(&env, wide);
    assert!(wide.starts_with(&"ä".repeat(27)) && wide.len() == 63, "{wide}");
    // `xmin_` is another column of the source, and keeps its name.
    assert!(names[2].starts_with("xmin_") && names[2].len() == 13, "{names:?}");
    assert_eq!(names[3], "xmin_");
    let [one, two] = &names[4..] else { panic!("{names:?}") };
    assert!(
        [one, two].iter().all(|name| name.starts_with(&"n".repeat(54))) && one != two,
        "{names:?}"
    );
    // Keys, the partial index, the CHECK, the default and the foreign key hold for the new names.
    assert_eq!(relations(&env, "i").len(), 4);
    let (wide, one) = (quoted(wide), quoted(one));
    let refused = |values: &str| {
        let sql = format!("INSERT INTO {wide} (unnamed, {one}) VALUES {values}");
        env.connect().try_query(&sql).is_err()
    };
    assert!(refused("('e', 'x')") && refused("('f', '')") && !refused("('f', 'x')"));
    assert_eq!(env.value(&format!("SELECT max(id) || ' ' || max(xmin_) FROM {wide}")), "5 8");
    let names = "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'f') AND convalidated AND connamespace = 'public'::regnamespace";
    assert_eq!(env.column(names).len(), 2);
    // A difference is told under the source's names.
    env.query(&format!("UPDATE {wide} SET {one} = 'v' WHERE id = 1"));
    let (table, column) = ("ä".repeat(100), format!("\"{OVER}\""));
    let told = env.verify().expect(67).saying(&[&table]);
    assert_eq!(told.json()["differences"][0]["rows"][0]["columns"][0][0], column.trim_matches('"'));
    drops_everything(&env);
}

#[test]
fn what_liteferry_makes_steps_aside_for_the_names_of_the_source() {
    let env = moved(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b TEXT UNIQUE, c INTEGER REFERENCES a (id), CHECK (b <> 'no'), CHECK (c < 99));
         CREATE TABLE a_id_seq (id INTEGER PRIMARY KEY); CREATE TABLE a_id_seq1 (a_id_seq);
         CREATE TABLE a_pkey (a TEXT PRIMARY KEY); CREATE TABLE a_b_key (a); CREATE TABLE a_c_fkey (a); CREATE TABLE a_check (a);
         CREATE TABLE _a (a); CREATE TABLE __a (a);
         CREATE INDEX a_id_seq_pkey ON a_b_key (a); CREATE INDEX a_pkey_pkey ON a (b DESC);
         CREATE TABLE z (a NOT NULL, CONSTRAINT a_check1 CHECK (a > 0), CONSTRAINT z_a_not_null CHECK (a > 1));
         INSERT INTO a (b) VALUES ('one'), ('two'); INSERT INTO a_id_seq VALUES (5); INSERT INTO z VALUES (3);
         UPDATE a SET c = 1;",
    );
    let tables = relations(&env, "r");
    let kept = [
        "__a",
        "_a",
        "a",
        "a_b_key",
        "a_c_fkey",
        "a_check",
        "a_id_seq",
        "a_id_seq1",
        "a_pkey",
        "z",
    ];
    assert_eq!(tables, kept);
    assert_eq!(relations(&env, "S"), ["a_id_seq2", "a_id_seq_id_seq"]);
    let indexes =
        ["a_b_key1", "a_id_seq_pkey", "a_id_seq_pkey1", "a_pkey1", "a_pkey_pkey", "a_pkey_pkey1"];
    assert_eq!(relations(&env, "i"), indexes);
    env.query("INSERT INTO a (b) VALUES ('three'); INSERT INTO a_id_seq DEFAULT VALUES");
    assert_eq!(env.value("SELECT max(id) FROM a"), "3");
    assert_eq!(env.value("SELECT max(id) FROM a_id_seq"), "6");
    drops_everything(&env);
}

#[test]
fn a_relation_that_has_the_name_of_a_planned_sequence_is_in_the_way() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE a (id INTEGER PRIMARY KEY, CONSTRAINT a_rule CHECK (id > 0))");
    env.query("CREATE TABLE a_rule (a int); CREATE SEQUENCE a_id_seq");
    // The name of a CHECK is no relation's.
    let done = env.run(&[]).expect(78).saying(&["names already: a_id_seq"]);
    assert!(!done.says("a_rule"), "{done}");
}

#[test]
fn a_type_of_the_target_that_is_called_like_a_table_is_in_the_way_and_an_array_is_not() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE mood (a); CREATE TABLE positive (a); CREATE TABLE _mood (a); CREATE TABLE other (a)");
    env.query("CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN positive AS int CHECK (VALUE > 0)");
    for command in ["plan", "run"] {
        let more: &[&str] = if command == "run" { &["--no-capture"] } else { &[] };
        env.liteferry(&env.ends(command, more))
            .expect(78)
            .saying(&["names already: mood, positive"]);
    }
    // The type of arrays of `moo` is `_moo`, until a table is called so.
    env.query(
        "DROP DOMAIN positive; ALTER TYPE mood RENAME TO temper; CREATE TYPE moo AS ENUM ('x')",
    );
    env.sqlite("CREATE TABLE _moo (a)");
    env.run(&[]).expect(0);
    assert_eq!(relations(&env, "r"), ["_moo", "_mood", "mood", "other", "positive"]);
}

/// Words that PostgreSQL reserves, SQLite reserves, or types are called.
const WORDS: [&str; 24] = [
    "order",
    "user",
    "select",
    "current_date",
    "current_user",
    "end",
    "interval",
    "key",
    "timestamp",
    "table",
    "column",
    "default",
    "null",
    "true",
    "group",
    "limit",
    "all",
    "int4",
    "text",
    "point",
    "primary",
    "analyze",
    "oid",
    "Order",
];

#[test]
fn reserved_words_are_names_like_any_other() {
    let mut sql = String::new();
    for (number, word) in WORDS[..23].iter().enumerate() {
        let (column, other) = (WORDS[(number + 1) % 23], WORDS[(number + 2) % 23]);
        sql.push_str(&format!(
            "CREATE TABLE \"{word}\" (\"{word}\" INTEGER PRIMARY KEY, \"{column}\" INTEGER DEFAULT 3
                REFERENCES \"{word}\" (\"{word}\"), \"{other}\" TEXT, CHECK (\"{column}\" < 9 OR \"{other}\" = 'x'));
             CREATE INDEX \"{word} i\" ON \"{word}\" (\"{other}\", lower(\"{other}\")) WHERE \"{column}\" > 0;
             INSERT INTO \"{word}\" VALUES (1, NULL, 'x'), (2, 1, 'y');"
        ));
    }
    let env = moved(&sql);
    assert_eq!(relations(&env, "r").len(), 23);
    assert_eq!(relations(&env, "i").len(), 46);
    let left: Vec<Value> = vec![];
    let plan: Value =
        serde_json::from_str(&env.value("SELECT plan FROM liteferry.migration")).unwrap();
    assert_eq!(
        (&plan["left_behind"], &plan["renames"]),
        (&Value::Array(left.clone()), &Value::Array(left))
    );
    drops_everything(&env);
}

const MIXED: &str = "
    CREATE TABLE Users (UserId INTEGER PRIMARY KEY, \"E-Mail\" TEXT UNIQUE, ÄLTER INTEGER, XMIN TEXT, plain TEXT,
        CONSTRAINT Grown CHECK (userID IS NULL OR ÄlTER > 17));
    CREATE TABLE plain (Owner INTEGER REFERENCES USERS (USERID), At TEXT);
    CREATE INDEX ByOwner ON plain (OWNER) WHERE owner > 0;
    INSERT INTO Users VALUES (1, 'a@b', 18, 'x', 'p'), (2, NULL, NULL, NULL, NULL);
    INSERT INTO plain VALUES (1, '2025-01-01 00:00:00');";

#[test]
fn lower_folds_tables_columns_indexes_and_constraints_but_only_letters_of_ascii() {
    let env = Environment::new();
    env.sqlite(MIXED);
    // The pipeline file speaks of the source's names.
    let said = "identifiers = 'lower'\n[tables.plain.columns]\n\
                At = { type = 'timestamptz', from = 'iso8601', zone = 'Asia/Tokyo' }";
    let pipeline = pipeline(&env, said);
    let done = run(&env, &pipeline).expect(0);
    assert_eq!(done.json()["tables"][0]["name"], "Users", "{done}");
    let judge = Comparison::new().lower().zone("plain", "At", "Asia/Tokyo");
    judge.assert_equal(&env.source(), &env.connect());
    env.liteferry(&["verify", &pipeline]).expect(0);
    assert_eq!(columns(&env, "users"), ["userid", "e-mail", "Älter", "xmin_", "plain"]);
    assert_eq!(relations(&env, "i"), ["byowner", "users_e-mail_key", "users_pkey"]);
    // Without quotes, as people type.
    assert_eq!(env.value("SELECT Plain.Owner FROM Plain JOIN Users ON UserId = OWNER"), "1");
    assert!(env.connect().try_query("INSERT INTO users (Älter) VALUES (17)").is_err());
    let checks = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace";
    assert_eq!(env.value(checks), "grown");
    // Folding is what was asked for; only what could not be folded is told.
    let plan: Value =
        serde_json::from_str(&env.value("SELECT plan FROM liteferry.migration")).unwrap();
    let renames = plan["renames"].as_array().unwrap();
    assert_eq!(renames.len(), 1, "{renames:?}");
    assert_eq!((&renames[0]["source"], &renames[0]["target"]), (&"XMIN".into(), &"xmin_".into()));
}

#[test]
fn a_migration_that_has_begun_keeps_the_case_that_it_began_with() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE A (B); INSERT INTO A VALUES (1)");
    run(&env, &pipeline(&env, "")).expect(0);
    let lower = pipeline(&env, "identifiers = 'lower'");
    run(&env, &lower).expect(78).saying(&["says something else"]);
    env.liteferry(&["verify", &lower]).expect(78).saying(&["says something else"]);
    run(&env, &pipeline(&env, "identifiers = 'preserve'")).expect(0);
    run(&env, &pipeline(&env, "identifiers = 'upper'")).expect(2).saying(&["identifiers"]);
}

#[test]
fn names_longer_than_an_index_of_the_ledger_holds_are_moved() {
    // No pattern that would let it be compressed.
    let mut state = 7_u64;
    let mut letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from_u32(0x4e00 + u32::try_from(state >> 51).unwrap()).unwrap()
    };
    let mut name = || (0..4000).map(|_| letter()).collect::<String>();
    let (table, column) = (name(), name());
    let env = moved(&format!(
        "CREATE TABLE \"{table}\" (id INTEGER PRIMARY KEY, \"{column}\" TEXT UNIQUE CHECK (\"{column}\" <> ''));
         INSERT INTO \"{table}\" VALUES (1, 'x');"
    ));
    assert_eq!(relations(&env, "i").len(), 2);
    drops_everything(&env);
}

#[test]
fn rows_of_renamed_tables_are_set_aside_and_loaded_under_the_names_of_the_source() {
    let env = Environment::new();
    env.sqlite(&format!(
        "CREATE TABLE \"{OVER}\" (id INTEGER PRIMARY KEY, xmin); CREATE TABLE \"\" (a);
         INSERT INTO \"{OVER}\" VALUES (1, 5), (2, 'N/A'), (3, 7); INSERT INTO \"\" VALUES (1);"
    ));
    let said = |more: &str| {
        pipeline(&env, &format!("[tables.{OVER}.columns]\nxmin = {{ type = 'int8'{more} }}"))
    };
    let done = run(&env, &said("")).expect(65);
    let misfit = &done.json()["misfits"][0];
    assert_eq!((&misfit["table"], &misfit["column"]), (&OVER.into(), &"xmin".into()), "{done}");
    let rejected =
        |done: &Done| [0, 1].map(|table| done.json()["tables"][table]["rejected"].clone());
    assert_eq!(rejected(&done), [0, 1], "{done}");
    let target = quoted(&relations(&env, "r")[0]);
    assert_eq!(env.value(&format!("SELECT count(*) FROM {target}")), "2");
    let null = said(", misfits = 'null'");
    let done = run(&env, &null).expect(0);
    assert_eq!(rejected(&done), [0, 0], "{done}");
    assert_eq!(env.value(&format!("SELECT count(*) || ' ' || sum(xmin_) FROM {target}")), "3 12");
    env.liteferry(&["verify", &null]).expect(0);
}

#[test]
fn a_schema_that_postgresql_would_cut_is_refused() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE a (b); CREATE TABLE c (d)");
    for (schema, reason) in [(OVER, "64 bytes"), ("", "empty"), ("pg_x", "reserved")] {
        let done = run(&env, &pipeline(&env, &format!("schema = '{schema}'"))).expect(78);
        assert_eq!(done.json()["error"].as_str().unwrap().matches(reason).count(), 1, "{done}");
    }
}

/// Names that would steer a terminal, or break its lines.
const STEERING: [&str; 6] = [
    "two\nlines\n-- of a plan",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "back\u{8}\r\tand on",
    "\u{9b}31m\u{85}",
    "\u{202e}sdrawkcab",
    "\u{7f}",
];

#[test]
fn control_characters_in_names_are_escaped_wherever_people_read_them() {
    let env = Environment::new();
    for (number, name) in STEERING.iter().enumerate() {
        let (table, column) = (quoted(name), quoted(STEERING[(number + 1) % 6]));
        env.sqlite(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, {column} INTEGER, ctid TEXT, CONSTRAINT {table} CHECK ({column} <> 99));
             INSERT INTO {table} VALUES (1, 'a text', {column}), (2, {number}, 'b');
             CREATE VIEW {} AS SELECT 1;",
            quoted(&format!("view {name}"))
        ));
    }
    let (source, url) = (env.source(), env.url());
    let ends = ["-v", "--source", source.to_str().unwrap(), "--target", &url];
    let say = |words: &[&str], code| env.liteferry(&[words, ends.as_slice()].concat()).expect(code);
    let planned = env.liteferry(&env.ends("plan", &[])).expect(0);
    let mut plan = say(&["plan"], 0);
    // Statements that do not go to a terminal stay as they are.
    let json = &planned.json()["plan"];
    let tables = json["tables"].as_array().unwrap();
    let steps = tables.iter().flat_map(|table| table["steps"].as_array().unwrap());
    let statements =
        tables.iter().map(|table| &table["create"]).chain(steps.map(|step| &step["sql"]));
    let changelog = &planned.json()["changelog"];
    let installed = changelog["install_sql"].as_array().unwrap();
    let rest = [&changelog["remove_sql"], &planned.json()["drop_sql"]];
    for sql in statements.chain(installed).chain(rest) {
        let sql = sql.as_str().unwrap();
        assert!(plan.stdout.contains(sql), "{sql}\n{plan}");
        plan.stdout = plan.stdout.replace(sql, "");
    }
    let run = say(&["run", "--no-capture"], 0);
    let first = &tables[0]["schema"]["target"];
    env.query(&format!("UPDATE {} SET ctid_ = E'\\x1b[2J'", quoted(first.as_str().unwrap())));
    let verified = say(&["verify"], 67);
    let status = say(&["status", "--history"], 0);
    let again = say(&["run", "--no-capture"], 67);
    let other = say(&["run", "--no-capture", "--until", "schema"], 0);
    let logged = env.liteferry(&env.ends("verify", &["--log-format", "json"])).expect(67);
    let named = &logged.json()["tables"][0]["name"];
    assert!(STEERING.iter().any(|name| named == name), "{logged}");
    for done in [plan, run, verified, status, again, other, planned, logged] {
        for text in [&done.stdout, &done.stderr] {
            let steers = |char: char| char != '\n' && (char.is_control() || char == '\u{202e}');
            assert!(!text.contains(steers) && !text.contains("two\nlines"), "{done}\n{text:?}");
        }
        let told = ["\\u{1b}[2J", "\\u001b[2J", "migration"];
        assert!(told.iter().any(|word| done.says(word)), "{done}");
    }
}

#[test]
fn names_that_are_no_utf_8_are_told_and_keep_no_other_table_from_being_moved() {
    const TABLE: &str = "CREATE TABLE aaaa (bbbb, x); CREATE INDEX cccc ON aaaa (x); INSERT INTO aaaa VALUES (1, 2);";
    for (word, told) in [
        ("aaaa", "table gr\\xfc\\xdf: no row of it can be read: its name is not UTF-8"),
        (
            "bbbb",
            "table aaaa: no row of it can be read: the name of its column gr\\xfc\\xdf is not UTF-8",
        ),
        (
            "cccc",
            "table aaaa: no row of it can be read: the name of its index gr\\xfc\\xdf is not UTF-8",
        ),
    ] {
        let env = Environment::new();
        env.sqlite(TABLE);
        misname(&env, word);
        let (_, reason) = told.split_once("be read: ").unwrap();
        env.run(&[]).expect(65).saying(&[
            "no table of it can be read: table",
            reason,
            "repair in the source",
        ]);
        assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
        for more in [&[][..], &["--accept-corrupt"]] {
            let env = Environment::new();
            env.sqlite(&format!("{TABLE} CREATE TABLE good (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO good VALUES (1, 'x')"));
            misname(&env, word);
            env.liteferry(&env.ends("plan", more)).expect(0).saying(&[&told.replace('\\', "\\\\")]);
            env.run(more).expect(65).saying(&[told, "what could be read is moved, and equal"]);
            assert_eq!(env.column("SELECT id || n FROM good"), ["1x"]);
            assert_eq!(
                env.column("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"),
                ["good"]
            );
        }
    }
}

/// Gives what has a name in the source another of the same length, in Latin-1.
fn misname(env: &Environment, word: &str) {
    let mut bytes = std::fs::read(env.source()).unwrap();
    while let Some(at) = bytes.windows(4).position(|four| four == word.as_bytes()) {
        bytes[at..at + 4].copy_from_slice(b"gr\xfc\xdf");
    }
    std::fs::write(env.source(), bytes).unwrap();
}
