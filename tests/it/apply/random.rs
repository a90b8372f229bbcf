//! Random states, random touches: what comes of it is what SQL by hand gives.

use super::Stage;
use crate::environment::Row;
use proptest::prelude::*;

const CASES: u32 = 60;

/// What becomes of a row in a step of the source, and whether its touch is applied in the first of the two parts.
#[derive(Debug, Clone)]
struct Change {
    key: u8,
    row: Option<(Option<u8>, i8)>,
    first: bool,
    /// The key is touched, and nothing is changed.
    idle: bool,
}

fn change() -> impl Strategy<Value = Change> {
    let row =
        proptest::option::weighted(0.8, (proptest::option::weighted(0.9, 0..12_u8), -2..3_i8));
    (0..16_u8, row, any::<bool>(), proptest::bool::weighted(0.1))
        .prop_map(|(key, row, first, idle)| Change { key, row, first, idle })
}

/// A unique value on the plain column, a part of the rows, an expression.
const KEYS: [&str; 4] = [
    "CREATE UNIQUE INDEX ON t (u)",
    "CREATE UNIQUE INDEX ON t (u) WHERE v >= 0",
    "CREATE UNIQUE INDEX ON t ((u || 'x'), v)",
    "CREATE INDEX ON t (v)",
];

#[test]
fn a_delta_leaves_what_sql_by_hand_leaves() {
    let shapes: Vec<_> = KEYS
        .iter()
        .map(|key| {
            Stage::new(
                &format!("CREATE TABLE t (id text COLLATE \"C\" PRIMARY KEY, u text COLLATE \"C\", v bigint, w bigint GENERATED ALWAYS AS (v * v) STORED); {key}"),
                &["id text", "u text", "v bigint", "w bigint = v * v"],
                1,
            )
        })
        .collect();
    let strategy = (
        0..KEYS.len(),
        proptest::collection::vec(change(), 0..40),
        proptest::collection::vec(change(), 1..40),
    );
    let file = "tests/proptest-regressions/apply.txt";
    crate::property::check(file, CASES, &strategy, |(shape, before, after)| {
        let stage = &shapes[shape];
        // The source keeps its unique values unique as the target does.
        stage.now("TRUNCATE now; TRUNCATE t; DROP TABLE IF EXISTS s; CREATE TABLE s (LIKE t INCLUDING ALL)");
        play(stage, &before);
        stage.now("INSERT INTO now SELECT * FROM s").settle();
        let touched = play(stage, &after);
        stage.now("TRUNCATE now; INSERT INTO now SELECT * FROM s");
        let part = |first: bool| {
            let keys = touched.iter().filter(|(_, part)| *part == first);
            let keys: Vec<_> = keys.map(|(key, _)| format!("('{key}')")).collect();
            if keys.is_empty() {
                "SELECT '' WHERE false".into()
            } else {
                format!("VALUES {}", keys.join(", "))
            }
        };
        // The log is cut: what the first part leaves is no state of the source, and need not be.
        stage.apply(&part(true));
        let expected = stage
            .psql
            .query(&format!("SELECT id, u, v, w FROM s WHERE id IN ({}) ORDER BY 1", part(true)));
        let there = stage
            .psql
            .query(&format!("SELECT id, u, v, w FROM t WHERE id IN ({}) ORDER BY 1", part(true)));
        prop_assert_eq!(there, expected);
        let last = stage.apply(&part(false));
        // A row that only the first part touched may be displaced by no row of the last one: both are as they are now.
        let first: Vec<_> = stage.psql.query(&format!(
            "SELECT id FROM s WHERE id IN ({}) EXCEPT SELECT id FROM t",
            part(true)
        ));
        prop_assert_eq!(first, Vec::<Row>::new());
        prop_assert_eq!(stage.differences(), Vec::<Row>::new(), "{:?}", last);
        Ok(())
    });
}

/// Plays changes on the source `s`, as far as it allows them, and gives the touched keys with their part of the log.
fn play(stage: &Stage, changes: &[Change]) -> Vec<(String, bool)> {
    let mut touched = Vec::new();
    for Change { key, row, first, idle } in changes {
        let key = format!("k{key}");
        let sql = match row {
            _ if *idle => "SELECT 1".into(),
            None => format!("DELETE FROM s WHERE id = '{key}'"),
            Some((u, v)) => {
                let u = u.map_or("NULL".into(), |u| format!("'u{u}'"));
                format!(
                    "INSERT INTO s (id, u, v) VALUES ('{key}', {u}, {v}) ON CONFLICT (id) DO UPDATE SET u = excluded.u, v = excluded.v"
                )
            }
        };
        // What the source refuses, it does not do.
        if stage.psql.try_query(&sql).is_ok() {
            touched.push((key, *first));
        }
    }
    touched
}
