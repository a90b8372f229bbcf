//! Whether two SQLite files are the same, but for where their pages are.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// What the header of a file says.
const HEADER: [&str; 6] =
    ["encoding", "page_size", "auto_vacuum", "user_version", "application_id", "journal_mode"];

/// The first thing in which two files differ.
pub(crate) fn difference(one: &Path, other: &Path) -> Option<String> {
    let (one, other) = (open(one), open(other));
    for pragma in HEADER {
        let ask = |connection: &Connection| -> Value {
            let sql = format!("PRAGMA main.{pragma}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        if ask(&one) != ask(&other) {
            return Some(format!("{pragma}: {:?} and {:?}", ask(&one), ask(&other)));
        }
    }
    let schema = "SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid";
    if let Some(differ) = rows_differ(&one, &other, schema) {
        return Some(format!("schema: {differ}"));
    }
    let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name";
    for table in column(&one, tables) {
        if let Some(differ) = rows_differ(&one, &other, &every_cell(&one, &table)) {
            return Some(format!("{table}: {differ}"));
        }
    }
    let (before, after) = (checked(&one), checked(&other));
    let new = after.into_iter().find(|line| !before.contains(line));
    new.map(|line| format!("integrity_check: {line}"))
}

fn open(path: &Path) -> Connection {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let known = |connection: &Connection, name: &str| {
        connection.create_collation(name, |one: &str, other: &str| one.cmp(other))
    };
    connection.collation_needed(known).unwrap();
    connection
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn column(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn checked(connection: &Connection) -> Vec<String> {
    connection
        .prepare("PRAGMA integrity_check(1000000)")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .unwrap_or_else(|error| vec![error.to_string()])
}

/// Every cell of a table, the bytes of texts as they are stored.
fn every_cell(connection: &Connection, table: &str) -> String {
    let columns = column(
        connection,
        &format!(
            "SELECT name FROM pragma_table_xinfo('{}') ORDER BY cid",
            table.replace('\'', "''")
        ),
    );
    let cells = columns.iter().map(|name| {
        let name = quoted(name);
        format!("typeof({name}), CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END")
    });
    let cells: Vec<_> = cells.collect();
    format!("SELECT {} FROM {} NOT INDEXED", cells.join(", "), quoted(table))
}

fn rows_differ(one: &Connection, other: &Connection, sql: &str) -> Option<String> {
    let (one, other) = (rows(one, sql), rows(other, sql));
    if one.len() != other.len() {
        return Some(format!("{} rows and {}", one.len(), other.len()));
    }
    let (one, other) = one.iter().zip(&other).find(|(one, other)| one != other)?;
    Some(format!("{one}\n and {other}"))
}

/// The rows of a statement, sorted: rows that were set aside come last.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = match connection.prepare(sql) {
        Ok(statement) => statement,
        // Of a table that SQLite makes no sense of.
        Err(error) => return vec![error.to_string()],
    };
    let count = statement.column_count();
    let shown = |cell: ValueRef<'_>| match cell {
        ValueRef::Real(value) => format!("real {:016x}", value.to_bits()),
        ValueRef::Text(bytes) => format!("text {}", bytes.escape_ascii()),
        ValueRef::Blob(bytes) => format!("blob {}", bytes.escape_ascii()),
        other => format!("{other:?}"),
    };
    let row = |row: &rusqlite::Row<'_>| {
        let cells = (0..count).map(|at| row.get_ref(at).map(shown));
        Ok(cells.collect::<Result<Vec<_>, _>>()?.join(" | "))
    };
    let mut rows: Vec<String> =
        statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap();
    rows.sort();
    rows
}
