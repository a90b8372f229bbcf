//! Statements of every form that can change a row, at random from a seed.

use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Tables with keys of every kind. What stands between empty lines goes together.
pub(super) const SCHEMA: &str = "
    CREATE TABLE numbered (id INTEGER PRIMARY KEY, a INT, b TEXT, c REAL);

    CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, a INT UNIQUE, b TEXT);

    CREATE TABLE named (id TEXT PRIMARY KEY, a INT, b TEXT);

    CREATE TABLE pairs (a INT NOT NULL, b TEXT NOT NULL, c REAL, PRIMARY KEY (a, b));

    CREATE TABLE compact (a TEXT NOT NULL, b INT NOT NULL, c BLOB, PRIMARY KEY (b, a)) WITHOUT ROWID;

    CREATE TABLE keyless (a INT, b TEXT);

    CREATE TABLE partly (id INTEGER PRIMARY KEY, a INT, b TEXT);
    CREATE UNIQUE INDEX partly_a ON partly (a) WHERE b <> 'x';

    CREATE TABLE parents (id INTEGER PRIMARY KEY, a INT UNIQUE);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INT REFERENCES parents (a) ON DELETE CASCADE ON UPDATE CASCADE, b TEXT);

    CREATE TABLE \"odd \"\" name\" (\"the \"\" key\" TEXT PRIMARY KEY, \"select\" INT);
";

/// How many parts the schema has.
pub(super) const PARTS: usize = 9;

/// For each part of the schema the statements that write to its tables, by their numbers.
const STATEMENTS: [std::ops::Range<u64>; PARTS] =
    [0..5, 5..9, 9..12, 12..14, 14..17, 17..20, 20..22, 22..26, 26..27];

/// The parts of the schema that are wanted.
pub(super) fn schema_of(parts: &[bool; PARTS]) -> String {
    let all = SCHEMA.split("\n\n").zip(parts);
    all.filter(|(_, wanted)| **wanted).map(|(part, _)| part).collect()
}

/// One connection that writes.
pub(super) struct Workload {
    connection: Connection,
    state: u64,
    parts: [bool; PARTS],
}

impl Workload {
    pub(super) fn new(path: &Path, seed: u64) -> Self {
        println!("workload of seed {seed}");
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_mins(1)).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF").unwrap();
        let state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { connection, state, parts: [true; PARTS] }
    }

    /// Writes to these parts of the schema only.
    pub(super) fn only(self, parts: &[bool; PARTS]) -> Self {
        Self { parts: *parts, ..self }
    }

    /// A number below `below`.
    fn number(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    /// Does so many statements; those that break a constraint of the application fail, as they do for applications.
    pub(super) fn statements(&mut self, count: usize) {
        for _ in 0..count {
            let sql = self.statement();
            match self.connection.execute_batch(&sql) {
                Ok(()) => {}
                Err(error)
                    if error.sqlite_error_code()
                        == Some(rusqlite::ErrorCode::ConstraintViolation) => {}
                Err(error) => panic!("{error} in {sql}"),
            }
            if !self.connection.is_autocommit() && self.number(4) == 0 {
                let end = if self.number(3) == 0 { "ROLLBACK" } else { "COMMIT" };
                self.connection.execute_batch(end).unwrap();
            }
        }
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("COMMIT").unwrap();
        }
    }

    fn statement(&mut self) -> String {
        if self.connection.is_autocommit() && self.number(5) == 0 {
            return "BEGIN IMMEDIATE".into();
        }
        let key = self.number(40);
        let other = self.number(40);
        let a = self.number(60);
        let b = ["x", "y", "Zoë", ""][usize::try_from(self.number(4)).unwrap()];
        let or = ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT"]
            [usize::try_from(self.number(5)).unwrap()];
        let number = self.number(STATEMENTS[PARTS - 1].end);
        let part = STATEMENTS.iter().position(|of| of.contains(&number)).unwrap();
        if !self.parts[part] {
            return String::new();
        }
        match number {
            0 => format!("INSERT {or} INTO numbered VALUES ({key}, {a}, '{b}', {a}.25)"),
            1 => format!("INSERT {or} INTO numbered (a, b) VALUES ({a}, '{b}')"),
            2 => format!("UPDATE {or} numbered SET id = {other} WHERE id = {key}"),
            3 => format!("UPDATE numbered SET a = {a}, c = NULL WHERE id % 7 = {}", key % 7),
            // Of all the rows, however many have come: else an update would touch more and more of them.
            4 => format!("DELETE FROM numbered WHERE id % 40 = {key}"),
            5 => format!("INSERT {or} INTO counted (a, b) VALUES ({a}, '{b}')"),
            6 => format!("UPDATE {or} counted SET a = {a} WHERE id % 5 = {}", key % 5),
            7 => format!(
                "INSERT INTO counted (a, b) VALUES ({a}, '{b}') ON CONFLICT (a) DO UPDATE SET b = excluded.b || 'u'"
            ),
            8 => format!("DELETE FROM counted WHERE a = {a}"),
            9 => format!("INSERT {or} INTO named VALUES ('k{key}', {a}, '{b}')"),
            10 => format!("UPDATE {or} named SET id = 'k{other}' WHERE id = 'k{key}'"),
            11 => format!(
                "INSERT OR REPLACE INTO named (rowid, id, a) VALUES ({other}, 'k{key}', {a})"
            ),
            12 => format!("INSERT {or} INTO pairs VALUES ({}, '{b}', {a}.5)", key % 9),
            13 => {
                format!("UPDATE {or} pairs SET a = {}, b = '{b}' WHERE a = {}", other % 9, key % 9)
            }
            14 => format!("INSERT {or} INTO compact VALUES ('{b}', {}, x'0{}')", key % 9, a % 10),
            15 => format!("UPDATE {or} compact SET b = {} WHERE b = {}", other % 9, key % 9),
            16 => format!("DELETE FROM compact WHERE b = {}", key % 9),
            17 => format!("INSERT INTO keyless VALUES ({a}, '{b}')"),
            18 => format!("UPDATE keyless SET b = '{b}' WHERE a = {a}"),
            19 => format!("DELETE FROM keyless WHERE a = {a}"),
            20 => format!("INSERT {or} INTO partly VALUES ({key}, {}, '{b}')", a % 20),
            21 => format!("UPDATE {or} partly SET b = '{b}' WHERE a = {}", a % 20),
            22 => format!("INSERT {or} INTO parents VALUES ({key}, {})", a % 20),
            23 => format!("INSERT {or} INTO children VALUES ({key}, {}, '{b}')", a % 20),
            24 => format!("UPDATE {or} parents SET a = {} WHERE id = {key}", other % 20),
            25 => format!("DELETE FROM parents WHERE id = {other}"),
            _ => format!("INSERT {or} INTO \"odd \"\" name\" VALUES ('k{key}', {a})"),
        }
    }

    /// Goes on in the background until it is ended, as fast as it can.
    pub(super) fn go_on(self) -> Going {
        self.go_on_after(Duration::ZERO)
    }

    /// Goes on in the background, and leaves room between its transactions.
    pub(super) fn go_on_at_ease(self) -> Going {
        self.go_on_after(Duration::from_millis(4))
    }

    fn go_on_after(mut self, pause: Duration) -> Going {
        let (stop, told) = channel();
        let thread = std::thread::spawn(move || {
            let mut rounds = 0;
            while told.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                self.statements(20);
                rounds += 1;
            }
            rounds
        });
        Going { stop, thread }
    }
}

/// A workload in the background.
pub(super) struct Going {
    stop: Sender<()>,
    thread: JoinHandle<u64>,
}

impl Going {
    /// Ends it, and gives how often it came around.
    pub(super) fn end(self) -> u64 {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}
