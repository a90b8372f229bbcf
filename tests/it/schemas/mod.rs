//! Every schema: what a source's declarations mean holds in the target, and what cannot be carried over is told.
//!
//! PostgreSQL is the judge: the same statements are taken or refused by both stores, and leave the same rows behind.

mod collided;
mod collisions;
mod converted;
mod defaults;
mod generated;
mod hostile;
mod indexes;
mod keys;
mod objects;
mod references;
mod shadowed;
mod types;

use crate::comparison::Comparison;
use crate::environment::{Done, Environment, Session};
use rusqlite::Connection;
use std::fs;
use std::path::PathBuf;

/// A source that was moved, proved and found equal, and what the run said.
struct Moved {
    env: Environment,
    done: Done,
}

impl Moved {
    #[track_caller]
    fn new(sql: &str) -> Self {
        let env = Environment::new();
        env.sqlite(sql);
        Self::of(env, &[])
    }

    /// With more arguments of the run.
    #[track_caller]
    fn of(env: Environment, more: &[&str]) -> Self {
        let done = env.run(more).expect(0);
        Comparison::new().assert_equal(&env.source(), &env.connect());
        env.verify().expect(0);
        Self { env, done }
    }

    /// The warnings before and after the load.
    #[track_caller]
    fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.done.says(word), "`{word}` is not in\n{}", self.done);
        }
    }

    /// Whether nothing was said of this.
    #[track_caller]
    fn is_silent_of(&self, words: &[&str]) {
        for word in words {
            assert!(!self.done.says(word), "`{word}` is in\n{}", self.done);
        }
    }

    /// The definition of an index.
    #[track_caller]
    fn index(&self, name: &str) -> String {
        self.env.value(&format!("SELECT pg_get_indexdef('\"{name}\"'::regclass)"))
    }

    /// Constraints of a kind (`p`, `u`, `x`, `c`, `f`) of a table, each with `!` before it where it is not valid.
    fn constraints(&self, table: &str, kind: char) -> Vec<String> {
        self.env.column(&format!(
            "SELECT CASE WHEN convalidated THEN '' ELSE '!' END || regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '')
             FROM pg_constraint WHERE conrelid = '\"{table}\"'::regclass AND contype = '{kind}' ORDER BY conname"
        ))
    }

    /// The types of a table's columns.
    fn types(&self, table: &str) -> Vec<String> {
        self.env.column(&format!(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = '\"{table}\"'::regclass AND attnum > 0 ORDER BY attnum"
        ))
    }

    /// Both stores, to be asked the same.
    fn both(&self) -> Both {
        let copy = self.env.path("copy.db");
        fs::copy(self.env.source(), &copy).unwrap();
        let sqlite = Connection::open(&copy).unwrap();
        sqlite.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        Both { sqlite, postgresql: self.env.connect(), copy }
    }
}

/// A copy of the source and the target, which are asked the same.
struct Both {
    sqlite: Connection,
    postgresql: Session,
    copy: PathBuf,
}

impl Both {
    /// Both take these.
    #[track_caller]
    fn take(&self, statements: &[&str]) {
        for sql in statements {
            self.sqlite.execute_batch(sql).unwrap_or_else(|error| panic!("SQLite: {error}: {sql}"));
            self.postgresql.query(sql);
        }
    }

    /// Both refuse these.
    #[track_caller]
    fn refuse(&self, statements: &[&str]) {
        for sql in statements {
            assert!(self.sqlite.execute_batch(sql).is_err(), "SQLite takes {sql}");
            // What is left of a transaction goes with it.
            if !self.sqlite.is_autocommit() {
                self.sqlite.execute_batch("ROLLBACK").unwrap();
            }
            assert!(self.postgresql.try_query(sql).is_err(), "PostgreSQL takes {sql}");
            self.postgresql.query("ROLLBACK");
        }
    }

    /// Both hold the same rows.
    #[track_caller]
    fn assert_equal(&self) {
        Comparison::new().assert_equal(&self.copy, &self.postgresql);
    }
}
