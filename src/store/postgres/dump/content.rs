//! What a database holds, for a comparison with what a dump of it becomes: the names of all relations, and of each table
//! the number and the sum of the hashes of its rows, whose order nobody knows.

use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::store::postgres::ledger::column;
use crate::store::postgres::session::Session;
use std::collections::{BTreeMap, BTreeSet};

/// Values look the same in every session with these, and a policy that hides rows is an error.
const PLAIN: &str = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = postgres; SET LOCAL timezone = 'UTC'; \
                     SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = hex; SET LOCAL xmlbinary = base64; \
                     SET LOCAL lc_monetary = 'C'; SET LOCAL row_security = off";

/// All that somebody made; what belongs to an extension comes with it.
const RELATIONS: &str = "
SELECT c.relkind::text, n.nspname::text, c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND NOT i.indisvalid)
ORDER BY 2, 3";

/// How many rows a table has, and the sum of their hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows {
    count: i64,
    sum: String,
}

/// What a database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Kind and quoted name of every relation.
    relations: BTreeSet<(String, String)>,
    /// By quoted name.
    tables: BTreeMap<String, Rows>,
    large_objects: i64,
}

/// Holds one state of a database to the end of the transaction, and gives the name by which others see it too.
///
/// # Errors
///
/// What the server says.
pub fn hold(session: &Session) -> Result<String> {
    session.batch("hold a state", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
    let rows = session.query("hold a state", "SELECT pg_export_snapshot()", &[])?;
    column(rows.first(), 0)
}

/// Something that is in a database already; none where it is empty.
///
/// # Errors
///
/// What the server says.
pub fn occupant(session: &Session) -> Result<Option<String>> {
    Ok(relations(session)?.into_iter().next().map(|(_, name)| name))
}

impl Content {
    /// Reads all of a database, in the transaction that is open.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn read(session: &Session) -> Result<Self> {
        session.batch("choose how values look", PLAIN)?;
        let relations = relations(session)?;
        let mut tables = BTreeMap::new();
        for (_, name) in relations.iter().filter(|(kind, _)| kind == "r") {
            let sql = format!(
                "SELECT count(*), coalesce(sum(hashtextextended((t.*)::text, 0)), 0)::text FROM ONLY {name} AS t"
            );
            let rows = session.query(&format!("read {name}"), &sql, &[])?;
            let row = rows.first();
            tables.insert(name.clone(), Rows { count: column(row, 0)?, sum: column(row, 1)? });
        }
        let count = "SELECT count(*) FROM pg_largeobject_metadata";
        let rows = session.query("count large objects", count, &[])?;
        Ok(Self { relations, tables, large_objects: column(rows.first(), 0)? })
    }

    /// Makes sure that what came back is what was there.
    ///
    /// # Errors
    ///
    /// [`Class::NotEqual`], which names the first thing that differs.
    pub fn check_same(&self, back: &Self) -> Result<()> {
        let differs = |what: String| {
            let what = format!("what was backed up does not come back: {what}");
            Err(Error::new(Class::NotEqual, what)
                .todo("nothing was put into the archive; back up again, and report it if it stays"))
        };
        if let Some((_, name)) = self.relations.symmetric_difference(&back.relations).next() {
            return differs(format!("{name} is in one of both only"));
        }
        let mut tables = self.tables.iter().zip(back.tables.values());
        if let Some(((name, was), is)) = tables.find(|((_, was), is)| was != is) {
            return differs(format!("{name} had {} rows, and has {}", was.count, is.count));
        }
        if self.large_objects != back.large_objects {
            let (was, is) = (self.large_objects, back.large_objects);
            return differs(format!("there were {was} large objects, and are {is}"));
        }
        Ok(())
    }
}

fn relations(session: &Session) -> Result<BTreeSet<(String, String)>> {
    let rows = session.query("list relations", RELATIONS, &[])?;
    rows.iter()
        .map(|row| {
            let (kind, schema, name) = (
                column(Some(row), 0)?,
                column::<String>(Some(row), 1)?,
                column::<String>(Some(row), 2)?,
            );
            Ok((kind, format!("{}.{}", quoted(&schema), quoted(&name))))
        })
        .collect()
}
