//! An index that cannot hold a row which came since it was made: it is left out, as it would have been after the load.

use super::Live;
use crate::error::{Error, Result};
use crate::pipeline::Event;
use crate::plan::Step;
use crate::store::postgres::session::Session;
use crate::store::postgres::stage::Staging;
use crate::store::postgres::{define, ledger, refused};
use crate::store::sqlite::tail::Followed;

impl Live<'_> {
    /// Takes away what keeps staged rows out, after a merge that failed with `error` and in its transaction, where that is
    /// nothing but indexes that this migration made and that keep nothing unique. The ledger forgets that they are made:
    /// who makes the rest of them makes them again, otherwise or not at all.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub(super) fn leave_indexes_out(
        &self,
        table: Followed<'_>,
        staging: &Staging<'_>,
        session: &Session,
        error: &Error,
    ) -> Result<bool> {
        let names = refused::unindexable(staging, error)?;
        let planned = names.iter().map(|name| self.plan.index(&table.schema.target, name));
        let Some(steps) = planned.collect::<Option<Vec<_>>>() else { return Ok(false) };
        for (name, step) in names.iter().zip(&steps) {
            define::make(session, [self.plan.drop_index(name).as_str()])?;
            ledger::forget_steps(session, self.lease, &step.ledger_names())?;
            let told = left_out(table, step, error);
            self.setting.progress.tell(Event::Warning(told));
        }
        Ok(!steps.is_empty())
    }
}

fn left_out(table: Followed<'_>, step: &Step, error: &Error) -> String {
    format!(
        "table {}: {} is left out: a row came that it cannot hold: {}",
        table.schema.source,
        step.full_name(),
        refused::said(error)
    )
}
