//! What a connection to a source may do: read what liteferry asks for, and nothing else.
//!
//! A source may be damaged, or made to do harm (<https://www.sqlite.org/security.html>). Its schema is not trusted, its
//! views and triggers are off, no statement but a SELECT and a few PRAGMAs can even be prepared, what SQLite builds from
//! the schema is bounded, and everything that takes long ends where the run is stopped. A row in the file has at most a
//! gigabyte, but columns that are generated can make much more of it: so SQLite's memory has a bound, too.

use crate::pipeline::Stop;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How often a lock is tried for again, and how long after the last time: first at once, for most are held for less than
/// a millisecond. SQLite's locks are not fair, and whoever waits longer each time, as SQLite itself does, gets none while
/// an application writes without a pause.
const LOCK_TRIES: i32 = 10_000;
const LOCK_TRIES_AT_ONCE: i32 = 500;
const LOCK_PAUSE_AT_ONCE: Duration = Duration::from_micros(100);
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// Waits for a lock that another program has, for some ten seconds.
#[expect(clippy::disallowed_methods, reason = "nothing tells when another program's lock is free")]
pub(super) fn wait_for_lock(tries: i32) -> bool {
    std::thread::sleep(if tries < LOCK_TRIES_AT_ONCE { LOCK_PAUSE_AT_ONCE } else { LOCK_PAUSE });
    tries < LOCK_TRIES
}

/// Instructions of SQLite's machine, or pages of a check, between two looks at the stop: about a millisecond.
const STOP_EVERY: i32 = 4096;

/// Bounds of what the schema can make SQLite build, where its own are looser: the length of a CREATE statement, the depth
/// of an expression, the instructions of a statement (a check of thousands of tables has a million).
const LIMITS: [(Limit, i32); 8] = [
    (Limit::SQLITE_LIMIT_LENGTH, 1_000_000_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 4_000_000),
    (Limit::SQLITE_LIMIT_COLUMN, 2000),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1000),
    (Limit::SQLITE_LIMIT_VDBE_OP, 5_000_000),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Bytes of memory that SQLite takes in this process, at most: the largest row there can be takes four gigabytes, where
/// its text is UTF-16.
pub(super) const HEAP_BYTES_MAX: i64 = 5 << 30;

/// How damage to the file is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// It ends the run, and is looked for.
    Refused,
    /// What can be read is read. The check of cells is off: SQLite checks a page only when it first takes it into
    /// memory, so that what cannot be read once can be read a moment later, and the other way round.
    Accepted,
    /// SQLite would not open the file: let it, though it is shorter than it should be, and let it go on with the part of
    /// a schema that it understands. That is what "writable schema" also means, on a connection that can write nothing.
    Overcome,
}

/// Settings are stated one by one: the bundled SQLite has defaults of its own, such as foreign keys on.
pub(super) fn guard(connection: &mut Connection, damage: Damage, stop: &Stop) -> Result<()> {
    let broken = damage == Damage::Overcome;
    connection.busy_handler(Some(wait_for_lock))?;
    for (limit, most) in LIMITS {
        connection.set_limit(limit, most)?;
    }
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, !broken),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, broken),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (pragma, value) in [
        ("foreign_keys", 0),
        ("query_only", 1),
        ("mmap_size", 0),
        ("cell_size_check", i64::from(damage == Damage::Refused)),
        ("hard_heap_limit", HEAP_BYTES_MAX),
    ] {
        connection.pragma_update(None, pragma, value)?;
    }
    let stop = stop.clone();
    connection.progress_handler(STOP_EVERY, Some(move || stop.requested().is_some()))?;
    connection.authorizer(Some(|context: AuthContext<'_>| judge(&context)))
}

/// Settings of a connection that writes what following a source needs: what it commits is on the disk, it leaves
/// checkpoints to the application, and neither triggers nor foreign keys add to what it does.
pub(super) fn guard_writer(connection: &mut Connection) -> Result<()> {
    connection.busy_handler(Some(wait_for_lock))?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (pragma, value) in
        [("foreign_keys", 0), ("mmap_size", 0), ("synchronous", 2), ("wal_autocheckpoint", 0)]
    {
        connection.pragma_update(None, pragma, value)?;
    }
    Ok(())
}

/// How many turns of `STOP_EVERY` operations a statement may take that is tried: triggers may call one another for ever.
const SCRATCH_TURNS_MAX: u32 = 1000;

/// Settings of an empty database in memory in which a schema from outside is tried: it can be created and written to,
/// and reach nothing else. Gives what counts the turns of a statement; to be set to 0 before each.
pub(super) fn guard_scratch(connection: &mut Connection, stop: &Stop) -> Result<Arc<AtomicU32>> {
    for (limit, most) in LIMITS {
        connection.set_limit(limit, most)?;
    }
    connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, SCRATCH_TRIGGER_DEPTH)?;
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (pragma, on) in [("foreign_keys", 0), ("ignore_check_constraints", 1)] {
        connection.pragma_update(None, pragma, on)?;
    }
    let turns = Arc::new(AtomicU32::new(0));
    let (stop, counted) = (stop.clone(), Arc::clone(&turns));
    let is_enough = move || {
        counted.fetch_add(1, Ordering::Relaxed) > SCRATCH_TURNS_MAX || stop.requested().is_some()
    };
    connection.progress_handler(STOP_EVERY, Some(is_enough))?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::CreateVtable { .. } => {
            Authorization::Deny
        }
        AuthAction::Function { function_name }
            if POWERFUL.iter().any(|name| name.eq_ignore_ascii_case(function_name)) =>
        {
            Authorization::Deny
        }
        AuthAction::Pragma { pragma_name, .. }
            if !LOOKS
                .iter()
                .chain(&SCRATCH_CHECKS)
                .any(|name| name.eq_ignore_ascii_case(pragma_name)) =>
        {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    }))?;
    Ok(turns)
}

/// How deep triggers may call one another there.
const SCRATCH_TRIGGER_DEPTH: i32 = 10;

/// What a statement may contain.
fn judge(context: &AuthContext<'_>) -> Authorization {
    let allowed = context.accessor.is_none()
        && match context.action {
            AuthAction::Select | AuthAction::Read { .. } | AuthAction::Transaction { .. } => true,
            AuthAction::Pragma { pragma_name, pragma_value } => {
                let named = |names: &[&str]| {
                    names.iter().any(|name| name.eq_ignore_ascii_case(pragma_name))
                };
                named(&LOOKS) || (pragma_value.is_none() && named(&STATES))
            }
            AuthAction::Function { function_name } => {
                !POWERFUL.iter().any(|name| name.eq_ignore_ascii_case(function_name))
            }
            _ => false,
        };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

/// The PRAGMA by which a scratch database passes CHECKs over, or not.
const SCRATCH_CHECKS: [&str; 1] = ["ignore_check_constraints"];

/// PRAGMAs that only look, whatever they are given.
const LOOKS: [&str; 11] = [
    "data_version",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// PRAGMAs that look where they are given no value.
const STATES: [&str; 10] = [
    "application_id",
    "auto_vacuum",
    "collation_list",
    "encoding",
    "freelist_count",
    "journal_mode",
    "page_count",
    "page_size",
    "schema_version",
    "user_version",
];

/// Functions that do more than to compute a value. The others must be allowed, whichever they are: SQLite asks about
/// those of generated columns and of defaults too, and lets a schema that is not trusted call only harmless ones.
const POWERFUL: [&str; 2] = ["fts3_tokenizer", "load_extension"];

#[cfg(test)]
mod tests {
    use super::{Damage, guard};
    use crate::error::Signal;
    use crate::pipeline::Stop;
    use rusqlite::hooks::{AuthContext, Authorization};
    use rusqlite::{Connection, ErrorCode};

    fn guarded(sql: &str) -> (Connection, Stop) {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        let stop = Stop::default();
        guard(&mut connection, Damage::Refused, &stop).unwrap();
        (connection, stop)
    }

    #[test]
    fn nothing_but_looking_can_be_prepared() {
        let (connection, _) = guarded(
            "CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t; CREATE VIRTUAL TABLE f USING fts5(x)",
        );
        for refused in [
            "INSERT INTO t VALUES (1)",
            "DELETE FROM t",
            "CREATE TABLE u (a)",
            "CREATE TEMP TABLE u (a)",
            "DROP TABLE t",
            "ATTACH ':memory:' AS other",
            "PRAGMA query_only = 0",
            "PRAGMA writable_schema = 1",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA wal_checkpoint",
            "PRAGMA temp_store_directory = '/'",
            "SELECT load_extension('x')",
            "SELECT fts3_tokenizer('simple')",
            "SELECT a FROM v",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        ] {
            assert!(connection.prepare(refused).is_err(), "{refused}");
        }
        for allowed in [
            "SELECT count(*), max(a) FROM t",
            "SELECT name FROM sqlite_schema WHERE name LIKE 's%'",
            "SELECT * FROM pragma_table_xinfo('t', 'main')",
            "SELECT * FROM pragma_table_list",
            "PRAGMA main.integrity_check(\"t\")",
            "PRAGMA journal_mode",
            "BEGIN",
        ] {
            let ran = connection
                .prepare(allowed)
                .and_then(|mut statement| statement.query([])?.next().map(|row| row.is_some()));
            assert!(ran.is_ok(), "{allowed}: {ran:?}");
        }
    }

    #[test]
    fn every_setting_is_made_whatever_the_library_was_built_with() {
        use rusqlite::config::DbConfig as C;
        use rusqlite::limits::Limit as L;
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join("a.db")).unwrap();
        guard(&mut connection, Damage::Refused, &Stop::default()).unwrap();
        for (config, on) in [
            (C::SQLITE_DBCONFIG_DEFENSIVE, true),
            (C::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (C::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
            (C::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (C::SQLITE_DBCONFIG_ENABLE_VIEW, false),
            (C::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
            (C::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
            (C::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
            (C::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        ] {
            assert_eq!(connection.db_config(config).unwrap(), on, "{config:?}");
        }
        for (limit, most) in [
            (L::SQLITE_LIMIT_LENGTH, 1_000_000_000),
            (L::SQLITE_LIMIT_SQL_LENGTH, 4_000_000),
            (L::SQLITE_LIMIT_COLUMN, 2000),
            (L::SQLITE_LIMIT_EXPR_DEPTH, 1000),
            (L::SQLITE_LIMIT_VDBE_OP, 5_000_000),
            (L::SQLITE_LIMIT_ATTACHED, 0),
            (L::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
            (L::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            assert_eq!(connection.limit(limit).unwrap(), most, "{limit:?}");
        }
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).unwrap();
        for (pragma, value) in [
            ("foreign_keys", 0),
            ("query_only", 1),
            ("mmap_size", 0),
            ("cell_size_check", 1),
            ("hard_heap_limit", 5_368_709_120_i64),
        ] {
            let set = connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
            assert_eq!(set.unwrap(), value, "{pragma}");
        }
    }

    #[test]
    fn a_function_that_the_schema_may_not_call_is_not_called() {
        for (function, is_harmless) in [
            ("abs", true),
            ("json", true),
            ("load_extension", false),
            ("fts3_tokenizer", false),
            // What only a trusted schema may call.
            ("rtreedepth", false),
        ] {
            let (connection, _) = guarded(&format!(
                "CREATE TABLE t (a, b); INSERT INTO t VALUES (-1, -1); PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a, b AS (CAST({function}(a) AS INTEGER)))';
                 PRAGMA writable_schema = RESET"
            ));
            let read = connection.query_row("SELECT b FROM t", [], |row| row.get::<_, i64>(0));
            match read {
                Ok(value) => assert!(is_harmless, "{function} gave {value}"),
                Err(error) => {
                    let refused = error.to_string().contains("unsafe use");
                    assert!(refused && !is_harmless, "{function}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_stop_ends_a_statement_that_runs() {
        let (connection, stop) = guarded(
            "CREATE TABLE t (a);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO t SELECT i FROM n",
        );
        let pairs = || {
            connection.query_row("SELECT count(*) FROM t, t AS u", [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(pairs().unwrap(), 90_000);
        stop.request(Signal::Terminate);
        let code = pairs().unwrap_err().sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::OperationInterrupted));
    }
}
