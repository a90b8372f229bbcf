//! An empty copy of a schema in memory, as far as it can be understood here.

use crate::error::{Error, Result};
use crate::model::SourceTable;
use crate::model::identifier::quoted;
use crate::pipeline::Stop;
use crate::store::sqlite::capture::OURS;
use crate::store::sqlite::collation::stand_in;
use crate::store::sqlite::connection::Refused as _;
use crate::store::sqlite::failure::reason;
use crate::store::sqlite::guard::guard_scratch;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// The copy.
pub(super) struct Scratch {
    pub(super) connection: Connection,
    /// Counts the turns of a statement.
    pub(super) turns: Arc<AtomicU32>,
    /// The tables that could not be copied with all that must be unique in them, and why.
    pub(super) not_copied: BTreeMap<String, String>,
    /// The SQL of the application's triggers.
    pub(super) triggers: Vec<String>,
}

impl Scratch {
    /// Copies the schema of `source`: `tables`, their indexes, the views, and the application's triggers.
    pub(super) fn of(source: &Connection, tables: &[&SourceTable], stop: &Stop) -> Result<Self> {
        let place = || "trial of the changelog".to_owned();
        let mut connection = Connection::open_in_memory().refused(place)?;
        stand_in(&connection).refused(place)?;
        let turns = guard_scratch(&mut connection, stop).refused(place)?;
        let mut scratch =
            Self { connection, turns, not_copied: BTreeMap::new(), triggers: Vec::new() };
        let objects = objects(source).map_err(|error| error.at(place()))?;
        for table in tables {
            scratch.copy_table(table, &objects);
        }
        // What else there is may be missing: then what refers to it is not understood, and left out.
        for kind in ["table", "view"] {
            for object in objects.iter().filter(|object| object.kind == kind) {
                let _known_or_not_understood = scratch.connection.execute_batch(&object.sql);
            }
        }
        for trigger in objects.iter().filter(|object| object.kind == "trigger") {
            scratch.triggers.push(trigger.sql.clone());
            scratch.copy_trigger(trigger);
        }
        Ok(scratch)
    }

    fn copy_table(&mut self, table: &SourceTable, objects: &[Object]) {
        let own = |kind: &'static str| {
            let is_own = move |object: &&Object| {
                object.kind == kind && object.table.eq_ignore_ascii_case(&table.name)
            };
            objects.iter().filter(is_own)
        };
        let mut copied = own("table").try_for_each(|object| {
            // A CHECK or a DEFAULT may call what only the application knows.
            let plain = || self.connection.execute_batch(&plain(table));
            self.connection.execute_batch(&object.sql).or_else(|_not_understood| plain())
        });
        for index in own("index") {
            let made = self.connection.execute_batch(&index.sql);
            if table.indexes.iter().any(|known| known.unique && known.name == index.name) {
                copied = copied.and(made);
            }
        }
        if let Err(error) = copied {
            let reason = format!("it cannot be tried: {}", reason(&error));
            self.not_copied.insert(table.name.clone(), reason);
        }
    }

    /// Copies a trigger, unless its table could not be written to any more: it calls something that is not known here.
    fn copy_trigger(&self, trigger: &Object) {
        let table = quoted(&trigger.table);
        if self.connection.execute_batch(&trigger.sql).is_ok() {
            let column = format!("SELECT name FROM pragma_table_xinfo({table}) WHERE hidden = 0");
            let column = self.connection.query_row(&column, [], |row| row.get::<_, String>(0));
            let column = quoted(&column.unwrap_or_default());
            let writes = [
                format!("INSERT INTO {table} DEFAULT VALUES"),
                format!("UPDATE {table} SET {column} = NULL"),
                format!("DELETE FROM {table}"),
            ];
            if writes.iter().any(|sql| self.connection.prepare(sql).is_err()) {
                let drop = format!("DROP TRIGGER {}", quoted(&trigger.name));
                let _it_is_there = self.connection.execute_batch(&drop);
            }
        }
    }
}

/// A CREATE TABLE with what matters to the log, and no more.
fn plain(table: &SourceTable) -> String {
    let columns = table.columns.iter().map(|column| {
        let computed = column.generated.as_ref().map(|expression| format!(" AS ({expression})"));
        let collation = quoted(&column.collation);
        let (name, declared) = (quoted(&column.name), &column.declared);
        format!("{name} {declared} COLLATE {collation}{}", computed.unwrap_or_default())
    });
    let key: Vec<_> = table
        .primary_key
        .iter()
        .filter_map(|at| table.columns.get(*at))
        .map(|column| quoted(&column.name))
        .collect();
    let key = (!key.is_empty()).then(|| format!("PRIMARY KEY ({})", key.join(", ")));
    let parts: Vec<_> = columns.chain(key).collect();
    let options = if table.without_rowid { " WITHOUT ROWID" } else { "" };
    format!("CREATE TABLE {} ({}){options}", quoted(&table.name), parts.join(", "))
}

/// A row of `sqlite_schema`.
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

/// What was created, in order, but virtual tables and what they keep; what is not UTF-8 is left out.
fn objects(source: &Connection) -> Result<Vec<Object>, Error> {
    let sql = format!(
        r"SELECT type, name, tbl_name, sql FROM main.sqlite_schema
          WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND NOT {OURS} AND name NOT IN (
              SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('virtual', 'shadow'))
          ORDER BY rowid"
    );
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Object { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    };
    let mut statement = source.prepare(&sql).refused(|| "schema".into())?;
    let rows = statement.query_map([], read).refused(|| "schema".into())?;
    Ok(rows.filter_map(std::result::Result::ok).collect())
}
