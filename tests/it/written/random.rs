//! Random schemas with every storage class in every kind of column.

use super::{again, difference};
use crate::property;
use liteferry::config::Pipeline;
use liteferry::error::Class;
use liteferry::model::Motion;
use proptest::prelude::*;
use rusqlite::Connection;
use std::fmt::Write as _;

const CASES: u32 = 60;
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/written/random.txt");

/// Declared types, of every affinity and every kind of value that is looked for by name.
const TYPES: [&str; 16] = [
    "",
    "INTEGER",
    "INT",
    "BIGINT",
    "REAL",
    "DOUBLE",
    "NUMERIC",
    "DECIMAL(10,2)",
    "TEXT",
    "VARCHAR(6)",
    "BLOB",
    "BOOLEAN",
    "DATE",
    "DATETIME",
    "JSON",
    "UUID",
];

/// Cells as SQL: every storage class, and texts of every kind that may be taken for something else.
const CELLS: [&str; 40] = [
    "NULL",
    "0",
    "1",
    "-1",
    "7",
    "9223372036854775807",
    "-9223372036854775808",
    "1735689600",
    "1735689600000",
    "0.0",
    "-0.0",
    "1.0",
    "0.5",
    "-2.25",
    "1e300",
    "1e999",
    "4.9e-324",
    "1735689600.5",
    "''",
    "' '",
    "'x'",
    "'12'",
    "'-0'",
    "'1.50'",
    "'1e3'",
    "'0x10'",
    "'true'",
    "'no'",
    "'größe 🐸'",
    "'a' || char(0) || 'b'",
    "CAST(x'ff' AS TEXT)",
    "'2025-01-31'",
    "'2025-01-31 12:30:00'",
    "'2025-01-31T12:30:00.500Z'",
    "'12:30'",
    "'{\"a\": 1,\"b\":2}'",
    "'550e8400-e29b-41d4-a716-446655440000'",
    "x''",
    "x'00ff'",
    "x'550e8400e29b41d4a716446655440000'",
];

#[derive(Debug, Clone)]
struct Table {
    /// Declared types, and for each column the few cells that most of its rows have.
    columns: Vec<(usize, Vec<usize>)>,
    key: Key,
    /// Which of a column's cells each row has; some have another one.
    rows: Vec<Vec<(usize, Option<usize>)>>,
    has_index: bool,
    /// Whether the types are declared after the rows are there.
    is_typed_late: bool,
}

#[derive(Debug, Clone, Copy)]
enum Key {
    None,
    Rowid,
    Text,
    WithoutRowid,
}

fn table() -> impl Strategy<Value = Table> {
    let column = (0..TYPES.len(), proptest::collection::vec(0..CELLS.len(), 1..4));
    let key =
        prop_oneof![Just(Key::None), Just(Key::Rowid), Just(Key::Text), Just(Key::WithoutRowid)];
    proptest::collection::vec(column, 1..6).prop_flat_map(move |columns| {
        let cell = (0..4_usize, proptest::option::weighted(0.1, 0..CELLS.len()));
        let row = proptest::collection::vec(cell, columns.len());
        let rows = proptest::collection::vec(row, 0..25);
        (Just(columns), key.clone(), rows, any::<bool>(), any::<bool>()).prop_map(
            |(columns, key, rows, has_index, is_typed_late)| Table {
                columns,
                key,
                rows,
                has_index,
                is_typed_late,
            },
        )
    })
}

impl Table {
    fn create(&self, name: &str, is_typed: bool) -> String {
        let mut declared = match self.key {
            Key::None => Vec::new(),
            Key::Rowid => vec!["id INTEGER PRIMARY KEY".to_owned()],
            Key::Text | Key::WithoutRowid => vec!["id TEXT PRIMARY KEY".to_owned()],
        };
        let columns = self.columns.iter().enumerate();
        declared.extend(
            columns.map(|(at, (kind, _))| {
                format!("c{at} {}", if is_typed { TYPES[*kind] } else { "" })
            }),
        );
        let tail = if matches!(self.key, Key::WithoutRowid) { " WITHOUT ROWID" } else { "" };
        format!("CREATE TABLE {name} ({}){tail}", declared.join(", "))
    }

    fn sql(&self, name: &str) -> String {
        let mut sql = format!("{};", self.create(name, !self.is_typed_late));
        for (number, row) in self.rows.iter().enumerate() {
            let mut cells = match self.key {
                Key::None => Vec::new(),
                Key::Rowid => vec![(number * 3).to_string()],
                Key::Text | Key::WithoutRowid => vec![format!("'key {number}'")],
            };
            cells.extend(row.iter().zip(&self.columns).map(|((usual, odd), (_, cells))| {
                CELLS[odd.unwrap_or_else(|| cells[usual % cells.len()])].to_owned()
            }));
            write!(sql, "INSERT INTO {name} VALUES ({});", cells.join(", ")).unwrap();
        }
        if self.is_typed_late {
            write!(
                sql,
                "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '{}' WHERE name = '{name}';
                 PRAGMA writable_schema = RESET;",
                self.create(name, true)
            )
            .unwrap();
        }
        if self.has_index {
            write!(sql, "CREATE INDEX {name}_c0 ON {name} (c0 DESC);").unwrap();
        }
        sql
    }
}

#[test]
fn whatever_a_file_holds_is_written_again() {
    let encodings = prop_oneof![Just("UTF-8"), Just("UTF-16le"), Just("UTF-16be")];
    let strategy = (encodings, proptest::collection::vec(table(), 1..3), any::<bool>());
    property::check(KEPT, CASES, &strategy, |(encoding, tables, is_moving)| {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from.db"), folder.path().join("to.db"));
        let mut sql = format!("PRAGMA encoding = '{encoding}';");
        for (number, table) in tables.iter().enumerate() {
            sql.push_str(&table.sql(&format!("t{number}")));
        }
        let source = Connection::open(&from).unwrap();
        source.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        drop(source);
        let motion = if is_moving { Motion::Moving } else { Motion::AtRest };
        let mut pipeline = Pipeline::of(&from, "local");
        pipeline.source.accept_corrupt = true;
        match again(&from, &to, Some(pipeline), motion) {
            Ok((_, _)) => prop_assert_eq!(difference(&from, &to), None, "{}", sql),
            // What must be decided first is no matter of writing.
            Err(error) => prop_assert_eq!(error.class(), Class::Undecided, "{}: {}", error, sql),
        }
        Ok(())
    });
}
