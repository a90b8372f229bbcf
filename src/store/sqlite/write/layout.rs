//! The trees of a new file and the tables by which they are filled.
//!
//! A row goes in through a stand-in for its table: one of the same stored columns, in the same tree, but without types,
//! constraints, indexes and triggers. So no affinity changes a value, whatever it is, and nothing fires or forbids it. Then
//! the schema's own rows take the place of the stand-ins', and the indexes are made from what the tables hold. How a row
//! lies in its tree depends on nothing else: <https://www.sqlite.org/fileformat2.html#representation_of_sql_tables>.

use crate::error::{Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{ObjectKind, OriginalFile, SchemaObject, Tree};
use crate::store::sqlite::connection::refused;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Where everything of a schema is in a new file.
#[derive(Debug)]
pub(super) struct Layout {
    /// The page at which each object's tree begins; 0 where it has none.
    roots: Vec<i64>,
    /// By the names of the tables that they stand in for.
    stand_ins: BTreeMap<String, StandIn>,
}

/// A table by which another's rows are written.
#[derive(Debug)]
pub(super) struct StandIn {
    /// Its name.
    pub(super) name: String,
    /// The other table's columns: `c0`, `c1` and so on here.
    pub(super) columns: Vec<StandInColumn>,
    /// The column that is another name for the rowid.
    pub(super) rowid_alias: Option<usize>,
    /// Whether it has rowids.
    pub(super) has_rowid: bool,
}

/// A column of a table.
#[derive(Debug)]
pub(super) struct StandInColumn {
    /// Its name there.
    pub(super) name: String,
    /// Whether it stands in the rows, and is not computed when they are read.
    pub(super) is_stored: bool,
}

/// The key by whose order the rows of a table without rowids lie, as SQL.
type StoredKey = Vec<String>;

impl Layout {
    /// Makes a tree for each object that has one, and leaves the stand-ins in the schema.
    ///
    /// # Errors
    ///
    /// A schema that SQLite does not take, and what the disk says.
    pub(super) fn make(connection: &Connection, file: &OriginalFile) -> Result<Self> {
        let roots = roots(connection, &file.objects)?;
        let mut layout = Self { roots, stand_ins: BTreeMap::new() };
        layout.restore(connection, file)?;
        let mut made = Vec::new();
        let objects = file.objects.iter().zip(&layout.roots).enumerate();
        for (number, (object, &root)) in objects {
            if object.kind == ObjectKind::Table && object.tree.is_some() {
                let (stand_in, sql) =
                    stand_in(connection, object, number).at(|| format!("table {}", object.name))?;
                made.push((stand_in.name.clone(), root, sql));
                layout.stand_ins.insert(object.name.clone(), stand_in);
            }
        }
        rewrite(connection, |insert| {
            (1_i64..).zip(&made).try_for_each(|(number, (name, root, sql))| {
                insert.execute(params![number, "table", name, name, root, sql]).map(drop)
            })
        })?;
        Ok(layout)
    }

    /// Puts the rows of the original schema into that of the new file.
    ///
    /// # Errors
    ///
    /// A schema that SQLite does not take, and what the disk says.
    pub(super) fn restore(&self, connection: &Connection, file: &OriginalFile) -> Result<()> {
        rewrite(connection, |insert| {
            file.objects.iter().zip(&self.roots).try_for_each(|(object, root)| {
                let SchemaObject { number, kind, name, table, sql, .. } = object;
                insert.execute(params![number, kind.name(), name, table, root, sql]).map(drop)
            })
        })
    }

    /// What stands in for a table.
    pub(super) fn stand_in(&self, table: &str) -> Result<&StandIn> {
        self.stand_ins.get(table).ok_or_else(|| Error::internal("the schema has no such table"))
    }
}

/// Makes the trees, by tables that are forgotten again: the page at which each begins is known by its table.
fn roots(connection: &Connection, objects: &[SchemaObject]) -> Result<Vec<i64>> {
    let mut root = connection
        .prepare("SELECT rootpage FROM main.sqlite_schema WHERE name = ?1")
        .map_err(refused)?;
    let mut make = |number: usize, object: &SchemaObject| {
        let name = name_of(number);
        let columns = match object.tree {
            None => return Ok(0),
            Some(Tree::Rowids) => "(c0)",
            Some(Tree::Keys) => "(c0 PRIMARY KEY) WITHOUT ROWID",
        };
        connection.execute_batch(&format!("CREATE TABLE main.{name} {columns}"))?;
        root.query_row([name], |row| row.get(0))
    };
    let objects = objects.iter().enumerate();
    objects.map(|(number, object)| make(number, object).map_err(refused)).collect()
}

/// The name of what stands in for the object of this number.
fn name_of(number: usize) -> String {
    format!("t{number}")
}

/// Writes all rows of the schema anew, and has SQLite read them.
fn rewrite(
    connection: &Connection,
    write: impl FnOnce(&mut rusqlite::Statement<'_>) -> rusqlite::Result<()>,
) -> Result<()> {
    let rewrite = || {
        connection.execute_batch(
            "PRAGMA writable_schema = ON; DELETE FROM main.sqlite_schema WHERE rowid IS NOT NULL",
        )?;
        write(&mut connection.prepare(
            "INSERT INTO main.sqlite_schema (rowid, type, name, tbl_name, rootpage, sql)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?)?;
        connection.flush_prepared_statement_cache();
        connection.execute_batch("PRAGMA writable_schema = RESET")?;
        connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_row| Ok(()))
    };
    rewrite().map_err(refused).at(|| "schema".into())
}

/// What stands in for a table, and the statement that makes it.
fn stand_in(
    connection: &Connection,
    object: &SchemaObject,
    number: usize,
) -> Result<(StandIn, String)> {
    let read = || {
        let columns = columns(connection, &object.name)?;
        let key = match object.tree {
            Some(Tree::Keys) => stored_key(connection, object, &columns)?,
            _ => Vec::new(),
        };
        Ok((rowid_alias(connection, object)?, columns, key))
    };
    let (rowid_alias, columns, key) = read().map_err(|error: rusqlite::Error| refused(error))?;
    let declared = columns.iter().enumerate().filter(|(_, column)| column.is_stored);
    let mut declared: Vec<_> = declared
        .map(|(at, _)| {
            let alias = if rowid_alias == Some(at) { " INTEGER PRIMARY KEY" } else { "" };
            format!("c{at}{alias}")
        })
        .collect();
    let mut tail = "";
    if !key.is_empty() {
        declared.push(format!("PRIMARY KEY ({})", key.join(", ")));
        tail = " WITHOUT ROWID";
    }
    let name = name_of(number);
    let sql = format!("CREATE TABLE {name} ({}){tail}", declared.join(", "));
    let has_rowid = object.tree == Some(Tree::Rowids);
    Ok((StandIn { name, columns, rowid_alias, has_rowid }, sql))
}

/// What `table_xinfo` says of a generated column that is not stored.
const VIRTUAL: i64 = 2;

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<StandInColumn>> {
    let sql = "SELECT name, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let mut statement = connection.prepare_cached(sql)?;
    let column = |row: &rusqlite::Row<'_>| {
        let hidden: i64 = row.get(1)?;
        Ok(StandInColumn { name: row.get(0)?, is_stored: hidden != VIRTUAL })
    };
    statement.query_map([table], column)?.collect()
}

/// The column that is another name for the rowid: the key's only one, where the key has no index of its own.
fn rowid_alias(connection: &Connection, object: &SchemaObject) -> rusqlite::Result<Option<usize>> {
    if object.tree != Some(Tree::Rowids) {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(
        "SELECT max(cid) FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0
         HAVING count(*) = 1 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')",
    )?;
    let mut rows = statement.query([&object.name])?;
    let position = rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()?;
    Ok(position.and_then(|position| position.try_into().ok()))
}

fn stored_key(
    connection: &Connection,
    object: &SchemaObject,
    columns: &[StandInColumn],
) -> rusqlite::Result<StoredKey> {
    let mut statement = connection.prepare_cached(
        "SELECT x.name, x.\"desc\", x.coll FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x
         WHERE l.origin = 'pk' AND x.key = 1 ORDER BY x.seqno",
    )?;
    let part = |row: &rusqlite::Row<'_>| {
        let (name, descending, collation): (String, bool, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let at = columns.iter().position(|column| column.name == name);
        let at = at.ok_or(rusqlite::Error::InvalidColumnName(name))?;
        let order = if descending { "DESC" } else { "ASC" };
        Ok(format!("c{at} COLLATE {} {order}", quoted(&collation)))
    };
    statement.query_map([&object.name], part)?.collect()
}
