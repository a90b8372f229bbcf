//! Holding a follower, and letting it go on: said in the ledger, so that it holds for every follower to come, and for
//! every other command that would apply what changed.

use super::Setting;
use crate::config::Pipeline;
use crate::error::{Class, Error, Result};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;

/// Makes sure that nobody has it paused.
///
/// # Errors
///
/// [`Class::Undecided`] where somebody has.
pub(super) fn check_goes_on(link: &mut Link<'_>, migration: i32) -> Result<()> {
    if !link.with(|session| ledger::is_paused(session, migration))? {
        return Ok(());
    }
    Err(Error::new(Class::Undecided, "following is paused")
        .todo("let it go on with `liteferry resume`"))
}

/// Pauses a migration that is followed, or lets it go on; false where it was so already.
///
/// # Errors
///
/// A migration that has not begun; what the server says.
pub fn pause(
    pipeline: &Pipeline,
    conninfo: &Conninfo,
    paused: bool,
    setting: Setting<'_>,
) -> Result<bool> {
    let mut link = Link::open(conninfo, setting.stop, setting.progress)?;
    let (name, schema) = (pipeline.name(), &pipeline.target.schema);
    let found = link.with(|session| {
        if ledger::exists(session)? { ledger::find(session, &name, schema) } else { Ok(None) }
    })?;
    let Some(migration) = found else {
        let what = format!("no migration `{name}` into the schema {schema} has begun");
        return Err(Error::new(Class::Undecided, what).todo("begin it with `liteferry run`"));
    };
    link.with(|session| ledger::set_paused(session, migration.id, paused))
}
