//! The schema of a SQLite file as it is: tables, columns, keys, indexes, foreign keys, and what is left behind.
//!
//! Facts come from table-valued pragma functions with bound names, so that no name needs quoting, and always from
//! `main`, so that no TEMP table hides a real one. What only the SQL text tells comes from `declaration`; where
//! that text cannot be parsed the table is still moved, and a note says what is not known.

use super::declaration::{self, ForeignKeyDeclaration, TableDeclaration};
use super::failure::{Unreadable, refused, shown};
use crate::error::{Class, Error, Place as _, Result};
use crate::model::{
    Deferral, ForeignKeyAction, IndexOrigin, SourceColumn, SourceForeignKey, SourceIndex,
    SourceIndexColumn, SourceSchema, SourceTable, UnreadableTable,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use std::collections::BTreeSet;

/// Reads the whole schema of `main`. The caller holds a read transaction where the schema must not change meanwhile.
///
/// A table that cannot be made sense of is among the unreadable ones, and keeps no other from being moved.
pub fn introspect(connection: &Connection) -> Result<SourceSchema> {
    let listed = rows(
        connection,
        r"SELECT name, wr, strict FROM pragma_table_list
          WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name",
        [],
        |row| Ok((text(row, 0)?, row.get(1)?, row.get(2)?)),
    )?;
    let mut tables = Vec::with_capacity(listed.len());
    let mut unreadable = not_understood(connection)?;
    for (name, without_rowid, strict) in listed {
        let read = match (String::from_utf8(name.clone()), misnamed_part(connection, &name)) {
            (Ok(name), None) => table(connection, ListedTable { name, without_rowid, strict }),
            (Ok(_), Some(part)) => {
                let reason =
                    format!("the name of its {part} is not UTF-8: rename it in the source");
                unreadable.push(UnreadableTable { name: shown(&name), reason, damaged: false });
                continue;
            }
            (Err(_not_utf8), _) => {
                let reason = "its name is not UTF-8: rename it in the source".into();
                unreadable.push(UnreadableTable { name: shown(&name), reason, damaged: false });
                continue;
            }
        };
        match read {
            Ok(table) => tables.push(table),
            Err(error) => {
                unreadable
                    .push(unreadable_table(&name, error).at(|| format!("table {}", shown(&name)))?);
            }
        }
    }
    let left_behind = left_behind(connection)?;
    Ok(SourceSchema { tables, left_behind, unreadable })
}

/// The first column or index of a table that no name of the target can name, in words.
fn misnamed_part(connection: &Connection, table: &[u8]) -> Option<String> {
    let table = std::str::from_utf8(table).ok()?;
    let names = rows(
        connection,
        "SELECT 'column', name FROM pragma_table_xinfo(?1, 'main')
         UNION ALL SELECT 'index', name FROM pragma_index_list(?1, 'main')",
        [table],
        |row| Ok((row.get::<_, String>(0)?, text(row, 1)?)),
    );
    // What cannot be listed is told where the table is read.
    let names = names.unwrap_or_default();
    let mut misnamed = names.into_iter().filter(|(_, name)| std::str::from_utf8(name).is_err());
    misnamed.next().map(|(kind, name)| format!("{kind} {}", shown(&name)))
}

/// A table of which something cannot be read; an error that is about something else is passed on.
fn unreadable_table(name: &[u8], error: Error) -> Result<UnreadableTable> {
    match Unreadable::of(&error) {
        Some(why) => Ok(UnreadableTable {
            name: shown(name),
            reason: why.reason().into(),
            damaged: matches!(why, Unreadable::Damaged(_)),
        }),
        None => Err(error),
    }
}

/// Tables whose declaration SQLite passed over, which it does only where a damaged file was accepted.
fn not_understood(connection: &Connection) -> Result<Vec<UnreadableTable>> {
    let understood: BTreeSet<Vec<u8>> =
        rows(connection, "SELECT name FROM pragma_table_list WHERE schema = 'main'", [], |row| {
            text(row, 0)
        })?
        .into_iter()
        .collect();
    let (written, broken_off) = rows_as_far_as_readable(
        connection,
        r"SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'",
        |row| text(row, 0),
    )?;
    let unknown = written.iter().filter(|&name| !understood.contains(name));
    let mut unreadable: Vec<_> = unknown
        .map(|name| UnreadableTable {
            name: shown(name),
            reason: "SQLite does not understand its CREATE TABLE".into(),
            damaged: true,
        })
        .collect();
    unreadable.extend(broken_off.map(|reason| UnreadableTable {
        name: "sqlite_schema".into(),
        reason: format!(
            "{reason}: the list of tables breaks off, and those behind cannot be named"
        ),
        damaged: true,
    }));
    Ok(unreadable)
}

/// blake3 of the schema's text, without what SQLite itself keeps there (statistics come and go), as far as it can be
/// read.
pub fn fingerprint(connection: &Connection) -> Result<String> {
    let (mut objects, _broken_off) = rows_as_far_as_readable(
        connection,
        r"SELECT type || ' ' || name || ' ' || tbl_name, coalesce(CAST(sql AS BLOB), x'') FROM main.sqlite_schema
          WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'",
        |row| Ok((text(row, 0)?, row.get::<_, Vec<u8>>(1)?)),
    )?;
    objects.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for (name, sql) in &objects {
        for part in [name.as_slice(), sql.as_slice()] {
            hasher
                .update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes())
                .update(part);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Views, triggers and virtual tables.
fn left_behind(connection: &Connection) -> Result<Vec<(String, String, String)>> {
    let lossy =
        |row: &Row<'_>, at| text(row, at).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (mut found, _broken_off) = rows_as_far_as_readable(
        connection,
        "SELECT CASE type WHEN 'table' THEN 'virtual table' ELSE type END AS kind, name, coalesce(sql, '')
         FROM main.sqlite_schema
         WHERE type IN ('view', 'trigger')
            OR (type = 'table' AND name IN (
                SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'))",
        |row| Ok((lossy(row, 0)?, lossy(row, 1)?, lossy(row, 2)?)),
    )?;
    found.sort_unstable();
    Ok(found)
}

/// A text's bytes, which need not be UTF-8; nothing where there is no text.
fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Vec::new(),
    })
}

/// A table as PRAGMA table_list has it.
struct ListedTable {
    name: String,
    without_rowid: bool,
    strict: bool,
}

fn table(connection: &Connection, listed: ListedTable) -> Result<SourceTable> {
    let ListedTable { name, without_rowid, strict } = listed;
    let sql = schema_sql(connection, "table", &name)?.unwrap_or_default();
    let mut notes = Vec::new();
    let declared = declaration::table(&sql).unwrap_or_else(|reason| {
        notes.push(format!(
            "its CREATE TABLE could not be parsed ({reason}): CHECKs, collations, AUTOINCREMENT and deferrability are \
             not known"
        ));
        TableDeclaration::default()
    });
    let (columns, primary_key) = columns(connection, &name, &declared, strict)?;
    let origins = index_origins(connection, &name)?;
    let rowid_alias = match primary_key.as_slice() {
        // INT PRIMARY KEY and INTEGER PRIMARY KEY DESC look alike but have an index of their own.
        [only] if !without_rowid && !origins.contains(&IndexOrigin::PrimaryKey) => Some(*only),
        _ => None,
    };
    let indexes = indexes(connection, &name, &mut notes)?;
    let foreign_keys = foreign_keys(connection, &name, &columns, declared.foreign_keys)?;
    let sequence = sequence(connection, &name).or_else(|error| match Unreadable::of(&error) {
        // That table is SQLite's own: the rows of this one are none the worse.
        Some(Unreadable::Damaged(reason)) => {
            notes.push(format!("the highest rowid ever given out cannot be read: {reason}"));
            Ok(None)
        }
        _ => Err(error),
    })?;
    Ok(SourceTable {
        rowid_name: if without_rowid { None } else { rowid_name(&columns) },
        sequence,
        autoincrement: declared.autoincrement,
        checks: declared.checks,
        name,
        columns,
        primary_key,
        rowid_alias,
        without_rowid,
        indexes,
        foreign_keys,
        notes,
    })
}

/// The columns, and the positions of the key's columns in key order.
fn columns(
    connection: &Connection,
    table: &str,
    declared: &TableDeclaration,
    strict: bool,
) -> Result<(Vec<SourceColumn>, Vec<usize>)> {
    let read = rows(
        connection,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid",
        [table],
        |row| {
            let name: String = row.get(0)?;
            let text = declared.columns.iter().find(|c| c.name.eq_ignore_ascii_case(&name));
            let (collation, generated) =
                text.map_or((None, None), |c| (c.collation.clone(), c.generated.clone()));
            let is_generated = matches!(row.get(5)?, 2_i64 | 3);
            let kind: String = row.get(1)?;
            let column = SourceColumn {
                name,
                any: strict && kind.eq_ignore_ascii_case("ANY"),
                declared: kind,
                not_null: row.get(2)?,
                default: row.get(3)?,
                collation: collation.unwrap_or_else(|| "BINARY".into()),
                generated: is_generated.then(|| generated.unwrap_or_default()),
            };
            Ok((column, row.get::<_, i64>(4)?))
        },
    )?;
    let mut key: Vec<(i64, usize)> = read
        .iter()
        .enumerate()
        .filter(|(_, (_, rank))| *rank > 0)
        .map(|(position, (_, rank))| (*rank, position))
        .collect();
    key.sort_unstable();
    let columns = read.into_iter().map(|(column, _)| column).collect();
    Ok((columns, key.into_iter().map(|(_, position)| position).collect()))
}

/// The first of the rowid's names that no column has.
fn rowid_name(columns: &[SourceColumn]) -> Option<&'static str> {
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)))
}

/// The highest rowid ever given out, where the table is AUTOINCREMENT and has had a row.
fn sequence(connection: &Connection, table: &str) -> Result<Option<i64>> {
    let kept: bool = one(
        connection,
        "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = 'sqlite_sequence'",
        [],
    )?;
    if !kept {
        return Ok(None);
    }
    // Applications write to this table too: rows may be doubled, and seq may be anything.
    one(
        connection,
        "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?1 AND typeof(seq) = 'integer'",
        [table],
    )
}

fn index_origins(connection: &Connection, table: &str) -> Result<Vec<IndexOrigin>> {
    rows(connection, "SELECT origin FROM pragma_index_list(?1, 'main')", [table], |row| {
        Ok(origin(&row.get::<_, String>(0)?))
    })
}

fn origin(code: &str) -> IndexOrigin {
    match code {
        "pk" => IndexOrigin::PrimaryKey,
        "u" => IndexOrigin::Unique,
        _ => IndexOrigin::Create,
    }
}

/// An index as PRAGMA index_list has it.
struct ListedIndex {
    name: String,
    unique: bool,
    origin: IndexOrigin,
    partial: bool,
}

/// A key column as PRAGMA index_xinfo has it: -1 is the rowid, -2 an expression.
struct ListedKey {
    column: i64,
    descending: bool,
    collation: String,
}

fn indexes(
    connection: &Connection,
    table: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<SourceIndex>> {
    let listed = rows(
        connection,
        "SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1, 'main') ORDER BY name",
        [table],
        |row| {
            Ok(ListedIndex {
                name: row.get(0)?,
                unique: row.get(1)?,
                origin: origin(&row.get::<_, String>(2)?),
                partial: row.get(3)?,
            })
        },
    )?;
    let mut indexes = Vec::with_capacity(listed.len());
    for listed in listed {
        let place = format!("index {}", listed.name);
        indexes.extend(index(connection, listed, notes).at(|| place)?);
    }
    Ok(indexes)
}

/// One index, or a note where its text is needed and cannot be parsed: a partial unique index without its predicate
/// would be another constraint.
fn index(
    connection: &Connection,
    listed: ListedIndex,
    notes: &mut Vec<String>,
) -> Result<Option<SourceIndex>> {
    let keys = rows(
        connection,
        "SELECT cid, \"desc\", coll FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 ORDER BY seqno",
        [&listed.name],
        |row| {
            Ok(ListedKey {
                column: row.get(0)?,
                descending: row.get(1)?,
                collation: row.get::<_, String>(2)?.to_ascii_uppercase(),
            })
        },
    )?;
    let sql = schema_sql(connection, "index", &listed.name)?;
    let mut texts = Vec::new();
    let mut predicate = None;
    if listed.partial || keys.iter().any(|key| key.column == EXPRESSION) {
        match declaration::index(sql.as_deref().unwrap_or_default()) {
            Ok(declared) => (texts, predicate) = (declared.keys, declared.predicate),
            Err(reason) => {
                let (name, sql) = (&listed.name, sql.unwrap_or_default());
                notes.push(format!("its index {name} could not be parsed ({reason}): {sql}"));
                return Ok(None);
            }
        }
    }
    let columns =
        keys.into_iter().enumerate().map(|(at, key)| index_column(key, texts.get(at))).collect();
    let ListedIndex { name, unique, origin, .. } = listed;
    Ok(Some(SourceIndex { name, origin, unique, columns, predicate, sql }))
}

/// What index_xinfo says instead of a column's position where the key is an expression.
const EXPRESSION: i64 = -2;

fn index_column(key: ListedKey, text: Option<&String>) -> SourceIndexColumn {
    let ListedKey { column, descending, collation } = key;
    // SQLite names the alias of the rowid where there is one, so that -1 stands for a rowid without a column.
    let key = usize::try_from(column).map_err(|_negative| match column {
        EXPRESSION => text.cloned().unwrap_or_default(),
        _ => "rowid".into(),
    });
    SourceIndexColumn { key, descending, collation }
}

/// A row of PRAGMA foreign_key_list: one column of one key.
struct ForeignKeyPart {
    id: i64,
    parent: String,
    from: String,
    to: Option<String>,
    on_update: String,
    on_delete: String,
}

fn foreign_keys(
    connection: &Connection,
    table: &str,
    columns: &[SourceColumn],
    mut declared: Vec<ForeignKeyDeclaration>,
) -> Result<Vec<SourceForeignKey>> {
    // SQLite numbers the keys from the last one declared.
    let parts = rows(
        connection,
        "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete
         FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq",
        [table],
        |row| {
            Ok(ForeignKeyPart {
                id: row.get(0)?,
                parent: row.get(1)?,
                from: row.get(2)?,
                to: row.get(3)?,
                on_update: row.get(4)?,
                on_delete: row.get(5)?,
            })
        },
    )?;
    parts
        .chunk_by(|one, next| one.id == next.id)
        .filter_map(|parts| foreign_key(parts, columns, &mut declared).transpose())
        .collect()
}

fn foreign_key(
    parts: &[ForeignKeyPart],
    columns: &[SourceColumn],
    declared: &mut Vec<ForeignKeyDeclaration>,
) -> Result<Option<SourceForeignKey>> {
    let Some(first) = parts.first() else { return Ok(None) };
    let positions = parts
        .iter()
        .map(|part| {
            let position = columns.iter().position(|c| c.name.eq_ignore_ascii_case(&part.from));
            position.ok_or_else(|| {
                Error::new(
                    Class::Data,
                    format!("a foreign key names the column {}, which is not there", part.from),
                )
            })
        })
        .collect::<Result<Vec<usize>>>()?;
    let parent_columns: Vec<String> = parts.iter().filter_map(|part| part.to.clone()).collect();
    let from: Vec<String> = parts.iter().map(|part| part.from.clone()).collect();
    let matching = declared.iter().position(|key| {
        key.parent.eq_ignore_ascii_case(&first.parent)
            && same_names(&key.columns, &from)
            && same_names(&key.parent_columns, &parent_columns)
    });
    Ok(Some(SourceForeignKey {
        columns: positions,
        parent: first.parent.clone(),
        parent_columns,
        on_update: action(&first.on_update)?,
        on_delete: action(&first.on_delete)?,
        deferral: matching.map_or(Deferral::Immediate, |at| declared.remove(at).deferral),
    }))
}

fn same_names(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

fn action(words: &str) -> Result<ForeignKeyAction> {
    Ok(match words {
        "NO ACTION" => ForeignKeyAction::NoAction,
        "RESTRICT" => ForeignKeyAction::Restrict,
        "SET NULL" => ForeignKeyAction::SetNull,
        "SET DEFAULT" => ForeignKeyAction::SetDefault,
        "CASCADE" => ForeignKeyAction::Cascade,
        other => {
            return Err(Error::new(
                Class::Data,
                format!("a foreign key has the unknown action {other}"),
            ));
        }
    })
}

/// The SQL of an object; none where SQLite keeps none, empty where it is not UTF-8.
fn schema_sql(connection: &Connection, kind: &str, name: &str) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT sql FROM main.sqlite_schema WHERE type = ?1 AND name = ?2")
        .and_then(|mut statement| {
            let bytes = |row: &Row<'_>| Ok(row.get_ref(0)?.as_bytes_or_null()?.map(<[u8]>::to_vec));
            statement.query_row([kind, name], bytes).optional()
        })
        .map(|found| Some(String::from_utf8(found??).unwrap_or_default()))
        .map_err(refused)
}

fn one<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<T> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(parameters, |row| row.get(0)))
        .map_err(refused)
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map(parameters, read)?.collect())
        .map_err(refused)
}

/// The rows before the first damaged one, and what SQLite says of that.
fn rows_as_far_as_readable<T>(
    connection: &Connection,
    sql: &str,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<(Vec<T>, Option<String>)> {
    let mut found = Vec::new();
    let mut scan = || {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(())
    };
    match scan().map_err(refused) {
        Ok(()) => Ok((found, None)),
        Err(error) => match Unreadable::of(&error) {
            Some(Unreadable::Damaged(reason)) => Ok((found, Some(reason))),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::introspect;
    use crate::model::{Deferral, ForeignKeyAction, IndexOrigin, SourceSchema, SourceTable};
    use rusqlite::Connection;

    fn schema(sql: &str) -> SourceSchema {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        introspect(&connection).unwrap()
    }

    fn table(sql: &str) -> SourceTable {
        let mut schema = schema(sql);
        assert_eq!(schema.tables.len(), 1);
        schema.tables.remove(0)
    }

    #[test]
    fn only_integer_primary_key_in_its_plain_form_is_the_rowid() {
        for (key, is_alias) in [
            ("id INTEGER PRIMARY KEY", true),
            ("id integer primary key autoincrement", true),
            ("id INTEGER, PRIMARY KEY (id)", true),
            ("id INTEGER, PRIMARY KEY (id DESC)", true),
            ("id INT PRIMARY KEY", false),
            ("id BIGINT PRIMARY KEY", false),
            ("id INTEGER PRIMARY KEY DESC", false),
            ("id TEXT PRIMARY KEY", false),
            ("id INTEGER, b, PRIMARY KEY (id, b)", false),
            ("id INTEGER", false),
        ] {
            let table = table(&format!("CREATE TABLE t ({key})"));
            assert_eq!(table.rowid_alias, is_alias.then_some(0), "{key}");
            assert_eq!(table.rowid_name, Some("rowid"), "{key}");
        }
    }

    #[test]
    fn a_without_rowid_table_has_no_rowid_at_all() {
        let table = table("CREATE TABLE t (a, id INTEGER, PRIMARY KEY (id, a)) WITHOUT ROWID");
        assert!(table.without_rowid);
        assert_eq!((table.rowid_alias, table.rowid_name), (None, None));
        assert_eq!(table.primary_key, [1, 0]);
    }

    #[test]
    fn a_shadowed_rowid_is_called_by_another_name_or_by_none() {
        assert_eq!(table("CREATE TABLE t (RowId, a)").rowid_name, Some("_rowid_"));
        assert_eq!(table("CREATE TABLE t (rowid, _ROWID_)").rowid_name, Some("oid"));
        let hidden = table("CREATE TABLE t (rowid, _rowid_, OID)");
        assert_eq!((hidden.rowid_name, hidden.without_rowid), (None, false));
    }

    #[test]
    fn columns_carry_type_default_collation_and_generated_expression() {
        let table = table(
            "CREATE TABLE t (
                a VARCHAR(10) NOT NULL DEFAULT 'x''y' COLLATE nocase,
                b AS (a || 'z'), c INTEGER GENERATED ALWAYS AS (length(a)) STORED, d DEFAULT (1 + 2))",
        );
        let [a, b, c, d] = table.columns.as_slice() else { panic!("four columns") };
        assert_eq!((a.declared.as_str(), a.not_null), ("VARCHAR(10)", true));
        assert_eq!((a.default.as_deref(), a.collation.as_str()), (Some("'x''y'"), "NOCASE"));
        assert_eq!(b.generated.as_deref(), Some("a || 'z'"));
        assert_eq!((c.generated.as_deref(), c.declared.as_str()), (Some("length (a)"), "INTEGER"));
        assert_eq!((d.default.as_deref(), d.collation.as_str()), (Some("1 + 2"), "BINARY"));
        assert_eq!(d.generated, None);
    }

    #[test]
    fn a_sequence_is_read_even_where_it_is_above_every_row() {
        let table = table(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);
             INSERT INTO t VALUES (41); DELETE FROM t;
             INSERT INTO sqlite_sequence VALUES ('t', 'junk');",
        );
        assert!(table.autoincrement);
        assert_eq!(table.sequence, Some(41));
    }

    #[test]
    fn indexes_show_expressions_order_collation_and_predicate() {
        let table = table(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b);
             CREATE UNIQUE INDEX i1 ON t (b DESC, lower(a), a COLLATE nocase) WHERE b > 0;
             CREATE INDEX i2 ON t (id);",
        );
        let [i1, i2, unique] = table.indexes.as_slice() else { panic!("three indexes") };
        let keys: Vec<_> = i1
            .columns
            .iter()
            .map(|c| (c.key.clone(), c.descending, c.collation.as_str()))
            .collect();
        assert_eq!(
            keys,
            [
                (Ok(2), true, "BINARY"),
                (Err("lower (a)".into()), false, "BINARY"),
                (Ok(1), false, "NOCASE"),
            ]
        );
        assert_eq!(i1.predicate.as_deref(), Some("b > 0"));
        assert!(i1.unique && i1.origin == IndexOrigin::Create);
        assert!(i1.sql.as_deref().unwrap().starts_with("CREATE UNIQUE INDEX i1"));
        assert_eq!((i2.columns[0].key.clone(), i2.predicate.as_deref()), (Ok(0), None));
        assert_eq!((unique.origin, unique.sql.as_deref()), (IndexOrigin::Unique, None));
    }

    #[test]
    fn foreign_keys_keep_their_order_their_actions_and_when_they_are_checked() {
        let schema = schema(
            "CREATE TABLE p (x, y, PRIMARY KEY (x, y));
             CREATE TABLE c (
                a REFERENCES p (x) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
                b REFERENCES \"no such\" ON UPDATE SET NULL,
                FOREIGN KEY (B, a) REFERENCES P ON DELETE RESTRICT);",
        );
        let [one, two, three] = schema.tables[0].foreign_keys.as_slice() else {
            panic!("three keys")
        };
        assert_eq!(
            (one.columns.as_slice(), one.parent_columns.as_slice()),
            (&[0][..], &["x".to_owned()][..])
        );
        assert_eq!((one.on_delete, one.deferral), (ForeignKeyAction::Cascade, Deferral::Deferred));
        assert_eq!((two.parent.as_str(), two.on_update), ("no such", ForeignKeyAction::SetNull));
        assert_eq!((two.deferral, two.parent_columns.len()), (Deferral::Immediate, 0));
        assert_eq!(
            (three.columns.as_slice(), three.on_delete),
            (&[1, 0][..], ForeignKeyAction::Restrict)
        );
    }

    #[test]
    fn checks_of_columns_and_of_the_table_keep_their_names() {
        let table =
            table("CREATE TABLE t (a CHECK (a > 0), b, CONSTRAINT \"b's\" CHECK (b <> 'it''s'))");
        let checks: Vec<_> =
            table.checks.iter().map(|c| (c.name.as_deref(), c.expression.as_str())).collect();
        assert_eq!(checks, [(None, "a > 0"), (Some("b's"), "b <> 'it''s'")]);
    }

    #[test]
    fn what_is_no_ordinary_table_is_left_behind_by_name() {
        let schema = schema(
            "CREATE TABLE b (a); CREATE TABLE \"A \"\" b\" (a);
             CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT);
             CREATE VIEW v AS SELECT 1;
             CREATE TRIGGER g AFTER INSERT ON b BEGIN SELECT 1; END;
             CREATE VIRTUAL TABLE f USING fts5 (x);
             CREATE TEMP TABLE b (shadow, \"of\", another);",
        );
        let names: Vec<_> = schema.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["A \" b", "b", "n"]);
        assert_eq!(schema.tables[1].columns.len(), 1);
        let left: Vec<_> = schema
            .left_behind
            .iter()
            .map(|(kind, name, _)| (kind.as_str(), name.as_str()))
            .collect();
        assert_eq!(left, [("trigger", "g"), ("view", "v"), ("virtual table", "f")]);
    }

    #[test]
    fn a_table_whose_text_cannot_be_parsed_still_moves_with_a_note() {
        let deep = format!("{}1{}", "(".repeat(150), ")".repeat(150));
        let table = table(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a AS (id), CHECK ({deep}));
             CREATE UNIQUE INDEX i ON t (a) WHERE {deep};
             CREATE INDEX k ON t (a);"
        ));
        assert_eq!((table.columns.len(), table.rowid_alias), (2, Some(0)));
        assert_eq!(table.columns[1].generated.as_deref(), Some(""));
        assert!(table.notes[0].contains("CREATE TABLE could not be parsed"), "{:?}", table.notes);
        assert!(table.notes[1].contains("its index i could not be parsed"), "{:?}", table.notes);
        assert_eq!(table.indexes.len(), 1);
    }

    #[test]
    fn a_table_whose_text_is_not_utf8_still_moves_with_a_note() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (a); CREATE VIEW v AS SELECT 1; PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET sql = CAST(CAST(sql AS BLOB) || x'2D2DFC' AS TEXT);",
            )
            .unwrap();
        let schema = introspect(&connection).unwrap();
        assert_eq!(schema.tables[0].notes.len(), 1);
        assert_eq!(schema.left_behind[0].2, "CREATE VIEW v AS SELECT 1--\u{fffd}");
    }
}
