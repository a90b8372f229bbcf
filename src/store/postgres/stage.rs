//! Staging: what a pass brings for one table stands in two temp tables first, the touched keys and their rows as the
//! source has them now.
//!
//! They are made once for each session, and emptied by the next pass that uses them. `ON COMMIT DELETE ROWS` would
//! do that for every such table of the session at every COMMIT, a millisecond each, however many were used.

use super::ledger::column;
use super::refused;
use super::session::Session;
use super::write::{CopyWriter, copy_sql, loaded, named, relation};
use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{Column, PgType, TableSchema};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Rows after which a temp table is cut off instead of being emptied row by row: that takes a millisecond or two, and the
/// places of deleted rows are not used again.
const CUT_OFF_ROWS: u64 = 10_000;

/// The temp tables of one table in one session.
#[derive(Debug)]
pub struct Stage {
    /// The touched keys.
    pub(super) keys: String,
    /// The rows that these keys have.
    pub(super) rows: String,
    into_keys: String,
    into_rows: String,
    /// Rows that went in since they were cut off.
    used: AtomicU64,
    /// Whether the target's rows can be updated by their key, once it has its indexes.
    upserts: OnceLock<bool>,
}

/// What one pass brings for one table.
#[derive(Debug)]
pub struct Staging<'s> {
    pub(super) session: &'s Session,
    pub(super) table: &'s TableSchema,
    pub(super) stage: Arc<Stage>,
    pub(super) keys: u64,
    pub(super) rows: u64,
}

impl<'s> Staging<'s> {
    /// The staging of a table in this session, made where the session has none yet. To be called outside of a
    /// transaction: what is made in one that is rolled back is gone.
    ///
    /// # Errors
    ///
    /// A table without a key, or with one that PostgreSQL cannot compare; what the server says.
    pub fn of(session: &'s Session, table: &'s TableSchema) -> Result<Self> {
        let stage = Stage::of(session, table).at(|| format!("table {}", table.target))?;
        Ok(Self { session, table, stage, keys: 0, rows: 0 })
    }

    /// Stages the touched keys, in the pass's transaction and before the rows: `copy` writes tuples of the columns of
    /// [`TableSchema::key`], in that order. Gives how many there are; one may be there several times.
    ///
    /// # Errors
    ///
    /// What `copy` or the server says.
    pub fn keys(&mut self, copy: impl FnOnce(&mut CopyWriter<'_>) -> Result<()>) -> Result<u64> {
        self.empty()?;
        self.keys = self.copy(&self.stage.into_keys, copy)?;
        self.rows = 0;
        Ok(self.keys)
    }

    /// Stages the rows that the touched keys have: `copy` writes tuples of the columns that are loaded, each row once.
    /// Gives how many there are.
    ///
    /// # Errors
    ///
    /// What `copy` or the server says.
    pub fn rows(&mut self, copy: impl FnOnce(&mut CopyWriter<'_>) -> Result<()>) -> Result<u64> {
        self.rows = self.copy(&self.stage.into_rows, copy)?;
        Ok(self.rows)
    }

    fn copy(&self, sql: &str, copy: impl FnOnce(&mut CopyWriter<'_>) -> Result<()>) -> Result<u64> {
        let staged = || -> Result<u64> {
            let mut writer = CopyWriter::begin(self.session, sql)?;
            copy(&mut writer)?;
            let taken = writer.finish()?;
            self.stage.used.fetch_add(taken, Ordering::Relaxed);
            Ok(taken)
        };
        // A domain checks its values here already.
        staged()
            .map_err(|error| refused::as_undecided(error, self.table))
            .at(|| format!("table {}", self.table.target))
    }

    /// Takes out whatever earlier passes left, so that the next one finds nothing, outside of a transaction.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn cut_off(&self) -> Result<()> {
        let Stage { keys, rows, used, .. } = &*self.stage;
        self.session.batch("empty temp tables", &format!("TRUNCATE {keys}, {rows}"))?;
        used.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Takes out what an earlier pass left.
    fn empty(&self) -> Result<()> {
        let Stage { keys, rows, used, .. } = &*self.stage;
        let sql = match used.load(Ordering::Relaxed) {
            0 => return Ok(()),
            1..CUT_OFF_ROWS => format!("DELETE FROM {keys}; DELETE FROM {rows}"),
            _ => {
                // Not nothing: the transaction may be rolled back, and with it this.
                used.store(1, Ordering::Relaxed);
                format!("TRUNCATE {keys}, {rows}")
            }
        };
        self.session.batch("empty temp tables", &sql)
    }

    /// Whether rows of the target can be updated by their key: a unique index must be on just that, and no other column
    /// may be one that only the server gives values to.
    pub(super) fn upserts(&self) -> Result<bool> {
        if let Some(&upserts) = self.stage.upserts.get() {
            return Ok(upserts);
        }
        let mut key: Vec<_> = key(self.table).map(|column| column.target.as_str()).collect();
        key.sort_unstable();
        let others = others(self.table).map(|column| column.target.as_str()).collect::<Vec<_>>();
        let rows = self.session.query(
            "look at the target's indexes",
            UPSERTS,
            &[&relation(self.table), &key, &others],
        )?;
        let upserts = column(rows.first(), 0)?;
        Ok(*self.stage.upserts.get_or_init(|| upserts))
    }
}

const UPSERTS: &str = "
SELECT EXISTS (
    SELECT FROM pg_index i
    WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate
      AND i.indpred IS NULL AND i.indexprs IS NULL
      AND ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                ORDER BY a.attname::text COLLATE \"C\") = $2
) AND NOT EXISTS (
    SELECT FROM pg_attribute a
    WHERE a.attrelid = to_regclass($1) AND a.attidentity = 'a' AND a.attname::text = ANY ($3)
)";

impl Stage {
    fn of(session: &Session, table: &TableSchema) -> Result<Arc<Self>> {
        session.stages.recall(&described(table), |number| {
            check_key(table)?;
            Self::make(session, table, number).map(Arc::new)
        })
    }

    fn make(session: &Session, table: &TableSchema, number: usize) -> Result<Self> {
        let (keys, rows) = (
            format!("pg_temp.liteferry_keys_{number}"),
            format!("pg_temp.liteferry_rows_{number}"),
        );
        let source = relation(table);
        // Made of the target's columns, they have their very types, sizes and collations, and none of their constraints.
        let create = |name: &str, columns: &str| {
            format!("CREATE TEMP TABLE {name} AS SELECT {columns} FROM {source} WITH NO DATA;")
        };
        let sql = create(&keys, &named(key(table))) + &create(&rows, &named(loaded(table)));
        session.batch("make temp tables", &sql)?;
        Ok(Self {
            into_keys: copy_sql(&keys, key(table)),
            into_rows: copy_sql(&rows, loaded(table)),
            keys,
            rows,
            used: AtomicU64::new(0),
            upserts: OnceLock::new(),
        })
    }
}

/// The columns that name a row.
pub(super) fn key(table: &TableSchema) -> impl Iterator<Item = &Column> {
    table.key.iter().filter_map(|&position| table.columns.get(position))
}

/// The other columns that are loaded.
pub(super) fn others(table: &TableSchema) -> impl Iterator<Item = &Column> {
    let columns = table.columns.iter().enumerate();
    let others =
        columns.filter(|(position, column)| !column.computed && !table.key.contains(position));
    others.map(|(_, column)| column)
}

/// A table as the target has it, and as it can become another one by being made anew.
fn described(table: &TableSchema) -> String {
    let types = table.columns.iter().map(|column| {
        format!("{} {} {}", quoted(&column.target), column.sql_type(), column.computed)
    });
    let types = types.collect::<Vec<_>>().join(", ");
    format!("{} {:?} ({types})", relation(table), table.key)
}

fn check_key(table: &TableSchema) -> Result<()> {
    if table.key.is_empty() {
        return Err(Error::internal("a table without a key cannot be followed"));
    }
    match key(table).find(|column| column.pg == PgType::Json || column.computed) {
        None => Ok(()),
        Some(column) => Err(Error::new(
            Class::Undecided,
            format!("its key has the column {}, by which PostgreSQL cannot find a row", column.target),
        )
        .todo("give the column another type in the pipeline file: json cannot be compared, and what is computed is not loaded")),
    }
}
