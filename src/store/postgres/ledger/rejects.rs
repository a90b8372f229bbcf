//! Cells that their columns cannot hold, each with its exact bytes, its reason and what was done about it.

use super::super::session::Session;
use super::{Lease, chunk_of, column, number};
use crate::error::Result;
use crate::model::{Misfit, RowName, StorageClass, TableSchema};
use crate::pipeline::Spool;

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS liteferry.reject (
    migration integer NOT NULL,
    table_name text NOT NULL,
    chunk integer NOT NULL,
    row_key bytea NOT NULL,
    row_name text NOT NULL,
    column_name text NOT NULL,
    storage_class text NOT NULL,
    value bytea NOT NULL,
    encoding text,
    reason text NOT NULL,
    policy text NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    noted_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (migration, table_name, chunk) REFERENCES liteferry.chunk ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS reject_chunk ON liteferry.reject (migration, table_name, chunk);
CREATE INDEX IF NOT EXISTS reject_name ON liteferry.reject (migration, table_name, sha256(row_key));
COMMENT ON TABLE liteferry.reject IS
    'Values that their columns cannot hold: one row for each, whatever was done about it (policy).';
COMMENT ON COLUMN liteferry.reject.row_name IS 'The rowid, else the key, else all cells of the row.';
COMMENT ON COLUMN liteferry.reject.value IS
    'The exact bytes: a text in its encoding, an integer or a real as eight bytes, the highest first.';
COMMENT ON COLUMN liteferry.reject.encoding IS
    'How to read the bytes of a text: as UTF-8, or as the source has it where that says what UTF-8 cannot.'";

/// The misfits of one column that have one reason and one remedy.
#[derive(Debug, Clone)]
pub struct MisfitCount {
    /// The target table's name.
    pub table: String,
    /// The column's name.
    pub column: String,
    /// Why they do not fit.
    pub reason: String,
    /// What was done about them.
    pub policy: String,
    /// How many.
    pub cells: u64,
    /// The row of the first of them.
    pub example_row: String,
}

/// Notes misfits in the caller's transaction.
///
/// # Errors
///
/// What the server says; a temporary file that cannot be read.
pub fn note_misfits(
    session: &Session,
    lease: Lease,
    table: &TableSchema,
    chunk: usize,
    misfits: Spool<Misfit>,
) -> Result<()> {
    let mut misfits = misfits.read()?;
    loop {
        let some = misfits.next_some(ROWS_AT_ONCE, BYTES_AT_ONCE)?;
        if some.is_empty() {
            return Ok(());
        }
        let column = |misfit: &Misfit| table.columns.get(misfit.column).map(|c| c.target.as_str());
        let keys: Vec<_> = some.iter().map(|misfit| misfit.row.to_bytes()).collect();
        let rows: Vec<_> = some.iter().map(|misfit| shown(&misfit.row)).collect();
        let columns: Vec<_> =
            some.iter().map(|misfit| column(misfit).unwrap_or_default()).collect();
        let classes: Vec<_> = some.iter().map(|misfit| misfit.cell.class.name()).collect();
        let values: Vec<_> = some.iter().map(|misfit| misfit.cell.bytes.as_slice()).collect();
        let encodings: Vec<_> = some.iter().map(encoding).collect();
        let reasons: Vec<_> = some.iter().map(|misfit| misfit.reason.as_str()).collect();
        let policies: Vec<_> = some.iter().map(|misfit| misfit.remedy.name()).collect();
        session.execute(
            "note values that do not fit",
            "INSERT INTO liteferry.reject
                (migration, table_name, chunk, row_key, row_name, column_name, storage_class, value, encoding, reason, policy)
             SELECT $1, $2, $3, * FROM unnest
                ($4::bytea[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::text[], $10::text[], $11::text[])",
            &[
                &lease.migration,
                &table.target,
                &number(chunk)?,
                &keys,
                &rows,
                &columns,
                &classes,
                &values,
                &encodings,
                &reasons,
                &policies,
            ],
        )?;
    }
}

/// Misfits in one statement, and their bytes; a larger value goes alone.
const ROWS_AT_ONCE: usize = 1000;
const BYTES_AT_ONCE: u64 = 1024 * 1024;

/// How to read the bytes of a text; nothing of all else.
fn encoding(misfit: &Misfit) -> Option<&'static str> {
    (misfit.cell.class == StorageClass::Text).then(|| misfit.encoding.name())
}

/// A row's name as text that the server can hold.
fn shown(row: &RowName) -> String {
    row.to_string().replace('\0', "\\0")
}

/// What does not fit, by table, column, reason and policy.
///
/// # Errors
///
/// What the server says.
pub fn misfit_counts(session: &Session, migration: i32) -> Result<Vec<MisfitCount>> {
    let rows = session.query(
        "read the ledger",
        "SELECT DISTINCT ON (table_name, column_name, reason, policy) table_name, column_name, reason, policy,
            count(*) OVER (PARTITION BY table_name, column_name, reason, policy), row_name
         FROM liteferry.reject WHERE migration = $1
         ORDER BY table_name, column_name, reason, policy, chunk, position",
        &[&migration],
    )?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            Ok(MisfitCount {
                table: column(row, 0)?,
                column: column(row, 1)?,
                reason: column(row, 2)?,
                policy: column(row, 3)?,
                cells: column::<i64>(row, 4)?.unsigned_abs(),
                example_row: column(row, 5)?,
            })
        })
        .collect()
}

/// The columns whose misfits keep rows aside, by table and chunk.
///
/// # Errors
///
/// What the server says.
pub fn columns_aside(session: &Session, migration: i32) -> Result<Vec<(String, usize, String)>> {
    let rows = session.query(
        "read the ledger",
        "SELECT DISTINCT table_name, chunk, column_name FROM liteferry.reject
         WHERE migration = $1 AND policy = 'reject'",
        &[&migration],
    )?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            Ok((column(row, 0)?, chunk_of(column(row, 1)?)?, column(row, 2)?))
        })
        .collect()
}

/// Locks a chunk, forgets which of its rows were set aside, because they are about to be tried again, and gives the name
/// of each in the order of the source, all in the caller's transaction.
///
/// # Errors
///
/// What the server says; a disk that takes no more.
pub fn take_rejected(
    session: &Session,
    lease: Lease,
    table: &str,
    chunk: usize,
) -> Result<Spool<Vec<u8>>> {
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&lease.migration, &table, &number(chunk)?];
    session.query(
        "lock a chunk",
        "SELECT 1 FROM liteferry.chunk WHERE migration = $1 AND table_name = $2 AND chunk = $3 FOR UPDATE",
        &parameters,
    )?;
    // Without statistics the server expects a handful of rows, and would compare each with each.
    session.batch("read the ledger", "SET LOCAL enable_nestloop = off")?;
    let mut rows = Spool::default();
    session.each("try rows again", TAKE, &parameters, |row| rows.add(&column(Some(row), 0)?))?;
    Ok(rows)
}

/// Forgets which rows of a table were set aside, whatever chunk they are of, in the caller's transaction.
///
/// # Errors
///
/// What the server says.
pub fn forget_rejected(session: &Session, lease: Lease, table: &str) -> Result<()> {
    // As above; other statements of the transaction are planned as ever.
    session.batch("read the ledger", "SET LOCAL enable_nestloop = off")?;
    session.execute("forget rows that were set aside", FORGET, &[&lease.migration, &table])?;
    session.batch("read the ledger", "SET LOCAL enable_nestloop TO DEFAULT")
}

/// With those cells of theirs for which another remedy than that was said.
const FORGET: &str = "
DELETE FROM liteferry.reject AS reject
USING (SELECT DISTINCT row_key FROM liteferry.reject
       WHERE migration = $1 AND table_name = $2 AND policy = 'reject') AS aside
WHERE migration = $1 AND table_name = $2 AND reject.row_key = aside.row_key";

/// Rows that have nothing of their own may have one name: such a row begins where a column comes again.
const TAKE: &str = "
WITH aside AS (
    SELECT DISTINCT row_key FROM liteferry.reject
    WHERE migration = $1 AND table_name = $2 AND chunk = $3 AND policy = 'reject'
), taken AS (
    DELETE FROM liteferry.reject AS reject USING aside
    WHERE migration = $1 AND table_name = $2 AND chunk = $3 AND reject.row_key = aside.row_key
    RETURNING reject.row_key, column_name, position
), cells AS (
    SELECT row_key, position, row_number() OVER (PARTITION BY row_key, column_name ORDER BY position) AS time
    FROM taken
)
SELECT row_key FROM cells GROUP BY row_key, time ORDER BY min(position)";
