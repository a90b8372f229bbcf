//! What a server says of itself and of what this role may do there, before anything is done.

use super::ledger::column;
use super::session::Session;
use crate::error::Result;
use std::path::PathBuf;

/// A server as a role sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its version: `15.18`.
    pub version: String,
    /// The database's encoding.
    pub encoding: String,
    /// Who we are.
    pub user: String,
    /// Where we are.
    pub database: String,
    /// Whether we may create schemas in the database.
    pub create_schemas: bool,
    /// Whether we may create tables in the target's schema; none where there is no such schema yet.
    pub create_tables: Option<bool>,
    /// Whether we may use the ledger's schema; none where there is none yet.
    pub use_ledger: Option<bool>,
    /// Whether it only reads: a standby, or by its settings.
    pub read_only: bool,
    /// The folder of the database's tables on the server's machine, where the role may know it.
    pub folder: Option<PathBuf>,
    /// `max_wal_size` in bytes.
    pub max_wal_size: Option<u64>,
}

/// Not every role sees every setting: those that it does not see are not there, which is no error.
const QUESTION: &str = "
SELECT current_setting('server_version'), pg_encoding_to_char(d.encoding)::text, current_user::text, d.datname::text,
       has_database_privilege(d.oid, 'CREATE'),
       (SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')
        FROM pg_namespace WHERE nspname = $1),
       (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'liteferry'),
       current_setting('transaction_read_only') = 'on',
       coalesce(nullif(pg_tablespace_location(d.dattablespace), ''),
                (SELECT setting FROM pg_settings WHERE name = 'data_directory')),
       (SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'max_wal_size' AND unit = 'MB')
FROM pg_database d WHERE d.datname = current_database()";

/// Asks the server about itself and the target's schema.
///
/// # Errors
///
/// What the server says.
pub fn facts(session: &Session, schema: &str) -> Result<Facts> {
    let rows = session.query("ask the server about itself", QUESTION, &[&schema])?;
    let row = rows.first();
    let folder: Option<String> = column(row, 8)?;
    let max_wal_size: Option<i64> = column(row, 9)?;
    Ok(Facts {
        version: column(row, 0)?,
        encoding: column(row, 1)?,
        user: column(row, 2)?,
        database: column(row, 3)?,
        create_schemas: column(row, 4)?,
        create_tables: column(row, 5)?,
        use_ledger: column(row, 6)?,
        read_only: column(row, 7)?,
        folder: folder.map(Into::into),
        max_wal_size: max_wal_size.and_then(|bytes| bytes.try_into().ok()),
    })
}
