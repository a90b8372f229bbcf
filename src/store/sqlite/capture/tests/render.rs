//! SQL from random bytes: schemas of every kind of key and unique index, and statements of every form.

use std::fmt::Write as _;

/// Bytes that decide; where they are used up, the first of the choices.
pub(super) struct Dice<'b> {
    bytes: std::slice::Iter<'b, u8>,
}

impl<'b> Dice<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes: bytes.iter() }
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or_default()) % count
    }

    fn one_of<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len())]
    }

    fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }
}

/// Few values, so that they meet: some of them equal and not the same.
const VALUES: [&str; 16] = [
    "NULL", "1", "2", "3", "'x'", "'X'", "'y'", "1.0", "'1'", "'y '", "x'78'", "0.5", "-1", "''",
    "7", "'z'",
];

const TYPES: [&str; 10] = [
    "",
    "INTEGER",
    "TEXT",
    "TEXT COLLATE NOCASE",
    "REAL",
    "NUMERIC",
    "BLOB",
    "TEXT NOT NULL DEFAULT 'x'",
    "INTEGER NOT NULL DEFAULT 1",
    "NOT NULL ON CONFLICT REPLACE DEFAULT '1'",
];

/// The key's column, and the constraint of the table that goes with it.
const KEYS: [(&str, &str); 15] = [
    ("INTEGER PRIMARY KEY", ""),
    ("INTEGER PRIMARY KEY AUTOINCREMENT", ""),
    ("TEXT PRIMARY KEY", ""),
    ("TEXT COLLATE NOCASE PRIMARY KEY", ""),
    ("PRIMARY KEY", ""),
    ("TEXT PRIMARY KEY ON CONFLICT REPLACE", ""),
    ("INT PRIMARY KEY DESC", ""),
    ("BLOB PRIMARY KEY", ""),
    ("TEXT NOT NULL DEFAULT 'x' PRIMARY KEY", ""),
    ("", ""),
    ("TEXT", ", PRIMARY KEY (k, a)"),
    ("", ", PRIMARY KEY (b, k)"),
    ("TEXT", ", PRIMARY KEY (k COLLATE NOCASE, a)"),
    ("INTEGER", ", PRIMARY KEY (k) ON CONFLICT REPLACE"),
    ("TEXT COLLATE NOCASE", ", PRIMARY KEY (k COLLATE BINARY)"),
];

const GENERATED: [&str; 6] = [
    "g TEXT",
    "g AS (a || b)",
    "g TEXT AS (a || '.') STORED",
    "g INTEGER AS (a + 1)",
    "g AS (a = '1') STORED",
    "g TEXT COLLATE NOCASE AS (b)",
];

const CONSTRAINTS: [&str; 9] = [
    "",
    ", UNIQUE (a) ON CONFLICT REPLACE",
    ", UNIQUE (a, b) ON CONFLICT IGNORE",
    ", UNIQUE (b)",
    ", UNIQUE (g) ON CONFLICT REPLACE",
    ", UNIQUE (b, a, k)",
    ", UNIQUE (c COLLATE NOCASE)",
    ", CHECK (json_valid(b))",
    ", CHECK (a > 1 OR json_valid(c)), UNIQUE (a)",
];

const INDEXES: [&str; 18] = [
    "(a)",
    "(b COLLATE NOCASE)",
    "(a, b)",
    "(a) WHERE c IS NOT NULL",
    "(b, c) WHERE a > 1 AND b <> 'y'",
    "(lower(a))",
    "(a || b)",
    "(a = '1', b)",
    "(b < c)",
    "(g)",
    "(g, a DESC) WHERE g > 0",
    "(substr(b, 1, 1) COLLATE NOCASE, c)",
    "(c COLLATE RTRIM)",
    "(a + 0, g)",
    "(json_extract(b, '$')) WHERE a = 1",
    "(json_extract(b, '$')) WHERE json_valid(b)",
    "(json_extract(b, '$'))",
    "(a, json_extract(c, '$')) WHERE c <> 'x' OR b IS NULL",
];

/// The statements that make the tables, and the triggers that are older and younger than those of the changelog.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) tables: Vec<String>,
    pub(super) older: Vec<String>,
    pub(super) younger: Vec<String>,
    /// Whether rows are named by their rowid, as where a declared key holds NULLs.
    pub(super) by_rowid: bool,
    /// Whether a statement that fails is judged: a younger trigger that fails may keep those of the log from firing, and
    /// OR FAIL keeps what was done before that.
    pub(super) failures_count: bool,
    /// Whether each table has a rowid, and whether its `g` is generated.
    shapes: Vec<Shape>,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    has_rowid: bool,
    is_generated: bool,
    /// Whether a foreign key can refer to `k`.
    has_simple_key: bool,
}

impl Schema {
    pub(super) fn of(tables: &[[u8; 24]], triggers: &[[u8; 10]], by_rowid: bool) -> Self {
        let mut schema = Self {
            tables: Vec::new(),
            older: Vec::new(),
            younger: Vec::new(),
            by_rowid,
            failures_count: true,
            shapes: Vec::new(),
        };
        for bytes in tables {
            schema.add_table(&mut Dice::new(bytes));
        }
        for (at, bytes) in triggers.iter().enumerate() {
            schema.add_trigger(at, &mut Dice::new(bytes));
        }
        schema
    }

    fn add_table(&mut self, dice: &mut Dice<'_>) {
        let number = self.shapes.len();
        let (key, primary) = KEYS[dice.below(KEYS.len())];
        let has_key = key.contains("PRIMARY") || !primary.is_empty();
        let autoincrement = key.contains("AUTOINCREMENT");
        let without_rowid = has_key && !autoincrement && dice.once_in(3);
        let generated = dice.one_of(&GENERATED);
        let [a, b, c] = [(); 3].map(|()| dice.one_of(&TYPES));
        let constraint = dice.one_of(&CONSTRAINTS);
        let simple: Vec<_> = (0..number).filter(|at| self.shapes[*at].has_simple_key).collect();
        let parent = if simple.is_empty() || dice.once_in(2) {
            String::new()
        } else {
            let actions = ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT"];
            format!(
                " DEFAULT 1 REFERENCES t{}(k) ON DELETE {} ON UPDATE {}{}",
                simple[dice.below(simple.len())],
                dice.one_of(&actions),
                dice.one_of(&actions),
                dice.one_of(&["", " DEFERRABLE INITIALLY DEFERRED"])
            )
        };
        let rowid = if without_rowid { "WITHOUT ROWID" } else { "" };
        self.tables.push(format!(
            "CREATE TABLE t{number} (k {key}, a {a}, b {b}, c {c}, {generated}, p{parent}{primary}{constraint}) {rowid}"
        ));
        for at in 0..dice.below(4) {
            let index = dice.one_of(&INDEXES);
            self.tables.push(format!("CREATE UNIQUE INDEX t{number}i{at} ON t{number} {index}"));
        }
        self.shapes.push(Shape {
            has_rowid: !without_rowid,
            is_generated: generated.contains(" AS "),
            has_simple_key: key.contains("PRIMARY"),
        });
    }

    fn add_trigger(&mut self, at: usize, dice: &mut Dice<'_>) {
        let is_older = dice.once_in(2);
        let on = dice.below(self.shapes.len());
        let to = dice.below(self.shapes.len());
        let timing = dice.one_of(&["AFTER", "BEFORE"]);
        let event = dice.one_of(&["INSERT", "UPDATE", "DELETE", "UPDATE OF a, k"]);
        let row = if event == "DELETE" { "old" } else { "new" };
        let value = VALUES[dice.below(VALUES.len())];
        let or = dice.one_of(&["", "OR REPLACE ", "OR IGNORE "]);
        let body = match dice.below(6) {
            0 => format!("INSERT {or}INTO t{to} (k, a) VALUES ({row}.a, {row}.b)"),
            1 => format!("UPDATE {or}t{to} SET b = {row}.b WHERE a IS {row}.a"),
            2 => format!("DELETE FROM t{to} WHERE b IS {row}.b"),
            3 => format!("UPDATE {or}t{to} SET a = {value} WHERE k IS {row}.k"),
            // Only an older one: a younger one would fire first.
            4 if is_older => format!("SELECT RAISE(IGNORE) WHERE {row}.a IS {value}"),
            _ => format!(
                "INSERT {or}INTO t{to} (k, b) SELECT b, {value} FROM t{on} WHERE k IS {row}.k"
            ),
        };
        let trigger = format!("CREATE TRIGGER a{at} {timing} {event} ON t{on} BEGIN {body}; END");
        self.failures_count &= is_older || timing == "BEFORE";
        if is_older { self.older.push(trigger) } else { self.younger.push(trigger) }
    }

    /// Empties all tables.
    pub(super) fn clear(&self, database: &str) -> String {
        (0..self.shapes.len()).map(|at| format!("DELETE FROM {database}.t{at};")).collect()
    }

    pub(super) fn statement(&self, dice: &mut Dice<'_>, database: &str) -> String {
        let number = dice.below(self.shapes.len());
        let table = format!("{database}.t{number}");
        let shape = self.shapes[number];
        match dice.below(16) {
            0..=5 => insert(dice, &table, shape),
            6..=10 => update(dice, &table, shape),
            11 | 12 => format!("DELETE FROM {table}{}", condition(dice)),
            13 => insert_select(dice, &table, database, self.shapes.len()),
            14 => dice
                .one_of(&[
                    "BEGIN",
                    "COMMIT",
                    "ROLLBACK",
                    "SAVEPOINT s",
                    "RELEASE s",
                    "ROLLBACK TO s",
                ])
                .into(),
            _ => dice
                .one_of(&[
                    "PRAGMA recursive_triggers = 1",
                    "PRAGMA recursive_triggers = 0",
                    "PRAGMA foreign_keys = 1",
                    "PRAGMA foreign_keys = 0",
                ])
                .into(),
        }
    }
}

const OR: [&str; 6] = ["", "OR REPLACE ", "OR IGNORE ", "OR FAIL ", "OR ROLLBACK ", "OR ABORT "];

fn insert(dice: &mut Dice<'_>, table: &str, shape: Shape) -> String {
    let or =
        dice.one_of(&["OR REPLACE ", "", "OR IGNORE ", "OR FAIL ", "OR ROLLBACK ", "OR ABORT "]);
    let mut columns = vec!["k", "a", "b", "c"];
    if !shape.is_generated {
        columns.push("g");
    }
    if dice.once_in(4) {
        columns.remove(0);
    }
    if dice.once_in(3) {
        columns.push("p");
    }
    if shape.has_rowid && dice.once_in(4) {
        columns.push(dice.one_of(&["rowid", "oid", "_rowid_"]));
    }
    let rows: Vec<_> = (0..=dice.below(2))
        .map(|_| {
            let cells: Vec<_> = columns.iter().map(|name| cell(dice, name)).collect();
            format!("({})", cells.join(", "))
        })
        .collect();
    let mut sql =
        format!("INSERT {or}INTO {table} ({}) VALUES {}", columns.join(", "), rows.join(", "));
    match dice.below(8) {
        5 => sql.push_str(" ON CONFLICT DO NOTHING"),
        6 => write!(sql, " ON CONFLICT DO UPDATE SET {}", assignments(dice, shape)).unwrap(),
        7 => write!(sql, " ON CONFLICT (k) DO UPDATE SET b = excluded.b, a = {}", value(dice))
            .unwrap(),
        _ => {}
    }
    if dice.once_in(6) {
        sql.push_str(" RETURNING *");
    }
    sql
}

fn insert_select(dice: &mut Dice<'_>, table: &str, database: &str, tables: usize) -> String {
    let or = dice.one_of(&OR);
    let from = dice.below(tables);
    let columns = dice.one_of(&["k, a, b", "a, b, c", "b, a, k", "a, k, k"]);
    format!(
        "INSERT {or}INTO {table} (k, a, b) SELECT {columns} FROM {database}.t{from}{}",
        condition(dice)
    )
}

fn update(dice: &mut Dice<'_>, table: &str, shape: Shape) -> String {
    let or =
        dice.one_of(&["OR REPLACE ", "", "OR IGNORE ", "OR FAIL ", "OR ROLLBACK ", "OR ABORT "]);
    let assignments = assignments(dice, shape);
    format!("UPDATE {or}{table} SET {assignments}{}", condition(dice))
}

fn assignments(dice: &mut Dice<'_>, shape: Shape) -> String {
    let mut columns = vec!["a", "b", "c", "k", "p"];
    if shape.has_rowid {
        columns.extend(["rowid", "oid", "_rowid_"]);
    }
    if !shape.is_generated {
        columns.push("g");
    }
    let one = |dice: &mut Dice<'_>| {
        let name = columns[dice.below(columns.len())];
        match dice.below(6) {
            4 => format!("{name} = k"),
            5 => format!("{name} = {name} + 1"),
            _ => format!("{name} = {}", cell(dice, name)),
        }
    };
    (0..=dice.below(2)).map(|_| one(dice)).collect::<Vec<_>>().join(", ")
}

fn cell(dice: &mut Dice<'_>, column: &str) -> String {
    if column.contains("id") { (1 + dice.below(5)).to_string() } else { value(dice).into() }
}

fn value(dice: &mut Dice<'_>) -> &'static str {
    VALUES[dice.below(VALUES.len())]
}

fn condition(dice: &mut Dice<'_>) -> String {
    match dice.below(5) {
        0 => String::new(),
        1 => format!(" WHERE a IS {}", value(dice)),
        2 => format!(" WHERE k IS {}", value(dice)),
        3 => format!(" WHERE b > {}", value(dice)),
        _ => format!(" WHERE c IS NOT {}", value(dice)),
    }
}
