//! Arbitrary names: whole schemas of them go through a real move, and come out one to one.

use super::{drops_everything, pipeline, quoted, relations, run};
use crate::comparison::{Compared, Comparison};
use crate::environment::Environment;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Schemas that are moved, each with dozens of names.
const CASES: u32 = 6;

/// A table as drawn: its name, its columns, whether the first of them is the rowid, and names for an index and a CHECK.
#[derive(Debug, Clone)]
struct Table {
    name: String,
    columns: Vec<String>,
    rowid: bool,
    index: String,
    check: String,
}

/// Names that collide, must be replaced, or would break out of quotes that are not right.
const ODD: [&str; 36] = [
    "",
    "unnamed",
    "_",
    "xmin",
    "xmin_",
    "XMAX",
    "ctid",
    "tableoid",
    "cmin_",
    "oid",
    "rowid",
    "t",
    "T_pkey",
    "t_id_seq",
    "t_check",
    "t_check1",
    "t_a_key",
    "a",
    "A_1",
    "order",
    "Select",
    "user",
    "current_date",
    "a\nb",
    "--",
    "/*",
    "*/",
    "'",
    "\"",
    "\"\"",
    "a\"; DROP SCHEMA public CASCADE; --",
    "\\",
    "$$",
    "🐸",
    "表",
    "E''",
];

fn name() -> impl Strategy<Value = String> {
    let any = proptest::char::any().prop_filter("NUL ends a name", |&char| char != '\0');
    // Around the lengths at which names are cut, with characters of all lengths at the cut.
    let long = ("[a-bA-B]{50,64}", "[a-zöÄ🐸表]{0,8}", prop_oneof![Just(0_usize), 0..80_usize])
        .prop_map(|(start, end, more)| format!("{start}{end}{}", "ü".repeat(more)));
    prop_oneof![
        3 => select(ODD.to_vec()).prop_map(str::to_owned),
        3 => proptest::collection::vec(any, 0..8).prop_map(|chars| chars.into_iter().collect()),
        2 => "[a-cA-C_]{1,3}",
        3 => long,
    ]
    .prop_filter("SQLite keeps these", |name: &String| {
        !name.to_ascii_lowercase().starts_with("sqlite_")
    })
}

fn tables() -> impl Strategy<Value = Vec<Table>> {
    let columns = proptest::collection::vec(name(), 1..7);
    let table = (name(), columns, any::<bool>(), name(), name());
    let table = table.prop_map(|(name, columns, rowid, index, check)| {
        let mut seen = BTreeSet::new();
        let columns = columns.into_iter().filter(|name| seen.insert(name.to_ascii_lowercase()));
        Table { name, columns: columns.collect(), rowid, index, check }
    });
    proptest::collection::vec(table, 12..30)
}

/// The SQL of what SQLite can hold of this; tables and indexes share their names there, whatever the case.
fn written(tables: &[Table]) -> (String, Compared) {
    let mut sql = String::from("BEGIN;");
    let mut taken: BTreeSet<_> =
        tables.iter().map(|table| table.name.to_ascii_lowercase()).collect();
    let mut made = BTreeSet::new();
    for (number, table) in tables.iter().enumerate() {
        if !made.insert(table.name.to_ascii_lowercase()) {
            continue;
        }
        let columns: Vec<_> = table.columns.iter().map(|name| quoted(name)).collect();
        let (name, first) = (quoted(&table.name), &columns[0]);
        let key = if table.rowid { " INTEGER PRIMARY KEY" } else { "" };
        let check = quoted(&table.check);
        write!(
            sql,
            "CREATE TABLE {name} ({}",
            columns.join(", ").replacen(first.as_str(), &format!("{first}{key}"), 1)
        )
        .unwrap();
        write!(sql, ", CONSTRAINT {check} CHECK ({first} >= 0));").unwrap();
        if taken.insert(table.index.to_ascii_lowercase()) {
            let last = &columns[columns.len() - 1];
            write!(
                sql,
                "CREATE INDEX {} ON {name} ({last} DESC) WHERE {first} > 0;",
                quoted(&table.index)
            )
            .unwrap();
        }
        // No two columns hold the same, so that none can stand for another.
        for row in 0..2 {
            let cells =
                (0..columns.len()).map(|column| (number * 100 + column * 10 + row).to_string());
            write!(sql, "INSERT INTO {name} VALUES ({});", cells.collect::<Vec<_>>().join(", "))
                .unwrap();
        }
    }
    let moved = Compared { tables: made.len(), rows: made.len() * 2, set_aside: 0 };
    (sql + "COMMIT;", moved)
}

fn moves(tables: &[Table], lower: bool) {
    let env = Environment::new();
    let (sql, expected) = written(tables);
    env.sqlite(&sql);
    let pipeline = pipeline(&env, if lower { "identifiers = 'lower'" } else { "" });
    let done = run(&env, &pipeline).expect(0);
    assert_eq!(done.json()["phase"], "proved", "{done}");
    let judge = if lower { Comparison::new().lower() } else { Comparison::new() };
    assert_eq!(judge.assert_equal(&env.source(), &env.connect()), expected);
    env.liteferry(&["verify", &pipeline]).expect(0);
    // Every key, index and CHECK has come along: none may be lost for its name.
    let count = |list: &str| sql.matches(list).count().to_string();
    let keys = relations(&env, "i").len().to_string();
    assert_eq!(
        keys,
        (sql.matches(" INTEGER PRIMARY KEY").count() + sql.matches("CREATE INDEX ").count())
            .to_string()
    );
    let checks = "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace";
    assert_eq!(env.value(checks), count(" >= 0));"));
    drops_everything(&env);
}

#[test]
fn schemas_of_arbitrary_names_are_moved_one_to_one() {
    let chosen = std::env::var("LITEFERRY_NAMES_SEED").ok();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let seed = chosen.map_or_else(now, |seed| seed.parse().unwrap());
    println!("LITEFERRY_NAMES_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome =
        TestRunner::new_with_rng(config, rng).run(&(tables(), any::<bool>()), |(tables, lower)| {
            moves(&tables, lower);
            Ok(())
        });
    if let Err(error) = outcome {
        panic!("LITEFERRY_NAMES_SEED={seed}: {error}");
    }
}
