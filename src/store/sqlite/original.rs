//! A SQLite file besides the rows that a plan carries: its schema, its header, and the tables that are kept whole.

use super::batch::raw;
use super::capture::OURS;
use super::connection::{Refused, refused};
use super::read::{Reader, has_write_ahead_log};
use super::wide::{Rows, Seen};
use crate::error::{Class, Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{
    AutoVacuum, ObjectKind, OriginalFile, OwnRow, RawCell, RowName, RowRange, SchemaObject,
    TextEncoding, Tree,
};
use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};

/// A cell with its exact bytes, and how those of a text are to be read.
pub type Exact = (RawCell, TextEncoding);

/// What the file is besides its rows. The caller holds a read transaction where it must not change meanwhile.
///
/// # Errors
///
/// A file that cannot be read, and a schema whose texts are not UTF-8.
pub fn original(connection: &Connection) -> Result<OriginalFile> {
    let file = || -> Result<_> {
        let objects = objects(connection)?;
        let own_rows = own_rows(connection, &objects)?;
        let auto_vacuum = AutoVacuum::of_number(ask(connection, "auto_vacuum")?);
        Ok(OriginalFile {
            encoding: TextEncoding::of(connection).map_err(refused)?,
            page_size: ask(connection, "page_size")?,
            auto_vacuum: auto_vacuum.unwrap_or(AutoVacuum::None),
            user_version: ask(connection, "user_version")?,
            application_id: ask(connection, "application_id")?,
            write_ahead: has_write_ahead_log(connection)?,
            objects,
            own_rows,
        })
    };
    file().at(|| "source".into())
}

fn ask<T: FromSql>(connection: &Connection, pragma: &str) -> Result<T> {
    let sql = format!("PRAGMA main.{pragma}");
    connection.query_row(&sql, [], |row| row.get(0)).map_err(refused)
}

/// A row of the schema as it is read.
struct Listed {
    number: i64,
    texts: [Option<Vec<u8>>; 4],
    has_tree: bool,
    /// What SQLite takes a table for, and whether it is WITHOUT ROWID.
    taken_for: Option<String>,
    without_rowid: bool,
}

fn objects(connection: &Connection) -> Result<Vec<SchemaObject>> {
    let sql = format!(
        "SELECT s.rowid, s.type, s.name, s.tbl_name, s.sql, coalesce(s.rootpage, 0) > 0, l.type, coalesce(l.wr, 0)
         FROM (SELECT rowid, * FROM main.sqlite_schema WHERE NOT {OURS}) AS s
         LEFT JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = s.name AND s.type = 'table'
         ORDER BY s.rowid"
    );
    let text = |row: &Row<'_>, at| -> rusqlite::Result<Option<Vec<u8>>> {
        Ok(row.get_ref(at)?.as_bytes_or_null()?.map(<[u8]>::to_vec))
    };
    let listed = |row: &Row<'_>| {
        Ok(Listed {
            number: row.get(0)?,
            texts: [text(row, 1)?, text(row, 2)?, text(row, 3)?, text(row, 4)?],
            has_tree: row.get(5)?,
            taken_for: row.get(6)?,
            without_rowid: row.get(7)?,
        })
    };
    let mut statement = connection.prepare(&sql).map_err(refused)?;
    let rows = statement.query_map([], listed).map_err(refused)?;
    rows.map(|row| object(row.map_err(refused)?)).collect()
}

fn object(listed: Listed) -> Result<SchemaObject> {
    let Listed { number, texts, has_tree, taken_for, without_rowid } = listed;
    let at = || format!("row {number} of its schema");
    let text = |bytes: Option<Vec<u8>>| bytes.map(String::from_utf8).transpose();
    let [kind, name, table, sql] = texts;
    let (name, table, sql) = (text(name), text(table), text(sql));
    let (Ok(Some(name)), Ok(Some(table)), Ok(sql)) = (name, table, sql) else {
        return Err(Error::new(Class::Data, "is not UTF-8, and cannot be kept")
            .todo("rename what has such a name or such a definition")
            .at(at()));
    };
    let kind = kind.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let kind = ObjectKind::of_name(&kind)
        .ok_or_else(|| Error::new(Class::Data, format!("is a {kind}, and not known")))
        .at(at)?;
    Ok(SchemaObject {
        tree: has_tree.then_some(match kind {
            ObjectKind::Table if !without_rowid => Tree::Rowids,
            _ => Tree::Keys,
        }),
        is_shadow: has_tree && taken_for.as_deref() == Some("shadow"),
        number,
        kind,
        name,
        table,
        sql,
    })
}

/// The rows of SQLite's own tables, which are few.
fn own_rows(connection: &Connection, objects: &[SchemaObject]) -> Result<Vec<OwnRow>> {
    let is_own = |object: &&SchemaObject| {
        let prefix = object.name.get(..OWN.len());
        object.kind == ObjectKind::Table
            && prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(OWN))
    };
    let mut own = Vec::new();
    for object in objects.iter().filter(is_own) {
        let mut keep = |name: RowName, cells| {
            let (table, rowid) = (object.name.clone(), name.rowid().unwrap_or(0));
            own.push(OwnRow { table, rowid, cells });
            true
        };
        rows(connection, object, &mut keep).at(|| format!("table {}", object.name))?;
    }
    Ok(own)
}

/// With this the names of SQLite's own tables begin.
const OWN: &str = "sqlite_";

/// The columns of a table that stand in its rows, in order: all but those that are computed when they are read.
pub(super) fn stored_columns(
    connection: &Connection,
    table: &str,
) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 2 ORDER BY cid";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

impl Reader {
    /// Reads every row of a table that is kept whole ([`OriginalFile::shadows`]), with its rowid, else all its cells, for
    /// a name.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_whole<E: From<Error>>(
        &self,
        object: &SchemaObject,
        mut emit: impl FnMut(RowName, Vec<Exact>) -> Result<(), E>,
    ) -> Result<(), E> {
        // An error of `emit` is passed on as it is; ours gets its place.
        let mut emitted = Ok(());
        let read = self.in_one_state(|connection| {
            rows(connection, object, &mut |name, cells| {
                emitted = emit(name, cells);
                emitted.is_ok()
            })
        });
        emitted?;
        Ok(read.at(|| format!("table {}", object.name))?)
    }
}

fn rows(
    connection: &Connection,
    object: &SchemaObject,
    emit: &mut dyn FnMut(RowName, Vec<Exact>) -> bool,
) -> Result<()> {
    let encoding = TextEncoding::of(connection).map_err(refused)?;
    let columns = stored_columns(connection, &object.name).map_err(refused)?;
    let hidden = ["rowid", "_rowid_", "oid"].into_iter().find(|name| {
        object.tree == Some(Tree::Rowids)
            && columns.iter().all(|column| !column.eq_ignore_ascii_case(name))
    });
    let names: Vec<_> = columns.iter().map(|column| quoted(column)).collect();
    let select = encoding.select(&names, hidden);
    let sql = format!("SELECT {select} FROM main.{} NOT INDEXED", quoted(&object.name));
    let shape = (encoding, columns.len(), hidden);
    let mut rows = Rows::query(connection, &sql, RowRange::All, shape).map_err(refused)?;
    while let Some(row) = rows.next().map_err(refused)? {
        let (name, cells) = whole(&row, columns.len(), hidden.is_some())?;
        if !emit(name, cells) {
            break;
        }
    }
    Ok(())
}

fn whole(row: &Seen<'_>, columns: usize, has_rowid: bool) -> Result<(RowName, Vec<Exact>)> {
    let cell = |position| row.raw(position).refused(|| format!("column {}", position + 1));
    let cells = (0..columns).map(cell).collect::<Result<Vec<_>>>()?;
    let name = if has_rowid {
        RowName::Rowid(row.rowid(columns).refused(|| "rowid".into())?)
    } else {
        let cells = (0..columns).map(|position| row.cell(position).map(raw));
        RowName::Cells(cells.collect::<Result<_, _>>().refused(|| "row".into())?)
    };
    Ok((name, cells))
}

#[cfg(test)]
mod tests {
    use super::original;
    use crate::model::{ObjectKind, Tree};
    use rusqlite::Connection;

    #[test]
    fn a_file_is_told_but_for_its_rows() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "PRAGMA user_version = 7; PRAGMA application_id = 99;
                 CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT UNIQUE);
                 CREATE TABLE k (a PRIMARY KEY) WITHOUT ROWID;
                 CREATE VIRTUAL TABLE f USING fts5(x);
                 CREATE VIEW v AS SELECT a FROM t;
                 CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = 'x'; END;
                 INSERT INTO t (a) VALUES ('a'), ('b'); DELETE FROM t WHERE a = 'b'; ANALYZE;
                 CREATE TABLE _liteferry_log (seq INTEGER PRIMARY KEY);",
            )
            .unwrap();
        let file = original(&connection).unwrap();
        assert_eq!((file.user_version, file.application_id), (7, 99));
        assert!(!file.write_ahead);
        let of = |name: &str| file.objects.iter().find(|object| object.name == name).unwrap();
        let trees = ["t", "sqlite_autoindex_t_1", "k", "f", "v", "g"].map(|name| of(name).tree);
        let (rowids, keys) = (Some(Tree::Rowids), Some(Tree::Keys));
        assert_eq!(trees, [rowids, keys, keys, None, None, None]);
        assert_eq!(of("g").kind, ObjectKind::Trigger);
        assert!(file.objects.iter().all(|object| object.name != "_liteferry_log"));
        let shadows: Vec<_> = file.shadows().map(|object| object.name.as_str()).collect();
        assert_eq!(shadows, ["f_data", "f_idx", "f_content", "f_docsize", "f_config"]);
        let rows: Vec<_> = file.own_rows.iter().map(|row| row.table.as_str()).collect();
        assert!(rows.contains(&"sqlite_sequence") && rows.contains(&"sqlite_stat1"), "{rows:?}");
        let json = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<crate::model::OriginalFile>(&json).unwrap(), file);
    }
}
