//! Both ends looked at before a run: what the source's rows say of its foreign keys, what the server lets us do, and
//! how much room it has. Nothing is changed at either end.

use super::Setting;
use super::inspect::Inspected;
use crate::error::{Class, Error, Result};
use crate::model::identifier::quoted;
use crate::pipeline::workers;
use crate::store::postgres::conninfo::{Conninfo, Host};
use crate::store::postgres::facts::Facts;
use crate::store::sqlite::references::{self, References};
use std::path::{Path, PathBuf};

/// What both ends are like.
#[derive(Debug)]
pub struct Checks {
    /// The source file.
    pub source: PathBuf,
    /// Its bytes.
    pub source_bytes: u64,
    /// What each table's foreign keys refer to, where something is to be said.
    pub references: Vec<(String, References)>,
    /// Where the target is, without password.
    pub server: String,
    /// What it says of itself.
    pub facts: Facts,
    /// The bytes that are free where its tables stand; none where that is another machine, or is not told.
    pub free_bytes: Option<u64>,
    /// What stands in the way of a run.
    pub problems: Vec<Error>,
}

/// Checks the source, and what the target has said of itself.
pub(super) fn check(
    inspected: &Inspected,
    conninfo: &Conninfo,
    facts: Facts,
    target_schema: &str,
    setting: Setting<'_>,
) -> Result<Checks> {
    let local = matches!(conninfo.host, Host::Unix(_));
    Ok(Checks {
        source: inspected.source.path().into(),
        source_bytes: inspected.stamp.bytes(),
        references: references(inspected, setting)?,
        server: conninfo.display(),
        free_bytes: facts.folder.as_deref().filter(|_| local).and_then(free_bytes),
        problems: problems(&facts, target_schema),
        facts,
    })
}

fn references(inspected: &Inspected, setting: Setting<'_>) -> Result<Vec<(String, References)>> {
    let tables = inspected.schema.tables.iter();
    let tables: Vec<_> = tables.filter(|table| !table.foreign_keys.is_empty()).collect();
    if inspected.must_read_briefly() {
        let why = "with a rollback journal that would keep the application from writing";
        let unchecked = References { unchecked: Some(why.into()), ..References::default() };
        return Ok(tables.iter().map(|table| (table.name.clone(), unchecked.clone())).collect());
    }
    let readers = inspected.readers(setting.workers.min(tables.len()))?;
    let checked = workers::over(&tables, readers, setting.stop, |reader, table| {
        match references::check(reader, table) {
            Err(error) if error.class() == Class::Data && inspected.source.accepts_corrupt() => {
                Ok(References { unchecked: Some(error.to_string()), ..References::default() })
            }
            // What SQLite calls interrupted was the user's wish.
            checked => setting.stop.check().and(checked),
        }
    })?;
    let named = tables.iter().map(|table| table.name.clone()).zip(checked);
    Ok(named.filter(|(_, found)| *found != References::default()).collect())
}

/// None where the folder is not on this machine after all, in a container's file system, say.
fn free_bytes(folder: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(folder).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

fn problems(facts: &Facts, schema: &str) -> Vec<Error> {
    let (user, database) = (quoted(&facts.user), quoted(&facts.database));
    let mut problems = Vec::new();
    if facts.read_only {
        problems.push(
            Error::new(Class::Server, "the server only reads: it is a standby, or set to")
                .todo("connect to the primary"),
        );
    }
    if facts.create_tables == Some(false) {
        let schema = quoted(schema);
        problems.push(
            Error::new(
                Class::Access,
                format!("{user} may not create tables in the schema {schema}"),
            )
            .todo(format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}")),
        );
    }
    let needs = match (facts.create_tables, facts.use_ledger) {
        (None, _) => Some(quoted(schema)),
        (_, None) => Some(quoted("liteferry")),
        _ => None,
    };
    if let Some(missing) = needs.filter(|_| !facts.create_schemas) {
        let what = format!("{user} may not create the schema {missing} in the database {database}");
        problems.push(
            Error::new(Class::Access, what)
                .todo(format!("GRANT CREATE ON DATABASE {database} TO {user}")),
        );
    }
    if facts.use_ledger == Some(false) {
        problems.push(
            Error::new(Class::Access, format!("{user} may not use the schema \"liteferry\""))
                .todo("connect as the role that ran liteferry here before"),
        );
    }
    problems
}
