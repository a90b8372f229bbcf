//! Taking out of the source what following it has put there.

use super::Setting;
use super::live::IDENTITY;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::store::postgres::autovacuum;
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::sqlite::capture::{Removed, remove};
use crate::store::sqlite::connection::Source;

/// Takes the changelog of this migration out of its source; without a target, whichever changelog is there. The ledger
/// says then that it was taken out, and the source cannot be followed any more.
///
/// # Errors
///
/// A source that cannot be written to; the changelog of another migration; what the server says.
pub fn uninstall(
    pipeline: &Pipeline,
    conninfo: Option<&Conninfo>,
    setting: Setting<'_>,
) -> Result<Removed> {
    let source = Source::open_moving(&pipeline.source.path, false, setting.stop)?;
    let Some(conninfo) = conninfo else { return remove(&source, None) };
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let (name, schema) = (pipeline.name(), &pipeline.target.schema);
    let found = link.with(|session| {
        let there = ledger::exists(session)?;
        let found = if there { ledger::find(session, &name, schema)? } else { None };
        let Some(migration) = found else { return Ok(None) };
        let identity = ledger::note_of(session, migration.id, IDENTITY)?;
        Ok(identity.map(|identity| (migration.id, identity)))
    })?;
    let Some((migration, identity)) = found else {
        let what = format!("no migration `{name}` into the schema {schema} follows its source");
        return Err(Error::new(Class::Undecided, what).todo(
            "name the pipeline file that it began with; or take out whichever changelog is there with --source-only",
        ));
    };
    // Whoever follows it now ends first.
    let lease = link.take(migration)?;
    let removed = remove(&source, Some(&identity))?;
    link.with(|session| autovacuum::give_back(session, lease))?;
    link.with(|session| ledger::set_phase(session, lease, PHASE))?;
    Ok(removed)
}

/// The phase of a migration whose source is not followed any more.
const PHASE: &str = "uninstalled";
